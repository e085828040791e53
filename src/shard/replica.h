// A shard as one replica of a group: what stands between Shard and the log that several nodes agree on.
//
// A write is proposed with a number, and comes back by apply() on every replica. Here its operation is found by that
// number and runs with its own sink; elsewhere the payload is decoded and runs with one that nobody hears. A read waits
// until the group has confirmed that nothing was missed (all reads of a turn together), then runs on the local state; a
// stale one runs at once.
//
// Time. A read that the group confirmed sees the log time at which that was asked for, not that at which it runs:
// between the two this node may have slept, another one may have led and written, and whatever expired since would be
// missing here without what has taken its place.
//
// Order. Operations of one sequence (Operation::sequence()) take effect in their order:
//   - Writes are proposed in their order. One that is refused is certain not to be in the log: it is proposed again by
//     itself, once everything that was proposed behind it is decided. Meanwhile new writes wait. If a later write of
//     its sequence got into the log, it is over with kRefused.
//   - An ordered read waits for the writes before it.
//   - A read runs at the latest right before a later write of its sequence. It need not be confirmed then: that write
//     was proposed after the read was asked for, so whatever had been committed by that time stands before it.
//
// Deadlines. What is not decided in time is answered: a write that may be in the log with kTimedOut (its record may
// still come, and is then applied as somebody else's), any other with kNoLeader.
//
// Slots that move (shard/slot_table.h). What the table does not let run now, but may later, is held, and what comes
// behind it in its sequence as well, until the table changes or the deadline has come (kNotOwner then): a client that
// writes to a slot while it moves waits for the end of the move. A record that was proposed before its slot was frozen
// and comes behind that is void, and its operation is held too, unless a later write of its sequence has got into the
// log (kNotOwner). What is held counts as pending bytes.
//
// Borrowers. Whoever looks (kLook) or reads (kRead) is alone with the state: records wait. Whoever wants to write
// (kWrite) needs this node to lead, and holds the log: nothing comes between what it sees and its record. Its commands
// have run when the record comes back, so they are not run again here; should the record be refused, it undoes them
// before anything else is applied.
//
// All of it on the owner's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "env/reactor.h"
#include "log/agreed_log.h"
#include "shard/held.h"
#include "shard/record.h"
#include "shard/shard.h"
#include "shard/slot_export.h"
#include "shard/slot_table.h"

namespace keelson::shard {

using log::NodeId;

struct ReplicaOptions {
  NodeId node = 0;
  // How long a client waits: an election takes one to two seconds, and a second one may be needed.
  int64_t deadline_ms = 5000;
  // A record's bytes at most. Messages carry it whole.
  size_t record_bytes_max = size_t{64} << 20;
  // Of records that were proposed and are not decided, and of those that wait to be proposed: what is more is refused.
  size_t pending_bytes_max = size_t{256} << 20;
};

struct ReplicaCounters {
  uint64_t proposed = 0;  // the second time too
  uint64_t refused = 0;   // and proposed again, most of them
  uint64_t timed_out = 0;
  uint64_t foreign = 0;  // records that no operation waits for
  uint64_t read_rounds = 0;
  uint64_t held = 0;           // loans for writing
  uint64_t held_for_move = 0;  // operations that waited for the table of slots
};

// Commands of the shard's own in a record, which the engine never sees. They stand first in their record.
namespace control {
inline constexpr uint16_t kCodesBegin = 65'000;
// u64: stands for the index in the seeds of the commands behind it (a borrower ran them before they had an index).
inline constexpr uint16_t kSeed = 65'001;
// A SlotRange: the table of slots changes so.
inline constexpr uint16_t kSlots = 65'002;
// varints epoch, first slot, last slot, sequence: the commands behind it bring what the slots hold, for the move of
// that epoch (SlotTable::import()).
inline constexpr uint16_t kImport = 65'003;
inline constexpr uint16_t kNoSlot = shard::kNoSlot;
}  // namespace control

// Who looks after the group's member.
class ReplicaListener {
 public:
  virtual ~ReplicaListener() = default;
  virtual void leader_changed(Shard& shard, NodeId leader, bool is_here) = 0;
  // The shard has stopped (Shard::damage()): nothing more can be applied.
  virtual void damaged(Shard& shard) = 0;
};

// What becomes of a record. Owner's thread, in a later turn than it was asked for.
class CommitRequest {
 public:
  virtual ~CommitRequest() = default;
  virtual void decided(LogErrc outcome) = 0;
};

class Replica final : public log::AgreedState {
 public:
  // `shard` and `unheard` (which swallows answers) outlive it.
  Replica(Shard& shard, env::Reactor& reactor, engine::ReplySink& unheard, ReplicaOptions options);

  // Takes the group's log, and gives it up again (null): what is pending ends with `why` then (kTimedOut, where that
  // cannot be said), and from there on everything is answered with kNotLeader, as on a node without a replica.
  void set_log(log::AgreedLog* log, LogErrc why = LogErrc::kStopped);
  void set_listener(ReplicaListener* listener) { listener_ = listener; }

  // What Shard hands on.
  void submit(Operation& operation);
  void lend(LoanRequest& request);
  bool try_lend(LoanUse use);
  void give_back();
  [[nodiscard]] bool is_idle() const { return writes_.empty() && reads_.empty() && loans_.empty() && held_.is_empty(); }
  void stop_damaged();
  // Before a stop: nobody waits any longer for what the group does not decide. What may be in the log is answered with
  // kTimedOut, a borrower's record too, and the state is then nothing to go on with.
  void give_up_waiting() { fail_all(LogErrc::kStopped); }
  // A borrower's changes stand in the state, and nobody knows whether in the log: it is no state of any index.
  [[nodiscard]] bool is_tainted() const { return is_tainted_; }

  // A borrower's (kWrite): proposes its commands as the next record, for the time given.
  void commit(std::span<const engine::Command> commands, uint16_t slot, int64_t time_ms, CommitRequest& request);
  // A borrower's that has only looked: was what it saw the group's newest state? kOk, or kNoLeader.
  void confirm(CommitRequest& request);
  // Stands for the index in the seeds of a borrower's commands.
  [[nodiscard]] uint64_t loan_seed() const { return loan_.seed; }
  // The latest log time at which the borrower may read: the state is not known to be the group's any later.
  [[nodiscard]] int64_t loan_time_max_ms() const { return loan_.time_max_ms; }

  // The state is about to come from another node: `request` gets the shard before all others, whatever a borrower left
  // behind. installed() before it is given back.
  void lend_for_install(LoanRequest& request);
  void installed(uint64_t index, int64_t time_ms);

  [[nodiscard]] bool has_log() const { return log_ != nullptr; }
  [[nodiscard]] bool leads() const { return log_ != nullptr && log_->is_leader_here(); }
  [[nodiscard]] NodeId leader() const { return log_ != nullptr ? log_->leader() : 0; }
  // Everything of the last entry is applied: a checkpoint may be begun.
  [[nodiscard]] bool is_at_entry_end() const { return log_ == nullptr || last_record_index_ <= log_->applied_index(); }
  [[nodiscard]] const ReplicaCounters& counters() const { return counters_; }

  // Which slots this shard has. Changed by change_slots(), import() and by what is loaded alone.
  [[nodiscard]] SlotTable& slots() { return slots_; }
  // What becomes of the two is told within the deadline; kTimedOut: the record may be in the log, or get there yet.
  // Proposes a change of the table: kOk once it is applied, kNotOwner if it was void.
  void change_slots(const SlotChange& change, CommitRequest& request);
  // Proposes a record of a move: kNotOwner if it was void.
  void import(const SlotImport& import, CommitRequest& request);
  // Walks over what the engine holds of some slots, which end by themselves when this node does not lead any more. The
  // shard is lent to the caller, or nobody has it. Errors: see SlotExport and Runtime::export_slots().
  enum class WalkUse : uint8_t { kExport, kWipe };
  Result<uint64_t> begin_walk(WalkUse use, uint16_t first, uint16_t last);
  Result<SlotBatch> next_of_walk(uint64_t walk, size_t bytes_wanted);
  // At any time.
  void end_walk(uint64_t walk);

  // log::AgreedState.
  bool apply(const log::AgreedRecord& record) override;
  void refused(uint64_t proposal) override;
  void outcome_lost(uint64_t proposal) override;
  void hold_ready() override;
  void read_confirmed(uint64_t read, bool is_confirmed) override;
  void leader_changed(NodeId leader, bool is_here) override;
  bool may_propose(uint16_t slot) override { return slots_.may_write(slot); }
  int64_t log_time_ms() override;

 private:
  // A write, or a read that waits for the writes before it.
  struct Pending {
    Operation* operation = nullptr;  // null: over
    uint64_t order = 0;              // of its submission
    uint64_t proposal = 0;           // of a write: 0 while it is not in flight
    uint64_t read = 0;               // of a read: runs once this is confirmed
    int64_t deadline_ns = 0;
    size_t bytes = 0;
    bool is_overtaken = false;  // a later write of its sequence is in the log
  };
  // A read that waits for its confirmation alone.
  struct Read {
    Operation* operation = nullptr;
    uint64_t read = 0;
    uint64_t behind = 0;  // the last proposal before it
    int64_t deadline_ns = 0;
  };
  struct Waiting {
    LoanRequest* request = nullptr;
    uint64_t read = 0;  // kRead
    int64_t deadline_ns = 0;
  };
  // A control record that somebody waits for.
  struct Asked {
    uint64_t proposal = 0;
    CommitRequest* request = nullptr;
    int64_t deadline_ns = 0;
    size_t bytes = 0;
  };
  struct Walk {
    uint64_t number = 0;
    std::unique_ptr<engine::SlotWalk> walk;  // null: it has ended, and nobody has said so yet
    bool is_over = false;                    // to be dropped once nobody has the engine
  };
  struct AskedRead {
    uint64_t read = 0;
    int64_t time_ms = 0;  // of the log
  };
  enum class Hold : uint8_t { kNone, kAsked, kReady };
  struct LoanOut {
    LoanUse use = LoanUse::kLook;
    uint64_t seed = 0;
    int64_t time_ms = 0;                                        // of its record
    int64_t time_max_ms = std::numeric_limits<int64_t>::max();  // less for kRead
    uint64_t proposal = 0;                                      // of its record, while that is under way
    uint64_t read = 0;                                          // of confirm(), likewise
    CommitRequest* request = nullptr;
  };

  // replica.cc
  [[nodiscard]] int64_t next_deadline_ns() const;
  [[nodiscard]] bool is_blocked() const { return shard_.is_lent_ || is_tainted_; }
  void submit_write(Operation& operation);
  void submit_read(Operation& operation);
  // What need not be held: new, or no more.
  void append_write(const HeldOperation& write);
  void append_read(const HeldOperation& read);
  void propose(Pending& pending);
  void propose_waiting();
  void finish(Pending& pending, LogErrc outcome);
  uint64_t ask_read();
  void ask_again();
  void run_query(Operation& operation);
  void apply_own(size_t place, const log::AgreedRecord& record);
  void run_own(Pending& pending, const log::AgreedRecord& record);
  void run_foreign(const log::AgreedRecord& record);
  void run_before(Pending& write);
  void run_ready();
  void pop_over();
  // Its place in writes_; writes_.size(): none.
  [[nodiscard]] size_t find(uint64_t proposal) const;
  void damaged(const log::AgreedRecord& record, const std::string& why);
  void begin_record(const log::AgreedRecord& record);
  void arm_deadline(int64_t at_ns);
  void check_deadlines();
  void fail_all(LogErrc why);

  // replica_loans.cc
  void grant_loans();
  // kOk: can be granted; kRefused: not yet; else why it is denied.
  [[nodiscard]] LogErrc loan_state(const Waiting& waiting);
  void grant(LoanRequest& request);
  void release_hold();
  void release_hold_if_unwanted();
  [[nodiscard]] SlotAnswer slot_answer(const LoanRequest& request) const;
  void end_commit(LogErrc outcome);
  void check_loan_deadlines(int64_t now_ns, int64_t& next_ns);
  void deny_loans(LogErrc why);

  // replica_slots.cc
  // What the table says of an operation's slot, and what is held of its sequence; kHold for a flush that has to wait.
  [[nodiscard]] SlotAnswer slot_answer(const Operation& operation, uint64_t order) const;
  // The same of a record, when it is applied.
  [[nodiscard]] SlotAnswer slot_answer_of_write(uint16_t slot) const;
  void hold(const HeldOperation& held);
  // Takes it out of writes_.
  void put_off(size_t place);
  void hold_followers();
  void finish_held(const HeldOperation& held, LogErrc outcome);
  // Whoever is held and submitted before that write of its sequence, which is about to run.
  void run_held_before(const Pending& write);
  void release_held();
  void resubmit(const HeldOperation& held);
  void tell_slots();
  void check_held_deadlines(int64_t now_ns, int64_t& next_ns);
  void propose_control(std::span<const engine::Command> commands, CommitRequest& request);
  void end_asked(uint64_t proposal, LogErrc outcome);
  // A change of the table, or the head of a move's record (doubled: what follows was applied before). False: a defect.
  bool apply_control(const engine::Command& command, LogErrc& outcome, bool& is_doubled);
  void end_walks();
  void drop_walks();

  Shard& shard_;
  env::Reactor& reactor_;
  engine::ReplySink& unheard_;
  const ReplicaOptions options_;
  log::AgreedLog* log_ = nullptr;
  ReplicaListener* listener_ = nullptr;
  RecordDecoder decoder_;
  SlotTable slots_;
  ReplicaCounters counters_;

  uint64_t last_proposal_ = 0;
  uint64_t last_read_ = 0;  // the newest that was asked, or will be at the end of this turn
  uint64_t confirmed_read_ = 0;
  int64_t confirmed_time_ms_ = 0;      // when that was asked
  std::deque<AskedRead> asked_reads_;  // neither confirmed nor failed
  uint64_t failed_read_ = 0;           // those up to it are asked again
  bool is_read_due_ = false;
  std::deque<Pending> writes_;  // in the order of submission
  std::deque<Read> reads_;      // likewise
  HeldOperations held_;
  uint64_t last_order_ = 0;
  bool is_held_due_ = false;    // some of held_ may go on
  bool is_releasing_ = false;   // they are being looked at
  bool are_slots_new_ = false;  // nobody has been told yet
  size_t pending_bytes_ = 0;
  size_t unproposed_ = 0;     // of writes_: refused, or behind one that was
  uint64_t retry_after_ = 0;  // proposals up to this one must be decided before the refused are proposed again
  // A record is being applied, or somebody walks the queues: who hears of an answer may borrow the shard and give it
  // back at once, and whatever is ready then waits until this is over.
  bool is_busy_ = false;
  std::vector<Asked> asked_;  // in the order of their deadlines
  std::vector<Walk> walks_;
  uint64_t last_walk_ = 0;

  Hold hold_ = Hold::kNone;
  bool has_refused_apply_ = false;  // a record waits for go_on()
  bool is_going_on_ = false;        // it is about to come again: before any further loan
  bool is_tainted_ = false;
  LoanOut loan_;
  LoanRequest* install_ = nullptr;
  std::deque<Waiting> loans_;

  uint64_t last_record_index_ = 0;
  int64_t last_log_time_ms_ = 0;
  env::Timer deadline_timer_;
  int64_t deadline_at_ns_ = 0;  // 0: not armed
  env::Timer retry_timer_;
};

}  // namespace keelson::shard
