// Which shard this node asks for a slot: where a router's division of the slots does not hold, because slots have
// moved.
//
// It is this node's knowledge, no truth: a shard that has not (or no longer) got the slot says so (shard/slot_table.h).
// Any thread, at any time; each slot for itself, without an order between slots.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/check.h"
#include "log/commit_log.h"

namespace keelson::shard {

using log::ShardId;

inline constexpr uint32_t kSlotCount = 16384;

class SlotMap {
 public:
  SlotMap() = default;
  SlotMap(const SlotMap&) = delete;
  SlotMap& operator=(const SlotMap&) = delete;

  [[nodiscard]] ShardId shard_of(uint16_t slot) const { return shards_[slot].load(std::memory_order_relaxed); }
  // `last` is included.
  void set(uint16_t first, uint16_t last, ShardId shard) {
    KEELSON_CHECK(first <= last && last < kSlotCount, "slots end at 16383");
    for (uint32_t slot = first; slot <= last; ++slot) shards_[slot].store(shard, std::memory_order_relaxed);
  }

 private:
  static_assert(sizeof(ShardId) == sizeof(uint16_t), "32 KiB for each map");
  std::array<std::atomic<ShardId>, kSlotCount> shards_{};
};

}  // namespace keelson::shard
