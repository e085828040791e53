#include "server/cluster_members.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "cluster/errors.h"
#include "protocol/etcd/errors.h"
#include "shard/call_on.h"
#include "shard/run_on.h"

namespace keelson::server {

namespace {

using net::grpc::CallStatus;
using net::grpc::Code;

uint64_t number_of(std::string_view cluster) {
  uint64_t number = 0;
  const std::string_view digits = cluster.substr(0, 16);
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
}

etcd::MembersAnswer refused(CallStatus status) { return {.status = std::move(status), .members = {}, .changed = {}}; }

CallStatus by_keelson_alone(std::string_view how) {
  return {Code::kUnimplemented, "not supported: nodes come into a Keelson cluster by " + std::string(how)};
}

CallStatus to_status(const Status& outcome) {
  if (outcome.ok()) return {};
  const std::error_code code = outcome.error().code();
  if (code == cluster::ClusterErrc::kNotFound) return etcd::status_of(etcd::ProtocolErrc::kMemberNotFound);
  if (code == cluster::ClusterErrc::kNotAllowed) return {Code::kFailedPrecondition, outcome.error().message()};
  return {Code::kUnavailable, outcome.error().message()};
}

}  // namespace

ClusterMembers::ClusterMembers(cluster::Service& service, shard::Runtime& runtime)
    : service_(service),
      runtime_(runtime),
      cluster_id_(number_of(service.file().cluster)),
      tasks_(runtime.reactor(0)) {}

etcd::HeaderFacts ClusterMembers::facts() const {
  return {.cluster_id = cluster_id_, .member_id = service_.file().node, .raft_term = service_.system_term()};
}

Task<etcd::RaftFacts> ClusterMembers::raft(env::Reactor& here) {
  const shard::ShardId system = service_.system_shard();
  const auto status = co_await runtime_.group_status(here, system);
  etcd::RaftFacts facts{
      .leader = service_.leaders().leader_of(system), .index = 0, .applied_index = 0, .is_learner = false};
  if (!status) co_return facts;
  facts.index = status->last_index;
  facts.applied_index = status->applied;
  const std::vector<cluster::NodeId>& learners = status->members.learners;
  facts.is_learner = std::ranges::find(learners, service_.file().node) != learners.end();
  co_return facts;
}

std::vector<etcd::Member> ClusterMembers::members() const {
  std::vector<etcd::Member> members;
  for (const auto& [id, node] : service_.state().nodes) {
    if (node.state == cluster::NodeState::kRemoved) continue;
    etcd::Member& member = members.emplace_back();
    member.id = id;
    member.name = node.name;
    if (!node.peer.empty()) member.peer_urls.push_back("http://" + node.peer);
    if (!node.etcd.empty()) member.client_urls.push_back(node.etcd);
  }
  return members;
}

Task<etcd::MembersAnswer> ClusterMembers::list(env::Reactor& here, bool /*is_linearizable*/) {
  etcd::MembersAnswer answer;
  answer.members = co_await shard::call_on(here, runtime_.reactor(0), [this] { return members(); });
  co_return answer;
}

Task<etcd::MembersAnswer> ClusterMembers::add(env::Reactor& /*here*/, std::vector<std::string> peer_urls,
                                              bool /*is_learner*/) {
  if (peer_urls.empty()) co_return refused(etcd::status_of(etcd::ProtocolErrc::kBadMemberUrls));
  co_return refused(by_keelson_alone("`keelson serve --join` or `keelson cluster add`"));
}

Task<etcd::MembersAnswer> ClusterMembers::update(env::Reactor& /*here*/, uint64_t id,
                                                 std::vector<std::string> /*peer_urls*/) {
  co_return refused(by_keelson_alone("themselves, and tell their addresses: start node " + std::to_string(id) +
                                     " with another cluster.advertise"));
}

Task<etcd::MembersAnswer> ClusterMembers::promote(env::Reactor& /*here*/, uint64_t /*id*/) {
  co_return refused(by_keelson_alone("themselves, and vote once they have caught up"));
}

Task<Status> ClusterMembers::remove_at_home(uint64_t id) {
  co_return co_await service_.set_node_state(id, cluster::NodeState::kRemoved);
}

Task<Status> ClusterMembers::move_leader_at_home(uint64_t target) {
  if (!service_.state().nodes.contains(target)) {
    co_return fail(cluster::ClusterErrc::kNotFound, "there is no node " + std::to_string(target));
  }
  co_return co_await service_.transfer_lead(service_.system_shard(), target);
}

Task<Status> ClusterMembers::at_home(env::Reactor& here, Task<Status> task) {
  if (here.index() == 0) co_return co_await std::move(task);
  co_return co_await shard::run_on(here, tasks_, runtime_.reactor(0), std::move(task));
}

Task<etcd::MembersAnswer> ClusterMembers::remove(env::Reactor& here, uint64_t id) {
  const Status removed = co_await at_home(here, remove_at_home(id));
  if (!removed.ok()) co_return refused(to_status(removed));
  co_return co_await list(here, true);
}

Task<CallStatus> ClusterMembers::move_leader(env::Reactor& here, uint64_t target) {
  const Status moved = co_await at_home(here, move_leader_at_home(target));
  if (!moved.ok() && moved.error().code() == cluster::ClusterErrc::kNotFound) {
    co_return etcd::status_of(etcd::ProtocolErrc::kBadLeaderTransferee);
  }
  co_return to_status(moved);
}

}  // namespace keelson::server
