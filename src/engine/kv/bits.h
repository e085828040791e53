// Counting, finding and combining bits in strings. Bit 0 is the highest bit of byte 0, as Redis numbers them. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace keelson::kv {

// Ones among the bits [first, last] (0 <= first <= last < 8 * bytes.size()).
[[nodiscard]] uint64_t count_ones(std::string_view bytes, uint64_t first, uint64_t last);

// The position of the first `bit` within [first, last], or -1.
[[nodiscard]] int64_t find_bit(std::string_view bytes, bool bit, uint64_t first, uint64_t last);

[[nodiscard]] inline bool bit_at(std::string_view bytes, uint64_t position) {
  const uint64_t at = position >> 3;
  return at < bytes.size() && (static_cast<unsigned char>(bytes[at]) >> (7 - (position & 7)) & 1) != 0;
}

enum class BitOperation : uint8_t { kAnd, kOr, kXor, kNot };

// As long as the longest source; a shorter one counts as if zeros followed. kNot takes one source.
[[nodiscard]] std::string combine_bits(BitOperation operation, std::span<const std::string_view> sources);

}  // namespace keelson::kv
