// Member, the face and the life: start, ticks, messages, checkpoints, membership.
#include "raft/member.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "raft/member_inside.h"

namespace keelson::raft {

namespace {

// Where the log of a new group begins. Not at 0: so a member that is added later cannot follow the log from its start,
// and gets the members with a checkpoint.
constexpr uint64_t kFirstIndex = 1;
constexpr uint64_t kFirstTerm = 1;
// Ticks after which a round of ReadIndex, or proposals on their way to a leader, are taken for lost. The answer takes
// two messages and a sync, far below one tick when nothing is wrong.
constexpr uint64_t kReadAgainTicks = 3;
constexpr uint64_t kResendTicks = 5;
// Between the members that stand for election one after another: an election takes a few milliseconds, and ticks of two
// nodes are up to a tick apart.
constexpr uint64_t kStandTicks = 2;
// Entries that are committed and wait for a borrower: beyond, the leader's appends are dropped until they are applied.
constexpr size_t kBacklogBytesMax = size_t{64} << 20;
// eraftpb.MessageType.
constexpr uint8_t kMsgAppendResponse = 4;
constexpr uint8_t kMsgHeartbeat = 8;
constexpr uint8_t kMsgHeartbeatResponse = 9;
constexpr uint8_t kMsgReadIndex = 15;
constexpr uint8_t kMsgReadIndexResponse = 16;

Members members_of(const std::vector<NodeId>& voters) {
  Members members;
  members.voters = voters;
  return members;
}

class MemberCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "raft"; }
  std::string message(int value) const override {
    switch (static_cast<MemberErrc>(value)) {
      case MemberErrc::kOk:
        return "ok";
      case MemberErrc::kNotLeader:
        return "this member does not lead its group";
      case MemberErrc::kBusy:
        return "a change of members is under way";
      case MemberErrc::kInvalid:
        return "not allowed for these members";
      case MemberErrc::kHalted:
        return "the member has halted";
    }
    return "unknown";
  }
};

}  // namespace

std::error_code make_error_code(MemberErrc code) {
  static const MemberCategory category;
  return {static_cast<int>(code), category};
}

Task<Status> MemberHost::examine(const Arrival&) { co_return Status(); }

Member::Inside::Inside(Parts parts, MemberOptions options, Replay replay)
    : parts_(parts),
      options_(options),
      replay_(std::move(replay)),
      scope_(parts.reactor),
      alive_(std::make_shared<bool>(true)) {}  // tidy: shared_ptr, see there

Member::Inside::~Inside() { *alive_ = false; }

void Member::Inside::start(const std::vector<NodeId>& voters) {
  KEELSON_CHECK(state_ == State::kNew, "a member is started once");
  Replay& replay = *replay_;
  Prelude base = replay.base();
  hard_state_ = replay.hard_state();
  const bool is_born = replay.is_new() && replay.life() == 0 && !voters.empty();
  if (is_born) {
    base = {.index = kFirstIndex, .term = kFirstTerm, .members = members_of(voters)};
    hard_state_ = {.term = kFirstTerm, .vote = 0, .commit = kFirstIndex};
  }
  life_ = replay.life() + 1;
  proposals_.emplace(options_.node, life_, options_.entry_bytes_max, options_.pending_bytes_max);
  applied_ = told_applied_ = base.index;
  applied_term_ = base.term;
  members_ = base.members;
  next_position_ = replay.last_position() + 1;
  needed_from_ = base.position;
  places_ = replay.places();
  last_noted_ = persisted_index_ = base.index;

  std::vector<KrEntry> entries;
  entries.reserve(replay.entries().size());
  for (const JournalEntry& entry : replay.entries()) {
    entries.push_back(entry.view());
    kept_.push_back({entry.index, entry.data.size()});
    kept_bytes_ += entry.data.size();
    last_noted_ = persisted_index_ = entry.index;
  }
  Members voting = members_;
  if (options_.faults.quorum_of_one) voting = members_of({options_.node});
  const KrOptions core{.id = options_.node,
                       .election_ticks = options_.election_ticks,
                       .heartbeat_ticks = options_.heartbeat_ticks,
                       .message_bytes_max = options_.message_bytes_max,
                       .inflight_messages_max = options_.inflight_messages_max,
                       .uncommitted_bytes_max = options_.uncommitted_bytes_max,
                       .committed_bytes_per_ready = options_.committed_bytes_per_ready,
                       .is_guarded = true,
                       .seed = parts_.reactor.random().next()};
  group_.emplace(core, KrInitial{.hard_state = hard_state_,
                                 .members = voting.view(),
                                 .truncated_index = base.index,
                                 .truncated_term = base.term,
                                 .entries = entries.data(),
                                 .entries_count = entries.size(),
                                 .applied = base.index});
  if (replay.has_checkpoint()) {
    group_->set_snapshot({base.index, base.term, base.members.view(), {}});
    preludes_[base.index] = base;
    finished_index_ = base.index;
  }
  replay_.reset();
  state_ = State::kRuns;
  now_ = group_->status();
  seen_term_ = now_.term;

  Write& write = add_write();
  write.is_first = true;
  JournalWrite record;
  record.life = life_;
  if (is_born) {
    record.base = &base;
    record.hard_state = hard_state_;
  }
  write_record(record, write);
  schedule();
}

void Member::Inside::stop() {
  if (state_ == State::kHalted) return;
  state_ = State::kHalted;
  halted_ = "stopped";
  tell_halted();
}

void Member::Inside::tell_halted() {
  is_halt_told_ = true;
  log::AgreedState& state = parts_.state;
  if (proposals_) {
    proposals_->settle_all([&](uint64_t proposal) { state.outcome_lost(proposal); });
    proposals_->refuse_excess([&](uint64_t proposal) { state.refused(proposal); });
  }
  reads_.fail_before(UINT64_MAX, [&](uint64_t read, bool confirmed) { state.read_confirmed(read, confirmed); });
  hold_ = Hold::kNone;
  if (told_leader_ != 0 || told_is_here_) {
    told_leader_ = 0;
    told_is_here_ = false;
    state.leader_changed(0, false);
  }
}

void Member::Inside::halt(std::string why) {
  if (state_ == State::kHalted) return;
  state_ = State::kHalted;
  halted_ = std::move(why);
  log_error("raft", "a member of a group has halted", {{"group", options_.group}, {"why", halted_}});
  schedule();
}

// Time and messages.

void Member::Inside::tick() {
  if (state_ != State::kRuns && state_ != State::kInstalls) return;
  ++ticks_;
  // A checkpoint that was asked for may have failed, or could not be made just then.
  if (ticks_ % options_.election_ticks == 0) is_checkpoint_asked_ = false;
  const uint64_t bound = 2 * options_.election_ticks;
  if (!reads_.empty() && ticks_ > bound) {
    reads_.fail_before(ticks_ - bound,
                       [this](uint64_t read, bool confirmed) { parts_.state.read_confirmed(read, confirmed); });
  }
  if (state_ != State::kRuns) return;
  if (!has_room(0) && state_ != State::kRuns) return;
  const bool is_leader = is_leader_now();
  // Without room nobody stands for election: a vote must be written down.
  if (!is_full_ || is_leader) group_->tick();
  if (stand_tick_ != 0 && ticks_ >= stand_tick_) {
    stand_tick_ = 0;
    if (now_.leader == 0 && !is_full_) (void)campaign();
  }
  if (is_full_ && is_leader && ticks_ % (2 * options_.election_ticks) == 0) give_lead_away();
  if (ticks_ >= progress_tick_ + kResendTicks) {
    progress_tick_ = ticks_;
    resend(0);
  }
  if (now_.leader != 0) reads_.ask_again(ticks_, kReadAgainTicks, [this](uint64_t id) { ask_index(id); });
  consider_sleep();
  schedule();
}

// A leader without room on its disk cannot put anything into the log; maybe another can.
void Member::Inside::give_lead_away() {
  NodeId best = 0;
  uint64_t best_matched = 0;
  for (const NodeId node : members_.voters) {
    const auto progress = group_->progress(node);
    if (node == options_.node || !progress || !progress->is_active || progress->matched < best_matched) continue;
    best = node;
    best_matched = progress->matched;
  }
  if (best != 0) group_->transfer_leader(best);
}

// Whether a message may be stepped that could have to be written down.
bool Member::Inside::may_step(std::string_view message) {
  if (is_snapshot(message)) return false;  // it comes with its file
  if (backlog_bytes_ > kBacklogBytesMax && is_append(message)) return false;
  if (has_room(message.size())) return true;
  if (state_ != State::kRuns) return false;
  KrMessageHead head;
  if (!kr_message_head(to_raft(message), &head)) return false;
  const bool is_of_now = head.term == now_.term || (head.type == kMsgReadIndex && head.term == 0);
  return is_of_now &&
         (head.type == kMsgAppendResponse || head.type == kMsgHeartbeat || head.type == kMsgHeartbeatResponse ||
          head.type == kMsgReadIndex || head.type == kMsgReadIndexResponse);
}

void Member::Inside::received(NodeId from, std::string_view bytes) {
  if (state_ != State::kRuns) return;
  Frame frame;
  if (!decode_frame(bytes, frame)) return;
  if (frame.kind == FrameKind::kSleep) return received_sleep(from, frame);
  is_quiet_ = false;
  switch (frame.kind) {
    case FrameKind::kRaft:
      // What does not decode, or is from who is no member, is dropped: Raft does without any message.
      if (!may_step(frame.rest) || group_->step(frame.rest) != KR_OK) return;
      break;
    case FrameKind::kForward:
      received_forward(from, frame);
      break;
    case FrameKind::kMissing:
      // Once in a tick: the leader asks for each gap, and this sends all that it may have missed.
      if (frame.term != now_.term || from != now_.leader || resent_tick_ == ticks_) return;
      progress_tick_ = resent_tick_ = ticks_;
      resend(frame.number);
      return;
    case FrameKind::kSleep:
      return;
    case FrameKind::kWake:
      wake();
      break;
  }
  schedule();
}

void Member::Inside::reachable_changed(NodeId node, bool is_reachable) {
  if (state_ != State::kRuns) return;
  if (is_reachable) {
    if (node == now_.leader) resend(0);
  } else if (node == now_.leader && !is_leader_now()) {
    lost_leader();
  } else if (is_leader_now()) {
    group_->report_unreachable(node);
  }
  schedule();
}

// Its node is gone, as the messenger says: no need to wait for an election time-out. One after another, so that votes
// are not split, and another first in each group, so that the lead of all does not go to one node.
void Member::Inside::lost_leader() {
  const NodeId gone = now_.leader;
  wake();
  group_->forget_leader();
  std::vector<NodeId> others = members_.voters;
  std::erase(others, gone);
  std::ranges::sort(others);
  const auto own = std::ranges::find(others, options_.node);
  if (own == others.end()) return;
  const uint64_t rank = (static_cast<uint64_t>(own - others.begin()) + options_.group) % others.size();
  stand_tick_ = ticks_ + 1 + kStandTicks * rank;
}

// Membership.

MemberErrc Member::Inside::propose_change(std::span<const KrChange> changes) {
  if (state_ == State::kHalted) return MemberErrc::kHalted;
  if (state_ != State::kRuns || !leads()) return MemberErrc::kNotLeader;
  if (is_in_ready_ || is_full_ || hold_ != Hold::kNone || is_change_pending_ || members_.is_joint())
    return MemberErrc::kBusy;
  switch (group_->propose_change(changes, {})) {
    case KR_OK:
      is_change_pending_ = true;
      wake();
      schedule();
      return MemberErrc::kOk;
    case KR_DROPPED:
      return MemberErrc::kBusy;
    default:
      return MemberErrc::kInvalid;
  }
}

MemberErrc Member::Inside::transfer_leader(NodeId to) {
  if (state_ == State::kHalted) return MemberErrc::kHalted;
  if (state_ != State::kRuns || !leads()) return MemberErrc::kNotLeader;
  if (std::ranges::find(members_.voters, to) == members_.voters.end()) return MemberErrc::kInvalid;
  if (is_in_ready_) return MemberErrc::kBusy;
  group_->transfer_leader(to);
  wake();
  schedule();
  return MemberErrc::kOk;
}

MemberErrc Member::Inside::campaign() {
  if (state_ == State::kHalted) return MemberErrc::kHalted;
  if (state_ != State::kRuns || is_in_ready_ || is_full_) return MemberErrc::kBusy;
  // raft-rs 0.7.0 does not look, and panics when somebody wins who has no vote.
  const auto votes = [this](const std::vector<NodeId>& voters) {
    return std::ranges::find(voters, options_.node) != voters.end();
  };
  if (!votes(members_.voters) && !votes(members_.voters_outgoing)) return MemberErrc::kInvalid;
  if (group_->campaign() != KR_OK) return MemberErrc::kInvalid;
  wake();
  schedule();
  return MemberErrc::kOk;
}

MemberStatus Member::Inside::status() const {
  MemberStatus status;
  status.members = members_;
  status.reads_pending = reads_.pending();
  status.is_full = is_full_;
  status.is_quiet = is_quiet_;
  status.halted = halted_;
  status.applied = applied_;
  if (proposals_) status.proposals_pending = proposals_->pending();
  if (!group_) return status;
  const KrStatus core = group_->status();
  status.term = core.term;
  status.leader = state_ == State::kHalted ? 0 : core.leader;
  status.role = static_cast<Role>(core.role);
  status.is_leader_here = told_is_here_;
  status.commit = core.commit;
  status.last_index = core.last_index;
  status.first_kept_index = core.truncated_index + 1;
  if (status.role != Role::kLeader) return status;
  const auto add = [&](const std::vector<NodeId>& nodes, bool is_learner) {
    for (const NodeId node : nodes) {
      const auto progress = group_->progress(node);
      const bool is_there =
          std::ranges::any_of(status.peers, [node](const PeerStatus& peer) { return peer.node == node; });
      if (!progress || is_there) continue;
      status.peers.push_back({node, progress->matched, progress->next, is_learner,
                              progress->is_active || node == options_.node, progress->state == 2});
    }
  };
  add(members_.voters, false);
  add(members_.voters_outgoing, false);
  add(members_.learners, true);
  return status;
}

// Checkpoints.

std::string Member::Inside::prelude() {
  KEELSON_CHECK(state_ == State::kRuns && applied_ != 0, "a checkpoint of a member that has no state");
  KEELSON_CHECK(applied_ordinal_ == 0, "a checkpoint in the middle of an entry");
  Prelude prelude{.index = applied_,
                  .term = applied_term_,
                  .members = members_,
                  .hard_state = hard_state_,
                  .life = life_,
                  .position = next_position_};
  prelude.hard_state.commit = std::max(hard_state_.commit, applied_);
  if (applied_ < last_noted_) {
    const auto behind =
        std::upper_bound(places_.begin(), places_.end(), applied_ + 1,
                         [](uint64_t index, const JournalPlace& place) { return index < place.first_index; });
    KEELSON_CHECK(behind != places_.begin(), "an entry that stands nowhere in the journal");
    prelude.position = std::prev(behind)->position;
  }
  std::string bytes = encode_prelude(prelude);
  preludes_[applied_] = std::move(prelude);
  return bytes;
}

void Member::Inside::checkpoint_finished(uint64_t index) {
  const auto found = preludes_.find(index);
  if (found == preludes_.end()) return;  // another node's took its place meanwhile
  const Prelude& prelude = found->second;
  needed_from_ = std::max(needed_from_, prelude.position);
  while (places_.size() > 1 && places_[1].first_index <= index + 1) places_.pop_front();
  if (group_) group_->set_snapshot({index, prelude.term, prelude.members.view(), {}});
  preludes_.erase(preludes_.begin(), found);
  finished_index_ = index;
  is_checkpoint_asked_ = false;
  schedule();
}

Prelude Member::Inside::absence() const {
  Prelude prelude{.members = {}, .hard_state = hard_state_, .life = life_, .position = next_position_};
  prelude.hard_state.commit = 0;
  return prelude;
}

// The face.

Member::Member(Parts parts, MemberOptions options, Replay replay)
    : inside_(std::make_unique<Inside>(parts, options, std::move(replay))) {}
Member::~Member() = default;

void Member::start(const std::vector<NodeId>& voters) { inside_->start(voters); }
void Member::stop() { inside_->stop(); }
bool Member::is_settled() const { return inside_->is_settled(); }
Buffer& Member::begin(uint64_t proposal, uint16_t slot, bool must_lead) {
  return inside_->begin(proposal, slot, must_lead);
}
void Member::end() { inside_->end(); }
void Member::confirm_read(uint64_t read) { inside_->confirm_read(read); }
bool Member::hold() { return inside_->hold(); }
void Member::release() { inside_->release(); }
void Member::go_on() { inside_->go_on(); }
NodeId Member::leader() const { return inside_->leader(); }
bool Member::is_leader_here() const { return inside_->is_leader_here(); }
uint64_t Member::applied_index() const { return inside_->applied_index(); }
MemberErrc Member::propose_change(std::span<const KrChange> changes) { return inside_->propose_change(changes); }
MemberErrc Member::transfer_leader(NodeId to) { return inside_->transfer_leader(to); }
MemberErrc Member::campaign() { return inside_->campaign(); }
MemberStatus Member::status() const { return inside_->status(); }
const Members& Member::members() const { return inside_->members(); }
bool Member::is_between_entries() const { return inside_->is_between_entries(); }
std::string Member::prelude() { return inside_->prelude(); }
void Member::checkpoint_finished(uint64_t index) { inside_->checkpoint_finished(index); }
Prelude Member::absence() const { return inside_->absence(); }
uint64_t Member::needed_from() const { return inside_->needed_from(); }
uint64_t Member::next_position() const { return inside_->next_position(); }
void Member::installed(Status outcome) { inside_->installed(std::move(outcome)); }
void Member::tick() { inside_->tick(); }
void Member::received(NodeId from, std::string_view message) { inside_->received(from, message); }
void Member::received_file(NodeId from, std::string message, Arrival arrival) {
  inside_->received_file(from, message, std::move(arrival));
}
std::vector<uint64_t> Member::bytes_here(const std::vector<SideFile>& offered) { return inside_->bytes_here(offered); }
void Member::reachable_changed(NodeId node, bool is_reachable) { inside_->reachable_changed(node, is_reachable); }
ShardId Member::group() const { return inside_->group_id(); }
bool Member::is_quiet() const { return inside_->is_quiet(); }

}  // namespace keelson::raft
