// DescribeProducers, DescribeLogDirs: what lies in partitions.
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "env/disk.h"
#include "env/env.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/describe_log_dirs.h"
#include "protocol/kafka/messages/describe_producers.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {

namespace {

using topics::Asked;
using topics::Asking;
using topics::Topics;

constexpr uint32_t kListedAtOnce = 1000;

Task<void> handle_describe_producers(Call& call) {
  DescribeProducersRequest request;
  if (!call.decode(request)) co_return;
  DescribeProducersResponse response;
  for (const DescribeProducersRequest::Topic& wanted : request.topics) {
    DescribeProducersResponse::Topic& out = response.topics.emplace_back();
    out.name = std::string(wanted.name);
    const bool may = call.may(AclOperation::kRead, ResourceType::kTopic, wanted.name);
    const Topics::Found found =
        may ? co_await call.topics().find_topic(call.here(), std::string(wanted.name)) : Topics::Found{};
    for (int32_t index : wanted.partition_indexes) {
      DescribeProducersResponse::Partition& partition = out.partitions.emplace_back();
      partition.partition_index = index;
      ErrorCode error =
          may ? error_of(found, ErrorCode::kUnknownTopicOrPartition) : ErrorCode::kTopicAuthorizationFailed;
      if (found.topic != nullptr && index >= 0 && index < found.topic->partition_count) {
        const topic::PartitionId id{found.topic->id, index};
        Asked asked{.outcome = log::LogErrc::kNotLeader, .answer = {}};
        if (call.leads(id)) {
          asked =
              co_await call.topics().ask(call.here(), call.topics().shard_of(id), topic::DescribeProducers{.of = id});
        }
        error = error_of(asked);
        for (const topic::ProducerInfo& producer : asked.answer.producers) {
          partition.active_producers.push_back({.producer_id = producer.id,
                                                .producer_epoch = producer.epoch,
                                                .last_sequence = producer.last_sequence,
                                                .last_timestamp = producer.last_timestamp_ms,
                                                .coordinator_epoch = producer.coordinator_epoch,
                                                .current_txn_start_offset = producer.transaction_start});
        }
      }
      partition.error_code = number(error);
      if (error != ErrorCode::kNone) partition.error_message = std::string(error_text(error));
    }
  }
  call.respond(response);
}

// ---- DescribeLogDirs: the node has one, and tells of the replicas that lie there.

using LogDirs = DescribeLogDirsResponse;

// Those that are wanted, or all; `error`: why some could not be asked for.
Task<std::vector<topic::TopicInfo>> topics_of(Call& call, const DescribeLogDirsRequest& request, ErrorCode& error) {
  std::vector<topic::TopicInfo> all;
  if (request.topics) {
    for (const DescribeLogDirsRequest::Topic& wanted : *request.topics) {
      const Topics::Found found = co_await call.topics().find_topic(call.here(), std::string(wanted.topic));
      if (found.topic != nullptr) all.push_back(*found.topic);
      if (found.outcome != log::LogErrc::kOk) error = error_of(found.outcome);
    }
    co_return all;
  }
  topic::ListTopics question{.count_max = kListedAtOnce};
  for (;;) {
    Asked asked = co_await call.topics().ask(call.here(), call.topics().nearest_shard(call.here()), question);
    if (!asked.ok()) {
      error = error_of(asked);
      co_return all;
    }
    for (topic::TopicInfo& topic : asked.answer.topics) all.push_back(std::move(topic));
    if (!asked.answer.is_truncated || all.empty()) co_return all;
    question.after = all.back().name;
  }
}

Task<void> add_sizes(Call& call, const topic::TopicInfo& topic, const std::optional<std::set<int32_t>>& wanted,
                     LogDirs::Result& out) {
  struct Question {
    int32_t partition;
    Asking asking;
  };
  std::vector<Question> questions;
  Topics& topics = call.topics();
  for (int32_t i = 0; i < topic.partition_count; ++i) {
    if (wanted && !wanted->contains(i)) continue;
    const topic::PartitionId id{topic.id, i};
    questions.push_back({i, topics.ask_stale(call.here(), topics.shard_of(id), topic::DescribePartition{.of = id})});
  }
  LogDirs::Topic told;
  told.name = topic.name;
  for (Question& question : questions) {
    const Asked asked = co_await question.asking;
    // In a cluster: there is no replica here, and other nodes tell of theirs.
    if (topics.is_clustered() && asked.outcome == log::LogErrc::kNotLeader) continue;
    if (asked.outcome != log::LogErrc::kOk) out.error_code = number(error_of(asked.outcome));
    if (!asked.ok()) continue;  // deleted meanwhile
    told.partitions.push_back({.partition_index = question.partition,
                               .partition_size = static_cast<int64_t>(asked.answer.partition.bytes),
                               .offset_lag = 0,
                               .is_future_key = false});
  }
  if (!told.partitions.empty() || !topics.is_clustered()) out.topics.push_back(std::move(told));
}

Task<void> handle_describe_log_dirs(Call& call) {
  DescribeLogDirsRequest request;
  if (!call.decode(request)) co_return;
  LogDirs response;
  if (!call.may(AclOperation::kDescribe, ResourceType::kCluster, kClusterName)) {
    if (call.version() >= 3) response.error_code = number(ErrorCode::kClusterAuthorizationFailed);
    call.respond(response);
    co_return;
  }
  std::map<std::string, std::set<int32_t>> wanted;
  for (const auto& topic : request.topics.value_or(std::vector<DescribeLogDirsRequest::Topic>())) {
    wanted[std::string(topic.topic)].insert(topic.partitions.begin(), topic.partitions.end());
  }
  LogDirs::Result& out = response.results.emplace_back();
  out.log_dir = call.service().options().log_folder;
  ErrorCode error = ErrorCode::kNone;
  const std::vector<topic::TopicInfo> topics = co_await topics_of(call, request, error);
  out.error_code = number(error);
  for (const topic::TopicInfo& topic : topics) {
    std::optional<std::set<int32_t>> partitions;
    if (request.topics) partitions = wanted[topic.name];
    co_await add_sizes(call, topic, partitions, out);
  }
  env::Disk& disk = call.service().runtime().env().disk();
  if (const Result<uint64_t> free = disk.free_bytes(out.log_dir); free.ok()) {
    out.usable_bytes = static_cast<int64_t>(*free);
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({
    {ApiKey::kDescribeProducers, handle_describe_producers},
    {ApiKey::kDescribeLogDirs, handle_describe_log_dirs},
});

}  // namespace

std::span<const HandlerRow> describe_handlers() { return kRows; }

}  // namespace keelson::kafka
