#include "tests/sim/cluster_node.h"

#include <algorithm>
#include <utility>

#include "engine/kv/reply.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/latency.h"
#include "protocol/resp/pubsub.h"
#include "protocol/resp/session_batch.h"
#include "protocol/resp/shard_agent.h"
#include "protocol/resp/slowlog.h"
#include "tests/sim/kv_node.h"
#include "tests/sim/witnessed_engine.h"

namespace keelson::sim_test {

ClusterNode::ClusterNode(env::Env& env, ClusterNodeOptions options)
    : env_(env), options_(std::move(options)), unheard_(std::make_unique<kv::NullReply>()), tasks_(env.reactor(0)) {
  env.reactor(0).post([this] { tasks_.spawn(start()); });
}

ClusterNode::~ClusterNode() {
  if (runtime_ != nullptr) runtime_->abandon();
}

shard::RuntimeOptions ClusterNode::runtime_options() {
  shard::RuntimeOptions options;
  options.folder = "data";
  options.log = options_.log;
  options.checkpoint = options_.checkpoint;
  shard::ServiceOptions& kv_service = options.services.emplace_back();
  kv_service.name = "kv";
  kv_service.shard_count = options_.shards;
  kv_service.durability = options_.durability;
  kv_service.replay_sink = unheard_.get();
  kv_service.make_engine = [this](shard::ShardId shard) {
    kv::KvOptions kv_options;
    kv_options.hash_secret = 42;
    return std::make_unique<WitnessedEngine>(kv_options, *options_.witness, options_.index, shard);
  };
  shard::ReplicationOptions& replication = options.replication.emplace(peers_->replication());
  replication.listener = this;
  replication.member = options_.member;
  replication.groups.tick_ms = options_.tick_ms;
  return options;
}

Task<void> ClusterNode::start() {
  peers_ = std::make_unique<ClusterPeers>(env_, options_.index, options_.peers);
  runtime_ = std::make_unique<shard::Runtime>(env_, runtime_options());
  if (const Status started = co_await runtime_->start(); !started.ok()) co_return fail_start(started);
  if (const Status meshed = co_await peers_->start(*runtime_); !meshed.ok()) co_return fail_start(meshed);
  if (const Status serving = start_service(); !serving.ok()) co_return fail_start(serving);
  co_await runtime_->start_groups();
  is_serving_ = true;
}

Status ClusterNode::start_service() {
  service_ = std::make_unique<resp::KvService>(*runtime_, resp::KvConfig{}, resp::Host{});
  return service_->listen({.host = "", .port = kPort, .unix_path = {}}, nullptr);
}

void ClusterNode::leader_changed(shard::ShardId shard, shard::NodeId leader, bool is_here) {
  if (!is_here) return;
  env_.reactor(0).post([this, shard] { tasks_.spawn(note_leader(shard)); });
}

Task<void> ClusterNode::note_leader(shard::ShardId shard) {
  const auto status = co_await runtime_->group_status(env_.reactor(0), shard);
  if (status && status->role == raft::Role::kLeader) options_.witness->leads(options_.index, shard, status->term);
}

void ClusterNode::replica_stopped(shard::ShardId shard, const std::string& why) {
  env_.reactor(0).post([this, shard, why] { failure_ = "shard " + std::to_string(shard) + " stopped: " + why; });
}

void ClusterNode::stir(uint64_t chance) {
  const auto shard = static_cast<shard::ShardId>(chance % options_.shards);
  const shard::NodeId who = 1 + chance / 1000 % options_.peers.size();
  env_.reactor(0).post([this, shard, who, kind = chance / 100 % 4, is_demotion = chance / 10'000 % 2 == 0] {
    if (kind == 0) tasks_.spawn(checkpoint());
    if (kind == 1) tasks_.spawn(give_lead(shard, who));
    if (kind > 1) tasks_.spawn(peers_->change_member(shard, who, is_demotion));
  });
}

Task<void> ClusterNode::give_lead(shard::ShardId shard, shard::NodeId to) {
  (void)co_await runtime_->transfer_leader(env_.reactor(0), shard, to);
}

Task<void> ClusterNode::checkpoint() { (void)co_await runtime_->checkpoint_all(true); }

}  // namespace keelson::sim_test
