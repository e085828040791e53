// The one table of session commands: which handler runs which. Every command of the command table with Home::kSession
// stands here.
#include <array>
#include <string_view>

#include "base/check.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/keyed_commands.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"

namespace keelson::resp {

namespace {

struct Row {
  std::string_view name;
  SessionHandler handler;
  QuickHandler quick = nullptr;
};

template <QuickHandler Handler>
Task<void> as_task(Session& session, kv::Args args) {
  Handler(session, args);
  co_return;
}

constexpr Row kRows[] = {
    {"ACL|CAT", cmd_acl_cat},
    {"ACL|GENPASS", cmd_acl_genpass},
    {"ACL|HELP", cmd_help},
    {"ACL|USERS", cmd_acl_users},
    {"ACL|WHOAMI", cmd_acl_whoami},
    {"ASKING", cmd_asking},
    {"AUTH", cmd_auth},
    {"BGREWRITEAOF", cmd_bgrewriteaof},
    {"BGSAVE", cmd_bgsave},
    {"BLMOVE", cmd_blmove},
    {"BLMPOP", cmd_blocking_mpop},
    {"BLPOP", cmd_blocking_pop},
    {"BRPOP", cmd_blocking_pop},
    {"BRPOPLPUSH", cmd_brpoplpush},
    {"BZMPOP", cmd_blocking_mpop},
    {"BZPOPMAX", cmd_blocking_zpop},
    {"BZPOPMIN", cmd_blocking_zpop},
    {"CLIENT|GETNAME", cmd_client_getname},
    {"CLIENT|HELP", cmd_help},
    {"CLIENT|ID", cmd_client_id},
    {"CLIENT|INFO", cmd_client_info},
    {"CLIENT|KILL", cmd_client_kill},
    {"CLIENT|LIST", cmd_client_list},
    {"CLIENT|NO-EVICT", cmd_client_no_evict},
    {"CLIENT|PAUSE", cmd_client_pause},
    {"CLIENT|REPLY", cmd_client_reply},
    {"CLIENT|SETNAME", cmd_client_setname},
    {"CLIENT|UNBLOCK", cmd_client_unblock},
    {"CLIENT|UNPAUSE", cmd_client_unpause},
    {"CLUSTER|COUNTKEYSINSLOT", cmd_cluster_countkeysinslot},
    {"CLUSTER|GETKEYSINSLOT", cmd_cluster_getkeysinslot},
    {"CLUSTER|HELP", cmd_help},
    {"CLUSTER|INFO", cmd_cluster_info},
    {"CLUSTER|KEYSLOT", cmd_cluster_keyslot},
    {"CLUSTER|MYID", cmd_cluster_myid},
    {"CLUSTER|NODES", cmd_cluster_nodes},
    {"CLUSTER|SHARDS", cmd_cluster_shards},
    {"CLUSTER|SLOTS", cmd_cluster_slots},
    {"COMMAND", cmd_command},
    {"COMMAND|COUNT", cmd_command_count},
    {"COMMAND|DOCS", cmd_command_docs},
    {"COMMAND|GETKEYS", cmd_command_getkeys},
    {"COMMAND|GETKEYSANDFLAGS", cmd_command_getkeysandflags},
    {"COMMAND|HELP", cmd_help},
    {"COMMAND|INFO", cmd_command_info},
    {"COMMAND|LIST", cmd_command_list},
    {"CONFIG|GET", cmd_config_get},
    {"CONFIG|HELP", cmd_help},
    {"CONFIG|RESETSTAT", cmd_config_resetstat},
    {"CONFIG|REWRITE", cmd_config_rewrite},
    {"CONFIG|SET", cmd_config_set},
    {"DEBUG", cmd_debug},
    {"DISCARD", cmd_discard},
    {"ECHO", as_task<cmd_echo>, cmd_echo},
    {"EXEC", cmd_exec},
    {"HELLO", cmd_hello},
    {"INFO", cmd_info},
    {"LASTSAVE", cmd_lastsave},
    {"LATENCY|DOCTOR", cmd_latency_doctor},
    {"LATENCY|GRAPH", cmd_latency_graph},
    {"LATENCY|HELP", cmd_help},
    {"LATENCY|HISTOGRAM", cmd_latency_histogram},
    {"LATENCY|HISTORY", cmd_latency_history},
    {"LATENCY|LATEST", cmd_latency_latest},
    {"LATENCY|RESET", cmd_latency_reset},
    {"LOLWUT", cmd_lolwut},
    {"MEMORY|DOCTOR", cmd_memory_doctor},
    {"MEMORY|HELP", cmd_help},
    {"MEMORY|MALLOC-STATS", cmd_memory_malloc_stats},
    {"MEMORY|PURGE", cmd_memory_purge},
    {"MEMORY|STATS", cmd_memory_stats},
    {"MONITOR", cmd_monitor},
    {"MULTI", cmd_multi},
    {"OBJECT|HELP", cmd_help},
    {"PING", as_task<cmd_ping>, cmd_ping},
    {"PSUBSCRIBE", cmd_psubscribe},
    {"PUBLISH", cmd_publish},
    {"PUBSUB|CHANNELS", cmd_pubsub_channels},
    {"PUBSUB|HELP", cmd_help},
    {"PUBSUB|NUMPAT", cmd_pubsub_numpat},
    {"PUBSUB|NUMSUB", cmd_pubsub_numsub},
    {"PUBSUB|SHARDCHANNELS", cmd_pubsub_shardchannels},
    {"PUBSUB|SHARDNUMSUB", cmd_pubsub_shardnumsub},
    {"PUNSUBSCRIBE", cmd_punsubscribe},
    {"QUIT", cmd_quit},
    {"READONLY", cmd_readonly},
    {"READWRITE", cmd_readwrite},
    {"REPLICAOF", cmd_replicaof},
    {"RESET", cmd_reset},
    {"ROLE", cmd_role},
    {"SAVE", cmd_save},
    {"SCAN", cmd_scan},
    {"SELECT", cmd_select},
    {"SHUTDOWN", cmd_shutdown},
    {"SLAVEOF", cmd_replicaof},
    {"SLOWLOG|GET", cmd_slowlog_get},
    {"SLOWLOG|HELP", cmd_help},
    {"SLOWLOG|LEN", cmd_slowlog_len},
    {"SLOWLOG|RESET", cmd_slowlog_reset},
    {"SPUBLISH", cmd_spublish},
    {"SSUBSCRIBE", cmd_ssubscribe},
    {"SUBSCRIBE", cmd_subscribe},
    {"SUNSUBSCRIBE", cmd_sunsubscribe},
    {"TIME", cmd_time},
    {"UNSUBSCRIBE", cmd_unsubscribe},
    {"UNWATCH", cmd_unwatch},
    {"WAIT", cmd_wait},
    {"WATCH", cmd_watch},
};

using ByCode = std::array<SessionHandler, kv::kCommandCodesEnd>;

ByCode index_by_code() {
  ByCode by_code{};
  for (const Row& row : kRows) {
    const size_t bar = row.name.find('|');
    const kv::CommandSpec* spec = kv::find_command(row.name.substr(0, bar));
    if (spec != nullptr && bar != std::string_view::npos) spec = kv::find_subcommand(*spec, row.name.substr(bar + 1));
    KEELSON_CHECK(spec != nullptr && spec->home == kv::Home::kSession,
                  "a session command's row is not in the command table");
    by_code[spec->code] = row.handler;
  }
  for (const kv::CommandSpec& spec : kv::command_table()) {
    const bool is_container = !kv::subcommands_of(spec).empty() && spec.arity < -1;
    KEELSON_CHECK(spec.home != kv::Home::kSession || is_container || by_code[spec.code] != nullptr,
                  "a session command has no handler");
  }
  return by_code;
}

}  // namespace

SessionHandler session_handler(uint16_t command_code) {
  static const ByCode by_code = index_by_code();
  return command_code < by_code.size() ? by_code[command_code] : nullptr;
}

QuickHandler quick_session_handler(uint16_t command_code) {
  static const auto by_code = [] {
    std::array<QuickHandler, kv::kCommandCodesEnd> handlers{};
    for (const Row& row : kRows) {
      if (row.quick != nullptr) handlers[kv::find_command(row.name)->code] = row.quick;
    }
    return handlers;
  }();
  return by_code[command_code];
}

Task<void> cmd_help(Session& session, kv::Args args) {
  const kv::CommandSpec* container = kv::find_command(args[0]);
  reply_help(session.out(), container->name);
  co_return;
}

}  // namespace keelson::resp
