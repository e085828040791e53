// Hashing for tables: XXH3 with a seed that clients cannot know, so that they cannot make keys that collide.
//
// The seed is drawn once for a node and written down where order by hash must survive (simulation replays it). Not for
// authentication: use HMAC for that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keelson {

// Any thread.
[[nodiscard]] uint64_t hash64(std::string_view bytes, uint64_t seed);

// Spreads an integer over 64 bits (the finisher of MurmurHash3): for ids, not against an adversary.
[[nodiscard]] constexpr uint64_t mix64(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  return value ^ (value >> 33);
}

// For the hash parameter of a map with string keys; std::string and std::string_view find the same entry.
struct SeededStringHash {
  using is_transparent = void;
  uint64_t seed = 0;
  size_t operator()(std::string_view bytes) const { return hash64(bytes, seed); }
};

}  // namespace keelson
