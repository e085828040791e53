#include "protocol/resp/lent_commands.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/crc16.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/rdb.h"
#include "protocol/resp/shard_agent.h"
#include "shard/record.h"

namespace keelson::resp {

namespace {

// Elements of a large value that are looked at to tell its size.
constexpr size_t kMemorySamples = 5;

// A write that concerns every key (FLUSHALL, SWAPDB).
bool is_for_each_shard(const kv::CommandSpec& spec) {
  return spec.home == kv::Home::kAllShards && kv::is_write(spec) && spec.keys.first == 0 && !spec.keys.custom;
}

}  // namespace

bool is_bounded_by_arguments(const kv::CommandSpec& spec) {
  static const auto codes = [] {
    std::array<uint16_t, 4> found{};
    size_t count = 0;
    for (const std::string_view name : {"MSET", "MSETNX", "DEL", "UNLINK"}) {
      found[count++] = kv::find_command(name)->code;
    }
    return found;
  }();
  return std::find(codes.begin(), codes.end(), spec.code) != codes.end();
}

std::vector<shard::ShardId> shards_of(const shard::Router& router, const kv::CommandSpec& spec, kv::Args args) {
  std::vector<shard::ShardId> shards;
  if (spec.home == kv::Home::kAllShards) {
    for (shard::ShardId id = 0; id < router.shard_count(); ++id) shards.push_back(id);
    return shards;
  }
  std::vector<uint32_t> keys;
  if (router.shard_count() == 1) {
    shards.push_back(router.first_shard());
  } else if (kv::keys_of(spec, args, keys)) {
    uint16_t slot_before = shard::kNoSlot;
    for (uint32_t key : keys) {
      const uint16_t slot = key_slot(args[key]);
      if (slot != slot_before) shards.push_back(router.shard_of_slot(slot));
      slot_before = slot;
    }
  }
  if (shards.empty()) shards.push_back(router.shard_of_slot(0));
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  return shards;
}

std::optional<shard::ShardId> single_shard_of(const shard::Router& router, const kv::CommandSpec& spec, kv::Args args,
                                              std::vector<uint32_t>& scratch) {
  if (router.shard_count() == 1) return router.first_shard();
  // Of no keys, or malformed ones, some shard, whose handler answers with the error.
  if (!kv::keys_of(spec, args, scratch) || scratch.empty()) return router.shard_of_slot(0);
  const uint16_t slot = key_slot(args[scratch[0]]);
  const shard::ShardId first = router.shard_of_slot(slot);
  for (size_t i = 1; i < scratch.size(); ++i) {
    const uint16_t other = key_slot(args[scratch[i]]);
    if (other != slot && router.shard_of_slot(other) != first) return std::nullopt;
  }
  return first;
}

Task<shard::Loan> lend(KvService& service, env::Reactor& here, std::vector<shard::ShardId> shards, shard::LoanUse use,
                       uint16_t slot) {
  shard::Loan loan = shard::Loan::try_take(service.runtime(), here, shards, use, slot);
  if (loan.is_held()) co_return loan;
  co_return co_await shard::Loan::take(service.runtime(), here, std::move(shards), use, slot);
}

LentCommands::LentCommands(KvService& service, shard::Loan& loan)
    : service_(service), loan_(loan), can_refuse_(loan.can_refuse()), logged_(loan.shards().size()) {}

// Of a cluster's commands all keys have one slot, which may have moved on since the loan was asked for.
shard::ShardId LentCommands::shard_of(std::string_view key) const {
  if (service_.is_cluster() && loan_.shards().size() == 1) return loan_.shards().front();
  return service_.router().shard_of(key);
}

std::optional<shard::ShardId> LentCommands::single_shard(const kv::CommandSpec& spec, kv::Args args) {
  if (service_.is_cluster() && loan_.shards().size() == 1) return loan_.shards().front();
  return single_shard_of(service_.router(), spec, args, keys_);
}

kv::KvEngine& LentCommands::engine(shard::ShardId id) { return service_.agent(id).engine(); }

std::vector<engine::Command>& LentCommands::commands_of(shard::ShardId id) {
  const auto shards = loan_.shards();
  const auto found = std::lower_bound(shards.begin(), shards.end(), id);
  KEELSON_CHECK(found != shards.end() && *found == id, "a command touches a shard that was not taken");
  return logged_[static_cast<size_t>(found - shards.begin())];
}

kv::Keyspace& LentCommands::at(std::string_view key) { return *place_of(key).keyspace; }

// Handlers ask by the very arguments that admit() saw, most of them in their order, and several times.
const LentCommands::Place& LentCommands::place_of(std::string_view key) {
  for (size_t i = place_next_; i < std::min(place_next_ + 2, places_.size()); ++i) {
    if (places_[i].key != key.data() || places_[i].key_bytes != key.size()) continue;
    place_next_ = i;
    return places_[i];
  }
  const shard::ShardId id = shard_of(key);
  other_place_ = {key.data(), key.size(), id, &engine(loan_.shard(id).id()).keyspace()};
  return other_place_;
}

void LentCommands::add_places(kv::Args args) {
  for (uint32_t index : keys_) {
    const std::string_view key = args[index];
    const shard::ShardId id = shard_of(key);
    places_.push_back({key.data(), key.size(), id, &engine(loan_.shard(id).id()).keyspace()});
  }
}

std::span<kv::Keyspace* const> LentCommands::all() {
  if (keyspaces_.empty()) {
    for (shard::ShardId id : loan_.shards()) keyspaces_.push_back(&engine(id).keyspace());
  }
  return keyspaces_;
}

kv::Args LentCommands::keep(kv::Args args) {
  auto* copies = static_cast<std::string_view*>(
      arena_.allocate(args.size() * sizeof(std::string_view), alignof(std::string_view)));
  for (size_t i = 0; i < args.size(); ++i) {
    auto* bytes = static_cast<char*>(arena_.allocate(args[i].size() + 1, 1));
    std::memcpy(bytes, args[i].data(), args[i].size());
    new (&copies[i]) std::string_view(bytes, args[i].size());
  }
  return {copies, args.size()};
}

void LentCommands::log(std::string_view key, uint16_t code, uint16_t database, kv::Args args) {
  commands_of(place_of(key).shard).push_back({code, database, keep(args)});
}

void LentCommands::log_everywhere(uint16_t code, uint16_t database, kv::Args args) {
  const engine::Command command{code, database, keep(args)};
  for (std::vector<engine::Command>& logged : logged_) logged.push_back(command);
}

// Room for the arguments, and for the values that commands like SUNIONSTORE and RENAME carry from shard to shard.
shard::LogErrc LentCommands::admit(const kv::CommandSpec& spec, uint16_t database, kv::Args args) {
  if (!loan_.is_held()) return loan_.refusal();
  if (loan_.damage() != nullptr) return shard::LogErrc::kDamaged;
  if (!kv::is_write(spec)) {
    if (kv::keys_of(spec, args, keys_) && keys_.size() > 1) prefetch(database, args);
    return shard::LogErrc::kOk;
  }
  // What cannot be undone is not begun.
  if (can_refuse_ && is_for_each_shard(spec)) return shard::LogErrc::kRefused;
  if (service_.is_cluster() && kv::keys_of(spec, args, keys_) && !keys_.empty()) slot_ = key_slot(args[keys_.front()]);
  for (std::string_view arg : args) admitted_bytes_ += arg.size() + 2 * sizeof(uint64_t);
  if (is_for_each_shard(spec)) admitted_bytes_ *= loan_.shards().size();
  if (kv::keys_of(spec, args, keys_) && keys_.size() > 1) {
    prefetch(database, args);
    if (is_bounded_by_arguments(spec)) return loan_.admit(admitted_bytes_);
    for (uint32_t key : keys_) {
      const kv::Value value = at(args[key]).find(database, args[key], loan_.time_ms(), kv::Touch::kPeek);
      if (value) admitted_bytes_ += value.memory_bytes(kMemorySamples);
    }
  }
  return loan_.admit(admitted_bytes_);
}

// What the look-ups of these keys will touch, all at the same time instead of one after another.
void LentCommands::prefetch(uint16_t database, kv::Args args) {
  const size_t first = places_.size();
  add_places(args);
  hashes_.clear();
  for (size_t i = 0; i < keys_.size(); ++i) {
    hashes_.push_back(places_[first + i].keyspace->prefetch(database, args[keys_[i]]));
  }
  for (size_t i = 0; i < keys_.size(); ++i) places_[first + i].keyspace->prefetch_entry(database, hashes_[i]);
}

void LentCommands::run(const kv::CommandSpec& spec, uint16_t database, kv::Args args, kv::ReplySink& reply) {
  if (can_refuse_ && kv::is_write(spec) && kv::keys_of(spec, args, keys_)) save_before(database, args);
  if (spec.home != kv::Home::kAllShards) {
    if (const std::optional<shard::ShardId> only = single_shard(spec, args)) {
      run_on(*only, spec, database, args, reply);
      return;
    }
  }
  // Any number will do: what each shard logs is the effect.
  uint64_t seed = 0;
  if (!loan_.shards().empty()) {
    const shard::ShardId first = loan_.shards().front();
    seed = loan_.context(first, commands_of(first).size()).seed;
  }
  kv::run_across(*this, kv::is_write(spec) ? this : nullptr, {0, loan_.time_ms(), seed}, {spec.code, database, args},
                 reply);
}

void LentCommands::run_on(shard::ShardId id, const kv::CommandSpec& spec, uint16_t database, kv::Args args,
                          kv::ReplySink& reply) {
  if (!kv::is_write(spec)) {
    query_on(id, spec, database, args, reply);
    return;
  }
  const engine::Command command{spec.code, database, args};
  std::vector<engine::Command>& logged = commands_of(id);
  // The same chance that a replay will have.
  engine(id).apply(loan_.context(id, logged.size()), command, reply);
  logged.push_back(command);
}

void LentCommands::query_on(shard::ShardId id, const kv::CommandSpec& spec, uint16_t database, kv::Args args,
                            kv::ReplySink& reply) {
  const uint64_t seed = service_.local(loan_.here().index()).reactor.random().next();
  engine(id).query({0, loan_.time_ms(), seed}, {spec.code, database, args}, reply);
}

void LentCommands::save_before(uint16_t database, kv::Args args) {
  for (uint32_t key : keys_) {
    const shard::ShardId id = shard_of(args[key]);
    const kv::Value value = at(args[key]).find(database, args[key], loan_.time_ms(), kv::Touch::kPeek);
    before_.push_back({id, database, std::string(args[key]), value ? kv::dump_value(value) : std::string(),
                       value ? value.expires_at_ms() : kv::kNoExpiry});
  }
}

void LentCommands::undo() {
  // The oldest picture of a key is the one to end with.
  for (auto before = before_.rbegin(); before != before_.rend(); ++before) {
    kv::Keyspace& keyspace = engine(before->shard).keyspace();
    keyspace.erase(before->database, before->key, loan_.time_ms());
    if (!before->payload.empty()) {
      kv::Value restored;
      const kv::RestoreError error =
          kv::restore_value(keyspace, before->database, before->key, before->payload, restored);
      KEELSON_CHECK(error == kv::RestoreError::kOk, "a payload that was just made can be restored");
      if (before->expires_at_ms != kv::kNoExpiry) keyspace.set_expiry(restored, before->expires_at_ms);
    }
    keyspace.changed(before->database, before->key);
  }
}

Task<shard::LogErrc> LentCommands::commit() {
  std::vector<shard::Loan::Part> parts;
  for (size_t i = 0; i < logged_.size(); ++i) {
    if (!logged_[i].empty()) parts.push_back({loan_.shards()[i], logged_[i], slot_});
  }
  if (parts.empty()) co_return co_await loan_.confirm();
  const shard::LogErrc outcome = co_await loan_.commit(parts);
  if (outcome != shard::LogErrc::kOk && outcome != shard::LogErrc::kTimedOut && can_refuse_) undo();
  co_return outcome;
}

}  // namespace keelson::resp
