// Times to live: EXPIRE and its kin, TTL and its kin, PERSIST.
#include <algorithm>
#include <string>

#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"

namespace keelson::kv {

namespace {

enum class Unit : uint8_t { kSeconds, kMilliseconds };
enum class Since : uint8_t { kNow, kEpoch };

struct ExpireConditions {
  bool if_none = false;     // NX
  bool if_some = false;     // XX
  bool if_later = false;    // GT
  bool if_earlier = false;  // LT
};

// Answers and returns false if the options are wrong.
bool take_conditions(CommandContext& context, ExpireConditions& conditions) {
  for (const std::string_view option : context.args.subspan(3)) {
    if (is_option(option, "NX")) {
      conditions.if_none = true;
    } else if (is_option(option, "XX")) {
      conditions.if_some = true;
    } else if (is_option(option, "GT")) {
      conditions.if_later = true;
    } else if (is_option(option, "LT")) {
      conditions.if_earlier = true;
    } else {
      context.out.error("ERR Unsupported option " + std::string(option));
      return false;
    }
  }
  if (conditions.if_none && (conditions.if_some || conditions.if_later || conditions.if_earlier)) {
    context.out.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (conditions.if_later && conditions.if_earlier) {
    context.out.error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// A key without a time to live counts as one that never expires.
bool conditions_hold(const ExpireConditions& conditions, int64_t old_ms, int64_t new_ms) {
  const bool has_expiry = old_ms != kNoExpiry;
  if (conditions.if_none && has_expiry) return false;
  if (conditions.if_some && !has_expiry) return false;
  if (conditions.if_later && (!has_expiry || new_ms <= old_ms)) return false;
  return !(conditions.if_earlier && has_expiry && new_ms >= old_ms);
}

void expire(CommandContext& context, Unit unit, Since since, std::string_view lower_case_command) {
  ExpireConditions conditions;
  int64_t amount = 0;
  int64_t expires_at_ms = 0;
  if (!take_conditions(context, conditions) || !int_arg(context, 2, amount)) return;
  if (!absolute_expiry(amount, unit == Unit::kSeconds, since == Since::kNow, context.now_ms, expires_at_ms)) {
    return reply_invalid_expire(context, lower_case_command);
  }
  const std::string_view key = context.arg(1);
  Value value = find(context, key);
  if (!value || !conditions_hold(conditions, value.expires_at_ms(), expires_at_ms)) return context.out.integer(0);
  Keyspace& keyspace = context.at(key);
  if (expires_at_ms <= context.now_ms) {
    keyspace.erase(value);
    keyspace.changed(context.database, key, EventClass::kGeneric, "del");
  } else {
    keyspace.set_expiry(value, expires_at_ms);
    keyspace.changed(context.database, key, EventClass::kGeneric, "expire");
  }
  context.out.integer(1);
}

void time_to_live(CommandContext& context, Unit unit, Since since) {
  const std::string_view key = context.arg(1);
  const Value value = context.at(key).find(context.database, key, context.now_ms, Touch::kNo);
  if (!value) return context.out.integer(-2);
  int64_t time_ms = value.expires_at_ms();
  if (time_ms == kNoExpiry) return context.out.integer(-1);
  if (since == Since::kNow) time_ms = std::max<int64_t>(time_ms - context.now_ms, 0);
  context.out.integer(unit == Unit::kSeconds ? (time_ms + 500) / 1000 : time_ms);
}

}  // namespace

void cmd_expire(CommandContext& context) { expire(context, Unit::kSeconds, Since::kNow, "expire"); }

void cmd_expireat(CommandContext& context) { expire(context, Unit::kSeconds, Since::kEpoch, "expireat"); }

void cmd_pexpire(CommandContext& context) { expire(context, Unit::kMilliseconds, Since::kNow, "pexpire"); }

void cmd_pexpireat(CommandContext& context) { expire(context, Unit::kMilliseconds, Since::kEpoch, "pexpireat"); }

void cmd_ttl(CommandContext& context) { time_to_live(context, Unit::kSeconds, Since::kNow); }

void cmd_pttl(CommandContext& context) { time_to_live(context, Unit::kMilliseconds, Since::kNow); }

void cmd_expiretime(CommandContext& context) { time_to_live(context, Unit::kSeconds, Since::kEpoch); }

void cmd_pexpiretime(CommandContext& context) { time_to_live(context, Unit::kMilliseconds, Since::kEpoch); }

void cmd_persist(CommandContext& context) {
  const std::string_view key = context.arg(1);
  Value value = find(context, key);
  if (!value || value.expires_at_ms() == kNoExpiry) return context.out.integer(0);
  Keyspace& keyspace = context.at(key);
  keyspace.set_expiry(value, kNoExpiry);
  keyspace.changed(context.database, key, EventClass::kGeneric, "persist");
  context.out.integer(1);
}

}  // namespace keelson::kv
