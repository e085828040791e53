#include "engine/kv/args.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/numbers.h"

namespace keelson::kv {

namespace {

template <class Number>
bool take(CommandContext& context, std::optional<Number> parsed, Number& value, std::string_view error) {
  if (!parsed) {
    context.out.error(error);
    return false;
  }
  value = *parsed;
  return true;
}

}  // namespace

bool int_arg(CommandContext& context, size_t index, int64_t& value, std::string_view error) {
  return take(context, parse_int64(context.arg(index)), value, error);
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
  const std::optional<int64_t> parsed = parse_int64(context.arg(index));
  return take(context, parsed && *parsed >= 0 ? parsed : std::nullopt, value, kErrNotPositive);
}

bool double_arg(CommandContext& context, size_t index, double& value, std::string_view error) {
  return take(context, parse_double(context.arg(index)), value, error);
}

bool long_double_arg(CommandContext& context, size_t index, long double& value) {
  return take(context, parse_long_double(context.arg(index)), value, kErrNotFloat);
}

std::string_view parse_timeout(std::string_view text, int64_t now_ms, int64_t& timeout_ms) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const std::optional<long double> seconds = parse_long_double(text);
  if (!seconds) return "ERR timeout is not a float or out of range";
  const long double milliseconds = std::ceil(*seconds * 1000);
  // Redis 7.0 says so of what is far too large as well.
  if (milliseconds < 0 || milliseconds > static_cast<long double>(kMost)) return "ERR timeout is negative";
  timeout_ms = std::min(static_cast<int64_t>(milliseconds), kMost - now_ms);
  return {};
}

bool timeout_arg(CommandContext& context, size_t index) {
  int64_t timeout_ms = 0;
  const std::string_view error = parse_timeout(context.arg(index), context.now_ms, timeout_ms);
  if (!error.empty()) context.out.error(error);
  return error.empty();
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

std::optional<uint64_t> parse_cursor(std::string_view text) {
  if (text.empty()) return 0;
  const bool is_negative = text[0] == '-';
  if (is_negative || text[0] == '+') text.remove_prefix(1);
  const std::optional<uint64_t> value = parse_uint64(text);
  return value && is_negative ? 0 - *value : value;
}

uint16_t code_of(std::string_view name) {
  const CommandSpec* spec = find_command(name);
  KEELSON_CHECK(spec != nullptr, "a command is missing in the table");
  return spec->code;
}

}  // namespace keelson::kv
