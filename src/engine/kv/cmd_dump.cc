// DUMP and RESTORE.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/rdb.h"

namespace keelson::kv {

namespace {

struct RestoreOptions {
  bool replace = false;
  bool is_absolute = false;
  int64_t idle_s = -1;
  int64_t frequency = -1;
};

// Answers and returns false if the options are wrong.
bool take_restore_options(CommandContext& context, RestoreOptions& options) {
  for (size_t i = 4; i < context.argc(); ++i) {
    const std::string_view option = context.arg(i);
    const bool has_next = i + 1 < context.argc();
    if (is_option(option, "REPLACE")) {
      options.replace = true;
    } else if (is_option(option, "ABSTTL")) {
      options.is_absolute = true;
    } else if (is_option(option, "IDLETIME") && has_next && options.frequency == -1) {
      if (!int_arg(context, ++i, options.idle_s)) return false;
      if (options.idle_s < 0) {
        context.out.error("ERR Invalid IDLETIME value, must be >= 0");
        return false;
      }
    } else if (is_option(option, "FREQ") && has_next && options.idle_s == -1) {
      if (!int_arg(context, ++i, options.frequency)) return false;
      if (options.frequency < 0 || options.frequency > 255) {
        context.out.error("ERR Invalid FREQ value, must be >= 0 and <= 255");
        return false;
      }
    } else {
      context.out.error(kErrSyntax);
      return false;
    }
  }
  return true;
}

std::string_view text_of(RestoreError error) {
  return error == RestoreError::kBadData ? "ERR Bad data format" : "ERR DUMP payload version or checksum are wrong";
}

// Access clocks: not part of the replicated state.
void set_clock(Keyspace& keyspace, Value& value, const RestoreOptions& options, int64_t now_ms) {
  if (is_lfu(keyspace.options().eviction_policy)) {
    if (options.frequency >= 0) keyspace.set_frequency(value, static_cast<uint8_t>(options.frequency), now_ms);
  } else if (options.idle_s >= 0) {
    // The clock counts 24 bits of seconds.
    constexpr int64_t kIdleSecondsMax = (int64_t{1} << 24) - 1;
    keyspace.set_idle(value, std::min(options.idle_s, kIdleSecondsMax) * 1000, now_ms);
  }
}

// Nothing has changed, so nobody is told.
void put_back(Keyspace& keyspace, uint16_t database, std::string_view key, DetachedValue&& value) {
  Observer* observer = keyspace.observer();
  keyspace.set_observer(nullptr);
  keyspace.put(database, key, std::move(value));
  keyspace.set_observer(observer);
}

}  // namespace

void cmd_dump(CommandContext& context) {
  const std::string_view key = context.arg(1);
  const Value value = context.at(key).find(context.database, key, context.now_ms);
  if (!value) return context.out.null();
  context.out.bulk(dump_value(value));
}

void cmd_restore(CommandContext& context) {
  const std::string_view key = context.arg(1);
  RestoreOptions options;
  if (!take_restore_options(context, options)) return;
  Value old = find(context, key);
  if (old && !options.replace) return context.out.error("BUSYKEY Target key name already exists.");
  int64_t expires_at_ms = 0;
  if (!int_arg(context, 2, expires_at_ms)) return;
  if (expires_at_ms < 0) return context.out.error("ERR Invalid TTL value, must be >= 0");
  if (expires_at_ms != 0 && !options.is_absolute &&
      __builtin_add_overflow(expires_at_ms, context.now_ms, &expires_at_ms)) {
    expires_at_ms = std::numeric_limits<int64_t>::max();
  }
  Keyspace& keyspace = context.at(key);
  const bool had_old = static_cast<bool>(old);
  DetachedValue kept = had_old ? keyspace.take(old) : DetachedValue();
  Value value;
  const RestoreError error = restore_value(keyspace, context.database, key, context.arg(3), value);
  if (error != RestoreError::kOk) {
    if (had_old) put_back(keyspace, context.database, key, std::move(kept));
    return context.out.error(text_of(error));
  }
  if (expires_at_ms != 0 && expires_at_ms <= context.now_ms) {
    keyspace.erase(value);
    if (had_old) keyspace.changed(context.database, key, EventClass::kGeneric, "del");
    return context.out.status(kReplyOk);
  }
  if (expires_at_ms != 0) keyspace.set_expiry(value, expires_at_ms);
  set_clock(keyspace, value, options, context.now_ms);
  keyspace.changed(context.database, key, EventClass::kGeneric, "restore");
  context.out.status(kReplyOk);
}

}  // namespace keelson::kv
