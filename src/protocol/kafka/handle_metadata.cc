// ApiVersions, Metadata, DescribeCluster, DescribeTopicPartitions: what a client asks before it begins.
#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "protocol/kafka/creation.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/api_versions.h"
#include "protocol/kafka/messages/describe_cluster.h"
#include "protocol/kafka/messages/describe_topic_partitions.h"
#include "protocol/kafka/messages/metadata.h"
#include "protocol/kafka/operations.h"
#include "protocol/kafka/service.h"
#include "protocol/kafka/topic_names.h"

namespace keelson::kafka {

namespace {

using topics::Topics;

// Topics of one question to a shard.
constexpr uint32_t kListedAtOnce = 1000;
// Metadata has an error for the whole of it from this version on.
constexpr int16_t kErrorFrom = 13;

bool is_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

Task<void> handle_api_versions(Call& call) {
  ApiVersionsResponse response;
  const bool is_served = find_api(static_cast<int16_t>(ApiKey::kApiVersions))->serves(call.version());
  ApiVersionsRequest request;
  if (!is_served) {
    // In the one shape that every client can read, with the versions that it should have asked for (KIP-511).
    response.error_code = number(ErrorCode::kUnsupportedVersion);
  } else if (!call.decode(request)) {
    co_return;
  } else if (call.version() >= 3 &&
             (!is_word(request.client_software_name) || !is_word(request.client_software_version))) {
    response.error_code = number(ErrorCode::kInvalidRequest);
  }
  for (const ApiRow& row : api_table()) {
    if (!row.is_served || find_handler(row.key) == nullptr) continue;
    response.api_keys.push_back({static_cast<int16_t>(row.key), row.version_min, row.version_max});
  }
  call.begin_answer(is_served ? call.version() : int16_t{0});
  encode(call.out(), is_served ? call.version() : int16_t{0}, response);
  call.end_answer();
}

std::optional<std::string> rack_of(const Broker& broker) {
  return broker.rack.empty() ? std::nullopt : std::optional(broker.rack);
}

// Who has the partitions of one answer. Each shard is looked up once: it has many of them, and all are told the same.
class Places {
 public:
  explicit Places(Call& call)
      : topics_(call.topics()),
        brokers_(call.service().brokers_for(call.session())),
        by_shard_(topics_.router().shard_count()) {}
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  [[nodiscard]] const Brokers& brokers() const { return brokers_; }

  // In the fields that both messages have.
  template <class Partition>
  void place(const topic::TopicInfo& topic, int32_t index, Partition& out) {
    const shard::ShardId shard = topics_.shard_of({topic.id, index});
    std::optional<Brokers::Placing>& placed = by_shard_[shard - topics_.router().first_shard()];
    if (!placed) placed = brokers_.placing(shard);
    out.leader_id = placed->leader == nullptr ? -1 : placed->leader->id;
    out.leader_epoch = placed->leader == nullptr ? -1 : 0;
    out.replica_nodes = placed->replicas;
    out.isr_nodes = placed->in_sync;
    if (placed->leader == nullptr) out.error_code = number(ErrorCode::kLeaderNotAvailable);
  }

 private:
  Topics& topics_;
  const Brokers brokers_;
  std::vector<std::optional<Brokers::Placing>> by_shard_;  // by its number within the service
};

MetadataResponse::Topic described(Call& call, Places& places, const topic::TopicInfo& topic, bool with_operations) {
  MetadataResponse::Topic out;
  out.name = topic.name;
  out.topic_id = topic.id;
  out.is_internal = topic.is_internal;
  for (int32_t i = 0; i < topic.partition_count; ++i) {
    MetadataResponse::Partition& partition = out.partitions.emplace_back();
    partition.partition_index = i;
    places.place(topic, i, partition);
  }
  if (with_operations) out.topic_authorized_operations = allowed_operations(call, ResourceType::kTopic, topic.name);
  return out;
}

// Ends the connection: an answer without some of the topics would say that there are none.
void give_up(Call& call) {
  call.respond_nothing();
  call.session().kill();
}

// Every topic, by name. False: a shard could not be asked.
Task<bool> list_topics(Call& call, std::vector<topic::TopicInfo>& into) {
  topic::ListTopics question{.count_max = kListedAtOnce};
  for (;;) {
    topics::Asked asked = co_await call.topics().ask(call.here(), call.topics().nearest_shard(call.here()), question);
    if (!asked.ok()) co_return false;
    for (topic::TopicInfo& topic : asked.answer.topics) into.push_back(std::move(topic));
    if (!asked.answer.is_truncated || into.empty()) co_return true;
    question.after = into.back().name;
  }
}

Task<void> describe_all(Call& call, Places& places, const MetadataRequest& request, MetadataResponse& response) {
  std::vector<topic::TopicInfo> all;
  if (!co_await list_topics(call, all)) {
    response.error_code = number(ErrorCode::kLeaderNotAvailable);
    co_return;
  }
  for (const topic::TopicInfo& topic : all) {
    if (!call.may(AclOperation::kDescribe, ResourceType::kTopic, topic.name)) continue;
    response.topics.push_back(described(call, places, topic, request.include_topic_authorized_operations));
  }
}

Task<void> describe_one(Call& call, Places& places, const MetadataRequest& request,
                        const MetadataRequest::Topic& wanted, MetadataResponse& response) {
  MetadataResponse::Topic missing;
  const bool is_by_id = !wanted.name && call.version() >= 10;
  if (is_by_id) {
    missing.topic_id = wanted.topic_id;
    const Topics::Found found = co_await call.topics().find_topic(call.here(), wanted.topic_id);
    if (found.topic != nullptr && call.may(AclOperation::kDescribe, ResourceType::kTopic, found.topic->name)) {
      response.topics.push_back(described(call, places, *found.topic, request.include_topic_authorized_operations));
      co_return;
    }
    const bool is_known = found.outcome == log::LogErrc::kOk;
    missing.error_code = number(is_known ? ErrorCode::kUnknownTopicId : ErrorCode::kLeaderNotAvailable);
    if (call.version() < 12) missing.name = "";
    response.topics.push_back(std::move(missing));
    co_return;
  }
  const std::string name(wanted.name.value_or(std::string_view()));
  missing.name = name;
  if (!call.may(AclOperation::kDescribe, ResourceType::kTopic, name)) {
    missing.error_code = number(ErrorCode::kTopicAuthorizationFailed);
    response.topics.push_back(std::move(missing));
    co_return;
  }
  // Before version 4 a client that asks for a topic wants it.
  const bool may_make = call.version() < 4 || request.allow_auto_topic_creation;
  const FoundOrMade found = co_await find_or_make(call, name, may_make);
  if (found.topic != nullptr) {
    response.topics.push_back(described(call, places, *found.topic, request.include_topic_authorized_operations));
    co_return;
  }
  missing.error_code = number(found.error);
  response.topics.push_back(std::move(missing));
}

Task<void> handle_metadata(Call& call) {
  MetadataRequest request;
  if (!call.decode(request)) co_return;
  MetadataResponse response;
  Places places(call);
  for (const Broker& broker : places.brokers().all()) {
    response.brokers.push_back(
        {.node_id = broker.id, .host = broker.at.host, .port = broker.at.port, .rack = rack_of(broker)});
  }
  response.cluster_id = call.service().options().cluster_id;
  response.controller_id = places.brokers().controller();
  // No list: all topics. In version 0 an empty one says the same.
  const bool wants_all = !request.topics || (call.version() == 0 && request.topics->empty());
  if (wants_all) {
    co_await describe_all(call, places, request, response);
    if (response.error_code != 0 && call.version() < kErrorFrom) {
      give_up(call);
      co_return;
    }
  } else {
    for (const MetadataRequest::Topic& wanted : *request.topics) {
      co_await describe_one(call, places, request, wanted, response);
    }
  }
  if (request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = allowed_operations(call, ResourceType::kCluster, kClusterName);
  }
  call.respond(response);
}

Task<void> handle_describe_cluster(Call& call) {
  DescribeClusterRequest request;
  if (!call.decode(request)) co_return;
  DescribeClusterResponse response;
  const Brokers brokers = call.service().brokers_for(call.session());
  response.cluster_id = call.service().options().cluster_id;
  if (request.endpoint_type != 1) {
    // 2: the controllers of KRaft, which are no nodes of their own here.
    response.error_code =
        number(request.endpoint_type == 2 ? ErrorCode::kUnsupportedVersion : ErrorCode::kInvalidRequest);
    response.error_message = "only the brokers' endpoints can be described";
    response.endpoint_type = request.endpoint_type;
  } else {
    response.controller_id = brokers.controller();
    for (const Broker& broker : brokers.all()) {
      response.brokers.push_back(
          {.broker_id = broker.id, .host = broker.at.host, .port = broker.at.port, .rack = rack_of(broker)});
    }
  }
  if (request.include_cluster_authorized_operations) {
    response.cluster_authorized_operations = allowed_operations(call, ResourceType::kCluster, kClusterName);
  }
  call.respond(response);
  co_return;
}

// ---- DescribeTopicPartitions (KIP-966): pages of partitions, topics in the order of their names.

using Described = DescribeTopicPartitionsResponse;

// Appends partitions from `first` on, while there is room. True: all of them.
bool add_partitions(Call& call, Places& places, const topic::TopicInfo& topic, int32_t first, int32_t& room,
                    Described& response) {
  Described::Topic& out = response.topics.emplace_back();
  out.name = topic.name;
  out.topic_id = topic.id;
  out.is_internal = topic.is_internal;
  out.topic_authorized_operations = allowed_operations(call, ResourceType::kTopic, topic.name);
  for (int32_t i = first; i < topic.partition_count; ++i, --room) {
    if (room == 0) {
      Described::Cursor& next = response.next_cursor.emplace();
      next.topic_name = topic.name;
      next.partition_index = i;
      return false;
    }
    Described::Partition& partition = out.partitions.emplace_back();
    partition.partition_index = i;
    places.place(topic, i, partition);
    partition.eligible_leader_replicas.emplace();
    partition.last_known_elr.emplace();
  }
  return true;
}

Task<void> handle_describe_topic_partitions(Call& call) {
  constexpr int32_t kPartitionsMax = 2000;  // max.request.partition.size.limit
  DescribeTopicPartitionsRequest request;
  if (!call.decode(request)) co_return;
  Described response;
  Places places(call);
  std::set<std::string> names;
  for (const auto& topic : request.topics) names.emplace(topic.name);
  if (request.topics.empty()) {
    std::vector<topic::TopicInfo> all;
    if (!co_await list_topics(call, all)) {
      give_up(call);
      co_return;
    }
    for (topic::TopicInfo& topic : all) names.insert(std::move(topic.name));
  }
  int32_t room = std::clamp(request.response_partition_limit, 1, kPartitionsMax);
  int32_t first = 0;
  if (request.cursor) {
    const std::string from(request.cursor->topic_name);
    names.erase(names.begin(), names.lower_bound(from));
    if (names.contains(from)) first = std::max(request.cursor->partition_index, 0);
  }
  for (const std::string& name : names) {
    const bool may = call.may(AclOperation::kDescribe, ResourceType::kTopic, name);
    if (!may && request.topics.empty()) continue;
    const Topics::Found found = may ? co_await call.topics().find_topic(call.here(), name) : Topics::Found{};
    if (found.topic != nullptr) {
      if (room == 0) {
        Described::Cursor& next = response.next_cursor.emplace();
        next.topic_name = name;
        next.partition_index = 0;
        break;
      }
      if (!add_partitions(call, places, *found.topic, std::exchange(first, 0), room, response)) break;
      continue;
    }
    Described::Topic& missing = response.topics.emplace_back();
    missing.name = name;
    missing.error_code = number(may ? ErrorCode::kUnknownTopicOrPartition : ErrorCode::kTopicAuthorizationFailed);
    if (may && !wrong_with_name(name).empty()) missing.error_code = number(ErrorCode::kInvalidTopicException);
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({
    {ApiKey::kApiVersions, handle_api_versions},
    {ApiKey::kMetadata, handle_metadata},
    {ApiKey::kDescribeCluster, handle_describe_cluster},
    {ApiKey::kDescribeTopicPartitions, handle_describe_topic_partitions},
});

}  // namespace

std::span<const HandlerRow> metadata_handlers() { return kRows; }

}  // namespace keelson::kafka
