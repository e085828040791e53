#include "cluster/steps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace keelson::cluster {
namespace {

// A group as its leader would report it, which does at once what a step says.
struct FakeGroup {
  raft::MemberStatus status;
  std::set<NodeId> holders;

  explicit FakeGroup(std::vector<NodeId> voters) {
    holders.insert(voters.begin(), voters.end());
    status.leader = voters.front();
    status.role = raft::Role::kLeader;
    status.commit = 10'000;
    status.members.voters = std::move(voters);
    refresh();
  }
  void refresh() {
    status.peers.clear();
    for (const auto* list : {&status.members.voters, &status.members.learners}) {
      for (const NodeId node : *list) {
        status.peers.push_back({.node = node,
                                .matched = 10'000,
                                .next = 0,
                                .is_learner = false,
                                .is_active = true,
                                .needs_checkpoint = false});
      }
    }
  }
  void perform(const Step& step) {
    if (step.kind == StepKind::kMake) holders.insert(step.nodes.begin(), step.nodes.end());
    if (step.kind == StepKind::kRemove) {
      for (const NodeId node : step.nodes) holders.erase(node);
    }
    if (step.kind == StepKind::kTransfer) {
      EXPECT_TRUE(std::ranges::find(status.members.voters, step.nodes.front()) != status.members.voters.end());
      status.leader = step.nodes.front();
    }
    for (const KrChange& change : step.changes) {
      EXPECT_FALSE(change.type == 1 && change.id == status.leader) << "a leader is removed";
      std::erase(status.members.voters, change.id);
      std::erase(status.members.learners, change.id);
      if (change.type == 0) status.members.voters.push_back(change.id);
      if (change.type == 2) {
        EXPECT_TRUE(holders.contains(change.id)) << "a learner without a replica";
        status.members.learners.push_back(change.id);
      }
    }
    refresh();
  }
};

std::vector<StepKind> run(FakeGroup& group, const GroupWish& wish, const std::set<NodeId>& reachable) {
  std::vector<StepKind> kinds;
  for (int i = 0; i < 20; ++i) {
    const Step step = next_step(wish, group.status, group.holders, reachable);
    if (step.kind == StepKind::kNone) break;
    kinds.push_back(step.kind);
    if (step.kind == StepKind::kWait) break;
    group.perform(step);
  }
  return kinds;
}

TEST(Steps, OneNodeBecomesThreeWithoutTwoVoters) {
  FakeGroup group({1});
  EXPECT_EQ(run(group, {.voters = {1, 2, 3}, .learners = {}}, {1, 2, 3}),
            (std::vector{StepKind::kMake, StepKind::kChange, StepKind::kChange}));
  EXPECT_EQ(group.status.members.voters, (std::vector<NodeId>{1, 2, 3}));
}

TEST(Steps, LeaderGivesTheLeadAwayBeforeItGoes) {
  FakeGroup group({1, 2, 3});
  const std::vector<StepKind> kinds = run(group, {.voters = {2, 3, 4}, .learners = {}}, {1, 2, 3, 4});
  EXPECT_EQ(kinds, (std::vector{StepKind::kMake, StepKind::kChange, StepKind::kTransfer, StepKind::kChange,
                                StepKind::kRemove}));
  EXPECT_EQ(group.holders, (std::set<NodeId>{2, 3, 4}));
}

TEST(Steps, OnlyVoterMoves) {
  FakeGroup group({1});
  run(group, {.voters = {2}, .learners = {}}, {1, 2});
  EXPECT_EQ(group.status.members.voters, std::vector<NodeId>{2});
  EXPECT_EQ(group.status.leader, 2U);
  EXPECT_EQ(group.holders, std::set<NodeId>{2});
}

TEST(Steps, NewReplicaIsWaitedForUntilItHasCaughtUp) {
  FakeGroup group({1, 2, 3});
  group.holders.insert(4);
  group.status.members.learners = {4};
  group.refresh();
  group.status.peers.back().matched = 10;
  const GroupWish wish{.voters = {1, 2, 4}, .learners = {}};
  EXPECT_EQ(next_step(wish, group.status, group.holders, {1, 2, 4}).kind, StepKind::kWait);
  group.status.peers.back().matched = 10'000 - kBehindMax;
  EXPECT_EQ(next_step(wish, group.status, group.holders, {1, 2, 4}).kind, StepKind::kChange);
  group.status.peers.back().needs_checkpoint = true;
  EXPECT_EQ(next_step(wish, group.status, group.holders, {1, 2, 4}).kind, StepKind::kWait);
}

TEST(Steps, JointGroupIsLeftAlone) {
  FakeGroup group({1, 2, 3});
  group.status.members.voters_outgoing = {1, 2, 4};
  EXPECT_EQ(next_step({.voters = {1, 2, 3}, .learners = {}}, group.status, group.holders, {1, 2, 3}).kind,
            StepKind::kWait);
}

TEST(Steps, LearnerThatLostItsReplicaGetsOneAndAVoterDoesNot) {
  FakeGroup group({1, 2, 3});
  group.holders = {1, 2};
  const GroupWish wish{.voters = {1, 2, 3}, .learners = {4}};
  EXPECT_EQ(next_step({.voters = {1, 2, 3}, .learners = {}}, group.status, group.holders, {1, 2, 3}).kind,
            StepKind::kNone);
  group.status.members.learners = {4};
  const Step step = next_step(wish, group.status, group.holders, {1, 2, 3, 4});
  EXPECT_EQ(step.kind, StepKind::kMake);
  EXPECT_EQ(step.nodes, std::vector<NodeId>{4});
  // Not while nobody can ask it.
  EXPECT_EQ(next_step(wish, group.status, group.holders, {1, 2, 3}).kind, StepKind::kNone);
}

TEST(Steps, AnyWishIsReached) {
  std::mt19937_64 random(3);
  const auto pick = [&](size_t count) {
    std::vector<NodeId> nodes = {1, 2, 3, 4, 5, 6, 7};
    std::ranges::shuffle(nodes, random);
    nodes.resize(count);
    std::ranges::sort(nodes);
    return nodes;
  };
  for (int i = 0; i < 2'000; ++i) {
    FakeGroup group(pick(1 + 2 * (random() % 3)));
    GroupWish wish{.voters = pick(1 + 2 * (random() % 3)), .learners = {}};
    for (const NodeId node : pick(random() % 4)) {
      if (std::ranges::find(wish.voters, node) == wish.voters.end()) wish.learners.push_back(node);
    }
    run(group, wish, {1, 2, 3, 4, 5, 6, 7});
    std::ranges::sort(group.status.members.voters);
    std::ranges::sort(group.status.members.learners);
    ASSERT_EQ(group.status.members.voters, wish.voters);
    ASSERT_EQ(group.status.members.learners, wish.learners);
    ASSERT_EQ(group.holders.size(), wish.voters.size() + wish.learners.size());
  }
}

TEST(Steps, LeadsAreSpread) {
  std::map<ShardId, ReplicaReport> leaders;
  for (ShardId shard = 0; shard < 17; ++shard) leaders[shard] = {shard, FakeGroup({1, 2, 3}).status};
  const auto spread = [&leaders](const std::set<NodeId>& reachable) {
    for (int rounds = 0; rounds < 100; ++rounds) {
      const std::vector<LeadMove> moves = next_lead_moves(leaders, reachable, 4);
      if (moves.empty()) return true;
      EXPECT_LE(moves.size(), 4U);
      for (const LeadMove& move : moves) {
        EXPECT_EQ(leaders[move.shard].status.leader, move.from);
        EXPECT_TRUE(reachable.contains(move.to));
        leaders[move.shard].status.leader = move.to;
      }
    }
    return false;
  };
  ASSERT_TRUE(spread({1, 2, 3}));
  std::map<NodeId, int> leads;
  for (const auto& [shard, report] : leaders) ++leads[report.status.leader];
  for (NodeId node = 1; node <= 3; ++node) EXPECT_GE(leads[node], 5);
  // Nobody that cannot be reached gets one.
  leaders.clear();
  for (ShardId shard = 0; shard < 17; ++shard) leaders[shard] = {shard, FakeGroup({1, 2, 3}).status};
  ASSERT_TRUE(spread({1, 3}));
  leads.clear();
  for (const auto& [shard, report] : leaders) ++leads[report.status.leader];
  EXPECT_EQ(leads[2], 0);
  EXPECT_GE(leads[3], 8);
}

}  // namespace
}  // namespace keelson::cluster
