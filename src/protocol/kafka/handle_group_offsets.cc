// Offsets of groups: OffsetCommit, OffsetFetch, and TxnOffsetCommit, whose offsets show once the transaction has ended.
//
// An offset is kept with the id of its topic: of a topic that was made anew under an old name, none is known.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "engine/topic/group_commands.h"
#include "engine/topic/transaction_commands.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/groups.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/offset_commit.h"
#include "protocol/kafka/messages/offset_fetch.h"
#include "protocol/kafka/messages/txn_offset_commit.h"
#include "protocol/kafka/service.h"
#include "topics/transactions.h"

namespace keelson::kafka {

namespace {

using topics::Topics;

constexpr int16_t kGroupsFrom = 8;        // of OffsetFetch: several groups
constexpr int16_t kErrorFrom = 2;         // of OffsetFetch: an error for the whole answer
constexpr int16_t kMemberErrorsFrom = 3;  // of TxnOffsetCommit: KIP-447
// How long a coordinator that has moved is said to be moving. A member's next heartbeat (every three seconds, mostly)
// tells it that the coordinator is elsewhere.
constexpr int64_t kMoveNs = 5'000 * int64_t{1'000'000};

std::optional<std::string> owned(const std::optional<std::string_view>& from) {
  if (!from) return std::nullopt;
  return std::string(*from);
}

struct FoundTopic {
  ErrorCode error = ErrorCode::kNone;
  Topics::TopicPointer topic;
};

Task<FoundTopic> find_topic(Call& call, std::string_view name, AclOperation operation) {
  if (!call.may(operation, ResourceType::kTopic, name)) co_return FoundTopic{ErrorCode::kTopicAuthorizationFailed, {}};
  Topics::TopicPointer topic = call.topics().known_topic(call.here(), name);
  if (topic != nullptr) co_return FoundTopic{ErrorCode::kNone, std::move(topic)};
  Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(name));
  // Clients of groups know no other error that means: ask again.
  if (found.outcome != log::LogErrc::kOk) co_return FoundTopic{ErrorCode::kCoordinatorNotAvailable, {}};
  if (found.topic == nullptr) co_return FoundTopic{ErrorCode::kUnknownTopicOrPartition, {}};
  co_return FoundTopic{ErrorCode::kNone, std::move(found.topic)};
}

// ---- Committing. OffsetCommit and TxnOffsetCommit have the same topics in another struct.

// What may be committed goes into `offsets`; the answer has each partition's error, or none so far.
template <class Request, class Response>
Task<void> take_offsets(Call& call, const Request& request, Response& response, int64_t expires_ms,
                        std::vector<topic::GroupOffset>& offsets) {
  const auto metadata_max = static_cast<size_t>(call.service().groups().options().offset_metadata_bytes_max);
  for (const auto& wanted : request.topics) {
    const FoundTopic found = co_await find_topic(call, wanted.name, AclOperation::kRead);
    auto& out = response.topics.emplace_back();
    out.name = std::string(wanted.name);
    for (const auto& partition : wanted.partitions) {
      ErrorCode error = found.error;
      const std::string_view metadata = partition.committed_metadata.value_or(std::string_view());
      if (error == ErrorCode::kNone) {
        if (partition.partition_index < 0 || partition.partition_index >= found.topic->partition_count) {
          error = ErrorCode::kUnknownTopicOrPartition;
        } else if (metadata.size() > metadata_max) {
          error = ErrorCode::kOffsetMetadataTooLarge;
        }
        // Any number is kept, as by Kafka: kafkajs commits -2 for "from the beginning".
      }
      out.partitions.push_back({.partition_index = partition.partition_index, .error_code = number(error)});
      if (error != ErrorCode::kNone) continue;
      offsets.push_back({.topic = std::string(wanted.name),
                         .topic_id = found.topic->id,
                         .partition = partition.partition_index,
                         .offset = partition.committed_offset,
                         .leader_epoch = partition.committed_leader_epoch,
                         .metadata = std::string(metadata),
                         .expires_ms = expires_ms});
    }
  }
}

template <class Response>
void refuse_rest(Response& response, ErrorCode error) {
  for (auto& topic : response.topics) {
    for (auto& partition : topic.partitions) {
      if (partition.error_code == 0) partition.error_code = number(error);
    }
  }
}

Task<void> handle_offset_commit(Call& call) {
  OffsetCommitRequest request;
  if (!call.decode(request)) co_return;
  OffsetCommitResponse response;
  // At the latest in a century, far from where the sum would wrap around.
  constexpr int64_t kRetentionMsMax = 100LL * 366 * 86'400'000;
  const int64_t retention_ms = std::min(request.retention_time_ms, kRetentionMsMax);
  const int64_t expires_ms = retention_ms < 0 ? topic::kNoTimestamp : call.here().clock().wall_ms() + retention_ms;
  topic::CommitOffsets commit{.group = std::string(request.group_id)};
  co_await take_offsets(call, request, response, expires_ms, commit.offsets);
  ErrorCode error = ErrorCode::kNone;
  if (!call.may(AclOperation::kRead, ResourceType::kGroup, request.group_id)) {
    error = ErrorCode::kGroupAuthorizationFailed;
  } else if (!commit.offsets.empty() || response.topics.empty()) {
    CommitCheck check{.group = commit.group,
                      .generation = request.generation_id_or_member_epoch,
                      .member_id = std::string(request.member_id),
                      .instance_id = owned(request.group_instance_id),
                      .version = call.version()};
    auto committing = call.service().groups().commit(call.here(), std::move(check), std::move(commit));
    error = co_await committing;
  }
  if (error != ErrorCode::kNone) refuse_rest(response, error);
  call.respond(response);
}

// ---- OffsetFetch.

struct FetchedGroup {
  ErrorCode error = ErrorCode::kNone;
  std::vector<OffsetFetchResponse::Topic> topics{};
};

OffsetFetchResponse::Partition no_offset(int32_t partition, ErrorCode error = ErrorCode::kNone) {
  OffsetFetchResponse::Partition out;
  out.partition_index = partition;
  out.committed_offset = -1;
  out.metadata.emplace();
  out.error_code = number(error);
  return out;
}

OffsetFetchResponse::Partition offset_of(topic::GroupOffset& from, bool wants_stable) {
  if (wants_stable && from.is_pending) return no_offset(from.partition, ErrorCode::kUnstableOffsetCommit);
  OffsetFetchResponse::Partition out;
  out.partition_index = from.partition;
  out.committed_offset = from.offset;
  out.committed_leader_epoch = from.leader_epoch;
  out.metadata = std::move(from.metadata);
  return out;
}

struct FetchOf {
  std::string group{};
  std::string member_id{};
  int32_t member_epoch = -1;
  const std::optional<std::vector<OffsetFetchRequestTopic>>* topics = nullptr;
  bool wants_stable = false;
};

// Whether whoever asks again a little later hears something else, here or at the coordinator that it finds meanwhile.
bool is_for_a_moment(Call& call, std::string_view group, ErrorCode error) {
  if (error == ErrorCode::kCoordinatorNotAvailable || error == ErrorCode::kCoordinatorLoadInProgress) return true;
  if (error != ErrorCode::kNotCoordinator) return false;
  Topics& topics = call.topics();
  const shard::ShardId shard = topics.shard_of_name(group);
  // It leads, and is stopping; or nobody is known to lead.
  if (topics.leads(shard) || call.service().brokers_for(call.session()).leader(shard) == nullptr) return true;
  return call.here().clock().monotonic_ns() - topics.leader_changed_ns(shard) < kMoveNs;
}

// librdkafka (to 2.16 at least; its issue 5586) takes an error of the whole answer for final, but for that of a
// coordinator that loads, and even that one if partitions were assigned to it meanwhile: it never reads those
// partitions, until they are taken from it. That an offset is not stable yet is what it asks again for in any case.
FetchedGroup ask_again(const FetchOf& what) {
  if (!what.wants_stable || !what.topics->has_value()) return {ErrorCode::kCoordinatorLoadInProgress};
  FetchedGroup result;
  for (const auto& wanted : **what.topics) {
    auto& out = result.topics.emplace_back();
    out.name = std::string(wanted.name);
    for (const int32_t partition : wanted.partition_indexes) {
      out.partitions.push_back(no_offset(partition, ErrorCode::kUnstableOffsetCommit));
    }
  }
  return result;
}

Task<FetchedGroup> find_offsets(Call& call, const FetchOf& what) {
  if (!call.may(AclOperation::kDescribe, ResourceType::kGroup, what.group)) {
    co_return FetchedGroup{ErrorCode::kGroupAuthorizationFailed};
  }
  const ErrorCode error =
      co_await call.service().groups().check_fetch(call.here(), what.group, what.member_id, what.member_epoch);
  if (error != ErrorCode::kNone) co_return FetchedGroup{error};
  topic::FetchOffsets query{.group = what.group, .is_all = !what.topics->has_value()};
  if (!query.is_all) {
    for (const auto& wanted : **what.topics) query.topics.emplace_back(wanted.name, wanted.partition_indexes);
  }
  Topics& topics = call.topics();
  topics::Asked asked = co_await topics.ask(call.here(), topics.shard_of_name(what.group), query);
  if (asked.outcome != log::LogErrc::kOk) co_return FetchedGroup{ErrorCode::kCoordinatorNotAvailable};
  // By topic, those that are of the topic that has the name now.
  std::map<std::string, std::map<int32_t, topic::GroupOffset>, std::less<>> offsets;
  for (topic::GroupOffset& each : asked.answer.group_offsets) {
    const int32_t partition = each.partition;
    offsets[each.topic].emplace(partition, std::move(each));
  }
  FetchedGroup result;
  if (query.is_all) {
    for (const auto& [name, rows] : offsets) {
      auto& wanted = query.topics.emplace_back();
      wanted.first = name;
      for (const auto& [partition, offset] : rows) wanted.second.push_back(partition);
    }
  }
  for (const auto& [name, partitions] : query.topics) {
    const FoundTopic found = co_await find_topic(call, name, AclOperation::kDescribe);
    const bool is_refused = found.error == ErrorCode::kTopicAuthorizationFailed;
    // That nobody can be asked does not mean that there is no offset: the client would begin anew somewhere else.
    if (found.error != ErrorCode::kNone && !is_refused && found.error != ErrorCode::kUnknownTopicOrPartition) {
      co_return FetchedGroup{ErrorCode::kCoordinatorNotAvailable};
    }
    if (query.is_all && found.error != ErrorCode::kNone) continue;
    auto& out = result.topics.emplace_back();
    out.name = name;
    const auto rows = offsets.find(name);
    for (const int32_t partition : partitions) {
      if (is_refused || found.topic == nullptr || rows == offsets.end()) {
        out.partitions.push_back(no_offset(partition, is_refused ? found.error : ErrorCode::kNone));
        continue;
      }
      const auto row = rows->second.find(partition);
      const bool is_there =
          row != rows->second.end() && (row->second.topic_id.is_none() || row->second.topic_id == found.topic->id);
      out.partitions.push_back(is_there ? offset_of(row->second, what.wants_stable) : no_offset(partition));
    }
  }
  co_return result;
}

Task<FetchedGroup> fetch_group(Call& call, FetchOf what) {
  FetchedGroup fetched = co_await find_offsets(call, what);
  if (is_for_a_moment(call, what.group, fetched.error)) co_return ask_again(what);
  co_return fetched;
}

Task<void> handle_offset_fetch(Call& call) {
  OffsetFetchRequest request;
  if (!call.decode(request)) co_return;
  OffsetFetchResponse response;
  if (call.version() >= kGroupsFrom) {
    for (const auto& wanted : request.groups) {
      FetchedGroup fetched =
          co_await fetch_group(call, {.group = std::string(wanted.group_id),
                                      .member_id = std::string(wanted.member_id.value_or(std::string_view())),
                                      .member_epoch = wanted.member_epoch,
                                      .topics = &wanted.topics,
                                      .wants_stable = request.require_stable});
      auto& out = response.groups.emplace_back();
      out.group_id = std::string(wanted.group_id);
      out.topics = std::move(fetched.topics);
      out.error_code = number(fetched.error);
    }
    call.respond(response);
    co_return;
  }
  FetchedGroup fetched = co_await fetch_group(
      call,
      {.group = std::string(request.group_id), .topics = &request.topics, .wants_stable = request.require_stable});
  response.topics = std::move(fetched.topics);
  response.error_code = number(fetched.error);
  if (fetched.error != ErrorCode::kNone && call.version() < kErrorFrom && request.topics) {
    // There is no other place for it.
    for (const auto& wanted : *request.topics) {
      auto& out = response.topics.emplace_back();
      out.name = std::string(wanted.name);
      for (const int32_t each : wanted.partition_indexes) out.partitions.push_back(no_offset(each, fetched.error));
    }
  }
  call.respond(response);
}

// ---- TxnOffsetCommit.

struct VerifiedGroup {
  ErrorCode error = ErrorCode::kNone;
  int32_t coordinator_epoch = 0;
};

// The producer must have added the group to its transaction. Any node may ask; that it cannot is told as what clients
// look for the group's coordinator for, and ask again.
Task<VerifiedGroup> verify_group(Call& call, const TxnOffsetCommitRequest& request) {
  const topics::Asked asked = co_await call.service().transactions().verify(
      call.here(), topic::VerifyTransaction{.id = std::string(request.transactional_id),
                                            .producer_id = request.producer_id,
                                            .producer_epoch = request.producer_epoch,
                                            .groups = {std::string(request.group_id)}});
  if (asked.outcome != log::LogErrc::kOk) co_return VerifiedGroup{ErrorCode::kCoordinatorNotAvailable};
  co_return VerifiedGroup{error_of(asked.answer.error), asked.answer.claim};
}

Task<void> handle_txn_offset_commit(Call& call) {
  TxnOffsetCommitRequest request;
  if (!call.decode(request)) co_return;
  TxnOffsetCommitResponse response;
  topic::PendOffsets pend{.group = std::string(request.group_id),
                          .producer_id = request.producer_id,
                          .producer_epoch = request.producer_epoch};
  co_await take_offsets(call, request, response, topic::kNoTimestamp, pend.offsets);
  ErrorCode error = ErrorCode::kNone;
  if (!call.may(AclOperation::kWrite, ResourceType::kTransactionalId, request.transactional_id)) {
    error = ErrorCode::kTransactionalIdAuthorizationFailed;
  } else if (!call.may(AclOperation::kRead, ResourceType::kGroup, request.group_id)) {
    error = ErrorCode::kGroupAuthorizationFailed;
  } else {
    const VerifiedGroup verified = co_await verify_group(call, request);
    error = verified.error;
    pend.coordinator_epoch = verified.coordinator_epoch;
  }
  if (error == ErrorCode::kNone && !pend.offsets.empty()) {
    CommitCheck check{.group = pend.group,
                      .generation = request.generation_id,
                      .member_id = std::string(request.member_id),
                      .instance_id = owned(request.group_instance_id),
                      .is_transactional = true,
                      .version = call.version()};
    auto committing = call.service().groups().commit(call.here(), std::move(check), std::move(pend));
    error = co_await committing;
  }
  // Older clients do not know what a member's errors are.
  const bool is_members = error == ErrorCode::kIllegalGeneration || error == ErrorCode::kUnknownMemberId ||
                          error == ErrorCode::kFencedInstanceId;
  if (is_members && call.version() < kMemberErrorsFrom) error = ErrorCode::kInvalidTxnState;
  if (error != ErrorCode::kNone) refuse_rest(response, error);
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({
    {ApiKey::kOffsetCommit, handle_offset_commit},
    {ApiKey::kOffsetFetch, handle_offset_fetch},
    {ApiKey::kTxnOffsetCommit, handle_txn_offset_commit},
});

}  // namespace

std::span<const HandlerRow> group_offset_handlers() { return kRows; }

}  // namespace keelson::kafka
