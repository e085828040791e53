// FindCoordinator, and what members of groups send: JoinGroup, SyncGroup, Heartbeat, LeaveGroup,
// ConsumerGroupHeartbeat. Handlers translate; groups.h decides.
#include <array>
#include <string>
#include <utility>

#include "protocol/kafka/errors.h"
#include "protocol/kafka/groups.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/consumer_group_heartbeat.h"
#include "protocol/kafka/messages/find_coordinator.h"
#include "protocol/kafka/messages/heartbeat.h"
#include "protocol/kafka/messages/join_group.h"
#include "protocol/kafka/messages/leave_group.h"
#include "protocol/kafka/messages/sync_group.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {

namespace {

constexpr int8_t kGroupKey = 0;
constexpr int8_t kTransactionKey = 1;
constexpr int16_t kKeysFrom = 4;          // of FindCoordinator
constexpr int16_t kKnownIdFrom = 4;       // of JoinGroup: KIP-394
constexpr int16_t kNullProtocolFrom = 7;  // of JoinGroup
constexpr int16_t kSkipAssignmentFrom = 9;
constexpr int16_t kProtocolFrom = 5;   // of SyncGroup: KIP-559
constexpr int16_t kLeaveManyFrom = 3;  // of LeaveGroup
constexpr int16_t kMemberMakesId = 1;  // of ConsumerGroupHeartbeat: KIP-1082

std::optional<std::string> owned(const std::optional<std::string_view>& from) {
  if (!from) return std::nullopt;
  return std::string(*from);
}

std::string client_host(Call& call) { return "/" + call.session().remote().host; }

bool may_read(Call& call, std::string_view group) { return call.may(AclOperation::kRead, ResourceType::kGroup, group); }

// ---- FindCoordinator: the node that leads the shard of the name.

ErrorCode check_key(Call& call, int8_t type, std::string_view key) {
  if (type == kGroupKey) {
    return call.may(AclOperation::kDescribe, ResourceType::kGroup, key) ? ErrorCode::kNone
                                                                        : ErrorCode::kGroupAuthorizationFailed;
  }
  if (type == kTransactionKey) {
    return call.may(AclOperation::kDescribe, ResourceType::kTransactionalId, key)
               ? ErrorCode::kNone
               : ErrorCode::kTransactionalIdAuthorizationFailed;
  }
  return ErrorCode::kInvalidRequest;
}

struct Coordinator {
  ErrorCode error = ErrorCode::kNone;
  int32_t node_id = -1;
  Endpoint at{.host = {}, .port = -1};
};

Coordinator find_coordinator(Call& call, const Brokers& brokers, int8_t type, std::string_view key) {
  if (const ErrorCode error = check_key(call, type, key); error != ErrorCode::kNone) return {.error = error};
  const Broker* leader = brokers.leader(call.topics().shard_of_name(key));
  if (leader == nullptr) return {.error = ErrorCode::kCoordinatorNotAvailable};
  return {.node_id = leader->id, .at = leader->at};
}

Task<void> handle_find_coordinator(Call& call) {
  FindCoordinatorRequest request;
  if (!call.decode(request)) co_return;
  FindCoordinatorResponse response;
  const Brokers brokers = call.service().brokers_for(call.session());
  if (call.version() < kKeysFrom) {
    const Coordinator found = find_coordinator(call, brokers, request.key_type, request.key);
    response.error_code = number(found.error);
    response.node_id = found.node_id;
    response.host = found.at.host;
    response.port = found.at.port;
    if (found.error != ErrorCode::kNone) response.error_message = std::string(error_text(found.error));
    call.respond(response);
    co_return;
  }
  for (const std::string_view key : request.coordinator_keys) {
    const Coordinator found = find_coordinator(call, brokers, request.key_type, key);
    auto& row = response.coordinators.emplace_back();
    row.key = std::string(key);
    row.error_code = number(found.error);
    row.node_id = found.node_id;
    row.host = found.at.host;
    row.port = found.at.port;
    if (found.error != ErrorCode::kNone) row.error_message = std::string(error_text(found.error));
  }
  call.respond(response);
}

// ---- The classic protocol.

JoinRequest join_request(Call& call, const JoinGroupRequest& from) {
  JoinRequest request{.group = std::string(from.group_id),
                      .member_id = std::string(from.member_id),
                      .instance_id = owned(from.group_instance_id),
                      .client_id = std::string(call.client_id()),
                      .client_host = client_host(call),
                      .session_timeout_ms = from.session_timeout_ms,
                      .rebalance_timeout_ms = from.rebalance_timeout_ms,
                      .protocol_type = std::string(from.protocol_type),
                      .needs_known_id = call.version() >= kKnownIdFrom,
                      .can_skip_assignment = call.version() >= kSkipAssignmentFrom};
  for (const auto& each : from.protocols) request.protocols.emplace_back(each.name, each.metadata);
  return request;
}

Task<void> handle_join_group(Call& call) {
  JoinGroupRequest request;
  if (!call.decode(request)) co_return;
  JoinResult result{.error = ErrorCode::kGroupAuthorizationFailed, .member_id = std::string(request.member_id)};
  if (may_read(call, request.group_id)) {
    auto joining = call.service().groups().join(call.here(), join_request(call, request));
    // It waits for others; heartbeats of the same connection may pass.
    call.let_next_begin();
    result = co_await joining;
  }
  JoinGroupResponse response;
  response.error_code = number(result.error);
  response.generation_id = result.generation;
  response.protocol_type = std::move(result.protocol_type);
  response.protocol_name = std::move(result.protocol);
  if (call.version() < kNullProtocolFrom && !response.protocol_name) response.protocol_name.emplace();
  response.leader = std::move(result.leader);
  response.member_id = std::move(result.member_id);
  response.skip_assignment = result.skip_assignment;
  for (JoinedMember& each : result.members) {
    response.members.push_back({.member_id = std::move(each.id),
                                .group_instance_id = std::move(each.instance_id),
                                .metadata = std::move(each.metadata)});
  }
  call.respond(response);
}

Task<void> handle_sync_group(Call& call) {
  SyncGroupRequest request;
  if (!call.decode(request)) co_return;
  SyncResult result{.error = ErrorCode::kGroupAuthorizationFailed};
  if (call.version() >= kProtocolFrom && (!request.protocol_type || !request.protocol_name)) {
    result.error = ErrorCode::kInconsistentGroupProtocol;
  } else if (may_read(call, request.group_id)) {
    SyncRequest sync{.group = std::string(request.group_id),
                     .generation = request.generation_id,
                     .member_id = std::string(request.member_id),
                     .instance_id = owned(request.group_instance_id),
                     .protocol_type = owned(request.protocol_type),
                     .protocol = owned(request.protocol_name)};
    for (const auto& each : request.assignments) sync.assignments.emplace_back(each.member_id, each.assignment);
    auto syncing = call.service().groups().sync(call.here(), std::move(sync));
    call.let_next_begin();
    result = co_await syncing;
  }
  SyncGroupResponse response;
  response.error_code = number(result.error);
  response.protocol_type = std::move(result.protocol_type);
  response.protocol_name = std::move(result.protocol);
  response.assignment = std::move(result.assignment);
  call.respond(response);
}

Task<void> handle_heartbeat(Call& call) {
  HeartbeatRequest request;
  if (!call.decode(request)) co_return;
  ErrorCode error = ErrorCode::kGroupAuthorizationFailed;
  if (may_read(call, request.group_id)) {
    error = co_await call.service().groups().heartbeat(call.here(), {.group = std::string(request.group_id),
                                                                     .generation = request.generation_id,
                                                                     .member_id = std::string(request.member_id),
                                                                     .instance_id = owned(request.group_instance_id)});
  }
  HeartbeatResponse response;
  response.error_code = number(error);
  call.respond(response);
}

Task<void> handle_leave_group(Call& call) {
  LeaveGroupRequest request;
  if (!call.decode(request)) co_return;
  LeaveGroupResponse response;
  LeaveOf leave{.group = std::string(request.group_id)};
  if (call.version() < kLeaveManyFrom) {
    leave.members.push_back({.member_id = std::string(request.member_id)});
  } else {
    for (const auto& each : request.members) {
      leave.members.push_back({.member_id = std::string(each.member_id), .instance_id = owned(each.group_instance_id)});
    }
  }
  LeaveResult result{.error = ErrorCode::kGroupAuthorizationFailed};
  const std::vector<LeavingMember> members = leave.members;
  if (may_read(call, request.group_id)) {
    result = co_await call.service().groups().leave(call.here(), std::move(leave));
  }
  response.error_code = number(result.error);
  if (call.version() < kLeaveManyFrom) {
    if (result.error == ErrorCode::kNone) response.error_code = number(result.members.at(0));
  } else {
    for (size_t i = 0; i < result.members.size(); ++i) {
      response.members.push_back({.member_id = members[i].member_id,
                                  .group_instance_id = members[i].instance_id,
                                  .error_code = number(result.members[i])});
    }
  }
  call.respond(response);
}

// ---- The consumer protocol.

ConsumerBeat beat_of(Call& call, const ConsumerGroupHeartbeatRequest& from) {
  ConsumerBeat beat{.group = std::string(from.group_id),
                    .member_id = std::string(from.member_id),
                    .epoch = from.member_epoch,
                    .instance_id = owned(from.instance_id),
                    .rack = owned(from.rack_id),
                    .rebalance_timeout_ms = from.rebalance_timeout_ms,
                    .regex = owned(from.subscribed_topic_regex),
                    .assignor = owned(from.server_assignor),
                    .client_id = std::string(call.client_id()),
                    .client_host = client_host(call)};
  if (from.subscribed_topic_names) {
    beat.topics.emplace(from.subscribed_topic_names->begin(), from.subscribed_topic_names->end());
  }
  if (from.topic_partitions) {
    beat.owned.emplace();
    for (const auto& row : *from.topic_partitions) beat.owned->push_back({row.topic_id, row.partitions});
  }
  // The first version has the server make the id.
  beat.makes_id = call.version() < kMemberMakesId && beat.member_id.empty() && beat.epoch == 0;
  return beat;
}

Task<void> handle_consumer_group_heartbeat(Call& call) {
  ConsumerGroupHeartbeatRequest request;
  if (!call.decode(request)) co_return;
  BeatResult result{.error = ErrorCode::kGroupAuthorizationFailed,
                    .message = std::string(error_text(ErrorCode::kGroupAuthorizationFailed))};
  bool may = may_read(call, request.group_id);
  if (may && request.subscribed_topic_names) {
    for (const std::string_view name : *request.subscribed_topic_names) {
      if (call.may(AclOperation::kDescribe, ResourceType::kTopic, name)) continue;
      may = false;
      result = {.error = ErrorCode::kTopicAuthorizationFailed,
                .message = std::string(error_text(ErrorCode::kTopicAuthorizationFailed))};
    }
  }
  if (may) {
    auto beating = call.service().groups().beat(call.here(), beat_of(call, request));
    call.let_next_begin();
    result = co_await beating;
  }
  ConsumerGroupHeartbeatResponse response;
  response.error_code = number(result.error);
  if (result.error != ErrorCode::kNone) response.error_message = result.message;
  if (!result.member_id.empty()) response.member_id = result.member_id;
  response.member_epoch = result.epoch;
  response.heartbeat_interval_ms = result.heartbeat_interval_ms;
  if (result.assignment) {
    auto& assignment = response.assignment.emplace();
    for (topic::TopicPartitions& row : *result.assignment) {
      assignment.topic_partitions.push_back({.topic_id = row.topic, .partitions = std::move(row.partitions)});
    }
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({
    {ApiKey::kFindCoordinator, handle_find_coordinator},
    {ApiKey::kJoinGroup, handle_join_group},
    {ApiKey::kSyncGroup, handle_sync_group},
    {ApiKey::kHeartbeat, handle_heartbeat},
    {ApiKey::kLeaveGroup, handle_leave_group},
    {ApiKey::kConsumerGroupHeartbeat, handle_consumer_group_heartbeat},
});

}  // namespace

std::span<const HandlerRow> group_handlers() { return kRows; }

}  // namespace keelson::kafka
