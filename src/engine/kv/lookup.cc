#include "engine/kv/lookup.h"

#include <string>

#include "base/numbers.h"
#include "engine/kv/rdb.h"

namespace keelson::kv {

Value find_across(const CommandContext& context, uint16_t database, std::string_view key) {
  Keyspace& keyspace = context.at(key);
  if (context.is_query) return keyspace.find(database, key, context.now_ms);
  if (context.effects != nullptr && keyspace.expire_if_due(database, key, context.now_ms)) {
    const std::string_view args[] = {"_EXPIRE", key};
    context.effects->log(key, code::kExpire, database, args);
    return {};
  }
  return keyspace.find_for_write(database, key, context.now_ms);
}

void log_del(const CommandContext& context, uint16_t database, std::string_view key) {
  if (context.effects == nullptr) return;
  static const uint16_t kDel = code_of("DEL");
  const std::string_view args[] = {"DEL", key};
  context.effects->log(key, kDel, database, args);
}

void log_put(const CommandContext& context, const Value& value) {
  if (context.effects == nullptr) return;
  const std::string payload = dump_value(value);
  const int64_t expires_at_ms = value.expires_at_ms();
  const IntegerText expiry = format_int64(expires_at_ms == kNoExpiry ? 0 : expires_at_ms);
  const std::string_view args[] = {"_PUT", value.key(), expiry.view(), payload};
  context.effects->log(value.key(), code::kPut, value.database(), args);
}

}  // namespace keelson::kv
