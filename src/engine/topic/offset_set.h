// Offsets of a partition that are done with: all below a floor, and ranges beyond it. Pure.
//
// A range beyond the floor never touches another or the floor, so the number of ranges is at most that of the offsets
// between them that are not done with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "engine/topic/cursor_state.h"

namespace keelson::topic {

class OffsetSet {
 public:
  explicit OffsetSet(int64_t floor = 0) : floor_(floor) {}
  // Ranges in any order; those that are empty or lie below the floor count for nothing.
  explicit OffsetSet(const CursorPosition& position);

  // The first offset that is not done with.
  [[nodiscard]] int64_t floor() const { return floor_; }
  // Ranges beyond the floor, by their begin; the end is not included.
  [[nodiscard]] const std::map<int64_t, int64_t>& ranges() const { return ranges_; }
  // Offsets in ranges.
  [[nodiscard]] int64_t covered() const { return covered_; }
  [[nodiscard]] bool contains(int64_t offset) const;
  // The first offset at or behind `offset` that is not done with.
  [[nodiscard]] int64_t next_missing(int64_t offset) const;
  // [begin, end).
  void add(int64_t begin, int64_t end);
  [[nodiscard]] CursorPosition position() const;

 private:
  int64_t floor_ = 0;
  int64_t covered_ = 0;
  std::map<int64_t, int64_t> ranges_;
};

}  // namespace keelson::topic
