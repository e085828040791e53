// Percent-encoding as S3 signs and lists with (RFC 3986, in Amazon's variant: every byte but unreserved characters is
// encoded, in upper-case hex), and query strings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::s3 {

enum class Slash : bool { kEncode, kKeep };

// Appends `text`, encoded.
void append_uri_encoded(std::string& out, std::string_view text, Slash slash);
[[nodiscard]] std::string uri_encoded(std::string_view text, Slash slash = Slash::kEncode);
// As encoding-type=url in listings does it: unreserved characters and '/' stay, a blank is '+' (which every SDK
// undoes).
[[nodiscard]] std::string list_encoded(std::string_view text);

// nullopt if a '%' is not followed by two hex digits. Any byte may come out. '+' stays what it is.
[[nodiscard]] std::optional<std::string> uri_decoded(std::string_view text);
// As browsers encode forms and x-amz-tagging is sent: '+' is a blank.
[[nodiscard]] std::optional<std::string> form_decoded(std::string_view text);

// A query string, taken apart. Names and values are decoded; "a" and "a=" are both the empty value. In the order sent.
class Query {
 public:
  // nullopt if something cannot be decoded or there are more than `count_max` parameters.
  static std::optional<Query> parse(std::string_view text, size_t count_max = 256);

  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  // The first with that name, or null. Names are compared with their case.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  // The same, empty if it is not there.
  [[nodiscard]] std::string_view value(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }
  void add(std::string name, std::string value) { pairs_.emplace_back(std::move(name), std::move(value)); }

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace keelson::s3
