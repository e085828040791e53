// INFO, in Redis's sections and with its names. Only what is measured here is shown; what Redis says of things that do
// not exist here is left out.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "log/local_log.h"
#include "protocol/resp/command_helpers.h"
#include "protocol/resp/command_stats.h"
#include "protocol/resp/config_parameters.h"
#include "protocol/resp/node_figures.h"
#include "protocol/resp/session.h"
#include "protocol/resp/session_handlers.h"

namespace keelson::resp {

namespace {

// What the sections are made from.
struct Figures {
  KvService& service;
  const KvConfig& config;
  int64_t wall_ms = 0;
  NodeFigures node;
  KeyspaceFigures keyspace;
};

// Lines "name:value".
class Lines {
 public:
  explicit Lines(std::string& text) : text_(text) {}

  void begin_section(std::string_view title) {
    if (!text_.empty()) text_ += "\r\n";
    text_ += "# ";
    text_ += title;
    text_ += "\r\n";
  }
  void add(std::string_view name, std::string_view value) {
    text_ += name;
    text_ += ':';
    text_ += value;
    text_ += "\r\n";
  }
  template <class Integer>
    requires std::is_integral_v<Integer>
  void add(std::string_view name, Integer value) {
    add(name, std::to_string(value));
  }
  void add_real(std::string_view name, double value, const char* format = "%.2f") {
    char shown[64];
    std::snprintf(shown, sizeof shown, format, value);
    add(name, shown);
  }
  void add_bytes(const std::string& name, uint64_t bytes) {
    add(name, bytes);
    add(name + "_human", human_bytes(bytes));
  }

 private:
  std::string& text_;
};

void server_section(Lines& lines, const Figures& figures) {
  const Host& host = figures.service.host();
  const int64_t uptime_s = (figures.wall_ms - figures.service.started_wall_ms()) / 1000;
  lines.add("redis_version", kRedisVersion);
  lines.add("keelson_version", host.version);
  lines.add("redis_mode", figures.service.is_cluster() ? "cluster" : "standalone");
  if (!figures.node.process.operating_system.empty()) lines.add("os", figures.node.process.operating_system);
  lines.add("arch_bits", sizeof(void*) * 8);
  if (figures.node.process.process_id != 0) lines.add("process_id", figures.node.process.process_id);
  lines.add("run_id", host.node_id);
  lines.add("tcp_port", host.port);
  lines.add("server_time_usec", figures.wall_ms * 1000);
  lines.add("uptime_in_seconds", uptime_s);
  lines.add("uptime_in_days", uptime_s / (24 * 3600));
  lines.add("executable", host.executable);
  lines.add("config_file", host.config_file);
  lines.add("reactors", figures.service.reactor_count());
  lines.add("shards", figures.service.runtime().router().shard_count());
}

void clients_section(Lines& lines, const Figures& figures) {
  lines.add("connected_clients", figures.node.clients);
  lines.add("maxclients", figures.config.maxclients);
  lines.add("client_recent_max_input_buffer", figures.node.input_buffer_bytes_max);
  lines.add("client_recent_max_output_buffer", figures.node.output_buffer_bytes_max);
  lines.add("blocked_clients", figures.node.counters.blocked_clients);
  lines.add("pubsub_clients", figures.node.pubsub_clients);
  lines.add("monitor_clients", figures.node.monitors);
}

void memory_section(Lines& lines, const Figures& figures) {
  const NodeFigures& node = figures.node;
  const uint64_t used = node.memory_used_bytes;
  const uint64_t overhead = std::min(used, figures.keyspace.overhead_bytes + node.client_buffer_bytes);
  lines.add_bytes("used_memory", used);
  if (node.process.resident_bytes != 0) lines.add_bytes("used_memory_rss", node.process.resident_bytes);
  lines.add_bytes("used_memory_peak", node.memory_peak_bytes);
  lines.add("used_memory_overhead", overhead);
  lines.add("used_memory_dataset", used - overhead);
  if (!node.process.allocator.empty()) {
    lines.add("allocator_allocated", node.process.allocator_allocated_bytes);
    lines.add("allocator_active", node.process.allocator_active_bytes);
    lines.add("allocator_resident", node.process.allocator_resident_bytes);
  }
  if (node.process.machine_memory_bytes != 0) lines.add_bytes("total_system_memory", node.process.machine_memory_bytes);
  lines.add_bytes("maxmemory", figures.config.maxmemory_bytes);
  lines.add("maxmemory_policy", eviction_policy_name(figures.config.maxmemory_policy));
  if (node.process.resident_bytes != 0 && used != 0) {
    lines.add_real("mem_fragmentation_ratio",
                   static_cast<double>(node.process.resident_bytes) / static_cast<double>(used));
  }
  lines.add("mem_clients_normal", node.client_buffer_bytes);
  if (!node.process.allocator.empty()) lines.add("mem_allocator", node.process.allocator);
  lines.add("lazyfree_pending_objects", figures.keyspace.lazy_free_pending);
}

void log_lines(Lines& lines, const log::LocalLogStats& stats) {
  const bool is_well = stats.has_failed.value() == 0 && stats.is_full.value() == 0;
  lines.add("aof_last_write_status", is_well ? "ok" : "err");
  lines.add("aof_current_size", stats.disk_bytes.value());
  lines.add("log_records", stats.records.value());
  lines.add("log_payload_bytes", stats.payload_bytes.value());
  lines.add("log_syncs", stats.syncs.value());
  lines.add("log_unsynced_bytes", stats.unsynced_bytes.value());
  lines.add("log_segments", stats.segments.value());
}

// A checkpoint with the log behind it is what an RDB file and an append-only file are to Redis.
void persistence_section(Lines& lines, const Figures& figures) {
  const shard::CheckpointProgress& checkpoint = figures.node.checkpoint;
  const std::string_view status = checkpoint.last_error.empty() ? "ok" : "err";
  const int64_t last_save_ms =
      checkpoint.completed != 0 ? checkpoint.last_completed_wall_ms : figures.service.started_wall_ms();
  lines.add("loading", 0);
  lines.add("rdb_bgsave_in_progress", checkpoint.is_running ? 1 : 0);
  lines.add("rdb_last_save_time", last_save_ms / 1000);
  lines.add("rdb_last_bgsave_status", status);
  lines.add("rdb_last_bgsave_time_sec", checkpoint.completed != 0 ? checkpoint.last_duration_ms / 1000 : -1);
  lines.add("rdb_saves", checkpoint.completed);
  lines.add("aof_enabled", 1);
  lines.add("aof_rewrite_in_progress", checkpoint.is_running ? 1 : 0);
  lines.add("aof_last_bgrewrite_status", status);
  lines.add("checkpoint_shards_done", checkpoint.shards_done);
  lines.add("checkpoint_shards_total", checkpoint.shards_total);
  lines.add("checkpoint_bytes_written", checkpoint.bytes_written);
  lines.add("damaged_shards", figures.keyspace.damaged_shards);
  if (const log::LocalLog* local_log = figures.service.runtime().local_log()) log_lines(lines, local_log->stats());
}

void stats_section(Lines& lines, const Figures& figures) {
  constexpr double kBytesPerKb = 1024;
  const NodeFigures& node = figures.node;
  lines.add("total_connections_received", node.counters.connections_received);
  lines.add("total_commands_processed", node.counters.commands_processed);
  lines.add("instantaneous_ops_per_sec", static_cast<uint64_t>(node.commands_per_s));
  lines.add("total_net_input_bytes", node.counters.input_bytes);
  lines.add("total_net_output_bytes", node.counters.output_bytes);
  lines.add_real("instantaneous_input_kbps", node.input_bytes_per_s / kBytesPerKb);
  lines.add_real("instantaneous_output_kbps", node.output_bytes_per_s / kBytesPerKb);
  lines.add("rejected_connections", node.counters.connections_rejected);
  lines.add("expired_keys", node.counters.expired_keys);
  lines.add("evicted_keys", node.counters.evicted_keys);
  lines.add("keyspace_hits", node.counters.keyspace_hits);
  lines.add("keyspace_misses", node.counters.keyspace_misses);
  lines.add("pubsub_channels", node.pubsub_channels);
  lines.add("pubsub_patterns", node.pubsub_patterns);
  lines.add("pubsubshard_channels", node.pubsub_shard_channels);
  lines.add("pubsub_messages_delivered", node.counters.total_pushes);
  lines.add("total_error_replies", node.counters.error_replies);
  lines.add("protocol_errors", node.counters.protocol_errors);
  lines.add("client_output_buffer_limit_disconnections", node.counters.output_limit_disconnections);
}

void replication_section(Lines& lines, const Figures& figures) {
  lines.add("role", "master");
  lines.add("connected_slaves", 0);
  lines.add("master_replid", figures.service.host().node_id);
  lines.add("master_repl_offset", 0);
}

void cpu_section(Lines& lines, const Figures& figures) {
  constexpr double kUsPerS = 1e6;
  lines.add_real("used_cpu_sys", static_cast<double>(figures.node.process.system_cpu_us) / kUsPerS, "%.6f");
  lines.add_real("used_cpu_user", static_cast<double>(figures.node.process.user_cpu_us) / kUsPerS, "%.6f");
}

template <class Visit>
void for_each_used_command(const Figures& figures, Visit&& visit) {
  for (const kv::CommandSpec& spec : kv::command_table()) {
    if (kv::is_internal(spec)) continue;
    CommandTotals totals;
    for (unsigned i = 0; i < figures.service.reactor_count(); ++i) {
      figures.service.local(i).stats->merge_into(spec.code, totals);
    }
    if (totals.calls != 0 || totals.rejected != 0 || totals.failed != 0) visit(lower_case(spec.name), totals);
  }
}

void commandstats_section(Lines& lines, const Figures& figures) {
  for_each_used_command(figures, [&lines](const std::string& name, const CommandTotals& totals) {
    const double total_us = static_cast<double>(totals.total_ns) / 1000;
    char value[160];
    std::snprintf(value, sizeof value, "calls=%llu,usec=%.0f,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu",
                  static_cast<unsigned long long>(totals.calls), total_us,
                  totals.calls == 0 ? 0.0 : total_us / static_cast<double>(totals.calls),
                  static_cast<unsigned long long>(totals.rejected), static_cast<unsigned long long>(totals.failed));
    lines.add("cmdstat_" + name, value);
  });
}

void errorstats_section(Lines& lines, const Figures& figures) {
  for (const auto& [code, count] : figures.node.errors_by_code) {
    lines.add("errorstat_" + code, "count=" + std::to_string(count));
  }
}

void latencystats_section(Lines& lines, const Figures& figures) {
  for_each_used_command(figures, [&lines](const std::string& name, const CommandTotals& totals) {
    if (totals.latency_ns.count == 0) return;
    const auto us = [&totals](double fraction) {
      return static_cast<double>(totals.latency_ns.percentile(fraction)) / 1000;
    };
    char value[120];
    std::snprintf(value, sizeof value, "p50=%.3f,p99=%.3f,p99.9=%.3f", us(0.5), us(0.99), us(0.999));
    lines.add("latency_percentiles_usec_" + name, value);
  });
}

void cluster_section(Lines& lines, const Figures& figures) {
  lines.add("cluster_enabled", figures.service.is_cluster() ? 1 : 0);
}

void modules_section(Lines&, const Figures&) {}

void keyspace_section(Lines& lines, const Figures& figures) {
  for (size_t number = 0; number < figures.keyspace.databases.size(); ++number) {
    const DatabaseFigures& database = figures.keyspace.databases[number];
    if (database.keys == 0) continue;
    lines.add("db" + std::to_string(number), "keys=" + std::to_string(database.keys) +
                                                 ",expires=" + std::to_string(database.expires) +
                                                 ",avg_ttl=" + std::to_string(database.average_ttl_ms));
  }
}

struct Section {
  std::string_view name;   // as asked for
  std::string_view title;  // as shown
  void (*write)(Lines&, const Figures&);
  bool is_default = true;
  // Needs the shards.
  bool needs_keyspace = false;
};

constexpr Section kSections[] = {
    {"server", "Server", server_section},
    {"clients", "Clients", clients_section},
    {"memory", "Memory", memory_section, true, true},
    {"persistence", "Persistence", persistence_section, true, true},
    {"stats", "Stats", stats_section},
    {"replication", "Replication", replication_section},
    {"cpu", "CPU", cpu_section},
    {"modules", "Modules", modules_section},
    {"commandstats", "Commandstats", commandstats_section, false},
    {"errorstats", "Errorstats", errorstats_section},
    {"latencystats", "Latencystats", latencystats_section, false},
    {"cluster", "Cluster", cluster_section},
    {"keyspace", "Keyspace", keyspace_section, true, true},
};

std::vector<const Section*> sections_asked_for(kv::Args names) {
  bool all = false, defaults = names.empty();
  std::set<std::string, std::less<>> asked;
  for (const std::string_view name : names) {
    const std::string lower = lower_case(name);
    if (lower == "all" || lower == "everything") all = true;
    if (lower == "default") defaults = true;
    asked.insert(lower);
  }
  std::vector<const Section*> result;
  for (const Section& section : kSections) {
    if (all || (defaults && section.is_default) || asked.contains(section.name)) result.push_back(&section);
  }
  return result;
}

}  // namespace

Task<void> cmd_info(Session& session, kv::Args args) {
  const std::vector<const Section*> sections = sections_asked_for(args.subspan(1));
  Figures figures{session.service(), session.config(), session.reactor().clock().wall_ms(), {}, {}};
  figures.node = co_await gather_node_figures(session.service(), session.reactor());
  if (std::ranges::any_of(sections, &Section::needs_keyspace)) {
    figures.keyspace = co_await gather_keyspace_figures(session);
  }
  std::string text;
  Lines lines(text);
  for (const Section* section : sections) {
    lines.begin_section(section->title);
    section->write(lines, figures);
  }
  session.out().verbatim("txt", text);
}

}  // namespace keelson::resp
