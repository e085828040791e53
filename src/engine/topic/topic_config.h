// The settings of a topic: Kafka's (kafka.apache.org, "Topic Configs", 4.0), each with its default, type, what is
// allowed, and what people are told. One table: the engine, DescribeConfigs and docs/topic.md have it from here.
//
// What does not fit this house is said in the table: some settings may be set and have no effect, because what they
// tune is not there; others, whose absence a client would notice, take their default alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/topic/types.h"

namespace keelson::topic {

// As Kafka's DescribeConfigs numbers them.
enum class ConfigType : uint8_t { kBoolean = 1, kString = 2, kInt = 3, kLong = 5, kDouble = 6, kList = 7 };
enum class ConfigEffect : uint8_t {
  kWorks,
  kNone,     // may be set; changes nothing here
  kDefault,  // takes no other value than the default
};

struct ConfigSpec {
  std::string_view name;
  ConfigType type = ConfigType::kString;
  ConfigEffect effect = ConfigEffect::kWorks;
  std::string_view default_value;
  // Of numbers, both included.
  double min = 0;
  double max = 0;
  // Of strings and lists: the words that are allowed, with commas; empty: any.
  std::string_view words;
  std::string_view doc;
  // The broker's setting that has the same meaning for all topics (Kafka's synonyms).
  std::string_view broker_name;
};

// By name, ascending.
[[nodiscard]] std::span<const ConfigSpec> topic_configs();
[[nodiscard]] const ConfigSpec* find_topic_config(std::string_view name);

// What is wrong with the value, for people; none: nothing.
[[nodiscard]] std::optional<std::string> check_topic_config(std::string_view name, std::string_view value);

// A topic's settings in force, as the engine uses them.
struct TopicConfig {
  bool deletes = true;    // cleanup.policy has delete
  bool compacts = false;  // it has compact
  bool is_log_append_time = false;
  uint32_t message_bytes_max = 0;
  int64_t retention_ms = 0;     // -1: for ever
  int64_t retention_bytes = 0;  // -1: any
  uint32_t segment_bytes = 0;
  int64_t segment_ms = 0;
  uint32_t index_interval_bytes = 0;
  int64_t timestamp_before_max_ms = 0;
  int64_t timestamp_after_max_ms = 0;
  int64_t delete_retention_ms = 0;
  double cleanable_ratio_min = 0;
  int64_t compaction_lag_min_ms = 0;
  int64_t compaction_lag_max_ms = 0;
};

// Settings that check_topic_config() let through, on top of the defaults. The house's own defaults (`broker`), if there
// are any, stand between.
[[nodiscard]] TopicConfig make_topic_config(const Pairs& set, const Pairs& broker = {});

}  // namespace keelson::topic
