#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cli/topic_verbs.h"
#include "protocol/kafka/messages/create_partitions.h"
#include "protocol/kafka/messages/create_topics.h"
#include "protocol/kafka/messages/delete_topics.h"
#include "protocol/kafka/messages/describe_configs.h"
#include "protocol/kafka/messages/incremental_alter_configs.h"
#include "protocol/kafka/messages/list_offsets.h"

namespace keelson::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr int32_t kTimeoutMs = 30'000;
constexpr int8_t kTopicResource = 2;
constexpr int8_t kSet = 0, kUnset = 1;
constexpr int8_t kSourceOfTopic = 1;  // of a setting: that it is the topic's own
constexpr int16_t kUnknownTopic = 3, kLeaderNotAvailable = 5, kNotLeader = 6, kTopicExists = 36;
// Topics by name: later versions take ids.
constexpr int16_t kDeleteTopicsVersionMax = 5;
constexpr int64_t kLatestTime = -1, kEarliestTime = -2;

int64_t time_of(StartPoint point) {
  switch (point.kind) {
    case StartPoint::Kind::kEarliest:
      return kEarliestTime;
    case StartPoint::Kind::kLatest:
    case StartPoint::Kind::kOffset:
      return kLatestTime;
    case StartPoint::Kind::kTime:
      return point.number;
  }
  return kLatestTime;
}

template <class Parts>
int16_t first_error(const Parts& parts) {
  return parts.empty() ? int16_t{0} : parts.front().error_code;
}

using Offsets = std::map<int32_t, int64_t>;

// What one leader says of some partitions. `why`: the last error that passes, of those that are missing then.
Task<Status> ask_offsets(TopicClient& client, int32_t leader, kafka::ListOffsetsRequest request, Offsets& found,
                         int16_t& why) {
  auto told = co_await client.call_node<kafka::ListOffsetsResponse>(leader, request);
  if (!told.ok()) {
    why = kNotLeader;
    const bool is_lost = told.error().code() == TopicClientErrc::kUnreachable || was_not_asked(told.error());
    co_return is_lost ? Status() : forward_error(told);
  }
  for (const auto& one : told->topics) {
    for (const auto& part : one.partitions) {
      if (part.error_code == 0) {
        found[part.partition_index] = part.offset;
      } else if (passes(part.error_code) || part.error_code == kUnknownTopic) {
        // A topic that is new is known to those who lead its partitions a little later.
        why = part.error_code;
      } else {
        co_return refused("topic " + one.name + ", partition " + std::to_string(part.partition_index), part.error_code);
      }
    }
  }
  co_return Status();
}

Task<Result<std::vector<PartitionOffset>>> list_offsets(TopicClient& client, std::string topic,
                                                        std::vector<int32_t> partitions, int64_t time,
                                                        bool read_committed) {
  Offsets found;
  int16_t why = 0;
  for (Patience patience(client.env());;) {
    auto known = co_await client.topic(topic);
    if (!known.ok()) co_return forward_error(known);
    std::map<int32_t, kafka::ListOffsetsRequest> requests;  // by leader
    for (const int32_t partition : partitions) {
      if (found.contains(partition)) continue;
      const auto at =
          std::ranges::find(known->partitions, partition, &kafka::MetadataResponsePartition::partition_index);
      if (at == known->partitions.end()) {
        co_return refused("topic " + topic + ", partition " + std::to_string(partition), kUnknownTopic);
      }
      why = kLeaderNotAvailable;
      if (at->leader_id < 0) continue;
      kafka::ListOffsetsRequest& request = requests[at->leader_id];
      request.replica_id = -1;
      request.isolation_level = static_cast<int8_t>(read_committed ? 1 : 0);
      if (request.topics.empty()) request.topics.emplace_back().name = topic;
      request.topics.front().partitions.push_back({.partition_index = partition, .timestamp = time});
    }
    for (auto& [leader, request] : requests) {
      Status asked = co_await ask_offsets(client, leader, std::move(request), found, why);
      if (!asked.ok()) co_return forward_error(asked);
    }
    if (found.size() == partitions.size()) break;
    if (!co_await patience.once_more()) co_return refused("topic " + topic, why);
  }
  std::vector<PartitionOffset> all;
  for (const int32_t partition : partitions) all.push_back({.partition = partition, .offset = found[partition]});
  co_return all;
}

// Settings of the topic that somebody has set, or all.
Task<Result<Json>> settings_of(TopicClient& client, std::string topic) {
  kafka::DescribeConfigsRequest request;
  request.resources.push_back(
      {.resource_type = kTopicResource, .resource_name = topic, .configuration_keys = std::nullopt});
  auto told = co_await client.call<kafka::DescribeConfigsResponse>(request);
  if (!told.ok()) co_return forward_error(told);
  Json settings = Json::object();
  for (const auto& result : told->results) {
    if (result.error_code != 0) co_return refused("topic " + topic, result.error_code, result.error_message);
    for (const auto& one : result.configs) {
      if (one.config_source == kSourceOfTopic) settings[one.name] = one.value ? Json(*one.value) : Json();
    }
  }
  co_return settings;
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

}  // namespace

Task<Result<std::vector<PartitionOffset>>> offsets_at(TopicClient& client, std::string topic,
                                                      std::vector<int32_t> partitions, StartPoint point,
                                                      bool read_committed) {
  auto found = co_await list_offsets(client, topic, partitions, time_of(point), read_committed);
  if (!found.ok()) co_return forward_error(found);
  if (point.kind == StartPoint::Kind::kOffset) {
    for (PartitionOffset& one : *found) one.offset = point.number;
  }
  const bool has_gaps = std::ranges::any_of(*found, [](const PartitionOffset& one) { return one.offset < 0; });
  if (!has_gaps) co_return found;
  auto ends = co_await list_offsets(client, topic, partitions, kLatestTime, read_committed);
  if (!ends.ok()) co_return forward_error(ends);
  for (size_t i = 0; i < found->size(); ++i) {
    if ((*found)[i].offset < 0) (*found)[i].offset = (*ends)[i].offset;
  }
  co_return found;
}

Task<Result<std::vector<int32_t>>> partitions_of(TopicClient& client, std::string topic, std::optional<int32_t> only) {
  auto told = co_await client.topic(topic);
  if (!told.ok()) co_return forward_error(told);
  std::vector<int32_t> all;
  for (const auto& part : told->partitions) {
    if (!only || *only == part.partition_index) all.push_back(part.partition_index);
  }
  if (all.empty()) {
    co_return fail(TopicClientErrc::kUsage, "topic " + topic + " has no partition " + std::to_string(only.value_or(0)) +
                                                "; it has " + std::to_string(told->partitions.size()));
  }
  co_return all;
}

Task<Status> topic_create(TopicStage stage) {
  const TopicOptions& options = stage.options;
  kafka::CreateTopicsRequest request{.timeout_ms = kTimeoutMs};
  kafka::CreateTopicsRequestTopic& topic = request.topics.emplace_back();
  topic.name = options.topic;
  topic.num_partitions = options.partitions.value_or(-1);
  topic.replication_factor = -1;
  for (const auto& [name, value] : options.settings) topic.configs.push_back({.name = name, .value = value});
  auto told = co_await stage.client.call_controller<kafka::CreateTopicsResponse>(
      request, [](const kafka::CreateTopicsResponse& answer) { return first_error(answer.topics); });
  if (!told.ok()) co_return forward_error(told);
  for (const auto& one : told->topics) {
    if (one.error_code == kTopicExists && options.if_not_exists) continue;
    if (one.error_code != 0) co_return refused("topic " + options.topic, one.error_code, one.error_message);
  }
  co_return Status();
}

Task<Status> topic_list(TopicStage stage) {
  kafka::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  auto told = co_await stage.client.call<kafka::MetadataResponse>(request);
  if (!told.ok()) co_return forward_error(told);
  std::ranges::sort(told->topics, {}, [](const auto& one) { return one.name.value_or(""); });
  size_t width = 0;
  for (const auto& one : told->topics) width = std::max(width, one.name.value_or("").size());
  for (const auto& one : told->topics) {
    const std::string name = one.name.value_or("");
    const Status printed = stage.options.as_json
                               ? print_json({{"topic", name}, {"partitions", one.partitions.size()}})
                               : print_line(padded(name, width) + "  " + std::to_string(one.partitions.size()) +
                                            (one.partitions.size() == 1 ? " partition" : " partitions"));
    if (!printed.ok()) co_return printed;
  }
  co_return Status();
}

Task<Status> topic_describe(TopicStage stage) {
  const std::string& name = stage.options.topic;
  auto told = co_await stage.client.topic(name);
  if (!told.ok()) co_return forward_error(told);
  std::vector<int32_t> partitions;
  for (const auto& part : told->partitions) partitions.push_back(part.partition_index);
  auto starts = co_await list_offsets(stage.client, name, partitions, kEarliestTime, false);
  if (!starts.ok()) co_return forward_error(starts);
  auto ends = co_await list_offsets(stage.client, name, partitions, kLatestTime, false);
  if (!ends.ok()) co_return forward_error(ends);
  auto settings = co_await settings_of(stage.client, name);
  if (!settings.ok()) co_return forward_error(settings);
  if (stage.options.as_json) {
    Json all{{"topic", name}, {"settings", *settings}, {"partitions", Json::array()}};
    for (size_t i = 0; i < partitions.size(); ++i) {
      all["partitions"].push_back({{"partition", partitions[i]},
                                   {"leader", told->partitions[i].leader_id},
                                   {"start", (*starts)[i].offset},
                                   {"end", (*ends)[i].offset}});
    }
    co_return print_json(all);
  }
  std::string text = "topic " + name + "\n";
  for (const auto& [key, value] : settings->items()) {
    text += "  " + key + " = " + (value.is_string() ? value.get<std::string>() : "(not told)") + "\n";
  }
  for (size_t i = 0; i < partitions.size(); ++i) {
    const int64_t start = (*starts)[i].offset, end = (*ends)[i].offset;
    text += "partition " + std::to_string(partitions[i]) + ": offsets " + std::to_string(start) + " to " +
            std::to_string(end) + " (" + std::to_string(end - start) + ")\n";
  }
  text.pop_back();
  co_return print_line(text);
}

Task<Status> topic_delete(TopicStage stage) {
  kafka::DeleteTopicsRequest request{.timeout_ms = kTimeoutMs};
  request.topic_names.push_back(stage.options.topic);
  auto told = co_await stage.client.call_controller<kafka::DeleteTopicsResponse>(
      request, [](const kafka::DeleteTopicsResponse& answer) { return first_error(answer.topics); },
      kDeleteTopicsVersionMax);
  if (!told.ok()) co_return forward_error(told);
  for (const auto& one : told->topics) {
    if (one.error_code == kUnknownTopic && stage.options.if_exists) continue;
    if (one.error_code != 0) co_return refused("topic " + stage.options.topic, one.error_code, one.error_message);
  }
  co_return Status();
}

Task<Status> topic_alter(TopicStage stage) {
  const TopicOptions& options = stage.options;
  if (!options.partitions && options.settings.empty()) {
    co_return fail(TopicClientErrc::kUsage, "say what to change: --partitions, --set or --unset");
  }
  if (!options.settings.empty()) {
    kafka::IncrementalAlterConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = kTopicResource;
    resource.resource_name = options.topic;
    for (const auto& [name, value] : options.settings) {
      resource.configs.push_back({.name = name, .config_operation = value ? kSet : kUnset, .value = value});
    }
    auto told = co_await stage.client.call_controller<kafka::IncrementalAlterConfigsResponse>(
        request, [](const kafka::IncrementalAlterConfigsResponse& answer) { return first_error(answer.responses); });
    if (!told.ok()) co_return forward_error(told);
    for (const auto& one : told->responses) {
      if (one.error_code != 0) co_return refused("topic " + options.topic, one.error_code, one.error_message);
    }
  }
  if (options.partitions) {
    kafka::CreatePartitionsRequest request{.timeout_ms = kTimeoutMs};
    request.topics.push_back({.name = options.topic, .count = *options.partitions, .assignments = std::nullopt});
    auto told = co_await stage.client.call_controller<kafka::CreatePartitionsResponse>(
        request, [](const kafka::CreatePartitionsResponse& answer) { return first_error(answer.topics); });
    if (!told.ok()) co_return forward_error(told);
    for (const auto& one : told->topics) {
      if (one.error_code != 0) co_return refused("topic " + options.topic, one.error_code, one.error_message);
    }
  }
  co_return Status();
}

}  // namespace keelson::cli
