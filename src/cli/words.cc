#include "cli/words.h"

namespace keelson::cli {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What stands behind a backslash, and how many bytes it takes.
char escaped(std::string_view rest, size_t& taken) {
  taken = 1;
  if (rest.size() >= 3 && rest[0] == 'x' && hex_value(rest[1]) >= 0 && hex_value(rest[2]) >= 0) {
    taken = 3;
    return static_cast<char>(hex_value(rest[1]) * 16 + hex_value(rest[2]));
  }
  switch (rest[0]) {
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
      return rest[0];
  }
}

// From behind an opening quote to behind the closing one; false if there is none.
bool take_quoted(std::string_view line, char mark, size_t& at, std::string& word) {
  while (at < line.size()) {
    const char c = line[at++];
    if (c == mark) return at == line.size() || is_blank(line[at]);
    if (c != '\\' || at == line.size()) {
      word.push_back(c);
    } else if (mark == '"') {
      size_t taken = 0;
      word.push_back(escaped(line.substr(at), taken));
      at += taken;
    } else if (line[at] == mark) {
      word.push_back(line[at++]);
    } else {
      word.push_back(c);
    }
  }
  return false;
}

}  // namespace

std::optional<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  while (true) {
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at == line.size()) return words;
    std::string word;
    while (at < line.size() && !is_blank(line[at])) {
      const char c = line[at++];
      if (c == '"' || c == '\'') {
        if (!take_quoted(line, c, at, word)) return std::nullopt;
      } else {
        word.push_back(c);
      }
    }
    words.push_back(std::move(word));
  }
}

std::string quote(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\"";
  for (char c : bytes) {
    switch (c) {
      case '"':
      case '\\':
        text.append(1, '\\').append(1, c);
        break;
      case '\n':
        text.append("\\n");
        break;
      case '\r':
        text.append("\\r");
        break;
      case '\t':
        text.append("\\t");
        break;
      case '\a':
        text.append("\\a");
        break;
      case '\b':
        text.append("\\b");
        break;
      default:
        if (c >= 0x20 && c < 0x7f) {
          text.push_back(c);
        } else {
          const auto byte = static_cast<unsigned char>(c);
          text.append("\\x").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
        }
    }
  }
  return text.append("\"");
}

}  // namespace keelson::cli
