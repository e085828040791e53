// CreateTopics, DeleteTopics, CreatePartitions; and what is said to elections and reassignments, which are not for
// Kafka's clients to order: a node alone has nothing to elect, and a cluster places replicas and leads itself.
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "engine/topic/topic_config.h"
#include "protocol/kafka/config_answers.h"
#include "protocol/kafka/creation.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/alter_partition_reassignments.h"
#include "protocol/kafka/messages/create_partitions.h"
#include "protocol/kafka/messages/create_topics.h"
#include "protocol/kafka/messages/delete_topics.h"
#include "protocol/kafka/messages/elect_leaders.h"
#include "protocol/kafka/messages/list_partition_reassignments.h"
#include "protocol/kafka/service.h"
#include "protocol/kafka/topic_names.h"

namespace keelson::kafka {

namespace {

using topics::Asked;
using topics::Topics;

struct Verdict {
  ErrorCode error = ErrorCode::kNone;
  std::string reason;
};

// ---- CreateTopics.

// Replicas as somebody wants them, on a node that is in no cluster: nothing else can be had there. A cluster places
// them by itself.
template <class Ids>
bool is_own_assignment(Call& call, const Ids& ids) {
  return !call.topics().is_clustered() && ids.size() == 1 && ids.front() == call.service().options().node_id;
}
std::string_view why_not_assigned(Call& call) {
  return call.topics().is_clustered() ? "the cluster places replicas by itself (keelson cluster move)"
                                      : "each partition has one replica, on this node";
}

// How many partitions the request asks for, if what it says of replicas is something that can be had.
Verdict partitions_wanted(Call& call, const Brokers& brokers, const CreateTopicsRequest::Topic& wanted,
                          int32_t& partitions) {
  const KafkaOptions& options = call.service().options();
  partitions = wanted.num_partitions;
  if (wanted.assignments.empty()) {
    // KIP-464 gives -1 a meaning from version 4 on; Kafka takes it in all, and kafkajs sends it in version 3.
    if (partitions == -1) partitions = options.partitions_default;
    // Every partition has the cluster's number of replicas; who asks for fewer gets no fewer.
    const int16_t replicas = wanted.replication_factor;
    if (replicas != -1 && (replicas < 1 || replicas > brokers.replicas_default())) {
      return {ErrorCode::kInvalidReplicationFactor,
              "the replication factor must be -1, or from 1 to " + std::to_string(brokers.replicas_default())};
    }
    return {};
  }
  if (wanted.num_partitions != -1 || wanted.replication_factor != -1) {
    return {ErrorCode::kInvalidRequest,
            "with an assignment of replicas the number of partitions and the replication factor must be -1"};
  }
  std::set<int32_t> indexes;
  for (const auto& assignment : wanted.assignments) {
    indexes.insert(assignment.partition_index);
    if (!is_own_assignment(call, assignment.broker_ids)) {
      return {ErrorCode::kInvalidReplicaAssignment, std::string(why_not_assigned(call))};
    }
  }
  if (indexes.size() != wanted.assignments.size() || *indexes.begin() != 0 ||
      *indexes.rbegin() != static_cast<int32_t>(indexes.size()) - 1) {
    return {ErrorCode::kInvalidReplicaAssignment, "partitions must be numbered from 0, without gaps"};
  }
  partitions = static_cast<int32_t>(indexes.size());
  return {};
}

Verdict check_configs(const CreateTopicsRequest::Topic& wanted, topic::Pairs& configs) {
  std::set<std::string_view> names;
  for (const auto& config : wanted.configs) {
    if (!names.insert(config.name).second) {
      return {ErrorCode::kInvalidConfig, "the configuration " + std::string(config.name) + " is there twice"};
    }
    if (!config.value) {
      return {ErrorCode::kInvalidConfig, "the configuration " + std::string(config.name) + " has no value"};
    }
    if (std::optional<std::string> why = topic::check_topic_config(config.name, *config.value)) {
      return {ErrorCode::kInvalidConfig, std::move(*why)};
    }
    configs.emplace_back(config.name, *config.value);
  }
  return {};
}

Task<Verdict> create(Call& call, const CreateTopicsRequest::Topic& wanted, bool validate_only,
                     CreateTopicsResponse::Topic& out) {
  if (const std::string_view wrong = wrong_with_name(wanted.name); !wrong.empty()) {
    co_return Verdict{ErrorCode::kInvalidTopicException, std::string(wrong)};
  }
  if (!call.may(AclOperation::kCreate, ResourceType::kCluster, kClusterName) &&
      !call.may(AclOperation::kCreate, ResourceType::kTopic, wanted.name)) {
    co_return Verdict{ErrorCode::kTopicAuthorizationFailed, {}};
  }
  const Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(wanted.name));
  if (found.topic != nullptr) {
    co_return Verdict{ErrorCode::kTopicAlreadyExists, "Topic '" + std::string(wanted.name) + "' already exists."};
  }
  int32_t partitions = 0;
  const Brokers brokers = call.service().brokers_for(call.session());
  if (Verdict verdict = partitions_wanted(call, brokers, wanted, partitions); verdict.error != ErrorCode::kNone) {
    co_return verdict;
  }
  if (partitions < 1 || partitions > topic::kPartitionsMax) {
    co_return Verdict{ErrorCode::kInvalidPartitions,
                      "the number of partitions must be from 1 to " + std::to_string(topic::kPartitionsMax)};
  }
  topic::Pairs configs;
  if (Verdict verdict = check_configs(wanted, configs); verdict.error != ErrorCode::kNone) co_return verdict;
  out.num_partitions = partitions;
  out.replication_factor = brokers.replicas_default();
  out.configs = created_configs(configs);
  if (validate_only) co_return Verdict{};
  Created created = co_await create_topic(call, std::string(wanted.name), partitions, std::move(configs));
  if (created.error == ErrorCode::kNone) out.topic_id = created.id;
  co_return Verdict{created.error, std::move(created.reason)};
}

Task<void> handle_create_topics(Call& call) {
  CreateTopicsRequest request;
  if (!call.decode(request)) co_return;
  CreateTopicsResponse response;
  std::map<std::string_view, int> times;
  for (const auto& wanted : request.topics) ++times[wanted.name];
  std::set<std::string_view> told;
  for (const CreateTopicsRequest::Topic& wanted : request.topics) {
    const bool is_double = times[wanted.name] > 1;
    if (is_double && !told.insert(wanted.name).second) continue;
    CreateTopicsResponse::Topic& out = response.topics.emplace_back();
    out.name = std::string(wanted.name);
    Verdict verdict{ErrorCode::kInvalidRequest, "the request names the topic twice"};
    if (!is_double) verdict = co_await create(call, wanted, request.validate_only, out);
    if (verdict.error == ErrorCode::kNone) continue;
    out = {};
    out.name = std::string(wanted.name);
    out.error_code = number(verdict.error);
    out.error_message = verdict.reason.empty() ? std::string(error_text(verdict.error)) : std::move(verdict.reason);
  }
  call.respond(response);
}

// ---- DeleteTopics.

// Without the right to see it a topic named by its id is not there.
bool is_hidden(Call& call, const topic::TopicInfo& topic) {
  return !call.may(AclOperation::kDescribe, ResourceType::kTopic, topic.name) &&
         !call.may(AclOperation::kDelete, ResourceType::kTopic, topic.name);
}

Task<void> delete_one(Call& call, const Topics::Found& found, ErrorCode missing, DeleteTopicsResponse::Topic& out) {
  ErrorCode error = ErrorCode::kNone;
  if (out.name && !call.may(AclOperation::kDelete, ResourceType::kTopic, *out.name)) {
    error = ErrorCode::kTopicAuthorizationFailed;
  } else if (found.topic == nullptr) {
    error = error_of(found, missing);
  } else if (found.topic->is_internal) {
    error = ErrorCode::kInvalidRequest;
  } else {
    const Asked asked = co_await call.topics().ask_all(call.here(), topic::DeleteTopic{.id = found.topic->id});
    error = error_of_change(asked);
  }
  out.error_code = number(error);
  if (error != ErrorCode::kNone) out.error_message = std::string(error_text(error));
}

Task<void> handle_delete_topics(Call& call) {
  DeleteTopicsRequest request;
  if (!call.decode(request)) co_return;
  DeleteTopicsResponse response;
  for (std::string_view name : request.topic_names) request.topics.push_back({.name = name});
  for (const DeleteTopicsRequest::Topic& wanted : request.topics) {
    DeleteTopicsResponse::Topic& out = response.topics.emplace_back();
    out.topic_id = wanted.topic_id;
    if (wanted.name && !wanted.topic_id.is_none()) {
      out.name = std::string(*wanted.name);
      out.error_code = number(ErrorCode::kInvalidRequest);
      out.error_message = "a topic is named by its name or by its id, not by both";
      continue;
    }
    if (wanted.name) {
      out.name = std::string(*wanted.name);
      const Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(*wanted.name));
      const bool is_shown = found.topic != nullptr && !is_hidden(call, *found.topic);
      if (is_shown) out.topic_id = found.topic->id;
      co_await delete_one(call, found, ErrorCode::kUnknownTopicOrPartition, out);
    } else {
      Topics::Found found = co_await call.topics().find_topic(call.here(), wanted.topic_id);
      if (found.topic != nullptr && is_hidden(call, *found.topic)) found.topic = nullptr;
      if (found.topic != nullptr) out.name = found.topic->name;
      co_await delete_one(call, found, ErrorCode::kUnknownTopicId, out);
    }
  }
  call.respond(response);
}

// ---- CreatePartitions.

Task<Verdict> add_partitions(Call& call, const CreatePartitionsRequest::Topic& wanted, bool validate_only) {
  if (!call.may(AclOperation::kAlter, ResourceType::kTopic, wanted.name)) {
    co_return Verdict{ErrorCode::kTopicAuthorizationFailed, {}};
  }
  const Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(wanted.name));
  if (found.topic == nullptr) {
    co_return Verdict{error_of(found, ErrorCode::kUnknownTopicOrPartition), {}};
  }
  const int32_t now = found.topic->partition_count;
  if (wanted.count <= now) {
    co_return Verdict{ErrorCode::kInvalidPartitions, "Topic currently has " + std::to_string(now) +
                                                         " partitions, which is higher than the requested " +
                                                         std::to_string(wanted.count) + "."};
  }
  if (wanted.count > topic::kPartitionsMax) {
    co_return Verdict{ErrorCode::kInvalidPartitions,
                      "a topic has at most " + std::to_string(topic::kPartitionsMax) + " partitions"};
  }
  if (wanted.assignments) {
    bool is_good = wanted.assignments->size() == static_cast<size_t>(wanted.count - now);
    for (const auto& one : *wanted.assignments) is_good &= is_own_assignment(call, one.broker_ids);
    if (!is_good) co_return Verdict{ErrorCode::kInvalidReplicaAssignment, std::string(why_not_assigned(call))};
  }
  if (validate_only) co_return Verdict{};
  const Asked asked = co_await call.topics().ask_all(
      call.here(), topic::AddPartitions{.id = found.topic->id, .partition_count = wanted.count});
  co_return Verdict{error_of_change(asked), asked.answer.reason};
}

Task<void> handle_create_partitions(Call& call) {
  CreatePartitionsRequest request;
  if (!call.decode(request)) co_return;
  CreatePartitionsResponse response;
  std::map<std::string_view, int> times;
  for (const auto& wanted : request.topics) ++times[wanted.name];
  for (const CreatePartitionsRequest::Topic& wanted : request.topics) {
    CreatePartitionsResponse::Topic& out = response.topics.emplace_back();
    out.name = std::string(wanted.name);
    Verdict verdict{ErrorCode::kInvalidRequest, "the request names the topic twice"};
    if (times[wanted.name] == 1) verdict = co_await add_partitions(call, wanted, request.validate_only);
    out.error_code = number(verdict.error);
    if (verdict.error == ErrorCode::kNone) continue;
    out.error_message = verdict.reason.empty() ? std::string(error_text(verdict.error)) : std::move(verdict.reason);
  }
  call.respond(response);
}

// ---- Every partition has its preferred leader, and its replicas are where they should be.

Task<void> handle_elect_leaders(Call& call) {
  ElectLeadersRequest request;
  if (!call.decode(request)) co_return;
  ElectLeadersResponse response;
  if (!call.may(AclOperation::kAlter, ResourceType::kCluster, kClusterName)) {
    response.error_code = number(ErrorCode::kClusterAuthorizationFailed);
    call.respond(response);
    co_return;
  }
  // Without a list: all partitions that are not led by the preferred one, which are none.
  for (const auto& wanted : request.topics.value_or(std::vector<ElectLeadersRequest::Topic>())) {
    ElectLeadersResponse::Topic& out = response.topics.emplace_back();
    out.topic = std::string(wanted.topic);
    const Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(wanted.topic));
    for (int32_t partition : wanted.partitions) {
      const bool is_there = found.topic != nullptr && partition >= 0 && partition < found.topic->partition_count;
      const ErrorCode error =
          is_there ? ErrorCode::kElectionNotNeeded : error_of(found, ErrorCode::kUnknownTopicOrPartition);
      out.partitions.push_back(
          {.partition_id = partition, .error_code = number(error), .error_message = std::string(error_text(error))});
    }
  }
  call.respond(response);
}

Task<void> handle_alter_reassignments(Call& call) {
  AlterPartitionReassignmentsRequest request;
  if (!call.decode(request)) co_return;
  AlterPartitionReassignmentsResponse response;
  response.allow_replication_factor_change = request.allow_replication_factor_change;
  if (!call.may(AclOperation::kAlter, ResourceType::kCluster, kClusterName)) {
    response.error_code = number(ErrorCode::kClusterAuthorizationFailed);
    call.respond(response);
    co_return;
  }
  for (const auto& wanted : request.topics) {
    AlterPartitionReassignmentsResponse::Topic& out = response.topics.emplace_back();
    out.name = std::string(wanted.name);
    const Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(wanted.name));
    for (const auto& partition : wanted.partitions) {
      const int32_t index = partition.partition_index;
      ErrorCode error = ErrorCode::kNone;
      if (found.topic == nullptr || index < 0 || index >= found.topic->partition_count) {
        error = error_of(found, ErrorCode::kUnknownTopicOrPartition);
      } else if (!partition.replicas) {
        error = ErrorCode::kNoReassignmentInProgress;
      } else if (!is_own_assignment(call, *partition.replicas)) {
        error = ErrorCode::kInvalidReplicaAssignment;
      }
      out.partitions.push_back({.partition_index = index, .error_code = number(error)});
      if (error != ErrorCode::kNone) out.partitions.back().error_message = std::string(error_text(error));
      if (error == ErrorCode::kInvalidReplicaAssignment) {
        out.partitions.back().error_message = std::string(why_not_assigned(call));
      }
    }
  }
  call.respond(response);
}

Task<void> handle_list_reassignments(Call& call) {
  ListPartitionReassignmentsRequest request;
  if (!call.decode(request)) co_return;
  ListPartitionReassignmentsResponse response;
  if (!call.may(AclOperation::kDescribe, ResourceType::kCluster, kClusterName)) {
    response.error_code = number(ErrorCode::kClusterAuthorizationFailed);
  }
  call.respond(response);
  co_return;
}

constexpr auto kRows = std::to_array<HandlerRow>({
    {ApiKey::kCreateTopics, handle_create_topics},
    {ApiKey::kDeleteTopics, handle_delete_topics},
    {ApiKey::kCreatePartitions, handle_create_partitions},
    {ApiKey::kElectLeaders, handle_elect_leaders},
    {ApiKey::kAlterPartitionReassignments, handle_alter_reassignments},
    {ApiKey::kListPartitionReassignments, handle_list_reassignments},
});

}  // namespace

std::span<const HandlerRow> topic_handlers() { return kRows; }

}  // namespace keelson::kafka
