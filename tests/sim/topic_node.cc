#include "tests/sim/topic_node.h"

#include <utility>

#include "tests/sim/counting_engine.h"

namespace keelson::sim_test {

TopicNode::TopicNode(env::Env& env, TopicNodeOptions options)
    : env_(env), options_(std::move(options)), scope_(std::make_unique<env::TaskScope>(env.reactor(0))) {
  env.reactor(0).post([this] { scope_->spawn(start()); });
}

TopicNode::~TopicNode() {
  if (runtime_ != nullptr) runtime_->abandon();
  scope_.reset();
  kafka_.reset();
  groups_.reset();
  transactions_.reset();
  topics_.reset();
}

Task<void> TopicNode::start() {
  const Status started = co_await start_services();
  if (started.ok()) {
    is_serving_ = true;
  } else {
    failure_ = started.error().message();
  }
}

Task<Status> TopicNode::start_services() {
  shard::RuntimeOptions options;
  options.folder = "data";
  options.log = options_.log;
  options.checkpoint = options_.checkpoint;
  shard::ServiceOptions& first = options.services.emplace_back();
  first.name = "count";
  first.shard_count = 2;
  first.durability = log::Durability::kInterval;
  first.replay_sink = &unheard_;
  first.make_engine = [](shard::ShardId) { return std::make_unique<CountingEngine>(); };
  shard::ServiceOptions& topic = options.services.emplace_back();
  topic.name = "topic";
  topic.shard_count = options_.shards;
  topic.durability = options_.durability;
  topic.replay_sink = &unheard_;
  topic.make_engine = [this](shard::ShardId id) {
    topic::TopicEngineOptions engine = options_.engine;
    engine.disk = &env_.disk();
    engine.folder = "data/topics/" + std::to_string(id);
    return std::make_unique<topic::TopicEngine>(std::move(engine));
  };
  runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
  if (Status started = co_await runtime_->start(); !started.ok()) co_return started;
  topics::TopicsOptions topics = options_.topics;
  topics.service = 1;
  topics_ = std::make_unique<topics::Topics>(*runtime_, std::move(topics));
  if (Status started = co_await topics_->start(); !started.ok()) co_return started;
  transactions_ = std::make_unique<topics::Transactions>(*topics_, options_.transactions);
  if (Status started = co_await transactions_->start(); !started.ok()) co_return started;
  groups_ = std::make_unique<kafka::Groups>(*topics_, options_.groups);
  if (Status started = co_await groups_->start(); !started.ok()) co_return started;
  kafka_ = std::make_unique<kafka::KafkaService>(*topics_, options_.kafka);
  kafka_->set_coordinators(groups_.get(), transactions_.get());
  co_return kafka_->listen({.host = "", .port = kPort, .unix_path = {}}, nullptr);
}

Task<Status> TopicNode::shut_down() {
  co_await kafka_->stop();
  co_await transactions_->stop();
  co_await topics_->stop();
  co_return co_await runtime_->stop(true);
}

}  // namespace keelson::sim_test
