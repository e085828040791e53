// The table of slots against its rules as a list, and against an oracle that keeps each slot for itself.

#include "shard/slot_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"

namespace keelson::shard {
namespace {

using enum SlotState;
constexpr std::array kStates{kOwned, kFrozen, kImporting, kGone};

// From, to, and how the change's epoch stands to the slots' (-1, 0, 1). Everything else is void, but for a change to
// what is there already.
const std::set<std::tuple<SlotState, SlotState, int>> kAllowed{
    {kOwned, kOwned, 1},     {kOwned, kFrozen, 0},   {kFrozen, kOwned, 1},
    {kFrozen, kGone, 0},     {kGone, kGone, 1},      {kGone, kImporting, 1},
    {kImporting, kOwned, 0}, {kImporting, kGone, 1}, {kImporting, kImporting, 1},
};

// A table whose slots 5 to 9 are in that state with epoch 4, by the shortest way there.
SlotTable table_in(SlotState state) {
  SlotTable table(state == kOwned || state == kFrozen ? 0 : 100, 200);
  const auto to = [&](SlotState next, uint64_t epoch) { EXPECT_TRUE(table.change({5, 9, next, epoch})); };
  switch (state) {
    case kOwned:
      to(kOwned, 4);
      break;
    case kFrozen:
      to(kOwned, 4);
      to(kFrozen, 4);
      break;
    case kImporting:
      to(kImporting, 4);
      break;
    case kGone:
      to(kImporting, 3);
      to(kGone, 4);
      break;
  }
  EXPECT_EQ(table.at(7), (SlotRange{5, 9, state, 4, 0}));
  return table;
}

TEST(SlotTable, AllowsWhatIsListedAndNothingElse) {
  size_t allowed = 0;
  for (SlotState from : kStates) {
    for (SlotState to : kStates) {
      for (int step : {-1, 0, 1}) {
        for (const auto [first, last] : {std::pair<uint16_t, uint16_t>{5, 9}, {6, 8}, {5, 5}, {9, 9}}) {
          SlotTable table = table_in(from);
          const std::vector<SlotRange> before = table.ranges();
          const uint64_t epoch = static_cast<uint64_t>(4 + step);
          const bool is_listed = kAllowed.contains({from, to, step});
          const bool is_there = from == to && step == 0;
          EXPECT_EQ(table.change({first, last, to, epoch}), is_listed || is_there)
              << static_cast<int>(from) << " to " << static_cast<int>(to) << " epoch " << step;
          if (!is_listed) {
            EXPECT_EQ(table.ranges(), before);
            continue;
          }
          ++allowed;
          EXPECT_EQ(table.at(first), (SlotRange{first, last, to, epoch, 0}));
          EXPECT_TRUE(table.change({first, last, to, epoch})) << "again";
          EXPECT_EQ(table.at(last), (SlotRange{first, last, to, epoch, 0}));
          if (first > 5) EXPECT_EQ(table.at(5).state, from);
          if (last < 9) EXPECT_EQ(table.at(9).state, from);
        }
      }
    }
  }
  EXPECT_EQ(allowed, kAllowed.size() * 4);
}

TEST(SlotTable, ChangesSlotsInOneStateAlone) {
  for (SlotState from : kStates) {
    for (SlotState to : kStates) {
      for (uint64_t epoch : {3, 4, 5, 9}) {
        SlotTable table = table_in(from);
        const SlotState beside = table.at(10).state;
        if (beside == from) continue;
        const std::vector<SlotRange> before = table.ranges();
        EXPECT_FALSE(table.change({5, 10, to, epoch}));
        EXPECT_FALSE(table.change({4, 9, to, epoch}));
        EXPECT_EQ(table.ranges(), before);
      }
    }
  }
  SlotTable table = table_in(kOwned);
  EXPECT_FALSE(table.change({6, 5, kOwned, 9}));
  EXPECT_FALSE(table.change({5, kSlotCount, kOwned, 9}));
  EXPECT_TRUE(table.change({4, 10, kOwned, 5})) << "of several epochs, but in one state";
}

TEST(SlotTable, BeginsWithItsHomeRange) {
  SlotTable table(10, 19);
  EXPECT_TRUE(table.ranges().empty());
  for (const auto [slot, answer] : std::map<uint16_t, SlotAnswer>{{0, SlotAnswer::kNotOwner},
                                                                  {9, SlotAnswer::kNotOwner},
                                                                  {10, SlotAnswer::kRun},
                                                                  {19, SlotAnswer::kRun},
                                                                  {20, SlotAnswer::kNotOwner},
                                                                  {16383, SlotAnswer::kNotOwner},
                                                                  {16384, SlotAnswer::kNotOwner},
                                                                  {kNoSlot, SlotAnswer::kRun}}) {
    EXPECT_EQ(table.for_write(slot), answer) << slot;
    EXPECT_EQ(table.for_read(slot), answer) << slot;
  }
  EXPECT_EQ(table.at(3), (SlotRange{0, 9, kGone, 0, 0}));
  EXPECT_EQ(table.at(12), (SlotRange{10, 19, kOwned, 0, 0}));
  EXPECT_EQ(table.at(20), (SlotRange{20, 16383, kGone, 0, 0}));
  ASSERT_TRUE(table.change({12, 12, kOwned, 1}));
  EXPECT_EQ(table.ranges(), (std::vector<SlotRange>{{0, 9, kGone, 0, 0},
                                                    {10, 11, kOwned, 0, 0},
                                                    {12, 12, kOwned, 1, 0},
                                                    {13, 19, kOwned, 0, 0},
                                                    {20, 16383, kGone, 0, 0}}));
  table.clear();
  EXPECT_TRUE(table.may_write(19));
  EXPECT_FALSE(table.may_write(20));
  EXPECT_TRUE(SlotTable().may_write(16383));
  EXPECT_TRUE(SlotTable(0, 0).may_write(0));
  EXPECT_FALSE(SlotTable(0, 0).may_write(1));
}

TEST(SlotTable, SaysWhoWaits) {
  const auto answers = [](SlotState state) {
    const SlotTable table = table_in(state);
    EXPECT_EQ(table.for_write(kNoSlot), SlotAnswer::kRun);
    EXPECT_EQ(table.for_write(kSlotCount), SlotAnswer::kNotOwner);
    return std::pair(table.for_write(7), table.for_read(7));
  };
  EXPECT_EQ(answers(kOwned), std::pair(SlotAnswer::kRun, SlotAnswer::kRun));
  EXPECT_EQ(answers(kFrozen), std::pair(SlotAnswer::kHold, SlotAnswer::kRun));
  EXPECT_EQ(answers(kImporting), std::pair(SlotAnswer::kHold, SlotAnswer::kHold));
  EXPECT_EQ(answers(kGone), std::pair(SlotAnswer::kNotOwner, SlotAnswer::kNotOwner));
  for (SlotState state : kStates) EXPECT_EQ(table_in(state).may_flush(), state != kFrozen);
}

TEST(SlotTable, TakesAMovesRecordsOnceAndInOrder) {
  using enum SlotTable::Import;
  SlotTable table = table_in(kImporting);
  EXPECT_EQ(table.import(5, 9, 4, 2), kVoid) << "not the first";
  EXPECT_EQ(table.import(5, 9, 4, 0), kApply) << "deletes";
  EXPECT_EQ(table.import(5, 9, 3, 1), kVoid) << "another attempt's";
  EXPECT_EQ(table.import(5, 10, 4, 1), kVoid) << "more than the range";
  EXPECT_EQ(table.import(5, 9, 4, 1), kApply);
  EXPECT_EQ(table.import(5, 9, 4, 1), kDoubled);
  EXPECT_EQ(table.import(5, 9, 4, 0), kVoid) << "deletes, and comes late";
  EXPECT_EQ(table.import(5, 9, 4, 3), kVoid);
  EXPECT_EQ(table.import(5, 9, 4, 2), kApply);
  EXPECT_EQ(table.import(5, 9, 4, 1), kDoubled) << "late";
  EXPECT_EQ(table.at(6).imported, 2U);
  EXPECT_TRUE(table.change({5, 9, kImporting, 4})) << "the change that began it, again";
  EXPECT_EQ(table.at(6).imported, 2U);
  EXPECT_TRUE(table.change({5, 9, kImporting, 5}));
  EXPECT_EQ(table.import(5, 9, 4, 3), kVoid) << "of the attempt before";
  EXPECT_EQ(table.import(5, 9, 5, 1), kApply);
  table.spoil_imports();
  EXPECT_TRUE(table.at(5).is_spoiled());
  for (uint64_t sequence : {0, 1, 2, 3}) EXPECT_EQ(table.import(5, 9, 5, sequence), kVoid) << "spoiled";
  EXPECT_TRUE(table.change({5, 9, kOwned, 5})) << "whoever flipped the map did so before";
  EXPECT_EQ(table.at(5).imported, 0U);
  EXPECT_EQ(table.import(5, 9, 5, 1), kVoid) << "the move is over";
  for (SlotState state : kStates) {
    SlotTable other = table_in(state);
    EXPECT_EQ(other.import(5, 9, 4, 0), state == kGone || state == kImporting ? kApply : kVoid);
    EXPECT_EQ(other.import(5, 9, 4, 1), state == kImporting ? kApply : kVoid);
    other.spoil_imports();
    EXPECT_EQ(other.at(5).is_spoiled(), state == kImporting);
  }
}

// Each slot for itself.
struct Oracle {
  struct Slot {
    SlotState state = kOwned;
    uint64_t epoch = 0;
    uint64_t imported = 0;
    friend bool operator==(const Slot&, const Slot&) = default;
  };
  explicit Oracle(uint16_t first, uint16_t last) : slots(kSlotCount, Slot{kGone, 0, 0}) {
    std::fill(slots.begin() + first, slots.begin() + last + 1, Slot{});
  }
  bool change(const SlotChange& to) {
    bool is_there = true;
    bool is_listed = true;
    for (uint32_t slot = to.first; slot <= to.last; ++slot) {
      const Slot& is = slots[slot];
      const int step = to.epoch > is.epoch ? 1 : to.epoch == is.epoch ? 0 : -1;
      is_there &= is.state == to.state && step == 0;
      is_listed &= is.state == slots[to.first].state && kAllowed.contains({is.state, to.state, step});
    }
    if (!is_there && is_listed) {
      std::fill(slots.begin() + to.first, slots.begin() + to.last + 1, Slot{to.state, to.epoch, 0});
    }
    return is_there || is_listed;
  }
  std::vector<Slot> slots;
};

TEST(SlotTable, IsWhatAnOracleSaysAndWhatWasWritten) {
  size_t allowed = 0;
  env::sim::for_each_seed(1, 50, [&](uint64_t seed) {
    env::sim::World world(seed);
    env::Random& random = world.add_node().reactor(0).random();
    const auto home_first = static_cast<uint16_t>(random.next() % 8000);
    const auto home_last = static_cast<uint16_t>(home_first + random.next() % 8000);
    SlotTable table(home_first, home_last);
    Oracle oracle(home_first, home_last);
    std::vector<uint16_t> edges{0, home_first, home_last, kSlotCount - 1};
    for (int i = 0; i < 6; ++i) edges.push_back(static_cast<uint16_t>(random.next() % kSlotCount));
    for (int i = 0; i < 300; ++i) {
      auto first = edges[random.next() % edges.size()];
      auto last = edges[random.next() % edges.size()];
      if (first > last) std::swap(first, last);
      const uint64_t epoch = table.at(first).epoch + random.next() % 3;
      const SlotChange change{first, last, kStates[random.next() % 4], epoch};
      const bool is_allowed = oracle.change(change);
      allowed += is_allowed ? 1 : 0;
      EXPECT_EQ(table.change(change), is_allowed);
      const SlotRange range = table.at(first);
      if (table.import(range.first, range.last, range.epoch, range.imported + 1) == SlotTable::Import::kApply) {
        for (uint32_t slot = range.first; slot <= range.last; ++slot) ++oracle.slots[slot].imported;
      }
    }
    Buffer bytes;
    table.encode(bytes);
    SlotTable read(home_first, home_last);
    ASSERT_TRUE(read.decode(bytes.view()).ok());
    EXPECT_EQ(read.ranges(), table.ranges());
    for (uint32_t slot = 0; slot < kSlotCount; ++slot) {
      const SlotRange at = read.at(static_cast<uint16_t>(slot));
      ASSERT_EQ((Oracle::Slot{at.state, at.epoch, at.imported}), oracle.slots[slot]) << slot;
      ASSERT_TRUE(at.first <= slot && slot <= at.last);
    }
    for (size_t i = 1; i < table.ranges().size(); ++i) {
      EXPECT_EQ(table.ranges()[i].first, table.ranges()[i - 1].last + 1);
    }
    for (size_t size = 0; size < bytes.size(); ++size) {
      const bool is_none = size == 1;  // the version alone: the table of the beginning
      EXPECT_EQ(read.decode(bytes.view().substr(0, size)).ok(), is_none) << size;
    }
  });
  EXPECT_GT(allowed, 0U);
}

TEST(Router, DividesTheSlotsIntoHomeRanges) {
  for (uint16_t count : {1, 2, 3, 7, 16, 100}) {
    const Router router(5, count, 2);
    EXPECT_EQ(router.home_begin(5), 0U);
    EXPECT_EQ(router.home_begin(5U + count), kSlotCount);
    for (uint32_t slot = 0; slot < kSlotCount; ++slot) {
      const ShardId home = router.shard_of_slot(static_cast<uint16_t>(slot));
      EXPECT_EQ(home, 5 + slot * count / kSlotCount);
      EXPECT_GE(slot, router.home_begin(home));
      EXPECT_LT(slot, router.home_begin(home + 1U));
    }
  }
}

TEST(Router, AsksTheMap) {
  SlotMap map;
  const Router router(0, 4, 2, &map);
  const Router copy = router;
  map.set(0, 16383, 1);
  map.set(10, 12, 3);
  EXPECT_EQ(router.shard_of_slot(9), 1);
  EXPECT_EQ(router.shard_of_slot(10), 3);
  EXPECT_EQ(copy.shard_of_slot(12), 3);
  EXPECT_EQ(router.shard_of_slot(13), 1);
  EXPECT_EQ(router.shard_of("key"), 1);
  map.set(key_slot("key"), key_slot("key"), 2);
  EXPECT_EQ(copy.shard_of("key"), 2);
  EXPECT_EQ(router.home_of_slot(10), 0);
}

}  // namespace
}  // namespace keelson::shard
