// How a session runs commands on a node of a cluster: which it refuses as Redis Cluster does, which go as one record to
// the shard of their slot, and what it says when that shard is led elsewhere.

#include <algorithm>
#include <ranges>
#include <set>
#include <string>
#include <utility>

#include "base/crc16.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/lent_commands.h"
#include "protocol/resp/refusals.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_batch.h"
#include "shard/batch.h"

namespace keelson::resp {

namespace {

// How often a command follows its slot to another shard of this node's. One move of a slot makes it one.
constexpr unsigned kRoundsMax = 3;
// What a shard's log says of a slot may be here before the news of where the slot went, by a message or two.
constexpr int64_t kMapPollNs = 5'000'000;
constexpr unsigned kMapPollsMax = 100;

// Commands of a session's own coroutine, whose answers go where it says.
class RunOperation final : public shard::BatchOperation {
 public:
  RunOperation(std::span<const engine::Command> of, bool writes, bool stale, uint16_t slot, kv::ReplySink& reply)
      : slot_(slot), reply_(reply) {
    commands = of;
    is_write = writes;
    is_stale = stale;
  }
  engine::ReplySink& open_reply() override { return reply_; }
  void finished(shard::LogErrc result) override {
    outcome = result;
    done();
  }
  [[nodiscard]] uint16_t slot() const override { return slot_; }

  shard::LogErrc outcome = shard::LogErrc::kStopped;

 private:
  const uint16_t slot_;
  kv::ReplySink& reply_;
};

// What SORT may not do: other keys, which it finds by patterns, may lie on any shard. The texts are those of Redis 7.0,
// which allows a BY without a star (in no order) and no GET. Null: nothing of the kind.
const char* sort_refusal(const kv::CommandSpec& spec, kv::Args args) {
  if (spec.name != "SORT" && spec.name != "SORT_RO") return nullptr;
  for (size_t i = 2; i + 1 < args.size(); ++i) {
    if (equals_ignoring_case(args[i], "LIMIT")) {
      i += 2;
    } else if (equals_ignoring_case(args[i], "STORE")) {
      ++i;
    } else if (equals_ignoring_case(args[i], "BY")) {
      if (args[++i].find('*') != std::string_view::npos) return "ERR BY option of SORT denied in cluster mode.";
    } else if (equals_ignoring_case(args[i], "GET")) {
      return "ERR GET option of SORT denied in cluster mode.";
    }
  }
  return nullptr;
}

// COPY source destination [DB destination-db] [REPLACE]
bool names_another_database(kv::Args args) {
  for (size_t i = 3; i + 1 < args.size(); ++i) {
    if (equals_ignoring_case(args[i], "DB")) return args[i + 1] != "0";
  }
  return false;
}

}  // namespace

// The first key's; of a command without keys, the first shard's first.
uint16_t Session::slot_of(const kv::CommandSpec& spec, kv::Args args) {
  if (kv::has_single_key(spec)) {
    const auto at = static_cast<size_t>(spec.keys.first);
    return at < args.size() ? key_slot(args[at]) : uint16_t{0};
  }
  std::vector<uint32_t>& keys = local_.key_indexes;
  return kv::keys_of(spec, args, keys) && !keys.empty() ? key_slot(args[keys.front()]) : uint16_t{0};
}

bool Session::crosses_slots(const kv::CommandSpec& spec, kv::Args args) {
  std::vector<uint32_t>& keys = local_.key_indexes;
  if (kv::has_single_key(spec) || !kv::keys_of(spec, args, keys) || keys.size() < 2) return false;
  const uint16_t slot = key_slot(args[keys.front()]);
  return std::any_of(keys.begin() + 1, keys.end(), [&](uint32_t key) { return key_slot(args[key]) != slot; });
}

// SORT, which on one node looks at any shard, has keys, and in a cluster no business anywhere else.
bool Session::is_on_every_shard(const kv::CommandSpec& spec) {
  return spec.home == kv::Home::kAllShards && spec.keys.first == 0;
}

bool Session::is_barred_in_cluster(const kv::CommandSpec& spec) {
  return spec.name == "MOVE" || spec.name == "COPY" || spec.name == "SWAPDB";
}

// The texts are those of Redis 7.0.
bool Session::refuse_in_cluster(const kv::CommandSpec& spec, kv::Args args) {
  if (spec.name == "MOVE" || spec.name == "SWAPDB") {
    reject(&spec, "ERR " + std::string(spec.name) + " is not allowed in cluster mode");
  } else if (spec.name == "COPY" && names_another_database(args)) {
    reject(&spec, "ERR Copying to another database is not allowed in cluster mode");
  } else if (crosses_slots(spec, args)) {
    reject(&spec, kErrCrossSlot);
  } else if (const char* error = sort_refusal(spec, args)) {
    reject(&spec, error);
  } else {
    return false;
  }
  return true;
}

// What this node knows of the cluster may be older than what the shard's log has just said: a client that is sent back
// here would be refused again, and again.
std::string Session::refusal(shard::LogErrc outcome, uint16_t slot, shard::ShardId refused_by) const {
  const bool is_elsewhere = outcome == shard::LogErrc::kNotLeader || outcome == shard::LogErrc::kNotOwner;
  if (!service_.is_cluster() || !is_elsewhere || slot == shard::kNoSlot) return std::string(refusal_text(outcome));
  const std::shared_ptr<const shard::ClusterMap> map = service_.cluster_map();
  const shard::ClusterMap::Shard* shard = map->shard_of_slot(slot);
  if (shard == nullptr) return "CLUSTERDOWN Hash slot not served";
  const shard::ClusterMap::Node* leader = map->node(shard->leader);
  if (leader == nullptr || leader->host.empty()) {
    return "CLUSTERDOWN The shard of hash slot " + std::to_string(slot) + " has no leader that clients can reach";
  }
  if (leader->id == map->here && outcome == shard::LogErrc::kNotLeader) {
    return "TRYAGAIN The shard of this key has just changed its leader";
  }
  if (leader->id == map->here && shard->id == refused_by) return std::string(refusal_text(outcome));
  const uint16_t port = client_.is_tls && leader->tls_port != 0 ? leader->tls_port : leader->port;
  return "MOVED " + std::to_string(slot) + " " + leader->host + ":" + std::to_string(port);
}

Task<Session::Ran> Session::run_as_operation(std::span<const engine::Command> commands, bool is_write, uint16_t slot,
                                             kv::ReplySink& reply) {
  for (unsigned round = 0;; ++round) {
    const shard::ShardId id = service_.router().shard_of_slot(slot);
    shard::Batch batch(service_.runtime(), reactor());
    RunOperation operation(commands, is_write, client_.is_readonly, slot, reply);
    batch.add(operation, id);
    if (!batch.run()) co_await batch.done();
    const bool is_elsewhere = operation.outcome == shard::LogErrc::kNotOwner && round != kRoundsMax;
    if (!is_elsewhere || !co_await hear_of_move(slot, id)) co_return Ran{operation.outcome, id};
  }
}

Task<bool> Session::hear_of_move(uint16_t slot, shard::ShardId from) {
  for (unsigned i = 0; i < kMapPollsMax && !is_killed_; ++i) {
    if (service_.router().shard_of_slot(slot) != from) co_return true;
    co_await env::sleep_for(reactor(), kMapPollNs);
  }
  co_return service_.router().shard_of_slot(slot) != from;
}

Task<void> Session::end_batch() {
  for (unsigned polls = 0;;) {
    if (!batch_->batch.run()) co_await batch_->batch.done();
    const Follow follow = follow_slots();
    if (follow == Follow::kNothing || (follow == Follow::kWait && (polls == kMapPollsMax || is_killed_))) break;
    if (follow == Follow::kWait) {
      ++polls;
      co_await env::sleep_for(reactor(), kMapPollNs);
    }
  }
  batch_ended();
}

// What was refused because its slot has gone to another shard is submitted there, once this node knows to which. But
// not if a later command on the slot has run already: the client is told instead, and knows.
Session::Follow Session::follow_slots() {
  SessionBatch& batch = *batch_;
  if (!service_.is_cluster() || batch.rounds == kRoundsMax) return Follow::kNothing;
  const auto all = std::ranges::subrange(batch.operations.begin(), batch.operations.begin() + batch.used);
  if (std::ranges::none_of(all, &SessionOperation::is_refused)) return Follow::kNothing;
  std::set<uint16_t> have_run;
  std::vector<SessionOperation*> again;
  bool has_unknown = false;
  for (SessionOperation& operation : all | std::views::reverse) {
    const uint16_t slot = operation.slot();
    if (!operation.is_refused()) {
      have_run.insert(slot);
    } else if (!have_run.contains(slot)) {
      const bool is_known = service_.router().shard_of_slot(slot) != operation.shard_id;
      if (is_known) again.push_back(&operation);
      has_unknown |= !is_known;
    }
  }
  if (again.empty()) return has_unknown ? Follow::kWait : Follow::kNothing;
  ++batch.rounds;
  for (SessionOperation* operation : again | std::views::reverse) {
    operation->prepare_for(service_.router().shard_of_slot(operation->slot()));
    batch.batch.add(*operation, operation->shard_id);
  }
  return Follow::kAgain;
}

Task<void> Session::run_in_cluster(const kv::CommandSpec& spec, kv::Args args, RespWriter& reply) {
  if (is_on_every_shard(spec)) {
    co_await run_on_each_shard(spec, args, reply);
    co_return;
  }
  const uint16_t slot = slot_of(spec, args);
  const engine::Command command{spec.code, client_.database, args};
  Buffer held;
  RespWriter writer(held, reply.is_resp3());
  const Ran ran = co_await run_as_operation({&command, 1}, kv::is_write(spec), slot, writer);
  if (ran.outcome != shard::LogErrc::kOk) {
    reply.error(refusal(ran.outcome, slot, ran.shard));
  } else if (held.view().starts_with('-')) {
    reply.error(held.view().substr(1, held.size() - 3));
  } else {
    reply.raw(held.view());
  }
}

// FLUSHALL, FLUSHDB: each shard that has a replica here logs it for itself. The answer is that of any of them.
Task<void> Session::run_on_each_shard(const kv::CommandSpec& spec, kv::Args args, RespWriter& reply) {
  const shard::Router& router = service_.router();
  const engine::Command command{spec.code, client_.database, args};
  std::deque<Buffer> answers;
  std::deque<RespWriter> writers;
  std::deque<RunOperation> operations;
  shard::Batch batch(service_.runtime(), reactor());
  for (unsigned i = 0; i < router.shard_count(); ++i) {
    writers.emplace_back(answers.emplace_back(), reply.is_resp3());
    operations.emplace_back(std::span(&command, 1), true, false, shard::control::kNoSlot, writers.back());
    batch.add(operations.back(), static_cast<shard::ShardId>(router.first_shard() + i));
  }
  if (!batch.run()) co_await batch.done();
  const Buffer* answer = nullptr;
  shard::LogErrc failure = shard::LogErrc::kOk;
  for (size_t i = 0; i < operations.size(); ++i) {
    const shard::LogErrc outcome = operations[i].outcome;
    if (outcome == shard::LogErrc::kOk) {
      if (answer == nullptr || answers[i].view().starts_with('-')) answer = &answers[i];
    } else if (outcome != shard::LogErrc::kNotLeader) {
      failure = outcome;
    }
  }
  if (failure != shard::LogErrc::kOk) {
    reply.error(refusal_text(failure));
  } else if (answer == nullptr) {
    reply.error("CLUSTERDOWN This node has no replica of any shard");
  } else if (answer->view().starts_with('-')) {
    reply.error(answer->view().substr(1, answer->size() - 3));
  } else {
    reply.raw(answer->view());
  }
}

// Commands on every key (KEYS, DBSIZE): in a cluster each node answers for the shards that it leads, so that a client
// that asks every primary and adds up is right; for all of its replicas after READONLY.
Task<std::vector<shard::ShardId>> Session::shards_to_ask(const kv::CommandSpec& spec, kv::Args args) {
  if (!service_.is_cluster() || !is_on_every_shard(spec) || client_.is_readonly) {
    co_return shards_of(service_.router(), spec, args);
  }
  co_return co_await service_.led_shards(reactor());
}

}  // namespace keelson::resp
