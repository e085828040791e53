// One node of a simulated cluster with one topic shard, for checkpoints that travel with segments: the runtime, the
// connections and the engine as the server has them, and a sweeper of its own that compacts and removes files whenever
// it can.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/topic/log_commands.h"
#include "engine/topic/topic_engine.h"
#include "env/env.h"
#include "env/sim/sim.h"
#include "shard/runtime.h"
#include "tests/sim/cluster_peers.h"

namespace keelson::sim_test {

// One command or query. Lives as long as the test, since a crash leaves it without an answer.
class TopicCall final : public shard::Operation, public topic::AnswerSink {
 public:
  template <class Body>
  TopicCall(const Body& body, std::string payload, bool writes)
      : payload_(std::move(payload)), encoded_(body, payload_) {
    commands = encoded_.commands();
    is_write = writes;
    is_stale = !writes;
  }
  engine::ReplySink& open_reply() override { return *this; }
  void finished(log::LogErrc result) override { outcome = result; }
  topic::Answer* answer() override { return &got; }
  [[nodiscard]] bool ok() const { return outcome == log::LogErrc::kOk && got.ok(); }

  topic::Answer got;
  std::optional<log::LogErrc> outcome;

 private:
  const std::string payload_;
  const topic::Encoded encoded_;
};

class TransferNode final : public env::sim::Program, private shard::ShardListener, private shard::GroupListener {
 public:
  struct Counts {
    uint64_t replaced = 0;
    uint64_t compactions = 0;
    uint64_t files_removed = 0;
  };
  // `counts` is of all nodes and lives.
  TransferNode(env::Env& env, unsigned index, std::vector<env::Address> peers, Counts& counts);
  ~TransferNode() override;

  [[nodiscard]] bool is_serving() const { return is_serving_; }
  // Why it has to be started anew; empty: it need not.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] topic::TopicEngine& engine() { return static_cast<topic::TopicEngine&>(runtime_->shard(0).engine()); }
  [[nodiscard]] shard::Runtime& runtime() { return *runtime_; }
  [[nodiscard]] ClusterPeers& peers() { return *peers_; }
  void submit(TopicCall& call) { runtime_->shard(0).submit(call); }
  void checkpoint() { tasks_.spawn(run_checkpoint()); }
  [[nodiscard]] bool leads() const { return is_serving_ && runtime_->shard(0).leads(); }
  [[nodiscard]] uint64_t applied() const { return runtime_->shard(0).replica()->is_idle() ? applied_index() : 0; }
  // Everything from there on; none: an error, in `why`.
  Task<std::optional<std::string>> read_all(topic::PartitionId from, int64_t offset, std::string& why);
  // Files that nothing needs, now.
  [[nodiscard]] std::vector<std::string> leftovers();

  static constexpr std::string_view kFolder = "data/topic/0";

 private:
  Task<void> start();
  Task<void> run_checkpoint();
  Task<void> sweep();
  Task<void> remove_files();
  Task<void> compact();
  [[nodiscard]] uint64_t applied_index() const;
  // shard::ShardListener
  void applied(shard::Shard& shard) override;
  void leader_changed(shard::Shard&, log::NodeId, bool) override {}
  void replaced(shard::Shard& shard) override { ++counts_.replaced; }
  // shard::GroupListener
  void leader_changed(shard::ShardId, shard::NodeId, bool) override {}
  void members_changed(shard::ShardId, const raft::Members&) override {}
  void replica_stopped(shard::ShardId, const std::string& why) override { failure_ = why; }

  env::Env& env_;
  Counts& counts_;
  topic::NullAnswer unheard_;
  bool is_serving_ = false;
  std::string failure_;
  std::unique_ptr<ClusterPeers> peers_;
  std::unique_ptr<shard::Runtime> runtime_;
  env::TaskScope tasks_;
};

}  // namespace keelson::sim_test
