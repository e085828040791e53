// Commands over whole databases: FLUSHALL, FLUSHDB, SWAPDB, KEYS, DBSIZE, RANDOMKEY. They run with every shard of the
// node; in a replay, and where there is but one shard, with one.
#include <climits>
#include <vector>

#include "base/glob.h"
#include "base/hash.h"
#include "engine/kv/args.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"

namespace keelson::kv {

namespace {

std::span<Keyspace* const> keyspaces(const CommandContext& context) {
  return context.only != nullptr ? std::span<Keyspace* const>(&context.only, 1) : context.map->all();
}

void log_everywhere(const CommandContext& context, uint16_t command_code) {
  if (context.effects != nullptr) context.effects->log_everywhere(command_code, context.database, context.args);
}

// Answers and returns false if there is more than SYNC or ASYNC. Memory is freed in slices either way.
bool check_flush_option(CommandContext& context) {
  if (context.argc() == 1) return true;
  if (context.argc() == 2 && (is_option(context.arg(1), "SYNC") || is_option(context.arg(1), "ASYNC"))) return true;
  context.out.error(kErrSyntax);
  return false;
}

}  // namespace

void cmd_flushall(CommandContext& context) {
  if (!check_flush_option(context)) return;
  for (Keyspace* keyspace : keyspaces(context)) keyspace->flush_all();
  static const uint16_t kFlushAll = code_of("FLUSHALL");
  log_everywhere(context, kFlushAll);
  context.out.status(kReplyOk);
}

void cmd_flushdb(CommandContext& context) {
  if (!check_flush_option(context)) return;
  for (Keyspace* keyspace : keyspaces(context)) keyspace->flush(context.database);
  static const uint16_t kFlushDb = code_of("FLUSHDB");
  log_everywhere(context, kFlushDb);
  context.out.status(kReplyOk);
}

void cmd_swapdb(CommandContext& context) {
  int64_t one = 0;
  int64_t other = 0;
  if (!int_arg_in(context, 1, INT_MIN, INT_MAX, one, "ERR invalid first DB index")) return;
  if (!int_arg_in(context, 2, INT_MIN, INT_MAX, other, "ERR invalid second DB index")) return;
  const int64_t databases = keyspaces(context)[0]->options().databases;
  if (one < 0 || one >= databases || other < 0 || other >= databases) {
    return context.out.error("ERR DB index is out of range");
  }
  if (one != other) {
    for (Keyspace* keyspace : keyspaces(context)) {
      keyspace->swap(static_cast<uint16_t>(one), static_cast<uint16_t>(other));
    }
    static const uint16_t kSwapDb = code_of("SWAPDB");
    log_everywhere(context, kSwapDb);
  }
  context.out.status(kReplyOk);
}

void cmd_keys(CommandContext& context) {
  const std::string_view pattern = context.arg(1);
  const bool takes_all = pattern == "*";
  std::vector<std::string_view> keys;
  // How many keys one step visits: only the length of a loop, nothing is freed in between.
  constexpr size_t kStepKeys = 4096;
  for (Keyspace* keyspace : keyspaces(context)) {
    uint64_t cursor = 0;
    do {
      cursor = keyspace->scan(context.database, cursor, kStepKeys, [&](const Value& value) {
        const bool is_due = value.expires_at_ms() != kNoExpiry && value.expires_at_ms() <= context.now_ms;
        const bool is_shown = !is_due && !keyspace->is_hidden(value.key());
        if (is_shown && (takes_all || glob_match(pattern, value.key()))) keys.push_back(value.key());
      });
    } while (cursor != 0);
  }
  context.out.array(keys.size());
  for (const std::string_view key : keys) context.out.bulk(key);
}

void cmd_dbsize(CommandContext& context) {
  size_t size = 0;
  for (const Keyspace* keyspace : keyspaces(context)) size += keyspace->size(context.database);
  context.out.integer(static_cast<int64_t>(size));
}

void cmd_randomkey(CommandContext& context) {
  const std::span<Keyspace* const> all = keyspaces(context);
  size_t total = 0;
  for (const Keyspace* keyspace : all) total += keyspace->size(context.database);
  if (total == 0) return context.out.null();
  // A shard with the chance that its size gives it; the next ones if everything in it is due.
  size_t pick = mix64(context.seed) % total;
  size_t first = 0;
  while (pick >= all[first]->size(context.database)) pick -= all[first++]->size(context.database);
  for (size_t i = 0; i < all.size(); ++i) {
    const Value value = all[(first + i) % all.size()]->random(context.database, context.seed, context.now_ms);
    if (value) return context.out.bulk(value.key());
  }
  context.out.null();
}

}  // namespace keelson::kv
