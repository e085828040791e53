// Maintenance.Snapshot: page after page of the engine's history, while others go on writing.
#include <string>

#include "protocol/etcd/asker.h"
#include "protocol/etcd/handlers.h"
#include "protocol/etcd/plain_answer.h"
#include "protocol/etcd/requests.h"
#include "protocol/etcd/secrets.h"
#include "protocol/etcd/snapshot.h"

namespace keelson::etcd {

namespace {

using coord::CoordErrc;
using net::grpc::CallStatus;
using net::grpc::Code;
using net::grpc::Read;

// Of a message: as etcd's clients expect it to be at most, with room for what is around it.
constexpr size_t kBlobBytesMax = 512 << 10;

class Sender {
 public:
  Sender(Pipe& pipe, Asker& asker, coord::Revision revision) : pipe_(pipe), asker_(asker), revision_(revision) {}

  // False: the client is gone.
  Task<bool> send(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::string_view blob = bytes.substr(0, kBlobBytesMax);
      bytes.remove_prefix(blob.size());
      hash_.add(blob);
      sent_bytes_ += blob.size();
      if (!co_await send_blob(blob)) co_return false;
    }
    co_return true;
  }
  Task<bool> finish() {
    const size_t over = sent_bytes_ % kSnapshotBlockBytes;
    if (over != 0 && !co_await send(std::string(kSnapshotBlockBytes - over, '\0'))) co_return false;
    co_return co_await send_blob(hash_.finish());
  }

 private:
  // How much will follow is not known beforehand: remaining_bytes stays 0.
  Task<bool> send_blob(std::string_view blob) {
    std::string message;
    WireWriter out(message);
    write_header(out, asker_.facts(), revision_);
    out.bytes(3, blob);
    out.bytes(4, kEtcdVersion);
    co_return co_await pipe_.send(message);
  }

  Pipe& pipe_;
  Asker& asker_;
  const coord::Revision revision_;
  Sha256 hash_;
  uint64_t sent_bytes_ = 0;
};

CallStatus gone() { return {Code::kCancelled, "context canceled"}; }

// The states of keys up to `revision`. A compaction meanwhile ends it: the client begins again.
Task<CallStatus> send_states(Asker& asker, Sender& sender, coord::Revision revision) {
  coord::Scan scan{.revision = revision};
  while (true) {
    auto page = co_await asker.ask<SnapshotPage>(scan, Ask::kSerializable);
    if (!page.ok()) co_return std::move(page.status);
    if (!co_await sender.send(page.sink->records())) co_return gone();
    const coord::EventsAnswer& position = page.sink->position();
    if (position.next > revision) co_return CallStatus{};
    scan.from = position.next;
    scan.from_sub = position.next_sub;
    scan.compact_revision = position.compact_revision;
  }
}

}  // namespace

Task<CallStatus> Handlers::Maintenance_Snapshot(Pipe& pipe) {
  std::string_view request;
  if (co_await pipe.read(request) == Read::kFailed) co_return pipe.failure();
  Asker asker(service_, pipe);
  if (CallStatus bad = co_await asker.check_root(); !bad.ok()) co_return unmapped(std::move(bad));
  coord::StoreStatus question;
  auto status = co_await asker.ask<PlainAnswer>(question, Ask::kLinearizable);
  if (!status.ok()) co_return std::move(status.status);
  const coord::StoreStatusAnswer store = status.sink->store_status();
  Sender sender(pipe, asker, store.revision);
  if (!co_await sender.send(snapshot_begin(store, asker.facts().cluster_id))) co_return gone();
  coord::LeaseList list;
  auto leases = co_await asker.ask<SnapshotPage>(list, Ask::kSerializable);
  if (!leases.ok()) co_return std::move(leases.status);
  if (!co_await sender.send(leases.sink->records())) co_return gone();
  if (CallStatus sent = co_await send_states(asker, sender, store.revision); !sent.ok()) co_return sent;
  std::string end;
  append_snapshot_record(end, SnapshotRecord::kEnd, "");
  if (!co_await sender.send(end) || !co_await sender.finish()) co_return gone();
  co_return CallStatus{};
}

}  // namespace keelson::etcd
