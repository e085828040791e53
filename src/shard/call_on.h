// Runs a function on another reactor and brings its result back.
//
//   size_t n = co_await call_on(here, there, [&] { return there_owned.size(); });
//
// The function runs on `there`, the coroutine goes on on `here`; what the function refers to lives in the waiting
// coroutine's frame. When both are the same reactor it is a plain call.
#pragma once

#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

#include "env/reactor.h"

namespace keelson::shard {

template <class Function>
class CallOn {
 public:
  using Value = std::invoke_result_t<Function&>;

  CallOn(env::Reactor& here, env::Reactor& there, Function function)
      : here_(here), there_(there), function_(std::move(function)) {}

  bool await_ready() {
    if (&here_ != &there_) return false;
    run();
    return true;
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    there_.post([this] {
      run();
      here_.post([this] { waiter_.resume(); });
    });
  }
  Value await_resume() {
    if constexpr (!std::is_void_v<Value>) return std::move(*value_);
  }

 private:
  struct Nothing {};
  void run() {
    if constexpr (std::is_void_v<Value>) {
      function_();
    } else {
      value_.emplace(function_());
    }
  }

  env::Reactor& here_;
  env::Reactor& there_;
  Function function_;
  std::conditional_t<std::is_void_v<Value>, Nothing,
                     std::optional<std::conditional_t<std::is_void_v<Value>, Nothing, Value>>>
      value_;
  std::coroutine_handle<> waiter_;
};

template <class Function>
[[nodiscard]] CallOn<Function> call_on(env::Reactor& here, env::Reactor& there, Function function) {
  return {here, there, std::move(function)};
}

}  // namespace keelson::shard
