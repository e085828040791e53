// Member, the turn: what raft-rs asks for is written, sent and applied, and what the disk has done is told to it.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "raft/member_inside.h"

namespace keelson::raft {

namespace {

// A Ready after which there is more at once, again and again: others of the reactor get their turn in between.
constexpr int kReadiesMax = 64;
// More than hard state and headers of a record take, and a few entries of other messages of the turn.
constexpr size_t kRoomSlackBytes = size_t{64} << 10;
// Entries of one Ready go into records of about this size: far below what the LocalLog takes, and never more than one
// record of a client beyond it.
constexpr size_t kRecordBytesAim = size_t{32} << 20;
// So many times the usual is kept for members that are behind before a checkpoint is made for them, and before it goes
// all the same.
constexpr uint64_t kKeptFactorWanted = 4;
constexpr uint64_t kKeptFactorMax = 8;

}  // namespace

void Member::Inside::schedule() {
  if (is_turn_scheduled_) return;
  is_turn_scheduled_ = true;
  parts_.reactor.at_turn_end([this, alive = alive_] {
    if (!*alive) return;
    is_turn_scheduled_ = false;
    turn();
  });
}

void Member::Inside::turn() {
  if (state_ == State::kHalted) {
    if (!is_halt_told_) {
      tell_halted();
      parts_.host.halted(halted_);
    }
    proposals_->refuse_excess([&](uint64_t proposal) { parts_.state.refused(proposal); });
    reads_.fail_before(UINT64_MAX, [&](uint64_t read, bool ok) { parts_.state.read_confirmed(read, ok); });
    return;
  }
  if (state_ != State::kRuns) return;
  now_ = group_->status();
  proposals_->refuse_excess([&](uint64_t proposal) { parts_.state.refused(proposal); });
  refuse_unheld();
  take_proposals();
  begin_reads();
  int readies = 0;
  for (; state_ == State::kRuns && readies < kReadiesMax; ++readies) {
    if (!writes_.empty() && writes_.front().is_done) finish_writes();
    if (!work_ready()) break;
  }
  if (state_ != State::kRuns) return;
  if (readies == kReadiesMax)
    parts_.reactor.post([this, alive = alive_] {
      if (*alive) schedule();
    });
  after_work(readies < kReadiesMax);
}

bool Member::Inside::work_ready() {
  KrReady ready;
  if (!group_->ready(ready)) return false;
  is_in_ready_ = true;
  if (ready.has_hard_state) hard_state_ = ready.hard_state;
  for (size_t i = 0; i < ready.messages_count; ++i) {
    send_raft(ready.messages[i].to, from_raft(ready.messages[i].bytes));
  }
  for (size_t i = 0; i < ready.reads_count; ++i) {
    const std::string_view context = from_raft(ready.reads[i].context);
    if (context.size() == kReadContextBytes) answered_read(context, ready.reads[i].index);
  }
  if (ready.snapshot.index != 0) {
    begin_install(ready);
    return false;
  }
  const bool is_told = write_ready(ready);
  const uint64_t number = ready.number;
  apply_ready(ready);
  group_->stored();
  is_in_ready_ = false;
  if (is_told) group_->persisted(number);
  apply_backlog();
  tell_applied();
  send_snapshots();
  return true;
}

// True: nothing of it has to be waited for.
bool Member::Inside::write_ready(const KrReady& ready) {
  const bool must_write = ready.must_sync || ready.entries_count != 0;
  const bool is_done = (!must_write && writes_.empty()) || options_.faults.answers_before_sync;
  if (is_done) {
    for (size_t i = 0; i < ready.persisted_messages_count; ++i) {
      send_raft(ready.persisted_messages[i].to, from_raft(ready.persisted_messages[i].bytes));
    }
    if (!must_write) return true;
  }
  JournalWrite record;
  if (must_write) {
    record.hard_state = hard_state_;
    if (options_.faults.forgets_vote) record.hard_state->vote = 0;
  }
  // All but the last record of a large Ready.
  size_t done = 0;
  size_t bytes = 0;
  for (size_t i = 0; i < ready.entries_count; ++i) {
    if (bytes >= kRecordBytesAim) {
      record.entries = ready.entries + done;
      record.entries_count = i - done;
      write_record(record, add_write());
      record.hard_state.reset();
      done = i;
      bytes = 0;
    }
    bytes += ready.entries[i].data.size;
  }
  record.entries = ready.entries + done;
  record.entries_count = ready.entries_count - done;
  Write& write = add_write();
  if (!is_done) {
    write.ready = ready.number;
    for (size_t i = 0; i < ready.persisted_messages_count; ++i) {
      const KrMessage& message = ready.persisted_messages[i];
      if (is_read_request(from_raft(message.bytes))) {
        send_raft(message.to, from_raft(message.bytes));
      } else {
        write.messages.emplace_back(message.to, std::string(from_raft(message.bytes)));
      }
    }
  }
  if (must_write) {
    write_record(record, write);
  } else {
    write.is_done = true;  // waits for those before it
  }
  return is_done;
}

Member::Inside::Write& Member::Inside::add_write() { return writes_.emplace_back(*this); }

void Member::Inside::write_record(const JournalWrite& record, Write& write) {
  wake();
  const uint64_t position = next_position_++;
  Buffer& out = parts_.journal.begin(options_.group, position, parts_.env.clock().wall_ms());
  append_journal(record, out);
  if (record.entries_count != 0) {
    note_entries(record.entries, record.entries_count, position);
    write.last_index = last_noted_;
  }
  if (parts_.journal.end(write) == log::Append::kCommitted) {
    write.is_done = true;
    // Later in this turn: raft-rs must be told that the Ready is stored before it hears that it is on the disk.
    schedule();
  }
}

// Entries take the place of what stands at their indexes and behind.
void Member::Inside::note_entries(const KrEntry* entries, size_t count, uint64_t position) {
  const uint64_t first = entries[0].index;
  while (!places_.empty() && places_.back().first_index >= first) places_.pop_back();
  places_.push_back({first, position});
  while (!kept_.empty() && kept_.back().index >= first) {
    kept_bytes_ -= kept_.back().bytes;
    kept_.pop_back();
  }
  for (size_t i = 0; i < count; ++i) {
    kept_.push_back({entries[i].index, entries[i].data.size});
    kept_bytes_ += entries[i].data.size;
  }
  last_noted_ = entries[count - 1].index;
}

void Member::Inside::write_ended(Write& write, log::LogErrc outcome) {
  write.is_done = true;
  if (outcome != log::LogErrc::kOk) {
    halt(outcome == log::LogErrc::kStopped ? "the node's log is shut" : "the node's log has failed");
    // Nothing of this or of what follows may be answered.
    for (Write& other : writes_) {
      other.ready = 0;
      other.messages.clear();
    }
  }
  finish_writes();
}

void Member::Inside::finish_writes() {
  uint64_t ready = 0;
  while (!writes_.empty() && writes_.front().is_done) {
    Write& write = writes_.front();
    for (const auto& [to, message] : write.messages) send_raft(to, message);
    if (write.ready != 0) ready = write.ready;
    if (write.is_first) is_life_stored_ = true;
    if (write.last_index != 0) persisted_index_ = write.last_index;
    writes_.pop_front();
  }
  if (state_ == State::kHalted) return;
  if (ready != 0) group_->persisted(ready);
  schedule();
}

// Sending.

void Member::Inside::send_frame(NodeId to, const Frame& frame) {
  encode_frame(frame, frame_);
  parts_.messenger.send(to, options_.group, frame_);
}

void Member::Inside::send_raft(NodeId to, std::string_view message) {
  if (is_snapshot(message)) {
    snapshots_to_send_.emplace_back(to, std::string(message));
    return;
  }
  send_frame(to, {.kind = FrameKind::kRaft, .rest = message});
}

void Member::Inside::send_snapshots() {
  for (const auto& [to, message] : std::exchange(snapshots_to_send_, {})) send_snapshot(to, message);
}

void Member::Inside::send_snapshot(NodeId to, const std::string& message) {
  KrMessageHead head;
  KEELSON_CHECK(kr_message_head(to_raft(message), &head), "a message of raft-rs does not decode");
  const uint64_t index = head.snapshot.index;
  snapshots_out_[to] = index;
  std::string framed;
  encode_frame({.kind = FrameKind::kRaft, .rest = message}, framed);
  parts_.host.send_checkpoint(to, index, std::move(framed), [this, alive = alive_, to, index](bool has_arrived) {
    if (*alive) snapshot_sent(to, index, has_arrived);
  });
}

void Member::Inside::snapshot_sent(NodeId to, uint64_t index, bool has_arrived) {
  const auto found = snapshots_out_.find(to);
  if (found != snapshots_out_.end() && found->second == index) snapshots_out_.erase(found);
  if (state_ != State::kRuns) return;
  // Not within the turn of whoever tells it.
  parts_.reactor.post([this, alive = alive_, to, has_arrived] {
    if (!*alive || state_ != State::kRuns) return;
    group_->report_snapshot(to, has_arrived);
    schedule();
  });
}

// What follows from it.

// `is_done`: raft-rs wants nothing more at this moment.
void Member::Inside::after_work(bool is_done) {
  now_ = group_->status();
  KEELSON_CHECK(!group_->next_fetch(), "entries are dropped and truncated at the same point");
  look_at_leader();
  if (state_ != State::kRuns) return;
  log::AgreedState& state = parts_.state;
  reads_.confirm(applied_, [&](uint64_t read, bool confirmed) { state.read_confirmed(read, confirmed); });
  const bool is_level = is_done && backlog_.empty() && applied_ == now_.last_index;
  if (hold_ == Hold::kAsked && leads() && (is_level || options_.faults.holds_before_level)) {
    if (all_served_from() >= now_.truncated_index) {
      hold_ = Hold::kLevel;
      state.hold_ready();
    } else {
      want_checkpoint();  // see drop_entries()
    }
  }
  drop_entries();
  if (group_->wants_snapshot()) want_checkpoint();
}

void Member::Inside::look_at_leader() {
  if (now_.term != seen_term_) {
    seen_term_ = now_.term;
    taken_.clear();
    told_missing_.clear();
    forwarded_.clear();
    forwarded_bytes_ = 0;
    is_change_pending_ = false;
    if (told_is_here_) {
      // Also if this member leads the new term: what held for the old one has ended.
      told_is_here_ = false;
      hold_ = Hold::kNone;
      refuse_unheld();
      parts_.state.leader_changed(told_leader_, false);
    }
    if (options_.faults.refuses_too_early) {
      proposals_->settle_before(now_.term, [&](uint64_t proposal) { parts_.state.refused(proposal); });
    }
  }
  // An entry of its own term is applied, so everything of former terms is too.
  const bool is_here = is_leader_now() && applied_term_ == now_.term;
  if (told_leader_ == now_.leader && told_is_here_ == is_here) return;
  if (told_leader_ != now_.leader && now_.leader != 0) {
    reads_.ask_again(ticks_, 0, [this](uint64_t id) { ask_index(id); });
    schedule();
  }
  told_leader_ = now_.leader;
  told_is_here_ = is_here;
  if (!told_is_here_) {
    hold_ = Hold::kNone;
    refuse_unheld();
  }
  parts_.state.leader_changed(told_leader_, told_is_here_);
  schedule();
}

// The last entry that this member, as leader, need not have any more for that one: it has it, or gets a checkpoint.
uint64_t Member::Inside::served_from(NodeId node) const {
  const auto progress = group_->progress(node);
  const uint64_t matched = progress ? progress->matched : 0;
  const auto finished = preludes_.find(finished_index_);
  const bool has_checkpoint = finished != preludes_.end() && finished->second.members.holds(node);
  return std::max(matched, has_checkpoint ? finished_index_ : 0);
}

// The least of all members.
uint64_t Member::Inside::all_served_from() const {
  uint64_t least = UINT64_MAX;
  for (const std::vector<NodeId>* nodes : {&members_.voters, &members_.voters_outgoing, &members_.learners}) {
    for (const NodeId node : *nodes) {
      if (node != options_.node) least = std::min(least, served_from(node));
    }
  }
  return least;
}

void Member::Inside::want_checkpoint() {
  if (std::exchange(is_checkpoint_asked_, true)) return;
  parts_.host.checkpoint_wanted();
}

// What is stored, applied and more than is kept goes from memory. A leader first sees to it that every member can get
// what it misses: a checkpoint cannot be made at any time, not while a borrower is ahead of the log; and its record may
// need just the member that waits for a checkpoint. So with a hold nothing goes either.
void Member::Inside::drop_entries() {
  const bool is_above = kept_bytes_ > options_.kept_bytes_max || kept_.size() > options_.kept_entries_max;
  if (!is_above || hold_ != Hold::kNone) return;
  const bool is_far_above = kept_bytes_ > options_.kept_bytes_max * kKeptFactorMax ||
                            kept_.size() > options_.kept_entries_max * kKeptFactorMax;
  uint64_t until = std::min(told_applied_, persisted_index_);
  if (is_leader_now() && !is_far_above) {
    const uint64_t served = all_served_from();
    if (served < until) {
      until = served;
      if (kept_bytes_ > options_.kept_bytes_max * kKeptFactorWanted ||
          kept_.size() > options_.kept_entries_max * kKeptFactorWanted) {
        want_checkpoint();
      }
    }
  }
  uint64_t sent = UINT64_MAX;
  for (const auto& [node, index] : snapshots_out_) sent = std::min(sent, index);
  if (!is_far_above) until = std::min(until, sent);
  uint64_t dropped = 0;
  while (!kept_.empty() && kept_.front().index <= until) {
    if (kept_bytes_ <= options_.kept_bytes_max && kept_.size() <= options_.kept_entries_max) break;
    dropped = kept_.front().index;
    kept_bytes_ -= kept_.front().bytes;
    kept_.pop_front();
  }
  if (dropped != 0) group_->truncate(dropped);
}

bool Member::Inside::has_room(size_t bytes) {
  const log::LogErrc room =
      parts_.journal.admit(std::min(bytes, log::kRecordBytesMax - kRoomSlackBytes) + kRoomSlackBytes);
  is_full_ = room == log::LogErrc::kFull;
  if (room == log::LogErrc::kOk) return true;
  if (room != log::LogErrc::kFull) {
    halt(room == log::LogErrc::kStopped ? "the node's log is shut" : "the node's log has failed");
  }
  return false;
}

}  // namespace keelson::raft
