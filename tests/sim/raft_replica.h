// One node of a simulated cluster: the members of its groups over one LocalLog, each with a toy state machine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/sim/sim.h"
#include "log/checkpoint_file.h"
#include "log/local_log.h"
#include "raft/groups.h"
#include "raft/member.h"
#include "tests/sim/raft_toy.h"

namespace keelson::tests {

struct ReplicaOptions {
  NodeId node = 0;
  unsigned groups = 1;
  std::vector<NodeId> voters;  // empty: is added later
  raft::MemberOptions member;
  int64_t tick_ms = 20;
  uint64_t segment_bytes = 64 << 10;
};

class RaftReplica final : public env::sim::Program {
 public:
  // `messenger` is the node's, for this life.
  RaftReplica(env::Env& env, RaftTruth& truth, env::sim::Chance& chance, ReplicaOptions options,
              std::unique_ptr<raft::Messenger> messenger);
  ~RaftReplica() override;

  [[nodiscard]] bool is_ready() const { return is_ready_; }
  [[nodiscard]] NodeId node() const { return options_.node; }
  [[nodiscard]] raft::Groups& sink() { return groups_; }
  [[nodiscard]] raft::Member& member(ShardId group) { return *replicas_[group]->member; }
  [[nodiscard]] RaftToy& toy(ShardId group) { return replicas_[group]->toy; }
  // Its log has failed, or could not be opened: it must be started anew.
  [[nodiscard]] bool has_halted() const { return has_halted_; }
  void take_checkpoint(ShardId group);
  [[nodiscard]] static std::string checkpoint_folder() { return "data/checkpoints"; }

 private:
  struct Replica final : raft::MemberHost {
    Replica(RaftReplica& owner, ShardId shard);
    void checkpoint_wanted() override { node.take_checkpoint(group); }
    void send_checkpoint(NodeId to, uint64_t index, std::string message, std::function<void(bool)> done) override;
    void install(raft::Arrival arrival, uint64_t index, std::string prelude) override;
    void members_changed(const raft::Members& members) override {}
    void halted(const std::string& why) override;

    RaftReplica& node;
    const ShardId group;
    RaftToy toy;
    raft::Replay replay;
    std::unique_ptr<raft::Member> member;
    uint64_t first_position = 1;
    bool is_writing = false;
    std::string damage;
  };
  class Recovery;

  Task<void> boot();
  Status load_newest(Replica& replica, const std::vector<log::CheckpointFile>& files);
  Task<void> write_checkpoint(Replica& replica);
  Task<void> run_install(Replica& replica, raft::Arrival arrival, uint64_t index, std::string prelude);
  void trim();

  env::Env& env_;
  env::Reactor& reactor_;
  RaftTruth& truth_;
  env::sim::Chance& chance_;
  const ReplicaOptions options_;
  std::unique_ptr<raft::Messenger> messenger_;
  raft::Groups groups_;
  std::unique_ptr<log::LocalLog> log_;
  std::unique_ptr<log::CommitLog> port_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  bool is_ready_ = false;
  bool has_halted_ = false;
  env::TaskScope scope_;
};

}  // namespace keelson::tests
