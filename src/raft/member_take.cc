// Member, proposals and reads: on their way into the log, here or at the leader.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/logging.h"
#include "raft/member_inside.h"

namespace keelson::raft {

namespace {
// Memory that the entry's buffer keeps between turns.
constexpr size_t kEntryBytesKept = size_t{1} << 20;
}  // namespace

Buffer& Member::Inside::begin(uint64_t proposal, uint16_t slot, bool must_lead) {
  KEELSON_CHECK(proposals_.has_value(), "a proposal before start()");
  const bool is_refused = state_ == State::kHalted || (must_lead && (hold_ != Hold::kLevel || !leads()));
  return proposals_->begin(proposal, slot, must_lead, is_refused);
}

void Member::Inside::end() {
  proposals_->end();
  wake();
  schedule();
}

void Member::Inside::confirm_read(uint64_t read) {
  reads_.add(read, ticks_);
  wake();
  schedule();
}

bool Member::Inside::hold() {
  if (state_ != State::kRuns || !leads()) return false;
  if (hold_ == Hold::kNone) hold_ = Hold::kAsked;
  wake();
  schedule();
  return true;
}

void Member::Inside::release() {
  hold_ = Hold::kNone;
  schedule();
}

// A borrower's records that were not put into the log while the hold was on never will be.
void Member::Inside::refuse_unheld() {
  if (hold_ == Hold::kLevel) return;
  proposals_->settle_unbound_must_lead([&](uint64_t proposal) { parts_.state.refused(proposal); });
}

// Into the log.

void Member::Inside::take_proposals() {
  if (!is_life_stored_) return;
  if (!leads()) {
    if (now_.leader != 0 && now_.leader != options_.node) send_parcels();
    return;
  }
  if (!is_leader_now()) return;  // told in a moment
  if (!proposals_->has_unbound() && forwarded_.empty()) return;
  if (!has_room(std::min(options_.entry_bytes_max, proposals_->bytes() + forwarded_bytes_))) return;
  if (take_own(true) && hold_ == Hold::kNone && take_own(false)) take_forwarded();
  flush_entry();
}

bool Member::Inside::take_own(bool must_lead) {
  if (!proposals_->has_unbound()) return true;
  for (Parcel& parcel : proposals_->parcels()) {
    if (parcel.term != 0 || parcel.must_lead != must_lead) continue;
    if (!make_room_in_entry(parcel.records.size())) return false;
    gather(parcel.records.view(), 0, !must_lead);
    entry_parcels_.push_back(&parcel);
  }
  return true;
}

void Member::Inside::take_forwarded() {
  for (size_t at = 0; at < forwarded_.size();) {
    const Forwarded& next = forwarded_[at];
    uint64_t& taken = taken_[next.origin];
    const bool is_gap = next.previous > taken && !options_.faults.takes_forwarded_twice;
    if (is_gap) {
      tell_missing(next.origin, taken);
      forwarded_bytes_ -= next.records.size();
      forwarded_.erase(forwarded_.begin() + static_cast<std::ptrdiff_t>(at));
      continue;
    }
    const size_t held = entry_forwarded_;
    if (!make_room_in_entry(next.records.size())) return;
    if (entry_forwarded_ != held) {
      at = 0;  // the entry went into the log, with those at the front
      continue;
    }
    entry_taken_before_.emplace_back(next.origin, taken);
    const uint64_t behind = options_.faults.takes_forwarded_twice ? 0 : taken;
    gather(next.records, behind, true);
    taken = std::max(taken, next.last);
    entry_forwarded_ = ++at;
  }
}

// Once for each gap and tick: everything that was on its way behind the gap comes here too.
void Member::Inside::tell_missing(NodeId origin, uint64_t taken) {
  const std::pair<uint64_t, uint64_t> now{taken, ticks_};
  if (std::exchange(told_missing_[origin], now) == now) return;
  send_frame(origin, {.kind = FrameKind::kMissing, .term = now_.term, .number = taken, .rest = {}});
}

// The entry that is gathered goes if these do not fit behind it. False: it could not.
bool Member::Inside::make_room_in_entry(size_t bytes) {
  if (!has_records_ || entry_.size() + bytes <= options_.entry_bytes_max) return true;
  return flush_entry();
}

void Member::Inside::gather(std::string_view records, uint64_t behind, bool is_asked) {
  if (!has_records_) {
    entry_.clear();
    last_time_ms_ = std::max(last_time_ms_, parts_.state.log_time_ms());
    append_batch_header(last_time_ms_, entry_);
  }
  std::string_view rest = records;
  const char* run = rest.data();
  const auto append_run = [&](const char* end) {
    has_records_ |= run != end;
    entry_.append({run, static_cast<size_t>(end - run)});
  };
  while (!rest.empty()) {
    const char* at = rest.data();
    BatchRecord record;
    KEELSON_CHECK(read_record(rest, record), "records are whole");
    const bool is_skipped = record.number <= behind;
    const bool is_refused = !is_skipped && is_asked && !parts_.state.may_propose(record.slot);
    if (!is_skipped && !is_refused) continue;
    append_run(at);
    run = rest.data();
    if (is_skipped) continue;
    char header[kRecordHeaderBytes];
    put_record_header({record.origin, record.number, record.slot, RecordKind::kRefused, {}}, 0, header);
    entry_.append({header, sizeof(header)});
    has_records_ = true;
  }
  append_run(rest.data());
}

// False: raft-rs takes nothing now (the lead is being handed over, or too much is uncommitted); all stays as it was.
bool Member::Inside::flush_entry() {
  const bool is_taken = !has_records_ || group_->propose(entry_.view(), {}) == KR_OK;
  if (is_taken) {
    for (Parcel* parcel : entry_parcels_) {
      proposals_->bind(*parcel, now_.term);
      proposals_->logged(*parcel);
    }
    for (; entry_forwarded_ > 0; --entry_forwarded_) {
      forwarded_bytes_ -= forwarded_.front().records.size();
      forwarded_.pop_front();
    }
  } else {
    for (auto it = entry_taken_before_.rbegin(); it != entry_taken_before_.rend(); ++it) taken_[it->first] = it->second;
  }
  entry_parcels_.clear();
  entry_taken_before_.clear();
  entry_forwarded_ = 0;
  has_records_ = false;
  entry_.clear();
  entry_.shrink_if_empty(kEntryBytesKept);
  return is_taken;
}

// To the leader.

void Member::Inside::send_parcels() {
  if (!proposals_->has_unbound()) return;
  for (Parcel& parcel : proposals_->parcels()) {
    if (parcel.term != 0 || parcel.must_lead) continue;
    proposals_->bind(parcel, now_.term);
    send_parcel(parcel);
    progress_tick_ = ticks_;
  }
}

void Member::Inside::send_parcel(Parcel& parcel) {
  send_frame(
      now_.leader,
      {.kind = FrameKind::kForward, .term = parcel.term, .number = parcel.previous, .rest = parcel.records.view()});
}

void Member::Inside::resend(uint64_t behind) {
  if (!proposals_ || now_.leader == 0 || now_.leader == options_.node) return;
  for (Parcel& parcel : proposals_->parcels()) {
    if (parcel.term == now_.term && !parcel.is_logged && parcel.last() > behind) send_parcel(parcel);
  }
}

void Member::Inside::received_forward(NodeId from, const Frame& frame) {
  if (!is_leader_now() || frame.term != now_.term) return;
  if (forwarded_bytes_ + frame.rest.size() > options_.pending_bytes_max && !forwarded_.empty()) return;
  const uint64_t last = last_number_of(frame.rest, from);
  if (last == 0) {
    log_warn("raft", "proposals that do not follow their format", {{"group", options_.group}, {"from", from}});
    return;
  }
  forwarded_.push_back({from, frame.number, last, std::string(frame.rest)});
  forwarded_bytes_ += frame.rest.size();
  wake();
}

// Reads.

void Member::Inside::begin_reads() {
  if (!reads_.has_gathered()) return;
  if (options_.faults.reads_without_round) {
    reads_.confirm_all([&](uint64_t read, bool confirmed) { parts_.state.read_confirmed(read, confirmed); });
    return;
  }
  // raft-rs drops what it cannot answer: a leader must have committed an entry of its term.
  if (now_.leader == 0) return;
  if (is_leader_now() && !now_.is_commit_in_term) return;
  reads_.begin_round(ticks_, [this](uint64_t id) { ask_index(id); });
}

void Member::Inside::ask_index(uint64_t id) {
  char context[kReadContextBytes];
  put_u64(context, options_.node);
  put_u64(context + 8, life_);
  put_u64(context + 16, id);
  group_->read_index({context, sizeof(context)});
}

void Member::Inside::answered_read(std::string_view context, uint64_t index) {
  if (get_u64(context.data()) != options_.node || get_u64(context.data() + 8) != life_) return;
  reads_.answered(get_u64(context.data() + 16), index);
}

}  // namespace keelson::raft
