// A replica's slots: what is held and what becomes of it, records of moves, loans.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "env/sim/gtest_seeds.h"
#include "shard/replica_harness.h"

namespace keelson::shard {
namespace {

using namespace replica_harness;
using enum SlotState;

constexpr int64_t kDeadlineMs = 500;

struct Slots : House {
  explicit Slots(uint64_t seed, int64_t deadline_ms = 60'000, size_t pending_bytes_max = size_t{1} << 20)
      : House(seed, deadline_ms, pending_bytes_max) {
    set_leader(1);
  }
  // Slots 5 and 6.
  LogErrc change(SlotState state, uint64_t epoch) {
    Outcome outcome;
    run([&] { node(2).replica().change_slots({5, 6, state, epoch, 0}, outcome); });
    step(60);
    EXPECT_TRUE(outcome.outcome.has_value());
    return outcome.outcome.value_or(LogErrc::kStopped);
  }
  void freeze(uint64_t epoch) {
    EXPECT_EQ(change(kOwned, epoch), LogErrc::kOk);
    EXPECT_EQ(change(kFrozen, epoch), LogErrc::kOk);
  }
  void lose(uint64_t epoch) {
    freeze(epoch);
    EXPECT_EQ(change(kGone, epoch), LogErrc::kOk);
  }
  LogErrc run_one(uint16_t code, uint16_t slot, log::NodeId at = 3) {
    TextOperation operation(code, "key", "x,", nullptr, slot);
    submit(operation, at);
    step(60);
    EXPECT_TRUE(operation.is_finished);
    return operation.outcome;
  }
  void submit(Operation& operation, log::NodeId at = 3) {
    run([&] { node(at).shard->submit(operation); });
  }
  LogErrc import(uint64_t epoch, uint64_t sequence, std::string text = "moved,") {
    Outcome outcome;
    const SlotImport record{5, 6, epoch, sequence, {{kAppend, 0, {"key", std::move(text)}}}};
    run([&] { node(1).replica().import(record, outcome); });
    step(60);
    return outcome.outcome.value_or(LogErrc::kStopped);
  }
  void expect_everywhere(const std::string& key, const std::string& value) {
    step(60);
    for (log::NodeId id = 1; id <= kNodes; ++id) EXPECT_EQ(node(id).engine->values[key], value) << "node " << id;
  }
};

// A slot moves from one state to the next, and at no index may two do with it what only one may.
TEST(ReplicaSlots, KeepToTheirTable) {
  Slots house(3, kDeadlineMs);
  EXPECT_EQ(house.run_one(kAppend, 5), LogErrc::kOk);
  EXPECT_EQ(house.change(kFrozen, 1), LogErrc::kNotOwner) << "not claimed";
  house.freeze(1);
  EXPECT_EQ(house.run_one(kAppend, 7), LogErrc::kOk) << "another slot";
  EXPECT_EQ(house.run_one(kRead, 5), LogErrc::kOk) << "frozen, not gone";
  EXPECT_EQ(house.change(kGone, 1), LogErrc::kOk);
  EXPECT_EQ(house.run_one(kRead, 6), LogErrc::kNotOwner);
  EXPECT_EQ(house.run_one(kAppend, 6), LogErrc::kNotOwner);
  EXPECT_FALSE(house.node(1).replica().may_propose(6));
  EXPECT_FALSE(house.node(1).replica().may_propose(kSlotCount)) << "no slot that there is";
  EXPECT_EQ(house.run_one(kAppend, kNoSlot), LogErrc::kOk);
  EXPECT_EQ(house.change(kOwned, 2), LogErrc::kNotOwner) << "nobody takes what is gone";
  EXPECT_EQ(house.change(kImporting, 2), LogErrc::kOk);
  EXPECT_EQ(house.import(1, 1), LogErrc::kNotOwner) << "of another move";
  EXPECT_EQ(house.import(2, 2), LogErrc::kNotOwner) << "not the first";
  EXPECT_EQ(house.import(2, 1), LogErrc::kOk);
  EXPECT_EQ(house.import(2, 1), LogErrc::kOk) << "doubled";
  EXPECT_EQ(house.import(2, 2), LogErrc::kOk);
  EXPECT_EQ(house.import(2, 1), LogErrc::kOk) << "late";
  EXPECT_EQ(house.change(kOwned, 2), LogErrc::kOk);
  EXPECT_EQ(house.import(2, 3), LogErrc::kNotOwner) << "the move is over";
  EXPECT_EQ(house.run_one(kAppend, 5), LogErrc::kOk);
  house.expect_everywhere("key", "x,x,x,moved,moved,x,");
}

// A write that was put into the log before its slot was frozen, and comes behind that: void on every replica, held, and
// there once when the slot thaws.
TEST(ReplicaSlots, HoldWhatComesBehindTheFreeze) {
  env::sim::for_each_seed(1, 20, [](uint64_t seed) {
    Slots house(seed);
    EXPECT_EQ(house.change(kOwned, 1), LogErrc::kOk);
    Outcome frozen;
    TextOperation write(kAppend, "key", "x,", nullptr, 5);
    TextOperation foreign(kAppend, "key", "y,", nullptr, 5);
    house.run([&] {
      house.node(2).replica().change_slots({5, 6, kFrozen, 1, 0}, frozen);
      house.node(2).shard->submit(write);
    });
    house.step(1);
    house.submit(foreign, 1);
    house.step(60);
    EXPECT_EQ(frozen.outcome, LogErrc::kOk);
    EXPECT_FALSE(write.is_finished);
    house.expect_everywhere("key", foreign.is_finished ? "y," : "");
    EXPECT_FALSE(house.node(2).shard->is_idle());
    EXPECT_EQ(house.change(kOwned, 2), LogErrc::kOk) << "thawed";
    EXPECT_EQ(write.outcome, LogErrc::kOk);
    EXPECT_EQ(foreign.outcome, LogErrc::kOk);
    house.step(60);
    const std::string value = house.node(1).engine->values["key"];
    EXPECT_EQ(value.size(), 4U) << value;
    house.expect_everywhere("key", value);
    EXPECT_TRUE(house.node(2).shard->is_idle());
  });
}

TEST(ReplicaSlots, TellWhoWaitedThatTheSlotIsGone) {
  Slots house(1);
  house.freeze(1);
  TextOperation write(kAppend, "key", "x,", nullptr, 5);
  TextOperation read(kRead, "key", "", nullptr, 5);
  house.submit(write);
  house.submit(read);
  house.step(60);
  EXPECT_FALSE(write.is_finished);
  EXPECT_EQ(read.outcome, LogErrc::kOk);
  EXPECT_EQ(house.change(kGone, 1), LogErrc::kOk);
  EXPECT_EQ(write.outcome, LogErrc::kNotOwner);
  house.expect_everywhere("key", "");
}

TEST(ReplicaSlots, AnswerWhoHasWaitedForTooLong) {
  Slots house(1, kDeadlineMs);
  house.lose(1);
  EXPECT_EQ(house.change(kImporting, 2), LogErrc::kOk);
  TextOperation write(kAppend, "key", "x,", nullptr, 5);
  TextOperation read(kRead, "key", "", nullptr, 6);
  TextOperation stale(kRead, "key", "", nullptr, 6);
  stale.is_stale = true;
  TextOperation elsewhere(kAppend, "other", "x,", nullptr, 7);
  for (TextOperation* each : {&write, &read, &stale, &elsewhere}) house.submit(*each);
  house.step(60);
  EXPECT_EQ(elsewhere.outcome, LogErrc::kOk);
  EXPECT_FALSE(write.is_finished || read.is_finished || stale.is_finished);
  house.world.run_for(2 * kDeadlineMs * env::sim::kMillisecond);
  for (TextOperation* each : {&write, &read, &stale}) EXPECT_EQ(each->outcome, LogErrc::kNotOwner);
  EXPECT_TRUE(house.node(3).shard->is_idle());
  EXPECT_EQ(house.node(3).replica().counters().held_for_move, 3U);
}

// A pipeline on slots of which one has to wait: all behind it waits too, and takes effect in its order.
TEST(ReplicaSlots, KeepTheOrderOfASequence) {
  env::sim::for_each_seed(1, 20, [](uint64_t seed) {
    Slots house(seed);
    house.lose(1);
    EXPECT_EQ(house.change(kImporting, 2), LogErrc::kOk);
    int sequence = 0;
    int other_sequence = 0;
    TextOperation first(kAppend, "a", "1,", &sequence, 5);
    TextOperation second(kRead, "a", "", &sequence, 5);
    TextOperation third(kAppend, "a", "2,", &sequence, 6);
    TextOperation fourth(kAppend, "b", "3,", &sequence, 9);
    TextOperation fifth(kRead, "a", "", &sequence, 5);
    TextOperation other(kAppend, "b", "4,", &other_sequence, 9);
    second.is_ordered = fifth.is_ordered = true;
    // At the leader: elsewhere it may refuse what is proposed again before it has applied the change itself.
    for (TextOperation* each : {&first, &second, &third, &fourth, &fifth, &other}) house.submit(*each, 1);
    house.step(60);
    EXPECT_EQ(other.outcome, LogErrc::kOk);
    for (TextOperation* each : {&first, &second, &third, &fourth, &fifth}) EXPECT_FALSE(each->is_finished);
    // Another attempt changes nothing for them.
    EXPECT_EQ(house.change(kImporting, 3), LogErrc::kOk);
    EXPECT_FALSE(first.is_finished || fourth.is_finished);
    EXPECT_EQ(house.change(kOwned, 3), LogErrc::kOk);
    for (TextOperation* each : {&first, &second, &third, &fourth, &fifth}) EXPECT_EQ(each->outcome, LogErrc::kOk);
    EXPECT_EQ(second.sink.text, "1,");
    EXPECT_EQ(fifth.sink.text, "1,2,");
    house.expect_everywhere("b", "4,3,");
  });
}

// Of a pipeline that is under way when a slot is frozen, a later write on another slot may get into the log: what stood
// before it and had to wait has no effect.
TEST(ReplicaSlots, NeverTurnAPipelineRound) {
  int passed_by = 0;
  env::sim::for_each_seed(1, 40, [&](uint64_t seed) {
    Slots house(seed);
    EXPECT_EQ(house.change(kOwned, 1), LogErrc::kOk);
    int sequence = 0;
    Outcome frozen;
    TextOperation first(kAppend, "a", "1,", &sequence, 5);
    TextOperation read(kRead, "a", "", &sequence, 5);
    TextOperation second(kAppend, "b", "2,", &sequence, 9);
    TextOperation third(kAppend, "b", "3,", &sequence, 9);
    read.is_ordered = true;
    house.run([&] {
      house.node(2).replica().change_slots({5, 6, kFrozen, 1, 0}, frozen);
      for (TextOperation* each : {&first, &read, &second, &third}) house.node(2).shard->submit(*each);
    });
    house.group.refuse_one_in = seed % 2 == 0 ? 3 : 0;
    house.step(60);
    house.group.refuse_one_in = 0;
    if (frozen.outcome != LogErrc::kOk) return;
    EXPECT_EQ(house.change(kOwned, 2), LogErrc::kOk);
    house.step(60);
    for (TextOperation* each : {&first, &read, &second, &third}) ASSERT_TRUE(each->is_finished);
    if (first.outcome != LogErrc::kOk) {
      passed_by += first.outcome == LogErrc::kNotOwner ? 1 : 0;
      EXPECT_TRUE(first.outcome == LogErrc::kNotOwner || first.outcome == LogErrc::kRefused);
      EXPECT_TRUE(second.outcome == LogErrc::kOk || third.outcome == LogErrc::kOk);
      EXPECT_EQ(read.sink.text, "");
      house.expect_everywhere("a", "");
    } else {
      house.expect_everywhere("a", "1,");
    }
  });
  EXPECT_GT(passed_by, 0);
}

TEST(ReplicaSlots, HoldSoManyBytesAlone) {
  Slots house(1, 60'000, 1000);
  house.freeze(1);
  TextOperation first(kAppend, "key", std::string(900, 'x'), nullptr, 5);
  TextOperation second(kAppend, "key", std::string(900, 'y'), nullptr, 5);
  house.submit(first);
  house.submit(second);
  EXPECT_EQ(second.outcome, LogErrc::kRefused);
  EXPECT_FALSE(first.is_finished);
  EXPECT_EQ(house.change(kOwned, 2), LogErrc::kOk);
  EXPECT_EQ(first.outcome, LogErrc::kOk);
  TextOperation third(kAppend, "key", std::string(900, 'z'), nullptr, 5);
  house.submit(third);
  house.step(60);
  EXPECT_EQ(third.outcome, LogErrc::kOk) << "what is over counts no more";
}

TEST(ReplicaSlots, LetNobodyWaitForAReplicaThatStops) {
  for (const LogErrc why : {LogErrc::kStopped, LogErrc::kNotLeader, LogErrc::kDamaged}) {
    Slots house(1);
    house.freeze(1);
    TextOperation write(kAppend, "key", "x,", nullptr, 5);
    Outcome change;
    house.submit(write, 2);
    house.run([&] {
      house.node(2).replica().change_slots({5, 6, kOwned, 2, 0}, change);
      if (why == LogErrc::kDamaged) house.node(2).shard->stop_damaged("by the test");
      if (why == LogErrc::kStopped) house.node(2).replica().give_up_waiting();
      if (why == LogErrc::kNotLeader) house.node(2).replica().set_log(nullptr, why);
    });
    EXPECT_EQ(write.outcome, why);
    EXPECT_EQ(change.outcome, LogErrc::kTimedOut) << "it may be in the log";
  }
}

TEST(ReplicaSlots, HoldThroughAChangeOfTheLeader) {
  env::sim::for_each_seed(1, 20, [](uint64_t seed) {
    Slots house(seed);
    house.freeze(1);
    TextOperation at_leader(kAppend, "key", "x,", nullptr, 5);
    TextOperation elsewhere(kAppend, "key", "y,", nullptr, 5);
    house.submit(at_leader, 1);
    house.submit(elsewhere, 3);
    house.set_leader(0);
    house.step(20);
    house.set_leader(2);
    house.step(60);
    EXPECT_FALSE(at_leader.is_finished || elsewhere.is_finished);
    EXPECT_EQ(house.change(kOwned, 2), LogErrc::kOk);
    EXPECT_EQ(at_leader.outcome, LogErrc::kOk);
    EXPECT_EQ(elsewhere.outcome, LogErrc::kOk);
  });
}

// Between proposal and apply the lead changes: the outcome is told all the same, and says what is.
TEST(ReplicaSlots, TellAChangesOutcomeOverAChangeOfTheLeader) {
  int done = 0;
  int refused = 0;
  env::sim::for_each_seed(1, 40, [&](uint64_t seed) {
    Slots house(seed);
    EXPECT_EQ(house.change(kOwned, 1), LogErrc::kOk);
    Outcome frozen;
    house.run([&] { house.node(1).replica().change_slots({5, 6, kFrozen, 1, 0}, frozen); });
    house.step(static_cast<int>(seed % 3));
    house.set_leader(2);
    house.step(60);
    ASSERT_TRUE(frozen.outcome.has_value());
    ++(frozen.outcome == LogErrc::kOk ? done : refused);
    if (frozen.outcome != LogErrc::kOk) EXPECT_EQ(frozen.outcome, LogErrc::kRefused);
    const SlotState is = frozen.outcome == LogErrc::kOk ? kFrozen : kOwned;
    for (log::NodeId id = 1; id <= kNodes; ++id) EXPECT_EQ(house.node(id).replica().slots().at(5).state, is);
    EXPECT_EQ(house.change(kFrozen, 1), LogErrc::kOk) << "again, at whoever leads now";
  });
  EXPECT_GT(done, 0);
  EXPECT_GT(refused, 0);
}

TEST(ReplicaSlots, TellInTimeThatAnOutcomeIsNotKnown) {
  Slots house(1, kDeadlineMs);
  Outcome claimed;
  house.run([&] { house.node(1).replica().change_slots({5, 6, kOwned, 1, 0}, claimed); });
  house.world.run_for(2 * kDeadlineMs * env::sim::kMillisecond);
  EXPECT_EQ(claimed.outcome, LogErrc::kTimedOut);
  house.step(60);
  EXPECT_EQ(house.node(3).replica().slots().at(5), (SlotRange{5, 6, kOwned, 1, 0})) << "it came all the same";
  EXPECT_EQ(house.change(kOwned, 1), LogErrc::kOk) << "and again without effect";
  house.lose(2);
  EXPECT_EQ(house.change(kImporting, 3), LogErrc::kOk);
  Outcome imported;
  const SlotImport record{5, 6, 3, 1, {{kAppend, 0, {"key", "moved,"}}}};
  house.run([&] { house.node(1).replica().import(record, imported); });
  house.world.run_for(2 * kDeadlineMs * env::sim::kMillisecond);
  EXPECT_EQ(imported.outcome, LogErrc::kTimedOut);
  EXPECT_EQ(house.import(3, 1), LogErrc::kOk);
  house.expect_everywhere("key", "moved,");
}

// A checkpoint took the place of the history that the change stands in, or does not.
TEST(ReplicaSlots, TellThatAnOutcomeIsLost) {
  Slots house(1);
  Outcome claimed;
  house.run([&] {
    house.node(1).replica().change_slots({5, 6, kOwned, 1, 0}, claimed);
    house.node(1).replica().outcome_lost(1);
  });
  EXPECT_EQ(claimed.outcome, LogErrc::kTimedOut);
  EXPECT_EQ(house.change(kOwned, 1), LogErrc::kOk) << "again does no harm";
}

class SlotListener final : public ShardListener {
 public:
  void applied(Shard&) override {}
  void replaced(Shard&) override { ++replacements; }
  void slots_changed(Shard& shard) override {
    ++changes;
    is = shard.replica()->slots().at(5).state;
  }
  int changes = 0;
  int replacements = 0;
  SlotState is = kOwned;
};

class Install final : public LoanRequest {
 public:
  void granted(Shard&) override { is_granted = true; }
  bool is_granted = false;
};

// Another node's checkpoint brings a table with it: what was held for the former one goes on.
TEST(ReplicaSlots, GoOnWithTheTableOfACheckpoint) {
  for (const SlotState state : {kOwned, kGone, kImporting}) {
    Slots house(1);
    house.freeze(1);
    SlotListener listener;
    house.node(3).shard->set_listener(&listener);
    TextOperation write(kAppend, "key", "x,", nullptr, 5);
    house.submit(write);
    SlotTable newer = house.node(1).replica().slots();
    EXPECT_TRUE(newer.change(state == kOwned ? SlotChange{5, 6, kOwned, 2, 0} : SlotChange{5, 6, kGone, 1, 0}));
    if (state == kImporting) EXPECT_TRUE(newer.change({5, 6, kImporting, 2, 0}));
    Buffer bytes;
    newer.encode(bytes);
    Install install;
    const uint64_t index = house.node(3).shard->applied_index();
    house.run([&] {
      house.node(3).replica().lend_for_install(install);
      EXPECT_TRUE(install.is_granted);
      EXPECT_TRUE(house.node(3).replica().slots().decode(bytes.view()).ok());
      house.node(3).replica().installed(index, 0);
      EXPECT_FALSE(write.is_finished);
      house.node(3).shard->give_back();
    });
    EXPECT_EQ(listener.replacements, 1);
    EXPECT_EQ(listener.changes, 1);
    EXPECT_EQ(listener.is, state);
    house.step(60);
    // The others have the former table still.
    EXPECT_EQ(write.is_finished, state == kGone);
    if (state == kGone) EXPECT_EQ(write.outcome, LogErrc::kNotOwner);
    if (state == kOwned) {
      EXPECT_EQ(house.change(kOwned, 2), LogErrc::kOk);
      EXPECT_EQ(write.outcome, LogErrc::kOk);
    }
    house.node(3).shard->set_listener(nullptr);
    house.run([&] { house.node(3).replica().give_up_waiting(); });
  }
}

TEST(ReplicaSlots, TellTheListenerOnEachReplica) {
  Slots house(1);
  SlotListener listeners[kNodes];
  for (log::NodeId id = 1; id <= kNodes; ++id) house.node(id).shard->set_listener(&listeners[id - 1]);
  house.freeze(1);
  EXPECT_EQ(house.change(kOwned, 1), LogErrc::kNotOwner);
  EXPECT_EQ(house.change(kGone, 1), LogErrc::kOk);
  for (const SlotListener& listener : listeners) {
    EXPECT_EQ(listener.changes, 3);
    EXPECT_EQ(listener.is, kGone);
  }
  for (log::NodeId id = 1; id <= kNodes; ++id) house.node(id).shard->set_listener(nullptr);
}

// Everything is deleted: what is frozen must not be, for it may have been read to its end; and what came by a move may
// not be, for it still belongs to another shard.
TEST(ReplicaSlots, KeepAFlushFromAMove) {
  Slots house(1);
  EXPECT_EQ(house.run_one(kAppend, 5), LogErrc::kOk);
  EXPECT_EQ(house.change(kOwned, 1), LogErrc::kOk);
  Outcome frozen;
  TextOperation flush(kFlush, "", "", nullptr, kNoSlot);
  house.run([&] {
    house.node(2).replica().change_slots({5, 6, kFrozen, 1, 0}, frozen);
    house.node(2).shard->submit(flush);
  });
  house.step(60);
  EXPECT_EQ(frozen.outcome, LogErrc::kOk);
  EXPECT_FALSE(flush.is_finished);
  house.expect_everywhere("key", "x,");
  EXPECT_EQ(house.change(kGone, 1), LogErrc::kOk);
  EXPECT_EQ(flush.outcome, LogErrc::kOk);
  house.expect_everywhere("key", "");
  EXPECT_EQ(house.change(kImporting, 2), LogErrc::kOk);
  EXPECT_EQ(house.import(2, 1), LogErrc::kOk);
  EXPECT_EQ(house.run_one(kFlush, kNoSlot), LogErrc::kOk);
  EXPECT_EQ(house.import(2, 2), LogErrc::kNotOwner) << "spoiled";
  for (log::NodeId id = 1; id <= kNodes; ++id) EXPECT_TRUE(house.node(id).replica().slots().at(5).is_spoiled());
  EXPECT_EQ(house.change(kImporting, 3), LogErrc::kOk);
  EXPECT_EQ(house.import(3, 1), LogErrc::kOk);
  house.expect_everywhere("key", "moved,");
}

class Borrow final : public LoanRequest, public CommitRequest {
 public:
  Borrow(LoanUse wanted, uint16_t of_slot) {
    use = wanted;
    slot = of_slot;
  }
  void granted(Shard&) override { is_granted = true; }
  void denied(Shard&, LogErrc why) override { denial = why; }
  void decided(LogErrc result) override { outcome = result; }
  bool is_granted = false;
  std::optional<LogErrc> denial;
  std::optional<LogErrc> outcome;
};

TEST(ReplicaSlots, LendOnceTheSlotMayBeUsed) {
  Slots house(1, kDeadlineMs);
  house.freeze(1);
  Shard& leader = *house.node(1).shard;
  Borrow write(LoanUse::kWrite, 5);
  Borrow read(LoanUse::kRead, 5);
  Borrow elsewhere(LoanUse::kWrite, 7);
  house.run([&] { leader.lend(write); });
  house.step(20);
  EXPECT_FALSE(write.is_granted);
  house.run([&] { leader.lend(read); });
  house.step(20);
  EXPECT_TRUE(read.is_granted) << "frozen, not gone";
  house.run([&] { leader.give_back(); });
  house.run([&] { leader.lend(elsewhere); });
  house.step(20);
  EXPECT_TRUE(elsewhere.is_granted);
  house.run([&] { leader.give_back(); });
  EXPECT_EQ(house.change(kOwned, 2), LogErrc::kOk) << "nobody holds the log for a slot that is frozen";
  EXPECT_TRUE(write.is_granted);
  // While it is out the table stays as it is.
  Outcome frozen;
  const std::vector<std::string_view> args{"key", "lent,"};
  const engine::Command command{kAppend, 0, args};
  TextSink sink;
  house.run([&] {
    house.node(2).replica().change_slots({5, 6, kFrozen, 2, 0}, frozen);
    const int64_t time_ms = std::max(house.node(1).clock.refresh(), leader.last_time_ms());
    leader.engine().apply({leader.next_index(), time_ms, seed_of(7, house.node(1).replica().loan_seed(), 0)}, command,
                          sink);
    house.node(1).replica().commit({&command, 1}, 5, time_ms, write);
  });
  house.step(60);
  EXPECT_EQ(write.outcome, LogErrc::kOk);
  EXPECT_FALSE(frozen.outcome.has_value());
  house.run([&] { leader.give_back(); });
  house.step(60);
  EXPECT_EQ(frozen.outcome, LogErrc::kOk);
  house.expect_everywhere("key", "lent,");
}

TEST(ReplicaSlots, LendNothingOfASlotThatIsGone) {
  Slots house(1, kDeadlineMs);
  house.lose(1);
  Shard& leader = *house.node(1).shard;
  const auto ask = [&](LoanUse use, uint16_t slot) {
    Borrow borrow(use, slot);
    house.run([&] { leader.lend(borrow); });
    house.step(20);
    if (borrow.is_granted) house.run([&] { leader.give_back(); });
    EXPECT_TRUE(borrow.is_granted || borrow.denial.has_value());
    return borrow.denial.value_or(LogErrc::kOk);
  };
  for (LoanUse use : {LoanUse::kLook, LoanUse::kRead, LoanUse::kWrite}) {
    EXPECT_EQ(ask(use, 5), LogErrc::kNotOwner);
    EXPECT_EQ(ask(use, 7), LogErrc::kOk);
    EXPECT_EQ(ask(use, kNoSlot), LogErrc::kOk);
  }
  EXPECT_EQ(house.change(kImporting, 2), LogErrc::kOk);
  EXPECT_EQ(ask(LoanUse::kLook, 5), LogErrc::kNotOwner);
  for (LoanUse use : {LoanUse::kRead, LoanUse::kWrite}) {
    Borrow borrow(use, 5);
    house.run([&] { leader.lend(borrow); });
    house.step(60);
    EXPECT_FALSE(borrow.is_granted || borrow.denial.has_value());
    house.world.run_for(2 * kDeadlineMs * env::sim::kMillisecond);
    EXPECT_EQ(borrow.denial, LogErrc::kNotOwner);
  }
}

// A borrower that changes more than it said is refused, and so its changes are undone.
TEST(ReplicaSlots, CommitNothingOnASlotThatIsNotTheShards) {
  for (const SlotState state : {kFrozen, kGone, kImporting}) {
    Slots house(1);
    if (state == kFrozen) house.freeze(1);
    if (state != kFrozen) house.lose(1);
    if (state == kImporting) EXPECT_EQ(house.change(kImporting, 2), LogErrc::kOk);
    const std::vector<std::string_view> args{"key", "lent,"};
    const engine::Command command{kAppend, 0, args};
    Borrow borrow(LoanUse::kWrite, kNoSlot);
    house.run([&] { house.node(1).shard->lend(borrow); });
    house.step(20);
    ASSERT_TRUE(borrow.is_granted);
    house.run([&] { house.node(1).replica().commit({&command, 1}, 5, 1, borrow); });
    house.step(20);
    EXPECT_EQ(borrow.outcome, LogErrc::kNotOwner);
    borrow.outcome.reset();
    if (state == kFrozen) {
      house.run([&] { house.node(1).replica().commit({&command, 1}, kNoSlot, 1, borrow); });
      house.step(20);
      EXPECT_EQ(borrow.outcome, LogErrc::kRefused) << "a flush waits for the move";
    }
    house.run([&] { house.node(1).shard->give_back(); });
    house.expect_everywhere("key", "");
  }
}

}  // namespace
}  // namespace keelson::shard
