// Nodes with runtimes whose shards hold texts and are replicated by real Raft members, over a wire of the tests' own.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/crc16.h"
#include "env/sim/sim.h"
#include "shard/batch.h"
#include "shard/runtime.h"

namespace keelson::shard::cluster_harness {

inline constexpr uint16_t kAppend = 1;  // key, text: appends the text, answers the new value
inline constexpr uint16_t kRead = 2;    // key
inline constexpr uint16_t kPut = 3;     // key, text
inline constexpr uint16_t kDelete = 4;  // key
inline constexpr uint16_t kFlush = 5;   // "", "": deletes everything
inline constexpr uint16_t kShards = 3;
inline constexpr unsigned kReactors = 2;
inline constexpr int64_t kWireNsMax = 2 * env::sim::kMillisecond;

class TextSink final : public engine::ReplySink {
 public:
  std::string text;
};

class TextEngine final : public engine::Engine {
 public:
  void apply(const engine::ApplyContext&, const engine::Command& command, engine::ReplySink& reply) override {
    if (command.code == kFlush) {
      reset();
      return;
    }
    const std::string key(command.args[0]);
    if (command.code == kDelete) {
      values.erase(key);
    } else if (command.code == kPut) {
      values[key] = command.args[1];
    } else {
      std::string& value = values[key];
      value += command.args[1];
      static_cast<TextSink&>(reply).text = value;
    }
    for (Walk* walk : walks_) walk->key_changed(key);
  }
  void query(const engine::ApplyContext&, const engine::Command& command, engine::ReplySink& reply) override {
    const auto found = values.find(std::string(command.args[0]));
    static_cast<TextSink&>(reply).text = found == values.end() ? "" : found->second;
  }
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override {
    auto source = std::make_unique<Source>();
    source->durable = durable;
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
  void reset() override {
    values.clear();
    for (Walk* walk : walks_) walk->is_lost = true;
  }
  std::unique_ptr<engine::SlotWalk> begin_export(uint16_t first, uint16_t last) override {
    return std::make_unique<Walk>(*this, first, last, false);
  }
  std::unique_ptr<engine::SlotWalk> begin_wipe(uint16_t first, uint16_t last) override {
    return std::make_unique<Walk>(*this, first, last, true);
  }
  [[nodiscard]] size_t walks() const { return walks_.size(); }

  std::map<std::string, std::string> values;
  std::function<Status()> on_load;
  // What make_durable() says.
  std::function<Status()> durable = [] { return Status(); };

 private:
  struct Source final : engine::CheckpointSource {
    bool next(size_t, Buffer& out) override {
      out.append(bytes.view());
      return true;
    }
    Task<Status> make_durable(env::Reactor&) override { co_return durable(); }
    Buffer bytes;
    std::function<Status()> durable;
  };
  // Of the keys that are there, or that have changed since.
  struct Walk final : engine::SlotWalk {
    Walk(TextEngine& of, uint16_t from, uint16_t to, bool deletes) : engine(of), first(from), last(to), wipes(deletes) {
      for (const auto& [key, value] : engine.values) key_changed(key);
      engine.walks_.insert(this);
    }
    ~Walk() override { engine.walks_.erase(this); }
    void key_changed(const std::string& key) {
      const uint16_t slot = key_slot(key);
      if (slot >= first && slot <= last) keys.insert(key);
    }
    Result<State> next(size_t bytes_wanted, std::vector<engine::OwnedCommand>& out) override {
      if (is_lost) return State::kLost;
      size_t bytes = 0;
      for (; !keys.empty() && bytes < bytes_wanted; keys.erase(keys.begin())) {
        const auto found = engine.values.find(*keys.begin());
        if (found == engine.values.end() || wipes) {
          out.push_back({kDelete, 0, {*keys.begin()}});
        } else {
          out.push_back({kPut, 0, {found->first, found->second}});
          bytes += found->second.size();
        }
        bytes += keys.begin()->size();
      }
      return keys.empty() ? State::kDrained : State::kMore;
    }
    TextEngine& engine;
    const uint16_t first;
    const uint16_t last;
    const bool wipes;
    std::set<std::string> keys;
    bool is_lost = false;
  };
  std::set<Walk*> walks_;
};

class TextOperation final : public BatchOperation {
 public:
  TextOperation(uint16_t code, std::string key, std::string text)
      : key_(std::move(key)), text_(std::move(text)), args_{key_, text_}, command_{code, 0, args_} {
    commands = {&command_, 1};
    is_write = code != kRead;
  }
  engine::ReplySink& open_reply() override { return sink; }
  void finished(LogErrc result) override {
    outcome = result;
    done();
  }
  [[nodiscard]] uint16_t slot() const override { return command_.code == kFlush ? kNoSlot : key_slot(key_); }
  TextSink sink;
  LogErrc outcome = LogErrc::kStopped;

 private:
  const std::string key_;
  const std::string text_;
  const std::vector<std::string_view> args_;
  const engine::Command command_;
};

class Cluster;

class Wire final : public raft::Messenger {
 public:
  Wire(Cluster& cluster, NodeId from, unsigned reactor) : cluster_(cluster), from_(from), reactor_(reactor) {}
  void send(NodeId to, ShardId group, std::string_view message) override;
  void send_file(NodeId to, ShardId group, std::string message, std::string path, std::vector<raft::SideFile> beside,
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
  Cluster(uint64_t seed, size_t nodes, size_t founders, bool has_slots = false)
      : world(seed), founders_(founders), has_slots_(has_slots) {
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
    service.has_slots = has_slots_;
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
  const bool has_slots_;
  std::vector<std::unique_ptr<Peer>> peers_;
  int files_ = 0;
};

inline void Wire::send(NodeId to, ShardId group, std::string_view message) {
  cluster_.deliver(from_, to, reactor_, [from = from_, group, bytes = std::string(message)](raft::Groups& groups) {
    groups.received(from, group, bytes);
  });
}
// Texts have no files beside them.
inline void Wire::send_file(NodeId to, ShardId group, std::string message, std::string path,
                            std::vector<raft::SideFile>, std::function<void(bool)> done) {
  const std::string arrived = cluster_.is_linked(from_, to) ? cluster_.copy_file(from_, to, path) : "";
  if (!arrived.empty()) {
    cluster_.deliver(from_, to, reactor_, [from = from_, group, message, arrived](raft::Groups& groups) {
      groups.received_file(from, group, message, arrived, {});
    });
  }
  cluster_.peer(from_).machine->reactor(reactor_).post([done = std::move(done), ok = !arrived.empty()] { done(ok); });
}
inline bool Wire::is_reachable(NodeId node) const { return cluster_.is_linked(from_, node); }

inline std::string key_of(uint64_t number) { return "key-" + std::to_string(number); }

}  // namespace keelson::shard::cluster_harness
