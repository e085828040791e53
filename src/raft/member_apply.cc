// Member, applying: committed entries to the state, and checkpoints that come from a leader.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "raft/checkpoint.h"
#include "raft/member_inside.h"

namespace keelson::raft {

// While the Ready holds, so that nothing is copied; from the first entry on that cannot be applied now, the rest waits.
void Member::Inside::apply_ready(const KrReady& ready) {
  for (size_t i = 0; i < ready.committed_count; ++i) {
    const KrEntry& entry = ready.committed[i];
    const bool is_normal = entry.type == static_cast<uint8_t>(EntryType::kNormal);
    if (state_ == State::kRuns && !is_paused_ && backlog_.empty() && is_normal &&
        apply_entry(entry.index, entry.term, entry.type, from_raft(entry.data))) {
      continue;
    }
    backlog_.push_back({entry.index, entry.term, entry.type, std::string(from_raft(entry.data))});
    backlog_bytes_ += entry.data.size;
  }
}

void Member::Inside::apply_backlog() {
  while (state_ == State::kRuns && !is_paused_ && !backlog_.empty()) {
    const Waiting& entry = backlog_.front();
    if (!apply_entry(entry.index, entry.term, entry.type, entry.data)) return;
    backlog_bytes_ -= entry.data.size();
    backlog_.pop_front();
  }
}

void Member::Inside::tell_applied() {
  if (applied_ <= told_applied_) return;
  told_applied_ = applied_;
  group_->applied(applied_);
}

bool Member::Inside::apply_entry(uint64_t index, uint64_t term, uint8_t type, std::string_view data) {
  KEELSON_CHECK(index == applied_ + 1, "entries are applied without a gap");
  log::AgreedState& state = parts_.state;
  if (term != applied_term_) {
    // What was meant for a former term and has not come will not come.
    proposals_->settle_before(term, [&](uint64_t proposal) { state.refused(proposal); });
  }
  if (type == static_cast<uint8_t>(EntryType::kNormal)) {
    if (!data.empty() && !apply_records(index, term, data)) return false;
  } else {
    members_ = Members::of(group_->apply_change(data));
    is_change_pending_ = false;
    parts_.host.members_changed(members_);
  }
  applied_ = index;
  applied_term_ = term;
  applied_ordinal_ = 0;
  return true;
}

bool Member::Inside::apply_records(uint64_t index, uint64_t term, std::string_view data) {
  int64_t time_ms = 0;
  if (!read_batch_header(data, time_ms)) {
    halt("entry " + std::to_string(index) + " is of a version that this one does not read");
    return false;
  }
  last_time_ms_ = std::max(last_time_ms_, time_ms);
  BatchRecord record;
  for (uint32_t ordinal = 0; !data.empty(); ++ordinal) {
    if (!read_record(data, record)) {
      halt("entry " + std::to_string(index) + " does not follow its format");
      return false;
    }
    if (ordinal < applied_ordinal_) continue;
    const bool is_own = record.origin == options_.node;
    if (record.kind == RecordKind::kRefused) {
      const uint64_t proposal = is_own ? proposals_->settle(record.number) : 0;
      if (proposal != 0) parts_.state.refused(proposal);
    } else {
      const uint64_t proposal = is_own ? proposals_->find(record.number) : 0;
      if (!parts_.state.apply({index, ordinal, time_ms, record.slot, record.payload, proposal})) {
        is_paused_ = true;
        return false;
      }
      if (proposal != 0) proposals_->settle(record.number);
    }
    if (is_own) progress_tick_ = ticks_;
    applied_ordinal_ = ordinal + 1;
  }
  return true;
}

void Member::Inside::go_on() {
  if (!is_paused_) return;
  is_paused_ = false;
  schedule();
}

// A checkpoint from the leader.

std::vector<uint64_t> Member::Inside::bytes_here(const std::vector<SideFile>& offered) {
  if (state_ != State::kRuns) return std::vector<uint64_t>(offered.size());
  return parts_.host.bytes_here(offered);
}

void Member::Inside::received_file(NodeId from, std::string_view bytes, Arrival arrival) {
  Frame frame;
  KrMessageHead head{};
  const bool is_good = decode_frame(bytes, frame) && frame.kind == FrameKind::kRaft && is_snapshot(frame.rest) &&
                       kr_message_head(to_raft(frame.rest), &head);
  if (!is_good || state_ != State::kRuns || is_verifying_ || head.snapshot.index <= now_.commit) return;
  is_verifying_ = true;
  scope_.spawn(verify_arrival(from, std::string(frame.rest), std::move(arrival)));
}

Task<void> Member::Inside::verify_arrival(NodeId from, std::string message, Arrival arrival) {
  KrMessageHead head{};
  KEELSON_CHECK(kr_message_head(to_raft(message), &head), "it was decoded before");
  const uint64_t index = head.snapshot.index;
  Status verified = co_await verify_checkpoint(parts_.env.disk(), parts_.reactor, arrival.path(), options_.group, index,
                                               head.snapshot.term);
  if (verified.ok()) verified = co_await parts_.host.examine(arrival);
  is_verifying_ = false;
  if (!verified.ok()) {
    // The leader finds that it is still needed, and sends it again.
    log_warn("raft", "a checkpoint that came from another node cannot be used",
             {{"group", options_.group}, {"from", from}, {"why", verified.error().message()}});
    co_return;
  }
  // Everything before goes its way first, so that the Ready which holds the checkpoint holds nothing else.
  if (state_ == State::kRuns) turn();
  if (state_ == State::kRuns && has_room(message.size()) && index > now_.commit) {
    arrival_ = &arrival;
    if (group_->step(message) == KR_OK) turn();
    arrival_ = nullptr;
  }
  if (!arrival.path().empty()) parts_.host.dropped();
}

// Until installed() nothing is stepped, written or applied: so the file's prelude and the journal fit together.
void Member::Inside::begin_install(const KrReady& ready) {
  const KrSnapshot& snapshot = ready.snapshot;
  if (arrival_ == nullptr) {
    halt("a checkpoint came without its file");
    group_->stored();
    is_in_ready_ = false;
    return;
  }
  installing_ = std::make_unique<Installing>();
  Installing& arrival = *installing_;
  arrival.index = snapshot.index;
  arrival.term = snapshot.term;
  arrival.members = Members::of(snapshot.members);
  arrival.ready = ready.number;
  arrival.position = next_position_;
  for (size_t i = 0; i < ready.persisted_messages_count; ++i) {
    arrival.messages.emplace_back(ready.persisted_messages[i].to,
                                  std::string(from_raft(ready.persisted_messages[i].bytes)));
  }
  KEELSON_CHECK(ready.entries_count == 0, "entries behind a checkpoint that is not installed");
  state_ = State::kInstalls;
  group_->stored();
  is_in_ready_ = false;
  send_snapshots();
  Prelude prelude{.index = arrival.index,
                  .term = arrival.term,
                  .members = arrival.members,
                  .hard_state = hard_state_,
                  .life = life_,
                  .position = arrival.position};
  prelude.hard_state.commit = std::max(hard_state_.commit, arrival.index);
  parts_.host.install(std::move(*arrival_), arrival.index, encode_prelude(prelude));
}

void Member::Inside::installed(Status outcome) {
  if (state_ != State::kInstalls) return;
  if (!outcome.ok()) {
    halt("a checkpoint could not be installed: " + outcome.error().message());
    return;
  }
  const Installing arrival = std::move(*installing_);
  installing_.reset();
  backlog_.clear();
  backlog_bytes_ = 0;
  is_paused_ = false;
  applied_ = told_applied_ = last_noted_ = persisted_index_ = arrival.index;
  applied_term_ = arrival.term;
  applied_ordinal_ = 0;
  members_ = arrival.members;
  places_.clear();
  kept_.clear();
  kept_bytes_ = 0;
  needed_from_ = arrival.position;
  preludes_.clear();
  Prelude& prelude = preludes_[arrival.index];
  prelude.index = arrival.index;
  prelude.term = arrival.term;
  prelude.members = arrival.members;
  prelude.position = arrival.position;
  finished_index_ = arrival.index;
  is_checkpoint_asked_ = false;
  state_ = State::kRuns;
  group_->persisted(arrival.ready);
  group_->applied(arrival.index);
  group_->set_snapshot({arrival.index, arrival.term, members_.view(), {}});
  for (const auto& [to, message] : arrival.messages) send_raft(to, message);
  proposals_->settle_up_to(arrival.term, [&](uint64_t proposal) { parts_.state.outcome_lost(proposal); });
  parts_.host.members_changed(members_);
  schedule();
}

}  // namespace keelson::raft
