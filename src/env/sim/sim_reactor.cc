#include "env/sim/sim_reactor.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "env/sim/sim_node.h"

namespace keelson::env::sim {

namespace {

// Work takes time, so that code which works until its time is up comes to an end.
constexpr int64_t kClockStepNs = 100;
constexpr int64_t kPpm = 1'000'000;

}  // namespace

int64_t Oscillator::counted_at(int64_t now_ns) const {
  const int64_t passed_ns = now_ns - world_ns;
  // In two parts, so that nothing overflows in years.
  return counted_ns + passed_ns + passed_ns / kPpm * ppm + passed_ns % kPpm * ppm / kPpm;
}

int64_t Oscillator::world_time_of(int64_t counted) const {
  const int64_t missing_ns = counted - counted_ns;
  if (missing_ns > INT64_MAX / 4) return INT64_MAX;
  const int64_t rate = kPpm + ppm;
  int64_t at_ns = world_ns + missing_ns / rate * kPpm + missing_ns % rate * kPpm / rate;
  while (counted_at(at_ns) < counted) ++at_ns;  // rounding: a step or two
  return at_ns;
}

void Oscillator::set_ppm(int64_t gained, int64_t now_ns) {
  *this = {.ppm = gained, .world_ns = now_ns, .counted_ns = counted_at(now_ns)};
}

int64_t SimClock::monotonic_ns() const {
  if (world_.current != nullptr) world_.now_ns += kClockStepNs;
  return peek_ns();
}

int64_t SimClock::wall_ms() const {
  return world_.options.wall_start_ms + (monotonic_ns() - zero_ns_) / kMillisecond + wall_offset_ms_;
}

SimReactor::SimReactor(World::State& world, SimEnv& env, unsigned node, unsigned index, const SimClock& clock,
                       uint64_t random_seed)
    : world_(world), env_(env), node_(node), index_(index), clock_(clock), random_(random_seed) {}

void SimReactor::post(Callback callback) {
  if (is_dead_) return;
  mail_.push_back(std::move(callback));
  schedule_turn();
}

void SimReactor::make_ready(Callback callback) {
  if (is_dead_) return;
  ready_.push_back(std::move(callback));
  schedule_turn();
}

void SimReactor::at_turn_end(Callback callback) {
  if (is_dead_) return;
  turn_end_.push_back(std::move(callback));
  if (world_.current != this) schedule_turn();
}

void SimReactor::arm(Timer& timer, int64_t at_ns) {
  disarm(timer);
  if (is_dead_) return;
  timer.place = {.at_ns = at_ns, .sequence = ++timer_sequence_, .armed = true, .slot = 0};
  timers_.emplace(Due{at_ns, timer_sequence_}, &timer);
  schedule_timers();
}

void SimReactor::disarm(Timer& timer) {
  if (!timer.place.armed) return;
  timer.place.armed = false;
  timers_.erase({timer.place.at_ns, timer.place.sequence});
}

void SimReactor::die() {
  is_dead_ = true;
  for (auto& [due, timer] : timers_) timer->place.armed = false;
  timers_.clear();
  // Their captures may own objects that come back here when they die.
  std::deque<Callback> mail = std::move(mail_);
  std::deque<Callback> ready = std::move(ready_);
  std::vector<Callback> turn_end = std::move(turn_end_);
}

void SimReactor::clock_changed() {
  timer_event_at_ns_ = INT64_MAX;
  schedule_timers();
}

void SimReactor::unpaused() {
  if (turn_is_due_) schedule_turn();
}

void SimReactor::schedule_turn() {
  if (turn_is_scheduled_) return;
  turn_is_scheduled_ = true;
  const MachineFaults& machine = env_.node().machine_faults();
  int64_t delay_ns = world_.faults.between(0, machine.turn_delay_ns_max);
  if (world_.faults.happens(machine.stall_probability)) delay_ns += world_.faults.between(0, machine.stall_ns_max);
  world_.schedule_after(delay_ns, [this] { turn(); });
}

void SimReactor::schedule_timers() {
  if (timers_.empty()) return;
  const int64_t first_ns = clock_.world_time_of(timers_.begin()->first.first);
  if (first_ns >= timer_event_at_ns_) return;
  timer_event_at_ns_ = first_ns;
  world_.schedule(timer_event_at_ns_, [this, at_ns = timer_event_at_ns_] {
    if (at_ns != timer_event_at_ns_) return;  // an earlier one took over
    timer_event_at_ns_ = INT64_MAX;
    if (timers_.empty()) return;
    if (timers_.begin()->first.first <= clock_.peek_ns()) {
      schedule_turn();
    } else {
      schedule_timers();
    }
  });
}

void SimReactor::turn() {
  turn_is_scheduled_ = false;
  if (is_dead_) return;
  turn_is_due_ = env_.node().is_paused();
  if (turn_is_due_) return;
  KEELSON_CHECK(world_.current == nullptr, "a turn within a turn");
  world_.current = this;
  world_.trace(Trace::kTurn, node_, index_);
  const MachineFaults& machine = env_.node().machine_faults();
  if (world_.faults.happens(machine.wall_jump_probability)) {
    env_.node().jump_wall_clock(world_.faults.between(-machine.wall_jump_ms_max, machine.wall_jump_ms_max));
  }
  size_t posts = mail_.size();
  if (posts > 1 && world_.faults.happens(machine.split_turn_probability)) posts = 1 + world_.faults.below(posts);
  const size_t ready = ready_.size();
  // No order between the kinds is promised, so the dice decide it.
  std::array<int, 3> kinds{0, 1, 2};
  for (size_t i = 2; i > 0; --i) std::swap(kinds[i], kinds[world_.faults.below(i + 1)]);
  for (const int kind : kinds) {
    if (kind == 0) run_all(ready_, ready);
    if (kind == 1) run_all(mail_, posts);
    if (kind == 2) fire_timers();
  }
  run_turn_end();
  world_.current = nullptr;
  if (!mail_.empty() || !ready_.empty()) schedule_turn();
  schedule_timers();
}

void SimReactor::run_all(std::deque<Callback>& from, size_t count) {
  for (; count > 0 && !from.empty(); --count) {
    Callback callback = std::move(from.front());
    from.pop_front();
    callback();
  }
}

void SimReactor::fire_timers() {
  const uint64_t sequence_max = timer_sequence_;
  const int64_t now_ns = clock_.peek_ns();
  while (!timers_.empty()) {
    const auto first = timers_.begin();
    if (first->first.first > now_ns || first->first.second > sequence_max) break;
    Timer& timer = *first->second;
    disarm(timer);
    timer.fire();
  }
}

void SimReactor::run_turn_end() {
  while (!turn_end_.empty()) {
    std::vector<Callback> callbacks = std::exchange(turn_end_, {});
    for (Callback& callback : callbacks) {
      callback();
      callback = nullptr;
    }
  }
}

}  // namespace keelson::env::sim
