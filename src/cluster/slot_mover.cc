#include "cluster/slot_mover.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/logging.h"
#include "cluster/service_limits.h"
#include "cluster/within.h"

namespace keelson::cluster {

namespace {

using engine::SlotWalk;
using shard::SlotChange;
using shard::SlotRange;
using shard::SlotState;

// While something is frozen: between attempts to thaw it, or to hand it over.
constexpr int64_t kFrozenRetryMs = 10;
// And how long one answer is waited for then, before the same is asked again; doubles.
constexpr int64_t kFrozenTryMs = 250;
// A node that stops waits for this long at most for what it has frozen.
constexpr int64_t kStopFrozenMs = 2'000;
// Doublings of the pause between attempts.
constexpr unsigned kDoublingsMax = 10;

bool is_certain(LogErrc outcome) { return outcome == LogErrc::kOk || outcome == LogErrc::kNotOwner; }

SlotChange change_of(const SlotMove& move, SlotState state, uint64_t epoch) {
  SlotChange change;
  change.first = move.first;
  change.last = move.last;
  change.state = state;
  change.epoch = epoch;
  return change;
}

// As a field holds it.
std::string one_line(std::string text) {
  std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

template <class T>
std::string why(const std::optional<Result<T>>& answer) {
  return answer ? answer->error().message() : std::string("no answer in time");
}

}  // namespace

SlotMover::SlotMover(env::Reactor& reactor, MoveWorld& world, uint64_t id, SlotMoverOptions options)
    : reactor_(reactor), world_(world), id_(id), options_(options), calls_(reactor) {}

int64_t SlotMover::after_ns(int64_t ms) const { return reactor_.clock().monotonic_ns() + ms * kNsPerMs; }

Task<void> SlotMover::run() {
  progress_.is_running = true;
  while (may_go_on()) {
    std::optional<Result<StoredMove>> seen =
        co_await within(reactor_, calls_, world_.read_move(id_), try_until(step_until(), failures_));
    Next next = Next::kAgain;
    if (seen && seen->ok()) {
      next = co_await step_once(std::move(**seen));
    } else {
      (void)failed("the move cannot be read: " + why(seen));
    }
    world_.end_export();
    if (next == Next::kEnd) break;
    if (next == Next::kAgain) {
      ++failures_;
      co_await pause(retry_ms());
    }
  }
  progress_.step = "not here";
  co_await calls_.join();
  progress_.is_running = false;
}

void SlotMover::stop() {
  is_stopping_ = true;
  stop_at_ns_ = after_ns(kStopFrozenMs);
}

bool SlotMover::may_go_on() const {
  return !is_stopping_ || (is_frozen_ && reactor_.clock().monotonic_ns() < stop_at_ns_);
}

Task<SlotMover::Next> SlotMover::step_once(StoredMove seen) {
  if (seen.revision == 0 || !world_.leads(seen.move.from)) co_return Next::kEnd;
  from_ = seen.move.from;
  switch (seen.move.phase) {
    case MovePhase::kCopying:
      co_return co_await copy(std::move(seen));
    case MovePhase::kHandingOver:
      co_return co_await hand_over(std::move(seen.move), seen.revision);
    case MovePhase::kGivingUp:
      co_return co_await give_up(std::move(seen.move), seen.revision);
    case MovePhase::kFailed:
      break;
  }
  co_return Next::kEnd;
}

// Steps 1 to 6.
Task<SlotMover::Next> SlotMover::copy(StoredMove seen) {
  progress_.step = "beginning";
  progress_.bytes = 0;
  Attempt attempt{.move = std::move(seen.move), .epoch = 0};
  Next next = co_await begin_attempt(attempt, seen.revision);
  if (next == Next::kGoOn) next = co_await claim(attempt);
  if (next == Next::kGoOn) next = co_await make_ready(attempt);
  if (next == Next::kGoOn) next = co_await copy_most(attempt);
  if (next == Next::kGoOn) next = co_await freeze_and_flip(attempt);
  co_return next;
}

Task<SlotMover::Next> SlotMover::begin_attempt(Attempt& attempt, int64_t seen) {
  ++attempt.move.attempt;
  progress_.attempt = attempt.move.attempt;
  const auto written =
      co_await within(reactor_, calls_, world_.write_move(attempt.move, seen), try_until(step_until(), failures_));
  if (!written || !written->ok()) co_return failed("the move cannot be written down: " + why(written));
  if (**written == 0) co_return Next::kRead;
  attempt.epoch = static_cast<uint64_t>(**written);
  co_return Next::kGoOn;
}

Task<SlotMover::Next> SlotMover::claim(const Attempt& attempt) {
  const SlotMove& move = attempt.move;
  const LogErrc outcome = co_await change(move.from, change_of(move, SlotState::kOwned, attempt.epoch), step_until());
  if (outcome == LogErrc::kNotLeader) co_return lost();
  if (outcome == LogErrc::kNotOwner) {
    const Result<SlotRange> range = co_await state_of(move.from, move.first, step_until());
    if (!range.ok()) co_return failed(range.error().message());
    if (range->epoch > attempt.epoch) co_return failed("another node has begun a later attempt");
    co_return co_await begin_giving_up(attempt,
                                       "shard " + std::to_string(move.from) + " does not have all of these slots");
  }
  if (outcome != LogErrc::kOk) co_return failed("the slots cannot be claimed", outcome);
  is_frozen_ = false;
  if (is_stopping_) co_return Next::kEnd;
  if (failures_ != 0) {
    progress_.step = "waiting";
    co_await pause(std::min(options_.again_ms << std::min(failures_ - 1, kDoublingsMax), options_.again_ms_max));
  }
  co_return is_stopping_ ? Next::kEnd : Next::kGoOn;
}

// The slots may be in pieces there, of attempts of former moves that were given up.
Task<SlotMover::Next> SlotMover::make_ready(const Attempt& attempt) {
  const SlotMove& move = attempt.move;
  progress_.step = "making room";
  for (uint32_t slot = move.first; slot <= move.last;) {
    const Result<SlotRange> piece = co_await state_of(move.to, static_cast<uint16_t>(slot), step_until());
    if (!piece.ok()) co_return failed(piece.error().message());
    if (piece->state == SlotState::kOwned || piece->state == SlotState::kFrozen) {
      co_return co_await begin_giving_up(
          attempt, "shard " + std::to_string(move.to) + " has slot " + std::to_string(slot) + " already");
    }
    SlotChange change_to = change_of(move, SlotState::kImporting, attempt.epoch);
    change_to.first = static_cast<uint16_t>(slot);
    change_to.last = std::min(piece->last, move.last);
    const LogErrc outcome = co_await change(move.to, change_to, step_until());
    if (outcome != LogErrc::kOk) co_return failed("the other shard cannot take the slots", outcome);
    slot = change_to.last + uint32_t{1};
  }
  const LogErrc wiped =
      co_await wipe(move.to, change_of(move, SlotState::kImporting, attempt.epoch), after_ns(options_.wipe_ms));
  if (wiped != LogErrc::kOk) co_return failed("the other shard cannot delete what it has of the slots", wiped);
  sequence_ = 0;
  co_return Next::kGoOn;
}

Task<SlotMover::Next> SlotMover::copy_most(const Attempt& attempt) {
  const SlotMove& move = attempt.move;
  progress_.step = "copying";
  const Status begun = co_await world_.begin_export(move.from, move.first, move.last);
  if (!begun.ok()) co_return co_await export_failed(attempt, begun.error());
  for (unsigned rounds = 0; rounds < kRoundsMax;) {
    if (is_stopping_) co_return Next::kEnd;
    if (world_.is_given_up(id_)) co_return Next::kRead;
    ExportPiece piece;
    const Next next = co_await carry(attempt, piece, step_until());
    if (next != Next::kGoOn) co_return next;
    if (piece.state != SlotWalk::State::kDrained) continue;
    if (piece.bytes <= kFreezeBytesMax) break;
    ++rounds;
  }
  co_return Next::kGoOn;
}

// One record of about kImportBytes, or what there is.
Task<SlotMover::Next> SlotMover::carry(const Attempt& attempt, ExportPiece& piece, int64_t until_ns) {
  while (piece.state == SlotWalk::State::kMore && piece.bytes < kImportBytes) {
    Result<ExportPiece> more = co_await world_.next_export(kImportBytes - piece.bytes);
    if (!more.ok()) co_return co_await export_failed(attempt, more.error());
    piece.state = more->state;
    piece.bytes += more->bytes;
    std::ranges::move(more->commands, std::back_inserter(piece.commands));
    if (reactor_.clock().monotonic_ns() >= until_ns) break;
  }
  if (piece.state == SlotWalk::State::kLost) co_return failed("all keys of the shard have changed at once");
  if (piece.commands.empty()) co_return Next::kGoOn;
  co_return co_await import(attempt, std::exchange(piece.commands, {}), until_ns);
}

Task<SlotMover::Next> SlotMover::export_failed(const Attempt& attempt, Error error) {
  if (error.code() == LogErrc::kNotLeader) co_return lost();
  const bool is_of_log = error.code().category() == log::make_error_code(LogErrc::kOk).category();
  const bool is_for_good = !is_of_log || error.code() == LogErrc::kTooLarge || error.code() == LogErrc::kRefused;
  if (!is_for_good) co_return failed("the slots cannot be read: " + error.message());
  co_return co_await begin_giving_up(attempt, error.message());
}

Task<SlotMover::Next> SlotMover::import(const Attempt& attempt, std::vector<engine::OwnedCommand> commands,
                                        int64_t until_ns) {
  const SlotMove& move = attempt.move;
  ImportCall call{.shard = move.to,
                  .first = move.first,
                  .last = move.last,
                  .epoch = attempt.epoch,
                  .sequence = ++sequence_,
                  .commands = std::move(commands)};
  for (const engine::OwnedCommand& command : call.commands) {
    for (const std::string& arg : command.args) progress_.bytes += arg.size();
  }
  for (unsigned tries = 0;; ++tries) {
    const auto outcome = co_await within(reactor_, calls_, world_.import_slots(call), try_until(until_ns, tries));
    const LogErrc known = outcome.value_or(LogErrc::kTimedOut);
    if (known == LogErrc::kOk) co_return Next::kGoOn;
    if (known == LogErrc::kNotOwner) co_return failed("the other shard has lost what it had of the slots");
    if (known == LogErrc::kTooLarge) co_return co_await begin_giving_up(attempt, "a value is too large to travel");
    if (after_ns(retry_ms()) >= until_ns) co_return failed("the other shard does not take the data", known);
    co_await pause(retry_ms());
  }
}

// Steps 5 and 6.
Task<SlotMover::Next> SlotMover::freeze_and_flip(const Attempt& attempt) {
  const SlotMove& move = attempt.move;
  // Is the move still this attempt's, and can the cluster's state be changed now? Not to be found out behind the
  // freeze.
  auto seen = co_await within(reactor_, calls_, world_.read_move(id_), step_until());
  if (!seen || !seen->ok()) co_return failed("the move cannot be read: " + why(seen));
  if ((*seen)->revision != static_cast<int64_t>(attempt.epoch)) co_return Next::kRead;
  if (is_stopping_) co_return Next::kEnd;
  progress_.step = "handing over";
  const int64_t until_ns = after_ns(kFreezeMs);
  is_frozen_ = true;
  const LogErrc frozen = co_await change(move.from, change_of(move, SlotState::kFrozen, attempt.epoch), until_ns);
  if (frozen == LogErrc::kNotLeader) co_return lost();
  if (frozen != LogErrc::kOk) co_return failed("the slots cannot be frozen", frozen);
  if (options_.faults.flips_before_drain) co_return co_await flip(attempt, std::move(**seen), until_ns);
  const uint64_t sequence_before = sequence_;
  ExportPiece piece;
  do {
    piece = ExportPiece();
    const Next next = co_await carry(attempt, piece, until_ns);
    if (next != Next::kGoOn) co_return next;
    if (reactor_.clock().monotonic_ns() >= until_ns) co_return failed("what was left took too long");
  } while (piece.state != SlotWalk::State::kDrained);
  if (sequence_ == sequence_before) {
    const Next next = co_await import(attempt, {}, until_ns);
    if (next != Next::kGoOn) co_return next;
  }
  co_return co_await flip(attempt, std::move(**seen), until_ns);
}

Task<SlotMover::Next> SlotMover::flip(const Attempt& attempt, StoredMove seen, int64_t until_ns) {
  SlotMove move = attempt.move;
  move.phase = MovePhase::kHandingOver;
  move.epoch = attempt.epoch;
  while (true) {
    const auto flipped = co_await within(reactor_, calls_, world_.flip(move, seen), until_ns);
    if (!flipped || !flipped->ok()) co_return failed("the map cannot be changed: " + why(flipped));
    if (**flipped != 0) co_return co_await hand_over(std::move(move), **flipped);
    // Another move's flip was faster, or somebody has changed this move.
    auto again = co_await within(reactor_, calls_, world_.read_move(id_), until_ns);
    if (!again || !again->ok()) co_return failed("the move cannot be read: " + why(again));
    if ((*again)->revision != static_cast<int64_t>(attempt.epoch)) co_return Next::kRead;
    seen = std::move(**again);
  }
}

// Steps 7 to 10.
Task<SlotMover::Next> SlotMover::hand_over(SlotMove move, int64_t revision) {
  is_frozen_ = true;
  failures_ = 0;
  progress_.step = "handing over";
  progress_.attempt = move.attempt;
  const auto followed =
      co_await within(reactor_, calls_, world_.followed(move.to, revision), after_ns(options_.follow_ms));
  if (!followed || !followed->ok()) {
    log_debug("cluster", "the new map of slots is not known everywhere yet", {{"move", id_}, {"why", why(followed)}});
  }
  if (options_.faults.owns_before_gone) {
    (void)co_await change(move.to, change_of(move, SlotState::kOwned, move.epoch), step_until());
  }
  const LogErrc gone = co_await change(move.from, change_of(move, SlotState::kGone, move.epoch), step_until());
  if (gone == LogErrc::kNotLeader) co_return lost();
  if (gone != LogErrc::kOk) co_return failed("the slots cannot be given up", gone);
  const LogErrc owned = co_await change(move.to, change_of(move, SlotState::kOwned, move.epoch), step_until());
  if (owned != LogErrc::kOk) co_return failed("the other shard cannot be made the owner of the slots", owned);
  is_frozen_ = false;
  progress_.step = "deleting";
  const LogErrc wiped =
      co_await wipe(move.from, change_of(move, SlotState::kGone, move.epoch), after_ns(options_.wipe_ms));
  if (wiped == LogErrc::kNotLeader) co_return lost();
  if (wiped != LogErrc::kOk) co_return failed("what the shard still has of the slots cannot be deleted", wiped);
  const auto deleted = co_await within(reactor_, calls_, world_.delete_move(id_, revision), step_until());
  if (!deleted || !deleted->ok()) co_return failed("the move cannot be ended: " + why(deleted));
  if (**deleted == 0) co_return Next::kRead;
  log_info("cluster", "slots have moved to another shard",
           {{"move", id_}, {"slots", format_slots(move.first, move.last)}, {"from", move.from}, {"to", move.to}});
  co_return Next::kEnd;
}

Task<SlotMover::Next> SlotMover::begin_giving_up(const Attempt& attempt, std::string reason) {
  SlotMove move = attempt.move;
  move.phase = MovePhase::kGivingUp;
  move.why = one_line(std::move(reason));
  log_warn("cluster", "slots cannot be moved",
           {{"move", id_}, {"slots", format_slots(move.first, move.last)}, {"why", move.why}});
  const auto written =
      co_await within(reactor_, calls_, world_.write_move(move, static_cast<int64_t>(attempt.epoch)), step_until());
  if (!written || !written->ok()) co_return failed("the move cannot be given up: " + why(written));
  co_return Next::kRead;
}

// A new attempt too, one that only clears away.
Task<SlotMover::Next> SlotMover::give_up(SlotMove move, int64_t revision) {
  progress_.step = "giving up";
  Attempt attempt{.move = std::move(move), .epoch = 0};
  Next next = co_await begin_attempt(attempt, revision);
  if (next != Next::kGoOn) co_return next;
  const SlotMove& now = attempt.move;
  const LogErrc claimed = co_await change(now.from, change_of(now, SlotState::kOwned, attempt.epoch), step_until());
  if (claimed == LogErrc::kNotLeader) co_return lost();
  // Void: the shard does not have them, or another node has begun a later attempt, which the last step finds out.
  if (!is_certain(claimed)) co_return failed("the slots cannot be claimed", claimed);
  is_frozen_ = false;
  if (failures_ != 0) {
    co_await pause(std::min(options_.again_ms << std::min(failures_ - 1, kDoublingsMax), options_.again_ms_max));
  }
  if (is_stopping_) co_return Next::kEnd;
  next = co_await clear_away(attempt);
  if (next != Next::kGoOn) co_return next;
  SlotMove ended = attempt.move;
  ended.phase = MovePhase::kFailed;
  const auto written = co_await within(
      reactor_, calls_, world_.write_move(std::move(ended), static_cast<int64_t>(attempt.epoch)), step_until());
  if (!written || !written->ok()) co_return failed("the move cannot be ended: " + why(written));
  co_return Next::kRead;
}

Task<SlotMover::Next> SlotMover::clear_away(const Attempt& attempt) {
  const SlotMove& move = attempt.move;
  for (uint32_t slot = move.first; slot <= move.last;) {
    const Result<SlotRange> found = co_await state_of(move.to, static_cast<uint16_t>(slot), step_until());
    if (!found.ok()) co_return failed(found.error().message());
    SlotRange piece = *found;
    piece.first = static_cast<uint16_t>(slot);
    piece.last = std::min(piece.last, move.last);
    slot = piece.last + uint32_t{1};
    if (piece.state == SlotState::kOwned || piece.state == SlotState::kFrozen) continue;
    // Also what is kGone: a kImporting of an earlier attempt may still be on its way, and must come to nothing.
    SlotChange gone = change_of(move, SlotState::kGone, attempt.epoch);
    gone.first = piece.first;
    gone.last = piece.last;
    const LogErrc outcome = co_await change(move.to, gone, step_until());
    if (outcome != LogErrc::kOk) co_return failed("the other shard cannot give the slots up", outcome);
    const LogErrc wiped = co_await wipe(move.to, gone, after_ns(options_.wipe_ms));
    if (wiped != LogErrc::kOk) co_return failed("the other shard cannot delete what it has of the slots", wiped);
  }
  co_return Next::kGoOn;
}

Task<LogErrc> SlotMover::change(ShardId shard, SlotChange change, int64_t until_ns) {
  for (unsigned tries = 0;; ++tries) {
    const auto outcome =
        co_await within(reactor_, calls_, world_.change_slots(shard, change), try_until(until_ns, tries));
    const LogErrc known = outcome.value_or(LogErrc::kTimedOut);
    if (is_over(shard, known, until_ns)) co_return known;
    co_await pause(retry_ms());
  }
}

Task<LogErrc> SlotMover::wipe(ShardId shard, SlotRange range, int64_t until_ns) {
  for (unsigned tries = 0;; ++tries) {
    const auto outcome = co_await within(reactor_, calls_, world_.wipe_slots(shard, range), try_until(until_ns, tries));
    const LogErrc known = outcome.value_or(LogErrc::kTimedOut);
    if (is_over(shard, known, until_ns)) co_return known;
    co_await pause(retry_ms());
  }
}

Task<Result<SlotRange>> SlotMover::state_of(ShardId shard, uint16_t slot, int64_t until_ns) {
  while (true) {
    auto range = co_await within(reactor_, calls_, world_.slot_state(shard, slot), until_ns);
    if (range && range->ok()) co_return std::move(*range);
    if (!range) co_return fail(LogErrc::kTimedOut, "shard " + std::to_string(shard) + " does not answer");
    if (after_ns(retry_ms()) >= until_ns) co_return std::move(*range);
    co_await pause(retry_ms());
  }
}

int64_t SlotMover::try_until(int64_t until_ns, unsigned tries) const {
  return is_frozen_ ? std::min(until_ns, after_ns(kFrozenTryMs << std::min(tries, kDoublingsMax))) : until_ns;
}

int64_t SlotMover::retry_ms() const { return is_frozen_ ? kFrozenRetryMs : options_.retry_ms; }

bool SlotMover::is_over(ShardId shard, LogErrc outcome, int64_t until_ns) const {
  if (is_certain(outcome) || after_ns(retry_ms()) >= until_ns || !may_go_on()) return true;
  // Whoever leads it now carries on. The lead of the other shard is somebody's.
  return shard == from_ && outcome == LogErrc::kNotLeader;
}

Task<void> SlotMover::pause(int64_t ms) {
  // A piece at a time, so that a stop need not wait.
  constexpr int64_t kPieceMs = 100;
  const int64_t until_ns = after_ns(ms);
  while (reactor_.clock().monotonic_ns() < until_ns) {
    co_await env::sleep_for(reactor_, std::min(kPieceMs * kNsPerMs, until_ns - reactor_.clock().monotonic_ns()));
    if (!may_go_on()) co_return;
  }
}

// Or about to: the replica knows it before this reactor does.
SlotMover::Next SlotMover::lost() {
  return world_.leads(from_) ? failed("this node does not lead the shard any more") : Next::kEnd;
}

SlotMover::Next SlotMover::failed(std::string what) {
  log_info("cluster", "an attempt to move slots has failed; it is tried again", {{"move", id_}, {"why", what}});
  progress_.error = one_line(std::move(what));
  return Next::kAgain;
}

SlotMover::Next SlotMover::failed(std::string_view what, LogErrc outcome) {
  return failed(std::string(what) + ": " + log::make_error_code(outcome).message());
}

}  // namespace keelson::cluster
