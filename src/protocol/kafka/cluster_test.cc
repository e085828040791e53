// Kafka's clients and a cluster of nodes whose topic shards are replicated by real Raft members.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "protocol/kafka/messages/delete_topics.h"
#include "protocol/kafka/messages/list_offsets.h"
#include "protocol/kafka/messages/metadata.h"
#include "protocol/kafka/messages/offset_fetch.h"
#include "protocol/kafka/service_test_support.h"
#include "topics/cluster_harness.h"

namespace keelson::kafka {
namespace {

using log::NodeId;
using shard::ShardId;
using topics::cluster_harness::kShards;

int16_t code(ErrorCode error) { return number(error); }

// What the cluster says of itself, by the nodes' own knowledge of leads.
class View final : public shard::ClusterView {
 public:
  [[nodiscard]] std::shared_ptr<const shard::ClusterMap> map() const override { return told; }
  std::shared_ptr<const shard::ClusterMap> told;
};

// The Kafka service of one node.
struct Door {
  View view;
  std::unique_ptr<Security> security;
  std::unique_ptr<topics::Transactions> transactions;
  std::unique_ptr<Groups> groups;
  std::unique_ptr<KafkaService> kafka;
};

class KafkaCluster {
 public:
  explicit KafkaCluster(uint64_t seed, SecurityOptions security = {})
      : cluster_(seed), clients_(cluster_.world.add_node()) {
    for (NodeId id = 1; id <= 3; ++id) open(id, security);
    cluster_.wait_for_claims();
  }
  ~KafkaCluster() {
    for (NodeId id = 1; id <= 3; ++id) cluster_.peer(id).runtime->abandon();
    doors_.clear();
  }
  [[nodiscard]] std::unique_ptr<TestClient> connect(NodeId to) {
    return std::make_unique<TestClient>(cluster_.world, clients_.env(), cluster_.peer(to).machine->address(kTestPort));
  }
  [[nodiscard]] topics::cluster_harness::Cluster& cluster() { return cluster_; }
  [[nodiscard]] env::sim::World& world() { return cluster_.world; }
  [[nodiscard]] Security& security(NodeId id) { return *doors_[id - 1]->security; }
  // Of the partition's shard.
  [[nodiscard]] NodeId leader(std::string_view topic, int32_t partition) {
    const topics::Topics::Found found = cluster_.find(1, std::string(topic));
    KEELSON_CHECK(found.topic != nullptr, "no such topic");
    return cluster_.wait_for_claim(cluster_.topics(1).shard_of({found.topic->id, partition}));
  }
  [[nodiscard]] ShardId shard_of(std::string_view topic, int32_t partition) {
    return cluster_.topics(1).shard_of({cluster_.find(1, std::string(topic)).topic->id, partition});
  }
  std::vector<ErrorCode> change(NodeId at, std::vector<SecurityChange> changes) {
    return world().run(cluster_.home(at), security(at).change(cluster_.home(at), std::move(changes)));
  }

 private:
  void open(NodeId id, const SecurityOptions& security) {
    auto door = std::make_unique<Door>();
    topics::Topics& topics = cluster_.topics(id);
    door->security = std::make_unique<Security>(topics, security);
    door->transactions = std::make_unique<topics::Transactions>(topics, topics::TransactionsOptions{});
    door->groups = std::make_unique<Groups>(topics, GroupOptions{});
    KafkaOptions options;
    options.cluster_id = "AAAAAAAAAAAAAAAAAAAAAA";
    options.log_folder = "data/topic";
    options.node_id = static_cast<int32_t>(id);
    shard::ClusterMap map;
    map.here = id;
    map.replicas = 3;
    for (NodeId node = 1; node <= 3; ++node) {
      shard::ClusterMap::Node& told = map.nodes.emplace_back();
      told.id = node;
      told.host = cluster_.peer(node).machine->address(kTestPort).host;
      told.port = kTestPort;
    }
    for (uint16_t shard = 0; shard < kShards; ++shard) {
      map.shards.push_back({.id = topics.shard_at(shard), .leader = 0, .replicas = {1, 2, 3}});
    }
    door->view.told = std::make_shared<const shard::ClusterMap>(std::move(map));
    EXPECT_TRUE(world().run(cluster_.home(id), door->security->start()).ok());
    EXPECT_TRUE(world().run(cluster_.home(id), door->transactions->start()).ok());
    EXPECT_TRUE(world().run(cluster_.home(id), door->groups->start()).ok());
    world().run_on(cluster_.home(id), [&] {
      door->kafka = std::make_unique<KafkaService>(topics, options);
      door->kafka->set_security(*door->security);
      door->kafka->set_coordinators(door->groups.get(), door->transactions.get());
      door->kafka->set_cluster(door->view);
      EXPECT_TRUE(door->kafka->listen({.host = "", .port = kTestPort, .unix_path = {}}, nullptr).ok());
    });
    doors_.push_back(std::move(door));
  }

  topics::cluster_harness::Cluster cluster_;
  env::sim::Node& clients_;
  std::vector<std::unique_ptr<Door>> doors_;
};

int16_t produce(TestClient& client, std::string_view topic, int32_t partition, const std::string& value) {
  const std::string batch = batch_of({value});
  const auto told = client.ask<ProduceResponse>(9, produce_request(topic, partition, batch));
  return told ? told->topics.at(0).partitions.at(0).error_code : int16_t{-2};
}

TEST(KafkaOnCluster, PartitionsAreServedByTheirLeaders) {
  KafkaCluster kafka(1);
  auto maker = kafka.connect(2);
  ASSERT_EQ(create_topic(*maker, "t", 4), 0);
  for (int32_t partition = 0; partition < 4; ++partition) {
    const NodeId leader = kafka.leader("t", partition);
    for (NodeId id = 1; id <= 3; ++id) {
      auto client = kafka.connect(id);
      const auto metadata = client->ask<MetadataResponse>(12, MetadataRequest{});
      ASSERT_TRUE(metadata);
      ASSERT_EQ(metadata->brokers.size(), 3U);
      EXPECT_EQ(metadata->topics.at(0).partitions.at(static_cast<size_t>(partition)).leader_id,
                static_cast<int32_t>(leader));
      const int16_t expected = id == leader ? 0 : code(ErrorCode::kNotLeaderOrFollower);
      EXPECT_EQ(produce(*client, "t", partition, "x"), expected);
      const auto fetched = client->ask<FetchResponse>(12, fetch_request("t", partition, 0));
      ASSERT_TRUE(fetched);
      const auto& answer = fetched->topics.at(0).partitions.at(0);
      EXPECT_EQ(answer.error_code, expected);
      EXPECT_EQ(answer.current_leader.leader_id, id == leader ? -1 : static_cast<int32_t>(leader));
      ListOffsetsRequest offsets;
      offsets.replica_id = -1;
      ListOffsetsRequest::Topic& asked = offsets.topics.emplace_back();
      asked.name = "t";
      asked.partitions.push_back({.partition_index = partition, .timestamp = -1});
      EXPECT_EQ(client->ask<ListOffsetsResponse>(6, offsets)->topics.at(0).partitions.at(0).error_code, expected);
    }
  }
}

TEST(KafkaOnCluster, ALeadThatMovesTakesItsRecordsAlongAndEndsWaits) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    KafkaCluster kafka(seed);
    auto maker = kafka.connect(1);
    // The records are of 1970, and whoever begins to lead looks at once for what is to go.
    ASSERT_EQ(create_topic(*maker, "t", 1, {{"retention.ms", "-1"}}), 0);
    const NodeId from = kafka.leader("t", 0);
    const NodeId to = from % 3 + 1;
    auto before = kafka.connect(from);
    ASSERT_EQ(produce(*before, "t", 0, "one"), 0);
    const int32_t id = before->send(12, fetch_request("t", 0, 1, 60'000));
    kafka.world().run_for(env::sim::kSecond);
    const int64_t began_ns = kafka.world().now_ns();
    kafka.cluster().move_lead(kafka.shard_of("t", 0), to);
    const auto waited = before->receive<FetchResponse>(12, id);
    ASSERT_TRUE(waited);
    EXPECT_EQ(waited->topics.at(0).partitions.at(0).error_code, code(ErrorCode::kNotLeaderOrFollower));
    EXPECT_LT(kafka.world().now_ns() - began_ns, 30 * env::sim::kSecond);
    auto after = kafka.connect(to);
    EXPECT_EQ(produce(*after, "t", 0, "two"), 0);
    const auto fetched = after->ask<FetchResponse>(12, fetch_request("t", 0, 0));
    ASSERT_TRUE(fetched);
    EXPECT_EQ(records_of(fetched->topics.at(0).partitions.at(0).records),
              (std::vector<std::pair<int64_t, std::string>>{{0, "one"}, {1, "two"}}));
    const auto beyond = after->ask<FetchResponse>(12, fetch_request("t", 0, 3));
    EXPECT_EQ(beyond->topics.at(0).partitions.at(0).error_code, code(ErrorCode::kOffsetOutOfRange));
  }
}

// What librdkafka takes for final it must not be told while the coordinator moves.
TEST(KafkaOnCluster, WhoeverFetchesOffsetsFromACoordinatorThatHasMovedAsksAgain) {
  KafkaCluster kafka(6);
  ASSERT_EQ(create_topic(*kafka.connect(1), "t", 2), 0);
  const ShardId shard = kafka.cluster().topics(1).shard_of_name("g");
  const NodeId from = kafka.cluster().wait_for_claim(shard);
  const NodeId to = from % 3 + 1;
  auto client = kafka.connect(from);
  auto next = kafka.connect(to);
  OffsetFetchRequest request;
  request.group_id = "g";
  request.topics.emplace().push_back({"t", {0, 1}});
  // The whole answer's error, and each partition's.
  const auto told = [&request](TestClient& by, bool wants_stable) {
    request.require_stable = wants_stable;
    const auto answer = by.ask<OffsetFetchResponse>(7, request);
    std::vector<int16_t> codes{answer ? answer->error_code : int16_t{-2}};
    if (!answer || answer->topics.empty()) return codes;
    for (const auto& partition : answer->topics.at(0).partitions) codes.push_back(partition.error_code);
    return codes;
  };
  using Codes = std::vector<int16_t>;
  const int16_t unstable = code(ErrorCode::kUnstableOffsetCommit);
  ASSERT_TRUE(kafka.world().run_until([&] { return told(*client, true) == Codes({0, 0, 0}); }));
  kafka.world().run_for(10 * env::sim::kSecond);
  EXPECT_EQ(told(*next, true), Codes({code(ErrorCode::kNotCoordinator)}));
  kafka.cluster().move_lead(shard, to);
  EXPECT_EQ(told(*client, true), Codes({0, unstable, unstable}));
  EXPECT_EQ(told(*client, false), Codes({code(ErrorCode::kCoordinatorLoadInProgress)}));
  kafka.world().run_for(env::sim::kSecond);
  EXPECT_EQ(told(*client, true), Codes({0, unstable, unstable}));
  EXPECT_EQ(told(*next, true), Codes({0, 0, 0}));
  // Whoever is in no group, and has no heartbeats, must hear some time that it is to look elsewhere.
  kafka.world().run_for(10 * env::sim::kSecond);
  EXPECT_EQ(told(*client, true), Codes({code(ErrorCode::kNotCoordinator)}));
}

TEST(KafkaOnCluster, TopicsAreTheSameOnAllNodes) {
  KafkaCluster kafka(2);
  for (NodeId id = 1; id <= 3; ++id) {
    const std::string name = "made-" + std::to_string(id);
    ASSERT_EQ(create_topic(*kafka.connect(id), name, 2), 0);
    EXPECT_EQ(create_topic(*kafka.connect(id % 3 + 1), name, 2), code(ErrorCode::kTopicAlreadyExists));
  }
  DeleteTopicsRequest remove;
  remove.topic_names.emplace_back("made-1");
  EXPECT_EQ(kafka.connect(3)->ask<DeleteTopicsResponse>(5, remove)->topics.at(0).error_code, 0);
  for (NodeId id = 1; id <= 3; ++id) {
    const auto all = kafka.connect(id)->ask<MetadataResponse>(9, MetadataRequest{});
    ASSERT_TRUE(all);
    EXPECT_EQ(all->topics.size(), 2U) << id;
  }
}

// ---- Who may do what.

SecurityChange quota(QuotaKind kind, double value) {
  SecurityChange change{.kind = SecurityChange::Kind::kQuota};
  change.entity.user = {.kind = QuotaName::Kind::kNamed, .name = "ann"};
  change.values[static_cast<size_t>(kind)] = value;
  return change;
}

TEST(KafkaOnCluster, AccessIsTheSameOnAllNodesMomentsLater) {
  KafkaCluster kafka(3, {.mechanisms = {}, .passwords = {}, .has_acls = true, .super_users = {}});
  const auto knows = [&](size_t acls) {
    for (NodeId id = 1; id <= 3; ++id) {
      if (kafka.security(id).state(kafka.cluster().home(id)).acls.size() != acls) return false;
    }
    return true;
  };
  ASSERT_TRUE(kafka.world().run_until(
      [&] { return kafka.security(1).is_known() && kafka.security(2).is_known() && kafka.security(3).is_known(); }));
  SecurityChange add{.kind = SecurityChange::Kind::kAcl};
  add.acl = {.type = ResourceType::kTopic,
             .name = "t",
             .principal = "User:ann",
             .host = "*",
             .operation = AclOperation::kRead};
  EXPECT_EQ(kafka.change(1, {add}), std::vector<ErrorCode>{ErrorCode::kNone});
  EXPECT_EQ(kafka.security(1).state(kafka.cluster().home(1)).acls.size(), 1U);
  EXPECT_TRUE(kafka.world().run_until([&] { return knows(1); }));
  add.is_removal = true;
  EXPECT_EQ(kafka.change(3, {add}), std::vector<ErrorCode>{ErrorCode::kNone});
  EXPECT_TRUE(kafka.world().run_until([&] { return knows(0); }));
}

TEST(KafkaOnCluster, ChangesOfTwoNodesAtOnceLoseNothing) {
  KafkaCluster kafka(4);
  for (int round = 0; round < 20; ++round) {
    const double value = 1000 + round;
    std::vector<std::vector<ErrorCode>> told(2);
    int done = 0;
    env::TaskScope tasks(kafka.cluster().home(1));
    env::TaskScope others(kafka.cluster().home(2));
    const auto run = [](Security& security, env::Reactor& here, SecurityChange change, std::vector<ErrorCode>& into,
                        int& count) -> Task<void> {
      into = co_await security.change(here, {std::move(change)});
      ++count;
    };
    kafka.world().run_on(kafka.cluster().home(1), [&] {
      tasks.spawn(
          run(kafka.security(1), kafka.cluster().home(1), quota(QuotaKind::kProduceBytes, value), told[0], done));
    });
    kafka.world().run_on(kafka.cluster().home(2), [&] {
      others.spawn(
          run(kafka.security(2), kafka.cluster().home(2), quota(QuotaKind::kFetchBytes, value), told[1], done));
    });
    ASSERT_TRUE(kafka.world().run_until([&] { return done == 2; }));
    EXPECT_EQ(told[0], std::vector<ErrorCode>{ErrorCode::kNone});
    EXPECT_EQ(told[1], std::vector<ErrorCode>{ErrorCode::kNone});
    EXPECT_TRUE(kafka.world().run_until([&] {
      const auto& entries = kafka.security(3).state(kafka.cluster().home(3)).quotas.entries();
      if (entries.size() != 1) return false;
      const QuotaValues& values = entries.begin()->second;
      return values[static_cast<size_t>(QuotaKind::kProduceBytes)] == value &&
             values[static_cast<size_t>(QuotaKind::kFetchBytes)] == value;
    })) << round;
  }
}

TEST(KafkaOnCluster, NobodyIsServedBeforeItIsKnownWhoMayDoWhat) {
  KafkaCluster kafka(5, {.mechanisms = {}, .passwords = {}, .has_acls = true, .super_users = {"User:ANONYMOUS"}});
  ASSERT_TRUE(kafka.world().run_until([&] { return kafka.security(1).is_known(); }));
  EXPECT_EQ(create_topic(*kafka.connect(1), "t", 1), 0);
}

}  // namespace
}  // namespace keelson::kafka
