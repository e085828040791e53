// Sets of keys made of ranges: overlapping and touching ones are joined, so that a question is one search.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace keelson::coord {

// Compares the end of a range: empty is behind every key.
[[nodiscard]] constexpr bool end_less(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return !a.empty();
  return a < b;
}

class RangeSet {
 public:
  // [begin, end); an empty end is behind every key. Nothing happens if it holds no key.
  void add(std::string_view begin, std::string_view end);
  void add_key(std::string_view key) { add(key, behind(key)); }
  void add_all(const RangeSet& other) {
    for (const auto& [begin, end] : other.ranges_) add(begin, end);
  }
  [[nodiscard]] bool has_key(std::string_view key) const;
  // All of [begin, end) is in the set; a range that holds no key is if its begin is.
  [[nodiscard]] bool covers(std::string_view begin, std::string_view end) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }

 private:
  // The smallest key greater than `key`.
  static std::string behind(std::string_view key) { return std::string(key) + '\0'; }

  std::map<std::string, std::string, std::less<>> ranges_;  // begin -> end, apart from each other
};

}  // namespace keelson::coord
