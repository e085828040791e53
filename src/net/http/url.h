// Request targets and queries (RFC 3986, RFC 9112 §3.2; application/x-www-form-urlencoded of the URL Standard).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::net::http {

// False if a % is not followed by two hex digits, or a NUL would come out.
bool percent_decode(std::string_view text, bool plus_is_blank, std::string& into);
// The same question without an answer's bytes.
[[nodiscard]] bool has_good_escapes(std::string_view text);

struct Parameter {
  std::string name;
  std::string value;       // empty without "="
  bool has_value = false;  // was there a "="?
};
// "a=1&b&c=%20" in its order. An escape that is none stays as it was sent.
[[nodiscard]] std::vector<Parameter> parse_query(std::string_view query);

// Everything but unreserved characters (RFC 3986 §2.3) becomes %XX; "/" too, unless it is kept.
[[nodiscard]] std::string percent_encode(std::string_view text, bool keeps_slash);

// uri-host [":" port] (RFC 9110 §7.2): no userinfo, brackets where they belong, a port of digits. May be empty.
[[nodiscard]] bool is_host(std::string_view text);

}  // namespace keelson::net::http
