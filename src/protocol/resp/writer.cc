#include "protocol/resp/writer.h"

#include <algorithm>

#include "base/numbers.h"

namespace keelson::resp {

namespace {

// "00".."99", so that a number costs one division for two digits.
constexpr auto kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (size_t n = 0; n < 100; ++n) {
    pairs[n * 2] = static_cast<char>('0' + n / 10);
    pairs[n * 2 + 1] = static_cast<char>('0' + n % 10);
  }
  return pairs;
}();

// Heads of small containers and bulk strings ("$64\r\n") and small integers (":1\r\n"), each in one word that is stored
// whole: seven bytes of text, then their count.
constexpr size_t kShortHeads = 512;

struct ShortHeads {
  std::array<uint64_t, kShortHeads> words{};
  [[nodiscard]] constexpr size_t size(size_t number) const { return words[number] >> 56; }
};

constexpr ShortHeads make_short_heads(char kind) {
  ShortHeads heads;
  for (size_t number = 0; number < kShortHeads; ++number) {
    std::array<char, 3> digits{};
    size_t count = 0;
    for (size_t rest = number; count == 0 || rest != 0; rest /= 10)
      digits[count++] = static_cast<char>('0' + rest % 10);
    uint64_t word = static_cast<uint8_t>(kind);
    size_t size = 1;
    while (count != 0) word |= uint64_t{static_cast<uint8_t>(digits[--count])} << (8 * size++);
    word |= uint64_t{'\r'} << (8 * size++);
    word |= uint64_t{'\n'} << (8 * size++);
    heads.words[number] = word | uint64_t{size} << 56;
  }
  return heads;
}

constexpr ShortHeads kBulkHeads = make_short_heads('$');
constexpr ShortHeads kArrayHeads = make_short_heads('*');
constexpr ShortHeads kIntegerHeads = make_short_heads(':');
static_assert(kBulkHeads.size(0) == 4 && kBulkHeads.size(511) == 6);

// Stores all eight bytes; there must be room for them.
char* put_short(char* to, const ShortHeads& heads, size_t number) {
  std::memcpy(to, &heads.words[number], sizeof(uint64_t));
  return to + heads.size(number);
}

char* put_line_end(char* to) {
  std::memcpy(to, "\r\n", 2);
  return to + 2;
}

// A kind, 20 digits, a line end; and the whole word that a short head stores.
constexpr size_t kHeadBytesMax = 24;

}  // namespace

char* write_unsigned(char* to, uint64_t value) {
  char text[20];
  char* at = text + sizeof text;
  while (value >= 100) {
    at -= 2;
    std::memcpy(at, kDigitPairs.data() + value % 100 * 2, 2);
    value /= 100;
  }
  if (value >= 10) {
    at -= 2;
    std::memcpy(at, kDigitPairs.data() + value * 2, 2);
  } else {
    *--at = static_cast<char>('0' + value);
  }
  const size_t size = static_cast<size_t>(text + sizeof text - at);
  std::memcpy(to, at, size);
  return to + size;
}

char* write_integer(char* to, int64_t value) {
  uint64_t magnitude = static_cast<uint64_t>(value);
  if (value < 0) {
    *to++ = '-';
    magnitude = -magnitude;
  }
  return write_unsigned(to, magnitude);
}

void RespWriter::head(char kind, uint64_t number) {
  char* const begin = target_->reserve(kHeadBytesMax);
  *begin = kind;
  target_->commit(static_cast<size_t>(put_line_end(write_unsigned(begin + 1, number)) - begin));
}

void RespWriter::line(char kind, std::string_view text) {
  char* const begin = target_->reserve(text.size() + 3);
  *begin = kind;
  std::transform(text.begin(), text.end(), begin + 1, [](char c) { return c == '\r' || c == '\n' ? ' ' : c; });
  put_line_end(begin + 1 + text.size());
  target_->commit(text.size() + 3);
}

void RespWriter::status(std::string_view text) {
  if (text == "OK") {
    ok();
  } else {
    line('+', text);
  }
}

void RespWriter::error(std::string_view text) {
  ++error_count_;
  const size_t code_size = std::min({text.find(' '), text.size(), last_code_.size()});
  std::copy_n(text.data(), code_size, last_code_.data());
  last_code_size_ = static_cast<uint8_t>(code_size);
  line('-', text);
}

void RespWriter::integer(int64_t value) {
  char* const begin = target_->reserve(kHeadBytesMax);
  if (static_cast<uint64_t>(value) < kShortHeads) {
    target_->commit(static_cast<size_t>(put_short(begin, kIntegerHeads, static_cast<size_t>(value)) - begin));
    return;
  }
  *begin = ':';
  target_->commit(static_cast<size_t>(put_line_end(write_integer(begin + 1, value)) - begin));
}

void RespWriter::bulk(std::string_view bytes) {
  char* const begin = target_->reserve(bytes.size() + kHeadBytesMax + 2);
  char* at = begin;
  if (bytes.size() < kShortHeads) [[likely]] {
    at = put_short(at, kBulkHeads, bytes.size());
  } else {
    *at = '$';
    at = put_line_end(write_unsigned(at + 1, bytes.size()));
  }
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  at = put_line_end(at + bytes.size());
  target_->commit(static_cast<size_t>(at - begin));
}

void RespWriter::null() { raw(is_resp3_ ? "_\r\n" : "$-1\r\n"); }

void RespWriter::null_array() { raw(is_resp3_ ? "_\r\n" : "*-1\r\n"); }

void RespWriter::array(size_t count) {
  if (count >= kShortHeads) return head('*', count);
  char* const begin = target_->reserve(kHeadBytesMax);
  target_->commit(static_cast<size_t>(put_short(begin, kArrayHeads, count) - begin));
}

void RespWriter::map(size_t pairs) {
  if (is_resp3_) {
    head('%', pairs);
  } else {
    array(pairs * 2);
  }
}

void RespWriter::set(size_t count) { is_resp3_ ? head('~', count) : array(count); }

void RespWriter::push(size_t count) { is_resp3_ ? head('>', count) : array(count); }

void RespWriter::real(double value) {
  const DoubleText text = format_double(value);
  const std::string_view digits = text;
  if (!is_resp3_) return bulk(digits);
  char* const begin = target_->reserve(digits.size() + 3);
  *begin = ',';
  std::memcpy(begin + 1, digits.data(), digits.size());
  put_line_end(begin + 1 + digits.size());
  target_->commit(digits.size() + 3);
}

void RespWriter::boolean(bool value) {
  if (is_resp3_) {
    raw(value ? "#t\r\n" : "#f\r\n");
  } else {
    integer(value ? 1 : 0);
  }
}

void RespWriter::verbatim(std::string_view format, std::string_view text) {
  if (!is_resp3_) return bulk(text);
  head('=', format.size() + 1 + text.size());
  raw(format);
  raw(":");
  raw(text);
  raw("\r\n");
}

}  // namespace keelson::resp
