// A group of replicas without Raft, for tests: one log, some nodes with an AgreedLog each, and outcomes as bad as the
// contract allows (log/agreed_log.h): records that come late, refusals in order and at once, leaders that change with
// what was under way refused, followers that lag behind.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/random.h"
#include "env/reactor.h"
#include "log/agreed_log.h"

namespace keelson::shard {

class FakeGroup;

class FakeAgreed final : public log::AgreedLog {
 public:
  FakeAgreed(FakeGroup& group, log::NodeId node) : group_(group), node_(node) {}
  void set_state(log::AgreedState& state) { state_ = &state; }

  Buffer& begin(uint64_t proposal, uint16_t slot, bool must_lead) override;
  void end() override;
  void confirm_read(uint64_t read) override;
  bool hold() override;
  void release() override;
  void go_on() override { is_stuck_ = false; }
  [[nodiscard]] log::NodeId leader() const override;
  [[nodiscard]] bool is_leader_here() const override { return leader() == node_ && node_ != 0; }
  [[nodiscard]] uint64_t applied_index() const override { return whole_index_; }

 private:
  friend class FakeGroup;
  struct Proposal {
    uint64_t number = 0;
    uint16_t slot = 0;
    bool must_lead = false;
    std::string payload;
  };
  FakeGroup& group_;
  const log::NodeId node_;
  log::AgreedState* state_ = nullptr;
  Proposal open_;
  Buffer buffer_;
  std::deque<Proposal> proposed_;                          // not in the log yet
  std::vector<uint64_t> reads_;                            // asked and not answered
  std::vector<std::pair<uint64_t, size_t>> confirmed_at_;  // answered once so much is applied
  size_t applied_ = 0;                                     // records
  uint64_t whole_index_ = 0;
  bool is_stuck_ = false;
};

class FakeGroup {
 public:
  struct Record {
    log::AgreedRecord head;  // without payload and proposal
    std::string payload;
    log::NodeId from = 0;
    uint64_t proposal = 0;
  };

  FakeGroup(env::Random& random, size_t nodes) : random_(random) {
    for (size_t i = 0; i < nodes; ++i) nodes_.push_back(std::make_unique<FakeAgreed>(*this, i + 1));
  }
  FakeAgreed& node(log::NodeId id) { return *nodes_[id - 1]; }
  [[nodiscard]] const std::deque<Record>& log() const { return log_; }
  [[nodiscard]] log::NodeId leader() const { return leader_; }

  // What was proposed and is not in the log is refused; 0: nobody leads.
  void set_leader(log::NodeId leader) {
    if (const log::NodeId former = std::exchange(leader_, 0); former != 0)
      node(former).state_->leader_changed(0, false);
    leader_ = leader;
    holder_ = 0;
    for (auto& node : nodes_) {
      catch_up(*node);
      const std::deque<FakeAgreed::Proposal> refused = std::exchange(node->proposed_, {});
      for (const auto& proposal : refused) node->state_->refused(proposal.number);
    }
    for (auto& node : nodes_) node->state_->leader_changed(leader, node->node_ == leader && leader != 0);
  }
  // Some of what is due happens.
  void step() {
    for (auto& node : nodes_) take_proposals(*node);
    for (auto& node : nodes_) answer_reads(*node);
    for (auto& node : nodes_) {
      if (random_.next() % 3 != 0) apply_some(*node, random_.next() % 4);
    }
    if (holder_ != 0 && !is_hold_told_ && node(holder_).applied_ == log_.size()) {
      is_hold_told_ = true;
      node(holder_).state_->hold_ready();
    }
  }
  // 0: none of the ordinary ones.
  uint64_t refuse_one_in = 0;

 private:
  friend class FakeAgreed;

  // The next that may get into the log now. While somebody holds it, must_lead records pass the others by.
  std::optional<FakeAgreed::Proposal> next_of(FakeAgreed& node) {
    auto& waiting = node.proposed_;
    auto next = waiting.begin();
    if (holder_ != 0) next = std::find_if(next, waiting.end(), [](const auto& some) { return some.must_lead; });
    if (next == waiting.end()) return std::nullopt;
    FakeAgreed::Proposal proposal = std::move(*next);
    waiting.erase(next);
    return proposal;
  }
  void take_proposals(FakeAgreed& node) {
    if (leader_ == 0) return;
    log::AgreedState& judge = *nodes_[leader_ - 1]->state_;
    for (size_t left = random_.next() % 4; left > 0; --left) {
      std::optional<FakeAgreed::Proposal> proposal = next_of(node);
      if (!proposal) return;
      const bool may_hold = holder_ == node.node_ && is_hold_told_;
      const bool is_unlucky = refuse_one_in != 0 && random_.next() % refuse_one_in == 0;
      if (proposal->must_lead ? !may_hold : is_unlucky || !judge.may_propose(proposal->slot)) {
        node.state_->refused(proposal->number);
        continue;
      }
      // Several records may share an entry.
      if (log_.empty() || random_.next() % 2 == 0) {
        ++index_, ordinal_ = 0;
      } else {
        ++ordinal_;
      }
      log_.push_back({{index_, ordinal_, judge.log_time_ms(), proposal->slot, {}, 0},
                      std::move(proposal->payload),
                      node.node_,
                      proposal->number});
    }
  }
  void apply_some(FakeAgreed& node, size_t most) {
    while (most-- != 0 && apply_next(node)) {
    }
  }
  void catch_up(FakeAgreed& node) {
    while (apply_next(node)) {
    }
  }
  bool apply_next(FakeAgreed& node) {
    if (node.is_stuck_ || node.applied_ == log_.size()) return false;
    const Record& record = log_[node.applied_];
    log::AgreedRecord head = record.head;
    head.payload = record.payload;
    head.proposal = record.from == node.node_ ? record.proposal : 0;
    if (!node.state_->apply(head)) {
      node.is_stuck_ = true;
      return false;
    }
    ++node.applied_;
    const bool is_whole = node.applied_ == log_.size() || log_[node.applied_].head.index != head.index;
    if (is_whole) node.whole_index_ = head.index;
    tell_confirmed(node);
    return true;
  }
  void answer_reads(FakeAgreed& node) {
    if (leader_ == 0) return;
    const std::vector<uint64_t> reads = std::exchange(node.reads_, {});
    for (uint64_t read : reads) {
      if (refuse_one_in != 0 && random_.next() % refuse_one_in == 0) {
        node.state_->read_confirmed(read, false);
      } else {
        node.confirmed_at_.emplace_back(read, log_.size());
      }
    }
    tell_confirmed(node);
  }
  void tell_confirmed(FakeAgreed& node) {
    while (!node.confirmed_at_.empty() && node.confirmed_at_.front().second <= node.applied_) {
      const uint64_t read = node.confirmed_at_.front().first;
      node.confirmed_at_.erase(node.confirmed_at_.begin());
      node.state_->read_confirmed(read, true);
    }
  }

  env::Random& random_;
  std::vector<std::unique_ptr<FakeAgreed>> nodes_;
  std::deque<Record> log_;
  uint64_t index_ = 0;
  uint32_t ordinal_ = 0;
  log::NodeId leader_ = 0;
  log::NodeId holder_ = 0;
  bool is_hold_told_ = false;
};

inline Buffer& FakeAgreed::begin(uint64_t proposal, uint16_t slot, bool must_lead) {
  buffer_.clear();
  open_ = {proposal, slot, must_lead, {}};
  return buffer_;
}
inline void FakeAgreed::end() {
  open_.payload = std::string(buffer_.view());
  proposed_.push_back(open_);
}
inline void FakeAgreed::confirm_read(uint64_t read) { reads_.push_back(read); }
inline bool FakeAgreed::hold() {
  if (!is_leader_here()) return false;
  group_.holder_ = node_;
  group_.is_hold_told_ = false;
  return true;
}
inline void FakeAgreed::release() {
  if (group_.holder_ == node_) group_.holder_ = 0;
}
inline log::NodeId FakeAgreed::leader() const { return group_.leader_; }

}  // namespace keelson::shard
