#include "tests/sim/blob_run.h"

#include <memory>
#include <utility>
#include <vector>

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr int64_t kRecoverWithinNs = 600 * kSecond;
constexpr int64_t kFullForNsMax = 100 * kMillisecond;

class BlobLife {
 public:
  BlobLife(uint64_t seed, const BlobRunOptions& options)
      : options_(options), world_(seed, options.world), machine_(world_.add_node(options.reactors)) {
    for (unsigned i = 0; i < options.clients; ++i) {
      clients_.push_back(std::make_unique<BlobClient>(i, options.keys_per_client, seed, options.allowed));
    }
  }

  BlobRunResult run() {
    machine_.run_program([this](env::Env& env) { return std::make_unique<BlobNode>(env, options_.node, clients_); });
    plan_crash();
    plan_full();
    supervise();
    world_.run_until([this] { return has_ended(); }, options_.duration_ns);
    finish();
    result_.trace_hash = world_.trace_hash();
    return std::move(result_);
  }

 private:
  BlobNode& node() { return *static_cast<BlobNode*>(machine_.program()); }
  int64_t random_up_to(int64_t most) {
    return 1 + static_cast<int64_t>(world_.random().next() % static_cast<uint64_t>(most));
  }
  static bool may_pass(const std::string& failure) {
    return failure.find("injected:") != std::string::npos || failure.find("no room") != std::string::npos ||
           failure.find("the device failed") != std::string::npos;
  }
  bool has_ended() {
    for (const auto& client : clients_) {
      if (!client->violation().empty()) return true;
    }
    return machine_.is_up() && !node().failure().empty() && !may_pass(node().failure());
  }

  // Starts it again as a service manager does: when it could not start, or its log has failed.
  void supervise() {
    world_.after(50 * kMillisecond, [this] {
      if (machine_.is_up()) {
        const bool could_not_start = !node().failure().empty() && may_pass(node().failure());
        const bool has_failed = node().is_serving() && node().runtime().local_log()->failure() != nullptr;
        if (could_not_start || has_failed) {
          note_counters();
          machine_.stop();
          machine_.restart();
        }
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

  void note_counters() {
    if (!node().is_serving()) return;
    result_.checkpoints += node().runtime().checkpoint_progress().completed;
    for (unsigned i = 0; i < options_.reactors; ++i) {
      result_.compacted_bytes += node().store().stats(i).compacted_bytes.value();
      result_.removed_volumes += node().store().stats(i).removed_volumes.value();
    }
  }

  void crash() {
    if (!machine_.is_up() || !node().failure().empty()) return;
    note_counters();
    const bool is_kill = static_cast<double>(world_.random().next() % 1000) < options_.kill_probability * 1000;
    is_kill ? machine_.kill() : machine_.crash();
    ++result_.crashes;
    machine_.restart();
  }

  void plan_full() {
    if (options_.full_every_ns == 0) return;
    world_.after(random_up_to(2 * options_.full_every_ns), [this] {
      if (is_calm_) return;
      machine_.disk().set_full(true);
      world_.after(random_up_to(kFullForNsMax), [this] { machine_.disk().set_full(false); });
      plan_full();
    });
  }

  void calm_down() {
    is_calm_ = true;
    env::sim::SimOptions healthy;
    healthy.disk.lose_write_probability = options_.world.disk.lose_write_probability;
    healthy.disk.lose_name_probability = options_.world.disk.lose_name_probability;
    world_.options().disk = healthy.disk;
    world_.options().machine = healthy.machine;
    machine_.disk().set_full(false);
  }

  bool serve() {
    world_.run_until([this] { return machine_.is_up() && (node().is_serving() || has_ended()); }, kRecoverWithinNs);
    return !has_ended();
  }

  void flip_bits() {
    if (options_.flip_probability == 0) return;
    for (unsigned shard = 0; shard < options_.node.shards; ++shard) {
      const std::string folder = "data/blob/" + std::to_string(shard);
      const auto names = machine_.env().disk().list(folder);
      if (!names.ok()) continue;
      for (const std::string& name : *names) {
        const std::string path = folder + "/" + name;
        const uint64_t size = machine_.disk().content(path)->size();
        const bool flips = static_cast<double>(world_.random().next() % 1000) < options_.flip_probability * 1000;
        if (!flips || size == 0) continue;
        (void)machine_.disk().flip_bit(path, world_.random().next() % size,
                                       static_cast<unsigned>(world_.random().next() % 8));
      }
    }
  }

  // Healthy from here on: another crash, and everything must be there; then everything is removed, and nothing stays.
  void finish() {
    calm_down();
    if (has_ended() || !serve()) return report();
    crash();
    if (!serve()) return report();
    flip_bits();
    scrub();
    for (auto& client : clients_) client->finish();
    crash();  // so that they begin anew, by verifying
    const bool all_done = world_.run_until(
        [this] {
          if (has_ended()) return true;
          for (const auto& client : clients_) {
            if (!client->is_done()) return false;
          }
          return true;
        },
        kRecoverWithinNs);
    if (!all_done && !has_ended()) violate("a client is not answered any more");
    if (!has_ended() && result_.violation.empty() && options_.flip_probability == 0) {
      expect_nothing_left();
      compare_digests();
    }
    report();
  }

  void violate(const std::string& what) {
    if (result_.violation.empty()) result_.violation = what;
  }

  void scrub() {
    const auto report = world_.run(machine_.reactor(0), node().store().scrub_now(), kRecoverWithinNs);
    if (!report.ok()) return violate("a scrub fails: " + report.error().message());
    result_.scrub_damaged = report->damaged;
    if (options_.flip_probability == 0 && report->damaged != 0) {
      violate("a scrub finds damage: " + report->findings.at(0).what);
    }
  }

  void expect_nothing_left() {
    // A scrub in the background may still look at something.
    for (int i = 0; i < 10; ++i) {
      const Status compacted = world_.run(machine_.reactor(0), node().store().compact_now(), kRecoverWithinNs);
      if (!compacted.ok()) return violate("compaction fails: " + compacted.error().message());
      if (node().volume_bytes() == 0) return;
      world_.run_for(50 * kMillisecond);
    }
    violate(std::to_string(node().volume_bytes()) + " bytes of volumes are left of nothing");
  }

  // Stops as SIGTERM does and starts again: checkpoint and log give the same state.
  void compare_digests() {
    const std::string before = node().digests();
    const Status stopped = world_.run(machine_.reactor(0), node().shut_down(), kRecoverWithinNs);
    if (!stopped.ok()) return violate("shutting down failed: " + stopped.error().message());
    note_counters();
    report();
    clients_.clear();
    machine_.stop();
    machine_.restart();
    if (!serve()) return violate("did not start again");
    if (node().digests() != before) violate("the state after a restart differs");
  }

  void report() {
    for (const auto& client : clients_) {
      result_.acknowledged += client->acknowledged();
      result_.verified += client->verified();
      result_.damaged += client->damaged();
      if (!client->violation().empty()) violate(client->violation());
    }
    if (machine_.is_up()) result_.not_served = node().failure();
  }

  const BlobRunOptions& options_;
  std::vector<std::unique_ptr<BlobClient>> clients_;
  env::sim::World world_;
  env::sim::Node& machine_;
  bool is_calm_ = false;
  BlobRunResult result_;
};

}  // namespace

BlobRunResult run_blob(uint64_t seed, const BlobRunOptions& options) { return BlobLife(seed, options).run(); }

}  // namespace keelson::sim_test
