// Where a cursor stands in the partitions of its topic: values that commands, answers and snapshots carry.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/topic/types.h"

namespace keelson::topic {

// [begin, end).
struct OffsetRange {
  int64_t begin = 0;
  int64_t end = 0;
  bool operator==(const OffsetRange&) const = default;
};

// How often a message has been handed out in vain: its consumer said no, or said nothing in time.
struct FailedAttempts {
  int64_t offset = 0;
  uint32_t count = 0;
  bool operator==(const FailedAttempts&) const = default;
};

// One partition: everything below `floor` is acknowledged, and the ranges beyond it, which are ascending in answers.
struct CursorPosition {
  int64_t floor = 0;
  std::vector<OffsetRange> done{};
  std::vector<FailedAttempts> attempts{};
  bool operator==(const CursorPosition&) const = default;
};

struct CursorInfo {
  std::string name;
  TopicId topic;
  uint64_t generation = 0;                // grows with each seek
  std::vector<CursorPosition> positions;  // by partition
  bool operator==(const CursorInfo&) const = default;
};

}  // namespace keelson::topic
