// Slots that move between shards while clients write, under everything that can happen to machines and network.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <initializer_list>

#include "base/logging.h"
#include "env/sim/gtest_seeds.h"
#include "tests/sim/slots_run.h"

namespace keelson::sim_test {
namespace {

using env::sim::Fault;
using env::sim::for_each_seed;
using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr uint64_t kLivesToJudge = 10;

struct Lives {
  uint64_t lives = 0;
  uint64_t undecided = 0;
  SlotsRunResult all;
  void add(const SlotsRunResult& one) {
    EXPECT_EQ(one.violation, "");
    ++lives;
    undecided += one.is_undecided ? 1 : 0;
    all.answered += one.answered;
    all.unanswered += one.unanswered;
    all.refused += one.refused;
    all.moved_answers += one.moved_answers;
    all.popped += one.popped;
    all.begun += one.begun;
    all.moved += one.moved;
    all.freezes += one.freezes;
    all.thaws += one.thaws;
    all.applied += one.applied;
    all.states_compared += one.states_compared;
    all.elections += one.elections;
    all.downs += one.downs;
    all.events += one.events;
    all.longest_ns = std::max(all.longest_ns, one.longest_ns);
    all.formed_ns = std::max(all.formed_ns, one.formed_ns);
    all.recovered_ns = std::max(all.recovered_ns, one.recovered_ns);
  }
  ~Lives() {
    std::printf(
        "%llu lives: %llu answered, %llu not, %llu refused (%llu MOVED), the longest after %lld ms, %llu popped; %llu "
        "moves begun, "
        "%llu ranges moved, %llu freezes, %llu thaws; %llu records applied, %llu states compared, %llu leaders, %llu "
        "downs; formed within %lld ms, the last move over %lld ms after the faults at most; %llu events, %llu "
        "undecided\n",
        ull(lives), ull(all.answered), ull(all.unanswered), ull(all.refused), ull(all.moved_answers),
        ms(all.longest_ns), ull(all.popped), ull(all.begun), ull(all.moved), ull(all.freezes), ull(all.thaws),
        ull(all.applied), ull(all.states_compared), ull(all.elections), ull(all.downs), ms(all.formed_ns),
        ms(all.recovered_ns), ull(all.events), ull(undecided));
    if (lives < kLivesToJudge) return;
    EXPECT_GT(all.answered, 100 * lives) << "the clients got something done";
    EXPECT_GT(all.moved, 2 * lives) << "slots have moved";
    EXPECT_LE(undecided * 5, lives) << "few histories are too hard to judge";
  }
  static unsigned long long ull(uint64_t value) { return value; }
  static long long ms(int64_t ns) { return ns / kMillisecond; }
};

// Small segments, frequent checkpoints, few entries kept: replicas get checkpoints, with their tables of slots.
SlotsRunOptions usual(uint64_t seed) {
  set_log_level(LogLevel::kError);  // every fault leaves lines
  SlotsRunOptions options;
  options.nodes = seed % 8 == 0 ? 4 : 3;
  options.reactors = 1 + static_cast<unsigned>(seed % 2);
  options.node.log.segment_bytes = 64 << 10;
  options.node.checkpoint.log_bytes_min = 96 << 10;
  options.node.member.kept_entries_max = 40;
  if (seed % 4 == 1) options.load.flushes_in_10000 = 30;
  if (seed % 10 == 7) {
    // What a slot holds takes several records to copy.
    options.load.value_bytes = 120'000;
    options.load.think_ns_max = 60 * kMillisecond;
    options.node.log.segment_bytes = 1 << 20;
    options.node.checkpoint.log_bytes_min = 2 << 20;
    options.node.state_every = 128;
  }
  options.world.machine.scatter_clocks = true;
  options.world.network.short_transfer_probability = 0.01;
  return options;
}

TEST(Slots, MoveUnderFaults) {
  Lives lives;
  for_each_seed(1, 30, [&](uint64_t seed) { lives.add(run_slots(seed, usual(seed))); });
}

TEST(Slots, SameSeedSameLife) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    EXPECT_EQ(run_slots(seed, usual(seed)).trace_hash, run_slots(seed, usual(seed)).trace_hash);
  }
}

// Nothing fails: no client waits for long, whatever moves.
TEST(Slots, MoveWithoutAStall) {
  Lives lives;
  for_each_seed(1, 10, [&](uint64_t seed) {
    SlotsRunOptions options = usual(seed);
    options.draw_nemesis = false;
    options.stir_every_ns = 0;
    options.move_every_ns = 100 * kMillisecond;
    options.rest_first_ns = 3 * kSecond;
    options.duration_ns = kSecond;
    options.node.member.kept_entries_max = 10'000;  // no replica falls so far behind that it cannot tell an outcome
    const SlotsRunResult result = run_slots(seed, options);
    EXPECT_LT(result.longest_ns, kSecond);
    EXPECT_EQ(result.unanswered, 0U);
    lives.add(result);
  });
}

// The test of the test: each planted defect is found.
bool is_found(cluster::SlotMoverFaults faults, std::initializer_list<Fault> strikes) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SlotsRunOptions options = usual(seed);
    options.node.mover.faults = faults;
    options.draw_nemesis = false;
    for (const Fault fault : strikes) options.nemesis.weight(fault) = 1;
    const SlotsRunResult result = run_slots(seed, options);
    if (result.violation.empty()) continue;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), result.violation.substr(0, 600).c_str());
    return true;
  }
  return false;
}

TEST(SlotsFind, TwoOwners) { EXPECT_TRUE(is_found({.owns_before_gone = true}, {})); }
TEST(SlotsFind, WritesThatAreLeftBehind) { EXPECT_TRUE(is_found({.flips_before_drain = true}, {})); }

}  // namespace
}  // namespace keelson::sim_test
