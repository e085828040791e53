// Walks over slots. The oracle: one engine runs random commands of every type while an export of some of its slots runs
// in small steps; what comes is applied, in its order but later, to a second engine. Whenever the export says that it
// is drained, the second engine holds what the first one does, key by key.
#include "engine/kv/slot_walk.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/crc16.h"
#include "engine/kv/digest.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/random_commands_test_support.h"
#include "engine/kv/test_support.h"

namespace keelson::kv {
namespace {

using State = engine::SlotWalk::State;

struct Slots {
  uint16_t first;
  uint16_t last;
  [[nodiscard]] bool has(std::string_view key) const { return key_slot(key) >= first && key_slot(key) <= last; }
};
constexpr Slots kAll{0, kSlotCount - 1};
constexpr Slots kSlotOfK3{4576, 4576};

// "database key" -> expiry and digest, of the keys of these slots that are alive.
std::map<std::string, std::string> state_of(TestNode& node, Slots slots) {
  std::map<std::string, std::string> state;
  Keyspace& keyspace = node.keyspace();
  for (unsigned i = 0; i < keyspace.options().databases; ++i) {
    uint64_t cursor = 0;
    do {
      cursor = keyspace.scan(static_cast<uint16_t>(i), cursor, 1000, [&](const Value& value) {
        const int64_t at_ms = value.expires_at_ms();
        if (!slots.has(value.key()) || (at_ms != kNoExpiry && at_ms <= node.now_ms)) return;
        state[std::to_string(i) + " " + std::string(value.key())] =
            std::to_string(at_ms) + " " + to_hex(digest_value(value));
      });
    } while (cursor != 0);
  }
  return state;
}

void apply(TestNode& node, const engine::OwnedCommand& command) {
  static uint64_t index = 0;
  const std::vector<std::string_view> args(command.args.begin(), command.args.end());
  TextReply reply;
  node.engine().apply({++index, node.now_ms, index}, {command.code, command.space, args}, reply);
  ASSERT_TRUE(reply.text().starts_with(':')) << reply.text();
}

size_t bytes_of(const std::vector<engine::OwnedCommand>& commands) {
  size_t bytes = 0;
  for (const engine::OwnedCommand& command : commands) {
    for (const std::string& arg : command.args) bytes += arg.size();
  }
  return bytes;
}

// Walks to the end, applying on the way.
State run_out(engine::SlotWalk& walk, TestNode& to, size_t bytes_wanted = 4096) {
  for (;;) {
    std::vector<engine::OwnedCommand> commands;
    const auto state = walk.next(bytes_wanted, commands);
    EXPECT_TRUE(state.ok());
    for (const engine::OwnedCommand& command : commands) apply(to, command);
    if (!state.ok()) return State::kLost;
    if (*state != State::kMore) return *state;
  }
}

// What the owner's tick does.
void expire_due(TestNode& node) {
  std::vector<std::pair<uint16_t, std::string>> due;
  node.keyspace().due_keys(node.now_ms, SIZE_MAX,
                           [&](uint16_t database, std::string_view key) { due.emplace_back(database, key); });
  for (auto& [database, key] : due) apply(node, {code::kExpire, database, {"_EXPIRE", key}});
}

class Move {
 public:
  Move(TestNode& from, Slots slots) : from_(from), slots_(slots) { begin(); }

  // One step, and some of what is on its way arrives. True: drained, and everything has arrived.
  bool step(RandomCommands& chance) {
    std::vector<engine::OwnedCommand> commands;
    const auto state = walk_->next(1 + chance.below(3000), commands);
    EXPECT_TRUE(state.ok());
    if (*state == State::kLost) {
      EXPECT_EQ(*walk_->next(1000, commands), State::kLost) << "for good";
      ++lost;
      begin();
      return false;
    }
    under_way_.insert(under_way_.end(), commands.begin(), commands.end());
    const bool is_drained = *state == State::kDrained;
    to_.now_ms = from_.now_ms;
    for (size_t arrive = is_drained ? under_way_.size() : chance.below(under_way_.size() + 1); arrive > 0; --arrive) {
      apply(to_, under_way_.front());
      under_way_.pop_front();
    }
    drained += is_drained ? 1 : 0;
    return is_drained;
  }
  void expect_same(const std::string& history) {
    ASSERT_EQ(state_of(from_, slots_), state_of(to_, slots_)) << history;
    ASSERT_EQ(state_of(to_, slots_), state_of(to_, kAll)) << "other slots came along\n" << history;
  }

  int drained = 0;
  int lost = 0;

 private:
  // Anew, with an emptied receiver.
  void begin() {
    under_way_.clear();
    ASSERT_EQ(run_out(*to_.engine().begin_wipe(slots_.first, slots_.last), to_), State::kDrained);
    ASSERT_EQ(to_.keyspace().size(0) + to_.keyspace().size(1), 0u);
    walk_ = from_.engine().begin_export(slots_.first, slots_.last);
  }

  TestNode& from_;
  TestNode to_{1};
  const Slots slots_;
  std::unique_ptr<engine::SlotWalk> walk_;
  std::deque<engine::OwnedCommand> under_way_;
};

std::string joined(const std::vector<std::string>& args) {
  std::string text;
  for (const std::string& arg : args) text += quote(arg) + " ";
  return text + "\n";
}

// Returns how often all was the same.
void run_round(uint64_t seed, Slots slots, size_t keys, int steps, int& drained, int& lost) {
  RandomCommands commands(seed, keys);
  TestNode node(1);
  std::string history;
  const auto run = [&](int count) {
    for (int i = 0; i < count; ++i) {
      node.now_ms += commands.pause_ms();
      node.database = commands.below(8) == 0 ? 1 : 0;
      std::vector<std::string> args = commands.next();
      if (commands.below(1500) == 0) args = {"FLUSHALL"};
      if (commands.below(1500) == 0) args = {"FLUSHDB"};
      if (commands.below(1500) == 0) args = {"SWAPDB", "0", "1"};
      history += joined(args);
      node.run(args);
      if (commands.below(10) == 0) expire_due(node);
    }
    if (history.size() > 8000) history.erase(0, history.size() - 8000);
  };
  run(static_cast<int>(keys) * 5);
  Move move(node, slots);
  for (int i = 0; i < steps; ++i) {
    run(static_cast<int>(commands.below(6)));
    if (move.step(commands)) {
      move.expect_same("seed " + std::to_string(seed) + "\n" + history);
      if (testing::Test::HasFatalFailure()) return;
    }
    // Time for it to be drained now and then.
    if (commands.below(100) == 0) {
      for (int j = 0; j < 10'000 && !move.step(commands); ++j) continue;
      move.expect_same("quiet, seed " + std::to_string(seed) + "\n" + history);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  drained += move.drained;
  lost += move.lost;
}

TEST(SlotWalk, AnExportBringsWhatIsThereWhateverChangesMeanwhile) {
  constexpr Slots kRanges[] = {kAll, {0, 8191}, {8192, 16383}, {4000, 12000}, kSlotOfK3};
  int drained = 0;
  int lost = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    run_round(seed, kRanges[seed % std::size(kRanges)], seed % 3 == 0 ? 12 : 300, 600, drained, lost);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(drained, 500);
  EXPECT_GT(lost, 10);
}

// From a handful of keys to a table of many segments, and back to few, with values of thousands of elements among them.
TEST(SlotWalk, TheTableMayGrowAndShrinkAndValuesMayBeLarge) {
  RandomCommands chance(7);
  TestNode node(1);
  for (int i = 0; i < 2000; ++i) node.run({"SET", "before" + std::to_string(i), "x"});
  Move move(node, {0, 9000});
  for (int i = 0; i < 30'000; ++i) {
    const std::string number = std::to_string(i);
    node.run({"SET", "key" + number, "value" + number});
    if (i % 50 == 0) node.run({"RPUSH", "list", std::string(chance.below(400), 'l'), number});
    if (i % 40 == 0) node.run({"HSET", "hash", "field" + number, number, "other" + number, "x"});
    if (i % 30 == 0) node.run({"ZADD", "sorted", number, "member" + number});
    if (i % 20 == 0) node.run({"SADD", "set", "member" + number});
    if (i % 1000 == 0) node.run({"APPEND", "string", std::string(5000, 's')});
    if (i % 7 == 0) node.run({"PEXPIRE", "key" + number, std::to_string(1 + chance.below(2000))});
    if (i % 16 == 0) move.step(chance);
    if (i % 64 == 0) node.now_ms += 1, expire_due(node);
  }
  while (!move.step(chance)) continue;
  move.expect_same("grown");
  for (int i = 0; i < 29'900; ++i) {
    node.run({"DEL", "key" + std::to_string(i)});
    if (i % 50 == 0) node.run({"LPOP", "list", "1"}), node.run("SPOP set");
    if (i % 16 == 0) move.step(chance);
  }
  while (!move.step(chance)) continue;
  move.expect_same("shrunk");
}

// Keys that change and are still to be met are not told twice, and a key that changes all the time is told once in a
// turn.
TEST(SlotWalk, TellsAKeyOnceHoweverOftenItHasChanged) {
  TestNode node(1);
  for (int i = 0; i < 500; ++i) node.run({"SET", "key" + std::to_string(i), "0"});
  const auto walk = node.engine().begin_export(0, kSlotCount - 1);
  for (int i = 0; i < 500; ++i) node.run({"SET", "key" + std::to_string(i), "1"});
  std::vector<engine::OwnedCommand> commands;
  while (walk->next(1000, commands).value() != State::kDrained) continue;
  EXPECT_EQ(commands.size(), 500u);
  for (int i = 0; i < 500; ++i) node.run("INCR key0");
  node.run("DEL key1");
  node.run("SET key2 x PX 5");
  node.now_ms += 5;
  node.run("DBSIZE");
  commands.clear();
  ASSERT_EQ(walk->next(100'000, commands).value(), State::kDrained);
  ASSERT_EQ(commands.size(), 2u);
  EXPECT_EQ(commands[0].code, code::kTake);
  EXPECT_EQ(commands[0].args[1], "key0");
  EXPECT_EQ(commands[1].code, code::kDrop);
  EXPECT_EQ(commands[1].args, (std::vector<std::string>{"_DROP", "key1", "key2"}));
  commands.clear();
  EXPECT_EQ(walk->next(100'000, commands).value(), State::kDrained);
  EXPECT_TRUE(commands.empty());
}

TEST(SlotWalk, ABatchIsAboutAsLargeAsWanted) {
  TestNode node(1);
  for (int i = 0; i < 3000; ++i) node.run({"SET", "key" + std::to_string(i), std::string(100, 'x')});
  node.run({"SET", "large", std::string(1'000'000, 'x')});
  const auto walk = node.engine().begin_export(0, kSlotCount - 1);
  size_t calls = 0;
  State state = State::kMore;
  for (; state == State::kMore; ++calls) {
    std::vector<engine::OwnedCommand> commands;
    state = walk->next(5000, commands).value();
    size_t large = 0;
    for (const engine::OwnedCommand& command : commands) large += command.args[1] == "large" ? 1'000'100 : 0;
    EXPECT_LT(bytes_of(commands), 5000 + 200 + large);
    if (large != 0) EXPECT_EQ(commands.back().args[1], "large");
  }
  EXPECT_GT(calls, 60u);
  // A walk past other slots' keys ends its call all the same.
  std::vector<engine::OwnedCommand> commands;
  const auto other = node.engine().begin_export(0, 0);
  EXPECT_EQ(other->next(5000, commands).value(), State::kDrained);
  for (int i = 0; i < 30'000; ++i) node.run({"SET", "more" + std::to_string(i), "x"});
  const auto again = node.engine().begin_export(0, 0);
  EXPECT_EQ(again->next(5000, commands).value(), State::kMore);
}

TEST(SlotWalk, WhatChangesAllKeysLosesIt) {
  TestNode node(1);
  std::vector<engine::OwnedCommand> commands;
  const auto lost_by = [&](auto change) {
    node.run("SET key value");
    const auto exported = node.engine().begin_export(0, kSlotCount - 1);
    const auto wiped = node.engine().begin_wipe(0, kSlotCount - 1);
    change();
    return exported->next(1000, commands).value() == State::kLost &&
           wiped->next(1000, commands).value() == State::kLost;
  };
  EXPECT_TRUE(lost_by([&] { node.run("FLUSHALL"); }));
  EXPECT_TRUE(lost_by([&] { node.run("FLUSHDB"); }));
  EXPECT_TRUE(lost_by([&] { node.run("SWAPDB 0 1"); }));
  EXPECT_TRUE(lost_by([&] { node.engine().reset(); }));
  EXPECT_FALSE(lost_by([&] { node.run("SET other value"); }));
  // As when a checkpoint comes from another node.
  EXPECT_TRUE(lost_by([&] {
    TestNode other(1);
    other.run("SET loaded value");
    const auto source = other.engine().begin_checkpoint();
    Buffer piece;
    while (!source->next(1 << 20, piece)) continue;
    node.engine().reset();
    ASSERT_TRUE(node.engine().load_checkpoint(piece.view()).ok());
  }));
  EXPECT_EQ(node.run("GET loaded"), "\"value\"");
  // A load alone, too.
  commands.clear();
  TestNode fresh(1);
  const auto walk = fresh.engine().begin_export(0, kSlotCount - 1);
  EXPECT_FALSE(fresh.engine().load_checkpoint("no checkpoint").ok());
  EXPECT_EQ(walk->next(1000, commands).value(), State::kLost);
  EXPECT_TRUE(commands.empty());
}

TEST(SlotWalk, ExportsRunBesideOneAnotherAndBesideACheckpoint) {
  RandomCommands chance(11, 100);
  TestNode node(1);
  for (int i = 0; i < 1000; ++i) node.run(chance.next());
  auto one = std::make_unique<Move>(node, Slots{0, 7000});
  Move two(node, Slots{7001, 16383});
  auto checkpoint = node.engine().begin_checkpoint();
  for (int i = 0; i < 1000; ++i) {
    node.run(chance.next());
    Buffer written;
    if (i < 500) checkpoint->next(100, written);
    one->step(chance);
    two.step(chance);
    if (i == 500) checkpoint.reset();
  }
  while (!one->step(chance)) continue;
  one->expect_same("one");
  one.reset();
  for (int i = 0; i < 1000; ++i) node.run(chance.next());
  while (!two.step(chance)) continue;
  two.expect_same("two");
}

TEST(SlotWalk, ClientsAreToldOfChangesWhereTheyAreMadeAlone) {
  TestNode node(1);
  TestNode other(1);
  node.run("RPUSH list a");
  node.run("SET string x PX 100");
  node.take_events();
  node.take_changed();
  const auto walk = node.engine().begin_export(0, kSlotCount - 1);
  node.run("RPUSH list b");
  node.run("DEL string");
  node.run("LPUSH other x");
  EXPECT_EQ(node.take_events(), "rpush:list del:string lpush:other");
  EXPECT_EQ(node.take_changed(), "list string other");
  other.run("SET string old");
  other.keyspace().observer()->set_notify_classes(UINT16_MAX);
  other.run("SET seen x");
  EXPECT_NE(other.take_events().find("new:seen"), std::string::npos);
  other.take_changed();
  ASSERT_EQ(run_out(*walk, other), State::kDrained);
  ASSERT_EQ(run_out(*other.engine().begin_wipe(0, kSlotCount - 1), other), State::kDrained);
  EXPECT_EQ(other.take_events(), "");
  EXPECT_NE(other.take_changed(), "");
}

TEST(SlotWalk, AValueThatFitsNoRecordEndsIt) {
  TestNode node(1);
  const auto walk = node.engine().begin_export(0, kSlotCount - 1);
  std::vector<engine::OwnedCommand> commands;
  ASSERT_EQ(walk->next(1000, commands).value(), State::kDrained);
  node.run({"SET", "a\n", std::string(engine::kSlotWalkCommandBytesMax, 'x')});
  for (int i = 0; i < 2; ++i) {
    const auto state = walk->next(1000, commands);
    ASSERT_FALSE(state.ok());
    EXPECT_EQ(
        state.error().message(),
        "kv: the value of key \"a\\x0a\" is too large to move to another shard: 62 MiB, and a log record takes 62");
  }
  EXPECT_TRUE(commands.empty());
  // What is smaller travels.
  node.run({"SET", "a\n", std::string(engine::kSlotWalkCommandBytesMax - 100, 'x')});
  TestNode other(1);
  ASSERT_EQ(run_out(*node.engine().begin_export(0, kSlotCount - 1), other), State::kDrained);
  EXPECT_EQ(state_of(node, kAll), state_of(other, kAll));
}

TEST(SlotWalk, AWipeDeletesItsSlotsAndNothingElse) {
  TestNode node(1);
  for (int i = 0; i < 5000; ++i) {
    node.database = i % 3 == 0 ? 3 : 0;
    node.run({"SET", "key" + std::to_string(i), "x"});
    // Due and not removed yet: to be deleted as well.
    if (i % 10 == 0) node.run({"PEXPIRE", "key" + std::to_string(i), "1"});
  }
  node.now_ms += 1;
  const auto kept = state_of(node, {0, 4999});
  ASSERT_EQ(run_out(*node.engine().begin_wipe(5000, 16383), node, 300), State::kDrained);
  EXPECT_EQ(state_of(node, {0, 4999}), kept);
  EXPECT_TRUE(state_of(node, {5000, 16383}).empty());
  ASSERT_EQ(run_out(*node.engine().begin_wipe(0, 16383), node, 300), State::kDrained);
  EXPECT_EQ(node.keyspace().size(0) + node.keyspace().size(3), 0u);
}

// The contract has the engine outlive its walks; should it not, they are lost.
TEST(SlotWalk, IsLostWithItsKeyspace) {
  auto node = std::make_unique<TestNode>(1);
  node->run("SET key value");
  const auto walk = node->engine().begin_export(0, kSlotCount - 1);
  node.reset();
  std::vector<engine::OwnedCommand> commands;
  EXPECT_EQ(walk->next(1000, commands).value(), State::kLost);
}

}  // namespace
}  // namespace keelson::kv
