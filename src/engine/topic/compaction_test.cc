#include "engine/topic/compaction.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/topic/engine_test_support.h"
#include "engine/topic/record_reader.h"

namespace keelson::topic {
namespace {

constexpr size_t kMemory = size_t{1} << 20;

class CompactionTest : public ::testing::Test {
 protected:
  using Pair = std::pair<std::string, std::optional<std::string>>;
  // One batch, in a segment of its own.
  int64_t write(const std::vector<Pair>& pairs, BatchOptions options = {}) {
    engine.now_ms += 1000;
    BatchBuilder builder(options);
    for (const auto& [key, value] : pairs) builder.add(engine.now_ms, key, value);
    const Answer answer = engine.append(at, builder.finish());
    EXPECT_TRUE(answer.ok()) << answer.reason;
    EXPECT_TRUE(engine.engine->settle().ok());
    return answer.append.base_offset;
  }
  // False: nothing to do.
  bool compact(size_t memory = kMemory) {
    auto run = engine.engine->next_compaction(engine.now_ms, memory, 7);
    if (run == nullptr) return false;
    for (;;) {
      auto more = engine.world.run(engine.node.reactor(0), run->step(engine.node.reactor(0)));
      EXPECT_TRUE(more.ok()) << more.error().message();
      if (!more.ok() || !*more) break;
    }
    engine.engine->install(*run);
    return true;
  }
  std::string text() {
    std::string text;
    const auto all = engine.read_all(at, engine.query(DescribePartition{at}).partition.log_start);
    if (!all) return engine.why;
    std::string_view rest = *all;
    RecordReader reader;
    Record record;
    for (; !rest.empty(); rest.remove_prefix(BatchView(rest).size_bytes())) {
      EXPECT_EQ(BatchView(rest).crc(), BatchView(rest).computed_crc());
      EXPECT_EQ(reader.begin(rest), BatchErrc::kOk);
      while (reader.next(record)) {
        text += text.empty() ? "" : " ";
        text += std::to_string(record.offset);
        if (BatchView(rest).is_control()) {
          text += "!";
        } else {
          text += "=" + std::string(record.key.value_or("-")) + std::string(record.value.value_or("x"));
        }
      }
    }
    return text;
  }

  TestEngine engine{no_cache()};
  const PartitionId at{engine.create(1, 1,
                                     {{"cleanup.policy", "compact"},
                                      {"segment.bytes", "14"},
                                      {"min.cleanable.dirty.ratio", "0"},
                                      {"delete.retention.ms", "10000"}}),
                       0};
};

TEST_F(CompactionTest, KeepsTheLastRecordOfEachKey) {
  write({{"a", "1"}, {"b", "1"}, {"c", "1"}});
  write({{"a", "2"}, {"b", "2"}}, {.codec = Codec::kZstd});
  write({{"a", "3"}});
  write({{"z", "1"}});
  EXPECT_TRUE(compact());
  // The last segment is not touched.
  EXPECT_EQ(text(), "2=c1 4=b2 5=a3 6=z1");
  EXPECT_FALSE(compact());
  EXPECT_EQ(engine.query(DescribePartition{at}).partition.high_watermark, 7);
  // A reader in the midst of what is gone gets what comes next.
  std::string bytes;
  Answer answer;
  int64_t next = engine.read_once({.from = at, .offset = 0, .bytes_max = 1}, bytes, answer);
  ASSERT_FALSE(bytes.empty());
  EXPECT_EQ(next, 3);
  EXPECT_EQ(BatchView(bytes).base_offset(), 0);
  EXPECT_EQ(BatchView(bytes).last_offset_delta(), 2);
}

TEST_F(CompactionTest, BatchesThatLoseNothingStayAsTheyAre) {
  write({{"a", "1"}}, {.codec = Codec::kGzip, .producer_id = 5, .producer_epoch = 1, .base_sequence = 3});
  write({{"b", "1"}});
  const auto before = engine.read_all(at, 0);
  write({{"c", "1"}});
  EXPECT_TRUE(compact());
  EXPECT_EQ(engine.read_all(at, 0)->substr(0, before->size()), *before);
  // No file was written anew.
  EXPECT_TRUE(engine.engine->take_garbage().empty());
  for (const std::string& file : engine.files()) EXPECT_TRUE(file.find(".0.") != std::string::npos) << file;
}

TEST_F(CompactionTest, TombstonesStayForAWhile) {
  write({{"a", "1"}, {"b", "1"}});
  write({{"a", std::nullopt}});
  write({{"c", "1"}});
  EXPECT_TRUE(compact());
  EXPECT_EQ(text(), "1=b1 2=ax 3=c1");
  engine.now_ms += 5000;
  write({{"d", "1"}});
  EXPECT_TRUE(compact());
  EXPECT_EQ(text(), "1=b1 2=ax 3=c1 4=d1");
  engine.now_ms += 5000;
  write({{"e", "1"}});
  EXPECT_TRUE(compact());
  EXPECT_EQ(text(), "1=b1 3=c1 4=d1 5=e1");
}

TEST_F(CompactionTest, TombstonesMayStayForEver) {
  engine.apply(ConfigureTopic{at.topic, {{"delete.retention.ms", "9223372036854775807"}}, {}});
  write({{"a", "1"}});
  write({{"a", std::nullopt}});
  for (const char* key : {"b", "c", "d"}) {
    write({{key, "1"}});
    EXPECT_TRUE(compact());
    engine.now_ms += int64_t{1} << 40;
  }
  EXPECT_EQ(text(), "1=ax 2=b1 3=c1 4=d1");
}

TEST_F(CompactionTest, TheLargestBatchStaysReadable) {
  engine.apply(ConfigureTopic{at.topic, {{"max.message.bytes", std::to_string(kBatchBytesMax)}}, {}});
  const auto batch = [&](size_t bytes) {
    BatchBuilder builder;
    builder.add(engine.now_ms, "a", std::string(bytes, 'v'));
    builder.add(engine.now_ms, "b", std::nullopt);
    return builder.finish();
  };
  const size_t guess = kBatchBytesMax - 1000;
  const std::string largest = batch(guess + kBatchBytesMax - batch(guess).size());
  ASSERT_EQ(largest.size(), kBatchBytesMax);
  ASSERT_TRUE(engine.append(at, largest).ok());
  write({{"c", "1"}});
  // Its tombstone is to be given a time, which takes room.
  EXPECT_TRUE(compact());
  const auto all = engine.read_all(at, 0);
  ASSERT_TRUE(all) << engine.why;
  EXPECT_GT(all->size(), kBatchBytesMax);
}

TEST_F(CompactionTest, AbortedRecordsGoAndSoDoTheirMarkers) {
  const BatchOptions of{.producer_id = 9, .producer_epoch = 0, .base_sequence = 0, .attributes = kTransactionalBit};
  write({{"a", "1"}});
  write({{"a", "bad"}}, of);
  // Not decided: nothing from there on is looked at.
  write({{"b", "1"}});
  compact();
  EXPECT_EQ(text(), "0=a1 1=abad 2=b1");
  engine.apply(EndPartitionTransaction{at, 9, 0, false, 0});
  write({{"c", "1"}});
  EXPECT_TRUE(compact());
  EXPECT_EQ(text(), "0=a1 2=b1 3! 4=c1");
  EXPECT_EQ(engine.query(Read{.from = at, .offset = 1, .is_committed_only = true}).read.aborted.size(), 1U);
  engine.now_ms += 20'000;
  write({{"d", "1"}});
  EXPECT_TRUE(compact());
  EXPECT_EQ(text(), "0=a1 2=b1 4=c1 5=d1");
  // Else the producer's next records would be taken for aborted ones.
  EXPECT_TRUE(engine.query(Read{.from = at, .offset = 1, .is_committed_only = true}).read.aborted.empty());
}

TEST_F(CompactionTest, GoesAsFarAsMemoryAllows) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10; ++i) write({{"k" + std::to_string(i), std::to_string(round)}});
  }
  write({{"end", ""}});
  int runs = 0;
  while (compact(64 * 6)) ++runs;
  EXPECT_GE(runs, 5);
  EXPECT_EQ(text(), "20=k02 21=k12 22=k22 23=k32 24=k42 25=k52 26=k62 27=k72 28=k82 29=k92 30=end");
}

TEST_F(CompactionTest, WaitsForTheRatioAndTheLag) {
  write({{"a", "1"}});
  write({{"b", "1"}});
  write({{"c", "1"}});
  EXPECT_TRUE(compact());
  engine.apply(ConfigureTopic{at.topic, {{"min.cleanable.dirty.ratio", "0.6"}}, {}});
  write({{"d", "1"}});
  EXPECT_FALSE(compact());  // a third
  engine.apply(ConfigureTopic{at.topic, {{"max.compaction.lag.ms", "500"}}, {}});
  EXPECT_TRUE(compact());
  engine.apply(ConfigureTopic{
      at.topic, {{"min.cleanable.dirty.ratio", "0"}, {"min.compaction.lag.ms", "60000"}}, {"max.compaction.lag.ms"}});
  write({{"e", "1"}});
  EXPECT_FALSE(compact());
  engine.now_ms += 60'000;
  EXPECT_TRUE(compact());
}

TEST_F(CompactionTest, TheOldFilesStayUntilACheckpointNamesTheNewOnes) {
  write({{"a", "1"}, {"b", "1"}});
  write({{"a", "2"}});
  write({{"c", "1"}});
  ASSERT_TRUE(engine.checkpoint());
  EXPECT_TRUE(compact());
  EXPECT_TRUE(engine.engine->take_garbage().empty());
  // A crash brings the old ones back; the new ones are nobody's.
  engine.crash();
  EXPECT_EQ(text(), "0=a1 1=b1 2=a2 3=c1");
  auto strays = engine.engine->find_strays();
  ASSERT_TRUE(strays.ok());
  EXPECT_EQ(strays->size(), 2U);
  EXPECT_TRUE(compact());
  EXPECT_EQ(text(), "1=b1 2=a2 3=c1");
  ASSERT_TRUE(engine.checkpoint());
  EXPECT_EQ(engine.engine->take_garbage().size(), 2U);
  engine.crash();
  EXPECT_EQ(text(), "1=b1 2=a2 3=c1");
}

TEST_F(CompactionTest, DamageEndsItAndChangesNothing) {
  write({{"a", "1"}});
  write({{"a", "2"}});
  write({{"a", "3"}});
  const auto files = engine.files();
  for (const std::string& file : files) {
    if (file.find("00000000000000000001.0.log") == std::string::npos) continue;
    ASSERT_TRUE(engine.node.disk().flip_bit(engine.folder() + "/" + file, 63).ok());
  }
  auto run = engine.engine->next_compaction(engine.now_ms, kMemory, 7);
  ASSERT_NE(run, nullptr);
  Result<bool> more = true;
  while (more.ok() && *more) {
    more = engine.world.run(engine.node.reactor(0), run->step(engine.node.reactor(0)));
  }
  ASSERT_FALSE(more.ok());
  EXPECT_NE(more.error().message().find("offset 1"), std::string::npos) << more.error().message();
  engine.engine->install(*run);
  run.reset();
  EXPECT_EQ(engine.files(), files);
  // Not again at once.
  EXPECT_FALSE(compact());
}

TEST_F(CompactionTest, ATrimInTheMidstIsNoHarm) {
  for (int i = 0; i < 5; ++i) write({{"a", std::to_string(i)}, {"b" + std::to_string(i), "v"}});
  auto run = engine.engine->next_compaction(engine.now_ms, kMemory, 7);
  ASSERT_NE(run, nullptr);
  auto more = engine.world.run(engine.node.reactor(0), run->step(engine.node.reactor(0)));
  ASSERT_TRUE(more.ok());
  engine.apply(TrimPartition{at, 4});
  engine.remove_garbage();
  while (more.ok() && *more) {
    more = engine.world.run(engine.node.reactor(0), run->step(engine.node.reactor(0)));
  }
  ASSERT_TRUE(more.ok()) << more.error().message();
  engine.engine->install(*run);
  EXPECT_EQ(text(), "5=b2v 6=a3 7=b3v 8=a4 9=b4v");
}

}  // namespace
}  // namespace keelson::topic
