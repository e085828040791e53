#include "engine/kv/bits.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace keelson::kv {
namespace {

// Bit by bit, the definition.
uint64_t count_slowly(std::string_view bytes, uint64_t first, uint64_t last) {
  uint64_t ones = 0;
  for (uint64_t i = first; i <= last; ++i) ones += bit_at(bytes, i) ? 1 : 0;
  return ones;
}

int64_t find_slowly(std::string_view bytes, bool bit, uint64_t first, uint64_t last) {
  for (uint64_t i = first; i <= last; ++i) {
    if (bit_at(bytes, i) == bit) return static_cast<int64_t>(i);
  }
  return -1;
}

TEST(Bits, BitAtCountsFromTheHighestBitAndSeesZerosBehindTheEnd) {
  EXPECT_TRUE(bit_at("\x80", 0));
  EXPECT_FALSE(bit_at("\x80", 7));
  EXPECT_TRUE(bit_at("\x01", 7));
  EXPECT_FALSE(bit_at("\xff", 8));
  EXPECT_FALSE(bit_at("", 0));
}

TEST(Bits, CountAndFindAgreeWithTheDefinition) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string bytes(1 + random() % 70, '\0');
    // Long runs of equal bytes, so that whole words are skipped, with single bits in them.
    const char fill = random() % 2 == 0 ? '\0' : '\xff';
    for (char& byte : bytes) byte = random() % 16 == 0 ? static_cast<char>(random()) : fill;
    const uint64_t bits = bytes.size() * 8;
    const uint64_t a = random() % bits;
    const uint64_t b = random() % bits;
    const uint64_t first = std::min(a, b);
    const uint64_t last = std::max(a, b);
    ASSERT_EQ(count_ones(bytes, first, last), count_slowly(bytes, first, last));
    ASSERT_EQ(find_bit(bytes, true, first, last), find_slowly(bytes, true, first, last));
    ASSERT_EQ(find_bit(bytes, false, first, last), find_slowly(bytes, false, first, last));
  }
}

TEST(Bits, CombinePadsTheShorterWithZeros) {
  using namespace std::literals;
  const std::vector<std::string_view> sources = {"\xff\x0f"sv, "\x0f"sv, "\xff\xff\xff"sv};
  EXPECT_EQ(combine_bits(BitOperation::kAnd, sources), "\x0f\x00\x00"s);
  EXPECT_EQ(combine_bits(BitOperation::kOr, sources), "\xff\xff\xff"s);
  EXPECT_EQ(combine_bits(BitOperation::kXor, sources), "\x0f\xf0\xff"s);
  EXPECT_EQ(combine_bits(BitOperation::kNot, std::span(sources).first(1)), "\x00\xf0"s);
  EXPECT_EQ(combine_bits(BitOperation::kAnd, std::vector<std::string_view>{"", ""}), "");
}

}  // namespace
}  // namespace keelson::kv
