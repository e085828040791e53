// Member, sleep: a group in which nothing happens costs nothing.
//
// The leader goes to sleep, and takes its followers along, when every member holds the whole log, all of it committed
// and applied, and nobody has asked for anything for a while. Asleep, a member gets no ticks: so it sends no
// heartbeats, and stands for no election. It wakes for any message, proposal, read or change, and a follower wakes when
// the messenger says that the leader's node is gone. Whoever wakes has ticks again; what it sends wakes the others.
// After a node was lost the members of its groups stand for election one after another (lost_leader() in member.cc).
//
// Sleep is no promise: nothing is answered because of it (reads go by ReadIndex always), so a member that sleeps while
// the others do not costs time, never safety.
#include <algorithm>
#include <utility>

#include "raft/member_inside.h"

namespace keelson::raft {

void Member::Inside::wake() {
  busy_tick_ = ticks_;
  is_quiet_ = false;
}

bool Member::Inside::is_idle() const {
  return state_ == State::kRuns && !is_full_ && writes_.empty() && backlog_.empty() && !is_paused_ &&
         proposals_->pending() == 0 && !proposals_->has_excess() && reads_.empty() && forwarded_.empty() &&
         hold_ == Hold::kNone && !is_verifying_;
}

void Member::Inside::consider_sleep() {
  if (options_.quiet_after_ticks == 0 || !leads() || !is_leader_now()) return;
  if (ticks_ < busy_tick_ + options_.quiet_after_ticks || !is_idle()) return;
  if (is_change_pending_ || members_.is_joint() || !snapshots_out_.empty()) return;
  if (applied_ != now_.last_index || now_.commit != now_.last_index) return;
  std::vector<NodeId> others;
  for (const std::vector<NodeId>* nodes : {&members_.voters, &members_.learners}) {
    for (const NodeId node : *nodes) {
      if (node == options_.node) continue;
      const auto progress = group_->progress(node);
      if (!progress || progress->matched != now_.last_index || !parts_.messenger.is_reachable(node)) return;
      others.push_back(node);
    }
  }
  for (const NodeId node : others) {
    send_frame(node, {.kind = FrameKind::kSleep, .term = now_.term, .number = now_.last_index, .rest = {}});
  }
  is_quiet_ = true;
}

void Member::Inside::received_sleep(NodeId from, const Frame& frame) {
  if (frame.term < now_.term) return;
  const bool is_level = frame.term == now_.term && from == now_.leader && now_.commit == frame.number &&
                        applied_ == frame.number && now_.last_index == frame.number;
  if (is_level && is_idle() && parts_.messenger.is_reachable(from)) {
    is_quiet_ = true;
    return;
  }
  wake();
  send_frame(from, {.kind = FrameKind::kWake, .term = frame.term, .number = 0, .rest = {}});
}

}  // namespace keelson::raft
