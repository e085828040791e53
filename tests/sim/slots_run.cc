#include "tests/sim/slots_run.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/crc16.h"
#include "cluster/slots.h"
#include "shard/router.h"

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;
using shard::SlotState;

constexpr uint16_t kPeerPort = 7400;
// A node that could not start is tried again, as a service manager does.
constexpr int64_t kSuperviseEveryNs = 200 * kMillisecond;
constexpr int64_t kLookEveryNs = 100 * kMillisecond;
constexpr unsigned kFirstReader = 1000;

class SlotsLife {
 public:
  SlotsLife(uint64_t seed, const SlotsRunOptions& options)
      : options_(options), slots_(witness_, options.node.shards), world_(seed, options.world) {
    load_ = options.load;
    for (unsigned i = 0; i < options.tags; ++i) {
      load_.tags.push_back("t" + std::to_string(i));
      tag_slots_.push_back(key_slot("{" + load_.tags.back() + "}"));
    }
    for (unsigned i = 0; i < options.nodes; ++i) servers_.push_back(&world_.add_node(options.reactors));
    machine_ = &world_.add_node(1);
    for (unsigned i = 0; i < options.nodes; ++i) {
      peers_.push_back(servers_[i]->address(kPeerPort));
      addresses_.push_back(servers_[i]->address(kClientPort));
    }
    for (unsigned i = 0; i < options.nodes; ++i) {
      servers_[i]->run_program([this, i](env::Env& env) {
        SlotsNodeOptions node = options_.node;
        node.index = i;
        node.peers = peers_;
        node.witness = &witness_;
        node.slots = &slots_;
        return std::make_unique<SlotsNode>(env, std::move(node));
      });
    }
    const auto strikes =
        options.draw_nemesis ? env::sim::NemesisOptions::draw(world_.random(), options.nodes) : options.nemesis;
    auto kinds = strikes;
    load_.has_sound_clocks =
        kinds.weight(env::sim::Fault::kWallJump) == 0 && kinds.weight(env::sim::Fault::kDrift) == 0;
    nemesis_ = std::make_unique<env::sim::Nemesis>(world_, servers_, strikes);
    nemesis_->goes_down = [this](env::sim::Node&) { ++result_.downs; };
  }

  SlotsRunResult run() {
    supervise();
    form();
    world_.run_until([this] { return has_ended(); }, options_.rest_first_ns);
    if (!has_ended()) {
      start_clients();
      move();
      if (options_.stir_every_ns > 0) stir();
      nemesis_->start();
      world_.run_until([this] { return has_ended(); }, options_.duration_ns);
      nemesis_->stop();
    }
    is_calm_ = true;
    if (!has_ended()) settle();
    report();
    return std::move(result_);
  }

 private:
  SlotsNode& program(env::sim::Node& node) { return *static_cast<SlotsNode*>(node.program()); }
  bool is_serving(env::sim::Node& node) {
    return node.is_up() && program(node).is_serving() && program(node).failure().empty();
  }
  using Clients = std::vector<std::unique_ptr<SlotsClient>>;
  static bool are_done(const Clients& clients) {
    return std::all_of(clients.begin(), clients.end(), [](const auto& client) { return client->is_done(); });
  }

  bool has_ended() {
    for (const Clients* all : {&clients_, &readers_}) {
      for (const auto& client : *all) {
        if (!client->violation().empty()) witness_.violate(client->violation());
      }
    }
    return !witness_.violation().empty();
  }
  // False: it took too long, and that is a violation.
  bool expect(const std::function<bool()>& holds, const std::string& what, int64_t within_ns) {
    int64_t look_at_ns = 0;
    const bool it_does = world_.run_until(
        [&] {
          if (has_ended()) return true;
          if (world_.now_ns() < look_at_ns) return false;
          look_at_ns = world_.now_ns() + kLookEveryNs;
          return holds();
        },
        within_ns);
    if (!it_does) witness_.violate(what + describe());
    return it_does && !has_ended();
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

  // Each node serves, and knows all nodes and who leads which shard; each shard has the replicas that it should have.
  void form() {
    const int64_t began_ns = world_.now_ns();
    expect(
        [this] {
          return std::all_of(servers_.begin(), servers_.end(), [this](auto* node) { return is_formed(*node); });
        },
        "the cluster does not form", options_.form_within_ns);
    result_.formed_ns = world_.now_ns() - began_ns;
  }
  bool is_formed(env::sim::Node& node) {
    if (!is_serving(node)) return false;
    const auto map = program(node).cluster().view().map();
    const size_t replicas = std::min<size_t>(options_.nodes, 3);
    return map->nodes.size() == options_.nodes && map->shards.size() == options_.node.shards &&
           std::all_of(map->nodes.begin(), map->nodes.end(), [](const auto& one) { return !one.host.empty(); }) &&
           std::all_of(map->shards.begin(), map->shards.end(),
                       [&](const auto& shard) { return shard.leader != 0 && shard.replicas.size() == replicas; });
  }

  void start_clients() {
    scope_ = std::make_unique<env::TaskScope>(machine_->reactor(0));
    for (unsigned i = 0; i < options_.clients; ++i) {
      clients_.push_back(std::make_unique<SlotsClient>(world_, *machine_, addresses_, i, load_, history_, queues_));
    }
    world_.run_on(machine_->reactor(0), [this] {
      for (auto& client : clients_) scope_->spawn(client->run());
    });
  }

  uint64_t below(uint64_t count) { return world_.random().next() % count; }

  // Some slots around one that is in use, or from one that is in use to another, go somewhere.
  void move() {
    world_.after(1 + static_cast<int64_t>(below(2 * static_cast<uint64_t>(options_.move_every_ns))), [this] {
      if (is_calm_) return;
      env::sim::Node& node = *servers_[below(servers_.size())];
      const uint16_t slot = tag_slots_[below(tag_slots_.size())];
      uint16_t first = slot;
      uint16_t last = slot;
      const uint64_t kind = below(4);
      if (kind == 1) {
        first = static_cast<uint16_t>(slot - std::min<uint64_t>(slot, below(200)));
        last = static_cast<uint16_t>(std::min<uint64_t>(shard::kSlotCount - 1, slot + below(200)));
      } else if (kind == 2) {
        last = tag_slots_[below(tag_slots_.size())];
        if (last < first) std::swap(first, last);
      }
      const auto to = static_cast<shard::ShardId>(below(options_.node.shards));
      const bool is_cancelled = below(12) == 0;
      if (is_serving(node) && !node.is_paused()) {
        if (is_cancelled) program(node).cancel_move(below(100));
        program(node).move_slots(first, last, to, result_.begun);
      }
      move();
    });
  }

  void stir() {
    world_.after(1 + static_cast<int64_t>(below(static_cast<uint64_t>(options_.stir_every_ns))), [this] {
      if (is_calm_) return;
      env::sim::Node& node = *servers_[below(servers_.size())];
      const uint64_t chance = world_.random().next();
      if (is_serving(node) && !node.is_paused()) program(node).stir(chance);
      stir();
    });
  }

  // The faults are over.
  void settle() {
    const int64_t calm_since_ns = world_.now_ns();
    if (!expect([this] { return have_moves_ended(); }, "moves do not end after the faults have",
                options_.recover_within_ns))
      return;
    result_.recovered_ns = world_.now_ns() - calm_since_ns;
    std::vector<uint64_t> before;
    for (const auto& client : clients_) before.push_back(client->written());
    const auto are_busy = [&] {
      for (size_t i = 0; i < clients_.size(); ++i) {
        if (clients_[i]->written() < before[i] + 5) return false;
      }
      return true;
    };
    if (!expect(are_busy, "clients' writes do not get on after the faults have ended", options_.recover_within_ns))
      return;
    for (auto& client : clients_) client->finish();
    if (!expect([this] { return are_done(clients_); }, "a client is not answered any more", 30 * kSecond)) return;
    if (!expect([this] { return map_fault().empty(); },
                "the map of slots and the shards' tables do not come to agree: ", 10 * kSecond))
      return;
    // All that has a time to live is past it, or its time went forward with a clock that did.
    world_.run_until([this] { return has_ended(); }, load_.ttl_ms_max * 2 * kMillisecond);
    read_everything();
  }

  bool have_moves_ended() {
    for (env::sim::Node* node : servers_) {
      if (!is_formed(*node)) return false;
      for (const auto& [id, move] : program(*node).cluster().state().moves) {
        if (move.is_under_way()) return false;
        if (move.why != "cancelled") witness_.violate("move " + std::to_string(id) + " has failed: " + move.why);
      }
    }
    return true;
  }

  // What is wrong with who has which slot; "" if nothing.
  std::string map_fault() {
    std::vector<shard::ShardId> shards;
    for (shard::ShardId shard = 0; shard < options_.node.shards; ++shard) shards.push_back(shard);
    for (env::sim::Node* node : servers_) {
      const cluster::SlotOwners owners(shards, program(*node).cluster().state().slots);
      const shard::SlotMap& routes = *program(*node).runtime().slot_map();
      for (uint16_t slot = 0; slot < shard::kSlotCount; ++slot) {
        if (routes.shard_of(slot) != owners.owner(slot)) return "a node routes by another map than it has";
      }
      for (const auto& [shard, newest] : slots_.newest()) {
        for (const shard::SlotRange& range : newest.ranges) {
          if (range.state == SlotState::kFrozen || range.state == SlotState::kImporting) {
            return "shard " + std::to_string(shard) + " has slots " + cluster::format_slots(range.first, range.last) +
                   " in state " + std::to_string(static_cast<int>(range.state)) + " at epoch " +
                   std::to_string(range.epoch);
          }
          for (uint32_t slot = range.first; slot <= range.last; ++slot) {
            const bool is_owner = owners.owner(static_cast<uint16_t>(slot)) == shard;
            if (is_owner != (range.state == SlotState::kOwned)) {
              return "slot " + std::to_string(slot) + " is shard " +
                     std::to_string(owners.owner(static_cast<uint16_t>(slot))) + "'s in node " +
                     std::to_string(node->index()) + "'s map";
            }
          }
        }
      }
      if (std::string astray = program(*node).keys_astray(); !astray.empty()) return astray;
    }
    return {};
  }

  // Every key from every node.
  void read_everything() {
    for (unsigned i = 0; i < options_.nodes; ++i) {
      readers_.push_back(
          std::make_unique<SlotsClient>(world_, *machine_, addresses_, kFirstReader + i, load_, history_, queues_));
      if (load_.has_sound_clocks) readers_.back()->expect_expired();
    }
    world_.run_on(machine_->reactor(0), [this] {
      for (unsigned i = 0; i < options_.nodes; ++i) scope_->spawn(readers_[i]->read_all(i));
    });
    expect([this] { return are_done(readers_); }, "not every node answers for every key at the end",
           options_.recover_within_ns);
  }

  std::string describe() {
    std::string text = map_fault_if_serving();
    for (env::sim::Node* node : servers_) {
      text += "\n  node " + std::to_string(node->index()) + (is_serving(*node) ? ": serving " : ": not serving ");
      if (!node->is_up()) continue;
      text += program(*node).failure();
      if (!is_serving(*node)) continue;
      for (const auto& [id, move] : program(*node).cluster().state().moves) {
        text += "\n    move " + std::to_string(id) + ": " + cluster::format_slots(move.first, move.last) + " from " +
                std::to_string(move.from) + " to " + std::to_string(move.to) + ", " +
                std::string(cluster::name_of(move.phase)) + ", attempt " + std::to_string(move.attempt);
      }
      for (const auto& shard : program(*node).cluster().view().map()->shards) {
        text += "\n    shard " + std::to_string(shard.id) + " is led by " + std::to_string(shard.leader);
      }
    }
    return text;
  }
  std::string map_fault_if_serving() {
    const bool all_serve =
        std::all_of(servers_.begin(), servers_.end(), [this](auto* node) { return is_serving(*node); });
    return all_serve ? map_fault() : std::string();
  }

  void report() {
    for (const Clients* all : {&clients_, &readers_}) {
      for (const auto& client : *all) {
        result_.answered += client->answered();
        result_.unanswered += client->unanswered();
        result_.refused += client->refused();
        result_.moved_answers += client->moved();
        result_.longest_ns = std::max(result_.longest_ns, client->longest_ns());
      }
    }
    result_.popped = queues_.popped_count();
    result_.moved = slots_.moved();
    result_.freezes = slots_.freezes();
    result_.thaws = slots_.thaws();
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

  const SlotsRunOptions& options_;
  SlotsLoad load_;
  std::vector<uint16_t> tag_slots_;
  ClusterWitness witness_;
  SlotsWitness slots_;
  linear::RegisterHistory history_;
  SlotsQueues queues_;
  SlotsRunResult result_;
  env::sim::World world_;
  std::vector<env::sim::Node*> servers_;
  std::vector<env::Address> peers_;
  std::vector<env::Address> addresses_;
  env::sim::Node* machine_ = nullptr;
  std::unique_ptr<env::sim::Nemesis> nemesis_;
  Clients clients_;
  Clients readers_;
  std::unique_ptr<env::TaskScope> scope_;
  bool is_calm_ = false;
};

}  // namespace

SlotsRunResult run_slots(uint64_t seed, const SlotsRunOptions& options) { return SlotsLife(seed, options).run(); }

}  // namespace keelson::sim_test
