// One node of a simulated kv cluster, wired as the server wires it: connections between nodes, a runtime whose shards
// are replicated, the kv service. The members of every group are all nodes; nobody joins.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "protocol/resp/service.h"
#include "shard/runtime.h"
#include "tests/sim/cluster_peers.h"
#include "tests/sim/cluster_run.h"

namespace keelson::sim_test {

struct ClusterNodeOptions {
  unsigned index = 0;               // its NodeId is one more
  std::vector<env::Address> peers;  // of all nodes, in order
  uint16_t shards = 2;
  log::Durability durability = log::Durability::kAlways;
  log::LocalLogOptions log;
  shard::CheckpointOptions checkpoint;
  raft::MemberOptions member;
  int64_t tick_ms = 50;
  ClusterWitness* witness = nullptr;
};

class ClusterNode final : public ClusterProgram, private shard::GroupListener {
 public:
  ClusterNode(env::Env& env, ClusterNodeOptions options);
  ~ClusterNode() override;

  [[nodiscard]] bool is_serving() const override { return is_serving_; }
  [[nodiscard]] const std::string& failure() const override { return failure_; }
  void stir(uint64_t chance) override;

 private:
  Task<void> start();
  [[nodiscard]] shard::RuntimeOptions runtime_options();
  Status start_service();
  void fail_start(const Status& why) { failure_ = why.error().message(); }
  Task<void> note_leader(shard::ShardId shard);
  Task<void> give_lead(shard::ShardId shard, shard::NodeId to);
  Task<void> checkpoint();

  // shard::GroupListener.
  void leader_changed(shard::ShardId shard, shard::NodeId leader, bool is_here) override;
  void members_changed(shard::ShardId shard, const raft::Members& members) override {}
  void replica_stopped(shard::ShardId shard, const std::string& why) override;

  env::Env& env_;
  ClusterNodeOptions options_;
  bool is_serving_ = false;
  std::string failure_;
  std::unique_ptr<engine::ReplySink> unheard_;
  std::unique_ptr<ClusterPeers> peers_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<resp::KvService> service_;
  env::TaskScope tasks_;
};

}  // namespace keelson::sim_test
