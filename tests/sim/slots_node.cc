#include "tests/sim/slots_node.h"

#include <iterator>
#include <utility>

#include "base/crc16.h"
#include "cluster/identity.h"
#include "cluster/join.h"
#include "engine/coord/answer.h"
#include "engine/coord/coord_engine.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/kv_engine.h"
#include "engine/kv/reply.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/latency.h"
#include "protocol/resp/pubsub.h"
#include "protocol/resp/session_batch.h"
#include "protocol/resp/shard_agent.h"
#include "protocol/resp/slowlog.h"
#include "tests/sim/witnessed_engine.h"

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;

const std::string kFolder = "data";
constexpr uint64_t kHashSecret = 42;
constexpr int64_t kJoinAgainNs = 200 * kMillisecond;

}  // namespace

// Stands between a shard and kv's listener, and tells the witness of each change of the shard's table of slots.
class SlotsNode::TableListener final : public shard::ShardListener {
 public:
  TableListener(SlotsWitness& witness, unsigned node, shard::Shard& shard)
      : witness_(witness), node_(node), shard_(shard), behind_(shard.listener()) {
    shard_.set_listener(this);
  }
  ~TableListener() override { shard_.set_listener(behind_); }

  void applied(shard::Shard& shard) override { behind_->applied(shard); }
  void replaced(shard::Shard& shard) override {
    index_ = 0;
    witness_.reached(shard.id(), shard.applied_index(), UINT32_MAX, shard.replica()->slots());
    behind_->replaced(shard);
  }
  void slots_changed(shard::Shard& shard) override {
    const uint64_t index = shard.applied_index();
    nth_ = index == index_ ? nth_ + 1 : 0;
    index_ = index;
    witness_.changed(node_, shard.id(), index, nth_, shard.replica()->slots());
    behind_->slots_changed(shard);
  }

 private:
  SlotsWitness& witness_;
  const unsigned node_;
  shard::Shard& shard_;
  shard::ShardListener* const behind_;
  uint64_t index_ = 0;
  unsigned nth_ = 0;
};

SlotsNode::SlotsNode(env::Env& env, SlotsNodeOptions options)
    : env_(env),
      home_(env.reactor(0)),
      options_(std::move(options)),
      unheard_(std::make_unique<kv::NullReply>()),
      coord_unheard_(std::make_unique<coord::SilentSink>()),
      tasks_(home_) {
  home_.post([this] { tasks_.spawn(start()); });
}

SlotsNode::~SlotsNode() {
  if (cluster_ != nullptr) cluster_->abandon();
  if (runtime_ != nullptr) runtime_->abandon();
}

shard::ServiceOptions SlotsNode::kv_options() {
  shard::ServiceOptions service;
  service.name = "kv";
  service.shard_count = options_.shards;
  service.durability = log::Durability::kAlways;
  service.replay_sink = unheard_.get();
  service.has_slots = true;
  service.make_engine = [this](shard::ShardId shard) {
    kv::KvOptions kv_options;
    kv_options.databases = 1;
    kv_options.hash_secret = kHashSecret;
    auto engine = std::make_unique<WitnessedEngine>(kv_options, *options_.witness, options_.index, shard);
    engine->state_every = options_.state_every;
    engine->is_lent = [this, shard] { return runtime_->shard(shard).is_lent(); };
    return engine;
  };
  return service;
}

shard::RuntimeOptions SlotsNode::runtime_options() {
  shard::RuntimeOptions options;
  options.folder = kFolder;
  options.log = options_.log;
  options.checkpoint = options_.checkpoint;
  options.services.push_back(kv_options());
  shard::ServiceOptions& coordination = options.services.emplace_back();
  coordination.name = "coord";
  coordination.engine_version = coord::kCoordEngineVersion;
  coordination.shard_count = 1;
  coordination.durability = log::Durability::kAlways;
  coordination.replay_sink = coord_unheard_.get();
  coordination.make_engine = [](shard::ShardId) { return std::make_unique<coord::CoordEngine>(); };
  cluster::Service::Shards shards{.replicated = {}, .slots = {}, .system = system_shard(), .total = 0};
  for (shard::ShardId shard = 0; shard < options_.shards; ++shard) shards.slots.push_back(shard);
  shards.replicated = shards.slots;
  shards.replicated.push_back(shards.system);
  shards.total = static_cast<uint16_t>(shards.replicated.size());
  shard::ReplicationOptions& replication = options.replication.emplace(cluster_->replication(std::move(shards)));
  leaders_ = replication.listener;
  replication.listener = this;
  replication.member = options_.member;
  replication.groups.tick_ms = options_.tick_ms;
  return options;
}

Task<void> SlotsNode::start() {
  auto loaded = cluster::load_cluster_file(env_.disk(), kFolder);
  if (!loaded.ok()) co_return fail_start(forward_error(loaded));
  cluster::ClusterFile file = loaded->value_or(cluster::ClusterFile());
  ++file.boots;
  peer::Options peers;
  peers.listen = options_.peers[options_.index];
  peers.identity = {.cluster = file.cluster, .node = file.node, .secret = "keel"};
  peers.revision = file.boots;
  peers.incoming_folder = kFolder + "/incoming";
  peers.reactor_of = [count = env_.reactor_count()](uint16_t group) { return group % count; };
  mesh_ = std::make_unique<peer::Mesh>(env_, std::move(peers));
  cluster::ServiceOptions service;
  service.folder = kFolder;
  service.version = "simulated";
  service.mover = options_.mover;
  service.on_removed = [this] { options_.witness->violate("a node was removed"); };
  cluster_ = std::make_unique<cluster::Service>(env_, *mesh_, std::move(service));
  if (const Status meshed = co_await mesh_->start(); !meshed.ok()) co_return fail_start(meshed);
  if (const Status placed = co_await take_place(file); !placed.ok()) co_return fail_start(placed);
  if (const Status saved = co_await cluster::save_cluster_file(env_.disk(), home_, kFolder, file); !saved.ok()) {
    co_return fail_start(saved);
  }
  cluster_->set_file(file, {.kv_shards = options_.shards, .blob_shards = 0, .databases = 1, .replicas = 3},
                     kHashSecret);
  if (const Status started = co_await start_services(); !started.ok()) co_return fail_start(started);
  is_serving_ = true;
}

Task<Status> SlotsNode::take_place(cluster::ClusterFile& file) {
  if (file.node != 0) co_return Status();
  if (options_.index == 0) {
    file.cluster = cluster::new_cluster_id(home_.random());
    file.node = 1;
    file.is_founding = true;
  }
  const cluster::JoinRequest request{
      .name = {}, .zone = {}, .peer = mesh_->advertised(), .token = std::to_string(options_.index)};
  while (file.node == 0) {
    const Result<cluster::Joined> joined = co_await cluster::ask_to_join(*mesh_, {options_.peers[0]}, request);
    if (!joined.ok()) {
      co_await env::sleep_for(home_, kJoinAgainNs);
      continue;
    }
    file.cluster = joined->cluster;
    file.node = joined->node;
    file.book = joined->book;
  }
  mesh_->set_identity({.cluster = file.cluster, .node = file.node, .secret = "keel"});
  co_return Status();
}

Task<Status> SlotsNode::start_services() {
  runtime_ = std::make_unique<shard::Runtime>(env_, runtime_options());
  if (Status started = co_await runtime_->start(); !started.ok()) co_return started;
  coord::ServiceOptions coordination;
  coordination.is_alone = false;
  coord_ = std::make_unique<coord::Service>(*runtime_, runtime_->router(1), coordination);
  coord_->set_remote_leases(cluster_->remote_leases());
  if (Status started = co_await coord_->start(); !started.ok()) co_return started;
  resp::Host host;
  host.cluster = &cluster_->view();
  resp::KvConfig config;
  config.databases = 1;
  kv_ = std::make_unique<resp::KvService>(*runtime_, std::move(config), std::move(host));
  for (shard::ShardId shard = 0; shard < options_.shards; ++shard) {
    tables_.push_back(std::make_unique<TableListener>(*options_.slots, options_.index, runtime_->shard(shard)));
  }
  if (Status started = co_await cluster_->start(*runtime_, *coord_); !started.ok()) co_return started;
  if (Status listening = kv_->listen({.host = "", .port = kClientPort, .unix_path = {}}, nullptr); !listening.ok()) {
    co_return listening;
  }
  env::Address at = options_.peers[options_.index];
  at.port = kClientPort;
  cluster_->announce({.kv = at.text(),
                      .kv_tls = {},
                      .kv_id = std::string(40, static_cast<char>('a' + options_.index)),
                      .etcd = {},
                      .http = {}});
  co_return Status();
}

void SlotsNode::move_slots(uint16_t first, uint16_t last, shard::ShardId to, uint64_t& begun) {
  home_.post([this, first, last, to, &begun] { tasks_.spawn(begin_move(first, last, to, begun)); });
}

Task<void> SlotsNode::begin_move(uint16_t first, uint16_t last, shard::ShardId to, uint64_t& begun) {
  const auto moves = co_await cluster_->move_slots(first, last, to);
  if (moves.ok()) begun += moves->moves.size();
}

void SlotsNode::cancel_move(uint64_t chance) {
  const cluster::SlotMoves& moves = cluster_->state().moves;
  if (moves.empty()) return;
  const uint64_t move = std::next(moves.begin(), static_cast<ptrdiff_t>(chance % moves.size()))->first;
  home_.post([this, move] { tasks_.spawn(cancel(move)); });
}

Task<void> SlotsNode::cancel(uint64_t move) { (void)co_await cluster_->cancel_move(move); }

std::string SlotsNode::keys_astray() {
  for (shard::ShardId id = 0; id < options_.shards; ++id) {
    shard::Shard& shard = runtime_->shard(id);
    kv::Keyspace& keyspace = static_cast<kv::KvEngine&>(shard.engine()).keyspace();
    std::string found;
    for (uint64_t cursor = 0, is_first = 1; (is_first | cursor) != 0; is_first = 0) {
      cursor = keyspace.scan(0, cursor, 1000, [&](const kv::Value& value) {
        if (!shard.replica()->slots().may_read(key_slot(value.key()))) found = value.key();
      });
    }
    if (!found.empty()) {
      return "node " + std::to_string(options_.index) + " still has key " + found + " in shard " + std::to_string(id);
    }
  }
  return {};
}

void SlotsNode::leader_changed(shard::ShardId shard, shard::NodeId leader, bool is_here) {
  leaders_->leader_changed(shard, leader, is_here);
  if (is_here) home_.post([this, shard] { tasks_.spawn(note_leader(shard)); });
}

void SlotsNode::members_changed(shard::ShardId shard, const raft::Members& members) {
  leaders_->members_changed(shard, members);
}

Task<void> SlotsNode::note_leader(shard::ShardId shard) {
  const auto status = co_await runtime_->group_status(home_, shard);
  if (status && status->role == raft::Role::kLeader) options_.witness->leads(options_.index, shard, status->term);
}

void SlotsNode::replica_stopped(shard::ShardId shard, const std::string& why) {
  leaders_->replica_stopped(shard, why);
  home_.post([this, shard, why] { failure_ = "shard " + std::to_string(shard) + " stopped: " + why; });
}

void SlotsNode::stir(uint64_t chance) {
  const auto shard = static_cast<shard::ShardId>(chance % (options_.shards + 1U));
  const shard::NodeId who = 1 + chance / 1000 % options_.peers.size();
  home_.post(
      [this, shard, who, kind = chance / 100 % 3] { tasks_.spawn(kind == 0 ? checkpoint() : give_lead(shard, who)); });
}

Task<void> SlotsNode::give_lead(shard::ShardId shard, shard::NodeId to) {
  (void)co_await runtime_->transfer_leader(home_, shard, to);
}

Task<void> SlotsNode::checkpoint() { (void)co_await runtime_->checkpoint_all(true); }

}  // namespace keelson::sim_test
