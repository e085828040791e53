// Hashes. (HSCAN is with the scans.)
#include <cmath>
#include <string>

#include "base/numbers.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/members.h"

namespace keelson::kv {

namespace {

// Answers WRONGTYPE and returns false if the key holds something else.
bool check_type(CommandContext& context, const Found<HashValue>& hash) {
  if (!hash.wrong_type()) return true;
  context.out.error(kErrWrongType);
  return false;
}

Found<HashValue> find_or_create(CommandContext& context, std::string_view key) {
  return context.at(key).write_or_create<HashValue>(context.database, key, context.now_ms);
}

// HSET and HMSET: the result is how many fields are new, or -1 if an error was answered.
int64_t set_fields(CommandContext& context, std::string_view lower_case_command) {
  if (context.argc() % 2 != 0) {
    context.out.error("ERR wrong number of arguments for '" + std::string(lower_case_command) + "' command");
    return -1;
  }
  const std::string_view key = context.arg(1);
  Found<HashValue> hash = find_or_create(context, key);
  if (!check_type(context, hash)) return -1;
  int64_t created = 0;
  for (size_t i = 2; i < context.argc(); i += 2) created += hash->set(context.arg(i), context.arg(i + 1)) ? 1 : 0;
  context.at(key).changed(context.database, key, EventClass::kHash, "hset");
  return created;
}

enum class Part : uint8_t { kField, kValue };

void reply_parts(CommandContext& context, Part part) {
  const Found<HashValue> hash = find_as<HashValue>(context, context.arg(1));
  if (!check_type(context, hash)) return;
  if (hash.missing()) return context.out.array(0);
  context.out.array(hash->size());
  hash->for_each(
      [&](std::string_view field, std::string_view value) { context.out.bulk(part == Part::kField ? field : value); });
}

void reply_null_or(CommandContext& context, const std::optional<std::string_view>& bytes) {
  if (bytes) {
    context.out.bulk(*bytes);
  } else {
    context.out.null();
  }
}

// How HRANDFIELD answers with many fields: under RESP3 a pair is an array of its own.
class PickReply {
 public:
  PickReply(ReplySink& out, size_t count, bool with_values)
      : out_(out), with_values_(with_values), is_nested_(with_values && out.is_resp3()) {
    out_.array(with_values_ && !is_nested_ ? count * 2 : count);
  }
  void add(std::string_view field, std::string_view value) {
    if (is_nested_) out_.array(2);
    out_.bulk(field);
    if (with_values_) out_.bulk(value);
  }

 private:
  ReplySink& out_;
  const bool with_values_;
  const bool is_nested_;
};

void reply_random_fields(CommandContext& context, const HashValue& hash, int64_t count, bool with_values) {
  Chance chance(context.seed);
  if (count < 0) {
    if (count < -kRepeatedPicksMax) return context.out.error("ERR value is out of range");
    PickReply reply(context.out, static_cast<size_t>(-count), with_values);
    for (int64_t i = count; i < 0; ++i) {
      const HashValue::Pair pair = hash.at(chance.below(hash.size()));
      reply.add(pair.first, pair.second);
    }
    return;
  }
  if (static_cast<uint64_t>(count) >= hash.size()) {
    PickReply reply(context.out, hash.size(), with_values);
    hash.for_each([&](std::string_view field, std::string_view value) { reply.add(field, value); });
    return;
  }
  PickReply reply(context.out, static_cast<size_t>(count), with_values);
  for (const uint32_t index : pick_indexes(chance, hash.size(), static_cast<size_t>(count))) {
    const HashValue::Pair pair = hash.at(index);
    reply.add(pair.first, pair.second);
  }
}

}  // namespace

void cmd_hset(CommandContext& context) {
  const int64_t created = set_fields(context, "hset");
  if (created >= 0) context.out.integer(created);
}

void cmd_hmset(CommandContext& context) {
  if (set_fields(context, "hmset") >= 0) context.out.status(kReplyOk);
}

void cmd_hsetnx(CommandContext& context) {
  const std::string_view key = context.arg(1);
  Found<HashValue> hash = find_or_create(context, key);
  if (!check_type(context, hash)) return;
  if (hash->contains(context.arg(2))) return context.out.integer(0);
  hash->set(context.arg(2), context.arg(3));
  context.at(key).changed(context.database, key, EventClass::kHash, "hset");
  context.out.integer(1);
}

void cmd_hget(CommandContext& context) {
  const Found<HashValue> hash = find_as<HashValue>(context, context.arg(1));
  if (!check_type(context, hash)) return;
  if (hash.missing()) return context.out.null();
  reply_null_or(context, hash->get(context.arg(2)));
}

void cmd_hmget(CommandContext& context) {
  const Found<HashValue> hash = find_as<HashValue>(context, context.arg(1));
  if (!check_type(context, hash)) return;
  context.out.array(context.argc() - 2);
  for (const std::string_view field : context.args.subspan(2)) {
    if (hash.missing()) {
      context.out.null();
    } else {
      reply_null_or(context, hash->get(field));
    }
  }
}

void cmd_hdel(CommandContext& context) {
  const std::string_view key = context.arg(1);
  Found<HashValue> hash = find_as<HashValue>(context, key);
  if (!check_type(context, hash)) return;
  if (hash.missing()) return context.out.integer(0);
  int64_t removed = 0;
  for (const std::string_view field : context.args.subspan(2)) removed += hash->erase(field) ? 1 : 0;
  if (removed != 0) {
    Keyspace& keyspace = context.at(key);
    keyspace.changed(context.database, key, EventClass::kHash, "hdel");
    if (keyspace.erase_if_empty(*hash)) keyspace.notify(context.database, key, EventClass::kGeneric, "del");
  }
  context.out.integer(removed);
}

void cmd_hlen(CommandContext& context) {
  const Found<HashValue> hash = find_as<HashValue>(context, context.arg(1));
  if (!check_type(context, hash)) return;
  context.out.integer(hash.missing() ? 0 : static_cast<int64_t>(hash->size()));
}

void cmd_hstrlen(CommandContext& context) {
  const Found<HashValue> hash = find_as<HashValue>(context, context.arg(1));
  if (!check_type(context, hash)) return;
  const std::optional<std::string_view> value = hash.missing() ? std::nullopt : hash->get(context.arg(2));
  context.out.integer(value ? static_cast<int64_t>(value->size()) : 0);
}

void cmd_hexists(CommandContext& context) {
  const Found<HashValue> hash = find_as<HashValue>(context, context.arg(1));
  if (!check_type(context, hash)) return;
  context.out.integer(!hash.missing() && hash->contains(context.arg(2)) ? 1 : 0);
}

void cmd_hkeys(CommandContext& context) { reply_parts(context, Part::kField); }

void cmd_hvals(CommandContext& context) { reply_parts(context, Part::kValue); }

void cmd_hgetall(CommandContext& context) {
  const Found<HashValue> hash = find_as<HashValue>(context, context.arg(1));
  if (!check_type(context, hash)) return;
  if (hash.missing()) return context.out.map(0);
  context.out.map(hash->size());
  hash->for_each([&](std::string_view field, std::string_view value) {
    context.out.bulk(field);
    context.out.bulk(value);
  });
}

void cmd_hincrby(CommandContext& context) {
  int64_t increment = 0;
  if (!int_arg(context, 3, increment)) return;
  const std::string_view key = context.arg(1);
  Found<HashValue> hash = find_as<HashValue>(context, key);
  if (!check_type(context, hash)) return;
  int64_t value = 0;
  if (const auto old = hash.missing() ? std::nullopt : hash->get(context.arg(2))) {
    const std::optional<int64_t> number = parse_int64(*old);
    if (!number) return context.out.error("ERR hash value is not an integer");
    value = *number;
  }
  if (__builtin_add_overflow(value, increment, &value)) return context.out.error(kErrOverflow);
  Keyspace& keyspace = context.at(key);
  const IntegerText text = format_int64(value);
  HashValue changed = hash.missing() ? keyspace.create<HashValue>(context.database, key) : *hash;
  changed.set(context.arg(2), text);
  keyspace.changed(context.database, key, EventClass::kHash, "hincrby");
  context.out.integer(value);
}

void cmd_hincrbyfloat(CommandContext& context) {
  long double increment = 0;
  if (!long_double_arg(context, 3, increment)) return;
  if (std::isnan(increment) || std::isinf(increment)) return context.out.error("ERR value is NaN or Infinity");
  const std::string_view key = context.arg(1);
  Found<HashValue> hash = find_as<HashValue>(context, key);
  if (!check_type(context, hash)) return;
  long double value = 0;
  if (const auto old = hash.missing() ? std::nullopt : hash->get(context.arg(2))) {
    const std::optional<long double> number = parse_long_double(*old);
    if (!number) return context.out.error("ERR hash value is not a float");
    value = *number;
  }
  value += increment;
  if (std::isnan(value) || std::isinf(value)) return context.out.error(kErrNanOrInfinity);
  Keyspace& keyspace = context.at(key);
  const std::string text = format_long_double(value);
  HashValue changed = hash.missing() ? keyspace.create<HashValue>(context.database, key) : *hash;
  changed.set(context.arg(2), text);
  keyspace.changed(context.database, key, EventClass::kHash, "hincrbyfloat");
  context.out.bulk(text);
}

void cmd_hrandfield(CommandContext& context) {
  constexpr int64_t kCountMax = INT64_MAX;
  int64_t count = 0;
  bool with_values = false;
  const bool has_count = context.argc() > 2;
  if (has_count) {
    if (!int_arg_in(context, 2, -kCountMax, kCountMax, count)) return;
    with_values = context.argc() > 3;
    if (context.argc() > 4 || (with_values && !is_option(context.arg(3), "WITHVALUES"))) {
      return context.out.error(kErrSyntax);
    }
    if (with_values && (count < -kCountMax / 2 || count > kCountMax / 2)) {
      return context.out.error("ERR value is out of range");
    }
  }
  const Found<HashValue> hash = find_as<HashValue>(context, context.arg(1));
  if (!check_type(context, hash)) return;
  if (!has_count) {
    if (hash.missing()) return context.out.null();
    return context.out.bulk(hash->at(Chance(context.seed).below(hash->size())).first);
  }
  if (hash.missing() || count == 0) return context.out.array(0);
  reply_random_fields(context, *hash, count, with_values);
}

}  // namespace keelson::kv
