#include "tests/sim/topic_cluster_run.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr const char* kTopic = "ships";
constexpr const char* kGroup = "crew";
constexpr const char* kTransactionalGroup = "tx-crew";
constexpr int64_t kTryAgainNs = 50 * kMillisecond;
// A node that cannot go on is started anew, as a service manager does.
constexpr int64_t kSuperviseEveryNs = 200 * kMillisecond;
constexpr int64_t kCompareEveryNs = 500 * kMillisecond;
constexpr int64_t kLateWithinNs = 10 * kSecond;
// Wall clocks jump by as much as a minute, and no transaction is to be timed out by that.
constexpr int32_t kTransactionTimeoutMs = 600'000;
constexpr uint32_t kAuditor = 1000;

class ClusterLife {
 public:
  ClusterLife(uint64_t seed, const TopicClusterRunOptions& options)
      : options_(options),
        world_(seed, options.world),
        topic_{.judge = judge_,
               .topic = kTopic,
               .partitions = options.partitions,
               .allowed = {.storage_errors = true, .moves = true},
               .is_trimmed = options.is_trimmed,
               .pause_ns_max = options.pause_ns_max,
               .transaction_timeout_ms = kTransactionTimeoutMs} {
    for (unsigned i = 0; i < options.nodes; ++i) servers_.push_back(&world_.add_node(options.reactors));
    machine_ = &world_.add_node(1);
    for (unsigned i = 0; i < options.nodes; ++i) {
      servers_[i]->run_program([this, i](env::Env& env) {
        TopicClusterNodeOptions node = options_.node;
        node.index = i;
        node.peers = peer_addresses(options_.nodes);
        node.witness = &witness_;
        return std::make_unique<TopicClusterNode>(env, std::move(node));
      });
      addresses_.push_back(servers_[i]->address(TopicNode::kPort));
    }
    const auto strikes =
        options.draw_nemesis ? env::sim::NemesisOptions::draw(world_.random(), options.nodes) : options.nemesis;
    nemesis_ = std::make_unique<env::sim::Nemesis>(world_, servers_, strikes);
    nemesis_->goes_down = [this](env::sim::Node&) { ++result_.downs; };
    scope_ = std::make_unique<env::TaskScope>(machine_->reactor(0));
  }

  TopicClusterRunResult run() {
    supervise();
    bool is_made = false;
    world_.run_on(machine_->reactor(0), [&] { scope_->spawn(create_topic(is_made)); });
    if (world_.run_until([&] { return is_made || has_ended(); }, options_.form_within_ns) && !has_ended()) {
      start_clients();
      if (options_.stir_every_ns > 0) stir();
      nemesis_->start();
      world_.run_until([this] { return has_ended(); }, options_.duration_ns);
      nemesis_->stop();
      is_calm_ = true;
      finish();
    } else if (!has_ended()) {
      witness_.violate("the topic cannot be created; the last error was " + std::to_string(create_error_) + states());
    }
    report();
    return std::move(result_);
  }

 private:
  using Ends = std::map<int32_t, TopicJudge::Partition>;

  TopicClusterNode& program(env::sim::Node& node) { return *static_cast<TopicClusterNode*>(node.program()); }
  bool is_serving(env::sim::Node& node) { return node.is_up() && program(node).is_serving(); }
  uint64_t below(uint64_t count) { return world_.random().next() % count; }
  [[nodiscard]] KafkaServers servers() const { return {addresses_, options_.answer_within_ns}; }

  bool expect(const std::function<bool()>& done, const std::string& or_else, int64_t within_ns) {
    const bool is_done = world_.run_until([&] { return has_ended() || done(); }, within_ns) && !has_ended();
    if (!is_done && !has_ended()) witness_.violate(or_else + states());
    return is_done;
  }

  bool has_ended() {
    if (!witness_.violation().empty()) return true;
    if (!judge_.violation().empty()) witness_.violate(judge_.violation());
    for (const auto& client : clients_) {
      if (!client->violation().empty()) witness_.violate(client->violation());
    }
    return !witness_.violation().empty();
  }

  std::string states() {
    std::string text;
    for (env::sim::Node* node : servers_) {
      text += "\n  node " + std::to_string(node->index());
      if (!node->is_up()) {
        text += ": down";
        continue;
      }
      text += (is_serving(*node) ? ": serving " : ": not serving ") + program(*node).failure();
      if (!is_serving(*node)) continue;
      text += world_.run(node->reactor(0), program(*node).groups_text());
    }
    return text;
  }

  Task<void> create_topic(bool& is_made) {
    KafkaLink link(machine_->env(), servers());
    while (!is_made) {
      const auto made = co_await link.create_topic(kTopic, options_.partitions, options_.topic_configs);
      is_made = made && (made->error == kNoError || made->error == 36);  // TOPIC_ALREADY_EXISTS
      if (made) create_error_ = made->error;
      if (!is_made) co_await env::sleep_for(machine_->reactor(0), kTryAgainNs);
    }
  }

  template <class Client, class... Arguments>
  void add(std::vector<TopicClient*>& into, Arguments&&... arguments) {
    auto client = std::make_unique<Client>(machine_->env(), servers(), topic_, static_cast<uint32_t>(clients_.size()),
                                           std::forward<Arguments>(arguments)...);
    into.push_back(client.get());
    clients_.push_back(std::move(client));
  }

  void start_clients() {
    for (unsigned i = 0; i < options_.writers; ++i) {
      if (options_.is_compacted) {
        add<TopicWriter>(writers_, WriterKind::kKeyed);
        continue;
      }
      if (!options_.is_transactional) add<TopicWriter>(writers_, WriterKind::kPlain);
      if (options_.is_plain) continue;
      if (!options_.is_transactional) add<TopicWriter>(writers_, WriterKind::kIdempotent);
      add<TransactionalWriter>(writers_, std::string(kTransactionalGroup) + std::to_string(i));
      transactional_.push_back(writers_.back());
    }
    for (unsigned i = 0; i < options_.readers; ++i) add<TopicReader>(readers_);
    if (!options_.is_compacted && !options_.is_plain && !options_.is_transactional) {
      for (unsigned i = 0; i < options_.members; ++i) add<GroupMember>(members_, kGroup);
    }
    for (unsigned i = 0; i < options_.admins; ++i) add<TopicAdmin>(admins_);
    if (options_.is_trimmed) add<TopicTrimmer>(trimmers_);
    world_.run_on(machine_->reactor(0), [this] {
      for (auto& client : clients_) scope_->spawn(client->run());
    });
  }

  void supervise() {
    world_.after(kSuperviseEveryNs, [this] {
      for (env::sim::Node* node : servers_) {
        if (!node->is_up() || node->is_paused()) continue;
        const std::string& failure = program(*node).failure();
        if (failure.empty() && !program(*node).has_failed_log()) continue;
        if (!may_pass(failure)) {
          witness_.violate("node " + std::to_string(node->index()) + " cannot go on: " + failure);
          continue;
        }
        node->kill();
        node->restart();
      }
      supervise();
    });
  }

  // An error of the environment that another start may not meet.
  static bool may_pass(const std::string& failure) {
    return failure.empty() || failure.find("log has failed") != std::string::npos ||
           failure.find("injected:") != std::string::npos || failure.find("no room") != std::string::npos ||
           failure.find("No space") != std::string::npos || failure.find("the device failed") != std::string::npos;
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

  // ---- After the faults.

  bool end_all(const std::vector<TopicClient*>& clients, const std::string& what) {
    for (TopicClient* client : clients) client->finish();
    const auto is_done = [](const TopicClient* client) { return client->is_done(); };
    if (world_.run_until([&] { return has_ended() || std::ranges::all_of(clients, is_done); },
                         options_.recover_within_ns)) {
      return !has_ended();
    }
    for (const TopicClient* client : clients) {
      if (client->is_done()) continue;
      witness_.violate("client " + std::to_string(client->id()) + ", a " + what +
                       ", does not come to its end; its last error was " + std::to_string(client->last_error()) +
                       states());
    }
    return false;
  }

  void finish() {
    if (has_ended()) return;
    const int64_t calm_since_ns = world_.now_ns();
    if (!end_all(writers_, "writer") || !end_all(trimmers_, "trimmer") || !end_all(admins_, "admin") ||
        !end_all(readers_, "reader") || !end_all(members_, "member of the group")) {
      return;
    }
    result_.recovered_ns = world_.now_ns() - calm_since_ns;
    // What clients have given up may yet be done.
    world_.run_for(kLateWithinNs);
    if (!agree()) return;
    auditor_ = std::make_unique<TopicReader>(machine_->env(), servers(), topic_, kAuditor);
    Ends ends;
    world_.run_on(machine_->reactor(0), [&] { scope_->spawn(auditor_->read_all(ends)); });
    if (!expect([&] { return auditor_->is_done() || !auditor_->violation().empty(); }, "the end cannot be read",
                options_.recover_within_ns)) {
      return;
    }
    if (!auditor_->violation().empty()) return witness_.violate(auditor_->violation());
    judge(ends);
    if (!has_ended()) judge_admins();
    if (!has_ended()) compare_partitions(ends);
  }

  // Nodes and shards come to hold the same, without anybody asking.
  bool agree() {
    std::string differ;
    const int64_t until_ns = world_.now_ns() + options_.recover_within_ns;
    do {
      world_.run_for(kCompareEveryNs);
      if (has_ended()) return false;
      differ = difference();
    } while (!differ.empty() && world_.now_ns() < until_ns);
    if (!differ.empty()) witness_.violate("the nodes do not come to agree: " + differ + states());
    return differ.empty();
  }

  std::string difference() {
    std::optional<TopicPicture> first;
    for (env::sim::Node* node : servers_) {
      const std::string who = "node " + std::to_string(node->index());
      if (!is_serving(*node) || program(*node).is_writing_checkpoint()) return who + " is busy";
      const TopicPicture picture = program(*node).picture();
      for (const auto& [shard, position] : picture.positions) {
        if (position.second == 0) return who + " knows no leader of shard " + std::to_string(shard);
      }
      const std::string& directory = picture.directories.begin()->second;
      for (const auto& [shard, text] : picture.directories) {
        if (text != directory) {
          return who + ": shard " + std::to_string(shard) +
                 " has another directory than the first:" + lines_without(text, directory, " it alone has ") +
                 lines_without(directory, text, " it has not ");
        }
      }
      if (!first) {
        first = picture;
        continue;
      }
      for (const auto& [shard, position] : picture.positions) {
        const std::string where = " in shard " + std::to_string(shard);
        if (position != first->positions[shard]) return who + " is elsewhere" + where;
        if (picture.directories.at(shard) != first->directories[shard]) return who + " has other topics" + where;
        if (picture.parts.at(shard) != first->parts[shard]) return who + " has other groups or transactions" + where;
      }
    }
    return {};
  }

  static std::string lines_without(const std::string& text, const std::string& others, const std::string& said) {
    std::string found;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = text.find('\n', begin) + 1;
      const std::string line = text.substr(begin, end - begin);
      if (!others.contains(line)) found += said + line;
      begin = end;
    }
    return found;
  }

  void judge(const Ends& ends) {
    for (const auto& [partition, end] : ends) {
      std::string verdict =
          options_.is_compacted ? judge_.judge_compacted(partition, end) : judge_.judge(partition, end);
      if (verdict.empty() && !members_.empty()) verdict = judge_.judge_group(kGroup, partition, 0, end);
      if (!verdict.empty()) witness_.violate(verdict);
      if (!end.all.empty()) {
        result_.gone += static_cast<uint64_t>(end.all.back().offset + 1 - end.start) - end.all.size();
      }
    }
    if (const std::string verdict = judge_.judge_transactions(ends); !verdict.empty()) witness_.violate(verdict);
  }

  void judge_admins() {
    const auto directory = program(*servers_[0]).directory();
    for (const TopicClient* client : admins_) {
      for (const auto& [name, partitions] : static_cast<const TopicAdmin*>(client)->certain()) {
        const auto found = directory.find(name);
        const int32_t there = found == directory.end() ? 0 : found->second.partition_count;
        if (there == partitions) continue;
        witness_.violate("topic " + name + " has " + std::to_string(there) + " partitions, and an admin was told of " +
                         std::to_string(partitions));
      }
    }
  }

  // What each node's own replicas hold is what the readers were given.
  void compare_partitions(const Ends& ends) {
    const auto found = program(*servers_[0]).directory().at(kTopic);
    for (const auto& [partition, end] : ends) {
      const topic::PartitionId id{found.id, partition};
      const std::string described = program(*servers_[0]).describe(id);
      for (env::sim::Node* node : servers_) {
        TopicClusterNode& there = program(*node);
        const std::string who =
            "node " + std::to_string(node->index()) + ", partition " + std::to_string(partition) + ": ";
        TopicJudge::Partition own;
        std::string wrong;
        if (!world_.run(node->reactor(there.reactor_of(id)), there.read_own(id, own, wrong))) {
          return witness_.violate(who + wrong);
        }
        if (std::string now = there.describe(id); now != described) {
          return witness_.violate(who + now + ", and node 0 has " + described);
        }
        if (options_.is_compacted) {
          if (std::string verdict = judge_.judge_compacted(partition, own); !verdict.empty()) {
            return witness_.violate(who + verdict);
          }
        } else if (own.start != end.start || own.all != end.all || own.committed != end.committed) {
          return witness_.violate(who + first_difference(own.all, end.all) + " (or only of committed data)");
        }
      }
    }
  }

  static std::string first_difference(const std::vector<SeenRecord>& own, const std::vector<SeenRecord>& told) {
    for (size_t i = 0; i < std::max(own.size(), told.size()); ++i) {
      if (i < own.size() && i < told.size() && own[i] == told[i]) continue;
      const auto shown = [i](const std::vector<SeenRecord>& records) {
        if (i >= records.size()) return std::string("nothing");
        return "offset " + std::to_string(records[i].offset) + " " + records[i].value.value_or("a tombstone");
      };
      return "it has " + shown(own) + " where the leader gave " + shown(told);
    }
    return "it has the same records";
  }

  void report() {
    has_ended();
    for (const TopicClient* member : members_) result_.consumed += member->successes();
    for (const TopicClient* writer : transactional_) result_.transacted += writer->successes();
    for (const TopicClient* admin : admins_) result_.administered += admin->successes();
    for (const TopicClient* trimmer : trimmers_) result_.trims += trimmer->successes();
    result_.sent = judge_.messages();
    result_.acknowledged = judge_.acknowledgements();
    result_.elections = witness_.elections();
    result_.events = world_.event_count();
    result_.trace_hash = world_.trace_hash();
    result_.violation = witness_.violation();
  }

  const TopicClusterRunOptions& options_;
  ClusterWitness witness_;
  TopicJudge judge_;
  TopicClusterRunResult result_;
  env::sim::World world_;
  TopicWorld topic_;
  std::vector<env::sim::Node*> servers_;
  std::vector<env::Address> addresses_;
  env::sim::Node* machine_ = nullptr;
  std::unique_ptr<env::sim::Nemesis> nemesis_;
  std::vector<std::unique_ptr<TopicClient>> clients_;
  std::vector<TopicClient*> writers_, transactional_, readers_, members_, admins_, trimmers_;
  std::unique_ptr<TopicReader> auditor_;
  std::unique_ptr<env::TaskScope> scope_;
  int16_t create_error_ = kNoError;
  bool is_calm_ = false;
};

}  // namespace

TopicClusterRunResult run_topic_cluster(uint64_t seed, const TopicClusterRunOptions& options) {
  return ClusterLife(seed, options).run();
}

}  // namespace keelson::sim_test
