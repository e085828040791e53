#include "topics/wait_hub.h"

#include <algorithm>
#include <utility>

namespace keelson::topics::detail {

void WaitHub::add(unsigned origin, uint64_t wait, std::vector<PointAt> points) {
  Wait& mine = points_of_[wait];
  mine.origin = origin;
  for (const PointAt& at : points) {
    const Place place{at.shard, at.point.partition};
    mine.places.push_back(place);
    entries_[place].push_back({wait, origin, at.point.offset, at.point.is_committed_only});
    unseen_[at.shard].push_back(at.point.partition);
  }
}

void WaitHub::remove(uint64_t wait) {
  const auto found = points_of_.find(wait);
  if (found == points_of_.end()) return;
  const std::vector<Place> places = std::move(found->second.places);
  points_of_.erase(found);
  for (const Place& place : places) {
    const auto at = entries_.find(place);
    if (at == entries_.end()) continue;
    std::erase_if(at->second, [wait](const Entry& entry) { return entry.wait == wait; });
    if (at->second.empty()) entries_.erase(at);
  }
}

bool WaitHub::has(log::ShardId shard, const PartitionId& partition) const {
  return entries_.contains({shard, partition});
}

std::vector<PartitionId> WaitHub::take_unseen(log::ShardId shard) {
  const auto found = unseen_.find(shard);
  if (found == unseen_.end()) return {};
  std::vector<PartitionId> taken = std::move(found->second);
  unseen_.erase(found);
  std::ranges::sort(taken);
  taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
  return taken;
}

std::vector<log::ShardId> WaitHub::forget_what_was_seen() {
  std::vector<log::ShardId> shards;
  unseen_.clear();
  for (const auto& [place, entries] : entries_) {
    if (shards.empty() || shards.back() != place.shard) shards.push_back(place.shard);
    unseen_[place.shard].push_back(place.partition);
  }
  return shards;
}

std::vector<PartitionId> WaitHub::partitions(log::ShardId shard) const {
  std::vector<PartitionId> all;
  for (auto at = entries_.lower_bound({shard, {}}); at != entries_.end() && at->first.shard == shard; ++at) {
    all.push_back(at->first.partition);
  }
  return all;
}

void WaitHub::look(log::ShardId shard, const PartitionId& partition, const Ends& ends, std::vector<Woken>& woken) {
  const auto found = entries_.find({shard, partition});
  if (found == entries_.end()) return;
  const auto is_over = [&](const Entry& entry) {
    const int64_t end = entry.is_committed_only ? ends.last_stable : ends.high_watermark;
    return !ends.exists || end > entry.offset;
  };
  for (const Entry& entry : found->second) {
    if (is_over(entry)) woken.push_back({entry.origin, entry.wait, partition});
  }
  // All of them at once: a thousand may wait here, and remove() would look at all for each.
  std::erase_if(found->second, is_over);
  if (found->second.empty()) entries_.erase(found);
}

}  // namespace keelson::topics::detail
