#include "net/http/hpack_huffman.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace keelson::net::http {

namespace {

constexpr size_t kSymbols = 257;  // all bytes, and the end of a string
constexpr unsigned kEnd = 256;
constexpr unsigned kBitsMax = 30;

// How many bits each symbol takes. The code is canonical (shorter codes first, of one length by symbol), so that this
// says all of Appendix B.
constexpr std::array<uint8_t, kSymbols> kBits = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,  5,  5,  5,  6,  6,  6,  6,  6,  6,  6,
    7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
    7,  8,  7,  8,  13, 19, 13, 14, 6,  15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,
    5,  6,  7,  7,  7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24,
    24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22,
    23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26,
    27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23,
    22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30};

// Codes of up to this many bits, which all of English takes, are looked up at once.
constexpr unsigned kShortBits = 8;

struct Code {
  // Of each length: the first code behind the last of that length, moved to the top of 32 bits (0 if there is none so
  // long), and what to add to a code to have its place in `symbols`.
  std::array<uint64_t, kBitsMax + 1> limit{};
  std::array<int32_t, kBitsMax + 1> offset{};
  std::array<uint16_t, kSymbols> symbols{};
  struct Short {
    uint8_t symbol = 0;
    uint8_t bits = 0;  // 0: longer
  };
  std::array<Short, 1u << kShortBits> shorts{};
};

constexpr Code make_code() {
  Code made;
  uint32_t code = 0;
  size_t place = 0;
  for (unsigned bits = 1; bits <= kBitsMax; ++bits) {
    code <<= 1;
    made.offset[bits] = static_cast<int32_t>(place) - static_cast<int32_t>(code);
    for (unsigned symbol = 0; symbol < kSymbols; ++symbol) {
      if (kBits[symbol] != bits) continue;
      made.symbols[place++] = static_cast<uint16_t>(symbol);
      if (bits <= kShortBits) {
        const unsigned free_bits = kShortBits - bits;
        for (unsigned rest = 0; rest < (1u << free_bits); ++rest) {
          made.shorts[(code << free_bits) | rest] = {static_cast<uint8_t>(symbol), static_cast<uint8_t>(bits)};
        }
      }
      ++code;
    }
    made.limit[bits] = uint64_t{code} << (32 - bits);
  }
  return made;
}
constexpr Code kCode = make_code();
// A complete code leaves nothing over.
static_assert(kCode.limit[kBitsMax] == uint64_t{1} << 32);

}  // namespace

bool huffman_decode(std::string_view bytes, std::string& into) {
  // The next bits stand at the top of `bits`; `held` of them are there, zeros behind them.
  uint64_t bits = 0;
  unsigned held = 0;
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = at + bytes.size();
  while (true) {
    while (held <= 56 && at != end) {
      bits |= uint64_t{*at++} << (56 - held);
      held += 8;
    }
    if (held == 0) return true;
    const Code::Short& known = kCode.shorts[bits >> (64 - kShortBits)];
    if (known.bits != 0 && known.bits <= held) {
      into.push_back(static_cast<char>(known.symbol));
      bits <<= known.bits;
      held -= known.bits;
      continue;
    }
    const uint64_t top = bits >> 32;
    unsigned length = 5;  // the shortest
    while (length <= kBitsMax && top >= kCode.limit[length]) ++length;
    if (length > held || length > kBitsMax) {
      // What is left is no whole code: padding, which is all ones and less than a byte.
      return at == end && held < 8 && (bits >> (64 - held)) == (1u << held) - 1;
    }
    const auto code = static_cast<int32_t>(top >> (32 - length));
    const unsigned symbol = kCode.symbols[static_cast<size_t>(code + kCode.offset[length])];
    if (symbol == kEnd) return false;
    into.push_back(static_cast<char>(symbol));
    bits <<= length;
    held -= length;
  }
}

}  // namespace keelson::net::http
