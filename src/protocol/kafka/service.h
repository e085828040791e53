// The Kafka service of one node: what its connections share.
//
// What belongs to one reactor (its sessions and counters) stands in a Local and is touched on that reactor
// alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "env/reactor.h"
#include "protocol/kafka/access.h"
#include "protocol/kafka/apis.h"
#include "protocol/kafka/brokers.h"
#include "protocol/kafka/session.h"
#include "shard/cluster_view.h"
#include "topics/topics.h"

namespace keelson::net {
class TlsContext;
}

namespace keelson::topics {
class Transactions;
}

namespace keelson::kafka {

class Groups;

// Defects that a test plants to prove that the simulation finds them. All off in the server.
struct KafkaFaults {
  // What a state that others have left behind says is out of range, or not there, is told as it is.
  bool trusts_stale_reads = false;
};

struct KafkaOptions {
  // What clients are told to connect to. Without: the address on which each has reached us, which is numeric, so that
  // no name can lead to another address than the one that is listened on.
  std::optional<Endpoint> advertised;
  std::string cluster_id;  // base64url UUID, as Kafka's
  int32_t node_id = 1;     // in a cluster: the node's number there
  std::string log_folder;
  bool auto_create_topics = true;
  int32_t partitions_default = 1;
  size_t frame_bytes_max = size_t{100} << 20;  // socket.request.max.bytes
  size_t fetch_bytes_max = size_t{55} << 20;   // fetch.max.bytes
  uint32_t connections_max = 10'000;
  int64_t connection_idle_ms = 600'000;  // connections.max.idle.ms
  // Frames and answers under way, of all connections of a reactor.
  size_t reactor_bytes_max = size_t{256} << 20;
  bool needs_authentication = false;
  KafkaFaults faults{};
};

struct ApiCounters {
  Counter requests;
  Counter errors;  // answered by the end of the connection: malformed, unknown version, not allowed yet
  Histogram latency_ns;
};

struct KafkaCounters {
  Counter connections;
  Counter connections_refused;
  Gauge connections_open;
  Counter bytes_in;
  Counter bytes_out;
  Counter records_in;
  Counter record_bytes_in;
  Counter record_bytes_out;
  Counter malformed;  // frames
  Counter failed_logins;
  Counter throttled;
  std::vector<ApiCounters> by_api;  // in api_table()'s order
  Counter fetch_waits;
};

class Security;

// Of one topic, on one reactor.
struct TopicTraffic {
  std::string name;
  uint64_t records_in = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};
// Topics whose traffic a reactor counts; past it, it begins anew.
inline constexpr size_t kTrafficTopicsMax = 2'000;

// One reactor's part of the service.
struct Local {
  Local(KafkaService& owner, env::Reactor& on);
  ~Local();

  KafkaService& service;
  env::Reactor& reactor;
  KafkaCounters counters;
  std::map<uint64_t, Session*> sessions;
  // Frames and answers under way here.
  size_t bytes_under_way = 0;
  // Of fetch sessions.
  size_t fetch_partitions = 0;
  // Whose frame goes past the limit of those; null: nobody's.
  Session* overdrawn = nullptr;
  bool is_stopping = false;
  std::map<topic::TopicId, TopicTraffic> traffic;
  TopicTraffic& traffic_of(const topic::TopicInfo& topic);
  // Clients that send nonsense may fill a log: true at most once a second.
  bool may_warn();
  int64_t warned_ns = 0;
  // Sessions that have something to do at the end of the turn; null: gone.
  std::vector<Session*> due;
  std::vector<Session*> running_due;
  std::unique_ptr<env::Timer> tick;
  env::TaskScope tasks;

  void end_of_turn();
};

class KafkaService {
 public:
  // Both outlive it, and what set_access() and set_quotas() are given.
  KafkaService(topics::Topics& topics, KafkaOptions options);
  ~KafkaService();
  KafkaService(const KafkaService&) = delete;
  KafkaService& operator=(const KafkaService&) = delete;

  // Before listen().
  void set_access(const Access* access) { access_ = access; }
  void set_quotas(Quotas* quotas) { quotas_ = quotas; }
  // Must be: they serve what belongs to groups and to transactions. stop() stops the groups, so that no JoinGroup
  // waits.
  void set_coordinators(Groups* groups, topics::Transactions* transactions) {
    groups_ = groups;
    transactions_ = transactions;
  }
  // Logins, access lists and quotas, with all that clients can ask about them; sets the two above. Outlives this.
  void set_security(Security& security);
  // On a node of a cluster: the nodes, where Kafka's clients reach them, and who leads the topic shards. Outlives this.
  void set_cluster(const shard::ClusterView& view) { cluster_ = &view; }
  [[nodiscard]] Security* security() const { return security_; }  // or null

  // Reactor 0.
  Status listen(const env::Address& at, net::TlsContext* tls);
  // The ports that listen() got.
  [[nodiscard]] const std::vector<env::Address>& addresses() const { return addresses_; }
  // Takes no more connections and requests, wakes fetches that wait, lets those under way end, and ends the
  // connections. Before Topics::stop().
  Task<void> stop();

  // Any thread.
  [[nodiscard]] topics::Topics& topics() { return topics_; }
  [[nodiscard]] shard::Runtime& runtime() { return topics_.runtime(); }
  [[nodiscard]] const KafkaOptions& options() const { return options_; }
  [[nodiscard]] const Access* access() const { return access_; }
  [[nodiscard]] Quotas* quotas() const { return quotas_; }
  [[nodiscard]] Groups& groups() const { return *groups_; }
  [[nodiscard]] topics::Transactions& transactions() const { return *transactions_; }
  [[nodiscard]] unsigned reactor_count() const { return static_cast<unsigned>(locals_.size()); }
  // Counters of any; the rest is for that reactor's thread.
  [[nodiscard]] Local& local(unsigned reactor_index) { return *locals_[reactor_index]; }
  [[nodiscard]] const Local& local(unsigned reactor_index) const { return *locals_[reactor_index]; }
  // Who serves topics, as this session's client is told. On one node this one alone.
  [[nodiscard]] Brokers brokers_for(const Session& session) const;

 private:
  Task<void> accept_loop(env::Listener& listener, net::TlsContext* tls);
  Task<void> serve(Local& local, std::unique_ptr<env::Stream> stream, net::TlsContext* tls, bool is_one_too_many);
  // False: it took too long, or the service stops.
  Task<bool> wait_for_knowledge(Local& local);
  void tick(Local& local);
  Task<size_t> session_count();

  topics::Topics& topics_;
  const KafkaOptions options_;
  const Access* access_ = nullptr;
  Quotas* quotas_ = nullptr;
  Groups* groups_ = nullptr;
  topics::Transactions* transactions_ = nullptr;
  Security* security_ = nullptr;
  const shard::ClusterView* cluster_ = nullptr;
  std::vector<std::unique_ptr<Local>> locals_;
  std::vector<std::unique_ptr<env::Listener>> listeners_;
  std::vector<env::Address> addresses_;
  std::unique_ptr<env::TaskScope> accepting_;
  std::atomic<uint32_t> connected_{0};
  std::atomic<uint64_t> next_session_{1};
  bool is_stopping_ = false;
  unsigned next_reactor_ = 0;
};

}  // namespace keelson::kafka
