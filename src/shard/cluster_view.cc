#include "shard/cluster_view.h"

#include <algorithm>

namespace keelson::shard {

const ClusterMap::Node* ClusterMap::node(NodeId id) const {
  const auto found = std::ranges::find(nodes, id, &Node::id);
  return found == nodes.end() ? nullptr : &*found;
}

const ClusterMap::Shard* ClusterMap::shard(ShardId id) const {
  const auto found = std::ranges::find(shards, id, &Shard::id);
  return found == shards.end() ? nullptr : &*found;
}

const ClusterMap::Shard* ClusterMap::shard_of_slot(uint16_t slot) const {
  const auto found = std::upper_bound(slots.begin(), slots.end(), slot,
                                      [](uint16_t value, const Slots& range) { return value < range.first; });
  if (found == slots.begin() || std::prev(found)->last < slot) return nullptr;
  return shard(std::prev(found)->shard);
}

}  // namespace keelson::shard
