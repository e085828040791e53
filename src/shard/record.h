// How the commands of one record stand in its payload, and the chance that goes with them.
//
// Payload: count, then for each command: code, space, argument count, then for each argument its length and bytes. All
// numbers are LEB128 varints (base/coding.h).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "engine/engine.h"
#include "log/commit_log.h"

namespace keelson::shard {

// An upper bound of what encode_commands() appends.
[[nodiscard]] size_t encoded_bytes_max(std::span<const engine::Command> commands);
void encode_commands(std::span<const engine::Command> commands, Buffer& payload);

// Decodes a payload into views of it; reused from record to record.
class RecordDecoder {
 public:
  // kDamaged if the bytes do not follow the format (they passed their CRC, so this is a defect or another version).
  Status decode(std::string_view payload);
  [[nodiscard]] std::span<const engine::Command> commands() const { return commands_; }

 private:
  std::vector<engine::Command> commands_;
  std::vector<std::string_view> args_;
};

// The chance that the command at `ordinal` within the record at `index` draws on: the same on every replica and replay.
[[nodiscard]] inline uint64_t seed_of(log::ShardId shard, uint64_t index, uint64_t ordinal) {
  // SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t z = index * 0x9e3779b97f4a7c15ULL + (uint64_t{shard} << 48) + ordinal + 1;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace keelson::shard
