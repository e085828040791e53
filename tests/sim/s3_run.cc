#include "tests/sim/s3_run.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr int64_t kRecoverWithinNs = 600 * kSecond;
constexpr int64_t kFullForNsMax = 100 * kMillisecond;

class S3Life {
 public:
  S3Life(uint64_t seed, const S3RunOptions& options)
      : options_(options),
        world_(seed, options.world),
        machine_(world_.add_node(options.reactors)),
        users_(world_.add_node()),
        scope_(std::make_unique<env::TaskScope>(users_.reactor())) {
    for (unsigned i = 0; i < options.clients; ++i) {
      clients_.push_back(
          std::make_unique<S3Client>(i, options.keys_per_client, seed, options.allowed, shared_,
                                     S3Caller(users_.env(), users_.reactor(), machine_.address(S3Node::kPort))));
    }
  }

  S3RunResult run() {
    machine_.run_program([this](env::Env& env) { return std::make_unique<S3Node>(env, options_.node); });
    world_.run_on(users_.reactor(), [this] {
      for (auto& client : clients_) scope_->spawn(client->run());
    });
    repeat(options_.crash_every_ns, [this] { crash(); });
    repeat(options_.break_every_ns, [this] { world_.break_connections(machine_); });
    repeat(options_.full_every_ns, [this] {
      machine_.disk().set_full(true);
      world_.after(random_up_to(kFullForNsMax), [this] { machine_.disk().set_full(false); });
    });
    supervise();
    world_.run_until([this] { return has_ended(); }, options_.duration_ns);
    finish();
    result_.trace_hash = world_.trace_hash();
    return std::move(result_);
  }

 private:
  S3Node& node() { return *static_cast<S3Node*>(machine_.program()); }
  int64_t random_up_to(int64_t most) {
    return 1 + static_cast<int64_t>(world_.random().next() % static_cast<uint64_t>(most));
  }
  bool happens(double probability) { return static_cast<double>(world_.random().next() % 1000) < probability * 1000; }
  static bool may_pass(const std::string& failure) {
    return failure.find("injected:") != std::string::npos || failure.find("no room") != std::string::npos ||
           failure.find("the device failed") != std::string::npos;
  }
  bool has_ended() {
    if (std::ranges::any_of(clients_, [](const auto& client) { return !client->violation().empty(); })) return true;
    return machine_.is_up() && !node().failure().empty() && !may_pass(node().failure());
  }
  bool have_all_done(S3Phase phase) {
    return std::ranges::all_of(clients_, [&](const auto& client) { return client->has_done(phase); });
  }

  // Until the world is calm, on average that often; 0: never.
  void repeat(int64_t every_ns, std::function<void()> fault) {
    if (every_ns == 0) return;
    world_.after(random_up_to(2 * every_ns), [this, every_ns, fault = std::move(fault)] {
      if (is_calm_) return;
      fault();
      repeat(every_ns, fault);
    });
  }

  // Starts it again as a service manager does: when it could not start, or its log has failed.
  void supervise() {
    world_.after(50 * kMillisecond, [this] {
      if (machine_.is_up()) {
        const bool could_not_start = !node().failure().empty() && may_pass(node().failure());
        const bool has_failed = node().is_serving() && node().blobs().runtime().local_log()->failure() != nullptr;
        if (could_not_start || has_failed) {
          note_counters();
          machine_.stop();
          restart();
        }
      }
      supervise();
    });
  }

  void restart() {
    machine_.restart();
    ++shared_.boots;
  }

  void crash() {
    if (!machine_.is_up() || !node().failure().empty()) return;
    note_counters();
    happens(options_.kill_probability) ? machine_.kill() : machine_.crash();
    ++result_.crashes;
    restart();
  }

  void note_counters() {
    if (!node().is_serving()) return;
    for (unsigned i = 0; i < options_.reactors; ++i) {
      result_.compacted_bytes += node().blobs().store().stats(i).compacted_bytes.value();
      result_.removed_volumes += node().blobs().store().stats(i).removed_volumes.value();
    }
  }

  void calm_down() {
    is_calm_ = true;
    env::sim::SimOptions healthy;
    healthy.disk.lose_write_probability = options_.world.disk.lose_write_probability;
    healthy.disk.tear_write_probability = options_.world.disk.tear_write_probability;
    healthy.disk.lose_name_probability = options_.world.disk.lose_name_probability;
    world_.options().disk = healthy.disk;
    world_.options().network = healthy.network;
    world_.options().machine = healthy.machine;
    machine_.disk().set_full(false);
  }

  bool serve() {
    world_.run_until([this] { return machine_.is_up() && (node().is_serving() || has_ended()); }, kRecoverWithinNs);
    return !has_ended();
  }

  bool bring_to(S3Phase phase) {
    for (auto& client : clients_) client->enter(phase);
    const bool all_done = world_.run_until([&] { return has_ended() || have_all_done(phase); }, kRecoverWithinNs);
    if (!all_done) violate("a client is not answered any more");
    return all_done && !has_ended();
  }

  // Healthy from here on: another crash, and everything must be there; then everything is removed, and nothing stays.
  void finish() {
    calm_down();
    if (has_ended() || !serve()) return report();
    crash();
    if (!serve()) return report();
    flip_bits();
    if (!bring_to(S3Phase::kVerify)) return report();
    if (options_.flip_probability == 0) {
      compare_space();
      scrub();
    }
    if (!result_.violation.empty() || !bring_to(S3Phase::kRemove)) return report();
    if (options_.flip_probability == 0) {
      expect_nothing_left();
      if (result_.violation.empty()) compare_digests();
    }
    report();
  }

  void violate(const std::string& what) {
    if (result_.violation.empty()) result_.violation = what;
  }

  void flip_bits() {
    if (options_.flip_probability == 0) return;
    for (unsigned shard = 0; shard < options_.node.blobs.shards; ++shard) {
      const std::string folder = "data/blob/" + std::to_string(shard);
      const auto names = machine_.env().disk().list(folder);
      if (!names.ok()) continue;
      for (const std::string& name : *names) {
        const std::string path = folder + "/" + name;
        const uint64_t size = machine_.disk().content(path)->size();
        if (size == 0 || !happens(options_.flip_probability)) continue;
        (void)machine_.disk().flip_bit(path, world_.random().next() % size,
                                       static_cast<unsigned>(world_.random().next() % 8));
      }
    }
  }

  // What the server counts is what the clients know, byte for byte.
  void compare_space() {
    uint64_t known = 0;
    for (const auto& client : clients_) known += client->live_bytes();
    blob::Answer all;
    blobstore::Store& store = node().blobs().store();
    const auto asked = world_.run(machine_.reactor(0), store.usage(machine_.reactor(0), 0, all), kRecoverWithinNs);
    if (asked != log::LogErrc::kOk) return violate("the usage cannot be asked");
    blob::Answer contested;
    const auto bucket =
        world_.run(machine_.reactor(0), store.find_bucket(machine_.reactor(0), std::string(kContestedBucket)));
    if (bucket != nullptr) {
      (void)world_.run(machine_.reactor(0), store.usage(machine_.reactor(0), bucket->id, contested), kRecoverWithinNs);
    }
    const uint64_t counted = all.usage.payload_bytes + all.usage.upload_bytes - contested.usage.payload_bytes;
    if (counted != known) {
      violate("the server counts " + std::to_string(counted) + " bytes, the clients know of " + std::to_string(known));
    }
  }

  void scrub() {
    const auto report = world_.run(machine_.reactor(0), node().blobs().store().scrub_now(), kRecoverWithinNs);
    if (!report.ok()) return violate("a scrub fails: " + report.error().message());
    if (report->damaged != 0) violate("a scrub finds damage: " + report->findings.at(0).what);
  }

  void expect_nothing_left() {
    // A scrub in the background may still look at something.
    for (int i = 0; i < 10; ++i) {
      const Status compacted = world_.run(machine_.reactor(0), node().blobs().store().compact_now(), kRecoverWithinNs);
      if (!compacted.ok()) return violate("compaction fails: " + compacted.error().message());
      if (node().blobs().volume_bytes() == 0) return;
      world_.run_for(50 * kMillisecond);
    }
    violate(std::to_string(node().blobs().volume_bytes()) + " bytes of volumes are left of nothing");
  }

  // Stops as SIGTERM does and starts again: checkpoint and log give the same state.
  void compare_digests() {
    const std::string before = node().blobs().digests();
    const Status stopped = world_.run(machine_.reactor(0), node().shut_down(), kRecoverWithinNs);
    if (!stopped.ok()) return violate("shutting down failed: " + stopped.error().message());
    note_counters();
    machine_.stop();
    restart();
    if (!serve()) return violate("did not start again");
    if (node().blobs().digests() != before) violate("the state after a restart differs");
  }

  void report() {
    for (const auto& client : clients_) {
      result_.acknowledged += client->acknowledged();
      result_.verified += client->verified();
      result_.doubts += client->doubts();
      result_.refused_by_lock += client->refused_by_lock();
      if (!client->violation().empty()) violate(client->violation());
    }
    if (machine_.is_up()) result_.not_served = node().failure();
  }

  const S3RunOptions& options_;
  S3World shared_;
  env::sim::World world_;
  env::sim::Node& machine_;
  env::sim::Node& users_;
  std::vector<std::unique_ptr<S3Client>> clients_;
  bool is_calm_ = false;
  S3RunResult result_;
  std::unique_ptr<env::TaskScope> scope_;  // last: its coroutines use the rest
};

}  // namespace

S3RunResult run_s3(uint64_t seed, const S3RunOptions& options) { return S3Life(seed, options).run(); }

}  // namespace keelson::sim_test
