#include "log/format.h"

#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/crc32c.h"

namespace keelson::log {
namespace {

TEST(Format, SegmentHeaderIsReadFromEitherCopy) {
  const SegmentHeader header{.log_id = 77, .number = 5, .previous = {4, 9000}, .created_wall_ms = -3};
  Buffer start;
  append_segment_start(header, start);
  ASSERT_EQ(start.size(), kFirstRecordOffset);
  std::string bytes(start.view());
  const auto expect_read = [&] {
    const auto read = parse_segment_start(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->log_id, 77U);
    EXPECT_EQ(read->number, 5U);
    EXPECT_EQ(read->previous, (LogPlace{4, 9000}));
    EXPECT_EQ(read->created_wall_ms, -3);
  };
  expect_read();
  bytes[30] ^= 1;
  expect_read();
  bytes[30] ^= 1;
  bytes[kSegmentHeaderCopyOffset + 60] ^= 1;
  expect_read();
  bytes[0] ^= 1;
  EXPECT_FALSE(parse_segment_start(bytes));
}

TEST(Format, SegmentHeaderRefusesEveryFlippedBit) {
  Buffer start;
  append_segment_start({.log_id = 1, .number = 2, .previous = {}, .created_wall_ms = 3}, start);
  for (size_t bit = 0; bit < kSegmentHeaderBytes * 8; ++bit) {
    std::string bytes(start.view().substr(0, kSegmentHeaderBytes));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(parse_segment_header(bytes)) << bit;
  }
}

// The documented offsets, byte by byte: other programs and later versions read them.
TEST(Format, PartHeaderLayout) {
  PartHeader header;
  header.payload_bytes = 0x01020304;
  header.payload_crc = 0x05060708;
  header.type = kTypeRecord;
  header.flags = kFlagContinues;
  header.shard = 0x090a;
  header.index = 0x0b0c0d0e0f101112;
  header.time_ms = 0x131415161718191a;
  char bytes[kPartHeaderBytes];
  put_part_header(header, bytes);
  seal_part(bytes, segment_seed(7, 8), 4096);
  EXPECT_EQ(std::string_view(bytes + 4, 12), std::string_view("\x04\x03\x02\x01\x08\x07\x06\x05\xa7\x02\x0a\x09", 12));
  EXPECT_EQ(get_u64(bytes + 16), 0x0b0c0d0e0f101112U);
  EXPECT_EQ(get_u64(bytes + 24), 0x131415161718191aU);
  char seed[24];
  put_u64(seed, 7);
  put_u64(seed + 8, 8);
  put_u64(seed + 16, 4096);
  EXPECT_EQ(get_u32(bytes), crc32c(crc32c(0, {seed, 24}), {bytes + 4, 28}));
}

TEST(Format, PartHeaderIsBoundToLogSegmentAndOffset) {
  PartHeader header;
  header.type = kTypeRecord;
  header.index = 1;
  char bytes[kPartHeaderBytes];
  put_part_header(header, bytes);
  const uint32_t seed = segment_seed(7, 8);
  seal_part(bytes, seed, 4096);
  EXPECT_TRUE(is_part_header_valid(bytes, seed, 4096));
  EXPECT_FALSE(is_part_header_valid(bytes, seed, 4097));
  EXPECT_FALSE(is_part_header_valid(bytes, segment_seed(7, 9), 4096));
  EXPECT_FALSE(is_part_header_valid(bytes, segment_seed(6, 8), 4096));
  for (size_t bit = 0; bit < kPartHeaderBytes * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(is_part_header_valid(bytes, seed, 4096)) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
  const char zeros[kPartHeaderBytes] = {};
  EXPECT_FALSE(is_part_header_valid(zeros, seed, 4096));
}

TEST(Format, MarkSaysWhatWasSyncedAndWhereEachShardIs) {
  const std::vector<uint64_t> indexes = {5, 0, UINT64_MAX};
  Buffer out;
  append_mark({3, 4}, indexes, 99, out);
  ASSERT_EQ(out.size(), mark_bytes(3));
  const PartHeader header = get_part_header(out.data());
  EXPECT_EQ(header.type, kTypeMark);
  EXPECT_EQ(header.time_ms, 99);
  const std::string_view payload = out.view().substr(kPartHeaderBytes);
  EXPECT_EQ(header.payload_crc, crc32c(0, payload));
  const auto mark = parse_mark(payload);
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->synced, (LogPlace{3, 4}));
  ASSERT_EQ(mark->shard_count(), 3U);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(mark->last_index(i), indexes[i]);
  EXPECT_FALSE(parse_mark(payload.substr(0, 15)));
  EXPECT_FALSE(parse_mark(payload.substr(1)));
}

TEST(Format, SegmentNames) {
  EXPECT_EQ(segment_name(0x2a), "000000000000002a.log");
  EXPECT_EQ(parse_segment_name("000000000000002a.log"), 42U);
  EXPECT_EQ(parse_segment_name(segment_name(UINT64_MAX)), UINT64_MAX);
  for (const char* other : {"", "2a.log", "000000000000002A.log", "000000000000002a.tmp", "00000000000000-1.log",
                            "000000000000002a.log.tmp", "+00000000000002a.log"}) {
    EXPECT_FALSE(parse_segment_name(other)) << other;
  }
}

TEST(Format, PlacesAreOrderedAsTheLogIs) {
  EXPECT_LT((LogPlace{1, 9}), (LogPlace{2, 0}));
  EXPECT_LT((LogPlace{2, 0}), (LogPlace{2, 1}));
}

}  // namespace
}  // namespace keelson::log
