// Loans of a replicated shard.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "shard/replica.h"

namespace keelson::shard {

void Replica::lend(LoanRequest& request) {
  if (log_ == nullptr && request.use != LoanUse::kLook) {
    request.denied(shard_, LogErrc::kNotLeader);
    return;
  }
  const int64_t deadline_ns = next_deadline_ns();
  loans_.push_back({&request, request.use == LoanUse::kRead ? ask_read() : 0, deadline_ns});
  if (request.use != LoanUse::kLook) arm_deadline(deadline_ns);
  run_ready();
}

bool Replica::try_lend(LoanUse use) {
  if (use != LoanUse::kLook || shard_.is_lent_ || is_going_on_ || install_ != nullptr) return false;
  shard_.is_lent_ = true;
  ++shard_.counters_.loans;
  loan_ = {};
  return true;
}

SlotAnswer Replica::slot_answer(const LoanRequest& request) const {
  return request.use == LoanUse::kWrite ? slots_.for_write(request.slot) : slots_.for_read(request.slot);
}

LogErrc Replica::loan_state(const Waiting& waiting) {
  const LoanUse use = waiting.request->use;
  if (use == LoanUse::kWrite && !leads()) {
    return leader() != 0 && leader() != options_.node ? LogErrc::kNotLeader : LogErrc::kRefused;
  }
  const SlotAnswer answer = slot_answer(*waiting.request);
  if (use == LoanUse::kLook) return answer == SlotAnswer::kRun ? LogErrc::kOk : LogErrc::kNotOwner;
  if (answer == SlotAnswer::kNotOwner) return LogErrc::kNotOwner;
  // Not even a hold: what the slot waits for must get into the log.
  if (answer == SlotAnswer::kHold) return LogErrc::kRefused;
  if (use == LoanUse::kRead) return waiting.read <= confirmed_read_ ? LogErrc::kOk : LogErrc::kRefused;
  if (hold_ == Hold::kNone) {
    hold_ = Hold::kAsked;  // first, because hold_ready() may come within the call
    if (!log_->hold()) hold_ = Hold::kNone;
  }
  return hold_ == Hold::kReady ? LogErrc::kOk : LogErrc::kRefused;
}

// The first that can be had; more when it is given back.
void Replica::grant_loans() {
  if (is_busy_) return;
  if (install_ != nullptr && !shard_.is_lent_) {
    LoanRequest& request = *std::exchange(install_, nullptr);
    is_tainted_ = false;
    grant(request);
    return;
  }
  for (size_t i = 0; i < loans_.size() && !shard_.is_lent_ && !is_going_on_; ++i) {
    // Looking is allowed at any state.
    if (is_tainted_ && loans_[i].request->use != LoanUse::kLook) continue;
    const LogErrc state = loan_state(loans_[i]);
    if (state == LogErrc::kRefused) continue;
    LoanRequest& request = *loans_[i].request;
    loans_.erase(loans_.begin() + static_cast<ptrdiff_t>(i));
    --i;
    if (state == LogErrc::kOk) {
      grant(request);
    } else {
      request.denied(shard_, state);
    }
  }
  release_hold_if_unwanted();
}

void Replica::grant(LoanRequest& request) {
  shard_.is_lent_ = true;
  ++shard_.counters_.loans;
  loan_ = {.use = request.use};
  if (request.use == LoanUse::kWrite) {
    ++counters_.held;
    // Of this node, this life and this loan alone.
    loan_.seed = seed_of(shard_.id_, reactor_.random().next(), last_proposal_);
  }
  if (request.use == LoanUse::kRead) loan_.time_max_ms = confirmed_time_ms_;
  request.granted(shard_);
}

void Replica::hold_ready() {
  if (hold_ != Hold::kAsked) return;
  hold_ = Hold::kReady;
  run_ready();
}

void Replica::release_hold() {
  if (hold_ == Hold::kNone) return;
  hold_ = Hold::kNone;
  log_->release();
}

void Replica::release_hold_if_unwanted() {
  const bool wants_hold = std::any_of(loans_.begin(), loans_.end(), [this](const Waiting& waiting) {
    return waiting.request->use == LoanUse::kWrite && slot_answer(*waiting.request) == SlotAnswer::kRun;
  });
  const bool is_out = shard_.is_lent_ && loan_.use == LoanUse::kWrite;
  if (!wants_hold && !is_out) release_hold();
}

void Replica::give_back() {
  KEELSON_CHECK(loan_.request == nullptr, "a shard is given back while its record is under way");
  if (loan_.use == LoanUse::kWrite) release_hold();
  loan_ = {};
  drop_walks();
  // What was put off comes before anybody else has the shard.
  is_going_on_ = has_refused_apply_;
  if (std::exchange(has_refused_apply_, false) && log_ != nullptr && !is_tainted_) log_->go_on();
  if (shard_.listener_ != nullptr && !is_tainted_) shard_.listener_->applied(shard_);
  tell_slots();
  run_ready();
}

void Replica::commit(std::span<const engine::Command> commands, uint16_t slot, int64_t time_ms,
                     CommitRequest& request) {
  KEELSON_CHECK(shard_.is_lent_ && loan_.use == LoanUse::kWrite, "only a borrower that may write commits");
  KEELSON_CHECK(loan_.request == nullptr, "a borrower commits one record at a time");
  LogErrc refusal = LogErrc::kOk;
  if (log_ == nullptr || hold_ != Hold::kReady) refusal = LogErrc::kNotLeader;
  if (!slots_.may_write(slot)) refusal = LogErrc::kNotOwner;
  if (slot == kNoSlot && !slots_.may_flush()) refusal = LogErrc::kRefused;
  if (encoded_bytes_max(commands) > options_.record_bytes_max) refusal = LogErrc::kTooLarge;
  if (refusal != LogErrc::kOk) {
    reactor_.post([&request, refusal] { request.decided(refusal); });
    return;
  }
  char seed[sizeof(uint64_t)];
  put_u64(seed, loan_.seed);
  const std::string_view seed_arg(seed, sizeof(seed));
  std::vector<engine::Command> all{{control::kSeed, 0, {&seed_arg, 1}}};
  all.insert(all.end(), commands.begin(), commands.end());
  loan_.request = &request;
  loan_.time_ms = time_ms;
  loan_.proposal = ++last_proposal_;
  last_log_time_ms_ = std::max(last_log_time_ms_, time_ms);
  encode_commands(all, log_->begin(loan_.proposal, slot, true));
  log_->end();
}

void Replica::confirm(CommitRequest& request) {
  KEELSON_CHECK(shard_.is_lent_ && loan_.request == nullptr, "a borrower asks for one thing at a time");
  if (log_ == nullptr || hold_ != Hold::kReady) {
    reactor_.post([&request] { request.decided(LogErrc::kNoLeader); });
    return;
  }
  loan_.request = &request;
  loan_.read = ask_read();
}

void Replica::end_commit(LogErrc outcome) {
  loan_.proposal = 0;
  loan_.read = 0;
  CommitRequest* request = std::exchange(loan_.request, nullptr);
  if (request != nullptr) request->decided(outcome);
}

void Replica::check_loan_deadlines(int64_t now_ns, int64_t& next_ns) {
  for (size_t i = 0; i < loans_.size(); ++i) {
    if (loans_[i].request->use == LoanUse::kLook) continue;
    if (loans_[i].deadline_ns > now_ns) {
      next_ns = next_ns == 0 ? loans_[i].deadline_ns : std::min(next_ns, loans_[i].deadline_ns);
      continue;
    }
    LoanRequest& request = *loans_[i].request;
    loans_.erase(loans_.begin() + static_cast<ptrdiff_t>(i));
    --i;
    request.denied(shard_, slot_answer(request) == SlotAnswer::kRun ? LogErrc::kNoLeader : LogErrc::kNotOwner);
  }
  release_hold_if_unwanted();
}

void Replica::deny_loans(LogErrc why) {
  for (size_t i = 0; i < loans_.size(); ++i) {
    if (loans_[i].request->use == LoanUse::kLook) continue;
    LoanRequest& request = *loans_[i].request;
    loans_.erase(loans_.begin() + static_cast<ptrdiff_t>(i));
    --i;
    request.denied(shard_, why);
  }
}

void Replica::lend_for_install(LoanRequest& request) {
  KEELSON_CHECK(install_ == nullptr, "one state is installed at a time");
  install_ = &request;
  grant_loans();
}

void Replica::installed(uint64_t index, int64_t time_ms) {
  has_refused_apply_ = false;
  is_going_on_ = false;
  is_tainted_ = false;
  are_slots_new_ = true;
  last_record_index_ = shard_.applied_index_ = index;
  shard_.next_index_ = index + 1;
  shard_.last_time_ms_ = std::max(shard_.last_time_ms_, time_ms);
  shard_.clock_.at_least(time_ms);
  if (shard_.listener_ != nullptr) shard_.listener_->replaced(shard_);
}

}  // namespace keelson::shard
