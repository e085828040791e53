// CRC64 with the Jones polynomial, as Redis guards RDB files and DUMP payloads with (reflected, start 0, no final xor).
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson {

// Goes on from `seed`, an earlier result (0 to begin). Any thread.
[[nodiscard]] uint64_t crc64(uint64_t seed, std::string_view bytes);

}  // namespace keelson
