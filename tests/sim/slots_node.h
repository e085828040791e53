// One node of a simulated cluster as the server runs it: connections between nodes, a runtime with kv's shards and the
// system shard, coordination, the cluster's service, kv for clients. The first node founds the cluster, others join.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cluster/service.h"
#include "coord/service.h"
#include "env/env.h"
#include "env/sim/sim.h"
#include "peer/mesh.h"
#include "protocol/resp/service.h"
#include "shard/runtime.h"
#include "tests/sim/cluster_witness.h"
#include "tests/sim/slots_witness.h"

namespace keelson::sim_test {

inline constexpr uint16_t kClientPort = 6379;

struct SlotsNodeOptions {
  unsigned index = 0;
  std::vector<env::Address> peers;  // of all nodes, in order
  uint16_t shards = 4;              // of kv
  log::LocalLogOptions log;
  shard::CheckpointOptions checkpoint;
  raft::MemberOptions member;
  int64_t tick_ms = 50;
  uint64_t state_every = 4;  // one state of a shard in so many is compared
  cluster::SlotMoverOptions mover;
  ClusterWitness* witness = nullptr;
  SlotsWitness* slots = nullptr;
};

class SlotsNode final : public env::sim::Program, private shard::GroupListener {
 public:
  SlotsNode(env::Env& env, SlotsNodeOptions options);
  ~SlotsNode() override;

  [[nodiscard]] bool is_serving() const { return is_serving_; }
  // Why it cannot go on, or empty.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] cluster::Service& cluster() { return *cluster_; }
  [[nodiscard]] shard::Runtime& runtime() { return *runtime_; }
  // Slots go to another shard, if that can be begun now; counts if it was.
  void move_slots(uint16_t first, uint16_t last, shard::ShardId to, uint64_t& begun);
  // Some move that is under way is not wanted any more.
  void cancel_move(uint64_t chance);
  // Something that must not matter: a checkpoint, another leader.
  void stir(uint64_t chance);
  // Keys that this node's replicas hold although their shard has not got their slots; "" if there are none.
  [[nodiscard]] std::string keys_astray();

 private:
  class TableListener;

  Task<void> start();
  Task<Status> take_place(cluster::ClusterFile& file);
  [[nodiscard]] shard::RuntimeOptions runtime_options();
  [[nodiscard]] shard::ServiceOptions kv_options();
  Task<Status> start_services();
  void fail_start(const Status& why) { failure_ = why.error().message(); }
  Task<void> begin_move(uint16_t first, uint16_t last, shard::ShardId to, uint64_t& begun);
  Task<void> cancel(uint64_t move);
  Task<void> note_leader(shard::ShardId shard);
  Task<void> give_lead(shard::ShardId shard, shard::NodeId to);
  Task<void> checkpoint();
  [[nodiscard]] shard::ShardId system_shard() const { return options_.shards; }

  // shard::GroupListener.
  void leader_changed(shard::ShardId shard, shard::NodeId leader, bool is_here) override;
  void members_changed(shard::ShardId shard, const raft::Members& members) override;
  void replica_stopped(shard::ShardId shard, const std::string& why) override;

  env::Env& env_;
  env::Reactor& home_;
  const SlotsNodeOptions options_;
  bool is_serving_ = false;
  std::string failure_;
  std::unique_ptr<engine::ReplySink> unheard_;
  std::unique_ptr<engine::ReplySink> coord_unheard_;
  std::unique_ptr<peer::Mesh> mesh_;
  std::unique_ptr<cluster::Service> cluster_;
  shard::GroupListener* leaders_ = nullptr;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<coord::Service> coord_;
  std::unique_ptr<resp::KvService> kv_;
  std::vector<std::unique_ptr<TableListener>> tables_;
  env::TaskScope tasks_;
};

}  // namespace keelson::sim_test
