// A reactor on virtual time. For this folder alone.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "env/reactor.h"
#include "env/sim/chance.h"
#include "env/sim/world_state.h"

namespace keelson::env::sim {

// A machine's oscillator: how many nanoseconds it has counted, against the world's. It runs over crashes.
struct Oscillator {
  int64_t ppm = 0;  // gained in each second
  // Both at the last change of ppm.
  int64_t world_ns = 0;
  int64_t counted_ns = 0;

  [[nodiscard]] int64_t counted_at(int64_t now_ns) const;
  // The world's time at which it will have counted at least that much.
  [[nodiscard]] int64_t world_time_of(int64_t counted) const;
  void set_ppm(int64_t gained, int64_t now_ns);
};

class SimClock final : public Clock {
 public:
  SimClock(World::State& world, const Oscillator& oscillator, const int64_t& wall_offset_ms, int64_t zero_ns)
      : world_(world), oscillator_(oscillator), wall_offset_ms_(wall_offset_ms), zero_ns_(zero_ns) {}
  [[nodiscard]] int64_t monotonic_ns() const override;
  [[nodiscard]] int64_t wall_ms() const override;
  // Without the time that looking at it takes.
  [[nodiscard]] int64_t peek_ns() const { return oscillator_.counted_at(world_.now_ns) + zero_ns_; }
  [[nodiscard]] int64_t world_time_of(int64_t at_ns) const { return oscillator_.world_time_of(at_ns - zero_ns_); }

 private:
  World::State& world_;
  const Oscillator& oscillator_;   // the node's
  const int64_t& wall_offset_ms_;  // the node's
  const int64_t zero_ns_;          // added to what was counted
};

class SimReactor final : public Reactor {
 public:
  SimReactor(World::State& world, SimEnv& env, unsigned node, unsigned index, const SimClock& clock,
             uint64_t random_seed);

  void post(Callback callback) override;
  void at_turn_end(Callback callback) override;
  [[nodiscard]] bool is_current() const override { return world_.current == this; }
  [[nodiscard]] unsigned index() const override { return index_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  [[nodiscard]] Random& random() override { return random_; }

  // Runs it in the next turn, as the end of an operation of the network.
  void make_ready(Callback callback);
  [[nodiscard]] SimEnv& env() { return env_; }
  // The machine is gone: nothing more runs. Destroys what was waiting.
  void die();
  // The node's clock runs at another rate now.
  void clock_changed();
  void unpaused();

 protected:
  void arm(Timer& timer, int64_t at_ns) override;
  void disarm(Timer& timer) override;

 private:
  using Due = std::pair<int64_t, uint64_t>;  // time, order of arming

  void schedule_turn();
  void schedule_timers();
  void turn();
  void run_all(std::deque<Callback>& from, size_t count);
  void fire_timers();
  void run_turn_end();

  World::State& world_;
  SimEnv& env_;
  const unsigned node_;
  const unsigned index_;
  const SimClock& clock_;
  Chance random_;
  bool is_dead_ = false;
  bool turn_is_scheduled_ = false;
  bool turn_is_due_ = false;  // kept back while the node is paused
  std::deque<Callback> mail_;
  std::deque<Callback> ready_;
  std::vector<Callback> turn_end_;
  std::map<Due, Timer*> timers_;
  uint64_t timer_sequence_ = 0;
  int64_t timer_event_at_ns_ = INT64_MAX;  // the earliest event that looks after timers; by the world's time
};

}  // namespace keelson::env::sim
