// Nodes of a cluster on env/sim: they form it, place replicas, lose nodes and get them back.
#include "cluster/service.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/errors.h"
#include "engine/coord/answer.h"
#include "engine/coord/coord_engine.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"

namespace keelson::cluster {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;
using env::sim::World;

constexpr uint16_t kPort = 7400;
constexpr uint16_t kShards = 5;  // of data, before the system's
constexpr ShardId kSystem = kShards;
const std::string kFolder = "/data";

coord::SilentSink nobody;

// Slots that hold nothing: what moves is who owns them.
class EmptyWalk final : public engine::SlotWalk {
 public:
  Result<State> next(size_t, std::vector<engine::OwnedCommand>&) override { return State::kDrained; }
};
class SlottedEngine final : public coord::CoordEngine {
 public:
  std::unique_ptr<engine::SlotWalk> begin_export(uint16_t, uint16_t) override { return std::make_unique<EmptyWalk>(); }
  std::unique_ptr<engine::SlotWalk> begin_wipe(uint16_t, uint16_t) override { return std::make_unique<EmptyWalk>(); }
};

shard::ServiceOptions service_of(const char* name, uint16_t shards) {
  shard::ServiceOptions service;
  service.name = name;
  service.shard_count = shards;
  service.durability = log::Durability::kAlways;
  service.make_engine = [](ShardId) { return std::make_unique<coord::CoordEngine>(); };
  service.replay_sink = &nobody;
  return service;
}

// A node without protocols: what server::Node does of the cluster.
class Program final : public env::sim::Program {
 public:
  Program(env::Env& env, env::Address listen, std::vector<env::Address> join)
      : env_(env), home_(env.reactor(0)), listen_(std::move(listen)), join_(std::move(join)), tasks_(home_) {}
  ~Program() override {
    if (service_ != nullptr) service_->abandon();
    if (runtime_ != nullptr) runtime_->abandon();
  }
  void start() { tasks_.spawn(run()); }

  Task<void> run() {
    auto loaded = load_cluster_file(env_.disk(), kFolder);
    EXPECT_TRUE(loaded.ok()) << loaded.error().message();
    ClusterFile file = loaded->value_or(ClusterFile());
    ++file.boots;
    peer::Options options;
    options.listen = listen_;
    options.identity = {.cluster = file.cluster, .node = file.node, .secret = "keel"};
    options.revision = file.boots;
    options.incoming_folder = kFolder + "/incoming";
    options.reactor_of = [count = env_.reactor_count()](uint16_t group) { return group % count; };
    mesh_ = std::make_unique<peer::Mesh>(env_, std::move(options));
    service_ = std::make_unique<Service>(env_, *mesh_,
                                         ServiceOptions{.folder = kFolder,
                                                        .name = {},
                                                        .zone = {},
                                                        .settings = {},
                                                        .hash_secret = 0,
                                                        .replace_after_ms = 0,
                                                        .version = "test",
                                                        .on_removed = [this] { was_removed = true; }});
    EXPECT_TRUE((co_await mesh_->start()).ok());
    if (file.node == 0) co_await get_place(file);
    EXPECT_TRUE((co_await save_cluster_file(env_.disk(), home_, kFolder, file)).ok());
    mesh_->set_identity({.cluster = file.cluster, .node = file.node, .secret = "keel"});
    service_->set_file(file, {.kv_shards = kShards, .blob_shards = 1, .databases = 1, .replicas = 3}, 1);
    co_await serve();
  }

  Task<void> get_place(ClusterFile& file) {
    if (join_.empty()) {
      file.cluster = new_cluster_id(home_.random());
      file.node = 1;
      file.is_founding = true;
      co_return;
    }
    const JoinRequest request{.name = {}, .zone = {}, .peer = listen_.text(), .token = listen_.text()};
    while (file.node == 0) {
      const Result<Joined> joined = co_await ask_to_join(*mesh_, join_, request);
      if (joined.ok()) {
        file.cluster = joined->cluster;
        file.node = joined->node;
        file.book = joined->book;
      } else {
        co_await env::sleep_for(home_, 200 * kMillisecond);
      }
    }
  }

  Task<void> serve() {
    shard::RuntimeOptions options;
    options.folder = kFolder;
    options.services = {service_of("kv", kShards), service_of("coord", 1)};
    options.services[0].has_slots = true;
    options.services[0].make_engine = [](ShardId) { return std::make_unique<SlottedEngine>(); };
    Service::Shards shards{.replicated = {}, .slots = {}, .system = kSystem, .total = kShards + 1};
    for (ShardId shard = 0; shard <= kSystem; ++shard) shards.replicated.push_back(shard);
    for (ShardId shard = 0; shard < kShards; ++shard) shards.slots.push_back(shard);
    options.log.segment_bytes = 1 << 20;
    options.replication = service_->replication(shards);
    runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
    const Status started = co_await runtime_->start();
    EXPECT_TRUE(started.ok()) << started.error().message();
    coord::ServiceOptions coord_options;
    coord_options.is_alone = false;
    coord_ = std::make_unique<coord::Service>(*runtime_, runtime_->router(1), coord_options);
    coord_->set_remote_leases(service_->remote_leases());
    EXPECT_TRUE((co_await coord_->start()).ok());
    EXPECT_TRUE((co_await service_->start(*runtime_, *coord_)).ok());
    service_->announce({.kv = "10.0.0.9:6379", .kv_tls = {}, .kv_id = std::string(40, 'a'), .etcd = {}, .http = {}});
    is_up = true;
  }

  Task<bool> stop() {
    co_await service_->stop();
    co_await coord_->stop();
    const Status stopped = co_await runtime_->stop(true);
    co_await service_->detach();
    co_await mesh_->stop();
    coord_.reset();
    co_return stopped.ok();
  }

  Service& service() { return *service_; }
  shard::Runtime& runtime() { return *runtime_; }
  peer::Mesh& mesh() { return *mesh_; }
  coord::Service& coord() { return *coord_; }
  bool is_up = false;
  bool was_removed = false;

 private:
  env::Env& env_;
  env::Reactor& home_;
  env::Address listen_;
  std::vector<env::Address> join_;
  std::unique_ptr<peer::Mesh> mesh_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<coord::Service> coord_;
  env::TaskScope tasks_;
};

class ClusterTest : public testing::Test {
 protected:
  void set_up(uint64_t seed, unsigned count, unsigned reactors = 1) {
    world_ = std::make_unique<World>(seed);
    for (unsigned i = 0; i < count; ++i) add(reactors);
  }
  void add(unsigned reactors = 1) {
    const unsigned i = world_->node_count();
    env::sim::Node& node = world_->add_node(reactors);
    std::vector<env::Address> join;
    for (unsigned k = 0; k < i; ++k) join.push_back(world_->node(k).address(kPort));
    node.run_program([join, at = node.address(kPort)](env::Env& env) {
      auto program = std::make_unique<Program>(env, at, join);
      env.reactor(0).post([program = program.get()] { program->start(); });
      return program;
    });
  }
  env::sim::Node& node(unsigned i) { return world_->node(i); }
  Program& program(unsigned i) { return static_cast<Program&>(*node(i).program()); }
  Result<ClusterFacts> facts(unsigned i) { return world_->run(node(i).reactor(0), program(i).service().facts()); }
  // Every shard has all its replicas, on `voters` nodes.
  bool is_whole(unsigned i, size_t voters) {
    if (!node(i).is_up() || !program(i).is_up) return false;
    const Result<ClusterFacts> seen = facts(i);
    if (!seen.ok()) return false;
    for (const ShardFacts& shard : seen->shards) {
      if (!shard.status || shard.status->members.is_joint() || shard.wanted.size() != voters) return false;
      std::vector<NodeId> now = shard.status->members.voters;
      std::ranges::sort(now);
      if (now != shard.wanted) return false;
    }
    return !seen->shards.empty();
  }
  void wait_whole(unsigned i, size_t voters, int64_t for_ns = 120 * kSecond) {
    const int64_t until = world_->now_ns() + for_ns;
    while (!is_whole(i, voters)) {
      ASSERT_LT(world_->now_ns(), until) << describe(i);
      world_->run_for(200 * kMillisecond);
    }
  }
  std::string describe(unsigned i) {
    const Result<ClusterFacts> seen = facts(i);
    if (!seen.ok()) return seen.error().message();
    std::string text;
    for (const ShardFacts& shard : seen->shards) {
      text +=
          std::to_string(shard.shard) + ": leader " + std::to_string(shard.leader) + " wanted " +
          format_ids(shard.wanted) + " has " +
          (shard.status ? format_ids(shard.status->members.voters) + "/" + format_ids(shard.status->members.learners)
                        : "?") +
          "\n";
    }
    return text;
  }
  Result<BegunMoves> move_slots(unsigned i, uint64_t first, uint64_t last, uint64_t to) {
    return world_->run(node(i).reactor(0), program(i).service().move_slots(first, last, to));
  }
  // What the shard's leader says, whoever that is; none: nobody leads it now.
  std::optional<shard::SlotRange> slot_state(ShardId shard, uint16_t slot) {
    for (unsigned i = 0; i < world_->node_count(); ++i) {
      if (!node(i).is_up() || !program(i).is_up) continue;
      const Result<shard::SlotRange> range =
          world_->run(node(i).reactor(0), program(i).runtime().slot_state(node(i).reactor(0), shard, slot));
      if (range.ok()) return *range;
    }
    return std::nullopt;
  }
  // Until no move is under way; who owns the slot is looked at all the time.
  void wait_moved(unsigned i, uint16_t slot, int64_t for_ns = 300 * kSecond) {
    const int64_t until = world_->now_ns() + for_ns;
    while (true) {
      ASSERT_LT(world_->now_ns(), until) << describe_moves(i);
      world_->run_for(50 * kMillisecond);
      unsigned owners = 0;
      for (ShardId shard = 0; shard < kShards; ++shard) {
        const auto range = slot_state(shard, slot);
        owners += range && range->state == shard::SlotState::kOwned ? 1 : 0;
      }
      ASSERT_LE(owners, 1U);
      if (!node(i).is_up() || !program(i).is_up) continue;
      const SlotMoves& moves = program(i).service().state().moves;
      if (std::ranges::none_of(moves, [](const auto& one) { return one.second.is_under_way(); })) return;
    }
  }
  std::string describe_moves(unsigned i) {
    const Result<ClusterFacts> seen = facts(i);
    if (!seen.ok()) return seen.error().message();
    std::string text;
    for (const MoveFacts& about : seen->moves) {
      text += std::to_string(about.move.id) + " " + std::string(name_of(about.move.phase)) + " " + about.move.why +
              " node " + std::to_string(about.node) + " " + about.progress.step + " " + about.progress.error + "\n";
    }
    return text;
  }
  // A node that was away may have to be told first.
  bool is_shown_everywhere(uint16_t slot, ShardId owner) {
    for (unsigned i = 0; i < world_->node_count(); ++i) {
      if (!node(i).is_up() || !program(i).is_up) continue;
      const auto* shard = program(i).service().view().map()->shard_of_slot(slot);
      if (shard == nullptr || shard->id != owner) return false;
    }
    return true;
  }
  void expect_owner(uint16_t slot, ShardId owner) {
    EXPECT_TRUE(world_->run_until([&] { return is_shown_everywhere(slot, owner); }, 30 * kSecond));
    for (unsigned i = 0; i < world_->node_count(); ++i) {
      if (!node(i).is_up() || !program(i).is_up) continue;
      EXPECT_EQ(program(i).service().view().map()->shard_of_slot(slot)->id, owner) << i;
      EXPECT_EQ(program(i).runtime().router(0).shard_of_slot(slot), owner) << i;
    }
    for (ShardId shard = 0; shard < kShards; ++shard) {
      const auto range = slot_state(shard, slot);
      ASSERT_TRUE(range) << shard;
      EXPECT_EQ(range->state, shard == owner ? shard::SlotState::kOwned : shard::SlotState::kGone) << shard;
    }
  }
  Status set_state(unsigned i, NodeId id, NodeState state) {
    return world_->run(node(i).reactor(0), program(i).service().set_node_state(id, state));
  }

  std::unique_ptr<World> world_;
};

TEST_F(ClusterTest, OneNodeIsAClusterOfItsOwn) {
  set_up(1, 1);
  wait_whole(0, 1);
  const Result<ClusterFacts> seen = facts(0);
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->state.nodes.at(1).kv, "10.0.0.9:6379");
  const auto map = program(0).service().view().map();
  ASSERT_EQ(map->slots.size(), kShards);
  EXPECT_EQ(map->slots.front().first, 0);
  EXPECT_EQ(map->slots.back().last, 16383);
  EXPECT_EQ(map->shards[0].leader, 1U);
}

TEST_F(ClusterTest, ThreeNodesForm) {
  env::sim::for_each_seed(1, 8, [&](uint64_t seed) {
    set_up(seed, 3, 1 + seed % 2);
    wait_whole(0, 3);
    // Leads are spread, and every node shows the same.
    world_->run_for(20 * kSecond);
    std::map<NodeId, unsigned> leads;
    for (const ShardFacts& shard : facts(0)->shards) ++leads[shard.leader];
    EXPECT_EQ(leads.size(), 3U);
    for (unsigned i = 0; i < 3; ++i) {
      EXPECT_TRUE(is_whole(i, 3));
      EXPECT_EQ(program(i).service().state().nodes.size(), 3U);
      EXPECT_EQ(program(i).service().view().map()->nodes.size(), 3U);
    }
  });
}

TEST_F(ClusterTest, LostNodeComesBack) {
  env::sim::for_each_seed(1, 6, [&](uint64_t seed) {
    set_up(seed, 3);
    wait_whole(0, 3);
    const auto victim = static_cast<unsigned>(seed % 3);
    node(victim).crash();
    world_->run_for(15 * kSecond);
    const unsigned other = (victim + 1) % 3;
    const Result<ClusterFacts> seen = facts(other);
    ASSERT_TRUE(seen.ok());
    for (const ShardFacts& shard : seen->shards) EXPECT_NE(shard.leader, 0U) << describe(other);
    EXPECT_FALSE(seen->reachable.contains(victim + 1));
    node(victim).restart();
    wait_whole(victim, 3);
    // It has caught up: the leaders say so.
    world_->run_for(5 * kSecond);
    const Result<ClusterFacts> after = facts(victim);
    ASSERT_TRUE(after.ok());
    for (const ShardFacts& shard : after->shards) {
      for (const raft::PeerStatus& peer : shard.status->peers)
        EXPECT_GE(peer.matched + kBehindMax, shard.status->commit);
    }
  });
}

TEST_F(ClusterTest, AllNodesStopAndComeBack) {
  set_up(7, 3);
  wait_whole(0, 3);
  world_->run_for(2 * kSecond);
  for (unsigned i = 0; i < 3; ++i) node(i).crash();
  for (unsigned i = 0; i < 3; ++i) node(i).restart();
  wait_whole(1, 3);
  EXPECT_EQ(program(1).service().state().nodes.size(), 3U);
}

TEST_F(ClusterTest, GracefulStopGivesLeadsAway) {
  set_up(8, 3);
  wait_whole(0, 3);
  world_->run_for(20 * kSecond);
  EXPECT_TRUE(world_->run(node(0).reactor(0), program(0).stop()));
  node(0).stop();
  const Result<ClusterFacts> seen = facts(1);
  ASSERT_TRUE(seen.ok());
  for (const ShardFacts& shard : seen->shards) EXPECT_NE(shard.leader, 0U) << describe(1);
  node(0).restart();
  wait_whole(0, 3);
}

TEST_F(ClusterTest, FourthNodeTakesItsShareAndOneIsDrainedAndRemoved) {
  set_up(9, 3);
  wait_whole(0, 3);
  add();
  world_->run_for(5 * kSecond);
  wait_whole(0, 3);
  unsigned replicas = 0;
  for (const ShardFacts& shard : facts(0)->shards)
    replicas += static_cast<unsigned>(std::ranges::count(shard.wanted, 4U));
  EXPECT_GE(replicas, 3U);

  ASSERT_TRUE(set_state(0, 2, NodeState::kDraining).ok());
  world_->run_for(2 * kSecond);
  wait_whole(0, 3);
  for (const ShardFacts& shard : facts(0)->shards) EXPECT_FALSE(std::ranges::count(shard.wanted, 2U)) << describe(0);
  ASSERT_TRUE(set_state(0, 2, NodeState::kRemoved).ok());
  world_->run_for(10 * kSecond);
  EXPECT_FALSE(facts(0)->reachable.contains(2));
  // A node that was removed has no way back, and its number is not used again.
  EXPECT_EQ(set_state(0, 2, NodeState::kActive).error().code(), ClusterErrc::kNotAllowed);
  add();
  world_->run_for(5 * kSecond);
  wait_whole(0, 3);
  EXPECT_TRUE(facts(0)->state.nodes.contains(5));
}

// A crash between the cluster's answer and the file that remembers it: the node asks again, as somebody new.
TEST_F(ClusterTest, JoinThatWasCutShortLeavesNoNameBehind) {
  set_up(12, 2);
  wait_whole(0, 2);
  const auto join = [&](const std::string& token, const std::string& peer) {
    const JoinRequest request{.name = "keel", .zone = {}, .peer = peer, .token = token};
    return world_->run(node(1).reactor(0), ask_to_join(program(1).mesh(), {node(0).address(kPort)}, request));
  };
  const Result<Joined> first = join("one", "10.9.9.9:7400");
  ASSERT_TRUE(first.ok()) << first.error().message();
  EXPECT_EQ(join("one", "10.9.9.9:7400")->node, first->node);
  EXPECT_FALSE(join("two", "10.9.9.8:7400").ok());
  const Result<Joined> again = join("three", "10.9.9.9:7400");
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_NE(again->node, first->node);
  world_->run_for(kSecond);
  EXPECT_EQ(facts(0)->state.nodes.at(first->node).state, NodeState::kRemoved);
}

TEST_F(ClusterTest, DeadNodeIsReplacedOnlyWhenItIsRemoved) {
  set_up(10, 4);
  wait_whole(0, 3);
  world_->run_for(10 * kSecond);
  node(3).crash();
  world_->run_for(60 * kSecond);
  unsigned missing = 0;
  for (const ShardFacts& shard : facts(0)->shards)
    missing += static_cast<unsigned>(std::ranges::count(shard.wanted, 4U));
  EXPECT_GT(missing, 0U);
  ASSERT_TRUE(set_state(0, 4, NodeState::kRemoved).ok());
  world_->run_for(5 * kSecond);
  wait_whole(0, 3);
  for (const ShardFacts& shard : facts(0)->shards) EXPECT_FALSE(std::ranges::count(shard.wanted, 4U));
}

// Two of a shard's three replicas are away: neither may go, although nobody leads the shard and says who its members
// are.
TEST_F(ClusterTest, ShardWithoutALeaderKeepsItsNodes) {
  set_up(13, 5);
  wait_whole(0, 3);
  world_->run_for(20 * kSecond);
  const Result<ClusterFacts> seen = facts(0);
  ASSERT_TRUE(seen.ok());
  const std::vector<NodeId>& system = seen->shards.back().wanted;
  ASSERT_TRUE(seen->shards.back().is_system);
  // Two nodes that share a shard, and do not both vote in the system's.
  std::pair<NodeId, NodeId> away{0, 0};
  for (const ShardFacts& shard : seen->shards) {
    for (const NodeId one : shard.wanted) {
      for (const NodeId other : shard.wanted) {
        if (one == 1 || other <= one || (std::ranges::count(system, one) && std::ranges::count(system, other)))
          continue;
        away = {one, other};
      }
    }
  }
  ASSERT_NE(away.first, 0U) << describe(0);
  for (const NodeId one : {away.first, away.second}) node(static_cast<unsigned>(one - 1)).crash();
  world_->run_for(20 * kSecond);
  ASSERT_TRUE(std::ranges::any_of(facts(0)->shards, [](const ShardFacts& shard) { return !shard.status; }));
  for (const NodeId one : {away.first, away.second}) {
    EXPECT_EQ(set_state(0, one, NodeState::kRemoved).error().code(), ClusterErrc::kNotAllowed) << one;
  }
}

TEST_F(ClusterTest, WhatWouldBreakItIsRefused) {
  set_up(11, 3);
  wait_whole(0, 3);
  node(2).crash();
  world_->run_for(5 * kSecond);
  // Two of three are there: none of them may go.
  EXPECT_EQ(set_state(0, 2, NodeState::kRemoved).error().code(), ClusterErrc::kNotAllowed);
  EXPECT_EQ(set_state(0, 9, NodeState::kRemoved).error().code(), ClusterErrc::kNotFound);
  EXPECT_TRUE(set_state(0, 3, NodeState::kRemoved).ok());
}

TEST_F(ClusterTest, SlotsMoveThereAndBack) {
  env::sim::for_each_seed(1, 4, [&](uint64_t seed) {
    set_up(seed, 3, 1 + seed % 2);
    wait_whole(0, 3);
    world_->run_for(20 * kSecond);
    const Result<BegunMoves> begun = move_slots(static_cast<unsigned>(seed % 3), 10, 4000, 3);
    ASSERT_TRUE(begun.ok()) << begun.error().message();
    ASSERT_EQ(begun->moves.size(), 2U);  // of two owners
    wait_moved(0, 20);
    world_->run_for(kSecond);
    expect_owner(9, 0);
    expect_owner(10, 3);
    expect_owner(3999, 3);
    expect_owner(4001, 1);
    const Result<BegunMoves> back = world_->run(node(1).reactor(0), program(1).service().rebalance_slots());
    ASSERT_TRUE(back.ok());
    EXPECT_TRUE(back->is_all);
    EXPECT_FALSE(back->moves.empty());
    wait_moved(1, 20);
    world_->run_for(kSecond);
    std::map<ShardId, unsigned> has;
    for (const SlotRun& run : facts(2)->slots) has[run.shard] += run.last - run.first + 1U;
    for (ShardId shard = 0; shard < kShards; ++shard) EXPECT_NEAR(has[shard], 16384.0 / kShards, 1.0);
  });
}

TEST_F(ClusterTest, SlotsMoveThroughCrashesAndStops) {
  env::sim::for_each_seed(1, 12, [&](uint64_t seed) {
    set_up(seed, 3);
    wait_whole(0, 3);
    world_->run_for(15 * kSecond);
    env::Random& random = world_->random();
    for (int round = 0; round < 4; ++round) {
      const auto asked = static_cast<unsigned>(random.next() % 3);
      const ShardId to = round % 2 == 0 ? 4 : 2;
      const Result<BegunMoves> begun = move_slots(asked, 100, 120, to);
      ASSERT_TRUE(begun.ok()) << begun.error().message();
      world_->run_for(static_cast<int64_t>(random.next() % 300) * kMillisecond);
      const auto victim = static_cast<unsigned>(random.next() % 3);
      if (round == 3) {
        (void)world_->run(node(victim).reactor(0), program(victim).stop());
        node(victim).stop();
      } else {
        node(victim).crash();
      }
      world_->run_for(static_cast<int64_t>(random.next() % 10) * kSecond);
      node(victim).restart();
      wait_moved((victim + 1) % 3, 110);
      wait_whole(victim, 3);
      world_->run_for(2 * kSecond);
      expect_owner(110, to);
      if (HasFailure()) return;
    }
  });
}

TEST_F(ClusterTest, MovesOfSlotsThatMakeNoSenseAreRefused) {
  set_up(14, 3);
  wait_whole(0, 3);
  EXPECT_EQ(move_slots(0, 0, 10, kSystem).error().code(), ClusterErrc::kNotFound);
  EXPECT_EQ(move_slots(0, 0, 10, 0).error().code(), ClusterErrc::kNotAllowed);
  EXPECT_EQ(move_slots(0, 16380, 16384, 0).error().code(), ClusterErrc::kNotFound);
  const auto cancel = [&](uint64_t move) {
    return world_->run(node(0).reactor(0), program(0).service().cancel_move(move));
  };
  EXPECT_EQ(cancel(1).error().code(), ClusterErrc::kNotFound);
  const Result<BegunMoves> begun = move_slots(0, 0, 10, 1);
  ASSERT_TRUE(begun.ok());
  EXPECT_EQ(move_slots(1, 10, 20, 1).error().code(), ClusterErrc::kNotAllowed);
  const Status cancelled = cancel(begun->moves[0].id);
  wait_moved(0, 5);
  world_->run_for(kSecond);
  expect_owner(5, cancelled.ok() ? 0 : 1);
  if (cancelled.ok()) {
    EXPECT_EQ(facts(0)->moves.at(0).move.why, "cancelled");
    EXPECT_TRUE(cancel(begun->moves[0].id).ok());  // forgets it
    world_->run_for(kSecond);
  }
  EXPECT_TRUE(facts(0)->moves.empty());
}

}  // namespace
}  // namespace keelson::cluster
