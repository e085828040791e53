#include "shard/slot_table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"

namespace keelson::shard {

namespace {

constexpr uint16_t kSlotLast = kSlotCount - 1;
constexpr uint8_t kVersion = 1;

std::vector<SlotRange>::const_iterator find(const std::vector<SlotRange>& ranges, uint16_t slot) {
  return std::prev(std::upper_bound(ranges.begin(), ranges.end(), slot,
                                    [](uint16_t value, const SlotRange& range) { return value < range.first; }));
}

bool overlaps(const SlotRange& range, const SlotChange& change) {
  return range.last >= change.first && range.first <= change.last;
}

// Of the slots of one range.
bool is_allowed(const SlotRange& from, const SlotChange& to) {
  const bool is_higher = to.epoch > from.epoch;
  const bool is_same = to.epoch == from.epoch;
  switch (from.state) {
    case SlotState::kOwned:
      return (to.state == SlotState::kOwned && is_higher) || (to.state == SlotState::kFrozen && is_same);
    case SlotState::kFrozen:
      return (to.state == SlotState::kOwned && is_higher) || (to.state == SlotState::kGone && is_same);
    case SlotState::kImporting:
      return ((to.state == SlotState::kImporting || to.state == SlotState::kGone) && is_higher) ||
             (to.state == SlotState::kOwned && is_same);
    case SlotState::kGone:
      return (to.state == SlotState::kImporting || to.state == SlotState::kGone) && is_higher;
  }
  return false;
}

// Appends a range, as part of its neighbour if they do not differ.
void add(std::vector<SlotRange>& ranges, SlotRange range) {
  if (range.first > range.last) return;
  SlotRange* before = ranges.empty() ? nullptr : &ranges.back();
  if (before != nullptr && before->state == range.state && before->epoch == range.epoch &&
      before->imported == range.imported) {
    before->last = range.last;
  } else {
    ranges.push_back(range);
  }
}

}  // namespace

std::vector<SlotRange> SlotTable::all_ranges() const {
  if (!ranges_.empty()) return ranges_;
  std::vector<SlotRange> all;
  if (home_first_ > 0) all.push_back({0, static_cast<uint16_t>(home_first_ - 1), SlotState::kGone, 0});
  all.push_back({home_first_, home_last_, SlotState::kOwned, 0});
  if (home_last_ < kSlotLast) all.push_back({static_cast<uint16_t>(home_last_ + 1), kSlotLast, SlotState::kGone, 0});
  return all;
}

SlotRange SlotTable::at(uint16_t slot) const {
  KEELSON_CHECK(slot < kSlotCount, "slots end at 16383");
  if (!ranges_.empty()) return *find(ranges_, slot);
  const std::vector<SlotRange> all = all_ranges();
  return *find(all, slot);
}

SlotAnswer SlotTable::answer(uint16_t slot, SlotState least) const {
  if (slot == kNoSlot) return SlotAnswer::kRun;
  if (slot >= kSlotCount) return SlotAnswer::kNotOwner;  // another node may say anything
  const SlotState state = find(ranges_, slot)->state;
  if (state == SlotState::kGone) return SlotAnswer::kNotOwner;
  return state <= least ? SlotAnswer::kRun : SlotAnswer::kHold;
}

bool SlotTable::has(SlotState state) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const SlotRange& range) { return range.state == state; });
}

bool SlotTable::change(const SlotChange& to) {
  if (to.first > to.last || to.last > kSlotLast) return false;
  const std::vector<SlotRange> before = all_ranges();
  const SlotState from = find(before, to.first)->state;
  bool is_done = true;
  bool may_be_done = true;
  for (const SlotRange& range : before) {
    if (!overlaps(range, to)) continue;
    is_done &= range.state == to.state && range.epoch == to.epoch;
    may_be_done &= range.state == from && is_allowed(range, to);
  }
  if (is_done || !may_be_done) return is_done;
  ranges_.clear();
  bool is_added = false;
  for (const SlotRange& range : before) {
    if (!overlaps(range, to)) {
      add(ranges_, range);
      continue;
    }
    SlotRange rest = range;
    if (range.first < to.first) {
      rest.last = static_cast<uint16_t>(to.first - 1);
      add(ranges_, rest);
    }
    if (!std::exchange(is_added, true)) add(ranges_, {to.first, to.last, to.state, to.epoch, 0});
    if (range.last > to.last) {
      rest = range;
      rest.first = static_cast<uint16_t>(to.last + 1);
      add(ranges_, rest);
    }
  }
  return true;
}

SlotTable::Import SlotTable::import(uint16_t first, uint16_t last, uint64_t epoch, uint64_t sequence) {
  if (first > last || last > kSlotLast) return Import::kVoid;
  const SlotRange is = at(first);
  if (is.epoch != epoch || is.last < last) return Import::kVoid;
  if (sequence == 0) {
    // One that comes late must not delete what has been imported.
    const bool may_wipe = (is.state == SlotState::kImporting && is.imported == 0) || is.state == SlotState::kGone;
    return may_wipe ? Import::kApply : Import::kVoid;
  }
  if (is.state != SlotState::kImporting || is.is_spoiled()) return Import::kVoid;
  if (sequence <= is.imported) return Import::kDoubled;
  if (sequence != is.imported + 1) return Import::kVoid;
  const auto found = ranges_.begin() + (find(ranges_, first) - ranges_.cbegin());
  ++found->imported;
  return Import::kApply;
}

void SlotTable::spoil_imports() {
  for (SlotRange& range : ranges_) {
    if (range.state == SlotState::kImporting) range.imported = UINT64_MAX;
  }
}

void encode_slot_range(const SlotRange& range, Buffer& into) {
  append_varint(into, range.first);
  append_varint(into, range.last);
  append_varint(into, static_cast<uint64_t>(range.state));
  append_varint(into, range.epoch);
  append_varint(into, range.imported);
}

bool read_slot_range(std::string_view& from, SlotRange& range) {
  uint64_t first = 0, last = 0, state = 0;
  if (!read_varint(from, first) || !read_varint(from, last) || !read_varint(from, state) ||
      !read_varint(from, range.epoch) || !read_varint(from, range.imported)) {
    return false;
  }
  if (first > last || last > kSlotLast || state > static_cast<uint64_t>(SlotState::kGone)) return false;
  range.first = static_cast<uint16_t>(first);
  range.last = static_cast<uint16_t>(last);
  range.state = static_cast<SlotState>(state);
  return true;
}

void SlotTable::encode(Buffer& into) const {
  append_u8(into, kVersion);
  for (const SlotRange& range : ranges_) encode_slot_range(range, into);
}

Status SlotTable::decode(std::string_view bytes) {
  std::vector<SlotRange> ranges;
  uint32_t next = 0;
  uint8_t version = 0;
  if (!read_u8(bytes, version) || version != kVersion) {
    return fail(log::LogErrc::kDamaged, "a table of slots of a version that this one does not know");
  }
  while (!bytes.empty()) {
    SlotRange range;
    if (!read_slot_range(bytes, range) || range.first != next) {
      return fail(log::LogErrc::kDamaged, "the table of slots does not follow its format");
    }
    next = uint32_t{range.last} + 1;
    ranges.push_back(range);
  }
  if (!ranges.empty() && next != kSlotCount) {
    return fail(log::LogErrc::kDamaged, "the table of slots ends early");
  }
  ranges_ = std::move(ranges);
  return {};
}

}  // namespace keelson::shard
