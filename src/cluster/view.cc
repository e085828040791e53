#include "cluster/view.h"

#include <algorithm>

#include "base/numbers.h"

namespace keelson::cluster {

namespace {

struct Place {
  std::string host;
  uint16_t port = 0;
};

// "host:port" or "[IPv6]:port", where the host may be a name; else nothing.
Place place_of(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  const std::optional<int64_t> port = parse_int64(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || !port || *port < 0 || *port > UINT16_MAX) return {};
  return {.host = std::string(host), .port = static_cast<uint16_t>(*port)};
}

}  // namespace

shard::ClusterMap make_map(const MapParts& parts) {
  shard::ClusterMap map;
  map.here = parts.here;
  map.replicas = parts.state.settings.replicas;
  for (const auto& [id, record] : parts.state.nodes) {
    if (record.state == NodeState::kRemoved) continue;
    shard::ClusterMap::Node& node = map.nodes.emplace_back();
    node.id = id;
    node.name = record.kv_id;
    const bool is_kafka = parts.clients == Clients::kKafka;
    Place plain = place_of(is_kafka ? record.kafka : record.kv);
    Place tls = place_of(is_kafka ? record.kafka_tls : record.kv_tls);
    node.host = plain.host.empty() ? tls.host : std::move(plain.host);
    node.port = plain.port;
    node.tls_host = std::move(tls.host);
    node.tls_port = tls.port;
    node.peer_port = place_of(record.peer).port;
    node.zone = record.zone;
    node.is_reachable = parts.reachable.contains(id);
  }
  for (const ShardId shard : parts.shards) {
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
           x.tls_host == y.tls_host && x.peer_port == y.peer_port && x.zone == y.zone &&
           x.is_reachable == y.is_reachable;
  };
  const auto shard = [](const shard::ClusterMap::Shard& x, const shard::ClusterMap::Shard& y) {
    return x.id == y.id && x.leader == y.leader && x.replicas == y.replicas;
  };
  const auto slots = [](const shard::ClusterMap::Slots& x, const shard::ClusterMap::Slots& y) {
    return x.first == y.first && x.last == y.last && x.shard == y.shard;
  };
  return a.here == b.here && a.replicas == b.replicas && std::ranges::equal(a.nodes, b.nodes, node) &&
         std::ranges::equal(a.shards, b.shards, shard) && std::ranges::equal(a.slots, b.slots, slots);
}

void View::show(shard::ClusterMap map) {
  const std::shared_ptr<const shard::ClusterMap> before = map_.load(std::memory_order_relaxed);
  if (is_same(*before, map)) return;
  map.epoch = before->epoch + 1;
  map_.store(std::make_shared<const shard::ClusterMap>(std::move(map)), std::memory_order_release);
}

}  // namespace keelson::cluster
