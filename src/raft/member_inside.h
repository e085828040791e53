// The inside of a Member; for this folder alone.
//
// Invariants:
//   applied_ <= what raft-rs was told to be applied or will be at the end of this turn; entries between what raft-rs
//   handed out and applied_ are in backlog_, in order
//   writes_ are in the order of the journal; raft-rs is told of a Ready when its write and all before are on the disk
//   places_ has the journal's position of every entry that is not covered by the base (needed_from())
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "env/reactor.h"
#include "raft/batch.h"
#include "raft/frame.h"
#include "raft/member.h"
#include "raft/proposals.h"
#include "raft/reads.h"

namespace keelson::raft {

// Node, life and number of a round of ReadIndex.
inline constexpr size_t kReadContextBytes = 24;

class Member::Inside {
 public:
  Inside(Parts parts, MemberOptions options, Replay replay);
  ~Inside();

  void start(const std::vector<NodeId>& voters);
  void stop();
  [[nodiscard]] bool is_settled() const { return writes_.empty(); }

  Buffer& begin(uint64_t proposal, uint16_t slot, bool must_lead);
  void end();
  void confirm_read(uint64_t read);
  bool hold();
  void release();
  void go_on();

  MemberErrc propose_change(std::span<const KrChange> changes);
  MemberErrc transfer_leader(NodeId to);
  MemberErrc campaign();
  [[nodiscard]] MemberStatus status() const;

  [[nodiscard]] bool is_between_entries() const {
    return state_ == State::kRuns && applied_ != 0 && applied_ordinal_ == 0;
  }
  std::string prelude();
  void checkpoint_finished(uint64_t index);
  [[nodiscard]] Prelude absence() const;
  void installed(Status outcome);

  void tick();
  void received(NodeId from, std::string_view bytes);
  void received_file(NodeId from, std::string_view bytes, Arrival arrival);
  [[nodiscard]] std::vector<uint64_t> bytes_here(const std::vector<SideFile>& offered);
  void reachable_changed(NodeId node, bool is_reachable);

  [[nodiscard]] NodeId leader() const { return told_leader_; }
  [[nodiscard]] bool is_leader_here() const { return told_is_here_; }
  [[nodiscard]] uint64_t applied_index() const { return applied_; }
  [[nodiscard]] const Members& members() const { return members_; }
  [[nodiscard]] uint64_t needed_from() const { return needed_from_; }
  [[nodiscard]] uint64_t next_position() const { return next_position_; }
  [[nodiscard]] ShardId group_id() const { return options_.group; }
  [[nodiscard]] bool is_quiet() const { return is_quiet_; }

 private:
  enum class State : uint8_t { kNew, kRuns, kInstalls, kHalted };

  // One record of the journal, and what waits for it.
  struct Write final : log::CommitWaiter {
    explicit Write(Inside& owner) : inside(owner) {}
    void committed(log::LogErrc outcome) override { inside.write_ended(*this, outcome); }
    Inside& inside;
    uint64_t ready = 0;  // 0: none
    bool is_done = false;
    bool is_first = false;    // makes this life durable
    uint64_t last_index = 0;  // of its entries; 0: none
    std::vector<std::pair<NodeId, std::string>> messages;
  };
  // A committed entry that could not be applied at once.
  struct Waiting {
    uint64_t index = 0;
    uint64_t term = 0;
    uint8_t type = 0;
    std::string data;
  };
  // Another node's proposals that this leader has not put into the log.
  struct Forwarded {
    NodeId origin = 0;
    uint64_t previous = 0;
    uint64_t last = 0;
    std::string records;
  };
  // A checkpoint that came from the leader, on its way into the engine.
  struct Installing {
    uint64_t index = 0;
    uint64_t term = 0;
    Members members;
    uint64_t ready = 0;
    uint64_t position = 0;
    std::vector<std::pair<NodeId, std::string>> messages;
  };

  // Turns (member_turn.cc).
  void schedule();
  void turn();
  bool work_ready();
  bool write_ready(const KrReady& ready);
  void write_record(const JournalWrite& write, Write& waiter);
  Write& add_write();
  void note_entries(const KrEntry* entries, size_t count, uint64_t position);
  void write_ended(Write& write, log::LogErrc outcome);
  void finish_writes();
  void send_raft(NodeId to, std::string_view message);
  void send_snapshot(NodeId to, const std::string& message);
  void send_snapshots();
  void send_frame(NodeId to, const Frame& frame);
  void snapshot_sent(NodeId to, uint64_t index, bool has_arrived);
  void after_work(bool is_done);
  void look_at_leader();
  [[nodiscard]] uint64_t served_from(NodeId node) const;
  [[nodiscard]] uint64_t all_served_from() const;
  void want_checkpoint();
  void drop_entries();
  [[nodiscard]] bool has_room(size_t bytes);
  void halt(std::string why);
  void tell_halted();
  void give_lead_away();
  void lost_leader();
  [[nodiscard]] bool may_step(std::string_view message);

  // Applying (member_apply.cc).
  void apply_ready(const KrReady& ready);
  void apply_backlog();
  void tell_applied();
  bool apply_entry(uint64_t index, uint64_t term, uint8_t type, std::string_view data);
  bool apply_records(uint64_t index, uint64_t term, std::string_view data);
  void begin_install(const KrReady& ready);
  Task<void> verify_arrival(NodeId from, std::string message, Arrival arrival);

  // Proposals and reads (member_take.cc).
  void take_proposals();
  bool take_own(bool must_lead);
  void take_forwarded();
  void tell_missing(NodeId origin, uint64_t taken);
  bool make_room_in_entry(size_t bytes);
  // Adds the records behind that number to the entry that is gathered. `is_asked`: the state may refuse them.
  void gather(std::string_view records, uint64_t behind, bool is_asked);
  bool flush_entry();
  void send_parcels();
  void send_parcel(Parcel& parcel);
  void resend(uint64_t behind);
  void received_forward(NodeId from, const Frame& frame);
  void begin_reads();
  void ask_index(uint64_t id);
  void answered_read(std::string_view context, uint64_t index);
  void refuse_unheld();
  [[nodiscard]] bool leads() const { return told_is_here_; }
  // As of the last look; maybe not yet of everything of former terms.
  [[nodiscard]] bool is_leader_now() const { return now_.role == static_cast<uint8_t>(Role::kLeader); }

  // Sleep (member_quiet.cc).
  void wake();
  [[nodiscard]] bool is_idle() const;
  void consider_sleep();
  void received_sleep(NodeId from, const Frame& frame);

  const Parts parts_;
  const MemberOptions options_;
  State state_ = State::kNew;
  std::string halted_;
  bool is_halt_told_ = false;
  std::optional<Replay> replay_;  // until start()
  std::optional<Group> group_;
  std::optional<Proposals> proposals_;
  Reads reads_;
  KrStatus now_{};  // as of the last look
  KrHardState hard_state_{};
  uint64_t life_ = 0;
  bool is_life_stored_ = false;
  uint64_t ticks_ = 0;
  uint64_t stand_tick_ = 0;  // when to stand for election because the leader's node is gone; 0: not
  bool is_turn_scheduled_ = false;
  bool is_in_ready_ = false;  // between kr_ready() and kr_stored(): nothing may be asked of raft-rs
  bool is_full_ = false;

  // Applied.
  uint64_t applied_ = 0;
  uint64_t applied_term_ = 0;
  uint32_t applied_ordinal_ = 0;  // records of the next entry that are applied
  uint64_t told_applied_ = 0;     // to raft-rs
  Members members_;
  std::deque<Waiting> backlog_;
  size_t backlog_bytes_ = 0;
  bool is_paused_ = false;
  int64_t last_time_ms_ = 0;

  // Journal.
  uint64_t next_position_ = 1;
  uint64_t needed_from_ = 1;
  std::deque<JournalPlace> places_;
  std::deque<Write> writes_;
  std::map<uint64_t, Prelude> preludes_;  // of checkpoints that are being written, and of the last finished
  uint64_t finished_index_ = 0;           // of the newest finished checkpoint, 0: none
  bool is_checkpoint_asked_ = false;      // of the host, and none has been finished since
  struct Kept {
    uint64_t index = 0;
    size_t bytes = 0;
  };
  std::deque<Kept> kept_;
  uint64_t kept_bytes_ = 0;
  uint64_t persisted_index_ = 0;              // the last entry whose write is done; may be ahead of a log that was cut
  uint64_t last_noted_ = 0;                   // the last entry that stands in the journal
  std::map<NodeId, uint64_t> snapshots_out_;  // index of the checkpoint that is on its way to a peer
  // Messages that need a checkpoint with them, of the Ready that is being worked on.
  std::vector<std::pair<NodeId, std::string>> snapshots_to_send_;

  // Leading.
  NodeId told_leader_ = 0;
  bool told_is_here_ = false;
  uint64_t seen_term_ = 0;
  std::map<NodeId, uint64_t> taken_;  // the last number of each node that is in the log of this term
  std::map<NodeId, std::pair<uint64_t, uint64_t>> told_missing_;  // what was last, in which tick
  std::deque<Forwarded> forwarded_;
  size_t forwarded_bytes_ = 0;
  Buffer entry_;
  bool has_records_ = false;
  std::vector<Parcel*> entry_parcels_;
  std::vector<std::pair<NodeId, uint64_t>> entry_taken_before_;
  size_t entry_forwarded_ = 0;  // how many at the front of forwarded_ it holds
  bool is_change_pending_ = false;
  enum class Hold : uint8_t { kNone, kAsked, kLevel };
  Hold hold_ = Hold::kNone;

  // Following.
  uint64_t progress_tick_ = 0;  // when a proposal of ours was last sent or settled
  uint64_t resent_tick_ = 0;    // when the leader last missed one
  std::string frame_;

  std::unique_ptr<Installing> installing_;
  bool is_verifying_ = false;
  Arrival* arrival_ = nullptr;  // whose message is being stepped

  bool is_quiet_ = false;
  uint64_t busy_tick_ = 0;  // when something was last asked of the group here, or written

  env::TaskScope scope_;
  // False once this is destroyed: turns and files on their way may come back later.
  std::shared_ptr<bool> alive_;  // tidy: shared_ptr, because what waits in the reactor outlives the member
};

}  // namespace keelson::raft
