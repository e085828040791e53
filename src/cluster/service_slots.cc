// Slots that move: what this node does as the one that leads the shard that gives them, what it answers other nodes,
// and what people ask for.

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "cluster/errors.h"
#include "cluster/service.h"
#include "cluster/service_limits.h"
#include "cluster/service_moving.h"

namespace keelson::cluster {

namespace {

// Of what somebody has changed at the same time.
constexpr unsigned kPlanTriesMax = 5;

std::unexpected<Error> not_ready() {
  return fail(ClusterErrc::kNoLeader, "this node does not take part in the cluster yet");
}

std::unexpected<Error> not_understood() { return fail(ClusterErrc::kFailed, "the request is not understood"); }

// What is known of a call that was not answered.
LogErrc outcome_of(const Error& error) {
  const std::error_code code = error.code();
  if (code == peer::PeerErrc::kBusy || code == peer::PeerErrc::kNoMethod || code == peer::PeerErrc::kFailed) {
    return LogErrc::kRefused;
  }
  return code == peer::PeerErrc::kTooLarge ? LogErrc::kTooLarge : LogErrc::kTimedOut;
}

shard::SlotImport import_of(ImportCall call) {
  shard::SlotImport import;
  import.first = call.first;
  import.last = call.last;
  import.epoch = call.epoch;
  import.sequence = call.sequence;
  import.commands = std::move(call.commands);
  return import;
}

Error explained(Error error, NodeId node) {
  if (error.code() != peer::PeerErrc::kNoMethod) return error;
  return {error.code(),
          "node " + std::to_string(node) + " does not know how to move slots: its version is older, update it first"};
}

}  // namespace

Task<Result<StoredMove>> Service::Moving::read_move(uint64_t id) {
  Result<StoredKeys> found = co_await service_.store_->read(std::string(kPrefix), std::string(kPrefixEnd), true);
  if (!found.ok()) co_return forward_error(found);
  StoredMove stored;
  const std::string key_of_move = move_key(id);
  for (const StoredKey& key : found->keys) {
    if (key.key == key_of_move) {
      std::optional<SlotMove> move = parse_move(id, key.value);
      if (!move) co_return fail(ClusterErrc::kDamaged, "the record of move " + std::to_string(id) + " is damaged");
      stored.move = std::move(*move);
      stored.revision = key.mod_revision;
    } else if (key.key == kSlotsKey) {
      auto slots = parse_slot_runs(key.value);
      if (!slots) co_return fail(ClusterErrc::kDamaged, "the map of slots is damaged");
      stored.slots = std::move(*slots);
      stored.slots_revision = key.mod_revision;
    }
  }
  co_return stored;
}

Task<Result<int64_t>> Service::Moving::write_move(SlotMove move, int64_t unchanged) {
  const std::string key = move_key(move.id);
  co_return co_await service_.store_->change_at(
      {.unchanged = {{key, unchanged}}, .seen = 0, .puts = {{key, format_move(move)}}});
}

Task<Result<int64_t>> Service::Moving::flip(SlotMove move, StoredMove seen) {
  SlotOwners owners(service_.shards_.slots, seen.slots);
  owners.give(move.first, move.last, move.to);
  const std::string key = move_key(move.id);
  co_return co_await service_.store_->change_at(
      {.unchanged = {{key, seen.revision}, {std::string(kSlotsKey), seen.slots_revision}},
       .seen = 0,
       .puts = {{std::string(kSlotsKey), format_slot_runs(owners.differences())}, {key, format_move(move)}}});
}

Task<Result<int64_t>> Service::Moving::delete_move(uint64_t id, int64_t unchanged) {
  const std::string key = move_key(id);
  co_return co_await service_.store_->change_at(
      {.unchanged = {{key, unchanged}}, .seen = 0, .puts = {}, .deletes = {key}});
}

Task<SlotReply> Service::Moving::ask(CallMethod method, ShardId shard, std::string request, int64_t timeout_ms) {
  const NodeId leader = leader_of(shard);
  if (leader == 0) co_return SlotReply{.outcome = LogErrc::kNoLeader};
  const Result<std::string> answer =
      co_await service_.mesh_.hub(0).call(leader, static_cast<uint32_t>(method), std::move(request), timeout_ms);
  SlotReply reply;
  if (!answer.ok()) {
    reply.outcome = outcome_of(answer.error());
  } else if (!decode(*answer, reply)) {
    reply.outcome = LogErrc::kTimedOut;
  }
  co_return reply;
}

Task<LogErrc> Service::Moving::change_slots(ShardId shard, shard::SlotChange change) {
  if (leads(shard)) co_return co_await service_.runtime_->change_slots(service_.home_, shard, change);
  const SlotReply reply = co_await ask(CallMethod::kChangeSlots, shard,
                                       encode(SlotCall{.shard = shard, .range = change}), kSlotCallTimeoutMs);
  co_return reply.outcome;
}

Task<Result<shard::SlotRange>> Service::Moving::slot_state(ShardId shard, uint16_t slot) {
  if (leads(shard)) co_return co_await service_.runtime_->slot_state(service_.home_, shard, slot);
  const NodeId leader = leader_of(shard);
  if (leader == 0) co_return fail(LogErrc::kNoLeader, "shard " + std::to_string(shard) + " has no leader now");
  SlotCall call{.shard = shard, .range = {}};
  call.range.first = call.range.last = slot;
  const Result<std::string> answer = co_await service_.mesh_.hub(0).call(
      leader, static_cast<uint32_t>(CallMethod::kSlotState), encode(call), kSlotCallTimeoutMs);
  if (!answer.ok()) co_return std::unexpected<Error>(explained(answer.error(), leader));
  SlotReply reply;
  if (!decode(*answer, reply)) co_return fail(ClusterErrc::kFailed, "the answer is not understood");
  if (reply.outcome == LogErrc::kOk) co_return reply.range;
  co_return fail(reply.outcome, "shard " + std::to_string(shard) + " does not say what it has of the slots: " +
                                    log::make_error_code(reply.outcome).message());
}

Task<LogErrc> Service::Moving::wipe_slots(ShardId shard, shard::SlotRange range) {
  if (leads(shard)) co_return co_await service_.wipe_here(shard, range);
  const SlotReply reply =
      co_await ask(CallMethod::kWipeSlots, shard, encode(SlotCall{.shard = shard, .range = range}), kImportTimeoutMs);
  co_return reply.outcome;
}

Task<LogErrc> Service::Moving::import_slots(ImportCall call) {
  if (!leads(call.shard)) {
    const SlotReply reply = co_await ask(CallMethod::kImportSlots, call.shard, encode(call), kImportTimeoutMs);
    co_return reply.outcome;
  }
  const ShardId shard = call.shard;
  co_return co_await service_.runtime_->import_slots(service_.home_, shard, import_of(std::move(call)));
}

Task<Status> Service::Moving::begin_export(ShardId shard, uint16_t first, uint16_t last) {
  auto begun = co_await service_.runtime_->export_slots(service_.home_, shard, first, last);
  if (!begun.ok()) co_return forward_error(begun);
  export_ = std::move(*begun);
  co_return Status();
}

Task<Result<ExportPiece>> Service::Moving::next_export(size_t bytes_wanted) {
  Result<shard::SlotBatch> batch = co_await export_->next(bytes_wanted);
  if (!batch.ok()) co_return forward_error(batch);
  // What a command costs besides its arguments, about.
  constexpr size_t kCommandBytes = 8;
  ExportPiece piece{.state = batch->state, .commands = std::move(batch->commands), .bytes = 0};
  for (const engine::OwnedCommand& command : piece.commands) {
    piece.bytes += kCommandBytes;
    for (const std::string& arg : command.args) piece.bytes += arg.size();
  }
  co_return piece;
}

Task<Status> Service::Moving::followed(ShardId shard, int64_t revision) {
  if (Status here = co_await service_.follow(revision); !here.ok()) co_return forward_error(here);
  const NodeId leader = leader_of(shard);
  if (leader == service_.file_.node) co_return Status();
  const Result<std::string> there = co_await service_.mesh_.hub(0).call(
      leader, static_cast<uint32_t>(CallMethod::kFollow), encode_revision(revision), kSlotCallTimeoutMs);
  if (!there.ok()) co_return std::unexpected<Error>(there.error());
  co_return Status();
}

void Service::add_slot_methods() {
  add_method(CallMethod::kCarryOnMove, false, &Service::answer_carry_on);
  add_method(CallMethod::kChangeSlots, false, &Service::answer_change_slots);
  add_method(CallMethod::kSlotState, false, &Service::answer_slot_state);
  add_method(CallMethod::kWipeSlots, false, &Service::answer_wipe_slots);
  add_method(CallMethod::kImportSlots, false, &Service::answer_import_slots);
  add_method(CallMethod::kFollow, false, &Service::answer_follow);
}

bool Service::has_slots(ShardId shard) const { return std::ranges::binary_search(shards_.slots, shard); }

Task<Result<std::string>> Service::answer_carry_on(peer::Caller, std::string request) {
  MoveCall call;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, call)) co_return not_understood();
  if (call.is_order) carry_on(call.move);
  const auto found = moving_.find(call.move);
  co_return encode(found == moving_.end() ? MoveProgress() : found->second->mover.progress());
}

void Service::carry_on(uint64_t move) {
  std::unique_ptr<Moving>& moving = moving_[move];
  if (moving != nullptr && moving->mover.progress().is_running) return;
  moving = std::make_unique<Moving>(*this, move);
  moving_tasks_->spawn(moving->mover.run());
}

// Those that are over.
void Service::forget_moves() {
  std::erase_if(moving_, [this](const auto& one) {
    return !one.second->mover.progress().is_running && !state_.moves.contains(one.first);
  });
}

Task<Result<std::string>> Service::answer_change_slots(peer::Caller, std::string request) {
  SlotCall call;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, call) || !has_slots(call.shard)) co_return not_understood();
  co_return encode(SlotReply{.outcome = co_await runtime_->change_slots(home_, call.shard, call.range)});
}

Task<Result<std::string>> Service::answer_slot_state(peer::Caller, std::string request) {
  SlotCall call;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, call) || !has_slots(call.shard)) co_return not_understood();
  const Result<shard::SlotRange> range = co_await runtime_->slot_state(home_, call.shard, call.range.first);
  SlotReply reply;
  if (range.ok()) {
    reply.range = *range;
  } else {
    const bool is_log = range.error().code().category() == log::make_error_code(LogErrc::kOk).category();
    reply.outcome = is_log ? static_cast<LogErrc>(range.error().code().value()) : LogErrc::kNoLeader;
  }
  co_return encode(reply);
}

Task<Result<std::string>> Service::answer_wipe_slots(peer::Caller, std::string request) {
  SlotCall call;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, call) || !has_slots(call.shard)) co_return not_understood();
  co_return encode(SlotReply{.outcome = co_await wipe_here(call.shard, call.range)});
}

// Who asks again while it is under way waits for the same one.
Task<LogErrc> Service::wipe_here(ShardId shard, shard::SlotRange range) {
  auto found = std::ranges::find_if(wipes_, [&](const auto& one) {
    const Wipe& wipe = one.second;
    return wipe.shard == shard && wipe.range.first == range.first && wipe.range.last == range.last &&
           wipe.range.epoch == range.epoch;
  });
  const bool is_new = found == wipes_.end();
  if (is_new) {
    found = wipes_.emplace(++last_wipe_, Wipe{.shard = shard, .range = range, .waiting = 0, .outcome = {}}).first;
  }
  Wipe& wipe = found->second;
  ++wipe.waiting;
  if (is_new) moving_tasks_->spawn(run_wipe(wipe));
  const int64_t until_ns = home_.clock().monotonic_ns() + kWipeAnswerMs * kNsPerMs;
  while (!wipe.outcome && home_.clock().monotonic_ns() < until_ns) {
    co_await env::sleep_for(home_, kLookMs * kNsPerMs);
  }
  --wipe.waiting;
  const LogErrc outcome = wipe.outcome.value_or(LogErrc::kTimedOut);
  forget_wipes();
  co_return outcome;
}

Task<void> Service::run_wipe(Wipe& wipe) {
  const shard::SlotRange range = wipe.range;
  wipe.outcome = co_await runtime_->wipe_slots(home_, wipe.shard, range.first, range.last, range.epoch);
  forget_wipes();
}

void Service::forget_wipes() {
  std::erase_if(wipes_, [](const auto& one) { return one.second.outcome && one.second.waiting == 0; });
}

Task<Result<std::string>> Service::answer_import_slots(peer::Caller, std::string request) {
  ImportCall call;
  if (!is_ready()) co_return not_ready();
  if (!decode(request, call) || !has_slots(call.shard)) co_return not_understood();
  const ShardId shard = call.shard;
  co_return encode(SlotReply{.outcome = co_await runtime_->import_slots(home_, shard, import_of(std::move(call)))});
}

Task<Result<std::string>> Service::answer_follow(peer::Caller, std::string request) {
  int64_t revision = 0;
  if (!is_ready()) co_return not_ready();
  if (!decode_revision(request, revision)) co_return not_understood();
  Status followed = co_await follow(revision);
  if (!followed.ok()) co_return forward_error(followed);
  co_return std::string();
}

Task<Status> Service::follow(int64_t revision) {
  const int64_t until_ns = home_.clock().monotonic_ns() + kFollowMs * kNsPerMs;
  while (shown_revision_ < revision) {
    if (home_.clock().monotonic_ns() >= until_ns) {
      co_return fail(ClusterErrc::kFailed, "node " + std::to_string(file_.node) + " is behind");
    }
    co_await env::sleep_for(home_, kLookMs * kNsPerMs);
  }
  co_return Status();
}

// While this node leads the system shard.
Task<void> Service::carry_on_moves(const Seen& seen) {
  for (const SlotMove& move : moves_due(state_.moves, kSlotMovesMax)) {
    const auto leader = seen.leaders.find(move.from);
    if (leader == seen.leaders.end()) continue;
    const NodeId node = leader->second.status.leader;
    const Result<std::string> answer =
        co_await mesh_.hub(0).call(node, static_cast<uint32_t>(CallMethod::kCarryOnMove),
                                   encode(MoveCall{.move = move.id, .is_order = true}), kCallTimeoutMs);
    if (answer.ok()) continue;
    log_debug("cluster", "a shard's leader cannot carry on with a move of slots; it is asked again",
              {{"move", move.id}, {"node", node}, {"why", explained(answer.error(), node).message()}});
  }
}

Task<std::vector<MoveFacts>> Service::move_facts(const Seen& seen) {
  std::vector<MoveFacts> facts;
  for (const auto& [id, move] : state_.moves) facts.push_back({.move = move, .node = 0, .progress = {}});
  for (const SlotMove& due : moves_due(state_.moves, kSlotMovesMax)) {
    const auto about = std::ranges::find_if(facts, [&](const MoveFacts& one) { return one.move.id == due.id; });
    const auto leader = seen.leaders.find(due.from);
    if (about == facts.end()) continue;
    if (leader == seen.leaders.end()) {
      about->progress.error = "shard " + std::to_string(due.from) + " has no leader that can be asked";
      continue;
    }
    about->node = leader->second.status.leader;
    const Result<std::string> answer =
        co_await mesh_.hub(0).call(about->node, static_cast<uint32_t>(CallMethod::kCarryOnMove),
                                   encode(MoveCall{.move = due.id, .is_order = false}), kCallTimeoutMs);
    if (!answer.ok()) {
      about->progress.error = explained(answer.error(), about->node).message();
    } else if (!decode(*answer, about->progress)) {
      about->progress = {};
    }
  }
  co_return facts;
}

// What the cluster has agreed on just now, and what a change of it depends on.
struct Service::Plan {
  ClusterState state;
  int64_t next_move = 0;  // revisions
  int64_t slots = 0;
};

Task<Result<Service::Plan>> Service::begin_plan() {
  if (!is_ready()) co_return not_ready();
  Result<StoredKeys> found = co_await store_->read(std::string(kPrefix), std::string(kPrefixEnd), true);
  if (!found.ok()) co_return forward_error(found);
  Plan plan;
  for (const StoredKey& key : found->keys) {
    const bool is_known = plan.state.apply(key.key, key.value);
    if (key.key == kNextMoveKey) plan.next_move = key.mod_revision;
    if (key.key == kSlotsKey) plan.slots = key.mod_revision;
    if (!is_known && (key.key == kSlotsKey || key.key == kNextMoveKey || key.key.starts_with(kMovesPrefix))) {
      co_return fail(ClusterErrc::kDamaged, "the key " + key.key + " is not understood");
    }
  }
  for (const auto& [id, node] : plan.state.nodes) {
    if (node.state == NodeState::kRemoved || node.can_move_slots) continue;
    co_return fail(ClusterErrc::kNotAllowed, "node " + std::to_string(id) + " (version " + node.version +
                                                 ") does not know how to move slots: update it first");
  }
  co_return plan;
}

// No moves: somebody was faster.
Task<Result<BegunMoves>> Service::begin_moves(Plan plan, std::vector<SlotMove> moves) {
  KeyChange change{.unchanged = {{std::string(kNextMoveKey), plan.next_move}, {std::string(kSlotsKey), plan.slots}},
                   .seen = 0,
                   .puts = {}};
  for (SlotMove& move : moves) {
    move.id = plan.state.next_move++;
    change.puts.emplace_back(move_key(move.id), format_move(move));
  }
  change.puts.emplace_back(kNextMoveKey, std::to_string(plan.state.next_move));
  for (const auto& [id, former] : plan.state.moves) {
    const bool is_in_the_way =
        std::ranges::any_of(moves, [&](const SlotMove& move) { return former.overlaps(move.first, move.last); });
    if (!former.is_under_way() && is_in_the_way) change.deletes.push_back(move_key(id));
  }
  Result<int64_t> done = co_await store_->change_at(std::move(change));
  if (!done.ok()) co_return forward_error(done);
  if (*done == 0) co_return BegunMoves();
  for (const SlotMove& move : moves) {
    log_info("cluster", "slots are to move to another shard",
             {{"move", move.id}, {"slots", format_slots(move.first, move.last)}, {"from", move.from}, {"to", move.to}});
  }
  // So that who asks this node next is told of them.
  if (const Status seen = co_await follow(*done); !seen.ok()) {
    log_debug("cluster", "moves of slots are not seen here yet", {{"why", seen.error().message()}});
  }
  co_return BegunMoves{.moves = std::move(moves), .is_all = true};
}

Task<Result<BegunMoves>> Service::move_slots(uint64_t first, uint64_t last, uint64_t to) {
  for (unsigned tries = 0; tries < kPlanTriesMax; ++tries) {
    Result<Plan> plan = co_await begin_plan();
    if (!plan.ok()) co_return forward_error(plan);
    const SlotOwners owners(shards_.slots, plan->state.slots);
    Result<std::vector<SlotMove>> moves = plan_moves({shards_.slots, owners, plan->state.moves}, first, last, to);
    if (!moves.ok()) co_return forward_error(moves);
    Result<BegunMoves> begun = co_await begin_moves(std::move(*plan), std::move(*moves));
    if (!begun.ok() || !begun->moves.empty()) co_return begun;
  }
  co_return fail(ClusterErrc::kFailed, "others move slots at the same time; try again");
}

Task<Result<BegunMoves>> Service::rebalance_slots() {
  for (unsigned tries = 0; tries < kPlanTriesMax; ++tries) {
    Result<Plan> plan = co_await begin_plan();
    if (!plan.ok()) co_return forward_error(plan);
    const SlotOwners owners(shards_.slots, plan->state.slots);
    Rebalance wanted = plan_rebalance({shards_.slots, owners, plan->state.moves});
    if (wanted.moves.empty()) co_return BegunMoves{.moves = {}, .is_all = wanted.is_all};
    Result<BegunMoves> begun = co_await begin_moves(std::move(*plan), std::move(wanted.moves));
    if (begun.ok()) begun->is_all = wanted.is_all;
    if (!begun.ok() || !begun->moves.empty()) co_return begun;
  }
  co_return fail(ClusterErrc::kFailed, "others move slots at the same time; try again");
}

Task<Status> Service::cancel_move(uint64_t move) {
  if (!is_ready()) co_return not_ready();
  const std::string key = move_key(move);
  for (unsigned tries = 0; tries < kPlanTriesMax; ++tries) {
    Result<StoredKey> stored = co_await store_->get(key);
    if (!stored.ok()) co_return forward_error(stored);
    std::optional<SlotMove> found = parse_move(move, stored->value);
    if (stored->mod_revision == 0 || !found) {
      co_return fail(ClusterErrc::kNotFound, "there is no move " + std::to_string(move) + "; it may be done");
    }
    KeyChange change{.unchanged = {{key, stored->mod_revision}}, .seen = 0, .puts = {}};
    switch (found->phase) {
      case MovePhase::kHandingOver:
        co_return fail(ClusterErrc::kNotAllowed,
                       "the slots belong to shard " + std::to_string(found->to) + " already; the move ends by itself");
      case MovePhase::kGivingUp:
        co_return Status();
      case MovePhase::kFailed:
        change.deletes.push_back(key);
        break;
      case MovePhase::kCopying:
        found->phase = MovePhase::kGivingUp;
        found->why = "cancelled";
        change.puts.emplace_back(key, format_move(*found));
        break;
    }
    Result<int64_t> done = co_await store_->change_at(std::move(change));
    if (!done.ok()) co_return forward_error(done);
    if (*done != 0) co_return Status();
  }
  co_return fail(ClusterErrc::kFailed, "the move changes all the time; try again");
}

// What is frozen is thawed or handed over, and what this node's reactors do for moves has ended.
Task<void> Service::stop_moving() {
  is_stopping_ = true;
  for (auto& [id, moving] : moving_) moving->mover.stop();
  co_await moving_tasks_->join();
}

}  // namespace keelson::cluster
