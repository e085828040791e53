// The kv service of one node: what its connections share.
//
// What belongs to one reactor (its sessions, its copy of the settings, its counters) stands in a Local and is touched
// on that reactor alone; what spans reactors goes by message. Commands find everything they need here.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "env/reactor.h"
#include "protocol/resp/config.h"
#include "protocol/resp/rates.h"
#include "shard/cluster_view.h"
#include "shard/runtime.h"

namespace keelson::net {
class TlsContext;
}

namespace keelson::resp {

class CommandStats;
class LatencyMonitor;
class MonitorFeed;
class PubSub;
class Session;
class ShardAgent;
class Slowlog;
struct SessionBatch;

// Counters of one reactor, for INFO's "stats" and "clients".
struct LocalCounters {
  uint64_t connections_received = 0;
  uint64_t connections_rejected = 0;
  uint64_t commands_processed = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t expired_keys = 0;
  uint64_t evicted_keys = 0;
  uint64_t error_replies = 0;
  uint64_t protocol_errors = 0;
  uint64_t output_limit_disconnections = 0;
  uint64_t blocked_clients = 0;  // at present
  uint64_t total_pushes = 0;

  void add(const LocalCounters& other);
};

// One reactor's part of the service.
struct Local {
  explicit Local(env::Reactor& on);
  ~Local();

  env::Reactor& reactor;
  KvConfig config;
  LocalCounters counters;
  // By client id, so that CLIENT LIST is in order.
  std::map<uint64_t, Session*> sessions;
  std::unique_ptr<CommandStats> stats;
  // Until this monotonic time commands wait (CLIENT PAUSE): all of them, or only writes.
  int64_t paused_until_ns = 0;
  bool pause_writes_only = false;
  // Connections with MONITOR on, on any reactor; sessions feed them when it is not 0.
  uint32_t monitor_count = 0;
  // Those of them that live here (MONITOR and leave_monitor() keep it).
  std::vector<Session*> monitors;
  // The error-reply counts by code word ("WRONGTYPE"), for INFO errorstats.
  std::map<std::string, uint64_t, std::less<>> errors_by_code;
  // Working memory of commands under way, for the next session that needs it.
  std::vector<uint32_t> key_indexes;
  std::vector<std::unique_ptr<SessionBatch>> idle_batches;
  // Sessions whose answers go out at the end of this turn, behind the turn's log records.
  std::vector<Session*> flush_due;
  // Sessions that have read one command each in this turn; they run at its end, one behind another (session.cc).
  std::vector<Session*> row;
  std::vector<Session*> running_row;  // null: has run, or is gone
  int64_t row_ns = 0;                 // while they run: the clock as of the last one's end; else 0
  int64_t row_clock_ns = 0;           // when the log's clock was read last for them
  // Expires keys, frees memory, looks at limits.
  std::unique_ptr<env::Timer> tick;
  uint64_t ticks = 0;
  // Where eviction goes on: the next reactor that is asked, and the next of the own shards.
  unsigned eviction_reactor = 0;
  unsigned eviction_shard = 0;
  // Sampled about once a second.
  RateSampler rates;
  env::TaskScope tasks;
};

// What the process takes of the machine, for INFO and MEMORY. What is 0 or empty is not known, and not shown.
struct ProcessFigures {
  uint64_t process_id = 0;
  uint64_t resident_bytes = 0;
  uint64_t user_cpu_us = 0;
  uint64_t system_cpu_us = 0;
  uint64_t machine_memory_bytes = 0;
  std::string operating_system;
  std::string allocator;
  uint64_t allocator_allocated_bytes = 0;
  uint64_t allocator_active_bytes = 0;
  uint64_t allocator_resident_bytes = 0;
};

// What the program around the service does for it. A function that is null is not supported; clients are told so.
struct Host {
  std::function<void(bool with_checkpoint)> shutdown;  // reactor 0
  // Reactor 0. Writes the settings file, so that it survives a crash; an error if there is none.
  std::function<Task<Status>(KvConfig)> rewrite_config;
  std::function<Status(log::Durability)> set_durability;
  std::function<ProcessFigures()> process_figures;  // any thread
  std::function<void()> purge_memory;               // any thread
  std::function<log::Durability()> durability;      // the present one, for CONFIG GET and INFO; any thread
  std::string config_file;                          // empty: none
  std::string executable;
  std::string data_folder;
  std::string version;  // Keelson's
  std::string node_id;  // 40 hex digits, also INFO's run_id
  uint16_t port = 0;
  std::string bind;
  // Of a node in a cluster: who has which slots. Outlives the service. Null: CLUSTER knows this node alone, and MOVED
  // cannot say where to go.
  const shard::ClusterView* cluster = nullptr;
};

class KvService {
 public:
  KvService(shard::Runtime& runtime, KvConfig config, Host host);
  ~KvService();

  // Reactor 0.
  Status listen(const env::Address& at, net::TlsContext* tls);
  // The ports that listen() got.
  [[nodiscard]] const std::vector<env::Address>& addresses() const { return addresses_; }
  // Takes no more connections, lets those that are there finish the commands they have read, and ends them.
  Task<void> stop();

  // Any thread.
  [[nodiscard]] shard::Runtime& runtime() { return runtime_; }
  [[nodiscard]] const shard::Router& router() const { return runtime_.router(); }
  [[nodiscard]] unsigned reactor_count() const { return router().reactor_count(); }
  [[nodiscard]] env::Reactor& reactor(unsigned index) { return runtime_.reactor(index); }
  [[nodiscard]] const Host& host() const { return host_; }
  [[nodiscard]] int64_t started_wall_ms() const { return started_wall_ms_; }
  [[nodiscard]] uint64_t next_client_id();
  // The shards are replicated: clients are told that this is a node of a Redis Cluster.
  [[nodiscard]] bool is_cluster() const { return is_cluster_; }
  // Of a cluster. What is known of it at this moment; never null.
  [[nodiscard]] std::shared_ptr<const shard::ClusterMap> cluster_map() const;
  // From a coroutine on `here`: the shards that this node leads.
  Task<std::vector<shard::ShardId>> led_shards(env::Reactor& here);

  // That reactor's thread.
  [[nodiscard]] Local& local(unsigned reactor_index) { return *locals_[reactor_index]; }
  // The shard's owner, or its borrower.
  [[nodiscard]] ShardAgent& agent(shard::ShardId id) { return *agents_[id]; }

  // From a coroutine on `here`: runs `visit` on every reactor, each with its Local, one after the other in order;
  // resumes on `here`.
  Task<void> on_each_reactor(env::Reactor& here, std::function<void(Local&)> visit);
  // Gives every reactor the new settings, and the shards' engines theirs.
  Task<void> set_config(env::Reactor& here, KvConfig config);
  // Finds the session with this id on whichever reactor it lives and runs `visit` there; false if there is none.
  Task<bool> on_session(env::Reactor& here, uint64_t client_id, std::function<void(Session&)> visit);
  // Adds to the counters what the reactor's shards have counted since the last call, but for shards that are lent just
  // now. That reactor's thread; before the counters are read.
  void settle_counters(Local& local);
  // For a command that needs memory: true if it may run, after evicting what the policy allows if maxmemory is passed.
  // That reactor's thread.
  bool make_room(Local& local);

  // Self-synchronised parts.
  [[nodiscard]] PubSub& pubsub() { return *pubsub_; }
  // These live on reactor 0; others reach them through Runtime::reactor(0).post().
  [[nodiscard]] Slowlog& slowlog() { return *slowlog_; }
  [[nodiscard]] LatencyMonitor& latency() { return *latency_; }

 private:
  Task<void> accept_loop(env::Listener& listener, net::TlsContext* tls);
  Task<void> serve(Local& local, std::unique_ptr<env::Stream> stream, net::TlsContext* tls, bool is_one_too_many);
  void tick(Local& local);
  bool tick_shards(Local& local);
  Task<size_t> session_count();

  shard::Runtime& runtime_;
  Host host_;
  const bool is_cluster_;
  int64_t started_wall_ms_;
  std::atomic<uint64_t> next_client_id_{1};
  std::atomic<uint32_t> connected_{0};
  std::vector<std::unique_ptr<Local>> locals_;
  std::vector<std::unique_ptr<ShardAgent>> agents_;
  std::unique_ptr<PubSub> pubsub_;
  std::unique_ptr<Slowlog> slowlog_;
  std::unique_ptr<LatencyMonitor> latency_;
  std::vector<std::unique_ptr<env::Listener>> listeners_;
  std::vector<env::Address> addresses_;
  std::unique_ptr<env::TaskScope> accepting_;
  bool is_stopping_ = false;
  unsigned next_reactor_ = 0;  // takes the next connection
  // Of each reactor: its shards have something that could be evicted, as far as it knows.
  // Evicts one key of the reactor's own shards, which take turns; false if none of them has any.
  bool evict_next(Local& local);

  std::unique_ptr<std::atomic<bool>[]> can_evict_;
  // Evictions that a reactor was asked for and has not come to.
  std::unique_ptr<std::atomic<uint32_t>[]> evictions_asked_;
};

}  // namespace keelson::resp
