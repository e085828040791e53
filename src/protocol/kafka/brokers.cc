#include "protocol/kafka/brokers.h"

#include <algorithm>
#include <utility>

namespace keelson::kafka {

namespace {

int32_t id_of(shard::NodeId node) { return static_cast<int32_t>(node); }

}  // namespace

Brokers::Brokers(Broker here) : here_(here.id) { all_.push_back(std::move(here)); }

Brokers::Brokers(const topics::Topics& topics, std::shared_ptr<const shard::ClusterMap> map, bool is_tls, Broker here)
    : topics_(&topics), map_(std::move(map)), here_(here.id) {
  for (const shard::ClusterMap::Node& node : map_->nodes) {
    const uint16_t port = is_tls ? node.tls_port : node.port;
    if (port == 0) continue;
    all_.push_back(
        {.id = id_of(node.id), .at = {.host = is_tls ? node.tls_host : node.host, .port = port}, .rack = node.zone});
  }
  if (find(here_) == nullptr) all_.push_back(std::move(here));
  std::ranges::sort(all_, {}, &Broker::id);
}

const Broker* Brokers::find(int32_t id) const {
  const auto found = std::ranges::find(all_, id, &Broker::id);
  return found == all_.end() ? nullptr : &*found;
}

int32_t Brokers::controller() const {
  const Broker* leader = topics_ == nullptr ? nullptr : this->leader(topics_->shard_at(0));
  return leader == nullptr ? here_ : leader->id;
}

int16_t Brokers::replicas_default() const {
  return map_ == nullptr || map_->replicas == 0 ? int16_t{1} : static_cast<int16_t>(map_->replicas);
}

const Broker* Brokers::leader(shard::ShardId shard) const {
  if (topics_ == nullptr) return find(here_);
  // What this node's own replica knows is newer than the map.
  shard::NodeId leader = topics_->leader_of(shard);
  if (leader == 0) {
    const shard::ClusterMap::Shard* known = map_->shard(shard);
    if (known != nullptr) leader = known->leader;
    // This node would know it.
    if (id_of(leader) == here_) return nullptr;
  }
  return leader == 0 ? nullptr : find(id_of(leader));
}

Brokers::Placing Brokers::placing(shard::ShardId shard) const {
  Placing placed{.leader = leader(shard)};
  if (topics_ == nullptr) {
    placed.replicas = placed.in_sync = {here_};
    return placed;
  }
  if (const shard::ClusterMap::Shard* known = map_->shard(shard); known != nullptr) {
    for (const shard::NodeId node : known->replicas) placed.replicas.push_back(id_of(node));
  }
  const int32_t leader = placed.leader == nullptr ? here_ : placed.leader->id;
  if (placed.leader != nullptr && std::ranges::find(placed.replicas, leader) == placed.replicas.end()) {
    placed.replicas.push_back(leader);
  }
  for (const int32_t id : placed.replicas) {
    const shard::ClusterMap::Node* node = map_->node(static_cast<shard::NodeId>(id));
    if (id == here_ || id == leader || (node != nullptr && node->is_reachable)) placed.in_sync.push_back(id);
  }
  return placed;
}

}  // namespace keelson::kafka
