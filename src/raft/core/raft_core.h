// raft-rs 0.7 (crate `raft`: "In Search of an Understandable Consensus Algorithm", Ongaro and Ousterhout, 2014, with
// pre-vote, check-quorum, joint consensus, learners, leader transfer and ReadIndex as in Ongaro's thesis) as a C
// library.
//
// A KrGroup is one member of one Raft group. It does no I/O: it is told what time has passed (ticks), what messages
// came and what shall be proposed, and says in a KrReady what must be written, sent and applied. One thread at a time
// uses a group. What breaks raft-rs's own rules (an entry that does not follow, a commit index beyond the log) ends
// the process with a message: it is a defect, as a failed KEELSON_CHECK.
//
// Pointers given to a call are read during the call only. Pointers handed out hold until the next call on the same
// group, those in a KrReady until kr_stored(). Enumerations come as their protobuf numbers (eraftpb.proto of the crate
// raft-proto 0.7): entry type 0 normal, 2 change of members; role 0 follower, 1 candidate, 2 leader, 3 pre-candidate.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct KrGroup;

struct KrBytes {
  const uint8_t* data;
  size_t size;
};

struct KrIds {
  const uint64_t* ids;
  size_t count;
};

// Who votes and who only follows (eraftpb.ConfState).
struct KrMembers {
  KrIds voters;
  KrIds learners;
  KrIds voters_outgoing;  // not empty: in joint consensus
  KrIds learners_next;
  bool auto_leave;
};

struct KrEntry {
  uint64_t index;
  uint64_t term;
  uint8_t type;
  KrBytes data;
  KrBytes context;
};

struct KrHardState {
  uint64_t term;
  uint64_t vote;
  uint64_t commit;
};

struct KrOptions {
  uint64_t id;  // of this member, not 0
  // No leader heard of for election_ticks to 2 * election_ticks - 1: stand for election.
  uint32_t election_ticks;
  uint32_t heartbeat_ticks;
  uint64_t message_bytes_max;
  uint32_t inflight_messages_max;      // appends under way to one follower
  uint64_t uncommitted_bytes_max;      // proposals above it are dropped
  uint64_t committed_bytes_per_ready;  // about
  bool is_guarded;                     // false for tests alone: without the guard against raft-rs #557
  uint64_t seed;                       // of election timeouts
};

// What the member knows from its disk. Entries behind truncated_index follow by `entries`.
struct KrInitial {
  KrHardState hard_state;
  KrMembers members;
  uint64_t truncated_index;  // the log begins behind it
  uint64_t truncated_term;
  const KrEntry* entries;  // those not applied yet, and maybe some before them
  size_t entries_count;
  uint64_t applied;
};

enum KrCode : uint32_t {
  KR_OK = 0,
  KR_DROPPED = 1,        // a proposal: no leader, a transfer under way, or too much uncommitted
  KR_UNKNOWN_PEER = 2,   // an answer from who is no member
  KR_LOCAL_MESSAGE = 3,  // came over the network but may not
  KR_BAD_CHANGE = 4,     // a change of members that is not allowed
  KR_BAD_BYTES = 5,      // does not decode
  KR_BAD_OPTIONS = 6,
  KR_OTHER = 7
};

struct KrMessage {
  uint64_t to;
  KrBytes bytes;  // eraftpb.Message
};

struct KrRead {
  KrBytes context;  // as given to kr_read_index()
  uint64_t index;   // once this is applied, the read may be answered
};

struct KrSnapshot {
  uint64_t index;  // 0: none
  uint64_t term;
  KrMembers members;
  KrBytes data;  // as given to kr_set_snapshot() by the leader
};

// What is to be done, in this order: write snapshot, then entries (they take the place of what stands at their
// indexes and behind them) and the hard state; send `messages` (now: need not wait for the write); kr_stored(); apply
// `committed`, then kr_applied(); once the write is synced (or at once, if !must_sync) send `persisted_messages` and
// tell kr_persisted(number), and kr_applied() with a snapshot's index.
struct KrReady {
  uint64_t number;
  bool must_sync;
  bool has_hard_state;
  KrHardState hard_state;
  KrSnapshot snapshot;
  const KrEntry* entries;
  size_t entries_count;
  const KrEntry* committed;
  size_t committed_count;
  const KrRead* reads;
  size_t reads_count;
  const KrMessage* messages;
  size_t messages_count;
  const KrMessage* persisted_messages;
  size_t persisted_messages_count;
};

// Entries that a follower needs and that are no longer in memory: read [low, high) from the log, about bytes_max of
// them, at least one, and hand them in by kr_fetched().
struct KrFetch {
  uint64_t number;
  uint64_t low;
  uint64_t high;
  uint64_t bytes_max;
};

struct KrStatus {
  uint64_t term;
  uint64_t vote;
  uint64_t commit;
  uint64_t applied;
  uint64_t truncated_index;
  uint64_t last_index;
  uint64_t leader;  // 0: none known
  uint8_t role;
  bool is_commit_in_term;  // a leader that has committed an entry of its term: it may answer ReadIndex
};

struct KrProgress {
  uint64_t matched;
  uint64_t next;
  uint8_t state;  // 0 probe, 1 replicate, 2 snapshot
  bool is_active;
};

struct KrChange {
  uint8_t type;  // 0 add a voter, 1 remove, 2 add a learner
  uint64_t id;
};

// Null with *code set if the options contradict each other.
KrGroup* kr_group_new(const KrOptions* options, const KrInitial* initial, KrCode* code);
void kr_group_free(KrGroup* group);

void kr_tick(KrGroup* group);
KrCode kr_step(KrGroup* group, KrBytes message);
KrCode kr_propose(KrGroup* group, KrBytes data, KrBytes context);
// Goes by joint consensus if it is more than one change; with no changes it leaves a joint state.
KrCode kr_propose_change(KrGroup* group, const KrChange* changes, size_t count, KrBytes context);
KrCode kr_campaign(KrGroup* group);
void kr_transfer_leader(KrGroup* group, uint64_t to);
// The context must be unique among the reads under way in the group. The answer is a KrRead of a KrReady, or never
// comes (no leader, or it changed): ask again.
void kr_read_index(KrGroup* group, KrBytes context);
void kr_report_unreachable(KrGroup* group, uint64_t id);
// A follower whose leader's node is known to be gone: it does not wait for an election time-out before it votes for
// another. Nothing if it follows nobody. A leader that is there all the same is followed again at its next message.
void kr_forget_leader(KrGroup* group);
void kr_report_snapshot(KrGroup* group, uint64_t id, bool has_arrived);

// False: nothing to do. After true comes kr_stored() before any other call.
bool kr_ready(KrGroup* group, KrReady* ready);
void kr_stored(KrGroup* group);
void kr_persisted(KrGroup* group, uint64_t number);
void kr_applied(KrGroup* group, uint64_t index);
// For a committed entry of type 2, before kr_applied(): the members from then on, to be kept with the applied state.
KrCode kr_apply_change(KrGroup* group, KrBytes data, KrMembers* members);

// Entries up to `index` may go from memory (those not applied stay).
void kr_drop(KrGroup* group, uint64_t index);
// The log begins behind `index` from now on: a checkpoint covers it. Not behind what is applied.
void kr_truncate(KrGroup* group, uint64_t index);
bool kr_next_fetch(KrGroup* group, KrFetch* fetch);
void kr_fetched(KrGroup* group, uint64_t number, const KrEntry* entries, size_t count);
// True once after a follower needs a checkpoint and none that is new enough is known: make one, kr_set_snapshot().
bool kr_wants_snapshot(KrGroup* group);
void kr_set_snapshot(KrGroup* group, const KrSnapshot* snapshot);

void kr_status(const KrGroup* group, KrStatus* status);
// False if it is no member.
bool kr_progress(const KrGroup* group, uint64_t id, KrProgress* progress);
// What a message is, without a group: false if it does not decode.
struct KrMessageHead {
  uint8_t type;
  uint64_t to;
  uint64_t from;
  uint64_t term;
  KrSnapshot snapshot;  // without members
};
bool kr_message_head(KrBytes message, KrMessageHead* head);

}  // extern "C"
