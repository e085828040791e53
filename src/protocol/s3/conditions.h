// Ranges (RFC 9110, section 14) and conditional requests (section 13) of objects. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace keelson::s3 {

// Bytes of an object: `size` of them from `offset`.
struct ByteRange {
  uint64_t offset = 0;
  uint64_t size = 0;
};

enum class RangeKind : uint8_t {
  kWhole,  // none asked for, or a form that is ignored (another unit, several ranges, bad syntax), as S3 does
  kPart,
  kUnsatisfiable,  // 416
};
struct RangeAnswer {
  RangeKind kind = RangeKind::kWhole;
  ByteRange range = {};  // of kWhole: the whole object
};
[[nodiscard]] RangeAnswer resolve_range(std::optional<std::string_view> field, uint64_t object_bytes);

// x-amz-copy-source-range: "bytes=first-last", both given and inside the source; nullopt otherwise.
[[nodiscard]] std::optional<ByteRange> parse_copy_range(std::string_view field, uint64_t source_bytes);

// The fields of a conditional request, as sent. For a copy's source they are x-amz-copy-source-if-....
struct Conditions {
  std::optional<std::string_view> if_match = {};
  std::optional<std::string_view> if_none_match = {};
  std::optional<std::string_view> if_modified_since = {};
  std::optional<std::string_view> if_unmodified_since = {};
  [[nodiscard]] bool any() const { return if_match || if_none_match || if_modified_since || if_unmodified_since; }
};

enum class ConditionAnswer : uint8_t { kGo, kNotModified, kPreconditionFailed };

// For GET and HEAD of an object with this entity tag (without quotes) and time, in the order of RFC 9110, section
// 13.2.2. For a copy's source kNotModified means the same as kPreconditionFailed.
[[nodiscard]] ConditionAnswer check_conditions(const Conditions& conditions, std::string_view etag,
                                               int64_t modified_ms);

// If-Range (RFC 9110, section 13.1.5): may the range be given? Else the whole object is. Entity tags are compared
// strongly, dates for equality.
[[nodiscard]] bool if_range_holds(std::string_view field, std::string_view etag, int64_t modified_ms);

// Does an If-Match or If-None-Match field ('*', or entity tags with commas between, quoted or not, weak or strong) name
// this entity tag (without quotes)?
[[nodiscard]] bool names_etag(std::string_view field, std::string_view etag);

}  // namespace keelson::s3
