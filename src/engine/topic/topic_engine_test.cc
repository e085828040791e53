#include "engine/topic/topic_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/coding.h"
#include "engine/topic/engine_test_support.h"
#include "engine/topic/group_commands.h"
#include "engine/topic/record_reader.h"
#include "engine/topic/transaction_commands.h"

namespace keelson::topic {
namespace {

constexpr int64_t kTime = 1'800'000'000'000;

// What a partition holds, as text: "offset=value" for each record, markers as "offset!type".
std::string text_of(std::string_view batches) {
  std::string text;
  RecordReader reader;
  Record record;
  while (!batches.empty()) {
    const BatchView view(batches);
    EXPECT_EQ(reader.begin(batches), BatchErrc::kOk);
    EXPECT_EQ(view.crc(), view.computed_crc());
    while (reader.next(record)) {
      if (!text.empty()) text += ' ';
      text += std::to_string(record.offset);
      if (view.is_control()) {
        text += read_control(batches)->type == 1 ? "!commit" : "!abort";
      } else {
        text += "=" + std::string(record.value.value_or("(none)"));
      }
    }
    batches.remove_prefix(view.size_bytes());
  }
  return text;
}

struct Of {
  int64_t producer = kNoProducerId;
  int16_t epoch = 0;
  int32_t sequence = 0;
  bool is_transactional = false;
};
std::string batch(const std::vector<std::string>& values, Of of = {}, int64_t time_ms = kTime) {
  BatchOptions options;
  if (of.producer >= 0) {
    options.producer_id = of.producer;
    options.producer_epoch = of.epoch;
    options.base_sequence = of.sequence;
    if (of.is_transactional) options.attributes = kTransactionalBit;
  }
  BatchBuilder builder(options);
  for (const std::string& value : values) builder.add(time_ms, "key-" + value, value);
  return builder.finish();
}

class TopicEngineTest : public ::testing::Test {
 protected:
  std::string text(int64_t from = 0, bool is_committed_only = false) {
    const auto all = engine.read_all(at, from, is_committed_only);
    return all ? text_of(*all) : "error: " + engine.why;
  }
  Answer end(int64_t producer, int16_t epoch, bool is_commit, int32_t coordinator = 0) {
    return engine.apply(EndPartitionTransaction{at, producer, epoch, is_commit, coordinator});
  }

  TestEngine engine;
  const TopicId topic = engine.create(1);
  const PartitionId at{topic, 0};
};

TEST_F(TopicEngineTest, KeepsADirectory) {
  EXPECT_EQ(engine.apply(CreateTopic{.id = topic_id(2), .name = "topic-1"}).error, TopicErrc::kTopicExists);
  EXPECT_EQ(engine.apply(CreateTopic{.id = topic_id(2), .name = "a b"}).error, TopicErrc::kInvalid);
  EXPECT_EQ(engine.apply(CreateTopic{.id = topic_id(2), .name = "x", .partition_count = 0}).error,
            TopicErrc::kInvalidPartitions);
  Answer answer = engine.apply(CreateTopic{.id = topic_id(2), .name = "x", .configs = {{"retention.ms", "x"}}});
  EXPECT_EQ(answer.error, TopicErrc::kInvalidConfig);
  EXPECT_NE(answer.reason.find("retention.ms"), std::string::npos);
  engine.create(2, 3, {{"cleanup.policy", "compact"}, {"retention.ms", "5"}});
  EXPECT_EQ(engine.apply(AddPartitions{topic_id(2), 3}).error, TopicErrc::kInvalidPartitions);
  EXPECT_EQ(engine.apply(AddPartitions{topic_id(2), 5}).error, TopicErrc::kOk);
  EXPECT_EQ(engine.apply(ConfigureTopic{topic_id(2), {{"segment.bytes", "100"}}, {"retention.ms"}}).error,
            TopicErrc::kOk);
  answer = engine.query(FindTopic{.name = "topic-2"});
  ASSERT_EQ(answer.topics.size(), 1U);
  EXPECT_EQ(answer.topics[0].partition_count, 5);
  EXPECT_EQ(answer.topics[0].configs, (Pairs{{"cleanup.policy", "compact"}, {"segment.bytes", "100"}}));
  EXPECT_EQ(engine.query(FindTopic{.name = "none"}).error, TopicErrc::kUnknownTopic);
  answer = engine.query(ListTopics{.count_max = 1});
  EXPECT_TRUE(answer.is_truncated);
  EXPECT_EQ(engine.query(ListTopics{.after = "topic-1"}).topics[0].name, "topic-2");
  EXPECT_EQ(engine.apply(DeleteTopic{topic_id(2)}).error, TopicErrc::kOk);
  EXPECT_EQ(engine.apply(DeleteTopic{topic_id(2)}).error, TopicErrc::kUnknownTopic);
  EXPECT_EQ(engine.append({topic_id(2), 0}, batch({"a"})).error, TopicErrc::kUnknownTopic);
  EXPECT_EQ(engine.append({topic, 1}, batch({"a"})).error, TopicErrc::kUnknownPartition);
  EXPECT_EQ(engine.query(DescribePartition{{topic, 1}}).error, TopicErrc::kUnknownPartition);
}

TEST_F(TopicEngineTest, KeepsDocuments) {
  Answer answer = engine.apply(PutDocument{.key = "acl/a", .value = "one", .if_version = 0});
  ASSERT_EQ(answer.documents.size(), 1U);
  const uint64_t version = answer.documents[0].version;
  EXPECT_EQ(engine.apply(PutDocument{.key = "acl/a", .value = "two", .if_version = 0}).error,
            TopicErrc::kDocumentChanged);
  EXPECT_EQ(engine.apply(PutDocument{.key = "acl/a", .value = "two", .if_version = version}).error, TopicErrc::kOk);
  EXPECT_EQ(engine.apply(DeleteDocument{.key = "acl/a", .if_version = version}).error, TopicErrc::kDocumentChanged);
  engine.apply(PutDocument{.key = "acl/b", .value = "three"});
  engine.apply(PutDocument{.key = "b", .value = "four"});
  answer = engine.query(FindDocuments{.prefix = "acl/"});
  ASSERT_EQ(answer.documents.size(), 2U);
  EXPECT_EQ(answer.documents[0].value, "two");
  ASSERT_TRUE(engine.checkpoint());
  engine.crash();
  EXPECT_EQ(engine.query(FindDocuments{}).documents.size(), 3U);
  EXPECT_EQ(engine.apply(DeleteDocument{.key = "acl/a"}).error, TopicErrc::kOk);
  EXPECT_EQ(engine.apply(DeleteDocument{.key = "acl/a"}).error, TopicErrc::kNoSuchDocument);
  EXPECT_GT(engine.apply(PutDocument{.key = "acl/a"}).documents[0].version, version);
}

TEST_F(TopicEngineTest, CountsClaims) {
  EXPECT_EQ(engine.apply(ClaimShard{.node = 1}).claim, 1);
  EXPECT_EQ(engine.apply(ClaimShard{.node = 2}).claim, 2);
  ASSERT_TRUE(engine.checkpoint());
  engine.restart();
  EXPECT_EQ(engine.apply(ClaimShard{}).claim, 3);
}

TEST_F(TopicEngineTest, HoldsCoordinatorsToTheirClaims) {
  const auto commit = [&](int32_t claim) {
    return engine.apply(CommitOffsets{.group = "g", .offsets = {{.topic = "t", .offset = 1}}, .claim = claim}).error;
  };
  EXPECT_EQ(commit(0), TopicErrc::kOk);
  EXPECT_EQ(commit(1), TopicErrc::kFencedClaim);
  engine.apply(ClaimShard{});
  EXPECT_EQ(commit(1), TopicErrc::kOk);
  EXPECT_EQ(engine.query(VerifyTransaction{.id = "t"}).claim, 1);
  engine.apply(ClaimShard{});
  EXPECT_EQ(commit(1), TopicErrc::kFencedClaim);
  ASSERT_TRUE(engine.checkpoint());
  engine.restart();
  EXPECT_EQ(commit(1), TopicErrc::kFencedClaim);
  EXPECT_EQ(commit(2), TopicErrc::kOk);
}

TEST_F(TopicEngineTest, LoadsCountersOfTheVersionBefore) {
  std::string counters;
  append_u8(counters, 1);
  append_varint(counters, 7);
  std::string piece;
  append_u8(piece, 1);
  append_string(piece, counters);
  TopicEngine loaded({});
  ASSERT_TRUE(loaded.load_checkpoint(piece).ok());
  Answer answer;
  OneAnswer sink(answer);
  const Encoded claim{ClaimShard{}};
  loaded.apply({.index = 1, .time_ms = 1}, claim.command(), sink);
  EXPECT_EQ(answer.claim, 1);
}

TEST_F(TopicEngineTest, WritesACheckpointInPiecesHoweverMuchThereIs) {
  constexpr size_t kDocumentBytes = 10'000;
  constexpr size_t kDocuments = 300;
  for (size_t i = 0; i < kDocuments; ++i) {
    engine.apply(PutDocument{.key = std::to_string(i), .value = std::string(kDocumentBytes, 'd')});
  }
  const PartitionId other{engine.create(2), 0};
  engine.append(at, batch({"a"}));
  // A change meanwhile comes behind what is early already.
  ASSERT_TRUE(engine.checkpoint([&] { engine.append(at, batch({"b"})); }));
  EXPECT_GT(engine.pieces.size(), 10U);
  for (const std::string& piece : engine.pieces) EXPECT_LT(piece.size(), size_t{256} << 10);
  const std::string before = text();
  engine.crash();
  EXPECT_EQ(engine.query(FindDocuments{.count_max = kDocuments}).documents.size(), kDocuments);
  EXPECT_EQ(text(), before);
  EXPECT_EQ(engine.append(other, batch({"c"})).append.base_offset, 0);
}

TEST_F(TopicEngineTest, GivesOffsetsAndReads) {
  Answer answer = engine.append(at, batch({"a", "b"}));
  EXPECT_EQ(answer.append.base_offset, 0);
  EXPECT_EQ(answer.append.log_append_time_ms, kNoTimestamp);
  EXPECT_EQ(engine.append(at, batch({"c"}) + batch({"d", "e"})).append.base_offset, 2);
  EXPECT_EQ(text(), "0=a 1=b 2=c 3=d 4=e");
  // In the middle of a batch: the whole batch.
  EXPECT_EQ(text(4), "3=d 4=e");
  EXPECT_EQ(text(5), "");
  answer = engine.query(Read{.from = at, .offset = 6});
  EXPECT_EQ(answer.error, TopicErrc::kOffsetOutOfRange);
  EXPECT_EQ(answer.read.high_watermark, 5);
  // At least one batch, whatever its size.
  answer = engine.query(Read{.from = at, .offset = 0, .bytes_max = 1});
  EXPECT_EQ(answer.read.next_offset, 2);
  EXPECT_EQ(engine.engine->take_touched(), std::vector<PartitionId>{at});
  EXPECT_TRUE(engine.engine->take_touched().empty());
}

TEST_F(TopicEngineTest, RefusesWhatTheTopicDoesNotAllow) {
  EXPECT_EQ(engine.append(at, "").error, TopicErrc::kInvalid);
  EXPECT_EQ(engine.append(at, "junk").error, TopicErrc::kInvalid);
  EXPECT_EQ(engine.append(at, make_end_marker(ControlType::kCommit, 1, 0, 0, kTime)).error, TopicErrc::kInvalidRecord);
  EXPECT_EQ(engine.append(at, batch({"a"}, {}, kTime + 3'600'001)).error, TopicErrc::kInvalidTimestamp);
  EXPECT_EQ(engine.append(at, batch({std::string(1'048'588, 'x')})).error, TopicErrc::kMessageTooLarge);
  engine.create(2, 1, {{"cleanup.policy", "compact"}});
  BatchBuilder keyless({.codec = Codec::kLz4});
  keyless.add(kTime, std::nullopt, "v");
  EXPECT_EQ(engine.append({topic_id(2), 0}, keyless.finish()).error, TopicErrc::kInvalidRecord);
  // All of them or none.
  EXPECT_EQ(engine.append(at, batch({"good"}) + batch({std::string(1'048'588, 'x')})).error,
            TopicErrc::kMessageTooLarge);
  EXPECT_EQ(text(), "");
}

TEST_F(TopicEngineTest, SetsTheTimeOfAppending) {
  engine.create(2, 1, {{"message.timestamp.type", "LogAppendTime"}});
  engine.now_ms = kTime + 77;
  const Answer answer = engine.append({topic_id(2), 0}, batch({"a"}, {}, 5));
  EXPECT_EQ(answer.append.log_append_time_ms, kTime + 77);
  const auto all = engine.read_all({topic_id(2), 0}, 0);
  ASSERT_TRUE(all);
  const BatchView view(*all);
  EXPECT_EQ(view.max_timestamp_ms(), kTime + 77);
  EXPECT_EQ(view.crc(), view.computed_crc());
}

TEST_F(TopicEngineTest, AnswersDuplicatesAsTheFirstTime) {
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(engine.append(at, batch({std::to_string(i)}, {.producer = 9, .sequence = i})).append.base_offset, i);
  }
  for (int i = 2; i < 7; ++i) {
    const Answer answer = engine.append(at, batch({std::to_string(i)}, {.producer = 9, .sequence = i}));
    EXPECT_TRUE(answer.append.is_duplicate);
    EXPECT_EQ(answer.append.base_offset, i);
    EXPECT_EQ(answer.error, TopicErrc::kOk);
  }
  // No longer remembered.
  EXPECT_EQ(engine.append(at, batch({"1"}, {.producer = 9, .sequence = 1})).error, TopicErrc::kDuplicateSequence);
  EXPECT_EQ(engine.append(at, batch({"9"}, {.producer = 9, .sequence = 9})).error, TopicErrc::kOutOfOrderSequence);
  EXPECT_EQ(text(), "0=0 1=1 2=2 3=3 4=4 5=5 6=6");
  // A new epoch begins at 0, and fences the old one.
  EXPECT_EQ(engine.append(at, batch({"n"}, {.producer = 9, .epoch = 1, .sequence = 7})).error,
            TopicErrc::kOutOfOrderSequence);
  EXPECT_EQ(engine.append(at, batch({"n"}, {.producer = 9, .epoch = 1, .sequence = 0})).error, TopicErrc::kOk);
  EXPECT_EQ(engine.append(at, batch({"o"}, {.producer = 9, .epoch = 0, .sequence = 7})).error,
            TopicErrc::kInvalidProducerEpoch);
  // A producer that nothing is known of may begin anywhere (KIP-360).
  EXPECT_EQ(engine.append(at, batch({"x"}, {.producer = 10, .sequence = 55})).error, TopicErrc::kOk);
}

TEST_F(TopicEngineTest, SequencesGoRound) {
  EXPECT_EQ(engine.append(at, batch({"a", "b"}, {.producer = 9, .sequence = kSequenceMax - 1})).error, TopicErrc::kOk);
  EXPECT_EQ(engine.append(at, batch({"c"}, {.producer = 9, .sequence = 0})).error, TopicErrc::kOk);
  EXPECT_EQ(engine.append(at, batch({"x", "y", "z"}, {.producer = 7, .sequence = kSequenceMax - 1})).error,
            TopicErrc::kOk);
  EXPECT_EQ(engine.append(at, batch({"w"}, {.producer = 7, .sequence = 1})).error, TopicErrc::kOk);
  EXPECT_TRUE(engine.append(at, batch({"c"}, {.producer = 9, .sequence = 0})).append.is_duplicate);
}

TEST_F(TopicEngineTest, ForgetsProducersAfterADay) {
  EXPECT_EQ(engine.append(at, batch({"a"}, {.producer = 9, .sequence = 0})).error, TopicErrc::kOk);
  engine.now_ms += kProducerExpirationMs + 1;
  EXPECT_TRUE(engine.query(DescribeProducers{at}).producers.empty());
  EXPECT_EQ(engine.append(at, batch({"b"}, {.producer = 9, .sequence = 40})).error, TopicErrc::kOk);
  const Answer answer = engine.query(DescribeProducers{at});
  ASSERT_EQ(answer.producers.size(), 1U);
  EXPECT_EQ(answer.producers[0].last_sequence, 40);
}

TEST_F(TopicEngineTest, AnswersForAForgottenProducerDoNotHangOnWhenItWasForgotten) {
  EXPECT_EQ(end(1, 3, false, 7).error, TopicErrc::kOk);
  engine.now_ms += kProducerExpirationMs + 1;
  // Still in memory, where a restart from a checkpoint would have dropped it with the next producer that comes.
  EXPECT_EQ(end(1, 2, false, 6).error, TopicErrc::kOk);
  EXPECT_EQ(engine.query(DescribeProducers{at}).producers[0].epoch, 2);
}

TEST_F(TopicEngineTest, ShowsTransactionsOnceTheyAreCommitted) {
  engine.append(at, batch({"plain"}));
  engine.append(at, batch({"t1"}, {.producer = 1, .sequence = 0, .is_transactional = true}));
  engine.append(at, batch({"u1"}, {.producer = 2, .sequence = 0, .is_transactional = true}));
  engine.append(at, batch({"plain2"}));
  EXPECT_EQ(text(0, true), "0=plain");
  EXPECT_EQ(text(), "0=plain 1=t1 2=u1 3=plain2");
  EXPECT_EQ(engine.query(DescribePartition{at}).partition.last_stable, 1);
  EXPECT_EQ(engine.append(at, batch({"no"}, {.producer = 1, .sequence = 1})).error, TopicErrc::kInvalidTxnState);
  EXPECT_EQ(end(1, 0, true).append.base_offset, 4);
  EXPECT_EQ(text(0, true), "0=plain 1=t1");
  EXPECT_EQ(end(2, 0, false).append.base_offset, 5);
  const Answer answer = engine.query(Read{.from = at, .offset = 0, .is_committed_only = true});
  EXPECT_EQ(answer.read.last_stable, 6);
  ASSERT_EQ(answer.read.aborted.size(), 1U);
  EXPECT_EQ(answer.read.aborted[0].producer_id, 2);
  EXPECT_EQ(answer.read.aborted[0].first_offset, 2);
  // Trap 9: not for readers of everything.
  EXPECT_TRUE(engine.query(Read{.from = at, .offset = 0}).read.aborted.empty());
  EXPECT_TRUE(engine.query(Read{.from = at, .offset = 6, .is_committed_only = true}).read.aborted.empty());
  EXPECT_EQ(text(), "0=plain 1=t1 2=u1 3=plain2 4!commit 5!abort");
  EXPECT_EQ(engine.find(at, -1, true).offset, 6);
}

// The producer goes on with the same epoch, and meanwhile another node has come to end its transactions.
TEST_F(TopicEngineTest, AMarkerThatComesLateLeavesTheNextTransactionAlone) {
  const auto append = [&](std::string value, int32_t sequence) {
    return engine.append(at, batch({value}, {.producer = 1, .sequence = sequence, .is_transactional = true})).error;
  };
  EXPECT_EQ(append("a", 0), TopicErrc::kOk);
  EXPECT_EQ(end(1, 0, true, 1).append.base_offset, 1);
  // Asked for again, when there is nothing to end: it is remembered all the same.
  EXPECT_EQ(end(1, 0, true, 2).append.base_offset, -1);
  EXPECT_EQ(append("b", 1), TopicErrc::kOk);
  EXPECT_EQ(end(1, 0, true, 1).error, TopicErrc::kTransactionCoordinatorFenced);
  ASSERT_TRUE(engine.checkpoint());
  engine.restart();
  EXPECT_EQ(end(1, 0, false, 1).error, TopicErrc::kTransactionCoordinatorFenced);
  EXPECT_EQ(text(0, true), "0=a 1!commit");
  EXPECT_EQ(end(1, 0, true, 2).append.base_offset, 3);
  EXPECT_EQ(text(0, true), "0=a 1!commit 2=b 3!commit");
  // Where the producer had not been yet.
  const PartitionId other{engine.create(2), 0};
  EXPECT_EQ(engine.apply(EndPartitionTransaction{other, 1, 0, true, 2}).error, TopicErrc::kOk);
  EXPECT_EQ(engine.append(other, batch({"c"}, {.producer = 1, .sequence = 0, .is_transactional = true})).error,
            TopicErrc::kOk);
  EXPECT_EQ(engine.apply(EndPartitionTransaction{other, 1, 0, true, 1}).error,
            TopicErrc::kTransactionCoordinatorFenced);
}

TEST_F(TopicEngineTest, EndsWhatThereIsAndFencesTheRest) {
  // Nothing to end: nothing is written, but an older epoch comes too late.
  EXPECT_EQ(end(1, 3, false).append.base_offset, -1);
  EXPECT_EQ(engine.append(at, batch({"z"}, {.producer = 1, .epoch = 2, .sequence = 0, .is_transactional = true})).error,
            TopicErrc::kInvalidProducerEpoch);
  EXPECT_EQ(end(1, 2, false).error, TopicErrc::kInvalidProducerEpoch);
  EXPECT_EQ(engine.append(at, batch({"a"}, {.producer = 1, .epoch = 3, .sequence = 0, .is_transactional = true})).error,
            TopicErrc::kOk);
  EXPECT_EQ(end(1, 3, true, 5).error, TopicErrc::kOk);
  EXPECT_EQ(end(1, 3, true, 4).error, TopicErrc::kTransactionCoordinatorFenced);
  // The coordinator retries.
  EXPECT_EQ(end(1, 3, true, 5).append.base_offset, -1);
  EXPECT_EQ(text(), "0=a 1!commit");
  // Aborted by a newer epoch (a time-out): the old one is fenced.
  engine.append(at, batch({"b"}, {.producer = 1, .epoch = 3, .sequence = 1, .is_transactional = true}));
  EXPECT_EQ(end(1, 4, false, 5).append.base_offset, 3);
  EXPECT_EQ(engine.append(at, batch({"c"}, {.producer = 1, .epoch = 3, .sequence = 2})).error,
            TopicErrc::kInvalidProducerEpoch);
}

TEST_F(TopicEngineTest, FindsByTime) {
  for (int i = 0; i < 10; ++i) {
    BatchBuilder builder({.codec = i % 2 == 0 ? Codec::kNone : Codec::kZstd});
    builder.add(kTime + 10 * i, "k", "v");
    builder.add(kTime + 10 * i + 5, "k", "v");
    engine.append(at, builder.finish());
  }
  EXPECT_EQ(engine.find(at, kTime).offset, 0);
  EXPECT_EQ(engine.find(at, kTime + 1).offset, 1);
  EXPECT_EQ(engine.find(at, kTime + 15).offset, 3);
  EXPECT_EQ(engine.find(at, kTime + 15).timestamp_ms, kTime + 15);
  EXPECT_EQ(engine.find(at, kTime + 96).offset, -1);
  EXPECT_EQ(engine.find(at, -1).offset, 20);
  EXPECT_EQ(engine.find(at, -2).offset, 0);
  EXPECT_EQ(engine.find(at, -3).offset, 19);
  EXPECT_EQ(engine.find(at, -3).timestamp_ms, kTime + 95);
}

TEST_F(TopicEngineTest, TrimsFromTheStart) {
  for (int i = 0; i < 4; ++i) engine.append(at, batch({std::to_string(i), "x"}));
  EXPECT_EQ(engine.apply(TrimPartition{at, 9}).error, TopicErrc::kOffsetOutOfRange);
  EXPECT_EQ(engine.apply(TrimPartition{at, 3}).append.log_start, 3);
  EXPECT_EQ(engine.apply(TrimPartition{at, 1}).append.log_start, 3);
  EXPECT_EQ(engine.query(Read{.from = at, .offset = 2}).error, TopicErrc::kOffsetOutOfRange);
  EXPECT_EQ(text(3), "2=1 3=x 4=2 5=x 6=3 7=x");
  EXPECT_EQ(engine.apply(TrimPartition{at, 8}).error, TopicErrc::kOk);
  EXPECT_EQ(engine.query(DescribePartition{at}).partition.bytes, 0U);
  EXPECT_EQ(engine.append(at, batch({"new"})).append.base_offset, 8);
  EXPECT_EQ(text(8), "8=new");
}

TEST_F(TopicEngineTest, AnUnwrittenPartitionIsAnEmptyOne) {
  const Answer answer = engine.query(DescribePartition{at});
  EXPECT_EQ(answer.error, TopicErrc::kOk);
  EXPECT_EQ(answer.partition.high_watermark, 0);
  EXPECT_EQ(text(), "");
  EXPECT_EQ(engine.find(at, -3).offset, -1);
  EXPECT_TRUE(engine.engine->partitions().empty());
}

TEST_F(TopicEngineTest, UnknownCodesAndBodiesAreAnswered) {
  Answer answer;
  OneAnswer sink(answer);
  const std::string_view junk = "\xff\xff";
  for (uint16_t code : {0, 1, 10, 49, 119, 199, 210, 999}) {
    answer = {};
    engine.engine->apply({1, kTime, 0}, {code, 0, {&junk, 1}}, sink);
    EXPECT_EQ(answer.error, TopicErrc::kInvalid) << code;
    answer = {};
    engine.engine->query({0, kTime, 0}, {code, 0, {&junk, 1}}, sink);
    EXPECT_EQ(answer.error, TopicErrc::kInvalid) << code;
  }
}

}  // namespace
}  // namespace keelson::topic
