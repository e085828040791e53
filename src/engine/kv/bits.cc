#include "engine/kv/bits.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace keelson::kv {

namespace {

// The eight bytes from `at` on as a number whose highest bit is the first bit of the string.
uint64_t word_at(const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
  static_assert(std::endian::native == std::endian::little);
  return __builtin_bswap64(word);
}

// Byte `at` with the bits outside [first, last] set to `outside`.
unsigned masked_byte(std::string_view bytes, uint64_t at, uint64_t first, uint64_t last, bool outside) {
  unsigned mask = 0xff;
  if (at == first >> 3) mask &= 0xffU >> (first & 7);
  if (at == last >> 3) mask &= 0xffU << (7 - (last & 7));
  const unsigned byte = static_cast<unsigned char>(bytes[at]);
  return outside ? (byte | ~mask) & 0xff : byte & mask;
}

}  // namespace

uint64_t count_ones(std::string_view bytes, uint64_t first, uint64_t last) {
  const uint64_t first_byte = first >> 3;
  const uint64_t last_byte = last >> 3;
  uint64_t ones = static_cast<uint64_t>(std::popcount(masked_byte(bytes, first_byte, first, last, false)));
  if (first_byte == last_byte) return ones;
  ones += static_cast<uint64_t>(std::popcount(masked_byte(bytes, last_byte, first, last, false)));
  uint64_t at = first_byte + 1;
  for (; at + 8 <= last_byte; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    ones += static_cast<uint64_t>(std::popcount(word));
  }
  for (; at < last_byte; ++at) {
    ones += static_cast<uint64_t>(std::popcount(static_cast<unsigned>(static_cast<unsigned char>(bytes[at]))));
  }
  return ones;
}

int64_t find_bit(std::string_view bytes, bool bit, uint64_t first, uint64_t last) {
  const uint64_t last_byte = last >> 3;
  const uint64_t dull = bit ? 0 : ~uint64_t{0};  // a word with nothing to find in it
  uint64_t at = first >> 3;
  while (at <= last_byte) {
    // The first and last byte hold bits that do not count.
    if (at != first >> 3 && at + 8 <= last_byte && word_at(bytes.data() + at) == dull) {
      at += 8;
      continue;
    }
    unsigned byte = masked_byte(bytes, at, first, last, !bit);
    if (!bit) byte = ~byte & 0xff;
    if (byte != 0)
      return static_cast<int64_t>(at * 8 + static_cast<uint64_t>(std::countl_zero(static_cast<uint8_t>(byte))));
    ++at;
  }
  return -1;
}

std::string combine_bits(BitOperation operation, std::span<const std::string_view> sources) {
  size_t size = 0;
  for (const std::string_view source : sources) size = std::max(size, source.size());
  std::string result(sources[0]);
  result.resize(size, '\0');
  if (operation == BitOperation::kNot) {
    for (char& byte : result) byte = static_cast<char>(~byte);
    return result;
  }
  for (const std::string_view source : sources.subspan(1)) {
    // Plain loops over bytes: compilers turn them into vector instructions.
    char* to = result.data();
    const char* from = source.data();
    const size_t count = source.size();
    if (operation == BitOperation::kAnd) {
      for (size_t i = 0; i < count; ++i) to[i] = static_cast<char>(to[i] & from[i]);
      std::memset(to + count, 0, size - count);
    } else if (operation == BitOperation::kOr) {
      for (size_t i = 0; i < count; ++i) to[i] = static_cast<char>(to[i] | from[i]);
    } else {
      for (size_t i = 0; i < count; ++i) to[i] = static_cast<char>(to[i] ^ from[i]);
    }
  }
  return result;
}

}  // namespace keelson::kv
