// Which shard of a service holds a key, and which reactor owns a shard.
//
// A node's shards are numbered through all its services; a router knows the run that is its service's.
//
// A key's slot is Redis Cluster's: CRC16 of the key, or of what stands between the first { and the next }, modulo 16384
// (Redis Cluster specification, "Key distribution model"). A shard owns a run of slots.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/crc16.h"
#include "log/commit_log.h"

namespace keelson::shard {

using log::ShardId;

inline constexpr uint32_t kSlotCount = 16384;

class Router {
 public:
  Router(ShardId first_shard, uint16_t shard_count, unsigned reactor_count)
      : first_shard_(first_shard), shard_count_(shard_count), reactor_count_(reactor_count) {}

  [[nodiscard]] ShardId shard_of_slot(uint16_t slot) const {
    return static_cast<ShardId>(first_shard_ + uint32_t{slot} * shard_count_ / kSlotCount);
  }
  [[nodiscard]] ShardId shard_of(std::string_view key) const {
    return shard_count_ == 1 ? first_shard_ : shard_of_slot(key_slot(key));
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
  unsigned reactor_count_;
};

}  // namespace keelson::shard
