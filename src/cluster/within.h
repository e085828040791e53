// Waits for a task, but no longer than until a moment.
//
//   std::optional<int> value = co_await within(reactor, scope, std::move(task), until_ns);   // none: not yet
//
// A task that is not waited for any more goes on within `scope`, which is to be joined before what the task refers to
// goes away. Own reactor; the waiting coroutine may be destroyed.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/task.h"
#include "env/reactor.h"

namespace keelson::cluster {

template <class T>
class Within {
 public:
  Within(env::Reactor& reactor, env::TaskScope& scope, Task<T> task, int64_t until_ns)
      : scope_(scope), task_(std::move(task)), until_ns_(until_ns), timer_(reactor, [this] { handle_.resume(); }) {}
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;
  ~Within() {
    if (running_ != nullptr) running_->waiter = nullptr;
  }

  bool await_ready() {
    scope_.spawn(run(*this, std::move(task_)));
    return value_.has_value();
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    handle_ = waiter;
    timer_.arm_at(until_ns_);
  }
  std::optional<T> await_resume() {
    timer_.disarm();
    return std::move(value_);
  }

 private:
  // In the frame of the task. Either may go first.
  struct Running {
    explicit Running(Within& within) : waiter(&within) { within.running_ = this; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
      if (waiter != nullptr) waiter->running_ = nullptr;
    }
    Within* waiter;
  };
  static Task<void> run(Within& within, Task<T> task) {
    Running running(within);
    T value = co_await std::move(task);
    if (running.waiter == nullptr) co_return;
    running.waiter->value_.emplace(std::move(value));
    // In a later turn, since whoever waits may destroy the scope.
    if (running.waiter->handle_) running.waiter->timer_.arm_after(0);
  }

  env::TaskScope& scope_;
  Task<T> task_;
  const int64_t until_ns_;
  Running* running_ = nullptr;
  std::optional<T> value_;
  std::coroutine_handle<> handle_;
  env::Timer timer_;
};

template <class T>
[[nodiscard]] Within<T> within(env::Reactor& reactor, env::TaskScope& scope, Task<T> task, int64_t until_ns) {
  return Within<T>(reactor, scope, std::move(task), until_ns);
}

}  // namespace keelson::cluster
