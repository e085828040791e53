// Leases: grants and revocations are the engine's, times are those of whoever leads (coord/lease.h).
#include "protocol/etcd/asker.h"
#include "protocol/etcd/handlers.h"
#include "protocol/etcd/plain_answer.h"
#include "protocol/etcd/requests.h"

namespace keelson::etcd {

namespace {

using coord::CoordErrc;
using net::grpc::CallStatus;
using net::grpc::Read;

class LeaseListAnswer final : public PlainAnswer {
 public:
  explicit LeaseListAnswer(const HeaderFacts& facts) : PlainAnswer(facts) { lists_leases = true; }
};

}  // namespace

Task<Reply> Handlers::Lease_LeaseGrant(Pipe& pipe, std::string_view request) {
  coord::LeaseGrant grant;
  if (const CoordErrc taken = translate(request, grant); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<PlainAnswer>(grant, Ask::kWrite);
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  co_return Reply{{}, std::move(asked.sink->message())};
}

Task<Reply> Handlers::Lease_LeaseRevoke(Pipe& pipe, std::string_view request) {
  coord::LeaseRevoke revoke;
  if (const CoordErrc taken = translate(request, revoke); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<PlainAnswer>(revoke, Ask::kWrite);
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  co_return Reply{{}, std::move(asked.sink->message())};
}

// A lease that is not there is no error: its TTL is -1.
Task<Reply> Handlers::Lease_LeaseTimeToLive(Pipe& pipe, std::string_view request) {
  coord::LeaseTimeToLive question;
  if (const CoordErrc taken = translate(request, question); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<PlainAnswer>(question, Ask::kLinearizable);
  const bool is_known = asked.ok();
  const bool is_missing = asked.sink != nullptr && asked.sink->failure().code == CoordErrc::kLeaseNotFound;
  if (!is_known && !is_missing) co_return Reply{std::move(asked.status), {}};
  Reply reply;
  WireWriter out(reply.message);
  out.number(2, question.id);
  coord::LeaseAnswer left;
  if (is_known) {
    left = co_await service_.coord().leases().time_to_live(pipe.reactor(), question.id);
    if (left.outcome != coord::ServiceErrc::kOk) co_return Reply{status_of(left.outcome), {}};
  }
  if (!left.is_found) {
    out.number(3, int64_t{-1});
    write_header(out, asker.facts(), is_known ? asked.sink->revision() : asked.sink->failure().revision);
    co_return reply;
  }
  out.number(3, left.ttl_s);
  out.number(4, left.granted_ttl_s);
  reply.message += asked.sink->message();
  co_return reply;
}

Task<Reply> Handlers::Lease_LeaseLeases(Pipe& pipe, std::string_view request) {
  if (const CoordErrc taken = translate_nothing(request); taken != CoordErrc::kOk) co_return refuse(taken);
  coord::LeaseList question;
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<LeaseListAnswer>(question, Ask::kLinearizable);
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  co_return Reply{{}, std::move(asked.sink->message())};
}

Task<CallStatus> Handlers::Lease_LeaseKeepAlive(Pipe& pipe) {
  Asker asker(service_, pipe);
  std::string_view request;
  while (co_await pipe.read(request) == Read::kMessage) {
    int64_t id = 0;
    if (const CoordErrc taken = translate_number(request, id); taken != CoordErrc::kOk) co_return refuse(taken).status;
    // The revision from before: a lease whose end is at a later one was alive at this one.
    coord::StoreStatus question;
    auto asked = co_await asker.ask<PlainAnswer>(question, Ask::kSerializable);
    if (!asked.ok()) co_return std::move(asked.status);
    const coord::LeaseAnswer lease = co_await service_.coord().leases().keep_alive(pipe.reactor(), id);
    if (lease.outcome != coord::ServiceErrc::kOk) co_return status_of(lease.outcome);
    std::string message;
    WireWriter out(message);
    write_header(out, asker.facts(), asked.sink->store_status().revision);
    out.number(2, id);
    if (lease.is_found) out.number(3, lease.ttl_s);
    if (!co_await pipe.send(message)) break;
  }
  co_return pipe.failure();
}

}  // namespace keelson::etcd
