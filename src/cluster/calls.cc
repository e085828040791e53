#include "cluster/calls.h"

#include "base/coding.h"
#include "shard/router.h"

namespace keelson::cluster {

namespace {

// Bounds what a reader reserves; a node has at most 65,535 shards and a group few members.
constexpr uint64_t kReportsMax = 65'535;
constexpr uint64_t kPeersMax = 1'024;
constexpr uint64_t kChangesMax = 1'024;
// A command with its key takes some bytes of a call at the least.
constexpr uint64_t kCommandsMax = uint64_t{1} << 20;
constexpr uint64_t kArgsMax = uint64_t{1} << 20;
constexpr uint8_t kErrcMax = static_cast<uint8_t>(log::LogErrc::kManyShards);

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

bool read_small(std::string_view& from, uint16_t& value) {
  uint64_t number = 0;
  if (!read_varint(from, number) || number > UINT16_MAX) return false;
  value = static_cast<uint16_t>(number);
  return true;
}

bool read_slots(std::string_view& from, uint16_t& first, uint16_t& last) {
  return read_small(from, first) && read_small(from, last) && first <= last && last < shard::kSlotCount;
}

void append_range(Buffer& out, const shard::SlotRange& range) {
  append_varint(out, range.first);
  append_varint(out, range.last);
  append_u8(out, static_cast<uint8_t>(range.state));
  append_varint(out, range.epoch);
}

bool read_range(std::string_view& from, shard::SlotRange& range) {
  uint8_t state = 0;
  if (!read_slots(from, range.first, range.last) || !read_u8(from, state) ||
      state > static_cast<uint8_t>(shard::SlotState::kGone) || !read_varint(from, range.epoch)) {
    return false;
  }
  range.state = static_cast<shard::SlotState>(state);
  return true;
}

bool read_command(std::string_view& from, engine::OwnedCommand& command) {
  uint64_t args = 0;
  if (!read_small(from, command.code) || !read_small(from, command.space) || !read_varint(from, args) ||
      args > kArgsMax) {
    return false;
  }
  for (uint64_t i = 0; i < args; ++i) {
    if (!read_text(from, command.args.emplace_back())) return false;
  }
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

std::string encode(const MoveCall& call) {
  std::string out;
  append_varint(out, call.move);
  append_u8(out, call.is_order ? 1 : 0);
  return out;
}

bool decode(std::string_view from, MoveCall& call) {
  return read_varint(from, call.move) && read_bool(from, call.is_order);
}

std::string encode(const MoveProgress& progress) {
  std::string out;
  append_u8(out, progress.is_running ? 1 : 0);
  append_varint(out, progress.attempt);
  append_varint(out, progress.bytes);
  append_string(out, progress.step);
  append_string(out, progress.error);
  return out;
}

bool decode(std::string_view from, MoveProgress& progress) {
  return read_bool(from, progress.is_running) && read_varint(from, progress.attempt) &&
         read_varint(from, progress.bytes) && read_text(from, progress.step) && read_text(from, progress.error);
}

std::string encode(const SlotCall& call) {
  Buffer out;
  append_varint(out, call.shard);
  append_range(out, call.range);
  return std::string(out.view());
}

bool decode(std::string_view from, SlotCall& call) {
  return read_shard(from, call.shard) && read_range(from, call.range);
}

std::string encode(const SlotReply& answer) {
  Buffer out;
  append_u8(out, static_cast<uint8_t>(answer.outcome));
  append_range(out, answer.range);
  return std::string(out.view());
}

bool decode(std::string_view from, SlotReply& answer) {
  uint8_t outcome = 0;
  if (!read_u8(from, outcome) || outcome > kErrcMax || !read_range(from, answer.range)) return false;
  answer.outcome = static_cast<log::LogErrc>(outcome);
  return true;
}

std::string encode(const ImportCall& call) {
  std::string out;
  append_varint(out, call.shard);
  append_varint(out, call.first);
  append_varint(out, call.last);
  append_varint(out, call.epoch);
  append_varint(out, call.sequence);
  append_varint(out, call.commands.size());
  for (const engine::OwnedCommand& command : call.commands) {
    append_varint(out, command.code);
    append_varint(out, command.space);
    append_varint(out, command.args.size());
    for (const std::string& arg : command.args) append_string(out, arg);
  }
  return out;
}

bool decode(std::string_view from, ImportCall& call) {
  uint64_t commands = 0;
  if (!read_shard(from, call.shard) || !read_slots(from, call.first, call.last) || !read_varint(from, call.epoch) ||
      !read_varint(from, call.sequence) || !read_varint(from, commands) || commands > kCommandsMax) {
    return false;
  }
  for (uint64_t i = 0; i < commands; ++i) {
    if (!read_command(from, call.commands.emplace_back())) return false;
  }
  return true;
}

std::string encode_revision(int64_t revision) {
  std::string out;
  append_varint(out, static_cast<uint64_t>(revision));
  return out;
}

bool decode_revision(std::string_view from, int64_t& revision) {
  uint64_t number = 0;
  if (!read_varint(from, number) || number > INT64_MAX) return false;
  revision = static_cast<int64_t>(number);
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
