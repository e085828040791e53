#include "engine/kv/args.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "base/check.h"

namespace keelson::kv {

namespace {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// strtod and strtold need a terminating zero, which an argument does not have.
constexpr size_t kNumberTextMax = 5 * 1024;

template <class Float, class Convert>
bool parse_float(std::string_view text, Float& value, Float huge, Convert convert) {
  if (text.empty() || text.size() >= kNumberTextMax || is_blank(text[0])) return false;
  char small[64];
  std::string large;
  const char* terminated = small;
  if (text.size() < sizeof(small)) {
    std::memcpy(small, text.data(), text.size());
    small[text.size()] = '\0';
  } else {
    large.assign(text);
    terminated = large.c_str();
  }
  errno = 0;
  char* end = nullptr;
  const Float parsed = convert(terminated, &end);
  if (static_cast<size_t>(end - terminated) != text.size()) return false;
  if (errno == ERANGE && (parsed == huge || parsed == -huge || std::fpclassify(parsed) == FP_ZERO)) return false;
  if (std::isnan(parsed)) return false;
  value = parsed;
  return true;
}

}  // namespace

bool parse_int64(std::string_view text, int64_t& value) {
  if (text.empty() || text.size() >= kInt64DigitsMax) return false;
  if (text.size() == 1) {
    if (text[0] < '0' || text[0] > '9') return false;
    value = text[0] - '0';
    return true;
  }
  const bool is_negative = text[0] == '-';
  size_t at = is_negative ? 1 : 0;
  if (text[at] < '1' || text[at] > '9') return false;
  uint64_t sum = 0;
  for (; at < text.size(); ++at) {
    const unsigned digit = static_cast<unsigned char>(text[at]) - unsigned{'0'};
    if (digit > 9) return false;
    if (__builtin_mul_overflow(sum, uint64_t{10}, &sum) || __builtin_add_overflow(sum, uint64_t{digit}, &sum)) {
      return false;
    }
  }
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  if (sum > kMost + (is_negative ? 1 : 0)) return false;
  value = is_negative ? static_cast<int64_t>(0 - sum) : static_cast<int64_t>(sum);
  return true;
}

bool parse_double(std::string_view text, double& value) {
  // Most scores are small whole numbers: no need of strtod.
  if (int64_t whole = 0; text.size() <= 15 && parse_int64(text, whole)) {
    value = static_cast<double>(whole);
    return true;
  }
  return parse_float(text, value, HUGE_VAL, [](const char* from, char** end) { return std::strtod(from, end); });
}

bool parse_long_double(std::string_view text, long double& value) {
  return parse_float(text, value, HUGE_VALL, [](const char* from, char** end) { return std::strtold(from, end); });
}

std::string_view format_int64(int64_t value, char* into) {
  const auto written = std::to_chars(into, into + kInt64DigitsMax, value);
  return {into, static_cast<size_t>(written.ptr - into)};
}

std::string format_long_double(long double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // As many digits as the largest long double has in front of the point, and 17 behind it.
  constexpr size_t kTextMax = 5 * 1024;
  char text[kTextMax];
  auto length = static_cast<size_t>(std::snprintf(text, sizeof(text), "%.17Lf", value));
  KEELSON_CHECK(length < kTextMax, "a long double is longer than its buffer");
  while (text[length - 1] == '0') --length;
  if (text[length - 1] == '.') --length;
  if (length == 2 && text[0] == '-' && text[1] == '0') return "0";
  return {text, length};
}

std::string format_double(double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (std::isnan(value)) return "nan";
  char digits[kInt64DigitsMax];
  // Whole numbers print without a point or an exponent as far as a double counts exactly (Redis's double2ll rule).
  if (value > -4503599627370496.0 && value < 4503599627370496.0 && value == std::trunc(value)) {
    if (value == 0 && std::signbit(value)) return "-0";
    return std::string(format_int64(static_cast<int64_t>(value), digits));
  }
  char text[40];
  const int length = std::snprintf(text, sizeof(text), "%.17g", value);
  return {text, static_cast<size_t>(length)};
}

bool int_arg(CommandContext& context, size_t index, int64_t& value, std::string_view error) {
  if (parse_int64(context.arg(index), value)) return true;
  context.out.error(error);
  return false;
}

bool int_arg_in(CommandContext& context, size_t index, int64_t least, int64_t most, int64_t& value,
                std::string_view error) {
  if (!int_arg(context, index, value, error.empty() ? kErrNotInteger : error)) return false;
  if (value >= least && value <= most) return true;
  if (!error.empty()) {
    context.out.error(error);
  } else {
    context.out.error("ERR value is out of range, value must between " + std::to_string(least) + " and " +
                      std::to_string(most));
  }
  return false;
}

bool positive_arg(CommandContext& context, size_t index, int64_t& value) {
  if (!parse_int64(context.arg(index), value) || value < 0) {
    context.out.error(kErrNotPositive);
    return false;
  }
  return true;
}

bool double_arg(CommandContext& context, size_t index, double& value, std::string_view error) {
  if (parse_double(context.arg(index), value)) return true;
  context.out.error(error);
  return false;
}

bool long_double_arg(CommandContext& context, size_t index, long double& value) {
  if (parse_long_double(context.arg(index), value)) return true;
  context.out.error(kErrNotFloat);
  return false;
}

void reply_invalid_expire(CommandContext& context, std::string_view lower_case_command) {
  std::string text = "ERR invalid expire time in '";
  text += lower_case_command;
  text += "' command";
  context.out.error(text);
}

bool absolute_expiry(int64_t amount, bool is_seconds, bool is_relative, int64_t now_ms, int64_t& expires_at_ms) {
  if (is_seconds && __builtin_mul_overflow(amount, int64_t{1000}, &amount)) return false;
  if (is_relative && __builtin_add_overflow(amount, now_ms, &amount)) return false;
  expires_at_ms = amount;
  return true;
}

uint16_t code_of(std::string_view name) {
  const CommandSpec* spec = find_command(name);
  KEELSON_CHECK(spec != nullptr, "a command is missing in the table");
  return spec->code;
}

}  // namespace keelson::kv
