// CRC16, CRC32C, CRC64 and XXH3 against published check values and against bit-by-bit oracles.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "base/crc16.h"
#include "base/crc32c.h"
#include "base/crc64.h"
#include "base/hash.h"

namespace keelson {
namespace {

uint32_t crc32c_bitwise(uint32_t seed, std::string_view bytes) {
  uint32_t crc = ~seed;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

uint16_t crc16_bitwise(std::string_view bytes) {
  uint16_t crc = 0;
  for (const char c : bytes) {
    crc = static_cast<uint16_t>(crc ^ (static_cast<uint8_t>(c) << 8));
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021 : 0));
    }
  }
  return crc;
}

uint64_t crc64_bitwise(uint64_t seed, std::string_view bytes) {
  uint64_t crc = seed;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x95ac9329ac4bc9b5 : 0);
  }
  return crc;
}

std::string random_bytes(std::mt19937_64& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c(0, ""), 0U);
  EXPECT_EQ(crc32c(0, "123456789"), 0xe3069283U);
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(0, std::string(32, '\xff')), 0x62a8ab43U);
}

TEST(Crc32c, EveryLengthEqualsTheBitwiseOracle) {
  std::mt19937_64 random(1);
  const std::string bytes = random_bytes(random, 20'000);
  const std::string_view view = bytes;
  for (size_t size = 0; size < 900; ++size) {
    ASSERT_EQ(crc32c(7, view.substr(3, size)), crc32c_bitwise(7, view.substr(3, size))) << size;
  }
  for (const size_t size : {6143U, 6144U, 6145U, 6528U, 12'288U, 12'300U, 19'997U}) {
    ASSERT_EQ(crc32c(0, view.substr(1, size)), crc32c_bitwise(0, view.substr(1, size))) << size;
  }
}

TEST(Crc32c, GoesOnFromASeed) {
  std::mt19937_64 random(2);
  const std::string bytes = random_bytes(random, 10'000);
  const std::string_view view = bytes;
  const uint32_t whole = crc32c(0, view);
  for (size_t cut = 0; cut <= view.size(); cut += 97) {
    ASSERT_EQ(crc32c(crc32c(0, view.substr(0, cut)), view.substr(cut)), whole) << cut;
  }
}

TEST(Crc16, KnownVectorsAndOracle) {
  EXPECT_EQ(crc16("123456789"), 0x31c3);
  std::mt19937_64 random(3);
  const std::string bytes = random_bytes(random, 200);
  for (size_t size = 0; size < 190; ++size) {
    const auto view = std::string_view(bytes).substr(size % 7, size);
    ASSERT_EQ(crc16(view), crc16_bitwise(view)) << size;
  }
}

TEST(Crc16, HashTags) {
  EXPECT_EQ(key_slot("foo"), 12182);  // CLUSTER KEYSLOT foo
  EXPECT_EQ(key_slot("somekey"), 11058);
  EXPECT_EQ(key_slot(""), 0);
  EXPECT_EQ(key_slot("{user1000}.following"), key_slot("user1000"));
  EXPECT_EQ(key_slot("foo{}{bar}"), crc16("foo{}{bar}") & 16383);
  EXPECT_EQ(key_slot("foo{{bar}}zap"), key_slot("{bar"));
  EXPECT_EQ(key_slot("foo{bar}{zap}"), key_slot("bar"));
  EXPECT_EQ(key_slot("foo{bar"), crc16("foo{bar") & 16383);
  EXPECT_EQ(key_slot("foo}{bar"), crc16("foo}{bar") & 16383);
  EXPECT_EQ(key_slot("{"), crc16("{") & 16383);
}

TEST(Crc64, KnownVectorsAndOracle) {
  EXPECT_EQ(crc64(0, "123456789"), 0xe9c6d914c4b8d9caU);
  std::mt19937_64 random(4);
  const std::string bytes = random_bytes(random, 300);
  for (size_t size = 0; size < 290; ++size) {
    const auto view = std::string_view(bytes).substr(size % 5, size);
    ASSERT_EQ(crc64(11, view), crc64_bitwise(11, view)) << size;
    ASSERT_EQ(crc64(crc64(0, view.substr(0, size / 3)), view.substr(size / 3)), crc64_bitwise(0, view));
  }
}

TEST(Hash, IsXxh3AndDependsOnTheSeed) {
  EXPECT_EQ(hash64("", 0), 0x2d06800538d394c2U);  // XXH3_64bits of nothing
  EXPECT_NE(hash64("key", 1), hash64("key", 2));
  EXPECT_EQ(hash64("key", 1), hash64(std::string("key"), 1));
  EXPECT_EQ(SeededStringHash{5}("abc"), hash64("abc", 5));
}

}  // namespace
}  // namespace keelson
