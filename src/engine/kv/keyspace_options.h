// What can be set about a keyspace. Part of it is fixed when it is made; the rest may change between two commands
// (CONFIG SET) and takes effect with the next change of a value.
//
// The thresholds have Redis's names and defaults. They choose encodings only: nothing that a client or a replay can see
// (but OBJECT ENCODING, MEMORY USAGE and the order in which members are listed) depends on them, so a log that was
// written under other thresholds replays to the same state.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson::kv {

// maxmemory-policy.
enum class EvictionPolicy : uint8_t {
  kNoEviction,
  kAllKeysLru,
  kAllKeysLfu,
  kAllKeysRandom,
  kVolatileLru,
  kVolatileLfu,
  kVolatileRandom,
  kVolatileTtl,
};

struct KeyspaceOptions {
  // Fixed.
  uint16_t databases = 16;
  uint64_t hash_secret = 0;  // seed of the tables' hash; the order of SCAN depends on it

  // May change.
  uint32_t hash_max_listpack_entries = 512;
  uint32_t hash_max_listpack_value = 64;
  uint32_t set_max_intset_entries = 512;
  uint32_t set_max_listpack_entries = 128;
  uint32_t set_max_listpack_value = 64;
  uint32_t zset_max_listpack_entries = 128;
  uint32_t zset_max_listpack_value = 64;
  // Below 0: -1..-5 are 4, 8, 16, 32, 64 KiB for each chunk of a list. Above: that many elements for each.
  int32_t list_max_listpack_size = -2;
  // Clocks of entries count idle time, or frequency when the policy is one of the LFU ones. The rest of the policy is
  // the caller's: see Keyspace::pick_victim().
  EvictionPolicy eviction_policy = EvictionPolicy::kNoEviction;
  uint8_t lfu_log_factor = 10;
  uint32_t lfu_decay_time_min = 1;
};

// Named limits of the encodings, whatever the options say.
inline constexpr size_t kInlineStringBytesMax = 4096;  // longer strings stand in an object of their own
inline constexpr size_t kPackedBytesMax = 8192;        // a packed collection above it becomes a table
inline constexpr size_t kPackedEntriesMax = 4096;
inline constexpr size_t kEmbeddedStringBytesMax = 44;  // OBJECT ENCODING says "embstr" up to here, as Redis does
inline constexpr size_t kKeyBytesMax = size_t{512} << 20;

[[nodiscard]] constexpr bool is_lfu(EvictionPolicy policy) {
  return policy == EvictionPolicy::kAllKeysLfu || policy == EvictionPolicy::kVolatileLfu;
}
// Evicts only keys that have an expiry.
[[nodiscard]] constexpr bool is_volatile_only(EvictionPolicy policy) {
  return policy == EvictionPolicy::kVolatileLru || policy == EvictionPolicy::kVolatileLfu ||
         policy == EvictionPolicy::kVolatileRandom || policy == EvictionPolicy::kVolatileTtl;
}

}  // namespace keelson::kv
