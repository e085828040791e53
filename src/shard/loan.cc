#include "shard/loan.h"

#include <algorithm>
#include <coroutine>
#include <utility>

#include "base/check.h"
#include "env/reactor.h"
#include "shard/record.h"
#include "shard/replica.h"

namespace keelson::shard {

namespace {

// Asks one reactor for its shards of a loan, one after another, and resumes the borrower on its own reactor.
class TakeFromReactor final : public LoanRequest {
 public:
  TakeFromReactor(Runtime& runtime, env::Reactor& here, std::span<const ShardId> shards, LoanUse wanted,
                  uint16_t of_slot)
      : runtime_(runtime), here_(here), shards_(shards) {
    use = wanted;
    slot = of_slot;
  }

  bool await_ready() {
    if (runtime_.router().reactor_of(shards_[0]) != here_.index()) return false;
    if (slot != kNoSlot && runtime_.shard(shards_[0]).replica() != nullptr) return false;
    while (next_ < shards_.size() && runtime_.shard(shards_[next_]).try_lend(use)) ++next_;
    return next_ == shards_.size();
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    runtime_.reactor_of(shards_[0]).post([this] { ask(); });
  }
  // How many it got, and why no more.
  std::pair<size_t, LogErrc> await_resume() const noexcept { return {next_, refusal_}; }
  void granted(Shard& shard) override {
    ++next_;
    if (!is_asking_) ask();
  }
  void denied(Shard& shard, LogErrc why) override {
    refusal_ = why;
    if (!is_asking_) ask();
  }

 private:
  void ask() {
    is_asking_ = true;
    while (next_ < shards_.size() && refusal_ == LogErrc::kOk) {
      const size_t before = next_;
      runtime_.shard(shards_[next_]).lend(*this);
      if (next_ == before && refusal_ == LogErrc::kOk) {
        is_asking_ = false;
        return;
      }
    }
    // What the owner has appended comes before what the borrower is going to append.
    const unsigned owner = runtime_.router().reactor_of(shards_[0]);
    if (owner != here_.index()) runtime_.log(owner).hand_over();
    here_.post([this] { waiter_.resume(); });
  }

  Runtime& runtime_;
  env::Reactor& here_;
  const std::span<const ShardId> shards_;
  size_t next_ = 0;
  LogErrc refusal_ = LogErrc::kOk;
  bool is_asking_ = false;
  std::coroutine_handle<> waiter_;
};

class CommitAwaiter final : public log::CommitWaiter {
 public:
  bool await_ready() const noexcept { return is_done_; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  LogErrc await_resume() const noexcept { return outcome_; }
  void committed(LogErrc outcome) override {
    outcome_ = outcome;
    is_done_ = true;
    if (waiter_) std::exchange(waiter_, {}).resume();
  }
  void finish_at_once() { is_done_ = true; }

 private:
  bool is_done_ = false;
  LogErrc outcome_ = LogErrc::kOk;
  std::coroutine_handle<> waiter_;
};

// Asks a replicated shard, on its owner's reactor, for what becomes of the borrower's record, or of what it saw.
class AskReplica final : public CommitRequest {
 public:
  // `part` null: confirm().
  AskReplica(env::Reactor& here, env::Reactor& owner, Replica& replica, const Loan::Part* part, int64_t time_ms)
      : here_(here), owner_(owner), replica_(replica), part_(part), time_ms_(time_ms) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    if (&here_ == &owner_) {
      ask();
    } else {
      owner_.post([this] { ask(); });
    }
  }
  LogErrc await_resume() const noexcept { return outcome_; }
  void decided(LogErrc outcome) override {
    outcome_ = outcome;
    if (&here_ == &owner_) {
      waiter_.resume();
    } else {
      here_.post([this] { waiter_.resume(); });
    }
  }

 private:
  void ask() {
    if (part_ != nullptr) {
      replica_.commit(part_->commands, part_->slot, time_ms_, *this);
    } else {
      replica_.confirm(*this);
    }
  }

  env::Reactor& here_;
  env::Reactor& owner_;
  Replica& replica_;
  const Loan::Part* part_;
  const int64_t time_ms_;
  LogErrc outcome_ = LogErrc::kOk;
  std::coroutine_handle<> waiter_;
};

}  // namespace

Loan::Loan(Loan&& other) noexcept
    : runtime_(std::exchange(other.runtime_, nullptr)),
      here_(other.here_),
      shards_(std::move(other.shards_)),
      time_ms_(other.time_ms_),
      refusal_(other.refusal_),
      use_(other.use_) {}

Loan::~Loan() { give_back(); }

Task<Loan> Loan::take(Runtime& runtime, env::Reactor& here, std::vector<ShardId> shards, LoanUse use, uint16_t slot) {
  KEELSON_CHECK(std::is_sorted(shards.begin(), shards.end()), "the shards of a loan are sorted");
  // By reactor, then by number: one order for every borrower, and one message for each reactor.
  std::vector<ShardId> order;
  order.reserve(shards.size());
  Loan loan;
  loan.runtime_ = &runtime;
  loan.here_ = &here;
  loan.use_ = use;
  for (unsigned reactor = 0; reactor < runtime.router().reactor_count(); ++reactor) {
    const size_t begin = order.size();
    for (ShardId id : shards) {
      if (runtime.router().reactor_of(id) == reactor) order.push_back(id);
    }
    if (order.size() == begin) continue;
    const auto [count, refusal] = co_await TakeFromReactor(runtime, here, std::span(order).subspan(begin), use, slot);
    if (refusal == LogErrc::kOk) continue;
    loan.refusal_ = refusal;
    loan.give_back(std::span(order).first(begin + count));
    co_return loan;
  }
  loan.shards_ = std::move(shards);
  loan.after_taken();
  co_return loan;
}

Loan Loan::try_take(Runtime& runtime, env::Reactor& here, std::span<const ShardId> shards, LoanUse use, uint16_t slot) {
  Loan loan;
  for (ShardId id : shards) {
    if (runtime.router().reactor_of(id) != here.index() || !runtime.shard(id).is_idle()) return loan;
    Replica* replica = runtime.shard(id).replica();
    // A replica has to ask its group first, or says why it has not got the slot.
    if (replica != nullptr && (use != LoanUse::kLook || !replica->slots().may_read(slot))) return loan;
  }
  for (ShardId id : shards) {
    const bool is_lent = runtime.shard(id).try_lend();
    KEELSON_CHECK(is_lent, "an idle shard can be lent");
  }
  loan.runtime_ = &runtime;
  loan.here_ = &here;
  loan.shards_.assign(shards.begin(), shards.end());
  loan.after_taken();
  return loan;
}

void Loan::after_taken() {
  LogClock& clock = runtime_->clock(here_->index());
  time_ms_ = clock.refresh();
  for (ShardId id : shards_) {
    const Replica* replica = runtime_->shard(id).replica();
    if (replica != nullptr) time_ms_ = std::min(time_ms_, replica->loan_time_max_ms());
  }
  for (ShardId id : shards_) time_ms_ = std::max(time_ms_, runtime_->shard(id).last_time_ms());
}

Shard& Loan::shard(ShardId id) {
  KEELSON_CHECK(std::binary_search(shards_.begin(), shards_.end(), id), "a shard that was not taken");
  return runtime_->shard(id);
}

const std::string* Loan::damage() const {
  for (ShardId id : shards_) {
    if (const auto& why = runtime_->shard(id).damage()) return &*why;
  }
  return nullptr;
}

bool Loan::can_refuse() {
  if (!is_held()) return false;
  const auto is_replica = [this](ShardId id) { return runtime_->shard(id).replica() != nullptr; };
  return std::any_of(shards_.begin(), shards_.end(), is_replica) || runtime_->log(here_->index()).can_refuse();
}

engine::ApplyContext Loan::context(ShardId id, uint64_t ordinal) {
  Shard& target = shard(id);
  const uint64_t index = target.next_index();
  const Replica* replica = target.replica();
  return {index, time_ms_, seed_of(id, replica != nullptr ? replica->loan_seed() : index, ordinal)};
}

log::LogErrc Loan::admit(size_t payload_bytes) { return runtime_->log(here_->index()).admit(payload_bytes); }

Task<LogErrc> Loan::commit(std::span<const Part> parts) {
  KEELSON_CHECK(!parts.empty(), "a record has at least one part");
  if (Replica* replica = shard(parts[0].shard).replica()) {
    if (parts.size() != 1) co_return LogErrc::kManyShards;
    co_return co_await AskReplica(*here_, runtime_->reactor_of(parts[0].shard), *replica, &parts[0], time_ms_);
  }
  log::CommitLog& log = runtime_->log(here_->index());
  std::vector<size_t> bytes;
  bytes.reserve(parts.size());
  bool is_first = true;
  for (const Part& part : parts) {
    Shard& target = shard(part.shard);
    Buffer& payload =
        is_first ? log.begin(part.shard, target.next_index(), time_ms_) : log.also(part.shard, target.next_index());
    is_first = false;
    const size_t before = payload.size();
    encode_commands(part.commands, payload);
    bytes.push_back(payload.size() - before);
  }
  CommitAwaiter waiter;
  if (log.end(waiter) == log::Append::kCommitted) waiter.finish_at_once();
  const LogErrc outcome = co_await waiter;
  if (outcome == LogErrc::kOk) {
    for (size_t i = 0; i < parts.size(); ++i) shard(parts[i].shard).borrower_committed(time_ms_, bytes[i]);
  }
  co_return outcome;
}

Task<LogErrc> Loan::confirm() {
  for (ShardId id : shards_) {
    Replica* replica = shard(id).replica();
    if (replica == nullptr || use_ != LoanUse::kWrite) continue;
    const LogErrc outcome = co_await AskReplica(*here_, runtime_->reactor_of(id), *replica, nullptr, 0);
    if (outcome != LogErrc::kOk) co_return outcome;
  }
  co_return LogErrc::kOk;
}

void Loan::give_back() { give_back(shards_); }

void Loan::give_back(std::span<const ShardId> shards) {
  if (runtime_ == nullptr) return;
  Runtime& runtime = *std::exchange(runtime_, nullptr);
  if (runtime.is_abandoned()) return;
  // A foreign owner must not append its next record before the log has ours.
  const auto is_here = [&](ShardId id) { return runtime.router().reactor_of(id) == here_->index(); };
  if (!std::all_of(shards.begin(), shards.end(), is_here)) runtime.log(here_->index()).hand_over();
  for (ShardId id : shards) {
    if (is_here(id)) {
      runtime.shard(id).give_back();
    } else {
      runtime.reactor_of(id).post([&runtime, id] { runtime.shard(id).give_back(); });
    }
  }
}

}  // namespace keelson::shard
