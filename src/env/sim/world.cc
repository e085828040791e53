#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "env/sim/sim.h"
#include "env/sim/sim_network.h"
#include "env/sim/sim_node.h"
#include "env/sim/world_state.h"

namespace keelson::env::sim {

World::State::State(uint64_t world_seed, SimOptions world_options)
    : seed(world_seed),
      options(world_options),
      faults(mix64(world_seed ^ 0x6661756c7473)),
      for_test(mix64(world_seed ^ 0x74657374)),
      hash(mix64(world_seed)),
      wires(std::make_unique<Wires>(*this)) {}

World::State::~State() {
  is_ending = true;
  for (const auto& node : nodes) node->end();
  // Callbacks that never run own results and streams, whose destructors still find everything in its place.
  while (!events.empty()) {
    Callback dropped = std::move(events.top().callback);
    events.pop();
  }
}

void World::State::schedule(int64_t time_ns, Callback callback) {
  if (is_ending) return;
  events.push({std::max(time_ns, now_ns), ++event_sequence, std::move(callback)});
}

int64_t World::State::draw_delay_ns(unsigned from, unsigned to) {
  const NetworkFaults& network = options.network;
  int64_t delay_ns = faults.between(network.delay_ns_min, network.delay_ns_max);
  if (faults.happens(network.slow_probability)) delay_ns += faults.between(0, network.slow_ns_max);
  if (const auto link = links.find({from, to}); link != links.end()) {
    const LinkFaults& more = link->second;
    delay_ns += faults.between(more.delay_ns_min, more.delay_ns_max);
    if (faults.happens(more.loss_probability)) delay_ns += faults.between(0, more.resend_ns_max);
  }
  return delay_ns;
}

bool World::State::step() {
  if (events.empty()) return false;
  KEELSON_CHECK(current == nullptr, "the world is run from within a turn");
  KEELSON_CHECK(++event_count <= options.events_max,
                "the simulation does not come to an end: see SimOptions::events_max");
  now_ns = std::max(now_ns, events.top().time_ns);
  Callback callback = std::move(events.top().callback);
  events.pop();
  callback();
  return true;
}

World::World(uint64_t seed, SimOptions options) : state_(std::make_unique<State>(seed, options)) {}
World::~World() = default;

Node& World::add_node(unsigned reactors) {
  KEELSON_CHECK(reactors > 0, "a node has at least one reactor");
  state_->nodes.push_back(std::make_unique<SimNode>(*state_, node_count(), reactors));
  return *state_->nodes.back();
}

Node& World::node(unsigned index) { return *state_->nodes.at(index); }
unsigned World::node_count() const { return static_cast<unsigned>(state_->nodes.size()); }
SimOptions& World::options() { return state_->options; }
uint64_t World::seed() const { return state_->seed; }
Random& World::random() { return state_->for_test; }
int64_t World::now_ns() const { return state_->now_ns; }
uint64_t World::trace_hash() const { return state_->hash; }
uint64_t World::event_count() const { return state_->event_count; }

void World::trace(std::string_view what, uint64_t value) { state_->trace(Trace::kUser, crc32c(0, what), value); }

void World::at(int64_t time_ns, Callback callback) {
  state_->schedule(time_ns, [state = state_.get(), callback = std::move(callback)]() mutable {
    state->trace(Trace::kEvent);
    callback();
  });
}

bool World::step() { return state_->step(); }

bool World::run_until(const std::function<bool()>& done, int64_t for_ns_max) {
  const int64_t until_ns = state_->now_ns + for_ns_max;
  while (!done()) {
    if (state_->events.empty()) return false;
    if (state_->events.top().time_ns > until_ns) {
      state_->now_ns = std::max(state_->now_ns, until_ns);
      return false;
    }
    state_->step();
  }
  return true;
}

bool World::run_until_idle(int64_t for_ns_max) {
  return !run_until([] { return false; }, for_ns_max) && state_->events.empty();
}

void World::run_for(int64_t duration_ns) {
  const int64_t until_ns = state_->now_ns + duration_ns;
  (void)run_until([] { return false; }, duration_ns);
  state_->now_ns = std::max(state_->now_ns, until_ns);
}

void World::run_on(Reactor& on, Callback action) {
  const auto done = std::make_shared<bool>(false);
  on.post([done, action = std::move(action)]() mutable {
    action();
    *done = true;
  });
  KEELSON_CHECK(run_until([&] { return *done; }), "the reactor does not run: its node is down");
}

void World::partition(const Node& from, const Node& to, bool both_ways) {
  state_->trace(Trace::kFault, from.index(), to.index());
  state_->cuts.insert({from.index(), to.index()});
  if (both_ways) state_->cuts.insert({to.index(), from.index()});
}

void World::isolate(const Node& node) {
  for (const auto& other : state_->nodes) {
    if (other->index() != node.index()) partition(node, *other);
  }
}

void World::heal() {
  state_->trace(Trace::kFault);
  state_->cuts.clear();
  state_->wires->heal();
}

void World::heal(const Node& one, const Node& other) {
  state_->trace(Trace::kFault, one.index(), other.index());
  state_->cuts.erase({one.index(), other.index()});
  state_->cuts.erase({other.index(), one.index()});
  state_->wires->heal();
}

void World::heal(const Node& node) {
  for (const auto& other : state_->nodes) {
    if (other->index() != node.index()) heal(node, *other);
  }
}

bool World::is_cut(const Node& from, const Node& to) const { return state_->is_cut(from.index(), to.index()); }

void World::set_link(const Node& from, const Node& to, LinkFaults faults) {
  state_->trace(Trace::kFault, from.index(), to.index());
  state_->links[{from.index(), to.index()}] = faults;
}

void World::clear_links() {
  state_->trace(Trace::kFault);
  state_->links.clear();
}

void World::break_connections(const Node& node) { state_->wires->break_all_of_node(node.index()); }

}  // namespace keelson::env::sim
