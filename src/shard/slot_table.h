// Which slots a replicated shard has: what keeps a slot with one owner while it moves from shard to shard.
//
// The table changes by control records of the shard's own log, so all replicas agree on it at each index, and a record
// on a slot is void if the table does not allow it at the record's place in the log. It is part of the shard's
// checkpoint.
//
//   kOwned      reads and writes
//   kFrozen     reads; writes are refused: the slot is being handed over
//   kImporting  records of the move alone (their epoch is the slot's); nobody else reads or writes
//   kGone       nothing: another shard has it
//
// Each change has an epoch, which grows with each move of a slot; a change with an epoch below the slot's is void, so a
// late or doubled one does no harm.
//
// Written down, of each range as LEB128 varints: first slot, last slot, state, epoch. In a checkpoint's piece, behind a
// version (u8, 1), all ranges; in a control record, one.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "shard/router.h"

namespace keelson::shard {

enum class SlotState : uint8_t { kOwned = 0, kFrozen = 1, kImporting = 2, kGone = 3 };

struct SlotRange {
  uint16_t first = 0;
  uint16_t last = 0;  // included
  SlotState state = SlotState::kOwned;
  uint64_t epoch = 0;

  friend bool operator==(const SlotRange&, const SlotRange&) = default;
};
using SlotChange = SlotRange;

class SlotTable {
 public:
  // Everything is owned, with epoch 0: a shard that no slot moves to or from.
  SlotTable() = default;

  [[nodiscard]] bool may_write(uint16_t slot) const { return ranges_.empty() || at(slot).state == SlotState::kOwned; }
  [[nodiscard]] bool may_read(uint16_t slot) const { return ranges_.empty() || may_read_at(slot); }
  // Of a move's records.
  [[nodiscard]] bool may_import(uint16_t slot, uint64_t epoch) const {
    return !ranges_.empty() && at(slot).state == SlotState::kImporting && at(slot).epoch == epoch;
  }
  [[nodiscard]] SlotRange at(uint16_t slot) const;
  // All ranges, ascending, without a gap; neighbours differ. Empty: everything is owned, with epoch 0.
  [[nodiscard]] const std::vector<SlotRange>& ranges() const { return ranges_; }

  // False, and nothing is changed, if a slot of the range has a higher epoch or the range is none.
  bool change(const SlotChange& to);

  void encode(Buffer& into) const;
  // kDamaged if the bytes are no table.
  Status decode(std::string_view bytes);

 private:
  [[nodiscard]] bool may_read_at(uint16_t slot) const;
  std::vector<SlotRange> ranges_;
};

void encode_slot_range(const SlotRange& range, Buffer& into);
// False if the bytes do not begin with a range.
[[nodiscard]] bool read_slot_range(std::string_view& from, SlotRange& range);

}  // namespace keelson::shard
