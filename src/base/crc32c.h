// CRC32C (Castagnoli, RFC 3720 appendix B.4): guards records, checkpoints and chunks against damage.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson {

// Goes on from `seed`, an earlier result (0 to begin): crc32c(crc32c(0, a), b) is the CRC of a and b in a row.
// Any thread. About 20 bytes a nanosecond on long input.
[[nodiscard]] uint32_t crc32c(uint32_t seed, std::string_view bytes);

}  // namespace keelson
