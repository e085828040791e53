// A client of a simulated kv cluster that writes everything down: what it asked for, when, and what it was answered.
//
// Clients share the keys and write values that nobody else ever writes, so the history of each key can be judged
// (linear.h). A client asks any node, goes to another when one does not answer in time, and never sends a command
// again: what became of one that was not answered nobody knows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "env/sim/sim.h"
#include "tests/sim/linear_register.h"
#include "tests/sim/resp_text.h"

namespace keelson::sim_test {

struct ClusterLoad {
  unsigned keys = 8;
  int64_t think_ns_max = 20 * env::sim::kMillisecond;
  int64_t answer_within_ns = 6 * env::sim::kSecond;  // longer than a server makes a client wait
  uint64_t pipeline_max = 4;
};

class ClusterClient {
 public:
  // `machine` is where it runs; all outlive it.
  ClusterClient(env::sim::World& world, env::sim::Node& machine, std::vector<env::Address> servers, unsigned id,
                ClusterLoad load, linear::RegisterHistory& history);

  // Works until finish() is called.
  Task<void> run();
  void finish() { is_finishing_ = true; }
  [[nodiscard]] bool is_done() const { return is_done_; }
  // Reads each key from that server, again and again until all were answered. Not while it runs.
  Task<void> read_all(unsigned server);

  // An answer that no server may give.
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] uint64_t answered() const { return answered_; }
  // Of those that were answered: such as change something.
  [[nodiscard]] uint64_t written() const { return written_; }
  [[nodiscard]] uint64_t unanswered() const { return unanswered_; }
  [[nodiscard]] uint64_t refused() const { return refused_; }

 private:
  struct Asked {
    std::string key;
    linear::Recorded<linear::RegisterCall> recorded;
  };

  Task<bool> connect(unsigned server);
  void disconnect();
  [[nodiscard]] Asked draw();
  // Sends all, takes the answers. False: the connection is over.
  Task<bool> ask(std::vector<Asked> batch);
  Task<std::optional<Reply>> receive();
  void take(Asked asked, const std::optional<Reply>& reply);
  [[nodiscard]] uint64_t below(uint64_t count) { return machine_.reactor(0).random().next() % count; }

  env::sim::World& world_;
  env::sim::Node& machine_;
  const std::vector<env::Address> servers_;
  const unsigned id_;
  const ClusterLoad load_;
  linear::RegisterHistory& history_;
  std::unique_ptr<env::Stream> stream_;
  std::unique_ptr<env::Timer> deadline_;
  Buffer input_;
  uint64_t next_value_ = 1;
  bool is_finishing_ = false;
  bool is_done_ = false;
  uint64_t answered_ = 0;
  uint64_t written_ = 0;
  uint64_t unanswered_ = 0;
  uint64_t refused_ = 0;
  std::string violation_;
};

}  // namespace keelson::sim_test
