// What is known about keys: OBJECT, MEMORY USAGE, and the cores of DEBUG. (OBJECT HELP is the session's.)
#include <limits>
#include <string>

#include "engine/kv/args.h"
#include "engine/kv/digest.h"
#include "engine/kv/handlers.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/rdb.h"

namespace keelson::kv {

namespace {

// Looking at a key for its clock must not wind it.
Value look_at(const CommandContext& context, size_t key_index) {
  const std::string_view key = context.arg(key_index);
  return context.at(key).find(context.database, key, context.now_ms, Touch::kNo);
}

constexpr std::string_view kErrNotLfu =
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
    "between "
    "policies at runtime LRU and LFU data will take some time to adjust.";
constexpr std::string_view kErrIsLfu =
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies "
    "at runtime LRU and LFU data will take some time to adjust.";

}  // namespace

void cmd_object_encoding(CommandContext& context) {
  const Value value = look_at(context, 2);
  if (!value) return context.out.null();
  context.out.bulk(value.encoding_name());
}

void cmd_object_refcount(CommandContext& context) {
  // Values are never shared.
  if (!look_at(context, 2)) return context.out.null();
  context.out.integer(1);
}

void cmd_object_idletime(CommandContext& context) {
  const Value value = look_at(context, 2);
  if (!value) return context.out.null();
  if (is_lfu(value.keyspace().options().eviction_policy)) return context.out.error(kErrIsLfu);
  context.out.integer(value.keyspace().idle_ms(value, context.now_ms) / 1000);
}

void cmd_object_freq(CommandContext& context) {
  const Value value = look_at(context, 2);
  if (!value) return context.out.null();
  if (!is_lfu(value.keyspace().options().eviction_policy)) return context.out.error(kErrNotLfu);
  context.out.integer(value.keyspace().frequency(value, context.now_ms));
}

void cmd_memory_usage(CommandContext& context) {
  constexpr int64_t kSamplesDefault = 5;
  int64_t samples = kSamplesDefault;
  for (size_t i = 3; i < context.argc(); ++i) {
    if (!is_option(context.arg(i), "SAMPLES") || i + 1 == context.argc()) return context.out.error(kErrSyntax);
    if (!int_arg(context, ++i, samples)) return;
    if (samples < 0) return context.out.error(kErrSyntax);
  }
  const Value value = look_at(context, 2);
  if (!value) return context.out.null();
  context.out.integer(static_cast<int64_t>(value.memory_bytes(static_cast<size_t>(samples))));
}

void cmd_internal_debug_object(CommandContext& context) {
  const Value value = look_at(context, 1);
  if (!value) return context.out.error(kErrNoSuchKey);
  // The payload of DUMP less its type, version and checksum. No address is told: it would mean nothing.
  constexpr size_t kDumpFrameBytes = 11;
  std::string text = "Value at:0x0 refcount:1 encoding:";
  text += value.encoding_name();
  text += " serializedlength:" + std::to_string(dump_value(value).size() - kDumpFrameBytes);
  text += " lru:" + std::to_string(value.entry()->clock());
  text += " lru_seconds_idle:" + std::to_string(value.keyspace().idle_ms(value, context.now_ms) / 1000);
  context.out.status(text);
}

void cmd_internal_digest(CommandContext& context) {
  DatasetDigest digest;
  if (context.only != nullptr) {
    digest.add(*context.only, context.now_ms);
  } else {
    for (Keyspace* keyspace : context.map->all()) digest.add(*keyspace, context.now_ms);
  }
  context.out.status(to_hex(digest.finish()));
}

void cmd_internal_digest_value(CommandContext& context) {
  const Value value = look_at(context, 1);
  context.out.status(to_hex(value ? digest_value(value) : Digest{}));
}

}  // namespace keelson::kv
