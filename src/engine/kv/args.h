// Reading a command's arguments the way Redis does, and the error texts that several handlers share.
//
// The functions that take a CommandContext answer with Redis's error text when they fail and then return false: the
// handler just returns. (Numbers as text are base/numbers.h.)
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/kv/command.h"

namespace keelson::kv {

inline constexpr std::string_view kReplyOk = "OK";
inline constexpr std::string_view kErrWrongType = "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr std::string_view kErrSyntax = "ERR syntax error";
inline constexpr std::string_view kErrNoSuchKey = "ERR no such key";
inline constexpr std::string_view kErrNotInteger = "ERR value is not an integer or out of range";
inline constexpr std::string_view kErrNotFloat = "ERR value is not a valid float";
inline constexpr std::string_view kErrNotPositive = "ERR value is out of range, must be positive";
inline constexpr std::string_view kErrOutOfRange = "ERR index out of range";
inline constexpr std::string_view kErrStringTooLong = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
inline constexpr std::string_view kErrOverflow = "ERR increment or decrement would overflow";
inline constexpr std::string_view kErrNanOrInfinity = "ERR increment would produce NaN or Infinity";

// The longest string that a command may make: Redis's default proto-max-bulk-len.
inline constexpr uint64_t kStringBytesMax = uint64_t{512} << 20;

// Does the argument spell `option` (given in upper case) in any case?
[[nodiscard]] inline bool is_option(std::string_view argument, std::string_view option) {
  if (argument.size() != option.size()) return false;
  for (size_t i = 0; i < option.size(); ++i) {
    char c = argument[i];
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c != option[i]) return false;
  }
  return true;
}

// Argument `index` as a number.
[[nodiscard]] bool int_arg(CommandContext& context, size_t index, int64_t& value,
                           std::string_view error = kErrNotInteger);
// Within [least, most]; `error` empty: Redis's general text for the range.
[[nodiscard]] bool int_arg_in(CommandContext& context, size_t index, int64_t least, int64_t most, int64_t& value,
                              std::string_view error = {});
// Not negative, as Redis's "must be positive" counts 0 as well.
[[nodiscard]] bool positive_arg(CommandContext& context, size_t index, int64_t& value);
[[nodiscard]] bool double_arg(CommandContext& context, size_t index, double& value,
                              std::string_view error = kErrNotFloat);
[[nodiscard]] bool long_double_arg(CommandContext& context, size_t index, long double& value);

// The timeout of a blocking command: seconds, maybe with a fraction, as milliseconds rounded up; 0 waits for ever. The
// result is the error to answer, empty if there is none. (Sessions use it as well.)
[[nodiscard]] std::string_view parse_timeout(std::string_view text, int64_t now_ms, int64_t& timeout_ms);
[[nodiscard]] bool timeout_arg(CommandContext& context, size_t index);

// "ERR invalid expire time in 'set' command".
void reply_invalid_expire(CommandContext& context, std::string_view lower_case_command);

// An absolute expiry in ms from what a client gave: `is_seconds` or ms, `is_relative` to now_ms. False where Redis says
// "invalid expire time": overflow. (Whether 0 or less is an error depends on the command: the caller looks.)
[[nodiscard]] bool absolute_expiry(int64_t amount, bool is_seconds, bool is_relative, int64_t now_ms,
                                   int64_t& expires_at_ms);

// Redis's start/stop indexes (negative: from the end), clamped to [0, size); false if nothing is left.
[[nodiscard]] inline bool clamp_range(int64_t& start, int64_t& stop, int64_t size) {
  if (start < 0) start += size;
  if (stop < 0) stop += size;
  if (start < 0) start = 0;
  if (start > stop || start >= size) return false;
  if (stop >= size) stop = size - 1;
  return true;
}

// A cursor of the SCAN family: what strtoul takes, as in Redis (a sign is allowed, and an empty text is 0).
[[nodiscard]] std::optional<uint64_t> parse_cursor(std::string_view text);

// The code of a command that the table is known to have. O(1); keep it in a static where it matters.
[[nodiscard]] uint16_t code_of(std::string_view name);

}  // namespace keelson::kv
