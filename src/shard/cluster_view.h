// What a protocol tells its clients of the cluster: the nodes, where clients reach them, and who has which slots. Kept
// up to date by src/cluster, made up by tests.
//
// A map is a value that never changes; a newer one takes its place. Any thread may ask for it, and keep what it got.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "log/agreed_log.h"
#include "log/commit_log.h"

namespace keelson::shard {

using log::NodeId;
using log::ShardId;

struct ClusterMap {
  struct Node {
    NodeId id = 0;
    std::string name;  // 40 hex digits: what Redis calls a node's id
    std::string host;  // where clients of this service reach it; empty: not known
    uint16_t port = 0;
    uint16_t tls_port = 0;   // 0: none
    std::string tls_host{};  // where they reach it with TLS
    uint16_t peer_port = 0;
    std::string zone{};  // the part of the world that fails together; empty: nobody has said
    bool is_reachable = true;
  };
  struct Shard {
    ShardId id = 0;
    NodeId leader = 0;             // 0: none is known
    std::vector<NodeId> replicas;  // the leader among them
  };
  struct Slots {
    uint16_t first = 0;
    uint16_t last = 0;  // included
    ShardId shard = 0;
  };

  uint64_t epoch = 0;     // grows with each change
  NodeId here = 0;        // this node
  unsigned replicas = 0;  // that each shard should have, with nodes enough
  std::vector<Node> nodes;
  std::vector<Shard> shards;
  std::vector<Slots> slots;  // ascending; a slot that is missing belongs to nobody

  // Null: not known.
  [[nodiscard]] const Node* node(NodeId id) const;
  [[nodiscard]] const Shard* shard(ShardId id) const;
  [[nodiscard]] const Shard* shard_of_slot(uint16_t slot) const;
};

class ClusterView {
 public:
  virtual ~ClusterView() = default;
  [[nodiscard]] virtual std::shared_ptr<const ClusterMap> map() const = 0;
};

}  // namespace keelson::shard
