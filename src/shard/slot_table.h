// Which slots a replicated shard has: what keeps a slot with one owner while it moves from shard to shard.
//
// The table changes by control records of the shard's own log, so all replicas agree on it at each index, and a record
// on a slot is void if the table does not allow it at the record's place in the log. It is part of the shard's
// checkpoint.
//
//   kOwned      reads and writes
//   kFrozen     reads; writes are held: the slot is being handed over
//   kImporting  records of the move alone (their epoch is the slot's); everything else is held
//   kGone       nothing: another shard has it
//
// A table begins with the shard's home range (shard/router.h) owned and all else gone, at epoch 0.
//
// Each attempt at moving a slot has an epoch, higher than those before. All slots of a change are in one state, and:
//
//   kOwned     -> kOwned      with a higher epoch: an attempt claims them
//   kOwned     -> kFrozen     with the claim's epoch
//   kFrozen    -> kOwned      with a higher epoch: another attempt claims and thaws them
//   kFrozen    -> kGone       with the same epoch
//   kGone      -> kImporting  with a higher epoch
//   kGone      -> kGone       with a higher epoch: what earlier attempts have sent, and comes late, is void
//   kImporting -> kImporting  with a higher epoch: begun anew
//   kImporting -> kOwned      with the same epoch
//   kImporting -> kGone       with a higher epoch: given up
//
// A change to the state and epoch that all slots have already is done again without effect. Any other is void: so a
// late or doubled one does no harm, and no shard takes or loses slots but by way of kImporting and kFrozen.
//
// A range that is being imported counts the move's records: each is applied once, in the order of its sequence numbers,
// however often it was sent. A record of no slot (FLUSHALL) may have deleted what was imported, though it still belongs
// to the shard where it came from: it spoils every importing range, which takes no more records then.
//
// Written down, of each range as LEB128 varints: first slot, last slot, state, epoch, records imported (2^64-1:
// spoiled). In a checkpoint's piece, behind a version (u8, 1), all ranges, or none: the table of the beginning. In a
// control record, one range.
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
  // Of kImporting: the sequence number of the move's last record. Of no meaning in a change.
  uint64_t imported = 0;

  [[nodiscard]] bool is_spoiled() const { return imported == UINT64_MAX; }
  friend bool operator==(const SlotRange&, const SlotRange&) = default;
};
using SlotChange = SlotRange;

// What is to become of an operation on a slot.
enum class SlotAnswer : uint8_t {
  kRun,
  kHold,      // until the table changes
  kNotOwner,  // the slot is gone
};

// Stands for the slot of what no slot decides on.
inline constexpr uint16_t kNoSlot = UINT16_MAX;

class SlotTable {
 public:
  // Everything is the home range: a shard of a service without slots.
  SlotTable() = default;
  SlotTable(uint16_t home_first, uint16_t home_last) : home_first_(home_first), home_last_(home_last) {}

  // kNoSlot is always owned, but see may_flush().
  [[nodiscard]] SlotAnswer for_write(uint16_t slot) const {
    if (ranges_.empty()) return is_home(slot) ? SlotAnswer::kRun : SlotAnswer::kNotOwner;
    return answer(slot, SlotState::kOwned);
  }
  [[nodiscard]] SlotAnswer for_read(uint16_t slot) const {
    if (ranges_.empty()) return is_home(slot) ? SlotAnswer::kRun : SlotAnswer::kNotOwner;
    return answer(slot, SlotState::kFrozen);
  }
  [[nodiscard]] bool may_write(uint16_t slot) const { return for_write(slot) == SlotAnswer::kRun; }
  [[nodiscard]] bool may_read(uint16_t slot) const { return for_read(slot) == SlotAnswer::kRun; }
  // May a record of no slot be applied? Not while slots are frozen: what they hold may have been read to its end.
  [[nodiscard]] bool may_flush() const { return ranges_.empty() || !has(SlotState::kFrozen); }
  [[nodiscard]] SlotRange at(uint16_t slot) const;
  // All ranges, ascending, without a gap; neighbours differ. Empty: the table of the beginning.
  [[nodiscard]] const std::vector<SlotRange>& ranges() const { return ranges_; }

  // False, and nothing is changed, if it is void.
  bool change(const SlotChange& to);
  enum class Import : uint8_t {
    kApply,    // and it counts from now on
    kDoubled,  // was applied before: nothing is to be done
    kVoid,
  };
  // A move's record. Sequence 0 only deletes: on kGone, and on kImporting before the first that counts.
  Import import(uint16_t first, uint16_t last, uint64_t epoch, uint64_t sequence);
  // A record of no slot was applied.
  void spoil_imports();
  // As in the beginning.
  void clear() { ranges_.clear(); }

  void encode(Buffer& into) const;
  // Keeps the home range. kDamaged if the bytes are no table.
  Status decode(std::string_view bytes);

 private:
  [[nodiscard]] bool is_home(uint16_t slot) const {
    return (slot >= home_first_ && slot <= home_last_) || slot == kNoSlot;
  }
  // `least` and better states run.
  [[nodiscard]] SlotAnswer answer(uint16_t slot, SlotState least) const;
  [[nodiscard]] bool has(SlotState state) const;
  [[nodiscard]] std::vector<SlotRange> all_ranges() const;

  uint16_t home_first_ = 0;
  uint16_t home_last_ = kSlotCount - 1;
  std::vector<SlotRange> ranges_;
};

void encode_slot_range(const SlotRange& range, Buffer& into);
// False if the bytes do not begin with a range.
[[nodiscard]] bool read_slot_range(std::string_view& from, SlotRange& range);

}  // namespace keelson::shard
