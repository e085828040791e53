// Who serves topics, as one client is told: the nodes with their addresses for the kind of listener that it came by
// (plain or TLS), and who leads each topic shard. A value, made for each answer (KafkaService::brokers_for()), that
// asks nothing and waits for nothing.
//
// A node that has no such listener is none of the brokers, and what it leads has no leader for this client. What is
// known here may be old: whoever is sent to the wrong node is told so there, and asks again.
//
//   const Brokers brokers = call.service().brokers_for(call.session());
//   const Broker* coordinator = brokers.leader(call.topics().shard_of_name(group));   // null: not known
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shard/cluster_view.h"
#include "topics/topics.h"

namespace keelson::kafka {

struct Endpoint {
  std::string host;
  int32_t port = 0;
};

struct Broker {
  int32_t id = 0;  // the node's
  Endpoint at;
  std::string rack;  // its zone; empty: none
};

class Brokers {
 public:
  // In no cluster: this node leads everything.
  explicit Brokers(Broker here);
  // `here`: how the client has reached this node, for as long as its own address is not in the map.
  Brokers(const topics::Topics& topics, std::shared_ptr<const shard::ClusterMap> map, bool is_tls, Broker here);

  // Ascending by their ids, this node always among them.
  [[nodiscard]] const std::vector<Broker>& all() const { return all_; }
  // Null: none of them.
  [[nodiscard]] const Broker* find(int32_t id) const;
  [[nodiscard]] int32_t here() const { return here_; }
  // Any node can do what Kafka's controller does; the one that leads the first topic shard is named, since it decides.
  [[nodiscard]] int32_t controller() const;

  // Null: no leader is known, or this client cannot reach it.
  [[nodiscard]] const Broker* leader(shard::ShardId shard) const;
  // As many replicas a partition gets if nobody asks for a number, which is also the greatest that may be asked for.
  [[nodiscard]] int16_t replicas_default() const;
  // Where a shard is, as it is known at that moment.
  struct Placing {
    const Broker* leader = nullptr;  // as leader() has it
    std::vector<int32_t> replicas{};
    std::vector<int32_t> in_sync{};  // those on nodes that are reached: a leader always is
  };
  [[nodiscard]] Placing placing(shard::ShardId shard) const;

 private:
  const topics::Topics* topics_ = nullptr;        // null: in no cluster
  std::shared_ptr<const shard::ClusterMap> map_;  // likewise
  int32_t here_ = 0;
  std::vector<Broker> all_;
};

// KIP-951: with an error that says that this node does not lead, the one that does, and how to reach it.
template <class Response, class Partition>
void tell_leader(const Brokers& brokers, shard::ShardId shard, Response& response, Partition& partition) {
  const Broker* leader = brokers.leader(shard);
  if (leader == nullptr || leader->id == brokers.here()) return;
  partition.current_leader.leader_id = leader->id;
  partition.current_leader.leader_epoch = 0;
  for (const auto& known : response.node_endpoints) {
    if (known.node_id == leader->id) return;
  }
  auto& endpoint = response.node_endpoints.emplace_back();
  endpoint.node_id = leader->id;
  endpoint.host = leader->at.host;
  endpoint.port = leader->at.port;
  if (!leader->rack.empty()) endpoint.rack = leader->rack;
}

}  // namespace keelson::kafka
