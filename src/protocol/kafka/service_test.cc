#include "protocol/kafka/service.h"

#include <gtest/gtest.h>

#include "protocol/kafka/errors.h"
#include "protocol/kafka/fetch_session.h"
#include "protocol/kafka/messages/alter_configs.h"
#include "protocol/kafka/messages/api_versions.h"
#include "protocol/kafka/messages/create_partitions.h"
#include "protocol/kafka/messages/delete_records.h"
#include "protocol/kafka/messages/delete_topics.h"
#include "protocol/kafka/messages/describe_cluster.h"
#include "protocol/kafka/messages/describe_configs.h"
#include "protocol/kafka/messages/describe_log_dirs.h"
#include "protocol/kafka/messages/describe_producers.h"
#include "protocol/kafka/messages/describe_topic_partitions.h"
#include "protocol/kafka/messages/incremental_alter_configs.h"
#include "protocol/kafka/messages/list_offsets.h"
#include "protocol/kafka/messages/metadata.h"
#include "protocol/kafka/service_test_support.h"

namespace keelson::kafka {
namespace {

using Values = std::vector<std::pair<int64_t, std::string>>;

int16_t code(ErrorCode error) { return number(error); }

// ---- What a client asks first.

TEST(KafkaService, TellsItsApisInEveryVersion) {
  TestKafka kafka;
  for (int16_t version = 0; version <= 4; ++version) {
    auto client = kafka.connect();
    ApiVersionsRequest request;
    request.client_software_name = "test";
    request.client_software_version = "1.0";
    const auto response = client->ask<ApiVersionsResponse>(version, request);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->error_code, 0);
    bool has_produce = false;
    for (const auto& api : response->api_keys) {
      if (api.api_key == 0) {
        has_produce = true;
        EXPECT_EQ(api.min_version, 0);  // librdkafka before 2.11.1 does not compress otherwise
        EXPECT_GE(api.max_version, 11);
      }
    }
    EXPECT_TRUE(has_produce);
  }
}

TEST(KafkaService, AnswersAnUnknownVersionOfApiVersionsWithVersionZero) {
  TestKafka kafka;
  auto client = kafka.connect();
  Writer writer;
  const Writer::Frame frame = writer.begin_frame();
  write_request_header(writer, {.key = 18, .version = 77, .correlation_id = 1, .client_id = "future"});
  writer.raw("something that nobody knows");
  ASSERT_TRUE(writer.end_frame(frame));
  client->send_raw(writer.flattened());
  const auto response = client->receive<ApiVersionsResponse>(0, 1);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->error_code, code(ErrorCode::kUnsupportedVersion));
  EXPECT_FALSE(response->api_keys.empty());
  // The connection lives on.
  EXPECT_TRUE(client->ask<ApiVersionsResponse>(0, ApiVersionsRequest{}).has_value() || !client->is_closed());
}

TEST(KafkaService, ClosesTheConnectionForWhatItDoesNotServe) {
  TestKafka kafka;
  for (const auto& [key, version] : {std::pair<int16_t, int16_t>{3, 99}, {4, 0}, {999, 0}, {71, 0}}) {
    auto client = kafka.connect();
    Writer writer;
    const Writer::Frame frame = writer.begin_frame();
    writer.int16(key);
    writer.int16(version);
    writer.int32(1);
    writer.null_string(false);
    ASSERT_TRUE(writer.end_frame(frame));
    client->send_raw(writer.flattened());
    EXPECT_TRUE(client->wait_closed()) << key;
  }
}

TEST(KafkaService, ClosesTheConnectionForAbsurdFrames) {
  TestKafka kafka;
  for (const std::string& bytes :
       {std::string("\xff\xff\xff\xff", 4), std::string("\0\0\0\0", 4), std::string("\x7f\xff\xff\xff", 4),
        std::string("\0\0\0\2\0\3", 6), std::string("GET / HTTP/1.1\r\n\r\n")}) {
    auto client = kafka.connect();
    client->send_raw(bytes);
    EXPECT_TRUE(client->wait_closed());
  }
  EXPECT_TRUE(kafka.connect()->ask<ApiVersionsResponse>(0, ApiVersionsRequest{}));
}

TEST(KafkaService, ClosesTheConnectionOfASlowSender) {
  TestKafka kafka;
  auto client = kafka.connect();
  client->send_raw(std::string("\0\0\1\0abc", 7));
  kafka.world().run_for(50 * env::sim::kSecond);
  EXPECT_FALSE(client->is_closed());
  kafka.world().run_for(20 * env::sim::kSecond);
  EXPECT_TRUE(client->is_closed());
}

TEST(KafkaService, MakesTopicsThatClientsName) {
  TestKafka kafka;
  auto client = kafka.connect();
  for (int16_t version = 0; version <= 13; ++version) {
    const std::string name = "made-" + std::to_string(version);
    MetadataRequest request;
    request.topics.emplace().push_back({.name = name});
    const auto response = client->ask<MetadataResponse>(version, request);
    ASSERT_TRUE(response);
    ASSERT_EQ(response->brokers.size(), 1U);
    EXPECT_EQ(response->brokers[0].port, kTestPort);
    EXPECT_EQ(response->brokers[0].node_id, 1);
    ASSERT_EQ(response->topics.size(), 1U);
    EXPECT_EQ(response->topics[0].error_code, 0);
    EXPECT_EQ(response->topics[0].partitions.size(), 1U);
    if (version >= 1) EXPECT_EQ(response->controller_id, 1);
    if (version >= 10) EXPECT_FALSE(response->topics[0].topic_id.is_none());
  }
  MetadataRequest request;
  request.allow_auto_topic_creation = false;
  request.topics.emplace().push_back({.name = "missing"});
  request.topics->push_back({.name = "not legal"});
  request.topics->push_back({.name = "made-0"});
  const auto response = client->ask<MetadataResponse>(9, request);
  ASSERT_TRUE(response);
  ASSERT_EQ(response->topics.size(), 3U);
  EXPECT_EQ(response->topics[0].error_code, code(ErrorCode::kUnknownTopicOrPartition));
  EXPECT_EQ(response->topics[1].error_code, code(ErrorCode::kInvalidTopicException));
  EXPECT_EQ(response->topics[2].error_code, 0);
  // All of them.
  const auto all = client->ask<MetadataResponse>(9, MetadataRequest{});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->topics.size(), 14U);
}

// ---- Produce and Fetch.

TEST(KafkaService, GivesBackWhatWasProduced) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 3), 0);
  for (int16_t version = 3; version <= 11; ++version) {
    const std::string batch = batch_of({"a" + std::to_string(version), "b"});
    const auto response = client->ask<ProduceResponse>(version, produce_request("t", 1, batch));
    ASSERT_TRUE(response);
    const auto& partition = response->topics.at(0).partitions.at(0);
    EXPECT_EQ(partition.error_code, 0);
    EXPECT_EQ(partition.base_offset, 2 * (version - 3));
    EXPECT_EQ(partition.log_append_time_ms, -1);  // of CreateTime, as clients expect
  }
  for (int16_t version = 4; version <= 12; ++version) {
    const auto response = client->ask<FetchResponse>(version, fetch_request("t", 1, 0));
    ASSERT_TRUE(response);
    const auto& partition = response->topics.at(0).partitions.at(0);
    EXPECT_EQ(partition.error_code, 0);
    EXPECT_EQ(partition.high_watermark, 18);
    EXPECT_FALSE(partition.aborted_transactions);  // read_uncommitted
    const Values values = records_of(partition.records);
    ASSERT_EQ(values.size(), 18U);
    EXPECT_EQ(values[0], (std::pair<int64_t, std::string>(0, "a3")));
    EXPECT_EQ(values[17].first, 17);
  }
}

TEST(KafkaService, FetchesWholeBatchesFromTheirMiddle) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  ASSERT_TRUE(client->ask<ProduceResponse>(7, produce_request("t", 0, batch_of({"a", "b", "c"}))));
  FetchRequest request = fetch_request("t", 0, 2);
  request.max_bytes = 1;
  request.topics[0].partitions[0].partition_max_bytes = 1;
  const auto response = client->ask<FetchResponse>(11, request);
  ASSERT_TRUE(response);
  EXPECT_EQ(records_of(response->topics.at(0).partitions.at(0).records).size(), 3U);
}

TEST(KafkaService, SaysWhichOffsetsThereAreNot) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  ASSERT_TRUE(client->ask<ProduceResponse>(7, produce_request("t", 0, batch_of({"a"}))));
  const auto beyond = client->ask<FetchResponse>(11, fetch_request("t", 0, 5, 10'000));
  ASSERT_TRUE(beyond);
  EXPECT_EQ(beyond->topics.at(0).partitions.at(0).error_code, code(ErrorCode::kOffsetOutOfRange));
  const auto missing = client->ask<FetchResponse>(11, fetch_request("t", 7, 0, 10'000));
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->topics.at(0).partitions.at(0).error_code, code(ErrorCode::kUnknownTopicOrPartition));
}

TEST(KafkaService, WaitsForWhatComes) {
  TestKafka kafka;
  auto reader = kafka.connect();
  auto writer = kafka.connect();
  ASSERT_EQ(create_topic(*writer, "t", 4), 0);
  for (int32_t partition = 0; partition < 4; ++partition) {
    const int32_t id = reader->send(11, fetch_request("t", partition, 0, 60'000));
    kafka.world().run_for(5 * env::sim::kSecond);
    EXPECT_FALSE(reader->has_answer());
    ASSERT_TRUE(writer->ask<ProduceResponse>(7, produce_request("t", partition, batch_of({"x"}))));
    const auto response = reader->receive<FetchResponse>(11, id);
    ASSERT_TRUE(response);
    EXPECT_EQ(records_of(response->topics.at(0).partitions.at(0).records).size(), 1U);
  }
  // Nothing comes: answered at the deadline, empty.
  const int32_t id = reader->send(11, fetch_request("t", 0, 1, 3'000));
  kafka.world().run_for(2 * env::sim::kSecond);
  EXPECT_FALSE(reader->has_answer());
  kafka.world().run_for(2 * env::sim::kSecond);
  ASSERT_TRUE(reader->has_answer());
  const auto response = reader->receive<FetchResponse>(11, id);
  EXPECT_TRUE(records_of(response->topics.at(0).partitions.at(0).records).empty());
}

TEST(KafkaService, WaitsForAsMuchAsWasAskedFor) {
  TestKafka kafka;
  auto reader = kafka.connect();
  auto writer = kafka.connect();
  ASSERT_EQ(create_topic(*writer, "t", 1), 0);
  const int32_t id = reader->send(11, fetch_request("t", 0, 0, 60'000, 200));
  ASSERT_TRUE(writer->ask<ProduceResponse>(7, produce_request("t", 0, batch_of({"one"}))));
  kafka.world().run_for(5 * env::sim::kSecond);
  EXPECT_FALSE(reader->has_answer());
  ASSERT_TRUE(writer->ask<ProduceResponse>(7, produce_request("t", 0, batch_of({std::string(200, 'x')}))));
  const auto response = reader->receive<FetchResponse>(11, id);
  ASSERT_TRUE(response);
  EXPECT_EQ(records_of(response->topics.at(0).partitions.at(0).records).size(), 2U);
}

TEST(KafkaService, AnswersInOrderWhatBeginsTogether) {
  TestKafka kafka;
  auto client = kafka.connect();
  auto other = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  ASSERT_EQ(create_topic(*client, "u", 1), 0);
  const int32_t waiting = client->send(11, fetch_request("t", 0, 0, 600'000));
  std::vector<int32_t> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(client->send(7, produce_request("u", 0, batch_of({std::to_string(i)}))));
  kafka.world().run_for(1 * env::sim::kSecond);
  // What came behind has taken effect, and is answered in its turn.
  EXPECT_FALSE(client->has_answer());
  const auto seen = other->ask<FetchResponse>(11, fetch_request("u", 0, 0));
  ASSERT_TRUE(seen);
  const Values values = records_of(seen->topics.at(0).partitions.at(0).records);
  ASSERT_EQ(values.size(), 20U);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(values[static_cast<size_t>(i)].second, std::to_string(i));
  ASSERT_TRUE(other->ask<ProduceResponse>(7, produce_request("t", 0, batch_of({"wake"}))));
  ASSERT_TRUE(client->receive<FetchResponse>(11, waiting));
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto response = client->receive<ProduceResponse>(7, ids[i]);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->topics.at(0).partitions.at(0).base_offset, static_cast<int64_t>(i));
  }
}

TEST(KafkaService, KeepsFetchSessions) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 3), 0);
  FetchRequest full;
  full.session_epoch = 0;
  full.min_bytes = 0;
  FetchRequest::Topic& topic = full.topics.emplace_back();
  topic.topic = "t";
  for (int32_t i = 0; i < 3; ++i) topic.partitions.push_back({.partition = i, .partition_max_bytes = 1 << 20});
  const auto first = client->ask<FetchResponse>(11, full);
  ASSERT_TRUE(first);
  ASSERT_NE(first->session_id, 0);
  ASSERT_EQ(first->topics.size(), 1U);
  EXPECT_EQ(first->topics[0].partitions.size(), 3U);
  FetchRequest next;
  next.session_id = first->session_id;
  next.session_epoch = 1;
  next.min_bytes = 0;
  const auto nothing = client->ask<FetchResponse>(11, next);
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(nothing->topics.empty());
  ASSERT_TRUE(client->ask<ProduceResponse>(7, produce_request("t", 2, batch_of({"new"}))));
  next.session_epoch = 2;
  const auto news = client->ask<FetchResponse>(11, next);
  ASSERT_TRUE(news);
  ASSERT_EQ(news->topics.size(), 1U);
  ASSERT_EQ(news->topics[0].partitions.size(), 1U);
  EXPECT_EQ(news->topics[0].partitions[0].partition_index, 2);
  EXPECT_EQ(records_of(news->topics[0].partitions[0].records).size(), 1U);
  next.session_epoch = 2;  // again
  EXPECT_EQ(client->ask<FetchResponse>(11, next)->error_code, code(ErrorCode::kInvalidFetchSessionEpoch));
  next.session_id += 1;
  EXPECT_EQ(client->ask<FetchResponse>(11, next)->error_code, code(ErrorCode::kFetchSessionIdNotFound));
  // The end of it.
  next.session_id = first->session_id;
  next.session_epoch = -1;
  EXPECT_EQ(client->ask<FetchResponse>(11, next)->error_code, 0);
  next.session_epoch = 3;
  EXPECT_EQ(client->ask<FetchResponse>(11, next)->error_code, code(ErrorCode::kFetchSessionIdNotFound));
}

TEST(KafkaService, FetchSessionsShareTheRoomOfTheirReactor) {
  size_t partitions = kReactorFetchPartitionsMax - 3;
  {
    FetchSessions one(partitions);
    FetchSessions other(partitions);
    FetchRequest request = fetch_request("t", 0, 0);
    request.topics[0].partitions.push_back({.partition = 1});
    request.session_epoch = 0;
    const FetchPlan first = one.plan(request, 11, 7);
    ASSERT_NE(first.session, nullptr);
    EXPECT_EQ(partitions, kReactorFetchPartitionsMax - 1);
    // Without room it is served without a session.
    const FetchPlan without = other.plan(request, 11, 7);
    EXPECT_EQ(without.session, nullptr);
    EXPECT_EQ(without.error, ErrorCode::kNone);
    FetchRequest last;
    last.session_id = first.session_id;
    last.session_epoch = -1;
    EXPECT_EQ(one.plan(last, 11, 7).error, ErrorCode::kNone);
    EXPECT_EQ(partitions, kReactorFetchPartitionsMax - 3);
    EXPECT_NE(other.plan(request, 11, 7).session, nullptr);
  }
  EXPECT_EQ(partitions, kReactorFetchPartitionsMax - 3);
}

TEST(KafkaService, RefusesBadBatches) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  ASSERT_EQ(create_topic(*client, "c", 1, {{"cleanup.policy", "compact"}}), 0);
  const auto produce = [&](std::string_view topic, std::string_view batch, int16_t acks = -1) {
    const auto response = client->ask<ProduceResponse>(7, produce_request(topic, 0, batch, acks));
    return response ? response->topics.at(0).partitions.at(0).error_code : int16_t{-99};
  };
  std::string torn = batch_of({"a"});
  torn.back() = static_cast<char>(torn.back() ^ 1);
  EXPECT_EQ(produce("t", torn), code(ErrorCode::kCorruptMessage));
  EXPECT_EQ(produce("t", batch_of({"a"}).substr(0, 30)), code(ErrorCode::kCorruptMessage));
  EXPECT_EQ(produce("t", ""), code(ErrorCode::kInvalidRecord));
  EXPECT_EQ(produce("t", batch_of({"a"}) + batch_of({"b"})), code(ErrorCode::kInvalidRecord));
  EXPECT_EQ(produce("t", batch_of({"a"}, "k", {.attributes = topic::kControlBit})), code(ErrorCode::kInvalidRecord));
  EXPECT_EQ(produce("c", batch_of({"a"}, std::nullopt)), code(ErrorCode::kInvalidRecord));
  EXPECT_EQ(produce("t", batch_of({"a"}), 2), code(ErrorCode::kInvalidRequiredAcks));
  EXPECT_EQ(produce("missing", batch_of({"a"})), code(ErrorCode::kUnknownTopicOrPartition));
  EXPECT_EQ(produce("t", batch_of({std::string(2'000'000, 'x')})), code(ErrorCode::kMessageTooLarge));
  EXPECT_EQ(produce("t", batch_of({"good"})), 0);
}

TEST(KafkaService, SaysNothingToAcksZero) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  for (int i = 0; i < 5; ++i) (void)client->send(7, produce_request("t", 0, batch_of({"a"}), 0));
  const auto response = client->ask<FetchResponse>(11, fetch_request("t", 0, 0, 60'000, 300));
  ASSERT_TRUE(response);
  EXPECT_EQ(records_of(response->topics.at(0).partitions.at(0).records).size(), 5U);
  // An error can only be told by the end of the connection.
  (void)client->send(7, produce_request("missing", 0, batch_of({"a"}), 0));
  EXPECT_TRUE(client->wait_closed());
}

TEST(KafkaService, KeepsEverythingOverACrash) {
  TestKafka kafka;
  for (int round = 0; round < 3; ++round) {
    auto client = kafka.connect();
    if (round == 0) ASSERT_EQ(create_topic(*client, "t", 2), 0);
    for (int i = 0; i < 10; ++i) {
      const auto response =
          client->ask<ProduceResponse>(7, produce_request("t", i % 2, batch_of({std::string(1000, 'x')})));
      ASSERT_TRUE(response);
      EXPECT_EQ(response->topics.at(0).partitions.at(0).base_offset, round * 5 + i / 2);
    }
    client.reset();
    kafka.crash_and_restart();
  }
  auto client = kafka.connect();
  const auto response = client->ask<FetchResponse>(11, fetch_request("t", 1, 0));
  ASSERT_TRUE(response);
  EXPECT_EQ(records_of(response->topics.at(0).partitions.at(0).records).size(), 15U);
}

// ---- Offsets.

TEST(KafkaService, ListsOffsets) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  for (int64_t time : {1000, 3000, 2000}) {
    topic::BatchBuilder builder;
    builder.add(time, "k", "v");
    ASSERT_TRUE(client->ask<ProduceResponse>(7, produce_request("t", 0, builder.finish())));
  }
  const auto offset_at = [&](int64_t time) {
    ListOffsetsRequest request;
    request.replica_id = -1;
    ListOffsetsRequest::Topic& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({.partition_index = 0, .timestamp = time});
    const auto response = client->ask<ListOffsetsResponse>(7, request);
    return response->topics.at(0).partitions.at(0).offset;
  };
  EXPECT_EQ(offset_at(-2), 0);
  EXPECT_EQ(offset_at(-1), 3);
  EXPECT_EQ(offset_at(-3), 1);
  EXPECT_EQ(offset_at(0), 0);
  EXPECT_EQ(offset_at(1500), 1);
  EXPECT_EQ(offset_at(3001), -1);
  // A producer that gives its batch another time than its records have is not believed.
  topic::BatchBuilder boaster({.codec = topic::Codec::kLz4, .max_timestamp_ms = 9000});
  boaster.add(2500, "k", "v");
  ASSERT_TRUE(client->ask<ProduceResponse>(7, produce_request("t", 0, boaster.finish())));
  EXPECT_EQ(offset_at(-1), 4);
  EXPECT_EQ(offset_at(-3), 1);
  topic::BatchBuilder sneaker({.max_timestamp_ms = 2500});
  sneaker.add(int64_t{1} << 60, "k", "v");
  const auto refused = client->ask<ProduceResponse>(8, produce_request("t", 0, sneaker.finish()));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->topics.at(0).partitions.at(0).error_code, code(ErrorCode::kInvalidTimestamp));
  EXPECT_EQ(refused->topics.at(0).partitions.at(0).record_errors.size(), 1U);
  EXPECT_EQ(offset_at(-1), 4);
}

TEST(KafkaService, DeletesRecords) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(client->ask<ProduceResponse>(7, produce_request("t", 0, batch_of({"x"}))));
  }
  const auto remove = [&](int64_t offset) {
    DeleteRecordsRequest request;
    DeleteRecordsRequest::Topic& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({0, offset});
    return client->ask<DeleteRecordsResponse>(2, request)->topics.at(0).partitions.at(0);
  };
  EXPECT_EQ(remove(2).low_watermark, 2);
  EXPECT_EQ(remove(1).low_watermark, 2);
  EXPECT_EQ(remove(9).error_code, code(ErrorCode::kOffsetOutOfRange));
  EXPECT_EQ(remove(-1).low_watermark, 4);
  const auto gone = client->ask<FetchResponse>(11, fetch_request("t", 0, 0));
  EXPECT_EQ(gone->topics.at(0).partitions.at(0).error_code, code(ErrorCode::kOffsetOutOfRange));
}

TEST(KafkaService, LeavesCompactedTopicsToCompaction) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "c", 1, {{"cleanup.policy", "compact"}}), 0);
  ASSERT_EQ(create_topic(*client, "b", 1, {{"cleanup.policy", "compact,delete"}}), 0);
  DeleteRecordsRequest request;
  for (std::string_view name : {"c", "b"}) {
    ASSERT_TRUE(client->ask<ProduceResponse>(7, produce_request(name, 0, batch_of({"x"}))));
    DeleteRecordsRequest::Topic& topic = request.topics.emplace_back();
    topic.name = name;
    topic.partitions.push_back({0, 1});
  }
  const auto response = client->ask<DeleteRecordsResponse>(2, request);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->topics.at(0).partitions.at(0).error_code, code(ErrorCode::kPolicyViolation));
  EXPECT_EQ(response->topics.at(1).partitions.at(0).error_code, 0);
  EXPECT_EQ(response->topics.at(1).partitions.at(0).low_watermark, 1);
}

// ---- Topics and their settings.

TEST(KafkaService, CreatesAndDeletesTopics) {
  TestKafka kafka;
  auto client = kafka.connect();
  EXPECT_EQ(create_topic(*client, "t", 3), 0);
  EXPECT_EQ(create_topic(*client, "t", 3), code(ErrorCode::kTopicAlreadyExists));
  EXPECT_EQ(create_topic(*client, "a/b", 3), code(ErrorCode::kInvalidTopicException));
  EXPECT_EQ(create_topic(*client, "n", 0), code(ErrorCode::kInvalidPartitions));
  EXPECT_EQ(create_topic(*client, "n", 1, {{"no.such", "1"}}), code(ErrorCode::kInvalidConfig));
  EXPECT_EQ(create_topic(*client, "n", 1, {{"retention.ms", "soon"}}), code(ErrorCode::kInvalidConfig));
  CreatePartitionsRequest more;
  more.topics.push_back({.name = "t", .count = 5, .assignments = {}});
  EXPECT_EQ(client->ask<CreatePartitionsResponse>(3, more)->topics.at(0).error_code, 0);
  EXPECT_EQ(client->ask<CreatePartitionsResponse>(3, more)->topics.at(0).error_code,
            code(ErrorCode::kInvalidPartitions));
  DeleteTopicsRequest remove;
  remove.topics.push_back({.name = "t"});
  EXPECT_EQ(client->ask<DeleteTopicsResponse>(6, remove)->topics.at(0).error_code, 0);
  EXPECT_EQ(client->ask<DeleteTopicsResponse>(6, remove)->topics.at(0).error_code,
            code(ErrorCode::kUnknownTopicOrPartition));
  // One that reads there is told at once.
  ASSERT_EQ(create_topic(*client, "u", 1), 0);
  auto reader = kafka.connect();
  const int32_t id = reader->send(11, fetch_request("u", 0, 0, 600'000));
  kafka.world().run_for(1 * env::sim::kSecond);
  remove.topics[0].name = "u";
  EXPECT_EQ(client->ask<DeleteTopicsResponse>(6, remove)->topics.at(0).error_code, 0);
  const auto told = reader->receive<FetchResponse>(11, id);
  ASSERT_TRUE(told);
  EXPECT_NE(told->topics.at(0).partitions.at(0).error_code, 0);
}

TEST(KafkaService, TellsAndChangesSettings) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1, {{"retention.ms", "5000"}}), 0);
  const auto value = [&](std::string_view name) {
    DescribeConfigsRequest request;
    DescribeConfigsRequest::Resource& resource = request.resources.emplace_back();
    resource.resource_type = 2;
    resource.resource_name = "t";
    const auto response = client->ask<DescribeConfigsResponse>(4, request);
    for (const auto& config : response->results.at(0).configs) {
      if (config.name == name) return config.value.value_or("") + "/" + std::to_string(config.config_source);
    }
    return std::string("none");
  };
  EXPECT_EQ(value("retention.ms"), "5000/1");
  EXPECT_EQ(value("segment.bytes"), "1073741824/5");
  IncrementalAlterConfigsRequest change;
  IncrementalAlterConfigsRequest::Resource& resource = change.resources.emplace_back();
  resource.resource_type = 2;
  resource.resource_name = "t";
  resource.configs = {
      {"retention.ms", 1, std::nullopt}, {"cleanup.policy", 2, "compact"}, {"segment.bytes", 0, "99999"}};
  EXPECT_EQ(client->ask<IncrementalAlterConfigsResponse>(1, change)->responses.at(0).error_code, 0);
  EXPECT_EQ(value("retention.ms"), "604800000/5");
  EXPECT_EQ(value("cleanup.policy"), "delete,compact/1");
  AlterConfigsRequest replace;
  AlterConfigsRequest::Resource& whole = replace.resources.emplace_back();
  whole.resource_type = 2;
  whole.resource_name = "t";
  whole.configs = {{"retention.bytes", "1000"}};
  EXPECT_EQ(client->ask<AlterConfigsResponse>(2, replace)->responses.at(0).error_code, 0);
  EXPECT_EQ(value("cleanup.policy"), "delete/5");
  EXPECT_EQ(value("retention.bytes"), "1000/1");
  whole.configs = {{"retention.bytes", "many"}};
  EXPECT_EQ(client->ask<AlterConfigsResponse>(2, replace)->responses.at(0).error_code, code(ErrorCode::kInvalidConfig));
}

TEST(KafkaService, TellsNobodyWhatTopicsThereAreWhoMayNotReadThem) {
  class Nobody final : public Access {
   public:
    bool may(const Session&, AclOperation, ResourceType, std::string_view) const override { return false; }
  };
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "there", 1), 0);
  const topic::TopicId id = client->ask<MetadataResponse>(12, MetadataRequest{})->topics.at(0).topic_id;
  const Nobody nobody;
  kafka.service().set_access(&nobody);
  for (std::string_view name : {"there", "missing"}) {
    const auto response = client->ask<FetchResponse>(11, fetch_request(name, 0, 0));
    ASSERT_TRUE(response);
    EXPECT_EQ(response->topics.at(0).partitions.at(0).error_code, code(ErrorCode::kTopicAuthorizationFailed)) << name;
    DeleteTopicsRequest remove;
    remove.topics.push_back({.name = name});
    const auto removed = client->ask<DeleteTopicsResponse>(6, remove);
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->topics.at(0).error_code, code(ErrorCode::kTopicAuthorizationFailed)) << name;
    EXPECT_TRUE(removed->topics.at(0).topic_id.is_none());
  }
  DeleteTopicsRequest by_id;
  by_id.topics.push_back({.name = std::nullopt, .topic_id = id});
  const auto removed = client->ask<DeleteTopicsResponse>(6, by_id);
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->topics.at(0).error_code, code(ErrorCode::kUnknownTopicId));
  EXPECT_FALSE(removed->topics.at(0).name);
  kafka.service().set_access(nullptr);
}

TEST(KafkaService, DoesNotTakeAShardThatCannotBeAskedForAMissingTopic) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  kafka.world().run_on(kafka.server().reactor(0), [&] { kafka.program().begin_topics_stop(); });
  kafka.world().run_for(1 * env::sim::kSecond);
  EXPECT_EQ(client->ask<MetadataResponse>(13, MetadataRequest{})->error_code, code(ErrorCode::kLeaderNotAvailable));
  MetadataRequest by_id;
  by_id.topics.emplace().push_back({.topic_id = {.bytes = {1}}, .name = std::nullopt});
  EXPECT_EQ(client->ask<MetadataResponse>(12, by_id)->topics.at(0).error_code, code(ErrorCode::kLeaderNotAvailable));
  EXPECT_EQ(client->ask<DescribeLogDirsResponse>(4, DescribeLogDirsRequest{})->results.at(0).error_code,
            code(ErrorCode::kNotLeaderOrFollower));
  DescribeProducersRequest producers;
  producers.topics.push_back({.name = "t", .partition_indexes = {0}});
  EXPECT_EQ(client->ask<DescribeProducersResponse>(0, producers)->topics.at(0).partitions.at(0).error_code,
            code(ErrorCode::kNotLeaderOrFollower));
  // Where there is no place for an error, no answer is better than one without topics.
  (void)client->send(12, MetadataRequest{});
  EXPECT_TRUE(client->wait_closed());
  auto other = kafka.connect();
  (void)other->send(0, DescribeTopicPartitionsRequest{});
  EXPECT_TRUE(other->wait_closed());
}

// ---- A cluster, as clients are told of it.

class MadeUpView final : public shard::ClusterView {
 public:
  [[nodiscard]] std::shared_ptr<const shard::ClusterMap> map() const override {
    return std::make_shared<const shard::ClusterMap>(told);
  }
  shard::ClusterMap told;
};

// Nodes 1 (the one under test), 2 and 3, of which 3 is not reached and 4 has nothing for Kafka's clients.
shard::ClusterMap three_nodes() {
  shard::ClusterMap map;
  map.here = 1;
  map.replicas = 3;
  for (shard::NodeId id = 1; id <= 4; ++id) {
    shard::ClusterMap::Node& node = map.nodes.emplace_back();
    node.id = id;
    node.host = "10.0.0." + std::to_string(id);
    node.port = id == 4 ? 0 : 9092;
    node.tls_host = "kafka" + std::to_string(id);
    node.tls_port = id == 2 ? 9093 : 0;
    node.zone = "zone" + std::to_string(id);
    node.is_reachable = id != 3;
  }
  for (shard::ShardId id = 0; id < kTestShards; ++id)
    map.shards.push_back({.id = id, .leader = 1, .replicas = {1, 2, 3}});
  return map;
}

TEST(KafkaCluster, IsToldWithAddressesReplicasAndZones) {
  TestKafka kafka;
  MadeUpView view;
  view.told = three_nodes();
  kafka.service().set_cluster(view);
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 2), 0);
  const auto response = client->ask<MetadataResponse>(12, MetadataRequest{});
  ASSERT_TRUE(response);
  ASSERT_EQ(response->brokers.size(), 3U);
  EXPECT_EQ(response->brokers[1].node_id, 2);
  EXPECT_EQ(response->brokers[1].host, "10.0.0.2");
  EXPECT_EQ(response->brokers[1].rack, "zone2");
  EXPECT_EQ(response->controller_id, 1);
  for (const auto& partition : response->topics.at(0).partitions) {
    EXPECT_EQ(partition.leader_id, 1);
    EXPECT_EQ(partition.replica_nodes, (std::vector<int32_t>{1, 2, 3}));
    EXPECT_EQ(partition.isr_nodes, (std::vector<int32_t>{1, 2}));
  }
  const auto cluster = client->ask<DescribeClusterResponse>(0, DescribeClusterRequest{});
  ASSERT_TRUE(cluster);
  EXPECT_EQ(cluster->brokers.size(), 3U);
  EXPECT_EQ(cluster->controller_id, 1);
}

TEST(KafkaCluster, TakesAsManyReplicasAsItHas) {
  TestKafka kafka;
  MadeUpView view;
  view.told = three_nodes();
  kafka.service().set_cluster(view);
  auto client = kafka.connect();
  for (const auto& [replicas, error] : {std::pair<int16_t, ErrorCode>{3, ErrorCode::kNone},
                                        {1, ErrorCode::kNone},
                                        {-1, ErrorCode::kNone},
                                        {4, ErrorCode::kInvalidReplicationFactor},
                                        {0, ErrorCode::kInvalidReplicationFactor}}) {
    CreateTopicsRequest request;
    const std::string name = "r" + std::to_string(replicas);
    CreateTopicsRequest::Topic& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = 1;
    topic.replication_factor = replicas;
    const auto response = client->ask<CreateTopicsResponse>(5, request);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->topics.at(0).error_code, code(error)) << replicas;
    if (error == ErrorCode::kNone) EXPECT_EQ(response->topics.at(0).replication_factor, 3);
  }
}

TEST(KafkaCluster, ListenersOfOneKindKnowEachOther) {
  TestKafka kafka;
  const auto map = std::make_shared<const shard::ClusterMap>(three_nodes());
  const Broker here{.id = 1, .at = {.host = "reached", .port = 1}, .rack = {}};
  const Brokers plain(kafka.program().topics(), map, false, here);
  ASSERT_EQ(plain.all().size(), 3U);
  EXPECT_EQ(plain.all()[0].at.host, "10.0.0.1");
  const Brokers tls(kafka.program().topics(), map, true, here);
  ASSERT_EQ(tls.all().size(), 2U);
  // This node is reached by the client, whatever the map says.
  EXPECT_EQ(tls.all()[0].at.host, "reached");
  EXPECT_EQ(tls.all()[1].at.host, "kafka2");
  EXPECT_EQ(tls.find(3), nullptr);
  ProduceResponse response;
  ProduceResponse::Partition partition;
  tell_leader(plain, 0, response, partition);
  EXPECT_TRUE(response.node_endpoints.empty()) << "this node leads: there is nobody else to ask";
  const Brokers alone(here);
  EXPECT_EQ(alone.controller(), 1);
  EXPECT_EQ(alone.placing(0).replicas, std::vector<int32_t>{1});
  EXPECT_EQ(alone.replicas_default(), 1);
}

// ---- Life.

TEST(KafkaService, StopsGracefully) {
  TestKafka kafka;
  auto waiting = kafka.connect();
  auto idle = kafka.connect();
  ASSERT_EQ(create_topic(*idle, "t", 1), 0);
  const int32_t id = waiting->send(11, fetch_request("t", 0, 0, 600'000));
  kafka.world().run_for(1 * env::sim::kSecond);
  kafka.world().run_on(kafka.server().reactor(0), [&] { kafka.program().begin_stop(); });
  // Whoever waits is answered, and everybody's connection ends.
  EXPECT_TRUE(waiting->receive<FetchResponse>(11, id));
  EXPECT_TRUE(waiting->wait_closed());
  EXPECT_TRUE(idle->wait_closed());
  EXPECT_TRUE(kafka.world().run_until([&] { return kafka.program().is_stopped(); }));
}

TEST(KafkaService, OutlivesClientsThatVanish) {
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  for (int i = 0; i < 300; ++i) {
    auto gone = kafka.connect();
    (void)gone->send(11, fetch_request("t", 0, 0, 600'000));
    if (i % 3 == 0) (void)gone->send(7, produce_request("t", 0, batch_of({"x"})));
    if (i % 2 == 0) kafka.world().run_for(1 * env::sim::kMillisecond);
  }
  kafka.world().run_for(1 * env::sim::kSecond);
  EXPECT_TRUE(client->ask<FetchResponse>(11, fetch_request("t", 0, 0)));
  int64_t open = 0;
  for (unsigned i = 0; i < 2; ++i) open += kafka.service().local(i).counters.connections_open.value();
  EXPECT_EQ(open, 1);
}

TEST(KafkaService, LimitsConnections) {
  TestOptions options;
  options.kafka.connections_max = 3;
  TestKafka kafka(options);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(kafka.connect());
    EXPECT_TRUE(clients.back()->ask<ApiVersionsResponse>(0, ApiVersionsRequest{}));
  }
  auto one_too_many = kafka.connect();
  EXPECT_TRUE(one_too_many->wait_closed());
  clients.pop_back();
  kafka.world().run_for(1 * env::sim::kSecond);
  EXPECT_TRUE(kafka.connect()->ask<ApiVersionsResponse>(0, ApiVersionsRequest{}));
}

}  // namespace
}  // namespace keelson::kafka
