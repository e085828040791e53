// A simulated Kafka client's connection: the requests that the clients of topic_run.h make, each at one version that
// writes its fields by hand, so that the program's codec is not its own witness.
//
// One request at a time. Nothing answered (the connection broke, nothing came in time, or the answer is malformed) is
// nullopt; the connection is closed then.
//
// Of several servers, each request goes to the one that leads what it is about: a partition's leader as Metadata tells,
// the coordinator of a group or of a transactional id as FindCoordinator does, whichever server is asked. What was told
// holds until an answer or a broken connection says otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
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
#include "env/reactor.h"
#include "protocol/kafka/reader.h"
#include "protocol/kafka/writer.h"

namespace keelson::sim_test {

// Of Kafka's error codes, those that the clients tell apart.
inline constexpr int16_t kNoError = 0;

struct ProducerState {
  int64_t id = -1;
  int16_t epoch = -1;
};

// Where a client finds what it works with: one server that has everything, or the servers of a cluster.
struct KafkaServers {
  KafkaServers(env::Address only) : all{std::move(only)} {}  // NOLINT(google-explicit-constructor)
  KafkaServers(std::vector<env::Address> cluster, int64_t within_ns)
      : all(std::move(cluster)), answer_within_ns(within_ns) {}

  std::vector<env::Address> all;
  // Each answer; 0: however long it takes.
  int64_t answer_within_ns = 0;
};

class KafkaLink {
 public:
  KafkaLink(env::Env& env, KafkaServers servers) : env_(env), servers_(std::move(servers)) {}

  // Every connection.
  void close() { connections_.clear(); }
  // Which of the servers was asked last, by its place.
  [[nodiscard]] size_t last_server() const { return asked_; }

  struct Result {
    int16_t error = kNoError;
    int64_t value = -1;  // of Produce: the base offset; of others as they say
  };

  // Of any server.
  Task<std::optional<Result>> create_topic(std::string name, int32_t partitions,
                                           std::vector<std::pair<std::string, std::string>> configs);
  Task<std::optional<Result>> delete_topic(std::string name);
  // To that many in all.
  Task<std::optional<Result>> add_partitions(std::string topic, int32_t partitions);
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
  // What a request is about.
  struct Place {
    enum class Kind : uint8_t { kAny, kPartition, kGroup, kTransaction };
    Kind kind = Kind::kAny;
    std::string name{};
    int32_t partition = 0;
    auto operator<=>(const Place&) const = default;
  };
  [[nodiscard]] static Place at(std::string topic, int32_t partition) {
    return {Place::Kind::kPartition, std::move(topic), partition};
  }
  [[nodiscard]] static Place of_group(std::string group) { return {Place::Kind::kGroup, std::move(group)}; }
  [[nodiscard]] static Place of_transaction(std::string id) { return {Place::Kind::kTransaction, std::move(id)}; }
  struct Connection {
    std::unique_ptr<env::Stream> stream;
    Buffer input;
  };
  using Body = std::function<void(kafka::Writer&)>;

  // Writes the body, sends it, and waits for the answer's body, which holds until the next call. A reader that failed
  // counts as no answer: see end().
  Task<bool> ask(Place place, int16_t key, int16_t version, Body body);
  // The same, of that server.
  Task<bool> exchange(size_t server, int16_t key, int16_t version, Body body);
  Task<bool> connect(size_t server);
  // Which server has it; none: nobody can tell.
  Task<std::optional<size_t>> find(Place place);
  Task<std::optional<size_t>> find_leader(Place place);
  Task<std::optional<size_t>> find_coordinator(Place place);
  [[nodiscard]] std::optional<size_t> server_at(std::string_view host, int32_t port) const;
  [[nodiscard]] size_t any_server();
  void disconnect(size_t server);
  [[nodiscard]] kafka::Reader answer() const { return kafka::Reader(answer_); }
  // False, and the connection is closed: the answer was not what the version says. An error that tells of another
  // leader or coordinator makes the link look for it again.
  bool end(const kafka::Reader& reader, int16_t error);
  // What became of the one topic that was asked for.
  std::optional<Result> one_topic(bool has_message);

  env::Env& env_;
  const KafkaServers servers_;
  std::map<size_t, Connection> connections_;  // by server
  std::map<Place, size_t> known_;
  Place place_;  // of the last request
  size_t asked_ = 0;
  std::string answer_;
  int32_t correlation_ = 0;
};

}  // namespace keelson::sim_test
