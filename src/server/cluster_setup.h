// A node's place in a cluster, from its settings to the parts that make it up: the connections to other nodes, who the
// node is, and what it does in the cluster's affairs.
//
//   enter()          finds out who the node is: from its data folder, by founding a cluster, or by joining one
//   replication()    for the runtime
//   start()          once the runtime and the coordination service have been started
//   serving_at()     once clients are served
//   stop_affairs()   before those two stop
//   stop()           behind them
//
// Belongs to reactor 0.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cluster/service.h"
#include "coord/service.h"
#include "env/env.h"
#include "env/network.h"
#include "monitor/open_metrics.h"
#include "net/tls_stream.h"
#include "peer/mesh.h"
#include "peer/wakeup.h"
#include "server/data_folder.h"
#include "server/settings.h"
#include "shard/runtime.h"

namespace keelson::server {

// The settings say that the node belongs to a cluster, or will.
[[nodiscard]] bool is_clustered(const Settings& settings);
// What single values cannot show.
void check_cluster_settings(const Settings& settings, bool has_secret, std::vector<SettingError>& errors);
// The folder belongs to a node of a cluster although the settings know of none, or the other way round: an error.
[[nodiscard]] Status check_cluster_folder(env::Disk& disk, const Settings& settings);

// Which shards of those services are replicated.
[[nodiscard]] cluster::Service::Shards make_cluster_shards(const shard::RuntimeOptions& options);

inline constexpr std::string_view kClusterFolder = "cluster-incoming";

class ClusterPart {
 public:
  ClusterPart(env::Env& env, const Settings& settings, std::string secret, std::string version,
              std::function<void()> on_removed);
  ~ClusterPart();

  // Listens, and returns once the node has a place in a cluster, which may take until somebody says so (found(),
  // join()) or gives up().
  Task<Status> enter();
  // What enter() waits for; false: it has a place, or is getting one.
  [[nodiscard]] bool found();
  [[nodiscard]] bool join(std::vector<env::Address> addresses);
  // Ends enter() with an error.
  void give_up();
  // What enter() is doing; empty: it has ended.
  [[nodiscard]] const std::string& waiting_for() const { return waiting_for_; }

  // What the data folder must be made with.
  void shape(FolderWish& wish) const;
  // The folder is made: from now on it says whose it is.
  Task<Status> settle(NodeFile node);
  [[nodiscard]] shard::ReplicationOptions replication(cluster::Service::Shards shards) {
    return service_->replication(std::move(shards));
  }
  Task<Status> start(shard::Runtime& runtime, coord::Service& coord);
  struct Served {
    std::vector<env::Address> kv, kv_tls, etcd, etcd_tls, kafka, kafka_tls, http;
    std::string kv_id;
  };
  void serving_at(const Served& served);
  // Takes part in the cluster's affairs no more; replicas go on until the runtime stops.
  Task<void> stop_affairs();
  // Instead, before those two are destroyed without having been stopped.
  void abandon();
  Task<void> stop();

  // Reads certificates and keys again; new connections use them.
  Status reload_certificates();
  // Some shard has no leader that is known here; empty: all have.
  [[nodiscard]] std::string why_not_ready() const;
  [[nodiscard]] cluster::Service& service() { return *service_; }
  [[nodiscard]] peer::Mesh& mesh() { return *mesh_; }
  [[nodiscard]] std::string text() const;  // "node 2 of cluster 6d0c..."
  Task<void> write_metrics(monitor::OpenMetrics& out);

 private:
  Status make_mesh();
  Task<Status> get_place();
  void found_cluster();
  Task<Status> join_cluster();
  void take_place(cluster::ClusterFile file);
  void tell_ignored(const cluster::ClusterSettings& here) const;
  [[nodiscard]] std::string reached_at(const std::vector<env::Address>& listening) const;
  [[nodiscard]] std::string kafka_at(const std::vector<env::Address>& listening) const;

  env::Env& env_;
  env::Reactor& home_;
  const Settings& settings_;
  const std::string secret_;
  const std::string version_;
  const std::string folder_;
  std::function<void()> on_removed_;
  std::unique_ptr<net::TlsContext> tls_server_;
  std::unique_ptr<net::TlsContext> tls_client_;
  std::unique_ptr<peer::Mesh> mesh_;
  std::unique_ptr<cluster::Service> service_;
  cluster::ClusterFile file_;
  cluster::ClusterSettings agreed_;  // what the cluster has said when this node joined; kv_shards 0: nothing
  uint64_t hash_secret_ = 0;
  bool is_founding_wanted_ = false;
  std::vector<env::Address> join_at_;
  bool is_new_ = false;  // file_ is not saved yet
  bool is_given_up_ = false;
  std::string waiting_for_;
  peer::Wakeup decided_;
};

// JSON of what is known of the cluster, and the same for people.
[[nodiscard]] std::string cluster_json(const cluster::ClusterFacts& facts);
[[nodiscard]] std::string cluster_text(const cluster::ClusterFacts& facts);
// Of moves of slots that were begun.
[[nodiscard]] std::string begun_json(const cluster::BegunMoves& begun);
[[nodiscard]] std::string begun_text(const cluster::BegunMoves& begun);

}  // namespace keelson::server
