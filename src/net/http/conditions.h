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

// How entity tags in a request are compared.
enum class TagRules : uint8_t {
  kRfc9110,  // If-Match and If-Range strongly: weak tags match nothing (§8.8.3.2)
  kLenient,  // as S3 does: weak tags count in If-Match, and a tag need not have quotes (then "," ends it)
};

// Does the list of an If-Match or If-None-Match field ("*", or tags) hold this entity tag? `tag` with its quotes, W/
// before a weak one. `tag` empty: there is no representation, so "*" does not match either.
[[nodiscard]] bool etag_list_matches(std::string_view list, std::string_view tag, bool is_strong,
                                     TagRules rules = TagRules::kRfc9110);

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

// The same of values that stand elsewhere than in fields of these names (S3's x-amz-copy-source-if-...).
struct PreconditionFields {
  std::optional<std::string_view> if_match = {};
  std::optional<std::string_view> if_none_match = {};
  std::optional<std::string_view> if_modified_since = {};
  std::optional<std::string_view> if_unmodified_since = {};
};
// `is_read`: of a GET or HEAD.
[[nodiscard]] Precondition check_preconditions(const PreconditionFields& fields, bool is_read, const Validators& target,
                                               TagRules rules);

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
// ranges are ignored. Ranges are in the order in which they were asked for, those beyond the end left out. A position
// too large for 64 bits is beyond every end.
RangeOutcome parse_range(std::string_view value, uint64_t size, size_t ranges_max, std::vector<ByteRange>& ranges);
// Does If-Range (§13.1.5), if there is one, let the Range field count? Only a strong tag or the very date does.
[[nodiscard]] bool range_applies(const Fields& fields, const Validators& target);
[[nodiscard]] bool range_applies(std::string_view if_range, const Validators& target, TagRules rules);

}  // namespace keelson::net::http
