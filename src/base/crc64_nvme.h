// CRC64/NVME (NVM Express NVM Command Set 1.0, section 5.2.1.3.4: polynomial 0xad93d23594c93659, reflected, inverted
// before and after). S3 clients send it as x-amz-checksum-crc64nvme. (crc64.h is Redis's, another one.)
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson {

// Goes on from `seed`, an earlier result (0 to begin). Any thread.
[[nodiscard]] uint64_t crc64_nvme(uint64_t seed, std::string_view bytes);

// The CRC of a and b in a row, from the CRC of each and the size of b. Any thread, a few microseconds.
[[nodiscard]] uint64_t crc64_nvme_combine(uint64_t crc_a, uint64_t crc_b, uint64_t b_bytes);

}  // namespace keelson
