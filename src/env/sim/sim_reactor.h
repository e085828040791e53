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

class SimClock final : public Clock {
 public:
  SimClock(World::State& world, const int64_t& wall_offset_ms) : world_(world), wall_offset_ms_(wall_offset_ms) {}
  [[nodiscard]] int64_t monotonic_ns() const override;
  [[nodiscard]] int64_t wall_ms() const override;

 private:
  World::State& world_;
  const int64_t& wall_offset_ms_;  // the node's
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
  std::deque<Callback> mail_;
  std::deque<Callback> ready_;
  std::vector<Callback> turn_end_;
  std::map<Due, Timer*> timers_;
  uint64_t timer_sequence_ = 0;
  int64_t timer_event_at_ns_ = INT64_MAX;  // the earliest event that looks after timers
};

}  // namespace keelson::env::sim
