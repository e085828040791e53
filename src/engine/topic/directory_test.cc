// Mirrors of the directory: whatever comes late, twice or out of order, they come to be what the first shard has.
#include "engine/topic/directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "engine/topic/engine_test_support.h"

namespace keelson::topic {
namespace {

// What whoever made a change sends to the mirrors.
MirrorTopic change_of(const Answer& answer, const TopicId& id) {
  MirrorTopic body{.since = answer.directory.version - 1, .until = answer.directory.version};
  for (const TopicInfo& info : answer.topics) body.topics.push_back(encode_topic(info));
  if (answer.topics.empty()) body.gone.push_back({id, answer.directory.version});
  return body;
}

// What mends a mirror of which that is known.
MirrorTopic mending(Directory& first, const Directory& mirror) {
  MirrorTopic body{.since = mirror.info().version, .until = first.info().version};
  for (const auto& [id, topic] : first.topics()) {
    const Topic* there = mirror.find(id);
    if (there == nullptr || there->hash != topic->hash) body.topics.push_back(encode_topic(topic->info));
  }
  for (const auto& [id, topic] : mirror.topics()) {
    if (first.find(id) == nullptr && topic->info.version <= body.until) body.gone.push_back({id, body.until});
  }
  return body;
}

class Mirrors : public ::testing::Test {
 protected:
  Answer create(uint8_t number, const std::string& name, int32_t partitions = 1) {
    Answer answer;
    first.create({.index = 1, .time_ms = 7}, {.id = topic_id(number), .name = name, .partition_count = partitions},
                 answer);
    EXPECT_TRUE(answer.ok()) << answer.reason;
    return answer;
  }
  Answer remove(uint8_t number) {
    Answer answer;
    EXPECT_TRUE(first.remove(DeleteTopic{topic_id(number)}, answer));
    return answer;
  }
  Answer grow(uint8_t number, int32_t partitions) {
    Answer answer;
    first.add_partitions({topic_id(number), partitions}, answer);
    EXPECT_TRUE(answer.ok()) << answer.reason;
    return answer;
  }
  // How many topics were removed by it.
  size_t take(const MirrorTopic& body) {
    Answer answer;
    Directory::Removed removed;
    MirrorTopic read;
    EXPECT_TRUE(decode(encode(body), read));
    mirror.mirror(read, answer, removed);
    EXPECT_TRUE(answer.ok());
    return removed.size();
  }
  void expect_same() {
    EXPECT_EQ(mirror.info().version, first.info().version);
    EXPECT_EQ(mirror.info().digest, first.info().digest);
    EXPECT_EQ(mirror.info().topics, first.info().topics);
  }

  Directory first;
  Directory mirror;
};

TEST_F(Mirrors, FollowStepByStep) {
  take(change_of(create(1, "one"), topic_id(1)));
  take(change_of(create(2, "two", 3), topic_id(2)));
  take(change_of(grow(2, 5), topic_id(2)));
  expect_same();
  EXPECT_EQ(mirror.find(topic_id(2))->info.partition_count, 5);
  EXPECT_EQ(take(change_of(remove(1), topic_id(1))), 1U);
  expect_same();
}

TEST_F(Mirrors, ATopicThatIsGoneDoesNotComeBack) {
  const MirrorTopic created = change_of(create(1, "one"), topic_id(1));
  const MirrorTopic grown = change_of(grow(1, 2), topic_id(1));
  const MirrorTopic removed = change_of(remove(1), topic_id(1));
  const MirrorTopic again = change_of(create(2, "one"), topic_id(2));
  // Beyond what is missing in front of it, and late.
  take(again);
  take(removed);
  take(grown);
  take(created);
  EXPECT_EQ(mirror.find(topic_id(1)), nullptr);
  ASSERT_NE(mirror.find(topic_id(2)), nullptr);
  EXPECT_EQ(mirror.info().version, 1U);
  take(mending(first, mirror));
  expect_same();
  take(created);
  take(grown);
  EXPECT_EQ(mirror.find(topic_id(1)), nullptr);
  expect_same();
}

TEST_F(Mirrors, ANameThatIsTakenAgainEndsTheOlderTopic) {
  const MirrorTopic created = change_of(create(1, "one"), topic_id(1));
  take(created);
  const MirrorTopic removed = change_of(remove(1), topic_id(1));
  const MirrorTopic again = change_of(create(2, "one"), topic_id(2));
  EXPECT_EQ(take(again), 1U);
  EXPECT_EQ(mirror.find(topic_id(1)), nullptr);
  take(created);
  EXPECT_EQ(mirror.find(topic_id(1)), nullptr);
  take(removed);
  take(again);
  take(mending(first, mirror));
  expect_same();
}

TEST_F(Mirrors, TakeOverWhatTheyMissedWithTheVersionThatTheyHave) {
  take(change_of(create(1, "one"), topic_id(1)));
  // As if by a defect: at the same version, and different.
  Answer answer;
  Directory::Removed removed;
  TopicInfo wrong = mirror.find(topic_id(1))->info;
  wrong.configs = {{"retention.ms", "1"}};
  mirror.mirror({.topics = {encode_topic(wrong)}, .since = 1, .until = 1}, answer, removed);
  EXPECT_NE(mirror.info().digest, first.info().digest);
  take(mending(first, mirror));
  expect_same();
}

TEST_F(Mirrors, RefuseWhatCannotBe) {
  Answer answer;
  Directory::Removed removed;
  mirror.mirror({.topics = {"nonsense"}}, answer, removed);
  EXPECT_EQ(answer.error, TopicErrc::kInvalid);
  answer = {};
  mirror.mirror({.since = 2, .until = 1}, answer, removed);
  EXPECT_EQ(answer.error, TopicErrc::kInvalid);
  EXPECT_EQ(mirror.info().topics, 0U);
}

// Changes at random, each sent to the mirror at random times, twice at times or never; after each mending it is equal
// to the first shard, and nothing that comes later changes that.
TEST_F(Mirrors, ComeToBeTheSameWhateverComesWhen) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    first.clear();
    mirror.clear();
    std::mt19937 random(seed);
    std::vector<MirrorTopic> sent;
    std::vector<uint8_t> alive;
    uint8_t next = 0;
    for (int step = 0; step < 200; ++step) {
      const unsigned what = random() % 10;
      if (what < 4 && next < 250) {
        const std::string name = "topic-" + std::to_string(random() % 8);
        Answer answer;
        first.create({.index = 1, .time_ms = step}, {.id = topic_id(++next), .name = name}, answer);
        if (answer.ok()) {
          alive.push_back(next);
          sent.push_back(change_of(answer, topic_id(next)));
        }
      } else if (what < 6 && !alive.empty()) {
        const size_t which = random() % alive.size();
        sent.push_back(change_of(remove(alive[which]), topic_id(alive[which])));
        alive.erase(alive.begin() + static_cast<ptrdiff_t>(which));
      } else if (what < 8 && !alive.empty()) {
        const uint8_t which = alive[random() % alive.size()];
        const int32_t count = first.find(topic_id(which))->info.partition_count;
        sent.push_back(change_of(grow(which, count + 1), topic_id(which)));
      }
      for (int i = 0; i < 3 && !sent.empty() && random() % 2 == 0; ++i) take(sent[random() % sent.size()]);
      for (const auto& [id, topic] : mirror.topics()) {
        const Topic* there = first.find(id);
        EXPECT_TRUE(there == nullptr || there->info.version >= topic->info.version);
      }
      if (random() % 40 == 0) {
        take(mending(first, mirror));
        expect_same();
        for (const MirrorTopic& late : sent) take(late);
        expect_same();
      }
    }
  }
}

TEST(MirrorsInEngines, AreSavedAndRemovePartitions) {
  TestEngine first(TopicEngineOptions{});
  TestEngine mirror(TopicEngineOptions{}, 2);
  first.create(1);
  const Answer created = first.apply(
      CreateTopic{.id = topic_id(2), .name = "two", .partition_count = 2, .configs = {{"retention.ms", "5"}}});
  mirror.apply(change_of(created, topic_id(2)));
  const PartitionId at{topic_id(2), 1};
  BatchBuilder builder({});
  builder.add(mirror.now_ms, "key", "value");
  ASSERT_TRUE(mirror.append(at, builder.finish()).ok());
  const Answer removed = first.apply(DeleteTopic{topic_id(2)});
  mirror.apply(change_of(removed, topic_id(2)));
  EXPECT_EQ(mirror.query(DescribePartition{at}).error, TopicErrc::kUnknownTopic);
  EXPECT_TRUE(mirror.engine->partitions().empty());
  // What is gone is remembered over a checkpoint, since something in front of it is missing.
  EXPECT_EQ(mirror.query(DescribeDirectory{}).directory.version, 0U);
  ASSERT_TRUE(mirror.checkpoint());
  mirror.crash();
  mirror.apply(change_of(created, topic_id(2)));
  EXPECT_EQ(mirror.query(FindTopic{.id = topic_id(2)}).error, TopicErrc::kUnknownTopic);
  // Versions and digest are those of before.
  const DirectoryInfo before = first.query(DescribeDirectory{}).directory;
  EXPECT_EQ(before.version, 3U);
  ASSERT_TRUE(first.checkpoint());
  first.crash();
  const DirectoryInfo after = first.query(DescribeDirectory{}).directory;
  EXPECT_EQ(after.version, before.version);
  EXPECT_EQ(after.digest, before.digest);
  EXPECT_EQ(first.query(FindTopic{.id = topic_id(1)}).topics[0].version, 1U);
}

}  // namespace
}  // namespace keelson::topic
