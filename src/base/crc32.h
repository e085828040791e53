// CRC32 as in Ethernet, gzip and zip (ISO 3309: polynomial 0x04c11db7, reflected), and how CRCs of neighbouring parts
// join. S3 clients send it as x-amz-checksum-crc32.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson {

// Goes on from `seed`, an earlier result (0 to begin): crc32(crc32(0, a), b) is the CRC of a and b in a row. Any
// thread.
[[nodiscard]] uint32_t crc32(uint32_t seed, std::string_view bytes);

// The CRC of a and b in a row, from the CRC of each and the size of b. Any thread, a microsecond.
[[nodiscard]] uint32_t crc32_combine(uint32_t crc_a, uint32_t crc_b, uint64_t b_bytes);
// The same for crc32c.h.
[[nodiscard]] uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t b_bytes);

}  // namespace keelson
