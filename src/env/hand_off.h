// A result that some other thread makes for one waiting coroutine, handed over on the coroutine's reactor.
//
//   HandOff<Status> result(on);
//   pool.run([deliver = result.deliverer()]() mutable { deliver(fsync...); });
//   co_return co_await result;
//
// The coroutine may be destroyed while it waits: the result is then dropped, on the reactor too.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

#include "env/reactor.h"

namespace keelson::env {

template <class T>
class HandOff {
  // The reactor's thread alone touches it, but for the reference count.
  struct State {
    std::optional<T> value;
    std::coroutine_handle<> waiter;
    bool is_abandoned = false;
  };

 public:
  explicit HandOff(Reactor& on) : on_(on), state_(std::make_shared<State>()) {}
  HandOff(const HandOff&) = delete;
  HandOff& operator=(const HandOff&) = delete;
  ~HandOff() {
    state_->is_abandoned = true;
    state_->waiter = {};
  }

  // Callable once, on any thread, with the result.
  [[nodiscard]] auto deliverer() {
    return [&on = on_, state = state_](T value) mutable {
      on.post([state = std::move(state), value = std::move(value)]() mutable {
        if (state->is_abandoned) return;
        state->value.emplace(std::move(value));
        if (state->waiter) std::exchange(state->waiter, {}).resume();
      });
    };
  }

  [[nodiscard]] bool await_ready() const { return state_->value.has_value(); }
  void await_suspend(std::coroutine_handle<> waiter) { state_->waiter = waiter; }
  T await_resume() { return std::move(*state_->value); }

 private:
  Reactor& on_;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::env
