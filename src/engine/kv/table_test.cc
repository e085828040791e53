#include "engine/kv/table.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/kv/keyspace_test_support.h"

namespace keelson::kv {
namespace {

struct Named {
  std::string name;
};

struct NamedTraits {
  using Node = Named;
  static std::string_view key(const Named& node) { return node.name; }
};

using NamedTable = Table<NamedTraits>;

class Model {
 public:
  explicit Model(uint64_t secret) : table(secret) {}

  void insert(const std::string& name) {
    auto node = std::make_unique<Named>(Named{name});
    table.insert(node.get(), table.hash(name));
    nodes[name] = std::move(node);
  }
  void erase(const std::string& name) {
    table.erase(nodes[name].get(), table.hash(name));
    nodes.erase(name);
  }
  void replace(const std::string& name) {
    auto node = std::make_unique<Named>(Named{name});
    table.replace(nodes[name].get(), node.get(), table.hash(name));
    nodes[name] = std::move(node);
  }
  void check_all() const {
    ASSERT_EQ(table.size(), nodes.size());
    for (const auto& [name, node] : nodes) ASSERT_EQ(table.find(name, table.hash(name)), node.get()) << name;
    std::set<std::string> seen;
    table.for_each([&seen](Named* node) { EXPECT_TRUE(seen.insert(node->name).second); });
    ASSERT_EQ(seen.size(), nodes.size());
  }

  NamedTable table;
  std::map<std::string, std::unique_ptr<Named>> nodes;
};

TEST(TableTest, AgreesWithAMap) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    TestRandom random(seed);
    Model model(seed * 77);
    // Grows to some segments, then shrinks again, twice.
    for (int step = 0; step < 60000; ++step) {
      const bool is_growing = step / 15000 % 2 == 0;
      const std::string name = "key" + std::to_string(random.below(20000));
      const bool is_there = model.nodes.contains(name);
      ASSERT_EQ(model.table.find(name, model.table.hash(name)) != nullptr, is_there);
      if (!is_there) {
        if (is_growing || random.one_in(8)) model.insert(name);
      } else if (!is_growing) {
        model.erase(name);
      } else if (random.one_in(4)) {
        model.replace(name);
      }
      if (step % 5000 == 0) model.check_all();
    }
    model.check_all();
  }
}

TEST(TableTest, ScanVisitsWhatStaysExactlyOnce) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    TestRandom random(seed);
    Model model(seed);
    std::set<std::string> stays;
    for (int i = 0; i < 3000; ++i) {
      model.insert("stays" + std::to_string(i));
      stays.insert("stays" + std::to_string(i));
    }
    for (int i = 0; i < 9000; ++i) model.insert("goes" + std::to_string(i));
    std::multiset<std::string> seen;
    uint64_t cursor = 0;
    int comes = 0;
    int goes = 0;
    const bool is_shrinking = seed % 2 == 0;
    do {
      cursor = model.table.scan(cursor, 1 + random.below(40), [&](Named* node) { seen.insert(node->name); });
      ASSERT_LT(cursor, uint64_t{1} << 48);
      for (int i = 0; i < 60; ++i) {
        if (!is_shrinking) model.insert("comes" + std::to_string(comes++));
        if (is_shrinking && goes < 9000) model.erase("goes" + std::to_string(goes++));
      }
    } while (cursor != 0);
    for (const std::string& name : stays) ASSERT_EQ(seen.count(name), 1U) << name;
    model.check_all();
  }
}

TEST(TableTest, ReservedTablesNeedNotSplit) {
  Model model(5);
  model.table.reserve(50000);
  const size_t bytes = model.table.bytes();
  for (int i = 0; i < 50000; ++i) model.insert("key:" + std::to_string(i));
  model.check_all();
  EXPECT_EQ(model.table.bytes(), bytes);
}

TEST(TableTest, TakesFewBytesForEachNode) {
  Model model(9);
  double most = 0;
  for (int i = 1; i <= 300000; ++i) {
    model.insert("key:" + std::to_string(i));
    if (i >= 10000) most = std::max(most, static_cast<double>(model.table.bytes()) / i);
  }
  // Just after all segments have split they are two thirds full.
  EXPECT_LT(most, 13.6);
}

TEST(TableTest, DrainsInSlices) {
  Model model(3);
  for (int i = 0; i < 20000; ++i) model.insert(std::to_string(i));
  std::set<std::string> drained;
  int slices = 0;
  while (model.table.drain(1000, [&](Named* node) { drained.insert(node->name); })) ++slices;
  EXPECT_EQ(drained.size(), 20000U);
  EXPECT_GE(slices, 12);
  EXPECT_EQ(model.table.size(), 0U);
  model.nodes.clear();
  model.insert("again");
  model.check_all();
}

TEST(TableTest, RandomReachesEveryNode) {
  Model model(11);
  for (int i = 0; i < 700; ++i) model.insert(std::to_string(i));
  std::set<std::string> picked;
  for (uint64_t seed = 0; seed < 20000; ++seed) picked.insert(model.table.random(seed)->name);
  EXPECT_EQ(picked.size(), 700U);
  while (model.nodes.size() > 1) model.erase(model.nodes.begin()->first);
  EXPECT_EQ(model.table.random(1)->name, model.nodes.begin()->first);
}

TEST(TableTest, HalvesOfASplitKeepTheirEpoch) {
  Model model(2);
  for (int i = 0; i < 2000; ++i) model.insert(std::to_string(i));
  NamedTable::Segment* marked = model.table.segment_at(0);
  marked->epoch = 7;
  model.table.set_frozen(true);
  for (int i = 2000; i < 20000; ++i) model.insert(std::to_string(i));
  // Everything that was split off the marked segment is marked, nothing else.
  std::set<uint32_t> epochs;
  EXPECT_EQ(model.table.segment_at(0)->epoch, 7U);
  uint64_t position = 0;
  int changes = 0;
  uint32_t last = 7;
  do {
    NamedTable::Segment* segment = model.table.segment_at(position);
    changes += segment->epoch != last ? 1 : 0;
    last = segment->epoch;
    position = NamedTable::end_of(*segment);
  } while (position != 0);
  EXPECT_EQ(changes, 1);
}

}  // namespace
}  // namespace keelson::kv
