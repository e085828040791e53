// The handlers of session commands that session_commands.cc lists, by file.
#pragma once

#include "base/task.h"
#include "engine/kv/command.h"

namespace keelson::resp {

class Session;

// connection_commands.cc
Task<void> cmd_auth(Session& session, kv::Args args);
void cmd_echo(Session& session, kv::Args args);
Task<void> cmd_hello(Session& session, kv::Args args);
void cmd_ping(Session& session, kv::Args args);
Task<void> cmd_quit(Session& session, kv::Args args);
Task<void> cmd_reset(Session& session, kv::Args args);
Task<void> cmd_select(Session& session, kv::Args args);

// client_commands.cc
Task<void> cmd_client_getname(Session& session, kv::Args args);
Task<void> cmd_client_id(Session& session, kv::Args args);
Task<void> cmd_client_info(Session& session, kv::Args args);
Task<void> cmd_client_kill(Session& session, kv::Args args);
Task<void> cmd_client_list(Session& session, kv::Args args);
Task<void> cmd_client_no_evict(Session& session, kv::Args args);
Task<void> cmd_client_pause(Session& session, kv::Args args);
Task<void> cmd_client_reply(Session& session, kv::Args args);
Task<void> cmd_client_setname(Session& session, kv::Args args);
Task<void> cmd_client_unblock(Session& session, kv::Args args);
Task<void> cmd_client_unpause(Session& session, kv::Args args);

// pubsub_commands.cc
Task<void> cmd_psubscribe(Session& session, kv::Args args);
Task<void> cmd_publish(Session& session, kv::Args args);
Task<void> cmd_pubsub_channels(Session& session, kv::Args args);
Task<void> cmd_pubsub_numpat(Session& session, kv::Args args);
Task<void> cmd_pubsub_numsub(Session& session, kv::Args args);
Task<void> cmd_pubsub_shardchannels(Session& session, kv::Args args);
Task<void> cmd_pubsub_shardnumsub(Session& session, kv::Args args);
Task<void> cmd_punsubscribe(Session& session, kv::Args args);
Task<void> cmd_spublish(Session& session, kv::Args args);
Task<void> cmd_ssubscribe(Session& session, kv::Args args);
Task<void> cmd_subscribe(Session& session, kv::Args args);
Task<void> cmd_sunsubscribe(Session& session, kv::Args args);
Task<void> cmd_unsubscribe(Session& session, kv::Args args);

// command_commands.cc
Task<void> cmd_command(Session& session, kv::Args args);
Task<void> cmd_command_count(Session& session, kv::Args args);
Task<void> cmd_command_docs(Session& session, kv::Args args);
Task<void> cmd_command_getkeys(Session& session, kv::Args args);
Task<void> cmd_command_getkeysandflags(Session& session, kv::Args args);
Task<void> cmd_command_info(Session& session, kv::Args args);
Task<void> cmd_command_list(Session& session, kv::Args args);

// config_commands.cc
Task<void> cmd_config_get(Session& session, kv::Args args);
Task<void> cmd_config_resetstat(Session& session, kv::Args args);
Task<void> cmd_config_rewrite(Session& session, kv::Args args);
Task<void> cmd_config_set(Session& session, kv::Args args);

// info.cc
Task<void> cmd_info(Session& session, kv::Args args);

// latency_commands.cc
Task<void> cmd_latency_doctor(Session& session, kv::Args args);
Task<void> cmd_latency_graph(Session& session, kv::Args args);
Task<void> cmd_latency_histogram(Session& session, kv::Args args);
Task<void> cmd_latency_history(Session& session, kv::Args args);
Task<void> cmd_latency_latest(Session& session, kv::Args args);
Task<void> cmd_latency_reset(Session& session, kv::Args args);
Task<void> cmd_slowlog_get(Session& session, kv::Args args);
Task<void> cmd_slowlog_len(Session& session, kv::Args args);
Task<void> cmd_slowlog_reset(Session& session, kv::Args args);

// monitor_feed.cc
Task<void> cmd_monitor(Session& session, kv::Args args);

// memory_commands.cc
Task<void> cmd_memory_doctor(Session& session, kv::Args args);
Task<void> cmd_memory_malloc_stats(Session& session, kv::Args args);
Task<void> cmd_memory_purge(Session& session, kv::Args args);
Task<void> cmd_memory_stats(Session& session, kv::Args args);

// cluster_commands.cc
Task<void> cmd_asking(Session& session, kv::Args args);
Task<void> cmd_cluster_countkeysinslot(Session& session, kv::Args args);
Task<void> cmd_cluster_getkeysinslot(Session& session, kv::Args args);
Task<void> cmd_cluster_info(Session& session, kv::Args args);
Task<void> cmd_cluster_keyslot(Session& session, kv::Args args);
Task<void> cmd_cluster_myid(Session& session, kv::Args args);
Task<void> cmd_cluster_nodes(Session& session, kv::Args args);
Task<void> cmd_cluster_shards(Session& session, kv::Args args);
Task<void> cmd_cluster_slots(Session& session, kv::Args args);
Task<void> cmd_readonly(Session& session, kv::Args args);
Task<void> cmd_readwrite(Session& session, kv::Args args);

// debug_commands.cc
Task<void> cmd_debug(Session& session, kv::Args args);

// server_commands.cc
Task<void> cmd_acl_cat(Session& session, kv::Args args);
Task<void> cmd_acl_genpass(Session& session, kv::Args args);
Task<void> cmd_acl_users(Session& session, kv::Args args);
Task<void> cmd_acl_whoami(Session& session, kv::Args args);
Task<void> cmd_bgrewriteaof(Session& session, kv::Args args);
Task<void> cmd_bgsave(Session& session, kv::Args args);
Task<void> cmd_lastsave(Session& session, kv::Args args);
Task<void> cmd_lolwut(Session& session, kv::Args args);
Task<void> cmd_replicaof(Session& session, kv::Args args);
Task<void> cmd_role(Session& session, kv::Args args);
Task<void> cmd_save(Session& session, kv::Args args);
Task<void> cmd_shutdown(Session& session, kv::Args args);
Task<void> cmd_time(Session& session, kv::Args args);
Task<void> cmd_wait(Session& session, kv::Args args);

// session_commands.cc
Task<void> cmd_help(Session& session, kv::Args args);

}  // namespace keelson::resp
