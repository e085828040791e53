#include "net/http/url.h"

#include <algorithm>

#include "net/http/scan.h"

namespace keelson::net::http {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that the escape at the start of `text` stands for; -1 if it is none, or NUL.
int escape_at(std::string_view text) {
  if (text.size() < 3) return -1;
  const int high = hex_value(text[1]);
  const int low = hex_value(text[2]);
  if (high < 0 || low < 0 || (high == 0 && low == 0)) return -1;
  return high * 16 + low;
}

// As far as escapes are good; bad ones are copied. True if there was none.
bool decode(std::string_view text, bool plus_is_blank, std::string& into) {
  bool is_good = true;
  into.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    const int escaped = text[i] == '%' ? escape_at(text.substr(i)) : -1;
    if (escaped >= 0) {
      into.push_back(static_cast<char>(escaped));
      i += 2;
    } else {
      is_good = is_good && text[i] != '%';
      into.push_back(text[i] == '+' && plus_is_blank ? ' ' : text[i]);
    }
  }
  return is_good;
}

bool is_port(std::string_view text) {
  constexpr size_t kDigitsMax = 5;
  return text.size() <= kDigitsMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool percent_decode(std::string_view text, bool plus_is_blank, std::string& into) {
  return decode(text, plus_is_blank, into);
}

bool has_good_escapes(std::string_view text) {
  for (size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 3)) {
    if (escape_at(text.substr(at)) < 0) return false;
  }
  return true;
}

std::vector<Parameter> parse_query(std::string_view query) {
  std::vector<Parameter> parameters;
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    if (!pair.empty()) {
      const size_t equals = pair.find('=');
      Parameter& parameter = parameters.emplace_back();
      (void)decode(pair.substr(0, equals), true, parameter.name);
      parameter.has_value = equals != std::string_view::npos;
      if (parameter.has_value) (void)decode(pair.substr(equals + 1), true, parameter.value);
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return parameters;
}

std::string percent_encode(std::string_view text, bool keeps_slash) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (char c : text) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                          c == '.' || c == '_' || c == '~' || (c == '/' && keeps_slash);
    if (is_plain) {
      encoded.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded.push_back('%');
      encoded.push_back(kDigits[byte >> 4]);
      encoded.push_back(kDigits[byte & 15]);
    }
  }
  return encoded;
}

bool is_host(std::string_view text) {
  if (text.empty()) return true;
  if (!kHostChars.holds_all(text)) return false;
  if (text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || close == 1) return false;
    const std::string_view inside = text.substr(1, close - 1);
    const std::string_view behind = text.substr(close + 1);
    if (inside.find_first_of("[]") != std::string_view::npos || inside.find(':') == std::string_view::npos)
      return false;
    return behind.empty() || (behind.front() == ':' && is_port(behind.substr(1)));
  }
  if (text.find_first_of("[]") != std::string_view::npos) return false;
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  if (!has_good_escapes(name)) return false;
  return colon == std::string_view::npos || (!name.empty() && is_port(text.substr(colon + 1)));
}

}  // namespace keelson::net::http
