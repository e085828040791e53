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
#include "shard/replica_harness.h"

namespace keelson::shard {
namespace {

using namespace replica_harness;

constexpr uint16_t kSharedSlot = 7;

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
  // As slots of a move: what a client's own key is in.
  [[nodiscard]] static uint16_t slot_of(size_t number) { return static_cast<uint16_t>(1 + number % 6); }
  void begin(Client& client, size_t number) {
    env::Random& random = house_.machine.reactor(0).random();
    const size_t count = 1 + random.next() % 5;
    for (size_t i = 0; i < count; ++i) {
      const bool is_write = random.next() % 2 == 0;
      const bool is_shared = random.next() % 3 == 0;
      const std::string token = std::to_string(number) + "." + std::to_string(client.next++);
      client.pipeline.push_back(std::make_unique<TextOperation>(is_write ? kAppend : kRead,
                                                                is_shared ? "shared" : client.own_key, token + ",",
                                                                &client, is_shared ? kSharedSlot : slot_of(number)));
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

// Moves slots out of the shard and back into it, at random, all by rules of the table, some against them.
class Mover {
 public:
  explicit Mover(House& house) : house_(house) {}
  [[nodiscard]] bool is_idle() const { return !asked_ || asked_->outcome.has_value(); }
  [[nodiscard]] uint64_t changes() const { return changes_; }

  void go_on(bool begins_more) {
    if (!is_idle()) return;
    env::Random& random = house_.machine.reactor(0).random();
    if (asked_ && asked_->outcome == LogErrc::kOk) ++changes_;
    // One of two ranges.
    const uint16_t first = random.next() % 2 == 0 ? 1 : 4;
    const auto last = static_cast<uint16_t>(first == 1 ? 3 : kSharedSlot);
    const log::NodeId at = 1 + random.next() % kNodes;
    SlotChange change{first, last, SlotState::kOwned, 0, 0};
    const SlotRange is = house_.node(at).replica().slots().at(first);
    change.state = next_state(is.state, begins_more ? random.next() % 4 : 0);
    change.epoch = is.epoch + (begins_more ? random.next() % 2 : 1);
    if (is.state == SlotState::kImporting && change.state == SlotState::kOwned) change.epoch = is.epoch;
    if (!begins_more && is.state == SlotState::kOwned) return;
    asked_ = std::make_unique<Outcome>();
    house_.run([&] { house_.node(at).replica().change_slots(change, *asked_); });
  }

 private:
  static SlotState next_state(SlotState is, uint64_t draw) {
    if (draw == 3) return SlotState::kGone;
    switch (is) {
      case SlotState::kOwned:
        return draw == 1 ? SlotState::kOwned : SlotState::kFrozen;
      case SlotState::kFrozen:
      case SlotState::kImporting:
        return SlotState::kOwned;
      case SlotState::kGone:
        return SlotState::kImporting;
    }
    return is;
  }
  House& house_;
  std::unique_ptr<Outcome> asked_;
  uint64_t changes_ = 0;
};

void run_crowd(uint64_t seed, uint64_t refuse_one_in, bool changes_leaders, bool moves_slots = false) {
  House house(seed);
  house.group.refuse_one_in = refuse_one_in;
  house.set_leader(1);
  Crowd crowd(house, 9);
  std::vector<std::unique_ptr<Borrower>> borrowers;
  for (log::NodeId id = 1; id <= kNodes; ++id) borrowers.push_back(std::make_unique<Borrower>(house, id));
  env::Random& random = house.machine.reactor(0).random();
  Mover mover(house);
  for (int round = 0; round < 300; ++round) {
    crowd.go_on(true);
    if (moves_slots) mover.go_on(true);
    Borrower& borrower = *borrowers[random.next() % kNodes];
    if (borrower.is_over && random.next() % 4 == 0) house.run([&] { borrower.ask(); });
    if (changes_leaders && random.next() % 15 == 0) house.set_leader(random.next() % (kNodes + 1));
    house.step();
  }
  if (house.group.leader() == 0) house.set_leader(2);
  house.group.refuse_one_in = 0;
  const auto is_quiet = [&] {
    return crowd.is_idle() && mover.is_idle() &&
           std::all_of(borrowers.begin(), borrowers.end(), [](auto& some) { return some->is_over; });
  };
  for (int round = 0; round < 400 && !is_quiet(); ++round) {
    crowd.go_on(false);
    if (moves_slots) mover.go_on(false);
    house.step();
  }
  house.step(50);
  crowd.go_on(false);
  ASSERT_TRUE(is_quiet()) << "everybody is answered";
  EXPECT_GT(crowd.succeeded(), 100U);
  EXPECT_EQ(mover.changes() > 0, moves_slots);
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

TEST(Replica, LivesThroughMovesOfSlots) {
  env::sim::for_each_seed(1, 60, [](uint64_t seed) { run_crowd(seed, seed % 2 == 0 ? 0 : 8, seed % 3 == 0, true); });
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

// The node sleeps between a read's confirmation and its run; meanwhile a key expires here that others have written
// anew.
TEST(Replica, ReadsAsOfTheTimeThatWasConfirmed) {
  House house(1);
  house.set_leader(1);
  Shard& shard = *house.node(2).shard;
  TextOperation read(kRead, "key", "", nullptr);
  Looker borrower;
  borrower.use = LoanUse::kRead;
  int64_t asked_ms = 0;
  house.run([&] {
    asked_ms = house.node(2).clock.refresh();
    shard.submit(read);
    shard.lend(borrower);
  });
  house.world.run_for(300 * env::sim::kMillisecond);
  house.run([&] { house.node(2).clock.refresh(); });
  house.step(30);
  ASSERT_TRUE(read.is_finished && borrower.is_granted);
  EXPECT_EQ(house.node(2).engine->last_query_ms, asked_ms);
  EXPECT_EQ(house.node(2).replica().loan_time_max_ms(), asked_ms);
  house.run([&] { shard.give_back(); });
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

}  // namespace
}  // namespace keelson::shard
