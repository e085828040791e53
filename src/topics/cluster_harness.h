// For tests: nodes with topics whose shards are replicated by real Raft members, over a wire of the tests' own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/topic/topic_engine.h"
#include "env/sim/sim.h"
#include "shard/call_on.h"
#include "shard/run_on.h"
#include "shard/runtime.h"
#include "topics/topics.h"

namespace keelson::topics::cluster_harness {

using log::LogErrc;
using log::NodeId;
using shard::ShardId;

inline constexpr uint16_t kShards = 3;
inline constexpr unsigned kReactors = 2;
inline constexpr int64_t kWireNsMax = 2 * env::sim::kMillisecond;

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

// Told on the reactors of shards; the simulation has one thread.
class Hearer final : public LeadListener {
 public:
  void lead_begun(ShardId shard, int32_t claim) override {
    told.emplace_back(shard, claim);
    claims[shard] = claim;
  }
  void lead_ended(ShardId shard) override {
    told.emplace_back(shard, 0);
    claims[shard] = 0;
  }
  std::vector<std::pair<ShardId, int32_t>> told;  // claim 0: ended
  std::map<ShardId, int32_t> claims;
};

struct Peer {
  env::sim::Node* machine = nullptr;
  std::vector<std::unique_ptr<Wire>> wires;
  std::vector<topic::TopicEngine*> engines;
  topic::NullAnswer unheard;
  std::unique_ptr<shard::Runtime> runtime;
  std::unique_ptr<Topics> topics;
  std::unique_ptr<Hearer> hearer;
  std::unique_ptr<env::TaskScope> scope;
  bool is_started = false;
  bool is_cut_off = false;
};

struct Layout {
  size_t nodes = 3;
  // Who has a replica of a shard; all by default.
  std::function<std::vector<NodeId>(ShardId)> members{};
  bool is_clustered = true;  // false: one node
  // Nodes ask each other for shards that they have no replica of. Not with crashes.
  bool asks_elsewhere = false;
  // Behind which a node that was away needs a checkpoint.
  uint64_t kept_entries_max = 20;
  // Of what stands on topics: made once they have started, and gone before they go.
  std::function<void(Cluster&, NodeId)> made{};
  std::function<void(NodeId)> going{};
};

class Cluster {
 public:
  explicit Cluster(uint64_t seed, Layout layout = {}) : world(seed), layout_(std::move(layout)) {
    for (size_t i = 0; i < layout_.nodes; ++i) {
      auto peer = std::make_unique<Peer>();
      peer->machine = &world.add_node(kReactors);
      for (unsigned reactor = 0; reactor < kReactors; ++reactor) {
        peer->wires.push_back(std::make_unique<Wire>(*this, i + 1, reactor));
      }
      peers_.push_back(std::move(peer));
    }
    for (NodeId id = 1; id <= layout_.nodes; ++id) start(id);
  }
  ~Cluster() {
    for (NodeId id = 1; id <= peers_.size(); ++id) {
      if (peer(id).runtime != nullptr) crash(id);
    }
  }

  Peer& peer(NodeId id) { return *peers_[id - 1]; }
  Topics& topics(NodeId id) { return *peer(id).topics; }
  Hearer& hearer(NodeId id) { return *peer(id).hearer; }
  env::Reactor& home(NodeId id) { return peer(id).machine->reactor(0); }

  void start(NodeId id) {
    Peer& at = peer(id);
    at.engines.clear();
    shard::RuntimeOptions options;
    options.folder = "data";
    options.log.segment_bytes = 64 << 10;
    shard::ServiceOptions& service = options.services.emplace_back();
    service.name = "topic";
    service.engine_version = topic::kTopicEngineVersion;
    service.shard_count = kShards;
    service.is_replicated = layout_.is_clustered;
    service.replay_sink = &at.unheard;
    service.make_engine = [&at](ShardId shard) {
      auto engine = std::make_unique<topic::TopicEngine>(topic::TopicEngineOptions{
          .disk = &at.machine->env().disk(), .folder = "data/topic/" + std::to_string(shard)});
      at.engines.push_back(engine.get());
      return engine;
    };
    if (layout_.is_clustered) {
      shard::ReplicationOptions& replication = options.replication.emplace();
      replication.node = id;
      replication.messenger = [&at](unsigned reactor) -> raft::Messenger& { return *at.wires[reactor]; };
      replication.first_members = [this](ShardId shard) { return members(shard); };
      replication.member.kept_entries_max = layout_.kept_entries_max;
      replication.groups.tick_ms = 20;
      replication.replica.deadline_ms = 2000;
    }
    at.runtime = std::make_unique<shard::Runtime>(at.machine->env(), options);
    const Status started = world.run(home(id), at.runtime->start());
    ASSERT_TRUE(started.ok()) << started.error().message();
    at.topics = std::make_unique<Topics>(
        *at.runtime, TopicsOptions{.retention_check_ms = 1'000, .is_clustered = layout_.is_clustered, .node = id});
    if (layout_.asks_elsewhere) {
      at.topics->set_elsewhere([this, id](env::Reactor& here, ShardId shard, uint16_t code, std::string body) {
        return ask_other(id, here, shard, code, std::move(body));
      });
    }
    at.scope = std::make_unique<env::TaskScope>(home(id));
    ASSERT_TRUE(world.run(home(id), at.topics->start()).ok());
    at.hearer = std::make_unique<Hearer>();
    world.run_on(home(id), [&] { at.topics->add_lead_listener(*at.hearer); });
    if (layout_.made) layout_.made(*this, id);
    if (layout_.is_clustered) world.run(home(id), at.runtime->start_groups());
    at.is_started = true;
  }
  // As after kill -9: what was not synced is lost.
  void crash(NodeId id) {
    Peer& at = peer(id);
    at.is_started = false;
    at.runtime->abandon();
    if (layout_.going) layout_.going(id);
    at.scope.reset();
    at.topics.reset();
    at.runtime.reset();
    at.machine->crash();
    at.machine->restart();
  }
  void stop(NodeId id) {
    Peer& at = peer(id);
    world.run(home(id), at.topics->stop());
    const size_t told = hearer(id).told.size();
    const Status stopped = world.run(home(id), at.runtime->stop(true));
    EXPECT_TRUE(stopped.ok()) << stopped.error().message();
    EXPECT_EQ(hearer(id).told.size(), told) << "told after stop()";
    at.is_started = false;
    if (layout_.going) layout_.going(id);
    at.scope.reset();
    at.topics.reset();
    at.runtime.reset();
  }

  template <class Body>
  Asked ask(NodeId at, ShardId shard, const Body& body, std::string_view payload = {}) {
    return world.run(home(at), asked(at, shard, body, payload));
  }
  template <class Body>
  Asked ask_all(NodeId at, const Body& body) {
    return world.run(home(at), asked_all(at, body));
  }
  Topics::Found find(NodeId at, std::string name) {
    return world.run(home(at), topics(at).find_topic(home(at), std::move(name)));
  }
  // Who leads it, with a claim that its listener knows; 0: nobody yet.
  NodeId claimed_by(ShardId shard) {
    for (NodeId id = 1; id <= peers_.size(); ++id) {
      if (peer(id).is_started && !peer(id).is_cut_off && topics(id).leads(shard) && hearer(id).claims[shard] != 0) {
        return id;
      }
    }
    return 0;
  }
  NodeId wait_for_claim(ShardId shard) {
    EXPECT_TRUE(world.run_until([&] { return claimed_by(shard) != 0; }, 30 * env::sim::kSecond));
    return claimed_by(shard);
  }
  void wait_for_claims() {
    for (ShardId shard = 0; shard < kShards; ++shard) wait_for_claim(shard);
  }
  // The lead goes from whoever has it to this node.
  void move_lead(ShardId shard, NodeId to) {
    const NodeId from = wait_for_claim(shard);
    if (from == to) return;
    for (int i = 0; i < 100 && claimed_by(shard) != to; ++i) {
      static_cast<void>(world.run(home(from), peer(from).runtime->transfer_leader(home(from), shard, to)));
      world.run_until([&] { return claimed_by(shard) == to; }, env::sim::kSecond);
    }
    ASSERT_EQ(claimed_by(shard), to);
  }

  std::vector<NodeId> members(ShardId shard) const {
    if (layout_.members) return layout_.members(shard);
    std::vector<NodeId> all;
    for (NodeId id = 1; id <= layout_.nodes; ++id) all.push_back(id);
    return all;
  }

  [[nodiscard]] bool is_linked(NodeId from, NodeId to) {
    return !peer(from).is_cut_off && !peer(to).is_cut_off && peer(to).is_started && peer(from).is_started;
  }
  void deliver(NodeId from, NodeId to, ShardId group, unsigned reactor, std::function<void(raft::Groups&)> what) {
    if (mute.contains(group)) return;
    const auto delay = static_cast<int64_t>(world.random().next() % static_cast<uint64_t>(kWireNsMax));
    world.after(delay, [this, from, to, reactor, what = std::move(what)]() mutable {
      if (!is_linked(from, to)) return;
      peer(to).machine->reactor(reactor).post([this, to, reactor, what = std::move(what)] {
        if (peer(to).is_started) what(peer(to).runtime->groups(reactor));
      });
    });
  }
  std::string copy_file(NodeId from, NodeId to, const std::string& path, uint64_t bytes_max = UINT64_MAX) {
    auto source = peer(from).machine->env().disk().open(path, env::OpenMode::kRead);
    if (!source.ok()) return {};
    std::string bytes(std::min(bytes_max, (*source)->size().value_or(0)), '\0');
    if (!(*source)->read_at(0, bytes).ok()) return {};
    env::Disk& disk = peer(to).machine->env().disk();
    static_cast<void>(disk.make_folder("data"));
    static_cast<void>(disk.make_folder("data/incoming"));
    const std::string arrived = "data/incoming/" + std::to_string(++files_);
    auto target = disk.open(arrived, env::OpenMode::kCreate);
    if (!target.ok() || !(*target)->write_at(0, bytes).ok()) return {};
    return arrived;
  }

  // That have gone from one node to another.
  [[nodiscard]] int files() const { return files_; }

  env::sim::World world;
  // Groups none of whose messages arrive: without a quorum.
  std::set<ShardId> mute;

 private:
  Task<Asked> ask_other(NodeId from, env::Reactor& here, ShardId shard, uint16_t code, std::string body) {
    for (NodeId id : members(shard)) {
      if (!is_linked(from, id)) continue;
      co_return co_await shard::run_on(here, *peer(id).scope, home(id),
                                       topics(id).ask_encoded(home(id), shard, code, std::move(body)));
    }
    co_return Asked{.outcome = LogErrc::kNoLeader, .answer = {}};
  }
  template <class Body>
  Task<Asked> asked(NodeId at, ShardId shard, const Body& body, std::string_view payload) {
    co_return co_await topics(at).ask(home(at), shard, body, payload);
  }
  template <class Body>
  Task<Asked> asked_all(NodeId at, const Body& body) {
    co_return co_await topics(at).ask_all(home(at), body);
  }

  const Layout layout_;
  std::vector<std::unique_ptr<Peer>> peers_;
  int files_ = 0;
};

inline void Wire::send(NodeId to, ShardId group, std::string_view message) {
  cluster_.deliver(from_, to, group, reactor_,
                   [from = from_, group, bytes = std::string(message)](raft::Groups& groups) {
                     groups.received(from, group, bytes);
                   });
}
inline void Wire::send_file(NodeId to, ShardId group, std::string message, std::string path,
                            std::vector<raft::SideFile> beside, std::function<void(bool)> done) {
  const std::string arrived = cluster_.is_linked(from_, to) ? cluster_.copy_file(from_, to, path) : "";
  bool is_whole = !arrived.empty();
  for (raft::SideFile& file : beside) {
    if (is_whole) file.path = cluster_.copy_file(from_, to, file.path, file.bytes);
    is_whole &= !file.path.empty();
  }
  if (is_whole) {
    cluster_.deliver(from_, to, group, reactor_, [from = from_, group, message, arrived, beside](raft::Groups& groups) {
      groups.received_file(from, group, message, arrived, beside);
    });
  }
  cluster_.peer(from_).machine->reactor(reactor_).post([done = std::move(done), is_whole] { done(is_whole); });
}
inline bool Wire::is_reachable(NodeId node) const { return cluster_.is_linked(from_, node); }

inline TopicId topic_id(uint8_t number) {
  TopicId id;
  id.bytes[0] = 0xab;
  id.bytes[15] = number;
  return id;
}

}  // namespace keelson::topics::cluster_harness
