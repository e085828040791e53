// The table of commands against itself, and against facts about Redis 7.0 that stand here a second time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kv/command.h"

namespace keelson::kv {
namespace {

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> result;
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    if (!word.empty()) result.push_back(word);
    line.remove_prefix(std::min(line.size(), word.size() + 1));
  }
  return result;
}

const CommandSpec& spec_of(std::string_view name) {
  const std::string_view container = name.substr(0, name.find('|'));
  const CommandSpec* spec = find_command(container);
  EXPECT_NE(spec, nullptr) << name;
  if (container.size() != name.size()) spec = find_subcommand(*spec, name.substr(container.size() + 1));
  EXPECT_NE(spec, nullptr) << name;
  return *spec;
}

// "1 3": the indexes of the keys; "malformed".
std::string keys(std::string_view line) {
  const std::vector<std::string_view> args = words(line);
  const CommandSpec* spec = find_command(args[0]);
  if (spec == nullptr) return "unknown";
  if (args.size() > 1) {
    if (const CommandSpec* sub = find_subcommand(*spec, args[1]); sub != nullptr) spec = sub;
  }
  std::vector<uint32_t> found{77};
  if (!keys_of(*spec, args, found)) return found.empty() ? "malformed" : "malformed, and yet keys";
  std::string text;
  for (const uint32_t index : found) text += (text.empty() ? "" : " ") + std::to_string(index);
  return text;
}

TEST(CommandTable, HasEveryCommandOfRedis7) {
  size_t top_level = 0;
  size_t subcommands = 0;
  for (const CommandSpec& spec : command_table()) {
    if (is_internal(spec)) continue;
    ++(is_subcommand(spec) ? subcommands : top_level);
  }
  // COMMAND COUNT of Redis 7.0.15, and its subcommands.
  EXPECT_EQ(top_level, 240u);
  EXPECT_EQ(subcommands, 126u);
}

TEST(CommandTable, CodesAreUniqueAndFindTheirRow) {
  std::set<uint16_t> codes;
  for (const CommandSpec& spec : command_table()) {
    EXPECT_TRUE(codes.insert(spec.code).second) << spec.name << " has a code that was given before";
    EXPECT_LT(spec.code, kCommandCodesEnd);
    EXPECT_EQ(command_by_code(spec.code), &spec);
  }
  EXPECT_EQ(command_by_code(0), nullptr);
  EXPECT_EQ(command_by_code(0xffff), nullptr);
}

// Codes stand in logs. Whoever breaks this test makes logs unreadable.
TEST(CommandTable, CodesStayAsTheyWereGiven) {
  const std::map<std::string_view, uint16_t> given = {
      {"DEL", 2},      {"EXPIRE", 5},         {"RENAME", 23},          {"SORT", 27},      {"APPEND", 100},
      {"GET", 103},    {"SET", 116},          {"LPUSH", 212},          {"SADD", 250},     {"SUNIONSTORE", 266},
      {"ZADD", 303},   {"ZUNIONSTORE", 334},  {"HSET", 412},           {"_EXPIRE", 1001}, {"_EVICT", 1002},
      {"_PUT", 1003},  {"_SCAN", 1004},       {"FLUSHALL", 733},       {"SWAPDB", 773},   {"RESTORE", 25},
      {"SETBIT", 156}, {"HINCRBYFLOAT", 405}, {"_EVICTVOLATILE", 1008}};
  for (const auto& [name, code] : given) EXPECT_EQ(spec_of(name).code, code) << name;
}

TEST(CommandTable, IsSortedWithSubcommandsBehindTheirContainer) {
  std::string_view container;
  std::string before;
  for (const CommandSpec& spec : command_table()) {
    std::string name(spec.name);
    std::replace(name.begin(), name.end(), '|', '\x01');
    EXPECT_LT(before, name);
    before = name;
    if (is_subcommand(spec)) {
      EXPECT_EQ(spec.name.substr(0, spec.name.find('|')), container);
    } else {
      container = spec.name;
    }
  }
}

TEST(CommandTable, FindsNamesInAnyCase) {
  for (const CommandSpec& spec : command_table()) {
    if (is_subcommand(spec)) {
      const size_t bar = spec.name.find('|');
      const CommandSpec* container = find_command(spec.name.substr(0, bar));
      ASSERT_NE(container, nullptr) << spec.name;
      std::string lower(spec.name.substr(bar + 1));
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      EXPECT_EQ(find_subcommand(*container, lower), &spec);
      EXPECT_EQ(find_command(spec.name), nullptr);
      continue;
    }
    std::string name(spec.name);
    EXPECT_EQ(find_command(name), &spec);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    EXPECT_EQ(find_command(name), &spec);
    name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
    EXPECT_EQ(find_command(name), &spec);
    EXPECT_EQ(find_command(name + "q"), nullptr);
    // A change of any bit of any letter but its case is another name.
    for (size_t i = 0; i < name.size(); ++i) {
      for (const char bit : {'\x01', '\x40', '\x80', '\x20'}) {
        if (bit == '\x20' && std::isalpha(static_cast<unsigned char>(name[i])) != 0) continue;
        std::string other = name;
        other[i] = static_cast<char>(other[i] ^ bit);
        EXPECT_NE(find_command(other), &spec) << other;
      }
    }
  }
  for (const std::string_view name : {"", "G", "GE", "GETT", "SETT", "FOO", "GEORADIUSBYMEMBER_RX",
                                      "GEORADIUXBYMEMBER_RO", "averyveryveryverylongnameofacommand"}) {
    EXPECT_EQ(find_command(name), nullptr) << name;
  }
  EXPECT_EQ(find_command(std::string_view("\0\0\0", 3)), nullptr);
  EXPECT_EQ(find_subcommand(spec_of("CONFIG"), "GETX"), nullptr);
  EXPECT_EQ(find_subcommand(spec_of("CONFIG"), ""), nullptr);
  EXPECT_EQ(find_subcommand(spec_of("GET"), "GET"), nullptr);
}

TEST(CommandTable, SubcommandsFollowTheirContainer) {
  std::string names;
  for (const CommandSpec& spec : subcommands_of(spec_of("OBJECT"))) names += std::string(spec.name) + " ";
  EXPECT_EQ(names, "OBJECT|ENCODING OBJECT|FREQ OBJECT|HELP OBJECT|IDLETIME OBJECT|REFCOUNT ");
  EXPECT_TRUE(subcommands_of(spec_of("SCRIPT|LOAD")).empty());
  EXPECT_TRUE(subcommands_of(spec_of("ZUNIONSTORE")).empty());
  EXPECT_TRUE(subcommands_of(command_table().back()).empty());
}

TEST(CommandTable, RowsAreWhole) {
  const std::set<std::string_view> groups = {"bitmap",      "cluster", "connection", "generic",      "geo",     "hash",
                                             "hyperloglog", "list",    "pubsub",     "scripting",    "server",  "set",
                                             "sorted-set",  "stream",  "string",     "transactions", "internal"};
  for (const CommandSpec& spec : command_table()) {
    EXPECT_NE(spec.arity, 0) << spec.name;
    EXPECT_TRUE(groups.contains(spec.group)) << spec.name;
    EXPECT_FALSE(spec.since.empty()) << spec.name;
    EXPECT_TRUE(spec.summary.ends_with(".")) << spec.name;
    EXPECT_FALSE(spec.acl.empty()) << spec.name;
    const bool has_write = (spec.flags & kWrite) != 0;
    const bool has_read = (spec.flags & kReadonly) != 0;
    EXPECT_FALSE(has_write && has_read) << spec.name;
    const std::vector<std::string_view> categories = words(spec.acl);
    const auto has_category = [&](std::string_view category) {
      return std::find(categories.begin(), categories.end(), category) != categories.end();
    };
    if (!is_internal(spec)) {
      EXPECT_EQ(has_category("write"), has_write) << spec.name;
      EXPECT_EQ(has_category("fast"), (spec.flags & kFast) != 0) << spec.name;
      EXPECT_NE(has_category("fast"), has_category("slow")) << spec.name;
    }
    const bool runs_on_shards = spec.home == Home::kEngine || spec.home == Home::kAllShards;
    const bool is_blocking_core = spec.home == Home::kSession && (spec.flags & kBlocking) != 0;
    EXPECT_EQ(spec.handler != nullptr, runs_on_shards || is_blocking_core) << spec.name;
    if (runs_on_shards) {
      EXPECT_TRUE(has_write || has_read) << spec.name;
    }
    // What runs on the shard of its keys has keys; the step over one shard names its shard by itself.
    const bool has_keys = spec.keys.first != 0 || spec.keys.numkeys_at != 0;
    if (spec.home == Home::kEngine && spec.code != code::kScan) {
      EXPECT_TRUE(has_keys) << spec.name;
    }
    EXPECT_EQ(spec.keys.first != 0, spec.keys.step != 0) << spec.name;
  }
}

TEST(CommandTable, ArityAsInRedis) {
  const std::map<std::string_view, int> facts = {{"GET", 2},          {"SET", -3},
                                                 {"MSET", -3},        {"SETEX", 4},
                                                 {"GETRANGE", 4},     {"LPUSH", -3},
                                                 {"LMOVE", 5},        {"BLMOVE", 6},
                                                 {"LMPOP", -4},       {"BLMPOP", -5},
                                                 {"SADD", -3},        {"SMOVE", 4},
                                                 {"SPOP", -2},        {"SINTERCARD", -3},
                                                 {"ZADD", -4},        {"ZINCRBY", 4},
                                                 {"ZRANGESTORE", -5}, {"ZMPOP", -4},
                                                 {"ZCOUNT", 4},       {"HSET", -4},
                                                 {"HMSET", -4},       {"HGETALL", 2},
                                                 {"PING", -1},        {"COMMAND", -1},
                                                 {"CONFIG|GET", -3},  {"OBJECT|ENCODING", 3},
                                                 {"RESTORE", -4},     {"COPY", -3},
                                                 {"SCAN", -2},        {"WAIT", 3},
                                                 {"SWAPDB", 3},       {"SORT", -2},
                                                 {"PUBLISH", 3},      {"EXPIRE", -3},
                                                 {"BITOP", -4},       {"SETBIT", 4},
                                                 {"LCS", -3},         {"HELLO", -1},
                                                 {"SHUTDOWN", -1},    {"QUIT", -1},
                                                 {"ECHO", 2},         {"SELECT", 2}};
  for (const auto& [name, arity] : facts) EXPECT_EQ(spec_of(name).arity, arity) << name;
  EXPECT_TRUE(arity_fits(spec_of("GET"), 2));
  EXPECT_FALSE(arity_fits(spec_of("GET"), 3));
  EXPECT_FALSE(arity_fits(spec_of("GET"), 1));
  EXPECT_TRUE(arity_fits(spec_of("SET"), 3));
  EXPECT_TRUE(arity_fits(spec_of("SET"), 7));
  EXPECT_FALSE(arity_fits(spec_of("SET"), 2));
}

TEST(CommandKeys, FixedPlacesAndRows) {
  EXPECT_EQ(keys("GET k"), "1");
  EXPECT_EQ(keys("set k v EX 5"), "1");
  EXPECT_EQ(keys("DEL a b c"), "1 2 3");
  EXPECT_EQ(keys("MSET a 1 b 2"), "1 3");
  EXPECT_EQ(keys("MSET a 1 b"), "1 3");
  EXPECT_EQ(keys("RENAME a b"), "1 2");
  EXPECT_EQ(keys("BITOP AND d a b"), "2 3 4");
  EXPECT_EQ(keys("SUNIONSTORE d a b"), "1 2 3");
  EXPECT_EQ(keys("BLPOP a b 0"), "1 2");
  EXPECT_EQ(keys("BRPOPLPUSH a b 0"), "1 2");
  EXPECT_EQ(keys("OBJECT ENCODING k"), "2");
  EXPECT_EQ(keys("MEMORY USAGE k SAMPLES 5"), "2");
  EXPECT_EQ(keys("ZRANGESTORE d s 0 -1"), "1 2");
  EXPECT_EQ(keys("PING"), "");
  EXPECT_EQ(keys("PUBLISH c m"), "");
  EXPECT_EQ(keys("GET"), "malformed");
  EXPECT_EQ(keys("_PUT k 0 x"), "1");
}

TEST(CommandKeys, CountedKeys) {
  EXPECT_EQ(keys("ZUNION 2 a b WITHSCORES"), "2 3");
  EXPECT_EQ(keys("ZUNIONSTORE d 2 a b WEIGHTS 1 2"), "1 3 4");
  EXPECT_EQ(keys("ZDIFFSTORE d 1 a"), "1 3");
  EXPECT_EQ(keys("SINTERCARD 3 a b c LIMIT 2"), "2 3 4");
  EXPECT_EQ(keys("LMPOP 1 a LEFT"), "2");
  EXPECT_EQ(keys("BZMPOP 0 2 a b MIN"), "3 4");
  EXPECT_EQ(keys("EVAL script 0"), "malformed");
  EXPECT_EQ(keys("ZUNION 0 a"), "malformed");
  EXPECT_EQ(keys("ZUNION -1 a"), "malformed");
  EXPECT_EQ(keys("ZUNION x a"), "malformed");
  EXPECT_EQ(keys("ZUNION 3 a b"), "malformed");
  EXPECT_EQ(keys("ZUNION 9223372036854775807 a b"), "malformed");
  EXPECT_EQ(keys("ZUNIONSTORE d 9223372036854775808 a b"), "malformed");
}

TEST(CommandKeys, RulesOfTheirOwn) {
  EXPECT_EQ(keys("SORT k"), "1");
  EXPECT_EQ(keys("SORT k BY w_* STORE d"), "1 5");
  EXPECT_EQ(keys("SORT k BY store STORE d"), "1 5");
  EXPECT_EQ(keys("SORT k STORE a STORE b"), "1 5");
  EXPECT_EQ(keys("SORT k LIMIT STORE 1 DESC"), "1");
  EXPECT_EQ(keys("SORT k STORE"), "1");
  EXPECT_EQ(keys("SORT_RO k BY w_*"), "1");
  EXPECT_EQ(keys("GEORADIUS k 1 2 3 km STORE d"), "1 7");
  EXPECT_EQ(keys("GEORADIUSBYMEMBER k m 3 km STOREDIST d"), "1 6");
  EXPECT_EQ(keys("MIGRATE h 1 k 0 5"), "3");
  EXPECT_EQ(keys("XREAD COUNT 2 STREAMS a b 0 0"), "4 5");
  EXPECT_EQ(keys("XREADGROUP GROUP g c STREAMS a 0"), "5");
  EXPECT_EQ(keys("XREAD COUNT 2 STREAMS a b 0"), "malformed");
  const std::vector<std::string_view> migrate = {"MIGRATE", "h", "1", "", "0", "5", "AUTH", "KEYS", "KEYS", "a", "b"};
  std::vector<uint32_t> found;
  ASSERT_TRUE(keys_of(spec_of("MIGRATE"), migrate, found));
  EXPECT_EQ(found, (std::vector<uint32_t>{9, 10}));
}

// The router trusts these indexes, whatever a client sends.
TEST(CommandKeys, AreArgumentsBehindTheNameWhateverTheWords) {
  const std::string_view vocabulary[] = {
      "STORE", "LIMIT", "BY", "GET", "KEYS", "AUTH", "AUTH2", "STREAMS", "BLOCK",   "COUNT",     "GROUP",     "NOACK",
      "",      "0",     "1",  "2",   "3",    "-1",   "7",     "k",       "WEIGHTS", "STOREDIST", "4294967297"};
  std::mt19937 random(11);
  std::vector<uint32_t> found;
  for (const CommandSpec& spec : command_table()) {
    for (int round = 0; round < 300; ++round) {
      std::vector<std::string_view> args(1 + random() % 12);
      for (std::string_view& arg : args) arg = vocabulary[random() % std::size(vocabulary)];
      if (!keys_of(spec, args, found)) {
        EXPECT_TRUE(found.empty()) << spec.name;
        continue;
      }
      EXPECT_TRUE(arity_fits(spec, args.size())) << spec.name;
      for (const uint32_t index : found) {
        EXPECT_GT(index, 0u) << spec.name;
        EXPECT_LT(index, args.size()) << spec.name;
      }
    }
  }
}

TEST(CommandKeys, SingleKeyCommandsAgreeWithTheGeneralWay) {
  size_t singles = 0;
  for (const CommandSpec& spec : command_table()) {
    if (!has_single_key(spec)) continue;
    ++singles;
    const auto count = static_cast<size_t>(spec.arity < 0 ? -spec.arity + 2 : spec.arity);
    const std::vector<std::string_view> args(count, "1");
    std::vector<uint32_t> found;
    ASSERT_TRUE(keys_of(spec, args, found)) << spec.name;
    EXPECT_EQ(found, std::vector<uint32_t>{static_cast<uint32_t>(spec.keys.first)}) << spec.name;
  }
  EXPECT_GT(singles, 100u);
}

std::string specs_text(std::string_view name) {
  KeySpecView views[kKeySpecsMax];
  std::string text;
  const size_t count = key_specs_of(spec_of(name), views);
  for (size_t i = 0; i < count; ++i) {
    const KeySpecView& view = views[i];
    text += i == 0 ? "" : "; ";
    text += std::string(view.flags) + ": ";
    switch (view.begin) {
      case KeySpecView::Begin::kIndex:
        text += "index " + std::to_string(view.index);
        break;
      case KeySpecView::Begin::kKeyword:
        text += "keyword " + std::string(view.keyword) + " " + std::to_string(view.start_from);
        break;
      case KeySpecView::Begin::kUnknown:
        text += "unknown";
        break;
    }
    switch (view.find) {
      case KeySpecView::Find::kRange:
        text += ", range " + std::to_string(view.last_key) + " " + std::to_string(view.key_step) + " " +
                std::to_string(view.limit);
        break;
      case KeySpecView::Find::kKeynum:
        text += ", keynum " + std::to_string(view.keynum_index) + " " + std::to_string(view.first_key) + " " +
                std::to_string(view.key_step);
        break;
      case KeySpecView::Find::kUnknown:
        text += ", unknown";
        break;
    }
  }
  return text;
}

TEST(CommandKeys, SpecsAsCommandInfoShowsThem) {
  EXPECT_EQ(specs_text("PING"), "");
  EXPECT_EQ(specs_text("GET"), "RO access: index 1, range 0 1 0");
  EXPECT_EQ(specs_text("MSET"), "OW update: index 1, range -1 2 0");
  EXPECT_EQ(specs_text("LCS"), "RO access: index 1, range 1 1 0");
  EXPECT_EQ(specs_text("COPY"), "RO access: index 1, range 0 1 0; OW update: index 2, range 0 1 0");
  EXPECT_EQ(specs_text("BITOP"), "OW update: index 2, range 0 1 0; RO access: index 3, range -1 1 0");
  EXPECT_EQ(specs_text("ZUNION"), "RO access: index 1, keynum 0 1 1");
  EXPECT_EQ(specs_text("ZUNIONSTORE"), "OW update: index 1, range 0 1 0; RO access: index 2, keynum 0 1 1");
  EXPECT_EQ(specs_text("BLPOP"), "RW access delete: index 1, range -2 1 0");
  EXPECT_EQ(specs_text("SORT_RO"), "RO access: index 1, range 0 1 0; RO access: unknown, unknown");
  EXPECT_EQ(specs_text("XREADGROUP"), "RO access: keyword STREAMS 4, range -1 1 2");
  EXPECT_EQ(specs_text("OBJECT|FREQ"), "RO: index 2, range 0 1 0");
}

TEST(CommandFlags, EveryFlagHasOneName) {
  uint32_t named = 0;
  for (const CommandFlagName& name : command_flag_names()) {
    EXPECT_EQ(named & name.flag, 0u) << name.name;
    named |= name.flag;
  }
  for (const CommandSpec& spec : command_table()) EXPECT_EQ(spec.flags & ~named, 0u) << spec.name;
}

}  // namespace
}  // namespace keelson::kv
