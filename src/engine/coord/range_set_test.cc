#include "engine/coord/range_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace keelson::coord {

// Against all keys of up to three letters of "ab", held one by one.
TEST(RangeSet, IsTheUnionOfItsRanges) {
  std::vector<std::string> keys;
  for (const char* a : {"a", "b"}) {
    keys.emplace_back(a);
    for (const char* b : {"a", "b"}) {
      keys.push_back(std::string(a) + b);
      for (const char* c : {"a", "b"}) keys.push_back(std::string(a) + b + c);
    }
  }
  std::mt19937_64 random(1);
  const auto some_end = [&] { return random() % 8 == 0 ? std::string() : keys[random() % keys.size()]; };
  for (int round = 0; round < 3000; ++round) {
    RangeSet set;
    std::set<std::string> oracle;
    for (uint64_t i = random() % 5; i > 0; --i) {
      const std::string begin = keys[random() % keys.size()];
      if (random() % 2 == 0) {
        set.add_key(begin);
        oracle.insert(begin);
        continue;
      }
      const std::string end = some_end();
      set.add(begin, end);
      for (const std::string& key : keys) {
        if (key >= begin && (end.empty() || key < end)) oracle.insert(key);
      }
    }
    for (const std::string& key : keys) EXPECT_EQ(set.has_key(key), oracle.contains(key));
    const std::string begin = keys[random() % keys.size()];
    const std::string end = some_end();
    bool has_all = true;
    bool is_empty = true;
    for (const std::string& key : keys) {
      if (key < begin || (!end.empty() && key >= end)) continue;
      is_empty = false;
      has_all = has_all && oracle.contains(key);
    }
    // Between keys of the list there are others, so covering is more than having those.
    if (!is_empty && set.covers(begin, end)) {
      EXPECT_TRUE(has_all);
    }
  }
}

TEST(RangeSet, JoinsWhatTouches) {
  RangeSet set;
  set.add("a", "c");
  set.add("e", "g");
  EXPECT_FALSE(set.covers("a", "g"));
  set.add("c", "e");
  EXPECT_TRUE(set.covers("a", "g"));
  EXPECT_TRUE(set.covers("b", "f"));
  EXPECT_FALSE(set.covers("a", "h"));
  EXPECT_FALSE(set.covers("a", ""));
  set.add("f", "");
  EXPECT_TRUE(set.covers("a", ""));
  EXPECT_TRUE(set.has_key("zzz"));
  EXPECT_FALSE(set.has_key("Z"));
}

}  // namespace keelson::coord
