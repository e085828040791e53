#include "shard/slot_table.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"

namespace keelson::shard {

namespace {
constexpr uint16_t kSlotLast = kSlotCount - 1;
constexpr uint8_t kVersion = 1;
}  // namespace

SlotRange SlotTable::at(uint16_t slot) const {
  KEELSON_CHECK(slot < kSlotCount, "slots end at 16383");
  if (ranges_.empty()) return {0, kSlotLast, SlotState::kOwned, 0};
  return *std::prev(std::upper_bound(ranges_.begin(), ranges_.end(), slot,
                                     [](uint16_t value, const SlotRange& range) { return value < range.first; }));
}

bool SlotTable::may_read_at(uint16_t slot) const {
  const SlotState state = at(slot).state;
  return state == SlotState::kOwned || state == SlotState::kFrozen;
}

bool SlotTable::change(const SlotChange& to) {
  if (to.first > to.last || to.last > kSlotLast) return false;
  std::vector<SlotRange> before = ranges_;
  if (before.empty()) before.push_back({0, kSlotLast, SlotState::kOwned, 0});
  std::vector<SlotRange> after;
  const auto add = [&after](SlotRange range) {
    if (range.first > range.last) return;
    if (!after.empty() && after.back().state == range.state && after.back().epoch == range.epoch) {
      after.back().last = range.last;
    } else {
      after.push_back(range);
    }
  };
  bool is_added = false;
  for (const SlotRange& range : before) {
    if (range.last < to.first || range.first > to.last) {
      if (range.first > to.last && !is_added) add(to), is_added = true;
      add(range);
      continue;
    }
    if (range.epoch > to.epoch) return false;
    if (range.first < to.first) add({range.first, static_cast<uint16_t>(to.first - 1), range.state, range.epoch});
    if (!is_added) add(to), is_added = true;
    if (range.last > to.last) add({static_cast<uint16_t>(to.last + 1), range.last, range.state, range.epoch});
  }
  ranges_ = std::move(after);
  return true;
}

void encode_slot_range(const SlotRange& range, Buffer& into) {
  append_varint(into, range.first);
  append_varint(into, range.last);
  append_varint(into, static_cast<uint64_t>(range.state));
  append_varint(into, range.epoch);
}

bool read_slot_range(std::string_view& from, SlotRange& range) {
  uint64_t first = 0, last = 0, state = 0;
  if (!read_varint(from, first) || !read_varint(from, last) || !read_varint(from, state) ||
      !read_varint(from, range.epoch)) {
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
