// Dates as S3 and HTTP write them. Milliseconds since 1970-01-01 UTC throughout; years 1970 to 9999. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::s3 {

// "20130524T000000Z", as x-amz-date has it.
[[nodiscard]] std::optional<int64_t> parse_amz_date(std::string_view text);
[[nodiscard]] std::string format_amz_date(int64_t time_ms);
// "20130524".
[[nodiscard]] std::string format_day(int64_t time_ms);

// HTTP dates in all three forms of RFC 9110, section 5.6.7, and with a numeric zone ("+0000"), which old S3 clients
// send.
[[nodiscard]] std::optional<int64_t> parse_http_date(std::string_view text);
// "Sun, 06 Nov 1994 08:49:37 GMT"; part of a second is cut off.
[[nodiscard]] std::string format_http_date(int64_t time_ms);
// "06/Feb/2019:00:00:38 +0000", as access logs have it.
[[nodiscard]] std::string format_log_time(int64_t time_ms);

// "2009-10-12T17:50:30Z", with up to nine digits of a fraction, "+02:00" instead of "Z", or the day alone.
[[nodiscard]] std::optional<int64_t> parse_iso8601(std::string_view text);
// "2009-10-12T17:50:30.123Z".
[[nodiscard]] std::string format_iso8601(int64_t time_ms);

}  // namespace keelson::s3
