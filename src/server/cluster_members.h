// The cluster's nodes as members of an etcd cluster: what protocol/etcd asks.
//
// Nodes come in and go by `keelson cluster`; of etcd's own ways there are remove and move-leader.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "cluster/service.h"
#include "protocol/etcd/members.h"
#include "shard/runtime.h"

namespace keelson::server {

class ClusterMembers final : public etcd::Members {
 public:
  // Both outlive it. Made once the node has a place in its cluster.
  ClusterMembers(cluster::Service& service, shard::Runtime& runtime);

  [[nodiscard]] etcd::HeaderFacts facts() const override;
  Task<etcd::RaftFacts> raft(env::Reactor& here) override;
  Task<etcd::MembersAnswer> list(env::Reactor& here, bool is_linearizable) override;
  Task<etcd::MembersAnswer> add(env::Reactor& here, std::vector<std::string> peer_urls, bool is_learner) override;
  Task<etcd::MembersAnswer> remove(env::Reactor& here, uint64_t id) override;
  Task<etcd::MembersAnswer> update(env::Reactor& here, uint64_t id, std::vector<std::string> peer_urls) override;
  Task<etcd::MembersAnswer> promote(env::Reactor& here, uint64_t id) override;
  Task<net::grpc::CallStatus> move_leader(env::Reactor& here, uint64_t target) override;

 private:
  // From a coroutine on reactor 0.
  [[nodiscard]] std::vector<etcd::Member> members() const;
  Task<Status> remove_at_home(uint64_t id);
  Task<Status> move_leader_at_home(uint64_t target);
  // Runs a task on reactor 0 and comes back to `here`.
  Task<Status> at_home(env::Reactor& here, Task<Status> task);

  cluster::Service& service_;
  shard::Runtime& runtime_;
  const uint64_t cluster_id_;
  env::TaskScope tasks_;  // of reactor 0
};

}  // namespace keelson::server
