// One node of a simulated cluster that serves topics to Kafka clients, wired as the server wires it: connections
// between nodes, a runtime whose topic shards are replicated, topics, coordinators, the Kafka service. The members of
// every group are all nodes; nobody joins.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "engine/topic/answer.h"
#include "env/sim/sim.h"
#include "protocol/kafka/groups.h"
#include "protocol/kafka/service.h"
#include "shard/cluster_view.h"
#include "shard/runtime.h"
#include "tests/sim/cluster_peers.h"
#include "tests/sim/cluster_witness.h"
#include "tests/sim/topic_judge.h"
#include "tests/sim/topic_node.h"
#include "topics/topics.h"
#include "topics/transactions.h"

namespace keelson::sim_test {

struct TopicClusterNodeOptions {
  unsigned index = 0;               // its NodeId is one more
  std::vector<env::Address> peers;  // of all nodes, in order
  TopicNodeOptions node;            // what a node alone has
  raft::MemberOptions member;
  int64_t tick_ms = 50;
  ClusterWitness* witness = nullptr;
};

// What the replicas of one node hold, in a form in which nodes can be compared.
struct TopicPicture {
  // By shard: how far it is, and who leads it as far as is known here.
  std::map<shard::ShardId, std::pair<uint64_t, log::NodeId>> positions;
  // By shard: every topic.
  std::map<shard::ShardId, std::string> directories;
  // By shard: groups, transactions and whatever else is neither a topic nor a partition.
  std::map<shard::ShardId, std::string> parts;
};

class TopicClusterNode final : public env::sim::Program, private shard::GroupListener {
 public:
  TopicClusterNode(env::Env& env, TopicClusterNodeOptions options);
  ~TopicClusterNode() override;

  [[nodiscard]] bool is_serving() const { return is_serving_; }
  // Why it cannot go on, or empty.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // Its log takes nothing more: it must be started anew.
  [[nodiscard]] bool has_failed_log() const;
  // Something that must not matter: a checkpoint, another leader, another voter.
  void stir(uint64_t chance);

  // Where its groups stand, for people.
  Task<std::string> groups_text();

  // ---- Once nobody changes anything any more. Not while a checkpoint is being written.

  [[nodiscard]] bool is_writing_checkpoint() const { return runtime_->checkpoint_progress().is_running; }
  [[nodiscard]] TopicPicture picture();
  // Every topic here: name and partitions.
  [[nodiscard]] std::map<std::string, topic::TopicInfo> directory();
  // What this node's own replica holds of a partition. On reactor_of(). False: it cannot be read, and why is in
  // `wrong`.
  Task<bool> read_own(topic::PartitionId id, TopicJudge::Partition& into, std::string& wrong);
  [[nodiscard]] unsigned reactor_of(const topic::PartitionId& id) const;
  // Watermarks and producers of a partition, as text.
  [[nodiscard]] std::string describe(const topic::PartitionId& id);

 private:
  class View;

  Task<void> start();
  [[nodiscard]] shard::RuntimeOptions runtime_options();
  Task<Status> start_services();
  void fail_start(const Status& why) { failure_ = why.error().message(); }
  Task<void> note_leader(shard::ShardId shard);
  Task<void> give_lead(shard::ShardId shard, shard::NodeId to);
  Task<void> checkpoint();
  template <class Body>
  [[nodiscard]] topic::Answer query(shard::ShardId shard, const Body& body);
  Task<bool> read_own(const topic::PartitionId& id, bool is_committed_only, std::vector<SeenRecord>& into,
                      std::string& wrong);

  // shard::GroupListener.
  void leader_changed(shard::ShardId shard, shard::NodeId leader, bool is_here) override;
  void members_changed(shard::ShardId shard, const raft::Members& members) override {}
  void replica_stopped(shard::ShardId shard, const std::string& why) override;

  env::Env& env_;
  const TopicClusterNodeOptions options_;
  bool is_serving_ = false;
  std::string failure_;
  topic::NullAnswer unheard_;
  std::unique_ptr<View> view_;
  std::unique_ptr<ClusterPeers> peers_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<topics::Topics> topics_;
  std::unique_ptr<topics::Transactions> transactions_;
  std::unique_ptr<kafka::Groups> groups_;
  std::unique_ptr<kafka::KafkaService> kafka_;
  env::TaskScope tasks_;
};

}  // namespace keelson::sim_test
