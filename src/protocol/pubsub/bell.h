// Coroutines of one reactor wait for something to happen, or for a time.
//
// Whoever waits goes on in a turn of its own, never within ring(). A coroutine that waits may be destroyed; the bell
// outlives those that wait.
#pragma once

#include <coroutine>
#include <cstdint>
#include <list>
#include <optional>

#include "env/reactor.h"

namespace keelson::pubsub {

class Bell {
 public:
  explicit Bell(env::Reactor& reactor) : reactor_(reactor), wake_(reactor, [this] { wake(); }) {}
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  class [[nodiscard]] Waiting {
   public:
    Waiting(Bell& bell, int64_t until_ns) : bell_(bell), until_ns_(until_ns) {}
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() { leave(); }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      waiter_ = waiter;
      bell_.waiting_.push_back(this);
      if (until_ns_ == INT64_MAX) return;
      timer_.emplace(bell_.reactor_, [this] {
        leave();
        waiter_.resume();
      });
      timer_->arm_at(until_ns_);
    }
    void await_resume() const noexcept {}

   private:
    friend class Bell;
    void leave() {
      bell_.waiting_.remove(this);
      bell_.woken_.remove(this);
    }
    Bell& bell_;
    const int64_t until_ns_;
    std::coroutine_handle<> waiter_;
    std::optional<env::Timer> timer_;
  };

  // All who wait now, or at the latest when their turn comes, go on.
  void ring() { wake_.arm_after(0); }
  [[nodiscard]] Waiting wait(int64_t until_ns = INT64_MAX) { return {*this, until_ns}; }

 private:
  void wake() {
    woken_.splice(woken_.end(), waiting_);
    while (!woken_.empty()) {
      Waiting* const next = woken_.front();
      woken_.pop_front();
      if (next->timer_) next->timer_->disarm();
      next->waiter_.resume();
    }
  }

  env::Reactor& reactor_;
  std::list<Waiting*> waiting_;
  std::list<Waiting*> woken_;
  env::Timer wake_;
};

}  // namespace keelson::pubsub
