// Regular expressions over topic names (SubscribedTopicRegex of KIP-848, whose words are RE2's): literals, ".", classes
// ([a-z], [^...], \d \D \w \W \s \S), groups ( ) and (?: ), "|", "*", "+", "?", "{m,n}", and "^" and "$" at the ends. A
// name matches as a whole. What else RE2 has (flags, Unicode classes, \b) is refused.
//
// Runs all alternatives side by side, so a name costs its length times the expression's, whatever either is.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace keelson::kafka {

// Of states of the machine; what {m,n} repeats counts each time.
inline constexpr size_t kPatternStatesMax = 10'000;

class TopicPattern {
 public:
  // Nothing: malformed, or too large.
  [[nodiscard]] static std::optional<TopicPattern> parse(std::string_view expression);
  [[nodiscard]] bool matches(std::string_view name) const;

 private:
  friend class PatternParser;
  struct State {
    // A byte of these leads to `next`; none: `next` and `other` are reached without one.
    int32_t bytes = -1;  // in sets_
    int32_t next = -1;
    int32_t other = -1;
  };
  void reach(int32_t state, std::vector<int32_t>& list, std::vector<uint32_t>& seen, uint32_t round) const;

  std::vector<State> states_;
  std::vector<std::bitset<256>> sets_;
  int32_t start_ = 0;
  int32_t end_ = 0;
};

}  // namespace keelson::kafka
