#include "base/crc32.h"

#include "base/crc_reflected.h"

namespace keelson {

namespace {

using Crc32 = crc_detail::ReflectedCrc<uint32_t, 0xedb88320>;
using Crc32c = crc_detail::ReflectedCrc<uint32_t, 0x82f63b78>;

}  // namespace

uint32_t crc32(uint32_t seed, std::string_view bytes) { return ~Crc32::update(~seed, bytes); }

// Inverted before and after, the inversions of a and of b's zeros cancel each other.
uint32_t crc32_combine(uint32_t crc_a, uint32_t crc_b, uint64_t b_bytes) {
  return Crc32::shifted(crc_a, b_bytes) ^ crc_b;
}

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t b_bytes) {
  return Crc32c::shifted(crc_a, b_bytes) ^ crc_b;
}

}  // namespace keelson
