#include "base/separators.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace keelson {
namespace {

using Oracle = std::vector<std::string>;

// Those that share nothing, eight bytes and more, and those that end within the eight.
std::string random_text(std::mt19937_64& random) {
  static constexpr const char* kBegins[] = {"", "bucket/", "bucket/2026-11-26/", "bucket/2026-11-26/part-00"};
  std::string text = kBegins[random() % 4];
  for (uint64_t i = 0, n = random() % 4; i < n; ++i) text += static_cast<char>(random() % 3 == 0 ? 255 : random() % 3);
  if (random() % 2 == 0) text += std::to_string(random() % 50);
  return text;
}

void expect_same(const Separators& separators, const Oracle& oracle, std::mt19937_64& random) {
  ASSERT_EQ(separators.size(), oracle.size());
  for (size_t i = 0; i < oracle.size(); ++i) {
    ASSERT_EQ(separators.text(i), oracle[i]);
    ASSERT_EQ(separators.count_not_greater(oracle[i]), i + 1);
  }
  for (int i = 0; i < 20; ++i) {
    const std::string key = random_text(random);
    const auto at = std::ranges::upper_bound(oracle, key);
    ASSERT_EQ(separators.count_not_greater(key), static_cast<size_t>(at - oracle.begin()));
  }
}

TEST(Separators, AreAsASortedVector) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937_64 random(seed);
    Separators separators;
    Oracle oracle;
    for (int i = 0; i < 400; ++i) {
      const std::string text = random_text(random);
      const auto at = std::ranges::lower_bound(oracle, text);
      const auto number = static_cast<size_t>(at - oracle.begin());
      if (at == oracle.end() || *at != text) {
        separators.insert(number, text);
        oracle.insert(at, text);
      } else if (random() % 2 == 0) {
        separators.erase(number);
        oracle.erase(at);
      }
      if (oracle.size() > 60) {
        const size_t from = random() % oracle.size();
        const Separators right = separators.split(from);
        const Oracle right_oracle(oracle.begin() + static_cast<ptrdiff_t>(from), oracle.end());
        oracle.resize(from);
        ASSERT_NO_FATAL_FAILURE(expect_same(right, right_oracle, random)) << "seed " << seed;
      }
      ASSERT_NO_FATAL_FAILURE(expect_same(separators, oracle, random)) << "seed " << seed;
    }
    while (!oracle.empty()) {
      separators.erase(0);
      oracle.erase(oracle.begin());
      ASSERT_NO_FATAL_FAILURE(expect_same(separators, oracle, random));
    }
  }
}

}  // namespace
}  // namespace keelson
