// The lead of shards as Topics tells it, and claims on them.
#include <gtest/gtest.h>

#include "engine/topic/group_commands.h"
#include "topics/cluster_harness.h"

namespace keelson::topics {
namespace {

using cluster_harness::Cluster;
using cluster_harness::kShards;
using log::NodeId;
using shard::ShardId;
using topic::TopicErrc;

TEST(Leads, OnOneNodeEverythingIsLedOnceItHasStarted) {
  Cluster one(1, {.nodes = 1, .is_clustered = false});
  for (ShardId shard = 0; shard < kShards; ++shard) {
    EXPECT_TRUE(one.topics(1).leads(shard));
    EXPECT_EQ(one.topics(1).leader_of(shard), 1U);
  }
  EXPECT_FALSE(one.topics(1).is_clustered());
  one.world.run_for(env::sim::kSecond);
  const std::vector<std::pair<ShardId, int32_t>> each_once = one.hearer(1).told;
  EXPECT_EQ(each_once.size(), kShards);
  for (ShardId shard = 0; shard < kShards; ++shard) EXPECT_EQ(one.hearer(1).claims[shard], 1);
  // Another life, another claim.
  one.stop(1);
  one.start(1);
  one.world.run_for(env::sim::kSecond);
  for (ShardId shard = 0; shard < kShards; ++shard) EXPECT_EQ(one.hearer(1).claims[shard], 2);
}

TEST(Leads, AFullDiskLeavesTheClaimOfTheLastLife) {
  Cluster one(4, {.nodes = 1, .is_clustered = false});
  ASSERT_TRUE(one.world.run_until([&] { return one.hearer(1).claims.size() == kShards; }));
  one.peer(1).machine->disk().set_full(true);
  const topic::PutDocument document{.key = "key", .value = std::string(5'000, 'x')};
  for (int i = 0; i < 100 && one.ask(1, 0, document).outcome != log::LogErrc::kFull;) ++i;
  const topic::PutDocument small{.key = "key", .value = "x"};
  for (int i = 0; i < 1'000 && one.ask(1, 0, small).outcome != log::LogErrc::kFull;) ++i;
  one.world.run_for(3 * env::sim::kSecond);
  one.crash(1);
  one.start(1);
  EXPECT_EQ(one.ask(1, 0, small).outcome, log::LogErrc::kFull);
  EXPECT_EQ(one.hearer(1).claims.size(), kShards);
  for (ShardId shard = 0; shard < kShards; ++shard) EXPECT_EQ(one.hearer(1).claims[shard], 1);
}

TEST(Leads, AClaimBeginsAnewWhenItIsAskedFor) {
  Cluster one(2, {.nodes = 1, .is_clustered = false});
  one.world.run_for(env::sim::kSecond);
  one.hearer(1).told.clear();
  one.world.run_on(one.home(1), [&] {
    one.topics(1).claim_again(one.home(1), 1, 1);
    one.topics(1).claim_again(one.home(1), 1, 1);  // over already
    one.topics(1).claim_again(one.home(1), 2, 7);  // none of its claims
  });
  one.world.run_for(env::sim::kSecond);
  EXPECT_EQ(one.hearer(1).told, (std::vector<std::pair<ShardId, int32_t>>{{1, 0}, {1, 2}}));
}

TEST(Leads, StandOnANodeWhoseShardsCannotBeReadYet) {
  Cluster two(3, {.nodes = 3});
  two.crash(1);
  two.crash(2);
  // Alone: no quorum. start() does not wait.
  two.start(1);
  EXPECT_TRUE(two.topics(1).is_clustered());
  EXPECT_FALSE(two.topics(1).leads(0));
}

TEST(Leads, MoveWithTheirGroupsAndClaimsGrow) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.wait_for_claims();
    int32_t before = 0;
    for (int i = 0; i < 6; ++i) {
      const NodeId from = cluster.wait_for_claim(1);
      const int32_t claim = cluster.hearer(from).claims[1];
      EXPECT_GT(claim, before);
      before = claim;
      cluster.move_lead(1, from % 3 + 1);
      ASSERT_TRUE(cluster.world.run_until([&] { return cluster.hearer(from).claims[1] == 0; }));
      EXPECT_FALSE(cluster.topics(from).leads(1));
    }
    // Each beginning has its end before the next beginning.
    for (NodeId id = 1; id <= 3; ++id) {
      std::map<ShardId, bool> leads;
      int32_t last = 0;
      for (const auto& [shard, claim] : cluster.hearer(id).told) {
        EXPECT_EQ(leads[shard], claim == 0);
        leads[shard] = claim != 0;
        if (shard != 1 || claim == 0) continue;
        EXPECT_GT(claim, last);
        last = claim;
      }
      EXPECT_TRUE(
          cluster.world.run_until([&] { return cluster.topics(id).leader_of(1) == cluster.wait_for_claim(1); }));
    }
    for (NodeId id = 1; id <= 3; ++id) cluster.stop(id);
  }
}

TEST(Leads, ALeaderThatIsCutOffIsFencedByTheNextOne) {
  Cluster cluster(11);
  cluster.wait_for_claims();
  const NodeId former = cluster.claimed_by(2);
  const int32_t claim = cluster.hearer(former).claims[2];
  cluster.peer(former).is_cut_off = true;
  const NodeId next = cluster.wait_for_claim(2);
  EXPECT_NE(next, former);
  EXPECT_GT(cluster.hearer(next).claims[2], claim);
  cluster.peer(former).is_cut_off = false;
  ASSERT_TRUE(cluster.world.run_until([&] { return cluster.hearer(former).claims[2] == 0; }, 10 * env::sim::kSecond));
  cluster.world.run_for(5 * env::sim::kSecond);
  const NodeId last = cluster.wait_for_claim(2);
  int32_t greatest = 0;
  for (NodeId id = 1; id <= 3; ++id) {
    for (const auto& [shard, told] : cluster.hearer(id).told)
      greatest = shard == 2 ? std::max(greatest, told) : greatest;
  }
  EXPECT_EQ(cluster.hearer(last).claims[2], greatest);
}

}  // namespace
}  // namespace keelson::topics
