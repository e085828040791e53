#include "base/crc16.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace keelson {

namespace {

constexpr uint16_t kPolynomial = 0x1021;
constexpr size_t kSlices = 8;

// kTables[n][byte]: what `byte` adds to the CRC when n more bytes follow it.
using Tables = std::array<std::array<uint16_t, 256>, kSlices>;
constexpr Tables make_tables() {
  Tables tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    auto crc = static_cast<uint16_t>(byte << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc << 1) ^ ((crc & 0x8000) != 0 ? kPolynomial : 0));
    }
    tables[0][byte] = crc;
  }
  for (size_t slice = 1; slice < kSlices; ++slice) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      const uint16_t before = tables[slice - 1][byte];
      tables[slice][byte] = static_cast<uint16_t>((before << 8) ^ tables[0][before >> 8]);
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

}  // namespace

uint16_t crc16(std::string_view bytes) {
  const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  uint16_t crc = 0;
  for (; left >= 8; left -= 8, from += 8) {
    crc = kTables[7][from[0] ^ (crc >> 8)] ^ kTables[6][from[1] ^ (crc & 0xff)] ^ kTables[5][from[2]] ^
          kTables[4][from[3]] ^ kTables[3][from[4]] ^ kTables[2][from[5]] ^ kTables[1][from[6]] ^ kTables[0][from[7]];
  }
  for (; left > 0; --left, ++from) {
    crc = static_cast<uint16_t>((crc << 8) ^ kTables[0][(crc >> 8) ^ *from]);
  }
  return crc;
}

uint16_t key_slot(std::string_view key) {
  if (const void* brace = key.empty() ? nullptr : std::memchr(key.data(), '{', key.size()); brace != nullptr) {
    const auto open = static_cast<size_t>(static_cast<const char*>(brace) - key.data());
    const size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close != open + 1) key = key.substr(open + 1, close - open - 1);
  }
  return crc16(key) & (kSlotCount - 1);
}

}  // namespace keelson
