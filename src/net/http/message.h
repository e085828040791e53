// What an HTTP/1.1 request or response consists of (RFC 9110, RFC 9112), once it is parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::net::http {

// Field lines in the order they came. Names keep their case and are compared without it (RFC 9110 §5.1).
class Fields {
 public:
  void add(std::string name, std::string value) { lines_.emplace_back(std::move(name), std::move(value)); }
  // The first with this name, or null.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  [[nodiscard]] size_t count(std::string_view name) const;
  // Does a comma-separated list (Connection, Accept) hold this token, in any line of the name, any case?
  [[nodiscard]] bool lists(std::string_view name, std::string_view token) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& lines() const { return lines_; }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

struct RequestHead {
  std::string method;
  std::string target;  // as sent, in origin form ("/metrics?x=1") or "*"
  std::string path;    // percent-decoded, without the query
  std::string query;   // as sent, without "?"
  uint8_t minor_version = 1;
  Fields fields;

  // A query parameter, decoded; absent is nullopt, present without "=" is empty.
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
  // May further requests follow on the connection (RFC 9112 §9.3)?
  [[nodiscard]] bool keeps_alive() const;
};

struct ResponseHead {
  uint16_t status = 0;
  std::string reason;
  uint8_t minor_version = 1;
  Fields fields;
};

// "Not Found" for 404; "Unknown" for what is not in the house's use.
std::string_view reason_of(uint16_t status);
// False if a % is not followed by two hex digits, or a NUL would come out.
bool percent_decode(std::string_view text, bool plus_is_blank, std::string& into);
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace keelson::net::http
