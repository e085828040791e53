// A slot moves from shard to shard while clients use it: what each of them is told.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/crc16.h"
#include "engine/kv/keyspace.h"
#include "protocol/resp/service_test_support.h"
#include "shard/replica.h"

namespace keelson::resp {
namespace {

using engine::SlotWalk;
using shard::LogErrc;
using shard::SlotState;

constexpr std::string_view kOwnId = "1111111111111111111111111111111111111111";
constexpr std::string_view kOtherId = "2222222222222222222222222222222222222222";
constexpr shard::ShardId kFrom = 0;
constexpr shard::ShardId kTo = 1;         // clients are told that it is led here, as kFrom is
constexpr shard::ShardId kElsewhere = 2;  // clients are told that it is led by node 2

template <class T>
Task<void> keep(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}

class SlotMoves : public testing::Test {
 protected:
  TestView view = two_nodes();
  TestService service{2, {}, host()};
  std::unique_ptr<TestClient> client = service.connect();
  // Of the key `name(0)`, in the home range of kFrom, as `others` are.
  const uint16_t slot = key_slot(name(0));

  std::string say(std::string_view line) { return client->say(line); }
  // "{tag}number": in the home range of kFrom, all of one tag in one slot.
  static std::string name(int number, int tag = 0) {
    int found = -1;
    for (int i = 0;; ++i) {
      const std::string text = "{t" + std::to_string(i) + "}";
      if (key_slot(text) < 4096 && ++found == tag) return text + std::to_string(number);
    }
  }
  env::Reactor& here() { return service.service().reactor(0); }
  shard::Runtime& runtime() { return service.service().runtime(); }
  template <class T>
  T wait_for(Task<T> task) {
    std::optional<T> result;
    env::TaskScope scope(here());
    service.world().run_on(here(), [&] { scope.spawn(keep(std::move(task), result)); });
    service.world().run_until([&] { return result.has_value(); });
    return std::move(*result);
  }
  void change(shard::ShardId id, SlotState state, uint64_t epoch) {
    ASSERT_EQ(wait_for(runtime().change_slots(here(), id, {slot, slot, state, epoch})), LogErrc::kOk);
  }
  void begin(shard::ShardId to, uint64_t epoch) {
    change(kFrom, SlotState::kOwned, epoch);
    change(to, SlotState::kImporting, epoch);
  }
  // What the shard holds, as far as it has not been told.
  void copy(shard::SlotExport& from, shard::ShardId to, uint64_t epoch, uint64_t& sequence) {
    for (SlotWalk::State state = SlotWalk::State::kMore; state == SlotWalk::State::kMore;) {
      auto batch = wait_for(from.next(1000));
      ASSERT_TRUE(batch.ok());
      state = batch->state;
      ASSERT_EQ(wait_for(runtime().import_slots(here(), to, {slot, slot, epoch, ++sequence, batch->commands})),
                LogErrc::kOk);
    }
  }
  std::unique_ptr<shard::SlotExport> export_slot() {
    auto walk = wait_for(runtime().export_slots(here(), kFrom, slot, slot));
    EXPECT_TRUE(walk.ok());
    return std::move(*walk);
  }
  // What clients and this node are told.
  void flip(shard::ShardId to) {
    view.told.slots = {{0, 4095, 0}, {4096, 8191, 1}, {8192, 12287, 2}, {12288, 16383, 3}};
    view.told.slots[0].last = static_cast<uint16_t>(slot - 1);
    view.told.slots.insert(view.told.slots.begin() + 1, {{slot, slot, to}, {static_cast<uint16_t>(slot + 1), 4095, 0}});
    runtime().slot_map()->set(slot, slot, to);
  }
  void move(shard::ShardId to, uint64_t epoch) {
    begin(to, epoch);
    uint64_t sequence = 0;
    const auto walk = export_slot();
    copy(*walk, to, epoch, sequence);
    change(kFrom, SlotState::kFrozen, epoch);
    copy(*walk, to, epoch, sequence);
    flip(to);
    change(kFrom, SlotState::kGone, epoch);
    change(to, SlotState::kOwned, epoch);
  }
  void wipe(uint64_t epoch) {
    ASSERT_EQ(wait_for(runtime().wipe_slots(here(), kFrom, slot, slot, epoch)), LogErrc::kOk);
  }
  size_t keys_on(shard::ShardId id) { return service.service().agent(id).keyspace().size(0); }
  std::string moved(std::string_view to) const {
    return "-MOVED " + std::to_string(slot) + " " + std::string(to) + "\r\n";
  }

 private:
  static TestView two_nodes() {
    TestView made;
    made.told.epoch = 7;
    made.told.here = 1;
    made.told.nodes = {{.id = 1, .name = std::string(kOwnId), .host = "10.0.0.1", .port = 7001},
                       {.id = 2, .name = std::string(kOtherId), .host = "10.0.0.2", .port = 7002}};
    made.told.shards = {{0, 1, {1, 2}}, {1, 1, {1, 2}}, {2, 2, {1, 2}}, {3, 2, {1, 2}}};
    made.told.slots = {{0, 4095, 0}, {4096, 8191, 1}, {8192, 12287, 2}, {12288, 16383, 3}};
    return made;
  }
  Host host() const {
    Host made;
    made.node_id = kOwnId;
    made.cluster = &view;
    return made;
  }
};

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// How long a node waits for news of a slot that has gone.
constexpr int64_t kNewsTime = 600 * env::sim::kMillisecond;
const std::string kTryAgain = "-TRYAGAIN The slot of this key is moving to another shard\r\n";

TEST_F(SlotMoves, ANewShardAnswersAsTheOldOneDid) {
  EXPECT_EQ(say("SET " + name(0) + " value"), "+OK\r\n");
  EXPECT_EQ(say("RPUSH " + name(1) + " a b"), ":2\r\n");
  EXPECT_EQ(say("SET " + name(2) + " short PX 1000"), "+OK\r\n");
  EXPECT_EQ(say("SET " + name(0, 1) + " stays"), "+OK\r\n");
  move(kTo, 1);
  EXPECT_EQ(say("GET " + name(0)), bulk("value"));
  EXPECT_EQ(say("MGET " + name(0) + " " + name(2)), "*2\r\n" + bulk("value") + bulk("short"));
  EXPECT_EQ(say("RPUSH " + name(1) + " c"), ":3\r\n");
  EXPECT_EQ(client->send("MULTI\r\nLPOP " + name(1) + "\r\nGET " + name(0) + "\r\nEXEC\r\n"),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n" + bulk("a") + bulk("value"));
  EXPECT_EQ(say("BLPOP " + name(1) + " 0"), "*2\r\n" + bulk(name(1)) + bulk("b"));
  EXPECT_EQ(say("GET " + name(0, 1)), bulk("stays"));
  EXPECT_EQ(keys_on(kFrom), 4U);
  EXPECT_EQ(keys_on(kTo), 3U);
  wipe(1);
  EXPECT_EQ(keys_on(kFrom), 1U);
  service.world().run_for(1000 * env::sim::kMillisecond);
  EXPECT_EQ(say("GET " + name(2)), "$-1\r\n");
  EXPECT_EQ(say("DBSIZE"), ":3\r\n");
}

// A client that knows nothing of slots does not even notice.
TEST_F(SlotMoves, WritesWaitWhileTheSlotIsFrozenAndGoOnInItsNewShard) {
  const std::unique_ptr<TestClient> other = service.connect();
  EXPECT_EQ(say("SET " + name(0) + " old"), "+OK\r\n");
  begin(kElsewhere, 1);
  change(kFrom, SlotState::kFrozen, 1);
  EXPECT_EQ(say("SET " + name(0) + " new"), "");
  EXPECT_EQ(other->say("GET " + name(0)), bulk("old"));
  EXPECT_EQ(other->say("SET " + name(0, 1) + " x"), "+OK\r\n");
  flip(kElsewhere);
  change(kFrom, SlotState::kGone, 1);
  // There it waits until all of the slot has come.
  EXPECT_EQ(client->hear(), "");
  change(kElsewhere, SlotState::kOwned, 1);
  EXPECT_EQ(client->hear(), "+OK\r\n");
  EXPECT_EQ(say("GET " + name(0)), bulk("new"));
}

TEST_F(SlotMoves, PipelinedWritesKeepTheirOrderOverAMove) {
  const std::unique_ptr<TestClient> other = service.connect();
  begin(kTo, 1);
  change(kFrom, SlotState::kFrozen, 1);
  std::string lines, answers, all;
  for (int i = 0; i < 40; ++i) {
    const std::string number = std::to_string(i);
    lines += "APPEND " + name(0) + " " + std::string(1, static_cast<char>('a' + i % 26)) + "\r\n";
    lines += "APPEND " + name(0, 1) + " x\r\nMULTI\r\nINCR " + name(1) + "\r\nEXEC\r\n";
    const std::string length = ":" + std::to_string(i + 1) + "\r\n";
    answers += length + length + "+OK\r\n+QUEUED\r\n*1\r\n" + length;
    all += static_cast<char>('a' + i % 26);
  }
  EXPECT_EQ(client->send(lines), "");
  flip(kTo);
  EXPECT_EQ(other->say("APPEND " + name(2) + " x"), "");
  change(kFrom, SlotState::kGone, 1);
  EXPECT_EQ(client->hear(), "");
  change(kTo, SlotState::kOwned, 1);
  service.world().run_for(500 * env::sim::kMillisecond);
  EXPECT_EQ(client->hear(), answers);
  EXPECT_EQ(other->hear(), ":1\r\n");
  EXPECT_EQ(say("GET " + name(0)), bulk(all));
}

TEST_F(SlotMoves, NobodyWaitsForAMoveForEver) {
  begin(kTo, 1);
  change(kFrom, SlotState::kFrozen, 1);
  EXPECT_EQ(client->send("APPEND " + name(0) + " a\r\nGET " + name(0) + "\r\n"), "");
  service.world().run_for(5200 * env::sim::kMillisecond + kNewsTime);
  // The read comes behind the write, and so waits for it.
  EXPECT_EQ(client->hear(), kTryAgain + kTryAgain);
}

// Where this node has no part in the new shard, clients are sent on.
TEST_F(SlotMoves, IsSentOnWhereTheNewShardHasNotGotTheSlotForThisNode) {
  begin(kTo, 1);
  change(kFrom, SlotState::kFrozen, 1);
  EXPECT_EQ(say("INCR " + name(0)), "");
  flip(kElsewhere);
  change(kFrom, SlotState::kGone, 1);
  service.world().run_for(kNewsTime);
  EXPECT_EQ(client->hear(), moved("10.0.0.2:7002"));
}

// The shard's log has said more than this node has been told.
TEST_F(SlotMoves, TryAgainIfNobodyKnowsWhereTheSlotHasGone) {
  begin(kTo, 1);
  change(kFrom, SlotState::kFrozen, 1);
  change(kFrom, SlotState::kGone, 1);
  const auto say_and_wait = [&](const std::string& line) {
    const std::string at_once = say(line);
    service.world().run_for(kNewsTime);
    return at_once + client->hear();
  };
  EXPECT_EQ(say_and_wait("SET " + name(0) + " x"), kTryAgain);
  EXPECT_EQ(say_and_wait("GET " + name(0)), kTryAgain);
  EXPECT_EQ(say_and_wait("BLPOP " + name(0) + " 0"), kTryAgain);
  EXPECT_EQ(say_and_wait("WATCH " + name(0)), kTryAgain);
  EXPECT_EQ(say_and_wait("MULTI\r\nSET " + name(0) + " x\r\nEXEC"), "+OK\r\n+QUEUED\r\n" + kTryAgain);
  EXPECT_EQ(say_and_wait("CLUSTER COUNTKEYSINSLOT " + std::to_string(slot)), kTryAgain);
  EXPECT_EQ(say_and_wait("READONLY"), "+OK\r\n");
  EXPECT_EQ(say_and_wait("GET " + name(0)), kTryAgain);
  flip(kElsewhere);
  EXPECT_EQ(say_and_wait("SET " + name(0) + " x"), moved("10.0.0.2:7002"));
}

// The news comes a little later.
TEST_F(SlotMoves, WaitsForTheNewsOfWhereTheSlotHasGone) {
  const std::unique_ptr<TestClient> second = service.connect();
  const std::unique_ptr<TestClient> third = service.connect();
  EXPECT_EQ(third->say("BLPOP " + name(2) + " 0"), "");
  begin(kTo, 1);
  change(kFrom, SlotState::kFrozen, 1);
  EXPECT_EQ(client->send("APPEND " + name(0) + " a\r\nAPPEND " + name(0) + " b\r\n"), "");
  change(kFrom, SlotState::kGone, 1);
  EXPECT_EQ(second->send("MULTI\r\nINCR " + name(1) + "\r\nEXEC\r\n"), "");
  EXPECT_EQ(client->hear() + third->hear(), "");
  flip(kTo);
  change(kTo, SlotState::kOwned, 1);
  service.world().run_for(50 * env::sim::kMillisecond);
  EXPECT_EQ(client->hear(), ":1\r\n:2\r\n");
  EXPECT_EQ(second->hear(), "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n");
  EXPECT_EQ(third->hear(), moved("10.0.0.1:7001"));
}

TEST_F(SlotMoves, BlockedClientsAreToldWhenTheSlotIsGone) {
  const std::unique_ptr<TestClient> other = service.connect();
  EXPECT_EQ(say("BLPOP " + name(0) + " " + name(1) + " 0"), "");
  EXPECT_EQ(other->say("BZPOPMIN " + name(0, 1) + " 0"), "");
  move(kElsewhere, 1);
  EXPECT_EQ(client->hear(), moved("10.0.0.2:7002"));
  EXPECT_EQ(other->hear(), "");
  EXPECT_EQ(say("ZADD " + name(0, 1) + " 1 m"), ":1\r\n");
  EXPECT_EQ(other->hear(), "*3\r\n" + bulk(name(0, 1)) + bulk("m") + bulk("1"));
  EXPECT_EQ(say("SET " + name(0, 2) + " x"), "+OK\r\n");
}

TEST_F(SlotMoves, AClientThatIsServedWhileTheSlotFreezesGoesWithIt) {
  const std::unique_ptr<TestClient> other = service.connect();
  EXPECT_EQ(say("BLPOP " + name(0) + " 0"), "");
  begin(kTo, 1);
  const auto walk = export_slot();
  change(kFrom, SlotState::kFrozen, 1);
  // The push waits, and with it the client.
  EXPECT_EQ(other->say("RPUSH " + name(0) + " a"), "");
  uint64_t sequence = 0;
  copy(*walk, kTo, 1, sequence);
  flip(kTo);
  change(kFrom, SlotState::kGone, 1);
  change(kTo, SlotState::kOwned, 1);
  // As Redis tells a client that blocks on a slot that goes away.
  EXPECT_EQ(client->hear(), moved("10.0.0.1:7001"));
  EXPECT_EQ(other->hear(), ":1\r\n");
  EXPECT_EQ(say("BLPOP " + name(0) + " 0"), "*2\r\n" + bulk(name(0)) + bulk("a"));
}

TEST_F(SlotMoves, WhatWasWatchedCountsAsChangedOnceItsSlotHasMoved) {
  EXPECT_EQ(say("SET " + name(0) + " 1"), "+OK\r\n");
  EXPECT_EQ(say("WATCH " + name(0)), "+OK\r\n");
  move(kTo, 1);
  EXPECT_EQ(client->send("MULTI\r\nINCR " + name(0) + "\r\nEXEC\r\n"), "+OK\r\n+QUEUED\r\n*-1\r\n");
  EXPECT_EQ(say("WATCH " + name(0)), "+OK\r\n");
  EXPECT_EQ(client->send("MULTI\r\nINCR " + name(0) + "\r\nPING\r\nEXEC\r\n"),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:2\r\n+PONG\r\n");
  // While the slot is on its way, EXEC waits like any write.
  EXPECT_EQ(say("WATCH " + name(0)), "+OK\r\n");
  ASSERT_EQ(wait_for(runtime().change_slots(here(), kTo, {slot, slot, SlotState::kOwned, 2})), LogErrc::kOk);
  ASSERT_EQ(wait_for(runtime().change_slots(here(), kTo, {slot, slot, SlotState::kFrozen, 2})), LogErrc::kOk);
  EXPECT_EQ(client->send("MULTI\r\nINCR " + name(0) + "\r\nEXEC\r\n"), "");
  ASSERT_EQ(wait_for(runtime().change_slots(here(), kTo, {slot, slot, SlotState::kGone, 2})), LogErrc::kOk);
  service.world().run_for(kNewsTime);
  EXPECT_EQ(client->hear(), "+OK\r\n+QUEUED\r\n" + kTryAgain);
}

TEST_F(SlotMoves, KeysAreShownByTheirOwnerAlone) {
  EXPECT_EQ(say("SET " + name(0) + " x"), "+OK\r\n");
  EXPECT_EQ(say("SET " + name(0, 1) + " y"), "+OK\r\n");
  const auto shown = [&](int count) {
    const std::string keys = "*" + std::to_string(count) + "\r\n";
    EXPECT_TRUE(say("KEYS *").starts_with(keys));
    size_t scanned = 0;
    for (const shard::ShardId id : {0, 1, 2, 3}) {
      const std::string step = say("SCAN " + std::to_string(uint64_t{id} << 48) + " COUNT 1000");
      for (size_t at = 0; (at = step.find("}0\r\n", at)) != std::string::npos; ++at) ++scanned;
    }
    EXPECT_EQ(scanned, static_cast<size_t>(count));
    EXPECT_EQ(say("CLUSTER COUNTKEYSINSLOT " + std::to_string(slot)), ":1\r\n");
    EXPECT_EQ(say("CLUSTER GETKEYSINSLOT " + std::to_string(slot) + " 9"), "*1\r\n" + bulk(name(0)));
    for (int i = 0; i < 20; ++i) EXPECT_NE(say("RANDOMKEY"), "$-1\r\n");
  };
  begin(kTo, 1);
  uint64_t sequence = 0;
  const auto walk = export_slot();
  copy(*walk, kTo, 1, sequence);
  EXPECT_EQ(keys_on(kTo), 1U);
  shown(2);
  change(kFrom, SlotState::kFrozen, 1);
  copy(*walk, kTo, 1, sequence);
  flip(kTo);
  change(kFrom, SlotState::kGone, 1);
  change(kTo, SlotState::kOwned, 1);
  EXPECT_EQ(keys_on(kFrom), 2U);
  shown(2);
  // This one counts without looking.
  EXPECT_EQ(say("DBSIZE"), ":3\r\n");
  wipe(1);
  shown(2);
  EXPECT_EQ(say("DBSIZE"), ":2\r\n");
}

// Keys of a slot that is gone are not the shard's to expire or evict, and must not keep it from others.
TEST_F(SlotMoves, NeitherExpiryNorEvictionStopsAtKeysOfOthers) {
  std::string sets;
  for (int i = 0; i < 5000; ++i) sets += "SET " + name(i) + " x PX 500\r\n";
  client->send(sets);
  service.world().run_for(200 * env::sim::kMillisecond);
  EXPECT_EQ(say("SET " + name(0, 1) + " x PX 1000"), "+OK\r\n");
  client->hear();
  EXPECT_EQ(keys_on(kFrom), 5001U);
  begin(kTo, 1);
  change(kFrom, SlotState::kFrozen, 1);
  change(kFrom, SlotState::kGone, 1);
  service.world().run_for(900 * env::sim::kMillisecond);
  const shard::Replica& replica = *runtime().shard(kFrom).replica();
  service.world().run_for(1500 * env::sim::kMillisecond);
  EXPECT_EQ(keys_on(kFrom), 5000U);
  EXPECT_TRUE(runtime().shard(kFrom).listener_operations.empty());
  // Nothing that is bound to be void.
  const uint64_t proposed = replica.counters().proposed;
  service.world().run_for(2000 * env::sim::kMillisecond);
  EXPECT_EQ(replica.counters().proposed, proposed);

  EXPECT_EQ(say("CONFIG SET maxmemory-policy allkeys-random"), "+OK\r\n");
  ShardAgent& agent = service.service().agent(kFrom);
  env::Reactor& owner = runtime().reactor_of(kFrom);
  size_t evicted = 0;
  service.world().run_on(owner, [&] { evicted = agent.evict_keys({}, 4); });
  EXPECT_EQ(evicted, 0U);
  wipe(1);
  EXPECT_EQ(say("SET " + name(0, 1) + " x"), "+OK\r\n");
  service.world().run_on(owner, [&] { evicted = agent.evict_keys({}, 1); });
  EXPECT_EQ(evicted, 1U);
  service.world().run_for(100 * env::sim::kMillisecond);
  EXPECT_EQ(keys_on(kFrom), 0U);
}

}  // namespace
}  // namespace keelson::resp
