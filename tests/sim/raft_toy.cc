#include "tests/sim/raft_toy.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "base/hash.h"

namespace keelson::tests {

namespace {
// A payload is: id, kind, the state that a borrower saw, filler. Kinds:
constexpr char kOrdinary = 'o';
constexpr char kToggle = 't';
}  // namespace

void RaftToy::begin(uint16_t slot, char kind, size_t payload_bytes, bool must_lead) {
  const uint64_t id = truth_.next_id++;
  const uint64_t proposal = next_proposal_++;
  (must_lead ? borrowed_ : ordinary_)[proposal] = id;
  Buffer& out = log_->begin(proposal, slot, must_lead);
  append_u64(out, id);
  append_u8(out, static_cast<uint8_t>(kind));
  append_u64(out, hash_);
  out.append(std::string(payload_bytes, 'x'));
  log_->end();
}

void RaftToy::propose(size_t payload_bytes) {
  begin(static_cast<uint16_t>(chance_.below(kToySlots)), kOrdinary, payload_bytes, false);
}

void RaftToy::read() {
  const uint64_t read = next_proposal_++;
  reads_[read] = of_group_.must_see;
  log_->confirm_read(read);
}

void RaftToy::borrow() {
  if (is_holding_ || is_lent_ || !borrowed_.empty()) return;
  is_holding_ = log_->hold();
}

void RaftToy::hold_ready() {
  if (!is_holding_) return truth_.fail("a hold is level that nobody asked for");
  is_lent_ = true;
  ++truth_.holds;
  // One record: a second one would have to say what the first one makes of the state.
  begin(static_cast<uint16_t>(chance_.below(kToySlots)), kToggle, chance_.below(20), true);
}

void RaftToy::end_borrow() {
  if (is_holding_) log_->release();
  is_holding_ = false;
  if (!std::exchange(is_lent_, false)) return;
  log_->go_on();
}

void RaftToy::settled_borrowed(uint64_t proposal) {
  borrowed_.erase(proposal);
  if (borrowed_.empty()) end_borrow();
}

void RaftToy::leader_changed(NodeId leader, bool is_here) {
  if (is_here && leader != node_) truth_.fail("a member leads, but another is named as the leader");
  if (is_here) {
    const auto [found, is_new] = of_group_.leader_of.try_emplace(term_(), node_);
    if (is_new) ++truth_.elections;
    if (found->second != node_) truth_.fail("term " + std::to_string(found->first) + " has two leaders");
  }
  if (is_here || !is_holding_) return;
  is_holding_ = false;  // it has ended by itself
  if (borrowed_.empty()) end_borrow();
}

int64_t RaftToy::log_time_ms() { return std::max(time_ms_, wall_ms_()); }

bool RaftToy::apply(const log::AgreedRecord& record) {
  const bool is_own_borrowed = borrowed_.contains(record.proposal) && record.proposal != 0;
  if (is_lent_ && !is_own_borrowed) return false;
  std::string_view payload = record.payload;
  uint64_t id = 0;
  uint8_t kind = 0;
  uint64_t seen = 0;
  if (!read_u64(payload, id) || !read_u8(payload, kind) || !read_u64(payload, seen)) {
    truth_.fail("a record came back changed");
    return true;
  }
  const std::pair<uint64_t, uint32_t> place{record.index, record.ordinal};
  if (record.time_ms < time_ms_) truth_.fail("log time goes back");
  if (kind == kOrdinary && closed_[record.slot]) truth_.fail("a record on a closed slot is applied");
  if (kind == kToggle && seen != hash_) truth_.fail("a borrower's record does not follow the state that it saw");
  if (kind == kToggle) closed_[record.slot] = !closed_[record.slot];
  time_ms_ = record.time_ms;
  hash_ = hash64(record.payload, hash_ ^ record.slot ^ static_cast<uint64_t>(record.time_ms));

  const auto known = of_group_.hash_at.try_emplace(place, hash_);
  if (known.first->second != hash_) {
    truth_.fail("node " + std::to_string(node_) + " has another state at " + std::to_string(record.index) + "/" +
                std::to_string(record.ordinal));
  }
  RaftGroupTruth::Fate& fate = of_group_.fates[id];
  if (fate.is_refused) truth_.fail("a record that was refused is applied");
  if (fate.applied_at && *fate.applied_at != place) truth_.fail("a record is applied twice");
  fate.applied_at = place;
  if (record.proposal == 0) return true;

  // The answer to this node's client.
  ++truth_.acknowledged;
  of_group_.must_see = std::max(of_group_.must_see, record.index);
  if (is_own_borrowed) {
    if (borrowed_[record.proposal] != id) truth_.fail("an outcome for another proposal");
    settled_borrowed(record.proposal);
    return true;
  }
  const auto own = ordinary_.find(record.proposal);
  if (own == ordinary_.end()) {
    truth_.fail("a second outcome of a proposal");
  } else {
    if (own->second != id) truth_.fail("an outcome for another proposal");
    if (own != ordinary_.begin()) truth_.fail("an outcome before that of an earlier proposal");
    ordinary_.erase(own);
  }
  return true;
}

void RaftToy::refused(uint64_t proposal) {
  ++truth_.refused;
  const bool is_borrowed = borrowed_.contains(proposal);
  const auto own = is_borrowed ? borrowed_.find(proposal) : ordinary_.find(proposal);
  if (own == ordinary_.end()) return truth_.fail("a second outcome of a proposal: refused");
  RaftGroupTruth::Fate& fate = of_group_.fates[own->second];
  if (fate.applied_at) truth_.fail("a record that is applied is refused");
  fate.is_refused = true;
  if (is_borrowed) {
    settled_borrowed(proposal);
  } else {
    ordinary_.erase(own);
  }
}

void RaftToy::outcome_lost(uint64_t proposal) {
  ++truth_.lost;
  if (borrowed_.contains(proposal)) {
    settled_borrowed(proposal);
  } else if (ordinary_.erase(proposal) == 0) {
    truth_.fail("a second outcome of a proposal: lost");
  }
}

void RaftToy::read_confirmed(uint64_t read, bool is_confirmed) {
  const auto own = reads_.find(read);
  if (own == reads_.end()) return truth_.fail("a second outcome of a read");
  if (is_confirmed) {
    ++truth_.reads;
    // In the middle of an entry a part of the next is seen too.
    const uint64_t sees = log_->applied_index();
    if (sees < own->second) {
      truth_.fail("a read at node " + std::to_string(node_) + " sees " + std::to_string(sees) + ", but " +
                  std::to_string(own->second) + " was seen before it began");
    }
    of_group_.must_see = std::max(of_group_.must_see, sees);
  } else {
    ++truth_.reads_failed;
  }
  reads_.erase(own);
}

std::string RaftToy::save() const {
  std::string piece;
  append_u64(piece, hash_);
  append_u64(piece, static_cast<uint64_t>(time_ms_));
  for (const bool is_closed : closed_) append_u8(piece, is_closed ? 1 : 0);
  return piece;
}

Status RaftToy::load(std::string_view piece) {
  uint64_t time = 0;
  bool is_good = read_u64(piece, hash_) && read_u64(piece, time);
  time_ms_ = static_cast<int64_t>(time);
  for (bool& is_closed : closed_) {
    uint8_t value = 0;
    is_good = is_good && read_u8(piece, value);
    is_closed = value != 0;
  }
  if (!is_good || !piece.empty()) return fail(log::LogErrc::kDamaged, "no checkpoint of a toy");
  return {};
}

void RaftToy::reset() {
  hash_ = 0;
  time_ms_ = 0;
  closed_ = {};
  is_lent_ = false;
}

void RaftToy::check_checkpoint(uint64_t index) {
  const auto known = of_group_.hash_behind.try_emplace(index, hash_);
  if (known.first->second != hash_) truth_.fail("two checkpoints at one index differ");
}

}  // namespace keelson::tests
