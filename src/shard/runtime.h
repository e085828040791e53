// The shards of one node on its reactors: recovery, running, checkpoints, stopping.
//
// Made and started on reactor 0, which is the home of the log. Every reactor owns the shards that the router gives it,
// a log clock and a log port. Knows engines only by their contract.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "env/reactor.h"
#include "log/commit_log.h"
#include "log/local_log.h"
#include "raft/groups.h"
#include "raft/member.h"
#include "shard/log_clock.h"
#include "shard/replay.h"
#include "shard/replica.h"
#include "shard/router.h"
#include "shard/shard.h"
#include "shard/shard_group.h"
#include "shard/slot_export.h"
#include "shard/slot_map.h"
#include "shard/slot_table.h"

namespace keelson::shard {

struct CheckpointOptions {
  // Every changed shard is written down when the log holds at least this much and at least as much as the checkpoints.
  uint64_t log_bytes_min = uint64_t{256} << 20;
  // Part of a reactor's time that checkpoints may take, in percent.
  unsigned cpu_percent_max = 25;
};

// One kind of data that the node serves: its shards all have the same engine.
struct ServiceOptions {
  std::string name;  // stands in checkpoints: "kv"
  uint32_t engine_version = 1;
  uint16_t shard_count = 16;
  log::Durability durability = log::Durability::kInterval;
  // Called with the number of the shard within the node.
  std::function<std::unique_ptr<engine::Engine>(ShardId)> make_engine;
  // Swallows the answers of replayed commands; several reactors use it at the same time.
  engine::ReplySink* replay_sink = nullptr;
  // On a node of a cluster: each shard is a group of replicas. False: the service is this node's own.
  bool is_replicated = true;
  // On a node of a cluster: keys have slots, each shard begins with its home range of them (shard/router.h), and slots
  // may move. Its operations name their slots then. False: each shard takes whatever it gets.
  bool has_slots = false;
};

// Makes the node one of a cluster. The numbers and services of shards are then the same on all nodes.
struct ReplicationOptions {
  NodeId node = 0;
  // Of that reactor; outlives the runtime. What it receives goes to Runtime::groups() of that reactor.
  std::function<raft::Messenger&(unsigned reactor)> messenger;
  // Who votes in a new group of this shard: the same answer on each of these nodes. Asked at the start if nothing of
  // the shard is on disk; without this node in it, the shard has no replica here until add_replica().
  std::function<std::vector<NodeId>(ShardId)> first_members;
  GroupListener* listener = nullptr;  // or null; outlives the runtime
  ReplicaOptions replica;             // its node is set by the runtime
  raft::MemberOptions member;         // its node and group likewise
  raft::GroupsOptions groups;
  // A graceful stop waits this long for other nodes to take the lead.
  int64_t give_away_ms = 2000;
};

struct RuntimeOptions {
  std::string folder;  // holds log/ and checkpoints/
  // Their shards are numbered through in this order, which must never change for a folder; further ones may be added at
  // the end. kv stands first: its shards begin at 0.
  std::vector<ServiceOptions> services;
  log::LocalLogOptions log;
  CheckpointOptions checkpoint;
  // Set: takes the place of the local log (a replicated log; a test's). One for each reactor; nothing is recovered
  // then.
  std::function<std::unique_ptr<log::CommitLog>(env::Reactor&)> make_log;
  std::optional<ReplicationOptions> replication;  // not with make_log
};

struct CheckpointProgress {
  bool is_running = false;
  uint64_t shards_done = 0;
  uint64_t shards_total = 0;
  uint64_t bytes_written = 0;
  uint64_t completed = 0;  // shards' checkpoints since start
  uint64_t failed = 0;
  int64_t last_completed_wall_ms = 0;
  int64_t last_duration_ms = 0;
  std::string last_error;  // of the last run; empty if it went well
};

struct RecoveryReport {
  uint64_t records_replayed = 0;
  uint64_t checkpoint_bytes = 0;
  int64_t duration_ms = 0;
};

class Runtime : private ShardGroup::Host {
 public:
  Runtime(env::Env& env, RuntimeOptions options);
  ~Runtime() override;

  // Recovers every shard (checkpoint, then log) and begins to serve. Shards that are damaged stop alone and say so in
  // Shard::damage(). An error means that the node cannot run.
  Task<Status> start();
  // A node of a cluster: begins to take part in the groups of its shards. After start(), once everything that stands on
  // the shards has been made: from now on records are applied.
  Task<void> start_groups();
  // Before stop(), if what clients wait for does not end: see Replica::give_up_waiting(). Reactor 0.
  Task<void> give_up_waiting();
  // Gives the lead of replicated shards away, writes every changed shard down if asked, and syncs the log. No operation
  // may be under way.
  Task<Status> stop(bool with_checkpoint);

  // What still waits for shards is about to be destroyed where it stands: from now on nothing runs any more. For
  // whoever destroys the users of the runtime without stop() (a crash in simulation), and harmless after it.
  void abandon() { is_abandoned_ = true; }
  [[nodiscard]] bool is_abandoned() const { return is_abandoned_; }

  // Any thread, once started.
  [[nodiscard]] env::Env& env() { return env_; }
  // Of the service at that place of RuntimeOptions::services.
  [[nodiscard]] const Router& router(size_t service = 0) const { return routers_[service]; }
  [[nodiscard]] env::Reactor& reactor(unsigned index) { return env_.reactor(index); }
  [[nodiscard]] env::Reactor& reactor_of(ShardId id) { return env_.reactor(router().reactor_of(id)); }
  [[nodiscard]] const RecoveryReport& recovery() const { return recovery_; }

  // For the owner's thread (or, while it is lent, the borrower's).
  [[nodiscard]] Shard& shard(ShardId id) { return *shards_[id]; }
  // Of all services.
  [[nodiscard]] uint16_t shards_total() const { return static_cast<uint16_t>(service_of_.size()); }

  // For that reactor's thread.
  [[nodiscard]] LogClock& clock(unsigned reactor_index) { return *clocks_[reactor_index]; }
  [[nodiscard]] log::CommitLog& log(unsigned reactor_index) { return *logs_[reactor_index]; }

  // Reactor 0. Null with make_log.
  [[nodiscard]] log::LocalLog* local_log() { return local_log_.get(); }
  // Any thread. Takes effect with the next record of the service. No effect with make_log.
  void set_durability(size_t service, log::Durability durability);
  [[nodiscard]] log::Durability durability(size_t service) const;
  // From any reactor: everything that shards of `here` have appended before the call is durable. With make_log at once.
  Task<Status> sync_log(env::Reactor& here);

  // Reactor 0. Writes every shard that changed since its last checkpoint down, one after another, then trims the log. A
  // second call while one is under way waits for it and starts anew. `is_urgent`: without leaving time to others.
  Task<Status> checkpoint_all(bool is_urgent = false);
  [[nodiscard]] const CheckpointProgress& checkpoint_progress() const { return progress_; }
  // Reactor 0. Between the two, no checkpoint file is removed and no segment of the log is removed or used again, so
  // that a backup can copy them. May be nested. Needs room: the log grows meanwhile.
  void hold_files();
  void release_files();

  // A node of a cluster. These may be called on any reactor, `here`, once started; shards of services that are not
  // replicated have no groups.
  [[nodiscard]] bool is_replicated() const { return options_.replication.has_value(); }
  // Where a reactor's messenger delivers. That reactor's thread.
  [[nodiscard]] raft::Groups& groups(unsigned reactor_index) { return *groups_[reactor_index]; }
  // The shard gets a replica on this node: of a new group with these voters (this node among them), or, with none, an
  // empty one that waits until the group's leader has added it. kRefused if there is one, kDamaged if there was.
  Task<Status> add_replica(env::Reactor& here, ShardId id, std::vector<NodeId> voters);
  // The replica takes no part any more, its data are deleted, and the shard answers kNotLeader. Only once it is no
  // member any more.
  Task<Status> remove_replica(env::Reactor& here, ShardId id);
  // On the leader's node. kNotLeader elsewhere, and kHalted without a replica.
  Task<raft::MemberErrc> change_members(env::Reactor& here, ShardId id, std::vector<KrChange> changes);
  Task<raft::MemberErrc> transfer_leader(env::Reactor& here, ShardId id, NodeId to);
  // None: no replica here.
  Task<std::optional<raft::MemberStatus>> group_status(env::Reactor& here, ShardId id);

  // Slots that move (runtime_slots.cc), on the node that leads the shard: kNotLeader elsewhere, and in time: kTimedOut
  // says that a record may be in the log or get there yet; to ask for the same again does no harm. kRefused: it is not,
  // ask again. kStopped, kDamaged: this node's replica is of no use.
  //
  // Where this node's operations on the first service's slots go; null if it has no slots, or on one node. Begins with
  // the home ranges.
  [[nodiscard]] SlotMap* slot_map() { return slot_map_.get(); }
  // kNotOwner: the change was void.
  Task<LogErrc> change_slots(env::Reactor& here, ShardId id, SlotChange change);
  // The range of the shard's table that has the slot, as of a moment after the call. kNoLeader: it cannot be confirmed.
  Task<Result<SlotRange>> slot_state(env::Reactor& here, ShardId id, uint16_t slot);
  // kNotOwner: void, the range is not being imported with that epoch, is spoiled, or has not got what comes before;
  // kTooLarge: above a record's limit.
  Task<LogErrc> import_slots(env::Reactor& here, ShardId id, SlotImport import);
  // Deletes what is there of these slots, in small records, until nothing is left. The slots are kImporting or kGone,
  // with that epoch: kNotOwner otherwise.
  Task<LogErrc> wipe_slots(env::Reactor& here, ShardId id, uint16_t first, uint16_t last, uint64_t epoch);
  // Begins to read what the shard holds of these slots. kRefused: an engine without slots.
  Task<Result<std::unique_ptr<SlotExport>>> export_slots(env::Reactor& here, ShardId id, uint16_t first, uint16_t last);

 private:
  struct Background;
  struct JournalReader;

  [[nodiscard]] const ServiceOptions& service_of(ShardId id) const { return options_.services[service_of_[id]]; }
  Task<Status> recover(std::vector<Replay::Reached>& reached);
  Task<Status> load_checkpoints();
  void load_shard(ShardId id, const std::vector<std::string>& paths);
  Status load_file(ShardId id, const std::string& path);
  Status load_piece(ShardId id, size_t number, std::string_view piece);
  Task<Status> checkpoint_shard(ShardId id);
  Task<Status> write_pieces(ShardId id);
  Task<Status> finish_file(ShardId id);
  Task<void> watch_log();
  void trim_log();

  // runtime_groups.cc
  [[nodiscard]] bool is_replicated(ShardId id) const { return is_replicated() && service_of(id).is_replicated; }
  void add_router(const ServiceOptions& service);
  [[nodiscard]] SlotTable home_slots(ShardId id) const;
  Task<void> make_groups();
  void start_group(ShardId id);
  Task<Status> leave_group(ShardId id);
  Task<void> give_leads_away();
  Task<void> stop_groups();
  Task<void> checkpoint_soon(ShardId id);
  void want_checkpoint(ShardId shard) override;
  Task<Status> sync_journal(env::Reactor& here) override;
  void will_install(ShardId shard) override;
  void checkpoint_installed(ShardId shard, uint64_t index, uint64_t needed_from) override;

  env::Env& env_;
  RuntimeOptions options_;
  std::unique_ptr<SlotMap> slot_map_;
  std::vector<Router> routers_;       // of each service
  std::vector<uint16_t> service_of_;  // of each shard
  std::vector<std::unique_ptr<LogClock>> clocks_;
  std::unique_ptr<log::LocalLog> local_log_;
  std::vector<std::unique_ptr<log::CommitLog>> logs_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::unique_ptr<raft::Groups>> groups_;      // one for each reactor
  std::vector<std::unique_ptr<ShardGroup>> shard_groups_;  // of each shard; null: not replicated
  RecoveryReport recovery_;
  CheckpointProgress progress_;
  std::atomic<unsigned> files_held_{0};  // written on reactor 0
  std::unique_ptr<Background> background_;
  bool is_abandoned_ = false;
};

}  // namespace keelson::shard
