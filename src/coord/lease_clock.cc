#include "coord/lease_clock.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace keelson::coord {

namespace {
constexpr int64_t kSecondNs = 1'000'000'000;
}

LeaseClock::LeaseClock(env::Reactor& home, Statistics& statistics, Expire expire)
    : home_(home), statistics_(statistics), expire_(std::move(expire)), timer_(home, [this] { look(); }) {}

void LeaseClock::begin(std::span<const LeaseInfo> leases) {
  end();
  is_leading_ = true;
  const int64_t now = now_ns();
  for (const LeaseInfo& lease : leases) add(lease, now);
  arm();
}

void LeaseClock::end() {
  is_leading_ = false;
  std::vector<Answer> unanswered;
  for (auto& [id, timed] : leases_) {
    for (Answer& answer : timed.waiting) unanswered.push_back(std::move(answer));
  }
  leases_.clear();
  due_.clear();
  ending_.clear();
  timer_.disarm();
  statistics_.leases.set(0);
  for (Answer& answer : unanswered) answer({.outcome = ServiceErrc::kNoLeader});
}

void LeaseClock::granted(const LeaseInfo& lease) {
  if (!is_leading_) return;
  gone(lease.id);
  add(lease, now_ns());
  arm();
}

void LeaseClock::gone(LeaseId lease) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return;
  std::vector<Answer> waiting = std::move(found->second.waiting);
  leases_.erase(found);
  statistics_.leases.set(static_cast<int64_t>(leases_.size()));
  if (due_.size() > 2 * leases_.size() + kGoneDeadlinesMax) {
    std::erase_if(due_, [this](const Due& due) {
      const auto other = leases_.find(due.lease);
      return other == leases_.end() || other->second.info.grant != due.grant;
    });
    std::make_heap(due_.begin(), due_.end());
  }
  for (Answer& answer : waiting) answer({.outcome = ServiceErrc::kOk, .is_found = false});
}

void LeaseClock::keep_alive(LeaseId lease, Answer answer) {
  if (!is_leading_) {
    answer({.outcome = ServiceErrc::kNoLeader});
    return;
  }
  statistics_.keep_alives.add();
  const auto found = leases_.find(lease);
  if (found == leases_.end()) {
    answer({.outcome = ServiceErrc::kOk, .is_found = false});
  } else if (found->second.is_ending) {
    found->second.waiting.push_back(std::move(answer));
  } else {
    answer(renew(found->second));
  }
}

LeaseAnswer LeaseClock::time_to_live(LeaseId lease) const {
  if (!is_leading_) return {.outcome = ServiceErrc::kNoLeader};
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return {.outcome = ServiceErrc::kOk, .is_found = false};
  return {.outcome = ServiceErrc::kOk,
          .is_found = true,
          .granted_ttl_s = found->second.info.granted_ttl_s,
          .ttl_s = std::max<int64_t>(found->second.deadline_ns - now_ns(), 0) / kSecondNs};
}

void LeaseClock::expired(Ended ended) {
  is_expiring_ = false;
  const std::vector<LeaseExpire::Item> items = std::exchange(ending_, {});
  if (ended == Ended::kLogged) statistics_.leases_expired.add(items.size());
  // Those that are logged are gone() by now. The others live until the next attempt.
  const int64_t retry_ns = now_ns() + kRetryMs * 1'000'000;
  for (const LeaseExpire::Item& item : items) {
    const auto found = leases_.find(item.id);
    if (found == leases_.end() || found->second.info.grant != item.grant) continue;
    Timed& timed = found->second;
    timed.is_ending = ended == Ended::kUnknown;
    timed.deadline_ns = retry_ns;
    std::vector<Answer> waiting = std::exchange(timed.waiting, {});
    LeaseAnswer answer{.outcome = ServiceErrc::kTimedOut};
    if (!timed.is_ending && !waiting.empty()) answer = renew(timed);
    push({timed.deadline_ns, item.id, item.grant});
    for (Answer& one : waiting) one(answer);
  }
  arm();
}

void LeaseClock::add(const LeaseInfo& lease, int64_t now) {
  Timed& timed = leases_[lease.id];
  timed.info = lease;
  put_off(timed, now);
  push({timed.deadline_ns, lease.id, lease.grant});
  statistics_.leases.set(static_cast<int64_t>(leases_.size()));
}

void LeaseClock::push(const Due& due) {
  due_.push_back(due);
  std::push_heap(due_.begin(), due_.end());
}

void LeaseClock::put_off(Timed& timed, int64_t now) const {
  constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
  const int64_t ttl_s = timed.info.granted_ttl_s;
  timed.deadline_ns = ttl_s > (kForever - now) / kSecondNs ? kForever : now + ttl_s * kSecondNs;
}

LeaseAnswer LeaseClock::renew(Timed& timed) {
  put_off(timed, now_ns());
  return {.outcome = ServiceErrc::kOk,
          .is_found = true,
          .granted_ttl_s = timed.info.granted_ttl_s,
          .ttl_s = timed.info.granted_ttl_s};
}

void LeaseClock::arm() {
  if (!is_leading_ || is_expiring_ || due_.empty()) {
    timer_.disarm();
  } else {
    timer_.arm_at(due_.front().at_ns);
  }
}

void LeaseClock::look() {
  const int64_t now = now_ns();
  while (!due_.empty() && due_.front().at_ns <= now && ending_.size() < kExpireMax) {
    std::pop_heap(due_.begin(), due_.end());
    const Due due = due_.back();
    due_.pop_back();
    const auto found = leases_.find(due.lease);
    if (found == leases_.end() || found->second.info.grant != due.grant) continue;
    Timed& timed = found->second;
    if (timed.deadline_ns > now) {
      push({timed.deadline_ns, due.lease, due.grant});
      continue;
    }
    timed.is_ending = true;
    ending_.push_back({due.lease, due.grant});
  }
  if (ending_.empty()) {
    arm();
    return;
  }
  is_expiring_ = true;
  expire_(ending_);
}

}  // namespace keelson::coord
