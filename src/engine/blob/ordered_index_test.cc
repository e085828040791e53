#include "engine/blob/ordered_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace keelson::blob {
namespace {

using Oracle = std::map<std::string, std::string, std::less<>>;

// Keys that share much, little, or all of what another has, of any bytes.
std::string random_key(std::mt19937_64& random, unsigned shape) {
  std::string key;
  switch (shape % 3) {
    case 0:
      key = "logs/2026/" + std::to_string(random() % 40) + "/" + std::to_string(random() % 1000);
      break;
    case 1:
      for (uint64_t i = 0, n = 1 + random() % 6; i < n; ++i)
        key += static_cast<char>(random() % 3 == 0 ? 255 : random() % 3);
      break;
    default:
      key = std::string(random() % 300, 'a') + std::to_string(random() % 10);
  }
  return key;
}

void expect_same(const OrderedIndex& index, const Oracle& oracle) {
  ASSERT_EQ(index.size(), oracle.size());
  OrderedIndex::Cursor cursor(index);
  cursor.seek({});
  for (const auto& [key, value] : oracle) {
    ASSERT_TRUE(cursor.is_valid());
    ASSERT_EQ(cursor.key(), key);
    ASSERT_EQ(cursor.value(), value);
    cursor.next();
  }
  ASSERT_FALSE(cursor.is_valid());
}

void expect_seek(const OrderedIndex& index, const Oracle& oracle, const std::string& key) {
  OrderedIndex::Cursor cursor(index);
  cursor.seek(key);
  const auto at = oracle.lower_bound(key);
  ASSERT_EQ(cursor.is_valid(), at != oracle.end());
  if (cursor.is_valid()) {
    ASSERT_EQ(cursor.key(), at->first);
  }
  std::string_view value;
  const auto found = oracle.find(key);
  ASSERT_EQ(index.find(key, value), found != oracle.end());
  if (found != oracle.end()) {
    ASSERT_EQ(value, found->second);
  }
}

void change(OrderedIndex& index, Oracle& oracle, std::mt19937_64& random, unsigned shape, unsigned erase_percent) {
  const std::string key = random_key(random, shape);
  if (random() % 100 < erase_percent) {
    ASSERT_EQ(index.erase(key), oracle.erase(key) == 1);
    return;
  }
  const std::string value(random() % 100 == 0 ? 5000 : random() % 60, static_cast<char>('a' + random() % 26));
  index.put(key, value);
  oracle[key] = value;
}

TEST(OrderedIndex, IsAsAMapUnderRandomChanges) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    OrderedIndex index;
    Oracle oracle;
    for (int i = 0; i < 6000; ++i) {
      // Grows, then shrinks to nothing.
      ASSERT_NO_FATAL_FAILURE(change(index, oracle, random, seed, i < 3000 ? 20 : 80));
      if (i % 10 == 0) {
        ASSERT_NO_FATAL_FAILURE(expect_seek(index, oracle, random_key(random, seed)));
      }
    }
    expect_same(index, oracle);
    while (!oracle.empty()) {
      ASSERT_TRUE(index.erase(oracle.begin()->first));
      oracle.erase(oracle.begin());
    }
    expect_same(index, oracle);
  }
}

// Every step of a walk that skips is where a search from the beginning would be.
void expect_skips(const OrderedIndex& index, const Oracle& oracle, std::mt19937_64& random, unsigned shape) {
  std::vector<std::string> targets;
  for (int i = 0; i < 40; ++i) targets.push_back(random_key(random, shape));
  std::ranges::sort(targets);
  OrderedIndex::Cursor cursor(index);
  cursor.seek({});
  for (const std::string& target : targets) {
    if (!cursor.is_valid()) break;
    if (target < cursor.key()) continue;
    cursor.seek_forward(target);
    const auto at = oracle.lower_bound(target);
    ASSERT_EQ(cursor.is_valid(), at != oracle.end());
    if (!cursor.is_valid()) break;
    ASSERT_EQ(cursor.key(), at->first);
    ASSERT_EQ(cursor.value(), at->second);
    if (random() % 2 == 0) cursor.next();
  }
}

TEST(OrderedIndex, SkipsForwardAsItSearches) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    OrderedIndex index;
    Oracle oracle;
    for (int i = 0; i < 60; ++i) {
      for (int k = 0; k < 50; ++k) change(index, oracle, random, seed, i < 40 ? 10 : 80);
      ASSERT_NO_FATAL_FAILURE(expect_skips(index, oracle, random, seed));
    }
  }
}

// All common prefixes, few and many to a leaf and over many leaves, are those that a set says.
TEST(OrderedIndex, SkipsFromPrefixToPrefix) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937_64 random(seed);
    OrderedIndex index;
    std::set<std::string> prefixes;
    const uint64_t directories = 1 + random() % 300;
    const bool is_deep = seed % 2 == 0;
    for (int i = 0; i < 4000; ++i) {
      std::string key = "b/" + std::to_string(random() % directories);
      if (seed % 5 == 0 && random() % 3 == 0) key += std::string(30, 'x');
      key += "//";
      prefixes.insert(key);
      if (is_deep) key += std::to_string(random() % 3) + "//";
      index.put(key + std::to_string(random()), std::string(random() % 200, 'v'));
    }
    OrderedIndex::Cursor cursor(index);
    std::set<std::string> seen;
    for (cursor.seek("b/"); cursor.is_valid();) {
      const std::string_view key = cursor.key();
      std::string prefix(key.substr(0, key.find("//", 2) + 2));
      ASSERT_TRUE(seen.insert(prefix).second) << prefix;
      prefix.back() = '0';
      cursor.skip_prefix(prefix, "//", 2);
    }
    ASSERT_EQ(seen, prefixes) << "seed " << seed;
  }
}

// Values that fill a leaf each, so that the groups of leaves split, shrink and go.
TEST(OrderedIndex, IsAsAMapWithManyLeaves) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    std::mt19937_64 random(seed);
    OrderedIndex index;
    Oracle oracle;
    const std::string value(3000, 'v');
    for (int i = 0; i < 3000; ++i) {
      const std::string key = seed == 0 ? std::to_string(1'000'000 + i) : random_key(random, seed - 1);
      index.put(key, value);
      oracle[key] = value;
      const std::string erased = random_key(random, seed == 0 ? 0 : seed - 1);
      if (i % 3 == 0) {
        ASSERT_EQ(index.erase(erased), oracle.erase(erased) == 1);
      }
      if (i % 100 == 0) {
        ASSERT_NO_FATAL_FAILURE(expect_skips(index, oracle, random, seed == 0 ? 0 : seed - 1));
      }
    }
    expect_same(index, oracle);
    std::vector<std::string> leaves;
    index.begin_checkpoint([](std::string_view) {});
    EXPECT_TRUE(index.checkpoint_some(SIZE_MAX, [&](std::string_view leaf) { leaves.emplace_back(leaf); }));
    index.end_checkpoint();
    std::ranges::shuffle(leaves, random);
    OrderedIndex loaded;
    for (const std::string& leaf : leaves) {
      ASSERT_TRUE(loaded.load_leaf(leaf, [](std::string_view, std::string_view) { return true; }).ok());
    }
    expect_same(loaded, oracle);
    std::vector<std::string> keys;
    for (const auto& [key, unused] : oracle) keys.push_back(key);
    std::ranges::shuffle(keys, random);
    for (size_t i = 0; i < keys.size(); ++i) {
      ASSERT_TRUE(index.erase(keys[i]));
      oracle.erase(keys[i]);
      if (i % 200 == 0) {
        ASSERT_NO_FATAL_FAILURE(expect_same(index, oracle));
      }
    }
    expect_same(index, oracle);
    EXPECT_LT(index.bytes_used(), 20'000U) << "what is empty holds nothing";
  }
}

TEST(OrderedIndex, ACheckpointHoldsTheStateAtItsBeginning) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    OrderedIndex index;
    Oracle oracle;
    for (int i = 0; i < 3000; ++i) change(index, oracle, random, seed, 20);
    for (int round = 0; round < 3; ++round) {
      const Oracle before = oracle;
      std::vector<std::string> leaves;
      const auto take = [&](std::string_view leaf) { leaves.emplace_back(leaf); };
      index.begin_checkpoint(take);
      bool is_done = false;
      while (!is_done) {
        for (int i = 0; i < 50; ++i) change(index, oracle, random, seed, 50);
        is_done = index.checkpoint_some(random() % 10'000, take);
      }
      index.end_checkpoint();
      OrderedIndex loaded;
      for (const std::string& leaf : leaves) {
        const Status status = loaded.load_leaf(leaf, [](std::string_view, std::string_view) { return true; });
        ASSERT_TRUE(status.ok()) << status.error().message();
      }
      expect_same(loaded, before);
      expect_same(index, oracle);
      // What was loaded can be changed as well.
      Oracle changed = before;
      for (int i = 0; i < 500; ++i) change(loaded, changed, random, seed, 50);
      expect_same(loaded, changed);
    }
  }
}

TEST(OrderedIndex, RefusesLeavesThatAreNone) {
  OrderedIndex index;
  for (int i = 0; i < 20; ++i) index.put("key/" + std::to_string(i), "value");
  std::string leaf;
  index.begin_checkpoint([](std::string_view) {});
  EXPECT_TRUE(index.checkpoint_some(1 << 20, [&](std::string_view bytes) { leaf = bytes; }));
  index.end_checkpoint();
  const auto yes = [](std::string_view, std::string_view) { return true; };
  for (size_t size = 0; size < leaf.size(); ++size) {
    OrderedIndex loaded;
    // Cut between two entries it is a leaf, and no crash in any case.
    const Status status = loaded.load_leaf(std::string_view(leaf).substr(0, size), yes);
    if (status.ok()) {
      EXPECT_LT(loaded.size(), 20U);
    }
  }
  OrderedIndex loaded;
  EXPECT_TRUE(loaded.load_leaf(leaf, yes).ok());
  EXPECT_FALSE(loaded.load_leaf(leaf, yes).ok()) << "twice";
  OrderedIndex refusing;
  EXPECT_FALSE(refusing.load_leaf(leaf, [](std::string_view, std::string_view) { return false; }).ok());
}

TEST(OrderedIndex, TakesLittleMemory) {
  OrderedIndex in_order;
  OrderedIndex by_chance;
  std::mt19937_64 random(1);
  constexpr size_t kEntries = 100'000;
  size_t content = 0;
  for (size_t i = 0; i < kEntries; ++i) {
    std::string key = std::to_string(1'000'000'000'000 + i) + "-of-thirty-bytes!";
    in_order.put(key, std::string(40, 'v'));
    key = std::to_string(1'000'000'000'000 + random() % 1'000'000'000'000) + "-of-thirty-bytes!";
    by_chance.put(key, std::string(40, 'v'));
    content += 30 + 40;
  }
  EXPECT_LT(in_order.bytes_used(), content * 11 / 10);
  EXPECT_LT(by_chance.bytes_used(), content * 11 / 10);
}

}  // namespace
}  // namespace keelson::blob
