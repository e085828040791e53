// MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//
// EXEC borrows the shards of all queued commands and of all watched keys, looks whether a watched key has changed, runs
// everything on the session's thread and logs it as one record.

#include <algorithm>
#include <optional>
#include <utility>

#include "base/crc16.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/keyed_commands.h"
#include "protocol/resp/lent_commands.h"
#include "protocol/resp/refusals.h"
#include "protocol/resp/shard_agent.h"
#include "shard/replica.h"
#include "shard/visit.h"

namespace keelson::resp {

namespace {

// A key that nobody watches any more, on its way to its shard. Frees itself.
class Unwatch final : public shard::LoanRequest {
 public:
  Unwatch(KvService& service, TransactionState::Watched watched) : service_(service), watched_(std::move(watched)) {}
  void granted(shard::Shard& shard) override {
    service_.agent(watched_.shard).unwatch(watched_.database, watched_.key);
    shard.give_back();
    delete this;
  }
  [[nodiscard]] shard::ShardId shard() const { return watched_.shard; }

 private:
  KvService& service_;
  TransactionState::Watched watched_;
};

bool runs_on_shards(const kv::CommandSpec& spec) { return spec.handler != nullptr; }

// A session command may ask for any key while it runs inside EXEC; INFO and MEMORY STATS count all of them, and CLUSTER
// COUNTKEYSINSLOT and GETKEYSINSLOT walk a shard.
bool may_need_any_shard(const kv::CommandSpec& spec) {
  const bool uses_keys = (spec.flags & (kv::kReadonly | kv::kWrite)) != 0;
  const bool counts_keys = spec.name == "INFO" || spec.name == "MEMORY|STATS" ||
                           spec.name == "CLUSTER|COUNTKEYSINSLOT" || spec.name == "CLUSTER|GETKEYSINSLOT";
  return spec.home == kv::Home::kSession && spec.handler == nullptr && (uses_keys || counts_keys);
}

// It waits for shards, maybe for the very ones that the transaction holds.
bool waits_for_shards(const kv::CommandSpec& spec) {
  return spec.name == "DEBUG" || spec.name == "CONFIG|SET" || spec.name == "SAVE" || spec.name == "SHUTDOWN";
}

std::vector<std::string_view> views_of(const std::vector<std::string>& args) { return {args.begin(), args.end()}; }

std::vector<shard::ShardId> shards_of_transaction(const shard::Router& router, const TransactionState& transaction) {
  std::vector<shard::ShardId> shards;
  for (const TransactionState::Watched& watched : transaction.watched) shards.push_back(watched.shard);
  for (const TransactionState::Queued& queued : transaction.queue) {
    if (runs_on_shards(*queued.spec)) {
      const std::vector<std::string_view> args = views_of(queued.args);
      const std::vector<shard::ShardId> more = shards_of(router, *queued.spec, args);
      shards.insert(shards.end(), more.begin(), more.end());
    } else if (may_need_any_shard(*queued.spec)) {
      for (shard::ShardId id = 0; id < router.shard_count(); ++id) shards.push_back(id);
    }
  }
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  return shards;
}

// A key whose slot has moved since WATCH counts as changed: nobody has looked after it all the time.
bool is_watch_broken(KvService& service, const TransactionState& transaction, const shard::Loan& loan) {
  const int64_t now_ms = loan.time_ms();
  for (const TransactionState::Watched& watched : transaction.watched) {
    if (!std::ranges::binary_search(loan.shards(), watched.shard)) return true;
    const ShardAgent::Watch seen{watched.version, watched.exists};
    if (service.agent(watched.shard).is_changed(watched.database, watched.key, seen, now_ms)) return true;
  }
  return false;
}

// Runs the queue on the shards that are held; the answers go where out() points.
Task<void> run_queue(Session& session, LentCommands& commands, std::vector<TransactionState::Queued>& queue,
                     std::vector<std::vector<std::string_view>>& args) {
  session.out().array(queue.size());
  session.set_held(&commands);
  for (size_t i = 0; i < queue.size(); ++i) {
    const kv::CommandSpec& spec = *queue[i].spec;
    const uint64_t errors_before = session.out().error_count();
    if (runs_on_shards(spec)) {
      commands.run(spec, session.client().database, args[i], session.out());
    } else {
      co_await session_handler(spec.code)(session, args[i]);
    }
    session.local().stats->called(spec.code, 0);
    if (session.out().error_count() != errors_before) session.local().stats->failed(spec.code);
  }
  session.set_held(nullptr);
}

// In a cluster: the slot of all keys, watched ones included; kNoSlot without keys. None: they have several.
std::optional<uint16_t> slot_of_transaction(const TransactionState& transaction) {
  std::optional<uint16_t> slot;
  bool is_single = true;
  const auto add = [&](std::string_view key) {
    is_single &= !slot || *slot == key_slot(key);
    slot = key_slot(key);
  };
  std::vector<uint32_t> keys;
  for (const TransactionState::Queued& queued : transaction.queue) {
    if (!runs_on_shards(*queued.spec)) continue;
    const std::vector<std::string_view> args = views_of(queued.args);
    if (!kv::keys_of(*queued.spec, args, keys)) continue;
    for (uint32_t key : keys) add(args[key]);
  }
  for (const TransactionState::Watched& watched : transaction.watched) add(watched.key);
  if (!is_single) return std::nullopt;
  return slot.value_or(shard::kNoSlot);
}

// Nothing is watched and every command is the shard's: one record, proposed from any node.
bool fits_one_record(const TransactionState& transaction) {
  return transaction.watched.empty() && std::ranges::all_of(transaction.queue, [](const auto& queued) {
           return runs_on_shards(*queued.spec) && queued.spec->home != kv::Home::kAllShards;
         });
}

Task<void> execute_as_record(Session& session, TransactionState& transaction, uint16_t slot) {
  std::vector<std::vector<std::string_view>> args;
  std::vector<engine::Command> commands;
  bool is_write = false;
  args.reserve(transaction.queue.size());
  for (const TransactionState::Queued& queued : transaction.queue) {
    args.push_back(views_of(queued.args));
    commands.push_back({queued.spec->code, session.client().database, args.back()});
    is_write |= kv::is_write(*queued.spec);
    session.local().stats->called(queued.spec->code, 0);
  }
  Buffer held;
  RespWriter writer(held, session.out().is_resp3());
  writer.array(commands.size());
  const Session::Ran ran = co_await session.run_as_operation(commands, is_write, slot, writer);
  if (ran.outcome == shard::LogErrc::kOk) {
    session.out().raw(held.view());
  } else {
    session.out().error(session.refusal(ran.outcome, slot, ran.shard));
  }
}

Task<void> execute(Session& session, TransactionState& transaction) {
  KvService& service = session.service();
  std::vector<shard::ShardId> shards = shards_of_transaction(service.router(), transaction);
  shard::LoanUse use = shard::LoanUse::kWrite;
  uint16_t slot = shard::kNoSlot;
  if (service.is_cluster()) {
    const std::optional<uint16_t> only = slot_of_transaction(transaction);
    if (!only) {
      session.out().error(kErrCrossSlot);
      co_return;
    }
    slot = *only;
    if (!shards.empty() && fits_one_record(transaction)) {
      co_await execute_as_record(session, transaction, slot == shard::kNoSlot ? uint16_t{0} : slot);
      co_return;
    }
    if (shards.empty()) use = shard::LoanUse::kLook;
    // Not where its keys were when they were watched.
    if (slot != shard::kNoSlot) shards.assign(1, service.router().shard_of_slot(slot));
  }
  if (shards.empty()) shards.push_back(service.router().first_shard());
  const shard::ShardId first = shards.front();
  shard::Loan loan = co_await lend(service, session.reactor(), std::move(shards), use, slot);
  if (!loan.is_held()) {
    const bool is_gone = loan.refusal() == shard::LogErrc::kNotOwner && !transaction.watched.empty();
    if (is_gone && co_await session.hear_of_move(slot, first)) {
      // As if it had moved before.
      session.out().null_array();
      co_return;
    }
    session.out().error(session.refusal(loan.refusal(), slot, first));
    co_return;
  }
  if (is_watch_broken(service, transaction, loan)) {
    session.out().null_array();
    co_return;
  }
  LentCommands commands(service, loan);
  std::vector<std::vector<std::string_view>> args;
  shard::LogErrc outcome = shard::LogErrc::kOk;
  uint16_t database = session.client().database;
  for (const TransactionState::Queued& queued : transaction.queue) {
    args.push_back(views_of(queued.args));
    if (runs_on_shards(*queued.spec) && outcome == shard::LogErrc::kOk) {
      outcome = commands.admit(*queued.spec, database, args.back());
    }
  }
  // Nobody is told before all of it is committed.
  Buffer held;
  Buffer& answers = session.out().target();
  if (outcome == shard::LogErrc::kOk) {
    session.out().set_target(held);
    co_await run_queue(session, commands, transaction.queue, args);
    session.out().set_target(answers);
    outcome = co_await commands.commit();
  }
  if (outcome == shard::LogErrc::kOk) {
    session.out().raw(held.view());
  } else {
    session.out().error(session.refusal(outcome, slot, first));
  }
}

// Why WATCH cannot be had on this shard, or kOk.
shard::LogErrc watch_refusal(shard::Shard& shard, std::string_view key) {
  // EXEC will have to compare where it runs.
  if (!shard.leads()) return shard::LogErrc::kNotLeader;
  const bool is_gone =
      shard.replica() != nullptr && shard.replica()->slots().for_read(key_slot(key)) == shard::SlotAnswer::kNotOwner;
  return is_gone ? shard::LogErrc::kNotOwner : shard::LogErrc::kOk;
}

}  // namespace

void Session::enqueue_in_transaction(const kv::CommandSpec& spec, kv::Args args) {
  if (waits_for_shards(spec)) {
    reject(&spec, "ERR Command not allowed inside a transaction");
    return;
  }
  if (service_.is_cluster() && (spec.home == kv::Home::kAllShards || may_need_any_shard(spec))) {
    reject(&spec, "ERR Command not allowed inside a transaction in a cluster");
    return;
  }
  transaction_.queue.push_back({&spec, {args.begin(), args.end()}});
  transaction_.needs_memory |= (spec.flags & kv::kDenyOom) != 0;
  const ReplyMode mode = client_.reply_mode;
  if (mode == ReplyMode::kSkipping) client_.reply_mode = ReplyMode::kOn;
  if (mode != ReplyMode::kOff && mode != ReplyMode::kSkipping) writer_.status("QUEUED");
}

void Session::reset_transaction() {
  for (TransactionState::Watched& watched : transaction_.watched) {
    auto request = std::make_unique<Unwatch>(service_, std::move(watched));
    env::Reactor& owner = service_.runtime().reactor_of(request->shard());
    owner.post([&runtime = service_.runtime(), request = std::move(request)]() mutable {
      const shard::ShardId id = request->shard();
      runtime.shard(id).lend(*request.release());
    });
  }
  transaction_ = {};
}

Task<void> cmd_multi(Session& session, kv::Args args) {
  if (session.transaction().is_open) {
    session.out().error("ERR MULTI calls can not be nested");
    co_return;
  }
  session.transaction().is_open = true;
  session.out().ok();
}

Task<void> cmd_exec(Session& session, kv::Args args) {
  TransactionState& transaction = session.transaction();
  if (!transaction.is_open) {
    session.out().error("ERR EXEC without MULTI");
  } else if (transaction.is_aborted) {
    session.reset_transaction();
    session.out().error("EXECABORT Transaction discarded because of previous errors.");
  } else {
    // Commands of the queue see no transaction.
    transaction.is_open = false;
    co_await execute(session, transaction);
    session.reset_transaction();
  }
}

Task<void> cmd_discard(Session& session, kv::Args args) {
  if (!session.transaction().is_open) {
    session.out().error("ERR DISCARD without MULTI");
    co_return;
  }
  session.reset_transaction();
  session.out().ok();
}

Task<void> cmd_watch(Session& session, kv::Args args) {
  TransactionState& transaction = session.transaction();
  if (transaction.is_open) {
    session.out().error("ERR WATCH inside MULTI is not allowed");
    co_return;
  }
  KvService& service = session.service();
  const uint16_t database = session.client().database;
  for (std::string_view key : args.subspan(1)) {
    const bool is_known = std::any_of(transaction.watched.begin(), transaction.watched.end(), [&](const auto& watched) {
      return watched.database == database && watched.key == key;
    });
    if (is_known) continue;
    const shard::ShardId id = service.router().shard_of(key);
    shard::LogErrc refusal = shard::LogErrc::kOk;
    const std::optional<ShardAgent::Watch> seen = co_await shard::visit(
        service.runtime(), session.reactor(), id, [&](shard::Shard& shard) -> std::optional<ShardAgent::Watch> {
          refusal = watch_refusal(shard, key);
          if (refusal != shard::LogErrc::kOk) return std::nullopt;
          shard.clock().refresh();
          return service.agent(id).watch(database, key, shard.clock().now_ms());
        });
    if (!seen) {
      session.out().error(session.refusal(refusal, key_slot(key), id));
      co_return;
    }
    transaction.watched.push_back({id, database, std::string(key), seen->version, seen->exists});
  }
  session.out().ok();
}

Task<void> cmd_unwatch(Session& session, kv::Args args) {
  // Inside EXEC there is nothing left to forget, and EXEC forgets it all.
  session.reset_transaction();
  session.out().ok();
  co_return;
}

}  // namespace keelson::resp
