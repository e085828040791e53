// The internal commands: what was decided once, as it stands in logs (handlers.h says when).
#include "base/numbers.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/rdb.h"

namespace keelson::kv {

void cmd_internal_expire(CommandContext& context) {
  int64_t removed = 0;
  for (size_t i = 1; i < context.argc(); ++i) {
    const std::string_view key = context.arg(i);
    removed += context.at(key).expire_if_due(context.database, key, context.now_ms) ? 1 : 0;
  }
  context.out.integer(removed);
}

namespace {

void evict(CommandContext& context, bool only_volatile) {
  const std::string_view key = context.arg(1);
  Value value = find(context, key);
  if (!value || (only_volatile && value.expires_at_ms() == kNoExpiry)) return context.out.integer(0);
  Keyspace& keyspace = context.at(key);
  keyspace.erase(value);
  keyspace.changed(context.database, key, EventClass::kEvicted, "evicted");
  context.out.integer(1);
}

}  // namespace

void cmd_internal_evict(CommandContext& context) { evict(context, false); }

void cmd_internal_evict_volatile(CommandContext& context) { evict(context, true); }

void cmd_internal_put(CommandContext& context) {
  const std::string_view key = context.arg(1);
  int64_t expires_at_ms = 0;
  if (!int_arg(context, 2, expires_at_ms)) return;
  Keyspace& keyspace = context.at(key);
  // Whether the old value was due does not matter: nobody sees the difference.
  keyspace.remove(context.database, key);
  Value value;
  if (restore_value(keyspace, context.database, key, context.arg(3), value) != RestoreError::kOk) {
    return context.out.error("ERR Bad data format");
  }
  if (expires_at_ms != 0) keyspace.set_expiry(value, expires_at_ms);
  keyspace.changed(context.database, key);
  context.out.integer(1);
}

void cmd_internal_take(CommandContext& context) {
  Keyspace& keyspace = context.at(context.arg(1));
  // Not even that the key is new ("new").
  Observer* observer = keyspace.observer();
  keyspace.set_observer(nullptr);
  cmd_internal_put(context);
  keyspace.set_observer(observer);
  keyspace.changed(context.database, context.arg(1));
}

void cmd_internal_drop(CommandContext& context) {
  int64_t removed = 0;
  for (const std::string_view key : context.args.subspan(1)) {
    Keyspace& keyspace = context.at(key);
    if (!keyspace.remove(context.database, key)) continue;
    keyspace.changed(context.database, key);
    ++removed;
  }
  context.out.integer(removed);
}

}  // namespace keelson::kv
