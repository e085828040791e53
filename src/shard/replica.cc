#include "shard/replica.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/logging.h"

namespace keelson::shard {

namespace {
constexpr int64_t kNsPerMs = 1'000'000;
// Before what was refused is proposed again, or an unconfirmed read asked again: a leader is not to be flooded.
constexpr int64_t kRetryNs = 5 * kNsPerMs;
// Commands of a record are numbered from its own number within the entry.
constexpr unsigned kOrdinalShift = 20;
}  // namespace

Replica::Replica(Shard& shard, env::Reactor& reactor, engine::ReplySink& unheard, ReplicaOptions options)
    : shard_(shard),
      reactor_(reactor),
      unheard_(unheard),
      options_(options),
      deadline_timer_(reactor, [this] { check_deadlines(); }),
      retry_timer_(reactor, [this] {
        propose_waiting();
        ask_again();
        is_held_due_ = true;
        run_ready();
      }) {}

void Replica::set_log(log::AgreedLog* log, LogErrc why) {
  log_ = log;
  if (log_ != nullptr) return;
  hold_ = Hold::kNone;
  has_refused_apply_ = false;
  is_going_on_ = false;
  end_walks();
  fail_all(why);
  run_ready();
}

int64_t Replica::next_deadline_ns() const { return reactor_.clock().monotonic_ns() + options_.deadline_ms * kNsPerMs; }

void Replica::submit(Operation& operation) {
  if (log_ == nullptr) {
    operation.finished(LogErrc::kNotLeader);
  } else if (operation.is_write) {
    submit_write(operation);
  } else {
    submit_read(operation);
  }
}

void Replica::submit_write(Operation& operation) {
  const uint64_t order = ++last_order_;
  const size_t bytes = encoded_bytes_max(operation.commands);
  const SlotAnswer answer = slot_answer(operation, order);
  LogErrc refusal = LogErrc::kOk;
  if (bytes > options_.record_bytes_max) {
    refusal = LogErrc::kTooLarge;
  } else if (pending_bytes_ != 0 && pending_bytes_ + bytes > options_.pending_bytes_max) {
    refusal = LogErrc::kRefused;
  } else if (answer == SlotAnswer::kNotOwner) {
    refusal = LogErrc::kNotOwner;
  }
  if (refusal != LogErrc::kOk) {
    ++shard_.counters_.refused;
    operation.finished(refusal);
    return;
  }
  const HeldOperation write{&operation, order, next_deadline_ns(), bytes};
  pending_bytes_ += bytes;
  if (answer == SlotAnswer::kHold) {
    hold(write);
  } else {
    append_write(write);
  }
}

void Replica::append_write(const HeldOperation& write) {
  // Deadlines stand in their order; what was held may get some more time so.
  const int64_t deadline_ns =
      writes_.empty() ? write.deadline_ns : std::max(write.deadline_ns, writes_.back().deadline_ns);
  writes_.push_back(
      {.operation = write.operation, .order = write.order, .deadline_ns = deadline_ns, .bytes = write.bytes});
  if (unproposed_++ == 0) propose(writes_.back());
  arm_deadline(deadline_ns);
}

void Replica::propose(Pending& pending) {
  pending.proposal = ++last_proposal_;
  --unproposed_;
  ++counters_.proposed;
  encode_commands(pending.operation->commands, log_->begin(pending.proposal, pending.operation->slot(), false));
  log_->end();
}

// Again, and in their order, once nothing that was proposed behind them may still get into the log before them.
void Replica::propose_waiting() {
  if (unproposed_ == 0 || log_ == nullptr) return;
  const bool must_wait =
      log_->leader() == 0 || std::any_of(writes_.begin(), writes_.end(), [this](const Pending& some) {
        return some.operation != nullptr && some.proposal != 0 && some.proposal <= retry_after_;
      });
  if (must_wait) {
    retry_timer_.arm_after(kRetryNs);
    return;
  }
  const bool was_busy = std::exchange(is_busy_, true);
  for (size_t i = 0; i < writes_.size() && unproposed_ != 0; ++i) {
    Pending& pending = writes_[i];
    if (pending.operation == nullptr || !pending.operation->is_write || pending.proposal != 0) continue;
    switch (slot_answer(*pending.operation, pending.order)) {
      case SlotAnswer::kRun:
        propose(pending);
        break;
      case SlotAnswer::kHold:
        put_off(i);
        break;
      case SlotAnswer::kNotOwner:
        finish(pending, LogErrc::kNotOwner);
        break;
    }
  }
  is_busy_ = was_busy;
  run_ready();
}

// Not kOk: it has no effect here.
void Replica::finish(Pending& pending, LogErrc outcome) {
  Operation& operation = *std::exchange(pending.operation, nullptr);
  pending_bytes_ -= pending.bytes;
  if (operation.is_write && pending.proposal == 0) --unproposed_;
  operation.finished(outcome);
}

void Replica::submit_read(Operation& operation) {
  const uint64_t order = ++last_order_;
  const SlotAnswer answer = slot_answer(operation, order);
  if (answer == SlotAnswer::kRun) {
    append_read({&operation, order, 0, 0});
    return;
  }
  const size_t bytes = encoded_bytes_max(operation.commands);
  const bool is_full = pending_bytes_ != 0 && pending_bytes_ + bytes > options_.pending_bytes_max;
  if (answer == SlotAnswer::kNotOwner || is_full) {
    operation.finished(is_full ? LogErrc::kRefused : LogErrc::kNotOwner);
    return;
  }
  pending_bytes_ += bytes;
  hold({&operation, order, next_deadline_ns(), bytes});
}

void Replica::append_read(const HeldOperation& read) {
  Operation& operation = *read.operation;
  const bool must_wait = operation.is_ordered && !writes_.empty();
  if (operation.is_stale && !must_wait && !is_blocked()) {
    run_query(operation);
    return;
  }
  const uint64_t asked = operation.is_stale ? 0 : ask_read();
  int64_t deadline_ns = read.deadline_ns != 0 ? read.deadline_ns : next_deadline_ns();
  if (must_wait) {
    deadline_ns = std::max(deadline_ns, writes_.back().deadline_ns);
    writes_.push_back({.operation = &operation, .order = read.order, .read = asked, .deadline_ns = deadline_ns});
  } else {
    if (!reads_.empty()) deadline_ns = std::max(deadline_ns, reads_.back().deadline_ns);
    reads_.push_back({&operation, asked, last_proposal_, deadline_ns});
  }
  arm_deadline(deadline_ns);
}

// All reads of a turn share a number, which is asked for at its end: whatever they must see is committed by then.
uint64_t Replica::ask_read() {
  if (is_read_due_) return last_read_;
  is_read_due_ = true;
  ++last_read_;
  reactor_.at_turn_end([this] {
    is_read_due_ = false;
    if (log_ == nullptr) return;
    ++counters_.read_rounds;
    asked_reads_.push_back({last_read_, shard_.clock_.refresh()});
    log_->confirm_read(last_read_);
  });
  return last_read_;
}

void Replica::ask_again() {
  const uint64_t failed = std::exchange(failed_read_, 0);
  if (failed <= confirmed_read_ || log_ == nullptr) return;
  const auto is_due = [&](uint64_t read) { return read > confirmed_read_ && read <= failed; };
  for (Read& read : reads_) {
    if (is_due(read.read)) read.read = ask_read();
  }
  for (Pending& pending : writes_) {
    if (is_due(pending.read)) pending.read = ask_read();
  }
  for (Waiting& waiting : loans_) {
    if (is_due(waiting.read)) waiting.read = ask_read();
  }
}

void Replica::read_confirmed(uint64_t read, bool is_confirmed) {
  const auto asked = std::find_if(asked_reads_.begin(), asked_reads_.end(),
                                  [read](const AskedRead& some) { return some.read == read; });
  KEELSON_CHECK(asked != asked_reads_.end(), "a read that was not asked is answered");
  const int64_t time_ms = asked->time_ms;
  asked_reads_.erase(asked);
  if (loan_.read != 0 && read == loan_.read) end_commit(is_confirmed ? LogErrc::kOk : LogErrc::kNoLeader);
  if (is_confirmed) {
    confirmed_read_ = std::max(confirmed_read_, read);
    confirmed_time_ms_ = std::max(confirmed_time_ms_, time_ms);
    run_ready();
  } else {
    failed_read_ = std::max(failed_read_, read);
    retry_timer_.arm_after(kRetryNs);
  }
}

void Replica::run_query(Operation& operation) {
  if (!slots_.may_read(operation.slot())) {
    operation.finished(LogErrc::kNotOwner);
    return;
  }
  const int64_t known_ms = operation.is_stale ? shard_.clock_.now_ms() : confirmed_time_ms_;
  const int64_t now_ms = std::max(known_ms, shard_.last_time_ms_);
  engine::ReplySink& reply = operation.open_reply();
  for (const engine::Command& command : operation.commands) {
    const uint64_t seed = seed_of(shard_.id_, shard_.applied_index_, ++shard_.counters_.queries);
    shard_.engine_->query({0, now_ms, seed}, command, reply);
  }
  operation.finished(LogErrc::kOk);
}

size_t Replica::find(uint64_t proposal) const {
  size_t place = 0;
  while (place < writes_.size() && (writes_[place].operation == nullptr || writes_[place].proposal != proposal))
    ++place;
  return place;
}

bool Replica::apply(const log::AgreedRecord& record) {
  is_going_on_ = false;
  if (record.proposal != 0 && record.proposal == loan_.proposal) {
    // The borrower has run it; it gives the shard back when it hears of this.
    KEELSON_CHECK(record.time_ms == loan_.time_ms, "a borrower's record has the borrower's time");
    begin_record(record);
    if (record.slot == kNoSlot) slots_.spoil_imports();
    end_commit(LogErrc::kOk);
    return true;
  }
  if (is_blocked() || shard_.damage_) {
    has_refused_apply_ = true;
    return false;
  }
  begin_record(record);
  const bool was_busy = std::exchange(is_busy_, true);
  const size_t own = record.proposal != 0 ? find(record.proposal) : writes_.size();
  if (own != writes_.size()) {
    apply_own(own, record);
  } else {
    run_foreign(record);
  }
  is_busy_ = was_busy;
  if (shard_.damage_) return false;
  pop_over();
  if (shard_.listener_ != nullptr) shard_.listener_->applied(shard_);
  tell_slots();
  run_ready();
  return true;
}

void Replica::begin_record(const log::AgreedRecord& record) {
  last_record_index_ = shard_.applied_index_ = record.index;
  shard_.next_index_ = record.index + 1;
  shard_.last_time_ms_ = std::max(shard_.last_time_ms_, record.time_ms);
  shard_.clock_.at_least(record.time_ms);
  ++shard_.counters_.records;
  shard_.counters_.payload_bytes += record.payload.size();
}

// What must see the state without the write: it was asked for before the write was proposed.
void Replica::run_before(Pending& write) {
  while (!reads_.empty() && reads_.front().behind < write.proposal) {
    Operation& read = *reads_.front().operation;
    reads_.pop_front();
    run_query(read);
  }
  const void* sequence = write.operation->sequence();
  if (sequence == nullptr) return;
  run_held_before(write);
  for (size_t i = 0; &writes_[i] != &write; ++i) {
    Pending& before = writes_[i];
    if (before.operation == nullptr || before.operation->sequence() != sequence) continue;
    if (!before.operation->is_write) {
      run_query(*std::exchange(before.operation, nullptr));
    } else if (before.proposal == 0) {
      finish(before, LogErrc::kRefused);
    } else {
      before.is_overtaken = true;
    }
  }
}

void Replica::apply_own(size_t place, const log::AgreedRecord& record) {
  switch (slot_answer_of_write(record.slot)) {
    case SlotAnswer::kRun:
      run_before(writes_[place]);
      run_own(writes_[place], record);
      break;
    case SlotAnswer::kHold:
      put_off(place);
      break;
    case SlotAnswer::kNotOwner:
      finish(writes_[place], LogErrc::kNotOwner);
      break;
  }
}

void Replica::run_own(Pending& pending, const log::AgreedRecord& record) {
  Operation& operation = *std::exchange(pending.operation, nullptr);
  pending_bytes_ -= pending.bytes;
  engine::ReplySink& reply = operation.open_reply();
  uint64_t ordinal = uint64_t{record.ordinal} << kOrdinalShift;
  for (const engine::Command& command : operation.commands) {
    shard_.engine_->apply({record.index, record.time_ms, seed_of(shard_.id_, record.index, ordinal++)}, command, reply);
  }
  if (record.slot == kNoSlot) slots_.spoil_imports();
  operation.finished(LogErrc::kOk);
}

void Replica::run_foreign(const log::AgreedRecord& record) {
  ++counters_.foreign;
  if (const Status decoded = decoder_.decode(record.payload); !decoded.ok()) {
    damaged(record, decoded.error().message());
    return;
  }
  std::span<const engine::Command> commands = decoder_.commands();
  uint64_t seed = record.index;
  uint64_t ordinal = uint64_t{record.ordinal} << kOrdinalShift;
  LogErrc outcome = slot_answer_of_write(record.slot) == SlotAnswer::kRun ? LogErrc::kOk : LogErrc::kNotOwner;
  bool is_known = true;
  bool is_of_move = false;
  bool is_doubled = false;
  while (is_known && !commands.empty() && commands.front().code >= control::kCodesBegin) {
    const engine::Command& command = commands.front();
    if (command.code == control::kSeed) {
      is_known = command.args.size() == 1 && command.args[0].size() == sizeof(seed);
      if (is_known) seed = get_u64(command.args[0].data());
      ordinal = 0;
    } else {
      is_known = apply_control(command, outcome, is_doubled);
      is_of_move = true;
    }
    commands = commands.subspan(1);
  }
  if (!is_known) {
    damaged(record, "a control record that this version does not know");
    return;
  }
  if (outcome == LogErrc::kOk && !is_doubled) {
    for (const engine::Command& command : commands) {
      const engine::ApplyContext context{record.index, record.time_ms, seed_of(shard_.id_, seed, ordinal++)};
      shard_.engine_->apply(context, command, unheard_);
    }
    if (record.slot == kNoSlot && !is_of_move) slots_.spoil_imports();
  }
  if (record.proposal != 0) end_asked(record.proposal, outcome);
}

void Replica::damaged(const log::AgreedRecord& record, const std::string& why) {
  std::string text = "shard " + std::to_string(shard_.id_) + ", entry " + std::to_string(record.index) + ": " + why;
  log_error("shard", "this replica is stopped because its data is damaged; the others of its group go on",
            {{"shard", shard_.id_}, {"why", text}});
  shard_.stop_damaged(std::move(text));
}

void Replica::stop_damaged() {
  end_walks();
  fail_all(LogErrc::kDamaged);
  if (listener_ != nullptr) listener_->damaged(shard_);
}

void Replica::refused(uint64_t proposal) {
  ++counters_.refused;
  ++shard_.counters_.refused;
  if (proposal == loan_.proposal) {
    end_commit(LogErrc::kRefused);
    return;
  }
  const size_t place = find(proposal);
  if (place == writes_.size()) {
    end_asked(proposal, LogErrc::kRefused);
    return;
  }
  Pending& pending = writes_[place];
  const SlotAnswer answer = slot_answer_of_write(pending.operation->slot());
  if (answer == SlotAnswer::kNotOwner || pending.is_overtaken) {
    finish(pending, answer == SlotAnswer::kRun ? LogErrc::kRefused : LogErrc::kNotOwner);
  } else if (answer == SlotAnswer::kHold) {
    put_off(place);
  } else {
    pending.proposal = 0;
    ++unproposed_;
    retry_after_ = last_proposal_;
    retry_timer_.arm_after(kRetryNs);
    return;
  }
  pop_over();
  run_ready();
}

void Replica::outcome_lost(uint64_t proposal) {
  if (proposal == loan_.proposal) {
    // The borrower must not undo what may be in the log: the state is of no use to anybody until it is replaced.
    is_tainted_ = true;
    end_commit(LogErrc::kTimedOut);
    return;
  }
  if (const size_t place = find(proposal); place != writes_.size()) {
    ++counters_.timed_out;
    finish(writes_[place], LogErrc::kTimedOut);
    pop_over();
    run_ready();
  } else {
    end_asked(proposal, LogErrc::kTimedOut);
  }
}

void Replica::leader_changed(NodeId leader, bool is_here) {
  if (!is_here) hold_ = Hold::kNone;
  if (!is_here) end_walks();
  if (!is_here && loan_.read != 0) end_commit(LogErrc::kNoLeader);
  if (leader != 0 && unproposed_ != 0) retry_timer_.arm_after(0);
  if (listener_ != nullptr) listener_->leader_changed(shard_, leader, is_here);
  run_ready();
}

int64_t Replica::log_time_ms() {
  if (loan_.proposal != 0) return loan_.time_ms;
  last_log_time_ms_ = std::max({shard_.clock_.refresh(), shard_.last_time_ms_, last_log_time_ms_});
  return last_log_time_ms_;
}

void Replica::pop_over() {
  while (!writes_.empty() && writes_.front().operation == nullptr) writes_.pop_front();
}

// Reads whose time has come, then loans.
void Replica::run_ready() {
  if (is_busy_) return;
  is_busy_ = true;
  release_held();
  while (!is_blocked()) {
    pop_over();
    if (!reads_.empty() && reads_.front().read <= confirmed_read_) {
      Operation& read = *reads_.front().operation;
      reads_.pop_front();
      run_query(read);
    } else if (!writes_.empty() && !writes_.front().operation->is_write && writes_.front().read <= confirmed_read_) {
      if (held_.has(writes_.front().operation->sequence(), writes_.front().order)) {
        put_off(0);
        continue;
      }
      Operation& read = *writes_.front().operation;
      writes_.pop_front();
      run_query(read);
    } else {
      break;
    }
  }
  is_busy_ = false;
  grant_loans();
}

void Replica::arm_deadline(int64_t at_ns) {
  if (deadline_at_ns_ != 0) return;
  deadline_at_ns_ = at_ns;
  deadline_timer_.arm_at(at_ns);
}

void Replica::check_deadlines() {
  const int64_t now_ns = reactor_.clock().monotonic_ns();
  deadline_at_ns_ = 0;
  const LogErrc no_effect = leader() == 0 ? LogErrc::kNoLeader : LogErrc::kRefused;
  const bool was_busy = std::exchange(is_busy_, true);
  while (!reads_.empty() && reads_.front().deadline_ns <= now_ns) {
    Operation& read = *reads_.front().operation;
    reads_.pop_front();
    read.finished(LogErrc::kNoLeader);
  }
  int64_t next_ns = reads_.empty() ? 0 : reads_.front().deadline_ns;
  for (size_t i = 0; i < writes_.size(); ++i) {
    Pending& pending = writes_[i];
    if (pending.operation == nullptr) continue;
    if (pending.deadline_ns > now_ns) {
      next_ns = next_ns == 0 ? pending.deadline_ns : std::min(next_ns, pending.deadline_ns);
      break;
    }
    ++counters_.timed_out;
    if (!pending.operation->is_write) {
      finish(pending, LogErrc::kNoLeader);
    } else {
      finish(pending, pending.proposal != 0 ? LogErrc::kTimedOut : no_effect);
    }
  }
  check_held_deadlines(now_ns, next_ns);
  is_busy_ = was_busy;
  check_loan_deadlines(now_ns, next_ns);
  if (next_ns != 0) arm_deadline(next_ns);
  pop_over();
  run_ready();
}

// Nothing will be decided any more.
void Replica::fail_all(LogErrc why) {
  const bool was_busy = std::exchange(is_busy_, true);
  std::deque<Read> reads = std::exchange(reads_, {});
  for (const Read& read : reads) read.operation->finished(why);
  for (size_t i = 0, count = held_.size(); i < count; ++i) {
    if (held_.at(i).operation != nullptr) finish_held(held_.take(i), why);
  }
  held_.close_gaps();
  // What a client submits when it hears of this comes behind, and is answered at once.
  for (size_t i = 0; i < writes_.size(); ++i) {
    Pending& pending = writes_[i];
    if (pending.operation == nullptr) continue;
    const bool may_be_in_log = pending.operation->is_write && pending.proposal != 0;
    finish(pending, may_be_in_log ? LogErrc::kTimedOut : why);
  }
  is_busy_ = was_busy;
  pop_over();
  const std::vector<Asked> asked = std::exchange(asked_, {});
  for (const Asked& some : asked) some.request->decided(LogErrc::kTimedOut);
  deny_loans(why);
  if (loan_.proposal != 0) {
    is_tainted_ = true;
    end_commit(LogErrc::kTimedOut);
  } else if (loan_.read != 0) {
    end_commit(why);
  }
}

}  // namespace keelson::shard
