#include "server/topic_setup.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/numbers.h"
#include "engine/topic/answer.h"
#include "engine/topic/topic_engine.h"
#include "protocol/kafka/apis.h"
#include "protocol/kafka/topic_names.h"
#include "server/kafka_access_setup.h"
#include "shard/call_on.h"

namespace keelson::server {

namespace {

using monitor::MetricType;
using monitor::OpenMetrics;

constexpr std::string_view kListenKeys[] = {"kafka.listen", "kafka.tls.listen"};
// Partitions whose offsets are shown, by the names of their topics; a scrape asks each.
constexpr size_t kShownPartitionsMax = 2'000;
constexpr uint32_t kListedAtOnce = 500;
// A node that is in no cluster.
constexpr log::NodeId kLoneNode = 1;

log::Durability durability_of(const Settings& settings) {
  const std::string& text = settings.text("topic.durability");
  if (text == "always") return log::Durability::kAlways;
  return text == "never" ? log::Durability::kNever : log::Durability::kInterval;
}

// "host:port", "[::1]:port".
std::optional<kafka::Endpoint> parse_endpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::optional<int64_t> port = parse_int64(text.substr(colon + 1));
  if (host.empty() || !port || *port < 1 || *port > UINT16_MAX) return std::nullopt;
  return kafka::Endpoint{.host = std::string(host), .port = static_cast<int32_t>(*port)};
}

void check_listener(const Settings& settings, std::string_view key, std::vector<SettingError>& errors) {
  const auto add = [&](std::string why) { errors.push_back({settings.origin(key), std::string(key), std::move(why)}); };
  if (settings.addresses(key).empty()) return;
  for (const env::Address& address : settings.addresses(key)) {
    if (!address.unix_path.empty()) {
      add("Kafka's clients are told an address and a port to connect to, so this cannot be a Unix socket");
    } else if (!address.is_loopback() && !needs_kafka_login(settings) &&
               !(key == "kafka.tls.listen" && settings.text("kafka.tls.auth-clients") == "yes")) {
      add(address.text() +
          " can be reached from other machines, and everybody who reaches it could do everything. Listen on "
          "127.0.0.1, or let clients log in (kafka.sasl.mechanisms), or listen on kafka.tls.listen alone with "
          "kafka.tls.auth-clients=yes and kafka.tls.ca");
    }
  }
}

// A UUID in Kafka's notation, of the first digits.
std::string cluster_id_of(std::string_view digits) {
  topic::TopicId id;
  for (size_t i = 0; i < id.bytes.size() && 2 * i + 1 < digits.size(); ++i) {
    std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, id.bytes[i], 16);
  }
  return kafka::uuid_text(id);
}

}  // namespace

void check_topic_settings(const Settings& settings, std::vector<SettingError>& errors) {
  const auto pair = [&](const std::string& one, const std::string& other) {
    if (settings.text(one).empty() || !settings.text(other).empty()) return;
    errors.push_back({settings.origin(one), one, "this needs " + other + " as well"});
  };
  pair("kafka.tls.listen", "kafka.tls.cert");
  pair("kafka.tls.cert", "kafka.tls.key");
  pair("kafka.tls.key", "kafka.tls.cert");
  if (settings.text("kafka.tls.auth-clients") != "no") pair("kafka.tls.auth-clients", "kafka.tls.ca");
  for (std::string_view key : kListenKeys) check_listener(settings, key, errors);
  check_kafka_access(settings, errors);
  const std::string& advertised = settings.text("kafka.advertised-listener");
  if (!advertised.empty() && !parse_endpoint(advertised)) {
    errors.push_back({settings.origin("kafka.advertised-listener"), "kafka.advertised-listener",
                      "this must be a host and a port: kafka.example.com:9092"});
  }
}

shard::ServiceOptions make_topic_service(const Settings& settings, env::Env& env, const std::string& folder,
                                         uint16_t shard_count, shard::ShardId first_shard) {
  static topic::NullAnswer nobody;
  shard::ServiceOptions service;
  service.name = kTopicName;
  service.engine_version = topic::kTopicEngineVersion;
  service.shard_count = shard_count;
  service.durability = durability_of(settings);
  const size_t cache_bytes = static_cast<size_t>(settings.number("topic.cache-size")) / shard_count;
  const std::string segments = folder + "/" + std::string(kTopicFolder) + "/";
  service.make_engine = [&env, segments, cache_bytes, first_shard](shard::ShardId id) {
    return std::make_unique<topic::TopicEngine>(topic::TopicEngineOptions{
        .disk = &env.disk(), .folder = segments + std::to_string(id - first_shard), .cache_bytes = cache_bytes});
  };
  service.replay_sink = &nobody;
  return service;
}

topics::TopicsOptions make_topics_options(const Settings& settings, log::NodeId node) {
  return {.service = kTopicService,
          .retention_check_ms = settings.number("topic.retention-check-interval"),
          .is_clustered = node != 0,
          .node = node == 0 ? kLoneNode : node};
}

kafka::KafkaOptions make_kafka_options(const Settings& settings, const std::string& folder, std::string_view id,
                                       log::NodeId node) {
  kafka::KafkaOptions options;
  options.advertised = parse_endpoint(settings.text("kafka.advertised-listener"));
  options.cluster_id = cluster_id_of(id);
  if (node != 0) options.node_id = static_cast<int32_t>(node);
  options.log_folder = folder + "/" + std::string(kTopicFolder);
  options.auto_create_topics = settings.flag("kafka.auto-create-topics");
  options.partitions_default = static_cast<int32_t>(settings.number("kafka.num-partitions"));
  options.frame_bytes_max = static_cast<size_t>(settings.number("kafka.max-request-size"));
  options.fetch_bytes_max = static_cast<size_t>(settings.number("kafka.max-fetch-size"));
  options.connections_max = static_cast<uint32_t>(settings.number("kafka.max-connections"));
  options.connection_idle_ms = settings.number("kafka.connections-max-idle");
  options.needs_authentication = needs_kafka_login(settings);
  return options;
}

net::TlsServerOptions kafka_tls_options(const Settings& settings) {
  net::TlsServerOptions options;
  options.certificate_file = settings.text("kafka.tls.cert");
  options.key_file = settings.text("kafka.tls.key");
  options.ca_file = settings.text("kafka.tls.ca");
  const std::string& clients = settings.text("kafka.tls.auth-clients");
  if (clients == "optional") options.client_certificate = net::ClientCertificate::kOptional;
  if (clients == "yes") options.client_certificate = net::ClientCertificate::kRequired;
  return options;
}

// ---- Metrics.

namespace {

uint64_t sum(const kafka::KafkaService& service, Counter kafka::KafkaCounters::* which) {
  uint64_t total = 0;
  for (unsigned i = 0; i < service.reactor_count(); ++i) total += (service.local(i).counters.*which).value();
  return total;
}

void write_apis(const kafka::KafkaService& service, OpenMetrics& out) {
  struct Totals {
    std::string_view name;
    uint64_t requests = 0;
    uint64_t errors = 0;
    HistogramSnapshot latency;
  };
  std::vector<Totals> used;
  for (size_t api = 0; api < kafka::api_table().size(); ++api) {
    Totals totals{.name = kafka::api_table()[api].name, .latency = {}};
    for (unsigned i = 0; i < service.reactor_count(); ++i) {
      const kafka::ApiCounters& counters = service.local(i).counters.by_api[api];
      totals.requests += counters.requests.value();
      totals.errors += counters.errors.value();
      counters.latency_ns.merge_into(totals.latency);
    }
    if (totals.requests != 0 || totals.errors != 0) used.push_back(totals);
  }
  out.family("keelson_kafka_requests", MetricType::kCounter, "", "Requests of Kafka's clients that have begun.");
  for (const Totals& api : used) out.sample({{"api", api.name}}, api.requests);
  out.family("keelson_kafka_request_errors", MetricType::kCounter, "",
             "Requests that ended their connection: malformed, or of a version that is not served.");
  for (const Totals& api : used) out.sample({{"api", api.name}}, api.errors);
  out.family("keelson_kafka_request_duration_seconds", MetricType::kHistogram, "seconds",
             "From a request's coming to its answer; of a fetch with what it waits.");
  for (const Totals& api : used) {
    if (api.latency.count != 0) out.histogram_ns({{"api", api.name}}, api.latency);
  }
}

void write_counters(const kafka::KafkaService& service, OpenMetrics& out) {
  using Counters = kafka::KafkaCounters;
  struct Row {
    std::string_view name, unit, help;
    Counter Counters::* counter;
  };
  constexpr Row kRows[] = {
      {"keelson_kafka_connections", "", "Connections of Kafka's clients that were taken.", &Counters::connections},
      {"keelson_kafka_connections_refused", "", "Those that were one too many.", &Counters::connections_refused},
      {"keelson_kafka_received_bytes", "bytes", "Bytes that came from Kafka's clients.", &Counters::bytes_in},
      {"keelson_kafka_sent_bytes", "bytes", "Bytes that went to them.", &Counters::bytes_out},
      {"keelson_kafka_records_in", "", "Records that were appended for Kafka's clients.", &Counters::records_in},
      {"keelson_kafka_batch_in_bytes", "bytes", "Batches that Kafka's clients have sent.", &Counters::record_bytes_in},
      {"keelson_kafka_batch_out_bytes", "bytes", "Batches that were sent to them.", &Counters::record_bytes_out},
      {"keelson_kafka_malformed_requests", "", "Requests that could not be understood.", &Counters::malformed},
      {"keelson_kafka_failed_logins", "", "Logins that failed.", &Counters::failed_logins},
      {"keelson_kafka_throttled_requests", "", "Requests whose clients had to wait for their quota.",
       &Counters::throttled},
      {"keelson_kafka_fetch_waits", "", "Fetches that waited for something to come.", &Counters::fetch_waits},
  };
  for (const Row& row : kRows) out.counter(row.name, row.unit, row.help, sum(service, row.counter));
  int64_t open = 0;
  for (unsigned i = 0; i < service.reactor_count(); ++i) open += service.local(i).counters.connections_open.value();
  out.gauge("keelson_kafka_connections_open", "", "Connections of Kafka's clients at present.", open);
}

// By topics' names, of all reactors together.
Task<void> write_traffic(kafka::KafkaService& service, env::Reactor& here, OpenMetrics& out) {
  std::map<std::string, kafka::TopicTraffic> all;
  for (unsigned i = 0; i < service.reactor_count(); ++i) {
    kafka::Local& local = service.local(i);
    const auto part = co_await shard::call_on(here, local.reactor, [&] { return local.traffic; });
    for (const auto& [id, traffic] : part) {
      kafka::TopicTraffic& sum = all[traffic.name];
      sum.records_in += traffic.records_in;
      sum.bytes_in += traffic.bytes_in;
      sum.bytes_out += traffic.bytes_out;
    }
  }
  const auto family = [&](std::string_view name, std::string_view unit, std::string_view help,
                          uint64_t kafka::TopicTraffic::* field) {
    out.family(name, MetricType::kCounter, unit, help);
    for (const auto& [topic, traffic] : all) out.sample({{"topic", topic}}, traffic.*field);
  };
  family("keelson_topic_records_in", "", "Records that Kafka's clients have sent to the topic.",
         &kafka::TopicTraffic::records_in);
  family("keelson_topic_in_bytes", "bytes", "Batches that Kafka's clients have sent to the topic.",
         &kafka::TopicTraffic::bytes_in);
  family("keelson_topic_out_bytes", "bytes", "Batches of the topic that were sent to Kafka's clients.",
         &kafka::TopicTraffic::bytes_out);
}

struct Shown {
  std::string topic;
  std::string partition;
  topic::PartitionInfo info;
};

// The first partitions, by their topics' names.
Task<std::vector<Shown>> look_at_partitions(topics::Topics& topics, env::Reactor& here) {
  std::vector<Shown> shown;
  topic::ListTopics question{.prefix = {}, .after = {}, .count_max = kListedAtOnce};
  for (bool is_more = true; is_more && shown.size() < kShownPartitionsMax;) {
    const topics::Asked listed = co_await topics.ask(here, topics.nearest_shard(here), question);
    if (!listed.ok()) break;
    std::vector<topics::Asking> asking;
    const size_t first = shown.size();
    for (const topic::TopicInfo& topic : listed.answer.topics) {
      for (int32_t i = 0; i < topic.partition_count && shown.size() < kShownPartitionsMax; ++i) {
        const topic::PartitionId id{topic.id, i};
        // In a cluster whoever leads a partition tells of it.
        if (!topics.leads(topics.shard_of(id))) continue;
        asking.push_back(topics.ask(here, topics.shard_of(id), topic::DescribePartition{.of = id}));
        shown.push_back({topic.name, std::to_string(i), {}});
      }
    }
    for (size_t i = 0; i < asking.size(); ++i) {
      const topics::Asked asked = co_await asking[i];
      shown[first + i].info = asked.answer.partition;
    }
    is_more = listed.answer.is_truncated && !listed.answer.topics.empty();
    if (is_more) question.after = listed.answer.topics.back().name;
  }
  co_return shown;
}

void write_partitions(const std::vector<Shown>& shown, OpenMetrics& out) {
  const auto family = [&](std::string_view name, std::string_view unit, std::string_view help, auto value) {
    out.family(name, MetricType::kGauge, unit, help);
    for (const Shown& one : shown) {
      out.sample({{"topic", one.topic}, {"partition", one.partition}}, static_cast<int64_t>(value(one.info)));
    }
  };
  using Info = topic::PartitionInfo;
  family("keelson_topic_log_end_offset", "", "Offset of the partition's next record.",
         [](const Info& info) { return info.high_watermark; });
  family("keelson_topic_log_start_offset", "", "Offset of the partition's first record.",
         [](const Info& info) { return info.log_start; });
  family("keelson_topic_last_stable_offset", "", "Below it no transaction is under way.",
         [](const Info& info) { return info.last_stable; });
  family("keelson_topic_size_bytes", "bytes", "Batches of the partition.", [](const Info& info) { return info.bytes; });
}

}  // namespace

Task<void> write_topic_metrics(kafka::KafkaService& service, topics::Topics& topics, env::Reactor& here,
                               OpenMetrics& out) {
  write_apis(service, out);
  write_counters(service, out);
  uint64_t reads = 0;
  uint64_t read_bytes = 0;
  uint64_t damaged = 0;
  for (unsigned i = 0; i < service.reactor_count(); ++i) {
    const topics::TopicsStats& stats = topics.stats(i);
    reads += stats.disk_reads.value();
    read_bytes += stats.disk_read_bytes.value();
    damaged += stats.damaged_reads.value();
  }
  out.counter("keelson_topic_disk_reads", "", "Reads of segments, for what is not in memory any more.", reads);
  out.counter("keelson_topic_disk_read_bytes", "bytes", "Bytes of batches that they brought.", read_bytes);
  out.counter("keelson_topic_damaged_reads", "", "Reads that met damage.", damaged);
  struct Row {
    std::string_view name, unit, help;
    Counter topics::TopicsStats::* counter;
  };
  constexpr Row kRows[] = {
      {"keelson_topic_trims", "", "Partitions that retention has cut.", &topics::TopicsStats::trims},
      {"keelson_topic_files_removed", "", "Segments and indexes that were removed.",
       &topics::TopicsStats::files_removed},
      {"keelson_topic_compactions", "", "Compactions of partitions that are done.", &topics::TopicsStats::compactions},
      {"keelson_topic_compactions_failed", "", "Compactions that an error has cut short.",
       &topics::TopicsStats::compactions_failed},
      {"keelson_topic_compacted_bytes", "bytes", "Segments that compactions have written anew.",
       &topics::TopicsStats::compacted_bytes},
      {"keelson_topic_compacted_left_bytes", "bytes", "What they had then.",
       &topics::TopicsStats::compacted_bytes_left},
  };
  for (const Row& row : kRows) {
    uint64_t total = 0;
    for (unsigned i = 0; i < service.reactor_count(); ++i) total += (topics.stats(i).*row.counter).value();
    out.counter(row.name, row.unit, row.help, total);
  }
  co_await write_traffic(service, here, out);
  write_partitions(co_await look_at_partitions(topics, here), out);
}

}  // namespace keelson::server
