// Numbers as text, exactly as Redis 7.0 reads and writes them. Any thread; no locale.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson {

// A number's text, held by value.
template <size_t Capacity>
struct ShortText {
  std::array<char, Capacity> bytes;
  uint8_t size = 0;
  [[nodiscard]] std::string_view view() const { return {bytes.data(), size}; }
  operator std::string_view() const { return view(); }  // NOLINT(google-explicit-constructor): it is one
};
using IntegerText = ShortText<20>;  // "-9223372036854775808"
using DoubleText = ShortText<27>;   // "-1.7976931348623157e+308" and room for the widest of its kind

// Redis's string2ll: no spaces, no plus, no leading zeros, no "-0", nothing that does not fit.
[[nodiscard]] std::optional<int64_t> parse_int64(std::string_view text);
// Digits alone, leading zeros allowed: cursors and the like.
[[nodiscard]] std::optional<uint64_t> parse_uint64(std::string_view text);
// What C's strtod takes as a whole ("1e5", "0x1p3", "+.5", "inf", "-infinity"), less: leading white space, nan,
// overflow and underflow to zero.
[[nodiscard]] std::optional<double> parse_double(std::string_view text);
// The same in x87 precision, for INCRBYFLOAT; at most 255 bytes, as Redis has it.
[[nodiscard]] std::optional<long double> parse_long_double(std::string_view text);

[[nodiscard]] IntegerText format_int64(int64_t value);
[[nodiscard]] IntegerText format_uint64(uint64_t value);
// printf's "%.17g" ("0.10000000000000001", "3", "1e+17"), and "inf", "-inf", "nan": scores and RESP doubles in
// Redis 7.0.
[[nodiscard]] DoubleText format_double(double value);
// The shortest text that reads back as the same double ("0.1"), in the same notation.
[[nodiscard]] DoubleText format_double_shortest(double value);
// "%.17Lf" without the zeros at its end: what INCRBYFLOAT and HINCRBYFLOAT print and store.
[[nodiscard]] std::string format_long_double(long double value);

}  // namespace keelson
