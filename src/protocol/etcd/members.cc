#include "protocol/etcd/members.h"

#include "protocol/etcd/errors.h"
#include "shard/call_on.h"

namespace keelson::etcd {

Task<RaftFacts> LoneMember::raft(env::Reactor& here) {
  uint64_t index = 0;
  if (home_ != nullptr) index = co_await shard::call_on(here, *home_, [this] { return applied_index_(); });
  ++index;  // a group's first entry is its leader's own
  co_return RaftFacts{.leader = facts_.member_id, .index = index, .applied_index = index, .is_learner = false};
}

Task<MembersAnswer> LoneMember::list(env::Reactor& /*here*/, bool /*is_linearizable*/) {
  MembersAnswer answer;
  // No other member connects to it; clients expect that somebody could.
  answer.members.push_back(
      {.id = facts_.member_id, .name = name_, .peer_urls = client_urls_, .client_urls = client_urls_});
  co_return answer;
}

MembersAnswer LoneMember::refuse(uint64_t id) const {
  const ProtocolErrc why = id == facts_.member_id ? ProtocolErrc::kNoMemberChanges : ProtocolErrc::kMemberNotFound;
  return {.status = status_of(why), .members = {}, .changed = {}};
}

Task<MembersAnswer> LoneMember::add(env::Reactor& /*here*/, std::vector<std::string> peer_urls, bool /*is_learner*/) {
  if (peer_urls.empty())
    co_return MembersAnswer{.status = status_of(ProtocolErrc::kBadMemberUrls), .members = {}, .changed = {}};
  co_return refuse(facts_.member_id);
}

Task<MembersAnswer> LoneMember::remove(env::Reactor& /*here*/, uint64_t id) { co_return refuse(id); }

Task<MembersAnswer> LoneMember::update(env::Reactor& /*here*/, uint64_t id, std::vector<std::string> /*peer_urls*/) {
  co_return refuse(id);
}

Task<MembersAnswer> LoneMember::promote(env::Reactor& /*here*/, uint64_t id) { co_return refuse(id); }

Task<net::grpc::CallStatus> LoneMember::move_leader(env::Reactor& /*here*/, uint64_t target) {
  if (target == facts_.member_id) co_return net::grpc::CallStatus{};
  co_return status_of(ProtocolErrc::kBadLeaderTransferee);
}

}  // namespace keelson::etcd
