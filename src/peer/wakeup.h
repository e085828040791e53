// Something that one coroutine waits for, again and again.
//
//   while (!may_go_on()) co_await wakeup.wait();
//
// set() lets it go on in a later turn, never within the call. A set() that nobody waits for makes the next wait()
// short. Own reactor only; the coroutine may be destroyed while it waits, and outlives no Wakeup.
#pragma once

#include <coroutine>
#include <utility>

#include "env/reactor.h"

namespace keelson::peer {

class Wakeup {
 public:
  explicit Wakeup(env::Reactor& reactor)
      : timer_(reactor, [this] {
          if (waiter_ == nullptr) return;
          is_set_ = false;
          std::exchange(waiter_, nullptr)->handle.resume();
        }) {}

  void set() {
    is_set_ = true;
    if (waiter_ != nullptr) timer_.arm_after(0);
  }

  class Waiter {
   public:
    explicit Waiter(Wakeup& wakeup) : wakeup_(wakeup) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() {
      if (wakeup_.waiter_ == this) wakeup_.waiter_ = nullptr;
    }
    bool await_ready() { return std::exchange(wakeup_.is_set_, false); }
    void await_suspend(std::coroutine_handle<> waiter) {
      handle = waiter;
      wakeup_.waiter_ = this;
    }
    void await_resume() const noexcept {}
    std::coroutine_handle<> handle;

   private:
    Wakeup& wakeup_;
  };
  [[nodiscard]] Waiter wait() { return Waiter(*this); }

 private:
  bool is_set_ = false;
  Waiter* waiter_ = nullptr;
  env::Timer timer_;
};

}  // namespace keelson::peer
