// Replicas of one shard with a toy engine over a group without Raft, for tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "env/sim/sim.h"
#include "shard/fake_agreed.h"
#include "shard/fake_log.h"
#include "shard/replica.h"
#include "shard/shard.h"

namespace keelson::shard::replica_harness {

inline constexpr uint16_t kAppend = 1;  // key, text: appends the text, answers the new value
inline constexpr uint16_t kRead = 2;    // key
inline constexpr uint16_t kFlush = 3;   // "", "": deletes everything
inline constexpr size_t kNodes = 3;

class TextSink final : public engine::ReplySink {
 public:
  std::string text;
};

class TextEngine final : public engine::Engine {
 public:
  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override {
    EXPECT_GE(context.time_ms, last_time_ms) << "log time never goes back";
    last_time_ms = context.time_ms;
    if (command.code == kFlush) {
      values.clear();
      return;
    }
    std::string& value = values[std::string(command.args[0])];
    value += command.args[1];
    seeds.push_back(context.seed);
    static_cast<TextSink&>(reply).text = value;
  }
  void query(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override {
    last_query_ms = context.time_ms;
    const auto found = values.find(std::string(command.args[0]));
    static_cast<TextSink&>(reply).text = found == values.end() ? "" : found->second;
  }
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override { return nullptr; }
  Status load_checkpoint(std::string_view) override { return {}; }
  void reset() override { values.clear(); }

  std::map<std::string, std::string> values;
  std::vector<uint64_t> seeds;
  int64_t last_time_ms = 0;
  int64_t last_query_ms = 0;
};

class TextOperation final : public Operation {
 public:
  TextOperation(uint16_t code, std::string key, std::string text, const void* sequence, uint16_t slot = 0)
      : key_(std::move(key)),
        text_(std::move(text)),
        args_{key_, text_},
        command_{code, 0, args_},
        sequence_(sequence),
        slot_(slot) {
    commands = {&command_, 1};
    is_write = code != kRead;
  }
  engine::ReplySink& open_reply() override { return sink; }
  void finished(LogErrc result) override {
    EXPECT_FALSE(is_finished);
    outcome = result;
    is_finished = true;
    if (then) then();
  }
  [[nodiscard]] const void* sequence() const override { return sequence_; }
  [[nodiscard]] uint16_t slot() const override { return slot_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const std::string& added() const { return text_; }

  TextSink sink;
  LogErrc outcome = LogErrc::kStopped;
  bool is_finished = false;
  std::set<std::string> known;  // acknowledged before it was submitted
  std::function<void()> then;

 private:
  const std::string key_;
  const std::string text_;
  const std::vector<std::string_view> args_;
  const engine::Command command_;
  const void* sequence_;
  const uint16_t slot_;
};

// One node's shard.
struct Node {
  Node(env::Reactor& reactor, FakeGroup& group, log::NodeId id, int64_t deadline_ms, size_t pending_bytes_max)
      : log(reactor, journal, {}), clock(reactor.clock()) {
    auto made = std::make_unique<TextEngine>();
    engine = made.get();
    shard = std::make_unique<Shard>(7, std::move(made), log, clock);
    ReplicaOptions options;
    options.node = id;
    options.deadline_ms = deadline_ms;
    options.pending_bytes_max = pending_bytes_max;
    shard->set_replica(std::make_unique<Replica>(*shard, reactor, unheard, options));
    group.node(id).set_state(*shard->replica());
    shard->replica()->set_log(&group.node(id));
  }
  Replica& replica() { return *shard->replica(); }

  Journal journal;
  FakeLog log;
  LogClock clock;
  TextSink unheard;
  TextEngine* engine = nullptr;
  std::unique_ptr<Shard> shard;
};

struct House {
  explicit House(uint64_t seed, int64_t deadline_ms = 60'000, size_t pending_bytes_max = size_t{1} << 20)
      : world(seed), machine(world.add_node()), group(machine.reactor(0).random(), kNodes) {
    run([&] {
      for (size_t i = 1; i <= kNodes; ++i) {
        nodes.push_back(std::make_unique<Node>(machine.reactor(0), group, i, deadline_ms, pending_bytes_max));
      }
    });
  }
  ~House() {
    run([&] { nodes.clear(); });
  }
  Node& node(log::NodeId id) { return *nodes[id - 1]; }
  void run(std::function<void()> what) {
    bool is_done = false;
    world.run_on(machine.reactor(0), [&] {
      what();
      is_done = true;
    });
    world.run_until([&] { return is_done; });
  }
  void step(int times = 1) {
    for (int i = 0; i < times; ++i) {
      run([&] { group.step(); });
      world.run_for(env::sim::kMillisecond);
    }
  }
  void set_leader(log::NodeId leader) {
    run([&] { group.set_leader(leader); });
  }

  env::sim::World world;
  env::sim::Node& machine;
  FakeGroup group;
  std::vector<std::unique_ptr<Node>> nodes;
};

class Outcome final : public CommitRequest {
 public:
  void decided(LogErrc result) override {
    EXPECT_FALSE(outcome.has_value());
    outcome = result;
  }
  std::optional<LogErrc> outcome;
};

}  // namespace keelson::shard::replica_harness
