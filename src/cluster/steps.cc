#include "cluster/steps.h"

#include <algorithm>

namespace keelson::cluster {

namespace {

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

const raft::PeerStatus* peer_of(const raft::MemberStatus& leader, NodeId node) {
  for (const raft::PeerStatus& peer : leader.peers) {
    if (peer.node == node) return &peer;
  }
  return nullptr;
}

bool has_caught_up(const raft::MemberStatus& leader, NodeId node, uint64_t behind_max) {
  const raft::PeerStatus* peer = peer_of(leader, node);
  return peer != nullptr && peer->is_active && !peer->needs_checkpoint && peer->matched + behind_max >= leader.commit;
}

Step change(std::vector<KrChange> changes) {
  return {.kind = StepKind::kChange, .nodes = {}, .changes = std::move(changes)};
}

KrChange one(raft::ChangeType type, NodeId node) { return {.type = static_cast<uint8_t>(type), .id = node}; }

// Replicas that are missing: made, then learners.
Step bring_in(const GroupWish& wish, const raft::Members& members, const std::set<NodeId>& holders,
              const std::set<NodeId>& reachable) {
  Step make{.kind = StepKind::kMake, .nodes = {}, .changes = {}};
  std::vector<KrChange> changes;
  for (const std::vector<NodeId>* list : {&wish.voters, &wish.learners}) {
    for (const NodeId node : *list) {
      if (!reachable.contains(node)) continue;
      if (!holders.contains(node)) {
        // A voter that has lost its replica has forgotten what it promised: an empty one in its place could break the
        // group. It is moved away by hand, or its node removed.
        if (!contains(members.voters, node)) make.nodes.push_back(node);
      } else if (!members.holds(node)) {
        changes.push_back(one(raft::ChangeType::kAddLearner, node));
      }
    }
  }
  if (!make.nodes.empty()) return make;
  return changes.empty() ? Step() : change(std::move(changes));
}

}  // namespace

Step next_step(const GroupWish& wish, const raft::MemberStatus& leader, const std::set<NodeId>& holders,
               const std::set<NodeId>& reachable) {
  const raft::Members& members = leader.members;
  if (members.is_joint()) return {.kind = StepKind::kWait, .nodes = {}, .changes = {}};
  if (Step step = bring_in(wish, members, holders, reachable); step.kind != StepKind::kNone) return step;

  std::vector<KrChange> changes;
  for (const NodeId node : wish.voters) {
    if (contains(members.voters, node)) continue;
    if (!has_caught_up(leader, node, kBehindMax)) return {.kind = StepKind::kWait, .nodes = {}, .changes = {}};
    changes.push_back(one(raft::ChangeType::kAddVoter, node));
  }
  bool leader_goes = false;
  for (const NodeId node : members.voters) {
    if (contains(wish.voters, node)) continue;
    if (node == leader.leader) {
      leader_goes = true;
    } else {
      const bool stays = contains(wish.learners, node);
      changes.push_back(one(stays ? raft::ChangeType::kAddLearner : raft::ChangeType::kRemove, node));
    }
  }
  for (const NodeId node : members.learners) {
    if (!contains(wish.voters, node) && !contains(wish.learners, node)) {
      changes.push_back(one(raft::ChangeType::kRemove, node));
    }
  }
  if (leader_goes) {
    // Before the change if somebody can take the lead already, so that one change does it all.
    for (const NodeId node : wish.voters) {
      if (!contains(members.voters, node) || !has_caught_up(leader, node, kBehindMax)) continue;
      return {.kind = StepKind::kTransfer, .nodes = {node}, .changes = {}};
    }
    if (changes.empty()) return {.kind = StepKind::kWait, .nodes = {}, .changes = {}};
  }
  if (!changes.empty()) return change(std::move(changes));
  Step remove{.kind = StepKind::kRemove, .nodes = {}, .changes = {}};
  for (const NodeId node : holders) {
    if (!members.holds(node) && reachable.contains(node)) remove.nodes.push_back(node);
  }
  return remove.nodes.empty() ? Step() : remove;
}

std::vector<LeadMove> next_lead_moves(const std::map<ShardId, ReplicaReport>& leaders,
                                      const std::set<NodeId>& reachable, size_t most) {
  std::map<NodeId, unsigned> leads;
  for (const auto& [shard, report] : leaders) {
    ++leads[report.status.leader];
    for (const NodeId voter : report.status.members.voters) leads.try_emplace(voter, 0);
  }
  std::vector<LeadMove> moves;
  for (const auto& [shard, report] : leaders) {
    if (moves.size() == most) break;
    const raft::MemberStatus& status = report.status;
    if (status.members.is_joint()) continue;
    for (const NodeId voter : status.members.voters) {
      if (voter == status.leader || !reachable.contains(voter) || leads[voter] + 1 >= leads[status.leader]) continue;
      if (!has_caught_up(status, voter, kBehindMax)) continue;
      moves.push_back({.shard = shard, .from = status.leader, .to = voter});
      ++leads[voter];
      --leads[status.leader];
      break;
    }
  }
  return moves;
}

}  // namespace keelson::cluster
