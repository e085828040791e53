// One replica of one Raft group on its owner's reactor: raft-rs (group.h) with our disk, our messages and our batches.
//
// It stands between a shard, to which it is the log (log/agreed_log.h), and the node: it writes a journal (journal.h)
// into the node's LocalLog, whose sync all groups share, and sends through the Messenger. Everything happens on the
// owner's reactor; a Member calls its state, its host and its messenger from its own turns only.
//
//   Replay replay(read_prelude(newest checkpoint));      // or Replay() without one
//   ... LocalLog::open(first_index[shard] = replay.first_position()), handler: replay.on_record(...)
//   Member member(parts, options, std::move(replay));
//   groups.add(member);                                  // ticks and messages, see groups.h
//   member.start({1, 2, 3});                             // voters of a new group; not looked at otherwise
//
// A turn. What came in (messages, proposals, reads) is gathered; at the end of the reactor's turn the leader puts all
// that was proposed into one entry, a follower sends it to the leader in one message, and what raft-rs asks for is
// done: one record into the LocalLog, messages, applying. When the LocalLog has committed the record, the
// acknowledgements go out. What cannot wait for the disk is never sent before.
//
// Outcomes. A proposal is meant for one term. The leader of that term takes the proposals of a node in order, without a
// gap and never twice; a refusal (may_propose()) takes a record's place in the log, so it comes in order too, on
// every replica. Once an entry of a later term is applied, what was meant for an earlier one and has not come is
// refused.
//
// Memory. Entries stay in memory up to Options::kept_bytes_max, for followers that are behind; one that needs more gets
// a checkpoint. So nothing is ever read from the journal but at the start.
//
// Disk full: the member takes no entries, votes or proposals until there is room (it goes on answering heartbeats and
// ReadIndex). LocalLog failed, or a checkpoint could not be installed: the member halts, says why in status() and to
// its host, and every outcome that is open is lost; the others of the group go on without it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "env/reactor.h"
#include "log/agreed_log.h"
#include "raft/arrival.h"
#include "raft/group.h"
#include "raft/journal.h"
#include "raft/members.h"
#include "raft/messenger.h"

namespace keelson::raft {

// Defects that a test plants to prove that the simulation finds them. All off in the server.
struct MemberFaults {
  bool answers_before_sync = false;
  bool forgets_vote = false;           // the vote is not written down
  bool reads_without_round = false;    // a read is confirmed by what is applied here
  bool quorum_of_one = false;          // a leader applies what it has on its own disk
  bool refuses_too_early = false;      // a change of leader refuses what was meant for the former term at once
  bool takes_forwarded_twice = false;  // the leader does not look whether it has had a proposal
  bool holds_before_level = false;     // hold_ready() though records are under way
};

struct MemberOptions {
  ShardId group = 0;
  NodeId node = 0;  // this one: its id in the group
  // Ticks of Groups. No leader heard of for election_ticks to twice that: stand for election.
  uint32_t election_ticks = 10;
  uint32_t heartbeat_ticks = 2;
  // Bytes of records that one entry gathers; a larger record gets an entry of its own.
  size_t entry_bytes_max = size_t{1} << 20;
  uint64_t message_bytes_max = uint64_t{1} << 20;
  uint32_t inflight_messages_max = 256;
  uint64_t uncommitted_bytes_max = uint64_t{64} << 20;
  uint64_t committed_bytes_per_ready = uint64_t{4} << 20;
  // Entries that are stored and applied stay in memory up to these, for followers that are behind.
  uint64_t kept_bytes_max = uint64_t{16} << 20;
  uint64_t kept_entries_max = 100'000;
  // Own proposals without an outcome; a leader keeps as much of other nodes' while it cannot take them.
  size_t pending_bytes_max = size_t{64} << 20;
  // A group in which nothing happens for so long goes to sleep until something does. 0: never.
  uint32_t quiet_after_ticks = 30;
  MemberFaults faults;
};

enum class MemberErrc : uint8_t {
  kOk = 0,
  kNotLeader,
  kBusy,     // a change of members is under way already
  kInvalid,  // a change that is not allowed, or a node that is no member
  kHalted,
};
std::error_code make_error_code(MemberErrc code);

// What a member wants of the node around it; called from the member's turns.
class MemberHost {
 public:
  virtual ~MemberHost() = default;
  // A peer needs a checkpoint that holds what is applied now: make one soon (prelude(), then checkpoint_finished()).
  virtual void checkpoint_wanted() = 0;
  // Sends the finished checkpoint of that index, and the files that it refers to, to that node's member together with
  // the message (Messenger::send_file). `done` is told once, in a later turn; `false` also if it is gone.
  virtual void send_checkpoint(NodeId to, uint64_t index, std::string message,
                               std::function<void(bool has_arrived)> done) = 0;
  // See MessageSink.
  [[nodiscard]] virtual std::vector<uint64_t> bytes_here(const std::vector<SideFile>& offered) {
    return std::vector<uint64_t>(offered.size());
  }
  // A checkpoint came that follows its format: do the files that came along fit, and what is here already? An error: it
  // is dropped, and the leader sends another one. Else install() follows in the same turn, or dropped().
  virtual Task<Status> examine(const Arrival& arrival);
  virtual void dropped() {}
  // Take the shard from its borrower, empty the engine, take over the files, install_checkpoint() (checkpoint.h), then
  // Member::installed(). Meanwhile the member does nothing. `prelude` is what the file must begin with.
  virtual void install(Arrival arrival, uint64_t index, std::string prelude) = 0;
  // A change of members is applied.
  virtual void members_changed(const Members& members) = 0;
  virtual void halted(const std::string& why) = 0;
};

struct PeerStatus {
  NodeId node = 0;
  uint64_t matched = 0;
  uint64_t next = 0;
  bool is_learner = false;
  bool is_active = false;  // heard of within the last election time-out
  bool needs_checkpoint = false;
};

struct MemberStatus {
  uint64_t term = 0;
  NodeId leader = 0;
  Role role = Role::kFollower;
  bool is_leader_here = false;  // as AgreedLog::is_leader_here()
  uint64_t commit = 0;
  uint64_t applied = 0;
  uint64_t last_index = 0;
  uint64_t first_kept_index = 0;
  Members members;
  std::vector<PeerStatus> peers;  // on the leader alone, itself included
  uint64_t proposals_pending = 0;
  uint64_t reads_pending = 0;
  bool is_full = false;   // the disk has no room
  bool is_quiet = false;  // asleep until something happens
  std::string halted;     // why, or empty
};

class Member final : public log::AgreedLog {
 public:
  // All outlive the member. `journal` is the reactor's port of the node's LocalLog, where the group's shard has
  // durability `always`.
  struct Parts {
    env::Env& env;
    env::Reactor& reactor;
    log::CommitLog& journal;
    Messenger& messenger;
    log::AgreedState& state;
    MemberHost& host;
  };
  Member(Parts parts, MemberOptions options, Replay replay);
  // Not while a record of it is on its way to the disk, unless the LocalLog is never used again: see is_settled().
  ~Member() override;

  // `voters`: those of a new group, the same on each of them; empty on a node that will be added later. Looked at only
  // if nothing was recovered. Then applies what is known to be committed.
  void start(const std::vector<NodeId>& voters);
  // Nothing more is taken, sent or applied. Outcomes that are open are lost.
  void stop();
  // No record is on its way to the disk.
  [[nodiscard]] bool is_settled() const;

  // AgreedLog.
  Buffer& begin(uint64_t proposal, uint16_t slot, bool must_lead) override;
  void end() override;
  void confirm_read(uint64_t read) override;
  bool hold() override;
  void release() override;
  void go_on() override;
  [[nodiscard]] NodeId leader() const override;
  [[nodiscard]] bool is_leader_here() const override;
  [[nodiscard]] uint64_t applied_index() const override;

  // Membership. One change is made at once, several by joint consensus; done when MemberHost::members_changed() shows
  // members that are not joint. On the leader only. None of the three from within AgreedState::apply() (kBusy).
  [[nodiscard]] MemberErrc propose_change(std::span<const KrChange> changes);
  // The lead goes to that voter if it catches up within an election time-out; status() tells. On the leader only.
  [[nodiscard]] MemberErrc transfer_leader(NodeId to);
  // Stands for election at once.
  [[nodiscard]] MemberErrc campaign();
  [[nodiscard]] MemberStatus status() const;
  [[nodiscard]] const Members& members() const;

  // Checkpoints. prelude(): the first piece of a checkpoint of what is applied now; call it in the turn in which the
  // engine's source is made, and only if the state is whole entries (a borrower may have stopped apply() in the middle
  // of one) and something is applied. The file's index is applied_index(). checkpoint_finished(): that file has its
  // name, durable.
  [[nodiscard]] bool is_between_entries() const;
  [[nodiscard]] std::string prelude();
  void checkpoint_finished(uint64_t index);
  // What must not be forgotten of a member that leaves, in whatever state it is: its vote, and its life, so that its
  // proposals are never taken for those of the next one here. Of no index, without members. After it has settled.
  [[nodiscard]] Prelude absence() const;
  // The first record of the journal that recovery needs: for LocalLog::trim().
  [[nodiscard]] uint64_t needed_from() const;
  // Records written since then: whether a checkpoint is worth while.
  [[nodiscard]] uint64_t next_position() const;
  // What MemberHost::install() came to, in a later turn. An error halts the member; what is on disk is as before.
  void installed(Status outcome);

  // For Groups.
  void tick();
  void received(NodeId from, std::string_view message);
  void received_file(NodeId from, std::string message, Arrival arrival);
  [[nodiscard]] std::vector<uint64_t> bytes_here(const std::vector<SideFile>& offered);
  void reachable_changed(NodeId node, bool is_reachable);
  [[nodiscard]] ShardId group() const;
  // Needs no ticks for now.
  [[nodiscard]] bool is_quiet() const;

 private:
  class Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace keelson::raft

template <>
struct std::is_error_code_enum<keelson::raft::MemberErrc> : std::true_type {};
