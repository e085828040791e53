// CRC32 and CRC64/NVME against published check values, a bit-by-bit oracle, and themselves in parts.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "base/crc32.h"
#include "base/crc32c.h"
#include "base/crc64_nvme.h"

namespace keelson {
namespace {

template <class Word>
Word bitwise(Word polynomial, std::string_view bytes) {
  Word crc = ~Word{0};
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : Word{0});
  }
  return ~crc;
}

std::string random_bytes(std::mt19937_64& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

TEST(Crc32, KnownVectors) {
  EXPECT_EQ(crc32(0, ""), 0U);
  EXPECT_EQ(crc32(0, "123456789"), 0xcbf43926U);
}

TEST(Crc64Nvme, KnownVectors) {
  EXPECT_EQ(crc64_nvme(0, ""), 0U);
  EXPECT_EQ(crc64_nvme(0, "123456789"), 0xae8b14860a799888U);
  // NVM Command Set specification, figure of test cases: 4 KiB of zeros.
  EXPECT_EQ(crc64_nvme(0, std::string(4096, '\0')), 0x6482d367eb22b64eU);
}

TEST(CrcMore, EveryLengthEqualsTheBitwiseOracle) {
  std::mt19937_64 random(1);
  for (size_t size = 0; size < 700; ++size) {
    const std::string bytes = random_bytes(random, size);
    ASSERT_EQ(crc32(0, bytes), bitwise<uint32_t>(0xedb88320, bytes)) << size;
    ASSERT_EQ(crc64_nvme(0, bytes), bitwise<uint64_t>(0x9a6c9329ac4bc9b5, bytes)) << size;
  }
}

TEST(CrcMore, PartsGoOnAndCombine) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 300; ++round) {
    const std::string a = random_bytes(random, random() % 1000);
    const std::string b = random_bytes(random, random() % 1000);
    ASSERT_EQ(crc32(crc32(0, a), b), crc32(0, a + b));
    ASSERT_EQ(crc64_nvme(crc64_nvme(0, a), b), crc64_nvme(0, a + b));
    ASSERT_EQ(crc32_combine(crc32(0, a), crc32(0, b), b.size()), crc32(0, a + b));
    ASSERT_EQ(crc32c_combine(crc32c(0, a), crc32c(0, b), b.size()), crc32c(0, a + b));
    ASSERT_EQ(crc64_nvme_combine(crc64_nvme(0, a), crc64_nvme(0, b), b.size()), crc64_nvme(0, a + b));
  }
}

}  // namespace
}  // namespace keelson
