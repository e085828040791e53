// What runs beside the requests, as clients see it: retention, compaction, files.
#include <gtest/gtest.h>

#include <map>

#include "protocol/kafka/errors.h"
#include "protocol/kafka/service_test_support.h"

namespace keelson::kafka {
namespace {

TestOptions options() {
  TestOptions options;
  options.topics.retention_check_ms = 1'000;
  options.cache_bytes = 0;  // what is settled is read from disk
  return options;
}

void produce(TestKafka& kafka, TestClient& client, std::string_view topic, std::string_view key,
             const std::string& value) {
  topic::BatchBuilder builder;
  builder.add(kafka.server().env().clock().wall_ms(), key, value);
  const auto response = client.ask<ProduceResponse>(7, produce_request(topic, 0, builder.finish()));
  ASSERT_TRUE(response);
  ASSERT_EQ(response->topics.at(0).partitions.at(0).error_code, 0);
}

size_t segment_files(TestKafka& kafka) {
  size_t count = 0;
  for (unsigned shard = 0; shard < kTestShards; ++shard) {
    const auto names = kafka.server().env().disk().list("data/topic/" + std::to_string(shard));
    if (!names.ok()) continue;
    for (const std::string& name : *names) count += name.ends_with(".log");
  }
  return count;
}

TEST(Upkeep, RemovesWhatIsTooOld) {
  TestKafka kafka(options());
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1, {{"retention.ms", "60000"}, {"segment.bytes", "10000"}}), 0);
  for (int i = 0; i < 100; ++i) produce(kafka, *client, "t", "k", std::string(1000, 'x'));
  kafka.world().run_for(30 * env::sim::kSecond);
  const auto before = client->ask<FetchResponse>(11, fetch_request("t", 0, 0));
  ASSERT_TRUE(before);
  EXPECT_EQ(before->topics.at(0).partitions.at(0).log_start_offset, 0);
  kafka.world().run_for(60 * env::sim::kSecond);
  const auto after = client->ask<FetchResponse>(11, fetch_request("t", 0, 0));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->topics.at(0).partitions.at(0).error_code, number(ErrorCode::kOffsetOutOfRange));
  kafka.world().run_for(5 * env::sim::kSecond);
  EXPECT_LE(segment_files(kafka), 1U);
  // It goes on where it was.
  const auto response = client->ask<ProduceResponse>(7, produce_request("t", 0, batch_of({"next"})));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->topics.at(0).partitions.at(0).base_offset, 100);
}

TEST(Upkeep, RemovesWhatIsTooMuch) {
  TestKafka kafka(options());
  auto client = kafka.connect();
  ASSERT_EQ(create_topic(*client, "t", 1, {{"retention.bytes", "30000"}, {"segment.bytes", "10000"}}), 0);
  for (int i = 0; i < 100; ++i) produce(kafka, *client, "t", "k", std::string(1000, 'x'));
  kafka.world().run_for(5 * env::sim::kSecond);
  const auto after = client->ask<FetchResponse>(11, fetch_request("t", 0, 99));
  ASSERT_TRUE(after);
  const int64_t start = after->topics.at(0).partitions.at(0).log_start_offset;
  EXPECT_GT(start, 50);
  EXPECT_LT(start, 90);
}

TEST(Upkeep, KeepsTheLastValueOfEachKey) {
  TestKafka kafka(options());
  auto client = kafka.connect();
  ASSERT_EQ(
      create_topic(*client, "t", 1,
                   {{"cleanup.policy", "compact"}, {"segment.bytes", "100000"}, {"min.cleanable.dirty.ratio", "0.01"}}),
      0);
  for (int i = 0; i < 4000; ++i) {
    produce(kafka, *client, "t", "key" + std::to_string(i % 10), std::to_string(i) + std::string(1000, 'x'));
  }
  kafka.world().run_for(60 * env::sim::kSecond);
  uint64_t compactions = 0;
  for (unsigned i = 0; i < 2; ++i) compactions += kafka.program().topics().stats(i).compactions.value();
  EXPECT_GT(compactions, 0U);
  for (int round = 0; round < 2; ++round) {
    std::map<std::string, std::string> last;
    size_t records = 0;
    for (int64_t offset = 0; offset < 4000;) {
      const auto response = client->ask<FetchResponse>(11, fetch_request("t", 0, offset));
      ASSERT_TRUE(response);
      const auto& partition = response->topics.at(0).partitions.at(0);
      ASSERT_EQ(partition.error_code, 0);
      ASSERT_NE(partition.records.size(), 0U) << "a fetch below the end must not come back empty: " << offset;
      topic::RecordReader reader;
      for (const Fragment& fragment : partition.records.fragments) {
        for (std::string_view rest = fragment.bytes; !rest.empty();) {
          const topic::BatchView batch(rest);
          ASSERT_EQ(reader.begin(batch.bytes()), topic::BatchErrc::kOk);
          topic::Record record;
          while (reader.next(record)) {
            ++records;
            last[std::string(*record.key)] = std::string(*record.value);
          }
          offset = std::max(offset, batch.next_offset());
          rest.remove_prefix(batch.size_bytes());
        }
      }
    }
    // The newest chunks are read from memory, as they were; and until a checkpoint names what was written anew, a crash
    // brings the old segments back.
    if (round == 0) EXPECT_LT(records, 3000U);
    ASSERT_EQ(last.size(), 10U);
    for (int key = 0; key < 10; ++key) {
      EXPECT_EQ(last["key" + std::to_string(key)], std::to_string(3990 + key) + std::string(1000, 'x'));
    }
    client.reset();
    kafka.crash_and_restart();
    client = kafka.connect();
  }
}

}  // namespace
}  // namespace keelson::kafka
