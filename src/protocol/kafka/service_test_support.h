// A Kafka service on a simulated machine that crashes and comes back, and clients that send requests to it and see its
// answers. For tests of this folder.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "engine/topic/answer.h"
#include "engine/topic/batch_builder.h"
#include "engine/topic/topic_engine.h"
#include "env/sim/sim.h"
#include "protocol/kafka/groups.h"
#include "protocol/kafka/headers.h"
#include "protocol/kafka/messages/create_topics.h"
#include "protocol/kafka/messages/fetch.h"
#include "protocol/kafka/messages/produce.h"
#include "protocol/kafka/reader.h"
#include "protocol/kafka/security.h"
#include "protocol/kafka/service.h"
#include "protocol/kafka/writer.h"
#include "shard/runtime.h"
#include "topics/topics.h"
#include "topics/transactions.h"

namespace keelson::kafka {

inline constexpr uint16_t kTestPort = 9092;
inline constexpr uint16_t kTestShards = 4;

struct TestOptions {
  KafkaOptions kafka;
  std::optional<SecurityOptions> security{};
  topics::TopicsOptions topics;
  topics::TransactionsOptions transactions;
  GroupOptions groups;
  size_t cache_bytes = size_t{1} << 20;
  log::Durability durability = log::Durability::kAlways;
};

class KafkaProgram final : public env::sim::Program {
 public:
  KafkaProgram(env::Env& env, TestOptions options)
      : env_(env), options_(std::move(options)), tasks_(std::make_unique<env::TaskScope>(env.reactor(0))) {
    env_.reactor(0).post([this] { tasks_->spawn(start()); });
  }
  ~KafkaProgram() override {
    if (runtime_ != nullptr) runtime_->abandon();
    tasks_.reset();
    kafka_.reset();
    security_.reset();
    groups_.reset();
    transactions_.reset();
    topics_.reset();
  }
  [[nodiscard]] bool is_serving() const { return is_serving_; }
  [[nodiscard]] bool is_stopped() const { return is_stopped_; }
  [[nodiscard]] KafkaService& service() { return *kafka_; }
  [[nodiscard]] topics::Topics& topics() { return *topics_; }
  [[nodiscard]] shard::Runtime& runtime() { return *runtime_; }
  void begin_stop() { tasks_->spawn(stop()); }
  // Of topics alone: from now on no shard can be asked.
  void begin_topics_stop() { tasks_->spawn(topics_->stop()); }

 private:
  Task<void> start() {
    shard::RuntimeOptions options;
    options.folder = "data";
    shard::ServiceOptions& service = options.services.emplace_back();
    service.name = "topic";
    service.engine_version = topic::kTopicEngineVersion;
    service.shard_count = kTestShards;
    service.durability = options_.durability;
    service.replay_sink = &unheard_;
    service.make_engine = [this](shard::ShardId id) {
      return std::make_unique<topic::TopicEngine>(
          topic::TopicEngineOptions{.disk = &env_.disk(),
                                    .folder = "data/topic/" + std::to_string(id),
                                    .cache_bytes = options_.cache_bytes / kTestShards});
    };
    runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
    const Status started = co_await runtime_->start();
    KEELSON_CHECK(started.ok(), "the runtime does not start");
    topics_ = std::make_unique<topics::Topics>(*runtime_, options_.topics);
    KEELSON_CHECK((co_await topics_->start()).ok(), "topics do not start");
    transactions_ = std::make_unique<topics::Transactions>(*topics_, options_.transactions);
    KEELSON_CHECK((co_await transactions_->start()).ok(), "transactions do not start");
    groups_ = std::make_unique<Groups>(*topics_, options_.groups);
    KEELSON_CHECK((co_await groups_->start()).ok(), "groups do not start");
    kafka_ = std::make_unique<KafkaService>(*topics_, options_.kafka);
    kafka_->set_coordinators(groups_.get(), transactions_.get());
    if (options_.security) {
      security_ = std::make_unique<Security>(*topics_, *options_.security);
      KEELSON_CHECK((co_await security_->start()).ok(), "what is kept of access is not read");
      kafka_->set_security(*security_);
    }
    const Status listening = kafka_->listen({.host = "", .port = kTestPort, .unix_path = {}}, nullptr);
    KEELSON_CHECK(listening.ok(), "the service does not listen");
    is_serving_ = true;
  }
  Task<void> stop() {
    co_await kafka_->stop();
    if (security_ != nullptr) co_await security_->stop();
    co_await transactions_->stop();
    co_await topics_->stop();
    KEELSON_CHECK((co_await runtime_->stop(true)).ok(), "the runtime does not stop as it should");
    is_stopped_ = true;
  }

  env::Env& env_;
  const TestOptions options_;
  topic::NullAnswer unheard_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<topics::Topics> topics_;
  std::unique_ptr<Security> security_;
  std::unique_ptr<topics::Transactions> transactions_;
  std::unique_ptr<Groups> groups_;
  std::unique_ptr<KafkaService> kafka_;
  bool is_serving_ = false;
  bool is_stopped_ = false;
  std::unique_ptr<env::TaskScope> tasks_;
};

// One connection.
class TestClient {
 public:
  TestClient(env::sim::World& world, env::Env& env, env::Address server)
      : world_(world), env_(env), tasks_(std::make_unique<env::TaskScope>(env.reactor(0))) {
    world_.run_on(env_.reactor(0), [this, server] { tasks_->spawn(serve(server)); });
    KEELSON_CHECK(world_.run_until([this] { return is_open_; }), "the client does not connect");
  }
  ~TestClient() {
    world_.run_on(env_.reactor(0), [this] {
      if (stream_ != nullptr) stream_->close();
      tasks_.reset();
    });
  }

  // Sends bytes as they are.
  void send_raw(std::string bytes) {
    world_.run_on(env_.reactor(0), [this, sent = std::move(bytes)] { tasks_->spawn(write(sent)); });
  }
  template <class Request>
  int32_t send(int16_t version, const Request& request) {
    Writer writer;
    const Writer::Frame frame = writer.begin_frame();
    const RequestHeader header{
        .key = Request::kKey, .version = version, .correlation_id = ++last_id_, .client_id = "test"};
    write_request_header(writer, header);
    encode(writer, version, request);
    KEELSON_CHECK(writer.end_frame(frame), "a request is too large");
    send_raw(writer.flattened());
    return last_id_;
  }
  [[nodiscard]] bool has_answer() const {
    if (heard_.size() < 4) return false;
    return heard_.size() >= 4 + frame_size();
  }
  // The next frame; none: the connection ended first.
  std::optional<std::string> next_frame() {
    world_.run_until([this] { return has_answer() || is_closed_; });
    if (!has_answer()) return std::nullopt;
    const size_t size = frame_size();
    std::string frame = heard_.substr(4, size);
    heard_.erase(0, 4 + size);
    return frame;
  }
  template <class Response>
  std::optional<Response> receive(int16_t version, int32_t id) {
    std::optional<std::string> frame = next_frame();
    if (!frame) return std::nullopt;
    // What is decoded are views into the frame.
    frames_.push_back(std::make_unique<std::string>(std::move(*frame)));
    Reader reader(*frames_.back());
    int32_t answered = 0;
    KEELSON_CHECK(read_response_header(reader, static_cast<ApiKey>(Response::kKey), version, answered),
                  "an answer's header is malformed");
    KEELSON_CHECK(answered == id, "answers are out of order");
    Response response;
    KEELSON_CHECK(decode(reader, version, response), "an answer is malformed");
    KEELSON_CHECK(reader.rest().empty(), "an answer is too long");
    return response;
  }
  template <class Response, class Request>
  std::optional<Response> ask(int16_t version, const Request& request) {
    const int32_t id = send(version, request);
    return receive<Response>(version, id);
  }
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  bool wait_closed() {
    return world_.run_until([this] { return is_closed_; });
  }

 private:
  [[nodiscard]] size_t frame_size() const {
    uint32_t size = 0;
    std::memcpy(&size, heard_.data(), sizeof(size));
    return std::byteswap(size);
  }
  Task<void> serve(env::Address server) {
    auto connected = co_await env_.network().connect(env_.reactor(0), std::move(server));
    KEELSON_CHECK(connected.ok(), "the client does not connect");
    stream_ = std::move(*connected);
    is_open_ = true;
    char bytes[4096];
    for (;;) {
      const env::IoOutcome got = co_await stream_->read(bytes);
      if (!got.ok()) break;
      heard_.append(bytes, got.count);
    }
    is_closed_ = true;
  }
  Task<void> write(std::string bytes) {
    while (is_writing_) co_await env::sleep_for(env_.reactor(0), 1000);
    is_writing_ = true;
    const env::IoOutcome sent = co_await stream_->write(bytes);
    is_writing_ = false;
    if (!sent.ok()) is_closed_ = true;
  }

  env::sim::World& world_;
  env::Env& env_;
  std::unique_ptr<env::Stream> stream_;
  std::string heard_;
  int32_t last_id_ = 0;
  bool is_open_ = false;
  bool is_closed_ = false;
  bool is_writing_ = false;
  std::vector<std::unique_ptr<std::string>> frames_;
  std::unique_ptr<env::TaskScope> tasks_;
};

class TestKafka {
 public:
  explicit TestKafka(TestOptions options = {}, unsigned reactors = 2, uint64_t seed = 20261126)
      : world_(seed), server_(world_.add_node(reactors)), clients_(world_.add_node()) {
    if (options.kafka.cluster_id.empty()) options.kafka.cluster_id = "AAAAAAAAAAAAAAAAAAAAAA";
    options.kafka.log_folder = "data/topic";
    server_.run_program([options](env::Env& env) { return std::make_unique<KafkaProgram>(env, options); });
    wait_until_serving();
  }
  void wait_until_serving() {
    KEELSON_CHECK(world_.run_until([this] { return program().is_serving(); }), "the service does not come up");
  }
  void crash_and_restart() {
    server_.crash();
    server_.restart();
    wait_until_serving();
  }
  [[nodiscard]] std::unique_ptr<TestClient> connect() {
    return std::make_unique<TestClient>(world_, clients_.env(), server_.address(kTestPort));
  }
  [[nodiscard]] env::sim::World& world() { return world_; }
  [[nodiscard]] env::sim::Node& server() { return server_; }
  [[nodiscard]] KafkaProgram& program() { return static_cast<KafkaProgram&>(*server_.program()); }
  [[nodiscard]] KafkaService& service() { return program().service(); }

 private:
  env::sim::World world_;
  env::sim::Node& server_;
  env::sim::Node& clients_;
};

// ---- Words that tests say often.

inline int16_t create_topic(TestClient& client, std::string_view name, int32_t partitions,
                            const std::vector<std::pair<std::string_view, std::string_view>>& configs = {}) {
  CreateTopicsRequest request;
  CreateTopicsRequest::Topic& topic = request.topics.emplace_back();
  topic.name = name;
  topic.num_partitions = partitions;
  topic.replication_factor = 1;
  for (const auto& [key, value] : configs) topic.configs.push_back({key, value});
  const auto response = client.ask<CreateTopicsResponse>(7, request);
  return response && response->topics.size() == 1 ? response->topics[0].error_code : int16_t{-1};
}

inline std::string batch_of(const std::vector<std::string>& values, std::optional<std::string_view> key = "k",
                            topic::BatchOptions options = {}) {
  topic::BatchBuilder builder(options);
  for (const std::string& value : values) builder.add(1'000, key, value);
  return builder.finish();
}

inline ProduceRequest produce_request(std::string_view topic, int32_t partition, std::string_view batch,
                                      int16_t acks = -1) {
  ProduceRequest request;
  request.acks = acks;
  request.timeout_ms = 30'000;
  request.topics.push_back({topic, {{partition, batch}}});
  return request;
}

inline FetchRequest fetch_request(std::string_view topic, int32_t partition, int64_t offset, int32_t max_wait_ms = 0,
                                  int32_t min_bytes = 1) {
  FetchRequest request;
  request.max_wait_ms = max_wait_ms;
  request.min_bytes = min_bytes;
  FetchRequest::Topic& wanted = request.topics.emplace_back();
  wanted.topic = topic;
  FetchRequest::Partition& one = wanted.partitions.emplace_back();
  one.partition = partition;
  one.fetch_offset = offset;
  one.partition_max_bytes = 1 << 20;
  return request;
}

// The values of all records, with their offsets.
inline std::vector<std::pair<int64_t, std::string>> records_of(const Records& records) {
  std::vector<std::pair<int64_t, std::string>> found;
  topic::RecordReader reader;
  for (const Fragment& fragment : records.fragments) {
    for (std::string_view rest = fragment.bytes; !rest.empty();) {
      const topic::BatchView batch(rest);
      topic::Record record;
      if (reader.begin(batch.bytes()) == topic::BatchErrc::kOk) {
        while (reader.next(record)) found.emplace_back(record.offset, std::string(record.value.value_or("")));
      }
      rest.remove_prefix(batch.size_bytes());
    }
  }
  return found;
}

}  // namespace keelson::kafka
