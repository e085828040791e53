// What the cluster has agreed on: its nodes, and where the replicas of each shard should be. Keys of the system shard:
//
//   /keelson/cluster/settings         fields: shards of each service, databases, replicas
//   /keelson/cluster/next-node        the number of the next node that joins
//   /keelson/cluster/nodes/<id>       fields of one node (NodeRecord); a removed node's stays, so its number does too
//   /keelson/cluster/replicas/<shard> the nodes that should have a replica that votes: "1 2 3"
//   /keelson/cluster/slots, next-move, moves/<id>: see slots.h
//
// <id> and <shard> have ten digits, so that keys sort as numbers. Who votes in fact is what the shard's group says.
// Values and pure functions over bytes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/fields.h"
#include "cluster/identity.h"
#include "cluster/slots.h"
#include "log/commit_log.h"

namespace keelson::cluster {

inline constexpr std::string_view kPrefix = "/keelson/cluster/";
// The keys from the prefix on and before this.
inline constexpr std::string_view kPrefixEnd = "/keelson/cluster0";
inline constexpr std::string_view kSettingsKey = "/keelson/cluster/settings";
inline constexpr std::string_view kNextNodeKey = "/keelson/cluster/next-node";
inline constexpr std::string_view kNodesPrefix = "/keelson/cluster/nodes/";
inline constexpr std::string_view kReplicasPrefix = "/keelson/cluster/replicas/";
inline constexpr std::string_view kSlotsKey = "/keelson/cluster/slots";
inline constexpr std::string_view kNextMoveKey = "/keelson/cluster/next-move";
inline constexpr std::string_view kMovesPrefix = "/keelson/cluster/moves/";

inline constexpr size_t kNameBytesMax = 64;
inline constexpr size_t kNodesMax = peer::kBookNodesMax;

enum class NodeState : uint8_t {
  kActive,
  kDraining,  // its replicas move away; it stays a node
  kRemoved,   // its replicas move away, and nobody talks to it any more
};
[[nodiscard]] std::string_view name_of(NodeState state);

struct NodeRecord {
  NodeId id = 0;
  std::string name;
  std::string zone;
  std::string peer;       // where other nodes reach it
  uint64_t revision = 0;  // of its addresses: grows with each start
  std::string kv;         // where Redis clients reach it; empty: nowhere
  std::string kv_tls;     // likewise with TLS
  std::string etcd;       // likewise etcd's clients
  std::string kafka;      // likewise Kafka's; a host may be a name
  std::string kafka_tls;  // likewise with TLS
  std::string http;
  std::string kv_id;  // 40 hex digits: the node's id in CLUSTER NODES
  std::string version;
  bool can_move_slots = false;  // its version understands the records of moves
  NodeState state = NodeState::kActive;
  Fields fields;  // with what this version does not know
  bool operator==(const NodeRecord&) const = default;
};
[[nodiscard]] std::string node_key(NodeId id);
[[nodiscard]] std::string format_node(const NodeRecord& node);
[[nodiscard]] std::optional<NodeRecord> parse_node(NodeId id, std::string_view value);

[[nodiscard]] std::string replicas_key(ShardId shard);

struct ClusterSettings {
  uint16_t kv_shards = 0;
  uint16_t blob_shards = 0;   // of each node's own; counted since shards are numbered through
  uint16_t topic_shards = 0;  // 0: the cluster was founded by a version that had no topics in clusters, and has none
  uint16_t databases = 0;
  uint16_t replicas = 3;
  bool operator==(const ClusterSettings&) const = default;
};
[[nodiscard]] std::string format_settings(const ClusterSettings& settings);
[[nodiscard]] std::optional<ClusterSettings> parse_settings(std::string_view value);

// Everything under the prefix, as last seen.
struct ClusterState {
  int64_t revision = 0;  // of the store; 0: nothing was seen yet
  ClusterSettings settings;
  uint64_t next_node = 0;
  std::map<NodeId, NodeRecord> nodes;
  std::map<ShardId, std::vector<NodeId>> replicas;
  std::vector<SlotRun> slots;  // where the map differs from the static division
  uint64_t next_move = 1;
  SlotMoves moves;

  // A key of the prefix has this value now, or (none) is gone. False: it is not understood, and passed over.
  bool apply(std::string_view key, std::optional<std::string_view> value);
  // Where nodes are that were not removed, and which were.
  [[nodiscard]] std::vector<BookEntry> book() const;
  [[nodiscard]] std::vector<NodeId> removed() const;

 private:
  bool apply_slots(std::string_view key, std::optional<std::string_view> value);
};

}  // namespace keelson::cluster
