// Settings as Kafka's clients are told of them: of topics, by engine/topic/topic_config.h, and of the node, by
// KafkaOptions. Every one is listed, with its default: clients write back what they have read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/topic/answer.h"
#include "engine/topic/types.h"
#include "protocol/kafka/messages/create_topics.h"
#include "protocol/kafka/messages/describe_configs.h"
#include "protocol/kafka/service.h"

namespace keelson::kafka {

// org.apache.kafka.clients.admin.ConfigEntry.ConfigSource, by the protocol's numbers.
enum class ConfigSource : int8_t {
  kTopic = 1,
  kDynamicBroker = 2,
  kStaticBroker = 4,
  kDefault = 5,
};

struct ConfigWish {
  std::optional<std::vector<std::string_view>> keys;  // none: all
  bool with_synonyms = false;
  bool with_documentation = false;
  [[nodiscard]] bool wants(std::string_view name) const;
};

[[nodiscard]] std::vector<DescribeConfigsResponse::Config> topic_configs_told(const topic::TopicInfo& topic,
                                                                              const ConfigWish& wish);
[[nodiscard]] std::vector<DescribeConfigsResponse::Config> node_configs_told(const KafkaOptions& options,
                                                                             int16_t replicas, const ConfigWish& wish);
// Of a topic that was just made (or would be).
[[nodiscard]] std::vector<CreateTopicsResponse::Config> created_configs(const topic::Pairs& set);

}  // namespace keelson::kafka
