// The index of watched keys and ranges against looking at every one of them.
#include "coord/watch_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace keelson::coord {
namespace {

struct Plain {
  std::string begin;
  std::string end;  // as a request has it
  WatchEntry* entry = nullptr;
  [[nodiscard]] bool covers(const std::string& key) const {
    if (end.empty()) return key == begin;
    return key >= begin && (end == std::string("\0", 1) || key < end);
  }
};

std::vector<WatchEntry*> found(const WatchIndex& index, const std::string& key) {
  std::vector<WatchEntry*> entries;
  index.match(key, [&](WatchEntry& entry) { entries.push_back(&entry); });
  std::ranges::sort(entries);
  return entries;
}

TEST(WatchIndex, FindsWhatLookingAtAllFinds) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    // Few letters: ranges nest, touch and repeat.
    const auto text = [&](size_t length_max) {
      std::string made;
      for (size_t i = random() % (length_max + 1); i-- != 0;)
        made.push_back(static_cast<char>("\0abc\xff"[random() % 5]));
      return made;
    };
    WatchIndex index(seed);
    std::vector<Plain> plain;
    for (int step = 0; step < 1500; ++step) {
      if (plain.size() < 20 || random() % 3 != 0) {
        Plain added{.begin = text(3), .end = ""};
        switch (random() % 4) {
          case 0:
            break;
          case 1:
            added.end = std::string("\0", 1);
            break;
          default:
            added.end = text(3);
            // What is empty is refused before it gets here; and this end means something else.
            if (added.end <= added.begin || added.end == std::string("\0", 1)) added.end = added.begin + "c";
        }
        added.entry = &index.find_or_add(added.begin, added.end);
        ++added.entry->watchers;
        for (const Plain& other : plain) {
          EXPECT_EQ(other.entry == added.entry, other.begin == added.begin && other.end == added.end);
        }
        plain.push_back(added);
      } else {
        const size_t which = random() % plain.size();
        WatchEntry& entry = *plain[which].entry;
        plain.erase(plain.begin() + static_cast<ptrdiff_t>(which));
        if (--entry.watchers == 0) index.remove(entry);
      }
      const std::string key = text(4);
      std::vector<WatchEntry*> expected;
      for (const Plain& one : plain) {
        if (one.covers(key)) expected.push_back(one.entry);
      }
      std::ranges::sort(expected);
      const auto repeated = std::ranges::unique(expected);
      expected.erase(repeated.begin(), repeated.end());
      ASSERT_EQ(found(index, key), expected) << "seed " << seed << " step " << step;
    }
  }
}

TEST(WatchIndex, TakesAHundredThousandRangesThatAllBeginBeforeTheKey) {
  WatchIndex index(7);
  const auto name = [](int i) { return "r" + std::to_string(1'000'000 + i); };
  for (int i = 0; i < 100'000; ++i) ++index.find_or_add(name(i), name(i + 1)).watchers;
  EXPECT_EQ(index.range_count(), 100'000U);
  for (int i = 0; i < 100'000; i += 997) {
    const auto entries = found(index, name(i) + "x");
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries.front()->begin, name(i));
  }
}

}  // namespace
}  // namespace keelson::coord
