#include "engine/topic/directory.h"

#include <algorithm>
#include <utility>

#include "engine/topic/body_codec.h"

namespace keelson::topic {

static void fields_of(auto& visit, Is<TopicInfo> auto& b) {
  visit(b.id, b.name, b.partition_count, b.configs, b.is_internal, b.created_ms);
}
static void fields_of(auto& visit, Is<Document> auto& b) { visit(b.key, b.value, b.version); }

namespace {

void refuse(Answer& answer, TopicErrc error, std::string reason = {}) {
  answer.error = error;
  answer.reason = std::move(reason);
}

bool are_configs_good(const Pairs& configs, Answer& answer) {
  for (const auto& [name, value] : configs) {
    if (auto why = check_topic_config(name, value); why) {
      refuse(answer, TopicErrc::kInvalidConfig, std::move(*why));
      return false;
    }
  }
  return true;
}

void set_pair(Pairs& pairs, const std::string& name, const std::string& value) {
  const auto found = std::ranges::find(pairs, name, &Pairs::value_type::first);
  if (found == pairs.end()) {
    pairs.emplace_back(name, value);
  } else {
    found->second = value;
  }
}

}  // namespace

bool is_topic_name(std::string_view name) {
  if (name.empty() || name.size() > kTopicNameBytesMax || name == "." || name == "..") return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

void Directory::create(const engine::ApplyContext& context, const CreateTopic& body, Answer& answer) {
  if (body.id.is_none() || !is_topic_name(body.name)) return refuse(answer, TopicErrc::kInvalid);
  if (by_name_.contains(body.name) || topics_.contains(body.id)) {
    return refuse(answer, TopicErrc::kTopicExists, "Topic '" + body.name + "' already exists.");
  }
  if (body.partition_count < 1 || body.partition_count > kPartitionsMax) {
    return refuse(answer, TopicErrc::kInvalidPartitions,
                  "Number of partitions must be from 1 to " + std::to_string(kPartitionsMax) + ".");
  }
  if (topics_.size() >= kTopicsMax) {
    return refuse(answer, TopicErrc::kInvalid, "There are " + std::to_string(kTopicsMax) + " topics already.");
  }
  if (!are_configs_good(body.configs, answer)) return;
  auto topic = std::make_unique<Topic>();
  TopicInfo& info = topic->info;
  info.id = body.id;
  info.name = body.name;
  info.partition_count = body.partition_count;
  for (const auto& [name, value] : body.configs) set_pair(info.configs, name, value);
  std::ranges::sort(info.configs);
  info.is_internal = body.is_internal;
  info.created_ms = context.time_ms;
  topic->config = make_topic_config(info.configs);
  answer.topics.push_back(info);
  by_name_[body.name] = topic.get();
  topics_[body.id] = std::move(topic);
}

bool Directory::remove(const DeleteTopic& body, Answer& answer) {
  const auto found = topics_.find(body.id);
  if (found == topics_.end()) {
    refuse(answer, TopicErrc::kUnknownTopic);
    return false;
  }
  by_name_.erase(found->second->info.name);
  topics_.erase(found);
  return true;
}

void Directory::add_partitions(const AddPartitions& body, Answer& answer) {
  const auto found = topics_.find(body.id);
  if (found == topics_.end()) return refuse(answer, TopicErrc::kUnknownTopic);
  TopicInfo& info = found->second->info;
  if (body.partition_count <= info.partition_count || body.partition_count > kPartitionsMax) {
    return refuse(answer, TopicErrc::kInvalidPartitions,
                  "The topic currently has " + std::to_string(info.partition_count) + " partition(s); " +
                      std::to_string(body.partition_count) + " would not be an increase, or is above " +
                      std::to_string(kPartitionsMax) + ".");
  }
  info.partition_count = body.partition_count;
  answer.topics.push_back(info);
}

void Directory::configure(const ConfigureTopic& body, Answer& answer) {
  const auto found = topics_.find(body.id);
  if (found == topics_.end()) return refuse(answer, TopicErrc::kUnknownTopic);
  if (!are_configs_good(body.set, answer)) return;
  for (const std::string& name : body.remove) {
    if (find_topic_config(name) == nullptr) {
      return refuse(answer, TopicErrc::kInvalidConfig, "Unknown topic config name: " + name);
    }
  }
  Topic& topic = *found->second;
  Pairs& configs = topic.info.configs;
  for (const std::string& name : body.remove) {
    std::erase_if(configs, [&](const auto& pair) { return pair.first == name; });
  }
  for (const auto& [name, value] : body.set) set_pair(configs, name, value);
  std::ranges::sort(configs);
  topic.config = make_topic_config(configs);
  answer.topics.push_back(topic.info);
}

void Directory::put(PutDocument& body, Answer& answer) {
  const auto found = documents_.find(body.key);
  const uint64_t present = found == documents_.end() ? 0 : found->second.version;
  if (body.if_version && *body.if_version != present) {
    if (present != 0) answer.documents.push_back(found->second);
    return refuse(answer, TopicErrc::kDocumentChanged);
  }
  if (present == 0 && documents_.size() >= kDocumentsMax) return refuse(answer, TopicErrc::kInvalid);
  Document& document = documents_[body.key];
  document = {body.key, std::move(body.value), next_version_++};
  answer.documents.push_back({document.key, {}, document.version});
}

void Directory::remove(const DeleteDocument& body, Answer& answer) {
  const auto found = documents_.find(body.key);
  if (found == documents_.end()) return refuse(answer, TopicErrc::kNoSuchDocument);
  if (body.if_version && *body.if_version != found->second.version) {
    answer.documents.push_back(found->second);
    return refuse(answer, TopicErrc::kDocumentChanged);
  }
  documents_.erase(found);
}

void Directory::find(const FindTopic& body, Answer& answer) const {
  const Topic* topic = nullptr;
  if (!body.id.is_none()) {
    topic = find(body.id);
  } else if (const auto found = by_name_.find(body.name); found != by_name_.end()) {
    topic = found->second;
  }
  if (topic == nullptr) return refuse(answer, TopicErrc::kUnknownTopic);
  answer.topics.push_back(topic->info);
}

void Directory::list(const ListTopics& body, Answer& answer) const {
  auto topic = by_name_.upper_bound(body.after);
  if (body.after < body.prefix) topic = by_name_.lower_bound(body.prefix);
  for (; topic != by_name_.end() && topic->first.starts_with(body.prefix); ++topic) {
    if (answer.topics.size() >= body.count_max) {
      answer.is_truncated = true;
      return;
    }
    answer.topics.push_back(topic->second->info);
  }
}

void Directory::find(const FindDocuments& body, Answer& answer) const {
  auto document = documents_.upper_bound(body.after);
  if (body.after < body.prefix) document = documents_.lower_bound(body.prefix);
  // An empty key above an empty `after` is none.
  for (; document != documents_.end() && document->first.starts_with(body.prefix); ++document) {
    if (answer.documents.size() >= body.count_max) {
      answer.is_truncated = true;
      return;
    }
    answer.documents.push_back(document->second);
  }
}

const Topic* Directory::find(const TopicId& id) const {
  const auto found = topics_.find(id);
  return found == topics_.end() ? nullptr : found->second.get();
}

void Directory::save_topic(const Topic& topic, std::string& out) const { out = encode_body(topic.info); }

bool Directory::load_topic(std::string_view saved) {
  auto topic = std::make_unique<Topic>();
  TopicInfo& info = topic->info;
  if (!decode_body(saved, info) || info.id.is_none() || info.partition_count < 1 ||
      info.partition_count > kPartitionsMax || topics_.contains(info.id) || by_name_.contains(info.name)) {
    return false;
  }
  const auto is_bad = [](const auto& pair) { return check_topic_config(pair.first, pair.second).has_value(); };
  if (std::ranges::any_of(info.configs, is_bad)) return false;
  topic->config = make_topic_config(info.configs);
  by_name_[info.name] = topic.get();
  topics_[info.id] = std::move(topic);
  return true;
}

void Directory::save_document(const Document& document, std::string& out) { out = encode_body(document); }

bool Directory::load_document(std::string_view saved) {
  Document document;
  if (!decode_body(saved, document) || document.version == 0 || document.version >= next_version_) return false;
  std::string key = document.key;
  return documents_.emplace(std::move(key), std::move(document)).second;
}

void Directory::clear() {
  by_name_.clear();
  topics_.clear();
  documents_.clear();
  next_version_ = 1;
}

}  // namespace keelson::topic
