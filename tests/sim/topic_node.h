// The program of a simulated machine that serves topics to Kafka clients.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/task.h"
#include "engine/topic/answer.h"
#include "engine/topic/topic_engine.h"
#include "env/sim/sim.h"
#include "log/local_log.h"
#include "protocol/kafka/groups.h"
#include "protocol/kafka/service.h"
#include "shard/runtime.h"
#include "topics/topics.h"
#include "topics/transactions.h"

namespace keelson::sim_test {

struct TopicNodeOptions {
  uint16_t shards = 3;
  log::Durability durability = log::Durability::kAlways;
  log::LocalLogOptions log;
  shard::CheckpointOptions checkpoint;
  topic::TopicEngineOptions engine;  // its disk and folder are the node's
  topics::TopicsOptions topics;      // its service likewise
  topics::TransactionsOptions transactions;
  kafka::GroupOptions groups;
  kafka::KafkaOptions kafka;
};

class TopicNode final : public env::sim::Program {
 public:
  static constexpr uint16_t kPort = 9092;

  TopicNode(env::Env& env, TopicNodeOptions options);
  ~TopicNode() override;

  // As SIGTERM does.
  Task<Status> shut_down();

  [[nodiscard]] bool is_serving() const { return is_serving_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] shard::Runtime& runtime() { return *runtime_; }
  [[nodiscard]] topics::Topics& topics() { return *topics_; }
  [[nodiscard]] kafka::KafkaService& kafka() { return *kafka_; }

 private:
  Task<void> start();
  Task<Status> start_services();

  env::Env& env_;
  const TopicNodeOptions options_;
  topic::NullAnswer unheard_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<topics::Topics> topics_;
  std::unique_ptr<topics::Transactions> transactions_;
  std::unique_ptr<kafka::Groups> groups_;
  std::unique_ptr<kafka::KafkaService> kafka_;
  std::unique_ptr<env::TaskScope> scope_;
  std::string failure_;
  bool is_serving_ = false;
};

}  // namespace keelson::sim_test
