// S3 over HTTP under crashes, cut connections, lost and torn writes, full disks, failing syncs and rot. And the test of
// that test: each planted defect must be found.
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <string>

#include "base/logging.h"
#include "env/sim/gtest_seeds.h"
#include "tests/sim/s3_run.h"

namespace keelson::sim_test {
namespace {

using env::sim::for_each_seed;
using env::sim::kMillisecond;

constexpr uint64_t kSeeds = 100;  // of each of five kinds of life: 500
constexpr uint64_t kSeedsToFindABug = 60;
constexpr uint64_t kLivesToJudge = 10;

// Lines about what is done to it on purpose would fill the test's output.
[[maybe_unused]] const bool is_quiet = [] {
  set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
  return true;
}();

// Small volumes and frequent compaction, so that a short life sees much of both; connections break now and then.
S3RunOptions usual(uint64_t seed) {
  S3RunOptions options;
  options.reactors = 1 + static_cast<unsigned>(seed % 3);
  BlobNodeOptions& blobs = options.node.blobs;
  blobs.log.segment_bytes = 64 << 10;
  blobs.checkpoint.log_bytes_min = 64 << 10;
  blobs.store.volume.volume_bytes_max = 512 << 10;
  blobs.store.volume.free_bytes_min = 0;
  blobs.store.compact_every_ms = 20;
  blobs.store.background_percent = 80;
  blobs.store.compact_dead_percent = 20;
  blobs.store.scrub_every_ms = 300;
  // Volumes are emptied in steps, as on a full disk.
  if (seed % 4 == 0) blobs.store.volume.compaction_room_bytes_max = 150'000;
  options.node.s3.part_bytes_min = 0;
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

class Lives {
 public:
  ~Lives() {
    if (lives_ < kLivesToJudge) return;
    EXPECT_GT(acknowledged_, 20 * lives_) << "the clients got something done";
    EXPECT_GT(verified_, 10 * lives_);
    EXPECT_GT(doubts_, lives_) << "connections broke";
    EXPECT_GT(refused_by_lock_, 0U);
    EXPECT_GT(compacted_, lives_) << "bytes were moved";
    EXPECT_GT(removed_, lives_) << "volumes went";
  }
  void expect_kept(uint64_t seed, const S3RunOptions& options) {
    const S3RunResult result = run_s3(seed, options);
    EXPECT_EQ(result.violation, "");
    EXPECT_EQ(result.not_served, "");
    ++lives_;
    acknowledged_ += result.acknowledged;
    verified_ += result.verified;
    doubts_ += result.doubts;
    refused_by_lock_ += result.refused_by_lock;
    compacted_ += result.compacted_bytes;
    removed_ += result.removed_volumes;
  }

 private:
  uint64_t lives_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t verified_ = 0;
  uint64_t doubts_ = 0;
  uint64_t refused_by_lock_ = 0;
  uint64_t compacted_ = 0;
  uint64_t removed_ = 0;
};

TEST(S3Sim, NothingAcknowledgedIsLostInCrashes) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) { lives.expect_kept(seed, usual(seed)); });
}

TEST(S3Sim, NothingIsLostInKillsWithIntervalSyncs) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    S3RunOptions options = usual(seed);
    options.node.blobs.durability = log::Durability::kInterval;
    options.kill_probability = 1;
    lives.expect_kept(seed, options);
  });
}

TEST(S3Sim, FullDiskRefusesWritesAndPasses) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    S3RunOptions options = usual(seed);
    options.full_every_ns = 200 * kMillisecond;
    options.world.disk.full_probability = 0.01;
    options.world.disk.full_ns_max = 50 * kMillisecond;
    options.allowed.server_errors = true;
    lives.expect_kept(seed, options);
  });
}

TEST(S3Sim, FailedSyncsAndWritesLoseNothing) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    S3RunOptions options = usual(seed);
    options.world.disk.sync_error_probability = 0.002;
    options.world.disk.write_error_probability = 0.0005;
    options.world.disk.name_error_probability = 0.002;
    options.allowed.server_errors = true;
    lives.expect_kept(seed, options);
  });
}

// What has rotted breaks the answer off; no wrong byte is handed out.
TEST(S3Sim, FlippedBitsAreNeverServed) {
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    S3RunOptions options = usual(seed);
    options.flip_probability = 0.7;
    options.allowed.damaged = true;
    options.allowed.server_errors = true;
    options.duration_ns = 300 * kMillisecond;
    EXPECT_EQ(run_s3(seed, options).violation, "");
  });
}

TEST(S3Sim, TheSameSeedGivesTheSameLife) {
  const S3RunResult first = run_s3(5, usual(5));
  const S3RunResult second = run_s3(5, usual(5));
  EXPECT_EQ(first.trace_hash, second.trace_hash);
  EXPECT_EQ(first.acknowledged, second.acknowledged);
}

// A planted defect must be met by some seed, and be seen for what it is.
void expect_found(const std::string& as, const std::function<void(S3RunOptions&)>& plant) {
  for (uint64_t seed = 1; seed <= kSeedsToFindABug; ++seed) {
    S3RunOptions options = usual(seed);
    plant(options);
    const std::string violation = run_s3(seed, options).violation;
    if (violation.empty()) continue;
    EXPECT_NE(violation.find(as), std::string::npos) << "seed " << seed << ": " << violation;
    std::cout << "found by seed " << seed << ": " << violation.substr(0, 100) << "\n";
    return;
  }
  ADD_FAILURE() << "a planted defect was not found";
}

TEST(S3Sim, FindsAnAcknowledgementBeforeTheLogIsSynced) {
  expect_found("", [](S3RunOptions& options) {
    options.node.blobs.durability = log::Durability::kNever;
    options.kill_probability = 0;
  });
}
TEST(S3Sim, FindsPayloadThatIsNotSynced) {
  expect_found("", [](S3RunOptions& options) { options.node.blobs.store.volume.faults.skip_sync = true; });
}
TEST(S3Sim, FindsACompletionInTwoSteps) {
  expect_found("none of what it may be", [](S3RunOptions& options) {
    options.node.s3.faults.completes_in_two_steps = true;
    options.crash_every_ns = 40 * kMillisecond;
  });
}
TEST(S3Sim, FindsAConditionThatIsCheckedEarlyOnly) {
  expect_found("contested", [](S3RunOptions& options) { options.node.s3.faults.checks_condition_early_only = true; });
}

}  // namespace
}  // namespace keelson::sim_test
