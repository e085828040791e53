#include "topics/wait_hub.h"

#include <gtest/gtest.h>

namespace keelson::topics::detail {
namespace {

PartitionId partition(int32_t number) { return {{{1}}, number}; }

std::vector<uint64_t> look(WaitHub& hub, int32_t number, const Ends& ends) {
  std::vector<Woken> woken;
  hub.look(0, partition(number), ends, woken);
  std::vector<uint64_t> waits;
  for (const Woken& one : woken) {
    EXPECT_EQ(one.by, partition(number));
    waits.push_back(one.wait);
    hub.remove(one.wait);
  }
  return waits;
}

TEST(WaitHub, WakesOnceWhatHasSomething) {
  WaitHub hub;
  hub.add(0, 7, {{0, {partition(0), 10, false}}, {0, {partition(1), 0, false}}});
  hub.add(1, 8, {{0, {partition(0), 12, false}}});
  EXPECT_EQ(hub.take_unseen(0), (std::vector<PartitionId>{partition(0), partition(1)}));
  EXPECT_TRUE(hub.take_unseen(0).empty());
  EXPECT_TRUE(look(hub, 0, {true, 10, 10}).empty());
  EXPECT_EQ(look(hub, 0, {true, 11, 11}), (std::vector<uint64_t>{7}));
  // Of all its points.
  EXPECT_FALSE(hub.has(0, partition(1)));
  EXPECT_TRUE(hub.has(0, partition(0)));
  EXPECT_EQ(look(hub, 0, {true, 13, 13}), (std::vector<uint64_t>{8}));
  EXPECT_FALSE(hub.has(0, partition(0)));
  EXPECT_EQ(hub.count(), 0U);
}

TEST(WaitHub, LooksAtWhatTheReaderMaySee) {
  WaitHub hub;
  hub.add(0, 1, {{0, {partition(0), 5, true}}});
  EXPECT_TRUE(look(hub, 0, {true, 9, 5}).empty());
  EXPECT_EQ(look(hub, 0, {true, 9, 6}), (std::vector<uint64_t>{1}));
}

TEST(WaitHub, WakesForWhatIsGone) {
  WaitHub hub;
  hub.add(0, 1, {{0, {partition(0), 5, true}}});
  EXPECT_EQ(look(hub, 0, {}), (std::vector<uint64_t>{1}));
}

TEST(WaitHub, ForgetsWhoLeaves) {
  WaitHub hub;
  for (uint64_t wait = 1; wait <= 100; ++wait) hub.add(0, wait, {{0, {partition(0), 5, false}}});
  for (uint64_t wait = 1; wait <= 100; wait += 2) hub.remove(wait);
  hub.remove(4711);
  EXPECT_EQ(look(hub, 0, {true, 6, 6}).size(), 50U);
  EXPECT_EQ(hub.count(), 0U);
}

}  // namespace
}  // namespace keelson::topics::detail
