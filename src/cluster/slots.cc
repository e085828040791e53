#include "cluster/slots.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "cluster/errors.h"
#include "cluster/state.h"
#include "shard/router.h"

namespace keelson::cluster {

namespace {

constexpr uint32_t kSlots = shard::kSlotCount;

template <class Number>
bool take_number(std::string_view& text, uint64_t most, Number& number) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > most) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  number = static_cast<Number>(value);
  return true;
}

bool take(std::string_view& text, char what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(1);
  return true;
}

std::vector<SlotRun> runs_of(const std::vector<ShardId>& owners, const std::vector<ShardId>* but) {
  std::vector<SlotRun> runs;
  for (uint32_t slot = 0; slot < owners.size(); ++slot) {
    if (but != nullptr && (*but)[slot] == owners[slot]) continue;
    const auto at = static_cast<uint16_t>(slot);
    if (!runs.empty() && runs.back().shard == owners[slot] && runs.back().last + 1U == slot) {
      runs.back().last = at;
    } else {
      runs.push_back({at, at, owners[slot]});
    }
  }
  return runs;
}

bool has_shard(const SlotWish& wish, uint64_t shard) {
  return std::ranges::find(wish.shards, shard) != wish.shards.end();
}

size_t under_way(const SlotMoves& moves) {
  return static_cast<size_t>(std::ranges::count_if(moves, [](const auto& one) { return one.second.is_under_way(); }));
}

std::optional<MovePhase> phase_of(std::string_view name) {
  for (const MovePhase phase :
       {MovePhase::kCopying, MovePhase::kHandingOver, MovePhase::kGivingUp, MovePhase::kFailed}) {
    if (name_of(phase) == name) return phase;
  }
  return std::nullopt;
}

}  // namespace

std::string format_slots(uint16_t first, uint16_t last) {
  return first == last ? std::to_string(first) : std::to_string(first) + "-" + std::to_string(last);
}

std::string format_slot_runs(const std::vector<SlotRun>& runs) {
  std::string text;
  for (const SlotRun& run : runs) text += format_slots(run.first, run.last) + " " + std::to_string(run.shard) + "\n";
  return text;
}

std::optional<std::vector<SlotRun>> parse_slot_runs(std::string_view text) {
  std::vector<SlotRun> runs;
  while (!text.empty()) {
    SlotRun run;
    if (!take_number(text, kSlots - 1, run.first)) return std::nullopt;
    run.last = run.first;
    if (take(text, '-') && !take_number(text, kSlots - 1, run.last)) return std::nullopt;
    if (!take(text, ' ') || !take_number(text, std::numeric_limits<ShardId>::max(), run.shard)) return std::nullopt;
    if (!text.empty() && !take(text, '\n')) return std::nullopt;
    if (run.last < run.first || (!runs.empty() && run.first <= runs.back().last)) return std::nullopt;
    runs.push_back(run);
  }
  return runs;
}

SlotOwners::SlotOwners(const std::vector<ShardId>& shards, const std::vector<SlotRun>& differences) {
  if (shards.empty()) return;
  static_.reserve(kSlots);
  for (uint32_t slot = 0; slot < kSlots; ++slot) static_.push_back(shards[size_t{slot} * shards.size() / kSlots]);
  owners_ = static_;
  for (const SlotRun& run : differences) {
    if (std::ranges::find(shards, run.shard) != shards.end()) give(run.first, run.last, run.shard);
  }
}

void SlotOwners::give(uint16_t first, uint16_t last, ShardId shard) {
  std::fill(owners_.begin() + first, owners_.begin() + last + 1, shard);
}

std::vector<SlotRun> SlotOwners::runs() const { return runs_of(owners_, nullptr); }

std::vector<SlotRun> SlotOwners::differences() const { return runs_of(owners_, &static_); }

std::string_view name_of(MovePhase phase) {
  switch (phase) {
    case MovePhase::kCopying:
      return "copying";
    case MovePhase::kHandingOver:
      return "handing-over";
    case MovePhase::kGivingUp:
      return "giving-up";
    case MovePhase::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string format_move(const SlotMove& move) {
  Fields fields = move.fields;
  fields.set("phase", std::string(name_of(move.phase)));
  fields.set("first", uint64_t{move.first});
  fields.set("last", uint64_t{move.last});
  fields.set("from", uint64_t{move.from});
  fields.set("to", uint64_t{move.to});
  fields.set("attempt", move.attempt);
  fields.set("epoch", move.epoch);
  fields.set("why", move.why);
  return fields.format();
}

std::optional<SlotMove> parse_move(uint64_t id, std::string_view value) {
  std::optional<Fields> fields = Fields::parse(value);
  if (!fields) return std::nullopt;
  const auto phase = phase_of(fields->text("phase"));
  const auto first = fields->number("first");
  const auto last = fields->number("last");
  const auto from = fields->number("from");
  const auto to = fields->number("to");
  const auto attempt = fields->number("attempt");
  const auto epoch = fields->number("epoch");
  constexpr uint64_t kShardMax = std::numeric_limits<ShardId>::max();
  if (!phase || !first || !last || !from || !to || !attempt || !epoch || *first > *last || *last >= kSlots ||
      *from > kShardMax || *to > kShardMax || *from == *to) {
    return std::nullopt;
  }
  SlotMove move{.id = id,
                .first = static_cast<uint16_t>(*first),
                .last = static_cast<uint16_t>(*last),
                .from = static_cast<ShardId>(*from),
                .to = static_cast<ShardId>(*to),
                .phase = *phase,
                .attempt = *attempt,
                .epoch = *epoch,
                .why = fields->text("why"),
                .fields = {}};
  move.fields = std::move(*fields);
  return move;
}

Result<std::vector<SlotMove>> plan_moves(const SlotWish& wish, uint64_t first, uint64_t last, uint64_t to) {
  if (!has_shard(wish, to)) {
    return fail(ClusterErrc::kNotFound, "there is no shard " + std::to_string(to) + " that slots belong to");
  }
  if (last < first || last >= kSlots) {
    return fail(ClusterErrc::kNotFound,
                "there are no slots " + std::to_string(first) + "-" + std::to_string(last) + "; they are 0-16383");
  }
  const auto a = static_cast<uint16_t>(first);
  const auto b = static_cast<uint16_t>(last);
  for (const auto& [id, move] : wish.moves) {
    if (!move.is_under_way() || !move.overlaps(a, b)) continue;
    return fail(ClusterErrc::kNotAllowed, "slots " + format_slots(move.first, move.last) + " are in move " +
                                              std::to_string(id) + " from shard " + std::to_string(move.from) +
                                              " to shard " + std::to_string(move.to) + " already");
  }
  std::vector<SlotMove> moves;
  for (const SlotRun& run : wish.owners.runs()) {
    if (run.shard == to || run.last < a || b < run.first) continue;
    SlotMove& move = moves.emplace_back();
    move.first = std::max(run.first, a);
    move.last = std::min(run.last, b);
    move.from = run.shard;
    move.to = static_cast<ShardId>(to);
  }
  if (moves.empty()) {
    return fail(ClusterErrc::kNotAllowed,
                "shard " + std::to_string(to) + " has slots " + format_slots(a, b) + " already");
  }
  if (moves.size() > kMovesPlannedMax) {
    return fail(ClusterErrc::kNotAllowed, "slots " + format_slots(a, b) + " are " + std::to_string(moves.size()) +
                                              " runs of different owners; one command moves at most " +
                                              std::to_string(kMovesPlannedMax));
  }
  if (under_way(wish.moves) + moves.size() > kMovesWaitingMax) {
    return fail(ClusterErrc::kNotAllowed, "too many moves wait already (" + std::to_string(kMovesWaitingMax) +
                                              " at most); try again when some are done");
  }
  return moves;
}

Rebalance plan_rebalance(const SlotWish& wish) {
  Rebalance plan;
  if (wish.shards.empty()) return plan;
  SlotOwners after = wish.owners;
  std::vector<bool> is_busy(kSlots, false);
  for (const auto& [id, move] : wish.moves) {
    if (!move.is_under_way()) continue;
    for (uint32_t slot = move.first; slot <= move.last; ++slot) is_busy[slot] = true;
    if (move.phase != MovePhase::kGivingUp) after.give(move.first, move.last, move.to);
  }
  std::map<ShardId, uint32_t> has;
  for (const ShardId shard : wish.shards) has[shard] = 0;
  for (const SlotRun& run : after.runs()) has[run.shard] += run.last - run.first + 1U;
  // The shards that have most keep the slots that do not divide evenly: so nothing moves for their sake.
  const auto count = static_cast<uint32_t>(wish.shards.size());
  std::vector<ShardId> order = wish.shards;
  std::ranges::sort(order, [&](ShardId a, ShardId b) { return has[a] != has[b] ? has[a] > has[b] : a < b; });
  std::map<ShardId, uint32_t> wanted;
  for (uint32_t i = 0; i < count; ++i) wanted[order[i]] = kSlots / count + (i < kSlots % count ? 1 : 0);
  const size_t room = kMovesWaitingMax - std::min(kMovesWaitingMax, under_way(wish.moves));
  const size_t most = std::min(kMovesPlannedMax, room);

  auto taker = order.rbegin();
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    const auto at = static_cast<uint16_t>(slot);
    const ShardId from = after.owner(at);
    if (is_busy[slot] || has[from] <= wanted[from]) continue;
    while (taker != order.rend() && has[*taker] >= wanted[*taker]) ++taker;
    if (taker == order.rend()) break;
    SlotMove* last = plan.moves.empty() ? nullptr : &plan.moves.back();
    if (last != nullptr && last->from == from && last->to == *taker && last->last + 1U == slot) {
      last->last = at;
    } else if (plan.moves.size() == most) {
      plan.is_all = false;
      break;
    } else {
      SlotMove& move = plan.moves.emplace_back();
      move.first = at;
      move.last = at;
      move.from = from;
      move.to = *taker;
    }
    --has[from];
    ++has[*taker];
  }
  return plan;
}

std::vector<SlotMove> moves_due(const SlotMoves& moves, size_t most) {
  std::vector<SlotMove> due;
  std::set<ShardId> giving;
  std::set<ShardId> taking;
  const auto occupy = [&](const SlotMove& move) {
    giving.insert(move.from);
    taking.insert(move.to);
    due.push_back(move);
  };
  for (const auto& [id, move] : moves) {
    if (move.is_under_way() && move.phase != MovePhase::kCopying) occupy(move);
  }
  size_t copying = 0;
  for (const auto& [id, move] : moves) {
    if (move.phase != MovePhase::kCopying || copying == most) continue;
    if (giving.contains(move.from) || taking.contains(move.to)) continue;
    occupy(move);
    ++copying;
  }
  return due;
}

}  // namespace keelson::cluster
