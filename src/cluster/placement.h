// Where the replicas of shards should be. Pure functions.
//
// A shard has as many voters as `replicas` says, and never more than there are nodes to put them on; above two never an
// even number, which needs one more node for a majority and survives no more. They are spread over zones first, then go
// where fewest are. What is well placed stays: a node that comes takes over only so much that no node has over one
// replica more than it needs to.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cluster/state.h"

namespace keelson::cluster {

struct Seat {
  NodeId node = 0;
  std::string zone;
  bool is_reachable = true;  // else what it has stays, and it gets nothing new
};

struct PlacementWish {
  std::vector<Seat> seats;  // nodes that may have replicas, ascending
  unsigned replicas = 3;
  std::vector<ShardId> shards;                 // ascending
  std::map<ShardId, std::vector<NodeId>> now;  // of each shard, where it should be by now
  unsigned moves_max = UINT32_MAX;             // replicas that may be moved though they could stay
};

// The voters of each shard, ascending. Empty: there are no seats, and everything stays.
[[nodiscard]] std::map<ShardId, std::vector<NodeId>> place(const PlacementWish& wish);

// How many voters a shard gets of so many seats.
[[nodiscard]] unsigned voters_of(unsigned replicas, size_t seats);

}  // namespace keelson::cluster
