// What `keelson topic` does, once its words are read.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/progress.h"
#include "cli/topic_client.h"
#include "cli/topic_lines.h"
#include "engine/topic/record_batch.h"
#include "env/env.h"

namespace keelson::cli {

class BlobInput;

enum class TopicVerb : uint8_t {
  kCreate,
  kList,
  kDescribe,
  kDelete,
  kAlter,
  kProduce,
  kConsume,
  kGroups,
  kSeek,
  kDeadLetters
};

struct TopicOptions {
  TopicVerb verb = TopicVerb::kList;
  TopicLogin login;
  std::string topic;
  std::string group;
  bool quiet = false;
  bool as_json = false;

  // create, alter
  std::optional<int32_t> partitions;
  std::vector<std::pair<std::string, std::optional<std::string>>> settings;  // none: back to the default
  bool if_not_exists = false;
  bool if_exists = false;  // delete

  // produce
  topic::Codec codec = topic::Codec::kNone;
  std::optional<std::string> key;
  bool is_base64 = false;
  bool is_raw = false;

  // consume, seek, dead-letters
  std::string from;
  std::optional<int32_t> partition;
  uint64_t count_max = UINT64_MAX;
  bool follow = false;
  bool read_committed = true;
  std::string resend_to;  // dead-letters
};

// What a verb works with; lives until it is done.
struct TopicStage {
  env::Env& env;
  TopicClient& client;
  const TopicOptions& options;
  BlobInput& input;
  Progress& progress;
};

Task<Status> run_topic_verb(TopicStage stage);

// topic_admin.cc
Task<Status> topic_create(TopicStage stage);
Task<Status> topic_list(TopicStage stage);
Task<Status> topic_describe(TopicStage stage);
Task<Status> topic_delete(TopicStage stage);
Task<Status> topic_alter(TopicStage stage);
// topic_groups.cc
Task<Status> topic_groups(TopicStage stage);
Task<Status> topic_seek(TopicStage stage);
// topic_produce.cc, topic_consume.cc
Task<Status> topic_produce(TopicStage stage);
Task<Status> topic_consume(TopicStage stage);
Task<Status> topic_dead_letters(TopicStage stage);

// ---- What several of them need.

// One partition's offset for a start point. A time that nothing is younger than: the end.
struct PartitionOffset {
  int32_t partition = 0;
  int64_t offset = 0;
};
// Of the partitions named, in their order.
Task<Result<std::vector<PartitionOffset>>> offsets_at(TopicClient& client, std::string topic,
                                                      std::vector<int32_t> partitions, StartPoint point,
                                                      bool read_committed);
// All of the topic's, or the one that was asked for.
Task<Result<std::vector<int32_t>>> partitions_of(TopicClient& client, std::string topic, std::optional<int32_t> only);
struct CommittedOffset {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;
};
// What a group has committed, of all topics.
Task<Result<std::vector<CommittedOffset>>> committed_offsets(TopicClient& client, std::string group);
// For a group without members; a sentence of its own if there are some.
Task<Status> commit_offsets(TopicClient& client, std::string group, std::string topic,
                            std::vector<PartitionOffset> offsets);

// Messages on their way to one topic, in batches for its partitions. One sender for one topic.
class TopicSender {
 public:
  // The topic's partitions are known from here on. kMalformed: the server names none.
  static Task<Result<TopicSender>> make(TopicClient& client, std::string topic, topic::Codec codec);
  // kUsage: a partition that is not there. The message waits for send().
  Status add(TopicMessage message, int64_t now_ms);
  // Everything that waits, acknowledged by all replicas.
  Task<Status> send();
  [[nodiscard]] uint64_t sent() const { return sent_; }
  [[nodiscard]] bool is_full() const { return waiting_bytes_ >= kBatchBytes; }

 private:
  // Under the million that a topic takes at least, unless it was told otherwise. A larger message goes alone.
  static constexpr size_t kBatchBytes = 512 << 10;
  // What a batch holds of a message besides its bytes is less than this: length, attributes, time, offset, and the
  // lengths of key, value and headers, as varints; of each header its two lengths.
  static constexpr size_t kMessageHeadBytes = 40;
  static constexpr size_t kHeaderHeadBytes = 10;
  // What goes together to one partition.
  struct Batch {
    std::vector<TopicMessage> messages;
    size_t bytes = 0;
  };

  TopicSender(TopicClient& client, std::string topic, topic::Codec codec, int32_t partitions)
      : client_(&client), topic_(std::move(topic)), codec_(codec), waiting_(static_cast<size_t>(partitions)) {}

  struct Sending {
    uint64_t count = 0;
    std::string batch;
    Status why;  // it is not there yet
  };
  // The first batch of each partition, to its leader of the time: again, where it was not asked or did not lead.
  Task<Status> send_first();
  Task<Status> send_to(int32_t leader, std::vector<int32_t> partitions, std::map<int32_t, Sending>& left);

  TopicClient* client_;
  std::string topic_;
  topic::Codec codec_;
  std::vector<std::deque<Batch>> waiting_;  // by partition
  size_t waiting_bytes_ = 0;
  uint64_t waiting_count_ = 0;
  uint64_t sent_ = 0;
  size_t next_keyless_ = 0;
  std::map<int32_t, int32_t> leaders_;  // of partitions, as far as they are known
};

// Lines on standard output.
Status print_line(const std::string& line);
// What is no UTF-8 (a server's or caller's names) is replaced.
Status print_json(const nlohmann::ordered_json& line);

}  // namespace keelson::cli
