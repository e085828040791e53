// When and what to compact, by etcd's rules.
#include "coord/auto_compaction.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace keelson::coord {
namespace {

using Mode = AutoCompactionOptions::Mode;
constexpr int64_t kMinuteMs = 60'000;

// One revision each minute. What was compacted, at which minute.
std::vector<std::pair<int64_t, Revision>> run(AutoCompactionOptions options, int64_t minutes, bool succeeds = true) {
  AutoCompaction rule(options, 0, 1);
  std::vector<std::pair<int64_t, Revision>> done;
  for (int64_t now = rule.interval_ms(); rule.interval_ms() != 0 && now <= minutes * kMinuteMs;
       now += rule.interval_ms()) {
    if (const auto to = rule.look(now, 1 + now / kMinuteMs)) {
      done.emplace_back(now / kMinuteMs, *to);
      if (succeeds) rule.succeeded(now, *to);
    }
  }
  return done;
}

TEST(AutoCompaction, IsOffWithoutARetention) {
  EXPECT_TRUE(run({.mode = Mode::kPeriodic, .retention = 0}, 10'000).empty());
  EXPECT_TRUE(run({.mode = Mode::kRevision, .retention = 0}, 10'000).empty());
}

TEST(AutoCompaction, PeriodicKeepsARetention) {
  // Ten minutes: noted each minute, compacted each ten minutes to the revision of ten minutes or one note more ago.
  const auto done = run({.mode = Mode::kPeriodic, .retention = 10 * kMinuteMs}, 45);
  EXPECT_EQ(done, (std::vector<std::pair<int64_t, Revision>>{{10, 1}, {20, 10}, {30, 20}, {40, 30}}));
}

TEST(AutoCompaction, PeriodicOfADayWaitsForADayAndThenComesHourly) {
  const auto done = run({.mode = Mode::kPeriodic, .retention = 24 * 60 * kMinuteMs}, 27 * 60);
  ASSERT_EQ(done.size(), 4U);
  EXPECT_EQ(done[0], (std::pair<int64_t, Revision>{24 * 60, 1}));
  for (size_t i = 1; i < done.size(); ++i) {
    EXPECT_EQ(done[i].first, static_cast<int64_t>(24 + i) * 60);
    EXPECT_EQ(done[i].second, done[i].first - 24 * 60 - 6 + 1);
  }
}

TEST(AutoCompaction, PeriodicTriesAgainAtTheNextNote) {
  const auto done = run({.mode = Mode::kPeriodic, .retention = 10 * kMinuteMs}, 13, false);
  EXPECT_EQ(done, (std::vector<std::pair<int64_t, Revision>>{{10, 1}, {11, 1}, {12, 2}, {13, 3}}));
}

TEST(AutoCompaction, RevisionKeepsTheLastOnes) {
  const auto done = run({.mode = Mode::kRevision, .retention = 20}, 40);
  EXPECT_EQ(done, (std::vector<std::pair<int64_t, Revision>>{{20, 1}, {25, 6}, {30, 11}, {35, 16}, {40, 21}}));
  // Nothing new: nothing to do.
  AutoCompaction rule({.mode = Mode::kRevision, .retention = 20}, 0, 50);
  ASSERT_EQ(rule.look(1, 50), 30);
  rule.succeeded(1, 30);
  EXPECT_EQ(rule.look(2, 50), std::nullopt);
}

}  // namespace
}  // namespace keelson::coord
