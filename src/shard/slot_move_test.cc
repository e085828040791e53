// Slots move from shard to shard, by Runtime's calls alone, while clients write and nodes fail: nothing is lost,
// nothing doubled, and one shard alone has a slot at every moment.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "env/sim/gtest_seeds.h"
#include "shard/cluster_harness.h"

namespace keelson::shard {
namespace {

using namespace cluster_harness;
using enum SlotState;
using State = engine::SlotWalk::State;

constexpr size_t kNodes = 3;
constexpr size_t kBatchBytes = 200;  // so that a move has many records
constexpr uint64_t kBatchesMax = 30;

// Appends to a key of its own, again and again, and reads it; always on node 1, which never fails.
class Writer {
 public:
  Writer(Cluster& cluster, uint64_t number) : cluster_(cluster), key_("key-" + std::to_string(number)) {}

  Task<void> run() {
    env::Reactor& here = cluster_.home(1);
    for (uint64_t i = 0; !is_stopping; ++i) {
      const std::string token = std::to_string(i) + ",";
      const int64_t began_ns = here.clock().monotonic_ns();
      for (;;) {
        TextOperation append(kAppend, key_, token);
        co_await submit(append);
        if (append.outcome == LogErrc::kOk) {
          acknowledged.push_back(token);
          // What is not known may stand before it.
          if (uncertain.empty()) EXPECT_EQ(append.sink.text, joined()) << key_;
          break;
        }
        if (append.outcome == LogErrc::kTimedOut) {
          uncertain.insert(token);
          break;
        }
        co_await env::sleep_for(here, 5 * env::sim::kMillisecond);
      }
      longest_ns = std::max(longest_ns, here.clock().monotonic_ns() - began_ns);
      if (i % 3 == 0) co_await read();
      co_await env::sleep_for(here, 3 * env::sim::kMillisecond);
    }
    is_over = true;
  }

  [[nodiscard]] std::string joined() const {
    std::string all;
    for (const std::string& token : acknowledged) all += token;
    return all;
  }
  // Everything acknowledged is there, once, in its order; and nothing else but what is uncertain.
  void judge(const std::string& value) const {
    std::vector<std::string> known;
    std::set<std::string> seen;
    for (size_t begin = 0; begin < value.size();) {
      const size_t end = value.find(',', begin) + 1;
      const std::string token = value.substr(begin, end - begin);
      EXPECT_TRUE(seen.insert(token).second) << key_ << ": twice: " << token;
      if (!uncertain.contains(token)) known.push_back(token);
      begin = end;
    }
    EXPECT_EQ(known, acknowledged) << key_;
  }
  [[nodiscard]] const std::string& key() const { return key_; }

  std::vector<std::string> acknowledged;
  std::set<std::string> uncertain;
  int64_t longest_ns = 0;
  bool is_stopping = false;
  bool is_over = false;

 private:
  Task<void> read() {
    TextOperation look(kRead, key_, "");
    const std::string before = joined();
    co_await submit(look);
    if (look.outcome == LogErrc::kOk && uncertain.empty()) EXPECT_EQ(look.sink.text, before) << key_;
  }
  Task<void> submit(TextOperation& operation) {
    Batch batch(cluster_.runtime(1), cluster_.home(1));
    batch.add(operation, cluster_.runtime(1).router().shard_of(key_));
    if (!batch.run()) co_await batch.done();
  }

  Cluster& cluster_;
  const std::string key_;
};

// A cluster of three nodes and three shards, writers, and a move of one range: what cluster::Service does, in short.
class MoveHouse {
 public:
  explicit MoveHouse(uint64_t seed, size_t writers = 12)
      : cluster(seed, kNodes, kNodes, true), scope_(std::make_unique<env::TaskScope>(cluster.home(1))) {
    for (uint64_t i = 0; i < writers; ++i) writers_.push_back(std::make_unique<Writer>(cluster, i));
    for (ShardId shard = 0; shard < kShards; ++shard) EXPECT_NE(cluster.wait_for_leader(shard), 0U);
    cluster.world.run_on(cluster.home(1), [this] {
      for (auto& writer : writers_) scope_->spawn(writer->run());
    });
  }
  ~MoveHouse() {
    stop();
    scope_.reset();
  }

  // On the node that leads it.
  template <class Ask>
  LogErrc ask(ShardId shard, Ask ask_one) {
    const NodeId leader = cluster.wait_for_leader(shard);
    if (leader == 0) return LogErrc::kNoLeader;
    return cluster.world.run(cluster.home(leader), ask_one(cluster.runtime(leader), cluster.home(leader)));
  }
  LogErrc change(ShardId shard, SlotChange to) {
    return ask(shard, [&](Runtime& runtime, env::Reactor& here) { return runtime.change_slots(here, shard, to); });
  }
  LogErrc import(ShardId shard, const SlotImport& record) {
    return ask(shard, [&](Runtime& runtime, env::Reactor& here) { return runtime.import_slots(here, shard, record); });
  }
  LogErrc wipe(ShardId shard, uint64_t epoch) {
    return ask(shard, [&](Runtime& runtime, env::Reactor& here) {
      return runtime.wipe_slots(here, shard, first, last, epoch);
    });
  }
  Result<SlotRange> state(ShardId shard, uint16_t slot) {
    const NodeId leader = cluster.wait_for_leader(shard);
    return cluster.world.run(cluster.home(leader),
                             cluster.runtime(leader).slot_state(cluster.home(leader), shard, slot));
  }
  // Whatever it takes.
  void insist(ShardId shard, SlotChange to) {
    LogErrc outcome = LogErrc::kRefused;
    for (int i = 0; i < 100 && outcome != LogErrc::kOk; ++i) {
      outcome = change(shard, to);
      if (outcome != LogErrc::kOk) cluster.world.run_for(20 * env::sim::kMillisecond);
    }
    EXPECT_EQ(outcome, LogErrc::kOk);
  }

  // One attempt up to the flip. False: it has failed, and another one is to come.
  bool copy(ShardId from, ShardId to, uint64_t epoch) {
    if (change(from, {first, last, kOwned, epoch, 0}) != LogErrc::kOk) return false;
    if (change(to, {first, last, kImporting, epoch, 0}) != LogErrc::kOk) return false;
    if (wipe(to, epoch) != LogErrc::kOk) return false;
    between();
    walker_ = cluster.wait_for_leader(from);
    env::Reactor& here = cluster.home(walker_);
    auto begun = cluster.world.run(here, cluster.runtime(walker_).export_slots(here, from, first, last));
    if (!begun.ok()) return false;
    walk_ = std::move(*begun);
    const bool is_copied = carry(from, to, epoch);
    walk_.reset();
    return is_copied;
  }
  bool carry(ShardId from, ShardId to, uint64_t epoch) {
    uint64_t sequence = 0;
    bool is_frozen = false;
    while (walk_ != nullptr) {
      auto batch = cluster.world.run(cluster.home(walker_), walk_->next(kBatchBytes));
      if (!batch.ok() || batch->state == State::kLost) return false;
      const bool is_drained = batch->state == State::kDrained;
      if (!batch->commands.empty() && !send(to, {first, last, epoch, ++sequence, std::move(batch->commands)})) {
        return false;
      }
      if (is_drained && is_frozen) {
        between();
        return send(to, {first, last, epoch, ++sequence, {}});
      }
      // Clients may write faster than this reads.
      if (is_frozen || (!is_drained && sequence < kBatchesMax)) continue;
      between();
      if (change(from, {first, last, kFrozen, epoch, 0}) != LogErrc::kOk) return false;
      is_frozen = true;
    }
    return false;
  }
  // Doubled now and then, and again if nobody knows.
  bool send(ShardId to, const SlotImport& record) {
    for (int i = 0; i < 20; ++i) {
      const LogErrc outcome = import(to, record);
      if (outcome == LogErrc::kOk && cluster.world.random().next() % 4 != 0) return true;
      if (outcome != LogErrc::kOk && outcome != LogErrc::kTimedOut && outcome != LogErrc::kRefused) return false;
    }
    return false;
  }
  void move(ShardId from, ShardId to) {
    bool is_copied = false;
    for (int tries = 0; tries < 40 && !is_copied; ++tries) {
      is_copied = copy(from, to, ++epoch_);
      if (!is_copied) cluster.world.run_for(50 * env::sim::kMillisecond);
    }
    ASSERT_TRUE(is_copied);
    for (NodeId id = 1; id <= kNodes; ++id) cluster.runtime(id).slot_map()->set(first, last, to);
    insist(from, {first, last, kGone, epoch_, 0});
    between();
    insist(to, {first, last, kOwned, epoch_, 0});
    between();
    LogErrc wiped = LogErrc::kRefused;
    for (int i = 0; i < 100 && wiped != LogErrc::kOk; ++i) wiped = wipe(from, epoch_);
    EXPECT_EQ(wiped, LogErrc::kOk);
  }
  // What may happen at any moment of a move.
  void between() {
    if (!has_faults) return;
    env::Random& random = cluster.world.random();
    cluster.world.run_for(static_cast<int64_t>(random.next() % 40) * env::sim::kMillisecond);
    const NodeId victim = 2 + random.next() % 2;
    const auto shard = static_cast<ShardId>(random.next() % kShards);
    switch (random.next() % 6) {
      case 0: {
        const NodeId leader = cluster.wait_for_leader(shard);
        static_cast<void>(cluster.world.run(
            cluster.home(leader),
            cluster.runtime(leader).transfer_leader(cluster.home(leader), shard, 1 + random.next() % kNodes)));
        break;
      }
      case 1: {
        if (walker_ == victim) walk_.reset();
        const ShardId owner = cluster.runtime(1).router().shard_of_slot(first);
        cluster.crash(victim);
        cluster.start(victim);
        cluster.runtime(victim).slot_map()->set(first, last, owner);
        break;
      }
      case 2:
        EXPECT_TRUE(cluster.world.run(cluster.home(victim), cluster.runtime(victim).checkpoint_all()).ok());
        break;
      default:
        break;
    }
  }
  void stop() {
    for (auto& writer : writers_) writer->is_stopping = true;
    EXPECT_TRUE(cluster.world.run_until(
        [&] { return std::all_of(writers_.begin(), writers_.end(), [](auto& writer) { return writer->is_over; }); },
        60 * env::sim::kSecond));
  }
  void judge() {
    stop();
    cluster.expect_same({1, 2, 3});
    const Router& router = cluster.runtime(1).router();
    for (const auto& writer : writers_) {
      const ShardId owner = router.shard_of(writer->key());
      for (ShardId shard = 0; shard < kShards; ++shard) {
        const auto& values = cluster.peer(1).engines[shard]->values;
        const auto found = values.find(writer->key());
        if (shard == owner) {
          writer->judge(found == values.end() ? "" : found->second);
        } else {
          EXPECT_EQ(found, values.end()) << writer->key() << " is left on shard " << shard;
        }
      }
      EXPECT_FALSE(writer->acknowledged.empty());
    }
    for (uint16_t slot : {first, last}) {
      size_t owners = 0;
      for (ShardId shard = 0; shard < kShards; ++shard) {
        const auto is = state(shard, slot);
        ASSERT_TRUE(is.ok()) << is.error().message();
        owners += is->state == kOwned ? 1 : 0;
        EXPECT_TRUE(is->state == kOwned || is->state == kGone);
        EXPECT_EQ(is->state == kOwned, shard == router.shard_of_slot(slot));
      }
      EXPECT_EQ(owners, 1U);
    }
    for (NodeId id = 1; id <= kNodes; ++id) {
      for (TextEngine* engine : cluster.peer(id).engines) EXPECT_EQ(engine->walks(), 0U);
    }
  }
  [[nodiscard]] int64_t longest_ns() const {
    int64_t longest = 0;
    for (const auto& writer : writers_) longest = std::max(longest, writer->longest_ns);
    return longest;
  }

  Cluster cluster;
  uint16_t first = 0;
  uint16_t last = 5000;  // of shard 0's 5462
  bool has_faults = false;

 private:
  std::vector<std::unique_ptr<Writer>> writers_;
  std::unique_ptr<env::TaskScope> scope_;
  uint64_t epoch_ = 0;
  std::unique_ptr<SlotExport> walk_;
  NodeId walker_ = 0;
};

TEST(SlotMove, CarriesEverythingWhileClientsWrite) {
  env::sim::for_each_seed(1, 10, [](uint64_t seed) {
    MoveHouse house(seed);
    house.cluster.world.run_for(100 * env::sim::kMillisecond);
    house.move(0, 2);
    house.cluster.world.run_for(100 * env::sim::kMillisecond);
    house.move(2, 1);
    house.first = 1000;
    house.last = 2000;
    house.move(1, 0);
    EXPECT_LT(house.longest_ns(), 500 * env::sim::kMillisecond) << "nobody waits for long";
    house.judge();
  });
}

TEST(SlotMove, LivesThroughFailures) {
  env::sim::for_each_seed(1, 15, [](uint64_t seed) {
    MoveHouse house(seed, 8);
    house.has_faults = true;
    ShardId from = 0;
    for (int round = 0; round < 4; ++round) {
      const auto to = static_cast<ShardId>((from + 1 + house.cluster.world.random().next() % 2) % kShards);
      house.move(from, to);
      if (testing::Test::HasFatalFailure()) return;
      house.cluster.world.run_for(200 * env::sim::kMillisecond);
      from = to;
    }
    house.judge();
  });
}

// A range is on its way, the node goes down and comes back: from its checkpoint and from the log it has the same table.
TEST(SlotMove, IsInCheckpoints) {
  env::sim::for_each_seed(1, 5, [](uint64_t seed) {
    MoveHouse house(seed, 6);
    Cluster& cluster = house.cluster;
    house.insist(0, {0, 100, kOwned, 7, 0});
    house.insist(0, {0, 100, kFrozen, 7, 0});
    house.insist(1, {0, 100, kImporting, 7, 0});
    EXPECT_EQ(house.import(1, {0, 100, 7, 1, {}}), LogErrc::kOk);
    EXPECT_EQ(house.import(1, {0, 100, 7, 2, {}}), LogErrc::kOk);
    if (seed % 2 == 0) {
      for (NodeId id = 1; id <= kNodes; ++id) {
        EXPECT_TRUE(cluster.world.run(cluster.home(id), cluster.runtime(id).checkpoint_all()).ok());
      }
    }
    cluster.crash(2);
    cluster.start(2);
    const auto is_there = [&] {
      return cluster.runtime(2).shard(0).replica()->slots().at(50) == SlotRange{0, 100, kFrozen, 7, 0} &&
             cluster.runtime(2).shard(1).replica()->slots().at(50) == SlotRange{0, 100, kImporting, 7, 2};
    };
    EXPECT_TRUE(cluster.world.run_until(is_there, 30 * env::sim::kSecond));
    EXPECT_EQ(house.import(1, {0, 100, 7, 2, {}}), LogErrc::kOk) << "doubled";
    EXPECT_EQ(house.import(1, {0, 100, 7, 4, {}}), LogErrc::kNotOwner);
    const auto is = house.state(1, 3);
    ASSERT_TRUE(is.ok());
    EXPECT_EQ(*is, (SlotRange{0, 100, kImporting, 7, 2}));
    house.insist(0, {0, 100, kOwned, 8, 0});
    house.insist(1, {0, 100, kGone, 8, 0});
  });
}

TEST(SlotMove, IsForTheLeaderAlone) {
  MoveHouse house(1, 1);
  Cluster& cluster = house.cluster;
  const NodeId leader = cluster.wait_for_leader(0);
  const NodeId other = leader % kNodes + 1;
  env::Reactor& here = cluster.home(other);
  Runtime& runtime = cluster.runtime(other);
  EXPECT_EQ(cluster.world.run(here, runtime.change_slots(here, 0, {0, 9, kOwned, 1, 0})), LogErrc::kNotLeader);
  EXPECT_EQ(cluster.world.run(here, runtime.import_slots(here, 0, {0, 9, 1, 1, {}})), LogErrc::kNotLeader);
  EXPECT_EQ(cluster.world.run(here, runtime.wipe_slots(here, 0, 0, 9, 1)), LogErrc::kNotLeader);
  EXPECT_EQ(cluster.world.run(here, runtime.slot_state(here, 0, 3)).error().code(), LogErrc::kNotLeader);
  EXPECT_EQ(cluster.world.run(here, runtime.export_slots(here, 0, 0, 9)).error().code(), LogErrc::kNotLeader);
  EXPECT_EQ(house.wipe(0, 0), LogErrc::kNotOwner) << "owned, and full";
}

// The one who reads an export loses the lead: the handle says so, and the engine is rid of the walk.
TEST(SlotMove, EndsAnExportWithTheLead) {
  env::sim::for_each_seed(1, 5, [](uint64_t seed) {
    MoveHouse house(seed, 6);
    Cluster& cluster = house.cluster;
    const NodeId leader = cluster.wait_for_leader(0);
    env::Reactor& here = cluster.home(leader);
    auto walk = cluster.world.run(here, cluster.runtime(leader).export_slots(here, 0, 0, 5000));
    ASSERT_TRUE(walk.ok());
    EXPECT_TRUE(cluster.world.run(here, (*walk)->next(100)).ok());
    EXPECT_EQ(cluster.peer(leader).engines[0]->walks(), 1U);
    static_cast<void>(cluster.world.run(here, cluster.runtime(leader).transfer_leader(here, 0, leader % kNodes + 1)));
    EXPECT_TRUE(
        cluster.world.run_until([&] { return cluster.peer(leader).engines[0]->walks() == 0; }, 30 * env::sim::kSecond));
    const auto next = cluster.world.run(here, (*walk)->next(100));
    ASSERT_FALSE(next.ok());
    EXPECT_EQ(next.error().code(), LogErrc::kNotLeader);
    cluster.world.run_on(here, [&] { walk->reset(); });
    cluster.world.run_for(env::sim::kMillisecond);
  });
}

TEST(SlotMove, BeginsAnewAfterAFlush) {
  MoveHouse house(1, 4);
  Cluster& cluster = house.cluster;
  house.insist(0, {0, 5000, kOwned, 7, 0});
  const NodeId leader = cluster.wait_for_leader(0);
  env::Reactor& here = cluster.home(leader);
  house.stop();
  auto walk = cluster.world.run(here, cluster.runtime(leader).export_slots(here, 0, 0, 5000));
  ASSERT_TRUE(walk.ok());
  // A flush of that shard.
  const auto flush = cluster.run(leader, kFlush, "");
  ShardId flushed = cluster.runtime(leader).router().shard_of("");
  EXPECT_EQ(flush->outcome, LogErrc::kOk);
  ASSERT_EQ(flushed, 0) << "slot 0 is shard 0's";
  const auto next = cluster.world.run(here, (*walk)->next(100));
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(next->state, State::kLost);
}

}  // namespace
}  // namespace keelson::shard
