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
#include "shard/batch.h"
#include "shard/runtime.h"

namespace keelson::shard {
namespace {

constexpr uint16_t kAppend = 1;  // key, text: appends the text, answers the new value
constexpr uint16_t kRead = 2;    // key
constexpr uint16_t kShards = 3;
constexpr unsigned kReactors = 2;
constexpr int64_t kWireNsMax = 2 * env::sim::kMillisecond;

class TextSink final : public engine::ReplySink {
 public:
  std::string text;
};

class TextEngine final : public engine::Engine {
 public:
  void apply(const engine::ApplyContext&, const engine::Command& command, engine::ReplySink& reply) override {
    std::string& value = values[std::string(command.args[0])];
    value += command.args[1];
    static_cast<TextSink&>(reply).text = value;
  }
  void query(const engine::ApplyContext&, const engine::Command& command, engine::ReplySink& reply) override {
    const auto found = values.find(std::string(command.args[0]));
    static_cast<TextSink&>(reply).text = found == values.end() ? "" : found->second;
  }
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override {
    auto source = std::make_unique<Source>();
    for (const auto& [key, value] : values) {
      append_string(source->bytes, key);
      append_string(source->bytes, value);
    }
    return source;
  }
  Status load_checkpoint(std::string_view piece) override {
    if (on_load) {
      if (Status may_load = on_load(); !may_load.ok()) return may_load;
    }
    std::string_view key, value;
    while (read_string(piece, key) && read_string(piece, value)) values[std::string(key)] = value;
    return {};
  }
  void reset() override { values.clear(); }

  std::map<std::string, std::string> values;
  std::function<Status()> on_load;

 private:
  struct Source final : engine::CheckpointSource {
    bool next(size_t, Buffer& out) override {
      out.append(bytes.view());
      return true;
    }
    Buffer bytes;
  };
};

class TextOperation final : public BatchOperation {
 public:
  TextOperation(uint16_t code, std::string key, std::string text)
      : key_(std::move(key)), text_(std::move(text)), args_{key_, text_}, command_{code, 0, args_} {
    commands = {&command_, 1};
    is_write = code == kAppend;
  }
  engine::ReplySink& open_reply() override { return sink; }
  void finished(LogErrc result) override {
    outcome = result;
    done();
  }
  TextSink sink;
  LogErrc outcome = LogErrc::kStopped;

 private:
  const std::string key_;
  const std::string text_;
  const std::vector<std::string_view> args_;
  const engine::Command command_;
};

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

class Cluster;

class Wire final : public raft::Messenger {
 public:
  Wire(Cluster& cluster, NodeId from, unsigned reactor) : cluster_(cluster), from_(from), reactor_(reactor) {}
  void send(NodeId to, ShardId group, std::string_view message) override;
  void send_file(NodeId to, ShardId group, std::string message, std::string path,
                 std::function<void(bool)> done) override;
  [[nodiscard]] bool is_reachable(NodeId node) const override;

 private:
  Cluster& cluster_;
  const NodeId from_;
  const unsigned reactor_;
};

struct Peer {
  env::sim::Node* machine = nullptr;
  std::vector<std::unique_ptr<Wire>> wires;
  std::vector<TextEngine*> engines;
  std::unique_ptr<Runtime> runtime;
  TextSink unheard;
  bool is_started = false;
  bool is_cut_off = false;
};

class Cluster {
 public:
  Cluster(uint64_t seed, size_t nodes, size_t founders) : world(seed), founders_(founders) {
    for (size_t i = 0; i < nodes; ++i) {
      auto peer = std::make_unique<Peer>();
      peer->machine = &world.add_node(kReactors);
      for (unsigned reactor = 0; reactor < kReactors; ++reactor) {
        peer->wires.push_back(std::make_unique<Wire>(*this, i + 1, reactor));
      }
      peers_.push_back(std::move(peer));
    }
    for (NodeId id = 1; id <= nodes; ++id) start(id);
  }
  ~Cluster() {
    for (NodeId id = 1; id <= peers_.size(); ++id) {
      if (peer(id).runtime != nullptr) crash(id);
    }
  }

  Peer& peer(NodeId id) { return *peers_[id - 1]; }
  Runtime& runtime(NodeId id) { return *peer(id).runtime; }
  env::Reactor& home(NodeId id) { return peer(id).machine->reactor(0); }

  void start(NodeId id) {
    Peer& at = peer(id);
    at.engines.clear();
    RuntimeOptions options;
    options.folder = "data";
    options.log.segment_bytes = 64 << 10;
    ServiceOptions& service = options.services.emplace_back();
    service.name = "text";
    service.shard_count = kShards;
    service.replay_sink = &at.unheard;
    service.make_engine = [&at](ShardId) {
      auto engine = std::make_unique<TextEngine>();
      at.engines.push_back(engine.get());
      return engine;
    };
    ReplicationOptions& replication = options.replication.emplace();
    replication.node = id;
    replication.messenger = [&at](unsigned reactor) -> raft::Messenger& { return *at.wires[reactor]; };
    replication.first_members = [this](ShardId) {
      std::vector<NodeId> all;
      for (NodeId founder = 1; founder <= founders_; ++founder) all.push_back(founder);
      return all;
    };
    replication.member.kept_entries_max = 20;
    replication.groups.tick_ms = 20;
    at.runtime = std::make_unique<Runtime>(at.machine->env(), options);
    const Status started = world.run(home(id), at.runtime->start());
    ASSERT_TRUE(started.ok()) << started.error().message();
    world.run(home(id), at.runtime->start_groups());
    at.is_started = true;
  }
  // As after kill -9: what was not synced is lost.
  void crash(NodeId id) {
    peer(id).is_started = false;
    peer(id).runtime->abandon();
    peer(id).runtime.reset();
    peer(id).machine->crash();
    peer(id).machine->restart();
  }
  void stop(NodeId id) {
    const Status stopped = world.run(home(id), runtime(id).stop(true));
    EXPECT_TRUE(stopped.ok()) << stopped.error().message();
    peer(id).is_started = false;
    peer(id).runtime.reset();
  }

  // Runs one operation there and waits for it.
  std::unique_ptr<TextOperation> run(NodeId at, uint16_t code, std::string key, std::string text = "",
                                     bool is_stale = false) {
    auto operation = std::make_unique<TextOperation>(code, std::move(key), std::move(text));
    operation->is_stale = is_stale;
    world.run(home(at), submit(at, *operation));
    return operation;
  }
  NodeId leader_of(ShardId shard) {
    for (NodeId id = 1; id <= peers_.size(); ++id) {
      if (peer(id).runtime == nullptr || peer(id).is_cut_off) continue;
      const auto status = world.run(home(id), runtime(id).group_status(home(id), shard));
      if (status && status->is_leader_here) return id;
    }
    return 0;
  }
  NodeId wait_for_leader(ShardId shard) {
    for (int i = 0; i < 200; ++i) {
      if (const NodeId leader = leader_of(shard); leader != 0) return leader;
      world.run_for(50 * env::sim::kMillisecond);
    }
    return 0;
  }
  // For a failed test.
  std::string tell() {
    std::string text;
    for (NodeId id = 1; id <= peers_.size(); ++id) {
      for (ShardId shard = 0; peer(id).is_started && shard < kShards; ++shard) {
        const auto status = world.run(home(id), runtime(id).group_status(home(id), shard));
        if (!status) continue;
        text += "node " + std::to_string(id) + " shard " + std::to_string(shard) + ": term " +
                std::to_string(status->term) + " leader " + std::to_string(status->leader) + " commit " +
                std::to_string(status->commit) + " applied " + std::to_string(status->applied) + " last " +
                std::to_string(status->last_index) + " pending " + std::to_string(status->proposals_pending) + " " +
                status->halted + "\n";
      }
    }
    return text;
  }
  // Every replica of these nodes comes to hold the same.
  void expect_same(const std::vector<NodeId>& nodes) {
    const auto is_same = [&] {
      for (NodeId id : nodes) {
        for (ShardId shard = 0; shard < kShards; ++shard) {
          if (peer(id).engines[shard]->values != peer(nodes[0]).engines[shard]->values) return false;
        }
      }
      return true;
    };
    EXPECT_TRUE(world.run_until(is_same, 30 * env::sim::kSecond));
    for (NodeId id : nodes) {
      for (ShardId shard = 0; shard < kShards; ++shard) {
        EXPECT_EQ(peer(id).engines[shard]->values, peer(nodes[0]).engines[shard]->values)
            << "node " << id << ", shard " << shard;
      }
    }
  }

  [[nodiscard]] bool is_linked(NodeId from, NodeId to) {
    return !peer(from).is_cut_off && !peer(to).is_cut_off && peer(to).is_started && peer(from).is_started;
  }
  void deliver(NodeId from, NodeId to, unsigned reactor, std::function<void(raft::Groups&)> what) {
    const auto delay = static_cast<int64_t>(world.random().next() % static_cast<uint64_t>(kWireNsMax));
    world.after(delay, [this, from, to, reactor, what = std::move(what)]() mutable {
      if (!is_linked(from, to)) return;
      peer(to).machine->reactor(reactor).post([this, to, reactor, what = std::move(what)] {
        if (peer(to).is_started) what(peer(to).runtime->groups(reactor));
      });
    });
  }
  std::string copy_file(NodeId from, NodeId to, const std::string& path) {
    auto source = peer(from).machine->env().disk().open(path, env::OpenMode::kRead);
    if (!source.ok()) return {};
    std::string bytes((*source)->size().value_or(0), '\0');
    if (!(*source)->read_at(0, bytes).ok()) return {};
    env::Disk& disk = peer(to).machine->env().disk();
    static_cast<void>(disk.make_folder("data"));
    static_cast<void>(disk.make_folder("data/incoming"));
    const std::string arrived = "data/incoming/" + std::to_string(++files_);
    auto target = disk.open(arrived, env::OpenMode::kCreate);
    if (!target.ok() || !(*target)->write_at(0, bytes).ok()) return {};
    return arrived;
  }
  int files() const { return files_; }
  // A node that was away for so long that only checkpoints help it; `on_load` is called when it loads one.
  void bring_back_by_checkpoints(NodeId id, std::function<Status(ShardId)> on_load) {
    crash(id);
    const NodeId other = id % founders_ + 1;
    for (uint64_t i = 0; i < 150; ++i) {
      ASSERT_EQ(run(other, kAppend, "key-" + std::to_string(i % 7), "a,")->outcome, LogErrc::kOk);
    }
    start(id);
    for (ShardId shard = 0; shard < kShards; ++shard) {
      peer(id).engines[shard]->on_load = [on_load, shard] { return on_load(shard); };
    }
  }

  env::sim::World world;

 private:
  Task<void> submit(NodeId at, TextOperation& operation) {
    Batch batch(runtime(at), home(at));
    batch.add(operation, runtime(at).router().shard_of(operation.commands[0].args[0]));
    if (!batch.run()) co_await batch.done();
  }

  const size_t founders_;
  std::vector<std::unique_ptr<Peer>> peers_;
  int files_ = 0;
};

void Wire::send(NodeId to, ShardId group, std::string_view message) {
  cluster_.deliver(from_, to, reactor_, [from = from_, group, bytes = std::string(message)](raft::Groups& groups) {
    groups.received(from, group, bytes);
  });
}
void Wire::send_file(NodeId to, ShardId group, std::string message, std::string path, std::function<void(bool)> done) {
  const std::string arrived = cluster_.is_linked(from_, to) ? cluster_.copy_file(from_, to, path) : "";
  if (!arrived.empty()) {
    cluster_.deliver(from_, to, reactor_, [from = from_, group, message, arrived](raft::Groups& groups) {
      groups.received_file(from, group, message, arrived);
    });
  }
  cluster_.peer(from_).machine->reactor(reactor_).post([done = std::move(done), ok = !arrived.empty()] { done(ok); });
}
bool Wire::is_reachable(NodeId node) const { return cluster_.is_linked(from_, node); }

std::string key_of(uint64_t number) { return "key-" + std::to_string(number); }

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
