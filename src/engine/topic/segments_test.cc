// What lies in files: reading it back, indexes, damage, recovery, retention, deletion, and what an idle partition
// costs.
#include <gtest/gtest.h>

#include <malloc.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/topic/engine_test_support.h"
#include "engine/topic/record_reader.h"
#include "engine/topic/segment_file.h"

namespace keelson::topic {
namespace {

std::string batch_of(const std::string& value, int64_t time_ms, Codec codec = Codec::kNone) {
  BatchBuilder builder({.codec = codec});
  builder.add(time_ms, "key", value);
  return builder.finish();
}

TopicEngineOptions two_open_files() {
  TopicEngineOptions options = no_cache();
  options.open_files_max = 2;
  return options;
}

std::vector<int64_t> offsets_of(std::string_view batches) {
  std::vector<int64_t> offsets;
  RecordReader reader;
  Record record;
  for (; !batches.empty(); batches.remove_prefix(BatchView(batches).size_bytes())) {
    EXPECT_EQ(reader.begin(batches), BatchErrc::kOk);
    while (reader.next(record)) offsets.push_back(record.offset);
  }
  return offsets;
}

class SegmentsTest : public ::testing::Test {
 protected:
  // `count` batches of one record each, 10 ms apart.
  void fill(int count, size_t bytes, const PartitionId& to) {
    for (int i = 0; i < count; ++i) {
      engine.now_ms += 10;
      ASSERT_TRUE(engine.append(to, batch_of(std::string(bytes, 'v'), engine.now_ms)).ok());
      ASSERT_TRUE(engine.engine->settle().ok());
    }
  }
  std::vector<std::string> named(std::string_view suffix) {
    std::vector<std::string> names;
    for (std::string& name : engine.files()) {
      if (name.ends_with(suffix)) names.push_back(engine.folder() + "/" + name);
    }
    return names;
  }

  TestEngine engine{two_open_files()};
  const PartitionId at{engine.create(1, 2, {{"segment.bytes", "200000"}}), 0};
};

TEST_F(SegmentsTest, ReadsBackByOffsetAndTime) {
  const int64_t began_ms = engine.now_ms;
  fill(200, 5000, at);
  EXPECT_EQ(engine.engine->unsettled_bytes(), 0U);
  EXPECT_EQ(engine.engine->cached_bytes(), 0U);
  EXPECT_EQ(named(".log").size(), 6U);
  EXPECT_EQ(named(".index").size(), 5U);
  for (int64_t offset = 0; offset < 200; offset += 7) {
    std::string bytes;
    Answer answer;
    EXPECT_EQ(engine.read_once({.from = at, .offset = offset, .bytes_max = 1}, bytes, answer), offset + 1);
    EXPECT_EQ(offsets_of(bytes), std::vector<int64_t>{offset});
    EXPECT_EQ(engine.find(at, began_ms + 10 * (offset + 1)).offset, offset);
    EXPECT_EQ(engine.find(at, began_ms + 10 * offset + 1).offset, offset);
  }
  EXPECT_EQ(engine.find(at, engine.now_ms + 1).offset, -1);
  EXPECT_EQ(engine.find(at, -3).offset, 199);
  EXPECT_EQ(offsets_of(*engine.read_all(at, 0)).size(), 200U);
}

TEST_F(SegmentsTest, ABatchLargerThanWhatIsAskedForComesWhole) {
  ASSERT_TRUE(engine.append(at, batch_of(std::string(150'000, 'a'), engine.now_ms)).ok());
  ASSERT_TRUE(engine.append(at, batch_of(std::string(500'000, 'b'), engine.now_ms)).ok());
  ASSERT_TRUE(engine.engine->settle().ok());
  std::string bytes;
  Answer answer;
  EXPECT_EQ(engine.read_once({.from = at, .offset = 1, .bytes_max = 100}, bytes, answer), 2);
  EXPECT_GT(bytes.size(), 500'000U);
}

TEST_F(SegmentsTest, AnIndexThatIsLostOrDamagedIsMadeAgain) {
  fill(200, 5000, at);
  const auto indexes = named(".index");
  ASSERT_GE(indexes.size(), 3U);
  ASSERT_TRUE(engine.disk().remove(indexes[0]).ok());
  ASSERT_TRUE(engine.node.disk().flip_bit(indexes[1], 30).ok());
  ASSERT_TRUE(engine.node.disk().cut(indexes[2], 10).ok());
  ASSERT_TRUE(engine.checkpoint());
  engine.restart();
  for (int64_t offset : {150, 30, 45, 80, 100, 5}) {
    std::string bytes;
    Answer answer;
    EXPECT_EQ(engine.read_once({.from = at, .offset = offset, .bytes_max = 1}, bytes, answer), offset + 1)
        << engine.why;
  }
  // And written, for the next one who opens the segment.
  EXPECT_TRUE(engine.disk().exists(indexes[0]));
  EXPECT_GT(engine.disk().info(indexes[2])->size_bytes, 10U);
}

TEST_F(SegmentsTest, DamageIsToldAndNotServed) {
  fill(60, 5000, at);
  const std::string damaged = named(".log")[0];
  ASSERT_TRUE(engine.node.disk().flip_bit(damaged, 12'000).ok());
  std::string bytes;
  Answer answer;
  // Up to the damage, all is well.
  EXPECT_EQ(engine.read_once({.from = at, .offset = 0, .bytes_max = 1}, bytes, answer), 1);
  EXPECT_EQ(engine.read_once({.from = at, .offset = 2, .bytes_max = 1}, bytes, answer), -1);
  EXPECT_NE(engine.why.find(damaged), std::string::npos) << engine.why;
  EXPECT_NE(engine.why.find("offset 2"), std::string::npos) << engine.why;
  // Other partitions go on.
  fill(5, 100, {at.topic, 1});
  EXPECT_EQ(offsets_of(*engine.read_all({at.topic, 1}, 0)).size(), 5U);
  // A segment that is gone is an error too.
  ASSERT_TRUE(engine.checkpoint());
  ASSERT_TRUE(engine.disk().remove(damaged).ok());
  engine.restart();
  const Answer gone = engine.query(Read{.from = at, .offset = 0});
  EXPECT_EQ(gone.error, TopicErrc::kCorruptBatch);
  EXPECT_NE(gone.reason.find(damaged), std::string::npos) << gone.reason;
}

TEST_F(SegmentsTest, ReadersKeepWhatWasRemoved) {
  fill(60, 5000, at);
  const Answer answer = engine.query(Read{.from = at, .offset = 0});
  ASSERT_TRUE(answer.read.span);
  EXPECT_TRUE(engine.apply(TrimPartition{at, 60}).ok());
  engine.remove_garbage();
  EXPECT_TRUE(named(".log").empty());
  auto bytes = engine.world.run(engine.node.reactor(0), read_span(*answer.read.span, engine.node.reactor(0)));
  ASSERT_TRUE(bytes.ok());
  EXPECT_FALSE(bytes->batches.bytes.empty());
  EXPECT_EQ(engine.append(at, batch_of("x", engine.now_ms)).append.base_offset, 60);
}

TEST_F(SegmentsTest, SegmentsEndByTime) {
  engine.create(2, 1, {{"segment.ms", "100"}});
  const PartitionId other{topic_id(2), 0};
  fill(25, 10, other);  // 250 ms
  EXPECT_EQ(engine.engine->partitions().back().segments, 3U);
}

TEST_F(SegmentsTest, RetentionGoesBySizeAndAge) {
  fill(200, 5000, at);
  EXPECT_TRUE(engine.engine->due_trims(engine.now_ms).empty());
  engine.apply(ConfigureTopic{at.topic, {{"retention.bytes", "400000"}}, {}});
  auto due = engine.engine->due_trims(engine.now_ms);
  ASSERT_EQ(due.size(), 1U);
  // Whole segments (of 39 batches), and not below the limit.
  EXPECT_EQ(due[0].start, 117);
  EXPECT_TRUE(engine.apply(due[0]).ok());
  EXPECT_GE(engine.query(DescribePartition{at}).partition.bytes, 400'000U);
  EXPECT_TRUE(engine.engine->due_trims(engine.now_ms).empty());
  engine.apply(ConfigureTopic{at.topic, {{"retention.bytes", "-1"}, {"retention.ms", "100"}}, {}});
  due = engine.engine->due_trims(engine.now_ms + 1000);
  ASSERT_EQ(due.size(), 1U);
  // All of it, the last segment too.
  EXPECT_EQ(due[0].start, 200);
  engine.apply(ConfigureTopic{at.topic, {{"cleanup.policy", "compact"}}, {}});
  EXPECT_TRUE(engine.engine->due_trims(engine.now_ms + 1000).empty());
}

TEST_F(SegmentsTest, ADeletedTopicLeavesNothing) {
  fill(60, 5000, at);
  fill(3, 10, {at.topic, 1});
  ASSERT_TRUE(engine.checkpoint());
  EXPECT_TRUE(engine.apply(DeleteTopic{at.topic}).ok());
  EXPECT_EQ(engine.query(Read{.from = at}).error, TopicErrc::kUnknownTopic);
  const auto touched = engine.engine->take_touched();
  EXPECT_TRUE(std::ranges::find(touched, at) != touched.end());
  engine.remove_garbage();
  EXPECT_TRUE(engine.files().empty());
  engine.crash();
  EXPECT_EQ(engine.query(Read{.from = at}).error, TopicErrc::kUnknownTopic);
  // What replay wrote again is named again.
  engine.remove_garbage();
  EXPECT_TRUE(engine.files().empty());
}

TEST_F(SegmentsTest, StraysMayBeRemovedAtLeisure) {
  // Of records that a crash has lost: the same offsets are given again, to others.
  ASSERT_TRUE(engine.checkpoint());
  fill(3, 5000, at);
  engine.node.disk().sync_all();
  engine.crash(engine.replay_from);
  auto strays = engine.engine->find_strays();
  ASSERT_TRUE(strays.ok());
  ASSERT_EQ(strays->size(), 1U);
  fill(2, 5000, at);
  for (const std::string& path : *strays) ASSERT_TRUE(engine.disk().remove(path).ok());
  EXPECT_EQ(named(".log").size(), 1U);
  ASSERT_TRUE(engine.checkpoint());
  engine.crash();
  EXPECT_EQ(offsets_of(*engine.read_all(at, 0)).size(), 2U);
}

TEST_F(SegmentsTest, AFullDiskLosesNothing) {
  fill(10, 5000, at);
  engine.node.disk().set_full(true);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(engine.append(at, batch_of(std::string(5000, 'w'), engine.now_ms)).ok());
  EXPECT_FALSE(engine.engine->settle().ok());
  EXPECT_GT(engine.engine->unsettled_bytes(), 50'000U);
  EXPECT_FALSE(engine.checkpoint());
  EXPECT_EQ(offsets_of(*engine.read_all(at, 0)).size(), 20U);
  engine.node.disk().set_full(false);
  EXPECT_TRUE(engine.engine->settle().ok());
  EXPECT_EQ(engine.engine->unsettled_bytes(), 0U);
  EXPECT_TRUE(engine.checkpoint());
  engine.crash();
  EXPECT_EQ(offsets_of(*engine.read_all(at, 0)).size(), 20U);
}

TEST_F(SegmentsTest, AStartTouchesNoFileOfAnIdlePartition) {
  engine.create(2, 500);
  for (int32_t i = 0; i < 500; ++i) fill(2, 50, {topic_id(2), i});
  ASSERT_TRUE(engine.checkpoint());
  const auto before = engine.node.disk().counts();
  engine.restart();
  const auto after = engine.node.disk().counts();
  EXPECT_EQ(after.reads, before.reads);
  EXPECT_EQ(after.writes, before.writes);
  EXPECT_EQ(engine.query(DescribePartition{{topic_id(2), 7}}).partition.high_watermark, 2);
  EXPECT_EQ(offsets_of(*engine.read_all({topic_id(2), 7}, 0)).size(), 2U);
}

TEST_F(SegmentsTest, AnIdlePartitionCostsLittleMemory) {
  constexpr int kCount = 2000;
  engine.create(2, kCount);
  for (int32_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(engine.append({topic_id(2), i}, batch_of("value", engine.now_ms)).ok());
    ASSERT_TRUE(engine.engine->settle().ok());
  }
  ASSERT_TRUE(engine.checkpoint());
  engine.log.clear();
  engine.replay_from = 0;
  const size_t before = mallinfo2().uordblks;
  engine.restart();
  // Both the engine that was and the one that is have been there meanwhile; what is held now is the new one, so a
  // second start tells what one holds.
  const size_t with = mallinfo2().uordblks;
  engine.engine.reset();
  const size_t without = mallinfo2().uordblks;
  if (with == 0) GTEST_SKIP() << "this allocator does not tell";
  const size_t each = (with - without) / kCount;
  RecordProperty("bytes_per_idle_partition", static_cast<int>(each));
  EXPECT_LT(each, 1000U) << before;
  EXPECT_GT(each, 50U);
}

TEST(SegmentNames, HaveOneSpelling) {
  const SegmentName name{{topic_id(7), 12}, 345, 2};
  const std::string file = file_name(name, ".log");
  EXPECT_EQ(file, "ab000000000000000000000000000007-12-00000000000000000345.2.log");
  SegmentName parsed;
  ASSERT_TRUE(parse_file_name(file, ".log", parsed));
  EXPECT_EQ(parsed, name);
  for (const char* wrong : {"", ".log", "ab000000000000000000000000000007-12-345.2.log", "x-1-2.3.log",
                            "ab000000000000000000000000000007-12-00000000000000000345.2.index",
                            "ab000000000000000000000000000007--1-00000000000000000345.2.log",
                            "AB000000000000000000000000000007-12-00000000000000000345.2.log",
                            "ab000000000000000000000000000007-12-99999999999999999999.2.log"}) {
    EXPECT_FALSE(parse_file_name(wrong, ".log", parsed)) << wrong;
  }
}

TEST(SegmentIndexes, AreCheckedWhenTheyAreRead) {
  SegmentIndex index;
  int64_t time_ms = kNoTimestamp;
  for (int i = 0; i < 100; ++i) {
    add_to_index(index, i * 3, static_cast<uint32_t>(i) * 10'000, time_ms, 4096);
    time_ms = 1000 + i;
  }
  EXPECT_EQ(index.size(), 25U);
  EXPECT_EQ(position_of_offset(index, 0), 0U);
  EXPECT_EQ(position_of_offset(index, 13), 40'000U);
  EXPECT_EQ(position_of_offset(index, 11), 0U);
  EXPECT_EQ(position_of_time(index, 0), 0U);
  EXPECT_LE(position_of_time(index, 1050), 500'000U);
  EXPECT_GE(position_of_time(index, 1050), 440'000U);
  const std::string bytes = encode_index(index, 1'000'000);
  SegmentIndex read;
  ASSERT_TRUE(decode_index(bytes, 1'000'000, read));
  EXPECT_EQ(read, index);
  EXPECT_FALSE(decode_index(bytes, 1'000'001, read));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    EXPECT_FALSE(decode_index(damaged, 1'000'000, read)) << i;
    EXPECT_FALSE(decode_index(std::string_view(bytes).substr(0, i), 1'000'000, read)) << i;
  }
}

}  // namespace
}  // namespace keelson::topic
