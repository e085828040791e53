// What is under way from a reactor to the topic shards: a request, and a wait for something to read.
//
//   Asking one = topics.ask(here, shard, body), other = topics.ask(here, shard, body);   // both are under way
//   Asked first = co_await one;
//
// A request begins when it is made, not when it is awaited, so several go on side by side; those of one reactor to one
// shard take effect in the order in which they were made. One that is destroyed goes on, and its answer is dropped.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/topic/answer.h"
#include "engine/topic/types.h"
#include "env/reactor.h"
#include "log/commit_log.h"

namespace keelson::topics {

using topic::Answer;
using topic::PartitionId;
using topic::TopicId;

// What came of a request: kOk and the engine's answer, or why the shard could not be asked.
struct Asked {
  log::LogErrc outcome = log::LogErrc::kOk;
  Answer answer;
  [[nodiscard]] bool ok() const { return outcome == log::LogErrc::kOk && answer.ok(); }
};

// One partition that a reader waits on: something at or behind `offset` that it may see.
struct WaitPoint {
  PartitionId partition;
  int64_t offset = 0;
  bool is_committed_only = false;
};

namespace detail {

class Desk;

// Owned by its reactor's Desk until it has come back.
class Call;
struct CallFree {
  void operator()(Call* call) const;
};
// Given up when destroyed: the call goes on.
using CallPointer = std::unique_ptr<Call, CallFree>;

[[nodiscard]] bool is_back(const Call& call);
void set_waiter(Call& call, std::coroutine_handle<> waiter);
[[nodiscard]] Asked take_asked(Call& call);

}  // namespace detail

// See Asking::by().
class [[nodiscard]] AskingBy {
 public:
  AskingBy(detail::Call& call, env::Reactor& here, int64_t deadline_ns)
      : call_(call), here_(here), deadline_ns_(deadline_ns), timer_(here, [this] {
          detail::set_waiter(call_, {});
          std::exchange(waiter_, {}).resume();
        }) {}
  AskingBy(const AskingBy&) = delete;
  AskingBy& operator=(const AskingBy&) = delete;

  [[nodiscard]] bool await_ready() const {
    return detail::is_back(call_) || deadline_ns_ <= here_.clock().monotonic_ns();
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    detail::set_waiter(call_, waiter);
    timer_.arm_at(deadline_ns_);
  }
  bool await_resume() {
    timer_.disarm();
    return detail::is_back(call_);
  }

 private:
  detail::Call& call_;
  env::Reactor& here_;
  const int64_t deadline_ns_;
  env::Timer timer_;
  std::coroutine_handle<> waiter_;
};

// Movable while nobody awaits it; awaited once, on the reactor that asked.
class [[nodiscard]] Asking {
 public:
  explicit Asking(detail::CallPointer call) : call_(std::move(call)) {}

  [[nodiscard]] bool await_ready() const { return detail::is_back(*call_); }
  void await_suspend(std::coroutine_handle<> waiter) { detail::set_waiter(*call_, waiter); }
  Asked await_resume() { return detail::take_asked(*call_); }
  // Waits until it is back, or that time has come (monotonic): true if it is back, and awaiting it waits no more.
  [[nodiscard]] AskingBy by(env::Reactor& here, int64_t deadline_ns) { return {*call_, here, deadline_ns}; }

 private:
  detail::CallPointer call_;
};

// Ends when one of its points has something or has gone, at the deadline, or when the service stops. Begins when it is
// awaited. Gives the partitions because of which it has ended, none after the deadline; there may be others.
class [[nodiscard]] Waiting {
 public:
  Waiting(detail::Desk& desk, std::vector<WaitPoint> points, int64_t deadline_ns);
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting();

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter);
  std::vector<PartitionId> await_resume() noexcept { return std::move(woken_by_); }

 private:
  friend class detail::Desk;
  void end();

  detail::Desk& desk_;
  std::vector<WaitPoint> points_;
  const int64_t deadline_ns_;
  env::Timer timer_;
  std::coroutine_handle<> waiter_;
  uint64_t id_ = 0;            // 0: not under way
  std::vector<bool> asked_{};  // reactors that were told
  std::vector<PartitionId> woken_by_{};
};

}  // namespace keelson::topics
