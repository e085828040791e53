// One node of simulated coordination, alone or of a cluster, with clients and watchers that live on it: they die with
// it, and what they had asked for stays unanswered.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coord/service.h"
#include "env/env.h"
#include "env/sim/chance.h"
#include "env/sim/sim.h"
#include "shard/runtime.h"
#include "tests/sim/cluster_peers.h"
#include "tests/sim/cluster_witness.h"
#include "tests/sim/coord_book.h"

namespace keelson::sim_test {

struct CoordNodeOptions {
  unsigned index = 0;
  std::vector<env::Address> peers;  // of all nodes of a cluster; empty: it is alone
  log::LocalLogOptions log;
  shard::CheckpointOptions checkpoint;
  raft::MemberOptions member;
  int64_t tick_ms = 50;
  unsigned clients = 2;
  unsigned watchers = 2;
  unsigned keys = 6;
  int64_t think_ns_max = 30 * env::sim::kMillisecond;
  // What a clock may gain on the world's in its lifetime, and so shorten a lease.
  double drift_max = 0.03;
};

// What outlives the node's lives.
struct CoordShared {
  env::sim::World& world;
  CoordBook& book;
  ClusterWitness& witness;
  bool is_writing = true;  // false: clients end
  uint64_t next_value = 1;
};

class CoordNode final : public env::sim::Program, private shard::GroupListener {
 public:
  CoordNode(env::Env& env, CoordNodeOptions options, CoordShared& shared);
  ~CoordNode() override;

  [[nodiscard]] bool is_serving() const { return is_serving_; }
  // Why it has to be started anew; empty: it need not.
  [[nodiscard]] std::string failure() const;
  // Reads all keys, linearizably; again and again until that is answered.
  Task<void> read_all();
  // Asks watchers for their progress, so that what they were told is complete when it comes.
  [[nodiscard]] bool have_watchers_seen(int64_t revision) const;
  void watchers_must_be_complete();
  // Something that must not matter: a checkpoint, another leader.
  void stir(uint64_t chance);

 private:
  struct Watching {
    WatchRecord* record = nullptr;
    int64_t seen = 0;  // everything up to it has been told
  };

  Task<void> start();
  // What a start reads counts once it is durable: one that fails may have read what the next crash takes.
  void tell(std::function<void()> what);
  [[nodiscard]] shard::RuntimeOptions runtime_options();
  void fail_start(const Status& why) { failure_ = why.error().message(); }

  Task<void> client(unsigned number);
  Task<void> ask(unsigned by, linear::StoreCall call);
  Task<void> compact();
  Task<void> use_lease(unsigned by);
  Task<int64_t> grant(int64_t ttl_s);
  Task<void> watcher(unsigned number);
  // One watch, from `next` on, until it is over; `next` is then where to go on.
  Task<void> watch_once(unsigned number, int64_t& next);
  static WatchResponse to_response(const coord::Delivery& delivery);
  Task<void> note_leader();
  Task<void> give_lead(shard::NodeId to);
  Task<void> checkpoint();

  // shard::GroupListener.
  void leader_changed(shard::ShardId shard, shard::NodeId leader, bool is_here) override;
  void members_changed(shard::ShardId shard, const raft::Members& members) override {}
  void replica_stopped(shard::ShardId shard, const std::string& why) override;

  [[nodiscard]] env::Reactor& here() { return env_.reactor(0); }
  [[nodiscard]] uint64_t below(uint64_t count) { return here().random().next() % count; }
  [[nodiscard]] linear::StoreCall draw();
  [[nodiscard]] linear::StoreOperation draw_operation();
  [[nodiscard]] std::string key() { return std::string("k") + static_cast<char>('a' + below(options_.keys)); }

  env::Env& env_;
  const CoordNodeOptions options_;
  CoordShared& shared_;
  bool is_recovered_ = false;
  std::vector<std::function<void()>> unproven_;  // until then
  bool is_serving_ = false;
  std::string failure_;
  std::unique_ptr<engine::ReplySink> unheard_;
  std::unique_ptr<ClusterPeers> peers_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<coord::Service> service_;
  std::vector<Watching> watching_;
  env::TaskScope tasks_;
};

}  // namespace keelson::sim_test
