// What a member writes down, and how it is read back. Pure functions over bytes.
//
// A member's journal is its shard's records in the node's LocalLog, with the LocalLog's contiguous index (here:
// `position`, to tell it from the index of a Raft entry). What one Ready of raft-rs must have on disk is one record:
//
//   record   = version (u8, 1), parts (u8, below), then those parts in this order:
//     1 life     varint: how often this member has started; proposals of an earlier life are told from those of this
//     2 base     varint index, varint term, members: where the log of a new group begins
//     4 hard     varint term, varint vote, varint commit
//     8 entries  varint index of the first, varint count, then for each: varint term, u8 type, data and context, each a
//                varint length and its bytes. They take the place of what stands at their indexes and behind.
//
// A checkpoint file of a shard that is replicated begins with a piece of ours, the prelude, which says from where the
// journal goes on; so records before that position are not needed once the file is finished:
//
//   prelude  = version (u8, 1), varint index, varint term, members (of the state in the file), varint term, varint
//              vote, varint commit, varint life, varint position
//
// In a file that came from another node the hard state, life and position are that node's: install_checkpoint()
// (raft/checkpoint.h) writes the file anew with ours.
//
// Versions: a reader refuses a version above its own, with kDamaged. A part that is added gets a bit of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "raft/core/raft_core.h"
#include "raft/members.h"

namespace keelson::raft {

inline constexpr uint8_t kJournalVersion = 1;

struct Prelude {
  uint64_t index = 0;  // of the last entry that is in the state; 0: of a replica that was removed, which has none
  uint64_t term = 0;   // of that entry
  Members members;
  KrHardState hard_state{};
  uint64_t life = 0;
  uint64_t position = 1;  // the first of the journal that is needed on top
};
[[nodiscard]] std::string encode_prelude(const Prelude& prelude);
// kDamaged with the reason.
[[nodiscard]] Result<Prelude> decode_prelude(std::string_view bytes);

// Builds a record; parts in the order of the format.
struct JournalWrite {
  std::optional<uint64_t> life;
  const Prelude* base = nullptr;  // index, term and members of it
  std::optional<KrHardState> hard_state;
  const KrEntry* entries = nullptr;
  size_t entries_count = 0;
};
void append_journal(const JournalWrite& write, Buffer& out);

struct JournalEntry {
  uint64_t index = 0;
  uint64_t term = 0;
  uint8_t type = 0;
  std::string data;
  std::string context;
  [[nodiscard]] KrEntry view() const;
};

// Where entries stand in the journal: each record that holds some that count.
struct JournalPlace {
  uint64_t first_index = 0;
  uint64_t position = 0;
};

// What a member knows when it starts: a checkpoint, and the journal behind it. Feed it every record from first_position
// on, in order; then it is handed to the Member.
class Replay {
 public:
  // Without a checkpoint.
  Replay() = default;
  explicit Replay(Prelude checkpoint);

  // The first record that is wanted: for LocalLog::open().
  [[nodiscard]] uint64_t first_position() const { return base_.position; }
  // kDamaged: not a record of this format, or one that does not follow. Nothing more may be fed.
  Status on_record(uint64_t position, std::string_view payload);

  [[nodiscard]] bool is_new() const { return !has_base_; }
  [[nodiscard]] bool has_checkpoint() const { return has_checkpoint_; }
  // Of the last record, or of what comes before the first.
  [[nodiscard]] uint64_t last_position() const { return last_position_; }
  [[nodiscard]] uint64_t life() const { return life_; }
  [[nodiscard]] const Prelude& base() const { return base_; }
  // The commit index is never behind the base, nor beyond the entries.
  [[nodiscard]] KrHardState hard_state() const;
  [[nodiscard]] const std::deque<JournalEntry>& entries() const { return entries_; }
  [[nodiscard]] const std::deque<JournalPlace>& places() const { return places_; }

 private:
  Status read_base(std::string_view& from);
  bool read_hard_state(std::string_view& from);
  Status read_entries(uint64_t position, std::string_view& from);

  bool has_checkpoint_ = false;
  bool has_base_ = false;
  Prelude base_;
  uint64_t last_position_ = 0;
  uint64_t life_ = 0;
  KrHardState hard_state_{};
  std::deque<JournalEntry> entries_;
  std::deque<JournalPlace> places_;
};

}  // namespace keelson::raft
