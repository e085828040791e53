// Several shards lent to one coroutine: how commands on keys of several shards are atomic on one node.
//
// The borrower is alone with the shards' engines, on its own thread, whichever reactors own them. It changes the
// engines, then commits one atomic record of what each shard must log, and gives the shards back. Shards are taken in
// one order by every borrower (by reactor, then by number), so two borrowers never wait for one another in a ring.
//
// In a cluster each shard has a log of its own, so a loan commits on one shard only, and only where that shard is led:
// taken with LoanUse::kWrite, it may be denied. The record then comes back by the group's log, and other nodes' records
// wait meanwhile.
//
//   Loan loan = co_await Loan::take(runtime, here, {shards});
//   ... change loan.engine(s), collect each shard's commands ...
//   LogErrc outcome = co_await loan.commit(parts);
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/task.h"
#include "shard/runtime.h"
#include "shard/shard.h"

namespace keelson::shard {

// Owned by a coroutine on the reactor that took it; gives back when destroyed.
class Loan {
 public:
  // `shards` ascending, without duplicates.
  // Always held for kLook without a slot; for other uses of replicated shards it may be denied: then it is not held,
  // and refusal() says why. `slot`: of the keys that are read or written, in a cluster; it is refused with kNotOwner if
  // the shard has not got it, and waited for if it is just being moved.
  static Task<Loan> take(Runtime& runtime, env::Reactor& here, std::vector<ShardId> shards,
                         LoanUse use = LoanUse::kLook, uint16_t slot = kNoSlot);
  // Without waiting: only if every shard belongs to `here` and is idle. Check is_held().
  static Loan try_take(Runtime& runtime, env::Reactor& here, std::span<const ShardId> shards,
                       LoanUse use = LoanUse::kLook, uint16_t slot = kNoSlot);

  Loan(Loan&&) noexcept;
  Loan& operator=(Loan&&) noexcept = delete;
  ~Loan();

  [[nodiscard]] bool is_held() const { return runtime_ != nullptr; }
  // Why it was denied (kNotLeader, kNoLeader, kStopped, kNotOwner), or kOk.
  [[nodiscard]] LogErrc refusal() const { return refusal_; }
  [[nodiscard]] std::span<const ShardId> shards() const { return shards_; }
  [[nodiscard]] Shard& shard(ShardId id);
  [[nodiscard]] env::Reactor& here() { return *here_; }
  // Why a shard of these cannot be used, or null.
  [[nodiscard]] const std::string* damage() const;

  // Log time for everything done under this loan: not before any of its shards' last records.
  [[nodiscard]] int64_t time_ms() const { return time_ms_; }

  // What one shard logs.
  struct Part {
    ShardId shard = 0;
    std::span<const engine::Command> commands;
    uint16_t slot = 0;  // of a replicated shard's keys
  };
  // Can a record that was admitted still be refused? Then what was changed ahead of commit() must be undoable.
  [[nodiscard]] bool can_refuse();
  // Of a change ahead of commit(): where the record will stand, and the chance of its command at `ordinal`.
  [[nodiscard]] engine::ApplyContext context(ShardId id, uint64_t ordinal);
  // Room for this much? Ask before changing the engines, with an upper bound.
  [[nodiscard]] log::LogErrc admit(size_t payload_bytes);
  // Appends all parts (at least one, each shard at most once, all of this loan) as one record and waits until it is
  // committed. On kTimedOut nobody can say whether it is logged: the shards are as good as gone, and nothing is undone.
  // On anything else but kOk nothing is logged, and the caller undoes what it changed before it gives the shards back.
  [[nodiscard]] Task<LogErrc> commit(std::span<const Part> parts);
  // Instead of commit(), when nothing is to be logged: may what was seen be told? kOk, or kNoLeader.
  [[nodiscard]] Task<LogErrc> confirm();
  void give_back();

 private:
  Loan() = default;
  void after_taken();
  void give_back(std::span<const ShardId> shards);

  Runtime* runtime_ = nullptr;
  env::Reactor* here_ = nullptr;
  std::vector<ShardId> shards_;
  int64_t time_ms_ = 0;
  LogErrc refusal_ = LogErrc::kOk;
  LoanUse use_ = LoanUse::kLook;
};

}  // namespace keelson::shard
