#include "env/real/real_reactor.h"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <span>
#include <utility>

#include "base/check.h"

namespace keelson::env {

namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

int64_t read_clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * kNanosecondsPerSecond + now.tv_nsec;
}

}  // namespace

int64_t RealClock::monotonic_ns() const { return read_clock_ns(CLOCK_MONOTONIC); }
int64_t RealClock::wall_ms() const { return read_clock_ns(CLOCK_REALTIME) / 1'000'000; }

RealRandom::RealRandom() : state_() {
  fill_secret(std::span<char>(reinterpret_cast<char*>(state_.data()), sizeof(state_)));
  state_[0] |= 1;  // all zero would stay so
}

uint64_t RealRandom::next() {
  auto& s = state_;
  const uint64_t result = std::rotl(s[0] + s[3], 23) + s[0];
  const uint64_t shifted = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= shifted;
  s[3] = std::rotl(s[3], 45);
  return result;
}

void RealRandom::fill_secret(std::span<char> into) {
  while (!into.empty()) {
    const ssize_t count = getrandom(into.data(), into.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    KEELSON_CHECK(count > 0, "the kernel gives no random bytes");
    into = into.subspan(static_cast<size_t>(count));
  }
}

RealReactor::RealReactor(unsigned index, const RealClock& clock) : index_(index), clock_(clock) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  KEELSON_CHECK(epoll_fd_ >= 0 && wake_fd_ >= 0, "no file descriptors for a reactor: raise the limit on open files");
  // Edge-triggered, so that each write is one event and nothing has to be read.
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  KEELSON_CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0, "epoll refuses an eventfd");
}

RealReactor::~RealReactor() {
  ::close(wake_fd_);
  ::close(epoll_fd_);
}

bool RealReactor::is_current() const {
  return pthread_equal(thread_.load(std::memory_order_relaxed), pthread_self()) != 0;
}

void RealReactor::post(Callback callback) {
  {
    const std::lock_guard lock(mail_mutex_);
    mail_.push_back(std::move(callback));
  }
  // If the reactor declared itself asleep before the lock above was taken, this thread sees it; if after, it saw the
  // mail.
  if (is_asleep_.load(std::memory_order_relaxed) && is_asleep_.exchange(false)) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof(one));
  }
}

void RealReactor::run() {
  thread_.store(pthread_self(), std::memory_order_relaxed);
  ended_ns_ = clock_.monotonic_ns();
  while (!stop_.load(std::memory_order_relaxed)) turn();
  thread_.store(pthread_t{}, std::memory_order_relaxed);
}

void RealReactor::request_stop() {
  post([this] { stop_.store(true, std::memory_order_relaxed); });
}

void RealReactor::drop_mail() {
  // What a callback's captures do when they die may post again.
  for (;;) {
    std::vector<Callback> dropped;
    {
      const std::lock_guard lock(mail_mutex_);
      dropped.swap(mail_);
    }
    std::vector<Callback> hooks;
    hooks.swap(turn_end_);
    if (dropped.empty() && hooks.empty()) return;
  }
}

bool RealReactor::watch(Watched& watched, int fd, uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void RealReactor::forget(Watched& watched) {
  for (size_t i = event_next_; i < event_count_; ++i) {
    if (events_[i].data.ptr == &watched) events_[i].data.ptr = nullptr;
  }
  std::erase(closed_, &watched);
  std::replace(closed_running_.begin(), closed_running_.end(), &watched, static_cast<Watched*>(nullptr));
}

void RealReactor::turn() {
  const bool may_sleep = take_mail();
  wait(may_sleep);
  const int64_t started_ns = clock_.monotonic_ns();
  tell_ready();
  tell_closed_ones();
  run_mail();
  if (!timers_.empty()) timers_fired_.add(timers_.fire_due(started_ns));
  run_turn_end();
  ended_ns_ = clock_.monotonic_ns();
  turns_.add();
  if (ended_ns_ - started_ns > longest_turn_ns_.value()) longest_turn_ns_.set(ended_ns_ - started_ns);
}

bool RealReactor::take_mail() {
  const std::lock_guard lock(mail_mutex_);
  taken_.swap(mail_);
  const bool may_sleep = taken_.empty() && closed_.empty() && turn_end_.empty();
  if (may_sleep) is_asleep_.store(true, std::memory_order_relaxed);
  return may_sleep;
}

void RealReactor::wait(bool may_sleep) {
  timespec until{};
  const timespec* timeout = &until;
  if (may_sleep) {
    if (timers_.empty()) {
      timeout = nullptr;
    } else {
      const int64_t left_ns = std::max<int64_t>(0, timers_.next_at_ns() - ended_ns_);
      until.tv_sec = static_cast<time_t>(left_ns / kNanosecondsPerSecond);
      until.tv_nsec = static_cast<decltype(until.tv_nsec)>(left_ns % kNanosecondsPerSecond);
    }
    sleeps_.add();
  }
  const int count = epoll_pwait2(epoll_fd_, events_.data(), static_cast<int>(kEventsMax), timeout, nullptr);
  if (may_sleep) is_asleep_.store(false, std::memory_order_relaxed);
  KEELSON_CHECK(count >= 0 || errno == EINTR, "epoll_pwait2 failed");
  event_count_ = count > 0 ? static_cast<size_t>(count) : 0;
  event_next_ = 0;
}

void RealReactor::tell_ready() {
  socket_events_.add(event_count_);
  while (event_next_ < event_count_) {
    const epoll_event& event = events_[event_next_++];
    if (event.data.ptr != nullptr) static_cast<Watched*>(event.data.ptr)->on_events(event.events);
  }
}

void RealReactor::tell_closed_ones() {
  if (closed_.empty()) return;
  closed_running_.swap(closed_);
  for (size_t i = 0; i < closed_running_.size(); ++i) {
    if (closed_running_[i] != nullptr) closed_running_[i]->on_closed();
  }
  closed_running_.clear();
}

void RealReactor::run_mail() {
  if (taken_.empty()) return;
  posts_.add(taken_.size());
  for (Callback& callback : taken_) {
    callback();
    callback = nullptr;  // its captures die before the next one runs, as if each were its own turn
  }
  taken_.clear();
}

void RealReactor::run_turn_end() {
  while (!turn_end_.empty()) {
    turn_end_running_.swap(turn_end_);
    for (Callback& callback : turn_end_running_) {
      callback();
      callback = nullptr;
    }
    turn_end_running_.clear();
  }
}

ReactorCounts RealReactor::counts() const {
  return {.turns = turns_.value(),
          .sleeps = sleeps_.value(),
          .socket_events = socket_events_.value(),
          .posts = posts_.value(),
          .timers = timers_fired_.value(),
          .bytes_received = bytes_received_.value(),
          .bytes_sent = bytes_sent_.value(),
          .longest_turn_ns = static_cast<uint64_t>(longest_turn_ns_.value())};
}

}  // namespace keelson::env
