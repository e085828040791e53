// Runs a coroutine on another reactor and brings its result back.
//
//   Status status = co_await run_on(here, scope_of_there, there, write_down(id));
//
// The task runs within `scope`, which belongs to `there`; the coroutine goes on on `here`.
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "base/task.h"
#include "env/reactor.h"

namespace keelson::shard {

template <class T>
class RunOn {
 public:
  RunOn(env::Reactor& here, env::TaskScope& scope, env::Reactor& there, Task<T> task)
      : here_(here), scope_(scope), there_(there), task_(std::move(task)) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    there_.post([this] { scope_.spawn(run()); });
  }
  T await_resume() { return std::move(*value_); }

 private:
  Task<void> run() {
    value_.emplace(co_await std::move(task_));
    here_.post([this] { waiter_.resume(); });
  }

  env::Reactor& here_;
  env::TaskScope& scope_;
  env::Reactor& there_;
  Task<T> task_;
  std::optional<T> value_;
  std::coroutine_handle<> waiter_;
};

template <class T>
[[nodiscard]] RunOn<T> run_on(env::Reactor& here, env::TaskScope& scope, env::Reactor& there, Task<T> task) {
  return {here, scope, there, std::move(task)};
}

}  // namespace keelson::shard
