// A kv service on a simulated machine, and clients that say lines to it and see its bytes. For tests of this folder.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "engine/kv/kv_engine.h"
#include "engine/kv/reply.h"
#include "env/sim/sim.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/latency.h"
#include "protocol/resp/pubsub.h"
#include "protocol/resp/service.h"
#include "protocol/resp/session_batch.h"
#include "protocol/resp/shard_agent.h"
#include "protocol/resp/slowlog.h"
#include "shard/cluster_view.h"
#include "shard/runtime.h"

namespace keelson::resp {

inline constexpr uint16_t kTestPort = 6379;
inline constexpr uint16_t kTestShards = 4;

// A cluster that says what a test wants it to say. This node is 1.
class TestView final : public shard::ClusterView {
 public:
  [[nodiscard]] std::shared_ptr<const shard::ClusterMap> map() const override {
    return std::make_shared<shard::ClusterMap>(told);
  }
  shard::ClusterMap told;
};

// Nobody is there.
class TestMessenger final : public raft::Messenger {
 public:
  void send(raft::NodeId, raft::ShardId, std::string_view) override {}
  void send_file(raft::NodeId, raft::ShardId, std::string, std::string, std::vector<raft::SideFile>,
                 std::function<void(bool)> done) override {
    done(false);
  }
  [[nodiscard]] bool is_reachable(raft::NodeId) const override { return false; }
};

// With a view in `host.cluster` the node is one of a cluster, in which it has the only replica of each shard.
class TestProgram final : public env::sim::Program {
 public:
  TestProgram(env::Env& env, KvConfig config, Host host)
      : env_(env), config_(std::move(config)), host_(std::move(host)), tasks_(env.reactor(0)) {
    env.reactor(0).post([this] { tasks_.spawn(start()); });
  }
  [[nodiscard]] bool is_serving() const { return is_serving_; }
  [[nodiscard]] KvService& service() { return *service_; }

 private:
  Task<void> start() {
    shard::RuntimeOptions options;
    options.folder = "data";
    shard::ServiceOptions& kv_service = options.services.emplace_back();
    kv_service.name = "kv";
    kv_service.shard_count = kTestShards;
    kv_service.replay_sink = &unheard_;
    kv_service.make_engine = [](shard::ShardId) {
      kv::KvOptions kv_options;
      kv_options.hash_secret = 42;
      return std::make_unique<kv::KvEngine>(kv_options);
    };
    if (host_.cluster != nullptr) {
      shard::ReplicationOptions& replication = options.replication.emplace();
      replication.node = 1;
      replication.messenger = [this](unsigned) -> raft::Messenger& { return messenger_; };
      replication.first_members = [](shard::ShardId) { return std::vector<shard::NodeId>{1}; };
      replication.groups.tick_ms = 5;
      kv_service.has_slots = true;
    }
    runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
    const Status started = co_await runtime_->start();
    KEELSON_CHECK(started.ok(), "the runtime does not start");
    service_ = std::make_unique<KvService>(*runtime_, config_, host_);
    if (host_.cluster != nullptr) {
      co_await runtime_->start_groups();
      while ((co_await service_->led_shards(env_.reactor(0))).size() != kTestShards) {
        co_await env::sleep_for(env_.reactor(0), 1'000'000);
      }
    }
    const Status listening = service_->listen({.host = "", .port = kTestPort, .unix_path = {}}, nullptr);
    KEELSON_CHECK(listening.ok(), "the service does not listen");
    is_serving_ = true;
  }

  env::Env& env_;
  KvConfig config_;
  Host host_;
  kv::NullReply unheard_;
  TestMessenger messenger_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<KvService> service_;
  bool is_serving_ = false;
  env::TaskScope tasks_;
};

// Says a line and hears what comes back.
class TestClient {
 public:
  TestClient(env::sim::World& world, env::Env& env, env::Address server)
      : world_(world), env_(env), tasks_(env.reactor(0)) {
    world_.run_on(env_.reactor(0), [this, server] { tasks_.spawn(serve(server)); });
    world_.run_until([this] { return is_open_; });
  }
  ~TestClient() {
    world_.run_on(env_.reactor(0), [this] { stream_->close(); });
  }

  // Sends bytes, and returns everything that arrives within 20 ms; then the service has long answered.
  std::string send(std::string bytes) {
    world_.run_on(env_.reactor(0), [this, bytes = std::move(bytes)] { tasks_.spawn(write(bytes)); });
    return hear();
  }
  std::string say(std::string_view line) { return send(std::string(line) + "\r\n"); }
  // What has arrived since, without saying anything.
  std::string hear() {
    world_.run_for(20 * env::sim::kMillisecond);
    return std::exchange(heard_, {});
  }
  [[nodiscard]] bool is_closed() const { return is_closed_; }

 private:
  Task<void> serve(env::Address server) {
    auto connected = co_await env_.network().connect(env_.reactor(0), std::move(server));
    KEELSON_CHECK(connected.ok(), "the client does not connect");
    stream_ = std::move(*connected);
    is_open_ = true;
    char bytes[4096];
    for (;;) {
      const env::IoOutcome got = co_await stream_->read(bytes);
      if (!got.ok()) break;
      heard_.append(bytes, got.count);
    }
    is_closed_ = true;
  }
  Task<void> write(std::string bytes) {
    const env::IoOutcome sent = co_await stream_->write(bytes);
    if (!sent.ok()) is_closed_ = true;
  }

  env::sim::World& world_;
  env::Env& env_;
  std::unique_ptr<env::Stream> stream_;
  std::string heard_;
  bool is_open_ = false;
  bool is_closed_ = false;
  env::TaskScope tasks_;
};

class TestService {
 public:
  explicit TestService(unsigned reactors = 2, KvConfig config = {}, Host host = {})
      : world_(20261123), server_(world_.add_node(reactors)), clients_(world_.add_node()) {
    server_.run_program([config = std::move(config), host = std::move(host)](env::Env& env) {
      return std::make_unique<TestProgram>(env, config, host);
    });
    world_.run_until([this] { return program().is_serving(); });
  }

  [[nodiscard]] std::unique_ptr<TestClient> connect() {
    return std::make_unique<TestClient>(world_, clients_.env(), server_.address(kTestPort));
  }
  [[nodiscard]] env::sim::World& world() { return world_; }
  [[nodiscard]] KvService& service() { return program().service(); }
  [[nodiscard]] TestProgram& program() { return static_cast<TestProgram&>(*server_.program()); }

 private:
  env::sim::World world_;
  env::sim::Node& server_;
  env::sim::Node& clients_;
};

}  // namespace keelson::resp
