#include "tests/sim/kv_node.h"

#include <utility>

#include "engine/kv/kv_engine.h"
#include "engine/kv/reply.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/latency.h"
#include "protocol/resp/pubsub.h"
#include "protocol/resp/session_batch.h"
#include "protocol/resp/shard_agent.h"
#include "protocol/resp/slowlog.h"

namespace keelson::sim_test {

KvNode::KvNode(env::Env& env, KvNodeOptions options)
    : env_(env), options_(std::move(options)), unheard_(std::make_unique<kv::NullReply>()), tasks_(env.reactor(0)) {
  env.reactor(0).post([this] { tasks_.spawn(start()); });
}

KvNode::~KvNode() = default;

Task<void> KvNode::start() {
  shard::RuntimeOptions options;
  options.folder = "data";
  options.log = options_.log;
  options.checkpoint = options_.checkpoint;
  shard::ServiceOptions& kv_service = options.services.emplace_back();
  kv_service.name = "kv";
  kv_service.shard_count = options_.shards;
  kv_service.durability = options_.log.durability;
  kv_service.replay_sink = unheard_.get();
  kv_service.make_engine = [this](shard::ShardId) {
    kv::KvOptions kv_options;
    kv_options.databases = options_.config.databases;
    kv_options.hash_secret = 42;
    return std::make_unique<kv::KvEngine>(kv_options);
  };
  if (options_.journal != nullptr) {
    options.make_log = [this](env::Reactor& reactor) {
      return std::make_unique<shard::FakeLog>(reactor, *options_.journal, options_.fake_log);
    };
  }
  runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
  const Status started = co_await runtime_->start();
  if (!started.ok()) {
    failure_ = started.error().message();
    co_return;
  }
  service_ = std::make_unique<resp::KvService>(*runtime_, options_.config, resp::Host{});
  const Status listening = service_->listen({.host = "", .port = kPort, .unix_path = {}}, nullptr);
  if (!listening.ok()) {
    failure_ = listening.error().message();
    co_return;
  }
  is_serving_ = true;
}

Task<Status> KvNode::shut_down() {
  is_serving_ = false;
  co_await service_->stop();
  co_return co_await runtime_->stop(true);
}

}  // namespace keelson::sim_test
