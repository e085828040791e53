// Keys of any type: removing, asking, renaming, copying, moving. Times to live are in cmd_expire.cc, the commands over
// whole databases in cmd_database.cc.
#include <climits>
#include <string>

#include "base/check.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"
#include "engine/kv/rdb.h"

namespace keelson::kv {

namespace {

constexpr std::string_view kErrDatabase = "ERR DB index is out of range";
constexpr std::string_view kErrSameObject = "ERR source and destination objects are the same";

void remove_keys(CommandContext& context) {
  int64_t removed = 0;
  for (const std::string_view key : context.args.subspan(1)) {
    Value value = find_across(context, key);
    if (!value) continue;
    Keyspace& keyspace = context.at(key);
    keyspace.erase(value);
    keyspace.changed(context.database, key, EventClass::kGeneric, "del");
    log_del(context, key);
    ++removed;
  }
  context.out.integer(removed);
}

int64_t count_present(const CommandContext& context, Touch touch) {
  int64_t present = 0;
  for (const std::string_view key : context.args.subspan(1)) {
    present += context.at(key).find(context.database, key, context.now_ms, touch) ? 1 : 0;
  }
  return present;
}

// The key then holds a copy of `from`, time to live included, whatever it held before.
Value put_copy(CommandContext& context, const Value& from, uint16_t database, std::string_view key) {
  Keyspace& keyspace = context.at(key);
  if (&keyspace == &from.keyspace()) return keyspace.copy(from, database, key);
  const std::string payload = dump_value(from);
  const int64_t expires_at_ms = from.expires_at_ms();
  Value copy = keyspace.find(database, key, kNeverDue, Touch::kPeek);
  if (copy) keyspace.erase(copy);
  const RestoreError error = restore_value(keyspace, database, key, payload, copy);
  KEELSON_CHECK(error == RestoreError::kOk, "a value does not survive its own dump");
  if (expires_at_ms != kNoExpiry) keyspace.set_expiry(copy, expires_at_ms);
  return copy;
}

void rename(CommandContext& context, bool only_if_new) {
  const std::string_view from = context.arg(1);
  const std::string_view to = context.arg(2);
  Value value = find_across(context, from);
  if (!value) return context.out.error(kErrNoSuchKey);
  if (from != to) {
    if (find_across(context, to) && only_if_new) return context.out.integer(0);
    Keyspace& from_space = context.at(from);
    Keyspace& to_space = context.at(to);
    if (&from_space == &to_space) {
      to_space.put(context.database, to, from_space.take(value));
    } else {
      log_put(context, put_copy(context, value, context.database, to));
      from_space.erase(value);
      log_del(context, from);
    }
    from_space.changed(context.database, from, EventClass::kGeneric, "rename_from");
    to_space.changed(context.database, to, EventClass::kGeneric, "rename_to");
  } else if (only_if_new) {
    return context.out.integer(0);
  }
  if (only_if_new) {
    context.out.integer(1);
  } else {
    context.out.status(kReplyOk);
  }
}

// Answers and returns false if argument `index` is no database.
bool database_arg(CommandContext& context, const Keyspace& keyspace, size_t index, uint16_t& database) {
  int64_t number = 0;
  if (!int_arg_in(context, index, INT_MIN, INT_MAX, number)) return false;
  if (number < 0 || number >= keyspace.options().databases) {
    context.out.error(kErrDatabase);
    return false;
  }
  database = static_cast<uint16_t>(number);
  return true;
}

}  // namespace

void cmd_del(CommandContext& context) { remove_keys(context); }

// Large values are always freed in slices, so there is no difference.
void cmd_unlink(CommandContext& context) { remove_keys(context); }

void cmd_exists(CommandContext& context) { context.out.integer(count_present(context, Touch::kNo)); }

void cmd_touch(CommandContext& context) { context.out.integer(count_present(context, Touch::kYes)); }

void cmd_type(CommandContext& context) {
  const std::string_view key = context.arg(1);
  const Value value = context.at(key).find(context.database, key, context.now_ms, Touch::kNo);
  context.out.status(value ? value.type_name() : "none");
}

void cmd_rename(CommandContext& context) { rename(context, false); }

void cmd_renamenx(CommandContext& context) { rename(context, true); }

void cmd_copy(CommandContext& context) {
  const std::string_view from = context.arg(1);
  const std::string_view to = context.arg(2);
  Keyspace& to_space = context.at(to);
  uint16_t database = context.database;
  bool replace = false;
  for (size_t i = 3; i < context.argc(); ++i) {
    if (is_option(context.arg(i), "REPLACE")) {
      replace = true;
    } else if (is_option(context.arg(i), "DB") && i + 1 < context.argc()) {
      if (!database_arg(context, to_space, ++i, database)) return;
    } else {
      return context.out.error(kErrSyntax);
    }
  }
  if (from == to && database == context.database) return context.out.error(kErrSameObject);
  const Value value = find_across(context, from);
  if (!value) return context.out.integer(0);
  if (find_across(context, database, to) && !replace) return context.out.integer(0);
  log_put(context, put_copy(context, value, database, to));
  to_space.changed(database, to, EventClass::kGeneric, "copy_to");
  context.out.integer(1);
}

void cmd_move(CommandContext& context) {
  const std::string_view key = context.arg(1);
  Keyspace& keyspace = context.at(key);
  uint16_t database = 0;
  if (!database_arg(context, keyspace, 2, database)) return;
  if (database == context.database) return context.out.error(kErrSameObject);
  Value value = find(context, key);
  if (!value) return context.out.integer(0);
  if (keyspace.find_for_write(database, key, context.now_ms)) return context.out.integer(0);
  keyspace.put(database, key, keyspace.take(value));
  keyspace.changed(context.database, key, EventClass::kGeneric, "move_from");
  keyspace.changed(database, key, EventClass::kGeneric, "move_to");
  context.out.integer(1);
}

}  // namespace keelson::kv
