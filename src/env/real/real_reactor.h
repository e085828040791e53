// The reactor of env/real: an epoll set, a mailbox, timers, and the loop that takes turns over them.
//
// A turn: (1) take the mail; (2) wait in the kernel, not at all if there is mail; (3) tell the ready sockets, which
// resume their coroutines; (4) run the mail; (5) fire timers; (6) run what at_turn_end() collected, and what that adds,
// until nothing is left. Replies that the coroutines of (3) gather are thus sent in (6), after all sockets that were
// ready have been read, and the kernel is asked once for all of them.
//
// Sleeping and posting: the reactor looks into its mailbox and declares itself asleep under one lock; whoever posts
// first to a sleeper writes to its eventfd. A busy reactor costs posters no system call.
#pragma once

#include <pthread.h>
#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/metrics.h"
#include "env/clock.h"
#include "env/random.h"
#include "env/reactor.h"
#include "env/real/real_env.h"
#include "env/real/timer_heap.h"

namespace keelson::env {

class RealClock final : public Clock {
 public:
  [[nodiscard]] int64_t monotonic_ns() const override;
  [[nodiscard]] int64_t wall_ms() const override;
};

// xoshiro256++, seeded by the kernel; secrets come from the kernel itself.
class RealRandom final : public Random {
 public:
  RealRandom();
  [[nodiscard]] uint64_t next() override;
  void fill_secret(std::span<char> into) override;

 private:
  std::array<uint64_t, 4> state_;
};

// What stands in a reactor's epoll set.
class Watched {
 public:
  // `events` as epoll tells them. May destroy this object.
  virtual void on_events(uint32_t events) = 0;
  // close() was called in an earlier turn: finish what waits.
  virtual void on_closed() = 0;

 protected:
  ~Watched() = default;
};

class RealReactor final : public Reactor {
 public:
  RealReactor(unsigned index, const RealClock& clock);
  ~RealReactor() override;

  void post(Callback callback) override;
  void at_turn_end(Callback callback) override { turn_end_.push_back(std::move(callback)); }
  [[nodiscard]] bool is_current() const override;
  [[nodiscard]] unsigned index() const override { return index_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  [[nodiscard]] Random& random() override { return random_; }

  // Takes turns on the calling thread until request_stop(), which may come from any thread.
  void run();
  void request_stop();
  // Destroys what is posted and not run. No thread may be in run().
  void drop_mail();

  // For what is watched; own thread.
  [[nodiscard]] bool watch(Watched& watched, int fd, uint32_t events);
  // Before a watched object is destroyed or its file descriptor is closed.
  void forget(Watched& watched);
  // on_closed() follows in a later turn.
  void tell_closed(Watched& watched) { closed_.push_back(&watched); }
  void count_received(size_t bytes) { bytes_received_.add(bytes); }
  void count_sent(size_t bytes) { bytes_sent_.add(bytes); }

  // Any thread.
  [[nodiscard]] ReactorCounts counts() const;

 protected:
  void arm(Timer& timer, int64_t at_ns) override { timers_.arm(timer, at_ns); }
  void disarm(Timer& timer) override { timers_.disarm(timer); }

 private:
  static constexpr size_t kEventsMax = 512;

  void turn();
  // Moves the mail to taken_; true if there is nothing to do before the next event.
  bool take_mail();
  void wait(bool may_sleep);
  void tell_ready();
  void tell_closed_ones();
  void run_mail();
  void run_turn_end();

  const unsigned index_;
  const RealClock& clock_;
  RealRandom random_;
  int epoll_fd_ = -1;
  int wake_fd_ = -1;

  // Own thread.
  std::atomic<pthread_t> thread_{};
  TimerHeap timers_;
  std::vector<Callback> turn_end_;
  std::vector<Callback> turn_end_running_;
  std::vector<Callback> taken_;
  std::vector<Watched*> closed_;
  std::vector<Watched*> closed_running_;
  std::array<epoll_event, kEventsMax> events_;
  int64_t ended_ns_ = 0;    // when the last turn ended: near enough to now for the next wait
  size_t event_count_ = 0;  // of the present turn
  size_t event_next_ = 0;   // the first that has not been told

  // Guarded by mail_mutex_.
  std::mutex mail_mutex_;
  std::vector<Callback> mail_;
  // Set under the lock, cleared by whoever wakes it.
  std::atomic<bool> is_asleep_{false};
  std::atomic<bool> stop_{false};

  Counter turns_;
  Counter sleeps_;
  Counter socket_events_;
  Counter posts_;
  Counter timers_fired_;
  Counter bytes_received_;
  Counter bytes_sent_;
  Gauge longest_turn_ns_;
};

}  // namespace keelson::env
