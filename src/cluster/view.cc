#include "cluster/view.h"

#include <algorithm>

#include "env/network.h"

namespace keelson::cluster {

namespace {

uint16_t port_of(const std::string& text) {
  const Result<env::Address> address = env::Address::parse(text);
  return address.ok() ? address->port : uint16_t{0};
}

}  // namespace

shard::ClusterMap make_map(const MapParts& parts) {
  shard::ClusterMap map;
  map.here = parts.here;
  for (const auto& [id, record] : parts.state.nodes) {
    if (record.state == NodeState::kRemoved) continue;
    shard::ClusterMap::Node& node = map.nodes.emplace_back();
    node.id = id;
    node.name = record.kv_id;
    const Result<env::Address> kv = env::Address::parse(record.kv.empty() ? record.kv_tls : record.kv);
    if (kv.ok()) node.host = kv->host;
    node.port = port_of(record.kv);
    node.tls_port = port_of(record.kv_tls);
    node.peer_port = port_of(record.peer);
    node.is_reachable = parts.reachable.contains(id);
  }
  for (const ShardId shard : parts.slot_shards) {
    shard::ClusterMap::Shard& about = map.shards.emplace_back();
    about.id = shard;
    const auto leader = parts.leaders.find(about.id);
    if (leader != parts.leaders.end()) about.leader = leader->second;
    const auto replicas = parts.state.replicas.find(about.id);
    if (replicas != parts.state.replicas.end()) about.replicas = replicas->second;
    // A leader that has not moved yet is a replica all the same.
    if (about.leader != 0 && std::ranges::find(about.replicas, about.leader) == about.replicas.end()) {
      about.replicas.push_back(about.leader);
    }
  }
  for (const SlotRun& run : parts.slots)
    map.slots.push_back({.first = run.first, .last = run.last, .shard = run.shard});
  return map;
}

bool is_same(const shard::ClusterMap& a, const shard::ClusterMap& b) {
  const auto node = [](const shard::ClusterMap::Node& x, const shard::ClusterMap::Node& y) {
    return x.id == y.id && x.name == y.name && x.host == y.host && x.port == y.port && x.tls_port == y.tls_port &&
           x.peer_port == y.peer_port && x.is_reachable == y.is_reachable;
  };
  const auto shard = [](const shard::ClusterMap::Shard& x, const shard::ClusterMap::Shard& y) {
    return x.id == y.id && x.leader == y.leader && x.replicas == y.replicas;
  };
  const auto slots = [](const shard::ClusterMap::Slots& x, const shard::ClusterMap::Slots& y) {
    return x.first == y.first && x.last == y.last && x.shard == y.shard;
  };
  return a.here == b.here && std::ranges::equal(a.nodes, b.nodes, node) &&
         std::ranges::equal(a.shards, b.shards, shard) && std::ranges::equal(a.slots, b.slots, slots);
}

void View::show(shard::ClusterMap map) {
  const std::shared_ptr<const shard::ClusterMap> before = map_.load(std::memory_order_relaxed);
  if (is_same(*before, map)) return;
  map.epoch = before->epoch + 1;
  map_.store(std::make_shared<const shard::ClusterMap>(std::move(map)), std::memory_order_release);
}

}  // namespace keelson::cluster
