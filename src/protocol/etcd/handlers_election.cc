// etcd's lock and election services. Both queue up: whoever wants it puts a key under the name, and waits until all
// keys there that were made before its own are gone. A key goes with its lease. The revision at which the own key was
// made grows from owner to owner: it is the fencing token.
#include <coroutine>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "protocol/etcd/asker.h"
#include "protocol/etcd/handlers.h"
#include "protocol/etcd/kv_answer.h"
#include "protocol/etcd/kv_facts.h"
#include "protocol/etcd/requests.h"
#include "protocol/etcd/secrets.h"

namespace keelson::etcd {

namespace {

using coord::CoordErrc;
using coord::Delivery;
using coord::DeliveryKind;
using coord::Revision;
using net::grpc::CallStatus;
using net::grpc::Code;
using net::grpc::Read;

// Of who comes without a lease: etcd's clientv3/concurrency has the same.
constexpr int64_t kLeaseTtlS = 60;

CallStatus unknown(std::string text) { return {Code::kUnknown, std::move(text)}; }
CallStatus missing_leader() { return unknown("\"leader\" field must be provided"); }
CallStatus not_leader() { return unknown("election: not leader"); }

// The end of the range of all keys with the prefix, which is not empty and does not end in 0xff.
std::string prefix_end(std::string prefix) {
  ++prefix.back();
  return prefix;
}

// --- watching, until something comes or the call ends ----------------------------------------------------------------

struct Fetch {
  explicit Fetch(env::Reactor& reactor)
      : wake(reactor, [this] {
          if (waiter) std::exchange(waiter, {}).resume();
        }) {}
  Delivery delivery;
  bool is_done = false;
  std::coroutine_handle<> waiter;
  env::Timer wake;
};

Task<void> fetch(coord::WatchStream& stream, Fetch& into) {
  into.delivery = co_await stream.next();
  into.is_done = true;
  into.wake.arm_after(0);  // in a turn of its own: whoever waits destroys this coroutine
}

// False: the call ends.
Task<bool> next_delivery(Pipe& pipe, coord::WatchStream& stream, Delivery& delivery) {
  if (pipe.is_cancelled()) co_return false;
  Fetch fetched(pipe.reactor());
  env::TaskScope scope(pipe.reactor());
  scope.spawn(fetch(stream, fetched));
  if (!fetched.is_done) co_await UntilCancelled{pipe, fetched.waiter};
  if (!fetched.is_done) co_return false;
  delivery = std::move(fetched.delivery);
  co_return true;
}

// What ends a wait besides what is waited for.
CallStatus end_of(const Pipe& pipe, const Delivery& delivery) {
  if (pipe.is_cancelled()) return pipe.cancellation();
  if (delivery.kind == DeliveryKind::kClosed) return status_of(ProtocolErrc::kStopped);
  return status_of(CoordErrc::kCompacted);
}

// Until `key` was deleted, looking at what happened from `since` on.
Task<CallStatus> wait_for_deletion(EtcdService& service, Pipe& pipe, std::string key, Revision since) {
  const auto stream = service.coord().open_watch_stream(pipe.reactor());
  coord::WatchRequest wish;
  wish.key = std::move(key);
  wish.start_revision = since;
  wish.without_puts = true;
  stream->create(std::move(wish));
  Delivery delivery;
  while (co_await next_delivery(pipe, *stream, delivery)) {
    if (delivery.kind == DeliveryKind::kEvents) co_return CallStatus{};
    if (delivery.kind != DeliveryKind::kCreated) break;
  }
  co_return end_of(pipe, delivery);
}

// Until no key with the prefix is left that was made before `mine`; the one that was made last is waited for first.
Task<CallStatus> wait_for_turn(EtcdService& service, Pipe& pipe, Asker& asker, const std::string& prefix,
                               Revision mine) {
  const std::string end = prefix_end(prefix);
  while (true) {
    coord::Range before{.key = prefix,
                        .range_end = end,
                        .limit = 1,
                        .sort_order = coord::SortOrder::kDescending,
                        .sort_target = coord::SortTarget::kCreate,
                        .max_create_revision = mine - 1};
    auto asked = co_await asker.ask<KvFacts>(before, Ask::kLinearizable);
    if (!asked.ok()) co_return std::move(asked.status);
    if (asked.sink->ranges().front().empty()) co_return CallStatus{};
    CallStatus waited =
        co_await wait_for_deletion(service, pipe, asked.sink->ranges().front().front().key, asked.sink->revision() + 1);
    if (!waited.ok()) co_return waited;
  }
}

// --- queueing up -----------------------------------------------------------------------------------------------------

struct Place {
  CallStatus status;
  std::string key;
  coord::LeaseId lease = 0;
  Revision made = 0;      // when the key was
  Revision revision = 0;  // of the store
  bool is_new = false;
  std::string value;  // that the key had
};

Place failed_place(CallStatus why) {
  Place place;
  place.status = std::move(why);
  return place;
}

// Puts the key of the name and the lease, if it is not there.
Task<Place> take_place(Asker& asker, std::string_view name, coord::LeaseId lease, std::string_view value) {
  Place place;
  place.lease = lease;
  if (lease == 0) {
    coord::LeaseGrant grant{.ttl_s = kLeaseTtlS};
    auto granted = co_await asker.ask<KvFacts>(grant, Ask::kWrite);
    if (!granted.ok()) co_return failed_place(std::move(granted.status));
    place.lease = granted.sink->granted().id;
  }
  place.key = std::string(name) + "/" + number_to_hex(static_cast<uint64_t>(place.lease));
  coord::Txn txn;
  txn.compares.push_back({.target = coord::CompareTarget::kCreate, .key = place.key, .number = 0});
  txn.success.push_back({coord::Put{.key = place.key, .value = value, .lease = place.lease}});
  txn.failure.push_back({coord::Range{.key = place.key}});
  auto asked = co_await asker.ask<KvFacts>(txn, Ask::kWrite);
  if (!asked.ok()) co_return failed_place(std::move(asked.status));
  place.revision = asked.sink->revision();
  place.is_new = asked.sink->succeeded();
  place.made = place.revision;
  if (!place.is_new) {
    const OwnedKeyValue& old = asked.sink->ranges().front().front();
    place.made = old.create_revision;
    place.value = old.value;
  }
  co_return place;
}

// Does `change` if the key is still the one that was made then.
Task<Asked<KvFacts>> change_own(Asker& asker, std::string_view key, Revision made, coord::TxnOp change) {
  coord::Txn txn;
  txn.compares.push_back({.target = coord::CompareTarget::kCreate, .key = key, .number = made});
  txn.success.push_back(std::move(change));
  co_return co_await asker.ask<KvFacts>(txn, Ask::kWrite);
}

Reply header_reply(Asker& asker, Revision revision) {
  Reply reply;
  WireWriter out(reply.message);
  write_header(out, asker.facts(), revision);
  return reply;
}

}  // namespace

// --- locks -----------------------------------------------------------------------------------------------------------

Task<Reply> Handlers::Lock_Lock(Pipe& pipe, std::string_view request) {
  ElectionAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  Place place = co_await take_place(asker, wish.name, wish.lease, "");
  if (!place.status.ok()) co_return Reply{std::move(place.status), {}};
  CallStatus waited = co_await wait_for_turn(service_, pipe, asker, std::string(wish.name) + "/", place.made);
  if (waited.ok()) {
    // The lease may have run out while this waited: then the lock is somebody else's.
    coord::Range own_key{.key = place.key};
    auto asked = co_await asker.ask<KvFacts>(own_key, Ask::kLinearizable);
    if (asked.ok()) {
      if (asked.sink->ranges().front().empty()) co_return Reply{unknown("mutex: session is expired"), {}};
      Reply reply = header_reply(asker, asked.sink->revision());
      WireWriter(reply.message).bytes(2, place.key);
      co_return reply;
    }
    waited = std::move(asked.status);
  }
  if (place.is_new) (void)co_await change_own(asker, place.key, place.made, {coord::DeleteRange{.key = place.key}});
  co_return Reply{std::move(waited), {}};
}

Task<Reply> Handlers::Lock_Unlock(Pipe& pipe, std::string_view request) {
  NamesAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  coord::DeleteRange key{.key = wish.first};
  if (const CoordErrc bad = check(key); bad != CoordErrc::kOk) co_return refuse(bad);
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<KvFacts>(key, Ask::kWrite);
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  co_return header_reply(asker, asked.sink->revision());
}

// --- elections -------------------------------------------------------------------------------------------------------

Task<Reply> Handlers::Election_Campaign(Pipe& pipe, std::string_view request) {
  ElectionAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  Place place = co_await take_place(asker, wish.name, wish.lease, wish.value);
  if (!place.status.ok()) co_return Reply{std::move(place.status), {}};
  if (!place.is_new && place.value != wish.value) {
    auto told = co_await change_own(asker, place.key, place.made,
                                    {coord::Put{.key = place.key, .value = wish.value, .lease = place.lease}});
    if (!told.ok()) co_return Reply{std::move(told.status), {}};
    if (!told.sink->succeeded()) co_return Reply{not_leader(), {}};
    place.revision = told.sink->revision();
  }
  CallStatus waited = co_await wait_for_turn(service_, pipe, asker, std::string(wish.name) + "/", place.made);
  if (!waited.ok()) {
    (void)co_await change_own(asker, place.key, place.made, {coord::DeleteRange{.key = place.key}});
    co_return Reply{std::move(waited), {}};
  }
  Reply reply = header_reply(asker, place.revision);
  WireWriter out(reply.message);
  const size_t mark = out.begin(2);
  out.bytes(1, wish.name);
  out.bytes(2, place.key);
  out.number(3, place.made);
  out.number(4, place.lease);
  out.end(mark);
  co_return reply;
}

Task<Reply> Handlers::Election_Proclaim(Pipe& pipe, std::string_view request) {
  LeaderAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  if (wish.leader.key.empty()) co_return Reply{missing_leader(), {}};
  Asker asker(service_, pipe);
  auto told =
      co_await change_own(asker, wish.leader.key, wish.leader.revision,
                          {coord::Put{.key = wish.leader.key, .value = wish.value, .lease = wish.leader.lease}});
  if (!told.ok()) co_return Reply{std::move(told.status), {}};
  if (!told.sink->succeeded()) co_return Reply{not_leader(), {}};
  co_return header_reply(asker, told.sink->revision());
}

Task<Reply> Handlers::Election_Resign(Pipe& pipe, std::string_view request) {
  LeaderAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  if (wish.leader.key.empty()) co_return Reply{missing_leader(), {}};
  Asker asker(service_, pipe);
  auto left =
      co_await change_own(asker, wish.leader.key, wish.leader.revision, {coord::DeleteRange{.key = wish.leader.key}});
  if (!left.ok()) co_return Reply{std::move(left.status), {}};
  co_return header_reply(asker, left.sink->revision());
}

namespace {

coord::Range first_of(std::string_view prefix, std::string_view end) {
  return {.key = prefix,
          .range_end = end,
          .limit = 1,
          .sort_order = coord::SortOrder::kAscending,
          .sort_target = coord::SortTarget::kCreate};
}

std::string leader_message(const HeaderFacts& facts, Revision revision, const coord::KeyValue& kv) {
  std::string message;
  WireWriter out(message);
  write_header(out, facts, revision);
  out.tag(2);
  write_key_value(out, kv);
  return message;
}

// Tells what the leader's key becomes, until it is deleted (OK) or the call ends.
Task<CallStatus> follow_leader(EtcdService& service, Pipe& pipe, std::string key, Revision since) {
  const auto stream = service.coord().open_watch_stream(pipe.reactor());
  coord::WatchRequest wish;
  wish.key = std::move(key);
  wish.start_revision = since;
  stream->create(std::move(wish));
  Delivery delivery;
  while (co_await next_delivery(pipe, *stream, delivery)) {
    if (delivery.kind == DeliveryKind::kCreated) continue;
    if (delivery.kind != DeliveryKind::kEvents) break;
    for (const auto& event : delivery.events->events()) {
      if (event->is_deletion()) co_return CallStatus{};
      const std::string message = leader_message(service.members().facts(), event->revision(), event->kv());
      if (!co_await pipe.send(message)) co_return CallStatus{Code::kCancelled, "context canceled"};
    }
  }
  co_return end_of(pipe, delivery);
}

// Until somebody puts a key with the prefix.
Task<CallStatus> wait_for_candidate(EtcdService& service, Pipe& pipe, std::string prefix, Revision since) {
  const auto stream = service.coord().open_watch_stream(pipe.reactor());
  stream->create({.key = prefix, .range_end = prefix_end(prefix), .start_revision = since, .without_deletes = true});
  Delivery delivery;
  while (co_await next_delivery(pipe, *stream, delivery)) {
    if (delivery.kind == DeliveryKind::kEvents) co_return CallStatus{};
    if (delivery.kind != DeliveryKind::kCreated) break;
  }
  co_return end_of(pipe, delivery);
}

}  // namespace

Task<Reply> Handlers::Election_Leader(Pipe& pipe, std::string_view request) {
  ElectionAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  const std::string prefix = std::string(wish.name) + "/";
  const std::string end = prefix_end(prefix);
  coord::Range question = first_of(prefix, end);
  auto asked = co_await asker.ask<KvFacts>(question, Ask::kLinearizable);
  if (!asked.ok()) co_return Reply{std::move(asked.status), {}};
  if (asked.sink->ranges().front().empty()) co_return Reply{unknown("election: no leader"), {}};
  co_return Reply{{},
                  leader_message(asker.facts(), asked.sink->revision(), asked.sink->ranges().front().front().view())};
}

Task<CallStatus> Handlers::Election_Observe(Pipe& pipe) {
  std::string_view request;
  const Read got = co_await pipe.read(request);
  if (got == Read::kFailed) co_return pipe.failure();
  ElectionAsk wish;
  if (got == Read::kMessage) {
    if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken).status;
  }
  Asker asker(service_, pipe);
  const std::string prefix = std::string(wish.name) + "/";
  const std::string end = prefix_end(prefix);
  CallStatus status;
  while (status.ok()) {
    coord::Range question = first_of(prefix, end);
    auto asked = co_await asker.ask<KvFacts>(question, Ask::kLinearizable);
    if (!asked.ok()) co_return std::move(asked.status);
    const Revision since = asked.sink->revision() + 1;
    if (asked.sink->ranges().front().empty()) {
      status = co_await wait_for_candidate(service_, pipe, prefix, since);
      continue;
    }
    const OwnedKeyValue& leader = asked.sink->ranges().front().front();
    const std::string message = leader_message(asker.facts(), asked.sink->revision(), leader.view());
    if (!co_await pipe.send(message)) break;
    status = co_await follow_leader(service_, pipe, leader.key, since);
  }
  co_return status;
}

}  // namespace keelson::etcd
