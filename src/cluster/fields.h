// Small records as text: a line "name=value" for each field, in order, so that people can read them with etcdctl.
//
// What a reader does not know it keeps, so that a node of this version does not lose what one of the next has written.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::cluster {

class Fields {
 public:
  Fields() = default;
  // None: a line has no '='.
  static std::optional<Fields> parse(std::string_view text);

  // Empty if there is no such field.
  [[nodiscard]] const std::string& text(std::string_view name) const;
  // None: not there, or no number.
  [[nodiscard]] std::optional<uint64_t> number(std::string_view name) const;
  // Values hold no line breaks (is_line()).
  void set(std::string_view name, std::string value);
  void set(std::string_view name, uint64_t value) { set(name, std::to_string(value)); }
  [[nodiscard]] std::string format() const;

  bool operator==(const Fields&) const = default;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Printable characters of one line, at most `bytes_max` of them.
[[nodiscard]] bool is_line(std::string_view text, size_t bytes_max);

// Numbers with single spaces between them: "1 2 3". None: something else.
[[nodiscard]] std::string format_ids(const std::vector<uint64_t>& ids);
[[nodiscard]] std::optional<std::vector<uint64_t>> parse_ids(std::string_view text);

}  // namespace keelson::cluster
