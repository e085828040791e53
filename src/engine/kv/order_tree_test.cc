#include "engine/kv/order_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "engine/kv/database.h"
#include "engine/kv/keyspace_test_support.h"

namespace keelson::kv {
namespace {

using Tree = OrderTree<ExpiryTraits>;
using Pair = std::pair<int64_t, uint64_t>;

std::vector<Pair> contents(const Tree& tree) {
  std::vector<Pair> all;
  tree.for_range(0, tree.size(), [&all](const ExpiryKey& key) {
    all.emplace_back(key.at_ms, key.hash);
    return true;
  });
  return all;
}

TEST(OrderTreeTest, AgreesWithASortedVector) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    TestRandom random(seed);
    Tree tree;
    std::vector<Pair> model;
    const size_t values = seed % 2 == 0 ? 50 : 100000;  // many equal keys, or hardly any
    for (int step = 0; step < 30000; ++step) {
      const bool is_growing = step / 7500 % 2 == 0;
      const Pair key{static_cast<int64_t>(random.below(values)), random.below(3)};
      const auto at = std::lower_bound(model.begin(), model.end(), key);
      if (random.below(4) != 0 ? is_growing : !is_growing) {
        tree.insert({key.first, key.second});
        model.insert(at, key);
      } else {
        Pair erased = key;
        if (!model.empty() && random.one_in(2)) erased = model[random.below(model.size())];
        const auto found = std::lower_bound(model.begin(), model.end(), erased);
        const bool is_there = found != model.end() && *found == erased;
        ASSERT_EQ(tree.erase({erased.first, erased.second}), is_there);
        if (is_there) model.erase(found);
      }
      ASSERT_EQ(tree.size(), model.size());
      if (model.empty()) continue;
      const size_t rank = random.below(model.size());
      ASSERT_EQ(tree.at(rank).at_ms, model[rank].first);
      const size_t before = tree.count_before([&](const ExpiryKey& other) { return other.at_ms < key.first; });
      ASSERT_EQ(before,
                static_cast<size_t>(std::lower_bound(model.begin(), model.end(), Pair{key.first, 0}) - model.begin()));
      if (step % 1000 == 0) {
        ASSERT_EQ(contents(tree), model);
        std::vector<Pair> down;
        tree.for_range_reverse(rank, 100, [&down](const ExpiryKey& other) {
          down.emplace_back(other.at_ms, other.hash);
          return true;
        });
        for (size_t i = 0; i < down.size(); ++i) ASSERT_EQ(down[i], model[rank - i]);
        ASSERT_EQ(down.size(), std::min<size_t>(100, rank + 1));
      }
    }
    ASSERT_EQ(contents(tree), model);
  }
}

TEST(OrderTreeTest, AscendingKeysFillTheirLeaves) {
  Tree tree;
  for (int64_t i = 0; i < 61 * 1000; ++i) tree.insert({i, 0});
  EXPECT_LT(static_cast<double>(tree.bytes()) / static_cast<double>(tree.size()), 18.0);
}

TEST(OrderTreeTest, DrainsInSlices) {
  Tree tree;
  for (int64_t i = 0; i < 100000; ++i) tree.insert({(i * 7919) % 100003, 0});
  int slices = 0;
  while (tree.drain(1000)) ++slices;
  EXPECT_GE(slices, 60);
  EXPECT_EQ(tree.size(), 0U);
  EXPECT_EQ(tree.bytes(), 0U);
}

TEST(OrderTreeTest, TellsBeforeALeafChanges) {
  // What the hook saw of a leaf, joined with what it never saw, is the state at the beginning.
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    TestRandom random(seed);
    Tree tree;
    std::set<Pair> model;
    auto insert = [&](const Pair& key) {
      if (model.insert(key).second) tree.insert({key.first, key.second});
    };
    for (int i = 0; i < 3000; ++i) insert({static_cast<int64_t>(random.below(10000)), 0});
    const std::vector<Pair> at_begin(model.begin(), model.end());
    static std::vector<Pair> saved;
    saved.clear();
    tree.set_before_change(
        [](void*, Tree::Leaf& leaf) {
          if (leaf.epoch == 1) return;
          leaf.epoch = 1;
          for (size_t i = 0; i < leaf.count; ++i) saved.emplace_back(leaf.keys[i].at_ms, leaf.keys[i].hash);
        },
        nullptr, 1);
    for (int i = 0; i < 2000; ++i) {
      const Pair key{static_cast<int64_t>(random.below(4000)), 0};
      if (random.below(2) == 0) {
        insert(key);
      } else if (model.erase(key) != 0) {
        tree.erase({key.first, key.second});
      }
    }
    for (Tree::Leaf* leaf = tree.leaf_from([](const ExpiryKey&) { return false; }); leaf != nullptr;
         leaf = leaf->behind) {
      if (leaf->epoch == 1) continue;
      for (size_t i = 0; i < leaf->count; ++i) saved.emplace_back(leaf->keys[i].at_ms, leaf->keys[i].hash);
    }
    std::sort(saved.begin(), saved.end());
    ASSERT_EQ(saved, at_begin);
  }
}

}  // namespace
}  // namespace keelson::kv
