// Whole members of Raft groups on simulated machines, over a network that loses, delays, doubles, reorders and cuts one
// way or both; with crashes that lose or tear unsynced writes, full disks, failed and slow syncs, paused nodes, changes
// of members, transfers of leadership, borrowers, and checkpoints at tiny thresholds. All from one seed.
//
// Checked all the while, by RaftToy: the same state at the same place on every replica; one leader for each term; every
// proposal has one outcome, in order and the right one; no refused record is ever applied; reads see what was seen
// before they began; a borrower's record follows what it saw. After the faults end: every member catches up and every
// outcome is told within a bound.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/sim/chance.h"
#include "env/sim/sim.h"
#include "tests/sim/raft_replica.h"

namespace keelson::tests {

class RaftCluster {
 public:
  RaftCluster(uint64_t seed, raft::MemberFaults faults);
  // None: every promise was kept; else which was broken.
  std::optional<std::string> run();
  [[nodiscard]] const RaftTruth& truth() const { return truth_; }

 private:
  friend class SimMessenger;
  struct Faults {
    double loss = 0;
    double doubled = 0;
    double file_loss = 0;
    double file_flip = 0;
    int64_t delay_ns_max = 0;
    int64_t crash_every_ns = 0;
    int64_t cut_every_ns = 0;
    int64_t contest_every_ns = 0;
    int64_t change_every_ns = 0;
    int64_t transfer_every_ns = 0;
    int64_t borrow_every_ns = 0;
    int64_t full_every_ns = 0;
    int64_t sync_error_every_ns = 0;
    int64_t checkpoint_every_ns = 0;
    int64_t propose_every_ns = 0;
  };

  static env::sim::SimOptions draw_world(uint64_t seed);
  void draw_faults();
  void each(int64_t about_ns, const std::function<void()>& run);
  void run_faulty(int64_t for_ns);

  [[nodiscard]] env::sim::Node& machine(NodeId id) { return world_.node(static_cast<unsigned>(id - 1)); }
  // Null: down, or not started yet.
  [[nodiscard]] RaftReplica* replica(NodeId id);
  [[nodiscard]] bool has_halted(NodeId id);
  // On the node's reactor, if it is still up then.
  void on(NodeId id, std::function<void(RaftReplica&)> action);
  [[nodiscard]] NodeId pick() { return 1 + chance_.below(nodes_); }
  [[nodiscard]] ShardId pick_group() { return static_cast<ShardId>(chance_.below(groups_)); }
  [[nodiscard]] NodeId leader_of(ShardId group);

  void deliver(NodeId from, NodeId to, ShardId group, std::string bytes);
  void deliver_file(NodeId from, NodeId to, ShardId group, std::string bytes, std::string content,
                    std::function<void(bool)> done);
  // Up again after at most so long.
  void crash(NodeId id, int64_t down_ns_max);
  // Nothing goes from it or to it.
  void cut_off(NodeId id);
  // Runs that as soon as it is so, if that is before `until_ns`.
  void once(std::function<bool()> is_so, std::function<void()> run, int64_t until_ns);
  void contest();
  void cut_links();
  void change_members();
  void look_at_leaders();
  void look_at_links();
  void check_end();
  [[nodiscard]] bool is_level();
  void describe();

  const raft::MemberFaults planted_;
  env::sim::Chance chance_;
  env::sim::World world_;
  RaftTruth truth_;
  Faults faults_;
  bool has_faults_ = true;
  uint64_t nodes_ = 3;
  unsigned groups_ = 1;
  raft::MemberOptions member_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::set<std::pair<NodeId, NodeId>> reaches_;  // from where to where a connection is believed to stand
  uint64_t files_ = 0;
};

}  // namespace keelson::tests
