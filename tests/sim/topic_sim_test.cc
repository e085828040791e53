// Topics over Kafka's protocol under crashes, cut connections, lost and torn writes, full disks and failing syncs. And
// the test of that test: each planted defect must be found.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "base/logging.h"
#include "env/sim/gtest_seeds.h"
#include "tests/sim/topic_run.h"

namespace keelson::sim_test {
namespace {

using env::sim::for_each_seed;
using env::sim::kMillisecond;

constexpr uint64_t kSeeds = 100;  // of each of five kinds of life: 500
constexpr uint64_t kSeedsToFindABug = 100;
constexpr uint64_t kLivesToJudge = 10;

// Lines about what is done to it on purpose would fill the test's output.
[[maybe_unused]] const bool is_quiet = [] {
  set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
  return true;
}();

// Small segments of the log and of partitions, and little memory, so that a short life sees much of them.
TopicRunOptions usual(uint64_t seed) {
  TopicRunOptions options;
  options.reactors = 1 + static_cast<unsigned>(seed % 3);
  options.node.log.segment_bytes = 64 << 10;
  options.node.checkpoint.log_bytes_min = 64 << 10;
  options.node.engine.cache_bytes = seed % 2 == 0 ? 4 << 10 : 64 << 10;
  options.node.topics.retention_check_ms = 30;
  options.node.groups.initial_rebalance_delay_ms = 20;
  options.node.groups.session_timeout_ms_min = 100;
  options.topic_configs = {{"segment.bytes", "16384"}};
  options.world.disk.slow_sync_probability = 0.02;
  options.world.disk.slow_sync_ns_max = 20 * kMillisecond;
  options.world.machine.split_turn_probability = 0.1;
  options.world.network.break_probability = 0.002;
  options.world.network.short_transfer_probability = 0.05;
  options.world.network.slow_probability = 0.01;
  options.world.network.slow_ns_max = 20 * kMillisecond;
  options.break_every_ns = 150 * kMillisecond;
  return options;
}

// Segments roll early, checkpoints come often, and little is kept in memory: what is read lies in segments.
void read_from_segments(TopicRunOptions& options) {
  options.node.engine.partition_settle_bytes = 1 << 10;
  options.node.engine.settle_bytes = 2 << 10;
  options.node.checkpoint.log_bytes_min = 8 << 10;
  options.node.log.segment_bytes = 16 << 10;
}

class Lives {
 public:
  explicit Lives(bool has_group = true) : has_group_(has_group) {}
  ~Lives() {
    std::cout << lives_ << " lives: " << acknowledged_ << " of " << sent_ << " messages acknowledged, " << transacted_
              << " in transactions, " << consumed_ << " commits, " << trims_ << " trims, " << gone_
              << " offsets without a record, " << crashes_ << " crashes\n";
    if (lives_ < kLivesToJudge) return;
    EXPECT_GT(acknowledged_, 20 * lives_) << "the writers got something done";
    if (!has_group_) return;
    EXPECT_GT(transacted_, lives_);
    EXPECT_GT(consumed_, lives_);
  }
  TopicRunResult expect_kept(uint64_t seed, const TopicRunOptions& options) {
    TopicRunResult result = run_topic(seed, options);
    EXPECT_EQ(result.violation, "");
    EXPECT_EQ(result.not_served, "");
    ++lives_;
    sent_ += result.sent;
    acknowledged_ += result.acknowledged;
    consumed_ += result.consumed;
    transacted_ += result.transacted;
    trims_ += result.trims;
    gone_ += result.gone;
    crashes_ += result.crashes;
    return result;
  }
  [[nodiscard]] uint64_t lives() const { return lives_; }
  [[nodiscard]] uint64_t trims() const { return trims_; }
  [[nodiscard]] uint64_t gone() const { return gone_; }

 private:
  const bool has_group_;
  uint64_t lives_ = 0, sent_ = 0, acknowledged_ = 0, consumed_ = 0, transacted_ = 0, trims_ = 0, gone_ = 0,
           crashes_ = 0;
};

TEST(TopicSim, NothingAcknowledgedIsLostInCrashes) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) { lives.expect_kept(seed, usual(seed)); });
}

TEST(TopicSim, TrimmedLogsStayTrimmed) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicRunOptions options = usual(seed);
    options.is_trimmed = true;
    lives.expect_kept(seed, options);
  });
  if (lives.lives() >= kLivesToJudge) EXPECT_GT(lives.trims(), 0U);
}

TEST(TopicSim, CompactionKeepsTheLastOfEachKey) {
  Lives lives(false);
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicRunOptions options = usual(seed);
    options.is_compacted = true;
    options.duration_ns = 1200 * kMillisecond;
    read_from_segments(options);
    options.topic_configs = {{"cleanup.policy", "compact"},
                             {"segment.bytes", "4096"},
                             {"min.cleanable.dirty.ratio", "0.1"},
                             {"delete.retention.ms", seed % 2 == 0 ? "100" : "1000000"}};
    lives.expect_kept(seed, options);
  });
  if (lives.lives() >= kLivesToJudge) EXPECT_GT(lives.gone(), lives.lives()) << "records were compacted away";
}

TEST(TopicSim, FullDiskRefusesWritesAndPasses) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicRunOptions options = usual(seed);
    options.full_every_ns = 200 * kMillisecond;
    options.world.disk.full_probability = 0.01;
    options.world.disk.full_ns_max = 50 * kMillisecond;
    options.allowed.storage_errors = true;
    lives.expect_kept(seed, options);
  });
}

TEST(TopicSim, FailedSyncsAndWritesLoseNothing) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    TopicRunOptions options = usual(seed);
    options.world.disk.sync_error_probability = 0.002;
    options.world.disk.write_error_probability = 0.0005;
    options.world.disk.name_error_probability = 0.002;
    options.allowed.storage_errors = true;
    lives.expect_kept(seed, options);
  });
}

TEST(TopicSim, TheSameSeedGivesTheSameLife) {
  const TopicRunResult first = run_topic(5, usual(5));
  const TopicRunResult second = run_topic(5, usual(5));
  EXPECT_EQ(first.trace_hash, second.trace_hash);
  EXPECT_EQ(first.acknowledged, second.acknowledged);
}

// A planted defect must be met by some seed, and be seen for what it is: one of `as`.
void expect_found(const std::vector<std::string>& as, const std::function<void(TopicRunOptions&)>& plant) {
  for (uint64_t seed = 1; seed <= kSeedsToFindABug; ++seed) {
    TopicRunOptions options = usual(seed);
    plant(options);
    const std::string violation = run_topic(seed, options).violation;
    if (violation.empty()) continue;
    EXPECT_TRUE(std::ranges::any_of(as, [&](const std::string& one) { return violation.contains(one); }))
        << "seed " << seed << ": " << violation;
    std::cout << "found by seed " << seed << ": " << violation.substr(0, 120) << "\n";
    return;
  }
  ADD_FAILURE() << "a planted defect was not found";
}

TEST(TopicSim, FindsAnAcknowledgementBeforeTheLogIsSynced) {
  // The topic stays, and nobody has a state that the crash takes back: what is seen is the loss.
  const auto crash_plain_writers = [](TopicRunOptions& options) {
    options.kill_probability = 0;
    options.is_topic_durable = true;
    options.is_plain = true;
    options.readers = 0;
  };
  expect_found({"was acknowledged and is lost", "was acknowledged, and"}, [&](TopicRunOptions& options) {
    crash_plain_writers(options);
    options.node.durability = log::Durability::kNever;
  });
  TopicRunOptions synced = usual(1);
  crash_plain_writers(synced);
  EXPECT_EQ(run_topic(1, synced).violation, "");
}
TEST(TopicSim, FindsSegmentsThatAreNotSynced) {
  // The node notices that its files are not what the checkpoint says, and says so to a reader or in the end.
  expect_found({"a fetch is answered with error 56", "the end cannot be read"}, [](TopicRunOptions& options) {
    read_from_segments(options);
    options.node.engine.faults.skip_segment_sync = true;
    options.kill_probability = 0;
    options.duration_ns = 1200 * kMillisecond;
    options.members = 0;
  });
}
TEST(TopicSim, FindsABatchThatIsTakenTwice) {
  // Doubled, or behind what was sent later.
  expect_found({"stands there twice", "was sent ahead of"},
               [](TopicRunOptions& options) { options.node.engine.faults.takes_duplicates = true; });
}
TEST(TopicSim, FindsAbortedRecordsThatAreShown) {
  expect_found({"was aborted, and is seen"}, [](TopicRunOptions& options) {
    options.node.engine.faults.hides_aborted = true;
    options.readers = 0;
    options.members = 0;
  });
}
TEST(TopicSim, FindsCompactionThatDropsTheLastRecord) {
  expect_found({", is lost"}, [](TopicRunOptions& options) {
    read_from_segments(options);
    options.is_compacted = true;
    options.duration_ns = 1200 * kMillisecond;
    options.topic_configs = {
        {"cleanup.policy", "compact"}, {"segment.bytes", "4096"}, {"min.cleanable.dirty.ratio", "0.1"}};
    options.node.engine.faults.drops_last_of_key = true;
  });
}

}  // namespace
}  // namespace keelson::sim_test
