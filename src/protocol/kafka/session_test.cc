// What connections may hold of a reactor's memory, and how answers leave.
#include "protocol/kafka/session.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/kafka/errors.h"
#include "protocol/kafka/service_test_support.h"

namespace keelson::kafka {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Many fetches that are answered at once, of a reactor with little memory.
class KafkaManyFetches : public testing::Test {
 protected:
  static constexpr size_t kClients = 16;
  static constexpr size_t kFree = 64 * 1024;  // a fetch may have so much in any case
  static constexpr int32_t kPartitions = 4;

  static TestOptions options() {
    TestOptions options;
    options.kafka.reactor_bytes_max = kMiB;
    options.cache_bytes = kMiB;
    return options;
  }
  void produce(int batches) {
    const std::string batch = batch_of({std::string(20'000, 'x')});
    for (int i = 0; i < batches; ++i) {
      ASSERT_TRUE(writer_->ask<ProduceResponse>(7, produce_request("t", i % kPartitions, batch)));
    }
  }
  void send() {
    FetchRequest request = fetch_request("t", 0, 0, 60'000, 400'000);
    for (int32_t i = 1; i < kPartitions; ++i) {
      request.topics[0].partitions.push_back({.partition = i, .fetch_offset = 0, .partition_max_bytes = 1 << 20});
    }
    for (size_t i = 0; i < kClients; ++i) clients_.push_back(kafka_.connect());
    for (const auto& client : clients_) ids_.push_back(client->send(11, request));
  }
  void check() {
    ASSERT_TRUE(kafka_.world().run_until([&] {
      most_ = std::max(most_, local_.bytes_under_way);
      return std::ranges::all_of(clients_, [](const auto& client) { return client->has_answer(); });
    }));
    EXPECT_GT(most_, kMiB / 2);  // it is used
    EXPECT_LT(most_, kMiB + kClients * kFree);
    for (size_t i = 0; i < kClients; ++i) {
      const auto response = clients_[i]->receive<FetchResponse>(11, ids_[i]);
      ASSERT_TRUE(response);
      size_t records = 0;
      for (const auto& partition : response->topics.at(0).partitions) records += records_of(partition.records).size();
      EXPECT_GT(records, 0U);
    }
    EXPECT_EQ(local_.bytes_under_way, 0U);
  }

  TestKafka kafka_{options(), 1};
  const Local& local_ = kafka_.service().local(0);
  std::unique_ptr<TestClient> writer_ = kafka_.connect();
  std::vector<std::unique_ptr<TestClient>> clients_;
  std::vector<int32_t> ids_;
  size_t most_ = 0;
};

TEST_F(KafkaManyFetches, ThatHaveWaitedShareTheMemory) {
  ASSERT_EQ(create_topic(*writer_, "t", kPartitions), 0);
  send();
  kafka_.world().run_for(1 * env::sim::kSecond);
  const std::string batch = batch_of({std::string(60'000, 'x')});
  for (int32_t i = 0; i < 8; ++i) {
    (void)writer_->send(7, produce_request("t", i % kPartitions, batch));
  }
  check();
}

TEST_F(KafkaManyFetches, OfWhatLiesOnDiskShareTheMemory) {
  ASSERT_EQ(create_topic(*writer_, "t", kPartitions), 0);
  produce(800);
  send();
  check();
}

TEST(KafkaSession, LargeFramesThatComeAtOnceShareTheMemory) {
  constexpr size_t kClients = 8;
  TestOptions options;
  options.kafka.reactor_bytes_max = 4 * kMiB;
  TestKafka kafka(options, 1);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (size_t i = 0; i < kClients; ++i) clients.push_back(kafka.connect());
  ASSERT_EQ(create_topic(*clients[0], "t", 1), 0);
  const std::string batch = batch_of({std::string(8 * kMiB, 'x')});
  std::vector<int32_t> ids;
  for (const auto& client : clients) ids.push_back(client->send(7, produce_request("t", 0, batch)));
  const Local& local = kafka.service().local(0);
  size_t most = 0;
  ASSERT_TRUE(kafka.world().run_until([&] {
    most = std::max(most, local.bytes_under_way);
    return std::ranges::all_of(clients, [](const auto& client) { return client->has_answer(); });
  }));
  // The limit, the last step below it, and the frame that may go beyond.
  EXPECT_LT(most, 20 * kMiB);
  for (size_t i = 0; i < kClients; ++i) {
    const auto response = clients[i]->receive<ProduceResponse>(7, ids[i]);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->topics.at(0).partitions.at(0).error_code, number(ErrorCode::kMessageTooLarge));
  }
  EXPECT_EQ(local.bytes_under_way, 0U);
  EXPECT_EQ(local.overdrawn, nullptr);
}

TEST(KafkaSession, AFrameThatVanishesGivesItsPlaceToOthers) {
  TestOptions options;
  options.kafka.reactor_bytes_max = kMiB;
  TestKafka kafka(options, 1);
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1), 0);
  const std::string batch = batch_of({std::string(8 * kMiB, 'x')});
  const auto begin = [&](TestClient& by) {
    Writer writer;
    const Writer::Frame frame = writer.begin_frame();
    writer.raw(std::string(7 * kMiB, 'x'));
    ASSERT_TRUE(writer.end_frame(frame));
    by.send_raw(writer.flattened().substr(0, 5 * kMiB));
  };
  auto gone = kafka.connect();
  begin(*gone);
  kafka.world().run_for(1 * env::sim::kSecond);
  const Local& local = kafka.service().local(0);
  EXPECT_NE(local.overdrawn, nullptr);
  const int32_t id = client->send(7, produce_request("t", 0, batch));
  kafka.world().run_for(50 * env::sim::kSecond);
  EXPECT_FALSE(client->has_answer());
  EXPECT_FALSE(client->is_closed());
  gone.reset();
  const auto response = client->receive<ProduceResponse>(7, id);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->topics.at(0).partitions.at(0).error_code, number(ErrorCode::kMessageTooLarge));
  EXPECT_EQ(local.overdrawn, nullptr);
}

TEST(KafkaSession, SendsShortAndLongPiecesInTheirOrder) {
  constexpr int32_t kPartitions = 60;
  TestKafka kafka;
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", kPartitions), 0);
  const auto value = [](int32_t partition) {
    return std::to_string(partition) + std::string(partition % 3 == 0 ? 30'000 : 3'000, 'x');
  };
  FetchRequest request = fetch_request("t", 0, 0);
  request.topics[0].partitions.clear();
  for (int32_t i = 0; i < kPartitions; ++i) {
    ASSERT_TRUE(client->ask<ProduceResponse>(7, produce_request("t", i, batch_of({value(i)}))));
    request.topics[0].partitions.push_back({.partition = i, .fetch_offset = 0, .partition_max_bytes = 1 << 20});
  }
  for (int round = 0; round < 2; ++round) {
    const auto response = client->ask<FetchResponse>(11, request);
    ASSERT_TRUE(response);
    ASSERT_EQ(response->topics.at(0).partitions.size(), static_cast<size_t>(kPartitions));
    for (const auto& partition : response->topics[0].partitions) {
      const auto records = records_of(partition.records);
      ASSERT_EQ(records.size(), 1U);
      EXPECT_EQ(records[0].second, value(partition.partition_index));
    }
  }
}

}  // namespace
}  // namespace keelson::kafka
