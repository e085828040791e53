// The 24 bits in an entry that tell when or how often it was last used, as in Redis.
//
// LRU: seconds modulo 2^24 (194 days). LFU: 16 bits of minutes at the last decay, then an 8-bit counter that grows the
// more slowly the higher it is, and loses one for each lfu-decay-time minutes.
#pragma once

#include <cstdint>

namespace keelson::kv {

inline constexpr uint32_t kLruMask = 0xffffff;
inline constexpr uint8_t kLfuInitialCount = 5;  // so that a new key is not evicted at once

[[nodiscard]] constexpr uint32_t lru_clock(int64_t now_ms) { return static_cast<uint32_t>(now_ms / 1000) & kLruMask; }
// Seconds since `clock`, within the 194 days that it can tell.
[[nodiscard]] constexpr uint32_t lru_idle_s(uint32_t clock, uint32_t now) { return (now - clock) & kLruMask; }

[[nodiscard]] constexpr uint16_t lfu_minutes(int64_t now_ms) { return static_cast<uint16_t>(now_ms / 60000); }
[[nodiscard]] constexpr uint32_t lfu_clock(uint16_t minutes, uint8_t count) { return uint32_t{minutes} << 8 | count; }
[[nodiscard]] constexpr uint8_t lfu_decayed(uint32_t clock, uint16_t minutes_now, uint32_t decay_time_min) {
  const auto count = static_cast<uint8_t>(clock);
  if (decay_time_min == 0) return count;
  const uint32_t passed = static_cast<uint16_t>(minutes_now - static_cast<uint16_t>(clock >> 8));
  const uint32_t periods = passed / decay_time_min;
  return periods >= count ? uint8_t{0} : static_cast<uint8_t>(count - periods);
}
// `chance` is uniform over 64 bits.
[[nodiscard]] constexpr uint8_t lfu_incremented(uint8_t count, uint8_t log_factor, uint64_t chance) {
  if (count == 255) return count;
  const uint64_t base = count > kLfuInitialCount ? count - uint64_t{kLfuInitialCount} : 0;
  // Grows with probability 1 / (base * factor + 1).
  return (chance >> 32) * (base * log_factor + 1) < (uint64_t{1} << 32) ? static_cast<uint8_t>(count + 1) : count;
}

}  // namespace keelson::kv
