// Blobs under crashes, lost and torn writes, full disks, failing syncs, rot and compaction. And the test of that test:
// each planted defect must be found.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/logging.h"
#include "env/sim/gtest_seeds.h"
#include "tests/sim/blob_run.h"

namespace keelson::sim_test {
namespace {

using env::sim::for_each_seed;
using env::sim::kMillisecond;

constexpr uint64_t kSeeds = 125;  // of each of four kinds of life: 500
constexpr uint64_t kSeedsToFindABug = 60;
constexpr uint64_t kLivesToJudge = 10;

// Lines about what is done to it on purpose would fill the test's output.
[[maybe_unused]] const bool is_quiet = [] {
  set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
  return true;
}();

// Small volumes and frequent compaction, so that a short life sees much of both.
BlobRunOptions usual(uint64_t seed) {
  BlobRunOptions options;
  options.reactors = 1 + static_cast<unsigned>(seed % 3);
  options.node.log.segment_bytes = 64 << 10;
  options.node.checkpoint.log_bytes_min = 64 << 10;
  options.node.store.volume.volume_bytes_max = 512 << 10;
  options.node.store.volume.free_bytes_min = 0;
  options.node.store.compact_every_ms = 20;
  options.node.store.background_percent = 80;
  options.node.store.compact_dead_percent = 20;
  options.node.store.scrub_every_ms = 300;
  options.world.disk.cold_read_probability = 0.2;
  // Volumes are emptied in steps, as on a full disk.
  if (seed % 4 == 0) options.node.store.volume.compaction_room_bytes_max = 150'000;
  options.world.disk.slow_sync_probability = 0.02;
  options.world.disk.slow_sync_ns_max = 20 * kMillisecond;
  options.world.machine.split_turn_probability = 0.1;
  return options;
}

class Lives {
 public:
  ~Lives() {
    if (lives_ < kLivesToJudge) return;
    EXPECT_GT(acknowledged_, 20 * lives_) << "the clients got something done";
    EXPECT_GT(verified_, lives_);
    EXPECT_GT(compacted_, lives_) << "bytes were moved";
    EXPECT_GT(removed_, lives_) << "volumes went";
    EXPECT_GT(checkpoints_, 0U);
  }
  void expect_kept(uint64_t seed, const BlobRunOptions& options) {
    const BlobRunResult result = run_blob(seed, options);
    EXPECT_EQ(result.violation, "");
    EXPECT_EQ(result.not_served, "");
    ++lives_;
    acknowledged_ += result.acknowledged;
    verified_ += result.verified;
    compacted_ += result.compacted_bytes;
    removed_ += result.removed_volumes;
    checkpoints_ += result.checkpoints;
  }

 private:
  uint64_t lives_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t verified_ = 0;
  uint64_t compacted_ = 0;
  uint64_t removed_ = 0;
  uint64_t checkpoints_ = 0;
};

TEST(BlobSim, NothingAcknowledgedIsLostInCrashes) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) { lives.expect_kept(seed, usual(seed)); });
}

TEST(BlobSim, NothingIsLostInKillsWithIntervalSyncs) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    BlobRunOptions options = usual(seed);
    options.node.durability = log::Durability::kInterval;
    options.kill_probability = 1;
    lives.expect_kept(seed, options);
  });
}

TEST(BlobSim, FullDiskRefusesWritesAndPasses) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    BlobRunOptions options = usual(seed);
    options.full_every_ns = 200 * kMillisecond;
    options.world.disk.full_probability = 0.01;
    options.world.disk.full_ns_max = 50 * kMillisecond;
    options.allowed.full = true;
    lives.expect_kept(seed, options);
  });
}

TEST(BlobSim, FailedSyncsAndWritesLoseNothing) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    BlobRunOptions options = usual(seed);
    options.world.disk.sync_error_probability = 0.002;
    options.world.disk.write_error_probability = 0.0005;
    options.world.disk.name_error_probability = 0.002;
    options.allowed.failed = true;
    options.allowed.full = true;
    lives.expect_kept(seed, options);
  });
}

// What has rotted is told by reads and by the scrub; no wrong byte is handed out.
TEST(BlobSim, FlippedBitsAreNeverServed) {
  uint64_t damaged = 0;
  uint64_t scrub_damaged = 0;
  uint64_t count = 0;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    BlobRunOptions options = usual(seed);
    options.flip_probability = 0.7;
    options.allowed.damaged = true;
    options.duration_ns = 300 * kMillisecond;
    const BlobRunResult result = run_blob(seed, options);
    EXPECT_EQ(result.violation, "");
    damaged += result.damaged;
    scrub_damaged += result.scrub_damaged;
    ++count;
  });
  if (count < kLivesToJudge) return;
  EXPECT_GT(damaged, 0U);
  EXPECT_GT(scrub_damaged, 0U);
}

TEST(BlobSim, TheSameSeedGivesTheSameLife) {
  const BlobRunResult first = run_blob(5, usual(5));
  const BlobRunResult second = run_blob(5, usual(5));
  EXPECT_EQ(first.trace_hash, second.trace_hash);
  EXPECT_EQ(first.acknowledged, second.acknowledged);
}

// A planted defect must be met by some seed.
void expect_found(const std::function<void(BlobRunOptions&)>& plant) {
  for (uint64_t seed = 1; seed <= kSeedsToFindABug; ++seed) {
    BlobRunOptions options = usual(seed);
    plant(options);
    if (!run_blob(seed, options).violation.empty()) return;
  }
  ADD_FAILURE() << "a planted defect was not found";
}

TEST(BlobSim, FindsAVolumeThatIsNotSynced) {
  expect_found([](BlobRunOptions& options) { options.node.store.volume.faults.skip_sync = true; });
}
TEST(BlobSim, FindsAnIgnoredCrc) {
  expect_found([](BlobRunOptions& options) {
    options.node.store.volume.faults.ignore_crc = true;
    options.flip_probability = 0.7;
    options.allowed.damaged = true;
  });
}
TEST(BlobSim, FindsAVolumeRemovedBeforeItsMoves) {
  expect_found([](BlobRunOptions& options) { options.node.store.volume.faults.remove_early = true; });
}
TEST(BlobSim, FindsAVolumeRemovedUnderAReader) {
  expect_found([](BlobRunOptions& options) { options.node.store.volume.faults.ignore_pins = true; });
}
TEST(BlobSim, FindsADiskThatDoesNotSync) {
  expect_found([](BlobRunOptions& options) {
    options.world.disk.ignore_file_syncs = true;
    options.kill_probability = 0;
  });
}

}  // namespace
}  // namespace keelson::sim_test
