#include "protocol/s3/dates.h"

#include <array>
#include <chrono>
#include <initializer_list>

namespace keelson::s3 {

namespace {

constexpr int64_t kMsPerSecond = 1000;
constexpr int64_t kSecondsPerDay = 86'400;
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};

struct Fields {
  int64_t year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, ms = 0;
  unsigned weekday = 0;
};

// Takes text apart from the left.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool word(std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    return true;
  }
  // Exactly so many digits.
  bool digits(size_t count, int64_t& value) {
    if (rest_.size() < count) return false;
    value = 0;
    for (size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return false;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return true;
  }
  template <size_t Count>
  bool one_of(const std::array<std::string_view, Count>& words, size_t& index) {
    for (index = 0; index < Count; ++index) {
      if (word(words[index])) return true;
    }
    return false;
  }
  bool time(Fields& fields) {
    return digits(2, fields.hour) && word(":") && digits(2, fields.minute) && word(":") && digits(2, fields.second);
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] char peek() const { return rest_.empty() ? '\0' : rest_.front(); }

 private:
  std::string_view rest_;
};

std::optional<int64_t> to_ms(const Fields& fields) {
  namespace chrono = std::chrono;
  const chrono::year_month_day day(chrono::year(static_cast<int>(fields.year)),
                                   chrono::month(static_cast<unsigned>(fields.month)),
                                   chrono::day(static_cast<unsigned>(fields.day)));
  // A leap second is the next minute's first.
  if (!day.ok() || fields.year < 1970 || fields.hour > 23 || fields.minute > 59 || fields.second > 60) {
    return std::nullopt;
  }
  const int64_t days = chrono::sys_days(day).time_since_epoch().count();
  const int64_t seconds = days * kSecondsPerDay + fields.hour * 3600 + fields.minute * 60 + fields.second;
  return seconds * kMsPerSecond + fields.ms;
}

Fields from_ms(int64_t time_ms) {
  namespace chrono = std::chrono;
  if (time_ms < 0) time_ms = 0;
  const int64_t seconds = time_ms / kMsPerSecond;
  const chrono::sys_days day{chrono::days(seconds / kSecondsPerDay)};
  const chrono::year_month_day date(day);
  Fields fields;
  fields.year = static_cast<int>(date.year());
  fields.month = static_cast<unsigned>(date.month());
  fields.day = static_cast<unsigned>(date.day());
  fields.hour = seconds % kSecondsPerDay / 3600;
  fields.minute = seconds / 60 % 60;
  fields.second = seconds % 60;
  fields.ms = time_ms % kMsPerSecond;
  fields.weekday = chrono::weekday(day).c_encoding();
  return fields;
}

// Fills a pattern: each run of '#' is the next number, with that many digits. A listing writes a thousand dates, which
// printf would take most of the time for.
std::string formatted(std::string_view pattern, std::initializer_list<int64_t> numbers) {
  std::string text(pattern);
  const int64_t* number = numbers.begin();
  for (size_t begin = text.find('#'); begin != std::string::npos; begin = text.find('#', begin)) {
    size_t end = begin;
    while (end < text.size() && text[end] == '#') ++end;
    int64_t left = *number++;
    for (size_t at = end; at-- > begin; left /= 10) text[at] = static_cast<char>('0' + left % 10);
    begin = end;
  }
  return text;
}

// "Z", "GMT", "UTC", "+0200", "-02:00": what is to be subtracted for UTC.
bool zone(Scanner& scan, int64_t& offset_ms) {
  offset_ms = 0;
  if (scan.word("Z") || scan.word("GMT") || scan.word("UTC")) return true;
  const int64_t sign = scan.word("+") ? 1 : scan.word("-") ? -1 : 0;
  int64_t hours = 0;
  int64_t minutes = 0;
  if (sign == 0 || !scan.digits(2, hours)) return false;
  (void)scan.word(":");
  if (!scan.digits(2, minutes) || hours > 14 || minutes > 59) return false;
  offset_ms = sign * (hours * 60 + minutes) * 60 * kMsPerSecond;
  return true;
}

// "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<int64_t> imf_fixdate(std::string_view text) {
  Scanner scan(text);
  Fields fields;
  size_t weekday = 0;
  size_t month = 0;
  int64_t offset_ms = 0;
  if (!scan.one_of(kDays, weekday) || !scan.word(", ") || !scan.digits(2, fields.day) || !scan.word(" ") ||
      !scan.one_of(kMonths, month) || !scan.word(" ") || !scan.digits(4, fields.year) || !scan.word(" ") ||
      !scan.time(fields) || !scan.word(" ") || !zone(scan, offset_ms) || !scan.at_end()) {
    return std::nullopt;
  }
  fields.month = static_cast<int64_t>(month) + 1;
  const auto time_ms = to_ms(fields);
  return time_ms ? std::optional<int64_t>(*time_ms - offset_ms) : std::nullopt;
}

// "Sunday, 06-Nov-94 08:49:37 GMT". Two digits of a year: 1970 to 2069.
std::optional<int64_t> rfc850_date(std::string_view text) {
  Scanner scan(text);
  Fields fields;
  size_t weekday = 0;
  size_t month = 0;
  if (!scan.one_of(kLongDays, weekday) || !scan.word(", ") || !scan.digits(2, fields.day) || !scan.word("-") ||
      !scan.one_of(kMonths, month) || !scan.word("-") || !scan.digits(2, fields.year) || !scan.word(" ") ||
      !scan.time(fields) || !scan.word(" GMT") || !scan.at_end()) {
    return std::nullopt;
  }
  fields.month = static_cast<int64_t>(month) + 1;
  fields.year += fields.year < 70 ? 2000 : 1900;
  return to_ms(fields);
}

// "Sun Nov  6 08:49:37 1994".
std::optional<int64_t> asctime_date(std::string_view text) {
  Scanner scan(text);
  Fields fields;
  size_t weekday = 0;
  size_t month = 0;
  if (!scan.one_of(kDays, weekday) || !scan.word(" ") || !scan.one_of(kMonths, month) || !scan.word(" ")) {
    return std::nullopt;
  }
  if (!(scan.word(" ") ? scan.digits(1, fields.day) : scan.digits(2, fields.day))) return std::nullopt;
  if (!scan.word(" ") || !scan.time(fields) || !scan.word(" ") || !scan.digits(4, fields.year) || !scan.at_end()) {
    return std::nullopt;
  }
  fields.month = static_cast<int64_t>(month) + 1;
  return to_ms(fields);
}

}  // namespace

std::optional<int64_t> parse_amz_date(std::string_view text) {
  Scanner scan(text);
  Fields fields;
  if (!scan.digits(4, fields.year) || !scan.digits(2, fields.month) || !scan.digits(2, fields.day) || !scan.word("T") ||
      !scan.digits(2, fields.hour) || !scan.digits(2, fields.minute) || !scan.digits(2, fields.second) ||
      !scan.word("Z") || !scan.at_end()) {
    return std::nullopt;
  }
  return to_ms(fields);
}

std::string format_amz_date(int64_t time_ms) {
  const Fields fields = from_ms(time_ms);
  return formatted("########T######Z", {(fields.year * 100 + fields.month) * 100 + fields.day,
                                        (fields.hour * 100 + fields.minute) * 100 + fields.second});
}

std::string format_day(int64_t time_ms) { return format_amz_date(time_ms).substr(0, 8); }

std::optional<int64_t> parse_http_date(std::string_view text) {
  if (const auto time_ms = imf_fixdate(text)) return time_ms;
  if (const auto time_ms = rfc850_date(text)) return time_ms;
  return asctime_date(text);
}

std::string format_http_date(int64_t time_ms) {
  const Fields fields = from_ms(time_ms);
  std::string text =
      formatted("ddd, ## mmm #### ##:##:## GMT", {fields.day, fields.year, fields.hour, fields.minute, fields.second});
  text.replace(0, 3, kDays[fields.weekday]);
  text.replace(8, 3, kMonths[static_cast<size_t>(fields.month - 1)]);
  return text;
}

std::string format_log_time(int64_t time_ms) {
  const Fields fields = from_ms(time_ms);
  std::string text =
      formatted("##/mmm/####:##:##:## +0000", {fields.day, fields.year, fields.hour, fields.minute, fields.second});
  text.replace(3, 3, kMonths[static_cast<size_t>(fields.month - 1)]);
  return text;
}

std::optional<int64_t> parse_iso8601(std::string_view text) {
  Scanner scan(text);
  Fields fields;
  if (!scan.digits(4, fields.year) || !scan.word("-") || !scan.digits(2, fields.month) || !scan.word("-") ||
      !scan.digits(2, fields.day)) {
    return std::nullopt;
  }
  if (scan.at_end()) return to_ms(fields);
  if (!scan.word("T") || !scan.time(fields)) return std::nullopt;
  if (scan.word(".")) {
    int64_t digit = 0;
    int64_t unit = 100;
    size_t count = 0;
    for (; scan.digits(1, digit); ++count, unit /= 10) fields.ms += digit * unit;
    if (count == 0 || count > 9) return std::nullopt;
  }
  int64_t offset_ms = 0;
  if (!zone(scan, offset_ms) || !scan.at_end()) return std::nullopt;
  const auto time_ms = to_ms(fields);
  return time_ms ? std::optional<int64_t>(*time_ms - offset_ms) : std::nullopt;
}

std::string format_iso8601(int64_t time_ms) {
  const Fields fields = from_ms(time_ms);
  return formatted("####-##-##T##:##:##.###Z",
                   {fields.year, fields.month, fields.day, fields.hour, fields.minute, fields.second, fields.ms});
}

}  // namespace keelson::s3
