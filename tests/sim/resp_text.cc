#include "tests/sim/resp_text.h"

namespace keelson::sim_test {

std::string Reply::shown() const {
  if (kind == '_') return "nil";
  if (kind != '*') return kind + text;
  std::string result = "[";
  for (const Reply& item : items) result += item.shown() + " ";
  return result + "]";
}

std::string encode_command(const std::vector<std::string>& args) {
  std::string text = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) text += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  return text;
}

bool parse_reply(std::string_view& from, Reply& reply) {
  const size_t line_end = from.find("\r\n");
  if (line_end == std::string_view::npos) return false;
  reply.kind = from[0];
  reply.text = from.substr(1, line_end - 1);
  std::string_view rest = from.substr(line_end + 2);
  if (reply.kind == '$' || reply.kind == '*') {
    const long long size = std::stoll(reply.text);
    if (size < 0) {
      reply.kind = '_';
    } else if (reply.kind == '$') {
      if (rest.size() < static_cast<size_t>(size) + 2) return false;
      reply.text = rest.substr(0, static_cast<size_t>(size));
      rest.remove_prefix(static_cast<size_t>(size) + 2);
    } else {
      for (long long i = 0; i < size; ++i) {
        reply.items.emplace_back();
        if (!parse_reply(rest, reply.items.back())) return false;
      }
    }
  }
  from = rest;
  return true;
}

}  // namespace keelson::sim_test
