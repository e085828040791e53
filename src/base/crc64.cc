#include "base/crc64.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace keelson {

namespace {

constexpr uint64_t kPolynomial = 0x95ac9329ac4bc9b5;  // 0xad93d23594c935a9 reflected
constexpr size_t kSlices = 8;

// kTables[n][byte]: what `byte` adds to the CRC when n more bytes follow it.
using Tables = std::array<std::array<uint64_t, 256>, kSlices>;
constexpr Tables make_tables() {
  Tables tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    uint64_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t slice = 1; slice < kSlices; ++slice) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      const uint64_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

}  // namespace

uint64_t crc64(uint64_t seed, std::string_view bytes) {
  static_assert(std::endian::native == std::endian::little);
  const char* from = bytes.data();
  size_t left = bytes.size();
  uint64_t crc = seed;
  for (; left >= 8; left -= 8, from += 8) {
    uint64_t word;
    std::memcpy(&word, from, sizeof(word));
    word ^= crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; left > 0; --left, ++from) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(*from)) & 0xff];
  return crc;
}

}  // namespace keelson
