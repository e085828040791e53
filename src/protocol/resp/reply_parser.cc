#include "protocol/resp/reply_parser.h"

#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/numbers.h"

namespace keelson::resp {

size_t ReplyParser::feed(std::string_view input) {
  size_t at = 0;
  while (!reply_ && error_.empty() && step(input, at)) {
  }
  return at;
}

Reply ReplyParser::take() {
  KEELSON_CHECK(reply_.has_value(), "a reply is taken that is not there");
  Reply reply = std::move(*reply_);
  reply_.reset();
  return reply;
}

bool ReplyParser::fail(std::string_view why) {
  error_ = "Protocol error: ";
  error_ += why;
  return false;
}

// Takes one line or one bulk string; false if it has not come whole, or is wrong.
bool ReplyParser::step(std::string_view input, size_t& at) {
  const std::string_view rest = input.substr(at);
  if (bulk_bytes_ >= 0) {
    const auto size = static_cast<size_t>(bulk_bytes_);
    if (rest.size() < size + 2) return false;
    if (rest.substr(size, 2) != "\r\n") return fail("a bulk string does not end where it said");
    Reply reply{.type = bulk_kind_ == '!'   ? ReplyType::kError
                        : bulk_kind_ == '=' ? ReplyType::kVerbatim
                                            : ReplyType::kBulk,
                .text = std::string(rest.substr(0, size))};
    if (bulk_kind_ == '=') {
      if (size < 4 || reply.text[3] != ':') return fail("a verbatim string has no format");
      reply.text.erase(0, 4);
    }
    at += size + 2;
    bulk_bytes_ = -1;
    add(std::move(reply));
    return true;
  }
  const size_t end = rest.find('\n', scanned_);
  if (end == std::string_view::npos) {
    scanned_ = rest.size();
    return rest.size() > kReplyLineBytesMax ? fail("too long a line") : false;
  }
  scanned_ = 0;
  if (end < 2 || rest[end - 1] != '\r') return fail("a line does not end in CR LF, or is empty");
  at += end + 1;
  return parse_line(rest.substr(0, end - 1));
}

bool ReplyParser::parse_line(std::string_view line) {
  const char kind = line[0];
  const std::string_view rest = line.substr(1);
  Reply reply;
  switch (kind) {
    case '+':
    case '-':
    case '(':
      reply.type = kind == '+' ? ReplyType::kStatus : kind == '-' ? ReplyType::kError : ReplyType::kBigNumber;
      reply.text = rest;
      break;
    case ':': {
      const auto integer = parse_int64(rest);
      if (!integer) return fail("an integer is none");
      reply.type = ReplyType::kInteger;
      reply.integer = *integer;
      break;
    }
    case ',':
      return parse_real(rest);
    case '#':
      if (rest != "t" && rest != "f") return fail("a boolean is neither t nor f");
      reply.type = ReplyType::kBoolean;
      reply.integer = rest == "t" ? 1 : 0;
      break;
    case '_':
      if (!rest.empty()) return fail("a null has a value");
      break;
    case '$':
    case '!':
    case '=':
      return begin_bulk(kind, rest);
    case '*':
    case '~':
    case '>':
    case '%':
    case '|':
      return begin_aggregate(kind, rest);
    default:
      return fail(std::string("a reply begins with '") + kind + "'");
  }
  add(std::move(reply));
  return true;
}

bool ReplyParser::parse_real(std::string_view text) {
  Reply reply{.type = ReplyType::kReal, .text = std::string(text)};
  if (text == "nan" || text == "-nan") {
    reply.real = std::numeric_limits<double>::quiet_NaN();
  } else {
    const auto real = parse_double(text);
    if (!real) return fail("a double is none");
    reply.real = *real;
  }
  add(std::move(reply));
  return true;
}

bool ReplyParser::begin_bulk(char kind, std::string_view length) {
  const auto bytes = parse_int64(length);
  if (kind == '$' && bytes == -1) {
    add(Reply{});
    return true;
  }
  if (!bytes || *bytes < 0 || *bytes > kReplyBulkBytesMax) return fail("a bulk string's length is wrong");
  bulk_kind_ = kind;
  bulk_bytes_ = *bytes;
  return true;
}

bool ReplyParser::begin_aggregate(char kind, std::string_view length) {
  const auto count = parse_int64(length);
  if (kind == '*' && count == -1) {
    add(Reply{});
    return true;
  }
  if (!count || *count < 0 || *count > kReplyElementsMax) return fail("an aggregate's length is wrong");
  if (open_.size() == kReplyDepthMax) return fail("aggregates are nested too deep");
  Open open;
  open.reply.type = kind == '~'   ? ReplyType::kSet
                    : kind == '>' ? ReplyType::kPush
                    : kind == '*' ? ReplyType::kArray
                                  : ReplyType::kMap;
  open.left = kind == '%' || kind == '|' ? *count * 2 : *count;
  open.is_attribute = kind == '|';
  if (open.left != 0) {
    open_.push_back(std::move(open));
  } else if (!open.is_attribute) {
    add(std::move(open.reply));
  }
  return true;
}

// Puts a value where it belongs; closes the aggregates that are complete with it.
void ReplyParser::add(Reply reply) {
  for (;;) {
    if (open_.empty()) {
      reply_ = std::move(reply);
      return;
    }
    Open& open = open_.back();
    if (!open.is_attribute) open.reply.elements.push_back(std::move(reply));
    if (--open.left != 0) return;
    const bool is_attribute = open.is_attribute;
    reply = std::move(open.reply);
    open_.pop_back();
    // An attribute is no value: what it is about follows.
    if (is_attribute) return;
  }
}

}  // namespace keelson::resp
