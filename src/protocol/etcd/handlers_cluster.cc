// Members, and what concerns a member rather than its keys.
#include "protocol/etcd/asker.h"
#include "protocol/etcd/handlers.h"
#include "protocol/etcd/plain_answer.h"
#include "protocol/etcd/requests.h"

namespace keelson::etcd {

namespace {

using coord::CoordErrc;
using net::grpc::CallStatus;

void write_member(WireWriter& out, uint32_t field, const Member& member) {
  const size_t mark = out.begin(field);
  out.number(1, member.id);
  out.bytes(2, member.name);
  for (const std::string& url : member.peer_urls) out.element(3, url);
  for (const std::string& url : member.client_urls) out.element(4, url);
  out.boolean(5, member.is_learner);
  out.end(mark);
}

// Header and list of members, whose field is 2, or 3 behind the one that was added. Their header has no revision.
Reply members_reply(Asker& asker, MembersAnswer answer, bool is_addition = false) {
  if (!answer.status.ok()) return {std::move(answer.status), {}};
  Reply reply;
  WireWriter out(reply.message);
  write_header(out, asker.facts(), 0);
  if (is_addition) write_member(out, 2, answer.changed);
  for (const Member& member : answer.members) write_member(out, is_addition ? 3 : 2, member);
  return reply;
}

// The answer of a call that has a header alone.
Task<Reply> header_reply(Asker& asker) {
  coord::StoreStatus question;
  auto asked = co_await asker.ask<PlainAnswer>(question, Ask::kSerializable);
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  Reply reply;
  WireWriter out(reply.message);
  write_header(out, asker.facts(), asked.sink->store_status().revision);
  co_return reply;
}

}  // namespace

Task<Reply> Handlers::Cluster_MemberAdd(Pipe& pipe, std::string_view request) {
  MemberAsk wish;
  if (const CoordErrc taken = translate(request, MemberAskKind::kAdd, wish); taken != CoordErrc::kOk) {
    co_return refuse(taken);
  }
  Asker asker(service_, pipe);
  if (CallStatus bad = co_await asker.check_root(); !bad.ok()) co_return Reply{std::move(bad), {}};
  co_return members_reply(
      asker, co_await service_.members().add(pipe.reactor(), std::move(wish.peer_urls), wish.is_flagged), true);
}

Task<Reply> Handlers::Cluster_MemberRemove(Pipe& pipe, std::string_view request) {
  MemberAsk wish;
  if (const CoordErrc taken = translate(request, MemberAskKind::kId, wish); taken != CoordErrc::kOk) {
    co_return refuse(taken);
  }
  Asker asker(service_, pipe);
  if (CallStatus bad = co_await asker.check_root(); !bad.ok()) co_return Reply{std::move(bad), {}};
  co_return members_reply(asker, co_await service_.members().remove(pipe.reactor(), wish.id));
}

Task<Reply> Handlers::Cluster_MemberUpdate(Pipe& pipe, std::string_view request) {
  MemberAsk wish;
  if (const CoordErrc taken = translate(request, MemberAskKind::kUpdate, wish); taken != CoordErrc::kOk) {
    co_return refuse(taken);
  }
  Asker asker(service_, pipe);
  if (CallStatus bad = co_await asker.check_root(); !bad.ok()) co_return Reply{std::move(bad), {}};
  co_return members_reply(asker,
                          co_await service_.members().update(pipe.reactor(), wish.id, std::move(wish.peer_urls)));
}

Task<Reply> Handlers::Cluster_MemberPromote(Pipe& pipe, std::string_view request) {
  MemberAsk wish;
  if (const CoordErrc taken = translate(request, MemberAskKind::kId, wish); taken != CoordErrc::kOk) {
    co_return refuse(taken);
  }
  Asker asker(service_, pipe);
  if (CallStatus bad = co_await asker.check_root(); !bad.ok()) co_return Reply{std::move(bad), {}};
  co_return members_reply(asker, co_await service_.members().promote(pipe.reactor(), wish.id));
}

Task<Reply> Handlers::Cluster_MemberList(Pipe& pipe, std::string_view request) {
  MemberAsk wish;
  if (const CoordErrc taken = translate(request, MemberAskKind::kList, wish); taken != CoordErrc::kOk) {
    co_return refuse(taken);
  }
  Asker asker(service_, pipe);
  co_return members_reply(asker, co_await service_.members().list(pipe.reactor(), wish.is_flagged));
}

Task<Reply> Handlers::Maintenance_Alarm(Pipe& pipe, std::string_view request) {
  AlarmAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  Asked<PlainAnswer> asked;
  if (wish.action == AlarmAsk::Action::kGet) {
    coord::ListAlarms question{.alarm = wish.alarm};
    asked = co_await asker.ask<PlainAnswer>(question, Ask::kLinearizable);
  } else {
    coord::SetAlarm change{.alarm = wish.alarm, .is_on = wish.action == AlarmAsk::Action::kActivate};
    asked = co_await asker.ask<PlainAnswer>(change, Ask::kWrite);
  }
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  co_return Reply{{}, std::move(asked.sink->message())};
}

Task<Reply> Handlers::Maintenance_Status(Pipe& pipe, std::string_view request) {
  if (const CoordErrc taken = translate_nothing(request); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  coord::StoreStatus question;
  auto asked = co_await asker.ask<PlainAnswer>(question, Ask::kSerializable);
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  const coord::StoreStatusAnswer& store = asked.sink->store_status();
  const RaftFacts raft = co_await service_.members().raft(pipe.reactor());
  const HeaderFacts facts = asker.facts();
  Reply reply;
  WireWriter out(reply.message);
  write_header(out, facts, store.revision);
  out.bytes(2, kEtcdVersion);
  out.number(3, store.bytes_held);
  out.number(4, raft.leader);
  out.number(5, raft.index);
  out.number(6, facts.raft_term);
  out.number(7, raft.applied_index);
  if (raft.leader == 0) out.element(8, status_of(coord::ServiceErrc::kNoLeader).message);
  out.number(9, store.bytes_held);  // nothing that a defragmentation would give back
  out.boolean(10, raft.is_learner);
  co_return reply;
}

Task<Reply> Handlers::Maintenance_Defragment(Pipe& pipe, std::string_view request) {
  if (const CoordErrc taken = translate_nothing(request); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  if (CallStatus bad = co_await asker.check_root(); !bad.ok()) co_return Reply{unmapped(std::move(bad)), {}};
  co_return co_await header_reply(asker);
}

namespace {

struct KeysHash {
  CallStatus status;
  coord::HashAnswer answer;
};

// Page after page; a compaction in between makes it begin again.
Task<KeysHash> hash_keys(Asker& asker, coord::Revision revision) {
  constexpr int kAttemptsMax = 3;
  coord::HashKv question{.revision = revision};
  std::string next_key;
  for (int attempt = 1;;) {
    auto asked = co_await asker.ask<PlainAnswer>(question, Ask::kSerializable);
    if (asked.ok()) {
      const coord::HashAnswer& page = asked.sink->hash();
      if (page.is_done) co_return KeysHash{{}, page};
      next_key = asked.sink->next_key();
      question = {.revision = page.hash_revision,
                  .compact_revision = page.compact_revision,
                  .state = page.state,
                  .next_key = next_key};
      continue;
    }
    const bool is_compacted = asked.sink != nullptr && asked.sink->failure().code == CoordErrc::kCompacted;
    const bool has_begun = !question.next_key.empty();
    if (!is_compacted || !has_begun || attempt++ == kAttemptsMax) co_return KeysHash{std::move(asked.status), {}};
    question = {.revision = revision};
  }
}

uint32_t fold(uint64_t hash) { return static_cast<uint32_t>(hash ^ hash >> 32); }

}  // namespace

Task<Reply> Handlers::Maintenance_HashKV(Pipe& pipe, std::string_view request) {
  int64_t revision = 0;
  if (const CoordErrc taken = translate_number(request, revision); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  if (CallStatus bad = co_await asker.check_root(); !bad.ok()) co_return Reply{unmapped(std::move(bad)), {}};
  KeysHash keys = co_await hash_keys(asker, revision);
  if (!keys.status.ok()) co_return Reply{std::move(keys.status), {}};
  Reply reply;
  WireWriter out(reply.message);
  write_header(out, asker.facts(), keys.answer.revision);
  out.number(2, fold(keys.answer.state));
  out.number(3, keys.answer.compact_revision);
  out.number(4, keys.answer.hash_revision);
  co_return reply;
}

Task<Reply> Handlers::Maintenance_Hash(Pipe& pipe, std::string_view request) {
  if (const CoordErrc taken = translate_nothing(request); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  if (CallStatus bad = co_await asker.check_root(); !bad.ok()) co_return Reply{unmapped(std::move(bad)), {}};
  KeysHash keys = co_await hash_keys(asker, 0);
  if (!keys.status.ok()) co_return Reply{std::move(keys.status), {}};
  coord::HashRest question;
  auto rest = co_await asker.ask<PlainAnswer>(question, Ask::kSerializable);
  if (!rest.ok()) co_return Reply{std::move(rest.status), {}};
  Reply reply;
  WireWriter out(reply.message);
  write_header(out, asker.facts(), keys.answer.revision);
  out.number(2, fold(keys.answer.state) ^ fold(rest.sink->hash().state));
  co_return reply;
}

namespace {

// A leader that is asked to hand its lead over says so at once; whether it comes to that shows later.
Task<CallStatus> until_it_leads(EtcdService& service, Pipe& pipe, uint64_t target) {
  constexpr int64_t kLookNs = 100'000'000;     // a heartbeat, as etcd
  constexpr int64_t kLimitNs = 7'000'000'000;  // etcd's for requests: five seconds and two elections
  env::Reactor& here = pipe.reactor();
  const int64_t until_ns = here.clock().monotonic_ns() + kLimitNs;
  while ((co_await service.members().raft(here)).leader != target) {
    if (pipe.is_cancelled()) co_return pipe.cancellation();
    if (here.clock().monotonic_ns() >= until_ns) co_return status_of(ProtocolErrc::kLeaderTransferTimedOut);
    co_await env::sleep_for(here, kLookNs);
  }
  co_return CallStatus{};
}

}  // namespace

Task<Reply> Handlers::Maintenance_MoveLeader(Pipe& pipe, std::string_view request) {
  int64_t target = 0;
  if (const CoordErrc taken = translate_number(request, target); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  CallStatus moved = co_await service_.members().move_leader(pipe.reactor(), static_cast<uint64_t>(target));
  if (moved.ok()) moved = co_await until_it_leads(service_, pipe, static_cast<uint64_t>(target));
  if (!moved.ok()) co_return Reply{std::move(moved), {}};
  co_return co_await header_reply(asker);
}

}  // namespace keelson::etcd
