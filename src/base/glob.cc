#include "base/glob.h"

#include <cstddef>
#include <utility>

namespace keelson {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

class Matcher {
 public:
  Matcher(std::string_view pattern, bool ignore_case) : pattern_(pattern), ignore_case_(ignore_case) {}

  // Every element but '*' takes exactly one byte, so that if the rest fails behind a later star, no earlier star can
  // help: going back to the last star alone is enough.
  bool match(std::string_view text) {
    if (text.empty()) return pattern_.empty();
    size_t at = 0;
    size_t next = 0;
    size_t star_at = std::string_view::npos;  // the element behind the last star
    size_t star_text = 0;                     // where the text for that element starts
    while (next < text.size()) {
      if (at < pattern_.size() && pattern_[at] == '*') {
        star_at = ++at;
        star_text = next;
      } else if (at < pattern_.size() && take(at, text[next])) {
        ++next;
      } else if (star_at != std::string_view::npos) {
        at = star_at;
        next = ++star_text;
      } else {
        return false;
      }
    }
    while (at < pattern_.size() && pattern_[at] == '*') ++at;
    return at >= pattern_.size();
  }

 private:
  // Matches the element at `at` against one byte and moves behind the element. On false `at` means nothing.
  bool take(size_t& at, char byte) const {
    switch (pattern_[at]) {
      case '?':
        ++at;
        return true;
      case '[':
        return take_class(++at, byte);
      case '\\':
        if (at + 1 < pattern_.size()) ++at;
        [[fallthrough]];
      default:
        return same(pattern_[at++], byte);
    }
  }

  bool take_class(size_t& at, char byte) const {
    const bool negated = at < pattern_.size() && pattern_[at] == '^';
    if (negated) ++at;
    bool found = false;
    while (at < pattern_.size() && pattern_[at] != ']') {
      const size_t left = pattern_.size() - at;
      if (left >= 2 && pattern_[at] == '\\') {
        ++at;
        found |= pattern_[at] == byte;  // case counts here in Redis, whatever the mode
      } else if (left >= 3 && pattern_[at + 1] == '-') {
        found |= in_range(pattern_[at], pattern_[at + 2], byte);
        at += 2;
      } else {
        found |= same(pattern_[at], byte);
      }
      ++at;
    }
    if (at < pattern_.size()) ++at;  // the ']'
    return found != negated;
  }

  bool in_range(char first, char last, char byte) const {
    auto low = static_cast<signed char>(first);
    auto high = static_cast<signed char>(last);
    auto c = static_cast<signed char>(byte);
    if (low > high) std::swap(low, high);
    if (ignore_case_) {
      low = static_cast<signed char>(lower(static_cast<char>(low)));
      high = static_cast<signed char>(lower(static_cast<char>(high)));
      c = static_cast<signed char>(lower(static_cast<char>(c)));
    }
    return low <= c && c <= high;
  }

  bool same(char a, char b) const { return ignore_case_ ? lower(a) == lower(b) : a == b; }

  std::string_view pattern_;
  bool ignore_case_;
};

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text, GlobCase mode) {
  return Matcher(pattern, mode == GlobCase::kIgnore).match(text);
}

}  // namespace keelson
