// Moves slots from one shard to another while clients write: the coordinator of one move (slots.h), on the node that
// leads the shard that gives them.
//
// Copying. Each attempt:
//   1  writes the move's key anew, on condition of what it has read. The key's mod revision is the attempt's epoch E
//   2  claims the slots at `from`: kOwned@E. Thaws what an earlier attempt has frozen
//   3  makes `to` ready: kImporting@E, and empty
//   4  copies what `from` has, and what changes there meanwhile, until little is left
//   5  freezes the slots at `from`: kFrozen@E; writes to them wait. Copies the rest; the last record that `to` takes
//      shows that nothing was lost there, and that it can be reached
//   6  flips: in one transaction the map says `to`, and the move is handing-over at E
// Handing over, as often as it takes, whoever leads `from` by then:
//   7  waits, not for long, until this node and the leader of `to` have seen the flip, so that no client is sent to and
//      fro
//   8  kGone@E at `from`, which answers the writes that wait with where the slots are now
//   9  kOwned@E at `to`
//  10  deletes what `from` still holds of them, then the move's key
//
// Why a slot has one owner at each moment: `to` owns it in step 9 alone, which follows the flip and step 8, behind
// which `from` never owns it again (kGone has no way to kOwned). An attempt that comes to nothing is ended by the next
// one's step 1, which excludes its flip for good: both change the move's key on condition of the same revision. What
// the attempt before has sent and is still on its way has a lower epoch, and is void.
//
// Everything that may take long happens before step 5. If 5 and 6 do not end within kFreezeMs, the next attempt thaws.
// An outcome that is not known is asked for again: every step may be repeated. What waits is waited for with a bound.
//
// One reactor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cluster/calls.h"
#include "cluster/slots.h"
#include "engine/engine.h"
#include "env/reactor.h"
#include "log/commit_log.h"
#include "shard/slot_table.h"

namespace keelson::cluster {

using log::LogErrc;

struct StoredMove {
  SlotMove move;
  int64_t revision = 0;        // of the move's key; 0: there is no such move
  std::vector<SlotRun> slots;  // the map where it differs from the static division
  int64_t slots_revision = 0;  // of its key; 0: not there
};

// A piece of what a shard exports.
struct ExportPiece {
  engine::SlotWalk::State state = engine::SlotWalk::State::kMore;
  std::vector<engine::OwnedCommand> commands;
  size_t bytes = 0;
};

// What a move needs of the world around it. Calls end by themselves, within seconds; one that the mover gives up
// waiting for goes on by itself.
class MoveWorld {
 public:
  virtual ~MoveWorld() = default;

  // The cluster's keys. Errors: nothing was read; or it is not known whether something was written.
  virtual Task<Result<StoredMove>> read_move(uint64_t id) = 0;  // linearizable
  // The new revision of the key; 0: it has changed meanwhile, and nothing was written.
  virtual Task<Result<int64_t>> write_move(SlotMove move, int64_t unchanged) = 0;
  // The move (which is handing-over), with the map; on condition of both revisions.
  virtual Task<Result<int64_t>> flip(SlotMove move, StoredMove seen) = 0;
  virtual Task<Result<int64_t>> delete_move(uint64_t id, int64_t unchanged) = 0;

  // Shards, by whoever leads them. kNotOwner: void. kTimedOut: not known. Others: not done.
  virtual Task<LogErrc> change_slots(ShardId shard, shard::SlotChange change) = 0;
  virtual Task<Result<shard::SlotRange>> slot_state(ShardId shard, uint16_t slot) = 0;
  virtual Task<LogErrc> wipe_slots(ShardId shard, shard::SlotRange range) = 0;
  virtual Task<LogErrc> import_slots(ImportCall call) = 0;

  // Of the shard that this node leads; one at a time. LogErrc::kNotLeader: no longer, or the export has ended.
  // LogErrc's kTooLarge and kRefused, and errors that are none of LogErrc: these slots cannot be exported as they are.
  virtual Task<Status> begin_export(ShardId shard, uint16_t first, uint16_t last) = 0;
  virtual Task<Result<ExportPiece>> next_export(size_t bytes_wanted) = 0;
  virtual void end_export() = 0;

  // This node, and the one that leads the shard, have seen this revision of the cluster's state.
  virtual Task<Status> followed(ShardId shard, int64_t revision) = 0;
  // Somebody wants the move to be given up, as far as this node knows.
  [[nodiscard]] virtual bool is_given_up(uint64_t id) const = 0;
  // This node leads the shard, as far as it knows.
  [[nodiscard]] virtual bool leads(ShardId shard) const = 0;
};

// Writes wait for this long at most before the slots are thawed, and another attempt begins.
inline constexpr int64_t kFreezeMs = 500;
// A record of an import, about: one round through the group of `to`. With what kFreezeBytesMax may leave, the last of
// them are two.
inline constexpr size_t kImportBytes = 256 << 10;
// The slots are frozen once a round has brought all there was, and no more than this.
inline constexpr size_t kFreezeBytesMax = 128 << 10;
// Rounds that brought all there was, and more than that, before the slots are frozen nevertheless.
inline constexpr unsigned kRoundsMax = 32;

// Defects that the simulation of it must find (tests/sim/slots_sim_test.cc).
struct SlotMoverFaults {
  bool owns_before_gone = false;    // step 9 before step 8
  bool flips_before_drain = false;  // step 6 without the rest of step 5
};

struct SlotMoverOptions {
  int64_t retry_ms = 50;          // between attempts at one step
  int64_t step_ms = 10'000;       // for one step of copying; then the attempt has failed
  int64_t wipe_ms = 600'000;      // for deleting what a shard has of the slots
  int64_t again_ms = 500;         // before an attempt that follows a failed one; doubles
  int64_t again_ms_max = 30'000;  // up to this
  int64_t follow_ms = 200;        // step 7
  SlotMoverFaults faults = {};
};

class SlotMover {
 public:
  // `world` outlives it.
  SlotMover(env::Reactor& reactor, MoveWorld& world, uint64_t id, SlotMoverOptions options = {});
  SlotMover(const SlotMover&) = delete;
  SlotMover& operator=(const SlotMover&) = delete;

  // Until the move is over, or this node does not lead `from`, or stop(). Once. Destroying it where it waits is as if
  // the node had crashed.
  Task<void> run();
  // run() ends soon, and leaves nothing frozen if it can be helped.
  void stop();
  [[nodiscard]] const MoveProgress& progress() const { return progress_; }

 private:
  // What a step of the move comes to: the next one; the move is to be read anew, or that after a failure; nothing more
  // is to be done here.
  enum class Next : uint8_t { kGoOn, kRead, kAgain, kEnd };
  struct Attempt {
    SlotMove move;
    uint64_t epoch = 0;
  };

  Task<Next> step_once(StoredMove seen);
  Task<Next> copy(StoredMove seen);
  // An Attempt outlives what works at it.
  Task<Next> begin_attempt(Attempt& attempt, int64_t seen);
  Task<Next> claim(const Attempt& attempt);
  Task<Next> make_ready(const Attempt& attempt);
  Task<Next> copy_most(const Attempt& attempt);
  Task<Next> carry(const Attempt& attempt, ExportPiece& piece, int64_t until_ns);
  Task<Next> export_failed(const Attempt& attempt, Error error);
  Task<Next> import(const Attempt& attempt, std::vector<engine::OwnedCommand> commands, int64_t until_ns);
  Task<Next> freeze_and_flip(const Attempt& attempt);
  Task<Next> flip(const Attempt& attempt, StoredMove seen, int64_t until_ns);
  Task<Next> hand_over(SlotMove move, int64_t revision);
  Task<Next> begin_giving_up(const Attempt& attempt, std::string reason);
  Task<Next> give_up(SlotMove move, int64_t revision);
  Task<Next> clear_away(const Attempt& attempt);

  // Until the outcome is certain (kOk or kNotOwner), or this node has lost the lead of `from`; else what it was last.
  Task<LogErrc> change(ShardId shard, shard::SlotChange change, int64_t until_ns);
  Task<LogErrc> wipe(ShardId shard, shard::SlotRange range, int64_t until_ns);
  Task<Result<shard::SlotRange>> state_of(ShardId shard, uint16_t slot, int64_t until_ns);
  [[nodiscard]] bool is_over(ShardId shard, LogErrc outcome, int64_t until_ns) const;
  Task<void> pause(int64_t ms);
  [[nodiscard]] bool may_go_on() const;
  [[nodiscard]] int64_t after_ns(int64_t ms) const;
  [[nodiscard]] int64_t step_until() const { return after_ns(options_.step_ms); }
  [[nodiscard]] int64_t retry_ms() const;
  // For one answer. While writes wait, not for long.
  [[nodiscard]] int64_t try_until(int64_t until_ns, unsigned tries) const;
  Next lost();
  Next failed(std::string what);
  Next failed(std::string_view what, LogErrc outcome);

  env::Reactor& reactor_;
  MoveWorld& world_;
  const uint64_t id_;
  const SlotMoverOptions options_;
  MoveProgress progress_;
  ShardId from_ = 0;
  uint64_t sequence_ = 0;   // of the last import of this attempt
  unsigned failures_ = 0;   // attempts in a row
  bool is_frozen_ = false;  // maybe, by this one: writes wait
  bool is_stopping_ = false;
  int64_t stop_at_ns_ = 0;  // at the latest
  env::TaskScope calls_;    // what is waited for with a bound
};

}  // namespace keelson::cluster
