#include "net/http/conditions.h"

#include <algorithm>
#include <array>

#include "base/numbers.h"

namespace keelson::net::http {

namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};

// Reads a text from its front.
struct Reader {
  std::string_view rest;
  bool is_good = true;

  void literal(std::string_view text) {
    is_good = is_good && rest.starts_with(text);
    if (is_good) rest.remove_prefix(text.size());
  }
  int digits(size_t count) {
    int value = 0;
    is_good = is_good && rest.size() >= count;
    for (size_t i = 0; is_good && i < count; ++i) {
      is_good = rest[i] >= '0' && rest[i] <= '9';
      value = value * 10 + (rest[i] - '0');
    }
    if (is_good) rest.remove_prefix(count);
    return value;
  }
  template <size_t Count>
  int one_of(const std::array<std::string_view, Count>& words) {
    for (size_t i = 0; is_good && i < Count; ++i) {
      if (!rest.starts_with(words[i])) continue;
      rest.remove_prefix(words[i].size());
      return static_cast<int>(i);
    }
    is_good = false;
    return 0;
  }
};

struct Parts {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

void read_time(Reader& reader, Parts& parts) {
  parts.hour = reader.digits(2);
  reader.literal(":");
  parts.minute = reader.digits(2);
  reader.literal(":");
  parts.second = reader.digits(2);
}

std::optional<int64_t> to_seconds(const Parts& parts) {
  constexpr std::array<int, 12> kDaysOf = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool is_leap = (parts.year % 4 == 0 && parts.year % 100 != 0) || parts.year % 400 == 0;
  const int days_of = kDaysOf[static_cast<size_t>(parts.month)] + (parts.month == 1 && is_leap ? 1 : 0);
  if (parts.day < 1 || parts.day > days_of || parts.hour > 23 || parts.minute > 59 || parts.second > 60) {
    return std::nullopt;
  }
  // Years that begin on a 1 March, in eras of 400.
  const int64_t year = parts.year - (parts.month < 2 ? 1 : 0);
  const int64_t month_from_march = (parts.month + 10) % 12;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * month_from_march + 2) / 5 + parts.day - 1;
  const int64_t days = era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
  return days * 86'400 + parts.hour * 3600 + parts.minute * 60 + parts.second;
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<int64_t> parse_fixdate(std::string_view text) {
  Reader reader{text};
  Parts parts;
  (void)reader.one_of(kDays);
  reader.literal(", ");
  parts.day = reader.digits(2);
  reader.literal(" ");
  parts.month = reader.one_of(kMonths);
  reader.literal(" ");
  parts.year = reader.digits(4);
  reader.literal(" ");
  read_time(reader, parts);
  reader.literal(" GMT");
  return reader.is_good && reader.rest.empty() ? to_seconds(parts) : std::nullopt;
}

// "Sunday, 06-Nov-94 08:49:37 GMT"
std::optional<int64_t> parse_rfc850_date(std::string_view text) {
  Reader reader{text};
  Parts parts;
  (void)reader.one_of(kLongDays);
  reader.literal(", ");
  parts.day = reader.digits(2);
  reader.literal("-");
  parts.month = reader.one_of(kMonths);
  reader.literal("-");
  const int year = reader.digits(2);
  parts.year = year < 70 ? 2000 + year : 1900 + year;
  reader.literal(" ");
  read_time(reader, parts);
  reader.literal(" GMT");
  return reader.is_good && reader.rest.empty() ? to_seconds(parts) : std::nullopt;
}

// "Sun Nov  6 08:49:37 1994"
std::optional<int64_t> parse_asctime_date(std::string_view text) {
  Reader reader{text};
  Parts parts;
  (void)reader.one_of(kDays);
  reader.literal(" ");
  parts.month = reader.one_of(kMonths);
  reader.literal(" ");
  if (reader.is_good && reader.rest.starts_with(' ')) {
    reader.literal(" ");
    parts.day = reader.digits(1);
  } else {
    parts.day = reader.digits(2);
  }
  reader.literal(" ");
  read_time(reader, parts);
  reader.literal(" ");
  parts.year = reader.digits(4);
  return reader.is_good && reader.rest.empty() ? to_seconds(parts) : std::nullopt;
}

bool is_weak(std::string_view tag) { return tag.starts_with("W/"); }
std::string_view opaque(std::string_view tag) { return is_weak(tag) ? tag.substr(2) : tag; }
std::string_view without_quotes(std::string_view tag) {
  return tag.size() >= 2 && tag.front() == '"' && tag.back() == '"' ? tag.substr(1, tag.size() - 2) : tag;
}

// A position in a Range: digits alone. What does not fit is the largest number, which is beyond every end.
std::optional<uint64_t> parse_position(std::string_view text) {
  const bool are_digits =
      !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!are_digits) return std::nullopt;
  return parse_uint64(text).value_or(UINT64_MAX);
}

// The order of §13.2.2. Of If-Match and If-None-Match: whether they match, if they are there.
Precondition decide(bool is_read, std::optional<bool> match, std::optional<bool> none_match,
                    std::optional<std::string_view> unmodified_since, std::optional<std::string_view> modified_since,
                    const Validators& target) {
  if (match) {
    if (!*match) return Precondition::kFailed;
  } else if (unmodified_since) {
    const std::optional<int64_t> date = parse_http_date(*unmodified_since);
    if (date && target.modified_s && *target.modified_s > *date) return Precondition::kFailed;
  }
  if (none_match) {
    if (*none_match) return is_read ? Precondition::kNotModified : Precondition::kFailed;
  } else if (modified_since && is_read) {
    const std::optional<int64_t> date = parse_http_date(*modified_since);
    if (date && target.modified_s && *target.modified_s <= *date) return Precondition::kNotModified;
  }
  return Precondition::kHolds;
}

// All lines of the name as one list would be. nullopt: there is none.
std::optional<bool> any_line_matches(const Fields& fields, std::string_view name, std::string_view tag,
                                     bool is_strong) {
  if (!fields.has(name)) return std::nullopt;
  return std::any_of(fields.begin(), fields.end(), [&](const Field& line) {
    return equal_ignoring_case(line.name, name) && etag_list_matches(line.value, tag, is_strong);
  });
}

// With and without quotes, weak and strong, "," between them.
bool lenient_list_matches(std::string_view list, std::string_view tag) {
  while (true) {
    const size_t end = std::min(list.find(','), list.size());
    const std::string_view one = trim_blanks(list.substr(0, end));
    if (one == "*" || without_quotes(opaque(one)) == without_quotes(opaque(tag))) return true;
    if (end == list.size()) return false;
    list.remove_prefix(end + 1);
  }
}

}  // namespace

std::optional<int64_t> parse_http_date(std::string_view text) {
  if (std::optional<int64_t> fixed = parse_fixdate(text)) return fixed;
  if (std::optional<int64_t> old = parse_rfc850_date(text)) return old;
  return parse_asctime_date(text);
}

bool etag_list_matches(std::string_view list, std::string_view tag, bool is_strong, TagRules rules) {
  if (tag.empty()) return false;
  if (rules == TagRules::kLenient) return lenient_list_matches(list, tag);
  if (trim_blanks(list) == "*") return true;
  while (true) {
    while (!list.empty() && (list.front() == ',' || list.front() == ' ' || list.front() == '\t')) list.remove_prefix(1);
    const size_t weak = list.starts_with("W/") ? 2 : 0;
    if (list.size() <= weak || list[weak] != '"') return false;  // the end, or no tag
    const size_t end = list.find('"', weak + 1);
    if (end == std::string_view::npos) return false;
    const std::string_view other = list.substr(0, end + 1);
    list.remove_prefix(end + 1);
    if (is_strong && (is_weak(other) || is_weak(tag))) continue;
    if (opaque(other) == opaque(tag)) return true;
  }
}

Precondition check_preconditions(std::string_view method, const Fields& fields, const Validators& target) {
  return decide(method == "GET" || method == "HEAD", any_line_matches(fields, "If-Match", target.etag, true),
                any_line_matches(fields, "If-None-Match", target.etag, false), fields.find("If-Unmodified-Since"),
                fields.find("If-Modified-Since"), target);
}

Precondition check_preconditions(const PreconditionFields& fields, bool is_read, const Validators& target,
                                 TagRules rules) {
  const auto matches = [&](const std::optional<std::string_view>& list, bool is_strong) -> std::optional<bool> {
    if (!list) return std::nullopt;
    return etag_list_matches(*list, target.etag, is_strong, rules);
  };
  return decide(is_read, matches(fields.if_match, true), matches(fields.if_none_match, false),
                fields.if_unmodified_since, fields.if_modified_since, target);
}

RangeOutcome parse_range(std::string_view value, uint64_t size, size_t ranges_max, std::vector<ByteRange>& ranges) {
  ranges.clear();
  constexpr std::string_view kUnit = "bytes=";
  if (!equal_ignoring_case(value.substr(0, kUnit.size()), kUnit)) return RangeOutcome::kWhole;
  std::string_view rest = value.substr(kUnit.size());
  // Blanks stand around commas alone (§5.6.1).
  if (rest != trim_blanks(rest)) return RangeOutcome::kWhole;
  size_t count = 0;
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view one = trim_blanks(rest.substr(0, comma));
    const size_t dash = one.find('-');
    if (dash == std::string_view::npos || ++count > ranges_max) return RangeOutcome::kWhole;
    const std::string_view from = one.substr(0, dash);
    const std::string_view to = one.substr(dash + 1);
    const std::optional<uint64_t> first = parse_position(from);
    const std::optional<uint64_t> last = parse_position(to);
    if ((!from.empty() && !first) || (!to.empty() && !last) || (!first && !last)) return RangeOutcome::kWhole;
    if (first && last && *last < *first) return RangeOutcome::kWhole;
    if (!first) {  // the last so many bytes
      // The last bytes of nothing can be had, but no Content-Range can say so.
      if (*last != 0 && size == 0) return RangeOutcome::kWhole;
      if (*last != 0) ranges.push_back({size - std::min(*last, size), size - 1});
    } else if (*first < size) {
      ranges.push_back({*first, last ? std::min(*last, size - 1) : size - 1});
    }
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return ranges.empty() ? RangeOutcome::kUnsatisfiable : RangeOutcome::kSome;
}

bool range_applies(const Fields& fields, const Validators& target) {
  const std::optional<std::string_view> condition = fields.find("If-Range");
  return !condition || range_applies(*condition, target, TagRules::kRfc9110);
}

bool range_applies(std::string_view if_range, const Validators& target, TagRules rules) {
  if (is_weak(if_range)) return false;
  if (if_range.starts_with('"')) return !is_weak(target.etag) && if_range == target.etag;
  const std::optional<int64_t> date = parse_http_date(if_range);
  if (!date) return rules == TagRules::kLenient && !if_range.empty() && if_range == without_quotes(target.etag);
  return target.modified_s && *date == *target.modified_s;
}

}  // namespace keelson::net::http
