// The log on real threads and a real disk: what the thread sanitizer looks at. Three reactors append, each to its own
// shard, while durability is switched; everything acknowledged is there after a restart.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/real/real_env.h"
#include "log/local_log.h"

namespace keelson::log {
namespace {

constexpr unsigned kReactors = 3;
constexpr uint64_t kRecords = 3000;
constexpr uint64_t kRecordsPerTurn = 40;

class Counter final : public RecoveryHandler {
 public:
  void on_record(ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) override {
    EXPECT_EQ(index, ++last_index[shard]);
    EXPECT_EQ(payload, "record " + std::to_string(index));
  }
  std::vector<uint64_t> last_index = std::vector<uint64_t>(kReactors);
};

// One reactor's share: appends a few records in each turn until all are acknowledged.
class Appender {
 public:
  Appender(env::Reactor& here, CommitLog& port, std::function<void()> on_done)
      : here_(here), port_(port), shard_(static_cast<ShardId>(here.index())), on_done_(std::move(on_done)) {}

  void turn() {
    for (uint64_t i = 0; i < kRecordsPerTurn && next_index_ <= kRecords; ++i) {
      ASSERT_EQ(port_.admit(100), LogErrc::kOk);
      waiters_.push_back(std::make_unique<Waiter>(*this));
      port_.begin(shard_, next_index_, 1).append("record " + std::to_string(next_index_));
      ++next_index_;
      if (port_.end(*waiters_.back()) == Append::kCommitted) acknowledged();
    }
    if (next_index_ <= kRecords) here_.post([this] { turn(); });
  }

 private:
  struct Waiter final : CommitWaiter {
    explicit Waiter(Appender& of) : owner(of) {}
    void committed(LogErrc outcome) override {
      EXPECT_EQ(outcome, LogErrc::kOk);
      EXPECT_TRUE(owner.here_.is_current());
      owner.acknowledged();
    }
    Appender& owner;
  };
  void acknowledged() {
    if (++acknowledged_ == kRecords) on_done_();
  }

  env::Reactor& here_;
  CommitLog& port_;
  const ShardId shard_;
  std::function<void()> on_done_;
  uint64_t next_index_ = 1;
  uint64_t acknowledged_ = 0;
  std::vector<std::unique_ptr<Waiter>> waiters_;
};

struct Node {
  std::unique_ptr<env::RealEnv> env;
  std::string folder;
  Counter recovered;
  std::unique_ptr<LocalLog> log;
  std::vector<std::unique_ptr<CommitLog>> ports;
  std::vector<std::unique_ptr<Appender>> appenders;
  unsigned left = kReactors;
  std::unique_ptr<env::TaskScope> scope;
};

Task<void> open_log(Node& node) {
  LocalLogOptions options;
  options.durability = Durability::kAlways;
  options.segment_bytes = uint64_t{256} << 10;
  auto log = co_await LocalLog::open(*node.env, node.env->reactor(0), node.folder, options,
                                     std::vector<uint64_t>(kReactors, 1), node.recovered);
  EXPECT_TRUE(log.ok()) << log.error().message();
  if (log.ok()) node.log = std::move(*log);
}

Task<void> stop_log(Node& node) {
  EXPECT_TRUE((co_await node.log->stop()).ok());
  node.env->stop();
}

Task<void> append_all(Node& node) {
  co_await open_log(node);
  if (node.log == nullptr) co_return node.env->stop();
  for (unsigned i = 0; i < kReactors; ++i) node.ports.push_back(node.log->make_port(node.env->reactor(i)));
  for (unsigned i = 0; i < kReactors; ++i) {
    env::Reactor& reactor = node.env->reactor(i);
    node.appenders.push_back(std::make_unique<Appender>(reactor, *node.ports[i], [&node] {
      node.env->reactor(0).post([&node] {
        node.log->set_durability(node.left == 2 ? Durability::kAlways : Durability::kInterval);
        if (--node.left == 0) node.scope->spawn(stop_log(node));
      });
    }));
    reactor.post([appender = node.appenders.back().get()] { appender->turn(); });
  }
}

Task<void> only_open(Node& node) {
  co_await open_log(node);
  node.env->stop();
}

void run(Node& node, Task<void> (*what)(Node&)) {
  auto env = env::RealEnv::make({.reactors = kReactors});
  ASSERT_TRUE(env.ok());
  node.env = std::move(*env);
  node.env->reactor(0).post([&node, what] {
    node.scope = std::make_unique<env::TaskScope>(node.env->reactor(0));
    node.scope->spawn(what(node));
  });
  node.env->run();
  node.scope.reset();
  node.ports.clear();
  node.log.reset();
}

void remove_all(env::Disk& disk, const std::string& folder) {
  auto names = disk.list(folder);
  if (!names.ok()) return;
  for (const std::string& name : *names) EXPECT_TRUE(disk.remove(folder + "/" + name).ok());
}

TEST(LogThreads, ReactorsAppendTogetherAndNothingAcknowledgedIsLost) {
  const std::string folder = testing::TempDir() + "keelson_log_threads";
  Node first;
  first.folder = folder;
  {
    auto env = env::RealEnv::make({.reactors = 1});
    ASSERT_TRUE(env.ok());
    remove_all((*env)->disk(), folder);
  }
  run(first, append_all);
  EXPECT_EQ(first.left, 0U);
  Node second;
  second.folder = folder;
  run(second, only_open);
  EXPECT_EQ(second.recovered.last_index, std::vector<uint64_t>(kReactors, kRecords));
  remove_all(second.env->disk(), folder);
}

}  // namespace
}  // namespace keelson::log
