#include "base/numbers.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace keelson {

namespace {

// Longer numbers exist ("0.000...1") but are not worth a fast path.
constexpr size_t kStackTextBytes = 256;
constexpr double kExactIntegerMax = 9007199254740992.0;  // 2^53: at most 16 digits, which %.17g prints in full

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

// strtod or strtold on text that ends in a NUL; the whole of it has to be taken.
template <class Number>
std::optional<Number> parse_with_libc(const char* text, size_t size, Number (*parse)(const char*, char**)) {
  errno = 0;
  char* end = nullptr;
  const Number value = parse(text, &end);
  if (static_cast<size_t>(end - text) != size || std::isnan(value)) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

DoubleText from_text(std::string_view text) {
  DoubleText result;
  std::memcpy(result.bytes.data(), text.data(), text.size());
  result.size = static_cast<uint8_t>(text.size());
  return result;
}

// Everything that both notations of a double share; false leaves it to the caller.
bool format_special(double value, DoubleText& result) {
  if (std::isnan(value)) {
    result = from_text("nan");
  } else if (std::isinf(value)) {
    result = from_text(value > 0 ? "inf" : "-inf");
  } else if (std::fabs(value) < kExactIntegerMax && value == std::trunc(value) &&
             (value != 0 || !std::signbit(value))) {
    result = from_text(format_int64(static_cast<int64_t>(value)));
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<int64_t> parse_int64(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  const size_t begin = negative ? 1 : 0;
  const size_t digits = text.size() - begin;
  if (digits == 0 || digits > 19) return std::nullopt;
  const auto first = static_cast<unsigned>(text[begin] - '0');
  if (first == 0) return text.size() == 1 ? std::optional<int64_t>(0) : std::nullopt;
  uint64_t value = 0;  // 19 digits always fit
  for (size_t i = begin; i < text.size(); ++i) {
    const auto digit = static_cast<unsigned>(text[i] - '0');
    if (digit > 9) return std::nullopt;
    value = value * 10 + digit;
  }
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (negative) return value <= kMax + 1 ? std::optional<int64_t>(static_cast<int64_t>(0 - value)) : std::nullopt;
  return value <= kMax ? std::optional<int64_t>(static_cast<int64_t>(value)) : std::nullopt;
}

std::optional<uint64_t> parse_uint64(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_double(std::string_view text) {
  if (text.empty() || is_space(text.front())) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) {
    return std::isnan(value) ? std::nullopt : std::optional<double>(value);
  }
  // A plus, hexadecimal, an overflow: rare, so libc may decide.
  if (text.size() >= kStackTextBytes) {
    const std::string copy(text);
    return parse_with_libc<double>(copy.c_str(), copy.size(), std::strtod);
  }
  char copy[kStackTextBytes];
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return parse_with_libc<double>(copy, text.size(), std::strtod);
}

std::optional<long double> parse_long_double(std::string_view text) {
  if (text.empty() || text.size() >= kStackTextBytes || is_space(text.front())) return std::nullopt;
  char copy[kStackTextBytes];
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return parse_with_libc<long double>(copy, text.size(), std::strtold);
}

IntegerText format_int64(int64_t value) {
  IntegerText result;
  const auto end = std::to_chars(result.bytes.data(), result.bytes.data() + result.bytes.size(), value).ptr;
  result.size = static_cast<uint8_t>(end - result.bytes.data());
  return result;
}

IntegerText format_uint64(uint64_t value) {
  IntegerText result;
  const auto end = std::to_chars(result.bytes.data(), result.bytes.data() + result.bytes.size(), value).ptr;
  result.size = static_cast<uint8_t>(end - result.bytes.data());
  return result;
}

DoubleText format_double(double value) {
  DoubleText result;
  if (format_special(value, result)) return result;
  const auto end = std::to_chars(result.bytes.data(), result.bytes.data() + result.bytes.size(), value,
                                 std::chars_format::general, 17)
                       .ptr;
  result.size = static_cast<uint8_t>(end - result.bytes.data());
  return result;
}

DoubleText format_double_shortest(double value) {
  DoubleText result;
  if (format_special(value, result)) return result;
  const auto end =
      std::to_chars(result.bytes.data(), result.bytes.data() + result.bytes.size(), value, std::chars_format::general)
          .ptr;
  result.size = static_cast<uint8_t>(end - result.bytes.data());
  return result;
}

std::string format_long_double(long double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char text[5 * 1024];  // the largest has 4,933 digits before its point
  int size = std::snprintf(text, sizeof(text), "%.17Lf", value);
  while (size > 0 && text[size - 1] == '0') --size;
  if (size > 0 && text[size - 1] == '.') --size;
  const std::string_view view(text, static_cast<size_t>(size));
  return std::string(view == "-0" ? "0" : view);
}

}  // namespace keelson
