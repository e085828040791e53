#include "base/crc64_nvme.h"

#include "base/crc_reflected.h"

namespace keelson {

namespace {

using Crc64 = crc_detail::ReflectedCrc<uint64_t, 0x9a6c9329ac4bc9b5>;

}  // namespace

uint64_t crc64_nvme(uint64_t seed, std::string_view bytes) { return ~Crc64::update(~seed, bytes); }

uint64_t crc64_nvme_combine(uint64_t crc_a, uint64_t crc_b, uint64_t b_bytes) {
  return Crc64::shifted(crc_a, b_bytes) ^ crc_b;
}

}  // namespace keelson
