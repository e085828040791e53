#include "raft/journal.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "log/commit_log.h"
#include "raft/group.h"

namespace keelson::raft {

namespace {

constexpr uint8_t kPartLife = 1;
constexpr uint8_t kPartBase = 2;
constexpr uint8_t kPartHard = 4;
constexpr uint8_t kPartEntries = 8;
constexpr uint8_t kPartsKnown = kPartLife | kPartBase | kPartHard | kPartEntries;

std::unexpected<Error> damaged(std::string what) { return fail(log::LogErrc::kDamaged, "raft: " + std::move(what)); }

void append_hard_state(const KrHardState& state, Buffer& out) {
  append_varint(out, state.term);
  append_varint(out, state.vote);
  append_varint(out, state.commit);
}

bool read_state(std::string_view& from, KrHardState& state) {
  return read_varint(from, state.term) && read_varint(from, state.vote) && read_varint(from, state.commit);
}

Status check_version(std::string_view& from) {
  uint8_t version = 0;
  if (!read_u8(from, version)) return damaged("an empty record");
  if (version > kJournalVersion) {
    return damaged("written by a newer version of Keelson (format " + std::to_string(version) +
                   ", this one reads up to " + std::to_string(kJournalVersion) + ")");
  }
  if (version == 0) return damaged("no record of a replicated log");
  return {};
}

}  // namespace

std::string encode_prelude(const Prelude& prelude) {
  Buffer out;
  append_u8(out, kJournalVersion);
  append_varint(out, prelude.index);
  append_varint(out, prelude.term);
  append_members(prelude.members, out);
  append_hard_state(prelude.hard_state, out);
  append_varint(out, prelude.life);
  append_varint(out, prelude.position);
  return std::string(out.view());
}

Result<Prelude> decode_prelude(std::string_view bytes) {
  Status version = check_version(bytes);
  if (!version.ok()) return forward_error(version);
  Prelude prelude;
  if (!read_varint(bytes, prelude.index) || !read_varint(bytes, prelude.term) ||
      !read_members(bytes, prelude.members) || !read_state(bytes, prelude.hard_state) ||
      !read_varint(bytes, prelude.life) || !read_varint(bytes, prelude.position) || !bytes.empty()) {
    return damaged("the first piece of a checkpoint does not follow its format");
  }
  if (prelude.position == 0) return damaged("the first piece of a checkpoint names no place in the journal");
  return prelude;
}

void append_journal(const JournalWrite& write, Buffer& out) {
  append_u8(out, kJournalVersion);
  append_u8(out,
            static_cast<uint8_t>((write.life ? kPartLife : 0) | (write.base != nullptr ? kPartBase : 0) |
                                 (write.hard_state ? kPartHard : 0) | (write.entries_count != 0 ? kPartEntries : 0)));
  if (write.life) append_varint(out, *write.life);
  if (write.base != nullptr) {
    append_varint(out, write.base->index);
    append_varint(out, write.base->term);
    append_members(write.base->members, out);
  }
  if (write.hard_state) append_hard_state(*write.hard_state, out);
  if (write.entries_count == 0) return;
  append_varint(out, write.entries[0].index);
  append_varint(out, write.entries_count);
  for (size_t i = 0; i < write.entries_count; ++i) {
    const KrEntry& entry = write.entries[i];
    append_varint(out, entry.term);
    append_u8(out, entry.type);
    append_string(out, from_raft(entry.data));
    append_string(out, from_raft(entry.context));
  }
}

KrEntry JournalEntry::view() const { return {index, term, type, to_raft(data), to_raft(context)}; }

Replay::Replay(Prelude checkpoint)
    : has_checkpoint_(true),
      has_base_(true),
      base_(std::move(checkpoint)),
      last_position_(base_.position - 1),
      life_(base_.life),
      hard_state_(base_.hard_state) {}

KrHardState Replay::hard_state() const {
  KrHardState state = hard_state_;
  const uint64_t last = entries_.empty() ? base_.index : entries_.back().index;
  state.commit = std::clamp(state.commit, base_.index, last);
  state.term = std::max({state.term, base_.term, entries_.empty() ? 0 : entries_.back().term});
  return state;
}

Status Replay::on_record(uint64_t position, std::string_view payload) {
  const auto at = [position](const char* what) {
    return damaged("record " + std::to_string(position) + " of a journal " + what);
  };
  if (position != last_position_ + 1) return at("does not follow the one before");
  Status version = check_version(payload);
  if (!version.ok()) return version;
  uint8_t parts = 0;
  if (!read_u8(payload, parts) || (parts & ~kPartsKnown) != 0) return at("has parts that are not known");
  if ((parts & kPartLife) != 0) {
    uint64_t life = 0;
    if (!read_varint(payload, life)) return at("does not follow its format");
    life_ = std::max(life_, life);
  }
  if ((parts & kPartBase) != 0) {
    Status read = read_base(payload);
    if (!read.ok()) return read;
  }
  if ((parts & kPartHard) != 0 && !read_hard_state(payload)) return at("does not follow its format");
  if ((parts & kPartEntries) != 0) {
    Status read = read_entries(position, payload);
    if (!read.ok()) return read;
  }
  if (!payload.empty()) return at("is longer than its parts");
  last_position_ = position;
  return {};
}

Status Replay::read_base(std::string_view& from) {
  Prelude base;
  if (!read_varint(from, base.index) || !read_varint(from, base.term) || !read_members(from, base.members)) {
    return damaged("the base of a journal does not follow its format");
  }
  // A checkpoint is at the base or behind it.
  if (has_base_) {
    if (base.index > base_.index) return damaged("a journal has two bases");
    return {};
  }
  base.position = base_.position;
  base_ = std::move(base);
  has_base_ = true;
  return {};
}

// The checkpoint's may be newer than what stands in the journal behind it; a term never goes back, and has one vote.
bool Replay::read_hard_state(std::string_view& from) {
  KrHardState state{};
  if (!read_state(from, state)) return false;
  if (state.term < hard_state_.term) return true;
  if (state.term == hard_state_.term && state.vote == 0) state.vote = hard_state_.vote;
  state.commit = std::max(state.commit, hard_state_.commit);
  hard_state_ = state;
  return true;
}

Status Replay::read_entries(uint64_t position, std::string_view& from) {
  uint64_t index = 0;
  uint64_t count = 0;
  if (!read_varint(from, index) || !read_varint(from, count) || count == 0) {
    return damaged("entries of a journal do not follow their format");
  }
  const uint64_t last = entries_.empty() ? base_.index : entries_.back().index;
  if (index == 0 || index > last + 1)
    return damaged("entries of a journal leave a gap before " + std::to_string(index));
  while (!entries_.empty() && entries_.back().index >= index) entries_.pop_back();
  while (!places_.empty() && places_.back().first_index >= index) places_.pop_back();
  places_.push_back({index, position});
  for (uint64_t i = 0; i < count; ++i, ++index) {
    uint64_t term = 0;
    uint8_t type = 0;
    std::string_view data;
    std::string_view context;
    if (!read_varint(from, term) || !read_u8(from, type) || type > 2 || !read_string(from, data) ||
        !read_string(from, context)) {
      return damaged("an entry of a journal does not follow its format");
    }
    if (index <= base_.index) continue;
    const uint64_t term_before = entries_.empty() ? base_.term : entries_.back().term;
    if (term < term_before) return damaged("the term of an entry goes back");
    entries_.push_back({index, term, type, std::string(data), std::string(context)});
  }
  return {};
}

}  // namespace keelson::raft
