// The wire types, the headers, and every message at every version.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "base/crc32c.h"
#include "protocol/kafka/apis.h"
#include "protocol/kafka/headers.h"
#include "protocol/kafka/message_test_support.h"
#include "protocol/kafka/messages/api_versions.h"
#include "protocol/kafka/messages/consumer_group_heartbeat.h"
#include "protocol/kafka/messages/fetch.h"
#include "protocol/kafka/messages/metadata.h"
#include "protocol/kafka/messages/produce.h"
#include "protocol/kafka/reader.h"
#include "protocol/kafka/writer.h"

namespace keelson::kafka {
namespace {

constexpr uint64_t kSeeds = 13;

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<uint8_t>(byte) >> 4];
    text += kDigits[static_cast<uint8_t>(byte) & 15];
  }
  return text;
}

std::string repeated(std::string_view bytes, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += bytes;
  return all;
}

TEST(KafkaReader, ReadsNumbersBigEndian) {
  Reader reader(
      std::string_view("\x01\xff\xfe\x00\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x3f\xf8\0\0\0\0\0\0", 23));
  EXPECT_TRUE(reader.boolean());
  EXPECT_EQ(reader.int16(), -2);
  EXPECT_EQ(reader.int32(), 256);
  EXPECT_EQ(reader.int64(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(reader.float64(), 1.5);
  EXPECT_FALSE(reader.failed());
  EXPECT_EQ(reader.int8(), 0);
  EXPECT_TRUE(reader.failed());
}

TEST(KafkaReader, VarintsRoundTripAndEnd) {
  for (const uint32_t value : {0U, 1U, 127U, 128U, 300U, 1U << 28, std::numeric_limits<uint32_t>::max()}) {
    Writer writer;
    writer.uvarint(value);
    const std::string bytes = writer.flattened();
    Reader reader(bytes);
    EXPECT_EQ(reader.uvarint(), value);
    EXPECT_FALSE(reader.failed());
    EXPECT_TRUE(reader.rest().empty());
  }
  const auto uvarint = [](std::string_view bytes) {
    Reader reader(bytes);
    const uint32_t value = reader.uvarint();
    return reader.failed() ? std::optional<uint32_t>() : std::optional<uint32_t>(value);
  };
  EXPECT_EQ(uvarint(std::string_view("\x80\x80\x00", 3)), 0U);  // longer than needed
  EXPECT_EQ(uvarint("\xff\xff\xff\xff\x0f"), 0xffffffffU);
  EXPECT_EQ(uvarint("\xff\xff\xff\xff\x1f"), std::nullopt);      // 33 bits
  EXPECT_EQ(uvarint("\xff\xff\xff\xff\xff\x01"), std::nullopt);  // six bytes
  EXPECT_EQ(uvarint("\x80"), std::nullopt);                      // cut off
  EXPECT_EQ(uvarint(""), std::nullopt);
}

TEST(KafkaReader, RefusesLengthsThatLie) {
  const auto text = [](std::string_view bytes, bool is_compact) {
    Reader reader(bytes);
    const std::optional<std::string_view> value = reader.nullable_string(is_compact);
    return reader.failed() ? "refused" : value ? std::string(*value) : "null";
  };
  EXPECT_EQ(text(std::string_view("\0\2ab", 4), false), "ab");
  EXPECT_EQ(text("\xff\xff", false), "null");
  EXPECT_EQ(text("\xff\xfe", false), "refused");
  EXPECT_EQ(text(std::string_view("\0\3ab", 4), false), "refused");
  EXPECT_EQ(text("\3ab", true), "ab");
  EXPECT_EQ(text(std::string_view("\0", 1), true), "null");
  EXPECT_EQ(text("\4ab", true), "refused");
  EXPECT_EQ(text("\x81\x80\x02" + std::string(0x8000, 'x'), true), "refused");  // 32,768 bytes
  EXPECT_EQ(text("\x80\x80\x02" + std::string(0x7fff, 'x'), true), std::string(0x7fff, 'x'));

  Reader never_null("\xff\xff");
  EXPECT_EQ(never_null.string(false), "");
  EXPECT_TRUE(never_null.failed());
}

TEST(KafkaReader, BoundsArraysByWhatRemainsAndByMemory) {
  Reader counts(std::string_view("\x7f\xff\xff\xff\0\0\0\0", 8));
  EXPECT_EQ(counts.count(false, 1, 8), 0U);
  EXPECT_TRUE(counts.failed());

  // Each element is one byte in the frame and a KiB in memory: the frame is honest, and is refused all the same.
  const std::string frame = std::string("\0\1\0\0", 4) + std::string(65'536, 'x');
  Reader one(frame);
  EXPECT_EQ(one.count(false, 1, 1024), 65'536U);
  EXPECT_FALSE(one.failed());
  Reader two(frame);
  EXPECT_EQ(two.count(false, 1, 1025), 0U);
  EXPECT_TRUE(two.failed());

  // Together, over the arrays of a frame.
  const std::string halves = repeated(std::string("\0\0\x80\0", 4), 3) + std::string(65'536, 'x');
  Reader three(halves);
  EXPECT_EQ(three.count(false, 1, 1024), 32'768U);
  EXPECT_EQ(three.count(false, 1, 1024), 32'768U);
  EXPECT_EQ(three.count(false, 1, 1024), 0U);
  EXPECT_TRUE(three.failed());
}

TEST(KafkaWriter, RefersToFragmentsAndPatchesFrames) {
  const auto owner = std::make_shared<const std::string>("batches");
  Writer writer;
  for (int i = 0; i < 2; ++i) {
    const Writer::Frame frame = writer.begin_frame();
    writer.int8(7);
    writer.records({.fragments = {{owner, *owner}, {owner, std::string_view(*owner).substr(5)}}}, false);
    writer.int8(8);
    ASSERT_TRUE(writer.end_frame(frame));
  }
  const std::string one = std::string("\0\0\0\x0f\7\0\0\0\x09", 9) + "batcheses" + "\x08";
  EXPECT_EQ(writer.flattened(), one + one);
  EXPECT_EQ(writer.size(), 2 * one.size());
  size_t referred = 0;
  writer.for_each_piece([&](std::string_view piece) { referred += piece.data() == owner->data() ? 1 : 0; });
  EXPECT_EQ(referred, 2U);
  writer.clear();
  EXPECT_EQ(owner.use_count(), 1);
}

TEST(KafkaHeaders, HaveTagsIfTheApiIsFlexible) {
  const auto request = [](int16_t key, int16_t version) {
    Writer writer;
    write_request_header(writer, {.key = key, .version = version, .correlation_id = 5, .client_id = "me"});
    const std::string bytes = writer.flattened();
    Reader reader(bytes);
    RequestHeader again;
    EXPECT_TRUE(read_request_header(reader, again));
    EXPECT_EQ(again.client_id, "me");
    EXPECT_TRUE(reader.rest().empty());
    return hex(bytes);
  };
  EXPECT_EQ(request(3, 8),
            "00030008000000050002"
            "6d65");
  EXPECT_EQ(request(3, 9),
            "00030009000000050002"
            "6d6500");
  const auto response = [](ApiKey key, int16_t version) {
    Writer writer;
    write_response_header(writer, key, version, 5);
    const std::string bytes = writer.flattened();
    Reader reader(bytes);
    int32_t correlation_id = 0;
    EXPECT_TRUE(read_response_header(reader, key, version, correlation_id));
    EXPECT_EQ(correlation_id, 5);
    return hex(bytes);
  };
  EXPECT_EQ(response(ApiKey::kMetadata, 9), "0000000500");
  EXPECT_EQ(response(ApiKey::kMetadata, 8), "00000005");
  // A client reads this one before it knows whether the server is flexible (facts, trap 2).
  EXPECT_EQ(response(ApiKey::kApiVersions, 3), "00000005");
}

TEST(KafkaHeaders, UnknownApisAreRefusedWithTheirNumbers) {
  Reader reader(std::string_view("\x03\xe7\x00\x01\x00\x00\x00\x09\xff\xff", 10));
  RequestHeader header;
  EXPECT_FALSE(read_request_header(reader, header));
  EXPECT_EQ(header.key, 999);
  EXPECT_EQ(header.correlation_id, 9);
}

TEST(KafkaMessages, EveryMessageRoundTripsAtEveryVersion) {
  size_t messages = 0;
  for (const MessageCase& message : message_cases()) {
    for (int16_t version = message.version_min; version <= message.version_max; ++version) {
      for (uint64_t seed = 0; seed < kSeeds; ++seed) {
        const std::string bytes = message.random_bytes(seed, version);  // checks that it decodes to the same
        const std::optional<Recoded> again = message.recoded(bytes, version);
        ASSERT_TRUE(again) << message.name << " v" << version;
        ASSERT_EQ(again->bytes, bytes) << message.name << " v" << version;
        ASSERT_EQ(again->rest_size, 0U) << message.name << " v" << version;
        ++messages;
      }
    }
  }
  EXPECT_GT(messages, 6'000U);
}

// The bytes above are those that Kafka's own classes read and wrote again, byte for byte: kafka-clients 3.9.1 and, for
// what is newer, 4.3.1 were given them when this sum was taken. If it differs, a schema (or the filler) has changed:
// ask them again before you write another sum here.
TEST(KafkaMessages, AreThoseThatKafkaReadAndWrote) {
  uint32_t sum = 0;
  for (const MessageCase& message : message_cases()) {
    for (int16_t version = message.version_min; version <= message.version_max; ++version) {
      for (uint64_t seed = 0; seed < 25; ++seed) {
        sum = crc32c(sum, message.random_bytes(seed * 977 + static_cast<uint64_t>(version), version));
      }
    }
  }
  EXPECT_EQ(sum, 180910523U);
}

TEST(KafkaMessages, WhatIsCutOffIsRefused) {
  for (const MessageCase& message : message_cases()) {
    for (int16_t version = message.version_min; version <= message.version_max; ++version) {
      const std::string bytes = message.random_bytes(1, version);
      for (size_t size = 0; size < bytes.size(); ++size) {
        // A heap block of just that size, so that the sanitizer sees a byte too many.
        const auto cut = std::make_unique<char[]>(size);
        std::copy_n(bytes.data(), size, cut.get());
        ASSERT_FALSE(message.recoded({cut.get(), size}, version)) << message.name << " v" << version << " at " << size;
      }
    }
  }
}

TEST(KafkaMessages, BytesThatAreWrongNeverCrash) {
  std::mt19937_64 chance(1);
  for (const MessageCase& message : message_cases()) {
    for (int16_t version = message.version_min; version <= message.version_max; ++version) {
      std::string bytes = message.random_bytes(2, version);
      if (bytes.empty()) continue;
      for (int round = 0; round < 50; ++round) {
        bytes[chance() % bytes.size()] = static_cast<char>(chance() % 4 == 0 ? 0xff : chance());
        const std::optional<Recoded> read = message.recoded(bytes, version);
        if (!read) continue;
        // What was understood is understood the same way again.
        const std::optional<Recoded> again = message.recoded(read->bytes, version);
        ASSERT_TRUE(again) << message.name << " v" << version;
        ASSERT_EQ(again->bytes, read->bytes) << message.name << " v" << version;
      }
    }
  }
}

TEST(KafkaMessages, TheTableOfApisIsWithinTheSchemas) {
  size_t served = 0;
  for (const ApiRow& row : api_table()) {
    if (!row.is_served) continue;
    ++served;
    size_t found = 0;
    for (const MessageCase& message : message_cases()) {
      if (message.key != static_cast<int16_t>(row.key)) continue;
      ++found;
      EXPECT_EQ(message.name, std::string(row.name) + (message.is_request ? "Request" : "Response"));
      EXPECT_GE(row.version_min, message.version_min) << row.name;
      EXPECT_LE(row.version_max, message.version_max) << row.name;
      EXPECT_EQ(row.flexible_from, message.flexible_from) << row.name;
    }
    EXPECT_EQ(found, 2U) << row.name;
  }
  EXPECT_GT(served, 40U);
}

// Facts, traps 1, 3, 5 and 7: what clients make of the ranges alone.
TEST(KafkaMessages, TheTableOfApisSuitsOldClients) {
  const auto row = [](ApiKey key) { return *find_api(static_cast<int16_t>(key)); };
  EXPECT_EQ(row(ApiKey::kProduce).version_min, 0);  // librdkafka before 2.11.1 does not compress otherwise
  EXPECT_GE(row(ApiKey::kProduce).version_max, 7);  // zstd
  EXPECT_TRUE(row(ApiKey::kFetch).serves(4));
  EXPECT_TRUE(row(ApiKey::kFetch).serves(10));  // kafka-python: zstd
  EXPECT_TRUE(row(ApiKey::kFetch).serves(12));  // librdkafka 2.6.0 sends it in any case
  EXPECT_TRUE(row(ApiKey::kJoinGroup).serves(0));
  for (const ApiKey key :
       {ApiKey::kCreatePartitions, ApiKey::kAlterConfigs, ApiKey::kAddPartitionsToTxn, ApiKey::kAddOffsetsToTxn}) {
    EXPECT_TRUE(row(key).serves(0)) << row(key).name;  // librdkafka sends no other
  }
  EXPECT_TRUE(row(ApiKey::kDescribeAcls).serves(2));
}

TEST(KafkaMessages, UnknownTagsArePassedAndWrongOnesRefused) {
  ApiVersionsRequest request{.client_software_name = "a", .client_software_version = "b"};
  Writer writer;
  encode(writer, 3, request);
  std::string bytes = writer.flattened();
  ASSERT_EQ(hex(bytes), "0261026200");
  const auto decodes = [](std::string_view frame) {
    Reader reader(frame);
    ApiVersionsRequest again;
    return decode(reader, 3, again) && reader.rest().empty();
  };
  bytes.pop_back();
  EXPECT_TRUE(decodes(bytes + std::string("\2\5\3xyz\x09\0", 8)));
  EXPECT_FALSE(decodes(bytes + std::string("\2\5\3xyz", 6)));
  EXPECT_FALSE(decodes(bytes + std::string("\1\5\4xyz", 6)));
  // A known tag whose value is longer or shorter than its size says.
  const auto response = [](std::string_view epoch) {
    const std::string frame = std::string("\0\0\1\0\0\0\0\1\1", 9) + std::string(epoch);
    Reader reader(frame);
    ApiVersionsResponse again;
    return decode(reader, 3, again) && again.finalized_features_epoch == 4;
  };
  EXPECT_TRUE(response(std::string("\x08\0\0\0\0\0\0\0\4", 9)));
  EXPECT_FALSE(response(std::string("\x09\0\0\0\0\0\0\0\4\0", 10)));
  EXPECT_FALSE(response(std::string("\x07\0\0\0\0\0\0\0\4", 9)));
}

TEST(KafkaMessages, NullsAndDefaultsAreThoseOfTheVersion) {
  // Version 0 knows no null: an empty list means all topics.
  const auto metadata = [](int16_t version) {
    Writer writer;
    encode(writer, version, MetadataRequest{});
    return hex(writer.flattened());
  };
  EXPECT_EQ(metadata(0), "00000000");
  EXPECT_EQ(metadata(1), "ffffffff");
  EXPECT_EQ(metadata(4), "ffffffff01");
  EXPECT_EQ(metadata(12), "00010000");
  Reader null_at_0("\xff\xff\xff\xff");
  MetadataRequest refused;
  EXPECT_FALSE(decode(null_at_0, 0, refused));

  Reader reader(std::string_view("\xff\xff\xff\xff\0\0\1\xf4\0\0\0\1\0\0\0\0", 16));
  FetchRequest fetch;
  ASSERT_TRUE(decode(reader, 0, fetch));
  EXPECT_EQ(fetch.max_bytes, std::numeric_limits<int32_t>::max());
  EXPECT_EQ(fetch.session_epoch, -1);
  EXPECT_EQ(fetch.max_wait_ms, 500);

  ConsumerGroupHeartbeatResponse heartbeat;
  Writer writer;
  encode(writer, 0, heartbeat);
  EXPECT_EQ(hex(writer.flattened()),
            "00000000"
            "0000"
            "00"
            "00"
            "00000000"
            "00000000"
            "ff"
            "00");
}

TEST(KafkaMessages, ProducedRecordsAreViewsIntoTheFrame) {
  ProduceRequest request{
      .acks = -1, .timeout_ms = 100, .topics = {{.name = "t", .partitions = {{.index = 3, .records = "RECORDS"}}}}};
  for (const int16_t version : {int16_t{0}, int16_t{11}}) {
    Writer writer;
    encode(writer, version, request);
    const std::string bytes = writer.flattened();
    Reader reader(bytes);
    ProduceRequest again;
    ASSERT_TRUE(decode(reader, version, again));
    EXPECT_EQ(again, request);
    const char* records = again.topics[0].partitions[0].records->data();
    EXPECT_TRUE(records >= bytes.data() && records < bytes.data() + bytes.size());
  }
}

}  // namespace
}  // namespace keelson::kafka
