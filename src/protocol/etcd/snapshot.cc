#include "protocol/etcd/snapshot.h"

#include "protocol/etcd/kv_answer.h"
#include "protocol/etcd/wire.h"

namespace keelson::etcd {

void append_snapshot_record(std::string& into, SnapshotRecord kind, std::string_view content) {
  into.push_back(static_cast<char>(kind));
  WireWriter(into).varint(content.size());
  into.append(content);
}

std::string snapshot_begin(const coord::StoreStatusAnswer& store, uint64_t cluster_id) {
  std::string content;
  WireWriter out(content);
  out.number(1, store.revision);
  out.number(2, store.compact_revision);
  out.number(3, cluster_id);
  std::string all(kSnapshotMagic);
  append_snapshot_record(all, SnapshotRecord::kStore, content);
  return all;
}

void SnapshotPage::event(const coord::Event& event) {
  constexpr uint32_t kType = 1, kKv = 2;
  std::string content;
  WireWriter out(content);
  out.boolean(kType, event.kv.is_deletion());  // PUT 0, DELETE 1
  out.tag(kKv);
  write_key_value(out, event.kv);
  append_snapshot_record(records_, SnapshotRecord::kState, content);
}

void SnapshotPage::lease(coord::Revision /*revision*/, const coord::LeaseInfo& lease) {
  std::string content;
  WireWriter out(content);
  out.number(1, lease.id);
  out.number(2, lease.granted_ttl_s);
  append_snapshot_record(records_, SnapshotRecord::kLease, content);
}

}  // namespace keelson::etcd
