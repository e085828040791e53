// The seam at which several nodes agree on a shard's log (a Raft group), beside CommitLog, which is one node's own.
//
// Both interfaces are of one shard and belong to its owner's thread. The group's member on this node implements
// AgreedLog; the shard implements AgreedState. Calls of AgreedState come from the member's own turn, never from within
// a call of AgreedLog, except where this says so.
//
// A record goes from any node to the group's leader, gets its place in the log there, and comes back on every replica
// by apply(), in the same order everywhere. On the node that proposed it, apply() names the proposal; so the answer is
// made from the local replica, and nothing but the record crosses the network.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "log/commit_log.h"

namespace keelson::log {

// Of a node in its cluster; never used again after the node was removed. 0: none.
using NodeId = uint64_t;

struct AgreedRecord {
  uint64_t index = 0;    // of the log's entry, from 1, growing; several records may stand in one entry
  uint32_t ordinal = 0;  // of the record within the entry
  int64_t time_ms = 0;   // the leader's log time: never goes back within a shard
  uint16_t slot = 0;     // as proposed
  std::string_view payload;
  // What begin() was given, if this node proposed it in this life and has not been told its outcome; else 0.
  uint64_t proposal = 0;
};

// What a shard promises its log.
class AgreedState {
 public:
  virtual ~AgreedState() = default;
  // Applies the next record. False: not now, a borrower has the shard; the same record comes again after
  // AgreedLog::go_on().
  virtual bool apply(const AgreedRecord& record) = 0;
  // The proposal will never be in the log, on no replica. All that were refused come before any later record.
  virtual void refused(uint64_t proposal) = 0;
  // Nobody here will ever know what became of the proposal: it may stand in the history that a checkpoint of another
  // node brought, or the log of this node has failed. Takes the place of apply() with it or refused(), in order.
  virtual void outcome_lost(uint64_t proposal) = 0;
  // Follows a hold() that succeeded: everything that was put into the log before is applied, and the borrower may look
  // at the state and begin must_lead records. May come within hold(). Not after the hold has ended.
  virtual void hold_ready() = 0;
  // Everything that was committed anywhere before confirm_read(read) is applied here. False: it could not be confirmed
  // (no leader for too long): nothing may be answered.
  virtual void read_confirmed(uint64_t read, bool is_confirmed) = 0;
  // `leader` 0: none is known. `is_here`: this node leads, and everything of former terms is applied.
  virtual void leader_changed(NodeId leader, bool is_here) = 0;
  // May a record on this slot be put into the log at this point (asked on the leader only)? False: the shard does not
  // own the slot, or is giving it away; it reaches the proposer as refused().
  virtual bool may_propose(uint16_t slot) = 0;
  // The time for records that are put into the log now (asked on the leader only).
  virtual int64_t log_time_ms() = 0;
};

class AgreedLog {
 public:
  virtual ~AgreedLog() = default;
  // Opens a record; append the payload to the buffer, then end(). `proposal` grows within a life of the node, from 1.
  // Exactly one of AgreedState::apply() with it, refused() and outcome_lost() follows, in the order of the proposals
  // (but for those refused at once: see below), however long the group needs to say; the caller may stop waiting, and
  // then takes what comes as somebody else's. Refused at once, in the next turn, when too much waits already.
  // `must_lead`: refused at once unless this node leads and hold_ready() has been told; such a record is the next in
  // the log behind everything that was applied here, and behind the must_lead records before it.
  virtual Buffer& begin(uint64_t proposal, uint16_t slot, bool must_lead) = 0;
  virtual void end() = 0;
  // For a linearizable read. `read` grows; read_confirmed() follows. All of a turn share one round of messages.
  virtual void confirm_read(uint64_t read) = 0;
  // From hold() to release() nothing but must_lead records is put into the log by this node as leader; other nodes'
  // proposals wait. hold_ready() follows. Only the leader can hold: false otherwise. Losing the lead ends the hold by
  // itself (leader_changed()); must_lead records that are under way then still get their outcome.
  virtual bool hold() = 0;
  virtual void release() = 0;
  // After apply() was answered with false.
  virtual void go_on() = 0;
  [[nodiscard]] virtual NodeId leader() const = 0;
  [[nodiscard]] virtual bool is_leader_here() const = 0;
  // The last entry that was handed to apply() whole.
  [[nodiscard]] virtual uint64_t applied_index() const = 0;
};

}  // namespace keelson::log
