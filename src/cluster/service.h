// A node's part in the cluster: what it answers other nodes, what it keeps up to date in the system shard about itself,
// and what it does while it leads that shard.
//
//   Service cluster(env, mesh, options);        // before mesh.start(): registers what other nodes may call
//   ... join or found: set_file() ...
//   RuntimeOptions::replication = cluster.replication(...)
//   co_await runtime.start();
//   co_await cluster.start(runtime, coord);     // starts the groups
//   ... cluster.announce(...) once the node serves ...
//   co_await cluster.stop();                    // before coord and the runtime stop
//   co_await cluster.detach();                  // behind them
//
// Placement. While this node leads the system shard it compares, every kDriveEveryMs and whenever the cluster's state
// changes, where replicas are with where they should be (placement.h), and takes the next step of each group that
// differs (steps.h), for at most kMovesMax groups at a time.
//
// Slots. The state says which shard has which (slots.h); it goes into the runtime's SlotMap and the view that protocols
// show. The leader of the system shard asks the leaders of shards that give slots to carry on with each move, at most
// kSlotMovesMax that copy at a time; those nodes run the coordinators (slot_mover.h).
//
// Reactor 0, but for what says otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cluster/calls.h"
#include "cluster/identity.h"
#include "cluster/join.h"
#include "cluster/leaders.h"
#include "cluster/leases.h"
#include "cluster/messenger.h"
#include "cluster/slot_mover.h"
#include "cluster/state.h"
#include "cluster/store.h"
#include "cluster/view.h"
#include "coord/service.h"
#include "env/env.h"
#include "peer/mesh.h"
#include "shard/runtime.h"

namespace keelson::cluster {

struct ServiceOptions {
  std::string folder;  // of the node's data
  std::string name;
  std::string zone;
  // Of a cluster that this node founds; else what it was told when it joined.
  ClusterSettings settings;
  uint64_t hash_secret = 0;
  // A node that has not been reached for this long loses its replicas to others; 0: never.
  int64_t replace_after_ms = 0;
  std::string version;
  SlotMoverOptions mover = {};
  // The cluster has removed this node: it should stop.
  std::function<void()> on_removed;
};

// Where clients reach the node; empty: not at all.
struct ServedAt {
  std::string kv;
  std::string kv_tls;
  std::string kv_id;
  std::string etcd;
  std::string kafka{};
  std::string kafka_tls{};
  std::string http;
};

// What is known of one shard's group, for people.
struct ShardFacts {
  ShardId shard = 0;
  bool is_system = false;
  NodeId leader = 0;  // 0: none is known
  std::vector<NodeId> wanted;
  std::optional<raft::MemberStatus> status;  // of the leader
};
// Of one move of slots.
struct MoveFacts {
  SlotMove move;
  NodeId node = 0;        // that works at it; 0: none, or it is not known
  MoveProgress progress;  // as that says; error: also that it cannot be asked
};
struct ClusterFacts {
  std::string cluster;
  NodeId self = 0;
  NodeId system_leader = 0;
  ClusterState state;
  std::set<NodeId> reachable;
  std::vector<ShardFacts> shards;
  std::vector<SlotRun> slots;  // the whole map
  std::vector<MoveFacts> moves;
};
// What was begun.
struct BegunMoves {
  std::vector<SlotMove> moves;
  bool is_all = true;  // of what was wanted
};

class Service {
 public:
  // The shards of the node are numbered the same on all nodes.
  struct Shards {
    std::vector<ShardId> replicated;  // ascending, the system shard among them
    std::vector<ShardId> slots;       // those of kv, between which slots are divided
    std::vector<ShardId> topics{};    // those of topics, if they are replicated
    ShardId system = 0;
    uint16_t total = 0;
  };

  Service(env::Env& env, peer::Mesh& mesh, ServiceOptions options);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Before anything below: who this node is. Already saved.
  void set_file(ClusterFile file, ClusterSettings settings, uint64_t hash_secret);
  [[nodiscard]] const ClusterFile& file() const { return file_; }

  // For the runtime, which is made behind it.
  [[nodiscard]] shard::ReplicationOptions replication(Shards shards);
  [[nodiscard]] const Leaders& leaders() const { return *leaders_; }  // any thread
  [[nodiscard]] coord::LeaseKeeper& remote_leases() { return *remote_leases_; }

  // Both have been started and outlive this, or its stop().
  Task<Status> start(shard::Runtime& runtime, coord::Service& coord);
  // Tells the others where clients reach this node, until it succeeds.
  void announce(ServedAt at);
  // Takes part in the cluster's affairs no more. Raft's messages flow until detach(), behind the runtime's stop.
  Task<void> stop();
  Task<void> detach();
  // Instead of both, before coord and the runtime are destroyed without having been stopped (a crash in simulation).
  void abandon();

  // What people ask for. Errors are for them.
  Task<Result<ClusterFacts>> facts();
  // kRemoved is for good; kActive takes a drain back.
  Task<Status> set_node_state(NodeId node, NodeState state);
  // The shard's replica goes from one node to another.
  Task<Status> move_replica(ShardId shard, NodeId from, NodeId to);
  Task<Status> transfer_lead(ShardId shard, NodeId to);
  // Slots first to last (included) go to a shard; or as many slots to each shard as to the others. Begun, not done.
  Task<Result<BegunMoves>> move_slots(uint64_t first, uint64_t last, uint64_t to);
  Task<Result<BegunMoves>> rebalance_slots();
  // The slots stay where they are; refused once they have been handed over. Of a move that has failed, forgets it.
  Task<Status> cancel_move(uint64_t move);
  // Looks after the placement now.
  void drive_soon();

  // What topics ask of one another's nodes, in bytes of their own. The handler runs on reactor 0; set before start().
  using TopicHandler = std::function<Task<Result<std::string>>(std::string request)>;
  void set_topic_handler(TopicHandler handler) { topic_handler_ = std::move(handler); }
  // From any reactor. After an error it may have been done or not.
  Task<Result<std::string>> ask_topic(env::Reactor& here, NodeId node, std::string request);

  // As last seen.
  [[nodiscard]] const ClusterState& state() const { return state_; }
  [[nodiscard]] ShardId system_shard() const { return shards_.system; }
  // Of the system shard's group, half a second old at most. Any thread.
  [[nodiscard]] uint64_t system_term() const { return system_term_.load(std::memory_order_relaxed); }
  // What protocols tell their clients. Any thread; lives as long as this.
  [[nodiscard]] const shard::ClusterView& view() const { return view_; }
  // Likewise, with the topic shards, and the addresses for Kafka's clients.
  [[nodiscard]] const shard::ClusterView& kafka_view() const { return kafka_view_; }

 private:
  // What the nodes say at one time.
  struct Seen {
    std::set<NodeId> reachable;
    std::map<ShardId, std::set<NodeId>> holders;
    std::map<ShardId, ReplicaReport> leaders;
  };

  // service.cc
  void show_soon();
  void show();
  [[nodiscard]] std::map<ShardId, NodeId> leaders_of(const std::vector<ShardId>& shards) const;
  Task<void> look_around();
  Task<std::map<ShardId, NodeId>> leaders_told();
  Task<void> watch();
  Task<bool> reload();
  Task<void> state_changed();
  Task<void> keep_announced();
  Task<Status> announce_once();
  Task<Status> found();
  [[nodiscard]] bool leads() const { return leaders_->leader_of(shards_.system) == file_.node; }

  // service_calls.cc
  void add_methods();
  void add_method(CallMethod method, bool is_for_guests,
                  Task<Result<std::string>> (Service::*handler)(peer::Caller, std::string));
  Task<Result<std::string>> answer_join(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_report(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_make(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_remove(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_change(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_transfer(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_keep_alive(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_time_to_live(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_topic(peer::Caller caller, std::string request);
  Task<std::vector<ReplicaReport>> reports();
  Task<Result<NodeId>> enrol(JoinRequest request);
  // False: it is not ready to be asked.
  [[nodiscard]] bool is_ready() const { return runtime_ != nullptr && !is_stopping_; }

  // service_slots.cc
  class Moving;
  struct Plan;
  struct Wipe;
  void add_slot_methods();
  Task<Result<std::string>> answer_carry_on(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_change_slots(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_slot_state(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_wipe_slots(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_import_slots(peer::Caller caller, std::string request);
  Task<Result<std::string>> answer_follow(peer::Caller caller, std::string request);
  [[nodiscard]] bool has_slots(ShardId shard) const;
  void carry_on(uint64_t move);
  void forget_moves();
  Task<void> carry_on_moves(const Seen& seen);
  Task<std::vector<MoveFacts>> move_facts(const Seen& seen);
  Task<LogErrc> wipe_here(ShardId shard, shard::SlotRange range);
  Task<void> run_wipe(Wipe& wipe);
  void forget_wipes();
  // Until this node has seen that revision of the cluster's state, and shows it.
  Task<Status> follow(int64_t revision);
  Task<Result<Plan>> begin_plan();
  Task<Result<BegunMoves>> begin_moves(Plan plan, std::vector<SlotMove> moves);
  Task<void> stop_moving();

  // driver.cc
  Task<void> drive();
  Task<void> drive_once();
  Task<Seen> look();
  Task<Status> plan(const Seen& seen);
  Task<bool> take_step(const Seen& seen, ShardId shard);
  Task<Status> ask(NodeId node, CallMethod method, ShardCall call);
  Task<Status> check_removal(NodeId node);
  [[nodiscard]] std::vector<NodeId> wanted(ShardId shard) const;

  env::Env& env_;
  env::Reactor& home_;
  peer::Mesh& mesh_;
  ServiceOptions options_;
  TopicHandler topic_handler_;
  ClusterFile file_;
  Shards shards_;
  std::unique_ptr<Leaders> leaders_;
  std::unique_ptr<RemoteLeases> remote_leases_;
  std::vector<std::unique_ptr<HubMessenger>> messengers_;  // of each reactor
  shard::Runtime* runtime_ = nullptr;
  coord::Service* coord_ = nullptr;
  std::unique_ptr<Store> store_;
  ClusterState state_;
  View view_;
  View kafka_view_;
  std::map<ShardId, NodeId> leaders_elsewhere_;  // of shards that have no replica here
  int64_t shown_revision_ = 0;                   // of the state, in what is shown
  std::vector<SlotRun> shown_slots_;             // likewise
  std::map<uint64_t, std::unique_ptr<Moving>> moving_;
  std::map<uint64_t, Wipe> wipes_;
  uint64_t last_wipe_ = 0;
  bool is_view_wanted_ = false;
  std::atomic<uint64_t> system_term_{0};
  bool is_looking_around_ = false;
  std::unique_ptr<coord::WatchStream> watching_;
  std::optional<ServedAt> served_at_;
  bool is_announced_ = false;
  bool is_stopping_ = false;
  bool is_drive_wanted_ = false;
  bool is_driving_ = false;
  std::map<NodeId, int64_t> unreachable_since_ns_;
  env::Timer drive_timer_;
  env::Timer announce_timer_;
  std::unique_ptr<env::TaskScope> tasks_;
  std::unique_ptr<env::TaskScope> moving_tasks_;
};

}  // namespace keelson::cluster
