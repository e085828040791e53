#include "tests/sim/topic_cluster_node.h"

#include <utility>

#include "base/coding.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/topic_engine.h"
#include "tests/sim/counting_engine.h"
#include "tests/sim/topic_clients.h"

namespace keelson::sim_test {

namespace {

constexpr uint16_t kCountShards = 2;
constexpr size_t kTopicService = 1;
constexpr size_t kPieceBytes = 64 << 10;
// Blocks of a checkpoint of the topic engine (topic_engine.h).
constexpr uint8_t kTopicBlock = 2;
constexpr uint8_t kPartitionBlock = 4;

class Heard final : public topic::AnswerSink {
 public:
  topic::Answer* answer() override { return &answer_; }
  topic::Answer take() { return std::move(answer_); }

 private:
  topic::Answer answer_;
};

}  // namespace

// Where everybody is; who leads, each node knows of its own replicas.
class TopicClusterNode::View final : public shard::ClusterView {
 public:
  View(const TopicClusterNodeOptions& options, const shard::Router& router) {
    auto map = std::make_shared<shard::ClusterMap>();
    map->epoch = 1;
    map->here = options.index + 1;
    std::vector<shard::NodeId> everybody;
    for (size_t i = 0; i < options.peers.size(); ++i) {
      auto& node = map->nodes.emplace_back();
      node.id = i + 1;
      node.host = options.peers[i].host;
      node.port = TopicNode::kPort;
      everybody.push_back(i + 1);
    }
    for (uint16_t i = 0; i < router.shard_count(); ++i) {
      map->shards.push_back({.id = static_cast<shard::ShardId>(router.first_shard() + i), .replicas = everybody});
    }
    map_ = std::move(map);
  }
  [[nodiscard]] std::shared_ptr<const shard::ClusterMap> map() const override { return map_; }

 private:
  std::shared_ptr<const shard::ClusterMap> map_;
};

TopicClusterNode::TopicClusterNode(env::Env& env, TopicClusterNodeOptions options)
    : env_(env), options_(std::move(options)), tasks_(env.reactor(0)) {
  env.reactor(0).post([this] { tasks_.spawn(start()); });
}

TopicClusterNode::~TopicClusterNode() {
  if (runtime_ != nullptr) runtime_->abandon();
}

shard::RuntimeOptions TopicClusterNode::runtime_options() {
  shard::RuntimeOptions options;
  options.folder = "data";
  options.log = options_.node.log;
  options.checkpoint = options_.node.checkpoint;
  shard::ServiceOptions& first = options.services.emplace_back();
  first.name = "count";
  first.shard_count = kCountShards;
  first.durability = log::Durability::kInterval;
  first.replay_sink = &unheard_;
  first.is_replicated = false;
  first.make_engine = [](shard::ShardId) { return std::make_unique<CountingEngine>(); };
  shard::ServiceOptions& topic = options.services.emplace_back();
  topic.name = "topic";
  topic.shard_count = options_.node.shards;
  topic.durability = options_.node.durability;
  topic.replay_sink = &unheard_;
  topic.make_engine = [this](shard::ShardId id) {
    topic::TopicEngineOptions engine = options_.node.engine;
    engine.disk = &env_.disk();
    engine.folder = "data/topics/" + std::to_string(id);
    return std::make_unique<topic::TopicEngine>(std::move(engine));
  };
  shard::ReplicationOptions& replication = options.replication.emplace(peers_->replication());
  replication.listener = this;
  replication.member = options_.member;
  replication.groups.tick_ms = options_.tick_ms;
  return options;
}

Task<void> TopicClusterNode::start() {
  peers_ = std::make_unique<ClusterPeers>(env_, options_.index, options_.peers);
  runtime_ = std::make_unique<shard::Runtime>(env_, runtime_options());
  if (const Status started = co_await runtime_->start(); !started.ok()) co_return fail_start(started);
  if (const Status meshed = co_await peers_->start(*runtime_); !meshed.ok()) co_return fail_start(meshed);
  if (const Status serving = co_await start_services(); !serving.ok()) co_return fail_start(serving);
  co_await runtime_->start_groups();
  is_serving_ = true;
}

Task<Status> TopicClusterNode::start_services() {
  topics::TopicsOptions topics = options_.node.topics;
  topics.service = kTopicService;
  topics.is_clustered = true;
  topics.node = options_.index + 1;
  topics_ = std::make_unique<topics::Topics>(*runtime_, std::move(topics));
  if (Status started = co_await topics_->start(); !started.ok()) co_return started;
  transactions_ = std::make_unique<topics::Transactions>(*topics_, options_.node.transactions);
  if (Status started = co_await transactions_->start(); !started.ok()) co_return started;
  groups_ = std::make_unique<kafka::Groups>(*topics_, options_.node.groups);
  if (Status started = co_await groups_->start(); !started.ok()) co_return started;
  kafka::KafkaOptions kafka = options_.node.kafka;
  kafka.node_id = static_cast<int32_t>(options_.index + 1);
  kafka.cluster_id = "simulated";
  kafka_ = std::make_unique<kafka::KafkaService>(*topics_, std::move(kafka));
  kafka_->set_coordinators(groups_.get(), transactions_.get());
  view_ = std::make_unique<View>(options_, topics_->router());
  kafka_->set_cluster(*view_);
  co_return kafka_->listen({.host = "", .port = TopicNode::kPort, .unix_path = {}}, nullptr);
}

bool TopicClusterNode::has_failed_log() const {
  if (!is_serving_) return false;
  // As an operator does who reads the log: a segment that could not be synced keeps the shard from giving checkpoints
  // to those who need one.
  return runtime_->local_log()->stats().has_failed.value() != 0 ||
         runtime_->checkpoint_progress().last_error.contains("until the program starts again");
}

// ---- What must not matter.

void TopicClusterNode::stir(uint64_t chance) {
  const auto shard = topics_->shard_at(static_cast<uint16_t>(chance % options_.node.shards));
  const shard::NodeId who = 1 + chance / 1000 % options_.peers.size();
  env_.reactor(0).post([this, shard, who, kind = chance / 100 % 4, is_demotion = chance / 10'000 % 2 == 0] {
    if (kind == 0) tasks_.spawn(checkpoint());
    if (kind == 1 || kind == 2) tasks_.spawn(give_lead(shard, who));
    if (kind == 3) tasks_.spawn(peers_->change_member(shard, who, is_demotion));
  });
}

Task<void> TopicClusterNode::give_lead(shard::ShardId shard, shard::NodeId to) {
  (void)co_await runtime_->transfer_leader(env_.reactor(0), shard, to);
}

Task<void> TopicClusterNode::checkpoint() { (void)co_await runtime_->checkpoint_all(true); }

void TopicClusterNode::leader_changed(shard::ShardId shard, shard::NodeId leader, bool is_here) {
  if (!is_here) return;
  env_.reactor(0).post([this, shard] { tasks_.spawn(note_leader(shard)); });
}

Task<void> TopicClusterNode::note_leader(shard::ShardId shard) {
  const auto status = co_await runtime_->group_status(env_.reactor(0), shard);
  if (status && status->role == raft::Role::kLeader) options_.witness->leads(options_.index, shard, status->term);
}

void TopicClusterNode::replica_stopped(shard::ShardId shard, const std::string& why) {
  env_.reactor(0).post([this, shard, why] { failure_ = "shard " + std::to_string(shard) + " stopped: " + why; });
}

Task<std::string> TopicClusterNode::groups_text() {
  std::string text;
  for (const auto& [shard, status] : co_await runtime_->group_statuses(env_.reactor(0))) {
    text += ", shard " + std::to_string(shard) + " term " + std::to_string(status.term) + " led by " +
            std::to_string(status.leader) + " applied " + std::to_string(status.applied) + " of " +
            std::to_string(status.last_index) + (status.is_quiet ? " quiet" : "") + (status.is_full ? " full" : "") +
            " " + status.halted;
    for (const raft::PeerStatus& peer : status.peers) {
      text += "\n      " + std::to_string(peer.node) + " has " + std::to_string(peer.matched) +
              (peer.is_learner ? ", a learner" : "") + (peer.is_active ? "" : ", silent") +
              (peer.needs_checkpoint ? ", needs a checkpoint" : "");
    }
  }
  co_return text;
}

// ---- What it holds.

template <class Body>
topic::Answer TopicClusterNode::query(shard::ShardId shard, const Body& body) {
  const topic::Encoded encoded(body);
  Heard heard;
  shard::Shard& of = runtime_->shard(shard);
  of.engine().query({0, of.last_time_ms(), 0}, encoded.command(), heard);
  return heard.take();
}

namespace {

std::string text_of(const topic::TopicInfo& info) {
  std::string text = info.name + " with " + std::to_string(info.partition_count) + " partitions, made " +
                     std::to_string(info.created_ms);
  for (const auto& [key, value] : info.configs) text.append(", ").append(key).append("=").append(value);
  for (const uint8_t byte : info.id.bytes) text += " " + std::to_string(byte);
  return text + "\n";
}

// Everything in a checkpoint but topics and partitions.
std::string parts_of(engine::Engine& engine) {
  Buffer saved;
  const auto source = engine.begin_checkpoint();
  while (!source->next(kPieceBytes, saved)) continue;
  std::string parts;
  std::string_view rest = saved.view();
  uint8_t kind = 0;
  std::string_view block;
  while (!rest.empty() && read_u8(rest, kind) && read_string(rest, block)) {
    if (kind == kTopicBlock || kind == kPartitionBlock) continue;
    append_u8(parts, kind);
    append_string(parts, block);
  }
  return parts;
}

}  // namespace

TopicPicture TopicClusterNode::picture() {
  TopicPicture picture;
  for (uint16_t i = 0; i < options_.node.shards; ++i) {
    const shard::ShardId id = topics_->shard_at(i);
    picture.positions[id] = {runtime_->shard(id).applied_index(), topics_->leader_of(id)};
    std::string& text = picture.directories[id];
    for (const topic::TopicInfo& info : query(id, topic::ListTopics{}).topics) text += text_of(info);
    picture.parts[id] = parts_of(runtime_->shard(id).engine());
  }
  return picture;
}

std::map<std::string, topic::TopicInfo> TopicClusterNode::directory() {
  std::map<std::string, topic::TopicInfo> found;
  for (topic::TopicInfo& info : query(topics_->shard_at(0), topic::ListTopics{}).topics) {
    found.emplace(info.name, std::move(info));
  }
  return found;
}

unsigned TopicClusterNode::reactor_of(const topic::PartitionId& id) const {
  return topics_->router().reactor_of(topics_->shard_of(id));
}

std::string TopicClusterNode::describe(const topic::PartitionId& id) {
  const shard::ShardId shard = topics_->shard_of(id);
  const topic::PartitionInfo info = query(shard, topic::DescribePartition{.of = id}).partition;
  std::string text = "from " + std::to_string(info.log_start) + " to " + std::to_string(info.high_watermark) +
                     ", stable to " + std::to_string(info.last_stable);
  for (const topic::ProducerInfo& producer : query(shard, topic::DescribeProducers{.of = id}).producers) {
    text += ", producer " + std::to_string(producer.id) + " epoch " + std::to_string(producer.epoch) + " sequence " +
            std::to_string(producer.last_sequence) + " coordinator " + std::to_string(producer.coordinator_epoch) +
            " open " + std::to_string(producer.transaction_start);
  }
  return text;
}

Task<bool> TopicClusterNode::read_own(topic::PartitionId id, TopicJudge::Partition& into, std::string& wrong) {
  const topic::Answer described = query(topics_->shard_of(id), topic::DescribePartition{.of = id});
  into = {};
  into.start = described.partition.log_start;
  co_return co_await read_own(id, false, into.all, wrong) && co_await read_own(id, true, into.committed, wrong);
}

Task<bool> TopicClusterNode::read_own(const topic::PartitionId& id, bool is_committed_only,
                                      std::vector<SeenRecord>& into, std::string& wrong) {
  env::Reactor& here = env_.reactor(reactor_of(id));
  const topic::PartitionInfo info = query(topics_->shard_of(id), topic::DescribePartition{.of = id}).partition;
  const int64_t end = is_committed_only ? info.last_stable : info.high_watermark;
  int64_t position = info.log_start;
  while (position < end) {
    topic::Answer answer = query(topics_->shard_of(id),
                                 topic::Read{.from = id, .offset = position, .is_committed_only = is_committed_only});
    if (!answer.ok()) {
      wrong = "offset " + std::to_string(position) + " is answered with error " +
              std::to_string(static_cast<int>(answer.error)) + " " + answer.reason;
      co_return false;
    }
    if (const Status brought = co_await topics_->bring(here, answer.read); !brought.ok()) {
      wrong = brought.error().message();
      co_return false;
    }
    KafkaLink::Fetched fetched;
    for (const topic::AbortedTransaction& one : answer.read.aborted) {
      fetched.aborted.emplace_back(one.producer_id, one.first_offset);
    }
    for (const topic::Slice& slice : answer.read.slices) fetched.batches += slice.bytes;
    const int64_t before = position;
    if (!read_batches(fetched, is_committed_only, position, into)) {
      wrong = "malformed batches at offset " + std::to_string(position);
      co_return false;
    }
    // A segment that compaction has emptied.
    if (position == before) position = answer.read.next_offset;
    if (position == before) {
      wrong = "nothing is to be had at offset " + std::to_string(position) + " below the end " + std::to_string(end);
      co_return false;
    }
  }
  co_return true;
}

}  // namespace keelson::sim_test
