// What nodes of a cluster ask of one another, besides Raft's messages: the methods' numbers and the bytes of requests
// and answers (base/coding.h). A reader passes over what follows the fields that it knows. Pure functions over bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/state.h"
#include "cluster/steps.h"

namespace keelson::cluster {

// Never reused.
enum class CallMethod : uint32_t {
  kJoin = 1,         // fields -> fields; for guests
  kReport = 2,       // nothing -> reports of the node's replicas
  kMakeReplica = 3,  // ShardCall
  kRemoveReplica = 4,
  kChangeMembers = 5,
  kTransferLead = 6,
  kKeepAlive = 7,  // lease id -> LeaseAnswer
  kTimeToLive = 8,
};

struct ShardCall {
  ShardId shard = 0;
  NodeId node = 0;                     // kTransferLead
  std::vector<KrChange> changes = {};  // kChangeMembers
};
[[nodiscard]] std::string encode(const ShardCall& call);
[[nodiscard]] bool decode(std::string_view from, ShardCall& call);

[[nodiscard]] std::string encode(const std::vector<ReplicaReport>& reports);
[[nodiscard]] bool decode(std::string_view from, std::vector<ReplicaReport>& reports);

}  // namespace keelson::cluster
