// The kv service under crashes, lost and torn writes, full disks, failing syncs, flipped bits and broken connections.

#include <gtest/gtest.h>

#include <string>

#include "env/sim/gtest_seeds.h"
#include "tests/sim/kv_run.h"

namespace keelson::sim_test {
namespace {

using env::sim::for_each_seed;
using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr uint64_t kSeeds = 120;  // of each of the five kinds of life that count together: 600
constexpr uint64_t kSeedsToFindABug = 60;
constexpr uint64_t kLivesToJudge = 10;

// Small segments and frequent checkpoints, so that a short life sees many of both.
KvRunOptions usual(uint64_t seed) {
  KvRunOptions options;
  options.reactors = 1 + static_cast<unsigned>(seed % 3);
  options.node.log.durability = log::Durability::kAlways;
  options.node.log.segment_bytes = 64 << 10;
  options.node.checkpoint.log_bytes_min = 96 << 10;
  options.world.network.short_transfer_probability = 0.05;
  options.world.disk.slow_sync_probability = 0.02;
  options.world.disk.slow_sync_ns_max = 40 * kMillisecond;
  options.world.machine.split_turn_probability = 0.1;
  return options;
}

// The lives of one test, together. A single one may be too short for anything.
class Lives {
 public:
  ~Lives() {
    if (lives_ < kLivesToJudge) return;
    EXPECT_GT(acknowledged_, 20 * lives_) << "the clients got something done";
    EXPECT_GT(verified_, lives_);
  }
  void expect_kept(uint64_t seed, const KvRunOptions& options) {
    const KvRunResult result = run_kv(seed, options);
    EXPECT_EQ(result.violation, "");
    EXPECT_EQ(result.not_served, "");
    ++lives_;
    acknowledged_ += result.acknowledged;
    verified_ += result.verified;
  }

 private:
  uint64_t lives_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t verified_ = 0;
};

TEST(KvSim, NothingAcknowledgedIsLostInCrashes) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) { lives.expect_kept(seed, usual(seed)); });
}

// A killed process loses nothing that it has acknowledged, even when the log is synced once a second only.
TEST(KvSim, NothingAcknowledgedIsLostInKillsWithIntervalSyncs) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    KvRunOptions options = usual(seed);
    options.node.log.durability = log::Durability::kInterval;
    options.kill_probability = 1;
    // Without syncs to wait for, much happens in little time.
    options.duration_ns = 600 * kMillisecond;
    options.crash_every_ns = 150 * kMillisecond;
    lives.expect_kept(seed, options);
  });
}

TEST(KvSim, FullDiskRefusesWritesAndPasses) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    KvRunOptions options = usual(seed);
    options.full_every_ns = 400 * kMillisecond;
    options.world.disk.full_probability = 0.02;
    options.allowed.full = true;
    lives.expect_kept(seed, options);
  });
}

TEST(KvSim, FailedSyncsStopTheLogAndLoseNothing) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    KvRunOptions options = usual(seed);
    options.world.disk.sync_error_probability = 0.002;
    options.world.disk.write_error_probability = 0.0005;
    options.allowed.failed = true;
    options.allowed.full = true;
    // The end is told by the disk alone: a shutdown may meet a log that has failed.
    lives.expect_kept(seed, options);
  });
}

TEST(KvSim, BrokenConnectionsLeaveWholeCommands) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    KvRunOptions options = usual(seed);
    options.break_connections = true;
    options.world.network.break_probability = 0.001;
    lives.expect_kept(seed, options);
  });
}

// Damage is noticed: a damaged shard, or node, stops; what is served is right.
TEST(KvSim, FlippedBitsAreNeverServed) {
  uint64_t acknowledged = 0;
  uint64_t stopped = 0;
  uint64_t count = 0;
  uint64_t damaged_tails = 0;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    KvRunOptions options = usual(seed);
    options.world.disk.flip_bit_at_crash_probability = 0.05;
    options.allowed.damaged = true;
    options.compare_digest = false;
    const KvRunResult result = run_kv(seed, options);
    if (result.damaged_tails == 0) EXPECT_EQ(result.violation, "");
    ++count;
    damaged_tails += result.damaged_tails;
    acknowledged += result.acknowledged;
    stopped += result.lost_keys + (result.not_served.empty() ? 0 : 1);
  });
  if (count < kLivesToJudge) return;
  EXPECT_GT(acknowledged, 0U);
  EXPECT_GT(stopped, 0U) << "some damage must have been met, and noticed";
  EXPECT_LT(damaged_tails, count / 10) << "such lives are not judged, so they must be few";
}

// Over a log that commits late and refuses some records, as a replicated one does: what was acknowledged is there, what
// was refused is not, transactions included.
TEST(KvSim, LogThatIsLateAndRefuses) {
  Lives lives;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    KvRunOptions options = usual(seed);
    shard::Journal journal;
    options.node.journal = &journal;
    options.node.fake_log = {.delay_ns_max = 3 * kMillisecond, .refuse_one_in = 11};
    options.crash_every_ns = 0;
    options.duration_ns = kSecond;
    options.allowed.refused = true;
    options.compare_digest = false;
    lives.expect_kept(seed, options);
    EXPECT_GT(journal.refused, 0U);
  });
}

TEST(KvSim, SameSeedSameLife) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const KvRunOptions options = usual(seed);
    const KvRunResult one = run_kv(seed, options);
    const KvRunResult other = run_kv(seed, options);
    EXPECT_EQ(one.trace_hash, other.trace_hash) << "seed " << seed;
    EXPECT_EQ(one.acknowledged, other.acknowledged) << "seed " << seed;
    EXPECT_NE(one.trace_hash, run_kv(seed + 100, usual(seed)).trace_hash);
  }
}

// The test of the test: a planted bug must be found.
template <class Plant>
bool is_found(Plant plant) {
  for (uint64_t seed = 1; seed <= kSeedsToFindABug; ++seed) {
    KvRunOptions options = usual(seed);
    plant(options);
    const KvRunResult result = run_kv(seed, options);
    if (!result.violation.empty() || !result.not_served.empty()) return true;
  }
  return false;
}

TEST(KvSimFinds, SkippedSync) {
  EXPECT_TRUE(is_found([](KvRunOptions& options) { options.node.log.faults.skip_sync = true; }));
}

TEST(KvSimFinds, IgnoredCrc) {
  // Only a wrong answer counts: refusing to start would be right.
  bool is_wrong = false;
  for (uint64_t seed = 1; seed <= kSeedsToFindABug && !is_wrong; ++seed) {
    KvRunOptions options = usual(seed);
    options.node.log.faults.ignore_crc = true;
    options.world.disk.flip_bit_at_crash_probability = 0.3;
    options.allowed.damaged = true;
    options.compare_digest = false;
    is_wrong = !run_kv(seed, options).violation.empty();
  }
  EXPECT_TRUE(is_wrong);
}

TEST(KvSimFinds, RenameWithoutFolderSync) {
  EXPECT_TRUE(is_found([](KvRunOptions& options) { options.node.log.faults.skip_folder_sync = true; }));
}

TEST(KvSimFinds, CheckpointThatTrimsTooMuch) {
  EXPECT_TRUE(is_found([](KvRunOptions& options) { options.node.log.faults.trim_too_much = true; }));
}

}  // namespace
}  // namespace keelson::sim_test
