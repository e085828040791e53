#include "net/http/message.h"

#include <algorithm>

namespace keelson::net::http {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (lower(c) >= 'a' && lower(c) <= 'f') return lower(c) - 'a' + 10;
  return -1;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

const std::string* Fields::find(std::string_view name) const {
  for (const auto& [line_name, value] : lines_) {
    if (equal_ignoring_case(line_name, name)) return &value;
  }
  return nullptr;
}

size_t Fields::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(lines_.begin(), lines_.end(),
                                           [&](const auto& line) { return equal_ignoring_case(line.first, name); }));
}

bool Fields::lists(std::string_view name, std::string_view token) const {
  for (const auto& [line_name, value] : lines_) {
    if (!equal_ignoring_case(line_name, name)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      if (equal_ignoring_case(trim(rest.substr(0, comma)), token)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

std::optional<std::string> RequestHead::parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    const size_t equals = pair.find('=');
    std::string key;
    std::string value;
    if (percent_decode(pair.substr(0, equals), true, key) && key == name) {
      if (equals == std::string_view::npos) return std::string();
      if (percent_decode(pair.substr(equals + 1), true, value)) return value;
    }
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return std::nullopt;
}

bool RequestHead::keeps_alive() const {
  if (fields.lists("Connection", "close")) return false;
  return minor_version >= 1 || fields.lists("Connection", "keep-alive");
}

std::string_view reason_of(uint16_t status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

bool percent_decode(std::string_view text, bool plus_is_blank, std::string& into) {
  into.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      into.push_back(' ');
    } else if (text[i] == '%') {
      if (text.size() - i < 3) return false;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return false;
      into.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      into.push_back(text[i]);
    }
  }
  return true;
}

}  // namespace keelson::net::http
