#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "protocol/kafka/assignors.h"
#include "protocol/kafka/group_test_support.h"

namespace keelson::kafka {
namespace {

using Rows = std::vector<topic::TopicPartitions>;

size_t count_of(const Rows& rows) {
  size_t sum = 0;
  for (const auto& row : rows) sum += row.partitions.size();
  return sum;
}
std::set<topic::PartitionId> set_of(const Rows& rows) {
  std::set<topic::PartitionId> set;
  for (const auto& row : rows) {
    for (const int32_t partition : row.partitions) set.insert({row.topic, partition});
  }
  return set;
}

// A client that does what it is told.
struct Client {
  std::string id;
  std::optional<std::string> instance{};
  std::vector<std::string> topics{"t"};
  int32_t epoch = 0;
  Rows owned{};
  std::string assignor{};
  int32_t rebalance_timeout_ms = 30'000;
};

class ConsumerGroupTest : public ::testing::Test {
 protected:
  ConsumerGroupTest() { world.outside.add_topic("t", 6); }

  BeatResult send(ConsumerBeat beat) {
    std::optional<BeatResult> got;
    world.groups->beat(std::move(beat), [&](BeatResult result) { got = std::move(result); });
    world.outside.flush();
    KEELSON_CHECK(got, "a heartbeat is not answered");
    return *got;
  }
  BeatResult beat(Client& client) {
    ConsumerBeat request{.group = "g",
                         .member_id = client.id,
                         .epoch = client.epoch,
                         .instance_id = client.instance,
                         .owned = client.owned};
    if (client.epoch == 0) {
      request.rebalance_timeout_ms = client.rebalance_timeout_ms;
      request.topics = client.topics;
      if (!client.assignor.empty()) request.assignor = client.assignor;
    }
    const BeatResult result = send(std::move(request));
    if (result.error == ErrorCode::kNone) {
      client.epoch = result.epoch;
      if (result.assignment) client.owned = *result.assignment;
    }
    return result;
  }
  BeatResult leave(Client& client, int32_t epoch) {
    return send({.group = "g", .member_id = client.id, .epoch = epoch, .instance_id = client.instance});
  }
  std::string state() { return world.groups->list().at(0).state; }
  void settle(std::vector<Client*> clients) {
    for (int i = 0; i < 6; ++i) {
      for (Client* client : clients) beat(*client);
    }
  }

  GroupWorld world;
};

TEST_F(ConsumerGroupTest, PartitionsMoveOneMemberAtATime) {
  Client one{.id = "1"};
  Client two{.id = "2"};
  EXPECT_EQ(beat(one).error, ErrorCode::kNone);
  EXPECT_EQ(count_of(one.owned), 6U);
  EXPECT_EQ(state(), "Stable");
  const int32_t before = one.epoch;
  beat(two);
  EXPECT_EQ(count_of(two.owned), 0U);  // everything is the first one's still
  EXPECT_EQ(state(), "Reconciling");
  const Rows had = one.owned;
  const BeatResult told = beat(one);
  EXPECT_EQ(count_of(*told.assignment), 3U);
  EXPECT_EQ(told.epoch, before);
  // It has not given up anything yet: nothing for the other.
  beat(two);
  EXPECT_EQ(count_of(two.owned), 0U);
  // Now it says that it has.
  beat(one);
  EXPECT_GT(one.epoch, before);
  beat(two);
  EXPECT_EQ(count_of(two.owned), 3U);
  EXPECT_EQ(state(), "Stable");
  EXPECT_EQ(leave(two, ConsumerGroup::kLeft).epoch, -1);
  settle({&one});
  EXPECT_EQ(count_of(one.owned), 6U);
  EXPECT_EQ(set_of(one.owned), set_of(had));
}

TEST_F(ConsumerGroupTest, RefusesWhatDoesNotFit) {
  Client one{.id = "1"};
  EXPECT_EQ(send({.group = "", .member_id = "1"}).error, ErrorCode::kInvalidRequest);
  EXPECT_EQ(send({.group = "g", .member_id = "1"}).error, ErrorCode::kInvalidRequest);
  EXPECT_EQ(send({.group = "g", .member_id = "1", .epoch = -3}).error, ErrorCode::kInvalidRequest);
  EXPECT_EQ(send({.group = "g", .member_id = "1", .epoch = -2}).error, ErrorCode::kInvalidRequest);
  EXPECT_EQ(send({.group = "g", .member_id = "1", .epoch = 5}).error, ErrorCode::kGroupIdNotFound);
  one.assignor = "sticky";
  EXPECT_EQ(beat(one).error, ErrorCode::kUnsupportedAssignor);
  one.assignor = "range";
  beat(one);
  EXPECT_EQ(send({.group = "g", .member_id = "2", .epoch = 5}).error, ErrorCode::kUnknownMemberId);
  EXPECT_EQ(send({.group = "g", .member_id = "1", .epoch = one.epoch + 1}).error, ErrorCode::kFencedMemberEpoch);
  ConsumerBeat regex{.group = "g", .member_id = "3", .rebalance_timeout_ms = 1, .regex = "[", .owned = Rows{}};
  EXPECT_EQ(send(regex).error, ErrorCode::kInvalidRegularExpression);
  world.settings().metadata_bytes_max = 100;
  Client wordy{.id = "4", .topics = {std::string(100, 'x')}};
  EXPECT_EQ(beat(wordy).error, ErrorCode::kGroupMaxSizeReached);
  world.settings().members_max = 1;
  Client two{.id = "2"};
  EXPECT_EQ(beat(two).error, ErrorCode::kGroupMaxSizeReached);
}

TEST_F(ConsumerGroupTest, AnAnswerThatWasLostIsAskedForAgain) {
  Client one{.id = "1"};
  Client two{.id = "2"};
  beat(one);
  beat(two);
  settle({&one, &two});
  Client lost = two;
  leave(one, ConsumerGroup::kLeft);
  beat(two);  // the answer, with a new epoch, is lost
  EXPECT_GT(two.epoch, lost.epoch);
  EXPECT_EQ(beat(lost).error, ErrorCode::kNone);
  EXPECT_EQ(lost.epoch, two.epoch);
}

TEST_F(ConsumerGroupTest, WhoIsSilentOrGivesNothingUpIsRemoved) {
  Client one{.id = "1"};
  Client two{.id = "2"};
  beat(one);
  world.run_for(44'000);
  beat(two);
  world.run_for(2'000);
  EXPECT_EQ(beat(one).error, ErrorCode::kUnknownMemberId);
  settle({&two});
  EXPECT_EQ(count_of(two.owned), 6U);
  // It heartbeats, but never gives up what it was asked for.
  Client three{.id = "3"};
  beat(three);
  const Rows everything = two.owned;
  for (int i = 0; i < 3; ++i) {
    two.owned = everything;
    EXPECT_EQ(beat(two).error, ErrorCode::kNone);
    beat(three);
    world.run_for(9'000);
  }
  world.run_for(9'000);
  EXPECT_EQ(beat(two).error, ErrorCode::kUnknownMemberId);
  settle({&three});
  EXPECT_EQ(count_of(three.owned), 6U);
}

TEST_F(ConsumerGroupTest, AStaticMemberKeepsItsPartitionsWhileItIsAway) {
  Client one{.id = "1", .instance = "i"};
  Client two{.id = "2"};
  beat(one);
  beat(two);
  settle({&one, &two});
  const Rows had = one.owned;
  const int32_t epoch = two.epoch;
  Client other{.id = "9", .instance = "i"};
  EXPECT_EQ(beat(other).error, ErrorCode::kUnreleasedInstanceId);
  EXPECT_EQ(leave(one, ConsumerGroup::kLeftForNow).epoch, -2);
  beat(two);
  EXPECT_EQ(two.epoch, epoch);
  Client back{.id = "3", .instance = "i"};
  EXPECT_EQ(beat(back).error, ErrorCode::kNone);
  EXPECT_EQ(set_of(back.owned), set_of(had));
  beat(two);
  EXPECT_EQ(two.epoch, epoch);
  EXPECT_EQ(beat(one).error, ErrorCode::kFencedInstanceId);
  // Away for too long, it is gone.
  leave(back, ConsumerGroup::kLeftForNow);
  world.run_for(30'000);
  beat(two);
  world.run_for(20'000);
  settle({&two});
  EXPECT_EQ(count_of(two.owned), 6U);
}

TEST_F(ConsumerGroupTest, AnIdIsOneMembers) {
  Client one{.id = "1", .instance = "i"};
  EXPECT_EQ(beat(one).error, ErrorCode::kNone);
  Client other{.id = "1", .instance = "j"};
  EXPECT_EQ(beat(other).error, ErrorCode::kFencedInstanceId);
  Client two{.id = "2"};
  EXPECT_EQ(beat(two).error, ErrorCode::kNone);
  settle({&one, &two});
  // The static one is away; the other does not become it besides.
  EXPECT_EQ(leave(one, ConsumerGroup::kLeftForNow).error, ErrorCode::kNone);
  Client both{.id = "2", .instance = "i"};
  EXPECT_EQ(beat(both).error, ErrorCode::kFencedInstanceId);
  EXPECT_EQ(leave(one, ConsumerGroup::kLeft).error, ErrorCode::kNone);
  settle({&two});
  EXPECT_EQ(count_of(two.owned), 6U);
  Client three{.id = "3", .instance = "i"};
  EXPECT_EQ(beat(three).error, ErrorCode::kNone);
}

TEST_F(ConsumerGroupTest, ARestartOfTheCoordinatorIsNotNoticed) {
  Client one{.id = "1"};
  Client two{.id = "2"};
  beat(one);
  beat(two);
  settle({&one, &two});
  const auto epochs = std::pair(one.epoch, two.epoch);
  const auto owned = std::pair(set_of(one.owned), set_of(two.owned));
  world.restart();
  settle({&one, &two});
  EXPECT_EQ(std::pair(one.epoch, two.epoch), epochs);
  EXPECT_EQ(std::pair(set_of(one.owned), set_of(two.owned)), owned);
}

TEST_F(ConsumerGroupTest, TopicsThatComeAndGrowAreAssigned) {
  Client one{.id = "1", .topics = {"t", "later"}};
  beat(one);
  EXPECT_EQ(count_of(one.owned), 6U);
  world.outside.add_topic("later", 2);
  world.groups->topics_changed();
  settle({&one});
  EXPECT_EQ(count_of(one.owned), 8U);
  world.outside.topics["t"].partition_count = 10;
  world.groups->topics_changed();
  settle({&one});
  EXPECT_EQ(count_of(one.owned), 12U);
  world.outside.topics.erase("t");
  world.groups->topics_changed();
  settle({&one});
  EXPECT_EQ(count_of(one.owned), 2U);
}

TEST_F(ConsumerGroupTest, MembersWithTheSameExpressionAreMatchedOnce) {
  for (int i = 0; i < 50; ++i) {
    const uint64_t before = world.outside.matches;
    const BeatResult result = send(
        {.group = "g", .member_id = std::to_string(i), .rebalance_timeout_ms = 30'000, .regex = "t", .owned = Rows{}});
    EXPECT_EQ(result.error, ErrorCode::kNone);
    // For the target, and once more where topics may have come.
    EXPECT_LE(world.outside.matches - before, 2U);
  }
}

TEST_F(ConsumerGroupTest, AnEmptyGroupChangesItsProtocol) {
  const auto join = [&] {
    ErrorCode error = ErrorCode::kUnknownServerError;
    int32_t generation = 0;
    world.groups->join({.group = "g",
                        .client_id = "c",
                        .session_timeout_ms = 10'000,
                        .rebalance_timeout_ms = 10'000,
                        .protocol_type = "consumer",
                        .protocols = {{"range", ""}}},
                       [&](JoinResult result) {
                         error = result.error;
                         generation = result.generation;
                       });
    return std::pair(error, generation);
  };
  Client one{.id = "1"};
  beat(one);
  EXPECT_EQ(join().first, ErrorCode::kInconsistentGroupProtocol);
  leave(one, ConsumerGroup::kLeft);
  const auto [error, generation] = join();
  EXPECT_EQ(error, ErrorCode::kNone);
  EXPECT_GT(generation, one.epoch);
  Client two{.id = "2"};
  EXPECT_EQ(beat(two).error, ErrorCode::kGroupIdNotFound);
  world.run_for(kNewMemberJoinTimeoutMs + 60'000);
  EXPECT_EQ(beat(two).error, ErrorCode::kNone);
  EXPECT_GT(two.epoch, generation);
}

TEST_F(ConsumerGroupTest, WhoMayCommitAndFetch) {
  Client one{.id = "1"};
  beat(one);
  const auto check = [&](int32_t epoch, std::string member, int16_t version = 9) {
    return world.groups->check_commit(
        {.group = "g", .generation = epoch, .member_id = std::move(member), .version = version});
  };
  EXPECT_EQ(check(one.epoch, "1"), ErrorCode::kNone);
  EXPECT_EQ(check(one.epoch, "1", 8), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(check(one.epoch + 1, "1"), ErrorCode::kStaleMemberEpoch);
  EXPECT_EQ(check(-1, ""), ErrorCode::kUnknownMemberId);
  EXPECT_EQ(world.groups->check_fetch("g", "1", one.epoch), ErrorCode::kNone);
  EXPECT_EQ(world.groups->check_fetch("g", "1", 77), ErrorCode::kStaleMemberEpoch);
  EXPECT_EQ(world.groups->check_fetch("g", "", -1), ErrorCode::kNone);
}

// Clients that come, go, die, come back, lose answers; the coordinator restarts: no partition is ever with two members
// that are alive, and in quiet everything is assigned evenly.
TEST_F(ConsumerGroupTest, NoPartitionIsEverWithTwo) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    world.outside.kept.clear();
    world.restart();
    std::map<std::string, Client> clients;
    std::map<std::string, int64_t> heard;
    unsigned next_id = 0;
    for (int step = 0; step < 400; ++step) {
      if (random() % 10 == 0) world.run_for(random() % 3'000);
      if (clients.size() < 8 && random() % 12 == 0) {
        const std::string id = std::to_string(++next_id);
        clients[id] = {.id = id, .assignor = random() % 3 == 0 ? "range" : "", .rebalance_timeout_ms = 3'600'000};
      }
      if (random() % 100 == 0) world.restart();
      if (clients.empty()) continue;
      auto at = std::next(clients.begin(), random() % clients.size());
      Client& client = at->second;
      if (random() % 25 == 0) {
        if (random() % 2 == 0) leave(client, ConsumerGroup::kLeft);  // else it dies
        clients.erase(at);
        continue;
      }
      Client before = client;
      const BeatResult result = beat(client);
      if (result.error != ErrorCode::kNone) {
        client.epoch = 0;
        client.owned.clear();
      } else if (random() % 8 == 0 && before.epoch != 0) {
        client = before;  // the answer is lost
      }
      heard[client.id] = world.outside.now;
      std::set<topic::PartitionId> all;
      for (const auto& [id, each] : clients) {
        if (world.outside.now - heard[id] > 30'000) continue;  // it would be told that it is gone
        for (const auto& partition : set_of(each.owned)) {
          ASSERT_TRUE(all.insert(partition).second) << "seed " << seed << ", step " << step;
        }
      }
    }
    for (int i = 0; i < 12; ++i) {
      for (auto& [id, client] : clients) {
        if (beat(client).error != ErrorCode::kNone) {
          client.epoch = 0;
          client.owned.clear();
        }
      }
      world.run_for(5'000);
    }
    size_t sum = 0;
    for (auto& [id, client] : clients) {
      sum += count_of(client.owned);
      EXPECT_LE(count_of(client.owned), 6 / clients.size() + 1);
    }
    EXPECT_EQ(sum, clients.empty() ? 0 : 6U) << "seed " << seed;
  }
}

TEST(Assignors, UniformIsEvenAndSticky) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    std::map<topic::TopicId, int32_t> counts;
    std::vector<topic::TopicId> topics;
    size_t partitions = 0;
    for (uint8_t i = 1; i <= 1 + random() % 4; ++i) {
      topics.push_back({.bytes = {i}});
      counts[topics.back()] = static_cast<int32_t>(random() % 20);
      partitions += static_cast<size_t>(counts[topics.back()]);
    }
    std::vector<AssignedMember> members;
    for (int i = 0; i < 12; ++i) {
      if (!members.empty() && random() % 3 == 0)
        members.erase(members.begin() + static_cast<long>(random() % members.size()));
      members.push_back({.id = std::to_string(i), .topics = topics});
      const auto result = assign(kUniformAssignor, members, counts);
      std::set<topic::PartitionId> all;
      size_t moved = 0;
      for (size_t m = 0; m < members.size(); ++m) {
        const auto mine = set_of(result[m]);
        for (const auto& id : mine) EXPECT_TRUE(all.insert(id).second);
        EXPECT_GE(mine.size(), partitions / members.size());
        EXPECT_LE(mine.size(), (partitions + members.size() - 1) / members.size());
        for (const auto& id : set_of(members[m].present)) moved += mine.contains(id) ? 0 : 1;
        members[m].present = result[m];
      }
      EXPECT_EQ(all.size(), partitions);
      // What moves goes to the new member, or evens out by one what a departure left.
      EXPECT_LE(moved, partitions / members.size() + members.size());
    }
  }
}

TEST(Assignors, RangeGivesRuns) {
  const topic::TopicId a{.bytes = {1}};
  const topic::TopicId b{.bytes = {2}};
  const auto result =
      assign(kRangeAssignor, {{.id = "z", .topics = {a, b}}, {.id = "y", .topics = {a, b}}, {.id = "x", .topics = {b}}},
             {{a, 3}, {b, 6}});
  EXPECT_EQ(result[1], (Rows{{a, {0, 1}}, {b, {2, 3}}}));
  EXPECT_EQ(result[0], (Rows{{a, {2}}, {b, {4, 5}}}));
  EXPECT_EQ(result[2], (Rows{{b, {0, 1}}}));
}

}  // namespace
}  // namespace keelson::kafka
