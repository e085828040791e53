// Runtimes of several simulated nodes whose shards are replicated by real Raft members, over a wire of this test's own:
// restarts, nodes that were away for long, nodes that come and go.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/coding.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "log/checkpoint_file.h"
#include "raft/checkpoint.h"
#include "shard/batch.h"
#include "shard/cluster_harness.h"
#include "shard/runtime.h"

namespace keelson::shard {
namespace {

using namespace cluster_harness;

// Nobody's batch.
class StaleRead final : public Operation {
 public:
  StaleRead() {
    commands = {&command_, 1};
    is_stale = true;
  }
  engine::ReplySink& open_reply() override { return sink_; }
  void finished(LogErrc result) override { outcome = result; }
  std::optional<LogErrc> outcome;

 private:
  const std::vector<std::string_view> args_{"key"};
  const engine::Command command_{kRead, 0, args_};
  TextSink sink_;
};

Task<void> remove(Runtime& runtime, env::Reactor& here, std::vector<Status>& answers) {
  answers.push_back(co_await runtime.remove_replica(here, 0));
}

TEST(Cluster, AnyNodeTakesWritesAndReads) {
  env::sim::for_each_seed(1, 10, [](uint64_t seed) {
    Cluster cluster(seed, 3, 3);
    std::map<std::string, std::string> expected;
    for (uint64_t i = 0; i < 60; ++i) {
      const NodeId at = 1 + i % 3;
      const auto write = cluster.run(at, kAppend, key_of(i % 7), std::to_string(i) + ",");
      ASSERT_EQ(write->outcome, LogErrc::kOk);
      expected[key_of(i % 7)] += std::to_string(i) + ",";
      EXPECT_EQ(write->sink.text, expected[key_of(i % 7)]);
      const auto read = cluster.run(1 + (i + 1) % 3, kRead, key_of(i % 7));
      ASSERT_EQ(read->outcome, LogErrc::kOk);
      EXPECT_EQ(read->sink.text, expected[key_of(i % 7)]) << "at once on another node";
    }
    cluster.expect_same({1, 2, 3});
  });
}

TEST(Cluster, SurvivesCrashesOfEachNode) {
  env::sim::for_each_seed(1, 10, [](uint64_t seed) {
    Cluster cluster(seed, 3, 3);
    std::map<std::string, std::string> expected;
    for (uint64_t i = 0; i < 60; ++i) {
      if (i % 10 == 5) cluster.crash(1 + (i / 10) % 3);
      NodeId at = 1 + i % 3;
      while (cluster.peer(at).runtime == nullptr) at = at % 3 + 1;
      const auto write = cluster.run(at, kAppend, key_of(i % 7), std::to_string(i) + ",");
      ASSERT_EQ(write->outcome, LogErrc::kOk) << i;
      expected[key_of(i % 7)] += std::to_string(i) + ",";
      if (i % 10 == 9) cluster.start(1 + (i / 10) % 3);
    }
    cluster.expect_same({1, 2, 3});
    std::map<std::string, std::string> state;
    for (TextEngine* engine : cluster.peer(2).engines) state.insert(engine->values.begin(), engine->values.end());
    EXPECT_EQ(state, expected) << "what was acknowledged is there, once";
  });
}

// The others' logs have been trimmed: only a checkpoint helps the node that was away.
TEST(Cluster, BringsBackWhoWasAwayByACheckpoint) {
  env::sim::for_each_seed(1, 10, [](uint64_t seed) {
    Cluster cluster(seed, 3, 3);
    for (uint64_t i = 0; i < 5; ++i) ASSERT_EQ(cluster.run(3, kAppend, key_of(i), "a,")->outcome, LogErrc::kOk);
    cluster.crash(3);
    for (uint64_t i = 0; i < 150; ++i) {
      ASSERT_EQ(cluster.run(1 + i % 2, kAppend, key_of(i % 7), std::to_string(i) + ",")->outcome, LogErrc::kOk);
      if (i == 100) {
        for (NodeId id = 1; id <= 2; ++id) {
          EXPECT_TRUE(cluster.world.run(cluster.home(id), cluster.runtime(id).checkpoint_all()).ok());
        }
      }
    }
    cluster.start(3);
    cluster.expect_same({1, 2, 3});
    EXPECT_GT(cluster.files(), 0);
    // What it took over is its own now, and survives.
    cluster.crash(3);
    cluster.start(3);
    ASSERT_EQ(cluster.run(3, kAppend, key_of(1), "z,")->outcome, LogErrc::kOk) << cluster.tell();
    cluster.expect_same({1, 2, 3});
  });
}

TEST(Cluster, AnswersNothingFromACheckpointThatCannotBeLoaded) {
  Cluster cluster(1, 3, 3);
  StaleRead read;
  cluster.bring_back_by_checkpoints(3, [&](ShardId shard) -> Status {
    if (shard == 0) cluster.runtime(3).shard(0).submit(read);  // waits, for the state is being replaced
    return fail(LogErrc::kDamaged, "the test's engine does not load it");
  });
  EXPECT_TRUE(cluster.world.run_until([&] { return read.outcome.has_value(); }, 30 * env::sim::kSecond));
  EXPECT_EQ(read.outcome, LogErrc::kDamaged);
  ASSERT_EQ(cluster.run(1, kAppend, key_of(1), "b,")->outcome, LogErrc::kOk) << "the others go on";
}

TEST(Cluster, TakesACheckpointOverOnceThereIsRoom) {
  Cluster cluster(1, 3, 3);
  int tries = 0;
  cluster.bring_back_by_checkpoints(3, [&](ShardId shard) -> Status {
    if (shard == 0 && ++tries <= 3) return fail(env::DiskErrc::kFull, "the test's disk has no room");
    return {};
  });
  EXPECT_TRUE(cluster.world.run_until([&] { return tries > 3; }, 30 * env::sim::kSecond));
  cluster.expect_same({1, 2, 3});
}

// Whoever is behind gets it from another one then.
TEST(Cluster, WhoCannotWriteACheckpointForAPeerLeadsNoMore) {
  Cluster cluster(1, 3, 3);
  const NodeId bad = cluster.wait_for_leader(0);
  ASSERT_NE(bad, 0U);
  const NodeId behind = bad % 3 + 1;
  cluster.peer(bad).engines[0]->durable = []() -> Status {
    return fail(env::DiskErrc::kIo, "the test's disk does not sync");
  };
  bool has_loaded = false;
  cluster.bring_back_by_checkpoints(behind, [&](ShardId shard) -> Status {
    has_loaded |= shard == 0;
    return {};
  });
  cluster.expect_same({1, 2, 3});
  EXPECT_TRUE(has_loaded);
  EXPECT_NE(cluster.wait_for_leader(0), bad);
}

TEST(Cluster, RemovesAReplicaThatTakesACheckpointOver) {
  Cluster cluster(1, 3, 3);
  bool is_loading = false;
  cluster.bring_back_by_checkpoints(3, [&](ShardId shard) -> Status {
    is_loading |= shard == 0;
    return {};
  });
  EXPECT_TRUE(cluster.world.run_until([&] { return is_loading; }, 30 * env::sim::kSecond));
  const Status removed = cluster.world.run(cluster.home(3), cluster.runtime(3).remove_replica(cluster.home(3), 0));
  EXPECT_TRUE(removed.ok()) << removed.error().message();
  EXPECT_TRUE(cluster.peer(3).engines[0]->values.empty());
  const auto status = cluster.world.run(cluster.home(3), cluster.runtime(3).group_status(cluster.home(3), 0));
  EXPECT_FALSE(status.has_value());
}

// Whoever asked and got no answer asks again.
TEST(Cluster, RemovesAReplicaOnceWhoeverAsks) {
  Cluster cluster(1, 3, 3);
  for (uint64_t i = 0; i < 20; ++i) ASSERT_EQ(cluster.run(1, kAppend, key_of(i), "a,")->outcome, LogErrc::kOk);
  std::vector<Status> answers;
  env::TaskScope scope(cluster.home(3));
  cluster.world.run_on(cluster.home(3), [&] {
    for (int i = 0; i < 2; ++i) scope.spawn(remove(cluster.runtime(3), cluster.home(3), answers));
  });
  EXPECT_TRUE(cluster.world.run_until([&] { return answers.size() == 2; }, 30 * env::sim::kSecond));
  EXPECT_TRUE(answers.at(0).ok());
  EXPECT_EQ(answers.at(1).error().code(), LogErrc::kRefused);
}

TEST(Cluster, ALeavingReplicaLeavesFilesThatAreHeld) {
  Cluster cluster(1, 3, 3);
  for (uint64_t i = 0; i < 20; ++i) ASSERT_EQ(cluster.run(1, kAppend, key_of(i), "a,")->outcome, LogErrc::kOk);
  cluster.expect_same({1, 2, 3});
  EXPECT_TRUE(cluster.world.run(cluster.home(3), cluster.runtime(3).checkpoint_all()).ok());
  const auto paths = [&] {
    std::vector<std::string> found;
    const auto files = log::list_checkpoints(cluster.peer(3).machine->env().disk(), "data/checkpoints");
    EXPECT_TRUE(files.ok());
    for (const log::CheckpointFile& file : *files) found.push_back(file.path);
    return found;
  };
  const std::vector<std::string> before = paths();
  EXPECT_EQ(before.size(), kShards);
  std::vector<Status> answers;
  env::TaskScope scope(cluster.home(3));
  cluster.world.run_on(cluster.home(3), [&] {
    cluster.runtime(3).hold_files();
    scope.spawn(remove(cluster.runtime(3), cluster.home(3), answers));
  });
  cluster.world.run_for(env::sim::kSecond);
  EXPECT_EQ(paths(), before);
  cluster.world.run_on(cluster.home(3), [&] { cluster.runtime(3).release_files(); });
  EXPECT_TRUE(cluster.world.run_until([&] { return !answers.empty(); }, 30 * env::sim::kSecond));
  EXPECT_TRUE(answers.at(0).ok());
  EXPECT_NE(paths(), before);
}

// Not even of one that never had a state: its proposals may stand in the log, and its vote counts.
TEST(Cluster, AReplicaThatIsRemovedKeepsItsLife) {
  Cluster cluster(1, 4, 3);
  for (uint64_t life = 1; life <= 3; ++life) {
    ASSERT_TRUE(cluster.world.run(cluster.home(4), cluster.runtime(4).add_replica(cluster.home(4), 0, {})).ok());
    ASSERT_TRUE(cluster.world.run(cluster.home(4), cluster.runtime(4).remove_replica(cluster.home(4), 0)).ok());
    const auto kept =
        raft::read_prelude(cluster.peer(4).machine->env().disk(), "data/checkpoints/" + log::checkpoint_name(0, 0));
    ASSERT_TRUE(kept.ok()) << kept.error().message();
    EXPECT_EQ(kept->index, 0U);
    EXPECT_EQ(kept->life, life);
  }
}

TEST(Cluster, NodesComeAndGo) {
  env::sim::for_each_seed(1, 10, [](uint64_t seed) {
    Cluster cluster(seed, 4, 3);
    for (uint64_t i = 0; i < 60; ++i) ASSERT_EQ(cluster.run(1, kAppend, key_of(i % 7), "a,")->outcome, LogErrc::kOk);
    EXPECT_EQ(cluster.run(4, kRead, key_of(1))->outcome, LogErrc::kNotLeader) << "no replica there";
    const auto change = [&](ShardId shard, std::vector<KrChange> changes, auto is_done) {
      for (int tries = 0; tries < 100; ++tries) {
        const NodeId leader = cluster.wait_for_leader(shard);
        ASSERT_NE(leader, 0U);
        const auto status =
            cluster.world.run(cluster.home(leader), cluster.runtime(leader).group_status(cluster.home(leader), shard));
        if (status && !status->members.is_joint() && is_done(status->members)) return;
        static_cast<void>(cluster.world.run(
            cluster.home(leader), cluster.runtime(leader).change_members(cluster.home(leader), shard, changes)));
        cluster.world.run_for(100 * env::sim::kMillisecond);
      }
      FAIL() << "the members do not change";
    };
    for (ShardId shard = 0; shard < kShards; ++shard) {
      const Status added =
          cluster.world.run(cluster.home(4), cluster.runtime(4).add_replica(cluster.home(4), shard, {}));
      ASSERT_TRUE(added.ok());
      change(shard, {{static_cast<uint8_t>(raft::ChangeType::kAddLearner), 4}},
             [](const raft::Members& members) { return members.holds(4); });
    }
    cluster.expect_same({1, 2, 3, 4});
    for (ShardId shard = 0; shard < kShards; ++shard) {
      change(shard,
             {{static_cast<uint8_t>(raft::ChangeType::kAddVoter), 4},
              {static_cast<uint8_t>(raft::ChangeType::kRemove), 1}},
             [](const raft::Members& members) { return !members.holds(1) && members.learners.empty(); });
      const Status removed =
          cluster.world.run(cluster.home(1), cluster.runtime(1).remove_replica(cluster.home(1), shard));
      EXPECT_TRUE(removed.ok());
    }
    ASSERT_EQ(cluster.run(4, kAppend, key_of(2), "b,")->outcome, LogErrc::kOk);
    EXPECT_EQ(cluster.run(1, kRead, key_of(2))->outcome, LogErrc::kNotLeader);
    cluster.expect_same({2, 3, 4});
    // Gone for good, and back again as a new one.
    EXPECT_TRUE(cluster.peer(1).engines[0]->values.empty());
    cluster.crash(1);
    cluster.start(1);
    EXPECT_EQ(cluster.run(1, kRead, key_of(2))->outcome, LogErrc::kNotLeader) << cluster.tell();
    for (ShardId shard = 0; shard < kShards; ++shard) {
      const Status added =
          cluster.world.run(cluster.home(1), cluster.runtime(1).add_replica(cluster.home(1), shard, {}));
      ASSERT_TRUE(added.ok());
      change(shard, {{static_cast<uint8_t>(raft::ChangeType::kAddVoter), 1}},
             [](const raft::Members& members) { return members.holds(1); });
    }
    ASSERT_EQ(cluster.run(1, kAppend, key_of(2), "d,")->outcome, LogErrc::kOk) << cluster.tell();
    cluster.expect_same({1, 2, 3, 4});
    cluster.crash(1);
    cluster.start(1);
    cluster.expect_same({1, 2, 3, 4});
    cluster.stop(1);
    cluster.crash(4);
    cluster.start(4);
    ASSERT_EQ(cluster.run(4, kAppend, key_of(2), "c,")->outcome, LogErrc::kOk);
    cluster.expect_same({2, 3, 4});
  });
}

TEST(Cluster, AGracefulStopGivesTheLeadAway) {
  Cluster cluster(1, 3, 3);
  for (uint64_t i = 0; i < 20; ++i) ASSERT_EQ(cluster.run(1, kAppend, key_of(i), "a,")->outcome, LogErrc::kOk);
  const NodeId leader = cluster.wait_for_leader(0);
  cluster.stop(leader);
  const int64_t stopped_ns = cluster.world.now_ns();
  const NodeId other = leader % 3 + 1;
  for (uint64_t i = 0; i < 7; ++i) ASSERT_EQ(cluster.run(other, kAppend, key_of(i), "b,")->outcome, LogErrc::kOk);
  EXPECT_LT(cluster.world.now_ns() - stopped_ns, 200 * env::sim::kMillisecond) << "nobody waits for an election";
  cluster.start(leader);
  cluster.expect_same({1, 2, 3});
}

TEST(Cluster, WithoutAMajorityNothingIsAnsweredButStaleReads) {
  Cluster cluster(1, 3, 3);
  ASSERT_EQ(cluster.run(1, kAppend, "key", "a,")->outcome, LogErrc::kOk);
  cluster.expect_same({1, 2, 3});
  cluster.peer(2).is_cut_off = true;
  cluster.peer(3).is_cut_off = true;
  EXPECT_EQ(cluster.run(1, kRead, "key")->outcome, LogErrc::kNoLeader);
  EXPECT_NE(cluster.run(1, kAppend, "key", "b,")->outcome, LogErrc::kOk);
  EXPECT_EQ(cluster.run(1, kRead, "key", "", true)->sink.text, "a,");
  cluster.peer(2).is_cut_off = false;
  cluster.peer(3).is_cut_off = false;
  ASSERT_EQ(cluster.run(2, kAppend, "key", "c,")->outcome, LogErrc::kOk);
  cluster.expect_same({1, 2, 3});
}

}  // namespace
}  // namespace keelson::shard
