#include "engine/coord/checkpoint.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"

namespace keelson::coord {

namespace {

constexpr uint8_t kVersion = 1;
// One step is some 100 us: half of it looks the next place up and fetches what lies there.
constexpr size_t kStepLeases = 1000;
constexpr size_t kStepVersions = 500;
constexpr size_t kStepBytes = size_t{64} << 10;
// And one call.
constexpr size_t kCallSteps = 4;

enum class Block : uint8_t { kCounters = 1, kAuth = 2, kAlarms = 3, kLeases = 4, kVersions = 5 };
enum RowFlag : uint8_t { kRowDeletion = 1, kRowLease = 2, kRowFirst = 4 };

void append_block(ByteSink auto& out, Block kind, std::string_view rows) {
  append_u8(out, static_cast<uint8_t>(kind));
  append_string(out, rows);
}

void append_lease(std::string& out, LeaseId id, const Lease& lease) {
  append_varint(out, zigzag(id));
  append_varint(out, zigzag(lease.ttl_s));
  append_varint(out, lease.grant);
}

void append_version(std::string& out, const Version& version, Revision& last) {
  append_varint(out, static_cast<uint64_t>(version.main() - last));
  last = version.main();
  append_varint(out, version.sub());
  const LeaseId lease = version.lease();
  const bool has_first = !version.is_deletion() && (version.count() != 1 || version.create() != version.main());
  append_u8(out, static_cast<uint8_t>((version.is_deletion() ? kRowDeletion : 0) | (lease != 0 ? kRowLease : 0) |
                                      (has_first ? kRowFirst : 0)));
  if (has_first) {
    append_varint(out, static_cast<uint64_t>(version.create()));
    append_varint(out, static_cast<uint64_t>(version.count()));
  }
  if (lease != 0) append_varint(out, zigzag(lease));
  append_string(out, version.key());
  if (!version.is_deletion()) append_string(out, version.value());
}

}  // namespace

Checkpoint::Checkpoint(State& state) : state_(&state), revision_(state.store.revision()) {
  KEELSON_CHECK(state.checkpoint == nullptr, "coord: a second checkpoint begins before the first has ended");
  std::string rows(1, static_cast<char>(kVersion));
  append_varint(rows, static_cast<uint64_t>(revision_));
  append_varint(rows, static_cast<uint64_t>(state.store.compact_revision()));
  append_varint(rows, static_cast<uint64_t>(state.store.tidied_to()));
  append_varint(rows, state.next_grant);
  append_varint(rows, state.lease_reign);
  append_block(early_, Block::kCounters, rows);
  rows.clear();
  state.auth.write(rows);
  append_block(early_, Block::kAuth, rows);
  rows.clear();
  append_varint(rows, state.alarms.size());
  for (const Alarm& alarm : state.alarms) {
    append_varint(rows, alarm.member);
    append_u8(rows, static_cast<uint8_t>(alarm.type));
  }
  append_block(early_, Block::kAlarms, rows);
  state.checkpoint = this;
  state.store.leases().set_observer(this);
  state.store.hold_garbage(true);
}

Checkpoint::~Checkpoint() { abandon(); }

void Checkpoint::abandon() {
  if (state_ == nullptr) return;
  state_->checkpoint = nullptr;
  state_->store.leases().set_observer(nullptr);
  state_->store.hold_garbage(false);
  state_ = nullptr;
}

void Checkpoint::before_change(LeaseId id, const Lease* lease) {
  if (are_leases_written_ || (has_lease_ && id <= last_lease_)) return;
  if (!settled_.insert(id).second) return;
  if (lease != nullptr) append_lease(lease_rows_, id, *lease);
}

bool Checkpoint::write_leases() {
  const Leases::Map& all = state_->store.leases().all();
  auto at = has_lease_ ? all.upper_bound(last_lease_) : all.begin();
  for (size_t i = 0; i < kStepLeases && at != all.end(); ++i, ++at) {
    has_lease_ = true;
    last_lease_ = at->first;
    if (!settled_.contains(at->first)) append_lease(lease_rows_, at->first, at->second);
  }
  are_leases_written_ = at == all.end();
  if (are_leases_written_) settled_.clear();
  return are_leases_written_;
}

bool Checkpoint::write_versions(Buffer& out) {
  std::string rows;
  Revision last = 0;
  History::Cursor cursor = state_->store.history().seek(next_main_, next_sub_);
  bool is_done = false;
  for (size_t i = 0; i < kStepVersions && rows.size() < kStepBytes; ++i) {
    const Version* const version = cursor.get();
    is_done = version == nullptr || version->main() > revision_;
    if (is_done) break;
    append_version(rows, *version, last);
    next_main_ = version->main();
    next_sub_ = version->sub() + 1;
    cursor.advance();
  }
  if (!rows.empty()) append_block(out, Block::kVersions, rows);
  return is_done;
}

bool Checkpoint::next(size_t bytes_wanted, Buffer& out) {
  const size_t size_before = out.size();
  if (state_ == nullptr) return true;
  out.append(early_);
  early_.clear();
  for (size_t step = 0; step < kCallSteps && (step == 0 || out.size() - size_before < bytes_wanted); ++step) {
    if (!are_leases_written_) {
      write_leases();
      if (!lease_rows_.empty()) append_block(out, Block::kLeases, lease_rows_);
      lease_rows_.clear();
    } else if (write_versions(out)) {
      return true;
    }
  }
  return false;
}

namespace {

Status bad(std::string_view what) {
  return fail(std::make_error_code(std::errc::bad_message), "coord: bad checkpoint: " + std::string(what));
}

bool read_revision(std::string_view& from, Revision& revision) {
  uint64_t raw = 0;
  // One below the largest, so that the next one is a number too.
  if (!read_varint(from, raw) || raw >= INT64_MAX) return false;
  revision = static_cast<Revision>(raw);
  return true;
}

bool read_signed(std::string_view& from, int64_t& value) {
  uint64_t raw = 0;
  if (!read_varint(from, raw)) return false;
  value = unzigzag(raw);
  return true;
}

Status load_counters(std::string_view from, State& state) {
  uint8_t version = 0;
  Revision revision = 0;
  Revision compact_revision = 0;
  Revision tidied_to = 0;
  if (!read_u8(from, version) || version != kVersion) return bad("a version that is not known");
  if (!read_revision(from, revision) || !read_revision(from, compact_revision) || !read_revision(from, tidied_to) ||
      !read_varint(from, state.next_grant) || !read_varint(from, state.lease_reign) || !from.empty()) {
    return bad("counters");
  }
  if (revision < 1 || compact_revision > revision || tidied_to > compact_revision) return bad("revisions");
  state.store.load_counters(revision, compact_revision, tidied_to);
  return {};
}

Status load_alarms(std::string_view from, State& state) {
  uint64_t count = 0;
  if (!read_varint(from, count)) return bad("alarms");
  for (uint64_t i = 0; i < count; ++i) {
    Alarm alarm;
    uint8_t type = 0;
    if (!read_varint(from, alarm.member) || !read_u8(from, type) || type == 0 ||
        type > static_cast<uint8_t>(AlarmType::kCorrupt)) {
      return bad("an alarm");
    }
    alarm.type = static_cast<AlarmType>(type);
    if (!state.alarms.insert(alarm).second) return bad("an alarm twice");
  }
  return from.empty() ? Status() : bad("bytes behind the alarms");
}

Status load_leases(std::string_view from, State& state) {
  Leases& leases = state.store.leases();
  while (!from.empty()) {
    LeaseId id = 0;
    Lease lease;
    if (!read_signed(from, id) || !read_signed(from, lease.ttl_s) || !read_varint(from, lease.grant)) {
      return bad("a lease");
    }
    if (id == 0 || lease.grant >= state.next_grant || leases.find(id) != nullptr) return bad("a lease that cannot be");
    leases.add(id, lease);
  }
  return {};
}

bool read_version(std::string_view& from, Version::Content& content) {
  Revision step = 0;
  uint64_t sub = 0;
  uint8_t flags = 0;
  if (!read_revision(from, step) || !read_varint(from, sub) || sub >= UINT32_MAX || !read_u8(from, flags)) return false;
  // All of what ends in the revision is below INT64_MAX, and so is their sum.
  if (step > INT64_MAX - 1 - content.main) return false;
  content.main += step;
  content.sub = static_cast<uint32_t>(sub);
  content.lease = 0;
  content.value = {};
  const bool is_deletion = (flags & kRowDeletion) != 0;
  if (flags > (kRowDeletion | kRowLease | kRowFirst) || (is_deletion && flags != kRowDeletion)) return false;
  content.create = content.main;
  content.count = is_deletion ? 0 : 1;
  if ((flags & kRowFirst) != 0) {
    if (!read_revision(from, content.create) || !read_revision(from, content.count)) return false;
    if (content.create > content.main || content.count < 1) return false;
  }
  if ((flags & kRowLease) != 0 && (!read_signed(from, content.lease) || content.lease == 0)) return false;
  if (!read_string(from, content.key) || content.key.empty() || content.key.size() > kKeyBytesMax) return false;
  return is_deletion || (read_string(from, content.value) && content.value.size() <= kValueBytesMax);
}

Status load_versions(std::string_view from, State& state) {
  Version::Content content;
  while (!from.empty()) {
    if (!read_version(from, content)) return bad("a version of a key");
    if (!state.store.load(content)) return bad("a version of a key that is not behind the one before");
  }
  return {};
}

}  // namespace

Status load_piece(std::string_view piece, State& state, bool& has_counters) {
  while (!piece.empty()) {
    uint8_t kind = 0;
    std::string_view block;
    if (!read_u8(piece, kind) || !read_string(piece, block)) return bad("a block is cut off");
    if (has_counters == (static_cast<Block>(kind) == Block::kCounters)) return bad("the blocks are not in order");
    Status status;
    switch (static_cast<Block>(kind)) {
      case Block::kCounters:
        status = load_counters(block, state);
        has_counters = true;
        break;
      case Block::kAuth:
        status = state.auth.load(block);
        break;
      case Block::kAlarms:
        status = load_alarms(block, state);
        break;
      case Block::kLeases:
        status = load_leases(block, state);
        break;
      case Block::kVersions:
        status = load_versions(block, state);
        break;
      default:
        status = bad("a kind of block that is not known");
    }
    if (!status.ok()) return status;
  }
  return {};
}

}  // namespace keelson::coord
