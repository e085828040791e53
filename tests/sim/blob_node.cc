#include "tests/sim/blob_node.h"

#include <utility>

#include "engine/blob/blob_engine.h"
#include "tests/sim/counting_engine.h"

namespace keelson::sim_test {

BlobNode::BlobNode(env::Env& env, BlobNodeOptions options, std::vector<std::unique_ptr<BlobClient>>& clients)
    : env_(env), options_(std::move(options)), clients_(clients) {
  for (unsigned i = 0; i < env.reactor_count(); ++i) {
    scopes_.push_back(std::make_unique<env::TaskScope>(env.reactor(i)));
  }
  env.reactor(0).post([this] { scopes_[0]->spawn(start()); });
}

BlobNode::~BlobNode() {
  abandon();
  store_.reset();
}

void BlobNode::abandon() {
  if (runtime_ != nullptr) runtime_->abandon();
  scopes_.clear();
}

Task<void> BlobNode::start() {
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
  shard::ServiceOptions& blobs = options.services.emplace_back();
  blobs.name = "blob";
  blobs.shard_count = options_.shards;
  blobs.durability = options_.durability;
  blobs.replay_sink = &unheard_;
  blobs.make_engine = [](shard::ShardId) { return std::make_unique<blob::BlobEngine>(); };
  runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
  if (const Status started = co_await runtime_->start(); !started.ok()) {
    failure_ = started.error().message();
    co_return;
  }
  blobstore::StoreOptions store = options_.store;
  store.folder = "data/blob";
  store_ = std::make_unique<blobstore::Store>(env_, *runtime_, runtime_->router(1), std::move(store));
  if (const Status started = co_await store_->start(); !started.ok()) {
    failure_ = started.error().message();
    co_return;
  }
  if (options_.when_started) {
    if (const Status started = co_await options_.when_started(*store_); !started.ok()) {
      failure_ = started.error().message();
      co_return;
    }
  }
  is_serving_ = true;
  for (size_t i = 0; i < clients_.size(); ++i) {
    const unsigned at = static_cast<unsigned>(i % env_.reactor_count());
    env_.reactor(at).post([this, i, at] { scopes_[at]->spawn(clients_[i]->run(*store_, env_.reactor(at))); });
  }
}

Task<Status> BlobNode::shut_down() {
  co_await store_->stop();
  co_return co_await runtime_->stop(true);
}

std::string BlobNode::digests() {
  std::string all;
  const shard::Router& router = runtime_->router(1);
  for (unsigned i = 0; i < router.shard_count(); ++i) {
    const auto id = static_cast<shard::ShardId>(router.first_shard() + i);
    all += std::to_string(blob::digest(static_cast<blob::BlobEngine&>(runtime_->shard(id).engine()).state())) + " ";
  }
  return all;
}

uint64_t BlobNode::volume_bytes() {
  int64_t bytes = 0;
  for (unsigned i = 0; i < env_.reactor_count(); ++i) bytes += store_->stats(i).disk_bytes.value();
  return static_cast<uint64_t>(bytes);
}

}  // namespace keelson::sim_test
