#include "base/crc32c.h"

#include <nmmintrin.h>
#include <wmmintrin.h>

#include <cstddef>
#include <cstring>

namespace keelson {

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

// x^exponent modulo the polynomial, reflected.
constexpr uint32_t power_of_x(size_t exponent) {
  uint32_t value = 0x80000000;
  for (size_t i = 0; i < exponent; ++i) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
  return value;
}

uint64_t load(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

// The CRC after `factor`'s number of zero bytes: carry-less product, then reduction by the crc32 instruction, which
// itself multiplies by x^32; the product of two reflected words brings another x. Hence the 33 in kShift.
uint64_t shift(uint64_t crc, uint64_t factor) {
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(crc)),
                                               _mm_cvtsi64_si128(static_cast<int64_t>(factor)), 0);
  return _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product)));
}

// The crc32 instruction takes 3 cycles and starts each cycle: three stripes at once keep it busy.
template <size_t Stripe>
const char* three_stripes(const char* from, const char* end, uint64_t& crc) {
  static_assert(Stripe % 8 == 0);
  constexpr uint64_t kShift = power_of_x(Stripe * 8 - 33);
  while (static_cast<size_t>(end - from) >= 3 * Stripe) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < Stripe; i += 8) {
      crc = _mm_crc32_u64(crc, load(from + i));
      second = _mm_crc32_u64(second, load(from + Stripe + i));
      third = _mm_crc32_u64(third, load(from + 2 * Stripe + i));
    }
    crc = shift(crc, kShift) ^ second;
    crc = shift(crc, kShift) ^ third;
    from += 3 * Stripe;
  }
  return from;
}

}  // namespace

uint32_t crc32c(uint32_t seed, std::string_view bytes) {
  const char* from = bytes.data();
  const char* const end = from + bytes.size();
  uint64_t crc = ~seed;
  from = three_stripes<2048>(from, end, crc);
  from = three_stripes<128>(from, end, crc);
  for (; end - from >= 8; from += 8) crc = _mm_crc32_u64(crc, load(from));
  auto rest = static_cast<uint32_t>(crc);
  for (; from != end; ++from) rest = _mm_crc32_u8(rest, static_cast<uint8_t>(*from));
  return ~rest;
}

}  // namespace keelson
