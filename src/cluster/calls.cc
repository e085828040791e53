#include "cluster/calls.h"

#include "base/coding.h"

namespace keelson::cluster {

namespace {

// Bounds what a reader reserves; a node has at most 65,535 shards and a group few members.
constexpr uint64_t kReportsMax = 65'535;
constexpr uint64_t kPeersMax = 1'024;
constexpr uint64_t kChangesMax = 1'024;

bool read_shard(std::string_view& from, ShardId& shard) {
  uint64_t number = 0;
  if (!read_varint(from, number) || number > UINT16_MAX) return false;
  shard = static_cast<ShardId>(number);
  return true;
}

bool read_bool(std::string_view& from, bool& value) {
  uint8_t byte = 0;
  if (!read_u8(from, byte) || byte > 1) return false;
  value = byte == 1;
  return true;
}

bool read_text(std::string_view& from, std::string& text) {
  std::string_view bytes;
  if (!read_string(from, bytes)) return false;
  text = bytes;
  return true;
}

void append_report(Buffer& out, const ReplicaReport& report) {
  const raft::MemberStatus& status = report.status;
  append_varint(out, report.shard);
  append_varint(out, status.term);
  append_varint(out, status.leader);
  append_u8(out, static_cast<uint8_t>(status.role));
  append_u8(out, status.is_leader_here ? 1 : 0);
  append_varint(out, status.commit);
  append_varint(out, status.applied);
  append_varint(out, status.last_index);
  raft::append_members(status.members, out);
  append_varint(out, status.peers.size());
  for (const raft::PeerStatus& peer : status.peers) {
    append_varint(out, peer.node);
    append_varint(out, peer.matched);
    append_u8(out, peer.is_learner ? 1 : 0);
    append_u8(out, peer.is_active ? 1 : 0);
    append_u8(out, peer.needs_checkpoint ? 1 : 0);
  }
  append_string(out, status.halted);
}

bool read_report(std::string_view& from, ReplicaReport& report) {
  raft::MemberStatus& status = report.status;
  uint8_t role = 0;
  uint64_t peers = 0;
  if (!read_shard(from, report.shard) || !read_varint(from, status.term) || !read_varint(from, status.leader) ||
      !read_u8(from, role) || role > static_cast<uint8_t>(raft::Role::kPreCandidate) ||
      !read_bool(from, status.is_leader_here) || !read_varint(from, status.commit) ||
      !read_varint(from, status.applied) || !read_varint(from, status.last_index) ||
      !raft::read_members(from, status.members) || !read_varint(from, peers) || peers > kPeersMax) {
    return false;
  }
  status.role = static_cast<raft::Role>(role);
  for (uint64_t i = 0; i < peers; ++i) {
    raft::PeerStatus& peer = status.peers.emplace_back();
    if (!read_varint(from, peer.node) || !read_varint(from, peer.matched) || !read_bool(from, peer.is_learner) ||
        !read_bool(from, peer.is_active) || !read_bool(from, peer.needs_checkpoint)) {
      return false;
    }
  }
  return read_text(from, status.halted);
}

}  // namespace

std::string encode(const ShardCall& call) {
  Buffer out;
  append_varint(out, call.shard);
  append_varint(out, call.node);
  append_varint(out, call.changes.size());
  for (const KrChange& change : call.changes) {
    append_u8(out, change.type);
    append_varint(out, change.id);
  }
  return std::string(out.view());
}

bool decode(std::string_view from, ShardCall& call) {
  uint64_t changes = 0;
  if (!read_shard(from, call.shard) || !read_varint(from, call.node) || !read_varint(from, changes) ||
      changes > kChangesMax) {
    return false;
  }
  for (uint64_t i = 0; i < changes; ++i) {
    KrChange change{};
    if (!read_u8(from, change.type) || change.type > static_cast<uint8_t>(raft::ChangeType::kAddLearner) ||
        !read_varint(from, change.id) || change.id == 0) {
      return false;
    }
    call.changes.push_back(change);
  }
  return true;
}

// Each report stands behind its length, so that a later version may add to it.
std::string encode(const std::vector<ReplicaReport>& reports) {
  Buffer out;
  append_varint(out, reports.size());
  for (const ReplicaReport& report : reports) {
    Buffer one;
    append_report(one, report);
    append_string(out, one.view());
  }
  return std::string(out.view());
}

bool decode(std::string_view from, std::vector<ReplicaReport>& reports) {
  uint64_t count = 0;
  if (!read_varint(from, count) || count > kReportsMax) return false;
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view one;
    if (!read_string(from, one) || !read_report(one, reports.emplace_back())) return false;
  }
  return true;
}

}  // namespace keelson::cluster
