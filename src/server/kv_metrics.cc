#include "server/kv_metrics.h"

#include <map>
#include <string>
#include <vector>

#include "engine/kv/command.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/kv_engine.h"
#include "monitor/runtime_metrics.h"
#include "protocol/resp/command_stats.h"
#include "shard/visit.h"

namespace keelson::server {

namespace {

using monitor::MetricType;
using monitor::OpenMetrics;

struct Gathered {
  resp::LocalCounters counters;
  std::map<std::string, uint64_t> errors;
  uint64_t clients = 0;
  std::vector<uint64_t> keys;
  std::vector<uint64_t> expiring;
  monitor::ShardTotals shards;
};

// "GET" -> "get", "CONFIG|GET" -> "config|get", as INFO commandstats shows them.
std::string lower(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

void write_commands(resp::KvService& kv, OpenMetrics& out) {
  std::vector<std::pair<std::string, resp::CommandTotals>> used;
  for (const kv::CommandSpec& spec : kv::command_table()) {
    resp::CommandTotals totals;
    for (unsigned i = 0; i < kv.reactor_count(); ++i) kv.local(i).stats->merge_into(spec.code, totals);
    if (totals.calls != 0 || totals.rejected != 0) used.emplace_back(lower(spec.name), totals);
  }
  out.family("keelson_kv_commands", MetricType::kCounter, "", "Commands that were run.");
  for (const auto& [name, totals] : used) out.sample({{"command", name}}, totals.calls);
  out.family("keelson_kv_command_errors", MetricType::kCounter, "",
             "Commands that were answered with an error: failed when they ran, or rejected before.");
  for (const auto& [name, totals] : used) {
    out.sample({{"command", name}, {"kind", "failed"}}, totals.failed);
    out.sample({{"command", name}, {"kind", "rejected"}}, totals.rejected);
  }
  out.family("keelson_kv_command_duration_seconds", MetricType::kHistogram, "seconds",
             "How long commands take to run.");
  for (const auto& [name, totals] : used) {
    if (totals.latency_ns.count != 0) out.histogram_ns({{"command", name}}, totals.latency_ns);
  }
}

void write_counters(const Gathered& gathered, const resp::KvConfig& config, OpenMetrics& out) {
  const resp::LocalCounters& sum = gathered.counters;
  out.gauge("keelson_kv_clients", "", "Connections of clients.", static_cast<int64_t>(gathered.clients));
  out.gauge("keelson_kv_clients_max", "", "kv.maxclients.", int64_t{config.maxclients});
  out.gauge("keelson_kv_blocked_clients", "", "Clients that wait in a blocking command.",
            static_cast<int64_t>(sum.blocked_clients));
  out.counter("keelson_kv_connections_received", "", "Connections accepted.", sum.connections_received);
  out.counter("keelson_kv_connections_rejected", "", "Connections refused because there were too many.",
              sum.connections_rejected);
  out.counter("keelson_kv_input_bytes", "bytes", "Bytes read from clients.", sum.input_bytes);
  out.counter("keelson_kv_output_bytes", "bytes", "Bytes written to clients.", sum.output_bytes);
  out.counter("keelson_kv_keyspace_hits", "", "Look-ups of keys that were there.", sum.keyspace_hits);
  out.counter("keelson_kv_keyspace_misses", "", "Look-ups of keys that were not.", sum.keyspace_misses);
  out.counter("keelson_kv_expired_keys", "", "Keys removed because their time had passed.", sum.expired_keys);
  out.counter("keelson_kv_evicted_keys", "", "Keys removed because memory was short.", sum.evicted_keys);
  out.counter("keelson_kv_protocol_errors", "", "Connections ended because their bytes were no RESP.",
              sum.protocol_errors);
  out.counter("keelson_kv_output_limit_disconnections", "", "Clients cut off because they did not read their replies.",
              sum.output_limit_disconnections);
  out.counter("keelson_kv_pushes", "", "Messages pushed to subscribers and monitors.", sum.total_pushes);
  out.gauge("keelson_kv_memory_max_bytes", "bytes", "kv.maxmemory; 0: no limit.",
            static_cast<int64_t>(config.maxmemory_bytes));
  out.family("keelson_kv_errors", MetricType::kCounter, "", "Errors answered, by their code.");
  for (const auto& [code, count] : gathered.errors) out.sample({{"code", code}}, count);
  out.family("keelson_kv_keys", MetricType::kGauge, "", "Keys, by database.");
  for (size_t database = 0; database < gathered.keys.size(); ++database) {
    if (database == 0 || gathered.keys[database] != 0)
      out.sample({{"database", std::to_string(database)}}, gathered.keys[database]);
  }
  out.family("keelson_kv_expiring_keys", MetricType::kGauge, "", "Keys with a time to live, by database.");
  for (size_t database = 0; database < gathered.keys.size(); ++database) {
    if (database == 0 || gathered.keys[database] != 0)
      out.sample({{"database", std::to_string(database)}}, gathered.expiring[database]);
  }
}

}  // namespace

Task<void> write_kv_metrics(resp::KvService& kv, env::Reactor& here, OpenMetrics& out) {
  Gathered gathered;
  resp::KvConfig config;
  co_await kv.on_each_reactor(here, [&](resp::Local& local) {
    kv.settle_counters(local);
    gathered.counters.add(local.counters);
    for (const auto& [code, count] : local.errors_by_code) gathered.errors[code] += count;
    gathered.clients += local.sessions.size();
    config = local.config;
  });
  gathered.keys.resize(config.databases);
  gathered.expiring.resize(config.databases);
  shard::Runtime& runtime = kv.runtime();
  for (shard::ShardId id = 0; id < runtime.router().shard_count(); ++id) {
    co_await shard::visit(runtime, here, id, [&](shard::Shard& shard) {
      gathered.shards.add(shard);
      kv::Keyspace& keyspace = static_cast<kv::KvEngine&>(shard.engine()).keyspace();
      for (uint16_t database = 0; database < config.databases; ++database) {
        gathered.keys[database] += keyspace.size(database);
        gathered.expiring[database] += keyspace.expiring_count(database);
      }
    });
  }
  monitor::write_shard_metrics(gathered.shards, out);
  write_counters(gathered, config, out);
  write_commands(kv, out);
}

}  // namespace keelson::server
