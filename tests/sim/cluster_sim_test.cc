// kv under everything that can happen to a cluster's machines and network, judged by what its clients saw.
#include <gtest/gtest.h>

#include <cstdio>
#include <utility>

#include "env/sim/gtest_seeds.h"
#include "tests/sim/cluster_node.h"
#include "tests/sim/cluster_run.h"
#include "tests/sim/kv_node.h"

namespace keelson::sim_test {
namespace {

using env::sim::Fault;
using env::sim::for_each_seed;
using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr uint64_t kLivesToJudge = 10;

// Sums over the lives of a test.
struct Lives {
  uint64_t lives = 0;
  uint64_t undecided = 0;
  ClusterRunResult all;
  void add(const ClusterRunResult& one) {
    EXPECT_EQ(one.violation, "");
    ++lives;
    undecided += one.is_undecided ? 1 : 0;
    all.answered += one.answered;
    all.unanswered += one.unanswered;
    all.refused += one.refused;
    all.applied += one.applied;
    all.states_compared += one.states_compared;
    all.elections += one.elections;
    all.downs += one.downs;
    all.events += one.events;
    all.recovered_ns = std::max(all.recovered_ns, one.recovered_ns);
  }
  ~Lives() {
    std::printf(
        "%llu lives: %llu answered, %llu not, %llu refused; %llu records applied, %llu states compared, %llu "
        "leaders, %llu downs, slowest recovery %lld ms, %llu events, %llu undecided\n",
        ull(lives), ull(all.answered), ull(all.unanswered), ull(all.refused), ull(all.applied),
        ull(all.states_compared), ull(all.elections), ull(all.downs),
        static_cast<long long>(all.recovered_ns / kMillisecond), ull(all.events), ull(undecided));
    if (lives < kLivesToJudge) return;
    EXPECT_GT(all.answered, 200 * lives) << "the clients got something done";
    EXPECT_LE(undecided * 5, lives) << "few histories are too hard to judge";
  }
  static unsigned long long ull(uint64_t value) { return value; }
};

// A cluster of one: no agreement, but the same clients, faults and judge.
class AloneProgram final : public ClusterProgram {
 public:
  AloneProgram(env::Env& env, KvNodeOptions options) : node_(env, std::move(options)) {}
  [[nodiscard]] bool is_serving() const override { return node_.is_serving(); }
  // A log that has failed takes nothing more: the supervisor starts the node anew.
  [[nodiscard]] const std::string& failure() const override {
    const std::string* log_failure = node_.is_serving() ? node_.runtime().local_log()->failure() : nullptr;
    return log_failure != nullptr ? *log_failure : node_.failure();
  }

 private:
  mutable KvNode node_;  // it hands out its runtime to whoever may change it alone
};

ClusterRunOptions alone(uint64_t seed) {
  ClusterRunOptions options;
  options.nodes = 1;
  options.reactors = 1 + static_cast<unsigned>(seed % 2);
  options.boot = [](env::Env& env, unsigned, ClusterWitness&) {
    KvNodeOptions node;
    node.log.durability = log::Durability::kAlways;
    node.log.segment_bytes = 64 << 10;
    node.checkpoint.log_bytes_min = 96 << 10;
    return std::make_unique<AloneProgram>(env, node);
  };
  options.duration_ns = 4 * kSecond;
  options.load.think_ns_max = 10 * kMillisecond;
  options.world.machine.scatter_clocks = true;
  return options;
}

TEST(ClusterOfOne, IsLinearizable) {
  Lives lives;
  for_each_seed(1, 60, [&](uint64_t seed) { lives.add(run_cluster(seed, alone(seed))); });
}

TEST(ClusterOfOne, SameSeedSameLife) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    EXPECT_EQ(run_cluster(seed, alone(seed)).trace_hash, run_cluster(seed, alone(seed)).trace_hash);
  }
}

TEST(ClusterOfOneFinds, SkippedSync) {
  bool is_found = false;
  for (uint64_t seed = 1; seed <= 60 && !is_found; ++seed) {
    ClusterRunOptions options = alone(seed);
    options.boot = [](env::Env& env, unsigned, ClusterWitness&) {
      KvNodeOptions node;
      node.log.durability = log::Durability::kAlways;
      node.log.faults.skip_sync = true;
      return std::make_unique<AloneProgram>(env, node);
    };
    options.draw_nemesis = false;
    options.nemesis.weight(Fault::kCrash) = 1;
    is_found = !run_cluster(seed, options).violation.empty();
  }
  EXPECT_TRUE(is_found);
}

// Three or five nodes, small segments, frequent checkpoints, few entries kept: a life sees elections and checkpoints
// that travel.
ClusterNodeOptions usual_node(unsigned index, unsigned nodes) {
  ClusterNodeOptions node;
  node.index = index;
  node.peers = peer_addresses(nodes);
  node.log.segment_bytes = 64 << 10;
  node.checkpoint.log_bytes_min = 96 << 10;
  node.member.kept_entries_max = 40;
  return node;
}

ClusterRunOptions cluster(uint64_t seed, raft::MemberFaults faults = {}) {
  ClusterRunOptions options;
  options.nodes = seed % 5 == 0 ? 5 : 3;
  options.reactors = 1 + static_cast<unsigned>(seed % 2);
  options.boot = [nodes = options.nodes, faults](env::Env& env, unsigned index, ClusterWitness& witness) {
    ClusterNodeOptions node = usual_node(index, nodes);
    node.witness = &witness;
    node.member.faults = faults;
    return std::make_unique<ClusterNode>(env, std::move(node));
  };
  options.world.machine.scatter_clocks = true;
  options.world.network.short_transfer_probability = 0.01;
  options.stir_every_ns = 4 * kSecond;
  return options;
}

TEST(Cluster, KeepsItsPromises) {
  Lives lives;
  for_each_seed(1, 100, [&](uint64_t seed) { lives.add(run_cluster(seed, cluster(seed))); });
}

TEST(Cluster, SameSeedSameLife) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    EXPECT_EQ(run_cluster(seed, cluster(seed)).trace_hash, run_cluster(seed, cluster(seed)).trace_hash);
  }
}

// The test of the test: each planted defect is found, by faults that it shows under.
uint64_t seed_that_finds(raft::MemberFaults faults, std::initializer_list<Fault> strikes) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    ClusterRunOptions options = cluster(seed, faults);
    options.draw_nemesis = false;
    for (const Fault fault : strikes) options.nemesis.weight(fault) = 1;
    options.nemesis.pause_ns_max = kSecond;
    options.nemesis.down_max = options.nodes;
    options.stir_every_ns = kSecond;
    const ClusterRunResult result = run_cluster(seed, options);
    if (result.violation.empty()) continue;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), result.violation.substr(0, 900).c_str());
    return seed;
  }
  return 0;
}

TEST(ClusterFinds, AnswersBeforeTheSync) {
  EXPECT_GT(seed_that_finds({.answers_before_sync = true}, {Fault::kCrash, Fault::kCrashAll, Fault::kSlowDisk}), 0U);
}
TEST(ClusterFinds, QuorumOfOne) {
  EXPECT_GT(seed_that_finds({.quorum_of_one = true}, {Fault::kIsolate, Fault::kSplit}), 0U);
}
TEST(ClusterFinds, ReadsWithoutARound) {
  EXPECT_GT(seed_that_finds({.reads_without_round = true}, {Fault::kIsolate, Fault::kSplit, Fault::kSlowLink}), 0U);
}
TEST(ClusterFinds, RefusalsThatComeTooEarly) {
  EXPECT_GT(seed_that_finds({.refuses_too_early = true}, {Fault::kSwizzle, Fault::kLossyLinks, Fault::kSlowLink}), 0U);
}
TEST(ClusterFinds, ProposalsTakenTwice) {
  EXPECT_GT(seed_that_finds({.takes_forwarded_twice = true}, {Fault::kSwizzle, Fault::kLossyLinks, Fault::kBreak}), 0U);
}

}  // namespace
}  // namespace keelson::sim_test
