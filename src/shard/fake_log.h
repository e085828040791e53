// A log for tests that behaves like a replicated one: it commits late, keeps the order of each shard, and refuses some
// records (with everything behind them of the same shard, as after a lost leadership).
//
// What it commits stands in a Journal that all reactors share: the truth that engines are compared with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/random.h"
#include "env/reactor.h"
#include "log/commit_log.h"

namespace keelson::shard {

struct Journal {
  struct Part {
    log::ShardId shard = 0;
    uint64_t index = 0;
    int64_t time_ms = 0;
    std::string payload;
  };
  std::vector<std::vector<Part>> records;
  uint64_t refused = 0;
};

struct FakeLogOptions {
  int64_t delay_ns_max = 2'000'000;
  uint64_t refuse_one_in = 0;  // 0: never
};

class FakeLog final : public log::CommitLog {
 public:
  FakeLog(env::Reactor& reactor, Journal& journal, FakeLogOptions options)
      : reactor_(reactor), journal_(journal), options_(options), timer_(reactor, [this] { settle(); }) {}

  log::LogErrc admit(size_t payload_bytes) override { return log::LogErrc::kOk; }
  Buffer& begin(log::ShardId shard, uint64_t index, int64_t time_ms) override {
    open_.clear();
    time_ms_ = time_ms;
    return add(shard, index);
  }
  Buffer& also(log::ShardId shard, uint64_t index) override { return add(shard, index); }
  log::Append end(log::CommitWaiter& waiter) override {
    Pending pending{{}, &waiter};
    for (Open& open : open_) {
      pending.parts.push_back({open.shard, open.index, time_ms_, std::string(open.bytes->view())});
    }
    open_.clear();
    pending_.push_back(std::move(pending));
    if (pending_.size() == 1) arm();
    return log::Append::kPending;
  }
  void hand_over() override {}
  [[nodiscard]] bool can_refuse() const override { return true; }

 private:
  struct Open {
    log::ShardId shard;
    uint64_t index;
    std::unique_ptr<Buffer> bytes;
  };
  struct Pending {
    std::vector<Journal::Part> parts;
    log::CommitWaiter* waiter;
  };

  Buffer& add(log::ShardId shard, uint64_t index) {
    open_.push_back({shard, index, std::make_unique<Buffer>()});
    return *open_.back().bytes;
  }
  void arm() {
    timer_.arm_after(1 + static_cast<int64_t>(reactor_.random().next() % static_cast<uint64_t>(options_.delay_ns_max)));
  }
  static bool shares_shard(const Pending& one, const Pending& other) {
    return std::any_of(one.parts.begin(), one.parts.end(), [&](const Journal::Part& a) {
      return std::any_of(other.parts.begin(), other.parts.end(),
                         [&](const Journal::Part& b) { return a.shard == b.shard; });
    });
  }
  // Decides the oldest record.
  void settle() {
    Pending oldest = std::move(pending_.front());
    pending_.pop_front();
    std::vector<Pending> refused;
    if (options_.refuse_one_in != 0 && reactor_.random().next() % options_.refuse_one_in == 0) {
      for (auto it = pending_.begin(); it != pending_.end();) {
        if (shares_shard(oldest, *it)) {
          refused.push_back(std::move(*it));
          it = pending_.erase(it);
        } else {
          ++it;
        }
      }
      refused.insert(refused.begin(), std::move(oldest));
    } else {
      journal_.records.push_back(std::move(oldest.parts));
    }
    if (!pending_.empty()) arm();
    if (refused.empty()) oldest.waiter->committed(log::LogErrc::kOk);
    for (Pending& pending : refused) {
      ++journal_.refused;
      pending.waiter->committed(log::LogErrc::kRefused);
    }
  }

  env::Reactor& reactor_;
  Journal& journal_;
  const FakeLogOptions options_;
  env::Timer timer_;
  int64_t time_ms_ = 0;
  std::vector<Open> open_;
  std::deque<Pending> pending_;
};

}  // namespace keelson::shard
