// Assignors of the consumer protocol that run in the coordinator (KIP-848): who of a group reads which partitions.
//
//   uniform  as even as moves of single partitions between members can make it (with equal subscriptions: the shares
//            differ by one at most), and of what members have as much stays with them as that permits
//   range    of each topic each of its subscribers, by member id (static ones by instance id), gets a run of
//            neighbouring partitions; the first ones get one more. Topics of equal subscribers and counts line up.
//
// Pure functions: the same input gives the same assignment.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/topic/group_types.h"
#include "engine/topic/types.h"

namespace keelson::kafka {

inline constexpr std::string_view kUniformAssignor = "uniform";
inline constexpr std::string_view kRangeAssignor = "range";
[[nodiscard]] inline bool is_assignor(std::string_view name) {
  return name == kUniformAssignor || name == kRangeAssignor;
}

struct AssignedMember {
  std::string id{};
  std::string instance_id{};
  std::vector<topic::TopicId> topics{};           // subscribed, that exist; ascending
  std::vector<topic::TopicPartitions> present{};  // its target so far
};

// Each partition of a topic with a subscriber once. By member, in the order of `members`; each ascending.
[[nodiscard]] std::vector<std::vector<topic::TopicPartitions>> assign(
    std::string_view assignor, const std::vector<AssignedMember>& members,
    const std::map<topic::TopicId, int32_t>& partition_counts);

}  // namespace keelson::kafka
