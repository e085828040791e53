// One node: everything that serves, wired together, from its start to its stop.
//
// Start: the data folder is locked; HTTP listens (so that /readyz can say what is going on); the shards are recovered;
// the kv service listens. Stop: no new connections; clients finish what they have sent; shards are written down; the
// log ends with a mark that vouches for all of it. Knows nothing of the process around it, so it runs in the simulator
// as well.
//
// Belongs to reactor 0, on which it is made, used and destroyed.
#pragma once

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
#include "monitor/endpoints.h"
#include "monitor/open_metrics.h"
#include "protocol/resp/service.h"
#include "protocol/s3/root_key.h"
#include "server/data_folder.h"
#include "server/settings.h"

namespace keelson::net {
class TlsContext;
namespace http {
class Server;
}
}  // namespace keelson::net

namespace keelson::blobstore {
class Store;
}
namespace keelson::coord {
class Service;
}
namespace keelson::s3 {
class S3Service;
}
namespace keelson::kafka {
class Groups;
class KafkaService;
class Security;
}  // namespace keelson::kafka
namespace keelson::pubsub {
class PubsubService;
}
namespace keelson::topics {
class Topics;
class Transactions;
}  // namespace keelson::topics
namespace keelson::etcd {
class EtcdService;
class Members;
}  // namespace keelson::etcd

namespace keelson::server {

class ClusterPart;
class DynamicConfig;

inline constexpr std::string_view kVersion = "0.1.0";

struct NodeOptions {
  Settings settings;
  std::string kv_password;     // from the setting or its file
  std::string http_password;   // likewise; empty: the kv password
  std::string s3_secret;       // of the root key, likewise; empty: one is made
  std::string cluster_secret;  // likewise; empty: none
  std::string config_file;     // empty: none
  std::string executable;
  // Passwords by name, from kafka.sasl.users-file.
  std::map<std::string, std::string> kafka_users{};
  // The process around the node; null where there is none.
  std::function<resp::ProcessFigures()> process_figures;
  std::function<void()> purge_memory;
  std::function<void(monitor::OpenMetrics&)> process_metrics;
  // Asks for stop(): a client has sent SHUTDOWN.
  std::function<void(bool with_checkpoint)> request_stop;
};

class Node {
 public:
  Node(env::Env& env, NodeOptions options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Once. After an error, call stop() and destroy it. The sentence of an error is for the person who started the
  // program.
  Task<Status> start();
  // Once, also while start() has failed half-way.
  Task<Status> stop(bool with_checkpoint);
  // Ends a start() that waits for the node to get a place in a cluster, with an error.
  void give_up_starting();
  // Reads certificates and keys again; new connections use them.
  Status reload_certificates();

  struct Addresses {
    std::vector<env::Address> kv, kv_tls, s3, s3_tls, etcd, etcd_tls, kafka, kafka_tls, pubsub, pubsub_tls, http;
  };
  [[nodiscard]] const Addresses& addresses() const { return addresses_; }
  // What start() has to tell: one line for people, one JSON object for programs.
  [[nodiscard]] std::string ready_line() const;
  [[nodiscard]] std::string ready_json(uint64_t process_id) const;
  // The root key of S3 if start() had to make it, to be shown once; else null.
  [[nodiscard]] const s3::RootKey* new_root_key() const { return root_key_.is_new ? &root_key_ : nullptr; }

 private:
  enum class State : uint8_t { kStarting, kReady, kStopping };

  Status make_certificates();
  Status start_http();
  Task<Status> open_folder(resp::KvConfig& config);
  Task<Status> start_shards(const resp::KvConfig& config);
  Task<Status> start_coord();
  Status listen_kv();
  Task<Status> start_s3();
  Status listen_s3();
  Task<Status> start_etcd();
  Task<Status> start_topics();
  Status listen_kafka();
  Status listen_pubsub();
  void start_config();
  Status listen_etcd();
  Task<std::string> etcd_metrics(env::Reactor& here);
  resp::Host make_host();
  Task<Status> rewrite_config(resp::KvConfig live);
  void add_endpoints();
  [[nodiscard]] std::string why_not_ready() const;
  Task<void> answer_ready(net::http::Exchange& exchange);
  Task<void> answer_metrics(net::http::Exchange& exchange);
  Task<void> answer_backup(net::http::Exchange& exchange);
  Task<void> answer_checkpoint(net::http::Exchange& exchange);
  Task<void> answer_keys(net::http::Exchange& exchange);
  Task<void> answer_put_key(net::http::Exchange& exchange);
  Task<void> answer_change_key(net::http::Exchange& exchange);
  Task<void> answer_remove_key(net::http::Exchange& exchange);
  Task<void> answer_config(net::http::Exchange& exchange);
  Task<void> answer_put_config(net::http::Exchange& exchange);
  Task<void> answer_remove_config(net::http::Exchange& exchange);
  void add_cluster_endpoints();
  Task<void> answer_cluster(net::http::Exchange& exchange);
  Task<void> answer_cluster_init(net::http::Exchange& exchange);
  Task<void> answer_cluster_join(net::http::Exchange& exchange);
  Task<void> answer_cluster_node(net::http::Exchange& exchange);
  Task<void> answer_cluster_move(net::http::Exchange& exchange);
  Task<void> answer_cluster_lead(net::http::Exchange& exchange);
  Task<void> answer_cluster_move_slots(net::http::Exchange& exchange);
  Task<void> answer_cluster_cancel_move(net::http::Exchange& exchange);
  Task<void> answer_cluster_rebalance(net::http::Exchange& exchange);
  void announce_to_cluster();

  env::Env& env_;
  env::Reactor& home_;
  NodeOptions options_;
  State state_ = State::kStarting;
  Addresses addresses_;
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<net::TlsContext> kv_tls_;
  std::unique_ptr<net::TlsContext> http_tls_;
  std::unique_ptr<ClusterPart> cluster_;  // null: the node is in none
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<coord::Service> coord_;
  std::unique_ptr<resp::KvService> kv_;
  std::unique_ptr<net::TlsContext> s3_tls_;
  s3::RootKey root_key_;
  std::unique_ptr<blobstore::Store> store_;
  std::unique_ptr<s3::S3Service> s3_;
  std::unique_ptr<net::TlsContext> etcd_tls_;
  std::unique_ptr<etcd::Members> members_;
  std::unique_ptr<etcd::EtcdService> etcd_;
  std::unique_ptr<DynamicConfig> config_;
  std::unique_ptr<net::TlsContext> kafka_tls_;
  std::unique_ptr<net::TlsContext> pubsub_tls_;
  // Null on a node of a cluster that has no topics.
  std::unique_ptr<topics::Topics> topics_;
  std::unique_ptr<kafka::Security> kafka_access_;
  std::unique_ptr<topics::Transactions> transactions_;
  std::unique_ptr<kafka::Groups> groups_;
  std::unique_ptr<kafka::KafkaService> kafka_;
  std::unique_ptr<pubsub::PubsubService> pubsub_;  // null on a node of a cluster
  monitor::Endpoints endpoints_;
  std::unique_ptr<net::http::Server> http_;
};

}  // namespace keelson::server
