// Commands run on shards that are lent to the session: MSET over several shards, EXEC, FLUSHALL and the like.
//
// They change the engines at once, on the session's thread; commit() then logs what each shard must replay as one
// record, so that a crash leaves all of it or nothing. A log that can still refuse the record (a replicated one) is
// answered by putting every changed key back as it was before.
//
//   shard::Loan loan = co_await lend(service, here, shards_of(router, spec, args));
//   LentCommands commands(service, loan);
//   outcome = commands.admit(spec, database, args);
//   if (outcome == kOk) {
//     commands.run(spec, database, args, reply);
//     outcome = co_await commands.commit();
//   }
#pragma once

#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "engine/kv/command.h"
#include "engine/kv/kv_engine.h"
#include "protocol/resp/service.h"
#include "shard/loan.h"

namespace keelson::resp {

// The shards that a command touches, ascending. Never empty: a command without keys stands where slot 0 does. Keys of
// one slot have one shard, also while the slot moves.
std::vector<shard::ShardId> shards_of(const shard::Router& router, const kv::CommandSpec& spec, kv::Args args);

// The one shard of all keys, if it is one: cheaper than shards_of(). `scratch` is overwritten.
std::optional<shard::ShardId> single_shard_of(const shard::Router& router, const kv::CommandSpec& spec, kv::Args args,
                                              std::vector<uint32_t>& scratch);

// A write of several keys whose work and whose effects are bounded by its arguments (MSET, DEL): a few of them may run
// under one loan.
[[nodiscard]] bool is_bounded_by_arguments(const kv::CommandSpec& spec);

// Borrows the shards; at once if they are idle and here. In a cluster it may be denied: then no command is admitted.
// `slot`: of all keys that are read or written, in a cluster.
Task<shard::Loan> lend(KvService& service, env::Reactor& here, std::vector<shard::ShardId> shards, shard::LoanUse use,
                       uint16_t slot = shard::kNoSlot);

class LentCommands final : public kv::KeyspaceMap, public kv::Effects {
 public:
  // The loan outlives it.
  LentCommands(KvService& service, shard::Loan& loan);

  // To be asked of every command before the first one runs. Not kOk: none of them can be logged.
  shard::LogErrc admit(const kv::CommandSpec& spec, uint16_t database, kv::Args args);
  // Runs a command whose home is kEngine or kAllShards (or which blocks: its core that does not wait). All its shards
  // are lent. `args` hold until commit().
  void run(const kv::CommandSpec& spec, uint16_t database, kv::Args args, kv::ReplySink& reply);
  // A query on one shard of the loan.
  void query_on(shard::ShardId id, const kv::CommandSpec& spec, uint16_t database, kv::Args args, kv::ReplySink& reply);
  // Logs what has been changed. Not kOk: the changes are undone, if the log is one that can refuse (but not if nobody
  // can say whether it did).
  Task<shard::LogErrc> commit();

  // kv::KeyspaceMap and kv::Effects, for the handlers.
  kv::Keyspace& at(std::string_view key) override;
  std::span<kv::Keyspace* const> all() override;
  void log(std::string_view key, uint16_t code, uint16_t database, kv::Args args) override;
  void log_everywhere(uint16_t code, uint16_t database, kv::Args args) override;

 private:
  struct Before {
    shard::ShardId shard;
    uint16_t database;
    std::string key;
    std::string payload;  // DUMP's; empty: there was no key
    int64_t expires_at_ms;
  };

  // Where a key lives that admit() has seen.
  struct Place {
    const char* key;
    size_t key_bytes;
    shard::ShardId shard;
    kv::Keyspace* keyspace;
  };

  void prefetch(uint16_t database, kv::Args args);
  void add_places(kv::Args args);
  const Place& place_of(std::string_view key);
  void save_before(uint16_t database, kv::Args args);
  void undo();
  kv::Args keep(kv::Args args);
  void run_on(shard::ShardId id, const kv::CommandSpec& spec, uint16_t database, kv::Args args, kv::ReplySink& reply);
  kv::KvEngine& engine(shard::ShardId id);
  // As it was when the loan was taken.
  [[nodiscard]] shard::ShardId shard_of(std::string_view key) const;
  std::optional<shard::ShardId> single_shard(const kv::CommandSpec& spec, kv::Args args);
  std::vector<engine::Command>& commands_of(shard::ShardId id);

  KvService& service_;
  shard::Loan& loan_;
  const bool can_refuse_;
  uint16_t slot_ = 0;  // of the keys, in a cluster
  size_t admitted_bytes_ = 0;
  // What each shard of the loan logs, in the loan's order.
  std::vector<std::vector<engine::Command>> logged_;
  std::vector<kv::Keyspace*> keyspaces_;
  std::vector<uint32_t> keys_;
  std::vector<uint64_t> hashes_;  // of keys_
  // Of all commands that were admitted, in their order, which is that in which handlers ask: place_next_ is where the
  // next one is likely to be found.
  std::vector<Place> places_;
  size_t place_next_ = 0;
  Place other_place_{};
  std::vector<Before> before_;
  // Arguments of effects, which the handlers do not keep.
  std::pmr::monotonic_buffer_resource arena_;
};

}  // namespace keelson::resp
