#include "base/coding.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>

namespace keelson {
namespace {

TEST(Coding, FixedWidthIsLittleEndian) {
  std::string out;
  append_u8(out, 0x01);
  append_u16(out, 0x0203);
  append_u32(out, 0x04050607);
  append_u64(out, 0x08090a0b0c0d0e0f);
  EXPECT_EQ(out, std::string("\x01\x03\x02\x07\x06\x05\x04\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08", 15));
  std::string_view from = out;
  uint8_t a = 0;
  uint16_t b = 0;
  uint32_t c = 0;
  uint64_t d = 0;
  ASSERT_TRUE(read_u8(from, a) && read_u16(from, b) && read_u32(from, c) && read_u64(from, d));
  EXPECT_EQ(a, 1);
  EXPECT_EQ(b, 0x0203);
  EXPECT_EQ(c, 0x04050607U);
  EXPECT_EQ(d, 0x08090a0b0c0d0e0fU);
  EXPECT_TRUE(from.empty());
  EXPECT_FALSE(read_u8(from, a));
}

TEST(Coding, VarintsOfEverySize) {
  std::mt19937_64 random(1);
  for (unsigned bits = 0; bits <= 64; ++bits) {
    for (int round = 0; round < 50; ++round) {
      const uint64_t value = bits == 0 ? 0 : random() >> (64 - bits);
      Buffer buffer;
      append_varint(buffer, value);
      ASSERT_EQ(buffer.size(), varint_size(value));
      std::string_view from = buffer.view();
      uint64_t read = 0;
      ASSERT_TRUE(read_varint(from, read));
      ASSERT_EQ(read, value);
      ASSERT_TRUE(from.empty());
      for (size_t cut = 0; cut < buffer.size(); ++cut) {
        std::string_view part = buffer.view().substr(0, cut);
        ASSERT_FALSE(read_varint(part, read));
        ASSERT_EQ(part.size(), cut) << "an incomplete read must leave the view alone";
      }
    }
  }
}

TEST(Coding, MalformedVarintsAreRefused) {
  uint64_t value = 0;
  for (const std::string_view bad :
       {std::string_view("\x80\x00", 2), std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10),
        std::string_view("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11)}) {
    std::string_view from = bad;
    EXPECT_FALSE(read_varint(from, value));
    EXPECT_EQ(from.size(), bad.size());
  }
}

TEST(Coding, SignedNumbersNearZeroAreSmall) {
  EXPECT_EQ(zigzag(0), 0U);
  EXPECT_EQ(zigzag(-1), 1U);
  EXPECT_EQ(zigzag(1), 2U);
  EXPECT_EQ(zigzag(INT64_MAX), UINT64_MAX - 1);
  EXPECT_EQ(zigzag(INT64_MIN), UINT64_MAX);
  for (const int64_t value : {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{-300}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(unzigzag(zigzag(value)), value);
  }
}

TEST(Coding, StringsCarryTheirLength) {
  Buffer buffer;
  append_string(buffer, "");
  append_string(buffer, std::string(300, 'x'));
  std::string_view from = buffer.view();
  std::string_view bytes;
  ASSERT_TRUE(read_string(from, bytes));
  EXPECT_TRUE(bytes.empty());
  ASSERT_TRUE(read_string(from, bytes));
  EXPECT_EQ(bytes, std::string(300, 'x'));
  EXPECT_TRUE(from.empty());

  std::string_view cut = buffer.view().substr(1, 200);
  EXPECT_FALSE(read_string(cut, bytes));
  EXPECT_EQ(cut.size(), 200U);
}

}  // namespace
}  // namespace keelson
