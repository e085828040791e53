// Placement, while this node leads the system shard; and what people see of it, on any node.

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "cluster/errors.h"
#include "cluster/placement.h"
#include "cluster/service.h"
#include "cluster/service_limits.h"

namespace keelson::cluster {

std::vector<NodeId> Service::wanted(ShardId shard) const {
  const auto found = state_.replicas.find(shard);
  return found == state_.replicas.end() ? std::vector<NodeId>() : found->second;
}

Task<Service::Seen> Service::look() {
  Seen seen;
  peer::Hub& hub = mesh_.hub(0);
  std::vector<NodeId> nodes;
  for (const auto& [id, node] : state_.nodes) {
    if (node.state != NodeState::kRemoved && (id == file_.node || hub.is_reachable(id))) nodes.push_back(id);
  }
  for (const NodeId node : nodes) {
    const Result<std::string> answer =
        co_await hub.call(node, static_cast<uint32_t>(CallMethod::kReport), {}, kCallTimeoutMs);
    std::vector<ReplicaReport> reports;
    if (!answer.ok() || !decode(*answer, reports)) continue;
    seen.reachable.insert(node);
    for (ReplicaReport& report : reports) {
      seen.holders[report.shard].insert(node);
      if (report.status.role != raft::Role::kLeader) continue;
      const auto known = seen.leaders.find(report.shard);
      // A leader that was deposed may not know it yet.
      if (known != seen.leaders.end() && known->second.status.term >= report.status.term) continue;
      seen.leaders.insert_or_assign(report.shard, std::move(report));
    }
  }
  co_return seen;
}

Task<std::map<ShardId, NodeId>> Service::leaders_told() {
  const Seen seen = co_await look();
  std::map<ShardId, NodeId> leaders;
  for (const auto& [shard, report] : seen.leaders) leaders[shard] = report.status.leader;
  co_return leaders;
}

// Writes down where replicas should be, where that has changed.
Task<Status> Service::plan(const Seen& seen) {
  PlacementWish wish{
      .seats = {}, .replicas = state_.settings.replicas, .shards = shards_.replicated, .now = state_.replicas};
  const int64_t now_ns = home_.clock().monotonic_ns();
  for (const auto& [id, node] : state_.nodes) {
    const bool is_reachable = seen.reachable.contains(id);
    const int64_t since_ns = is_reachable ? now_ns : unreachable_since_ns_.try_emplace(id, now_ns).first->second;
    if (is_reachable) unreachable_since_ns_.erase(id);
    const bool is_given_up =
        options_.replace_after_ms != 0 && now_ns - since_ns >= options_.replace_after_ms * kNsPerMs;
    if (node.state == NodeState::kActive && !is_given_up) wish.seats.push_back({id, node.zone, is_reachable});
  }
  // What this node has not seen yet wins: another one may have led meanwhile.
  KeyChange change{.unchanged = {}, .seen = state_.revision, .puts = {}};
  for (auto& [shard, nodes] : place(wish)) {
    if (nodes.empty() || nodes == wanted(shard) || change.puts.size() == kPutsMax) continue;
    log_info("cluster", "a shard's replicas get other places",
             {{"shard", shard}, {"from", format_ids(wanted(shard))}, {"to", format_ids(nodes)}});
    change.puts.emplace_back(replicas_key(shard), format_ids(nodes));
  }
  if (change.puts.empty()) co_return Status();
  Result<bool> done = co_await store_->change(std::move(change));
  if (!done.ok()) co_return forward_error(done);
  co_return Status();
}

Task<Status> Service::ask(NodeId node, CallMethod method, ShardCall call) {
  Result<std::string> answer =
      co_await mesh_.hub(0).call(node, static_cast<uint32_t>(method), encode(call), kCallTimeoutMs);
  if (!answer.ok()) co_return forward_error(answer);
  co_return Status();
}

// True: the group is on its way, and counts as one that moves.
Task<bool> Service::take_step(const Seen& seen, ShardId shard) {
  const auto leader = seen.leaders.find(shard);
  GroupWish wish{.voters = wanted(shard), .learners = {}};
  if (leader == seen.leaders.end() || wish.voters.empty()) co_return false;
  if (shard == shards_.system || (!shards_.topics.empty() && shard == shards_.topics.front())) {
    // Every node follows the system shard, so that it knows the cluster's state, and the first topic shard, which
    // decides which topics there are, and who may do what with them.
    for (const auto& [id, node] : state_.nodes) {
      const bool votes = std::find(wish.voters.begin(), wish.voters.end(), id) != wish.voters.end();
      if (node.state != NodeState::kRemoved && !votes) wish.learners.push_back(id);
    }
  }
  const auto holders = seen.holders.find(shard);
  const raft::MemberStatus& status = leader->second.status;
  const Step step = next_step(wish, status, holders->second, seen.reachable);
  Status done;
  switch (step.kind) {
    case StepKind::kNone:
      co_return false;
    case StepKind::kWait:
      co_return true;
    case StepKind::kMake:
      for (const NodeId node : step.nodes) done = co_await ask(node, CallMethod::kMakeReplica, {.shard = shard});
      break;
    case StepKind::kChange:
      done = co_await ask(status.leader, CallMethod::kChangeMembers, {.shard = shard, .changes = step.changes});
      break;
    case StepKind::kTransfer:
      done = co_await ask(status.leader, CallMethod::kTransferLead, {.shard = shard, .node = step.nodes.front()});
      break;
    case StepKind::kRemove:
      for (const NodeId node : step.nodes) done = co_await ask(node, CallMethod::kRemoveReplica, {.shard = shard});
      break;
  }
  if (!done.ok()) {
    log_debug("cluster", "a step of a shard's placement failed; it is tried again",
              {{"shard", shard}, {"why", done.error().message()}});
  }
  co_return true;
}

Task<void> Service::drive_once() {
  const Seen seen = co_await look();
  co_await carry_on_moves(seen);
  if (Status planned = co_await plan(seen); !planned.ok()) {
    log_debug("cluster", "the placement cannot be written down now", {{"why", planned.error().message()}});
    co_return;
  }
  // The system shard first: a node without a replica of it knows nothing of the cluster.
  std::vector<ShardId> shards{shards_.system};
  std::ranges::copy_if(shards_.replicated, std::back_inserter(shards),
                       [this](ShardId shard) { return shard != shards_.system; });
  size_t moving = 0;
  size_t copying = 0;
  for (const ShardId shard : shards) {
    if (moving == kMovesMax) break;
    const auto leader = seen.leaders.find(shard);
    const bool is_copied = leader != seen.leaders.end() && leader->second.status.commit > kSmallCommitMax;
    if (is_copied && copying == kCopiesMax) continue;
    if (!co_await take_step(seen, shard)) continue;
    ++moving;
    if (is_copied) ++copying;
  }
  if (moving != 0) {
    drive_timer_.arm_after(kMovingEveryMs * kNsPerMs);
    co_return;
  }
  // A shard that gives slots would have to begin anew under another leader.
  const std::vector<SlotMove> due = moves_due(state_.moves, kSlotMovesMax);
  for (const LeadMove& move : next_lead_moves(seen.leaders, seen.reachable, kLeadMovesMax)) {
    if (std::ranges::any_of(due, [&](const SlotMove& one) { return one.from == move.shard; })) continue;
    (void)co_await ask(move.from, CallMethod::kTransferLead, {.shard = move.shard, .node = move.to});
  }
}

void Service::drive_soon() {
  if (!is_ready() || !leads() || state_.nodes.empty()) {
    unreachable_since_ns_.clear();
    return;
  }
  is_drive_wanted_ = true;
  if (!is_driving_) tasks_->spawn(drive());
}

Task<void> Service::drive() {
  is_driving_ = true;
  while (std::exchange(is_drive_wanted_, false) && leads()) co_await drive_once();
  is_driving_ = false;
}

Task<Result<ClusterFacts>> Service::facts() {
  if (!is_ready()) co_return fail(ClusterErrc::kNoLeader, "this node does not take part in the cluster yet");
  Seen seen = co_await look();
  ClusterFacts facts{.cluster = file_.cluster,
                     .self = file_.node,
                     .system_leader = leaders_->leader_of(shards_.system),
                     .state = state_,
                     .reachable = seen.reachable,
                     .shards = {},
                     .slots = SlotOwners(shards_.slots, state_.slots).runs(),
                     .moves = {}};
  facts.moves = co_await move_facts(seen);
  for (const ShardId shard : shards_.replicated) {
    ShardFacts& about = facts.shards.emplace_back();
    about.shard = shard;
    about.is_system = shard == shards_.system;
    about.wanted = wanted(shard);
    const auto leader = seen.leaders.find(shard);
    if (leader == seen.leaders.end()) continue;
    about.leader = leader->second.status.leader;
    about.status = std::move(leader->second.status);
  }
  co_return facts;
}

// Would each group still have a majority that can be reached?
Task<Status> Service::check_removal(NodeId node) {
  const Seen seen = co_await look();
  for (const ShardId shard : shards_.replicated) {
    const auto leader = seen.leaders.find(shard);
    const bool is_led = leader != seen.leaders.end();
    // Of a group without a leader no more is known than where its replicas should be; it may need this one.
    const std::vector<NodeId> voters = is_led ? leader->second.status.members.voters : wanted(shard);
    if (!is_led && std::ranges::find(voters, node) == voters.end()) continue;
    const auto left = std::count_if(voters.begin(), voters.end(),
                                    [&](NodeId voter) { return voter != node && seen.reachable.contains(voter); });
    if (static_cast<size_t>(left) * 2 > voters.size()) continue;
    co_return fail(ClusterErrc::kNotAllowed,
                   "without it shard " + std::to_string(shard) +
                       " has no majority; drain the node first, or wait until the others are back");
  }
  co_return Status();
}

Task<Status> Service::transfer_lead(ShardId shard, NodeId to) {
  if (!is_ready()) co_return fail(ClusterErrc::kNoLeader, "this node does not take part in the cluster yet");
  const NodeId leader = leaders_->leader_of(shard);
  if (leader == 0) co_return fail(ClusterErrc::kNoLeader, "shard " + std::to_string(shard) + " has no leader now");
  if (leader == to) co_return Status();
  co_return co_await ask(leader, CallMethod::kTransferLead, {.shard = shard, .node = to});
}

}  // namespace keelson::cluster
