#include "tests/sim/transfer_node.h"

#include <utility>

#include "engine/topic/compaction.h"
#include "engine/topic/segment_file.h"
#include "shard/visit.h"

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;

constexpr int64_t kSweepEveryNs = 40 * kMillisecond;

topic::TopicEngine& engine_of(shard::Shard& shard) { return static_cast<topic::TopicEngine&>(shard.engine()); }

}  // namespace

TransferNode::TransferNode(env::Env& env, unsigned index, std::vector<env::Address> peers, Counts& counts)
    : env_(env),
      counts_(counts),
      peers_(std::make_unique<ClusterPeers>(env, index, std::move(peers))),
      tasks_(env.reactor(0)) {
  env.reactor(0).post([this] { tasks_.spawn(start()); });
}

TransferNode::~TransferNode() {
  if (runtime_ != nullptr) runtime_->abandon();
}

Task<void> TransferNode::start() {
  shard::RuntimeOptions options;
  options.folder = "data";
  options.log.segment_bytes = 64 << 10;
  shard::ServiceOptions& service = options.services.emplace_back();
  service.name = "topic";
  service.engine_version = topic::kTopicEngineVersion;
  service.shard_count = 1;
  service.replay_sink = &unheard_;
  service.make_engine = [this](shard::ShardId) {
    topic::TopicEngineOptions topic;
    topic.disk = &env_.disk();
    topic.folder = kFolder;
    topic.cache_bytes = 0;
    topic.partition_settle_bytes = 1;
    topic.settle_bytes = 1;
    topic.open_files_max = 4;
    return std::make_unique<topic::TopicEngine>(std::move(topic));
  };
  shard::ReplicationOptions& replication = options.replication.emplace(peers_->replication());
  replication.listener = this;
  replication.member.kept_entries_max = 10;
  replication.groups.tick_ms = 30;
  runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
  Status started = co_await runtime_->start();
  if (started.ok()) {
    runtime_->shard(0).set_listener(this);
    started = co_await peers_->start(*runtime_);
  }
  if (!started.ok()) {
    failure_ = started.error().message();
    co_return;
  }
  if (runtime_->shard(0).damage()) failure_ = *runtime_->shard(0).damage();
  co_await runtime_->start_groups();
  is_serving_ = true;
  tasks_.spawn(sweep());
}

uint64_t TransferNode::applied_index() const {
  return runtime_->shard(0).replica()->has_log() ? runtime_->groups(0).find(0)->applied_index() : 0;
}

// A full disk passes.
void TransferNode::applied(shard::Shard& shard) { (void)engine_of(shard).settle(); }

Task<void> TransferNode::run_checkpoint() { (void)co_await runtime_->checkpoint_all(true); }

Task<void> TransferNode::sweep() {
  for (;;) {
    co_await env::sleep_for(env_.reactor(0), kSweepEveryNs);
    co_await remove_files();
    co_await compact();
  }
}

Task<void> TransferNode::remove_files() {
  env::Reactor& here = env_.reactor(0);
  std::vector<std::string> files = co_await shard::visit(*runtime_, here, 0, [](shard::Shard& shard) {
    if (shard.damage()) return std::vector<std::string>();
    std::vector<std::string> found = engine_of(shard).take_garbage();
    if (!engine_of(shard).are_strays_due()) return found;
    const auto strays = engine_of(shard).find_strays();
    if (strays.ok()) found.insert(found.end(), strays->begin(), strays->end());
    return found;
  });
  if (files.empty()) co_return;
  if (const Status synced = co_await runtime_->sync_log(here); !synced.ok()) {
    // They are to be found again.
    co_await shard::visit(*runtime_, here, 0, [](shard::Shard& shard) { engine_of(shard).look_for_strays_again(); });
    co_return;
  }
  for (const std::string& path : files) {
    // So late that much may have happened.
    co_await env::sleep_for(here, static_cast<int64_t>(here.random().next() % 5) * kMillisecond);
    co_await shard::visit(*runtime_, here, 0, [this, &path](shard::Shard& shard) {
      if (shard.damage() || !engine_of(shard).is_unused(path) || !env_.disk().exists(path)) return;
      counts_.files_removed += env_.disk().remove(path).ok() ? 1 : 0;
    });
  }
}

Task<void> TransferNode::compact() {
  env::Reactor& here = env_.reactor(0);
  const uint64_t seed = here.random().next();
  std::unique_ptr<topic::Compaction> run = co_await shard::visit(*runtime_, here, 0, [&](shard::Shard& shard) {
    if (shard.damage()) return std::unique_ptr<topic::Compaction>();
    return engine_of(shard).next_compaction(shard.clock().refresh(), size_t{1} << 20, seed);
  });
  if (run == nullptr) co_return;
  for (;;) {
    const Result<bool> more = co_await run->step(here);
    if (!more.ok() || !*more) break;
    co_await env::sleep_for(here, static_cast<int64_t>(here.random().next() % 3) * kMillisecond);
  }
  co_await shard::visit(*runtime_, here, 0, [&](shard::Shard& shard) { engine_of(shard).install(*run); });
  ++counts_.compactions;
}

Task<std::optional<std::string>> TransferNode::read_all(topic::PartitionId from, int64_t offset, std::string& why) {
  std::string all;
  for (;;) {
    TopicCall call(topic::Read{.from = from, .offset = offset, .bytes_max = 1000}, {}, false);
    submit(call);
    if (call.outcome != log::LogErrc::kOk || !call.got.ok()) {
      why = std::string(topic::errc_text(call.got.error)) + " " + call.got.reason;
      co_return std::nullopt;
    }
    int64_t next = call.got.read.next_offset;
    for (const topic::Slice& slice : call.got.read.slices) all.append(slice.bytes);
    if (call.got.read.span) {
      auto read = co_await topic::read_span(*call.got.read.span, env_.reactor(0));
      if (!read.ok()) {
        why = read.error().message();
        co_return std::nullopt;
      }
      all.append(read->batches.bytes);
      next = read->next_offset;
    }
    if (next == offset) co_return all;
    offset = next;
  }
}

std::vector<std::string> TransferNode::leftovers() {
  std::vector<std::string> left;
  for (const std::string_view folder : {kFolder, std::string_view("data/incoming")}) {
    const auto names = env_.disk().list(std::string(folder));
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      const std::string path = std::string(folder) + "/" + name;
      if (engine().is_unused(path)) left.push_back(path);
    }
  }
  return left;
}

}  // namespace keelson::sim_test
