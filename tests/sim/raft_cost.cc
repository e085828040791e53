// What a record costs in Raft, without disk and network: three members in one process, whose journals commit at the
// end of each turn and whose messages are handed over as copies. For `perf stat` and `perf record`:
//
//   raft_cost BATCH RECORDS PAYLOAD_BYTES [follower]
//
// BATCH records are proposed in each turn, at the leader or at a follower; prints how many were applied.
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "env/disk.h"
#include "env/env.h"
#include "env/reactor.h"
#include "env/sim/chance.h"
#include "raft/groups.h"
#include "raft/member.h"

namespace keelson::tests {
namespace {

class CostReactor final : public env::Reactor, public env::Clock {
 public:
  void post(env::Callback callback) override { mail_.push_back(std::move(callback)); }
  void at_turn_end(env::Callback callback) override { turn_end_.push_back(std::move(callback)); }
  [[nodiscard]] bool is_current() const override { return true; }
  [[nodiscard]] unsigned index() const override { return 0; }
  [[nodiscard]] const env::Clock& clock() const override { return *this; }
  [[nodiscard]] env::Random& random() override { return chance_; }
  [[nodiscard]] int64_t monotonic_ns() const override { return 0; }
  [[nodiscard]] int64_t wall_ms() const override { return 1; }
  void turn() {
    for (size_t count = mail_.size(); count > 0; --count) {
      env::Callback callback = std::move(mail_.front());
      mail_.pop_front();
      callback();
    }
    while (!turn_end_.empty()) {
      std::vector<env::Callback> callbacks = std::exchange(turn_end_, {});
      for (env::Callback& callback : callbacks) callback();
    }
  }

 protected:
  void arm(env::Timer& timer, int64_t at_ns) override {}
  void disarm(env::Timer& timer) override {}

 private:
  std::deque<env::Callback> mail_;
  std::vector<env::Callback> turn_end_;
  env::sim::Chance chance_{1};
};

class CostEnv final : public env::Env {
 public:
  [[nodiscard]] unsigned reactor_count() const override { return 1; }
  [[nodiscard]] env::Reactor& reactor(unsigned index) override { return reactor_; }
  [[nodiscard]] env::Disk& disk() override { std::abort(); }
  [[nodiscard]] env::Network& network() override { std::abort(); }
  [[nodiscard]] env::Workers& workers() override { std::abort(); }
  [[nodiscard]] const env::Clock& clock() const override { return reactor_; }
  [[nodiscard]] uint64_t memory_used_bytes() const override { return 0; }
  CostReactor reactor_;
};

class CostLog final : public log::CommitLog {
 public:
  explicit CostLog(CostReactor& reactor) : reactor_(reactor) {}
  log::LogErrc admit(size_t payload_bytes) override { return log::LogErrc::kOk; }
  Buffer& begin(log::ShardId shard, uint64_t index, int64_t time_ms) override { return bytes_; }
  Buffer& also(log::ShardId shard, uint64_t index) override { return bytes_; }
  log::Append end(log::CommitWaiter& waiter) override {
    waiters_.push_back(&waiter);
    if (waiters_.size() == 1) {
      reactor_.post([this] {
        bytes_.clear();
        for (log::CommitWaiter* waiter : std::exchange(waiters_, {})) waiter->committed(log::LogErrc::kOk);
      });
    }
    return log::Append::kPending;
  }
  void hand_over() override {}
  [[nodiscard]] bool can_refuse() const override { return false; }

 private:
  CostReactor& reactor_;
  Buffer bytes_;
  std::vector<log::CommitWaiter*> waiters_;
};

struct CostNode final : log::AgreedState, raft::MemberHost, raft::Messenger {
  CostNode(CostEnv& env, raft::NodeId id, std::vector<std::unique_ptr<CostNode>>& all)
      : nodes(all),
        node(id),
        reactor(env.reactor_),
        journal(env.reactor_),
        member({env, env.reactor_, journal, *this, *this, *this}, options_of(id), raft::Replay()) {}
  static raft::MemberOptions options_of(raft::NodeId id) {
    raft::MemberOptions options;
    options.node = id;
    return options;
  }

  bool apply(const log::AgreedRecord& record) override {
    ++applied;
    if (record.proposal != 0) ++answered;
    return true;
  }
  void refused(uint64_t proposal) override { std::abort(); }
  void outcome_lost(uint64_t proposal) override { std::abort(); }
  void hold_ready() override {}
  void read_confirmed(uint64_t read, bool is_confirmed) override {}
  void leader_changed(raft::NodeId leader, bool is_here) override {}
  bool may_propose(uint16_t slot) override { return true; }
  int64_t log_time_ms() override { return 1; }

  void checkpoint_wanted() override {}
  void send_checkpoint(raft::NodeId to, uint64_t index, std::string message, std::function<void(bool)> done) override {
    std::abort();
  }
  void install(raft::Arrival arrival, uint64_t index, std::string prelude) override {}
  void members_changed(const raft::Members& members) override {}
  void halted(const std::string& why) override { std::abort(); }

  // As a connection does: what one turn sends to a node is gathered in one buffer.
  void send(raft::NodeId to, raft::ShardId group, std::string_view message) override {
    Outbox& box = outboxes[to];
    box.ends.push_back(box.bytes.size() + message.size());
    box.bytes.append(message);
    if (box.ends.size() > 1) return;
    reactor.post([this, to] {
      Outbox& full = outboxes[to];
      taken.bytes.swap(full.bytes);
      taken.ends.swap(full.ends);
      size_t at = 0;
      for (const size_t end : taken.ends) {
        nodes[to - 1]->member.received(node, taken.bytes.view().substr(at, end - at));
        at = end;
      }
      taken.bytes.clear();
      taken.ends.clear();
    });
  }
  void send_file(raft::NodeId to, raft::ShardId group, std::string message, std::string path,
                 std::vector<raft::SideFile> beside, std::function<void(bool)> done) override {
    std::abort();
  }
  [[nodiscard]] bool is_reachable(raft::NodeId to) const override { return true; }

  struct Outbox {
    Buffer bytes;
    std::vector<size_t> ends;
  };
  std::vector<std::unique_ptr<CostNode>>& nodes;
  const raft::NodeId node;
  CostReactor& reactor;
  CostLog journal;
  raft::Member member;
  Outbox outboxes[4];
  Outbox taken;
  uint64_t applied = 0;
  uint64_t answered = 0;
};

int run(uint64_t batch, uint64_t records, size_t payload_bytes, bool at_follower) {
  CostEnv env;
  std::vector<std::unique_ptr<CostNode>> nodes;
  for (raft::NodeId id = 1; id <= 3; ++id) nodes.push_back(std::make_unique<CostNode>(env, id, nodes));
  for (auto& node : nodes) node->member.start({1, 2, 3});
  while (!nodes[0]->member.is_leader_here()) {
    if (nodes[0]->member.leader() == 0) (void)nodes[0]->member.campaign();
    for (int i = 0; i < 20; ++i) env.reactor_.turn();
  }
  CostNode& proposer = *nodes[at_follower ? 1 : 0];
  while (proposer.member.leader() != 1) env.reactor_.turn();
  const std::string payload(payload_bytes, 'x');
  uint64_t proposal = 0;
  while (proposer.answered < records) {
    // As many clients as a batch holds, each with one proposal at a time.
    while (proposal < proposer.answered + batch) {
      proposer.member.begin(++proposal, 0, false).append(payload);
      proposer.member.end();
    }
    env.reactor_.turn();
  }
  std::printf("%llu records applied on the third member\n", static_cast<unsigned long long>(nodes[2]->applied));
  return 0;
}

}  // namespace
}  // namespace keelson::tests

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  return keelson::tests::run(std::strtoull(argv[1], nullptr, 10), std::strtoull(argv[2], nullptr, 10),
                             std::strtoull(argv[3], nullptr, 10), argc > 4);
}
