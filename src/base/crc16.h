// CRC16-CCITT as XMODEM has it (polynomial 0x1021, start 0), and the hash slots that Redis Cluster derives from it.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson {

inline constexpr uint16_t kSlotCount = 16384;

[[nodiscard]] uint16_t crc16(std::string_view bytes);

// The slot of a key, 0 .. kSlotCount-1. Only what stands between the first '{' and the next '}' counts if that is not
// empty, so that clients can keep keys together (Redis Cluster specification, "Hash tags").
[[nodiscard]] uint16_t key_slot(std::string_view key);

}  // namespace keelson
