// ListOffsets, OffsetForLeaderEpoch, DeleteRecords: offsets of partitions.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/delete_records.h"
#include "protocol/kafka/messages/list_offsets.h"
#include "protocol/kafka/messages/offset_for_leader_epoch.h"
#include "protocol/kafka/service.h"
#include "protocol/kafka/topic_names.h"

namespace keelson::kafka {

namespace {

using topics::Asked;
using topics::Asking;
using topics::Topics;

constexpr int32_t kLeaderEpoch = 0;
constexpr int8_t kReadCommitted = 1;
constexpr int64_t kLatest = -1;
// ListOffsetsRequest's special times that mean something with tiered storage alone (KIP-405, KIP-1005).
constexpr int64_t kEarliestLocal = -4;
constexpr int64_t kLatestTiered = -5;

struct Place {
  ErrorCode error = ErrorCode::kNone;
  topic::PartitionId partition{};
};

// The topic of a request, if the client may do that with it.
Task<Topics::Found> topic_for(Call& call, AclOperation operation, std::string_view name, ErrorCode& error) {
  if (!call.may(operation, ResourceType::kTopic, name)) {
    error = ErrorCode::kTopicAuthorizationFailed;
    co_return Topics::Found{};
  }
  Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(name));
  if (found.topic == nullptr) error = error_of(found, ErrorCode::kUnknownTopicOrPartition);
  co_return found;
}

Place place_of(Call& call, const Topics::Found& found, ErrorCode error, int32_t partition, int32_t leader_epoch) {
  if (found.topic == nullptr) return {.error = error};
  if (partition < 0 || partition >= found.topic->partition_count) return {.error = ErrorCode::kUnknownTopicOrPartition};
  if (leader_epoch > kLeaderEpoch) return {.error = ErrorCode::kUnknownLeaderEpoch};
  const topic::PartitionId id{found.topic->id, partition};
  return {.error = call.leads(id) ? ErrorCode::kNone : ErrorCode::kNotLeaderOrFollower, .partition = id};
}

// ---- ListOffsets.

Task<void> list_offset(Call& call, const ListOffsetsRequest& request, const Place& place,
                       const ListOffsetsRequest::Partition& wanted, ListOffsetsResponse::Partition& out) {
  out.partition_index = wanted.partition_index;
  out.error_code = number(place.error);
  if (place.error != ErrorCode::kNone) co_return;
  if (wanted.timestamp == kLatestTiered) {
    out.leader_epoch = -1;  // there is no remote storage: nothing was found, which is no error
    co_return;
  }
  topic::FindOffset question{.in = place.partition,
                             .time_ms = wanted.timestamp == kEarliestLocal ? -2 : wanted.timestamp,
                             .is_committed_only = request.isolation_level == kReadCommitted};
  if (question.time_ms < -3) {
    out.error_code = number(ErrorCode::kUnsupportedVersion);
    co_return;
  }
  const Asked asked = co_await call.topics().find_offset(call.here(), question);
  out.error_code = number(error_of(asked));
  if (!asked.ok()) co_return;
  out.offset = asked.answer.found.offset;
  out.timestamp = asked.answer.found.timestamp_ms;
  out.leader_epoch = out.offset >= 0 ? kLeaderEpoch : -1;
  if (call.version() != 0) co_return;
  // As it was: a list, newest first. None at that time or later: the end, before which all segments are.
  if (wanted.max_num_offsets > 0 && out.offset >= 0) out.old_style_offsets.push_back(out.offset);
  if (wanted.timestamp == kLatest && wanted.max_num_offsets > 1) {
    question.time_ms = -2;
    const Asked start = co_await call.topics().find_offset(call.here(), question);
    if (start.ok() && start.answer.found.offset != out.offset) {
      out.old_style_offsets.push_back(start.answer.found.offset);
    }
  }
}

Task<void> handle_list_offsets(Call& call) {
  ListOffsetsRequest request;
  if (!call.decode(request)) co_return;
  ListOffsetsResponse response;
  for (const ListOffsetsRequest::Topic& wanted : request.topics) {
    ListOffsetsResponse::Topic& out = response.topics.emplace_back();
    out.name = std::string(wanted.name);
    ErrorCode error = ErrorCode::kNone;
    const Topics::Found found = co_await topic_for(call, AclOperation::kDescribe, wanted.name, error);
    for (const ListOffsetsRequest::Partition& partition : wanted.partitions) {
      const Place place = place_of(call, found, error, partition.partition_index, partition.current_leader_epoch);
      co_await list_offset(call, request, place, partition, out.partitions.emplace_back());
    }
  }
  call.respond(response);
}

// ---- OffsetForLeaderEpoch: where an epoch ends. There is one epoch, 0, and it has not ended.

Task<void> handle_offset_for_leader_epoch(Call& call) {
  OffsetForLeaderEpochRequest request;
  if (!call.decode(request)) co_return;
  OffsetForLeaderEpochResponse response;
  for (const OffsetForLeaderEpochRequest::Topic& wanted : request.topics) {
    OffsetForLeaderEpochResponse::Topic& out = response.topics.emplace_back();
    out.topic = std::string(wanted.topic);
    ErrorCode error = ErrorCode::kNone;
    const Topics::Found found = co_await topic_for(call, AclOperation::kDescribe, wanted.topic, error);
    for (const OffsetForLeaderEpochRequest::Partition& asked_for : wanted.partitions) {
      OffsetForLeaderEpochResponse::Partition& answer = out.partitions.emplace_back();
      answer.partition = asked_for.partition;
      const Place place = place_of(call, found, error, asked_for.partition, asked_for.current_leader_epoch);
      answer.error_code = number(place.error);
      if (place.error != ErrorCode::kNone || asked_for.leader_epoch != kLeaderEpoch) continue;
      const Asked asked = co_await call.topics().ask(call.here(), call.topics().shard_of(place.partition),
                                                     topic::DescribePartition{.of = place.partition});
      answer.error_code = number(error_of(asked));
      if (!asked.ok()) continue;
      answer.leader_epoch = kLeaderEpoch;
      answer.end_offset = asked.answer.partition.high_watermark;
    }
  }
  call.respond(response);
}

// ---- DeleteRecords.

Task<void> delete_records(Call& call, const Place& place, int64_t offset, DeleteRecordsResponse::Partition& out) {
  out.error_code = number(place.error);
  out.low_watermark = -1;
  if (place.error != ErrorCode::kNone) co_return;
  const shard::ShardId shard = call.topics().shard_of(place.partition);
  // -1: everything that is there now.
  const Asked now = co_await call.topics().ask(call.here(), shard, topic::DescribePartition{.of = place.partition});
  if (now.ok() && offset == -1) offset = now.answer.partition.high_watermark;
  if (!now.ok() || offset < 0 || offset > now.answer.partition.high_watermark) {
    out.error_code = number(now.ok() ? ErrorCode::kOffsetOutOfRange : error_of(now));
    co_return;
  }
  if (offset <= now.answer.partition.log_start) {
    out.low_watermark = now.answer.partition.log_start;
    co_return;
  }
  const Asked asked =
      co_await call.topics().ask(call.here(), shard, topic::TrimPartition{.at = place.partition, .start = offset});
  out.error_code = number(error_of(asked));
  if (asked.ok()) out.low_watermark = asked.answer.append.log_start;
}

Task<void> handle_delete_records(Call& call) {
  DeleteRecordsRequest request;
  if (!call.decode(request)) co_return;
  DeleteRecordsResponse response;
  for (const DeleteRecordsRequest::Topic& wanted : request.topics) {
    DeleteRecordsResponse::Topic& out = response.topics.emplace_back();
    out.name = std::string(wanted.name);
    ErrorCode error = ErrorCode::kNone;
    const Topics::Found found = co_await topic_for(call, AclOperation::kDelete, wanted.name, error);
    for (const DeleteRecordsRequest::Partition& partition : wanted.partitions) {
      DeleteRecordsResponse::Partition& answer = out.partitions.emplace_back();
      answer.partition_index = partition.partition_index;
      Place place = place_of(call, found, error, partition.partition_index, kLeaderEpoch);
      if (found.topic != nullptr && found.topic->is_internal) place.error = ErrorCode::kInvalidTopicException;
      // What compaction alone may remove cannot be cut off, as in Kafka.
      if (place.error == ErrorCode::kNone && is_only_compacted(*found.topic)) place.error = ErrorCode::kPolicyViolation;
      co_await delete_records(call, place, partition.offset, answer);
    }
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({
    {ApiKey::kListOffsets, handle_list_offsets},
    {ApiKey::kOffsetForLeaderEpoch, handle_offset_for_leader_epoch},
    {ApiKey::kDeleteRecords, handle_delete_records},
});

}  // namespace

std::span<const HandlerRow> offsets_handlers() { return kRows; }

}  // namespace keelson::kafka
