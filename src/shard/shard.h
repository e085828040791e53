// One shard: one engine and its log, owned by one reactor.
//
// A write goes: admit, append, committed, apply, reply. With durability `interval` or `never` that is one call; with
// `always` (and a replicated log) the operation waits in pending_ until its record is committed, in the order of
// appending. A query runs at once on what has been applied; an ordered query waits for the writes appended before it.
//
// A shard can be lent: whoever has it (one coroutine, maybe on another reactor) is alone with its engine and its log
// position until it gives it back. Operations and further loans wait in queue_, first come, first served.
//
// A shard of a cluster is one of several replicas: Replica (shard/replica.h) then stands between all of this and the
// log of its group.
//
// Everything here is for the owner's thread, except what says "borrower".
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "engine/engine.h"
#include "log/agreed_log.h"
#include "log/commit_log.h"
#include "shard/log_clock.h"
#include "shard/slot_table.h"

namespace keelson::shard {

using log::LogErrc;
using log::ShardId;

class Replica;
class Shard;

// Something to do on one shard: one query, or one record's commands. Lives until finished().
class Operation : public log::CommitWaiter {
 public:
  // Where the answers go; called right before the commands run.
  virtual engine::ReplySink& open_reply() = 0;
  // Called once, after the commands have run (kOk), or because they never will.
  virtual void finished(LogErrc outcome) = 0;
  // Several operations are about to run on shards that nobody has borrowed: brings what this one will touch into the
  // cache, in two steps (what the first one fetches tells the second one where to look). Changes nothing.
  virtual void prefetch(Shard& shard, unsigned step) {}
  // Of a replicated shard: operations that name the same one take effect in the order in which they were submitted.
  // Null: of no sequence.
  [[nodiscard]] virtual const void* sequence() const { return nullptr; }
  // Of a replicated shard: of the keys (shard/router.h).
  [[nodiscard]] virtual uint16_t slot() const { return 0; }

  std::span<const engine::Command> commands;
  bool is_write = false;
  // For a query: wait for writes that are appended but not applied (the connection's own may be among them).
  bool is_ordered = false;
  // For a query of a replicated shard: the present local state will do, however old.
  bool is_stale = false;

 private:
  friend class Shard;
  friend class Replica;
  void committed(LogErrc outcome) final;

  Shard* shard_ = nullptr;
  uint64_t index_ = 0;
  int64_t time_ms_ = 0;
  bool is_committed_ = false;
};

// What a borrower wants. All the same to a shard of one node; of a replicated one:
enum class LoanUse : uint8_t {
  kLook,   // the local state as it stands, and what belongs to it besides
  kRead,   // everything that was committed anywhere before the loan was asked for
  kWrite,  // changes the state ahead of its record, and commits that: on the leader alone
};

// Waits for a shard to be lent.
class LoanRequest {
 public:
  virtual ~LoanRequest() = default;
  // The shard is lent from now on. Owner's thread.
  virtual void granted(Shard& shard) = 0;
  // It will not be (kNotLeader, kNoLeader, kStopped, kNotOwner). Not for kLook without a slot, nor on one node. Owner's
  // thread.
  virtual void denied(Shard& shard, LogErrc why);
  LoanUse use = LoanUse::kLook;
  // Of a replicated shard: of the keys that are to be read or written; a slot that is on its way here (or, for kWrite,
  // to another shard) is waited for. kNoSlot: of none.
  uint16_t slot = kNoSlot;
};

// What the service above wants to know of a shard.
class ShardListener {
 public:
  virtual ~ShardListener() = default;
  // Commands have been applied (or a borrower has given the shard back): serve blocked clients, send notifications. May
  // submit operations.
  virtual void applied(Shard& shard) = 0;
  // The whole state is another one: a checkpoint came from another node. Nothing may be submitted.
  virtual void replaced(Shard& shard) {}
  // Of a replicated shard: its slots have changed (Replica::slots()), and what was held for that is about to go on.
  // Clients that block on keys of slots that are gone must be told. May submit operations.
  virtual void slots_changed(Shard& shard) {}
  // Of a replicated shard: that node leads it from now on, as far as is known here (0: none). May submit operations.
  virtual void leader_changed(Shard& shard, log::NodeId leader, bool is_here) {}
};

struct ShardCounters {
  uint64_t records = 0;
  uint64_t payload_bytes = 0;
  uint64_t queries = 0;
  uint64_t loans = 0;
  uint64_t refused = 0;
};

class Shard {
 public:
  // The log, clock and listener outlive the shard.
  Shard(ShardId id, std::unique_ptr<engine::Engine> engine, log::CommitLog& log, LogClock& clock);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Before anything is submitted: the shard is a replica from now on.
  void set_replica(std::unique_ptr<Replica> replica);
  // Null on one node.
  [[nodiscard]] Replica* replica() const { return replica_.get(); }
  // Decides what nobody asked for (expiry, eviction): one node, or the leader of the group.
  [[nodiscard]] bool leads() const { return replica_ == nullptr || replica_leads(); }

  // Runs the operation, now or when its turn comes.
  void submit(Operation& operation);
  // Would submit() finish a query at once?
  [[nodiscard]] bool is_free() const { return !is_lent_ && queue_.empty(); }
  // Nothing is waiting for a commit and nobody has the shard: its whole state is applied.
  [[nodiscard]] bool is_idle() const {
    return is_free() && pending_.empty() && (replica_ == nullptr || is_replica_idle());
  }

  // Somebody else is alone with the engine.
  [[nodiscard]] bool is_lent() const { return is_lent_; }

  // Lends the shard as soon as everything before is done: request.granted() follows, maybe within the call.
  void lend(LoanRequest& request);
  // The same, if it can be had at this moment.
  [[nodiscard]] bool try_lend(LoanUse use = LoanUse::kLook);
  void give_back();

  // Borrower or owner. While lent: the position for the borrower's own append, and what became of it.
  [[nodiscard]] engine::Engine& engine() { return *engine_; }
  [[nodiscard]] uint64_t next_index() const { return next_index_; }
  void borrower_committed(int64_t time_ms, size_t payload_bytes);
  [[nodiscard]] int64_t last_time_ms() const { return last_time_ms_; }

  [[nodiscard]] ShardId id() const { return id_; }
  // Everything up to here is applied.
  [[nodiscard]] uint64_t applied_index() const { return applied_index_; }
  [[nodiscard]] LogClock& clock() { return clock_; }
  [[nodiscard]] log::CommitLog& log() { return log_; }
  [[nodiscard]] const ShardCounters& counters() const { return counters_; }
  void set_listener(ShardListener* listener) { listener_ = listener; }
  [[nodiscard]] ShardListener* listener() const { return listener_; }
  // For the listener's use, owner's thread: its own operations that are under way. They may outlive it, and go with the
  // shard if they are never finished.
  std::list<std::unique_ptr<Operation>> listener_operations;

  // Before start: the state loaded from a checkpoint, then records replayed on top of it.
  void recovered_to(uint64_t index, int64_t time_ms);
  // The shard's data is damaged: it answers kDamaged from now on.
  void stop_damaged(std::string why);
  [[nodiscard]] const std::optional<std::string>& damage() const { return damage_; }

 private:
  friend class Operation;
  friend class Replica;

  [[nodiscard]] bool replica_leads() const;
  [[nodiscard]] bool is_replica_idle() const;
  void submit_special(Operation& operation);
  void start(Operation& operation);
  void start_write(Operation& operation);
  void apply(Operation& operation);
  void on_committed(Operation& operation, LogErrc outcome);
  void run_committed();
  void run_queue();

  const ShardId id_;
  std::unique_ptr<engine::Engine> engine_;
  log::CommitLog& log_;
  LogClock& clock_;
  ShardListener* listener_ = nullptr;

  uint64_t next_index_ = 1;
  uint64_t applied_index_ = 0;
  int64_t last_time_ms_ = 0;
  bool is_lent_ = false;
  // A record was refused and others behind it have not been told yet: new writes wait until they have.
  bool is_refusing_ = false;
  std::deque<Operation*> pending_;
  std::deque<std::variant<Operation*, LoanRequest*>> queue_;
  // Damaged or replicated: operations go another way.
  bool is_special_ = false;
  std::optional<std::string> damage_;
  std::unique_ptr<Replica> replica_;
  ShardCounters counters_;
};

}  // namespace keelson::shard
