#include "protocol/kafka/config_answers.h"

#include <algorithm>
#include <utility>

#include "engine/topic/topic_config.h"
#include "protocol/kafka/topic_names.h"

namespace keelson::kafka {

namespace {

using topic::ConfigSpec;
using topic::ConfigType;

// One of the node's settings, under the name that Kafka's brokers have for it.
struct NodeConfig {
  std::string name;
  std::string value;
  std::string default_value;
  ConfigType type = ConfigType::kString;
  std::string documentation;
};

std::string truth(bool value) { return value ? "true" : "false"; }

std::vector<NodeConfig> node_configs(const KafkaOptions& options, int16_t replicas) {
  using enum ConfigType;
  const std::string node = std::to_string(options.node_id);
  const std::string advertised =
      options.advertised ? "PLAINTEXT://" + options.advertised->host + ":" + std::to_string(options.advertised->port)
                         : std::string();
  std::vector<NodeConfig> all = {
      {"advertised.listeners", advertised, "", kString,
       "Where clients are told to connect to: kafka.advertised-listener."},
      {"auto.create.topics.enable", truth(options.auto_create_topics), "true", kBoolean,
       "Whether a topic that a client names is made: kafka.auto-create-topics."},
      {"broker.id", node, "-1", kInt, "The node's number."},
      {"connections.max.idle.ms", std::to_string(options.connection_idle_ms), "600000", kLong,
       "A connection without traffic ends after this: kafka.connections-max-idle."},
      {"default.replication.factor", std::to_string(replicas), "1", kInt,
       "Replicas of everything: one, and in a cluster cluster.replicas."},
      {"delete.topic.enable", "true", "true", kBoolean, "Topics may be deleted."},
      {"fetch.max.bytes", std::to_string(options.fetch_bytes_max), "57671680", kInt,
       "The most that one fetch is answered with."},
      {"log.dirs", options.log_folder, "", kString, "Where segments lie."},
      {"max.connections", std::to_string(options.connections_max), "2147483647", kInt,
       "Connections at a time: kafka.max-connections."},
      {"node.id", node, "-1", kInt, "The node's number."},
      {"num.partitions", std::to_string(options.partitions_default), "1", kInt,
       "Partitions of topics whose creator does not say: kafka.num-partitions."},
      {"socket.request.max.bytes", std::to_string(options.frame_bytes_max), "104857600", kInt, "The largest request."},
  };
  for (const ConfigSpec& spec : topic::topic_configs()) {
    if (spec.broker_name.empty()) continue;
    const std::string value(spec.default_value);
    all.push_back({std::string(spec.broker_name), value, value, spec.type, std::string(spec.doc)});
  }
  std::ranges::sort(all, {}, &NodeConfig::name);
  return all;
}

}  // namespace

bool ConfigWish::wants(std::string_view name) const { return !keys || std::ranges::find(*keys, name) != keys->end(); }

std::vector<DescribeConfigsResponse::Config> topic_configs_told(const topic::TopicInfo& topic, const ConfigWish& wish) {
  std::vector<DescribeConfigsResponse::Config> told;
  for (const ConfigSpec& spec : topic::topic_configs()) {
    if (!wish.wants(spec.name)) continue;
    const std::optional<std::string_view> set = config_of(topic, spec.name);
    DescribeConfigsResponse::Config& out = told.emplace_back();
    out.name = std::string(spec.name);
    out.value = std::string(set.value_or(spec.default_value));
    out.is_default = !set;
    out.config_source = static_cast<int8_t>(set ? ConfigSource::kTopic : ConfigSource::kDefault);
    out.config_type = static_cast<int8_t>(spec.type);
    if (wish.with_documentation) out.documentation = std::string(spec.doc);
    if (!wish.with_synonyms) continue;
    if (set) {
      out.synonyms.push_back({out.name, std::string(*set), static_cast<int8_t>(ConfigSource::kTopic)});
    }
    const std::string_view broker_name = spec.broker_name.empty() ? spec.name : spec.broker_name;
    out.synonyms.push_back(
        {std::string(broker_name), std::string(spec.default_value), static_cast<int8_t>(ConfigSource::kDefault)});
  }
  return told;
}

std::vector<DescribeConfigsResponse::Config> node_configs_told(const KafkaOptions& options, int16_t replicas,
                                                               const ConfigWish& wish) {
  std::vector<DescribeConfigsResponse::Config> told;
  for (NodeConfig& config : node_configs(options, replicas)) {
    if (!wish.wants(config.name)) continue;
    const bool is_default = config.value == config.default_value;
    const auto source = static_cast<int8_t>(is_default ? ConfigSource::kDefault : ConfigSource::kStaticBroker);
    DescribeConfigsResponse::Config& out = told.emplace_back();
    out.name = config.name;
    out.value = config.value;
    out.read_only = true;
    out.is_default = is_default;
    out.config_source = source;
    out.config_type = static_cast<int8_t>(config.type);
    if (wish.with_documentation) out.documentation = std::move(config.documentation);
    if (!wish.with_synonyms) continue;
    if (!is_default) out.synonyms.push_back({config.name, config.value, source});
    out.synonyms.push_back({config.name, config.default_value, static_cast<int8_t>(ConfigSource::kDefault)});
  }
  return told;
}

std::vector<CreateTopicsResponse::Config> created_configs(const topic::Pairs& set) {
  std::vector<CreateTopicsResponse::Config> told;
  for (const ConfigSpec& spec : topic::topic_configs()) {
    const auto found = std::ranges::find(set, spec.name, [](const auto& pair) { return std::string_view(pair.first); });
    const bool is_set = found != set.end();
    told.push_back({.name = std::string(spec.name),
                    .value = is_set ? found->second : std::string(spec.default_value),
                    .read_only = false,
                    .config_source = static_cast<int8_t>(is_set ? ConfigSource::kTopic : ConfigSource::kDefault),
                    .is_sensitive = false});
  }
  return told;
}

}  // namespace keelson::kafka
