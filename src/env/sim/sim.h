// A whole cluster in one thread, on virtual time, from one seed.
//
//   World world(seed, options);
//   Node& server = world.add_node();
//   auto log = world.run(server.reactor(0), LocalLog::open(server.env(), ...));   // runs a Task to its end
//   world.run_for(5 * kSecond);
//   log.reset();
//   server.crash();      // unsynced writes are lost or torn, connections break
//   server.restart();    // server.env() is a new Env on what the disk kept
//
// Rules that make the same seed give the same run: code under test takes time, chance, disk and network from its Env
// alone, and never lets the order of an unordered container or an address decide. trace_hash() tells whether two runs
// were equal.
//
// How time passes: a queue of events ordered by (time, sequence). A reactor that has something to do gets a turn after
// a short random delay; in a turn it runs posts, fired timers and finished I/O, then what at_turn_end() collected.
// Within a turn time stands still but for a little at each look at the clock. So reactors interleave at turns, in an
// order that the seed decides, and the order that Reactor::post() promises is kept.
//
// Errors of the environment come back as Results, as on a real machine; misuse of the simulator is a KEELSON_CHECK.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "env/reactor.h"
#include "env/sim/sim_disk.h"

namespace keelson::env::sim {

inline constexpr int64_t kMicrosecond = 1'000;
inline constexpr int64_t kMillisecond = 1'000'000;
inline constexpr int64_t kSecond = 1'000'000'000;

// Faults of the network. Probabilities are 0 .. 1. All default to a healthy local network.
struct NetworkFaults {
  int64_t delay_ns_min = 20 * kMicrosecond;  // one way, for each run of bytes
  int64_t delay_ns_max = 200 * kMicrosecond;
  double slow_probability = 0;  // a run of bytes is late by up to slow_ns_max more
  int64_t slow_ns_max = 50 * kMillisecond;
  double break_probability = 0;            // sending a run of bytes breaks the connection: each side sees kReset
  double refuse_probability = 0;           // a connect ends with kRefused
  double short_transfer_probability = 0;   // a read or write moves only part of what it could
  size_t socket_buffer_bytes = 64 * 1024;  // in flight or unread, for each direction
  int64_t partition_timeout_ns =
      10 * kSecond;  // a connection with bytes stuck in a partition for this long ends with kTimedOut
  int64_t connect_timeout_ns = 5 * kSecond;
};

// Faults of the machine that a node runs on.
struct MachineFaults {
  int64_t turn_delay_ns_max = 5 * kMicrosecond;  // from having something to do to the turn
  double stall_probability = 0;                  // a turn is late by up to stall_ns_max
  int64_t stall_ns_max = 50 * kMillisecond;
  double wall_jump_probability = 0;  // before a turn the wall clock jumps by up to wall_jump_ms_max either way
  int64_t wall_jump_ms_max = 60'000;
  double split_turn_probability = 0;  // a turn takes only part of the posts that wait
  // Every life of every node has a monotonic clock with a zero of its own, so that times which one machine read mean
  // nothing on another, nor after a restart.
  bool scatter_clocks = false;
};

// What one way between two machines adds to NetworkFaults.
struct LinkFaults {
  int64_t delay_ns_min = 0;  // on top of every run of bytes
  int64_t delay_ns_max = 0;
  // A run of bytes gets lost and is sent again later, as TCP does: it and what follows are late by up to resend_ns_max.
  // (What a stream shows of loss, reordering and duplication below it is lateness alone.)
  double loss_probability = 0;
  int64_t resend_ns_max = 300 * kMillisecond;
  double break_probability = 0;  // sending a run of bytes breaks the connection
};

struct SimOptions {
  DiskFaults disk;
  NetworkFaults network;
  MachineFaults machine;
  int64_t wall_start_ms = 1'700'000'000'000;
  // A run that goes on for more events than this is taken for a livelock, and fails a check.
  uint64_t events_max = 200'000'000;
};

// What runs on a node. Destroyed at a crash, in whatever state it is; its destructor may drop streams, files, timers
// and suspended coroutines, but nothing it does then reaches the world.
class Program {
 public:
  virtual ~Program() = default;
};
using Boot = std::function<std::unique_ptr<Program>(Env&)>;

class World;

// One machine: it keeps its address and its disk over crashes.
class Node {
 public:
  virtual ~Node() = default;

  // Only while it is up. Every restart makes a new Env; an old one lives until the world ends, dead, so that objects
  // that a test still holds can be destroyed after the crash too.
  [[nodiscard]] virtual Env& env() = 0;
  [[nodiscard]] Reactor& reactor(unsigned index = 0) { return env().reactor(index); }
  [[nodiscard]] virtual bool is_up() const = 0;
  [[nodiscard]] virtual unsigned index() const = 0;
  // "10.0.0.1" for the first node. A listener on 127.0.0.1 is reached from the node itself alone.
  [[nodiscard]] virtual const std::string& host() const = 0;
  [[nodiscard]] Address address(uint16_t port) const { return {.host = host(), .port = port, .unix_path = {}}; }

  // Calls `boot` on the present Env, keeps the Program until stop() or a crash, and calls it again at every restart.
  virtual void run_program(Boot boot) = 0;
  [[nodiscard]] virtual Program* program() = 0;
  // Destroys the program, as a process that exits does: connections are closed, the disk loses nothing.
  virtual void stop() = 0;
  // The power goes: see DiskFaults for what the disk keeps. Connections break at the other side some time later.
  // Not from within a turn of this node (use World::at()).
  virtual void crash() = 0;
  // The process is killed: as crash(), but what was written stays, synced or not.
  virtual void kill() = 0;
  // Up again after stop(), crash() or kill().
  virtual void restart() = 0;

  // The disk, for looking and for damaging. Lives as long as the node.
  [[nodiscard]] virtual SimDisk& disk() = 0;
  virtual void jump_wall_clock(int64_t by_ms) = 0;
  // From now on both clocks of the node gain so many microseconds in each second; at most kDriftPpmMax either way.
  virtual void set_clock_drift(int64_t ppm) = 0;
  static constexpr int64_t kDriftPpmMax = 500'000;
  // The process gets no time, as after SIGSTOP: what was sent to it waits, timers are late, syncs under way end. May be
  // called from anywhere; a crash, a stop or a restart ends it.
  virtual void pause() = 0;
  virtual void unpause() = 0;
  [[nodiscard]] virtual bool is_paused() const = 0;
  // In place of the world's, for this machine.
  virtual void set_machine_faults(MachineFaults faults) = 0;
  // What Env::memory_used_bytes() answers.
  virtual void set_memory_used(uint64_t bytes) = 0;
};

class World {
 public:
  explicit World(uint64_t seed, SimOptions options = {});
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  // Destroys programs and then nodes.
  ~World();

  // Up at once, with an empty disk. Lives as long as the world.
  Node& add_node(unsigned reactors = 1);
  [[nodiscard]] Node& node(unsigned index);
  [[nodiscard]] unsigned node_count() const;

  // Faults may be changed at any time, for example all set to {} before a check that the cluster recovers.
  [[nodiscard]] SimOptions& options();
  [[nodiscard]] uint64_t seed() const;
  // Chance for the test itself: from the seed, but apart from what faults and nodes draw.
  [[nodiscard]] Random& random();
  [[nodiscard]] int64_t now_ns() const;

  // Runs `callback` at that time, outside every node's turn: the place for crashes, partitions and the like.
  void at(int64_t time_ns, Callback callback);
  void after(int64_t delay_ns, Callback callback) { at(now_ns() + delay_ns, std::move(callback)); }

  // Runs one event. False if there is none.
  bool step();
  // Until `done`, asked after each event; false if there was nothing left to do or the time was up first.
  bool run_until(const std::function<bool()>& done, int64_t for_ns_max = 3600 * kSecond);
  // Until nothing is left to do; false if the time was up first. (Armed timers count as something to do.)
  bool run_until_idle(int64_t for_ns_max = 3600 * kSecond);
  void run_for(int64_t duration_ns);

  // Starts the task in a turn of `on` and runs the world until it ends; a check fails if that does not happen.
  template <class T>
  T run(Reactor& on, Task<T> task, int64_t for_ns_max = 3600 * kSecond);
  // Runs `action` in a turn of `on`, and the world until then.
  void run_on(Reactor& on, Callback action);

  // No bytes pass between the two until heal(); a connect times out. One way only if `both_ways` is false.
  void partition(const Node& from, const Node& to, bool both_ways = true);
  // Cuts the node from every other.
  void isolate(const Node& node);
  // Everything, one pair (both ways), or everything of one node. What was under way goes on from where it was cut.
  void heal();
  void heal(const Node& one, const Node& other);
  void heal(const Node& node);
  [[nodiscard]] bool is_cut(const Node& from, const Node& to) const;
  // One way; {} makes it as good as NetworkFaults have it.
  void set_link(const Node& from, const Node& to, LinkFaults faults);
  void clear_links();
  // Breaks every connection of the node.
  void break_connections(const Node& node);

  // Hash of every event so far: turns, bytes sent, bytes written, syncs, crashes, faults.
  [[nodiscard]] uint64_t trace_hash() const;
  [[nodiscard]] uint64_t event_count() const;
  // For tests that compare more: mixes a value into the hash.
  void trace(std::string_view what, uint64_t value = 0);

  // The world's inside; for this folder alone.
  struct State;

 private:
  std::unique_ptr<State> state_;
};

namespace detail {
inline Task<void> keep_result(Task<void> task, std::optional<bool>& result) {
  co_await std::move(task);
  result.emplace(true);
}
template <class T>
Task<void> keep_result(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}
}  // namespace detail

template <class T>
T World::run(Reactor& on, Task<T> task, int64_t for_ns_max) {
  using Kept = std::conditional_t<std::is_void_v<T>, bool, T>;
  std::optional<Kept> result;
  TaskScope scope(on);
  run_on(on, [&] { scope.spawn(detail::keep_result(std::move(task), result)); });
  const bool ended = run_until([&] { return result.has_value(); }, for_ns_max);
  KEELSON_CHECK(ended, "a task that the simulation runs does not end: nothing is left that could resume it");
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace keelson::env::sim
