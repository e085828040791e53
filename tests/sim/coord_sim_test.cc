// Coordination under everything that can happen to machines and network: revisions, transactions, leases, watches.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "env/sim/gtest_seeds.h"
#include "tests/sim/coord_run.h"

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
  CoordRunResult all;
  void add(const CoordRunResult& one) {
    EXPECT_EQ(one.violation, "");
    ++lives;
    undecided += one.is_undecided ? 1 : 0;
    all.sums.answered += one.sums.answered;
    all.sums.unanswered += one.sums.unanswered;
    all.sums.events += one.sums.events;
    all.sums.events_watched += one.sums.events_watched;
    all.sums.leases += one.sums.leases;
    all.sums.leased += one.sums.leased;
    all.states_compared += one.states_compared;
    all.elections += one.elections;
    all.downs += one.downs;
    all.compactions_to += one.compactions_to > 0 ? 1 : 0;
    all.recovered_ns = std::max(all.recovered_ns, one.recovered_ns);
  }
  ~Lives() {
    std::printf(
        "%llu lives: %llu answered, %llu not; %llu events, %llu of them watched; %llu leases, %llu puts under "
        "one, %llu lives with compactions, %llu states compared, %llu leaders, %llu downs, slowest recovery %lld ms, "
        "%llu undecided\n",
        ull(lives), ull(all.sums.answered), ull(all.sums.unanswered), ull(all.sums.events),
        ull(all.sums.events_watched), ull(all.sums.leases), ull(all.sums.leased), ull(all.compactions_to),
        ull(all.states_compared), ull(all.elections), ull(all.downs),
        static_cast<long long>(all.recovered_ns / kMillisecond), ull(undecided));
    if (lives < kLivesToJudge) return;
    EXPECT_GT(all.sums.answered, 100 * lives) << "the clients got something done";
    EXPECT_GT(all.sums.events_watched, all.sums.events);
    EXPECT_GT(all.sums.leased, lives) << "leases have keys to take with them";
    EXPECT_GT(all.compactions_to, lives / 2);
    EXPECT_LE(undecided * 3, lives) << "few histories are too hard to judge";
  }
  static unsigned long long ull(uint64_t value) { return value; }
};

CoordRunOptions usual(uint64_t seed, unsigned nodes) {
  CoordRunOptions options;
  options.nodes = nodes;
  options.reactors = 1 + static_cast<unsigned>(seed % 2);
  options.node.log.segment_bytes = 64 << 10;
  options.node.checkpoint.log_bytes_min = 96 << 10;
  options.node.member.kept_entries_max = 40;
  options.world.machine.scatter_clocks = true;
  return options;
}

TEST(CoordAlone, KeepsItsPromises) {
  Lives lives;
  for_each_seed(1, 60, [&](uint64_t seed) { lives.add(run_coord(seed, usual(seed, 1))); });
}

TEST(CoordAlone, SameSeedSameLife) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    EXPECT_EQ(run_coord(seed, usual(seed, 1)).trace_hash, run_coord(seed, usual(seed, 1)).trace_hash);
  }
}

TEST(CoordCluster, KeepsItsPromises) {
  Lives lives;
  for_each_seed(1, 60, [&](uint64_t seed) { lives.add(run_coord(seed, usual(seed, seed % 5 == 0 ? 5 : 3))); });
}

TEST(CoordCluster, SameSeedSameLife) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    EXPECT_EQ(run_coord(seed, usual(seed, 3)).trace_hash, run_coord(seed, usual(seed, 3)).trace_hash);
  }
}

bool is_found(unsigned nodes, raft::MemberFaults faults, bool skip_sync, std::initializer_list<Fault> strikes) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CoordRunOptions options = usual(seed, nodes);
    options.node.member.faults = faults;
    options.node.log.faults.skip_sync = skip_sync;
    options.draw_nemesis = false;
    for (const Fault fault : strikes) options.nemesis.weight(fault) = 1;
    options.nemesis.pause_ns_max = kSecond;
    options.nemesis.down_max = nodes;
    const CoordRunResult result = run_coord(seed, options);
    if (result.violation.empty()) continue;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), result.violation.substr(0, 600).c_str());
    return true;
  }
  return false;
}

TEST(CoordFinds, SkippedSync) { EXPECT_TRUE(is_found(1, {}, true, {Fault::kCrash})); }
TEST(CoordFinds, ReadsWithoutARound) {
  EXPECT_TRUE(is_found(3, {.reads_without_round = true}, false, {Fault::kIsolate, Fault::kSplit, Fault::kSlowLink}));
}
TEST(CoordFinds, QuorumOfOne) {
  EXPECT_TRUE(is_found(3, {.quorum_of_one = true}, false, {Fault::kIsolate, Fault::kSplit}));
}

}  // namespace
}  // namespace keelson::sim_test
