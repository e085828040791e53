// For tests: Pub/Sub's service over topics on a simulated machine that crashes and comes back, and a client of it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "engine/topic/topic_engine.h"
#include "env/sim/sim.h"
#include "net/grpc/grpc_test_support.h"
#include "protocol/pubsub/messages.h"
#include "protocol/pubsub/service.h"
#include "shard/runtime.h"
#include "topics/topics.h"

namespace keelson::pubsub {

inline constexpr uint16_t kPort = 8085;

// One life of the service. Destroyed at a crash, in whatever state it is.
class PubsubProgram final : public env::sim::Program {
 public:
  PubsubProgram(env::Env& env, env::Address at) : env_(env), at_(std::move(at)), scope_(env.reactor(0)) {
    env_.reactor(0).post([this] { scope_.spawn(start()); });
  }
  ~PubsubProgram() override {
    if (runtime_ != nullptr) runtime_->abandon();
    service_.reset();
    topics_.reset();
  }
  [[nodiscard]] bool is_serving() const { return is_serving_; }
  [[nodiscard]] PubsubService& service() { return *service_; }
  [[nodiscard]] topics::Topics& topics() { return *topics_; }
  Task<Status> stop() {
    is_serving_ = false;
    co_await service_->stop();
    co_await topics_->stop();
    co_return co_await runtime_->stop(true);
  }

 private:
  Task<void> start() {
    shard::RuntimeOptions options;
    options.folder = "data";
    shard::ServiceOptions& service = options.services.emplace_back();
    service.name = "topic";
    service.engine_version = topic::kTopicEngineVersion;
    service.shard_count = 4;
    service.durability = log::Durability::kAlways;
    service.replay_sink = &unheard_;
    service.make_engine = [this](shard::ShardId id) {
      return std::make_unique<topic::TopicEngine>(
          topic::TopicEngineOptions{.disk = &env_.disk(), .folder = "data/topic/" + std::to_string(id)});
    };
    runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
    const Status started = co_await runtime_->start();
    KEELSON_CHECK(started.ok(), "the node does not start");
    topics_ = std::make_unique<topics::Topics>(*runtime_, topics::TopicsOptions{});
    KEELSON_CHECK((co_await topics_->start()).ok(), "topics do not start");
    PubsubOptions pubsub;
    pubsub.partitions = 2;
    pubsub.http = http_options_for_pubsub();
    service_ = std::make_unique<PubsubService>(env_, *topics_, pubsub);
    const Status listening = service_->listen(at_, nullptr);
    KEELSON_CHECK(listening.ok(), "the service does not listen");
    is_serving_ = true;
  }

  env::Env& env_;
  const env::Address at_;
  topic::NullAnswer unheard_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<topics::Topics> topics_;
  std::unique_ptr<PubsubService> service_;
  env::TaskScope scope_;
  bool is_serving_ = false;
};

class PubsubTest : public testing::Test {
 protected:
  using TestClient = net::grpc::TestClient;
  using TestReply = net::grpc::TestReply;

  void SetUp() override {
    node_.run_program([at = node_.address(kPort)](env::Env& env) { return std::make_unique<PubsubProgram>(env, at); });
    wait_until_serving();
    client_ = connect();
  }
  void TearDown() override {
    world_.run_on(client_node_.reactor(), [&] {
      client_.reset();
      other_.reset();
    });
  }
  [[nodiscard]] PubsubProgram& program() { return static_cast<PubsubProgram&>(*node_.program()); }
  void wait_until_serving() {
    ASSERT_TRUE(world_.run_until([&] { return program().is_serving(); }));
  }
  // As after a kill: what was not durable is lost.
  void crash_and_restart() {
    world_.run_on(client_node_.reactor(), [&] {
      client_.reset();
      other_.reset();
    });
    node_.crash();
    node_.restart();
    wait_until_serving();
    client_ = connect();
  }
  std::unique_ptr<TestClient> connect() {
    auto stream = world_.run(client_node_.reactor(),
                             client_node_.env().network().connect(client_node_.reactor(), node_.address(kPort)));
    EXPECT_TRUE(stream.ok());
    return std::make_unique<TestClient>(std::move(*stream));
  }
  bool run_until(TestClient& client, std::function<bool()> done, int64_t within_ns = 900 * env::sim::kSecond) {
    return world_.run(client_node_.reactor(), client.run_until(std::move(done)), within_ns);
  }
  template <class Message>
  const TestReply& call_raw(const char* path, const Message& message) {
    const uint32_t id = client_->open(std::string("/google.pubsub.v1.") + path);
    client_->send(id, message.SerializeAsString(), true);
    EXPECT_TRUE(run_until(*client_, [&] { return client_->reply(id).is_over(); }));
    return client_->reply(id);
  }
  template <class Answer, class Message>
  Answer call(const char* path, const Message& message) {
    const TestReply& reply = call_raw(path, message);
    EXPECT_EQ(reply.field("grpc-status"), "0") << path << ": " << reply.field("grpc-message");
    Answer answer;
    if (reply.messages.size() == 1) EXPECT_TRUE(answer.ParseFromString(reply.messages.front()));
    return answer;
  }
  // "5 Resource not found (resource=x)."
  template <class Message>
  std::string refusal(const char* path, const Message& message) {
    const TestReply& reply = call_raw(path, message);
    return reply.field("grpc-status") + " " + reply.field("grpc-message");
  }

  env::sim::World world_{1};
  env::sim::Node& node_ = world_.add_node(3);
  env::sim::Node& client_node_ = world_.add_node();
  std::unique_ptr<TestClient> client_;
  std::unique_ptr<TestClient> other_;
};

using Strings = std::vector<std::string>;

inline constexpr const char* kTopic = "projects/p/topics/orders";
inline constexpr const char* kSubscription = "projects/p/subscriptions/workers";

// With what tests of the service as a client sees it have in common.
class ServiceTest : public PubsubTest {
 protected:
  pb::Topic create_topic(const std::string& name = kTopic) {
    pb::Topic topic;
    topic.set_name(name);
    return call<pb::Topic>("Publisher/CreateTopic", topic);
  }
  static pb::Subscription subscription(const std::string& name = kSubscription) {
    pb::Subscription subscription;
    subscription.set_name(name);
    subscription.set_topic(kTopic);
    return subscription;
  }
  pb::Subscription create(const pb::Subscription& wish) {
    return call<pb::Subscription>("Subscriber/CreateSubscription", wish);
  }
  void create_both(const pb::Subscription& wish = subscription()) {
    create_topic();
    create(wish);
  }
  Strings publish(const Strings& data, const std::string& key = "", const topic::Pairs& attributes = {}) {
    pb::PublishRequest request;
    request.set_topic(kTopic);
    for (const std::string& one : data) {
      pb::PubsubMessage& message = *request.add_messages();
      message.set_data(one);
      message.set_ordering_key(key);
      for (const auto& [name, value] : attributes) (*message.mutable_attributes())[name] = value;
    }
    const auto answer = call<pb::PublishResponse>("Publisher/Publish", request);
    return {answer.message_ids().begin(), answer.message_ids().end()};
  }
  pb::PullResponse pull(int count = 100, const std::string& name = kSubscription) {
    pb::PullRequest request;
    request.set_subscription(name);
    request.set_max_messages(count);
    request.set_return_immediately(true);
    return call<pb::PullResponse>("Subscriber/Pull", request);
  }
  static Strings data_of(const pb::PullResponse& response) {
    Strings data;
    for (const auto& message : response.received_messages()) data.push_back(message.message().data());
    return data;
  }
  // Sorted: messages without keys are in no order.
  Strings pull_data(int count = 100, const std::string& name = kSubscription) {
    Strings data = data_of(pull(count, name));
    std::ranges::sort(data);
    return data;
  }
  std::string acknowledge(const Strings& ids) {
    pb::AcknowledgeRequest request;
    request.set_subscription(kSubscription);
    for (const std::string& id : ids) request.add_ack_ids(id);
    return refusal("Subscriber/Acknowledge", request);
  }
  std::string modify(const Strings& ids, int seconds) {
    pb::ModifyAckDeadlineRequest request;
    request.set_subscription(kSubscription);
    request.set_ack_deadline_seconds(seconds);
    for (const std::string& id : ids) request.add_ack_ids(id);
    return refusal("Subscriber/ModifyAckDeadline", request);
  }
  static Strings ids_of(const pb::PullResponse& response) {
    Strings ids;
    for (const auto& message : response.received_messages()) ids.push_back(message.ack_id());
    return ids;
  }
  std::string get_subscription_refusal(const std::string& name) {
    pb::GetSubscriptionRequest request;
    request.set_subscription(name);
    return refusal("Subscriber/GetSubscription", request);
  }

  static Task<void> stop(PubsubProgram& program, bool& is_stopped) {
    (void)co_await program.stop();
    is_stopped = true;
  }
  std::unique_ptr<env::TaskScope> scope_;

  // ---- Streams.
  static pb::StreamingPullRequest first_request() {
    pb::StreamingPullRequest request;
    request.set_subscription(kSubscription);
    request.set_stream_ack_deadline_seconds(10);
    request.set_client_id("c");
    request.set_protocol_version(1);
    return request;
  }
  uint32_t open_stream(TestClient& client, const pb::StreamingPullRequest& request = first_request()) {
    const uint32_t id = client.open("/google.pubsub.v1.Subscriber/StreamingPull");
    client.send(id, request.SerializeAsString());
    return id;
  }
  // What a stream has got so far.
  std::vector<pb::ReceivedMessage> received(TestClient& client, uint32_t id) {
    std::vector<pb::ReceivedMessage> messages;
    for (const std::string& bytes : client.reply(id).messages) {
      pb::StreamingPullResponse response;
      EXPECT_TRUE(response.ParseFromString(bytes));
      for (const auto& message : response.received_messages()) messages.push_back(message);
    }
    return messages;
  }
  std::vector<pb::ReceivedMessage> receive(TestClient& client, uint32_t id, size_t count) {
    EXPECT_TRUE(run_until(client, [&] { return received(client, id).size() >= count; }));
    return received(client, id);
  }
  std::string end_of(TestClient& client, uint32_t id) {
    EXPECT_TRUE(run_until(client, [&] { return client.reply(id).is_over(); }));
    return client.reply(id).field("grpc-status") + " " + client.reply(id).field("grpc-message");
  }
};

}  // namespace keelson::pubsub
