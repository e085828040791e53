// How handlers find keys, and how writes over several shards tell what each shard must log.
//
// Keyspace finds on one shard; these know the context: whether it is a query, and whether there are effects to tell.
#pragma once

#include <limits>
#include <string_view>

#include "engine/kv/args.h"
#include "engine/kv/command.h"
#include "engine/kv/keyspace.h"

namespace keelson::kv {

// As a time at which nothing is due: finds keys whose time has come as well.
inline constexpr int64_t kNeverDue = std::numeric_limits<int64_t>::min();

// A key of a single-key command: as a reader in a query, as a writer otherwise (a key that is due is removed).
[[nodiscard]] inline Value find(const CommandContext& context, std::string_view key) {
  Keyspace& keyspace = context.at(key);
  return context.is_query ? keyspace.find(context.database, key, context.now_ms)
                          : keyspace.find_for_write(context.database, key, context.now_ms);
}
template <class View>
[[nodiscard]] Found<View> find_as(const CommandContext& context, std::string_view key) {
  return Found<View>(find(context, key));
}

// The same for a key of a multi-key command: a removal is told to the effects, since nothing else may be logged in the
// key's shard.
[[nodiscard]] Value find_across(const CommandContext& context, uint16_t database, std::string_view key);
[[nodiscard]] inline Value find_across(const CommandContext& context, std::string_view key) {
  return find_across(context, context.database, key);
}
template <class View>
[[nodiscard]] Found<View> find_across_as(const CommandContext& context, std::string_view key) {
  return Found<View>(find_across(context, key));
}

// Effects of a change that has been made; nothing on a single shard. The key is gone:
void log_del(const CommandContext& context, uint16_t database, std::string_view key);
inline void log_del(const CommandContext& context, std::string_view key) { log_del(context, context.database, key); }
// The key now holds this value with this time to live (by _PUT).
void log_put(const CommandContext& context, const Value& value);

}  // namespace keelson::kv
