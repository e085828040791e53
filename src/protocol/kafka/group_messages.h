// What members and their coordinator tell each other, without the wire: the same for every version of the protocol.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/topic/group_types.h"
#include "protocol/kafka/errors.h"

namespace keelson::kafka {

struct JoinRequest {
  std::string group{};
  std::string member_id{};  // empty: a new one
  std::optional<std::string> instance_id{};
  std::string client_id{};
  std::string client_host{};
  int32_t session_timeout_ms = 0;
  int32_t rebalance_timeout_ms = 0;
  std::string protocol_type{};
  topic::Pairs protocols{};
  bool needs_known_id = false;       // version 4: a new member gets its id first
  bool can_skip_assignment = false;  // version 9
};
struct JoinedMember {
  std::string id{};
  std::optional<std::string> instance_id{};
  std::string metadata{};
};
struct JoinResult {
  ErrorCode error = ErrorCode::kNone;
  int32_t generation = -1;
  std::optional<std::string> protocol_type{};
  std::optional<std::string> protocol{};
  std::string leader{};
  std::string member_id{};
  bool skip_assignment = false;
  std::vector<JoinedMember> members{};  // for the leader
};

struct SyncRequest {
  std::string group{};
  int32_t generation = -1;
  std::string member_id{};
  std::optional<std::string> instance_id{};
  std::optional<std::string> protocol_type{};
  std::optional<std::string> protocol{};
  topic::Pairs assignments{};  // member id, assignment
};
struct SyncResult {
  ErrorCode error = ErrorCode::kNone;
  std::optional<std::string> protocol_type{};
  std::optional<std::string> protocol{};
  std::string assignment{};
};

struct HeartbeatOf {
  std::string group{};
  int32_t generation = -1;
  std::string member_id{};
  std::optional<std::string> instance_id{};
};

struct LeavingMember {
  std::string member_id{};
  std::optional<std::string> instance_id{};
};
struct LeaveOf {
  std::string group{};
  std::vector<LeavingMember> members{};
};
struct LeaveResult {
  ErrorCode error = ErrorCode::kNone;
  std::vector<ErrorCode> members{};  // as asked
};

// May these offsets be committed?
struct CommitCheck {
  std::string group{};
  int32_t generation = -1;  // or the member's epoch
  std::string member_id{};
  std::optional<std::string> instance_id{};
  bool is_transactional = false;
  int16_t version = 0;  // of OffsetCommit
};

struct ConsumerBeat {
  std::string group{};
  std::string member_id{};
  bool makes_id = false;  // a new member that wants an id
  int32_t epoch = 0;      // 0: joins; -1: leaves; -2: a static member that will be back
  std::optional<std::string> instance_id{};
  std::optional<std::string> rack{};
  int32_t rebalance_timeout_ms = -1;
  std::optional<std::vector<std::string>> topics{};
  std::optional<std::string> regex{};
  std::optional<std::string> assignor{};
  std::optional<std::vector<topic::TopicPartitions>> owned{};
  std::string client_id{};
  std::string client_host{};
};
struct BeatResult {
  ErrorCode error = ErrorCode::kNone;
  std::string message{};
  std::string member_id{};
  int32_t epoch = 0;
  int32_t heartbeat_interval_ms = 0;
  std::optional<std::vector<topic::TopicPartitions>> assignment{};
};

// A group as administrators see it.
struct DescribedGroup {
  ErrorCode error = ErrorCode::kNone;
  std::string message{};
  topic::GroupHead head{};
  std::string state{};  // "Stable"
  std::vector<topic::GroupMember> members{};
};

}  // namespace keelson::kafka
