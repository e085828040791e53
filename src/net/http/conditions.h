// Conditional requests (RFC 9110 §13) and ranges (§14), as pure functions over field values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "net/http/fields.h"

namespace keelson::net::http {

// Seconds since 1970 of an HTTP-date (§5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT", and the two obsolete forms, of which
// the one with two digits for the year is read as 1970 to 2069. nullopt if it is none.
[[nodiscard]] std::optional<int64_t> parse_http_date(std::string_view text);

// Does the list of an If-Match or If-None-Match field ("*", or tags) hold this entity tag? `tag` with its quotes, W/
// before a weak one. Strong: weak tags match nothing (§8.8.3.2). `tag` empty: there is no representation, so "*" does
// not match either.
[[nodiscard]] bool etag_list_matches(std::string_view list, std::string_view tag, bool is_strong);

// What there is of the target, for the preconditions.
struct Validators {
  std::string_view etag;                   // with its quotes; empty: there is no representation
  std::optional<int64_t> modified_s = {};  // Last-Modified, in seconds since 1970
};

enum class Precondition : uint8_t {
  kHolds,        // go on
  kNotModified,  // answer 304 (to GET and HEAD)
  kFailed,       // answer 412
};
// In the order of §13.2.2. If-Range is not among them: see range_applies().
[[nodiscard]] Precondition check_preconditions(std::string_view method, const Fields& fields, const Validators& target);

// Bytes first..last, both included.
struct ByteRange {
  uint64_t first = 0;
  uint64_t last = 0;
  [[nodiscard]] uint64_t size() const { return last - first + 1; }
};

enum class RangeOutcome : uint8_t {
  kWhole,          // no range, or one that is to be ignored: answer 200 with everything
  kSome,           // answer 206 with these
  kUnsatisfiable,  // answer 416
};
// A Range field for `size` bytes (§14.1.2, §14.2). Other units than bytes, bad syntax, and more than `ranges_max`
// ranges are ignored. Ranges are in the order in which they were asked for, those beyond the end left out.
RangeOutcome parse_range(std::string_view value, uint64_t size, size_t ranges_max, std::vector<ByteRange>& ranges);
// Does If-Range (§13.1.5), if there is one, let the Range field count? Only a strong tag or the very date does.
[[nodiscard]] bool range_applies(const Fields& fields, const Validators& target);

}  // namespace keelson::net::http
