// The kv service of one simulated machine, as the server wires it, without the process around it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "env/sim/sim.h"
#include "log/local_log.h"
#include "protocol/resp/service.h"
#include "shard/fake_log.h"
#include "shard/runtime.h"

namespace keelson::sim_test {

inline constexpr uint16_t kPort = 6379;

struct KvNodeOptions {
  uint16_t shards = 4;
  log::LocalLogOptions log;
  shard::CheckpointOptions checkpoint;
  resp::KvConfig config;
  // Set: in place of the local log. Nothing is recovered then.
  shard::Journal* journal = nullptr;
  shard::FakeLogOptions fake_log;
};

class KvNode final : public env::sim::Program {
 public:
  KvNode(env::Env& env, KvNodeOptions options);
  ~KvNode() override;

  [[nodiscard]] bool is_serving() const { return is_serving_; }
  // Why it could not start, or empty.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] shard::Runtime& runtime() { return *runtime_; }
  [[nodiscard]] resp::KvService& service() { return *service_; }
  // As SIGTERM does: serves nobody any more, checkpoints, syncs.
  Task<Status> shut_down();

 private:
  Task<void> start();

  env::Env& env_;
  KvNodeOptions options_;
  std::unique_ptr<engine::ReplySink> unheard_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<resp::KvService> service_;
  bool is_serving_ = false;
  std::string failure_;
  env::TaskScope tasks_;
};

}  // namespace keelson::sim_test
