// The inside of a World: the event queue, the trace, the nodes. For this folder alone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "env/sim/chance.h"
#include "env/sim/sim.h"

namespace keelson::env::sim {

class SimEnv;
class SimNode;
class SimReactor;
class Wires;

// What the trace tells apart.
enum class Trace : uint8_t {
  kTurn,
  kEvent,
  kSend,
  kDeliver,
  kBreak,
  kConnect,
  kWrite,
  kSync,
  kName,
  kCrash,
  kRestart,
  kFault,
  kUser,
};

struct World::State {
  State(uint64_t world_seed, SimOptions world_options);
  ~State();

  void trace(Trace what, uint64_t a = 0, uint64_t b = 0) {
    hash = mix64(hash ^ mix64((static_cast<uint64_t>(what) << 56) ^ static_cast<uint64_t>(now_ns)) ^ (a * 31 + b));
  }
  void trace_fault(uint64_t which) { trace(Trace::kFault, which); }

  // Runs the callback at that time, or next if the time is past.
  void schedule(int64_t time_ns, Callback callback);
  void schedule_after(int64_t delay_ns, Callback callback) { schedule(now_ns + delay_ns, std::move(callback)); }
  bool step();

  // One way between two machines, faults included.
  [[nodiscard]] int64_t draw_delay_ns(unsigned from, unsigned to);
  [[nodiscard]] bool is_cut(unsigned from, unsigned to) const { return cuts.contains({from, to}); }

  struct Event {
    int64_t time_ns;
    uint64_t sequence;
    // Taken out when it runs, though the queue shows its top as constant.
    mutable Callback callback;
    bool operator<(const Event& other) const {  // the queue's top is the greatest
      return time_ns != other.time_ns ? time_ns > other.time_ns : sequence > other.sequence;
    }
  };

  const uint64_t seed;
  SimOptions options;
  Chance faults;    // delays, faults, order
  Chance for_test;  // World::random()
  int64_t now_ns = kSecond;
  uint64_t hash;
  uint64_t event_count = 0;
  uint64_t event_sequence = 0;
  bool is_ending = false;
  SimReactor* current = nullptr;  // whose turn it is
  std::priority_queue<Event> events;
  std::set<std::pair<unsigned, unsigned>> cuts;
  std::map<std::pair<unsigned, unsigned>, LinkFaults> links;
  std::unique_ptr<Wires> wires;
  std::vector<std::unique_ptr<SimNode>> nodes;
};

}  // namespace keelson::env::sim
