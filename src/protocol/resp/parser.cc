#include "protocol/resp/parser.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/numbers.h"

namespace keelson::resp {

namespace {

static_assert(std::endian::native == std::endian::little, "the word patterns below are for little-endian machines");

// Views in a connection's first block, and the most that an idle connection keeps.
constexpr size_t kBlockViewsMin = 32;
constexpr size_t kBlockViewsKept = 1024;

uint32_t load32(const char* from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

uint64_t load64(const char* from) {
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

constexpr uint32_t pattern32(char a, char b, char c, char d) {
  return uint32_t{static_cast<uint8_t>(a)} | uint32_t{static_cast<uint8_t>(b)} << 8 |
         uint32_t{static_cast<uint8_t>(c)} << 16 | uint32_t{static_cast<uint8_t>(d)} << 24;
}

// "*3\r\n" and "$3\r\n": the whole head but its digit.
constexpr uint32_t kDigitHole = pattern32(0, '\xff', 0, 0);
constexpr uint32_t kArrayOneDigit = pattern32('*', 0, '\r', '\n');
constexpr uint32_t kBulkOneDigit = pattern32('$', 0, '\r', '\n');

bool is_digit(char c) { return static_cast<uint8_t>(c - '0') <= 9; }

// "$123456\r\n"
constexpr ptrdiff_t kQuickHeadBytesMax = 9;

// Takes the head of a bulk string, "$16\r\n" with up to six digits, out of the first eight bytes in a dozen operations
// without a branch for each digit. Returns its size, or 0 if it is something else, or wrong: then the careful way
// decides.
size_t quick_bulk_head(uint64_t word, uint64_t& bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kTops = 0x8080808080808080;
  const uint64_t not_cr = word ^ kOnes * '\r';
  const uint64_t cr = (not_cr - kOnes) & ~not_cr & kTops;
  // Bits up to the '\r' byte's own top bit: 8 * (digits + 1) + 7.
  const int cr_bit = std::countr_zero(cr);
  if (cr == 0 || cr_bit < 23 || static_cast<char>(word) != '$') return 0;
  // The digits' values, the last one in the top byte, zeros below the first.
  uint64_t digits = ((word >> 8) ^ kOnes * '0') << (71 + 8 - cr_bit);
  const uint64_t above_nine = ((digits + kOnes * 0x76) | digits) & kTops;
  const bool has_leading_zero = static_cast<char>(word >> 8) == '0' && cr_bit != 23;
  if (above_nine != 0 || has_leading_zero) return 0;
  digits = digits * 10 + (digits >> 8);
  bytes = ((digits & 0x000000ff000000ff) * 0x000f424000000064 +
           ((digits >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
          32;
  return static_cast<size_t>(cr_bit >> 3) + 2;
}

// C's isspace() in the "C" locale.
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Reads a quoted run that begins behind its opening quote; false if it is not closed, or something other than a blank
// follows the closing quote. The rules of Redis's sdssplitargs().
bool read_quoted(const char*& at, const char* end, char quote, std::string& into) {
  for (; at != end; ++at) {
    if (*at == quote) {
      ++at;
      return at == end || is_blank(*at);
    }
    if (*at != '\\' || end - at < 2) {
      into.push_back(*at);
    } else if (quote == '\'') {
      // Only \' is special between single quotes.
      if (at[1] == '\'') ++at;
      into.push_back(*at);
    } else if (at[1] == 'x' && end - at >= 4 && hex_value(at[2]) >= 0 && hex_value(at[3]) >= 0) {
      into.push_back(static_cast<char>(hex_value(at[2]) * 16 + hex_value(at[3])));
      at += 3;
    } else {
      into.push_back(unescape(*++at));
    }
  }
  return false;
}

}  // namespace

Parsed RequestParser::next(std::string_view input) {
  const char* const base = input.data();
  const char* const end = base + input.size();
  if (base != base_) [[unlikely]]
    rebase(base);
  const char* at = base + position_;
  if (!error_.empty()) [[unlikely]]
    return Parsed::kError;

  if (args_left_ == 0) {
    command_ = top_;
    int64_t count = 0;
    while (count == 0) {
      if (at == end) return need_more(base, at);
      if (end - at >= 4 && (load32(at) & ~kDigitHole) == kArrayOneDigit && is_digit(at[1])) [[likely]] {
        count = at[1] - '0';
        at += 4;
        continue;
      }
      const Parsed parsed = *at == '*' ? parse_array_head(at, end, count) : parse_inline(at, end);
      if (parsed == Parsed::kError) return parsed;
      if (parsed == Parsed::kNeedMore) return need_more(base, at);
      // An inline command is complete; an empty line is passed over.
      if (top_ != command_) return command_found(base, at);
    }
    args_left_ = static_cast<uint32_t>(count);
  }

  do {
    if (bulk_bytes_ == kLengthUnknown) {
      if (end - at >= 5 && (load32(at) & ~kDigitHole) == kBulkOneDigit && is_digit(at[1])) [[likely]] {
        bulk_bytes_ = static_cast<uint64_t>(at[1] - '0');
        at += 4;
      } else if (const size_t head = end - at >= kQuickHeadBytesMax ? quick_bulk_head(load64(at), bulk_bytes_) : 0;
                 head != 0 && bulk_bytes_ <= quick_bulk_bytes_max_) [[likely]] {
        at += head;
      } else {
        const Parsed parsed = parse_bulk_head(at, end);
        if (parsed == Parsed::kError) return parsed;
        if (parsed == Parsed::kNeedMore) return need_more(base, at);
      }
    }
    if (static_cast<uint64_t>(end - at) < bulk_bytes_ + 2) [[unlikely]]
      return need_more(base, at);
    add_arg(at, bulk_bytes_);
    at += bulk_bytes_ + 2;
    bulk_bytes_ = kLengthUnknown;
  } while (--args_left_ != 0);

  return command_found(base, at);
}

Parsed RequestParser::command_found(const char* base, const char* at) {
  count_ = static_cast<size_t>(top_ - command_);
  position_ = taken_ = static_cast<size_t>(at - base);
  return Parsed::kCommand;
}

Parsed RequestParser::need_more(const char* base, const char* at) {
  position_ = static_cast<size_t>(at - base);
  // Empty commands before it are done with.
  if (args_left_ == 0) taken_ = position_;
  return Parsed::kNeedMore;
}

void RequestParser::set_limits(const RequestLimits& limits) {
  limits_ = limits;
  quick_bulk_bytes_max_ = limits.bulk_bytes_max;
  if (!limits.is_authenticated) quick_bulk_bytes_max_ = std::min(quick_bulk_bytes_max_, kUnauthenticatedBulkBytesMax);
}

Parsed RequestParser::fail(std::string_view text) {
  error_ = "ERR Protocol error: ";
  error_ += text;
  return Parsed::kError;
}

RequestParser::Line RequestParser::find_line(const char* at, const char* end, char stop, const char*& line_end) {
  // What an earlier call has scanned lies in this very line, or before it.
  const char* const from = std::max(at, base_ + scanned_);
  const void* found = std::memchr(from, stop, static_cast<size_t>(end - from));
  if (found == nullptr) {
    scanned_ = static_cast<size_t>(end - base_);
    return static_cast<size_t>(end - at) > kRequestLineBytesMax ? Line::kTooLong : Line::kNeedMore;
  }
  line_end = static_cast<const char*>(found);
  // The '\n' behind a '\r' must have come as well.
  if (stop == '\r' && end - line_end < 2) {
    scanned_ = static_cast<size_t>(line_end - base_);
    return Line::kNeedMore;
  }
  return Line::kFound;
}

Parsed RequestParser::parse_array_head(const char*& at, const char* end, int64_t& count) {
  const char* line_end = nullptr;
  const Line line = find_line(at, end, '\r', line_end);
  if (line == Line::kTooLong) return fail("too big mbulk count string");
  if (line == Line::kNeedMore) return Parsed::kNeedMore;
  const std::optional<int64_t> number = parse_int64({at + 1, line_end});
  if (!number || *number > kRequestArgsMax) return fail("invalid multibulk length");
  if (*number > kUnauthenticatedArgsMax && !limits_.is_authenticated) return fail("unauthenticated multibulk length");
  // A negative count is an empty command, as in Redis.
  count = std::max<int64_t>(*number, 0);
  at = line_end + 2;
  return Parsed::kCommand;
}

Parsed RequestParser::parse_bulk_head(const char*& at, const char* end) {
  const char* line_end = nullptr;
  const Line line = find_line(at, end, '\r', line_end);
  if (line == Line::kTooLong) return fail("too big bulk count string");
  if (line == Line::kNeedMore) return Parsed::kNeedMore;
  if (*at != '$') return fail(std::string("expected '$', got '") + *at + "'");
  const std::optional<int64_t> bytes = parse_int64({at + 1, line_end});
  if (!bytes || *bytes < 0 || static_cast<uint64_t>(*bytes) > limits_.bulk_bytes_max)
    return fail("invalid bulk length");
  if (static_cast<uint64_t>(*bytes) > kUnauthenticatedBulkBytesMax && !limits_.is_authenticated) {
    return fail("unauthenticated bulk length");
  }
  bulk_bytes_ = static_cast<uint64_t>(*bytes);
  at = line_end + 2;
  return Parsed::kCommand;
}

Parsed RequestParser::parse_inline(const char*& at, const char* end) {
  const char* line_end = nullptr;
  const Line line = find_line(at, end, '\n', line_end);
  if (line == Line::kTooLong) return fail("too big inline request");
  if (line == Line::kNeedMore) return Parsed::kNeedMore;
  const char* text_end = line_end != at && line_end[-1] == '\r' ? line_end - 1 : line_end;
  if (!split_inline(std::string_view(at, text_end))) return fail("unbalanced quotes in request");
  at = line_end + 1;
  return Parsed::kCommand;
}

bool RequestParser::split_inline(std::string_view line) {
  const char* at = line.data();
  const char* const end = at + line.size();
  for (;;) {
    while (at != end && is_blank(*at)) ++at;
    if (at == end) return true;
    const char* const begin = at;
    while (at != end && !is_blank(*at) && *at != '"' && *at != '\'') ++at;
    if (at == end || is_blank(*at)) {
      add_arg(begin, static_cast<size_t>(at - begin));
      continue;
    }
    // Quotes may open in the middle of an argument; the argument ends with the quote that closes them.
    auto text = std::make_unique<std::string>(begin, at);
    const char quote = *at++;
    if (!read_quoted(at, end, quote, *text)) return false;
    add_arg(text->data(), text->size());
    unquoted_.push_back(std::move(text));
  }
}

size_t RequestParser::release() {
  const size_t taken = taken_;
  position_ -= taken;
  scanned_ -= std::min(scanned_, taken);
  taken_ = 0;
  unquoted_.clear();
  if (blocks_.empty()) return taken;
  // What is under way moves to the start of the present block, the only one that is kept.
  const size_t under_way = args_left_ != 0 ? static_cast<size_t>(top_ - command_) : 0;
  if (blocks_.size() > 1) blocks_.erase(blocks_.begin(), blocks_.end() - 1);
  std::string_view* const start = blocks_.back().views.get();
  if (under_way != 0 && command_ != start) std::copy(command_, top_, start);
  command_ = start;
  top_ = start + under_way;
  count_ = 0;
  if (under_way == 0 && blocks_.back().size > kBlockViewsKept) shrink();
  // The caller's consume() moves the start of the input, not the bytes.
  base_ += taken;
  return taken;
}

size_t RequestParser::missing_bytes(size_t input_bytes) const {
  if (args_left_ == 0 || bulk_bytes_ == kLengthUnknown) return 0;
  const size_t needed = position_ + bulk_bytes_ + 2;
  return needed > input_bytes ? needed - input_bytes : 0;
}

void RequestParser::grow_block() {
  const size_t under_way = static_cast<size_t>(top_ - command_);
  const size_t last = blocks_.empty() ? 0 : blocks_.back().size;
  const size_t size = std::max({kBlockViewsMin, std::min(last * 2, kBlockViewsKept), under_way * 2});
  Block block{std::make_unique<std::string_view[]>(size), size};
  std::copy(command_, top_, block.views.get());
  command_ = block.views.get();
  top_ = command_ + under_way;
  block_end_ = command_ + size;
  blocks_.push_back(std::move(block));
}

void RequestParser::rebase(const char* base) {
  if (args_left_ != 0) {
    for (std::string_view* view = command_; view != top_; ++view) {
      *view = std::string_view(base + (view->data() - base_), view->size());
    }
  }
  base_ = base;
}

void RequestParser::shrink() {
  KEELSON_CHECK(taken_ == 0, "a parser is shrunk while its commands are in use");
  if (args_left_ != 0) return;
  blocks_.clear();
  blocks_.shrink_to_fit();
  command_ = top_ = block_end_ = nullptr;
  count_ = 0;
}

size_t RequestParser::held_bytes() const {
  size_t bytes = blocks_.capacity() * sizeof(Block);
  for (const Block& block : blocks_) bytes += block.size * sizeof(std::string_view);
  return bytes;
}

}  // namespace keelson::resp
