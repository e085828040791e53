// The topics and documents that a shard knows. Topics are the same on every shard.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "engine/topic/answer.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/topic_config.h"

namespace keelson::topic {

inline constexpr size_t kTopicsMax = 100'000;  // about 0.5 KiB each, on every shard
inline constexpr size_t kDocumentsMax = 1'000'000;

struct Topic {
  TopicInfo info;
  TopicConfig config;
};

// Kafka's rule: letters, digits, '.', '_', '-'; at most 249; not "." or "..".
[[nodiscard]] bool is_topic_name(std::string_view name);

class Directory {
 public:
  void create(const engine::ApplyContext& context, const CreateTopic& body, Answer& answer);
  // The caller removes its partitions before. False: answered with kUnknownTopic.
  bool remove(const DeleteTopic& body, Answer& answer);
  void add_partitions(const AddPartitions& body, Answer& answer);
  void configure(const ConfigureTopic& body, Answer& answer);
  void put(PutDocument& body, Answer& answer);
  void remove(const DeleteDocument& body, Answer& answer);

  void find(const FindTopic& body, Answer& answer) const;
  void list(const ListTopics& body, Answer& answer) const;
  void find(const FindDocuments& body, Answer& answer) const;

  // Null: there is none. Stays where it is until it is removed.
  [[nodiscard]] const Topic* find(const TopicId& id) const;

  // As blocks of a checkpoint: kinds and bytes. Documents and topics in their order.
  void save_topic(const Topic& topic, std::string& out) const;
  [[nodiscard]] const std::map<TopicId, std::unique_ptr<Topic>>& topics() const { return topics_; }
  [[nodiscard]] const std::map<std::string, Document, std::less<>>& documents() const { return documents_; }
  [[nodiscard]] uint64_t next_version() const { return next_version_; }
  // False: malformed, or there already.
  [[nodiscard]] bool load_topic(std::string_view saved);
  [[nodiscard]] bool load_document(std::string_view saved);
  static void save_document(const Document& document, std::string& out);
  void set_next_version(uint64_t version) { next_version_ = version; }
  void clear();

 private:
  std::map<TopicId, std::unique_ptr<Topic>> topics_;
  std::map<std::string, Topic*, std::less<>> by_name_;
  std::map<std::string, Document, std::less<>> documents_;
  uint64_t next_version_ = 1;  // of documents; never the same twice
};

}  // namespace keelson::topic
