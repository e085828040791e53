#include "protocol/kafka/topic_names.h"

#include <algorithm>

#include "base/base64.h"

namespace keelson::kafka {

std::string_view wrong_with_name(std::string_view name) {
  if (name.empty()) return "the topic's name is empty";
  if (name == "." || name == "..") return "the topic's name cannot be . or ..";
  if (name.size() > topic::kTopicNameBytesMax) return "the topic's name is longer than 249 characters";
  const bool is_legal = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
  return is_legal ? std::string_view() : "the topic's name has characters other than letters, digits, '.', '_' and '-'";
}

std::optional<std::string_view> config_of(const topic::TopicInfo& topic, std::string_view name) {
  for (const auto& [key, value] : topic.configs) {
    if (key == name) return value;
  }
  return std::nullopt;
}

bool is_compacted(const topic::TopicInfo& topic) {
  const std::optional<std::string_view> policy = config_of(topic, "cleanup.policy");
  return policy && policy->find("compact") != std::string_view::npos;
}

bool is_only_compacted(const topic::TopicInfo& topic) {
  return is_compacted(topic) && config_of(topic, "cleanup.policy")->find("delete") == std::string_view::npos;
}

std::string uuid_text(const topic::TopicId& id) {
  return to_base64_url({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
}

}  // namespace keelson::kafka
