// Replicas of one shard over a group without Raft that is as bad as the contract allows, compared with what it logged.

#include "shard/replica.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "shard/fake_agreed.h"
#include "shard/fake_log.h"
#include "shard/record.h"
#include "shard/shard.h"

namespace keelson::shard {
namespace {

constexpr uint16_t kAppend = 1;  // key, text: appends the text, answers the new value
constexpr uint16_t kRead = 2;    // key
constexpr size_t kNodes = 3;

class TextSink final : public engine::ReplySink {
 public:
  std::string text;
};

class TextEngine final : public engine::Engine {
 public:
  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override {
    EXPECT_GE(context.time_ms, last_time_ms) << "log time never goes back";
    last_time_ms = context.time_ms;
    std::string& value = values[std::string(command.args[0])];
    value += command.args[1];
    seeds.push_back(context.seed);
    static_cast<TextSink&>(reply).text = value;
  }
  void query(const engine::ApplyContext&, const engine::Command& command, engine::ReplySink& reply) override {
    const auto found = values.find(std::string(command.args[0]));
    static_cast<TextSink&>(reply).text = found == values.end() ? "" : found->second;
  }
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override { return nullptr; }
  Status load_checkpoint(std::string_view) override { return {}; }
  void reset() override { values.clear(); }

  std::map<std::string, std::string> values;
  std::vector<uint64_t> seeds;
  int64_t last_time_ms = 0;
};

class TextOperation final : public Operation {
 public:
  TextOperation(uint16_t code, std::string key, std::string text, const void* sequence, uint16_t slot = 0)
      : key_(std::move(key)),
        text_(std::move(text)),
        args_{key_, text_},
        command_{code, 0, args_},
        sequence_(sequence),
        slot_(slot) {
    commands = {&command_, 1};
    is_write = code == kAppend;
  }
  engine::ReplySink& open_reply() override { return sink; }
  void finished(LogErrc result) override {
    EXPECT_FALSE(is_finished);
    outcome = result;
    is_finished = true;
    if (then) then();
  }
  [[nodiscard]] const void* sequence() const override { return sequence_; }
  [[nodiscard]] uint16_t slot() const override { return slot_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const std::string& added() const { return text_; }

  TextSink sink;
  LogErrc outcome = LogErrc::kStopped;
  bool is_finished = false;
  std::set<std::string> known;  // acknowledged before it was submitted
  std::function<void()> then;

 private:
  const std::string key_;
  const std::string text_;
  const std::vector<std::string_view> args_;
  const engine::Command command_;
  const void* sequence_;
  const uint16_t slot_;
};

// One node's shard.
struct Node {
  Node(env::Reactor& reactor, FakeGroup& group, log::NodeId id, int64_t deadline_ms)
      : log(reactor, journal, {}), clock(reactor.clock()) {
    auto made = std::make_unique<TextEngine>();
    engine = made.get();
    shard = std::make_unique<Shard>(7, std::move(made), log, clock);
    ReplicaOptions options;
    options.node = id;
    options.deadline_ms = deadline_ms;
    shard->set_replica(std::make_unique<Replica>(*shard, reactor, unheard, options));
    group.node(id).set_state(*shard->replica());
    shard->replica()->set_log(&group.node(id));
  }
  Replica& replica() { return *shard->replica(); }

  Journal journal;
  FakeLog log;
  LogClock clock;
  TextSink unheard;
  TextEngine* engine = nullptr;
  std::unique_ptr<Shard> shard;
};

struct House {
  explicit House(uint64_t seed, int64_t deadline_ms = 60'000)
      : world(seed), machine(world.add_node()), group(machine.reactor(0).random(), kNodes) {
    run([&] {
      for (size_t i = 1; i <= kNodes; ++i) {
        nodes.push_back(std::make_unique<Node>(machine.reactor(0), group, i, deadline_ms));
      }
    });
  }
  ~House() {
    run([&] { nodes.clear(); });
  }
  Node& node(log::NodeId id) { return *nodes[id - 1]; }
  void run(std::function<void()> what) {
    bool is_done = false;
    world.run_on(machine.reactor(0), [&] {
      what();
      is_done = true;
    });
    world.run_until([&] { return is_done; });
  }
  void step(int times = 1) {
    for (int i = 0; i < times; ++i) {
      run([&] { group.step(); });
      world.run_for(env::sim::kMillisecond);
    }
  }
  void set_leader(log::NodeId leader) {
    run([&] { group.set_leader(leader); });
  }

  env::sim::World world;
  env::sim::Node& machine;
  FakeGroup group;
  std::vector<std::unique_ptr<Node>> nodes;
};

// A connection: pipelines of appends to a key of its own and to one of all, and reads of both.
struct Client {
  log::NodeId at = 1;
  std::string own_key;
  std::vector<std::unique_ptr<TextOperation>> pipeline;
  std::string own;  // what its own key must hold
  bool is_own_known = true;
  int next = 0;

  [[nodiscard]] bool is_idle() const {
    return std::all_of(pipeline.begin(), pipeline.end(), [](const auto& some) { return some->is_finished; });
  }
};

std::set<std::string> tokens_of(const std::string& value) {
  std::set<std::string> tokens;
  size_t begin = 0;
  for (size_t end = value.find(','); end != std::string::npos; end = value.find(',', begin)) {
    EXPECT_TRUE(tokens.insert(value.substr(begin, end - begin)).second) << "twice: " << value;
    begin = end + 1;
  }
  return tokens;
}

class Crowd {
 public:
  Crowd(House& house, size_t count) : house_(house) {
    for (size_t i = 0; i < count; ++i)
      clients_.push_back({1 + i % kNodes, "own-" + std::to_string(i), {}, {}, true, 0});
  }
  [[nodiscard]] const std::set<std::string>& acknowledged() const { return acknowledged_; }
  [[nodiscard]] uint64_t succeeded() const { return succeeded_; }
  [[nodiscard]] bool is_idle() const {
    return std::all_of(clients_.begin(), clients_.end(), [](const Client& client) { return client.is_idle(); });
  }

  void go_on(bool begins_more) {
    for (size_t i = 0; i < clients_.size(); ++i) {
      Client& client = clients_[i];
      for (auto& operation : client.pipeline) note_shared(*operation);
      if (!client.is_idle()) continue;
      check(client);
      client.pipeline.clear();
      if (begins_more) begin(client, i);
    }
  }

 private:
  void begin(Client& client, size_t number) {
    env::Random& random = house_.machine.reactor(0).random();
    const size_t count = 1 + random.next() % 5;
    for (size_t i = 0; i < count; ++i) {
      const bool is_write = random.next() % 2 == 0;
      const bool is_shared = random.next() % 3 == 0;
      const std::string token = std::to_string(number) + "." + std::to_string(client.next++);
      client.pipeline.push_back(std::make_unique<TextOperation>(
          is_write ? kAppend : kRead, is_shared ? "shared" : client.own_key, token + ",", &client));
      client.pipeline.back()->is_ordered = i != 0;
      client.pipeline.back()->known = acknowledged_;
    }
    house_.run([&] {
      for (auto& operation : client.pipeline) house_.node(client.at).shard->submit(*operation);
    });
  }
  void note_shared(const TextOperation& operation) {
    if (!operation.is_finished || operation.outcome != LogErrc::kOk || operation.key() != "shared") return;
    if (operation.is_write) acknowledged_.insert(operation.added().substr(0, operation.added().size() - 1));
  }
  void check(Client& client) {
    for (const auto& operation : client.pipeline) {
      if (operation->outcome == LogErrc::kOk) ++succeeded_;
      if (operation->key() == "shared") {
        if (operation->outcome != LogErrc::kOk) continue;
        const std::set<std::string> seen = tokens_of(operation->sink.text);
        EXPECT_TRUE(std::includes(seen.begin(), seen.end(), operation->known.begin(), operation->known.end()))
            << "a read misses what was acknowledged before it";
      } else if (!operation->is_write) {
        if (operation->outcome == LogErrc::kOk && client.is_own_known) EXPECT_EQ(operation->sink.text, client.own);
      } else if (operation->outcome == LogErrc::kOk) {
        client.own += operation->added();
        if (client.is_own_known) EXPECT_EQ(operation->sink.text, client.own);
        client.own = operation->sink.text;
      } else if (operation->outcome == LogErrc::kTimedOut) {
        client.is_own_known = false;
      }
    }
  }

  House& house_;
  std::vector<Client> clients_;
  std::set<std::string> acknowledged_;
  uint64_t succeeded_ = 0;
};

// Appends ahead of its record, on the leader, and undoes it if it is refused.
class Borrower final : public LoanRequest, public CommitRequest {
 public:
  Borrower(House& house, log::NodeId at) : house_(house), at_(at) { use = LoanUse::kWrite; }
  void ask() {
    is_over = false;
    node().shard->lend(*this);
  }
  void granted(Shard& shard) override {
    before_ = node().engine->values["lent"];
    time_before_ms_ = node().engine->last_time_ms;
    time_ms_ = std::max(node().clock.refresh(), shard.last_time_ms());
    token_ = std::to_string(at_) + "." + std::to_string(next_++) + ",";
    args_ = {"lent", token_};
    command_ = {kAppend, 0, args_};
    TextSink sink;
    shard.engine().apply({shard.next_index(), time_ms_, seed_of(7, node().replica().loan_seed(), 0)}, command_, sink);
    house_.machine.reactor(0).post([this] { node().replica().commit({&command_, 1}, 0, time_ms_, *this); });
  }
  void denied(Shard&, LogErrc) override {
    ++denials;
    is_over = true;
  }
  void decided(LogErrc outcome) override {
    if (outcome == LogErrc::kOk) {
      committed.push_back(token_);
    } else {
      node().engine->values["lent"] = before_;
      node().engine->seeds.pop_back();
      node().engine->last_time_ms = time_before_ms_;
      ++refusals;
    }
    house_.machine.reactor(0).post([this] {
      node().shard->give_back();
      is_over = true;
    });
  }

  std::vector<std::string> committed;
  int refusals = 0;
  int denials = 0;
  bool is_over = true;

 private:
  Node& node() { return house_.node(at_); }
  House& house_;
  const log::NodeId at_;
  std::string before_;
  std::string token_;
  std::vector<std::string_view> args_;
  engine::Command command_;
  int64_t time_ms_ = 0;
  int64_t time_before_ms_ = 0;
  int next_ = 0;
};

void run_crowd(uint64_t seed, uint64_t refuse_one_in, bool changes_leaders) {
  House house(seed);
  house.group.refuse_one_in = refuse_one_in;
  house.set_leader(1);
  Crowd crowd(house, 9);
  std::vector<std::unique_ptr<Borrower>> borrowers;
  for (log::NodeId id = 1; id <= kNodes; ++id) borrowers.push_back(std::make_unique<Borrower>(house, id));
  env::Random& random = house.machine.reactor(0).random();
  for (int round = 0; round < 300; ++round) {
    crowd.go_on(true);
    Borrower& borrower = *borrowers[random.next() % kNodes];
    if (borrower.is_over && random.next() % 4 == 0) house.run([&] { borrower.ask(); });
    if (changes_leaders && random.next() % 15 == 0) house.set_leader(random.next() % (kNodes + 1));
    house.step();
  }
  if (house.group.leader() == 0) house.set_leader(2);
  house.group.refuse_one_in = 0;
  const auto is_quiet = [&] {
    return crowd.is_idle() && std::all_of(borrowers.begin(), borrowers.end(), [](auto& some) { return some->is_over; });
  };
  for (int round = 0; round < 400 && !is_quiet(); ++round) {
    crowd.go_on(false);
    house.step();
  }
  house.step(50);
  crowd.go_on(false);
  ASSERT_TRUE(is_quiet()) << "everybody is answered";
  EXPECT_GT(crowd.succeeded(), 100U);
  for (log::NodeId id = 1; id <= kNodes; ++id) {
    EXPECT_EQ(house.node(id).engine->values, house.node(1).engine->values) << "replica " << id;
    EXPECT_EQ(house.node(id).engine->seeds, house.node(1).engine->seeds) << "replica " << id;
    EXPECT_TRUE(house.node(id).shard->is_idle());
    EXPECT_EQ(house.node(id).replica().counters().timed_out, 0U);
  }
  const std::set<std::string> shared = tokens_of(house.node(1).engine->values["shared"]);
  EXPECT_TRUE(std::includes(shared.begin(), shared.end(), crowd.acknowledged().begin(), crowd.acknowledged().end()));
  std::set<std::string> lent;
  for (const auto& borrower : borrowers) lent.insert(borrower->committed.begin(), borrower->committed.end());
  std::string all;
  for (const std::string& token : lent) all += token;
  EXPECT_EQ(tokens_of(house.node(2).engine->values["lent"]), tokens_of(all));
  EXPECT_FALSE(lent.empty());
}

TEST(Replica, AnswersLinearlyAndInOrder) {
  env::sim::for_each_seed(1, 30, [](uint64_t seed) { run_crowd(seed, 0, false); });
}

TEST(Replica, ProposesAgainWhatWasRefused) {
  env::sim::for_each_seed(1, 30, [](uint64_t seed) { run_crowd(seed, 6, false); });
}

TEST(Replica, LivesThroughChangesOfTheLeader) {
  env::sim::for_each_seed(1, 60, [](uint64_t seed) { run_crowd(seed, seed % 2 == 0 ? 0 : 8, true); });
}

TEST(Replica, TellsWhatIsNotKnownInTime) {
  House house(1, 500);
  house.set_leader(1);
  TextOperation write(kAppend, "key", "a,", nullptr);
  TextOperation read(kRead, "key", "", nullptr);
  house.set_leader(0);
  house.run([&] {
    house.node(2).shard->submit(write);
    house.node(2).shard->submit(read);
  });
  house.world.run_for(400 * env::sim::kMillisecond);
  EXPECT_FALSE(write.is_finished);
  house.world.run_for(200 * env::sim::kMillisecond);
  EXPECT_EQ(write.outcome, LogErrc::kTimedOut) << "it may be in the log";
  EXPECT_EQ(read.outcome, LogErrc::kNoLeader);
  // The record comes all the same, as somebody else's.
  house.group.refuse_one_in = 0;
  Borrower borrower(house, 2);
  house.run([&] { borrower.ask(); });
  house.world.run_for(600 * env::sim::kMillisecond);
  EXPECT_EQ(borrower.denials, 1) << "nobody leads";
  TextOperation later(kAppend, "key", "b,", nullptr);
  house.run([&] { house.node(2).shard->submit(later); });
  house.run([&] { house.node(2).replica().leader_changed(1, false); });
  house.step(1);
  house.set_leader(1);
  house.step(60);
  EXPECT_EQ(later.outcome, LogErrc::kOk);
  EXPECT_EQ(house.node(3).engine->values["key"], "b,") << "a change of the leader refused the first for good";
}

TEST(Replica, WhatComesAfterItsDeadlineIsAppliedAllTheSame) {
  House house(1, 500);
  house.set_leader(1);
  TextOperation write(kAppend, "key", "a,", nullptr);
  house.run([&] { house.node(2).shard->submit(write); });
  house.world.run_for(600 * env::sim::kMillisecond);
  EXPECT_EQ(write.outcome, LogErrc::kTimedOut);
  house.step(60);
  EXPECT_EQ(house.node(2).engine->values["key"], "a,");
  EXPECT_EQ(house.node(2).replica().counters().foreign, 1U);
}

// As a session that looks at a shard when it has its answer.
void look(Shard& shard) {
  if (shard.try_lend()) shard.give_back();
}

class Looker final : public LoanRequest {
 public:
  void granted(Shard&) override { is_granted = true; }
  bool is_granted = false;
};

TEST(Replica, TellsEverybodyWhoseTimeIsOver) {
  House house(1, 500);
  house.set_leader(0);
  Shard& shard = *house.node(2).shard;
  TextOperation first(kAppend, "key", "a,", nullptr);
  TextOperation second(kAppend, "key", "b,", nullptr);
  first.then = [&] { look(shard); };
  house.run([&] {
    shard.submit(first);
    shard.submit(second);
  });
  house.world.run_for(600 * env::sim::kMillisecond);
  EXPECT_TRUE(first.is_finished);
  EXPECT_TRUE(second.is_finished);
}

// A record waits for a borrower, and another borrower behind it: that one must not get the shard while the record is
// applied, even if somebody borrows and gives back meanwhile.
TEST(Replica, LendsBetweenRecordsAlone) {
  int met = 0;
  env::sim::for_each_seed(1, 30, [&](uint64_t seed) {
    House house(seed);
    house.set_leader(1);
    Shard& shard = *house.node(2).shard;
    TextOperation read(kRead, "key", "", nullptr);
    TextOperation write(kAppend, "key", "a,", nullptr);
    Looker before;
    Looker behind;
    read.then = [&] {
      met += before.is_granted && !write.is_finished ? 1 : 0;
      look(shard);
    };
    write.then = [&] { EXPECT_FALSE(behind.is_granted); };
    house.run([&] {
      shard.lend(before);
      shard.submit(read);
      shard.submit(write);
      shard.lend(behind);
    });
    house.step(30);
    EXPECT_FALSE(write.is_finished || behind.is_granted);
    house.run([&] { shard.give_back(); });
    house.step(30);
    EXPECT_TRUE(read.is_finished && write.is_finished && behind.is_granted);
    house.run([&] { shard.give_back(); });
  });
  EXPECT_GT(met, 0);
}

TEST(Replica, ReadsStaleAtOnce) {
  House house(1);
  house.set_leader(0);
  TextOperation read(kRead, "key", "", nullptr);
  read.is_stale = true;
  house.run([&] { house.node(3).shard->submit(read); });
  EXPECT_EQ(read.outcome, LogErrc::kOk);
}

TEST(Replica, LendsForWritingOnTheLeaderAlone) {
  House house(1);
  house.set_leader(1);
  house.step();
  Borrower on_follower(house, 2);
  house.run([&] { on_follower.ask(); });
  EXPECT_EQ(on_follower.denials, 1);
  EXPECT_TRUE(house.node(1).shard->leads());
  EXPECT_FALSE(house.node(2).shard->leads());
}

// A stop does not wait for a group that decides nothing: whoever waits is told, a borrower too.
TEST(Replica, GivesUpWaiting) {
  House house(1);
  house.set_leader(1);
  Borrower borrower(house, 1);
  house.run([&] { borrower.ask(); });
  house.run([&] { house.group.step(); });  // hold_ready()
  house.world.run_for(env::sim::kMillisecond);
  EXPECT_FALSE(borrower.is_over);
  TextOperation write(kAppend, "key", "a,", nullptr);
  TextOperation read(kRead, "key", "", nullptr);
  house.run([&] {
    house.node(1).shard->submit(write);
    house.node(1).shard->submit(read);
  });
  house.run([&] { house.node(1).replica().give_up_waiting(); });
  house.world.run_for(env::sim::kMillisecond);
  EXPECT_EQ(write.outcome, LogErrc::kTimedOut);
  EXPECT_EQ(read.outcome, LogErrc::kStopped);
  EXPECT_TRUE(borrower.is_over);
  EXPECT_TRUE(house.node(1).replica().is_tainted()) << "no checkpoint of it";
}

class Outcome final : public CommitRequest {
 public:
  void decided(LogErrc result) override {
    EXPECT_FALSE(outcome.has_value());
    outcome = result;
  }
  std::optional<LogErrc> outcome;
};

// A slot moves from one state to the next, and at no index may two do with it what only one may.
TEST(Replica, KeepsToTheTableOfSlots) {
  House house(3);
  house.set_leader(1);
  const auto change = [&](SlotState state, uint64_t epoch) {
    Outcome outcome;
    house.run([&] { house.node(2).replica().change_slots({5, 6, state, epoch}, outcome); });
    house.step(60);
    EXPECT_TRUE(outcome.outcome.has_value());
    return outcome.outcome.value_or(LogErrc::kStopped);
  };
  const auto run = [&](uint16_t code, uint16_t slot) {
    TextOperation operation(code, "key", "x,", nullptr, slot);
    house.run([&] { house.node(3).shard->submit(operation); });
    house.step(60);
    EXPECT_TRUE(operation.is_finished);
    return operation.outcome;
  };
  EXPECT_EQ(run(kAppend, 5), LogErrc::kOk);
  EXPECT_EQ(change(SlotState::kFrozen, 1), LogErrc::kOk);
  EXPECT_EQ(run(kAppend, 5), LogErrc::kNotOwner);
  EXPECT_EQ(run(kAppend, 7), LogErrc::kOk) << "another slot";
  EXPECT_EQ(run(kAppend, control::kNoSlot), LogErrc::kOk) << "of no slot";
  EXPECT_FALSE(house.node(1).replica().may_propose(kSlotCount)) << "no slot that there is";
  EXPECT_EQ(run(kRead, 5), LogErrc::kOk) << "frozen, not gone";
  EXPECT_EQ(change(SlotState::kGone, 1), LogErrc::kOk);
  EXPECT_EQ(run(kRead, 6), LogErrc::kNotOwner);
  EXPECT_EQ(change(SlotState::kOwned, 0), LogErrc::kNotOwner) << "an old change";
  EXPECT_EQ(change(SlotState::kImporting, 2), LogErrc::kOk);
  EXPECT_EQ(run(kAppend, 5), LogErrc::kNotOwner);
  const std::vector<std::string_view> args{"key", "moved,"};
  const engine::Command command{kAppend, 0, args};
  const auto import = [&](uint64_t epoch) {
    Outcome outcome;
    house.run([&] { house.node(1).replica().import({&command, 1}, 5, epoch, outcome); });
    house.step(60);
    return outcome.outcome.value_or(LogErrc::kStopped);
  };
  EXPECT_EQ(import(1), LogErrc::kNotOwner) << "of another move";
  EXPECT_EQ(import(2), LogErrc::kOk);
  EXPECT_EQ(change(SlotState::kOwned, 2), LogErrc::kOk);
  EXPECT_EQ(import(2), LogErrc::kNotOwner) << "the move is over";
  EXPECT_EQ(run(kAppend, 5), LogErrc::kOk);
  for (log::NodeId id = 1; id <= kNodes; ++id) EXPECT_EQ(house.node(id).engine->values["key"], "x,x,x,moved,x,");
}

// A write that was put into the log before the slot was frozen, and comes behind that: void on every replica.
TEST(Replica, WhatComesBehindTheFreezeIsVoid) {
  House house(4);
  house.set_leader(1);
  Outcome frozen;
  TextOperation write(kAppend, "key", "x,", nullptr, 5);
  house.run([&] {
    house.node(2).replica().change_slots({5, 5, SlotState::kFrozen, 1}, frozen);
    house.node(2).shard->submit(write);
  });
  house.step(60);
  EXPECT_EQ(frozen.outcome, LogErrc::kOk);
  EXPECT_EQ(write.outcome, LogErrc::kNotOwner);
  for (log::NodeId id = 1; id <= kNodes; ++id) EXPECT_TRUE(house.node(id).engine->values["key"].empty());
}

TEST(SlotTable, IsWhatWasWritten) {
  env::sim::for_each_seed(1, 50, [](uint64_t seed) {
    env::sim::World world(seed);
    env::Random& random = world.add_node().reactor(0).random();
    SlotTable table;
    std::vector<std::pair<SlotState, uint64_t>> expected(kSlotCount, {SlotState::kOwned, 0});
    for (int i = 0; i < 40; ++i) {
      auto first = static_cast<uint16_t>(random.next() % kSlotCount);
      auto last = static_cast<uint16_t>(std::min<uint64_t>(first + random.next() % 3000, kSlotCount - 1));
      const SlotChange change{first, last, static_cast<SlotState>(random.next() % 4), random.next() % 10};
      bool is_allowed = true;
      for (uint32_t slot = first; slot <= last; ++slot) is_allowed &= expected[slot].second <= change.epoch;
      EXPECT_EQ(table.change(change), is_allowed);
      if (!is_allowed) continue;
      for (uint32_t slot = first; slot <= last; ++slot) expected[slot] = {change.state, change.epoch};
    }
    Buffer bytes;
    table.encode(bytes);
    SlotTable read;
    ASSERT_TRUE(read.decode(bytes.view()).ok());
    EXPECT_EQ(read.ranges(), table.ranges());
    for (uint32_t slot = 0; slot < kSlotCount; ++slot) {
      const SlotRange at = read.at(static_cast<uint16_t>(slot));
      ASSERT_EQ(std::pair(at.state, at.epoch), expected[slot]) << slot;
    }
    for (size_t i = 1; i < table.ranges().size(); ++i) {
      EXPECT_EQ(table.ranges()[i].first, table.ranges()[i - 1].last + 1);
    }
    for (size_t size = 1; size < bytes.size(); ++size) {
      EXPECT_FALSE(read.decode(bytes.view().substr(0, size)).ok() && size > 1 && !read.ranges().empty() &&
                   read.ranges() != table.ranges());
    }
  });
}

}  // namespace
}  // namespace keelson::shard
