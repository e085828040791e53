#include "engine/coord/key_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

namespace keelson::coord {

namespace {

struct Versions {
  std::vector<Version*> all;
  Versions() = default;
  Versions(const Versions&) = delete;
  Versions& operator=(const Versions&) = delete;
  ~Versions() {
    for (Version* version : all) Version::destroy(version);
  }
  Version* make(std::string_view key, bool is_present) {
    return all.emplace_back(Version::make(
        {.key = key, .value = {}, .main = 2, .create = 2, .count = is_present ? 1 : 0, .lease = 0}, nullptr, 0));
  }
};

using Oracle = std::map<std::string, bool>;

// Walks all of it, and looks for some keys that are there and some that are not.
void compare(const KeyIndex& index, const Oracle& oracle, std::mt19937_64& random) {
  ASSERT_EQ(index.size(), oracle.size());
  KeyIndex::Place place = index.lower_bound("");
  uint64_t present = 0;
  for (const auto& [key, is_present] : oracle) {
    ASSERT_LT(place, index.end());
    ASSERT_EQ(index.at(place)->key(), key);
    ASSERT_EQ(!index.at(place)->is_deletion(), is_present);
    present += is_present ? 1 : 0;
    index.advance(place);
  }
  ASSERT_EQ(place, index.end());
  ASSERT_EQ(index.present(), present);
  ASSERT_EQ(index.count_present(index.lower_bound(""), index.end()), present);
  for (int i = 0; i < 20 && !oracle.empty(); ++i) {
    auto from = oracle.begin();
    std::advance(from, random() % oracle.size());
    std::string begin = from->first;
    if (random() % 2 == 0) begin.back() = static_cast<char>(begin.back() + 1);
    auto to = oracle.begin();
    std::advance(to, random() % oracle.size());
    uint64_t expected = 0;
    for (const auto& [key, is_present] : oracle) expected += is_present && key >= begin && key < to->first ? 1 : 0;
    ASSERT_EQ(index.count_present(index.lower_bound(begin), index.lower_bound(to->first)), expected);
    KeyIndex::Place found;
    ASSERT_EQ(index.find(begin, found), oracle.contains(begin));
  }
}

std::string some_key(std::mt19937_64& random) {
  // Long shared beginnings, keys that are beginnings of others, zero bytes, bytes above 127.
  static constexpr char kBytes[] = {'\0', 'a', 'b', '\xff'};
  std::string key = random() % 2 == 0 ? "/registry/pods/default/" : "/registry/leases/";
  for (uint64_t length = 1 + random() % 9; length > 0; --length) key += kBytes[random() % 4];
  return key;
}

}  // namespace

TEST(KeyIndex, IsAMap) {
  std::mt19937_64 random(1);
  KeyIndex index;
  Versions versions;
  Oracle oracle;
  // Grows beyond a group, shrinks to nothing, and once more.
  for (int round = 0; round < 4; ++round) {
    const bool grows = round % 2 == 0;
    for (int i = 0; i < 60000; ++i) {
      const bool inserts = random() % 10 < (grows ? 9 : 1);
      std::string key = some_key(random);
      if (!inserts && !oracle.empty()) {
        const auto at = oracle.lower_bound(key);
        if (at != oracle.end()) key = at->first;
      }
      const bool is_present = random() % 3 != 0;
      KeyIndex::Place place;
      const bool is_there = index.find(key, place);
      ASSERT_EQ(is_there, oracle.contains(key));
      if (inserts && is_there) {
        index.replace(place, versions.make(key, is_present));
        oracle[key] = is_present;
      } else if (inserts) {
        index.insert(place, versions.make(key, is_present));
        oracle[key] = is_present;
      } else if (is_there) {
        index.erase(place);
        oracle.erase(key);
      }
      if (i % 10000 == 0) compare(index, oracle, random);
      if (HasFatalFailure()) return;
    }
    compare(index, oracle, random);
    if (HasFatalFailure()) return;
  }
  while (!oracle.empty()) {
    KeyIndex::Place place;
    auto at = oracle.begin();
    std::advance(at, random() % std::min<size_t>(oracle.size(), 100));
    ASSERT_TRUE(index.find(at->first, place));
    index.erase(place);
    oracle.erase(at);
  }
  compare(index, oracle, random);
}

TEST(KeyIndex, TakesKeysInOrderWithoutGaps) {
  std::mt19937_64 random(1);
  KeyIndex index;
  Versions versions;
  Oracle oracle;
  for (int i = 0; i < 100000; ++i) {
    std::string key = "key-" + std::to_string(1000000 + i);
    KeyIndex::Place place;
    ASSERT_FALSE(index.find(key, place));
    index.insert(place, versions.make(key, true));
    oracle[key] = true;
  }
  compare(index, oracle, random);
  // 12 bytes for each key in full leaves, and little for the way there.
  EXPECT_LT(index.bytes_used(), 100000 * 15);
}

TEST(Version, FindsAnyRevisionOfALongChain) {
  std::vector<Version*> chain;
  Version* latest = nullptr;
  for (Revision main = 2; main < 4000; ++main) {
    latest =
        Version::make({.key = "k", .value = {}, .main = main, .create = 2, .count = main - 1, .lease = 0}, latest, 0);
    chain.push_back(latest);
  }
  for (Revision main = 0; main < 4005; ++main) {
    const Version* const found = latest->at(main);
    if (main < 2) {
      EXPECT_EQ(found, nullptr);
    } else {
      ASSERT_NE(found, nullptr);
      EXPECT_EQ(found->main(), std::min<Revision>(main, 3999));
    }
  }
  for (Version* version : chain) Version::destroy(version);
}

TEST(Version, FindsAnyRevisionThatCompactionsHaveLeft) {
  std::vector<Version*> chain;  // by revision, from the first one left on
  Revision compacted = 0;
  for (Revision main = 1; main < 4000; ++main) {
    Version* const older = chain.empty() ? nullptr : chain.back();
    chain.push_back(Version::make({.key = "k", .value = {}, .main = main, .create = 1, .count = main, .lease = 0},
                                  older, compacted));
    if (main % 777 != 0) continue;
    // What is left behind is gone: a jump to it would be seen.
    const Revision first = compacted == 0 ? 1 : compacted;
    compacted = main - 100;
    const auto keeps = chain.begin() + (compacted - first);
    (*keeps)->forget_older();
    std::for_each(chain.begin(), keeps, Version::destroy);
    chain.erase(chain.begin(), keeps);
    for (Revision at = compacted; at <= main; ++at) ASSERT_EQ(chain.back()->at(at)->main(), at);
  }
  for (Revision at = compacted; at < 4000; ++at) ASSERT_EQ(chain.back()->at(at)->main(), at);
  for (Version* version : chain) Version::destroy(version);
}

}  // namespace keelson::coord
