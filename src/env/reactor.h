// A reactor: one thread that runs callbacks, timers and coroutines in turns.
//
// Everything that belongs to a reactor (its connections, shards, timers) is touched on its thread alone. Other threads
// reach it through post(). In simulation all reactors of all nodes share one real thread and virtual time, and the
// rules are the same.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/task.h"
#include "env/clock.h"
#include "env/random.h"

namespace keelson::env {

using Callback = std::move_only_function<void()>;

class Timer;

class Reactor {
 public:
  virtual ~Reactor() = default;

  // Runs `callback` on this reactor in a later turn. From any thread. What one thread posts runs in its order, and a
  // post that happens before another (in the C++ memory model's sense) runs before it.
  virtual void post(Callback callback) = 0;

  // The rest are for the reactor's own thread.

  // Runs `callback` once at the end of the present turn, after everything that is ready has run: the place where what
  // the turn gathered (log records, replies) goes out in one write.
  virtual void at_turn_end(Callback callback) = 0;
  [[nodiscard]] virtual bool is_current() const = 0;
  // 0 .. count-1 within the node.
  [[nodiscard]] virtual unsigned index() const = 0;
  [[nodiscard]] virtual const Clock& clock() const = 0;
  [[nodiscard]] virtual Random& random() = 0;

 protected:
  friend class Timer;
  // Arms the timer for clock().monotonic_ns() >= at_ns; an armed timer is moved.
  virtual void arm(Timer& timer, int64_t at_ns) = 0;
  virtual void disarm(Timer& timer) = 0;
};

// A one-shot timer. Destroying it disarms it. Own thread only.
class Timer {
 public:
  Timer(Reactor& reactor, Callback on_fire) : reactor_(reactor), on_fire_(std::move(on_fire)) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { disarm(); }

  void arm_after(int64_t delay_ns) { reactor_.arm(*this, reactor_.clock().monotonic_ns() + delay_ns); }
  void arm_at(int64_t at_ns) { reactor_.arm(*this, at_ns); }
  void disarm() { reactor_.disarm(*this); }

  // For reactors alone: where the timer stands in their queue (at_ns with a sequence number that breaks ties), and the
  // call.
  struct Place {
    int64_t at_ns = 0;
    uint64_t sequence = 0;
    bool armed = false;
    size_t slot = 0;  // free for the reactor's use
  };
  Place place;
  void fire() { on_fire_(); }

 private:
  Reactor& reactor_;
  Callback on_fire_;
};

// co_await sleep_for(reactor, 5'000'000): suspends the coroutine for that long. Destroying the coroutine meanwhile is
// safe.
class SleepAwaiter {
 public:
  SleepAwaiter(Reactor& reactor, int64_t delay_ns)
      : delay_ns_(delay_ns), timer_(reactor, [this] { waiter_.resume(); }) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    timer_.arm_after(delay_ns_);
  }
  void await_resume() const noexcept {}

 private:
  int64_t delay_ns_;
  std::coroutine_handle<> waiter_;
  Timer timer_;
};
inline SleepAwaiter sleep_for(Reactor& reactor, int64_t delay_ns) { return {reactor, delay_ns}; }

// Owns coroutines that run beside their owner (a connection's loop, a background task) on one reactor.
//
// spawn() starts one at once, up to its first suspension; its frame is freed soon after it ends. join() waits until all
// have ended: a service stops by asking its tasks to end and then joining. Destroying a scope destroys the frames that
// are left, wherever they are suspended.
class TaskScope {
 public:
  explicit TaskScope(Reactor& reactor);
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope();

  void spawn(Task<void> task);
  [[nodiscard]] Task<void> join();
  [[nodiscard]] size_t count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::env
