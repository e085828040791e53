// The directory of topics in a cluster: decided by the first shard, mirrored by the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "engine/topic/batch_builder.h"
#include "engine/topic/log_commands.h"
#include "topics/cluster_harness.h"
#include "topics/mender.h"

namespace keelson::topics {
namespace {

using cluster_harness::Cluster;
using cluster_harness::kShards;
using cluster_harness::topic_id;
using log::LogErrc;
using log::NodeId;
using shard::ShardId;
using topic::TopicErrc;

topic::CreateTopic creation(uint8_t number, std::string name, int32_t partitions = 1) {
  return {.id = topic_id(number), .name = std::move(name), .partition_count = partitions};
}

topic::DirectoryInfo info_of(Cluster& cluster, NodeId node, ShardId shard) {
  Answer answer;
  struct Sink final : topic::AnswerSink {
    explicit Sink(Answer& to) : into(to) {}
    Answer* answer() override { return &into; }
    Answer& into;
  } sink(answer);
  const topic::Encoded question{topic::DescribeDirectory{}};
  cluster.peer(node).engines[shard]->query({}, question.command(), sink);
  return answer.directory;
}

bool are_same(Cluster& cluster) {
  std::optional<topic::DirectoryInfo> all;
  for (ShardId shard = 0; shard < kShards; ++shard) {
    for (NodeId node : cluster.members(shard)) {
      if (!cluster.peer(node).is_started) continue;
      const topic::DirectoryInfo info = info_of(cluster, node, shard);
      if (!all) all = info;
      if (info.version != all->version || info.digest != all->digest || info.topics != all->topics) return false;
    }
  }
  return true;
}

void expect_same_soon(Cluster& cluster) {
  EXPECT_TRUE(cluster.world.run_until([&] { return are_same(cluster); }, 30 * env::sim::kSecond));
  if (are_same(cluster)) return;
  for (ShardId shard = 0; shard < kShards; ++shard) {
    for (NodeId node : cluster.members(shard)) {
      if (!cluster.peer(node).is_started) continue;
      const topic::DirectoryInfo info = info_of(cluster, node, shard);
      ADD_FAILURE() << "node " << node << ", shard " << shard << ": version " << info.version << ", topics "
                    << info.topics << ", digest " << info.digest;
    }
  }
}

// A command of the directory that nobody waits for yet.
class Pending {
 public:
  template <class Body>
  Pending(Cluster& cluster, NodeId at, Body body) : cluster_(cluster), scope_(cluster.home(at)) {
    cluster.world.run_on(cluster.home(at), [&, body] { scope_.spawn(run(at, body)); });
  }
  bool wait() {
    return cluster_.world.run_until([this] { return is_over; }, 60 * env::sim::kSecond);
  }
  bool is_over = false;
  Asked asked;

 private:
  template <class Body>
  Task<void> run(NodeId at, Body body) {
    asked = co_await cluster_.topics(at).ask_all(cluster_.home(at), body);
    is_over = true;
  }
  Cluster& cluster_;
  env::TaskScope scope_;
};

TEST(Mirrors, ATopicIsThereOnEveryNodeOnceItsCreationIsAnswered) {
  Cluster cluster(1);
  cluster.wait_for_claims();
  std::vector<uint64_t> versions;
  for (NodeId id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.find(id, "one").topic, nullptr);
    versions.push_back(cluster.topics(id).directory_version());
  }
  const Asked asked = cluster.ask_all(2, creation(1, "one", 3));
  ASSERT_TRUE(asked.ok());
  EXPECT_EQ(asked.answer.topics.at(0).version, 1U);
  for (NodeId id = 1; id <= 3; ++id) {
    const Topics::Found found = cluster.find(id, "one");
    ASSERT_NE(found.topic, nullptr) << id;
    EXPECT_EQ(found.topic->partition_count, 3);
    EXPECT_GT(cluster.topics(id).directory_version(), versions[id - 1]);
  }
  EXPECT_TRUE(cluster.world.run_until([&] { return are_same(cluster); }, env::sim::kSecond / 2));
  EXPECT_EQ(cluster.ask_all(3, creation(2, "one")).answer.error, TopicErrc::kTopicExists);
  ASSERT_TRUE(cluster.ask_all(3, topic::AddPartitions{topic_id(1), 5}).ok());
  ASSERT_TRUE(cluster.ask_all(1, topic::ConfigureTopic{topic_id(1), {{"retention.ms", "5"}}, {}}).ok());
  cluster.world.run_for(100 * env::sim::kMillisecond);
  for (NodeId id = 1; id <= 3; ++id) EXPECT_EQ(cluster.find(id, "one").topic->partition_count, 5);
  ASSERT_TRUE(cluster.ask_all(1, topic::DeleteTopic{topic_id(1)}).ok());
  cluster.world.run_for(100 * env::sim::kMillisecond);
  for (NodeId id = 1; id <= 3; ++id) EXPECT_EQ(cluster.find(id, "one").topic, nullptr);
  EXPECT_TRUE(are_same(cluster));
}

TEST(Mirrors, WithoutAQuorumOfAMirrorTheTopicIsThereAllTheSame) {
  Cluster cluster(2);
  cluster.wait_for_claims();
  cluster.mute = {1};
  const Asked asked = cluster.ask_all(1, creation(1, "one"));
  ASSERT_TRUE(asked.ok());
  for (NodeId id = 1; id <= 3; ++id) EXPECT_NE(cluster.find(id, "one").topic, nullptr);
  EXPECT_EQ(info_of(cluster, 1, 2).topics, 1U);
  // Deleted and made anew meanwhile.
  ASSERT_TRUE(cluster.ask_all(1, topic::DeleteTopic{topic_id(1)}).ok());
  ASSERT_TRUE(cluster.ask_all(2, creation(2, "one", 2)).ok());
  EXPECT_EQ(info_of(cluster, 1, 1).version, 0U);
  cluster.mute.clear();
  expect_same_soon(cluster);
}

TEST(Mirrors, WhatADeadCoordinatorHasBegunIsFinished) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.wait_for_claims();
    ASSERT_TRUE(cluster.ask_all(1, creation(1, "one")).ok());
    const NodeId dies = static_cast<NodeId>(seed % 3 + 1);
    auto created = std::make_unique<Pending>(cluster, dies, creation(2, "two", 2));
    auto removed = std::make_unique<Pending>(cluster, dies, topic::DeleteTopic{topic_id(1)});
    cluster.world.run_for(static_cast<int64_t>(cluster.world.random().next() % 8'000'000));
    created.reset();
    removed.reset();
    cluster.crash(dies);
    cluster.world.run_for(5 * env::sim::kSecond);
    expect_same_soon(cluster);
    cluster.start(dies);
    cluster.wait_for_claims();
    expect_same_soon(cluster);
  }
}

TEST(Mirrors, NodesThatChangeTheSameTopicAtOnceAgree) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed);
    cluster.wait_for_claims();
    ASSERT_TRUE(cluster.ask_all(1, creation(1, "one")).ok());
    std::vector<std::unique_ptr<Pending>> all;
    for (int32_t i = 1; i <= 10; ++i) {
      for (NodeId id = 1; id <= 3; ++id) {
        all.push_back(std::make_unique<Pending>(cluster, id,
                                                topic::AddPartitions{topic_id(1), 3 * i + static_cast<int32_t>(id)}));
        all.push_back(std::make_unique<Pending>(
            cluster, id,
            topic::ConfigureTopic{
                topic_id(1), {{"retention.ms", std::to_string(100 * i + static_cast<int32_t>(id))}}, {}}));
      }
    }
    for (const auto& asked : all) ASSERT_TRUE(asked->wait());
    expect_same_soon(cluster);
    EXPECT_EQ(cluster.find(1, "one").topic->partition_count, 33);
  }
}

TEST(Mirrors, ALateChangeOfADeletedTopicDoesNothing) {
  Cluster cluster(4);
  cluster.wait_for_claims();
  const Asked created = cluster.ask_all(1, creation(1, "one"));
  ASSERT_TRUE(created.ok());
  ASSERT_TRUE(cluster.ask_all(2, topic::DeleteTopic{topic_id(1)}).ok());
  const topic::MirrorTopic late{.topics = {topic::encode_topic(created.answer.topics.at(0))}, .since = 0, .until = 1};
  for (ShardId shard = 0; shard < kShards; ++shard) ASSERT_TRUE(cluster.ask(3, shard, late).ok());
  for (ShardId shard = 0; shard < kShards; ++shard) EXPECT_EQ(info_of(cluster, 3, shard).topics, 0U);
  EXPECT_TRUE(are_same(cluster));
}

// The first shard is not on node 4, and no node has every shard.
TEST(Mirrors, NodesWithoutTheFirstShardKnowTopicsToo) {
  Cluster cluster(5, {.nodes = 4, .members = [](ShardId shard) -> std::vector<NodeId> {
                        if (shard == 0) return {1, 2, 3};
                        if (shard == 1) return {2, 3, 4};
                        return {4, 1, 2};
                      }});
  cluster.wait_for_claims();
  ASSERT_TRUE(cluster.ask_all(3, creation(1, "one")).ok());
  // Node 3 could not tell shard 2.
  EXPECT_NE(cluster.topics(4).nearest_shard(cluster.home(4)), 0);
  EXPECT_EQ(cluster.topics(1).nearest_shard(cluster.home(1)), 0);
  expect_same_soon(cluster);
  for (NodeId id = 1; id <= 4; ++id) EXPECT_NE(cluster.find(id, "one").topic, nullptr) << id;
  // Only who has a replica can ask.
  EXPECT_EQ(cluster.ask_all(4, creation(2, "two")).outcome, LogErrc::kNotLeader);
  EXPECT_EQ(cluster.ask(4, 0, topic::DescribeDirectory{}).outcome, LogErrc::kNotLeader);
  // Led by node 4, which does not have the first shard, from there on.
  cluster.move_lead(1, 4);
  cluster.move_lead(2, 4);
  cluster.mute = {1, 2};
  ASSERT_TRUE(cluster.ask_all(1, creation(3, "three")).ok());
  cluster.mute = {};
  cluster.wait_for_claims();
  cluster.move_lead(2, 1);
  expect_same_soon(cluster);
  EXPECT_NE(cluster.find(4, "three").topic, nullptr);
}

TEST(Mirrors, DocumentsAreNewsEverywhere) {
  Cluster cluster(6);
  cluster.wait_for_claims();
  const ShardId shard = cluster.topics(1).shard_of_name("acl/a");
  cluster.world.run_for(env::sim::kSecond);
  for (const bool removes : {false, true}) {
    std::vector<uint64_t> versions;
    for (NodeId id = 1; id <= 3; ++id) versions.push_back(cluster.topics(id).documents_version());
    if (removes) {
      ASSERT_TRUE(cluster.ask(2, shard, topic::DeleteDocument{.key = "acl/a"}).ok());
    } else {
      ASSERT_TRUE(cluster.ask(1, shard, topic::PutDocument{.key = "acl/a", .value = "x"}).ok());
    }
    cluster.world.run_for(200 * env::sim::kMillisecond);
    for (NodeId id = 1; id <= 3; ++id) EXPECT_GT(cluster.topics(id).documents_version(), versions[id - 1]);
  }
}

// Whatever happens, in the end all have the same, and what was answered holds.
TEST(Mirrors, AgreeInTheEndWhateverHappens) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    Cluster cluster(seed + 100);
    cluster.wait_for_claims();
    std::vector<std::unique_ptr<Pending>> all;
    std::vector<std::pair<Pending*, uint8_t>> made;
    std::vector<std::pair<Pending*, uint8_t>> gone;
    uint8_t next = 0;
    for (int step = 0; step < 60; ++step) {
      env::Random& random = cluster.world.random();
      const NodeId at = random.next() % 3 + 1;
      switch (random.next() % 10) {
        case 0:
        case 1:
        case 2:
        case 3:
          ++next;
          all.push_back(std::make_unique<Pending>(cluster, at, creation(next, "topic-" + std::to_string(next))));
          made.emplace_back(all.back().get(), next);
          break;
        case 4:
        case 5: {
          if (next == 0) break;
          const auto which = static_cast<uint8_t>(random.next() % next + 1);
          all.push_back(std::make_unique<Pending>(cluster, at, topic::DeleteTopic{topic_id(which)}));
          gone.emplace_back(all.back().get(), which);
          break;
        }
        case 6:
          if (next == 0) break;
          all.push_back(std::make_unique<Pending>(
              cluster, at, topic::AddPartitions{topic_id(static_cast<uint8_t>(random.next() % next + 1)), step + 2}));
          break;
        case 7:
          cluster.mute = {static_cast<ShardId>(random.next() % kShards)};
          break;
        case 8:
          for (NodeId id = 1; id <= 3; ++id) cluster.peer(id).is_cut_off = id == at;
          break;
        default:
          cluster.mute.clear();
          for (NodeId id = 1; id <= 3; ++id) cluster.peer(id).is_cut_off = false;
      }
      cluster.world.run_for(static_cast<int64_t>(random.next() % 300'000'000));
    }
    cluster.mute.clear();
    for (NodeId id = 1; id <= 3; ++id) cluster.peer(id).is_cut_off = false;
    for (const auto& asked : all) ASSERT_TRUE(asked->wait());
    cluster.wait_for_claims();
    expect_same_soon(cluster);
    for (const auto& [asked, number] : made) {
      if (!asked->asked.ok()) continue;
      const bool may_be_gone = std::ranges::any_of(gone, [number](const auto& one) {
        return one.second == number && (one.first->asked.outcome != LogErrc::kOk || one.first->asked.ok());
      });
      if (may_be_gone) continue;
      for (NodeId id = 1; id <= 3; ++id) {
        EXPECT_NE(cluster.find(id, "topic-" + std::to_string(number)).topic, nullptr);
      }
    }
    for (const auto& [asked, number] : gone) {
      if (!asked->asked.ok()) continue;
      EXPECT_EQ(cluster.find(1, "topic-" + std::to_string(number)).topic, nullptr);
    }
  }
}

// Whoever changes a topic reaches the mirrors that it has no replica of by way of other nodes, before it answers.
TEST(Mirrors, HearOfChangesByWayOfOtherNodes) {
  Cluster cluster(8, {.nodes = 4,
                      .members = [](ShardId shard) -> std::vector<NodeId> {
                        if (shard == 0) return {1};
                        return {static_cast<NodeId>(shard + 1), 4};
                      },
                      .asks_elsewhere = true});
  cluster.wait_for_claims();
  ASSERT_TRUE(cluster.ask_all(1, creation(1, "one")).ok());
  for (NodeId id = 1; id <= 4; ++id) EXPECT_NE(cluster.find(id, "one").topic, nullptr) << id;
  ASSERT_TRUE(cluster.ask_all(1, topic::DeleteTopic{topic_id(1)}).ok());
  cluster.world.run_for(100 * env::sim::kMillisecond);
  EXPECT_TRUE(are_same(cluster));
}

// Only checkpoints help a node that was away for so long; all that changed meanwhile is news there.
TEST(Mirrors, AStateOfAnotherNodeIsNews) {
  Cluster cluster(7);
  cluster.wait_for_claims();
  ASSERT_TRUE(cluster.ask_all(1, creation(1, "one")).ok());
  const ShardId documents = cluster.topics(1).shard_of_name("acl/a");
  cluster.crash(3);
  for (uint8_t i = 2; i < 60; ++i) {
    ASSERT_TRUE(cluster.ask_all(1, creation(i, "topic-" + std::to_string(i))).ok());
    ASSERT_TRUE(cluster.ask(1, documents, topic::PutDocument{.key = "acl/a", .value = std::to_string(i)}).ok());
    topic::BatchBuilder builder({});
    builder.add(cluster.home(1).clock().wall_ms(), "key", "value");
    const std::string batch = builder.finish();
    ASSERT_TRUE(
        cluster.ask(1, cluster.topics(1).shard_of({topic_id(1), 0}), topic::Append{{topic_id(1), 0}}, batch).ok());
  }
  ASSERT_TRUE(cluster.ask_all(1, topic::DeleteTopic{topic_id(2)}).ok());
  cluster.start(3);
  const uint64_t directory_before = cluster.topics(3).directory_version();
  const uint64_t documents_before = cluster.topics(3).documents_version();
  expect_same_soon(cluster);
  EXPECT_GT(cluster.files(), 0);
  EXPECT_GT(cluster.topics(3).directory_version(), directory_before);
  EXPECT_GT(cluster.topics(3).documents_version(), documents_before);
  EXPECT_NE(cluster.find(3, "topic-59").topic, nullptr);
  EXPECT_EQ(cluster.find(3, "topic-2").topic, nullptr);
  const ShardId shard = cluster.topics(3).shard_of({topic_id(1), 0});
  cluster.move_lead(shard, 3);
  const Asked read = cluster.world.run(
      cluster.home(3), cluster.topics(3).read(cluster.home(3), {.from = {topic_id(1), 0}, .offset = 0}, true));
  ASSERT_TRUE(read.ok()) << read.answer.reason;
  EXPECT_EQ(read.answer.read.high_watermark, 58);
  EXPECT_FALSE(read.answer.read.slices.empty());
}

TEST(Mending, IsCutIntoPieces) {
  std::map<TopicId, topic::TopicInfo> topics;
  for (int i = 0; i < 5000; ++i) {
    topic::TopicInfo info;
    info.id.bytes[0] = static_cast<uint8_t>(i);
    info.id.bytes[1] = static_cast<uint8_t>(i >> 8);
    info.id.bytes[15] = 1;
    info.name = std::string(200, 'n') + std::to_string(i);
    info.partition_count = 1;
    info.version = static_cast<uint64_t>(i) + 1;
    topics.emplace(info.id, info);
  }
  const auto pieces = detail::mending({}, {}, {.version = 5000}, topics);
  EXPECT_GT(pieces.size(), 3U);
  size_t count = 0;
  for (const topic::MirrorTopic& piece : pieces) {
    EXPECT_LT(topic::encode(piece).size(), size_t{300} << 10);
    EXPECT_EQ(piece.until, &piece == &pieces.back() ? 5000U : 0U);
    count += piece.topics.size();
  }
  EXPECT_EQ(count, topics.size());
  EXPECT_TRUE(detail::mending({.version = 5000}, topics, {.version = 5000}, topics).empty());
  EXPECT_EQ(detail::mending({.version = 4000}, topics, {.version = 5000}, topics).size(), 1U);
  // The mirror knows already that they are gone.
  EXPECT_TRUE(detail::mending({.version = 9000}, {}, {.version = 5000}, topics).empty());
}

}  // namespace
}  // namespace keelson::topics
