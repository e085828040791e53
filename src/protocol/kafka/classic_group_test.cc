#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>

#include "protocol/kafka/group_test_support.h"

namespace keelson::kafka {
namespace {

using Joined = std::shared_ptr<std::optional<JoinResult>>;
using Synced = std::shared_ptr<std::optional<SyncResult>>;

// Of "a|b" both, in that order.
topic::Pairs protocols_of(const std::string& names, const std::string& metadata) {
  topic::Pairs protocols;
  for (size_t at = 0; at <= names.size();) {
    const size_t end = std::min(names.find('|', at), names.size());
    protocols.emplace_back(names.substr(at, end - at), metadata);
    at = end + 1;
  }
  return protocols;
}

class ClassicGroupTest : public ::testing::Test {
 protected:
  Joined join(std::string member_id, std::optional<std::string> instance = {}, std::string protocol = "range",
              std::string metadata = "m") {
    auto got = std::make_shared<std::optional<JoinResult>>();
    JoinRequest request{.group = "g",
                        .member_id = std::move(member_id),
                        .instance_id = std::move(instance),
                        .client_id = "c",
                        .session_timeout_ms = 10'000,
                        .rebalance_timeout_ms = 30'000,
                        .protocol_type = "consumer",
                        .protocols = protocols_of(protocol, metadata),
                        .needs_known_id = needs_known_id,
                        .can_skip_assignment = can_skip};
    world.groups->join(std::move(request), [got](JoinResult result) { *got = std::move(result); });
    return got;
  }
  Synced sync(const JoinResult& as, topic::Pairs assignments = {}) {
    auto got = std::make_shared<std::optional<SyncResult>>();
    world.groups->sync({.group = "g",
                        .generation = as.generation,
                        .member_id = as.member_id,
                        .protocol_type = "consumer",
                        .protocol = as.protocol,
                        .assignments = std::move(assignments)},
                       [got](SyncResult result) { *got = std::move(result); });
    return got;
  }
  ErrorCode beat(const JoinResult& as, std::optional<std::string> instance = {}) {
    return world.groups->heartbeat(
        {.group = "g", .generation = as.generation, .member_id = as.member_id, .instance_id = std::move(instance)});
  }
  std::string state() {
    const auto rows = world.groups->list();
    return rows.empty() ? "" : rows[0].state;
  }
  // Two members in a stable generation; the first leads.
  void make_stable() {
    const Joined first = join("");
    ASSERT_TRUE(*first);
    one = **first;
    const Joined second = join("");
    EXPECT_FALSE(*second);
    EXPECT_EQ(beat(one), ErrorCode::kRebalanceInProgress);
    const Joined again = join(one.member_id);
    ASSERT_TRUE(*again && *second);
    one = **again;
    two = **second;
    ASSERT_EQ(one.leader, one.member_id);
    const Synced waits = sync(two);
    EXPECT_FALSE(*waits);
    const Synced leads = sync(one, {{one.member_id, "a1"}, {two.member_id, "a2"}});
    world.outside.flush();
    ASSERT_TRUE(*waits && *leads);
    EXPECT_EQ((*waits)->assignment, "a2");
    EXPECT_EQ((*leads)->assignment, "a1");
  }

  GroupWorld world;
  bool needs_known_id = false;
  bool can_skip = false;
  JoinResult one;
  JoinResult two;
};

TEST_F(ClassicGroupTest, MembersJoinSyncAndStay) {
  make_stable();
  EXPECT_EQ(state(), "Stable");
  EXPECT_EQ(one.generation, 2);
  EXPECT_EQ(one.members.size(), 2U);
  EXPECT_TRUE(two.members.empty());
  EXPECT_EQ(one.protocol, "range");
  for (int i = 0; i < 10; ++i) {
    world.run_for(5'000);
    EXPECT_EQ(beat(one), ErrorCode::kNone);
    EXPECT_EQ(beat(two), ErrorCode::kNone);
  }
  const DescribedGroup described = world.groups->describe("g", topic::GroupType::kClassic);
  ASSERT_EQ(described.members.size(), 2U);
  EXPECT_EQ(described.head.protocol, "range");
  EXPECT_EQ(described.members[0].protocols[0].second, "m");
}

TEST_F(ClassicGroupTest, NewMembersGetAnIdFirst) {
  needs_known_id = true;
  const Joined told = join("");
  ASSERT_TRUE(*told);
  EXPECT_EQ((*told)->error, ErrorCode::kMemberIdRequired);
  EXPECT_EQ((*told)->member_id, "c-1");
  const Joined joined = join((*told)->member_id);
  ASSERT_TRUE(*joined);
  EXPECT_EQ((*joined)->error, ErrorCode::kNone);
  EXPECT_EQ((*join("nobody"))->error, ErrorCode::kUnknownMemberId);
  // One that never comes back with its id holds nobody up for longer than its session.
  (void)world.groups->leave({.group = "g", .members = {{.member_id = (*joined)->member_id}}});
  world.run_for(1);
  const Joined lost = join("");
  world.run_for(10'000);
  EXPECT_EQ((*join((*lost)->member_id))->error, ErrorCode::kUnknownMemberId);
}

TEST_F(ClassicGroupTest, WhoIsSilentIsRemovedAndTheOthersRebalance) {
  make_stable();
  world.run_for(6'000);
  EXPECT_EQ(beat(one), ErrorCode::kNone);
  world.run_for(6'000);
  EXPECT_EQ(beat(two), ErrorCode::kUnknownMemberId);
  EXPECT_EQ(beat(one), ErrorCode::kRebalanceInProgress);
  const Joined again = join(one.member_id);
  ASSERT_TRUE(*again);
  EXPECT_EQ((*again)->generation, 3);
  EXPECT_EQ((*again)->members.size(), 1U);
  EXPECT_EQ(beat(one), ErrorCode::kIllegalGeneration);
}

TEST_F(ClassicGroupTest, WhoDoesNotRejoinIsLeftBehind) {
  make_stable();
  const Joined third = join("");
  // The first is too busy to join again, but heartbeats; the second has joined.
  const Joined again = join(two.member_id);
  for (int i = 0; i < 5; ++i) {
    world.run_for(5'000);
    EXPECT_EQ(beat(one), ErrorCode::kRebalanceInProgress);
    EXPECT_FALSE(*third);
  }
  world.run_for(5'000);
  ASSERT_TRUE(*third && *again);
  EXPECT_EQ((*third)->error, ErrorCode::kNone);
  EXPECT_EQ((*again)->error, ErrorCode::kNone);
  EXPECT_EQ(beat(one), ErrorCode::kUnknownMemberId);
  // Nor may one keep the others from their assignment by never syncing.
  const JoinResult leader = (*third)->members.empty() ? **again : **third;
  for (int i = 0; i < 4; ++i) {
    world.run_for(9'000);
    beat(**third);
    beat(**again);
  }
  EXPECT_EQ(state(), "Empty");
  EXPECT_FALSE(leader.members.empty());
}

TEST_F(ClassicGroupTest, TheFirstRebalanceWaitsForThoseThatStartTogether) {
  world.settings().initial_rebalance_delay_ms = 3'000;
  const Joined first = join("");
  world.run_for(2'000);
  EXPECT_FALSE(*first);
  const Joined second = join("");
  world.run_for(2'000);
  EXPECT_FALSE(*first);  // somebody came, so it waits once more
  world.run_for(2'000);
  ASSERT_TRUE(*first && *second);
  EXPECT_EQ((*first)->generation, 1);
  EXPECT_EQ((*second)->generation, 1);
}

TEST_F(ClassicGroupTest, AStaticMemberComesBackWithoutARebalance) {
  const Joined first = join("", "i1");
  one = **first;
  (void)sync(one, {{one.member_id, "a1"}});
  world.outside.flush();
  EXPECT_EQ(state(), "Stable");
  const Joined back = join("", "i1");
  world.outside.flush();
  ASSERT_TRUE(*back);
  EXPECT_EQ((*back)->generation, one.generation);
  EXPECT_NE((*back)->member_id, one.member_id);
  // An old client must not think that it leads.
  EXPECT_EQ((*back)->leader, one.member_id);
  EXPECT_EQ(beat(one, "i1"), ErrorCode::kFencedInstanceId);
  EXPECT_EQ(beat(one), ErrorCode::kUnknownMemberId);
  const Synced synced = sync(**back);
  EXPECT_EQ((*synced)->assignment, "a1");
  can_skip = true;
  const Joined newer = join("", "i1");
  world.outside.flush();
  EXPECT_TRUE((*newer)->skip_assignment);
  EXPECT_EQ((*newer)->leader, (*newer)->member_id);
  EXPECT_EQ((*newer)->members.size(), 1U);
  // With another subscription there is one.
  const Joined other = join("", "i1", "roundrobin|range");
  world.outside.flush();
  EXPECT_EQ((*other)->generation, one.generation + 1);
  // And it goes by its instance's name.
  const LeaveResult left =
      world.groups->leave({.group = "g", .members = {{.member_id = "", .instance_id = "i1"}, {.member_id = "x"}}});
  EXPECT_EQ(left.members, (std::vector{ErrorCode::kNone, ErrorCode::kUnknownMemberId}));
}

TEST_F(ClassicGroupTest, ARestartOfTheCoordinatorIsNotNoticed) {
  make_stable();
  world.restart();
  EXPECT_EQ(state(), "Stable");
  world.run_for(6'000);
  EXPECT_EQ(beat(one), ErrorCode::kNone);
  EXPECT_EQ(beat(two), ErrorCode::kNone);
  const Synced synced = sync(two);
  ASSERT_TRUE(*synced);
  EXPECT_EQ((*synced)->assignment, "a2");
  // The generation goes on from where it was.
  (void)join(two.member_id, {}, "range", "other");
  const Joined again = join(one.member_id);
  EXPECT_EQ((*again)->generation, one.generation + 1);
}

TEST_F(ClassicGroupTest, AnAssignmentThatCannotBeSavedIsNotHandedOut) {
  const Joined first = join("");
  const Synced synced = sync(**first, {{(*first)->member_id, "a"}});
  world.outside.flush(ErrorCode::kKafkaStorageError);
  ASSERT_TRUE(*synced);
  EXPECT_EQ((*synced)->error, ErrorCode::kKafkaStorageError);
  EXPECT_EQ(state(), "PreparingRebalance");
}

TEST_F(ClassicGroupTest, ASaveThatTakesLongerThanARebalanceKeepsNobodyBusy) {
  const Joined first = join("");
  const Synced synced = sync(**first, {{(*first)->member_id, "a"}});
  world.outside.now += 31'000;
  world.groups->look();
  EXPECT_GT(world.groups->wake_ms(), world.outside.now);
  EXPECT_FALSE(*synced);
  world.outside.flush();
  ASSERT_TRUE(*synced);
  EXPECT_EQ((*synced)->assignment, "a");
  EXPECT_EQ(state(), "Stable");
  world.run_for(5'000);
  EXPECT_EQ(beat(**first), ErrorCode::kNone);
}

TEST_F(ClassicGroupTest, WhoNeverAsksForItsAssignmentIsRemoved) {
  const Joined first = join("");
  const Joined second = join("");
  const Joined again = join((*first)->member_id);
  const Synced leads = sync(**again, {{(*again)->member_id, "a1"}, {(*second)->member_id, "a2"}});
  world.outside.flush();
  EXPECT_EQ(state(), "Stable");
  for (int i = 0; i < 5; ++i) {
    world.run_for(5'000);
    EXPECT_EQ(beat(**again), ErrorCode::kNone);
    EXPECT_EQ(beat(**second), ErrorCode::kNone);
  }
  world.run_for(5'000);
  EXPECT_EQ(beat(**second), ErrorCode::kUnknownMemberId);
  EXPECT_EQ(beat(**again), ErrorCode::kRebalanceInProgress);
}

TEST_F(ClassicGroupTest, MetadataIsBoundedAndCountedOnce) {
  const Joined first = join("", "i1", "range", std::string(90, 'x'));
  (void)sync(**first, {{(*first)->member_id, "a"}});
  world.outside.flush();
  world.settings().metadata_bytes_max = 150;
  // It takes the place of what it was, under a new id or not.
  const Joined back = join("", "i1", "range", std::string(90, 'x'));
  world.outside.flush();
  ASSERT_TRUE(*back);
  EXPECT_EQ((*back)->error, ErrorCode::kNone);
  EXPECT_EQ((*join((*back)->member_id, "i1", "range", std::string(91, 'x')))->error, ErrorCode::kNone);
  EXPECT_EQ((*join("", "i1", "range", std::string(200, 'x')))->error, ErrorCode::kGroupMaxSizeReached);
}

TEST_F(ClassicGroupTest, LimitsAndWhatDoesNotFit) {
  make_stable();
  EXPECT_EQ((*join("", {}, "other"))->error, ErrorCode::kInconsistentGroupProtocol);
  world.settings().members_max = 2;
  EXPECT_EQ((*join(""))->error, ErrorCode::kGroupMaxSizeReached);
  world.settings().members_max = 10;
  world.settings().metadata_bytes_max = 1'000;
  EXPECT_EQ((*join("", {}, "range", std::string(1'000, 'x')))->error, ErrorCode::kGroupMaxSizeReached);
  EXPECT_EQ(world.groups->forget("g"), ErrorCode::kNonEmptyGroup);
  world.settings().session_timeout_ms_min = 20'000;
  EXPECT_EQ((*join(""))->error, ErrorCode::kInvalidSessionTimeout);
}

TEST_F(ClassicGroupTest, WhoMayCommit) {
  const auto check = [&](int32_t generation, std::string member, bool is_transactional = false) {
    return world.groups->check_commit(
        {.group = "g", .generation = generation, .member_id = std::move(member), .is_transactional = is_transactional});
  };
  EXPECT_EQ(check(-1, ""), ErrorCode::kNone);
  EXPECT_EQ(check(3, "m"), ErrorCode::kIllegalGeneration);
  make_stable();
  EXPECT_EQ(check(2, one.member_id), ErrorCode::kNone);
  EXPECT_EQ(check(1, one.member_id), ErrorCode::kIllegalGeneration);
  EXPECT_EQ(check(2, "m"), ErrorCode::kUnknownMemberId);
  EXPECT_EQ(check(-1, ""), ErrorCode::kUnknownMemberId);
  EXPECT_EQ(check(-1, "", true), ErrorCode::kNone);
  (void)join(one.member_id);
  EXPECT_EQ(check(2, two.member_id), ErrorCode::kNone);  // before it joins again
  const Joined again = join(two.member_id);
  EXPECT_EQ(check(3, two.member_id), ErrorCode::kRebalanceInProgress);
}

TEST_F(ClassicGroupTest, KnowsWhatItsMembersSubscribeTo) {
  // ConsumerProtocolSubscription: version 0, ["orders"].
  (void)join("", {}, "range", std::string("\0\0\0\0\0\1\0\6orders\xff\xff\xff\xff", 18));
  EXPECT_TRUE(world.groups->is_subscribed("g", "orders"));
  EXPECT_FALSE(world.groups->is_subscribed("g", "order"));
  EXPECT_FALSE(world.groups->is_subscribed("h", "orders"));
}

// A thousand members that come and go: every request is answered in bounded time, no generation is given twice with
// different members, and nothing is left at the end.
TEST_F(ClassicGroupTest, StormsEnd) {
  for (unsigned seed = 0; seed < 5; ++seed) {
    world.outside.kept.clear();
    world.restart();
    std::mt19937 random(seed);
    struct Client {
      Joined joining;
      Synced syncing;
      std::optional<JoinResult> in;
    };
    std::vector<Client> clients(200);
    std::map<int32_t, std::string> leaders;
    for (int step = 0; step < 5'000; ++step) {
      Client& client = clients[random() % clients.size()];
      if (random() % 50 == 0) world.run_for(random() % 4'000);
      if (random() % 4 == 0) world.outside.flush();
      if (client.joining && *client.joining) {
        const JoinResult& got = **client.joining;
        client.in = got.error == ErrorCode::kNone ? std::optional(got) : std::nullopt;
        if (client.in) {
          const auto known = leaders.emplace(got.generation, got.leader).first;
          ASSERT_EQ(known->second, got.leader) << "a generation has one leader";
        }
        client.joining.reset();
      }
      switch (random() % 8) {
        case 0:  // dies, unheard
          client = {};
          break;
        case 1:
          if (client.in) (void)world.groups->leave({.group = "g", .members = {{.member_id = client.in->member_id}}});
          client = {};
          break;
        default:
          if (client.joining) break;
          if (!client.in || beat(*client.in) != ErrorCode::kNone) {
            client.joining = join(client.in ? client.in->member_id : "");
            client.in.reset();
          } else {
            topic::Pairs assignments;
            for (const JoinedMember& each : client.in->members) assignments.emplace_back(each.id, "x");
            client.syncing = sync(*client.in, std::move(assignments));
          }
      }
    }
    world.run_for(2 * kNewMemberJoinTimeoutMs);
    for (const Client& client : clients) EXPECT_TRUE(!client.joining || *client.joining);
    EXPECT_EQ(state(), "Empty");
    EXPECT_EQ(world.groups->figures().members, 0U);
    EXPECT_EQ(world.groups->wake_ms(), kNever);
    EXPECT_EQ(world.groups->forget("g"), ErrorCode::kNone);
  }
}

}  // namespace
}  // namespace keelson::kafka
