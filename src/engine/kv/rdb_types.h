// The numbers of Redis's RDB format, version 10, as far as values go.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keelson::kv {

inline constexpr uint16_t kRdbVersion = 10;
inline constexpr size_t kRdbFooterBytes = 10;  // u16 version, u64 CRC64

enum class RdbType : uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kSortedSet = 3,  // scores as text
  kHash = 4,
  kSortedSet2 = 5,  // scores as binary doubles
  kHashZipmap = 9,
  kListZiplist = 10,
  kSetIntset = 11,
  kSortedSetZiplist = 12,
  kHashZiplist = 13,
  kListQuicklist = 14,
  kHashListpack = 16,
  kSortedSetListpack = 17,
  kListQuicklist2 = 18,
};

// Lengths: the high two bits of the first byte.
inline constexpr uint8_t kRdbLength6 = 0;     // the length is in the low 6 bits
inline constexpr uint8_t kRdbLength14 = 1;    // and the next byte
inline constexpr uint8_t kRdbLengthWide = 2;  // 0x80: a u32 follows; 0x81: a u64 (both big-endian)
inline constexpr uint8_t kRdbSpecial = 3;     // a string of another form: one of these in the low 6 bits
inline constexpr uint8_t kRdbInt8 = 0;
inline constexpr uint8_t kRdbInt16 = 1;
inline constexpr uint8_t kRdbInt32 = 2;
inline constexpr uint8_t kRdbLzf = 3;

// What a node of a quicklist 2 is.
inline constexpr uint64_t kQuicklistPlain = 1;
inline constexpr uint64_t kQuicklistPacked = 2;

}  // namespace keelson::kv
