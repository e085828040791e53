#include "engine/topic/directory.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "engine/topic/body_codec.h"

namespace keelson::topic {

namespace {
// Of a checkpoint.
struct SavedGone {
  std::vector<GoneTopic> topics;
};
}  // namespace

static void fields_of(auto& visit, Is<GoneTopic> auto& b) { visit(b.id, b.version); }
static void fields_of(auto& visit, Is<SavedGone> auto& b) { visit(b.topics); }
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

// A cluster's newer nodes may know more of them.
Pairs known_configs(const Pairs& configs) {
  Pairs known;
  for (const auto& pair : configs) {
    if (!check_topic_config(pair.first, pair.second)) known.push_back(pair);
  }
  return known;
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
  TopicInfo info;
  info.id = body.id;
  info.name = body.name;
  info.partition_count = body.partition_count;
  for (const auto& [name, value] : body.configs) set_pair(info.configs, name, value);
  std::ranges::sort(info.configs);
  info.is_internal = body.is_internal;
  info.created_ms = context.time_ms;
  insert(std::move(info));
  decided(*topics_.at(body.id), answer);
}

bool Directory::remove(const DeleteTopic& body, Answer& answer) {
  const auto found = topics_.find(body.id);
  if (found == topics_.end()) {
    refuse(answer, TopicErrc::kUnknownTopic);
    return false;
  }
  static_cast<void>(erase(found));
  ++version_;
  answer.directory = info();
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
  decided(*found->second, answer);
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
  decided(topic, answer);
}

// ---- Changes.

void Directory::changed(Topic& topic) {
  digest_ ^= topic.hash;
  topic.hash = hash64(encode_topic(topic.info), 0);
  digest_ ^= topic.hash;
  ++topic_changes_;
}

void Directory::decided(Topic& topic, Answer& answer) {
  topic.info.version = ++version_;
  changed(topic);
  answer.topics.push_back(topic.info);
  answer.directory = info();
}

// Neither its id nor its name is taken.
void Directory::insert(TopicInfo info) {
  auto topic = std::make_unique<Topic>();
  topic->config = make_topic_config(known_configs(info.configs));
  topic->info = std::move(info);
  changed(*topic);
  by_name_[topic->info.name] = topic.get();
  topics_[topic->info.id] = std::move(topic);
}

std::unique_ptr<Topic> Directory::erase(std::map<TopicId, std::unique_ptr<Topic>>::iterator found) {
  std::unique_ptr<Topic> topic = std::move(found->second);
  digest_ ^= topic->hash;
  by_name_.erase(topic->info.name);
  topics_.erase(found);
  ++topic_changes_;
  ++removals_;
  return topic;
}

// ---- Mirrors.

void Directory::mirror(const MirrorTopic& body, Answer& answer, Removed& removed) {
  std::vector<TopicInfo> topics(body.topics.size());
  for (size_t i = 0; i < topics.size(); ++i) {
    if (!decode_topic(body.topics[i], topics[i]) || !is_topic_name(topics[i].name) || topics[i].version == 0) {
      return refuse(answer, TopicErrc::kInvalid);
    }
  }
  if (body.since > body.until) return refuse(answer, TopicErrc::kInvalid);
  const bool is_mending = body.until != 0 && body.since == version_;
  // What is gone makes room for what has its name now.
  for (const GoneTopic& gone : body.gone) mirror(gone, is_mending, removed);
  for (TopicInfo& info : topics) mirror(std::move(info), is_mending, removed);
  if (body.since <= version_ && body.until > version_) {
    version_ = body.until;
    while (!gone_by_version_.empty() && gone_by_version_.begin()->first <= version_) {
      gone_.erase(gone_by_version_.begin()->second);
      gone_by_version_.erase(gone_by_version_.begin());
    }
  }
  answer.directory = info();
}

void Directory::mirror(TopicInfo info, bool is_mending, Removed& removed) {
  if ((info.version <= version_ && !is_mending) || is_gone(info.id, info.version)) return;
  const auto found = topics_.find(info.id);
  if (found != topics_.end() && found->second->info.version > info.version) return;
  if (const auto other = by_name_.find(info.name); other != by_name_.end() && other->second->info.id != info.id) {
    // Names are given once at a time: the older one is gone, though nobody has said so yet.
    const TopicInfo& named = other->second->info;
    if (named.version >= info.version) return;
    mirror(GoneTopic{named.id, info.version}, is_mending, removed);
  }
  if (found == topics_.end()) return insert(std::move(info));
  Topic& topic = *found->second;
  // Never fewer, and never another name: partitions that are there have their places.
  if (info.name != topic.info.name || info.partition_count < topic.info.partition_count) return;
  topic.config = make_topic_config(known_configs(info.configs));
  topic.info = std::move(info);
  changed(topic);
}

void Directory::mirror(const GoneTopic& gone, bool is_mending, Removed& removed) {
  if (gone.version <= version_ && !is_mending) return;
  if (gone.version > version_) remember_gone(gone.id, gone.version);
  const auto found = topics_.find(gone.id);
  if (found == topics_.end() || found->second->info.version > gone.version) return;
  removed.push_back(erase(found));
}

void Directory::remember_gone(const TopicId& id, uint64_t version) {
  const auto [found, is_new] = gone_.try_emplace(id, version);
  if (!is_new) {
    if (found->second >= version) return;
    gone_by_version_.erase({found->second, id});
    found->second = version;
  }
  gone_by_version_.emplace(version, id);
  if (gone_.size() <= kGoneTopicsMax) return;
  gone_.erase(gone_by_version_.begin()->second);
  gone_by_version_.erase(gone_by_version_.begin());
}

bool Directory::is_gone(const TopicId& id, uint64_t version) const {
  const auto found = gone_.find(id);
  return found != gone_.end() && found->second >= version;
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
  ++document_changes_;
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
  ++document_changes_;
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

void Directory::save_topic(const Topic& topic, std::string& out) const { out = encode_topic(topic.info); }

bool Directory::load_topic(std::string_view saved) {
  TopicInfo info;
  if (!decode_topic(saved, info) || topics_.contains(info.id) || by_name_.contains(info.name)) return false;
  insert(std::move(info));
  return true;
}

void Directory::save_gone(std::string& out) const {
  out.clear();
  if (gone_.empty()) return;
  SavedGone saved;
  for (const auto& [id, version] : gone_) saved.topics.push_back({id, version});
  out = encode_body(saved);
}

bool Directory::load_gone(std::string_view bytes) {
  SavedGone saved;
  if (!decode_body(bytes, saved)) return false;
  for (const GoneTopic& gone : saved.topics) {
    // What the directory has reached since needs no memory.
    if (gone.version > version_) remember_gone(gone.id, gone.version);
  }
  return true;
}

void Directory::save_document(const Document& document, std::string& out) { out = encode_body(document); }

bool Directory::load_document(std::string_view saved) {
  Document document;
  if (!decode_body(saved, document) || document.version == 0 || document.version >= next_version_) return false;
  std::string key = document.key;
  ++document_changes_;
  return documents_.emplace(std::move(key), std::move(document)).second;
}

void Directory::clear() {
  by_name_.clear();
  topics_.clear();
  documents_.clear();
  next_version_ = 1;
  version_ = digest_ = 0;
  gone_.clear();
  gone_by_version_.clear();
  ++topic_changes_;
  ++document_changes_;
  ++removals_;
}

}  // namespace keelson::topic
