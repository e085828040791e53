// Ranges, puts, deletions, transactions, compactions.
#include "protocol/etcd/asker.h"
#include "protocol/etcd/handlers.h"
#include "protocol/etcd/kv_answer.h"
#include "protocol/etcd/requests.h"

namespace keelson::etcd {

namespace {

using coord::CoordErrc;

Reply reply_of(Asked<KvAnswer>& asked) {
  if (!asked.ok()) return {std::move(asked.status), {}};
  return {{}, std::move(asked.sink->message())};
}

}  // namespace

Task<Reply> Handlers::KV_Range(Pipe& pipe, std::string_view request) {
  RangeAsk wish;
  if (const CoordErrc taken = translate(request, wish); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<KvAnswer>(wish.range, wish.is_serializable ? Ask::kSerializable : Ask::kLinearizable);
  co_return reply_of(asked);
}

Task<Reply> Handlers::KV_Put(Pipe& pipe, std::string_view request) {
  coord::Put put;
  if (const CoordErrc taken = translate(request, put); taken != CoordErrc::kOk) co_return refuse(taken);
  if (request.size() > service_.options().request_bytes_max) co_return refuse(ProtocolErrc::kRequestTooLarge);
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<KvAnswer>(put, Ask::kWrite);
  co_return reply_of(asked);
}

Task<Reply> Handlers::KV_DeleteRange(Pipe& pipe, std::string_view request) {
  coord::DeleteRange range;
  if (const CoordErrc taken = translate(request, range); taken != CoordErrc::kOk) co_return refuse(taken);
  if (request.size() > service_.options().request_bytes_max) co_return refuse(ProtocolErrc::kRequestTooLarge);
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<KvAnswer>(range, Ask::kWrite);
  co_return reply_of(asked);
}

Task<Reply> Handlers::KV_Txn(Pipe& pipe, std::string_view request) {
  TxnAsk wish;
  const CoordErrc taken = translate(request, service_.options().txn_operations_max, wish);
  if (wish.has_too_many_operations) co_return refuse(ProtocolErrc::kTooManyOps);
  if (taken != CoordErrc::kOk) co_return refuse(taken);
  const bool is_read = is_read_only(wish.txn);
  if (!is_read && request.size() > service_.options().request_bytes_max) {
    co_return refuse(ProtocolErrc::kRequestTooLarge);
  }
  Ask how = Ask::kWrite;
  if (is_read) how = wish.is_serializable ? Ask::kSerializable : Ask::kLinearizable;
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<KvAnswer>(wish.txn, how);
  co_return reply_of(asked);
}

Task<Reply> Handlers::KV_Compact(Pipe& pipe, std::string_view request) {
  coord::Compact compact;
  if (const CoordErrc taken = translate(request, compact); taken != CoordErrc::kOk) co_return refuse(taken);
  Asker asker(service_, pipe);
  auto asked = co_await asker.ask<KvAnswer>(compact, Ask::kWrite);
  co_return reply_of(asked);
}

}  // namespace keelson::etcd
