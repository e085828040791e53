#include "engine/kv/zset_result.h"

#include "engine/kv/keyspace.h"
#include "engine/kv/lookup.h"

namespace keelson::kv {

void store_result(CommandContext& context, const ScoredMembers& result, std::string_view event) {
  const std::string_view key = context.arg(1);
  Keyspace& keyspace = context.at(key);
  Value old = find_across(context, key);
  const bool existed = static_cast<bool>(old);
  if (existed) keyspace.erase(old);
  if (result.empty()) {
    if (existed) {
      keyspace.changed(context.database, key, EventClass::kGeneric, "del");
      log_del(context, key);
    }
    return context.out.integer(0);
  }
  auto zset = keyspace.create<SortedSetValue>(context.database, key);
  for (size_t i = 0; i < result.size(); ++i) zset.set(result.member(i), result.score(i));
  keyspace.changed(context.database, key, EventClass::kSortedSet, event);
  log_put(context, zset);
  context.out.integer(static_cast<int64_t>(result.size()));
}

}  // namespace keelson::kv
