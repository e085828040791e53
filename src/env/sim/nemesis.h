// Faults for a cluster, drawn from the world's seed: who crashes, pauses, loses whom, and when.
//
//   Nemesis nemesis(world, {&a, &b, &c}, NemesisOptions::draw(world.random()));
//   nemesis.start();
//   world.run_for(20 * kSecond);
//   nemesis.stop();     // everything heals, everyone is up: from now on the cluster must get on
//
// Each run uses a few kinds of faults only, picked by draw(): a mixture of everything hides what a few would show.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "env/sim/sim.h"

namespace keelson::env::sim {

enum class Fault : uint8_t {
  kCrash,       // the power of one node goes: what was not synced is lost or torn
  kKill,        // the process of one node dies
  kCrashAll,    // the power of all goes
  kPause,       // one node gets no time
  kSplit,       // two parts that do not hear each other
  kOneWay,      // one part does not hear the other, which hears it
  kIsolate,     // one node alone
  kBridge,      // two parts that only one node hears both of
  kSwizzle,     // some are cut off one after another, and come back in another order
  kSlowLink,    // one way between two nodes
  kLossyLinks,  // all ways
  kBreak,       // the connections of one node
  kWallJump,    // the wall clock of one node
  kDrift,       // both clocks of one node run fast or slow
  kSlowDisk,    // of one node
  kFullDisk,    // of one node
  kFailedSync,  // one sync of one node fails: its log stops until the next start
  kCount,
};
[[nodiscard]] std::string_view name_of(Fault fault);

struct NemesisOptions {
  // 0: never. Else how often in comparison with the others.
  std::array<unsigned, static_cast<size_t>(Fault::kCount)> weights{};
  int64_t pause_ns_min = 50 * kMillisecond;  // between the start of one fault and that of the next
  int64_t pause_ns_max = 2 * kSecond;
  int64_t lasts_ns_max = 4 * kSecond;  // until a fault is mended
  // Victims that may be down or paused at the same time; more are left alone. kCrashAll is exempt.
  unsigned down_max = 1;
  int64_t drift_ppm_max = 20'000;
  int64_t wall_jump_ms_max = 60'000;
  DiskFaults slow_disk{.sync_ns_min = 5 * kMillisecond, .sync_ns_max = 300 * kMillisecond};

  [[nodiscard]] unsigned& weight(Fault fault) { return weights[static_cast<size_t>(fault)]; }
  // A handful of kinds, at a pace of their own, for a cluster of that many nodes.
  static NemesisOptions draw(Random& random, unsigned nodes);
};

class Nemesis {
 public:
  Nemesis(World& world, std::vector<Node*> victims, NemesisOptions options);
  Nemesis(const Nemesis&) = delete;
  Nemesis& operator=(const Nemesis&) = delete;
  ~Nemesis() { *is_alive_ = false; }

  // Asked before a node goes down; false: not that one, not now.
  std::function<bool(Node&)> may_go_down = [](Node&) { return true; };
  // Told before it goes down, while its program still stands, and after it is up again.
  std::function<void(Node&)> goes_down = [](Node&) {};
  std::function<void(Node&)> is_back = [](Node&) {};

  void start();
  // Mends everything and starts whoever is down. Nothing more happens.
  void stop();
  // One of that kind, now. False if there was no victim for it.
  bool strike(Fault fault);
  [[nodiscard]] uint64_t count(Fault fault) const { return counts_[static_cast<size_t>(fault)]; }

 private:
  void schedule();
  [[nodiscard]] uint64_t below(uint64_t count) { return count == 0 ? 0 : world_.random().next() % count; }
  [[nodiscard]] int64_t between(int64_t least, int64_t most);
  // One that is up and running; null if none may be touched.
  Node* pick();
  Node* pick_to_go_down();
  [[nodiscard]] std::vector<Node*> shuffled();
  void mend_later(Callback mend);
  void take_down(Node& node, bool is_crash);
  void bring_back(Node& node);
  bool strike_process(Fault fault);
  bool strike_network(Fault fault);
  bool strike_clock_or_disk(Fault fault);
  void split(bool one_way, bool with_bridge);
  void swizzle();

  World& world_;
  const std::vector<Node*> victims_;
  NemesisOptions options_;
  bool is_running_ = false;
  std::array<uint64_t, static_cast<size_t>(Fault::kCount)> counts_{};
  // What runs in the world's queue must not outlive this.
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace keelson::env::sim
