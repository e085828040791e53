// How a group comes from the members that it has to those that it should have, one step at a time. Pure functions.
//
// A new replica is first made on its node, empty; then it is a learner; when all new ones have caught up, they take the
// place of the old ones in one change (joint consensus), so that the number of voters never goes through an even one. A
// leader that shall go gives the lead away first.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "cluster/state.h"
#include "raft/member.h"

namespace keelson::cluster {

// A learner votes once it is this near to the leader's commit index: it catches up on the rest in a turn or two.
inline constexpr uint64_t kBehindMax = 200;

struct GroupWish {
  std::vector<NodeId> voters;
  std::vector<NodeId> learners;  // besides them: replicas that follow and do not vote
};

// What one node says of its replica.
struct ReplicaReport {
  ShardId shard = 0;
  raft::MemberStatus status;
};

enum class StepKind : uint8_t {
  kNone,      // nothing to do
  kWait,      // something is under way
  kMake,      // a replica on each of `nodes`
  kChange,    // `changes` by the leader
  kTransfer,  // the lead to nodes.front()
  kRemove,    // the replicas on `nodes`, which are no members any more
};
struct Step {
  StepKind kind = StepKind::kNone;
  std::vector<NodeId> nodes;
  std::vector<KrChange> changes;
};

// `leader`: the report of the group's leader; `holders`: nodes that say they have a replica; `reachable`: nodes that
// can be asked.
[[nodiscard]] Step next_step(const GroupWish& wish, const raft::MemberStatus& leader, const std::set<NodeId>& holders,
                             const std::set<NodeId>& reachable);

// Which shards' leads should go where so that nodes lead about as many each, at most so many at a time; none if they
// do. `leaders`: the reports of the shards' leaders.
struct LeadMove {
  ShardId shard = 0;
  NodeId from = 0;
  NodeId to = 0;
};
[[nodiscard]] std::vector<LeadMove> next_lead_moves(const std::map<ShardId, ReplicaReport>& leaders,
                                                    const std::set<NodeId>& reachable, size_t most);

}  // namespace keelson::cluster
