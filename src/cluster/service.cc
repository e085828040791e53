#include "cluster/service.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "cluster/errors.h"
#include "cluster/service_limits.h"
#include "cluster/service_moving.h"
#include "shard/call_on.h"

namespace keelson::cluster {

Service::Service(env::Env& env, peer::Mesh& mesh, ServiceOptions options)
    : env_(env),
      home_(env.reactor(0)),
      mesh_(mesh),
      options_(std::move(options)),
      drive_timer_(home_,
                   [this] {
                     drive_timer_.arm_after(kDriveEveryMs * kNsPerMs);
                     drive_soon();
                     show_soon();
                     if (!is_looking_around_ && runtime_ != nullptr) tasks_->spawn(look_around());
                   }),
      announce_timer_(home_, [this] { tasks_->spawn(keep_announced()); }),
      tasks_(std::make_unique<env::TaskScope>(home_)),
      moving_tasks_(std::make_unique<env::TaskScope>(home_)) {
  for (unsigned i = 0; i < env.reactor_count(); ++i) {
    messengers_.push_back(std::make_unique<HubMessenger>(mesh.hub(i)));
  }
  add_methods();
  add_slot_methods();
}

Service::~Service() = default;

void Service::set_file(ClusterFile file, ClusterSettings settings, uint64_t hash_secret) {
  file_ = std::move(file);
  options_.settings = settings;
  options_.hash_secret = hash_secret;
}

shard::ReplicationOptions Service::replication(Shards shards) {
  shards_ = std::move(shards);
  leaders_ = std::make_unique<Leaders>(shards_.total);
  remote_leases_ = std::make_unique<RemoteLeases>(mesh_, *leaders_, shards_.system);
  shard::ReplicationOptions options;
  options.node = file_.node;
  options.messenger = [this](unsigned reactor) -> raft::Messenger& { return *messengers_[reactor]; };
  // Only who founds the cluster begins groups; others get their replicas from those.
  options.first_members = [is_founding = file_.is_founding, node = file_.node](ShardId) {
    return is_founding ? std::vector<NodeId>{node} : std::vector<NodeId>();
  };
  options.listener = leaders_.get();
  return options;
}

Task<Status> Service::start(shard::Runtime& runtime, coord::Service& coord) {
  KEELSON_CHECK(leaders_ != nullptr, "replication() comes before start()");
  store_ = std::make_unique<Store>(coord, home_);
  coord_ = &coord;
  leaders_->set_on_change([this] {
    home_.post([this] {
      show_soon();
      // Whoever leads a shard now carries on with its moves; clients may wait for that.
      if (!is_stopping_ && !state_.moves.empty()) drive_soon();
    });
  });
  leaders_->set_on_lead(shards_.system, [&coord](bool is_here) { coord.leader_changed(is_here); });
  for (unsigned i = 0; i < env_.reactor_count(); ++i) {
    co_await shard::call_on(home_, env_.reactor(i), [&] { messengers_[i]->attach(&runtime.groups(i)); });
  }
  mesh_.set_nodes(file_.book, {});
  co_await runtime.start_groups();
  runtime_ = &runtime;
  if (!file_.is_founding) {
    // Empty until the group's leader brings it up to date; there already if the node has been started before.
    const Status added = co_await runtime.add_replica(home_, shards_.system, {});
    if (!added.ok() && added.error().code() != log::LogErrc::kRefused) {
      co_return std::unexpected<Error>(added.error());
    }
  }
  tasks_->spawn(watch());
  drive_timer_.arm_after(kDriveEveryMs * kNsPerMs);
  co_return Status();
}

void Service::abandon() {
  is_stopping_ = true;
  drive_timer_.disarm();
  announce_timer_.disarm();
  tasks_.reset();
  moving_tasks_.reset();
  moving_.clear();
  watching_.reset();
}

Task<void> Service::stop() {
  co_await stop_moving();
  abandon();
}

Task<void> Service::detach() {
  if (runtime_ == nullptr) co_return;
  for (unsigned i = 0; i < env_.reactor_count(); ++i) {
    co_await shard::call_on(home_, env_.reactor(i), [&] { messengers_[i]->attach(nullptr); });
  }
  runtime_ = nullptr;
}

// Reads the state that this node's replica has; false: not now.
Task<bool> Service::reload() {
  Result<StoredKeys> found = co_await store_->read(std::string(kPrefix), std::string(kPrefixEnd), false);
  if (!found.ok()) co_return false;
  ClusterState state;
  state.revision = found->revision;
  for (const StoredKey& key : found->keys) {
    if (!state.apply(key.key, key.value)) {
      log_warn("cluster", "a key of the cluster's state is not understood", {{"key", key.key}});
    }
  }
  state_ = std::move(state);
  co_return true;
}

Task<void> Service::watch() {
  while (true) {
    if (!co_await reload()) {
      co_await env::sleep_for(home_, kRetryMs * kNsPerMs);
      continue;
    }
    co_await state_changed();
    watching_ = coord_->open_watch_stream(home_);
    watching_->create(
        {.key = std::string(kPrefix), .range_end = std::string(kPrefixEnd), .start_revision = state_.revision + 1});
    while (true) {
      const coord::Delivery delivery = co_await watching_->next();
      if (delivery.kind == coord::DeliveryKind::kClosed) co_return;
      if (delivery.kind == coord::DeliveryKind::kCanceled || delivery.kind == coord::DeliveryKind::kRefused) break;
      if (delivery.kind != coord::DeliveryKind::kEvents) continue;
      for (const auto& event : delivery.events->events()) {
        const coord::KeyValue& kv = event->kv();
        (void)state_.apply(kv.key, event->is_deletion() ? std::nullopt : std::optional(kv.value));
      }
      state_.revision = delivery.events->last_revision();
      co_await state_changed();
    }
    // What it should have seen next is compacted, or a checkpoint took its place: all is read again.
    co_await env::sleep_for(home_, kRetryMs * kNsPerMs);
  }
}

Task<void> Service::state_changed() {
  if (state_.nodes.empty()) co_return;  // a replica that is still empty
  mesh_.set_nodes(state_.book(), state_.removed());
  show_soon();
  const auto self = state_.nodes.find(file_.node);
  if (self != state_.nodes.end() && self->second.state == NodeState::kRemoved) {
    log_error("cluster", "this node was removed from the cluster; its data folder is of no further use",
              {{"node", file_.node}, {"cluster", file_.cluster}});
    if (options_.on_removed) options_.on_removed();
  }
  std::vector<BookEntry> book = state_.book();
  if (book != file_.book) {
    file_.book = std::move(book);
    const Status saved = co_await save_cluster_file(env_.disk(), home_, options_.folder, file_);
    if (!saved.ok()) {
      log_warn("cluster", "the other nodes' addresses cannot be written down", {{"why", saved.error().message()}});
    }
  }
  drive_soon();
}

void Service::announce(ServedAt at) {
  served_at_ = std::move(at);
  is_announced_ = false;
  tasks_->spawn(keep_announced());
}

Task<void> Service::keep_announced() {
  if (is_announced_ || !served_at_) co_return;
  const Status announced = co_await announce_once();
  if (announced.ok()) {
    is_announced_ = true;
    co_return;
  }
  log_debug("cluster", "the node cannot tell the cluster yet where it serves", {{"why", announced.error().message()}});
  announce_timer_.arm_after(kRetryMs * kNsPerMs);
}

// Before the first node has written itself down there is no cluster.
Task<Status> Service::found() {
  NodeRecord self;
  self.id = file_.node;
  self.name = options_.name.empty() ? "node-" + std::to_string(file_.node) : options_.name;
  self.zone = options_.zone;
  self.peer = mesh_.advertised();
  self.revision = file_.boots;
  self.version = options_.version;
  self.can_move_slots = true;
  KeyChange change{.unchanged = {{std::string(kNextNodeKey), 0}}, .seen = 0, .puts = {}};
  change.puts.emplace_back(kSettingsKey, format_settings(options_.settings));
  change.puts.emplace_back(kNextNodeKey, std::to_string(file_.node + 1));
  change.puts.emplace_back(node_key(self.id), format_node(self));
  Result<bool> done = co_await store_->change(std::move(change));
  if (!done.ok()) co_return forward_error(done);
  // False: an earlier life of this node has done it.
  file_.is_founding = false;
  co_return co_await save_cluster_file(env_.disk(), home_, options_.folder, file_);
}

Task<Status> Service::announce_once() {
  if (file_.is_founding) {
    if (Status founded = co_await found(); !founded.ok()) co_return forward_error(founded);
  }
  Result<StoredKey> stored = co_await store_->get(node_key(file_.node));
  if (!stored.ok()) co_return forward_error(stored);
  std::optional<NodeRecord> record = parse_node(file_.node, stored->value);
  if (stored->mod_revision == 0 || !record) {
    co_return fail(ClusterErrc::kNotFound, "the cluster does not know this node");
  }
  NodeRecord wanted = *record;
  wanted.peer = mesh_.advertised();
  wanted.revision = file_.boots;
  wanted.zone = options_.zone;
  if (!options_.name.empty()) wanted.name = options_.name;
  wanted.kv = served_at_->kv;
  wanted.kv_tls = served_at_->kv_tls;
  wanted.kv_id = served_at_->kv_id;
  wanted.etcd = served_at_->etcd;
  wanted.kafka = served_at_->kafka;
  wanted.kafka_tls = served_at_->kafka_tls;
  wanted.http = served_at_->http;
  wanted.version = options_.version;
  wanted.can_move_slots = true;
  if (format_node(wanted) == stored->value) co_return Status();
  KeyChange change{
      .unchanged = {{stored->key, stored->mod_revision}}, .seen = 0, .puts = {{stored->key, format_node(wanted)}}};
  Result<bool> done = co_await store_->change(std::move(change));
  if (!done.ok()) co_return forward_error(done);
  if (!*done) co_return fail(ClusterErrc::kFailed, "somebody else has changed this node's record meanwhile");
  co_return Status();
}

// Once for all that changes in a turn.
void Service::show_soon() {
  if (std::exchange(is_view_wanted_, true)) return;
  home_.at_turn_end([this] {
    is_view_wanted_ = false;
    if (!is_stopping_) show();
  });
}

std::map<ShardId, NodeId> Service::leaders_of(const std::vector<ShardId>& shards) const {
  std::map<ShardId, NodeId> leaders = leaders_elsewhere_;
  for (const ShardId shard : shards) {
    if (const NodeId leader = leaders_->leader_of(shard)) leaders[shard] = leader;
  }
  return leaders;
}

void Service::show() {
  std::set<NodeId> reachable{file_.node};
  for (const auto& [id, node] : state_.nodes) {
    if (mesh_.hub(0).is_reachable(id)) reachable.insert(id);
  }
  std::vector<SlotRun> slots = SlotOwners(shards_.slots, state_.slots).runs();
  view_.show(make_map({.here = file_.node,
                       .state = state_,
                       .clients = Clients::kKv,
                       .shards = shards_.slots,
                       .slots = slots,
                       .leaders = leaders_of(shards_.slots),
                       .reachable = reachable}));
  kafka_view_.show(make_map({.here = file_.node,
                             .state = state_,
                             .clients = Clients::kKafka,
                             .shards = shards_.topics,
                             .slots = {},
                             .leaders = leaders_of(shards_.topics),
                             .reachable = reachable}));
  shard::SlotMap* const map = runtime_ == nullptr ? nullptr : runtime_->slot_map();
  if (map != nullptr && slots != shown_slots_) {
    for (const SlotRun& run : slots) map->set(run.first, run.last, run.shard);
    shown_slots_ = std::move(slots);
  }
  shown_revision_ = state_.revision;
  forget_moves();
}

// The system shard's term, and the leaders of shards of which no replica here knows one.
Task<void> Service::look_around() {
  is_looking_around_ = true;
  const std::optional<raft::MemberStatus> system = co_await runtime_->group_status(home_, shards_.system);
  if (system) system_term_.store(system->term, std::memory_order_relaxed);
  const auto is_unknown = [&](ShardId shard) { return leaders_->leader_of(shard) == 0; };
  if (std::ranges::any_of(shards_.slots, is_unknown) || std::ranges::any_of(shards_.topics, is_unknown))
    leaders_elsewhere_ = co_await leaders_told();
  is_looking_around_ = false;
}

Task<Status> Service::set_node_state(NodeId node, NodeState state) {
  if (!is_ready()) co_return fail(ClusterErrc::kNoLeader, "this node does not take part in the cluster yet");
  Result<StoredKey> stored = co_await store_->get(node_key(node));
  if (!stored.ok()) co_return forward_error(stored);
  std::optional<NodeRecord> record = parse_node(node, stored->value);
  if (stored->mod_revision == 0 || !record) {
    co_return fail(ClusterErrc::kNotFound, "there is no node " + std::to_string(node));
  }
  if (record->state == NodeState::kRemoved) {
    co_return fail(ClusterErrc::kNotAllowed, "node " + std::to_string(node) + " was removed, which is for good");
  }
  if (state != NodeState::kActive) {
    const bool has_other = std::any_of(state_.nodes.begin(), state_.nodes.end(), [&](const auto& other) {
      return other.first != node && other.second.state == NodeState::kActive;
    });
    if (!has_other) co_return fail(ClusterErrc::kNotAllowed, "it is the last node that may hold data");
  }
  if (state == NodeState::kRemoved) {
    if (Status safe = co_await check_removal(node); !safe.ok()) co_return forward_error(safe);
  }
  record->state = state;
  KeyChange change{
      .unchanged = {{stored->key, stored->mod_revision}}, .seen = 0, .puts = {{stored->key, format_node(*record)}}};
  Result<bool> done = co_await store_->change(std::move(change));
  if (!done.ok()) co_return forward_error(done);
  if (!*done) co_return fail(ClusterErrc::kFailed, "the node's record has changed meanwhile; try again");
  co_return Status();
}

Task<Status> Service::move_replica(ShardId shard, NodeId from, NodeId to) {
  if (!is_ready()) co_return fail(ClusterErrc::kNoLeader, "this node does not take part in the cluster yet");
  Result<StoredKey> stored = co_await store_->get(replicas_key(shard));
  if (!stored.ok()) co_return forward_error(stored);
  std::optional<std::vector<NodeId>> nodes = parse_ids(stored->value);
  if (stored->mod_revision == 0 || !nodes) {
    co_return fail(ClusterErrc::kNotFound, "there is no shard " + std::to_string(shard));
  }
  const auto place = std::find(nodes->begin(), nodes->end(), from);
  if (place == nodes->end()) {
    co_return fail(ClusterErrc::kNotFound,
                   "node " + std::to_string(from) + " has no replica of shard " + std::to_string(shard));
  }
  const auto target = state_.nodes.find(to);
  if (target == state_.nodes.end() || target->second.state != NodeState::kActive) {
    co_return fail(ClusterErrc::kNotAllowed, "node " + std::to_string(to) + " may not hold data");
  }
  if (std::find(nodes->begin(), nodes->end(), to) != nodes->end()) {
    co_return fail(ClusterErrc::kNotAllowed,
                   "node " + std::to_string(to) + " has a replica of shard " + std::to_string(shard) + " already");
  }
  *place = to;
  std::sort(nodes->begin(), nodes->end());
  KeyChange change{
      .unchanged = {{stored->key, stored->mod_revision}}, .seen = 0, .puts = {{stored->key, format_ids(*nodes)}}};
  Result<bool> done = co_await store_->change(std::move(change));
  if (!done.ok()) co_return forward_error(done);
  if (!*done) co_return fail(ClusterErrc::kFailed, "the shard's placement has changed meanwhile; try again");
  co_return Status();
}

}  // namespace keelson::cluster
