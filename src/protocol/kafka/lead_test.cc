// Coordinators on several nodes, between which the lead of shards moves: by itself, or because a node is cut off,
// sleeps or dies.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/topic/batch_builder.h"
#include "engine/topic/group_commands.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/transaction_commands.h"
#include "protocol/kafka/groups.h"
#include "topics/cluster_harness.h"
#include "topics/transactions.h"

namespace keelson::kafka {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;
using log::LogErrc;
using log::NodeId;
using shard::ShardId;
using topic::PartitionId;
using topic::TopicErrc;
using topics::Asked;
using topics::Transactions;
using topics::cluster_harness::Cluster;
using topics::cluster_harness::kShards;

template <class Call>
struct ResultOfCall;
template <class Result>
struct ResultOfCall<HomeCall<Result>> {
  using Type = Result;
};
template <class Result>
struct ResultOfCall<Task<Result>> {
  using Type = Result;
};
template <>
struct ResultOfCall<topics::Asking> {
  using Type = Asked;
};
template <class Make>
using ResultOf = typename ResultOfCall<std::invoke_result_t<Make&>>::Type;

// What comes of a question that is not waited for.
struct Kept {
  virtual ~Kept() = default;
};
template <class Result>
struct KeptResult final : Kept {
  std::optional<Result> result;
};

struct Coordinators {
  std::unique_ptr<Transactions> transactions;
  std::unique_ptr<Groups> groups;
  std::unique_ptr<env::TaskScope> asking;
};

class LeadTest : public ::testing::Test {
 protected:
  void open(uint64_t seed, size_t nodes = 3) {
    cluster = std::make_unique<Cluster>(
        seed, topics::cluster_harness::Layout{.nodes = nodes,
                                              .made = [this](Cluster& of, NodeId id) { make(of, id); },
                                              .going = [this](NodeId id) { at[id] = {}; }});
    cluster->wait_for_claims();
  }
  void TearDown() override {
    cluster.reset();
    later.clear();
  }

  void make(Cluster& of, NodeId id) {
    Coordinators& here = at[id];
    here.transactions = std::make_unique<Transactions>(of.topics(id), topics::TransactionsOptions{.check_ms = 1'000});
    here.groups = std::make_unique<Groups>(
        of.topics(id), GroupOptions{.initial_rebalance_delay_ms = 0, .offsets_retention_check_ms = 600'000});
    here.asking = std::make_unique<env::TaskScope>(of.home(id));
    ASSERT_TRUE(of.world.run(of.home(id), here.transactions->start()).ok());
    ASSERT_TRUE(of.world.run(of.home(id), here.groups->start()).ok());
  }

  // A name with that beginning which lives on that shard.
  static std::string name_on(ShardId shard, std::string name) {
    while (topic::shard_of_name(name, kShards) != shard) name += "x";
    return name;
  }
  PartitionId partition_on(ShardId shard) {
    const topic::TopicId id = topics::cluster_harness::topic_id(7);
    for (int32_t i = 0;; ++i) {
      if (topic::shard_of_partition({id, i}, kShards) == shard) return {id, i};
    }
  }
  void make_topic() {
    const topic::CreateTopic create{.id = topics::cluster_harness::topic_id(7), .name = "t", .partition_count = 3};
    ASSERT_TRUE(cluster->ask_all(cluster->wait_for_claim(0), create).ok());
  }

  // ---- Asking.

  // `make` gives a HomeCall, an Asking or a Task.
  template <class Make>
  static Task<ResultOf<Make>> waited(Make make) {
    auto asked = make();
    co_return co_await std::move(asked);
  }
  template <class Make>
  static Task<void> keep(Make make, std::optional<ResultOf<Make>>& into) {
    auto asked = make();
    into.emplace(co_await std::move(asked));
  }
  template <class Make>
  ResultOf<Make> ask(NodeId id, Make make) {
    return cluster->world.run(cluster->home(id), waited(std::move(make)));
  }
  template <class Make>
  const std::optional<ResultOf<Make>>& begin(NodeId id, Make make) {
    auto made = std::make_unique<KeptResult<ResultOf<Make>>>();
    std::optional<ResultOf<Make>>& into = made->result;
    later.push_back(std::move(made));
    cluster->world.run_on(cluster->home(id), [&] { at[id].asking->spawn(keep(std::move(make), into)); });
    return into;
  }
  static Task<void> move_lead(Cluster& of, NodeId from, ShardId shard, NodeId to) {
    static_cast<void>(co_await of.peer(from).runtime->transfer_leader(of.home(from), shard, to));
  }

  Groups& groups(NodeId id) { return *at[id].groups; }
  env::Reactor& home(NodeId id) { return cluster->home(id); }

  static JoinRequest join_request(std::string group, std::string member, std::string metadata = "metadata") {
    return {.group = std::move(group),
            .member_id = std::move(member),
            .client_id = "client",
            .session_timeout_ms = 10'000,
            .rebalance_timeout_ms = 60'000,
            .protocol_type = "consumer",
            .protocols = {{"range", std::move(metadata)}}};
  }
  auto joining(NodeId id, JoinRequest request) {
    return [this, id, request] { return groups(id).join(home(id), request); };
  }
  auto syncing(NodeId id, const JoinResult& joined, std::string group, std::string assignment) {
    SyncRequest request{.group = std::move(group), .generation = joined.generation, .member_id = joined.member_id};
    if (!assignment.empty()) request.assignments.emplace_back(joined.member_id, std::move(assignment));
    return [this, id, request] { return groups(id).sync(home(id), request); };
  }
  ErrorCode beat(NodeId id, const std::string& group, int32_t generation, const std::string& member) {
    return ask(id, [&] {
      return groups(id).heartbeat(home(id), {.group = group, .generation = generation, .member_id = member});
    });
  }
  auto committing(NodeId id, std::string group, int64_t offset, int32_t generation = -1, std::string member = {}) {
    const CommitCheck check{.group = group, .generation = generation, .member_id = std::move(member), .version = 9};
    const topic::CommitOffsets what{.group = std::move(group), .offsets = {{.topic = "t", .offset = offset}}};
    return [this, id, check, what] { return groups(id).commit(home(id), check, what); };
  }
  // As any node sees it.
  int64_t committed(const std::string& group) {
    const ShardId shard = topic::shard_of_name(group, kShards);
    const Asked asked = cluster->ask(cluster->wait_for_claim(shard), shard,
                                     topic::FetchOffsets{.group = group, .topics = {{"t", {0}}}});
    EXPECT_EQ(asked.outcome, LogErrc::kOk);
    return asked.answer.group_offsets.empty() ? -1 : asked.answer.group_offsets[0].offset;
  }
  // Once it has loaded what there is.
  void wait_until_serving(NodeId id, const std::string& group) {
    const auto serves = [&] {
      const ErrorCode error = ask(id, committing(id, group, 0, 99, "nobody"));
      return error != ErrorCode::kCoordinatorLoadInProgress && error != ErrorCode::kNotCoordinator;
    };
    for (int i = 0; i < 1'000 && !serves(); ++i) cluster->world.run_for(10 * kMillisecond);
    ASSERT_TRUE(serves());
  }
  // A stable group of one member at whoever leads its shard.
  JoinResult make_stable(const std::string& group) {
    const NodeId leader = cluster->wait_for_claim(topic::shard_of_name(group, kShards));
    wait_until_serving(leader, group);
    const JoinResult joined = ask(leader, joining(leader, join_request(group, "")));
    EXPECT_EQ(joined.error, ErrorCode::kNone);
    EXPECT_EQ(ask(leader, syncing(leader, joined, group, "everything")).assignment, "everything");
    return joined;
  }

  std::vector<std::unique_ptr<Kept>> later;
  std::map<NodeId, Coordinators> at;
  std::unique_ptr<Cluster> cluster;
};

// ---- Groups.

TEST_F(LeadTest, AGroupGoesOnWhereItsShardIsLed) {
  open(1);
  const std::string group = name_on(1, "g");
  cluster->move_lead(1, 1);
  const JoinResult joined = make_stable(group);
  EXPECT_EQ(ask(1, committing(1, group, 41, joined.generation, joined.member_id)), ErrorCode::kNone);
  EXPECT_EQ(beat(2, group, joined.generation, joined.member_id), ErrorCode::kNotCoordinator);
  cluster->move_lead(1, 2);
  EXPECT_EQ(beat(1, group, joined.generation, joined.member_id), ErrorCode::kNotCoordinator);
  wait_until_serving(2, group);
  EXPECT_EQ(beat(2, group, joined.generation, joined.member_id), ErrorCode::kNone);
  EXPECT_EQ(ask(2, syncing(2, joined, group, "")).assignment, "everything");
  EXPECT_EQ(ask(2, committing(2, group, 42, joined.generation, joined.member_id)), ErrorCode::kNone);
  EXPECT_EQ(ask(2, committing(2, group, 43, joined.generation + 1, joined.member_id)), ErrorCode::kIllegalGeneration);
  EXPECT_EQ(ask(1, committing(1, group, 44, joined.generation, joined.member_id)), ErrorCode::kNotCoordinator);
  EXPECT_EQ(committed(group), 42);
  // Its session began anew.
  cluster->world.run_for(9 * kSecond);
  EXPECT_EQ(beat(2, group, joined.generation, joined.member_id), ErrorCode::kNone);
  cluster->world.run_for(11 * kSecond);
  EXPECT_EQ(beat(2, group, joined.generation, joined.member_id), ErrorCode::kUnknownMemberId);
}

TEST_F(LeadTest, WhoeverWaitsIsToldAtOnceThatTheLeadHasGone) {
  open(2);
  const std::string group = name_on(2, "g");
  cluster->move_lead(2, 3);
  const JoinResult joined = make_stable(group);
  // Waits for the first one to join again.
  const auto& second = begin(3, joining(3, join_request(group, "")));
  cluster->world.run_for(100 * kMillisecond);
  ASSERT_FALSE(second);
  EXPECT_EQ(beat(3, group, joined.generation, joined.member_id), ErrorCode::kRebalanceInProgress);
  cluster->move_lead(2, 1);
  cluster->world.run_for(kMillisecond);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->error, ErrorCode::kNotCoordinator);
  // There the rebalance begins anew, from the generation that was saved.
  wait_until_serving(1, group);
  EXPECT_EQ(beat(1, group, joined.generation, joined.member_id), ErrorCode::kNone);
  static_cast<void>(begin(1, joining(1, join_request(group, ""))));
  cluster->world.run_for(100 * kMillisecond);
  EXPECT_EQ(beat(1, group, joined.generation, joined.member_id), ErrorCode::kRebalanceInProgress);
  const JoinResult both = ask(1, joining(1, join_request(group, joined.member_id)));
  EXPECT_EQ(both.error, ErrorCode::kNone);
  EXPECT_EQ(both.generation, joined.generation + 1);
  EXPECT_EQ(both.members.size(), 2U);
}

TEST_F(LeadTest, ACoordinatorThatIsCutOffIsFencedAndSetsNothingBack) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    open(seed);
    const std::string group = name_on(0, "g");
    const NodeId former = cluster->wait_for_claim(0);
    const JoinResult joined = make_stable(group);
    ASSERT_EQ(ask(former, committing(former, group, 10, joined.generation, joined.member_id)), ErrorCode::kNone);
    cluster->peer(former).is_cut_off = true;
    // It does not know yet. What it is asked for waits, and gets nowhere.
    const auto& lost = begin(former, committing(former, group, 11, joined.generation, joined.member_id));
    static_cast<void>(begin(former, [&, this] {
      return groups(former).leave(home(former), {.group = group, .members = {{.member_id = joined.member_id}}});
    }));
    const NodeId next = cluster->wait_for_claim(0);
    ASSERT_NE(next, former);
    wait_until_serving(next, group);
    EXPECT_EQ(beat(next, group, joined.generation, joined.member_id), ErrorCode::kNone);
    EXPECT_EQ(ask(next, committing(next, group, 20, joined.generation, joined.member_id)), ErrorCode::kNone);
    cluster->peer(former).is_cut_off = false;
    cluster->world.run_for(5 * kSecond);
    ASSERT_TRUE(lost);
    EXPECT_TRUE(*lost == ErrorCode::kNotCoordinator || *lost == ErrorCode::kCoordinatorNotAvailable);
    EXPECT_EQ(committed(group), 20);
    const NodeId last = cluster->wait_for_claim(0);
    wait_until_serving(last, group);
    EXPECT_EQ(beat(last, group, joined.generation, joined.member_id), ErrorCode::kNone);
    for (NodeId id = 1; id <= 3; ++id) {
      if (id != last) {
        EXPECT_EQ(beat(id, group, joined.generation, joined.member_id), ErrorCode::kNotCoordinator);
      }
    }
    cluster.reset();
  }
}

TEST_F(LeadTest, AClaimBySomebodyElseIsFoundOutAndEverythingLoadedAnew) {
  open(4);
  const std::string group = name_on(1, "g");
  const JoinResult joined = make_stable(group);
  const NodeId leader = cluster->wait_for_claim(1);
  const int32_t claim = cluster->hearer(leader).claims[1];
  const auto& waiting = begin(leader, joining(leader, join_request(group, "")));
  // Behind the coordinator's back; it is told by its own next record.
  ASSERT_EQ(cluster->ask(leader % 3 + 1, 1, topic::ClaimShard{.node = 9}).answer.claim, claim + 1);
  EXPECT_EQ(ask(leader, committing(leader, group, 5, joined.generation, joined.member_id)), ErrorCode::kNotCoordinator);
  ASSERT_TRUE(waiting);
  EXPECT_EQ(waiting->error, ErrorCode::kNotCoordinator);
  EXPECT_EQ(beat(leader, group, joined.generation, joined.member_id), ErrorCode::kCoordinatorLoadInProgress);
  wait_until_serving(leader, group);
  EXPECT_EQ(cluster->hearer(leader).claims[1], claim + 2);
  EXPECT_EQ(beat(leader, group, joined.generation, joined.member_id), ErrorCode::kNone);
  EXPECT_EQ(ask(leader, committing(leader, group, 6, joined.generation, joined.member_id)), ErrorCode::kNone);
  EXPECT_EQ(committed(group), 6);
}

// A save that nobody hears of: the coordinator does not guess.
TEST_F(LeadTest, AGroupWhoseSaveIsNotHeardOfIsLoadedAnew) {
  for (uint64_t seed = 11; seed <= 14; ++seed) {
    SCOPED_TRACE(seed);
    open(seed);
    const std::string group = name_on(1, "g");
    const NodeId leader = cluster->wait_for_claim(1);
    wait_until_serving(leader, group);
    const JoinResult joined = ask(leader, joining(leader, join_request(group, "")));
    ASSERT_EQ(joined.error, ErrorCode::kNone);
    cluster->mute.insert(1);
    const auto& sync = begin(leader, syncing(leader, joined, group, "everything"));
    cluster->world.run_for(3 * kSecond);
    ASSERT_TRUE(sync);
    EXPECT_EQ(sync->error, ErrorCode::kNotCoordinator);
    cluster->mute.clear();
    const NodeId now = cluster->wait_for_claim(1);
    wait_until_serving(now, group);
    // It was saved, or it was not: what the member is told is what the log has.
    const SyncResult again = ask(now, syncing(now, joined, group, ""));
    if (again.error == ErrorCode::kNone) {
      EXPECT_EQ(again.assignment, "everything");
      EXPECT_EQ(beat(now, group, joined.generation, joined.member_id), ErrorCode::kNone);
    } else {
      EXPECT_EQ(again.error, ErrorCode::kUnknownMemberId);
      const JoinResult anew = ask(now, joining(now, join_request(group, "")));
      EXPECT_EQ(anew.error, ErrorCode::kNone);
      EXPECT_EQ(ask(now, syncing(now, anew, group, "all")).assignment, "all");
    }
    cluster.reset();
  }
}

TEST_F(LeadTest, GroupsAreListedAndDescribedWhereTheyAreLed) {
  open(5);
  std::set<std::string> names;
  for (ShardId shard = 0; shard < kShards; ++shard) {
    names.insert(name_on(shard, "g"));
    make_stable(name_on(shard, "g"));
  }
  cluster->move_lead(0, 1);
  cluster->move_lead(1, 1);
  cluster->move_lead(2, 2);
  for (const std::string& name : names) {
    wait_until_serving(cluster->wait_for_claim(topic::shard_of_name(name, kShards)), name);
  }
  std::set<std::string> listed;
  for (NodeId id = 1; id <= 3; ++id) {
    for (unsigned reactor = 0; reactor < groups(id).reactor_count(); ++reactor) {
      const Groups::Listed some = ask(id, [&] { return groups(id).list(home(id), reactor); });
      EXPECT_EQ(some.error, ErrorCode::kNone);
      for (const ListedGroup& each : some.groups) {
        EXPECT_TRUE(listed.insert(each.name).second) << each.name << " is listed twice";
        EXPECT_EQ(cluster->wait_for_claim(topic::shard_of_name(each.name, kShards)), id);
      }
    }
    for (const std::string& name : names) {
      const bool is_here = cluster->wait_for_claim(topic::shard_of_name(name, kShards)) == id;
      EXPECT_EQ(ask(id, [&] { return groups(id).describe(home(id), name, topic::GroupType::kClassic); }).error,
                is_here ? ErrorCode::kNone : ErrorCode::kNotCoordinator);
      EXPECT_EQ(ask(id, [&] { return groups(id).check_fetch(home(id), name, "", -1); }),
                is_here ? ErrorCode::kNone : ErrorCode::kNotCoordinator);
      EXPECT_EQ(ask(id, [&] { return groups(id).remove(home(id), name); }),
                is_here ? ErrorCode::kNonEmptyGroup : ErrorCode::kNotCoordinator);
    }
  }
  EXPECT_EQ(listed, names);
}

// What there is to be assigned is decided at the first shard, which may be without a leader at that moment, or for
// longer: nothing is taken from members because of that.
TEST_F(LeadTest, MembersKeepTheirPartitionsAtTheNextCoordinator) {
  for (uint64_t seed = 31; seed <= 36; ++seed) {
    SCOPED_TRACE(seed);
    open(seed);
    make_topic();
    const std::string group = name_on(1, "g");
    cluster->move_lead(0, 1);
    cluster->move_lead(1, 1);
    wait_until_serving(1, group);
    const auto beating = [&](NodeId id, int32_t epoch) {
      ConsumerBeat beat{.group = group, .member_id = "m", .epoch = epoch};
      if (epoch == 0) {
        beat.rebalance_timeout_ms = 60'000;
        beat.topics.emplace().emplace_back("t");
        beat.owned.emplace();
      }
      return ask(id, [&] { return groups(id).beat(home(id), beat); });
    };
    const BeatResult joined = beating(1, 0);
    ASSERT_EQ(joined.error, ErrorCode::kNone);
    ASSERT_TRUE(joined.assignment);
    ASSERT_EQ(joined.assignment->size(), 1U);
    EXPECT_EQ(joined.assignment->at(0).partitions.size(), 3U);
    cluster->crash(1);
    if (seed % 2 == 0) cluster->mute.insert(0);
    const NodeId next = cluster->wait_for_claim(1);
    wait_until_serving(next, group);
    for (int i = 0; i < 5; ++i) {
      const BeatResult again = beating(next, joined.epoch);
      EXPECT_EQ(again.error, ErrorCode::kNone);
      EXPECT_EQ(again.epoch, joined.epoch);
      EXPECT_FALSE(again.assignment);
      cluster->world.run_for(5 * kSecond);
    }
    cluster.reset();
  }
}

// One client commits growing offsets, gives up on nodes that do not answer, and asks the next one. Whatever it was told
// is committed stays, and no older one comes back, whatever is still under way from nodes that led before.
TEST_F(LeadTest, OffsetsNeverGoBack) {
  for (uint64_t seed = 21; seed <= 26; ++seed) {
    SCOPED_TRACE(seed);
    open(seed);
    const std::string group = name_on(2, "g");
    const auto draw = [&](uint64_t below) { return cluster->world.random().next() % below; };
    const auto mend = [&] {
      for (NodeId each = 1; each <= 3; ++each) {
        cluster->peer(each).is_cut_off = false;
        if (cluster->peer(each).machine->is_paused()) cluster->peer(each).machine->unpause();
      }
    };
    int64_t acknowledged = -1;
    for (int64_t offset = 0; offset < 40; ++offset) {
      for (int tries = 0;; ++tries) {
        ASSERT_LT(tries, 300);
        const NodeId id = cluster->topics(1 + draw(3)).leader_of(2);
        // Nobody to be asked, or nobody who answers.
        if (id == 0 || cluster->peer(id).machine->is_paused()) {
          cluster->world.run_for(50 * kMillisecond);
          if (draw(10) == 0) mend();
          continue;
        }
        const auto& commit = begin(id, committing(id, group, offset));
        switch (draw(8)) {
          case 0:
            cluster->peer(id).is_cut_off = true;
            break;
          case 1:
            cluster->peer(id).machine->pause();
            break;
          case 2:
            cluster->world.run_on(home(id), [&] { at[id].asking->spawn(move_lead(*cluster, id, 2, 1 + draw(3))); });
            break;
          default:
            break;
        }
        cluster->world.run_until([&] { return commit.has_value(); },
                                 static_cast<int64_t>(100 + draw(2'000)) * kMillisecond);
        const bool is_done = commit && *commit == ErrorCode::kNone;
        if (draw(2) == 0) mend();
        if (is_done) break;
        cluster->world.run_for(50 * kMillisecond);
      }
      acknowledged = offset;
      mend();
      cluster->world.run_for(static_cast<int64_t>(draw(200)) * kMillisecond);
      ASSERT_EQ(committed(group), acknowledged);
    }
    cluster->world.run_for(10 * kSecond);
    EXPECT_EQ(committed(group), acknowledged);
    cluster.reset();
  }
}

// ---- Transactions.

class TransactionLeadTest : public LeadTest {
 protected:
  Transactions& transactions(NodeId id) { return *at[id].transactions; }
  NodeId coordinator(const std::string& id) { return cluster->wait_for_claim(topic::shard_of_name(id, kShards)); }
  Asked init(NodeId at, const std::string& id) {
    return ask(at, [&] { return transactions(at).init(home(at), {.id = id, .timeout_ms = 60'000}); });
  }
  Asked add(NodeId at, const std::string& id, const Asked& producer, std::vector<PartitionId> partitions,
            std::vector<std::string> groups = {}) {
    const topic::AddToTransaction what{id, producer.answer.producer_id, producer.answer.producer_epoch,
                                       std::move(partitions), std::move(groups)};
    return ask(at, [&] { return transactions(at).add(home(at), what); });
  }
  Asked end(NodeId at, const std::string& id, const Asked& producer, bool is_commit) {
    const topic::EndTransaction what{id, producer.answer.producer_id, producer.answer.producer_epoch, is_commit};
    return ask(at, [&] { return transactions(at).end(home(at), what); });
  }
  Asked append(const PartitionId& to, const Asked& producer, int32_t sequence, const std::string& value) {
    topic::BatchBuilder builder({.producer_id = producer.answer.producer_id,
                                 .producer_epoch = producer.answer.producer_epoch,
                                 .base_sequence = sequence,
                                 .attributes = topic::kTransactionalBit});
    builder.add(1'000, "k", value);
    const ShardId shard = topic::shard_of_partition(to, kShards);
    const std::string batch = builder.finish();
    return cluster->ask(cluster->wait_for_claim(shard), shard, topic::Append{.to = to}, batch);
  }
  Asked pend(const std::string& group, const std::string& id, const Asked& producer, int64_t offset) {
    const NodeId at = cluster->wait_for_claim(topic::shard_of_name(group, kShards));
    const Asked verified = ask(at, [&] {
      return transactions(at).verify(home(at), {.id = id,
                                                .producer_id = producer.answer.producer_id,
                                                .producer_epoch = producer.answer.producer_epoch,
                                                .groups = {group}});
    });
    EXPECT_TRUE(verified.ok());
    Asked asked;
    const CommitCheck check{.group = group, .is_transactional = true};
    const topic::PendOffsets what{.group = group,
                                  .producer_id = producer.answer.producer_id,
                                  .producer_epoch = producer.answer.producer_epoch,
                                  .offsets = {{.topic = "t", .offset = offset}},
                                  .coordinator_epoch = verified.answer.claim};
    EXPECT_EQ(ask(at, [&] { return groups(at).commit(home(at), check, what); }), ErrorCode::kNone);
    return verified;
  }
  topic::TransactionState state(const std::string& id) {
    const ShardId shard = topic::shard_of_name(id, kShards);
    const Asked asked = cluster->ask(cluster->wait_for_claim(shard), shard, topic::FindTransaction{.id = id});
    return asked.ok() ? asked.answer.transactions.at(0).state : topic::TransactionState::kDead;
  }
  void wait_for_state(const std::string& id, topic::TransactionState wanted) {
    for (int i = 0; i < 300 && state(id) != wanted; ++i) cluster->world.run_for(100 * kMillisecond);
    ASSERT_EQ(state(id), wanted);
  }
  topic::PartitionInfo describe(const PartitionId& of) {
    const ShardId shard = topic::shard_of_partition(of, kShards);
    return cluster->ask(cluster->wait_for_claim(shard), shard, topic::DescribePartition{.of = of}).answer.partition;
  }
};

TEST_F(TransactionLeadTest, WhatWasPreparedIsCarriedOutByWhoeverLeadsNext) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    for (const bool is_commit : {true, false}) {
      SCOPED_TRACE(std::to_string(seed) + (is_commit ? " commit" : " abort"));
      open(seed);
      make_topic();
      const std::string id = name_on(0, "tx");
      const std::string group = name_on(2, "g");
      const PartitionId to = partition_on(1);
      cluster->move_lead(0, 1);
      cluster->move_lead(1, 2);
      cluster->move_lead(2, 3);
      wait_until_serving(3, group);
      const Asked producer = init(1, id);
      ASSERT_TRUE(producer.ok());
      EXPECT_EQ(init(2, id).outcome, LogErrc::kNotLeader);
      ASSERT_TRUE(add(1, id, producer, {to}, {group}).ok());
      EXPECT_EQ(add(3, id, producer, {to}).outcome, LogErrc::kNotLeader);
      ASSERT_TRUE(append(to, producer, 0, "a").ok());
      pend(group, id, producer, 5);
      // Nothing can be written to the partition: it is decided, and not carried out.
      cluster->mute.insert(1);
      ASSERT_TRUE(end(1, id, producer, is_commit).ok());
      cluster->world.run_for(static_cast<int64_t>(cluster->world.random().next() % 4'000) * kMillisecond);
      EXPECT_EQ(end(3, id, producer, is_commit).outcome, LogErrc::kNotLeader);
      cluster->crash(1);
      cluster->mute.clear();
      const NodeId next = coordinator(id);
      ASSERT_NE(next, 1U);
      using enum topic::TransactionState;
      wait_for_state(id, is_commit ? kCompleteCommit : kCompleteAbort);
      EXPECT_EQ(describe(to).high_watermark, 2) << "not one marker";
      EXPECT_EQ(describe(to).last_stable, 2);
      EXPECT_EQ(committed(group), is_commit ? 5 : -1);
      // The producer goes on with its epoch.
      ASSERT_TRUE(add(next, id, producer, {to}, {group}).ok());
      ASSERT_TRUE(append(to, producer, 1, "b").ok());
      pend(group, id, producer, 6);
      // What the dead one had sent arrives now.
      const Asked late = cluster->ask(next, 1,
                                      topic::EndPartitionTransaction{.at = to,
                                                                     .producer_id = producer.answer.producer_id,
                                                                     .producer_epoch = producer.answer.producer_epoch,
                                                                     .is_commit = is_commit,
                                                                     .coordinator_epoch = 1});
      EXPECT_EQ(late.answer.error, TopicErrc::kTransactionCoordinatorFenced);
      const Asked late_group = cluster->ask(next, 2,
                                            topic::EndPendingOffsets{.group = group,
                                                                     .producer_id = producer.answer.producer_id,
                                                                     .producer_epoch = producer.answer.producer_epoch,
                                                                     .is_commit = is_commit,
                                                                     .coordinator_epoch = 1});
      EXPECT_EQ(late_group.answer.error, TopicErrc::kTransactionCoordinatorFenced);
      EXPECT_EQ(describe(to).last_stable, 2);
      ASSERT_TRUE(end(next, id, producer, true).ok());
      wait_for_state(id, kCompleteCommit);
      EXPECT_EQ(describe(to).last_stable, 4);
      EXPECT_EQ(committed(group), 6);
      cluster.reset();
    }
  }
}

TEST_F(TransactionLeadTest, ACoordinatorThatSleptFindsOutThatItsTimeIsOver) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    open(seed);
    make_topic();
    const std::string id = name_on(0, "tx");
    const PartitionId to = partition_on(1);
    cluster->move_lead(0, 1);
    cluster->move_lead(1, 2);
    const Asked producer = init(1, id);
    ASSERT_TRUE(add(1, id, producer, {to}).ok());
    ASSERT_TRUE(append(to, producer, 0, "a").ok());
    // It sleeps with its markers under way, or not sent yet.
    const topic::EndTransaction what{id, producer.answer.producer_id, producer.answer.producer_epoch, true};
    static_cast<void>(begin(1, [&] { return transactions(1).end(home(1), what); }));
    cluster->world.run_for(static_cast<int64_t>(cluster->world.random().next() % 8'000'000));
    cluster->peer(1).machine->pause();
    NodeId next = 0;
    ASSERT_TRUE(cluster->world.run_until(
        [&] {
          for (const NodeId each : {NodeId{2}, NodeId{3}}) {
            if (cluster->topics(each).leads(0) && cluster->hearer(each).claims[0] != 0) next = each;
          }
          return next != 0;
        },
        30 * kSecond));
    // Decided once, there or here; a client that has not heard of it asks again.
    ASSERT_TRUE(end(next, id, producer, true).outcome == LogErrc::kOk);
    const auto is_complete = [&] {
      const Asked asked = cluster->ask(next, 0, topic::FindTransaction{.id = id});
      return asked.ok() && asked.answer.transactions.at(0).state == topic::TransactionState::kCompleteCommit;
    };
    for (int i = 0; i < 100 && !is_complete(); ++i) cluster->world.run_for(100 * kMillisecond);
    ASSERT_TRUE(is_complete());
    ASSERT_TRUE(add(next, id, producer, {to}).ok());
    ASSERT_TRUE(append(to, producer, 1, "b").ok());
    cluster->peer(1).machine->unpause();
    cluster->world.run_for(10 * kSecond);
    // The second transaction is open still.
    EXPECT_EQ(state(id), topic::TransactionState::kOngoing);
    EXPECT_EQ(describe(to).last_stable, 2);
    EXPECT_EQ(describe(to).high_watermark, 3);
    const NodeId last = coordinator(id);
    ASSERT_TRUE(end(last, id, producer, false).ok());
    wait_for_state(id, topic::TransactionState::kCompleteAbort);
    EXPECT_EQ(describe(to).last_stable, 4);
    cluster.reset();
  }
}

// One shard is without a quorum for long, and markers to it are not heard of. Groups of the coordinator's shard hardly
// notice.
TEST_F(TransactionLeadTest, MarkersThatAreNotHeardOfAreWrittenWithANewClaim) {
  open(8);
  make_topic();
  const std::string id = name_on(0, "tx");
  const std::string group = name_on(0, "g");
  const PartitionId to = partition_on(1);
  cluster->move_lead(0, 1);
  cluster->move_lead(1, 2);
  const JoinResult joined = make_stable(group);
  const Asked producer = init(1, id);
  ASSERT_TRUE(add(1, id, producer, {to}).ok());
  ASSERT_TRUE(append(to, producer, 0, "a").ok());
  const int32_t claim = cluster->hearer(1).claims[0];
  cluster->mute.insert(1);
  ASSERT_TRUE(end(1, id, producer, true).ok());
  for (int i = 0; i < 6; ++i) {
    cluster->world.run_for(5 * kSecond);
    EXPECT_EQ(beat(1, group, joined.generation, joined.member_id), ErrorCode::kNone);
  }
  EXPECT_EQ(cluster->hearer(1).claims[0], claim);
  cluster->mute.clear();
  wait_for_state(id, topic::TransactionState::kCompleteCommit);
  EXPECT_EQ(cluster->hearer(1).claims[0], claim + 1);
  EXPECT_EQ(describe(to).last_stable, 2);
  EXPECT_EQ(describe(to).high_watermark, 2);
  wait_until_serving(1, group);
  EXPECT_EQ(beat(1, group, joined.generation, joined.member_id), ErrorCode::kNone);
}

TEST_F(TransactionLeadTest, OnesThatTakeTooLongAreAbortedByWhoeverLeads) {
  open(9);
  make_topic();
  const std::string id = name_on(0, "tx");
  const PartitionId to = partition_on(1);
  cluster->move_lead(0, 2);
  const Asked producer = ask(2, [&] { return transactions(2).init(home(2), {.id = id, .timeout_ms = 5'000}); });
  ASSERT_TRUE(add(2, id, producer, {to}).ok());
  ASSERT_TRUE(append(to, producer, 0, "a").ok());
  cluster->move_lead(0, 3);
  cluster->world.run_for(10 * kSecond);
  EXPECT_EQ(state(id), topic::TransactionState::kCompleteAbort);
  EXPECT_EQ(describe(to).last_stable, 2);
  EXPECT_EQ(ask(3, [&] { return transactions(3).list(home(3)); }).transactions.size(), 1U);
  EXPECT_TRUE(ask(2, [&] { return transactions(2).list(home(2)); }).transactions.empty());
  EXPECT_EQ(ask(2, [&] { return transactions(2).find(home(2), id); }).outcome, LogErrc::kNotLeader);
  EXPECT_TRUE(ask(3, [&] { return transactions(3).find(home(3), id); }).ok());
}

TEST_F(TransactionLeadTest, ProducerIdsAreOfOneProducerOnAllNodes) {
  open(10);
  std::set<int64_t> ids;
  for (int i = 0; i < 20; ++i) {
    for (NodeId id = 1; id <= 3; ++id) {
      const Asked asked = ask(id, [&] { return transactions(id).new_producer(home(id)); });
      ASSERT_TRUE(asked.ok());
      EXPECT_TRUE(ids.insert(asked.answer.producer_id).second);
    }
    if (i % 5 == 0) cluster->move_lead(topic::shard_of_name(topic::kProducerIdsName, kShards), 1 + i % 3);
    if (i == 12) {
      cluster->crash(2);
      cluster->start(2);
      cluster->wait_for_claims();
    }
  }
}

}  // namespace
}  // namespace keelson::kafka
