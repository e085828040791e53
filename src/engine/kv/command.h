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

// Redis's flags; command_flag_names() has their names.
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
  kNoMandatoryKeys = 1u << 20,
};

// A flag with Redis's name for it; all of them, in the order in which COMMAND INFO shows them.
struct CommandFlagName {
  CommandFlag flag;
  std::string_view name;
};
std::span<const CommandFlagName> command_flag_names();

// Which arguments are keys. first == 0: none. last < 0 counts from the end (-1: the last argument). `numkeys_at` > 0:
// that argument holds a count and the keys follow it (ZUNIONSTORE also has its destination at `first`). `custom`: see
// keys_of().
struct KeySpec {
  int8_t first = 0;
  int8_t last = 0;
  int8_t step = 0;
  int8_t numkeys_at = 0;
  bool custom = false;  // SORT ... STORE and the like: the handler's file knows
};

using Handler = void (*)(CommandContext&);

struct CommandSpec {
  std::string_view name = {};  // upper case; a subcommand is "CONFIG|GET"
  uint16_t code = 0;           // stands in logs: never reused, never renumbered
  Home home = Home::kUnsupported;
  int8_t arity = 0;  // Redis's: with the name; negative means at least
  uint32_t flags = 0;
  KeySpec keys = {};
  std::string_view group = {};  // "string", "hash", "list", "set", "sorted-set", "generic", "bitmap", "pubsub", ...
  std::string_view since = {};  // the Redis version that brought it
  std::string_view acl = {};    // categories, "@" left out, separated by blanks
  std::string_view complexity = {};  // "O(1)"
  std::string_view summary = {};     // our own words
  std::string_view syntax = {};      // arguments for hints and docs: "key value [EX seconds] [NX|XX]"
  std::string_view key_flags = {};   // what it does with its keys, one list for each key spec: "OW update;RO access"
  std::string_view tips = {};        // "request_policy:multi_shard response_policy:agg_sum"
  std::string_view doc_flags = {};   // "deprecated", "syscmd" or nothing
  // Null unless home is kEngine or kAllShards, or the command blocks: then this is its core that never waits (as inside
  // MULTI), and the session does the waiting.
  Handler handler = nullptr;
};

// Codes of the internal commands, which only the server itself sends.
namespace code {
inline constexpr uint16_t kExpire = 1001;
inline constexpr uint16_t kEvict = 1002;
inline constexpr uint16_t kPut = 1003;
inline constexpr uint16_t kScan = 1004;
inline constexpr uint16_t kDigest = 1005;
inline constexpr uint16_t kDigestValue = 1006;
inline constexpr uint16_t kDebugObject = 1007;
inline constexpr uint16_t kEvictVolatile = 1008;
inline constexpr uint16_t kTake = 1009;
inline constexpr uint16_t kDrop = 1010;
}  // namespace code

// Past the greatest code: for arrays indexed by code.
inline constexpr uint16_t kCommandCodesEnd = 1024;

// Only the server itself may send it: clients get the error for an unknown command, COMMAND and the docs leave it out.
[[nodiscard]] constexpr bool is_internal(const CommandSpec& spec) { return spec.name[0] == '_'; }
// "CONFIG|GET".
[[nodiscard]] constexpr bool is_subcommand(const CommandSpec& spec) {
  return spec.name.find('|') != std::string_view::npos;
}
[[nodiscard]] constexpr bool is_write(const CommandSpec& spec) { return (spec.flags & kWrite) != 0; }

// All commands, sorted by name, subcommands behind their container; the internal ones come last.
std::span<const CommandSpec> command_table();
// Any case; the container for a command with subcommands. Null if unknown. Finds internal commands too: a session asks
// is_internal(). O(1), about 5 ns.
const CommandSpec* find_command(std::string_view name);
// The subcommands of a container, sorted by name; empty for a command without.
std::span<const CommandSpec> subcommands_of(const CommandSpec& container);
// "CONFIG", "GET" -> CONFIG|GET; null if the container has no such subcommand.
const CommandSpec* find_subcommand(const CommandSpec& container, std::string_view name);
// Null if the table has no such code. O(1).
const CommandSpec* command_by_code(uint16_t code);
// Right number of arguments (the name included)?
[[nodiscard]] constexpr bool arity_fits(const CommandSpec& spec, size_t argument_count) {
  return spec.arity >= 0 ? argument_count == static_cast<size_t>(spec.arity)
                         : argument_count >= static_cast<size_t>(-spec.arity);
}
// Which argument names a field or member that the command looks for in a hash, set or sorted set (the first of them, if
// it takes several); 0: none. A hint for reading ahead.
[[nodiscard]] size_t member_argument(const CommandSpec& spec);
// Exactly one key, always at args[spec.keys.first]: the quick way for most commands.
[[nodiscard]] constexpr bool has_single_key(const CommandSpec& spec) {
  return spec.keys.first > 0 && spec.keys.first == spec.keys.last && spec.keys.numkeys_at == 0 && !spec.keys.custom;
}
// The indexes of the key arguments, in order, appended to `into` (cleared first). False if the arguments are malformed
// (a numkeys that is no number or too large, say): there are then no keys, and the handler answers with the error.
bool keys_of(const CommandSpec& spec, Args args, std::vector<uint32_t>& into);

// A key spec as COMMAND INFO shows it: how to find where keys begin, and which of the arguments from there are keys.
struct KeySpecView {
  enum class Begin : uint8_t { kIndex, kKeyword, kUnknown };
  enum class Find : uint8_t { kRange, kKeynum, kUnknown };
  std::string_view flags;  // "RO access"
  Begin begin = Begin::kIndex;
  int index = 0;             // kIndex
  std::string_view keyword;  // kKeyword
  int start_from = 0;        // kKeyword
  Find find = Find::kRange;
  int last_key = 0;      // kRange, relative to the begin; negative from the end
  int key_step = 1;      // kRange, kKeynum
  int limit = 0;         // kRange
  int keynum_index = 0;  // kKeynum
  int first_key = 1;     // kKeynum
};
inline constexpr size_t kKeySpecsMax = 3;
// Writes the specs of a command; how many there are (at most kKeySpecsMax).
size_t key_specs_of(const CommandSpec& spec, std::span<KeySpecView, kKeySpecsMax> into);

// Where a handler that ran with several shards puts what each shard must log: a command that is complete for the shard
// of `key` alone. Handlers of multi-key writes call it for every change; single-key handlers never do.
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
  Args args;  // args[0] is the command's name as sent (or anything, in a replay)
  ReplySink& out;
  int64_t now_ms = 0;  // log time
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
