// Rules for names of topics, and what handlers want to know of a topic's configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/topic/answer.h"

namespace keelson::kafka {

// Kafka's rules (org.apache.kafka.common.internals.Topic): 1 to 249 of letters, digits, '.', '_' and '-', and neither
// "." nor "..". Empty: the name is good; else what is wrong with it.
[[nodiscard]] std::string_view wrong_with_name(std::string_view name);

// The value that was set for the topic; none: the default holds.
[[nodiscard]] std::optional<std::string_view> config_of(const topic::TopicInfo& topic, std::string_view name);
[[nodiscard]] bool is_compacted(const topic::TopicInfo& topic);
// Nothing but compaction removes its records.
[[nodiscard]] bool is_only_compacted(const topic::TopicInfo& topic);

// As Kafka writes UUIDs: 22 characters of base64url, without padding.
[[nodiscard]] std::string uuid_text(const topic::TopicId& id);

}  // namespace keelson::kafka
