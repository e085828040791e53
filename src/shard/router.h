// Which shard holds a key, and which reactor owns a shard.
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
  Router(uint16_t shard_count, unsigned reactor_count) : shard_count_(shard_count), reactor_count_(reactor_count) {}

  [[nodiscard]] ShardId shard_of_slot(uint16_t slot) const {
    return static_cast<ShardId>(uint32_t{slot} * shard_count_ / kSlotCount);
  }
  [[nodiscard]] ShardId shard_of(std::string_view key) const {
    return shard_count_ == 1 ? ShardId{0} : shard_of_slot(key_slot(key));
  }
  [[nodiscard]] unsigned reactor_of(ShardId shard) const { return shard % reactor_count_; }
  [[nodiscard]] uint16_t shard_count() const { return shard_count_; }
  [[nodiscard]] unsigned reactor_count() const { return reactor_count_; }

 private:
  uint16_t shard_count_;
  unsigned reactor_count_;
};

}  // namespace keelson::shard
