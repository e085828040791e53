#include "engine/coord/range_set.h"

#include <iterator>

namespace keelson::coord {

void RangeSet::add(std::string_view begin, std::string_view end) {
  if (!end.empty() && end <= begin) return;
  std::string new_begin(begin);
  std::string new_end(end);
  auto at = ranges_.upper_bound(begin);
  if (at != ranges_.begin()) {
    const auto before = std::prev(at);
    if (!end_less(before->second, begin)) at = before;
  }
  while (at != ranges_.end() && !end_less(new_end, at->first)) {
    if (at->first < new_begin) new_begin = at->first;
    if (end_less(new_end, at->second)) new_end = at->second;
    at = ranges_.erase(at);
  }
  ranges_.emplace(std::move(new_begin), std::move(new_end));
}

bool RangeSet::has_key(std::string_view key) const {
  const auto behind_it = ranges_.upper_bound(key);
  if (behind_it == ranges_.begin()) return false;
  return end_less(key, std::prev(behind_it)->second);
}

bool RangeSet::covers(std::string_view begin, std::string_view end) const {
  const auto behind_it = ranges_.upper_bound(begin);
  if (behind_it == ranges_.begin()) return false;
  const std::string& has_end = std::prev(behind_it)->second;
  return end_less(begin, has_end) && !end_less(has_end, end);
}

}  // namespace keelson::coord
