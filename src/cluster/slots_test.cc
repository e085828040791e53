#include "cluster/slots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "cluster/errors.h"
#include "cluster/state.h"
#include "shard/router.h"

namespace keelson::cluster {
namespace {

const std::vector<ShardId> kFour{0, 1, 2, 3};

SlotMove move_of(uint64_t id, uint16_t first, uint16_t last, ShardId from, ShardId to,
                 MovePhase phase = MovePhase::kCopying) {
  SlotMove move;
  move.id = id;
  move.first = first;
  move.last = last;
  move.from = from;
  move.to = to;
  move.phase = phase;
  return move;
}

std::vector<uint32_t> counts(const SlotOwners& owners, size_t shards) {
  std::vector<uint32_t> counts(shards, 0);
  for (const SlotRun& run : owners.runs()) counts[run.shard] += run.last - run.first + 1U;
  return counts;
}

TEST(SlotRuns, ComeBackAndNonsenseIsRefused) {
  const std::vector<SlotRun> runs{{0, 0, 3}, {7, 99, 1}, {16383, 16383, 65535}};
  EXPECT_EQ(format_slot_runs(runs), "0 3\n7-99 1\n16383 65535\n");
  EXPECT_EQ(parse_slot_runs(format_slot_runs(runs)), runs);
  EXPECT_EQ(parse_slot_runs(""), std::vector<SlotRun>());
  for (const char* bad :
       {"x", "1", "1 ", "5-3 1", "16384 1", "1 65536", "1-2 3\n2 4", "3 1\n1 1", "1  2", "-1 2", "1 2x"})
    EXPECT_FALSE(parse_slot_runs(bad)) << bad;
}

TEST(SlotOwners, BeginAsTheRouterDividesThem) {
  for (const uint16_t count : {1, 2, 3, 16, 1000}) {
    std::vector<ShardId> shards;
    for (uint16_t i = 0; i < count; ++i) shards.push_back(i);
    const SlotOwners owners(shards, {});
    const shard::Router router(0, count, 1);
    for (uint32_t slot = 0; slot < shard::kSlotCount; ++slot) {
      ASSERT_EQ(owners.owner(static_cast<uint16_t>(slot)), router.shard_of_slot(static_cast<uint16_t>(slot)));
    }
    EXPECT_EQ(owners.runs().size(), count);
    EXPECT_TRUE(owners.differences().empty());
  }
  EXPECT_TRUE(SlotOwners({}, {{1, 2, 3}}).runs().empty());
}

TEST(SlotOwners, KnowTheirDifferences) {
  SlotOwners owners(kFour, {{0, 9, 2}, {100, 100, 77}});  // 77 is no shard of these
  EXPECT_EQ(owners.owner(9), 2);
  EXPECT_EQ(owners.owner(10), 0);
  EXPECT_EQ(owners.owner(100), 0);
  owners.give(4090, 4100, 3);
  EXPECT_EQ(owners.differences(), (std::vector<SlotRun>{{0, 9, 2}, {4090, 4100, 3}}));
  owners.give(0, 9, 0);  // home again
  EXPECT_EQ(owners.differences(), (std::vector<SlotRun>{{4090, 4100, 3}}));
  EXPECT_EQ(SlotOwners(kFour, owners.differences()).runs(), owners.runs());
}

TEST(SlotMove, ComesBackWithWhatNobodyKnows) {
  SlotMove move = move_of(12, 5, 900, 1, 3, MovePhase::kHandingOver);
  move.attempt = 2;
  move.epoch = 77;
  move.why = "a reason";
  std::string text = format_move(move);
  const auto parsed = parse_move(12, text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(format_move(*parsed), text);
  EXPECT_EQ(parsed->epoch, 77U);
  EXPECT_EQ(parsed->phase, MovePhase::kHandingOver);
  const auto later = parse_move(12, "later=1\n" + text);
  ASSERT_TRUE(later);
  EXPECT_EQ(format_move(*later), "later=1\n" + text);
  for (const char* bad : {"", "phase=copying\n", "phase=flying\nfirst=0\nlast=1\nfrom=0\nto=1\nattempt=0\nepoch=0\n",
                          "phase=copying\nfirst=2\nlast=1\nfrom=0\nto=1\nattempt=0\nepoch=0\n",
                          "phase=copying\nfirst=0\nlast=1\nfrom=1\nto=1\nattempt=0\nepoch=0\n",
                          "phase=copying\nfirst=0\nlast=16384\nfrom=0\nto=1\nattempt=0\nepoch=0\n"})
    EXPECT_FALSE(parse_move(1, bad)) << bad;
}

TEST(SlotMove, IsPartOfTheState) {
  ClusterState state;
  const SlotMove move = *parse_move(4, format_move(move_of(4, 0, 5, 0, 1)));
  EXPECT_TRUE(state.apply(move_key(4), format_move(move)));
  EXPECT_TRUE(state.apply(kSlotsKey, "0-5 1\n"));
  EXPECT_TRUE(state.apply(kNextMoveKey, "5"));
  EXPECT_EQ(state.moves.at(4), move);
  EXPECT_EQ(state.slots, (std::vector<SlotRun>{{0, 5, 1}}));
  EXPECT_EQ(state.next_move, 5U);
  EXPECT_FALSE(state.apply(kSlotsKey, "nonsense"));
  EXPECT_EQ(state.slots.size(), 1U);
  EXPECT_TRUE(state.apply(move_key(4), std::nullopt));
  EXPECT_TRUE(state.apply(kSlotsKey, std::nullopt));
  EXPECT_TRUE(state.moves.empty());
  EXPECT_TRUE(state.slots.empty());
}

TEST(PlanMoves, OneForEachOwner) {
  const SlotOwners owners(kFour, {{0, 9, 2}});
  const auto moves = plan_moves({kFour, owners, {}}, 5, 5000, 2);
  ASSERT_TRUE(moves.ok());
  ASSERT_EQ(moves->size(), 2U);  // 5-9 are there already
  EXPECT_EQ((*moves)[0], move_of(0, 10, 4095, 0, 2));
  EXPECT_EQ((*moves)[1], move_of(0, 4096, 5000, 1, 2));
}

TEST(PlanMoves, WhatMakesNoSenseIsRefused) {
  const SlotOwners owners(kFour, {});
  const SlotMoves moves{{3, move_of(3, 100, 200, 0, 1)}, {4, move_of(4, 300, 400, 0, 1, MovePhase::kFailed)}};
  const SlotWish wish{kFour, owners, moves};
  EXPECT_EQ(plan_moves(wish, 0, 1, 9).error().code(), ClusterErrc::kNotFound);
  EXPECT_EQ(plan_moves(wish, 0, 16384, 1).error().code(), ClusterErrc::kNotFound);
  EXPECT_EQ(plan_moves(wish, 7, 6, 1).error().code(), ClusterErrc::kNotFound);
  EXPECT_EQ(plan_moves(wish, 0, 4095, 0).error().code(), ClusterErrc::kNotAllowed);
  EXPECT_EQ(plan_moves(wish, 200, 210, 2).error().message(),
            "slots 100-200 are in move 3 from shard 0 to shard 1 already");
  EXPECT_TRUE(plan_moves(wish, 201, 210, 2).ok());
  EXPECT_TRUE(plan_moves(wish, 300, 400, 2).ok());  // that one has failed
  SlotOwners pieces(kFour, {});
  for (uint16_t slot = 0; slot < 400; slot += 2) pieces.give(slot, slot, 3);
  EXPECT_EQ(plan_moves({kFour, pieces, {}}, 0, 400, 1).error().code(), ClusterErrc::kNotAllowed);
  SlotMoves many;
  for (uint16_t id = 0; id < kMovesWaitingMax; ++id) many[id] = move_of(id, id, id, 0, 1);
  EXPECT_EQ(plan_moves({kFour, owners, many}, 5000, 5001, 2).error().code(), ClusterErrc::kNotAllowed);
}

TEST(Rebalance, EvenIsLeftAlone) {
  const SlotOwners owners(kFour, {});
  EXPECT_TRUE(plan_rebalance({kFour, owners, {}}).moves.empty());
  const std::vector<ShardId> three{0, 1, 2};  // 16384 is no multiple
  EXPECT_TRUE(plan_rebalance({three, SlotOwners(three, {}), {}}).moves.empty());
}

TEST(Rebalance, GivesBackInLongRuns) {
  const SlotOwners owners(kFour, {{0, 4095, 3}});
  const Rebalance plan = plan_rebalance({kFour, owners, {}});
  EXPECT_TRUE(plan.is_all);
  EXPECT_EQ(plan.moves, (std::vector<SlotMove>{move_of(0, 0, 4095, 3, 0)}));
}

TEST(Rebalance, SlotsOnTheirWayCountWhereTheyGo) {
  const SlotOwners owners(kFour, {{0, 4095, 3}});
  const SlotMoves moves{{1, move_of(1, 0, 4095, 3, 0)}};
  EXPECT_TRUE(plan_rebalance({kFour, owners, moves}).moves.empty());
}

// From any map: the plan leads to an even one, moves no slot twice or to where it is, and nothing from who has too few.
TEST(Rebalance, RandomMaps) {
  std::mt19937_64 random(7);
  for (int run = 0; run < 200; ++run) {
    std::vector<ShardId> shards;
    const size_t count = 1 + random() % 20;
    for (size_t i = 0; i < count; ++i) shards.push_back(static_cast<ShardId>(i));
    SlotOwners owners(shards, {});
    for (uint64_t i = random() % 30; i > 0; --i) {
      const auto first = static_cast<uint16_t>(random() % shard::kSlotCount);
      const auto last = static_cast<uint16_t>(std::min<uint64_t>(shard::kSlotCount - 1, first + random() % 3000));
      owners.give(first, last, shards[random() % count]);
    }
    for (int rounds = 0;; ++rounds) {
      ASSERT_LT(rounds, 10);
      const Rebalance plan = plan_rebalance({shards, owners, {}});
      ASSERT_LE(plan.moves.size(), kMovesPlannedMax);
      const std::vector<uint32_t> before = counts(owners, count);
      for (const SlotMove& move : plan.moves) {
        ASSERT_GT(before[move.from], shard::kSlotCount / count);
        for (uint32_t slot = move.first; slot <= move.last; ++slot) {
          ASSERT_EQ(owners.owner(static_cast<uint16_t>(slot)), move.from);
        }
        owners.give(move.first, move.last, move.to);
      }
      if (plan.is_all) break;
    }
    const std::vector<uint32_t> after = counts(owners, count);
    ASSERT_LE(*std::ranges::max_element(after), *std::ranges::min_element(after) + 1);
    ASSERT_TRUE(plan_rebalance({shards, owners, {}}).moves.empty());
  }
}

std::vector<uint64_t> ids(const std::vector<SlotMove>& moves) {
  std::vector<uint64_t> ids;
  for (const SlotMove& move : moves) ids.push_back(move.id);
  return ids;
}

TEST(MovesDue, OneForEachShardInTheirOrder) {
  SlotMoves moves{{1, move_of(1, 0, 0, 0, 1)},
                  {2, move_of(2, 1, 1, 0, 2)},  // 0 gives already
                  {3, move_of(3, 2, 2, 3, 1)},  // 1 gets already
                  {4, move_of(4, 3, 3, 1, 0)},
                  {5, move_of(5, 4, 4, 2, 3)},
                  {6, move_of(6, 5, 5, 4, 5, MovePhase::kHandingOver)},
                  {7, move_of(7, 6, 6, 4, 6)},  // 4 gives already
                  {8, move_of(8, 7, 7, 7, 8, MovePhase::kFailed)}};
  EXPECT_EQ(ids(moves_due(moves, 10)), (std::vector<uint64_t>{6, 1, 4, 5}));
  EXPECT_EQ(ids(moves_due(moves, 2)), (std::vector<uint64_t>{6, 1, 4}));
}

}  // namespace
}  // namespace keelson::cluster
