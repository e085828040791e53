// DescribeConfigs, AlterConfigs, IncrementalAlterConfigs. Topics' settings change; the node's come from its own
// configuration and are told alone.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/topic/topic_config.h"
#include "protocol/kafka/config_answers.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/alter_configs.h"
#include "protocol/kafka/messages/describe_configs.h"
#include "protocol/kafka/messages/incremental_alter_configs.h"
#include "protocol/kafka/service.h"
#include "protocol/kafka/topic_names.h"

namespace keelson::kafka {

namespace {

using topics::Asked;
using topics::Topics;

// org.apache.kafka.common.config.ConfigResource.Type.
constexpr int8_t kTopicResource = 2;
constexpr int8_t kBrokerResource = 4;
// org.apache.kafka.clients.admin.AlterConfigOp.OpType.
constexpr int8_t kSet = 0;
constexpr int8_t kDelete = 1;
constexpr int8_t kAppend = 2;
constexpr int8_t kSubtract = 3;

struct Verdict {
  ErrorCode error = ErrorCode::kNone;
  std::string reason;
};

std::optional<std::string> message_of(Verdict& verdict) {
  if (verdict.error == ErrorCode::kNone) return std::nullopt;
  return verdict.reason.empty() ? std::string(error_text(verdict.error)) : std::move(verdict.reason);
}

struct FoundTopic {
  Verdict verdict{};
  Topics::TopicPointer topic{};
};

Task<FoundTopic> find(Call& call, std::string name, AclOperation operation) {
  if (const std::string_view wrong = wrong_with_name(name); !wrong.empty()) {
    co_return FoundTopic{.verdict = {ErrorCode::kInvalidTopicException, std::string(wrong)}};
  }
  if (!call.may(operation, ResourceType::kTopic, name)) {
    co_return FoundTopic{.verdict = {ErrorCode::kTopicAuthorizationFailed, {}}};
  }
  Topics::Found found = co_await call.topics().find_topic(call.here(), std::move(name));
  if (found.topic == nullptr) {
    co_return FoundTopic{.verdict = {error_of(found, ErrorCode::kUnknownTopicOrPartition), {}}};
  }
  co_return FoundTopic{.topic = std::move(found.topic)};
}

// ---- DescribeConfigs.

Task<Verdict> describe(Call& call, const DescribeConfigsRequest::Resource& wanted, const ConfigWish& wish,
                       DescribeConfigsResponse::Result& out) {
  const KafkaOptions& options = call.service().options();
  const std::string name(wanted.resource_name);
  if (wanted.resource_type == kTopicResource) {
    FoundTopic found = co_await find(call, name, AclOperation::kDescribeConfigs);
    if (found.topic != nullptr) out.configs = topic_configs_told(*found.topic, wish);
    co_return std::move(found.verdict);
  }
  if (wanted.resource_type != kBrokerResource) {
    co_return Verdict{ErrorCode::kInvalidRequest, "topics (2) and the broker (4) have configurations"};
  }
  if (!call.may(AclOperation::kDescribeConfigs, ResourceType::kCluster, kClusterName)) {
    co_return Verdict{ErrorCode::kClusterAuthorizationFailed, {}};
  }
  const std::string node = std::to_string(options.node_id);
  if (!name.empty() && name != node) {
    co_return Verdict{ErrorCode::kInvalidRequest,
                      "Unexpected broker id, expected " + node + " or empty string, but received " + name};
  }
  // Without a name: what was set for all brokers while they run, which is nothing.
  const int16_t replicas = call.service().brokers_for(call.session()).replicas_default();
  if (!name.empty()) out.configs = node_configs_told(options, replicas, wish);
  co_return Verdict{};
}

Task<void> handle_describe_configs(Call& call) {
  DescribeConfigsRequest request;
  if (!call.decode(request)) co_return;
  DescribeConfigsResponse response;
  for (const DescribeConfigsRequest::Resource& wanted : request.resources) {
    DescribeConfigsResponse::Result& out = response.results.emplace_back();
    out.resource_type = wanted.resource_type;
    out.resource_name = std::string(wanted.resource_name);
    const ConfigWish wish{.keys = wanted.configuration_keys,
                          .with_synonyms = request.include_synonyms,
                          .with_documentation = request.include_documentation};
    Verdict verdict = co_await describe(call, wanted, wish, out);
    out.error_code = number(verdict.error);
    out.error_message = message_of(verdict);
  }
  call.respond(response);
}

// ---- Changes.

Verdict refused(int8_t type) {
  if (type == kBrokerResource) {
    return {ErrorCode::kInvalidRequest,
            "The node's settings come from its file, environment and flags, and cannot be changed by clients."};
  }
  return {ErrorCode::kInvalidRequest, "topics (2) have configurations that can be changed"};
}

// Sends what is to be changed of a topic, after a look at every value.
Task<Verdict> configure(Call& call, const topic::TopicInfo& topic, topic::ConfigureTopic change, bool validate_only) {
  for (const auto& [name, value] : change.set) {
    if (std::optional<std::string> why = topic::check_topic_config(name, value)) {
      co_return Verdict{ErrorCode::kInvalidConfig, std::move(*why)};
    }
  }
  if (validate_only || (change.set.empty() && change.remove.empty())) co_return Verdict{};
  change.id = topic.id;
  const Asked asked = co_await call.topics().ask_all(call.here(), change);
  co_return Verdict{error_of_change(asked), asked.answer.reason};
}

// As it is to be: what is not named goes back to its default.
Task<Verdict> replace(Call& call, const AlterConfigsRequest::Resource& wanted, bool validate_only) {
  if (wanted.resource_type != kTopicResource) co_return refused(wanted.resource_type);
  FoundTopic found = co_await find(call, std::string(wanted.resource_name), AclOperation::kAlterConfigs);
  if (found.topic == nullptr) co_return std::move(found.verdict);
  topic::ConfigureTopic change;
  for (const AlterConfigsRequest::Config& config : wanted.configs) {
    if (!config.value) {
      co_return Verdict{ErrorCode::kInvalidRequest, "Null value not supported for : " + std::string(config.name)};
    }
    change.set.emplace_back(config.name, *config.value);
  }
  for (const auto& [name, value] : found.topic->configs) {
    const bool stays = std::ranges::any_of(change.set, [&](const auto& pair) { return pair.first == name; });
    if (!stays) change.remove.push_back(name);
  }
  co_return co_await configure(call, *found.topic, std::move(change), validate_only);
}

Task<void> handle_alter_configs(Call& call) {
  AlterConfigsRequest request;
  if (!call.decode(request)) co_return;
  AlterConfigsResponse response;
  for (const AlterConfigsRequest::Resource& wanted : request.resources) {
    AlterConfigsResponse::Response& out = response.responses.emplace_back();
    out.resource_type = wanted.resource_type;
    out.resource_name = std::string(wanted.resource_name);
    Verdict verdict = co_await replace(call, wanted, request.validate_only);
    out.error_code = number(verdict.error);
    out.error_message = message_of(verdict);
  }
  call.respond(response);
}

// A list's words, without the spaces around them.
std::vector<std::string_view> words_of(std::string_view list) {
  std::vector<std::string_view> words;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view word = list.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    if (!word.empty()) words.push_back(word);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return words;
}

std::string changed_list(std::string_view list, std::string_view by, bool is_append) {
  std::vector<std::string_view> words = words_of(list);
  for (std::string_view word : words_of(by)) {
    const auto found = std::ranges::find(words, word);
    if (is_append && found == words.end()) words.push_back(word);
    if (!is_append && found != words.end()) words.erase(found);
  }
  std::string text;
  for (std::string_view word : words) text.append(text.empty() ? "" : ",").append(word);
  return text;
}

// One step of an incremental change.
Verdict take(const topic::TopicInfo& topic, const IncrementalAlterConfigsRequest::Config& config,
             topic::ConfigureTopic& change) {
  const std::string name(config.name);
  const topic::ConfigSpec* spec = topic::find_topic_config(name);
  if (spec == nullptr) return {ErrorCode::kInvalidConfig, "Unknown topic config name: " + name};
  if (config.config_operation == kDelete) {
    change.remove.push_back(name);
    return {};
  }
  if (!config.value) return {ErrorCode::kInvalidRequest, "Null value not supported for : " + name};
  if (config.config_operation == kSet) {
    change.set.emplace_back(name, *config.value);
    return {};
  }
  if (config.config_operation != kAppend && config.config_operation != kSubtract) {
    return {ErrorCode::kInvalidRequest, "the operation must be 0 to 3"};
  }
  if (spec->type != topic::ConfigType::kList) {
    return {ErrorCode::kInvalidConfig, "Config value append is not allowed for config key: " + name};
  }
  const std::string_view now = config_of(topic, name).value_or(spec->default_value);
  change.set.emplace_back(name, changed_list(now, *config.value, config.config_operation == kAppend));
  return {};
}

Task<Verdict> change(Call& call, const IncrementalAlterConfigsRequest::Resource& wanted, bool validate_only) {
  if (wanted.resource_type != kTopicResource) co_return refused(wanted.resource_type);
  FoundTopic found = co_await find(call, std::string(wanted.resource_name), AclOperation::kAlterConfigs);
  if (found.topic == nullptr) co_return std::move(found.verdict);
  topic::ConfigureTopic changes;
  std::map<std::string_view, int> times;
  for (const IncrementalAlterConfigsRequest::Config& config : wanted.configs) {
    if (++times[config.name] > 1) {
      co_return Verdict{ErrorCode::kInvalidRequest, "the request names a configuration twice"};
    }
    if (Verdict verdict = take(*found.topic, config, changes); verdict.error != ErrorCode::kNone) co_return verdict;
  }
  co_return co_await configure(call, *found.topic, std::move(changes), validate_only);
}

Task<void> handle_incremental_alter_configs(Call& call) {
  IncrementalAlterConfigsRequest request;
  if (!call.decode(request)) co_return;
  IncrementalAlterConfigsResponse response;
  for (const IncrementalAlterConfigsRequest::Resource& wanted : request.resources) {
    IncrementalAlterConfigsResponse::Response& out = response.responses.emplace_back();
    out.resource_type = wanted.resource_type;
    out.resource_name = std::string(wanted.resource_name);
    Verdict verdict = co_await change(call, wanted, request.validate_only);
    out.error_code = number(verdict.error);
    out.error_message = message_of(verdict);
  }
  call.respond(response);
}

constexpr auto kRows = std::to_array<HandlerRow>({
    {ApiKey::kDescribeConfigs, handle_describe_configs},
    {ApiKey::kAlterConfigs, handle_alter_configs},
    {ApiKey::kIncrementalAlterConfigs, handle_incremental_alter_configs},
});

}  // namespace

std::span<const HandlerRow> config_handlers() { return kRows; }

}  // namespace keelson::kafka
