#include "protocol/pubsub/filter.h"

#include <algorithm>
#include <utility>

namespace keelson::pubsub {

// By recursive descent: what is nested costs a byte at least, so the text's length bounds the depth.
class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : text_(text) {}

  bool parse(Filter& into) {
    size_t whole = 0;
    if (!expression(whole)) return false;
    skip_blanks();
    if (at_ != text_.size()) return refuse("an operator, or the end");
    into.nodes_ = std::move(nodes_);
    return true;
  }
  [[nodiscard]] std::string error() const {
    return "expected " + expected_ + " at character " + std::to_string(failed_at_ + 1);
  }

 private:
  using Kind = Filter::Kind;

  bool refuse(std::string_view expected) {
    expected_ = expected;
    failed_at_ = at_;
    return false;
  }
  void skip_blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  }
  bool take(std::string_view mark) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(mark)) return false;
    at_ += mark.size();
    return true;
  }
  // A word that ends where it ends.
  bool take_word(std::string_view word) {
    skip_blanks();
    const std::string_view rest = text_.substr(at_);
    if (!rest.starts_with(word) || (rest.size() > word.size() && is_word(rest[word.size()]))) return false;
    at_ += word.size();
    return true;
  }
  size_t add(Filter::Node node) {
    nodes_.push_back(std::move(node));
    return nodes_.size() - 1;
  }

  bool expression(size_t& node) {
    std::vector<size_t> parts(1);
    if (!term(parts[0])) return false;
    std::optional<Kind> kind;
    while (true) {
      const bool is_and = take_word("AND");
      if (!is_and && !take_word("OR")) break;
      const Kind next = is_and ? Kind::kAnd : Kind::kOr;
      if (kind && *kind != next) return refuse("parentheses where AND and OR meet");
      kind = next;
      if (!term(parts.emplace_back())) return false;
    }
    node = kind ? add({*kind, {}, {}, std::move(parts)}) : parts[0];
    return true;
  }

  bool term(size_t& node) {
    if (take_word("NOT") || take("-")) {
      size_t inner = 0;
      if (!term(inner)) return false;
      node = add({Kind::kNot, {}, {}, {inner}});
      return true;
    }
    if (take("(")) return expression(node) && (take(")") || refuse("\")\""));
    return comparison(node);
  }

  bool comparison(size_t& node) {
    Filter::Node made;
    if (take_word("hasPrefix")) {
      made.kind = Kind::kHasPrefix;
      if (!take("(")) return refuse("\"(\"");
      if (!take_word("attributes") || !take(".")) return refuse("\"attributes.\"");
      if (!key(made.key)) return false;
      if (!take(",")) return refuse("\",\"");
      if (!string(made.value)) return false;
      if (!take(")")) return refuse("\")\"");
    } else if (take_word("attributes")) {
      const bool is_has = take(":");
      if (!is_has && !take(".")) return refuse("\":\" or \".\"");
      if (!key(made.key)) return false;
      if (!is_has) {
        made.kind = take("!=") ? Kind::kDiffers : Kind::kEquals;
        if (made.kind == Kind::kEquals && !take("=")) return refuse("\"=\" or \"!=\"");
        if (!string(made.value)) return false;
      }
    } else {
      return refuse("\"attributes\", \"hasPrefix\", \"NOT\" or \"(\"");
    }
    node = add(std::move(made));
    return true;
  }

  bool key(std::string& into) {
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == '"') return string(into);
    const size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    into = text_.substr(begin, at_ - begin);
    return !into.empty() || refuse("an attribute's key");
  }

  bool string(std::string& into) {
    if (!take("\"")) return refuse("a string");
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (c != '\\') {
        into += c;
      } else if (!escape(into)) {
        return refuse("an escape sequence");
      }
    }
    return refuse("the string's end");
  }

  bool digits(unsigned base, size_t count, uint32_t& value) {
    if (text_.size() - at_ < count) return false;
    value = 0;
    for (size_t i = 0; i < count; ++i) {
      const char c = text_[at_ + i];
      const unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                             : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10
                             : c >= 'A' && c <= 'F' ? static_cast<unsigned>(c - 'A') + 10
                                                    : 99;
      if (digit >= base) return false;
      value = value * base + digit;
    }
    at_ += count;
    return true;
  }

  bool escape(std::string& into) {
    if (at_ >= text_.size()) return false;
    uint32_t value = 0;
    switch (const char c = text_[at_++]) {
      case '"':
      case '\\':
      case '\'':
        into += c;
        return true;
      case 'n':
        into += '\n';
        return true;
      case 'r':
        into += '\r';
        return true;
      case 't':
        into += '\t';
        return true;
      case 'x':
        if (!digits(16, 2, value)) return false;
        into += static_cast<char>(value);
        return true;
      case 'u':
        return digits(16, 4, value) && utf8(value, into);
      default:
        --at_;
        if (!digits(8, 3, value) || value > 0xff) return false;
        into += static_cast<char>(value);
        return true;
    }
  }

  static bool utf8(uint32_t point, std::string& into) {
    if (point >= 0xd800 && point < 0xe000) return false;
    if (point < 0x80) {
      into += static_cast<char>(point);
    } else if (point < 0x800) {
      into += static_cast<char>(0xc0 | point >> 6);
      into += static_cast<char>(0x80 | (point & 0x3f));
    } else {
      into += static_cast<char>(0xe0 | point >> 12);
      into += static_cast<char>(0x80 | (point >> 6 & 0x3f));
      into += static_cast<char>(0x80 | (point & 0x3f));
    }
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
  std::vector<Filter::Node> nodes_;
  std::string expected_;
  size_t failed_at_ = 0;
};

std::optional<Filter> Filter::parse(std::string_view text, std::string& error) {
  Filter filter;
  if (text.empty()) return filter;
  if (text.size() > kFilterBytesMax) {
    error = "longer than " + std::to_string(kFilterBytesMax) + " bytes";
    return std::nullopt;
  }
  FilterParser parser(text);
  if (parser.parse(filter)) return filter;
  error = parser.error();
  return std::nullopt;
}

bool Filter::matches(const topic::Pairs& attributes) const {
  return nodes_.empty() || matches(nodes_.size() - 1, attributes);
}

bool Filter::matches(size_t index, const topic::Pairs& attributes) const {
  const Node& node = nodes_[index];
  const auto part_matches = [&](size_t part) { return matches(part, attributes); };
  if (node.kind == Kind::kNot) return !part_matches(node.parts[0]);
  if (node.kind == Kind::kAnd) return std::ranges::all_of(node.parts, part_matches);
  if (node.kind == Kind::kOr) return std::ranges::any_of(node.parts, part_matches);
  const auto found = std::ranges::find(attributes, node.key, &topic::Pairs::value_type::first);
  const bool is_there = found != attributes.end();
  switch (node.kind) {
    case Kind::kHas:
      return is_there;
    case Kind::kEquals:
      return is_there && found->second == node.value;
    case Kind::kDiffers:
      return !is_there || found->second != node.value;
    default:
      return is_there && found->second.starts_with(node.value);
  }
}

}  // namespace keelson::pubsub
