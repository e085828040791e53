// Sets, one key at a time: SADD, SREM, SISMEMBER, SMISMEMBER, SCARD, SMEMBERS, SPOP, SRANDMEMBER; and SMOVE.
//
// A random pick draws an index from the record's seed; the order of indexes is part of the replicated state
// (set_value.h), so every replica picks the same member.
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/members.h"

namespace keelson::kv {

namespace {

// After members were taken out: the event, and the end of the key if nothing is left.
void members_gone(CommandContext& context, SetValue& set, std::string_view event) {
  const std::string_view key = context.arg(1);
  Keyspace& keyspace = set.keyspace();
  keyspace.changed(context.database, key, EventClass::kSet, event);
  if (keyspace.erase_if_empty(set)) keyspace.notify(context.database, key, EventClass::kGeneric, "del");
}

}  // namespace

void cmd_sadd(CommandContext& context) {
  const std::string_view key = context.arg(1);
  Keyspace& keyspace = context.at(key);
  Found<SetValue> set = keyspace.write_or_create<SetValue>(context.database, key, context.now_ms);
  if (set.wrong_type()) return context.out.error(kErrWrongType);
  int64_t added = 0;
  for (size_t i = 2; i < context.argc(); ++i) added += set->add(context.arg(i)) ? 1 : 0;
  if (added > 0) keyspace.changed(context.database, key, EventClass::kSet, "sadd");
  context.out.integer(added);
}

void cmd_srem(CommandContext& context) {
  Found<SetValue> set = find_as<SetValue>(context, context.arg(1));
  if (set.wrong_type()) return context.out.error(kErrWrongType);
  if (set.missing()) return context.out.integer(0);
  int64_t removed = 0;
  for (size_t i = 2; i < context.argc() && set->size() > 0; ++i) removed += set->erase(context.arg(i)) ? 1 : 0;
  if (removed > 0) members_gone(context, *set, "srem");
  context.out.integer(removed);
}

void cmd_sismember(CommandContext& context) {
  const Found<SetValue> set = find_as<SetValue>(context, context.arg(1));
  if (set.wrong_type()) return context.out.error(kErrWrongType);
  context.out.integer(set && set->contains(context.arg(2)) ? 1 : 0);
}

void cmd_smismember(CommandContext& context) {
  const Found<SetValue> set = find_as<SetValue>(context, context.arg(1));
  if (set.wrong_type()) return context.out.error(kErrWrongType);
  context.out.array(context.argc() - 2);
  for (size_t i = 2; i < context.argc(); ++i) context.out.integer(set && set->contains(context.arg(i)) ? 1 : 0);
}

void cmd_scard(CommandContext& context) {
  const Found<SetValue> set = find_as<SetValue>(context, context.arg(1));
  if (set.wrong_type()) return context.out.error(kErrWrongType);
  context.out.integer(set ? static_cast<int64_t>(set->size()) : 0);
}

void cmd_smembers(CommandContext& context) {
  const Found<SetValue> set = find_as<SetValue>(context, context.arg(1));
  if (set.wrong_type()) return context.out.error(kErrWrongType);
  if (set.missing()) return context.out.set(0);
  context.out.set(set->size());
  set->for_each([&](std::string_view member) { context.out.bulk(member); });
}

void cmd_smove(CommandContext& context) {
  const std::string_view source_key = context.arg(1);
  const std::string_view destination_key = context.arg(2);
  const std::string_view member = context.arg(3);
  Found<SetValue> source = find_across_as<SetValue>(context, source_key);
  if (source.missing()) return context.out.integer(0);
  Found<SetValue> destination = find_across_as<SetValue>(context, destination_key);
  if (source.wrong_type() || destination.wrong_type()) return context.out.error(kErrWrongType);
  if (source_key == destination_key) return context.out.integer(source->contains(member) ? 1 : 0);
  if (!source->erase(member)) return context.out.integer(0);
  Keyspace& from = source->keyspace();
  from.changed(context.database, source_key, EventClass::kSet, "srem");
  if (from.erase_if_empty(*source)) from.notify(context.database, source_key, EventClass::kGeneric, "del");
  static const uint16_t kSrem = code_of("SREM");
  context.log_effect(source_key, kSrem, {"SREM", source_key, member});
  Keyspace& to = context.at(destination_key);
  SetValue into = destination ? *destination : to.create<SetValue>(context.database, destination_key);
  if (into.add(member)) {
    to.changed(context.database, destination_key, EventClass::kSet, "sadd");
    static const uint16_t kSadd = code_of("SADD");
    context.log_effect(destination_key, kSadd, {"SADD", destination_key, member});
  }
  context.out.integer(1);
}

namespace {

void pop_one(CommandContext& context, SetValue& set) {
  const std::string_view member = set.at(Chance(context.seed).below(set.size()));
  context.out.bulk(member);
  set.erase(member);
  members_gone(context, set, "spop");
}

}  // namespace

void cmd_spop(CommandContext& context) {
  if (context.argc() > 3) return context.out.error(kErrSyntax);
  const bool has_count = context.argc() == 3;
  int64_t count = 1;
  if (has_count && !positive_arg(context, 2, count)) return;
  Found<SetValue> set = find_as<SetValue>(context, context.arg(1));
  if (set.wrong_type()) return context.out.error(kErrWrongType);
  if (!has_count) {
    if (set.missing()) return context.out.null();
    return pop_one(context, *set);
  }
  if (set.missing() || count == 0) return context.out.set(0);
  if (static_cast<uint64_t>(count) >= set->size()) {
    context.out.set(set->size());
    set->for_each([&](std::string_view member) { context.out.bulk(member); });
    Keyspace& keyspace = set->keyspace();
    keyspace.changed(context.database, context.arg(1), EventClass::kSet, "spop");
    keyspace.erase(*set);
    return keyspace.notify(context.database, context.arg(1), EventClass::kGeneric, "del");
  }
  context.out.set(static_cast<size_t>(count));
  Chance chance(context.seed);
  for (; count > 0; --count) {
    const std::string_view member = set->at(chance.below(set->size()));
    context.out.bulk(member);
    set->erase(member);
  }
  members_gone(context, *set, "spop");
}

namespace {

// SRANDMEMBER key count, count > 0: different members.
void some_members(CommandContext& context, const SetValue& set, size_t count) {
  if (count >= set.size()) {
    context.out.array(set.size());
    return set.for_each([&](std::string_view member) { context.out.bulk(member); });
  }
  Chance chance(context.seed);
  const std::vector<uint32_t> picked = pick_indexes(chance, set.size(), count);
  context.out.array(count);
  for (const uint32_t index : picked) context.out.bulk(set.at(index));
}

}  // namespace

void cmd_srandmember(CommandContext& context) {
  if (context.argc() > 3) return context.out.error(kErrSyntax);
  int64_t count = 1;
  const bool has_count = context.argc() == 3;
  if (has_count && !int_arg_in(context, 2, -INT64_MAX, INT64_MAX, count, {})) return;
  const Found<SetValue> set = find_as<SetValue>(context, context.arg(1));
  if (set.wrong_type()) return context.out.error(kErrWrongType);
  if (!has_count) {
    if (set.missing()) return context.out.null();
    return context.out.bulk(set->at(Chance(context.seed).below(set->size())));
  }
  if (set.missing() || count == 0) return context.out.array(0);
  if (count > 0) return some_members(context, *set, static_cast<size_t>(count));
  if (-count > kRepeatedPicksMax) return context.out.error("ERR value is out of range");
  Chance chance(context.seed);
  context.out.array(static_cast<size_t>(-count));
  for (; count < 0; ++count) context.out.bulk(set->at(chance.below(set->size())));
}

}  // namespace keelson::kv
