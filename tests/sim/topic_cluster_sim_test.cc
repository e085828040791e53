// Topics on clusters of three and five nodes over Kafka's protocol, under everything that can happen to machines, disks
// and network. And the test of that test: each planted defect must be found.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/logging.h"
#include "env/sim/gtest_seeds.h"
#include "tests/sim/topic_cluster_run.h"

namespace keelson::sim_test {
namespace {

using env::sim::Fault;
using env::sim::for_each_seed;
using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr uint64_t kSeeds = 72;  // of each of seven kinds of life: 504
constexpr uint64_t kSeedsToFindABug = 120;
constexpr uint64_t kLivesToJudge = 10;

// Lines about what is done to it on purpose would fill the test's output.
[[maybe_unused]] const bool is_quiet = [] {
  set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
  return true;
}();

// Small segments of the log and of partitions, frequent checkpoints, few entries kept: a short life sees elections, and
// checkpoints that travel.
TopicClusterRunOptions usual(uint64_t seed) {
  TopicClusterRunOptions options;
  options.nodes = seed % 5 == 0 ? 5 : 3;
  options.reactors = 1 + static_cast<unsigned>(seed % 2);
  options.node.member.kept_entries_max = 40;
  TopicNodeOptions& node = options.node.node;
  node.log.segment_bytes = 64 << 10;
  node.checkpoint.log_bytes_min = 64 << 10;
  node.engine.cache_bytes = seed % 2 == 0 ? 4 << 10 : 64 << 10;
  node.engine.partition_settle_bytes = 2 << 10;
  node.engine.settle_bytes = 8 << 10;
  node.topics.retention_check_ms = 100;
  node.groups.initial_rebalance_delay_ms = 20;
  node.groups.session_timeout_ms_min = 100;
  options.topic_configs = {{"segment.bytes", "16384"}};
  // Less than a node waits for others: what was given up by its client may yet be done. More than a rebalance takes.
  if (seed % 3 == 0) options.answer_within_ns = 3 * kSecond;
  options.world.machine.scatter_clocks = true;
  options.world.network.short_transfer_probability = 0.01;
  return options;
}

class Lives {
 public:
  explicit Lives(bool has_group = true) : has_group_(has_group) {}
  ~Lives() {
    std::printf(
        "%llu lives: %llu of %llu messages acknowledged, %llu in transactions, %llu commits, %llu topics made, %llu "
        "trims, %llu offsets without a record, %llu downs, %llu leaders, the slowest end after %lld ms, %llu events\n",
        ull(lives_), ull(all_.acknowledged), ull(all_.sent), ull(all_.transacted), ull(all_.consumed),
        ull(all_.administered), ull(all_.trims), ull(all_.gone), ull(all_.downs), ull(all_.elections),
        static_cast<long long>(all_.recovered_ns / kMillisecond), ull(all_.events));
    if (lives_ < kLivesToJudge) return;
    EXPECT_GT(all_.acknowledged, 50 * lives_) << "the writers got something done";
    EXPECT_GT(all_.elections, 3 * lives_);
    if (!has_group_) return;
    EXPECT_GT(all_.transacted, 5 * lives_);
    EXPECT_GT(all_.consumed, 5 * lives_);
  }
  void expect_kept(uint64_t seed, const TopicClusterRunOptions& options) {
    const TopicClusterRunResult one = run_topic_cluster(seed, options);
    EXPECT_EQ(one.violation, "");
    ++lives_;
    all_.sent += one.sent;
    all_.acknowledged += one.acknowledged;
    all_.consumed += one.consumed;
    all_.transacted += one.transacted;
    all_.administered += one.administered;
    all_.trims += one.trims;
    all_.gone += one.gone;
    all_.downs += one.downs;
    all_.elections += one.elections;
    all_.events += one.events;
    all_.recovered_ns = std::max(all_.recovered_ns, one.recovered_ns);
  }
  [[nodiscard]] bool is_enough() const { return lives_ >= kLivesToJudge; }
  [[nodiscard]] const TopicClusterRunResult& all() const { return all_; }

 private:
  static unsigned long long ull(uint64_t value) { return value; }
  const bool has_group_;
  uint64_t lives_ = 0;
  TopicClusterRunResult all_;
};

TEST(TopicCluster, KeepsItsPromises) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) { lives.expect_kept(seed, usual(seed)); });
}

// Somebody is away for so long that the others have trimmed their logs: it gets a checkpoint, and segments with it.
void keep_away(TopicClusterRunOptions& options) {
  options.draw_nemesis = false;
  for (const Fault fault : {Fault::kCrash, Fault::kKill, Fault::kIsolate}) options.nemesis.weight(fault) = 1;
  options.nemesis.pause_ns_max = kSecond;
  options.nemesis.lasts_ns_max = 5 * kSecond;
  options.node.member.kept_entries_max = 10;
  options.node.node.checkpoint.log_bytes_min = 24 << 10;
  options.node.node.log.segment_bytes = 16 << 10;
}

TEST(TopicCluster, WhoWasAwayGetsTheSegments) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicClusterRunOptions options = usual(seed);
    keep_away(options);
    lives.expect_kept(seed, options);
  });
}

TEST(TopicCluster, TrimmedLogsStayTrimmed) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicClusterRunOptions options = usual(seed);
    options.is_trimmed = true;
    options.topic_configs = {{"segment.bytes", "4096"}};
    if (seed % 2 == 0) options.topic_configs.emplace_back("retention.bytes", "12000");
    lives.expect_kept(seed, options);
  });
  if (lives.is_enough()) EXPECT_GT(lives.all().trims, 0U);
}

TEST(TopicCluster, CompactionKeepsTheLastOfEachKey) {
  Lives lives(false);
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicClusterRunOptions options = usual(seed);
    options.is_compacted = true;
    options.writers = 3;
    options.topic_configs = {{"cleanup.policy", "compact"},
                             {"segment.bytes", "4096"},
                             {"min.cleanable.dirty.ratio", "0.1"},
                             {"delete.retention.ms", seed % 2 == 0 ? "100" : "1000000"}};
    options.node.node.checkpoint.log_bytes_min = 16 << 10;
    options.node.node.log.segment_bytes = 16 << 10;
    lives.expect_kept(seed, options);
  });
  if (lives.is_enough()) EXPECT_GT(lives.all().gone, 0U) << "records were compacted away";
}

TEST(TopicCluster, DisksFailAndFill) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicClusterRunOptions options = usual(seed);
    options.draw_nemesis = false;
    for (const Fault fault : {Fault::kFullDisk, Fault::kFailedSync, Fault::kSlowDisk, Fault::kCrash}) {
      options.nemesis.weight(fault) = 1;
    }
    options.nemesis.pause_ns_max = kSecond;
    options.nemesis.lasts_ns_max = 2 * kSecond;
    lives.expect_kept(seed, options);
  });
}

// Nothing but transactions, whose coordinators are cut off in their midst; producers go to the next one soon.
void isolate_coordinators(TopicClusterRunOptions& options) {
  options.is_transactional = true;
  options.writers = 5;
  options.partitions = 2;
  options.admins = options.readers = 0;
  options.pause_ns_max = 5 * kMillisecond;
  options.answer_within_ns = 300 * kMillisecond;
  options.draw_nemesis = false;
  options.nemesis.weight(Fault::kIsolate) = 1;
  options.nemesis.pause_ns_max = kSecond;
  options.nemesis.lasts_ns_max = 3 * kSecond;
}

TEST(TopicCluster, TransactionsOutliveTheirCoordinators) {
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicClusterRunOptions options = usual(seed);
    isolate_coordinators(options);
    const TopicClusterRunResult one = run_topic_cluster(seed, options);
    EXPECT_EQ(one.violation, "");
    EXPECT_GT(one.transacted, 0U);
  });
}

// A slow clock makes a leader that is cut off believe in itself for longer; readers go to and fro between it and the
// next one, and writers find that one soon.
void mislead_readers(TopicClusterRunOptions& options) {
  options.is_plain = true;
  options.admins = 0;
  options.readers = options.writers = 8;
  options.pause_ns_max = 10 * kMillisecond;
  options.answer_within_ns = 150 * kMillisecond;
  options.world.network.break_probability = 0.01;
  options.draw_nemesis = false;
  options.nemesis.weight(Fault::kIsolate) = 1;
  options.nemesis.weight(Fault::kDrift) = 1;
  options.nemesis.drift_ppm_max = 500'000;
  options.nemesis.pause_ns_max = kSecond / 2;
  options.nemesis.lasts_ns_max = 6 * kSecond;
}

TEST(TopicCluster, ReadersAreNotMisled) {
  Lives lives(false);
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicClusterRunOptions options = usual(seed);
    mislead_readers(options);
    lives.expect_kept(seed, options);
  });
}

TEST(TopicCluster, SameSeedSameLife) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    EXPECT_EQ(run_topic_cluster(seed, usual(seed)).trace_hash, run_topic_cluster(seed, usual(seed)).trace_hash);
  }
}

// A planted defect must be met by some seed, and be seen for what it is: one of `as`.
void expect_found(const std::vector<std::string>& as, const std::function<void(TopicClusterRunOptions&)>& plant) {
  for (uint64_t seed = 1; seed <= kSeedsToFindABug; ++seed) {
    TopicClusterRunOptions options = usual(seed);
    options.draw_nemesis = false;
    options.nemesis.pause_ns_max = kSecond;
    options.stir_every_ns = kSecond;
    plant(options);
    const std::string violation = run_topic_cluster(seed, options).violation;
    if (violation.empty()) continue;
    EXPECT_TRUE(std::ranges::any_of(as, [&](const std::string& one) { return violation.contains(one); }))
        << "seed " << seed << ": " << violation;
    std::printf("found by seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.substr(0, 200).c_str());
    return;
  }
  ADD_FAILURE() << "a planted defect was not found";
}

TEST(TopicClusterFinds, AnswersBeforeTheSync) {
  expect_found({"was acknowledged"}, [](TopicClusterRunOptions& options) {
    options.node.member.faults.answers_before_sync = true;
    options.is_plain = true;
    options.admins = options.readers = 0;
    options.nemesis.down_max = options.nodes;
    for (const Fault fault : {Fault::kCrash, Fault::kCrashAll, Fault::kSlowDisk}) options.nemesis.weight(fault) = 1;
  });
}

TEST(TopicClusterFinds, QuorumOfOne) {
  expect_found({"was acknowledged", "went back", "has other", "it has ", "has two leaders"},
               [](TopicClusterRunOptions& options) {
                 options.node.member.faults.quorum_of_one = true;
                 options.is_plain = true;
                 options.admins = options.readers = 0;
                 for (const Fault fault : {Fault::kIsolate, Fault::kSplit}) options.nemesis.weight(fault) = 1;
               });
}

TEST(TopicClusterFinds, StaleReadsThatAreTrusted) {
  expect_found({"is out of range"}, [](TopicClusterRunOptions& options) {
    options.node.node.kafka.faults.trusts_stale_reads = true;
    mislead_readers(options);
  });
}

TEST(TopicClusterFinds, SegmentsThatAreLeftBehind) {
  expect_found({".log"}, [](TopicClusterRunOptions& options) {
    keep_away(options);
    options.node.node.engine.faults.leaves_segments_behind = true;
  });
}

}  // namespace
}  // namespace keelson::sim_test
