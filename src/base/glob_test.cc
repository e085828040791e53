#include "base/glob.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cstddef>
#include <random>
#include <string>
#include <string_view>

namespace keelson {
namespace {

// The plain recursive definition, element by element, as Redis 7.0's stringmatchlen() behaves; exponential.
struct Oracle {
  std::string pattern;  // read past its end as NUL, which is what lies behind a Redis string
  std::string text;
  bool nocase;

  char p(size_t i) const { return i < pattern.size() ? pattern[i] : '\0'; }
  static int low(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }
  bool equal(char a, char b) const { return nocase ? low(a) == low(b) : a == b; }

  bool class_matches(size_t& i, char byte) const {
    ++i;
    const bool negated = p(i) == '^';
    if (negated) ++i;
    bool match = false;
    for (;; ++i) {
      const size_t left = i <= pattern.size() ? pattern.size() - i : 0;
      if (left >= 2 && p(i) == '\\') {
        ++i;
        match = match || p(i) == byte;
      } else if (left == 0) {
        break;
      } else if (p(i) == ']') {
        ++i;
        break;
      } else if (left >= 3 && p(i + 1) == '-') {
        int start = static_cast<signed char>(p(i));
        int end = static_cast<signed char>(p(i + 2));
        int c = static_cast<signed char>(byte);
        if (start > end) std::swap(start, end);
        if (nocase) {
          start = low(start);
          end = low(end);
          c = low(c);
        }
        i += 2;
        match = match || (c >= start && c <= end);
      } else {
        match = match || equal(p(i), byte);
      }
    }
    return match != negated;
  }

  bool matches(size_t i, size_t j) const {
    if (j == text.size()) {
      // Only behind at least one byte do stars match nothing.
      if (j > 0) {
        while (p(i) == '*') ++i;
      }
      return i >= pattern.size();
    }
    if (i >= pattern.size()) return false;
    if (p(i) == '*') {
      while (p(i + 1) == '*') ++i;
      if (i + 1 == pattern.size()) return true;
      for (size_t k = j; k < text.size(); ++k) {
        if (matches(i + 1, k)) return true;
      }
      return false;
    }
    if (p(i) == '?') return matches(i + 1, j + 1);
    if (p(i) == '[') {
      size_t next = i;
      return class_matches(next, text[j]) && matches(next, j + 1);
    }
    if (p(i) == '\\' && i + 1 < pattern.size()) ++i;
    return equal(p(i), text[j]) && matches(i + 1, j + 1);
  }
};

TEST(Glob, Examples) {
  EXPECT_TRUE(glob_match("h?llo", "hello"));
  EXPECT_TRUE(glob_match("h*llo", "heeeello"));
  EXPECT_TRUE(glob_match("h[ae]llo", "hallo"));
  EXPECT_FALSE(glob_match("h[ae]llo", "hillo"));
  EXPECT_TRUE(glob_match("h[^e]llo", "hallo"));
  EXPECT_FALSE(glob_match("h[^e]llo", "hello"));
  EXPECT_TRUE(glob_match("h[b-a]llo", "hallo"));
  EXPECT_TRUE(glob_match("a\\*", "a*"));
  EXPECT_FALSE(glob_match("a\\*", "ab"));
  EXPECT_TRUE(glob_match("", ""));
  EXPECT_FALSE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("a**", "a"));
  EXPECT_TRUE(glob_match("[a", "a"));
  EXPECT_TRUE(glob_match("\\", "\\"));
  EXPECT_TRUE(glob_match("MaxMemory*", "maxmemory-policy", GlobCase::kIgnore));
  EXPECT_FALSE(glob_match("MaxMemory*", "maxmemory-policy"));
}

TEST(Glob, EqualsTheRecursiveOracle) {
  std::mt19937_64 random(1);
  static constexpr char kPatternBytes[] = {'a', 'b', 'c', 'A', 'B', '*', '*', '?', '[', ']', '^', '-', '\\', '\xff'};
  static constexpr char kTextBytes[] = {'a', 'b', 'c', 'A', 'B', ']', '-', '\\', '^', '*', '\xff'};
  size_t matched = 0;
  for (int i = 0; i < 300'000; ++i) {
    Oracle oracle;
    oracle.nocase = random() % 2 == 0;
    for (size_t n = random() % 9; n > 0; --n) oracle.pattern.push_back(kPatternBytes[random() % sizeof(kPatternBytes)]);
    for (size_t n = random() % 7; n > 0; --n) oracle.text.push_back(kTextBytes[random() % sizeof(kTextBytes)]);
    const bool expected = oracle.matches(0, 0);
    matched += expected ? 1 : 0;
    ASSERT_EQ(glob_match(oracle.pattern, oracle.text, oracle.nocase ? GlobCase::kIgnore : GlobCase::kSensitive),
              expected)
        << "pattern " << testing::PrintToString(oracle.pattern) << " text " << testing::PrintToString(oracle.text)
        << " nocase " << oracle.nocase;
  }
  EXPECT_GT(matched, 10'000U) << "the oracle test hardly ever matches";
}

TEST(Glob, ManyStarsDoNotExplode) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "a*";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(5000, 'a')));
}

}  // namespace
}  // namespace keelson
