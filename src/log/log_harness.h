// For the tests of this folder: a log on one simulated node, with a recorder of what recovery hands over.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/sim/sim.h"
#include "log/local_log.h"

namespace keelson::log {

struct Entry {
  ShardId shard = 0;
  uint64_t index = 0;
  std::string payload;
  bool operator==(const Entry&) const = default;
};

class Recorder final : public RecoveryHandler {
 public:
  void on_record(ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) override {
    entries.push_back({shard, index, std::string(payload)});
    last_time_ms = time_ms;
  }
  // The payloads of one shard.
  [[nodiscard]] std::vector<std::string> of(ShardId shard) const {
    std::vector<std::string> payloads;
    for (const Entry& entry : entries) {
      if (entry.shard == shard) payloads.push_back(entry.payload);
    }
    return payloads;
  }
  std::vector<Entry> entries;
  int64_t last_time_ms = 0;
};

class Waiter final : public CommitWaiter {
 public:
  void committed(LogErrc told) override {
    EXPECT_FALSE(outcome.has_value()) << "an outcome is told once";
    outcome = told;
  }
  std::optional<LogErrc> outcome;
};

// Call everything between turns, as a test does.
class LogHarness {
 public:
  explicit LogHarness(unsigned reactors = 1, size_t shards = 3, env::sim::SimOptions sim = {}, uint64_t seed = 1)
      : world(seed, std::move(sim)), node(world.add_node(reactors)), first_index(shards, 1), next_index(shards, 1) {
    options.durability = Durability::kAlways;
    options.segment_bytes = 16384;
  }

  Status open() {
    recorder = {};
    auto result =
        world.run(node.reactor(0), LocalLog::open(node.env(), node.reactor(0), folder, options, first_index, recorder));
    if (!result.ok()) return forward_error(result);
    log = std::move(*result);
    for (unsigned i = 0; i < node.env().reactor_count(); ++i) ports.push_back(log->make_port(node.reactor(i)));
    for (size_t i = 0; i < next_index.size(); ++i) next_index[i] = log->recovery().last_index[i] + 1;
    return {};
  }
  void close() {
    ports.clear();
    log.reset();
  }
  Status stop() {
    Status status = world.run(node.reactor(0), log->stop());
    close();
    return status;
  }
  void crash() {
    node.crash();
    close();
    node.restart();
  }
  Status reopen_after_crash() {
    crash();
    return open();
  }

  // Appends in one turn of that reactor. The waiter is told later, or at once if the append was committed or refused.
  std::shared_ptr<Waiter> append(ShardId shard, const std::string& payload, unsigned reactor = 0) {
    auto waiter = std::make_shared<Waiter>();
    waiters.push_back(waiter);
    world.run_on(node.reactor(reactor), [&] { append_now(*waiter, {{shard, payload}}, reactor); });
    return waiter;
  }
  std::shared_ptr<Waiter> append_parts(const std::vector<std::pair<ShardId, std::string>>& parts,
                                       unsigned reactor = 0) {
    auto waiter = std::make_shared<Waiter>();
    waiters.push_back(waiter);
    world.run_on(node.reactor(reactor), [&] { append_now(*waiter, parts, reactor); });
    return waiter;
  }
  // Within a turn.
  void append_now(Waiter& waiter, const std::vector<std::pair<ShardId, std::string>>& parts, unsigned reactor = 0) {
    CommitLog& port = *ports[reactor];
    size_t bytes = 0;
    for (const auto& part : parts) bytes += part.second.size();
    if (const LogErrc refusal = port.admit(bytes); refusal != LogErrc::kOk) {
      waiter.outcome = refusal;
      return;
    }
    bool is_first = true;
    for (const auto& [shard, payload] : parts) {
      const uint64_t index = next_index[shard]++;
      Buffer& to = is_first ? port.begin(shard, index, node.env().clock().wall_ms()) : port.also(shard, index);
      to.append(payload);
      is_first = false;
    }
    if (port.end(waiter) == Append::kCommitted) waiter.outcome = LogErrc::kOk;
  }
  // Until every append so far has its outcome; false if one never gets it.
  bool settle() {
    return world.run_until([&] {
      for (const auto& waiter : waiters) {
        if (!waiter->outcome) return false;
      }
      return true;
    });
  }
  [[nodiscard]] std::vector<std::string> segments() {
    std::vector<std::string> names;
    auto listed = node.env().disk().list(folder);
    for (const std::string& name : listed.ok() ? *listed : std::vector<std::string>()) {
      if (name.ends_with(".log")) names.push_back(folder + "/" + name);
    }
    return names;
  }

  env::sim::World world;
  env::sim::Node& node;
  std::string folder = "data/log";
  LocalLogOptions options;
  std::vector<uint64_t> first_index;
  std::vector<uint64_t> next_index;
  Recorder recorder;
  std::unique_ptr<LocalLog> log;
  std::vector<std::unique_ptr<CommitLog>> ports;
  std::vector<std::shared_ptr<Waiter>> waiters;
};

}  // namespace keelson::log
