#include "engine/topic/offset_set.h"

#include <algorithm>
#include <iterator>

namespace keelson::topic {

OffsetSet::OffsetSet(const CursorPosition& position) : floor_(position.floor) {
  for (const OffsetRange& range : position.done) add(range.begin, range.end);
}

bool OffsetSet::contains(int64_t offset) const { return next_missing(offset) != offset; }

int64_t OffsetSet::next_missing(int64_t offset) const {
  if (offset < floor_) return floor_;
  const auto behind = ranges_.upper_bound(offset);
  if (behind == ranges_.begin()) return offset;
  return std::max(offset, std::prev(behind)->second);
}

void OffsetSet::add(int64_t begin, int64_t end) {
  begin = std::max(begin, floor_);
  if (begin >= end) return;
  auto place = ranges_.upper_bound(begin);
  if (place != ranges_.begin() && std::prev(place)->second >= begin) --place;
  while (place != ranges_.end() && place->first <= end) {
    begin = std::min(begin, place->first);
    end = std::max(end, place->second);
    covered_ -= place->second - place->first;
    place = ranges_.erase(place);
  }
  if (begin == floor_) {
    floor_ = end;
    return;
  }
  ranges_.emplace_hint(place, begin, end);
  covered_ += end - begin;
}

CursorPosition OffsetSet::position() const {
  CursorPosition position{floor_, {}, {}};
  position.done.reserve(ranges_.size());
  for (const auto& [begin, end] : ranges_) position.done.push_back({begin, end});
  return position;
}

}  // namespace keelson::topic
