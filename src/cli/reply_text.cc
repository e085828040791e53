#include "cli/reply_text.h"

#include "cli/words.h"

namespace keelson::cli {

namespace {

using resp::Reply;
using resp::ReplyType;

void append_pretty(const Reply& reply, const std::string& indent, std::string& to);

size_t digits_of(size_t number) { return std::to_string(number).size(); }

// "1) ..." for each element, further lines below the first; a map has "1# key => value".
void append_elements(const Reply& reply, const std::string& indent, char mark, std::string& to) {
  const bool is_map = reply.type == ReplyType::kMap;
  const size_t step = is_map ? 2 : 1;
  const size_t count = reply.elements.size() / step;
  const size_t width = digits_of(count);
  const std::string inner = indent + std::string(width + 2, ' ');
  for (size_t i = 0; i < count; ++i) {
    if (i != 0) to.append(indent);
    const std::string number = std::to_string(i + 1);
    to.append(width - number.size(), ' ').append(number).append(1, mark).append(" ");
    if (!is_map) {
      append_pretty(reply.elements[i], inner, to);
      continue;
    }
    std::string key;
    append_pretty(reply.elements[i * 2], inner, key);
    if (!key.empty() && key.back() == '\n') key.pop_back();
    to.append(key).append(" => ");
    append_pretty(reply.elements[i * 2 + 1], inner, to);
  }
}

void append_pretty(const Reply& reply, const std::string& indent, std::string& to) {
  switch (reply.type) {
    case ReplyType::kStatus:
      to.append(reply.text).append("\n");
      return;
    case ReplyType::kError:
      to.append("(error) ").append(reply.text).append("\n");
      return;
    case ReplyType::kInteger:
      to.append("(integer) ").append(std::to_string(reply.integer)).append("\n");
      return;
    case ReplyType::kReal:
      to.append("(double) ").append(reply.text).append("\n");
      return;
    case ReplyType::kBoolean:
      to.append(reply.integer != 0 ? "(true)\n" : "(false)\n");
      return;
    case ReplyType::kNull:
      to.append("(nil)\n");
      return;
    case ReplyType::kBigNumber:
      to.append(reply.text).append("\n");
      return;
    case ReplyType::kBulk:
      to.append(quote(reply.text)).append("\n");
      return;
    case ReplyType::kVerbatim:
      to.append(reply.text);
      if (reply.text.empty() || reply.text.back() != '\n') to.push_back('\n');
      return;
    case ReplyType::kArray:
    case ReplyType::kPush:
      if (reply.elements.empty()) to.append("(empty array)\n");
      append_elements(reply, indent, ')', to);
      return;
    case ReplyType::kSet:
      if (reply.elements.empty()) to.append("(empty set)\n");
      append_elements(reply, indent, '~', to);
      return;
    case ReplyType::kMap:
      if (reply.elements.empty()) to.append("(empty hash)\n");
      append_elements(reply, indent, '#', to);
      return;
  }
}

void append_raw(const Reply& reply, std::string& to) {
  switch (reply.type) {
    case ReplyType::kNull:
      return;
    case ReplyType::kInteger:
      to.append(std::to_string(reply.integer));
      return;
    case ReplyType::kBoolean:
      to.append(reply.integer != 0 ? "true" : "false");
      return;
    case ReplyType::kArray:
    case ReplyType::kPush:
    case ReplyType::kSet:
    case ReplyType::kMap:
      for (size_t i = 0; i < reply.elements.size(); ++i) {
        if (i != 0) to.push_back('\n');
        append_raw(reply.elements[i], to);
      }
      return;
    default:
      to.append(reply.text);
      return;
  }
}

}  // namespace

std::string pretty_text(const Reply& reply) {
  std::string text;
  append_pretty(reply, "", text);
  return text;
}

std::string raw_text(const Reply& reply) {
  std::string text;
  append_raw(reply, text);
  return text.append("\n");
}

}  // namespace keelson::cli
