#include "protocol/s3/xml.h"

#include <algorithm>
#include <cstdint>

namespace keelson::s3 {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool begins_name(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || static_cast<uint8_t>(c) >= 0x80;
}

bool is_name_byte(char c) { return begins_name(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':'; }

// Char of XML 1.0.
bool is_character(uint32_t point) {
  if (point < 0x20) return point == '\t' || point == '\n' || point == '\r';
  return point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff) && point != 0xfffe && point != 0xffff;
}

void append_utf8(std::string& out, uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 63));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 63));
    out += static_cast<char>(0x80 | (point & 63));
  } else {
    out += static_cast<char>(0xf0 | point >> 18);
    out += static_cast<char>(0x80 | (point >> 12 & 63));
    out += static_cast<char>(0x80 | (point >> 6 & 63));
    out += static_cast<char>(0x80 | (point & 63));
  }
}

// Reads forward over one document. Every function returns false at the first thing that is wrong.
class Reader {
 public:
  Reader(std::string_view bytes, const XmlLimits& limits) : rest_(bytes), limits_(limits) {}

  bool document(XmlElement& root) {
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
    if (rest_.starts_with("<?xml") && rest_.size() > 5 && is_blank(rest_[5]) && !declaration()) return false;
    if (!misc() || !elements(root) || !misc()) return false;
    return rest_.empty();
  }

 private:
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  bool skip_blanks() {
    const size_t before = rest_.size();
    while (!rest_.empty() && is_blank(rest_.front())) rest_.remove_prefix(1);
    return rest_.size() != before;
  }

  bool declaration() {
    const size_t end = rest_.find("?>");
    if (end == std::string_view::npos) return false;
    std::string text(rest_.substr(0, end));
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    rest_.remove_prefix(end + 2);
    return text.find("encoding") == std::string::npos || text.find("utf-8") != std::string::npos ||
           text.find("us-ascii") != std::string::npos;
  }

  bool comment() {
    const size_t end = rest_.find("--", 4);
    if (end == std::string_view::npos || !rest_.substr(end).starts_with("-->")) return false;
    rest_.remove_prefix(end + 3);
    return true;
  }

  // Blanks and comments around the root.
  bool misc() {
    while (true) {
      skip_blanks();
      if (!rest_.starts_with("<!--")) return true;
      if (!comment()) return false;
    }
  }

  bool name(std::string& into) {
    if (rest_.empty() || !begins_name(rest_.front())) return false;
    size_t size = 0;
    while (size < rest_.size() && is_name_byte(rest_[size])) ++size;
    if (size > limits_.name_bytes_max) return false;
    into.assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }

  bool reference(std::string& into) {
    constexpr size_t kSizeMax = 12;  // "&#x0010ffff;"
    const size_t end = rest_.substr(0, kSizeMax).find(';');
    if (end == std::string_view::npos) return false;
    const std::string_view word = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    constexpr std::pair<std::string_view, char> kKnown[] = {
        {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    for (const auto& [known, c] : kKnown) {
      if (word == known) {
        into += c;
        return true;
      }
    }
    if (word.size() < 2 || word.front() != '#') return false;
    const bool is_hex = word[1] == 'x';
    const std::string_view digits = word.substr(is_hex ? 2 : 1);
    uint32_t point = 0;
    for (const char c : digits) {
      const int value = c >= '0' && c <= '9'             ? c - '0'
                        : is_hex && c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : is_hex && c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                         : -1;
      if (value < 0) return false;
      point = point * (is_hex ? 16 : 10) + static_cast<uint32_t>(value);  // at most 9 digits, so it fits
    }
    // Keys may hold control characters, which clients can name in no other way than S3 itself does (XML 1.1's).
    const bool is_control = point != 0 && point < 0x20;
    if (digits.empty() || !(is_control || is_character(point))) return false;
    append_utf8(into, point);
    return true;
  }

  // Text up to `end`, references taken. Line ends become LF (XML 1.0, section 2.11).
  bool text(std::string& into, char end) {
    while (!rest_.empty() && rest_.front() != end) {
      const char c = rest_.front();
      if (c == '&') {
        if (!reference(into)) return false;
        continue;
      }
      if (c == '<' || (static_cast<uint8_t>(c) < 0x20 && !is_blank(c))) return false;
      if (c != '\r') {
        into += c;
      } else if (rest_.size() < 2 || rest_[1] != '\n') {
        into += '\n';
      }
      rest_.remove_prefix(1);
    }
    return true;
  }

  bool attributes(XmlElement& element) {
    while (true) {
      const bool has_blank = skip_blanks();
      if (rest_.empty()) return false;
      if (rest_.front() == '>' || rest_.front() == '/') return true;
      std::string attribute;
      std::string value;
      if (!has_blank || element.attributes.size() == limits_.attributes_max || !name(attribute)) return false;
      skip_blanks();
      if (!take("=")) return false;
      skip_blanks();
      if (rest_.empty() || (rest_.front() != '"' && rest_.front() != '\'')) return false;
      const char quote = rest_.front();
      rest_.remove_prefix(1);
      if (!text(value, quote) || rest_.empty()) return false;
      rest_.remove_prefix(1);
      if (element.attribute(attribute)) return false;
      element.attributes.emplace_back(std::move(attribute), std::move(value));
    }
  }

  // A start tag behind its '<'. `is_empty`: it ends with "/>".
  bool start_tag(XmlElement& element, bool& is_empty) {
    if (++elements_ > limits_.elements_max || !name(element.name) || !attributes(element)) return false;
    is_empty = take("/");
    return take(">");
  }

  static void cut_prefixes(XmlElement& element) {
    const auto cut = [](std::string& name) {
      const size_t colon = name.rfind(':');
      if (colon != std::string::npos && colon + 1 < name.size()) name.erase(0, colon + 1);
    };
    cut(element.name);
    for (auto& attribute : element.attributes) cut(attribute.first);
  }

  // The root with everything in it, without recursion.
  bool elements(XmlElement& root) {
    bool is_empty = false;
    if (!take("<") || !start_tag(root, is_empty)) return false;
    // The open elements from the root down. An element's children do not move while one of them is open.
    std::vector<XmlElement*> open;
    std::vector<std::string> names;  // as written, with prefixes, for the end tags
    const auto opened = [&](XmlElement& element) {
      names.push_back(element.name);
      open.push_back(&element);
      cut_prefixes(element);
    };
    if (is_empty) {
      cut_prefixes(root);
      return true;
    }
    opened(root);
    while (!open.empty()) {
      XmlElement& here = *open.back();
      if (!text(here.text, '<') || rest_.empty()) return false;
      if (rest_.starts_with("<!--")) {
        if (!comment()) return false;
      } else if (take("<![CDATA[")) {
        if (!cdata(here.text)) return false;
      } else if (take("</")) {
        if (!take(names.back())) return false;
        skip_blanks();
        if (!take(">")) return false;
        names.pop_back();
        open.pop_back();
      } else {
        rest_.remove_prefix(1);
        XmlElement& made = here.children.emplace_back();
        if (!start_tag(made, is_empty)) return false;
        if (is_empty) {
          cut_prefixes(made);
        } else if (open.size() == limits_.depth_max) {
          return false;
        } else {
          opened(made);
        }
      }
    }
    return true;
  }

  bool cdata(std::string& into) {
    const size_t end = rest_.find("]]>");
    if (end == std::string_view::npos) return false;
    into.append(rest_.substr(0, end));
    rest_.remove_prefix(end + 3);
    return true;
  }

  std::string_view rest_;
  const XmlLimits& limits_;
  size_t elements_ = 0;
};

}  // namespace

const XmlElement* XmlElement::child(std::string_view child_name) const {
  const auto found =
      std::find_if(children.begin(), children.end(), [&](const XmlElement& one) { return one.name == child_name; });
  return found == children.end() ? nullptr : &*found;
}

std::optional<std::string_view> XmlElement::child_text(std::string_view child_name) const {
  const XmlElement* found = child(child_name);
  return found != nullptr ? std::optional<std::string_view>(found->text) : std::nullopt;
}

size_t XmlElement::count(std::string_view child_name) const {
  return static_cast<size_t>(
      std::count_if(children.begin(), children.end(), [&](const XmlElement& one) { return one.name == child_name; }));
}

std::optional<std::string_view> XmlElement::attribute(std::string_view attribute_name) const {
  for (const auto& one : attributes) {
    if (one.first == attribute_name) return one.second;
  }
  return std::nullopt;
}

std::optional<XmlElement> parse_xml(std::string_view bytes, const XmlLimits& limits) {
  if (bytes.size() > limits.bytes_max) return std::nullopt;
  XmlElement root;
  if (!Reader(bytes, limits).document(root)) return std::nullopt;
  return root;
}

}  // namespace keelson::s3
