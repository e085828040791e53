#include "tests/sim/cluster_run.h"

#include <utility>
#include <vector>

#include "tests/sim/kv_node.h"

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr int64_t kLookEveryNs = 20 * kMillisecond;
// A node that could not start is tried again, as a service manager does.
constexpr int64_t kSuperviseEveryNs = 200 * kMillisecond;
constexpr unsigned kFirstReader = 1000;

class ClusterLife {
 public:
  ClusterLife(uint64_t seed, const ClusterRunOptions& options) : options_(options), world_(seed, options.world) {
    for (unsigned i = 0; i < options.nodes; ++i) servers_.push_back(&world_.add_node(options.reactors));
    machine_ = &world_.add_node(1);
    for (unsigned i = 0; i < options.nodes; ++i) {
      servers_[i]->run_program([this, i](env::Env& env) { return options_.boot(env, i, witness_); });
      addresses_.push_back(servers_[i]->address(kPort));
    }
    const auto strikes =
        options.draw_nemesis ? env::sim::NemesisOptions::draw(world_.random(), options.nodes) : options.nemesis;
    nemesis_ = std::make_unique<env::sim::Nemesis>(world_, servers_, strikes);
    nemesis_->goes_down = [this](env::sim::Node&) { ++result_.downs; };
  }

  ClusterRunResult run() {
    start_clients();
    look();
    supervise();
    if (options_.stir_every_ns > 0) stir();
    nemesis_->start();
    world_.run_until([this] { return has_ended(); }, options_.duration_ns);
    nemesis_->stop();
    is_calm_ = true;
    const int64_t calm_since_ns = world_.now_ns();
    if (!has_ended() && !read_everything()) {
      witness_.violate("not every node answers for every key after the faults have ended" + failures());
    }
    result_.recovered_ns = world_.now_ns() - calm_since_ns;
    if (!has_ended()) expect_writes();
    for (auto& client : clients_) client->finish();
    if (!has_ended() && !world_.run_until([this] { return are_done(clients_) || has_ended(); }, kSecond * 30)) {
      witness_.violate("a client is not answered any more");
    }
    if (!has_ended() && !read_everything()) witness_.violate("not every node answers at the end");
    report();
    return std::move(result_);
  }

 private:
  ClusterProgram& program(env::sim::Node& node) { return *static_cast<ClusterProgram*>(node.program()); }
  using Clients = std::vector<std::unique_ptr<ClusterClient>>;
  static bool are_done(const Clients& clients) {
    for (const auto& client : clients) {
      if (!client->is_done()) return false;
    }
    return true;
  }

  void start_clients() {
    scope_ = std::make_unique<env::TaskScope>(machine_->reactor(0));
    for (unsigned i = 0; i < options_.clients; ++i) {
      clients_.push_back(std::make_unique<ClusterClient>(world_, *machine_, addresses_, i, options_.load, history_));
    }
    world_.run_on(machine_->reactor(0), [this] {
      for (auto& client : clients_) scope_->spawn(client->run());
    });
  }

  bool has_ended() {
    if (!witness_.violation().empty()) return true;
    for (const Clients* all : {&clients_, &readers_}) {
      for (const auto& client : *all) {
        if (!client->violation().empty()) witness_.violate(client->violation());
      }
    }
    return !witness_.violation().empty();
  }

  void look() {
    world_.after(kLookEveryNs, [this] {
      for (env::sim::Node* node : servers_) {
        if (node->is_up() && program(*node).is_serving()) program(*node).look(witness_);
      }
      look();
    });
  }

  void supervise() {
    world_.after(kSuperviseEveryNs, [this] {
      for (env::sim::Node* node : servers_) {
        if (!node->is_up() || node->is_paused() || program(*node).failure().empty()) continue;
        node->kill();
        node->restart();
      }
      supervise();
    });
  }

  void stir() {
    const auto delay_ns = static_cast<int64_t>(world_.random().next() % static_cast<uint64_t>(options_.stir_every_ns));
    world_.after(delay_ns + 1, [this] {
      if (is_calm_) return;
      env::sim::Node& node = *servers_[world_.random().next() % servers_.size()];
      const uint64_t chance = world_.random().next();
      if (node.is_up() && !node.is_paused() && program(node).is_serving()) program(node).stir(chance);
      stir();
    });
  }

  // Every key from every node. False: that took too long.
  bool read_everything() {
    readers_.clear();
    for (unsigned i = 0; i < options_.nodes; ++i) {
      readers_.push_back(
          std::make_unique<ClusterClient>(world_, *machine_, addresses_, kFirstReader + i, options_.load, history_));
    }
    world_.run_on(machine_->reactor(0), [this] {
      for (unsigned i = 0; i < options_.nodes; ++i) scope_->spawn(readers_[i]->read_all(i));
    });
    return world_.run_until([this] { return has_ended() || are_done(readers_); }, options_.recover_within_ns);
  }

  void expect_writes() {
    std::vector<uint64_t> before;
    for (const auto& client : clients_) before.push_back(client->written());
    const bool is_busy = world_.run_until(
        [&] {
          if (has_ended()) return true;
          for (size_t i = 0; i < clients_.size(); ++i) {
            if (clients_[i]->written() < before[i] + 5) return false;
          }
          return true;
        },
        options_.recover_within_ns);
    if (!is_busy) witness_.violate("clients' writes do not get on after the faults have ended" + failures());
  }

  std::string failures() {
    std::string text;
    for (env::sim::Node* node : servers_) {
      text += "\n  node " + std::to_string(node->index()) + (node->is_up() ? "" : ": down");
      if (node->is_up()) text += program(*node).is_serving() ? ": serving " : ": not serving ";
      if (node->is_up()) text += program(*node).failure();
    }
    return text;
  }

  void report() {
    for (const auto& client : clients_) {
      result_.answered += client->answered();
      result_.unanswered += client->unanswered();
      result_.refused += client->refused();
    }
    result_.applied = witness_.applied_count();
    result_.states_compared = witness_.states_compared();
    result_.elections = witness_.elections();
    result_.events = world_.event_count();
    result_.trace_hash = world_.trace_hash();
    result_.violation = witness_.violation();
    const linear::Judgement judgement = linear::judge_keys(history_, options_.limits);
    result_.is_undecided = judgement.verdict == linear::Verdict::kUndecided;
    if (judgement.verdict == linear::Verdict::kViolated) {
      result_.violation += (result_.violation.empty() ? "" : "\n") + judgement.explanation;
    }
  }

  const ClusterRunOptions& options_;
  ClusterWitness witness_;
  linear::RegisterHistory history_;
  ClusterRunResult result_;
  env::sim::World world_;
  std::vector<env::sim::Node*> servers_;
  std::vector<env::Address> addresses_;
  env::sim::Node* machine_ = nullptr;
  std::unique_ptr<env::sim::Nemesis> nemesis_;
  Clients clients_;
  Clients readers_;
  std::unique_ptr<env::TaskScope> scope_;
  bool is_calm_ = false;
};

}  // namespace

ClusterRunResult run_cluster(uint64_t seed, const ClusterRunOptions& options) {
  return ClusterLife(seed, options).run();
}

}  // namespace keelson::sim_test
