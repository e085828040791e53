// A kv command: what it is (the table) and what it runs with (the context).
//
// One explicit table (command_table.cc) registers every command of Redis 7, supported or not; COMMAND, the docs, the
// router, the fuzzers and the prompt's completion read that table alone. Handlers are deterministic functions of the
// keyspace, the arguments, the time and the seed.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "engine/kv/events.h"
#include "engine/kv/reply.h"

namespace keelson::kv {

class Keyspace;
struct CommandContext;

using Args = std::span<const std::string_view>;

// Who handles a command.
enum class Home : uint8_t {
  kEngine,       // a handler below, on the shard (or shards) of its keys
  kAllShards,    // a handler below, with every shard of the node (FLUSHALL, KEYS, DBSIZE, SWAPDB, RANDOMKEY)
  kSession,      // protocol/resp handles it: CLIENT, SUBSCRIBE, MULTI, blocking commands, SCAN's walk over shards...
  kUnsupported,  // known to Redis 7, not built: answers a clear error
};

// Flags with Redis's names (COMMAND INFO prints them in this order).
enum CommandFlag : uint32_t {
  kWrite = 1u << 0,
  kReadonly = 1u << 1,
  kDenyOom = 1u << 2,
  kModule = 1u << 3,
  kAdmin = 1u << 4,
  kPubsub = 1u << 5,
  kNoScript = 1u << 6,
  kBlocking = 1u << 7,
  kLoading = 1u << 8,
  kStale = 1u << 9,
  kSkipMonitor = 1u << 10,
  kSkipSlowlog = 1u << 11,
  kAsking = 1u << 12,
  kFast = 1u << 13,
  kNoAuth = 1u << 14,
  kMayReplicate = 1u << 15,
  kNoAsyncLoading = 1u << 16,
  kNoMulti = 1u << 17,
  kMovableKeys = 1u << 18,
  kAllowBusy = 1u << 19,
};

// Which arguments are keys. first == 0: none. last < 0 counts from the end (-1: the last argument). `numkeys_at` > 0: that
// argument holds a count and the keys follow it (ZUNIONSTORE also has its destination at `first`). `custom`: see keys_of().
struct KeySpec {
  int8_t first = 0;
  int8_t last = 0;
  int8_t step = 0;
  int8_t numkeys_at = 0;
  bool custom = false;   // SORT ... STORE and the like: the handler's file knows
};

using Handler = void (*)(CommandContext&);

struct CommandSpec {
  std::string_view name;        // upper case; a subcommand is "CONFIG|GET"
  uint16_t code = 0;            // stands in logs: never reused, never renumbered
  Home home = Home::kUnsupported;
  int8_t arity = 0;             // Redis's: with the name; negative means at least
  uint32_t flags = 0;
  KeySpec keys;
  std::string_view group;       // "string", "hash", "list", "set", "sorted-set", "generic", "bitmap", "pubsub", ...
  std::string_view since;       // the Redis version that brought it
  std::string_view acl;         // categories, "@" left out, separated by blanks
  std::string_view complexity;  // "O(1)"
  std::string_view summary;     // our own words
  std::string_view syntax;      // arguments for hints and docs: "key value [EX seconds] [NX|XX]"
  Handler handler = nullptr;    // null unless home is kEngine or kAllShards
};

// All commands, sorted by name, subcommands behind their container.
std::span<const CommandSpec> command_table();
// Any case; the container for a command with subcommands. Null if unknown. O(1).
const CommandSpec* find_command(std::string_view name);
// "CONFIG", "GET" -> CONFIG|GET; null if the container has no such subcommand.
const CommandSpec* find_subcommand(const CommandSpec& container, std::string_view name);
const CommandSpec* command_by_code(uint16_t code);
// Right number of arguments (the name included)?
bool arity_fits(const CommandSpec& spec, size_t argument_count);
// The indexes of the key arguments, in order, appended to `into` (cleared first). False if the arguments are malformed (a
// numkeys that is no number or too large, say): there are then no keys, and the handler answers with the error.
bool keys_of(const CommandSpec& spec, Args args, std::vector<uint32_t>& into);

// Where a handler that ran with several shards puts what each shard must log: a command that is complete for the shard of
// `key` alone. Handlers of multi-key writes call it for every change; single-key handlers never do.
class Effects {
 public:
  virtual ~Effects() = default;
  virtual void log(std::string_view key, uint16_t code, uint16_t database, Args args) = 0;
  // For Home::kAllShards: every shard logs the same command (FLUSHALL, SWAPDB).
  virtual void log_everywhere(uint16_t code, uint16_t database, Args args) = 0;
};

// Finds the keyspace that holds a key when a command runs with several shards.
class KeyspaceMap {
 public:
  virtual ~KeyspaceMap() = default;
  virtual Keyspace& at(std::string_view key) = 0;
  // Every keyspace of the node, in shard order; for Home::kAllShards.
  virtual std::span<Keyspace* const> all() = 0;
};

struct CommandContext {
  Args args;                 // args[0] is the command's name as sent (or anything, in a replay)
  ReplySink& out;
  int64_t now_ms = 0;        // log time
  uint64_t seed = 0;
  uint16_t database = 0;
  bool is_query = false;     // must not change anything
  Keyspace* only = nullptr;  // the keyspace of all keys, or null: ask `map`
  KeyspaceMap* map = nullptr;
  Effects* effects = nullptr;  // not null when `map` is used by a write: say what each shard must log

  [[nodiscard]] Keyspace& at(std::string_view key) const { return only != nullptr ? *only : map->at(key); }
  [[nodiscard]] std::string_view arg(size_t index) const { return args[index]; }
  [[nodiscard]] size_t argc() const { return args.size(); }
  void log_effect(std::string_view key, uint16_t code, std::initializer_list<std::string_view> effect_args) const {
    if (effects != nullptr) effects->log(key, code, database, Args(effect_args.begin(), effect_args.size()));
  }
};

}  // namespace keelson::kv
