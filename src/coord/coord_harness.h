// For tests: the coordination service on a simulated machine that crashes and comes back.
//
// A second service stands before it, so that its shard is not on reactor 0.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/task.h"
#include "coord/client.h"
#include "coord/service.h"
#include "engine/coord/answer.h"
#include "engine/coord/coord_engine.h"
#include "env/env.h"
#include "env/reactor.h"
#include "env/sim/sim.h"
#include "shard/runtime.h"

namespace keelson::coord {

// One life of the service. Destroyed at a crash, in whatever state it is.
class CoordProgram final : public env::sim::Program {
 public:
  CoordProgram(env::Env& env, ServiceOptions options) : env_(env), options_(options) {
    for (unsigned i = 0; i < env.reactor_count(); ++i)
      scopes_.push_back(std::make_unique<env::TaskScope>(env.reactor(i)));
    env_.reactor(0).post([this] { scopes_[0]->spawn(start()); });
  }
  ~CoordProgram() override {
    if (runtime_ != nullptr) runtime_->abandon();
    scopes_.clear();
    service_.reset();
  }

  [[nodiscard]] bool is_serving() const { return is_serving_; }
  [[nodiscard]] Service& service() { return *service_; }
  [[nodiscard]] shard::Runtime& runtime() { return *runtime_; }
  [[nodiscard]] env::Reactor& reactor(unsigned index) { return env_.reactor(index); }
  [[nodiscard]] shard::Shard& shard() { return runtime_->shard(service_->shard_id()); }
  [[nodiscard]] const CoordEngine& engine() { return static_cast<const CoordEngine&>(shard().engine()); }
  // What runs there until the crash.
  [[nodiscard]] env::TaskScope& scope(unsigned reactor) { return *scopes_[reactor]; }

  Task<Status> stop() {
    is_serving_ = false;
    co_await service_->stop();
    co_return co_await runtime_->stop(true);
  }

 private:
  Task<void> start() {
    shard::RuntimeOptions options;
    options.folder = "data";
    for (const char* name : {"first", "coord"}) {
      shard::ServiceOptions& service = options.services.emplace_back();
      service.name = name;
      service.engine_version = kCoordEngineVersion;
      service.shard_count = 1;
      service.durability = log::Durability::kAlways;
      service.replay_sink = &unheard_;
      service.make_engine = [](shard::ShardId) { return std::make_unique<CoordEngine>(); };
    }
    runtime_ = std::make_unique<shard::Runtime>(env_, std::move(options));
    const Status started = co_await runtime_->start();
    KEELSON_CHECK(started.ok(), "the node does not start");
    service_ = std::make_unique<Service>(*runtime_, runtime_->router(1), options_);
    KEELSON_CHECK((co_await service_->start()).ok(), "the service does not start");
    is_serving_ = true;
  }

  env::Env& env_;
  const ServiceOptions options_;
  SilentSink unheard_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<Service> service_;
  std::vector<std::unique_ptr<env::TaskScope>> scopes_;
  bool is_serving_ = false;
};

// A machine with one program on it.
class CoordHarness {
 public:
  explicit CoordHarness(uint64_t seed = 1, ServiceOptions options = {}, env::sim::SimOptions sim = {},
                        unsigned reactors = 3)
      : world(seed, std::move(sim)), node(world.add_node(reactors)) {
    node.run_program([options](env::Env& env) { return std::make_unique<CoordProgram>(env, options); });
    wait_until_serving();
  }

  [[nodiscard]] CoordProgram& program() { return static_cast<CoordProgram&>(*node.program()); }
  [[nodiscard]] Service& service() { return program().service(); }
  [[nodiscard]] env::Reactor& here() { return node.reactor(0); }
  void wait_until_serving() {
    KEELSON_CHECK(world.run_until([this] { return program().is_serving(); }), "the service does not come up");
  }
  void crash_and_restart() {
    node.crash();
    node.restart();
    wait_until_serving();
  }

  template <class T>
  T run(Task<T> task) {
    return world.run(here(), std::move(task));
  }

  env::sim::World world;
  env::sim::Node& node;
};

}  // namespace keelson::coord
