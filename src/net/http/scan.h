// Scans of bytes for HTTP/1.1 parsing: how far does a run of one class of characters go?
//
// Each function returns the first byte in [at, end) that is not of its class, or `end`. Pure; nothing behind `end` is
// read. Where the compiler targets SSSE3 or better (the house's x86-64 baseline does) sixteen bytes are classified at a
// time; elsewhere, and for the last bytes, a table is asked.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#ifdef __SSSE3__
#include <immintrin.h>
#endif

namespace keelson::net::http {

// A set of 7-bit characters; bytes from 0x80 on are never in it.
class CharClass {
 public:
  template <class Predicate>
  static constexpr CharClass of(Predicate holds) {
    CharClass made;
    for (unsigned c = 0; c < 128; ++c) {
      if (!holds(static_cast<char>(c))) continue;
      made.member_[c] = true;
      made.low_[c & 15] = static_cast<uint8_t>(made.low_[c & 15] | (1u << (c >> 4)));
    }
    return made;
  }

  [[nodiscard]] constexpr bool has(char c) const { return member_[static_cast<unsigned char>(c)]; }
  // RFC 5234 repetition: one or more, and nothing else.
  [[nodiscard]] bool holds_all(std::string_view text) const {
    return skip(text.data(), text.data() + text.size()) == text.data() + text.size();
  }

  [[nodiscard]] const char* skip(const char* at, const char* end) const {
#ifdef __SSSE3__
    // The low nibble picks a byte whose bit h says whether (h, low) is a member; the high nibble picks that bit.
    const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i*>(low_.data()));
    const __m128i bits = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i nibble = _mm_set1_epi8(15);
    while (end - at >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      const __m128i rows = _mm_shuffle_epi8(low, _mm_and_si128(bytes, nibble));
      const __m128i columns = _mm_shuffle_epi8(bits, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
      const __m128i misses = _mm_cmpeq_epi8(_mm_and_si128(rows, columns), _mm_setzero_si128());
      const auto mask = static_cast<unsigned>(_mm_movemask_epi8(misses));
      if (mask != 0) return at + __builtin_ctz(mask);
      at += 16;
    }
#endif
    while (at < end && has(*at)) ++at;
    return at;
  }

 private:
  alignas(16) std::array<uint8_t, 16> low_{};
  std::array<bool, 256> member_{};
};

// RFC 9110 §5.6.2: tchar.
inline constexpr CharClass kTokenChars = CharClass::of([](char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
});
// RFC 9113 §8.2.1: a name in HTTP/2.
inline constexpr CharClass kLowerTokenChars =
    CharClass::of([](char c) { return kTokenChars.has(c) && !(c >= 'A' && c <= 'Z'); });
// What a request target may hold: visible ASCII but "#". RFC 3986 §2 leaves out some more ("<>\^`{|}), which browsers
// send unescaped in queries all the same (URL Standard, "query percent-encode set"); none of them can end a line or a
// target, so they are let through, as llhttp does.
inline constexpr CharClass kTargetChars = CharClass::of([](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
// RFC 3986 §3.2.2 without userinfo: a host name, an address, or one in brackets, and a port.
inline constexpr CharClass kHostChars = CharClass::of([](char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-._~!$&'()*+,;=%:[]").find(c) != std::string_view::npos;
});

[[nodiscard]] inline bool is_token(std::string_view text) { return !text.empty() && kTokenChars.holds_all(text); }

// RFC 9110 §5.5: visible characters, blanks, tabs and bytes from 0x80 on. Stops at every other control character, so at
// CR, LF and NUL.
[[nodiscard]] inline const char* skip_field_value(const char* at, const char* end) {
#ifdef __SSSE3__
  const __m128i last_control = _mm_set1_epi8(0x1f);
  const __m128i tab = _mm_set1_epi8('\t');
  const __m128i del = _mm_set1_epi8(0x7f);
  while (end - at >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
    const __m128i misses =
        _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), controls), _mm_cmpeq_epi8(bytes, del));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(misses));
    if (mask != 0) return at + __builtin_ctz(mask);
    at += 16;
  }
#endif
  while (at < end) {
    const auto byte = static_cast<unsigned char>(*at);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) break;
    ++at;
  }
  return at;
}

[[nodiscard]] inline bool is_field_value(std::string_view text) {
  return skip_field_value(text.data(), text.data() + text.size()) == text.data() + text.size();
}

}  // namespace keelson::net::http
