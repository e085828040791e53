#include "tests/sim/coord_run.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr int64_t kSuperviseEveryNs = 200 * kMillisecond;
// The longest lease, twice (a new leader begins its time anew), and what a slow clock adds.
constexpr int64_t kLeasesEndNs = 8 * kSecond;

class CoordLife {
 public:
  CoordLife(uint64_t seed, const CoordRunOptions& options)
      : options_(options), world_(seed, options.world), shared_{.world = world_, .book = book_, .witness = witness_} {
    for (unsigned i = 0; i < options.nodes; ++i) nodes_.push_back(&world_.add_node(options.reactors));
    for (unsigned i = 0; i < options.nodes; ++i) {
      nodes_[i]->run_program([this, i](env::Env& env) {
        CoordNodeOptions node = options_.node;
        node.index = i;
        if (options_.nodes > 1) node.peers = peer_addresses(options_.nodes);
        return std::make_unique<CoordNode>(env, std::move(node), shared_);
      });
    }
    const auto strikes =
        options.draw_nemesis ? env::sim::NemesisOptions::draw(world_.random(), options.nodes) : options.nemesis;
    nemesis_ = std::make_unique<env::sim::Nemesis>(world_, nodes_, strikes);
    nemesis_->goes_down = [this](env::sim::Node&) { ++result_.downs; };
  }

  CoordRunResult run() {
    supervise();
    stir();
    nemesis_->start();
    world_.run_until([this] { return has_ended(); }, options_.duration_ns);
    nemesis_->stop();
    is_calm_ = true;
    const int64_t calm_since_ns = world_.now_ns();
    if (!has_ended() && !are_all_serving())
      book_.violate("not every node serves after the faults have ended" + failures());
    if (!has_ended() && !read_everything())
      book_.violate("not every node answers after the faults have ended" + failures());
    result_.recovered_ns = world_.now_ns() - calm_since_ns;
    world_.run_until([this] { return has_ended(); }, kSecond);  // new writes, without faults
    shared_.is_writing = false;
    world_.run_until([this] { return has_ended(); }, kLeasesEndNs);
    if (!has_ended()) expect_leases_to_end();
    if (!has_ended()) expect_watchers_to_know();
    if (!has_ended() && !read_everything()) book_.violate("not every node answers at the end" + failures());
    report();
    return std::move(result_);
  }

 private:
  CoordNode& program(env::sim::Node& node) { return *static_cast<CoordNode*>(node.program()); }
  bool has_ended() { return !book_.violation().empty() || !witness_.violation().empty(); }
  bool is_serving(env::sim::Node& node) {
    return node.is_up() && program(node).is_serving() && program(node).failure().empty();
  }

  void supervise() {
    world_.after(kSuperviseEveryNs, [this] {
      for (env::sim::Node* node : nodes_) {
        if (!node->is_up() || node->is_paused() || program(*node).failure().empty()) continue;
        node->kill();
        node->restart();
      }
      supervise();
    });
  }

  void stir() {
    world_.after(1 + static_cast<int64_t>(world_.random().next() % static_cast<uint64_t>(options_.stir_every_ns)),
                 [this] {
                   if (is_calm_) return;
                   env::sim::Node& node = *nodes_[world_.random().next() % nodes_.size()];
                   const uint64_t chance = world_.random().next();
                   if (is_serving(node) && !node.is_paused()) program(node).stir(chance);
                   stir();
                 });
  }

  bool are_all_serving() {
    return world_.run_until(
        [this] {
          return has_ended() ||
                 std::all_of(nodes_.begin(), nodes_.end(), [this](auto* node) { return is_serving(*node); });
        },
        options_.recover_within_ns);
  }

  // On each node, in one life of it: a sync that the faults have left may stop a node after they have ended, and it is
  // asked anew when it serves again.
  bool read_everything() {
    struct Asked {
      const env::Env* life = nullptr;
      bool is_done = false;
    };
    std::vector<Asked> asked(nodes_.size());
    std::vector<std::unique_ptr<env::TaskScope>> scopes;
    const auto is_done = [&](size_t i) {
      env::sim::Node& node = *nodes_[i];
      if (!asked[i].is_done && is_serving(node) && asked[i].life != &node.env()) {
        asked[i].life = &node.env();
        scopes.push_back(std::make_unique<env::TaskScope>(node.reactor(0)));
        world_.run_on(node.reactor(0), [&, i] { scopes.back()->spawn(read_one(program(node), asked[i].is_done)); });
      }
      return asked[i].is_done;
    };
    return world_.run_until(
        [&] {
          bool are_done = true;
          for (size_t i = 0; i < nodes_.size(); ++i) are_done &= is_done(i);
          return has_ended() || are_done;
        },
        options_.recover_within_ns);
  }
  static Task<void> read_one(CoordNode& node, bool& is_done) {
    co_await node.read_all();
    is_done = true;
  }

  // Nobody keeps one alive any more.
  void expect_leases_to_end() {
    const bool they_do =
        world_.run_until([this] { return has_ended() || book_.leased_keys().empty(); }, options_.recover_within_ns);
    if (!they_do) book_.violate("the key " + book_.leased_keys().front() + " has outlived its lease" + failures());
  }

  void expect_watchers_to_know() {
    const int64_t last = book_.last_revision();
    const bool they_do = world_.run_until(
        [&] {
          return has_ended() || std::all_of(nodes_.begin(), nodes_.end(), [&](auto* node) {
                   return is_serving(*node) && program(*node).have_watchers_seen(last);
                 });
        },
        options_.recover_within_ns);
    if (!they_do) book_.violate("watchers were not told everything after the faults have ended");
    for (env::sim::Node* node : nodes_) {
      if (is_serving(*node)) program(*node).watchers_must_be_complete();
    }
  }

  std::string failures() {
    std::string text;
    for (env::sim::Node* node : nodes_) {
      text += "\n  node " + std::to_string(node->index()) + (is_serving(*node) ? ": serving " : ": not serving ");
      if (node->is_up()) text += program(*node).failure();
    }
    return text;
  }

  void report() {
    result_.sums = book_.sums();
    result_.states_compared = witness_.states_compared();
    result_.elections = witness_.elections();
    result_.compactions_to = static_cast<uint64_t>(book_.compacted());
    result_.trace_hash = world_.trace_hash();
    result_.violation = witness_.violation();
    if (result_.violation.empty()) result_.violation = book_.judge(options_.limits, result_.is_undecided);
  }

  const CoordRunOptions& options_;
  CoordRunResult result_;
  CoordBook book_;
  ClusterWitness witness_;
  env::sim::World world_;
  CoordShared shared_;
  std::vector<env::sim::Node*> nodes_;
  std::unique_ptr<env::sim::Nemesis> nemesis_;
  bool is_calm_ = false;
};

}  // namespace

CoordRunResult run_coord(uint64_t seed, const CoordRunOptions& options) { return CoordLife(seed, options).run(); }

}  // namespace keelson::sim_test
