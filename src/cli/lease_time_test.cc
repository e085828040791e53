#include "cli/lease_time.h"

#include <gtest/gtest.h>

namespace keelson::cli {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(LeaseTime, EndsBeforeTheServerCanHaveEndedIt) {
  LeaseTime time(10 * kSecond, 3 * kSecond);
  time.confirmed(100 * kSecond);
  // The server counts ten seconds from 100 s at the earliest.
  EXPECT_EQ(time.kill_at_ns(), 109 * kSecond);
  EXPECT_EQ(time.end_at_ns(), 106 * kSecond);
  EXPECT_EQ(time.keep_every_ns(), 2 * kSecond);
}

TEST(LeaseTime, CountsFromTheLastRequestThatWasSentNotFromItsAnswer) {
  LeaseTime time(10 * kSecond, 3 * kSecond);
  time.confirmed(100 * kSecond);
  time.confirmed(104 * kSecond);
  EXPECT_EQ(time.kill_at_ns(), 113 * kSecond);
  time.confirmed(102 * kSecond);  // an answer that was overtaken shortens nothing
  EXPECT_EQ(time.kill_at_ns(), 113 * kSecond);
}

}  // namespace
}  // namespace keelson::cli
