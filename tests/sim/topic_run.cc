#include "tests/sim/topic_run.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace keelson::sim_test {

namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

constexpr int64_t kRecoverWithinNs = 600 * kSecond;
constexpr int64_t kFullForNsMax = 300 * kMillisecond;
constexpr const char* kTopic = "ships";
constexpr const char* kGroup = "crew";
constexpr const char* kTransactionalGroup = "tx-crew";

class Life {
 public:
  Life(uint64_t seed, const TopicRunOptions& options)
      : options_(options),
        world_(seed, options.world),
        server_(world_.add_node(options.reactors)),
        clients_node_(world_.add_node(1)),
        topic_{.judge = judge_,
               .topic = kTopic,
               .partitions = options.partitions,
               .allowed = options.allowed,
               .is_trimmed = options.is_trimmed} {}

  TopicRunResult run() {
    server_.run_program([this](env::Env& env) { return std::make_unique<TopicNode>(env, options_.node); });
    scope_ = std::make_unique<env::TaskScope>(clients_node_.reactor(0));
    supervise();
    world_.run_until([this] { return server_.is_up() && (node().is_serving() || !node().failure().empty()); },
                     kRecoverWithinNs);
    const bool is_created = world_.run(clients_node_.reactor(0), create_topic());
    if (!is_created) {
      result_.violation = "the topic cannot be created";
      return std::move(result_);
    }
    if (options_.is_topic_durable) {
      const Status written = world_.run(server_.reactor(0), node().runtime().checkpoint_all(true));
      if (!written.ok()) {
        result_.violation = "no checkpoint: " + written.error().message();
        return std::move(result_);
      }
    }
    make_clients();
    plan_faults();
    world_.run_until([this] { return has_ended(); }, options_.duration_ns);
    calm_down();
    finish();
    report();
    result_.trace_hash = world_.trace_hash();
    return std::move(result_);
  }

 private:
  TopicNode& node() { return *static_cast<TopicNode*>(server_.program()); }
  int64_t random_up_to(int64_t most) {
    return 1 + static_cast<int64_t>(world_.random().next() % static_cast<uint64_t>(most));
  }

  Task<bool> create_topic() {
    KafkaLink link(clients_node_.env(), server_.address(TopicNode::kPort));
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const auto made = co_await link.create_topic(kTopic, options_.partitions, options_.topic_configs);
      if (made && (made->error == kNoError || made->error == 36)) co_return true;  // TOPIC_ALREADY_EXISTS
      co_await env::sleep_for(clients_node_.reactor(0), 10 * kMillisecond);
    }
    co_return false;
  }

  template <class Client, class... Arguments>
  void add(std::vector<TopicClient*>& into, Arguments&&... arguments) {
    auto client =
        std::make_unique<Client>(clients_node_.env(), server_.address(TopicNode::kPort), topic_,
                                 static_cast<uint32_t>(clients_.size()), std::forward<Arguments>(arguments)...);
    into.push_back(client.get());
    clients_.push_back(std::move(client));
  }

  void make_clients() {
    for (unsigned i = 0; i < options_.writers; ++i) {
      if (options_.is_compacted) {
        add<TopicWriter>(writers_, WriterKind::kKeyed);
        continue;
      }
      add<TopicWriter>(writers_, WriterKind::kPlain);
      if (options_.is_plain) continue;
      add<TopicWriter>(writers_, WriterKind::kIdempotent);
      add<TransactionalWriter>(writers_, std::string(kTransactionalGroup) + std::to_string(i));
      transactional_.push_back(writers_.back());
    }
    for (unsigned i = 0; i < options_.readers; ++i) add<TopicReader>(readers_);
    if (!options_.is_compacted && !options_.is_plain) {
      for (unsigned i = 0; i < options_.members; ++i) add<GroupMember>(members_, kGroup);
    }
    if (options_.is_trimmed) add<TopicTrimmer>(trimmers_);
    world_.run_on(clients_node_.reactor(0), [this] {
      for (auto& client : clients_) scope_->spawn(client->run());
    });
    // It does not run along; it looks at the end.
    auditor_ = std::make_unique<TopicReader>(clients_node_.env(), server_.address(TopicNode::kPort), topic_, 1000);
  }

  // A violation, or a node that refuses to start on what the disk has: no use going on.
  bool has_ended() {
    if (!judge_.violation().empty()) return true;
    for (const auto& client : clients_) {
      if (!client->violation().empty()) return true;
    }
    return server_.is_up() && !node().failure().empty() && !may_pass(node().failure());
  }

  // An error of the environment that another start may not meet.
  static bool may_pass(const std::string& failure) {
    return failure.find("injected:") != std::string::npos || failure.find("no room") != std::string::npos ||
           failure.find("the device failed") != std::string::npos;
  }

  // Starts it again as a service manager does, also when its log has failed.
  void supervise() {
    world_.after(100 * kMillisecond, [this] {
      if (server_.is_up() && has_failed()) {
        server_.stop();
        server_.restart();
      }
      supervise();
    });
  }

  bool has_failed() {
    if (!node().failure().empty()) return may_pass(node().failure());
    return node().is_serving() && node().runtime().local_log()->stats().has_failed.value() != 0;
  }

  void plan(int64_t every_ns, std::function<void()> fault) {
    if (every_ns == 0) return;
    world_.after(random_up_to(2 * every_ns), [this, every_ns, fault] {
      if (is_calm_) return;
      fault();
      plan(every_ns, fault);
    });
  }

  void plan_faults() {
    plan(options_.crash_every_ns, [this] { crash(); });
    plan(options_.break_every_ns, [this] { world_.break_connections(server_); });
    plan(options_.full_every_ns, [this] {
      server_.disk().set_full(true);
      world_.after(random_up_to(kFullForNsMax), [this] { server_.disk().set_full(false); });
    });
  }

  void crash() {
    if (!server_.is_up() || !node().failure().empty()) return;
    const bool is_kill = static_cast<double>(world_.random().next() % 1000) < options_.kill_probability * 1000;
    is_kill ? server_.kill() : server_.crash();
    ++result_.crashes;
    world_.after(random_up_to(100 * kMillisecond), [this] {
      if (!server_.is_up()) server_.restart();
    });
  }

  void calm_down() {
    is_calm_ = true;
    env::sim::SimOptions healthy;
    // What a bug planted in the disk does, it goes on doing.
    healthy.disk.ignore_file_syncs = options_.world.disk.ignore_file_syncs;
    healthy.disk.ignore_folder_syncs = options_.world.disk.ignore_folder_syncs;
    world_.options().disk = healthy.disk;
    world_.options().network = healthy.network;
    world_.options().machine = healthy.machine;
    server_.disk().set_full(false);
  }

  bool end_all(const std::vector<TopicClient*>& clients, const std::string& what) {
    for (TopicClient* client : clients) client->finish();
    const bool are_done = world_.run_until(
        [&] {
          return has_ended() ||
                 std::all_of(clients.begin(), clients.end(), [](TopicClient* client) { return client->is_done(); });
        },
        kRecoverWithinNs);
    for (const TopicClient* client : clients) {
      if (are_done || has_ended() || client->is_done() || !result_.violation.empty()) continue;
      result_.violation = "client " + std::to_string(client->id()) + ", a " + what +
                          ", does not come to its end; its last error was " + std::to_string(client->last_error());
    }
    return are_done && !has_ended();
  }

  void finish() {
    if (has_ended()) return;
    // One more crash, so that the end is checked against what is on the disk.
    world_.run_until([this] { return server_.is_up() && (node().is_serving() || has_ended()); }, kRecoverWithinNs);
    if (has_ended()) return;
    if (options_.crash_every_ns != 0) crash();
    if (!end_all(writers_, "writer") || !end_all(trimmers_, "trimmer") || !end_all(readers_, "reader") ||
        !end_all(members_, "member of the group")) {
      return;
    }
    std::map<int32_t, TopicJudge::Partition> ends;
    world_.run_on(clients_node_.reactor(0), [&] { scope_->spawn(auditor_->read_all(ends)); });
    if (!world_.run_until([&] { return has_ended() || auditor_->is_done() || !auditor_->violation().empty(); },
                          kRecoverWithinNs)) {
      result_.violation = "the end cannot be read";
    } else if (auditor_->violation().empty() && !has_ended()) {
      judge(ends);
    }
  }

  void judge(const std::map<int32_t, TopicJudge::Partition>& ends) {
    for (const auto& [partition, end] : ends) {
      std::string& verdict = result_.violation;
      if (verdict.empty()) {
        verdict = options_.is_compacted ? judge_.judge_compacted(partition, end) : judge_.judge(partition, end);
      }
      if (verdict.empty() && !members_.empty()) verdict = judge_.judge_group(kGroup, partition, 0, end);
      if (!end.all.empty()) {
        result_.gone += static_cast<uint64_t>(end.all.back().offset + 1 - end.start) - end.all.size();
      }
    }
    if (result_.violation.empty()) result_.violation = judge_.judge_transactions(ends);
  }

  void report() {
    for (const auto& client : clients_) {
      if (result_.violation.empty()) result_.violation = client->violation();
    }
    if (result_.violation.empty()) result_.violation = auditor_->violation();
    if (result_.violation.empty()) result_.violation = judge_.violation();
    for (const TopicClient* member : members_) result_.consumed += member->successes();
    for (const TopicClient* writer : transactional_) result_.transacted += writer->successes();
    for (const TopicClient* trimmer : trimmers_) result_.trims += trimmer->successes();
    result_.sent = judge_.messages();
    result_.acknowledged = judge_.acknowledgements();
    if (server_.is_up()) result_.not_served = node().failure();
  }

  const TopicRunOptions& options_;
  env::sim::World world_;
  env::sim::Node& server_;
  env::sim::Node& clients_node_;
  TopicJudge judge_;
  TopicWorld topic_;
  std::vector<std::unique_ptr<TopicClient>> clients_;
  std::vector<TopicClient*> writers_, transactional_, readers_, members_, trimmers_;
  std::unique_ptr<TopicReader> auditor_;
  std::unique_ptr<env::TaskScope> scope_;
  bool is_calm_ = false;
  TopicRunResult result_;
};

}  // namespace

TopicRunResult run_topic(uint64_t seed, const TopicRunOptions& options) { return Life(seed, options).run(); }

}  // namespace keelson::sim_test
