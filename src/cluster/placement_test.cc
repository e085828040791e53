#include "cluster/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace keelson::cluster {
namespace {

PlacementWish wish_of(size_t nodes, size_t shards, size_t zones = 0) {
  PlacementWish wish;
  for (NodeId node = 1; node <= nodes; ++node) {
    wish.seats.push_back({node, zones == 0 ? "" : "z" + std::to_string(node % zones), true});
  }
  for (ShardId shard = 0; shard < shards; ++shard) wish.shards.push_back(shard);
  return wish;
}

std::map<NodeId, unsigned> loads(const std::map<ShardId, std::vector<NodeId>>& placed) {
  std::map<NodeId, unsigned> loads;
  for (const auto& [shard, nodes] : placed) {
    for (const NodeId node : nodes) ++loads[node];
  }
  return loads;
}

TEST(Placement, VotersFollowTheNodes) {
  EXPECT_EQ(voters_of(3, 0), 0U);
  EXPECT_EQ(voters_of(3, 1), 1U);
  EXPECT_EQ(voters_of(3, 2), 2U);
  EXPECT_EQ(voters_of(3, 3), 3U);
  EXPECT_EQ(voters_of(3, 9), 3U);
  EXPECT_EQ(voters_of(5, 4), 3U);
  EXPECT_EQ(voters_of(5, 5), 5U);
}

TEST(Placement, GrowsFromOneNode) {
  PlacementWish wish = wish_of(1, 17);
  wish.now = place(wish);
  for (const auto& [shard, nodes] : wish.now) EXPECT_EQ(nodes, std::vector<NodeId>{1});
  wish.seats = wish_of(3, 0).seats;
  for (const auto& [shard, nodes] : place(wish)) EXPECT_EQ(nodes, (std::vector<NodeId>{1, 2, 3}));
}

TEST(Placement, NewNodeTakesOverItsShareAndNoMore) {
  PlacementWish wish = wish_of(3, 16);
  wish.now = place(wish);
  wish.seats = wish_of(4, 0).seats;
  const auto placed = place(wish);
  size_t moved = 0;
  for (const auto& [shard, nodes] : placed) {
    for (const NodeId node : nodes) moved += node == 4 ? 1 : 0;
    EXPECT_EQ(nodes.size(), 3U);
  }
  EXPECT_EQ(moved, 12U);  // 48 replicas on 4 nodes
  // And then all stays.
  wish.now = placed;
  EXPECT_EQ(place(wish), placed);
}

TEST(Placement, NodeThatCannotBeReachedKeepsWhatItHasAndGetsNothing) {
  PlacementWish wish = wish_of(4, 16);
  wish.now = place(wish);
  const unsigned before = loads(wish.now)[4];
  wish.seats[3].is_reachable = false;
  EXPECT_EQ(place(wish), wish.now);
  wish.seats.erase(wish.seats.begin());  // another one is removed
  const auto placed = place(wish);
  EXPECT_EQ(loads(placed)[4], before);
  EXPECT_EQ(loads(placed)[1], 0U);
}

TEST(Placement, ZonesComeFirst) {
  // Two zones of two nodes and one of one: each shard is in all three zones, so the lone node has all.
  PlacementWish wish = wish_of(0, 10);
  wish.seats = {{1, "a", true}, {2, "a", true}, {3, "b", true}, {4, "b", true}, {5, "c", true}};
  for (const auto& [shard, nodes] : place(wish)) {
    EXPECT_TRUE(std::ranges::find(nodes, NodeId{5}) != nodes.end());
    EXPECT_EQ(nodes.size(), 3U);
  }
}

// Whatever happens to nodes, placement is valid, level within zones, and stays once it is reached.
TEST(Placement, RandomHistories) {
  std::mt19937_64 random(5);
  for (int run = 0; run < 300; ++run) {
    const size_t zones = random() % 4;
    PlacementWish wish = wish_of(1 + random() % 6, 1 + random() % 40, zones);
    wish.replicas = 1 + 2 * static_cast<unsigned>(random() % 3);
    NodeId next = wish.seats.size() + 1;
    for (int step = 0; step < 8; ++step) {
      const auto placed = place(wish);
      const unsigned voters = voters_of(wish.replicas, wish.seats.size());
      for (const auto& [shard, nodes] : placed) {
        ASSERT_EQ(nodes.size(), voters);
        ASSERT_TRUE(std::ranges::is_sorted(nodes));
        ASSERT_EQ(std::set<NodeId>(nodes.begin(), nodes.end()).size(), nodes.size());
        for (const NodeId node : nodes) {
          ASSERT_TRUE(std::ranges::any_of(wish.seats, [&](const Seat& seat) { return seat.node == node; }));
        }
      }
      if (zones == 0) {
        std::map<NodeId, unsigned> load = loads(placed);
        unsigned least = UINT_MAX;
        unsigned most = 0;
        for (const Seat& seat : wish.seats) {
          least = std::min(least, load[seat.node]);
          most = std::max(most, load[seat.node]);
        }
        ASSERT_LE(most, least + 1);
      }
      wish.now = placed;
      ASSERT_EQ(place(wish), placed);
      if (random() % 2 == 0) {
        wish.seats.push_back({next, zones == 0 ? "" : "z" + std::to_string(next % zones), true});
        ++next;
      } else if (wish.seats.size() > 1) {
        wish.seats.erase(wish.seats.begin() + static_cast<int64_t>(random() % wish.seats.size()));
      }
    }
  }
}

}  // namespace
}  // namespace keelson::cluster
