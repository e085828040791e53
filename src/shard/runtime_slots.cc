// Runtime as a node of a cluster whose slots move.

#include <coroutine>
#include <utility>

#include "base/check.h"
#include "shard/runtime.h"
#include "shard/visit.h"

namespace keelson::shard {

namespace {

// Of a record that deletes: how long the shard's other records wait for it.
constexpr size_t kWipeBytes = 16 << 10;

// Asks a replica, on its owner's reactor, for what becomes of a record, and goes on in a turn of its own.
template <class Ask>
class AskReplica final : public CommitRequest {
 public:
  AskReplica(env::Reactor& here, Runtime& runtime, ShardId id, Ask ask)
      : here_(here), owner_(runtime.reactor_of(id)), shard_(runtime.shard(id)), ask_(std::move(ask)) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    owner_.post([this] { ask(); });
  }
  LogErrc await_resume() const noexcept { return outcome_; }
  void decided(LogErrc outcome) override {
    outcome_ = outcome;
    here_.post([this] { waiter_.resume(); });
  }

 private:
  void ask() {
    Replica* replica = shard_.replica();
    if (shard_.damage()) {
      decided(LogErrc::kDamaged);
    } else if (replica == nullptr || !replica->leads()) {
      decided(LogErrc::kNotLeader);
    } else {
      ask_(*replica, *this);
    }
  }

  env::Reactor& here_;
  env::Reactor& owner_;
  Shard& shard_;
  Ask ask_;
  LogErrc outcome_ = LogErrc::kOk;
  std::coroutine_handle<> waiter_;
};

class NoReply final : public engine::ReplySink {};

// A query of no command: all that it wants is its place behind what was committed before.
class AskSlot final : public Operation {
 public:
  AskSlot(env::Reactor& here, Runtime& runtime, ShardId id, uint16_t asked)
      : here_(here), owner_(runtime.reactor_of(id)), target_(runtime.shard(id)), asked_(asked) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    owner_.post([this] {
      if (target_.replica() == nullptr || !target_.replica()->leads()) {
        finished(LogErrc::kNotLeader);
      } else {
        target_.submit(*this);
      }
    });
  }
  std::pair<LogErrc, SlotRange> await_resume() const noexcept { return {outcome_, range_}; }
  engine::ReplySink& open_reply() override { return nobody_; }
  void finished(LogErrc outcome) override {
    outcome_ = outcome;
    if (outcome == LogErrc::kOk && !target_.replica()->leads()) outcome_ = LogErrc::kNotLeader;
    if (outcome_ == LogErrc::kOk) range_ = target_.replica()->slots().at(asked_);
    here_.post([this] { waiter_.resume(); });
  }
  [[nodiscard]] uint16_t slot() const override { return kNoSlot; }

 private:
  env::Reactor& here_;
  env::Reactor& owner_;
  Shard& target_;
  const uint16_t asked_;
  NoReply nobody_;
  LogErrc outcome_ = LogErrc::kOk;
  SlotRange range_;
  std::coroutine_handle<> waiter_;
};

std::unexpected<Error> no_leader_here(ShardId id) {
  return fail(LogErrc::kNotLeader, "shard " + std::to_string(id) + ": this node does not lead it");
}

// The walk of a wipe, or of an export: in their reactor's own words, for whoever else has the engine must be waited
// for.
Task<Result<uint64_t>> begin_walk(Runtime& runtime, env::Reactor& here, ShardId id, Replica::WalkUse use,
                                  uint16_t first, uint16_t last) {
  co_return co_await visit(runtime, here, id, [&](Shard& shard) -> Result<uint64_t> {
    if (shard.replica() == nullptr) return no_leader_here(id);
    return shard.replica()->begin_walk(use, first, last);
  });
}

LogErrc code_of(const Error& error) {
  return error.code().category() == make_error_code(LogErrc::kOk).category()
             ? static_cast<LogErrc>(error.code().value())
             : LogErrc::kFailed;
}

}  // namespace

SlotExport::~SlotExport() {
  if (runtime_.is_abandoned()) return;
  const auto end = [&runtime = runtime_, shard = shard_, walk = walk_] {
    runtime.shard(shard).replica()->end_walk(walk);
  };
  env::Reactor& owner = runtime_.reactor_of(shard_);
  if (&owner == &here_) {
    end();
  } else {
    owner.post(end);
  }
}

Task<Result<SlotBatch>> SlotExport::next(size_t bytes_wanted) {
  co_return co_await visit(runtime_, here_, shard_,
                           [&](Shard& shard) { return shard.replica()->next_of_walk(walk_, bytes_wanted); });
}

void Runtime::add_router(const ServiceOptions& service) {
  const auto first = static_cast<ShardId>(service_of_.size());
  const bool has_slots = is_replicated() && service.is_replicated && service.has_slots;
  KEELSON_CHECK(!has_slots || service.shard_count <= kSlotCount, "each shard has a home range");
  const Router home(first, service.shard_count, env_.reactor_count());
  if (has_slots && routers_.empty()) {
    slot_map_ = std::make_unique<SlotMap>();
    for (uint32_t slot = 0; slot < kSlotCount; ++slot) {
      const auto one = static_cast<uint16_t>(slot);
      slot_map_->set(one, one, home.home_of_slot(one));
    }
    routers_.emplace_back(first, service.shard_count, env_.reactor_count(), slot_map_.get());
  } else {
    routers_.push_back(home);
  }
}

SlotTable Runtime::home_slots(ShardId id) const {
  if (!is_replicated(id) || !service_of(id).has_slots) return {};
  const Router& of_service = router(service_of_[id]);
  return {static_cast<uint16_t>(of_service.home_begin(id)),
          static_cast<uint16_t>(of_service.home_begin(uint32_t{id} + 1) - 1)};
}

Task<LogErrc> Runtime::change_slots(env::Reactor& here, ShardId id, SlotChange change) {
  const auto ask = [&](Replica& replica, CommitRequest& request) { replica.change_slots(change, request); };
  co_return co_await AskReplica(here, *this, id, ask);
}

Task<Result<SlotRange>> Runtime::slot_state(env::Reactor& here, ShardId id, uint16_t slot) {
  KEELSON_CHECK(slot < kSlotCount, "slots end at 16383");
  const auto [outcome, range] = co_await AskSlot(here, *this, id, slot);
  if (outcome == LogErrc::kNotLeader) co_return no_leader_here(id);
  if (outcome != LogErrc::kOk) {
    co_return fail(outcome, "shard " + std::to_string(id) + ": " + make_error_code(outcome).message());
  }
  co_return range;
}

Task<LogErrc> Runtime::import_slots(env::Reactor& here, ShardId id, SlotImport import) {
  const auto ask = [&](Replica& replica, CommitRequest& request) { replica.import(import, request); };
  co_return co_await AskReplica(here, *this, id, ask);
}

Task<LogErrc> Runtime::wipe_slots(env::Reactor& here, ShardId id, uint16_t first, uint16_t last, uint64_t epoch) {
  bool is_asked = false;
  for (;;) {
    auto walk = co_await begin_walk(*this, here, id, Replica::WalkUse::kWipe, first, last);
    if (!walk.ok()) co_return code_of(walk.error());
    SlotExport what(*this, here, id, *walk);
    for (;;) {
      auto batch = co_await what.next(kWipeBytes);
      if (!batch.ok()) co_return code_of(batch.error());
      // Everything is gone, or other: what is there now?
      if (batch->state == engine::SlotWalk::State::kLost) break;
      const bool is_last = batch->state == engine::SlotWalk::State::kDrained;
      // At least one, for the table's word.
      if (!batch->commands.empty() || (is_last && !is_asked)) {
        is_asked = true;
        const LogErrc wiped = co_await import_slots(here, id, {first, last, epoch, 0, std::move(batch->commands)});
        if (wiped != LogErrc::kOk) co_return wiped;
      }
      if (is_last) co_return LogErrc::kOk;
    }
  }
}

Task<Result<std::unique_ptr<SlotExport>>> Runtime::export_slots(env::Reactor& here, ShardId id, uint16_t first,
                                                                uint16_t last) {
  auto walk = co_await begin_walk(*this, here, id, Replica::WalkUse::kExport, first, last);
  if (!walk.ok()) co_return forward_error(walk);
  co_return std::make_unique<SlotExport>(*this, here, id, *walk);
}

}  // namespace keelson::shard
