// Reading and waiting in a cluster: on the leader's state, and never longer than there is one.
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "engine/topic/batch_builder.h"
#include "engine/topic/log_commands.h"
#include "topics/cluster_harness.h"

namespace keelson::topics {
namespace {

using cluster_harness::Cluster;
using cluster_harness::topic_id;
using log::LogErrc;
using log::NodeId;
using shard::ShardId;
using topic::TopicErrc;

std::string batch(std::string_view value, int64_t time_ms) {
  topic::BatchBuilder builder({});
  builder.add(time_ms, "key", value);
  return builder.finish();
}

// Waits on a partition from a moment on, for an hour at most.
class Waiter {
 public:
  Waiter(Cluster& cluster, NodeId at, const PartitionId& partition, int64_t offset)
      : cluster_(cluster), scope_(cluster.home(at)) {
    cluster.world.run_on(cluster.home(at), [&] { scope_.spawn(run(at, {.partition = partition, .offset = offset})); });
    cluster.world.run_for(50 * env::sim::kMillisecond);
  }
  bool is_over = false;
  std::vector<PartitionId> by;

 private:
  Task<void> run(NodeId at, WaitPoint point) {
    env::Reactor& here = cluster_.home(at);
    by = co_await cluster_.topics(at).wait(here, {point}, here.clock().monotonic_ns() + 3600 * env::sim::kSecond);
    is_over = true;
  }
  Cluster& cluster_;
  env::TaskScope scope_;
};

class ClusterWaits : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster.wait_for_claims();
    ASSERT_TRUE(cluster.ask_all(1, topic::CreateTopic{.id = topic_id(1), .name = "one"}).ok());
    shard = cluster.topics(1).shard_of(at);
    leader = cluster.wait_for_claim(shard);
    other = leader % 3 + 1;
  }
  Asked append(NodeId node, std::string_view value) {
    const std::string bytes = batch(value, cluster.home(node).clock().wall_ms());
    return cluster.ask(node, shard, topic::Append{.to = at}, bytes);
  }
  Asked read(NodeId node, int64_t offset, bool is_stale) {
    return cluster.world.run(cluster.home(node),
                             cluster.topics(node).read(cluster.home(node), {.from = at, .offset = offset}, is_stale));
  }

  Cluster cluster{21};
  const PartitionId at{topic_id(1), 0};
  ShardId shard = 0;
  NodeId leader = 0;
  NodeId other = 0;
};

TEST_F(ClusterWaits, EndWhenAnotherNodeAppends) {
  Waiter waiter(cluster, leader, at, 0);
  EXPECT_FALSE(waiter.is_over);
  ASSERT_TRUE(append(other, "x").ok());
  EXPECT_TRUE(cluster.world.run_until([&] { return waiter.is_over; }, env::sim::kSecond));
  EXPECT_EQ(waiter.by, std::vector<PartitionId>{at});
}

TEST_F(ClusterWaits, EndAtOnceWhereTheShardIsNotLed) {
  Waiter waiter(cluster, other, at, 0);
  EXPECT_TRUE(waiter.is_over);
}

TEST_F(ClusterWaits, EndWithTheLead) {
  Waiter waiter(cluster, leader, at, 0);
  EXPECT_FALSE(waiter.is_over);
  cluster.move_lead(shard, other);
  EXPECT_TRUE(cluster.world.run_until([&] { return waiter.is_over; }, env::sim::kSecond));
}

TEST_F(ClusterWaits, EndWhenTheLeaderIsCutOff) {
  Waiter waiter(cluster, leader, at, 0);
  cluster.peer(leader).is_cut_off = true;
  EXPECT_TRUE(cluster.world.run_until([&] { return waiter.is_over; }, 10 * env::sim::kSecond));
  EXPECT_FALSE(cluster.topics(leader).leads(shard));
}

TEST_F(ClusterWaits, EndWhenTheTopicIsDeletedElsewhere) {
  Waiter waiter(cluster, leader, at, 0);
  ASSERT_TRUE(cluster.ask_all(other, topic::DeleteTopic{topic_id(1)}).ok());
  EXPECT_TRUE(cluster.world.run_until([&] { return waiter.is_over; }, env::sim::kSecond));
}

TEST_F(ClusterWaits, AStaleReadNeedsNobodyAndAnErrorIsAskedAgain) {
  ASSERT_TRUE(append(leader, "x").ok());
  cluster.world.run_for(100 * env::sim::kMillisecond);
  EXPECT_FALSE(read(other, 0, true).answer.read.slices.empty());
  // Past the end of what is here: the replica may be behind, so the others are asked.
  EXPECT_EQ(read(other, 5, true).answer.error, TopicErrc::kOffsetOutOfRange);
  cluster.peer(other).is_cut_off = true;
  ASSERT_TRUE(append(leader, "y").ok());
  EXPECT_TRUE(read(other, 0, true).ok());
  EXPECT_EQ(read(other, 0, false).outcome, LogErrc::kNoLeader);
  EXPECT_EQ(read(other, 2, true).outcome, LogErrc::kNoLeader);
  cluster.peer(other).is_cut_off = false;
  EXPECT_TRUE(cluster.world.run_until([&] { return read(other, 1, true).ok(); }, 20 * env::sim::kSecond));
}

TEST_F(ClusterWaits, RetentionIsTheLeadersAffair) {
  ASSERT_TRUE(append(leader, "x").ok());
  ASSERT_TRUE(cluster.ask_all(other, topic::ConfigureTopic{topic_id(1), {{"retention.ms", "500"}}, {}}).ok());
  const auto start = [&](NodeId node) {
    return cluster.ask(node, shard, topic::DescribePartition{at}).answer.partition.log_start;
  };
  const auto trims = [&](NodeId node) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < cluster_harness::kReactors; ++i) sum += cluster.topics(node).stats(i).trims.value();
    return sum;
  };
  EXPECT_TRUE(cluster.world.run_until([&] { return trims(leader) == 1; }, 10 * env::sim::kSecond));
  cluster.world.run_for(3 * env::sim::kSecond);
  for (NodeId node = 1; node <= 3; ++node) {
    EXPECT_EQ(start(node), 1) << node;
    EXPECT_EQ(trims(node), node == leader ? 1U : 0U) << node;
  }
}

}  // namespace
}  // namespace keelson::topics
