// Waits for a task, but no longer than until a moment.
//
//   std::optional<int> value = co_await within(reactor, scope, std::move(task), until_ns);   // none: not yet
//
// A task that is not waited for any more goes on within `scope`, which is to be joined before what the task refers to
// goes away. Own reactor; the waiting coroutine may be destroyed.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/task.h"
#include "env/reactor.h"

namespace keelson::cluster {

template <class T>
class Within {
 public:
  Within(env::Reactor& reactor, env::TaskScope& scope, Task<T> task, int64_t until_ns)
      : scope_(scope),
        task_(std::move(task)),
        until_ns_(until_ns),
        shared_(std::make_shared<Shared>()),
        timer_(reactor, [this] {
          shared_->waiter = nullptr;
          handle_.resume();
        }) {}
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;
  ~Within() { shared_->waiter = nullptr; }

  bool await_ready() {
    scope_.spawn(run(shared_, std::move(task_)));
    return shared_->value.has_value();
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    handle_ = waiter;
    shared_->waiter = this;
    timer_.arm_at(until_ns_);
  }
  std::optional<T> await_resume() { return std::move(shared_->value); }

 private:
  struct Shared {
    std::optional<T> value;
    Within* waiter = nullptr;
  };
  // In a later turn, since whoever waits may destroy the scope.
  static Task<void> run(std::shared_ptr<Shared> shared, Task<T> task) {
    shared->value.emplace(co_await std::move(task));
    if (shared->waiter != nullptr) shared->waiter->timer_.arm_after(0);
  }

  env::TaskScope& scope_;
  Task<T> task_;
  const int64_t until_ns_;
  std::shared_ptr<Shared> shared_;
  std::coroutine_handle<> handle_;
  env::Timer timer_;
};

template <class T>
[[nodiscard]] Within<T> within(env::Reactor& reactor, env::TaskScope& scope, Task<T> task, int64_t until_ns) {
  return Within<T>(reactor, scope, std::move(task), until_ns);
}

}  // namespace keelson::cluster
