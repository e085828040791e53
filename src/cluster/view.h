// The cluster as protocols show it to their clients (shard/cluster_view.h), made from the cluster's state.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "cluster/state.h"
#include "shard/cluster_view.h"

namespace keelson::cluster {

// Whose addresses a map shows.
enum class Clients : uint8_t { kKv, kKafka };

struct MapParts {
  NodeId here = 0;
  const ClusterState& state;
  Clients clients = Clients::kKv;
  const std::vector<ShardId>& shards;  // that it shows, ascending; kv's slots are divided between them
  const std::vector<SlotRun>& slots;   // how (SlotOwners::runs())
  const std::map<ShardId, NodeId>& leaders;
  const std::set<NodeId>& reachable;
};
// Without an epoch, which View gives.
[[nodiscard]] shard::ClusterMap make_map(const MapParts& parts);
// Are both the same but for the epoch?
[[nodiscard]] bool is_same(const shard::ClusterMap& a, const shard::ClusterMap& b);

class View final : public shard::ClusterView {
 public:
  View() : map_(std::make_shared<const shard::ClusterMap>()) {}
  [[nodiscard]] std::shared_ptr<const shard::ClusterMap> map() const override {
    return map_.load(std::memory_order_acquire);
  }
  // From one thread. A map that differs from the one before gets the next epoch.
  void show(shard::ClusterMap map);

 private:
  std::atomic<std::shared_ptr<const shard::ClusterMap>> map_;
};

}  // namespace keelson::cluster
