#include "tests/sim/kv_run.h"

#include <memory>
#include <utility>
#include <vector>

#include "engine/kv/digest.h"
#include "log/local_log.h"
#include "protocol/resp/shard_agent.h"

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr int64_t kRecoverWithinNs = 600 * kSecond;
constexpr int64_t kFullForNsMax = 300 * kMillisecond;

class Life {
 public:
  Life(uint64_t seed, const KvRunOptions& options)
      : options_(options),
        world_(seed, options.world),
        server_(world_.add_node(options.reactors)),
        clients_node_(world_.add_node(1)) {}

  KvRunResult run() {
    server_.run_program([this](env::Env& env) { return std::make_unique<KvNode>(env, options_.node); });
    for (unsigned i = 0; i < options_.clients; ++i) {
      clients_.push_back(std::make_unique<KvClient>(clients_node_.env(), server_.address(kPort), i,
                                                    options_.keys_per_client, options_.allowed));
    }
    scope_ = std::make_unique<env::TaskScope>(clients_node_.reactor(0));
    world_.run_on(clients_node_.reactor(0), [this] {
      for (auto& client : clients_) scope_->spawn(client->run());
    });
    plan_crash();
    plan_full();
    plan_break();
    supervise();
    world_.run_until([this] { return has_ended(); }, options_.duration_ns);
    calm_down();
    finish();
    result_.trace_hash = world_.trace_hash();
    return std::move(result_);
  }

 private:
  KvNode& node() { return *static_cast<KvNode*>(server_.program()); }
  int64_t random_up_to(int64_t most) {
    return 1 + static_cast<int64_t>(world_.random().next() % static_cast<uint64_t>(most));
  }

  // A violation, or a server that refuses to start on what the disk has: no use going on.
  bool has_ended() {
    for (const auto& client : clients_) {
      if (!client->violation().empty()) return true;
    }
    return server_.is_up() && !node().failure().empty() && !may_pass(node().failure());
  }

  // An error of the environment that another start may not meet.
  static bool may_pass(const std::string& failure) {
    return failure.find("injected:") != std::string::npos || failure.find("no room") != std::string::npos;
  }

  // Starts it again as a service manager does.
  void supervise() {
    world_.after(100 * kMillisecond, [this] {
      if (server_.is_up() && !node().failure().empty() && may_pass(node().failure())) {
        server_.stop();
        server_.restart();
        for (auto& client : clients_) client->restarted();
      }
      supervise();
    });
  }

  void plan_crash() {
    if (options_.crash_every_ns == 0) return;
    world_.after(random_up_to(2 * options_.crash_every_ns), [this] {
      if (is_calm_) return;
      crash();
      plan_crash();
    });
  }

  void crash() {
    if (!server_.is_up() || !node().failure().empty()) return;
    end_of_life();
    const bool is_kill = static_cast<double>(world_.random().next() % 1000) < options_.kill_probability * 1000;
    is_kill ? server_.kill() : server_.crash();
    ++result_.crashes;
    world_.after(random_up_to(200 * kMillisecond), [this] {
      if (server_.is_up()) return;
      server_.restart();
      for (auto& client : clients_) client->restarted();
    });
  }

  void plan_full() {
    if (options_.full_every_ns == 0) return;
    world_.after(random_up_to(2 * options_.full_every_ns), [this] {
      if (is_calm_) return;
      server_.disk().set_full(true);
      world_.after(random_up_to(kFullForNsMax), [this] { server_.disk().set_full(false); });
      plan_full();
    });
  }

  void plan_break() {
    if (!options_.break_connections) return;
    world_.after(random_up_to(800 * kMillisecond), [this] {
      if (is_calm_) return;
      world_.break_connections(server_);
      plan_break();
    });
  }

  // No more faults; a log that has failed gets its restart.
  void calm_down() {
    is_calm_ = true;
    env::sim::SimOptions healthy;
    // What a bug planted in the disk does, it goes on doing.
    healthy.disk.ignore_file_syncs = options_.world.disk.ignore_file_syncs;
    healthy.disk.ignore_folder_syncs = options_.world.disk.ignore_folder_syncs;
    healthy.disk.lose_write_probability = options_.world.disk.lose_write_probability;
    healthy.disk.lose_name_probability = options_.world.disk.lose_name_probability;
    world_.options().disk = healthy.disk;
    world_.options().network = healthy.network;
    world_.options().machine = healthy.machine;
    server_.disk().set_full(false);
  }

  void finish() {
    if (has_ended()) return report();
    if (options_.node.journal == nullptr) {
      // One more crash, so that the end is checked against what is on the disk.
      world_.run_until([this] { return server_.is_up() && (node().is_serving() || has_ended()); }, kRecoverWithinNs);
      if (has_ended()) return report();
      crash();
    }
    for (auto& client : clients_) client->finish();
    const bool all_done = world_.run_until(
        [this] {
          if (has_ended()) return true;
          for (const auto& client : clients_) {
            if (!client->is_done()) return false;
          }
          return true;
        },
        kRecoverWithinNs);
    if (!all_done && !has_ended()) result_.violation = "a client is not answered any more";
    if (!has_ended() && result_.violation.empty() && options_.compare_digest) compare_digests();
    report();
  }

  void report() {
    for (const auto& client : clients_) {
      result_.acknowledged += client->acknowledged();
      result_.verified += client->verified();
      result_.lost_keys += client->lost_keys();
      if (result_.violation.empty()) result_.violation = client->violation();
    }
    if (server_.is_up()) result_.not_served = node().failure();
    if (server_.is_up()) end_of_life();
  }

  void end_of_life() {
    if (!node().is_serving()) return;
    result_.checkpoints += node().runtime().checkpoint_progress().completed;
    const log::LocalLog* log = node().runtime().local_log();
    if (log == nullptr) return;
    for (const auto& flip : server_.disk().flips_at_last_crash()) {
      const log::LogRecovery& recovery = log->recovery();
      result_.damaged_tails += flip.path == recovery.cut_file && flip.offset >= recovery.cut_offset_bytes ? 1 : 0;
    }
  }

  std::string digests() {
    std::string all;
    for (shard::ShardId id = 0; id < options_.node.shards; ++id) {
      all += kv::to_hex(kv::digest_exact(node().service().agent(id).keyspace())) + " ";
    }
    return all;
  }

  // Stops as SIGTERM does and starts again: checkpoint and log give the same state, to the last byte of the digest.
  void compare_digests() {
    const std::string before = digests();
    const Status stopped = world_.run(server_.reactor(0), node().shut_down());
    // Without room for a checkpoint the log keeps everything.
    if (!stopped.ok() && !may_pass(stopped.error().message())) {
      result_.violation = "shutting down failed: " + stopped.error().message();
      return;
    }
    server_.stop();
    server_.restart();
    world_.run_until([this] { return node().is_serving() || !node().failure().empty(); }, kRecoverWithinNs);
    if (!node().is_serving()) {
      result_.violation = "did not start again: " + node().failure();
    } else if (digests() != before) {
      result_.violation = "the digest after a restart differs: " + digests() + "instead of " + before;
    }
  }

  const KvRunOptions& options_;
  env::sim::World world_;
  env::sim::Node& server_;
  env::sim::Node& clients_node_;
  std::vector<std::unique_ptr<KvClient>> clients_;
  std::unique_ptr<env::TaskScope> scope_;
  bool is_calm_ = false;
  KvRunResult result_;
};

}  // namespace

KvRunResult run_kv(uint64_t seed, const KvRunOptions& options) { return Life(seed, options).run(); }

}  // namespace keelson::sim_test
