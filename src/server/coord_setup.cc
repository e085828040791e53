#include "server/coord_setup.h"

#include <memory>
#include <utility>

#include "base/hash.h"
#include "engine/coord/coord_engine.h"
#include "protocol/etcd/methods.h"
#include "server/data_folder.h"

namespace keelson::server {

namespace {

using monitor::MetricType;
using monitor::OpenMetrics;

log::Durability parse_coord_durability(const Settings& settings) {
  const std::string& text = settings.text("etcd.durability");
  if (text == "interval") return log::Durability::kInterval;
  return text == "never" ? log::Durability::kNever : log::Durability::kAlways;
}

// The settings that name addresses which other machines can reach.
std::vector<std::string_view> open_listeners(const Settings& settings) {
  std::vector<std::string_view> keys;
  for (const std::string_view key : {"etcd.listen", "etcd.tls.listen"}) {
    for (const env::Address& at : settings.addresses(key)) {
      if (at.is_loopback() || !at.unix_path.empty()) continue;
      keys.push_back(key);
      break;
    }
  }
  return keys;
}

class AuthState final : public coord::AnswerSink {
 public:
  void failed(const coord::Failure& /*failure*/) override {}
  void auth_status(const coord::AuthStatusAnswer& answer) override { is_enabled = answer.is_enabled; }
  bool is_enabled = false;
};

struct MethodTotals {
  uint64_t started = 0;
  std::array<uint64_t, net::grpc::kCodeCount> ended{};
  HistogramSnapshot latency;
};

void write_methods(const etcd::EtcdService& service, OpenMetrics& out) {
  std::vector<std::pair<const etcd::MethodRow*, MethodTotals>> used;
  for (size_t i = 0; i < etcd::kMethodCount; ++i) {
    MethodTotals totals;
    for (const auto& local : service.locals()) {
      const etcd::MethodCounts& counts = local->metrics.methods[i];
      totals.started += counts.started.value();
      for (size_t code = 0; code < net::grpc::kCodeCount; ++code) totals.ended[code] += counts.ended[code].value();
      counts.latency_ns.merge_into(totals.latency);
    }
    if (totals.started != 0) used.emplace_back(&etcd::method_table()[i], totals);
  }
  out.family("keelson_etcd_calls_started", MetricType::kCounter, "", "Calls of etcd's API that have begun.");
  for (const auto& [method, totals] : used) {
    out.sample({{"service", method->service}, {"method", method->name}}, totals.started);
  }
  out.family("keelson_etcd_calls", MetricType::kCounter, "", "Calls of etcd's API that have ended, by their status.");
  for (const auto& [method, totals] : used) {
    for (size_t code = 0; code < net::grpc::kCodeCount; ++code) {
      if (totals.ended[code] == 0) continue;
      out.sample({{"service", method->service},
                  {"method", method->name},
                  {"code", net::grpc::code_name(static_cast<net::grpc::Code>(code))}},
                 totals.ended[code]);
    }
  }
  out.family("keelson_etcd_call_duration_seconds", MetricType::kHistogram, "seconds",
             "How long calls take that are no streams, from their message to their answer.");
  for (const auto& [method, totals] : used) {
    if (totals.latency.count == 0) continue;
    out.histogram_ns({{"service", method->service}, {"method", method->name}}, totals.latency);
  }
}

void write_coord(const coord::Statistics& statistics, OpenMetrics& out) {
  struct CounterRow {
    std::string_view name, help;
    Counter coord::Statistics::* counter;
  };
  struct GaugeRow {
    std::string_view name, help;
    Gauge coord::Statistics::* gauge;
  };
  using Stats = coord::Statistics;
  constexpr GaugeRow kGauges[] = {
      {"keelson_coord_watch_streams", "Clients' groups of watchers.", &Stats::streams},
      {"keelson_coord_watchers", "Watchers.", &Stats::watchers},
      {"keelson_coord_watchers_behind", "Of these, those that are told old events or wait for their client.",
       &Stats::watchers_behind},
      {"keelson_coord_watched_keys", "Keys that somebody watches.", &Stats::watched_keys},
      {"keelson_coord_watched_ranges", "Ranges that somebody watches.", &Stats::watched_ranges},
      {"keelson_coord_leases", "Leases; counted where the leader is.", &Stats::leases},
  };
  constexpr CounterRow kCounters[] = {
      {"keelson_coord_events", "Events that were told, to each watcher.", &Stats::events_delivered},
      {"keelson_coord_deliveries", "Deliveries of events to watchers.", &Stats::deliveries},
      {"keelson_coord_fell_behind", "Times that a client took too little and its watchers fell behind.",
       &Stats::fell_behind},
      {"keelson_coord_catch_up_events", "Events of the past that were read for watchers.", &Stats::catch_up_events},
      {"keelson_coord_compacted_watchers", "Watchers that a compaction overtook.", &Stats::compacted_watchers},
      {"keelson_coord_expired_leases", "Leases that ran out.", &Stats::leases_expired},
      {"keelson_coord_keep_alives", "Keep-alives of leases.", &Stats::keep_alives},
  };
  for (const GaugeRow& row : kGauges) out.gauge(row.name, "", row.help, (statistics.*row.gauge).value());
  for (const CounterRow& row : kCounters) out.counter(row.name, "", row.help, (statistics.*row.counter).value());
}

}  // namespace

void check_etcd_settings(const Settings& settings, std::vector<SettingError>& errors) {
  const auto pair = [&](const std::string& one, const std::string& other) {
    if (settings.text(one).empty() || !settings.text(other).empty()) return;
    errors.push_back({settings.origin(one), one, "this needs " + other + " as well"});
  };
  pair("etcd.tls.listen", "etcd.tls.cert");
  pair("etcd.tls.cert", "etcd.tls.key");
  pair("etcd.tls.key", "etcd.tls.cert");
  if (settings.text("etcd.tls.auth-clients") != "no") pair("etcd.tls.auth-clients", "etcd.tls.ca");
}

shard::ServiceOptions make_coord_service(const Settings& settings) {
  static coord::SilentSink nobody;
  shard::ServiceOptions service;
  service.name = kCoordName;
  service.engine_version = coord::kCoordEngineVersion;
  service.durability = parse_coord_durability(settings);
  service.make_engine = [](shard::ShardId) { return std::make_unique<coord::CoordEngine>(); };
  service.replay_sink = &nobody;
  return service;
}

coord::ServiceOptions make_coord_options(const Settings& settings, uint64_t hash_secret) {
  coord::ServiceOptions options;
  options.hash_secret = hash_secret;
  const bool is_periodic = settings.text("etcd.auto-compaction-mode") == "periodic";
  options.compaction.mode =
      is_periodic ? coord::AutoCompactionOptions::Mode::kPeriodic : coord::AutoCompactionOptions::Mode::kRevision;
  options.compaction.retention =
      settings.number(is_periodic ? "etcd.auto-compaction-retention" : "etcd.auto-compaction-revisions");
  options.watch.progress_every_ms = settings.number("etcd.watch-progress-interval");
  return options;
}

etcd::EtcdOptions make_etcd_options(const Settings& settings) {
  etcd::EtcdOptions options;
  options.request_bytes_max = static_cast<size_t>(settings.number("etcd.max-request-bytes"));
  options.txn_operations_max = static_cast<size_t>(settings.number("etcd.max-txn-ops"));
  options.token_ttl_ms = settings.number("etcd.token-ttl");
  options.http = etcd::http_options_for_etcd();
  options.http.connections_max = static_cast<uint32_t>(settings.number("etcd.max-connections"));
  options.http.http2.streams_max = static_cast<uint32_t>(settings.number("etcd.max-streams"));
  return options;
}

etcd::HeaderFacts lone_facts(std::string_view node_id) {
  constexpr uint64_t kClusterSeed = 0x636c7573746572;  // "cluster"
  constexpr uint64_t kMemberSeed = 0x6d656d626572;     // "member"
  return {.cluster_id = hash64(node_id, kClusterSeed), .member_id = hash64(node_id, kMemberSeed), .raft_term = 1};
}

Task<Status> check_etcd_access(const Settings& settings, coord::Service& service, env::Reactor& here) {
  const std::vector<std::string_view> open = open_listeners(settings);
  if (open.empty()) co_return Status();
  const bool asks_for_certificates = settings.text("etcd.tls.auth-clients") == "yes";
  if (asks_for_certificates && open.size() == 1 && open.front() == "etcd.tls.listen") co_return Status();
  auto [outcome, state] = co_await service.query(here, coord::AuthStatus{}, std::make_unique<AuthState>(),
                                                 coord::Consistency::kSerializable);
  if (outcome != coord::ServiceErrc::kOk) {
    co_return fail(SettingErrc::kBadValue,
                   "etcd: whether authentication is on cannot be read: " + std::string(coord::text_of(outcome)));
  }
  if (state->is_enabled) co_return Status();
  co_return fail(
      SettingErrc::kBadValue,
      settings.origin(open.front()).text() + ": " + std::string(open.front()) +
          ": everybody who reaches this address could change everything. Listen on loopback first and turn "
          "authentication on (etcdctl user add root; etcdctl auth enable), or listen on etcd.tls.listen alone "
          "with etcd.tls.auth-clients=yes and etcd.tls.ca");
}

void write_etcd_metrics(const etcd::EtcdService& service, const coord::Service& coord, OpenMetrics& out) {
  write_methods(service, out);
  int64_t streams = 0;
  uint64_t gateway = 0, failed_logins = 0;
  for (const auto& local : service.locals()) {
    streams += local->metrics.streams.value();
    gateway += local->metrics.gateway_requests.value();
    failed_logins += local->metrics.failed_logins.value();
  }
  out.gauge("keelson_etcd_streams", "", "Calls of etcd's API that are streams and under way.", streams);
  out.counter("keelson_etcd_gateway_requests", "", "Requests of etcd's API that came as JSON.", gateway);
  out.counter("keelson_etcd_failed_logins", "", "Logins to etcd's API with a wrong name or password.", failed_logins);
  write_coord(coord.statistics(), out);
}

}  // namespace keelson::server
