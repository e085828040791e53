// What other nodes ask of this one.

#include <algorithm>
#include <map>
#include <utility>

#include "base/logging.h"
#include "cluster/errors.h"
#include "cluster/service.h"
#include "cluster/service_limits.h"

namespace keelson::cluster {

namespace {

std::unexpected<Error> not_ready() {
  return fail(ClusterErrc::kNoLeader, "this node does not take part in the cluster yet");
}

std::unexpected<Error> not_understood() { return fail(ClusterErrc::kFailed, "the request is not understood"); }

Result<std::string> to_answer(raft::MemberErrc outcome) {
  if (outcome == raft::MemberErrc::kOk) return std::string();
  return fail(outcome, raft::make_error_code(outcome).message());
}

Result<std::string> to_answer(Status outcome) {
  if (outcome.ok()) return std::string();
  return forward_error(outcome);
}

}  // namespace

void Service::add_method(CallMethod method, bool is_for_guests,
                         Task<Result<std::string>> (Service::*handler)(peer::Caller, std::string)) {
  mesh_.add_method({.number = static_cast<uint32_t>(method),
                    .is_for_guests = is_for_guests,
                    .reactor = 0,
                    .handler = [this, handler](peer::Caller caller, std::string request) {
                      return (this->*handler)(std::move(caller), std::move(request));
                    }});
}

void Service::add_methods() {
  add_method(CallMethod::kJoin, true, &Service::answer_join);
  add_method(CallMethod::kReport, false, &Service::answer_report);
  add_method(CallMethod::kMakeReplica, false, &Service::answer_make);
  add_method(CallMethod::kRemoveReplica, false, &Service::answer_remove);
  add_method(CallMethod::kChangeMembers, false, &Service::answer_change);
  add_method(CallMethod::kTransferLead, false, &Service::answer_transfer);
  add_method(CallMethod::kKeepAlive, false, &Service::answer_keep_alive);
  add_method(CallMethod::kTimeToLive, false, &Service::answer_time_to_live);
  add_method(CallMethod::kAskTopic, false, &Service::answer_topic);
}

Task<Result<std::string>> Service::answer_join(peer::Caller caller, std::string request) {
  JoinRequest wish;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, wish)) co_return not_understood();
  if (state_.settings.kv_shards == 0) co_return not_ready();
  log_info("cluster", "a node asks to join",
           {{"name", wish.name}, {"zone", wish.zone}, {"address", wish.peer}, {"from", caller.remote.text()}});
  Result<NodeId> node = co_await enrol(wish);
  if (!node.ok()) co_return forward_error(node);
  log_info("cluster", "a node joins", {{"node", *node}, {"address", wish.peer}});
  Joined joined{.cluster = file_.cluster,
                .node = *node,
                .settings = state_.settings,
                .hash_secret = options_.hash_secret,
                .book = mesh_.book()};
  co_return encode(joined);
}

Task<Result<NodeId>> Service::enrol(JoinRequest request) {
  Result<StoredKeys> found = co_await store_->read(std::string(kPrefix), std::string(kPrefixEnd), true);
  if (!found.ok()) co_return forward_error(found);
  ClusterState now;
  int64_t next_revision = 0;
  std::map<std::string_view, int64_t> revisions;
  for (const StoredKey& key : found->keys) {
    (void)now.apply(key.key, key.value);
    revisions[key.key] = key.mod_revision;
    if (key.key == kNextNodeKey) next_revision = key.mod_revision;
  }
  if (next_revision == 0) co_return fail(ClusterErrc::kNoLeader, "the cluster is still being founded; try again");
  KeyChange change{.unchanged = {{std::string(kNextNodeKey), next_revision}}, .seen = 0, .puts = {}};
  for (const auto& [id, node] : now.nodes) {
    if (node.fields.text("token") == request.token) co_return id;
    if (node.state == NodeState::kRemoved) continue;
    if (node.revision == 0 && node.peer == request.peer) {
      // A crash has cut its join short: it never came up under that number, and nobody will.
      NodeRecord unborn = node;
      unborn.state = NodeState::kRemoved;
      change.unchanged.emplace_back(node_key(id), revisions[node_key(id)]);
      change.puts.emplace_back(node_key(id), format_node(unborn));
    } else if (!request.name.empty() && node.name == request.name) {
      co_return fail(ClusterErrc::kNotAllowed, "a node named " + request.name + " is in the cluster already");
    }
  }
  if (now.nodes.size() >= kNodesMax) co_return fail(ClusterErrc::kNotAllowed, "the cluster has its most nodes");
  NodeRecord node;
  node.id = now.next_node;
  node.name = request.name.empty() ? "node-" + std::to_string(node.id) : request.name;
  node.zone = request.zone;
  node.peer = request.peer;
  node.fields.set("token", request.token);
  change.puts.emplace_back(kNextNodeKey, std::to_string(node.id + 1));
  change.puts.emplace_back(node_key(node.id), format_node(node));
  Result<bool> done = co_await store_->change(std::move(change));
  if (!done.ok()) co_return forward_error(done);
  if (!*done) co_return fail(ClusterErrc::kFailed, "another node has joined at the same time; try again");
  co_return node.id;
}

Task<std::vector<ReplicaReport>> Service::reports() {
  std::vector<ReplicaReport> reports;
  std::map<ShardId, raft::MemberStatus> statuses = co_await runtime_->group_statuses(home_);
  for (auto& [shard, status] : statuses) {
    // A group that sleeps hears of nobody, since nobody has anything to say: all were there when it fell asleep.
    for (raft::PeerStatus& peer : status.peers) peer.is_active |= status.is_quiet;
    reports.push_back({.shard = shard, .status = std::move(status)});
  }
  co_return reports;
}

Task<Result<std::string>> Service::answer_report(peer::Caller, std::string) {
  if (!is_ready()) co_return not_ready();
  co_return encode(co_await reports());
}

Task<Result<std::string>> Service::answer_make(peer::Caller, std::string request) {
  ShardCall call;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, call) || call.shard >= shards_.total) co_return not_understood();
  log_info("cluster", "this node gets a replica", {{"shard", call.shard}});
  co_return to_answer(co_await runtime_->add_replica(home_, call.shard, {}));
}

Task<Result<std::string>> Service::answer_remove(peer::Caller, std::string request) {
  ShardCall call;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, call) || call.shard >= shards_.total) co_return not_understood();
  log_info("cluster", "this node gives a replica up", {{"shard", call.shard}});
  co_return to_answer(co_await runtime_->remove_replica(home_, call.shard));
}

Task<Result<std::string>> Service::answer_change(peer::Caller, std::string request) {
  ShardCall call;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, call) || call.shard >= shards_.total) co_return not_understood();
  co_return to_answer(co_await runtime_->change_members(home_, call.shard, std::move(call.changes)));
}

Task<Result<std::string>> Service::answer_transfer(peer::Caller, std::string request) {
  ShardCall call;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, call) || call.shard >= shards_.total) co_return not_understood();
  co_return to_answer(co_await runtime_->transfer_leader(home_, call.shard, call.node));
}

Task<Result<std::string>> Service::answer_keep_alive(peer::Caller, std::string request) {
  coord::LeaseId lease = 0;
  if (!is_ready()) co_return not_ready();
  if (!decode_lease(request, lease)) co_return not_understood();
  co_return encode(co_await coord_->local_leases().keep_alive(home_, lease));
}

Task<Result<std::string>> Service::answer_topic(peer::Caller, std::string request) {
  if (!is_ready() || !topic_handler_) co_return not_ready();
  co_return co_await topic_handler_(std::move(request));
}

Task<Result<std::string>> Service::ask_topic(env::Reactor& here, NodeId node, std::string request) {
  co_return co_await mesh_.hub(here.index())
      .call(node, static_cast<uint32_t>(CallMethod::kAskTopic), std::move(request), kTopicTimeoutMs);
}

Task<Result<std::string>> Service::answer_time_to_live(peer::Caller, std::string request) {
  coord::LeaseId lease = 0;
  if (!is_ready()) co_return not_ready();
  if (!decode_lease(request, lease)) co_return not_understood();
  co_return encode(co_await coord_->local_leases().time_to_live(home_, lease));
}

}  // namespace keelson::cluster
