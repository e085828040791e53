// Commands and queries on consumer groups, all on the shard of the group's name (shard_of_name).
//
// Whether a member may commit is the coordinator's to say, who is alone with the group; here two things alone are held
// up, whoever sends what. A save of an older epoch is refused; and a command that carries a `claim` is kFencedClaim
// unless that is the shard's present one (ClaimShard of log_commands.h), so what a former coordinator has sent, or a
// copy of it that was under way for long, changes nothing once another one decides. 0: of nobody, never fenced.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/topic/codes.h"
#include "engine/topic/group_types.h"
#include "engine/topic/part.h"
#include "engine/topic/types.h"

namespace keelson::topic {

// Limits; past them kInvalid.
inline constexpr size_t kGroupNameBytesMax = 32'767;       // a Kafka string
inline constexpr size_t kGroupsMax = 100'000;              // of a shard: what lists and sweeps walk through
inline constexpr size_t kGroupMembersMax = 10'000;         // of a group
inline constexpr size_t kOffsetMetadataBytesMax = 65'536;  // the protocol's setting is lower
inline constexpr size_t kOffsetsMax = 1'000'000;           // of a group: a thousand topics of a thousand partitions
// Producers of a group that are remembered as fenced, until they end another transaction with it: past it none is.
inline constexpr size_t kFencesMax = 10'000;

// Sets offsets of a group, which comes to be if there is none; the record's time is the commit's. Those of a producer
// (PendOffsets) show only once its transaction has ended. kInvalid: past a limit, nothing is changed.
struct CommitOffsets {
  static constexpr Code kCode = Code::kCommitOffsets;
  std::string group{};
  std::vector<GroupOffset> offsets{};
  int32_t claim = 0;
};
// `coordinator_epoch`: the claim on the shard of the transactional id, as VerifyTransaction has answered it: all that
// was claimed before ended whatever the producer had pended then.
struct PendOffsets {
  static constexpr Code kCode = Code::kPendOffsets;
  std::string group{};
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  std::vector<GroupOffset> offsets{};
  int32_t claim = 0;
  int32_t coordinator_epoch = 0;
};
// The transaction has ended: what was pended is committed, unless something newer was meanwhile, or dropped. Nothing
// pending: kOk. kInvalidProducerEpoch: pended by a newer epoch, which stays. What an older epoch has pended is dropped
// either way, and after an abort an older epoch can pend no more. `coordinator_epoch`: the claim of whoever ends the
// transaction (not on the group's shard); kTransactionCoordinatorFenced: pended in one that began under a later claim.
struct EndPendingOffsets {
  static constexpr Code kCode = Code::kEndPendingOffsets;
  std::string group{};
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  bool is_commit = false;
  int32_t coordinator_epoch = 0;
};

// The head, and the members that are new or different; `removed` go first. The group comes to be. kIllegalGeneration:
// the group has a greater epoch. `is_whole`: members that are not named are gone.
struct SaveGroup {
  static constexpr Code kCode = Code::kSaveGroup;
  GroupHead head{};
  std::vector<GroupMember> members{};
  std::vector<std::string> removed{};
  bool is_whole = false;
  int32_t claim = 0;
};

// kUnknownGroup. With `committed_before_ms`, only those that were committed before (what expires was looked at
// earlier). `is_all`: every offset of the group.
struct DeleteOffsets {
  static constexpr Code kCode = Code::kDeleteOffsets;
  std::string group{};
  std::vector<GroupOffset> offsets{};  // topic, partition
  std::optional<int64_t> committed_before_ms{};
  // And the group itself, if it is left without members and offsets.
  bool removes_empty = false;
  int32_t claim = 0;
};
// With its offsets, also those that are pending. kUnknownGroup, kGroupNotEmpty (has members).
struct DeleteGroup {
  static constexpr Code kCode = Code::kDeleteGroup;
  std::string group{};
  int32_t claim = 0;
};

// ---- Queries.

// Answer: group_offsets, in the order asked for; those that are not there are left out. Without topics: all, by topic
// and partition. kUnknownGroup: no such group.
struct FetchOffsets {
  static constexpr Code kCode = Code::kFetchOffsets;
  std::string group{};
  std::vector<std::pair<std::string, std::vector<int32_t>>> topics{};
  bool is_all = false;
};
// Answer: groups, by name, above `after`.
struct ListGroups {
  static constexpr Code kCode = Code::kListGroups;
  std::string after{};
  uint32_t count_max = 1000;
};
// Answer: groups (one), members. kUnknownGroup.
struct DescribeGroup {
  static constexpr Code kCode = Code::kDescribeGroup;
  std::string group{};
};
// What has outlived its retention: offsets of groups that have had no member for `retention_ms` (of those that never
// had: committed so long ago), and those with a time of their own. Groups above `after`, until `count_max` offsets were
// found. Answer: expired, is_truncated.
struct FindExpiredOffsets {
  static constexpr Code kCode = Code::kFindExpiredOffsets;
  std::string after{};
  int64_t now_ms = 0;
  int64_t retention_ms = 0;
  uint32_t count_max = 1000;
};

#define KEELSON_TOPIC_GROUP_BODIES(X) \
  X(CommitOffsets)                    \
  X(PendOffsets)                      \
  X(EndPendingOffsets)                \
  X(SaveGroup)                        \
  X(DeleteOffsets)                    \
  X(DeleteGroup)                      \
  X(FetchOffsets)                     \
  X(ListGroups)                       \
  X(DescribeGroup)                    \
  X(FindExpiredOffsets)

#define KEELSON_TOPIC_CODEC(Body)                     \
  [[nodiscard]] std::string encode(const Body& body); \
  [[nodiscard]] bool decode(std::string_view from, Body& body);
KEELSON_TOPIC_GROUP_BODIES(KEELSON_TOPIC_CODEC)
#undef KEELSON_TOPIC_CODEC

}  // namespace keelson::topic
