// What Maintenance.Snapshot sends: the keys and leases of the store at one revision.
//
// etcd sends its database file, which is BoltDB's. This is a format of Keelson's own, that `etcdctl snapshot save`
// stores and whose checksum it checks; `etcdctl snapshot status` and `restore` cannot read it:
//
//   "KEELSON COORD SNAPSHOT 1\n"
//   records: a byte that tells the kind, the length as a varint, the content as a message of Protocol Buffers
//     1  the store: { int64 revision = 1; int64 compact_revision = 2; uint64 cluster_id = 3; }     once, first
//     2  a lease:   { int64 ID = 1; int64 TTL = 2; }                                               TTL as granted
//     3  a state of a key, mvccpb.Event: every one that can be read at revisions from compact_revision to revision, in
//        the order of revisions and of the changes within one
//     4  the end, empty
//   zeros, up to a multiple of 512 bytes: clients tell by the length whether a checksum follows
//   SHA-256 of everything before, 32 bytes
//
// Users and roles are not in it: they would carry their passwords' hashes into whatever file a client writes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/coord/answer.h"
#include "protocol/etcd/header.h"

namespace keelson::etcd {

inline constexpr std::string_view kSnapshotMagic = "KEELSON COORD SNAPSHOT 1\n";
inline constexpr size_t kSnapshotBlockBytes = 512;

enum class SnapshotRecord : uint8_t { kStore = 1, kLease = 2, kState = 3, kEnd = 4 };

void append_snapshot_record(std::string& into, SnapshotRecord kind, std::string_view content);
[[nodiscard]] std::string snapshot_begin(const coord::StoreStatusAnswer& store, uint64_t cluster_id);

// The engine's answers to Scan and LeaseList, as records.
class SnapshotPage final : public coord::AnswerSink {
 public:
  explicit SnapshotPage(const HeaderFacts& /*facts*/) {}
  [[nodiscard]] const coord::Failure& failure() const { return failure_; }
  [[nodiscard]] const coord::EventsAnswer& position() const { return position_; }
  [[nodiscard]] std::string& records() { return records_; }

  void failed(const coord::Failure& failure) override { failure_ = failure; }
  void done(coord::Revision /*revision*/) override {}
  void event(const coord::Event& event) override;
  void events(const coord::EventsAnswer& answer) override { position_ = answer; }
  void lease(coord::Revision revision, const coord::LeaseInfo& lease) override;

 private:
  coord::Failure failure_;
  coord::EventsAnswer position_;
  std::string records_;
};

}  // namespace keelson::etcd
