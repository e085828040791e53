// The working parts of reflected CRCs of 32 and 64 bits, for the .cc files of the CRCs themselves.
//
// Long input is folded 64 bytes at a time by carry-less multiplication (Gopal et al., "Fast CRC Computation for Generic
// Polynomials Using PCLMULQDQ", Intel 2009): a block of 128 bits that stands D bits before another is the same, modulo
// the polynomial, as its two halves times x^(D+64) and x^D, added onto that other block. What is left goes through
// tables.
//
// A reflected polynomial of less than 64 terms is held with the coefficient of x^i in bit 63 - i. The carry-less
// product of two such words stands one bit too low in its 128 bits, hence the "- 1" in the factors.
#pragma once

#include <wmmintrin.h>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace keelson::crc_detail {

template <std::unsigned_integral Word, Word Polynomial>
class ReflectedCrc {
 public:
  // The register after `bytes`, from `crc`: without the inversions before and after that a CRC may have.
  static Word update(Word crc, std::string_view bytes) {
    const char* from = bytes.data();
    size_t left = bytes.size();
    if (left >= 2 * kStripeBytes) fold(crc, from, left);
    return by_tables(crc, from, left);
  }

  // `crc` times x^(8 * byte_count): the register after that many zero bytes.
  static constexpr Word shifted(Word crc, uint64_t byte_count) {
    Word factor = Word{1} << (kBits - 1 - 8);  // x^8
    for (; byte_count != 0; byte_count >>= 1) {
      if ((byte_count & 1) != 0) crc = times(crc, factor);
      factor = times(factor, factor);
    }
    return crc;
  }

 private:
  static constexpr unsigned kBits = sizeof(Word) * 8;
  static constexpr size_t kBlockBytes = 16;
  static constexpr size_t kStripeBytes = 4 * kBlockBytes;
  static constexpr size_t kSlices = 8;
  // kTables[n][byte]: what `byte` adds to the register when n more bytes follow it.
  using Tables = std::array<std::array<Word, 256>, kSlices>;

  static constexpr Word times_x(Word value) { return (value >> 1) ^ ((value & 1) != 0 ? Polynomial : Word{0}); }

  static constexpr Word times(Word a, Word b) {
    Word product = 0;
    for (unsigned i = 0; i < kBits; ++i) {
      if ((a >> (kBits - 1 - i) & 1) != 0) product ^= b;
      b = times_x(b);
    }
    return product;
  }

  static constexpr uint64_t power_of_x(unsigned exponent) {
    Word value = Word{1} << (kBits - 1);
    for (unsigned i = 0; i < exponent; ++i) value = times_x(value);
    return uint64_t{value} << (64 - kBits);
  }

  static constexpr Tables make_tables() {
    Tables tables{};
    for (unsigned byte = 0; byte < 256; ++byte) {
      Word crc = byte;
      for (int bit = 0; bit < 8; ++bit) crc = times_x(crc);
      tables[0][byte] = crc;
    }
    for (size_t slice = 1; slice < kSlices; ++slice) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        const Word before = tables[slice - 1][byte];
        tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
      }
    }
    return tables;
  }
  static constexpr Tables kTables = make_tables();

  static Word by_tables(Word crc, const char* from, size_t left) {
    for (; left >= 8; left -= 8, from += 8) {
      uint64_t word;
      std::memcpy(&word, from, sizeof(word));
      word ^= crc;
      crc = 0;
      for (size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 0xff];
    }
    for (; left > 0; --left, ++from) {
      crc = static_cast<Word>((crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(*from)) & 0xff]);
    }
    return crc;
  }

  static __m128i load(const char* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }

  // `block`, moved `Distance` bits on.
  template <unsigned Distance>
  static __m128i moved(__m128i block) {
    constexpr uint64_t kFirst = power_of_x(Distance + 64 - 1);
    constexpr uint64_t kSecond = power_of_x(Distance - 1);
    const __m128i factors = _mm_set_epi64x(static_cast<int64_t>(kSecond), static_cast<int64_t>(kFirst));
    return _mm_xor_si128(_mm_clmulepi64_si128(block, factors, 0x00), _mm_clmulepi64_si128(block, factors, 0x11));
  }

  static void fold(Word& crc, const char*& from, size_t& left) {
    __m128i blocks[4];
    for (size_t i = 0; i < 4; ++i) blocks[i] = load(from + i * kBlockBytes);
    blocks[0] = _mm_xor_si128(blocks[0], _mm_cvtsi64_si128(static_cast<int64_t>(uint64_t{crc})));
    from += kStripeBytes;
    left -= kStripeBytes;
    for (; left >= kStripeBytes; from += kStripeBytes, left -= kStripeBytes) {
      for (size_t i = 0; i < 4; ++i) {
        blocks[i] = _mm_xor_si128(moved<kStripeBytes * 8>(blocks[i]), load(from + i * kBlockBytes));
      }
    }
    for (size_t i = 1; i < 4; ++i) blocks[i] = _mm_xor_si128(moved<kBlockBytes * 8>(blocks[i - 1]), blocks[i]);
    char last[kBlockBytes];
    std::memcpy(last, &blocks[3], sizeof(last));
    crc = by_tables(0, last, sizeof(last));
  }
};

}  // namespace keelson::crc_detail
