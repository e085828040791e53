// Leases on virtual time, without a log.
#include "coord/lease_clock.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "env/sim/sim.h"

namespace keelson::coord {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

class LeaseClockTest : public testing::Test {
 protected:
  LeaseClockTest() : node_(world_.add_node(1)) {
    clock_ = std::make_unique<LeaseClock>(node_.reactor(0), statistics_, [this](std::vector<LeaseExpire::Item> items) {
      ending_.insert(ending_.end(), items.begin(), items.end());
      batches_.push_back(items.size());
    });
  }
  // Leads at once, with these.
  void begin(const std::vector<LeaseInfo>& leases) {
    on_home([&] { clock_->begin(leases); });
  }
  void on_home(env::Callback action) { world_.run_on(node_.reactor(0), std::move(action)); }
  LeaseAnswer keep_alive(LeaseId lease) {
    std::optional<LeaseAnswer> answer;
    on_home([&] { clock_->keep_alive(lease, [&](LeaseAnswer given) { answer = given; }); });
    return answer.value_or(LeaseAnswer{.outcome = ServiceErrc::kTimedOut});
  }
  LeaseAnswer time_to_live(LeaseId lease) {
    LeaseAnswer answer;
    on_home([&] { answer = clock_->time_to_live(lease); });
    return answer;
  }

  env::sim::World world_{1};
  env::sim::Node& node_;
  Statistics statistics_;
  std::vector<LeaseExpire::Item> ending_;
  std::vector<size_t> batches_;
  std::unique_ptr<LeaseClock> clock_;
};

TEST_F(LeaseClockTest, EndsALeaseWhenItsTimeIsOverAndNotBefore) {
  begin({});
  on_home([&] { clock_->granted({.id = 7, .granted_ttl_s = 10, .grant = 3}); });
  world_.run_for(9'900 * kMillisecond);
  EXPECT_TRUE(ending_.empty());
  EXPECT_EQ(time_to_live(7).ttl_s, 0);
  EXPECT_EQ(time_to_live(7).granted_ttl_s, 10);
  world_.run_for(200 * kMillisecond);
  ASSERT_EQ(ending_.size(), 1U);
  EXPECT_EQ(ending_[0].id, 7);
  EXPECT_EQ(ending_[0].grant, 3U);
}

TEST_F(LeaseClockTest, AKeepAliveBeginsTheLeaseAnew) {
  begin({{.id = 1, .granted_ttl_s = 10, .grant = 1}});
  for (int i = 0; i < 5; ++i) {
    world_.run_for(9 * kSecond);
    EXPECT_EQ(time_to_live(1).ttl_s, 0);
    EXPECT_EQ(keep_alive(1).ttl_s, 10);
    EXPECT_GE(time_to_live(1).ttl_s, 9);
  }
  EXPECT_TRUE(ending_.empty());
  world_.run_for(11 * kSecond);
  EXPECT_EQ(ending_.size(), 1U);
}

TEST_F(LeaseClockTest, AKeepAliveThatComesTooLateWaitsForWhatBecomesOfTheLease) {
  begin({{.id = 1, .granted_ttl_s = 2, .grant = 1}, {.id = 2, .granted_ttl_s = 2, .grant = 2}});
  world_.run_for(3 * kSecond);
  ASSERT_EQ(ending_.size(), 2U);
  std::optional<LeaseAnswer> one;
  std::optional<LeaseAnswer> two;
  on_home([&] {
    clock_->keep_alive(1, [&](LeaseAnswer answer) { one = answer; });
    clock_->keep_alive(2, [&](LeaseAnswer answer) { two = answer; });
  });
  EXPECT_FALSE(one || two);
  // The record is logged for one alone: as if the other was granted anew and is another lease.
  on_home([&] {
    clock_->gone(1);
    clock_->expired(LeaseClock::Ended::kNotLogged);
  });
  ASSERT_TRUE(one && two);
  EXPECT_FALSE(one->is_found);
  EXPECT_TRUE(two->is_found);
  EXPECT_EQ(two->ttl_s, 2);
  ending_.clear();
  world_.run_for(1'900 * kMillisecond);
  EXPECT_TRUE(ending_.empty());
  world_.run_for(200 * kMillisecond);
  EXPECT_EQ(ending_.size(), 1U);
}

TEST_F(LeaseClockTest, TriesAgainWhenTheRecordWasRefused) {
  begin({{.id = 1, .granted_ttl_s = 2, .grant = 1}});
  world_.run_for(3 * kSecond);
  EXPECT_EQ(batches_.size(), 1U);
  on_home([&] { clock_->expired(LeaseClock::Ended::kNotLogged); });
  world_.run_for(LeaseClock::kRetryMs * kMillisecond * 2);
  EXPECT_EQ(batches_.size(), 2U);
}

TEST_F(LeaseClockTest, KeepsNoLeaseAliveThatTheRecordMayYetEnd) {
  begin({{.id = 1, .granted_ttl_s = 2, .grant = 1}});
  world_.run_for(3 * kSecond);
  ASSERT_EQ(batches_.size(), 1U);
  std::optional<LeaseAnswer> before;
  on_home([&] {
    clock_->keep_alive(1, [&](LeaseAnswer answer) { before = answer; });
    clock_->expired(LeaseClock::Ended::kUnknown);
  });
  ASSERT_TRUE(before);
  EXPECT_EQ(before->outcome, ServiceErrc::kTimedOut);
  EXPECT_EQ(time_to_live(1).ttl_s, 0);
  // Nor one that comes until its end is asked for again and decided.
  std::optional<LeaseAnswer> after;
  on_home([&] { clock_->keep_alive(1, [&](LeaseAnswer answer) { after = answer; }); });
  world_.run_for(LeaseClock::kRetryMs * kMillisecond * 2);
  EXPECT_EQ(batches_.size(), 2U);
  EXPECT_FALSE(after);
  on_home([&] {
    clock_->gone(1);
    clock_->expired(LeaseClock::Ended::kLogged);
  });
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->is_found);
}

TEST_F(LeaseClockTest, ForgetsTheDeadlinesOfLeasesThatAreGone) {
  begin({{.id = 1, .granted_ttl_s = 5, .grant = 1}});
  on_home([&] {
    for (LeaseId id = 2; id < 10'000; ++id) {
      clock_->granted({.id = id, .granted_ttl_s = kLeaseTtlMaxS, .grant = static_cast<uint64_t>(id)});
      clock_->gone(id);
      ASSERT_LE(clock_->deadlines(), 2 + LeaseClock::kGoneDeadlinesMax + 2);
    }
  });
  // The others keep theirs.
  world_.run_for(6 * kSecond);
  ASSERT_EQ(ending_.size(), 1U);
  EXPECT_EQ(ending_[0].id, 1);
}

TEST_F(LeaseClockTest, EndsManyInPortionsOneAfterAnother) {
  std::vector<LeaseInfo> leases;
  for (LeaseId id = 1; id <= 250; ++id) leases.push_back({.id = id, .granted_ttl_s = 5, .grant = 1});
  begin(leases);
  world_.run_for(6 * kSecond);
  EXPECT_EQ(batches_, (std::vector<size_t>{100}));
  for (int i = 0; i < 3; ++i) {
    on_home([&] {
      for (const LeaseExpire::Item& item : ending_) clock_->gone(item.id);
      clock_->expired(LeaseClock::Ended::kLogged);
    });
    world_.run_for(kMillisecond);
  }
  EXPECT_EQ(batches_, (std::vector<size_t>{100, 100, 50}));
  EXPECT_EQ(statistics_.leases_expired.value(), 250U);
}

TEST_F(LeaseClockTest, ANewLeaderGivesEveryLeaseItsWholeTime) {
  begin({{.id = 1, .granted_ttl_s = 10, .grant = 1}});
  world_.run_for(9 * kSecond);
  on_home([&] { clock_->end(); });
  EXPECT_EQ(keep_alive(1).outcome, ServiceErrc::kNoLeader);
  EXPECT_EQ(time_to_live(1).outcome, ServiceErrc::kNoLeader);
  world_.run_for(60 * kSecond);
  EXPECT_TRUE(ending_.empty());
  begin({{.id = 1, .granted_ttl_s = 10, .grant = 1}});
  world_.run_for(9'900 * kMillisecond);
  EXPECT_TRUE(ending_.empty());
  world_.run_for(200 * kMillisecond);
  EXPECT_EQ(ending_.size(), 1U);
}

TEST_F(LeaseClockTest, TheSameIdGrantedAnewIsAnotherLease) {
  begin({{.id = 1, .granted_ttl_s = 2, .grant = 1}});
  on_home([&] {
    clock_->gone(1);
    clock_->granted({.id = 1, .granted_ttl_s = 20, .grant = 2});
  });
  world_.run_for(19 * kSecond);
  EXPECT_TRUE(ending_.empty());
  EXPECT_EQ(keep_alive(2).is_found, false);
}

TEST_F(LeaseClockTest, TheLongestTimeDoesNotOverflow) {
  begin({{.id = 1, .granted_ttl_s = kLeaseTtlMaxS, .grant = 1}});
  EXPECT_EQ(keep_alive(1).ttl_s, kLeaseTtlMaxS);
  world_.run_for(3600 * kSecond);
  EXPECT_TRUE(ending_.empty());
  EXPECT_GT(time_to_live(1).ttl_s, kLeaseTtlMaxS - 3700);
}

}  // namespace
}  // namespace keelson::coord
