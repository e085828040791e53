// The two kinds of CommitLog that LocalLog hands out: the home's own, which writes into the batch directly, and that of
// another reactor, which gathers a turn's records and hands them over in one message.
#pragma once

#include <atomic>
#include <memory>

#include "env/reactor.h"
#include "log/commit_log.h"
#include "log/log_home.h"

namespace keelson::log {

class HomePort final : public CommitLog {
 public:
  explicit HomePort(LogHome& home) : home_(home) {}

  LogErrc admit(size_t payload_bytes) override { return home_.admit(payload_bytes); }
  Buffer& begin(ShardId shard, uint64_t index, int64_t time_ms) override {
    must_wait_ = home_.shared().durability.of(shard) == Durability::kAlways;
    return home_.batch().begin(shard, index, time_ms);
  }
  Buffer& also(ShardId shard, uint64_t index) override {
    must_wait_ |= home_.shared().durability.of(shard) == Durability::kAlways;
    return home_.batch().also(shard, index);
  }
  Append end(CommitWaiter& waiter) override { return home_.end(waiter, must_wait_); }
  // What is in the batch stands before whatever the home receives later.
  void hand_over() override {}
  [[nodiscard]] bool can_refuse() const override { return false; }

 private:
  LogHome& home_;
  bool must_wait_ = false;  // of the open record
};

class RemotePort final : public CommitLog {
 public:
  RemotePort(LogHome& home, env::Reactor& here);
  ~RemotePort() override;

  LogErrc admit(size_t payload_bytes) override;
  Buffer& begin(ShardId shard, uint64_t index, int64_t time_ms) override {
    must_wait_ = home_.shared().durability.of(shard) == Durability::kAlways;
    return gathering().records.begin(shard, index, time_ms);
  }
  Buffer& also(ShardId shard, uint64_t index) override {
    must_wait_ |= home_.shared().durability.of(shard) == Durability::kAlways;
    return gathering_->records.also(shard, index);
  }
  Append end(CommitWaiter& waiter) override;
  void hand_over() override;
  [[nodiscard]] bool can_refuse() const override { return false; }

  // Home's thread.
  void tell(WaiterList waiters, LogErrc outcome);
  void give_back(std::unique_ptr<HandedOver> emptied);

 private:
  HandedOver& gathering();

  LogHome& home_;
  env::Reactor& here_;
  std::unique_ptr<HandedOver> gathering_;
  bool is_hand_over_scheduled_ = false;
  bool must_wait_ = false;  // of the open record
  // In this turn: the room that the home has told of does not know of them yet.
  uint64_t handed_over_bytes_ = 0;
  // An emptied one on its way back from the home, so that its memory is used again.
  std::atomic<HandedOver*> spare_{nullptr};
};

}  // namespace keelson::log
