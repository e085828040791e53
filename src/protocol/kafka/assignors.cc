#include "protocol/kafka/assignors.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace keelson::kafka {

namespace {

using topic::PartitionId;
using topic::TopicId;
using topic::TopicPartitions;

using Counts = std::map<TopicId, int32_t>;
using Owned = std::vector<std::set<PartitionId>>;  // by member

std::vector<std::vector<TopicPartitions>> rows_of(const Owned& owned) {
  std::vector<std::vector<TopicPartitions>> result(owned.size());
  for (size_t i = 0; i < owned.size(); ++i) {
    for (const PartitionId& id : owned[i]) {
      if (result[i].empty() || result[i].back().topic != id.topic) result[i].push_back({.topic = id.topic});
      result[i].back().partitions.push_back(id.partition);
    }
  }
  return result;
}

bool is_subscribed(const AssignedMember& member, const TopicId& id) {
  return std::ranges::binary_search(member.topics, id);
}

Owned assign_range(const std::vector<AssignedMember>& members, const Counts& counts) {
  Owned owned(members.size());
  std::vector<size_t> order(members.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto key = [&](size_t i) {
    const AssignedMember& member = members[i];
    // Static members first, by a name that a restart does not change.
    return std::tuple(member.instance_id.empty(), member.instance_id.empty() ? member.id : member.instance_id);
  };
  std::ranges::sort(order, {}, key);
  for (const auto& [id, count] : counts) {
    std::vector<size_t> subscribers;
    for (const size_t i : order) {
      if (is_subscribed(members[i], id)) subscribers.push_back(i);
    }
    if (subscribers.empty()) continue;
    const auto among = static_cast<int32_t>(subscribers.size());
    int32_t next = 0;
    for (int32_t i = 0; i < among; ++i) {
      const int32_t share = count / among + (i < count % among ? 1 : 0);
      for (int32_t j = 0; j < share; ++j) owned[subscribers[static_cast<size_t>(i)]].insert({id, next++});
    }
  }
  return owned;
}

// One that the member wants.
std::set<PartitionId>::iterator find_movable(std::set<PartitionId>& from, const AssignedMember& to) {
  for (const TopicId& id : to.topics) {
    const auto at = from.lower_bound({id, 0});
    if (at != from.end() && at->topic == id) return at;
  }
  return from.end();
}

// Moves single partitions from those who have most to those who have least, until no move helps. Each move lowers the
// sum of squares of what members have, so it ends; with equal subscriptions the shares differ by one at most.
void even_out(const std::vector<AssignedMember>& members, Owned& owned) {
  using Load = std::pair<size_t, size_t>;  // count, member
  std::set<Load> by_load;
  for (size_t i = 0; i < owned.size(); ++i) by_load.insert({owned[i].size(), i});
  bool has_moved = true;
  while (has_moved) {
    has_moved = false;
    for (auto most = by_load.rbegin(); most != by_load.rend() && !has_moved; ++most) {
      const auto [most_count, from] = *most;
      if (most_count < by_load.begin()->first + 2) break;
      for (const auto& [least_count, to] : by_load) {
        if (least_count + 2 > most_count) break;
        const auto movable = find_movable(owned[from], members[to]);
        if (movable == owned[from].end()) continue;
        const size_t giver = from;
        const size_t taker = to;
        by_load.erase({most_count, giver});
        by_load.erase({least_count, taker});
        owned[taker].insert(owned[giver].extract(movable));
        by_load.insert({owned[giver].size(), giver});
        by_load.insert({owned[taker].size(), taker});
        has_moved = true;
        break;
      }
    }
  }
}

Owned assign_uniform(const std::vector<AssignedMember>& members, const Counts& counts) {
  Owned owned(members.size());
  std::set<PartitionId> taken;
  for (size_t i = 0; i < members.size(); ++i) {
    for (const TopicPartitions& row : members[i].present) {
      const auto count = counts.find(row.topic);
      if (count == counts.end() || !is_subscribed(members[i], row.topic)) continue;
      for (const int32_t partition : row.partitions) {
        const PartitionId id{row.topic, partition};
        if (partition < count->second && taken.insert(id).second) owned[i].insert(id);
      }
    }
  }
  std::set<std::pair<size_t, size_t>> by_load;
  for (size_t i = 0; i < owned.size(); ++i) by_load.insert({owned[i].size(), i});
  for (const auto& [topic, count] : counts) {
    for (int32_t partition = 0; partition < count; ++partition) {
      const PartitionId id{topic, partition};
      if (taken.contains(id)) continue;
      const auto least =
          std::ranges::find_if(by_load, [&](const auto& row) { return is_subscribed(members[row.second], topic); });
      if (least == by_load.end()) break;  // nobody wants this topic
      const size_t who = least->second;
      by_load.erase(least);
      owned[who].insert(id);
      by_load.insert({owned[who].size(), who});
    }
  }
  even_out(members, owned);
  return owned;
}

}  // namespace

std::vector<std::vector<TopicPartitions>> assign(std::string_view assignor, const std::vector<AssignedMember>& members,
                                                 const Counts& partition_counts) {
  return rows_of(assignor == kRangeAssignor ? assign_range(members, partition_counts)
                                            : assign_uniform(members, partition_counts));
}

}  // namespace keelson::kafka
