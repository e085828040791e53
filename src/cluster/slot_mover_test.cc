// The coordinator of a move against a world that is made up: two tables of slots and the cluster's keys as they are,
// and every call refused, unanswered, late, slow, or the last one before a crash.
#include "cluster/slot_mover.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/errors.h"
#include "cluster/service_limits.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"

namespace keelson::cluster {
namespace {

using engine::OwnedCommand;
using engine::SlotWalk;
using env::sim::kMillisecond;
using env::sim::kSecond;
using shard::SlotChange;
using shard::SlotRange;
using shard::SlotState;
using shard::SlotTable;

constexpr uint64_t kId = 7;
constexpr ShardId kFrom = 0;
constexpr ShardId kTo = 1;
constexpr uint16_t kFirst = 100;
constexpr uint16_t kLast = 139;
// Stands behind the moved ones and stays.
constexpr uint16_t kStays = 140;

enum class Fault : uint8_t {
  kNone,
  kRefused,      // not done
  kUnanswered,   // done, but who asked does not learn it
  kLate,         // the same, and done some time later
  kSlow,         // done, and answered after a minute
  kCrashBefore,  // the node goes down, with or without it being done
  kCrashAfter,
};
constexpr Fault kFaults[] = {Fault::kRefused, Fault::kUnanswered,  Fault::kLate,
                             Fault::kSlow,    Fault::kCrashBefore, Fault::kCrashAfter};

// One key for each slot.
struct FakeShard {
  SlotTable table;
  std::map<uint16_t, uint64_t> data;
};

class FakeWorld final : public MoveWorld {
 public:
  FakeWorld(env::Reactor& reactor, env::Random& random) : reactor_(reactor), random_(random), tasks_(reactor) {
    shards[kFrom].table = SlotTable(0, 8191);
    shards[kTo].table = SlotTable(8192, 16383);
    for (uint16_t slot = kFirst; slot <= kStays; ++slot) {
      if (slot % 3 != 0) shards[kFrom].data[slot] = truth[slot] = ++last_value_;
    }
    stored.move.id = kId;
    stored.move.first = kFirst;
    stored.move.last = kLast;
    stored.move.from = kFrom;
    stored.move.to = kTo;
    stored.revision = ++revision;
  }

  // What the next calls meet; none left: kNone.
  std::function<Fault()> fault = [] { return Fault::kNone; };
  uint64_t calls = 0;
  bool is_crashed = false;
  bool is_leader = true;
  bool is_ever_lost = false;  // the export says so once
  std::string cannot_export;
  std::string cannot_tell_slots;  // as a node of an older version
  bool has_value_too_large = false;

  int64_t revision = 100;
  StoredMove stored;  // revision 0: deleted
  FakeShard shards[2];
  std::map<uint16_t, uint64_t> truth;
  int64_t longest_stall_ns = 0;

  // Clients write now, wherever they may, and what must always hold is looked at.
  void clients() {
    if (random_.next() % 2 == 0) {
      const auto slot = static_cast<uint16_t>(kFirst + random_.next() % (kStays - kFirst + 1));
      write(slot, random_.next() % 5 == 0);
    }
    const bool is_at_from = shards[kFrom].table.may_write(kFirst);
    const bool is_at_to = shards[kTo].table.may_write(kFirst);
    ASSERT_FALSE(is_at_from && is_at_to);
    ASSERT_FALSE(shards[kFrom].table.may_read(kFirst) && is_at_to);
    for (uint16_t slot = kFirst; slot <= kLast; ++slot) {
      ASSERT_EQ(shards[kFrom].table.may_write(slot), is_at_from) << slot;
      ASSERT_EQ(shards[kTo].table.may_write(slot), is_at_to) << slot;
    }
    const int64_t now = reactor_.clock().monotonic_ns();
    if (is_at_from || is_at_to) stalled_since_ns_ = now;
    longest_stall_ns = std::max(longest_stall_ns, now - stalled_since_ns_);
  }

  // MoveWorld.
  Task<Result<StoredMove>> read_move(uint64_t) override {
    return call<Result<StoredMove>>([this] { return Result<StoredMove>(stored); }, broken(), broken());
  }
  Task<Result<int64_t>> write_move(SlotMove move, int64_t unchanged) override {
    return call<Result<int64_t>>([this, move, unchanged] { return put(move, unchanged); }, broken(), broken());
  }
  Task<Result<int64_t>> flip(SlotMove move, StoredMove seen) override {
    const auto act = [this, move, seen]() -> Result<int64_t> {
      if (stored.slots_revision != seen.slots_revision) return 0;
      const Result<int64_t> done = put(move, seen.revision);
      if (*done == 0) return done;
      flips.push_back(move.epoch);
      stored.slots_revision = *done;
      return done;
    };
    return call<Result<int64_t>>(act, broken(), broken());
  }
  Task<Result<int64_t>> delete_move(uint64_t, int64_t unchanged) override {
    const auto act = [this, unchanged]() -> Result<int64_t> {
      if (stored.revision != unchanged) return 0;
      stored.revision = 0;
      return ++revision;
    };
    return call<Result<int64_t>>(act, broken(), broken());
  }
  Task<LogErrc> change_slots(ShardId shard, SlotChange change) override {
    const auto act = [this, shard, change] {
      if (shard == kFrom && !is_leader) return LogErrc::kNotLeader;
      return shards[shard].table.change(change) ? LogErrc::kOk : LogErrc::kNotOwner;
    };
    return call<LogErrc>(act, LogErrc::kTimedOut, LogErrc::kRefused);
  }
  Task<Result<SlotRange>> slot_state(ShardId shard, uint16_t slot) override {
    const auto act = [this, shard, slot]() -> Result<SlotRange> {
      if (!cannot_tell_slots.empty()) return fail(ClusterErrc::kFailed, cannot_tell_slots);
      return shards[shard].table.at(slot);
    };
    return call<Result<SlotRange>>(act, broken(), broken());
  }
  Task<LogErrc> wipe_slots(ShardId shard, SlotRange range) override {
    const auto act = [this, shard, range] {
      if (shard == kFrom && !is_leader) return LogErrc::kNotLeader;
      FakeShard& of = shards[shard];
      if (of.table.import(range.first, range.last, range.epoch, 0) == SlotTable::Import::kVoid) {
        return LogErrc::kNotOwner;
      }
      for (uint16_t slot = range.first; slot <= range.last; ++slot) of.data.erase(slot);
      return LogErrc::kOk;
    };
    return call<LogErrc>(act, LogErrc::kTimedOut, LogErrc::kRefused);
  }
  Task<LogErrc> import_slots(ImportCall import) override {
    const auto act = [this, import] {
      FakeShard& of = shards[import.shard];
      switch (of.table.import(import.first, import.last, import.epoch, import.sequence)) {
        case SlotTable::Import::kVoid:
          return LogErrc::kNotOwner;
        case SlotTable::Import::kDoubled:
          return LogErrc::kOk;
        case SlotTable::Import::kApply:
          break;
      }
      for (const OwnedCommand& command : import.commands) {
        if (command.code == 1) of.data[command.space] = std::stoull(command.args[0]);
        if (command.code == 2) of.data.erase(command.space);
      }
      return LogErrc::kOk;
    };
    return call<LogErrc>(act, LogErrc::kTimedOut, LogErrc::kRefused);
  }
  Task<Status> begin_export(ShardId, uint16_t first, uint16_t last) override { return begin_export(own_, first, last); }
  Task<Result<ExportPiece>> next_export(size_t) override { return next_export(own_); }
  void end_export() override { own_.is_running = false; }

  // Of one node.
  struct Export {
    bool is_running = false;
    std::set<uint16_t> changed;
  };
  Export other;  // of OtherNode
  Task<Status> begin_export(Export& walk, uint16_t first, uint16_t last) {
    co_await env::sleep_for(reactor_, kMillisecond);
    if (!is_leader) co_return fail(LogErrc::kNotLeader, "elsewhere");
    if (!cannot_export.empty()) co_return fail(LogErrc::kRefused, cannot_export);
    walk.is_running = true;
    walk.changed.clear();
    for (uint16_t slot = first; slot <= last; ++slot) {
      if (shards[kFrom].data.contains(slot)) walk.changed.insert(slot);
    }
    co_return Status();
  }
  Task<Result<ExportPiece>> next_export(Export& walk) {
    co_await env::sleep_for(reactor_, kMillisecond);
    clients();
    if (!is_leader) co_return fail(LogErrc::kNotLeader, "elsewhere");
    if (!walk.is_running) co_return fail(LogErrc::kDamaged, "nothing is exported");
    if (has_value_too_large) co_return fail(LogErrc::kTooLarge, "the value of key x\nis too large");
    ExportPiece piece;
    if (std::exchange(is_ever_lost, false)) {
      piece.state = SlotWalk::State::kLost;
      co_return piece;
    }
    for (int i = 0; i < 12 && !walk.changed.empty(); ++i) {
      const uint16_t slot = *walk.changed.begin();
      walk.changed.erase(walk.changed.begin());
      const auto found = shards[kFrom].data.find(slot);
      if (found == shards[kFrom].data.end()) {
        piece.commands.push_back({2, slot, {}});
      } else {
        piece.commands.push_back({1, slot, {std::to_string(found->second)}});
      }
      piece.bytes += 20'000;
    }
    piece.state = walk.changed.empty() ? SlotWalk::State::kDrained : SlotWalk::State::kMore;
    co_return piece;
  }
  Task<Status> followed(ShardId, int64_t) override {
    return call<Status>([] { return Status(); }, broken(), broken());
  }
  [[nodiscard]] bool is_given_up(uint64_t) const override { return stored.move.phase == MovePhase::kGivingUp; }
  [[nodiscard]] bool leads(ShardId shard) const override { return is_leader && shard == kFrom; }

  std::vector<uint64_t> flips;

 private:
  static std::unexpected<Error> broken() { return fail(ClusterErrc::kFailed, "it broke"); }
  Result<int64_t> put(const SlotMove& move, int64_t unchanged) {
    if (stored.revision != unchanged) return 0;
    stored.move = move;
    stored.revision = ++revision;
    return stored.revision;
  }
  void write(uint16_t slot, bool is_deletion) {
    for (const ShardId shard : {kFrom, kTo}) {
      if (!shards[shard].table.may_write(slot)) continue;
      if (is_deletion) {
        shards[shard].data.erase(slot);
        truth.erase(slot);
      } else {
        shards[shard].data[slot] = truth[slot] = ++last_value_;
      }
      if (shard == kFrom && slot <= kLast) {
        own_.changed.insert(slot);
        other.changed.insert(slot);
      }
      return;
    }
  }
  template <class T>
  Task<T> call(std::function<T()> act, T unknown, T refused) {
    ++calls;
    const Fault met = fault();
    co_await env::sleep_for(reactor_, kMillisecond);
    clients();
    switch (met) {
      case Fault::kNone:
        break;
      case Fault::kRefused:
        co_return refused;
      case Fault::kUnanswered:
        (void)act();
        co_return unknown;
      case Fault::kLate:
        tasks_.spawn(later(std::move(act)));
        co_return unknown;
      case Fault::kSlow:
        (void)act();
        co_await env::sleep_for(reactor_, 60 * kSecond);
        co_return unknown;
      case Fault::kCrashAfter:
        (void)act();
        [[fallthrough]];
      case Fault::kCrashBefore:
        is_crashed = true;
        co_await env::sleep_for(reactor_, 3600 * kSecond);
        co_return unknown;
    }
    T answer = act();
    co_await env::sleep_for(reactor_, kMillisecond);
    clients();
    co_return answer;
  }
  template <class T>
  Task<void> later(std::function<T()> act) {
    const int64_t in_ns = static_cast<int64_t>(random_.next() % 3000) * kMillisecond;
    co_await env::sleep_for(reactor_, in_ns);
    (void)act();
  }

  env::Reactor& reactor_;
  env::Random& random_;
  Export own_;
  uint64_t last_value_ = 0;
  int64_t stalled_since_ns_ = 0;
  env::TaskScope tasks_;
};

// Another node that believes that it leads.
class OtherNode final : public MoveWorld {
 public:
  explicit OtherNode(FakeWorld& world) : world_(world) {}
  Task<Result<StoredMove>> read_move(uint64_t id) override { return world_.read_move(id); }
  Task<Result<int64_t>> write_move(SlotMove move, int64_t unchanged) override {
    return world_.write_move(std::move(move), unchanged);
  }
  Task<Result<int64_t>> flip(SlotMove move, StoredMove seen) override {
    return world_.flip(std::move(move), std::move(seen));
  }
  Task<Result<int64_t>> delete_move(uint64_t id, int64_t unchanged) override {
    return world_.delete_move(id, unchanged);
  }
  Task<LogErrc> change_slots(ShardId shard, SlotChange change) override { return world_.change_slots(shard, change); }
  Task<Result<SlotRange>> slot_state(ShardId shard, uint16_t slot) override { return world_.slot_state(shard, slot); }
  Task<LogErrc> wipe_slots(ShardId shard, SlotRange range) override { return world_.wipe_slots(shard, range); }
  Task<LogErrc> import_slots(ImportCall import) override { return world_.import_slots(std::move(import)); }
  Task<Status> begin_export(ShardId, uint16_t first, uint16_t last) override {
    return world_.begin_export(world_.other, first, last);
  }
  Task<Result<ExportPiece>> next_export(size_t) override { return world_.next_export(world_.other); }
  void end_export() override { world_.other.is_running = false; }
  Task<Status> followed(ShardId shard, int64_t revision) override { return world_.followed(shard, revision); }
  [[nodiscard]] bool is_given_up(uint64_t id) const override { return world_.is_given_up(id); }
  [[nodiscard]] bool leads(ShardId shard) const override { return world_.leads(shard); }

 private:
  FakeWorld& world_;
};

class SlotMoverTest : public testing::Test {
 protected:
  void set_up(uint64_t seed) {
    mover_.reset();
    tasks_.reset();
    world.reset();
    sim_ = std::make_unique<env::sim::World>(seed);
    reactor_ = &sim_->add_node().reactor();
    world = std::make_unique<FakeWorld>(*reactor_, sim_->random());
    tasks_ = std::make_unique<env::TaskScope>(*reactor_);
  }
  ~SlotMoverTest() override {
    mover_.reset();
    tasks_.reset();
    world.reset();
  }
  void begin() {
    sim_->run_on(*reactor_, [this] {
      tasks_ = std::make_unique<env::TaskScope>(*reactor_);
      mover_ = std::make_unique<SlotMover>(*reactor_, *world, kId);
      tasks_->spawn(mover_->run());
    });
  }
  void drop() {
    sim_->run_on(*reactor_, [this] {
      tasks_.reset();
      mover_.reset();
      world->end_export();
    });
  }
  [[nodiscard]] bool is_over() const {
    return world->stored.revision == 0 || world->stored.move.phase == MovePhase::kFailed;
  }
  // As the driver does: again and again until it is over.
  void drive(int64_t for_ns = 1800 * kSecond) {
    const int64_t until = sim_->now_ns() + for_ns;
    while (!is_over() || mover_ == nullptr || mover_->progress().is_running) {
      ASSERT_LT(sim_->now_ns(), until) << (mover_ ? mover_->progress().error : "");
      if (std::exchange(world->is_crashed, false)) drop();
      if (mover_ != nullptr && !mover_->progress().is_running) drop();
      if (mover_ == nullptr) begin();
      sim_->run_for(10 * kMillisecond);
      sim_->run_on(*reactor_, [this] { world->clients(); });
      if (HasFatalFailure()) return;
    }
    sim_->run_for(100 * kSecond);  // what is late
  }
  void expect_moved() {
    EXPECT_EQ(world->stored.revision, 0);
    EXPECT_EQ(world->flips.size(), 1U);
    EXPECT_EQ(world->shards[kFrom].table.at(kFirst).state, SlotState::kGone);
    EXPECT_EQ(world->shards[kTo].table.at(kLast).state, SlotState::kOwned);
    std::map<uint16_t, uint64_t> all = world->shards[kTo].data;
    for (const auto& [slot, value] : world->shards[kFrom].data) {
      EXPECT_EQ(slot, kStays);
      all[slot] = value;
    }
    EXPECT_EQ(all, world->truth);
  }
  void expect_stayed() {
    EXPECT_EQ(world->stored.move.phase, MovePhase::kFailed);
    EXPECT_TRUE(world->flips.empty());
    EXPECT_EQ(world->shards[kFrom].table.at(kFirst).state, SlotState::kOwned);
    EXPECT_EQ(world->shards[kTo].table.at(kLast).state, SlotState::kGone);
    EXPECT_TRUE(world->shards[kTo].data.empty());
    EXPECT_EQ(world->shards[kFrom].data, world->truth);
  }
  // The call with that number meets this, all others nothing.
  void fault_at(uint64_t number, Fault fault) {
    world->fault = [this, number, fault] { return world->calls == number ? fault : Fault::kNone; };
  }

  std::unique_ptr<env::sim::World> sim_;
  env::Reactor* reactor_ = nullptr;
  std::unique_ptr<FakeWorld> world;
  std::unique_ptr<SlotMover> mover_;
  std::unique_ptr<env::TaskScope> tasks_;
};

TEST_F(SlotMoverTest, MovesWhileClientsWrite) {
  env::sim::for_each_seed(1, 20, [&](uint64_t seed) {
    set_up(seed);
    drive();
    expect_moved();
    EXPECT_LT(world->longest_stall_ns, 200 * kMillisecond);
    EXPECT_EQ(world->stored.move.attempt, 1U);
  });
}

TEST_F(SlotMoverTest, EachStepMayBeCutOffInEachWay) {
  set_up(1);
  drive();
  const uint64_t calls = world->calls;
  ASSERT_GT(calls, 10U);
  for (const Fault fault : kFaults) {
    for (uint64_t number = 1; number <= calls; ++number) {
      SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault)) + " at call " + std::to_string(number));
      set_up(1);
      fault_at(number, fault);
      drive();
      expect_moved();
      EXPECT_LT(world->longest_stall_ns, kSecond);
      if (HasFailure()) return;
    }
  }
}

TEST_F(SlotMoverTest, ManyFaults) {
  env::sim::for_each_seed(1, 300, [&](uint64_t seed) {
    set_up(seed);
    env::Random& random = sim_->random();
    const uint64_t one_in = 3 + random.next() % 20;
    world->fault = [&random, one_in, this] {
      if (world->calls > 400 || random.next() % one_in != 0) return Fault::kNone;
      return kFaults[random.next() % std::size(kFaults)];
    };
    if (seed % 3 == 0) world->is_ever_lost = true;
    drive(24 * 3600 * kSecond);
    expect_moved();
  });
}

TEST_F(SlotMoverTest, AValueThatCannotTravelEndsTheMove) {
  for (uint64_t number = 0; number < 30; ++number) {
    for (const Fault fault : kFaults) {
      set_up(2);
      fault_at(number, fault);
      world->has_value_too_large = true;
      drive();
      expect_stayed();
      EXPECT_EQ(world->stored.move.why, "the value of key x is too large");
    }
  }
}

TEST_F(SlotMoverTest, AnEngineWithoutSlotsEndsTheMove) {
  set_up(3);
  world->cannot_export = "no slots here";
  drive();
  expect_stayed();
  EXPECT_EQ(world->stored.move.why, "no slots here");
}

TEST_F(SlotMoverTest, SlotsThatTheShardDoesNotHaveEndTheMove) {
  set_up(4);
  world->stored.move.last = 8200;  // of the other
  drive();
  EXPECT_EQ(world->stored.move.phase, MovePhase::kFailed);
  EXPECT_EQ(world->stored.move.why, "shard 0 does not have all of these slots");
  EXPECT_EQ(world->shards[kFrom].table.at(kFirst).state, SlotState::kOwned);
  EXPECT_EQ(world->shards[kTo].table.at(8200).state, SlotState::kOwned);
}

TEST_F(SlotMoverTest, NodeOfAnOlderVersionFreezesNothing) {
  set_up(5);
  world->cannot_tell_slots = "node 2 does not know how to move slots";
  begin();
  for (int i = 0; i < 1000; ++i) {
    sim_->run_for(100 * kMillisecond);
    sim_->run_on(*reactor_, [this] { world->clients(); });
  }
  EXPECT_EQ(world->longest_stall_ns, 0);
  EXPECT_EQ(mover_->progress().error, "node 2 does not know how to move slots");
  EXPECT_LT(world->stored.move.attempt, 12U);  // it takes its time
  world->cannot_tell_slots.clear();            // and is replaced
  drive();
  expect_moved();
}

// Pieces of attempts of other moves that were given up while the shard could not be reached.
TEST_F(SlotMoverTest, WhatOtherAttemptsHaveLeftIsClearedAway) {
  set_up(6);
  SlotChange left;
  left.first = kFirst + 3;
  left.last = kFirst + 9;
  left.state = SlotState::kImporting;
  left.epoch = 50;
  ASSERT_TRUE(world->shards[kTo].table.change(left));
  world->shards[kTo].data[kFirst + 3] = 1;
  world->shards[kTo].data[kFirst + 4] = 1;
  drive();
  expect_moved();
}

TEST_F(SlotMoverTest, ALostLeadEndsItHereAndTheNextLeaderCarriesOn) {
  env::sim::for_each_seed(1, 40, [&](uint64_t seed) {
    set_up(seed);
    begin();
    sim_->run_for(static_cast<int64_t>(seed) * 2 * kMillisecond);
    sim_->run_on(*reactor_, [this] { world->is_leader = false; });
    sim_->run_for(30 * kSecond);
    EXPECT_FALSE(mover_->progress().is_running);
    drop();
    sim_->run_on(*reactor_, [this] { world->is_leader = true; });
    drive();
    expect_moved();
  });
}

TEST_F(SlotMoverTest, AStopLeavesNothingFrozen) {
  env::sim::for_each_seed(1, 60, [&](uint64_t seed) {
    set_up(seed);
    begin();
    sim_->run_for(static_cast<int64_t>(seed) * kMillisecond);
    sim_->run_on(*reactor_, [this] { mover_->stop(); });
    sim_->run_for(3 * kSecond);
    EXPECT_FALSE(mover_->progress().is_running);
    EXPECT_TRUE(world->shards[kFrom].table.may_write(kFirst) || world->shards[kTo].table.may_write(kFirst));
    drive();
    expect_moved();
  });
}

TEST_F(SlotMoverTest, GivenUpByPeopleAtAnyTime) {
  unsigned stayed = 0;
  env::sim::for_each_seed(1, 150, [&](uint64_t seed) {
    set_up(seed);
    begin();
    sim_->run_for(static_cast<int64_t>(seed) * kMillisecond);
    sim_->run_on(*reactor_, [this] {
      if (world->stored.revision == 0 || world->stored.move.phase != MovePhase::kCopying) return;
      world->stored.move.phase = MovePhase::kGivingUp;
      world->stored.revision = ++world->revision;
    });
    drive();
    if (world->stored.revision == 0) {
      expect_moved();
    } else {
      expect_stayed();
      ++stayed;
    }
  });
  EXPECT_GT(stayed, 10U);
  EXPECT_LT(stayed, 150U);
}

// Two nodes that both believe that they lead: both work at it, and it is right all the same.
TEST_F(SlotMoverTest, TwoAtATime) {
  env::sim::for_each_seed(1, 60, [&](uint64_t seed) {
    set_up(seed);
    begin();
    OtherNode node(*world);
    std::unique_ptr<SlotMover> other;
    std::unique_ptr<env::TaskScope> others;
    sim_->run_for(static_cast<int64_t>(seed) * kMillisecond);
    sim_->run_on(*reactor_, [&] {
      others = std::make_unique<env::TaskScope>(*reactor_);
      other = std::make_unique<SlotMover>(*reactor_, node, kId);
      others->spawn(other->run());
    });
    drive();
    while (other->progress().is_running) sim_->run_for(kSecond);
    expect_moved();
    others.reset();
    other.reset();
  });
}

}  // namespace
}  // namespace keelson::cluster
