// A replicated shard whose slots move: what is held meanwhile, the records of moves, and the walks over what is there.

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "shard/replica.h"

namespace keelson::shard {

namespace {
constexpr int64_t kNsPerMs = 1'000'000;
// What waits for a write's outcome is looked at again after this.
constexpr int64_t kHeldRetryNs = 5 * kNsPerMs;
// Those whose time is over are told together: there may be many, and each round looks at all that is held.
constexpr int64_t kHeldCheckNs = 50 * kNsPerMs;
}  // namespace

SlotAnswer Replica::slot_answer_of_write(uint16_t slot) const {
  if (slot == kNoSlot && !slots_.may_flush()) return SlotAnswer::kHold;
  return slots_.for_write(slot);
}

SlotAnswer Replica::slot_answer(const Operation& operation, uint64_t order) const {
  const uint16_t slot = operation.slot();
  const SlotAnswer answer = operation.is_write ? slot_answer_of_write(slot) : slots_.for_read(slot);
  const bool is_behind = answer == SlotAnswer::kRun && !held_.is_empty() && held_.has(operation.sequence(), order);
  return is_behind ? SlotAnswer::kHold : answer;
}

void Replica::hold(const HeldOperation& held) {
  ++counters_.held_for_move;
  // What it waits for may be just leaving.
  if (is_releasing_) is_held_due_ = true;
  held_.add(held);
  arm_deadline(held.deadline_ns);
}

// What stands behind it in its sequence follows at the latest when anything held goes on, when it would run, or when it
// would be proposed again.
void Replica::put_off(size_t place) {
  Pending& pending = writes_[place];
  Operation& operation = *std::exchange(pending.operation, nullptr);
  if (!operation.is_write) {
    pending.bytes = encoded_bytes_max(operation.commands);
    pending_bytes_ += pending.bytes;
  } else if (pending.proposal == 0) {
    --unproposed_;
  }
  hold({&operation, pending.order, pending.deadline_ns, pending.bytes});
}

// Before anything of a sequence goes on: what must not pass it by is to stand behind it.
void Replica::hold_followers() {
  for (size_t i = 0; i < writes_.size(); ++i) {
    const Pending& pending = writes_[i];
    if (pending.operation == nullptr || (pending.operation->is_write && pending.proposal != 0)) continue;
    if (held_.has(pending.operation->sequence(), pending.order)) put_off(i);
  }
}

void Replica::finish_held(const HeldOperation& held, LogErrc outcome) {
  pending_bytes_ -= held.bytes;
  if (held_.has(held.operation->sequence())) is_held_due_ = true;
  held.operation->finished(outcome);
}

void Replica::run_held_before(const Pending& write) {
  const void* sequence = write.operation->sequence();
  const std::vector<HeldOperation> all_before = held_.take_before(sequence, write.order);
  if (all_before.empty()) return;
  if (held_.has(sequence)) is_held_due_ = true;
  for (const HeldOperation& before : all_before) {
    if (before.operation->is_write) {
      finish_held(before, LogErrc::kNotOwner);
    } else {
      pending_bytes_ -= before.bytes;
      run_query(*before.operation);
    }
  }
}

void Replica::tell_slots() {
  if (!std::exchange(are_slots_new_, false)) return;
  is_held_due_ = true;
  if (shard_.listener_ != nullptr) shard_.listener_->slots_changed(shard_);
}

// Each as if it were submitted now, in the order in which they were, unless it must still wait.
void Replica::release_held() {
  is_releasing_ = true;
  while (is_held_due_ && !held_.is_empty()) {
    is_held_due_ = false;
    hold_followers();
    // A write that was submitted later and is under way comes first into the log, or never: its outcome decides.
    // tidy: nondeterminism, because it is looked up and never walked.
    std::unordered_map<const void*, uint64_t> newest_write_of;
    for (const Pending& pending : writes_) {
      if (pending.operation == nullptr || !pending.operation->is_write) continue;
      if (const void* sequence = pending.operation->sequence()) newest_write_of[sequence] = pending.order;
    }
    // tidy: nondeterminism, likewise.
    std::unordered_set<const void*> waiting;
    const size_t count = held_.size();
    for (size_t i = 0; i < count; ++i) {
      if (held_.at(i).operation == nullptr) continue;
      Operation& operation = *held_.at(i).operation;
      const void* sequence = operation.sequence();
      if (sequence != nullptr && waiting.contains(sequence)) continue;
      const SlotAnswer answer =
          operation.is_write ? slot_answer_of_write(operation.slot()) : slots_.for_read(operation.slot());
      const auto newest = newest_write_of.find(sequence);
      const bool is_passed_by = newest != newest_write_of.end() && newest->second > held_.at(i).order;
      if (answer == SlotAnswer::kHold || (answer == SlotAnswer::kRun && is_passed_by)) {
        if (answer == SlotAnswer::kRun) retry_timer_.arm_after(kHeldRetryNs);
        if (sequence != nullptr) waiting.insert(sequence);
      } else if (answer == SlotAnswer::kNotOwner) {
        finish_held(held_.take(i), LogErrc::kNotOwner);
      } else {
        resubmit(held_.take(i));
      }
    }
    held_.close_gaps();
  }
  is_held_due_ = false;
  is_releasing_ = false;
}

void Replica::resubmit(const HeldOperation& held) {
  if (held.operation->is_write) {
    append_write(held);
  } else {
    pending_bytes_ -= held.bytes;
    append_read(held);
  }
}

void Replica::check_held_deadlines(int64_t now_ns, int64_t& next_ns) {
  const auto is_first = [&](int64_t deadline_ns) { return next_ns == 0 || deadline_ns < next_ns; };
  for (size_t i = 0, count = held_.size(); i < count; ++i) {
    if (held_.at(i).operation == nullptr) continue;
    if (held_.at(i).deadline_ns > now_ns) {
      const int64_t check_ns = std::max(held_.at(i).deadline_ns, now_ns + kHeldCheckNs);
      if (is_first(check_ns)) next_ns = check_ns;
      break;
    }
    ++counters_.timed_out;
    finish_held(held_.take(i), LogErrc::kNotOwner);
  }
  held_.close_gaps();
  while (!asked_.empty() && asked_.front().deadline_ns <= now_ns)
    end_asked(asked_.front().proposal, LogErrc::kTimedOut);
  if (!asked_.empty() && is_first(asked_.front().deadline_ns)) next_ns = asked_.front().deadline_ns;
}

void Replica::propose_control(std::span<const engine::Command> commands, CommitRequest& request) {
  const size_t bytes = encoded_bytes_max(commands);
  LogErrc refusal = LogErrc::kOk;
  if (log_ == nullptr) {
    refusal = LogErrc::kNotLeader;
  } else if (bytes > options_.record_bytes_max) {
    refusal = LogErrc::kTooLarge;
  } else if (pending_bytes_ != 0 && pending_bytes_ + bytes > options_.pending_bytes_max) {
    refusal = LogErrc::kRefused;
  }
  if (refusal != LogErrc::kOk) {
    reactor_.post([&request, refusal] { request.decided(refusal); });
    return;
  }
  pending_bytes_ += bytes;
  const int64_t deadline_ns = next_deadline_ns();
  asked_.push_back({++last_proposal_, &request, deadline_ns, bytes});
  encode_commands(commands, log_->begin(last_proposal_, kNoSlot, false));
  log_->end();
  arm_deadline(deadline_ns);
}

void Replica::change_slots(const SlotChange& change, CommitRequest& request) {
  Buffer range;
  encode_slot_range(change, range);
  const std::string_view argument = range.view();
  const engine::Command command{control::kSlots, 0, {&argument, 1}};
  propose_control({&command, 1}, request);
}

void Replica::import(const SlotImport& import, CommitRequest& request) {
  Buffer head;
  append_varint(head, import.epoch);
  append_varint(head, import.first);
  append_varint(head, import.last);
  append_varint(head, import.sequence);
  const std::string_view argument = head.view();
  std::vector<engine::Command> all{{control::kImport, 0, {&argument, 1}}};
  std::vector<std::vector<std::string_view>> args;
  args.reserve(import.commands.size());
  for (const engine::OwnedCommand& command : import.commands) {
    args.emplace_back(command.args.begin(), command.args.end());
    all.push_back({command.code, command.space, args.back()});
  }
  propose_control(all, request);
}

void Replica::end_asked(uint64_t proposal, LogErrc outcome) {
  const auto found =
      std::find_if(asked_.begin(), asked_.end(), [&](const Asked& asked) { return asked.proposal == proposal; });
  if (found == asked_.end()) return;
  CommitRequest& request = *found->request;
  pending_bytes_ -= found->bytes;
  asked_.erase(found);
  request.decided(outcome);
}

bool Replica::apply_control(const engine::Command& command, LogErrc& outcome, bool& is_doubled) {
  if (command.args.size() != 1) return false;
  std::string_view argument = command.args[0];
  if (command.code == control::kSlots) {
    SlotChange change;
    if (!read_slot_range(argument, change) || !argument.empty()) return false;
    const bool is_done = slots_.change(change);
    outcome = is_done ? LogErrc::kOk : LogErrc::kNotOwner;
    are_slots_new_ |= is_done;
    return true;
  }
  if (command.code != control::kImport) return false;
  uint64_t epoch = 0, first = 0, last = 0, sequence = 0;
  if (!read_varint(argument, epoch) || !read_varint(argument, first) || !read_varint(argument, last) ||
      !read_varint(argument, sequence) || !argument.empty() || first >= kSlotCount || last >= kSlotCount) {
    return false;
  }
  const SlotTable::Import answer =
      slots_.import(static_cast<uint16_t>(first), static_cast<uint16_t>(last), epoch, sequence);
  outcome = answer == SlotTable::Import::kVoid ? LogErrc::kNotOwner : LogErrc::kOk;
  is_doubled = answer == SlotTable::Import::kDoubled;
  return true;
}

Result<uint64_t> Replica::begin_walk(WalkUse use, uint16_t first, uint16_t last) {
  KEELSON_CHECK(first <= last && last < kSlotCount, "slots end at 16383");
  if (shard_.damage_) return fail(LogErrc::kDamaged, *shard_.damage_);
  if (!leads() || is_tainted_) return fail(LogErrc::kNotLeader, "shard: this node does not lead it");
  engine::Engine& engine = *shard_.engine_;
  auto walk = use == WalkUse::kExport ? engine.begin_export(first, last) : engine.begin_wipe(first, last);
  if (walk == nullptr) return fail(LogErrc::kRefused, "shard: its engine has no slots");
  walks_.push_back({++last_walk_, std::move(walk)});
  return last_walk_;
}

Result<SlotBatch> Replica::next_of_walk(uint64_t number, size_t bytes_wanted) {
  const auto found =
      std::find_if(walks_.begin(), walks_.end(), [&](const Walk& some) { return some.number == number; });
  if (shard_.damage_) return fail(LogErrc::kDamaged, *shard_.damage_);
  if (found == walks_.end() || found->is_over || is_tainted_) {
    return fail(LogErrc::kNotLeader, "shard: this node does not lead it any more");
  }
  SlotBatch batch;
  auto state = found->walk->next(bytes_wanted, batch.commands);
  if (!state.ok()) return forward_error(state);
  batch.state = *state;
  return batch;
}

void Replica::end_walk(uint64_t number) {
  for (Walk& some : walks_) some.is_over |= some.number == number;
  if (!shard_.is_lent_) drop_walks();
}

void Replica::end_walks() {
  for (Walk& some : walks_) some.is_over = true;
  if (!shard_.is_lent_) drop_walks();
}

// The engine is in nobody else's hands.
void Replica::drop_walks() {
  std::erase_if(walks_, [](const Walk& some) { return some.is_over; });
}

}  // namespace keelson::shard
