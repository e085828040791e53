// How simulated nodes reach one another: the connections of src/peer, and the seam of src/raft on top.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "peer/mesh.h"
#include "raft/messenger.h"
#include "shard/runtime.h"

namespace keelson::sim_test {

// Made, used and destroyed on reactor 0; destroyed behind the runtime.
class ClusterPeers {
 public:
  // `peers`: where each node listens for the others, in order; a node's id is its place there and one more.
  ClusterPeers(env::Env& env, unsigned index, std::vector<env::Address> peers);
  ~ClusterPeers();

  [[nodiscard]] raft::NodeId node() const { return index_ + 1; }
  [[nodiscard]] std::vector<raft::NodeId> nodes() const;
  // For shard::RuntimeOptions: every node is a member of every group.
  [[nodiscard]] shard::ReplicationOptions replication();
  // After Runtime::start() and before Runtime::start_groups().
  Task<Status> start(shard::Runtime& runtime);
  // Takes the vote of a member, or gives it one; where this node leads. Two voters stay.
  Task<void> change_member(shard::ShardId shard, raft::NodeId who, bool is_demotion);
  [[nodiscard]] peer::Mesh& mesh() { return *mesh_; }

 private:
  class Messenger;
  class Receiver;

  env::Env& env_;
  const unsigned index_;
  const std::vector<env::Address> peers_;
  shard::Runtime* runtime_ = nullptr;
  std::unique_ptr<peer::Mesh> mesh_;
  std::vector<std::unique_ptr<raft::Messenger>> messengers_;
  std::vector<std::unique_ptr<peer::Receiver>> receivers_;
};

// Where node `index` of a simulated world listens for the others.
[[nodiscard]] std::vector<env::Address> peer_addresses(unsigned nodes);

}  // namespace keelson::sim_test
