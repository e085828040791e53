// Which shard of a service holds a key, and which reactor owns a shard.
//
// A node's shards are numbered through all its services; a router knows the run that is its service's.
//
// A key's slot is Redis Cluster's: CRC16 of the key, or of what stands between the first { and the next }, modulo 16384
// (Redis Cluster specification, "Key distribution model"). A shard owns a run of slots, its home range; where slots can
// move, a SlotMap says who has them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/crc16.h"
#include "log/commit_log.h"
#include "shard/slot_map.h"

namespace keelson::shard {

class Router {
 public:
  // `map`, if there is one, outlives the router and its copies, and is asked instead of the division by home ranges.
  Router(ShardId first_shard, uint16_t shard_count, unsigned reactor_count, const SlotMap* map = nullptr)
      : first_shard_(first_shard),
        shard_count_(shard_count),
        divided_by_(map == nullptr ? shard_count : 0),
        reactor_count_(reactor_count),
        map_(map) {}

  [[nodiscard]] ShardId shard_of_slot(uint16_t slot) const {
    if (divided_by_ == 0) [[unlikely]]
      return map_->shard_of(slot);
    return home_of_slot(slot);
  }
  [[nodiscard]] ShardId shard_of(std::string_view key) const {
    return divided_by_ == 1 ? first_shard_ : shard_of_slot(key_slot(key));
  }
  // Whose home range it is in, wherever it has moved.
  [[nodiscard]] ShardId home_of_slot(uint16_t slot) const {
    return static_cast<ShardId>(first_shard_ + uint32_t{slot} * shard_count_ / kSlotCount);
  }
  // The first slot of a shard's home range. Of first_shard() + shard_count(): kSlotCount.
  [[nodiscard]] uint32_t home_begin(uint32_t shard) const {
    return ((shard - first_shard_) * kSlotCount + shard_count_ - 1) / shard_count_;
  }
  // Of any shard of the node.
  [[nodiscard]] unsigned reactor_of(ShardId shard) const { return shard % reactor_count_; }
  // The service's shards are first_shard() .. first_shard() + shard_count() - 1.
  [[nodiscard]] ShardId first_shard() const { return first_shard_; }
  [[nodiscard]] uint16_t shard_count() const { return shard_count_; }
  [[nodiscard]] unsigned reactor_count() const { return reactor_count_; }

 private:
  ShardId first_shard_;
  uint16_t shard_count_;
  uint16_t divided_by_;  // shard_count_, or 0: there is a map
  unsigned reactor_count_;
  const SlotMap* map_;
};

}  // namespace keelson::shard
