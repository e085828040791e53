// A simulated Kafka client's connection: the requests that the clients of topic_run.h make, each at one version that
// writes its fields by hand, so that the program's codec is not its own witness.
//
// One request at a time. Nothing answered (the connection broke, or the answer is malformed) is nullopt; the link is
// closed then.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "protocol/kafka/reader.h"
#include "protocol/kafka/writer.h"

namespace keelson::sim_test {

// Of Kafka's error codes, those that the clients tell apart.
inline constexpr int16_t kNoError = 0;

struct ProducerState {
  int64_t id = -1;
  int16_t epoch = -1;
};

class KafkaLink {
 public:
  KafkaLink(env::Env& env, env::Address server) : env_(env), server_(std::move(server)) {}

  Task<bool> connect();
  void close();
  [[nodiscard]] bool is_open() const { return stream_ != nullptr; }

  struct Result {
    int16_t error = kNoError;
    int64_t value = -1;  // of Produce: the base offset; of others as they say
  };

  Task<std::optional<Result>> create_topic(std::string name, int32_t partitions,
                                           std::vector<std::pair<std::string, std::string>> configs);
  // acks: all. `transactional_id` empty: none.
  Task<std::optional<Result>> produce(std::string topic, int32_t partition, std::string batch,
                                      std::string transactional_id = "");

  struct Fetched {
    int16_t error = kNoError;
    int64_t high_watermark = -1;
    int64_t last_stable = -1;
    int64_t log_start = -1;
    std::vector<std::pair<int64_t, int64_t>> aborted;  // producer id, first offset
    std::string batches;
  };
  struct FetchWish {
    std::string topic;
    int32_t partition = 0;
    int64_t offset = 0;
    bool is_committed_only = false;
    int32_t bytes_max = 1 << 20;
    int32_t wait_ms = 0;
  };
  Task<std::optional<Fetched>> fetch(FetchWish wish);
  // value: the offset of that time (-1 the end, -2 the start).
  Task<std::optional<Result>> find_offset(std::string topic, int32_t partition, int64_t time_ms);
  // value: the start afterwards.
  Task<std::optional<Result>> delete_records(std::string topic, int32_t partition, int64_t below);

  struct Initialised {
    int16_t error = kNoError;
    ProducerState producer;
  };
  Task<std::optional<Initialised>> init_producer(std::string transactional_id, int32_t timeout_ms);
  Task<std::optional<Result>> add_partition(std::string transactional_id, ProducerState producer, std::string topic,
                                            int32_t partition);
  Task<std::optional<Result>> add_offsets(std::string transactional_id, ProducerState producer, std::string group);
  Task<std::optional<Result>> commit_in_transaction(std::string transactional_id, ProducerState producer,
                                                    std::string group, std::string topic, int32_t partition,
                                                    int64_t offset);
  Task<std::optional<Result>> end_transaction(std::string transactional_id, ProducerState producer, bool is_commit);

  struct Joined {
    int16_t error = kNoError;
    int32_t generation = -1;
    std::string leader;
    std::string member;
    std::vector<std::string> members;  // of the leader
  };
  Task<std::optional<Joined>> join(std::string group, std::string member, int32_t session_ms, int32_t rebalance_ms);
  struct Synced {
    int16_t error = kNoError;
    std::string assignment;
  };
  // `assignments`: member and its own; the leader's.
  Task<std::optional<Synced>> sync(std::string group, int32_t generation, std::string member,
                                   std::vector<std::pair<std::string, std::string>> assignments);
  Task<std::optional<Result>> heartbeat(std::string group, int32_t generation, std::string member);
  Task<std::optional<Result>> leave(std::string group, std::string member);
  // Generation -1 and no member: of a consumer that is in no group.
  Task<std::optional<Result>> commit(std::string group, int32_t generation, std::string member, std::string topic,
                                     int32_t partition, int64_t offset);
  // value: the committed offset, -1: none.
  Task<std::optional<Result>> committed(std::string group, std::string topic, int32_t partition);

 private:
  // Writes the body, sends it, and waits for the answer's body, which holds until the next call. A reader that failed
  // counts as no answer: see end().
  Task<bool> ask(int16_t key, int16_t version, std::function<void(kafka::Writer&)> body);
  [[nodiscard]] kafka::Reader answer() const { return kafka::Reader(answer_); }
  // False, and the link is closed: the answer was not what the version says.
  bool end(const kafka::Reader& reader);

  env::Env& env_;
  const env::Address server_;
  std::unique_ptr<env::Stream> stream_;
  Buffer input_;
  std::string answer_;
  int32_t correlation_ = 0;
};

}  // namespace keelson::sim_test
