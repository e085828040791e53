// The topics and documents that a shard knows.
//
// Topics are the same on every shard. In a cluster one shard decides on them and the others are mirrors, which come to
// be the same: each change makes the next version of the directory, and a mirror knows up to which one it has them all.
// It may have some beyond that. What is not newer than that never changes it again, however late it comes; beyond it,
// the mirror remembers which ids are gone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/topic/answer.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/topic_config.h"

namespace keelson::topic {

inline constexpr size_t kTopicsMax = 100'000;  // about 0.5 KiB each, on every shard
inline constexpr size_t kDocumentsMax = 1'000'000;

// Of a mirror, beyond the version up to which it has everything: so many have been deleted while one change in front of
// them was missing. Past it the oldest is forgotten; should that topic come back, the next mending deletes it again.
inline constexpr size_t kGoneTopicsMax = 10'000;

struct Topic {
  TopicInfo info;
  TopicConfig config;
  uint64_t hash = 0;  // of info
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
  // The caller removes the partitions of `removed` afterwards, which refer to these topics.
  using Removed = std::vector<std::unique_ptr<Topic>>;
  void mirror(const MirrorTopic& body, Answer& answer, Removed& removed);
  void put(PutDocument& body, Answer& answer);
  void remove(const DeleteDocument& body, Answer& answer);

  void find(const FindTopic& body, Answer& answer) const;
  void list(const ListTopics& body, Answer& answer) const;
  void find(const FindDocuments& body, Answer& answer) const;
  [[nodiscard]] DirectoryInfo info() const { return {version_, digest_, topics_.size()}; }

  // Of this object, not of the state: they grow with every change of topics, of documents, and whenever a topic is
  // removed.
  [[nodiscard]] uint64_t topic_changes() const { return topic_changes_; }
  [[nodiscard]] uint64_t document_changes() const { return document_changes_; }
  [[nodiscard]] uint64_t removals() const { return removals_; }

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
  void set_version(uint64_t version) { version_ = version; }
  // The ids that a mirror remembers as gone; empty: none.
  void save_gone(std::string& out) const;
  [[nodiscard]] bool load_gone(std::string_view bytes);
  void clear();

 private:
  // The topic was changed: as the next version of the directory, or as it says itself.
  void changed(Topic& topic);
  void decided(Topic& topic, Answer& answer);
  void insert(TopicInfo info);
  std::unique_ptr<Topic> erase(std::map<TopicId, std::unique_ptr<Topic>>::iterator found);
  void mirror(TopicInfo info, bool is_mending, Removed& removed);
  void mirror(const GoneTopic& gone, bool is_mending, Removed& removed);
  void remember_gone(const TopicId& id, uint64_t version);
  [[nodiscard]] bool is_gone(const TopicId& id, uint64_t version) const;

  std::map<TopicId, std::unique_ptr<Topic>> topics_;
  std::map<std::string, Topic*, std::less<>> by_name_;
  std::map<std::string, Document, std::less<>> documents_;
  uint64_t next_version_ = 1;  // of documents; never the same twice
  uint64_t version_ = 0;       // every change of the directory up to this one is in it
  uint64_t digest_ = 0;        // of the hashes of all topics
  std::map<TopicId, uint64_t> gone_;
  std::set<std::pair<uint64_t, TopicId>> gone_by_version_;
  uint64_t topic_changes_ = 0;
  uint64_t document_changes_ = 0;
  uint64_t removals_ = 0;
};

}  // namespace keelson::topic
