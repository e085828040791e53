#include "cluster/placement.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace keelson::cluster {

namespace {

class Board {
 public:
  explicit Board(const PlacementWish& wish) : wish_(wish) {
    for (const Seat& seat : wish.seats) {
      zone_of_[seat.node] = seat.zone;
      load_[seat.node] = 0;
      if (seat.is_reachable) reachable_.insert(seat.node);
    }
  }

  // What can stay where it is.
  void keep(ShardId shard) {
    const auto now = wish_.now.find(shard);
    std::vector<NodeId>& nodes = placed_[shard];
    if (now == wish_.now.end()) return;
    for (const NodeId node : now->second) {
      if (zone_of_.contains(node) && !holds(shard, node)) put(shard, node);
    }
    while (nodes.size() > wanted()) drop_one(shard);
  }

  void fill(ShardId shard) {
    while (placed_[shard].size() < wanted()) {
      const NodeId node = best_for(shard, 0);
      if (node == 0) break;
      put(shard, node);
    }
  }

  // Takes replicas from nodes that have too many, one after another, until it no longer helps.
  void level() {
    for (unsigned moves = 0; moves < wish_.moves_max; ++moves) {
      if (!move_one()) return;
    }
  }

  std::map<ShardId, std::vector<NodeId>> result() {
    for (auto& [shard, nodes] : placed_) std::sort(nodes.begin(), nodes.end());
    return std::move(placed_);
  }

 private:
  [[nodiscard]] size_t wanted() const { return voters_of(wish_.replicas, wish_.seats.size()); }
  [[nodiscard]] bool holds(ShardId shard, NodeId node) const {
    const std::vector<NodeId>& nodes = placed_.at(shard);
    return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
  }
  void put(ShardId shard, NodeId node) {
    placed_[shard].push_back(node);
    ++load_[node];
  }
  void take(ShardId shard, NodeId node) {
    std::erase(placed_[shard], node);
    --load_[node];
  }
  // Replicas of the shard in that zone, besides the one on `but`.
  [[nodiscard]] unsigned in_zone(ShardId shard, const std::string& zone, NodeId but) const {
    unsigned count = 0;
    for (const NodeId node : placed_.at(shard)) count += node != but && zone_of_.at(node) == zone ? 1 : 0;
    return count;
  }
  // The best seat that the shard does not have, if the replica on `but` were not there; 0: none.
  [[nodiscard]] NodeId best_for(ShardId shard, NodeId but) const {
    std::tuple<unsigned, unsigned, NodeId> best{UINT32_MAX, UINT32_MAX, 0};
    for (const auto& [node, zone] : zone_of_) {
      if (holds(shard, node) || !reachable_.contains(node)) continue;
      best = std::min(best, std::tuple{in_zone(shard, zone, but), load_.at(node), node});
    }
    return std::get<NodeId>(best);
  }
  void drop_one(ShardId shard) {
    NodeId worst = 0;
    std::pair<unsigned, unsigned> most{0, 0};
    for (const NodeId node : placed_.at(shard)) {
      const std::pair<unsigned, unsigned> here{in_zone(shard, zone_of_.at(node), node), load_.at(node)};
      if (worst != 0 && here < most) continue;
      worst = node;
      most = here;
    }
    take(shard, worst);
  }
  bool move_one() {
    for (const ShardId shard : wish_.shards) {
      for (const NodeId from : placed_.at(shard)) {
        const NodeId to = best_for(shard, from);
        if (to == 0) continue;
        const unsigned zone_before = in_zone(shard, zone_of_.at(from), from);
        const unsigned zone_after = in_zone(shard, zone_of_.at(to), from);
        const bool is_level_better = zone_after == zone_before && load_.at(to) + 1 < load_.at(from);
        if (zone_after >= zone_before && !is_level_better) continue;
        take(shard, from);
        put(shard, to);
        return true;
      }
    }
    return false;
  }

  const PlacementWish& wish_;
  std::map<NodeId, std::string> zone_of_;
  std::map<NodeId, unsigned> load_;
  std::set<NodeId> reachable_;
  std::map<ShardId, std::vector<NodeId>> placed_;
};

}  // namespace

unsigned voters_of(unsigned replicas, size_t seats) {
  const auto most = static_cast<unsigned>(std::min<size_t>(replicas, seats));
  return most <= 2 || most % 2 == 1 ? most : most - 1;
}

std::map<ShardId, std::vector<NodeId>> place(const PlacementWish& wish) {
  if (wish.seats.empty()) return wish.now;
  Board board(wish);
  for (const ShardId shard : wish.shards) board.keep(shard);
  for (const ShardId shard : wish.shards) board.fill(shard);
  board.level();
  return board.result();
}

}  // namespace keelson::cluster
