#include "protocol/s3/conditions.h"

#include <algorithm>
#include <charconv>

#include "protocol/s3/dates.h"

namespace keelson::s3 {

namespace {

constexpr int64_t kMsPerSecond = 1000;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits alone; what does not fit is the largest number.
std::optional<uint64_t> number(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? value : UINT64_MAX;
}

}  // namespace

RangeAnswer resolve_range(std::optional<std::string_view> field, uint64_t object_bytes) {
  const RangeAnswer whole{RangeKind::kWhole, {0, object_bytes}};
  constexpr std::string_view kUnit = "bytes=";
  if (!field || !field->starts_with(kUnit)) return whole;
  const std::string_view text = field->substr(kUnit.size());
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos || text.find(',') != std::string_view::npos) return whole;
  const auto first = number(text.substr(0, dash));
  const auto last = number(text.substr(dash + 1));
  if (dash == 0) {
    if (!last) return whole;
    if (*last == 0) return {RangeKind::kUnsatisfiable};
    // The last bytes of nothing are nothing, which no Content-Range can say.
    if (object_bytes == 0) return whole;
    const uint64_t size = std::min(*last, object_bytes);
    return {RangeKind::kPart, {object_bytes - size, size}};
  }
  if (!first || (!last && dash + 1 != text.size()) || (last && *last < *first)) return whole;
  if (*first >= object_bytes) return {RangeKind::kUnsatisfiable};
  const uint64_t end = last && *last < object_bytes - 1 ? *last + 1 : object_bytes;
  return {RangeKind::kPart, {*first, end - *first}};
}

std::optional<ByteRange> parse_copy_range(std::string_view field, uint64_t source_bytes) {
  constexpr std::string_view kUnit = "bytes=";
  if (!field.starts_with(kUnit)) return std::nullopt;
  field.remove_prefix(kUnit.size());
  const size_t dash = field.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number(field.substr(0, dash));
  const auto last = number(field.substr(dash + 1));
  if (!first || !last || *last < *first || *last >= source_bytes) return std::nullopt;
  return ByteRange{*first, *last - *first + 1};
}

bool names_etag(std::string_view field, std::string_view etag) {
  while (true) {
    const size_t end = std::min(field.find(','), field.size());
    std::string_view one = trim(field.substr(0, end));
    if (one == "*") return true;
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one.size() >= 2 && one.front() == '"' && one.back() == '"') one = one.substr(1, one.size() - 2);
    if (one == etag) return true;
    if (end == field.size()) return false;
    field.remove_prefix(end + 1);
  }
}

bool if_range_holds(std::string_view field, std::string_view etag, int64_t modified_ms) {
  field = trim(field);
  if (field.starts_with("W/")) return false;
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"')
    return field.substr(1, field.size() - 2) == etag;
  const auto date_ms = parse_http_date(field);
  return date_ms ? *date_ms / kMsPerSecond == modified_ms / kMsPerSecond : field == etag;
}

ConditionAnswer check_conditions(const Conditions& conditions, std::string_view etag, int64_t modified_ms) {
  const int64_t modified_s = modified_ms / kMsPerSecond;
  if (conditions.if_match) {
    if (!names_etag(*conditions.if_match, etag)) return ConditionAnswer::kPreconditionFailed;
  } else if (conditions.if_unmodified_since) {
    const auto since_ms = parse_http_date(*conditions.if_unmodified_since);
    if (since_ms && modified_s > *since_ms / kMsPerSecond) return ConditionAnswer::kPreconditionFailed;
  }
  if (conditions.if_none_match) {
    if (names_etag(*conditions.if_none_match, etag)) return ConditionAnswer::kNotModified;
  } else if (conditions.if_modified_since) {
    const auto since_ms = parse_http_date(*conditions.if_modified_since);
    if (since_ms && modified_s <= *since_ms / kMsPerSecond) return ConditionAnswer::kNotModified;
  }
  return ConditionAnswer::kGo;
}

}  // namespace keelson::s3
