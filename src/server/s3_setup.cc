#include "server/s3_setup.h"

#include <algorithm>
#include <utility>

#include "engine/blob/answer.h"
#include "engine/blob/blob_engine.h"
#include "protocol/s3/keys.h"
#include "server/data_folder.h"

namespace keelson::server {

namespace {

using monitor::MetricType;
using monitor::OpenMetrics;

// Names with commas between, in lower case.
std::vector<std::string> parse_names(const std::string& text) {
  std::vector<std::string> domains;
  std::string domain;
  for (const char c : text + ",") {
    if (c == ',') {
      if (!domain.empty()) domains.push_back(std::move(domain));
      domain.clear();
    } else if (c != ' ') {
      domain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return domains;
}

s3::CustomerKeysOver parse_customer_keys(const Settings& settings) {
  const std::string& text = settings.text("s3.customer-keys-over");
  if (text == "tls") return s3::CustomerKeysOver::kTls;
  return text == "anything" ? s3::CustomerKeysOver::kAnything : s3::CustomerKeysOver::kTlsOrLoopback;
}

log::Durability parse_blob_durability(const Settings& settings) {
  const std::string& text = settings.text("blob.durability");
  if (text == "interval") return log::Durability::kInterval;
  return text == "never" ? log::Durability::kNever : log::Durability::kAlways;
}

// One operation's counts of all reactors.
struct Totals {
  uint64_t calls = 0, client_errors = 0, server_errors = 0, received = 0, sent = 0;
  HistogramSnapshot latency;
};

void write_operations(const s3::S3Service& service, OpenMetrics& out) {
  std::vector<std::pair<std::string_view, Totals>> used;
  for (size_t slot = 0; slot < s3::kSlotCount; ++slot) {
    Totals totals;
    for (const auto& local : service.locals()) {
      const s3::OperationCounts& counts = local->metrics.operations[slot];
      totals.calls += counts.calls.value();
      totals.client_errors += counts.client_errors.value();
      totals.server_errors += counts.server_errors.value();
      totals.received += counts.bytes_received.value();
      totals.sent += counts.bytes_sent.value();
      counts.latency_ns.merge_into(totals.latency);
    }
    if (totals.calls != 0) used.emplace_back(s3::slot_name(slot), totals);
  }
  out.family("keelson_s3_requests", MetricType::kCounter, "", "S3 requests that were answered.");
  for (const auto& [name, totals] : used) out.sample({{"operation", name}}, totals.calls);
  out.family("keelson_s3_request_errors", MetricType::kCounter, "", "S3 requests that were answered with an error.");
  for (const auto& [name, totals] : used) {
    out.sample({{"operation", name}, {"kind", "client"}}, totals.client_errors);
    out.sample({{"operation", name}, {"kind", "server"}}, totals.server_errors);
  }
  out.family("keelson_s3_received_bytes", MetricType::kCounter, "bytes", "Payload of S3 requests.");
  for (const auto& [name, totals] : used) out.sample({{"operation", name}}, totals.received);
  out.family("keelson_s3_sent_bytes", MetricType::kCounter, "bytes", "Content of S3 answers.");
  for (const auto& [name, totals] : used) out.sample({{"operation", name}}, totals.sent);
  out.family("keelson_s3_request_duration_seconds", MetricType::kHistogram, "seconds",
             "How long S3 requests take, from their head to the end of their answer.");
  for (const auto& [name, totals] : used) out.histogram_ns({{"operation", name}}, totals.latency);
}

void write_access_log(const s3::S3Service& service, OpenMetrics& out) {
  const s3::AccessLog& log = service.access_log();
  struct Row {
    std::string_view name, unit, help;
    Counter s3::AccessLog::Counts::* counter;
  };
  using Counts = s3::AccessLog::Counts;
  constexpr Row kRows[] = {
      {"keelson_s3_access_log_lines", "", "Lines of server access logs that were written.", &Counts::lines},
      {"keelson_s3_access_log_dropped_lines", "", "Those that were lost: no room in memory, or no target to put them.",
       &Counts::dropped_lines},
      {"keelson_s3_access_log_objects", "", "Objects with lines that were put.", &Counts::delivered_objects},
      {"keelson_s3_access_log_delivered_bytes", "bytes", "Their content.", &Counts::delivered_bytes},
      {"keelson_s3_access_log_failed_puts", "", "Times that such an object could not be put.", &Counts::failed_puts},
  };
  const size_t reactors = service.locals().size();
  for (const Row& row : kRows) {
    uint64_t total = 0;
    for (unsigned i = 0; i < reactors; ++i) total += (log.counts(i).*row.counter).value();
    out.counter(row.name, row.unit, row.help, total);
  }
  int64_t held = 0;
  for (unsigned i = 0; i < reactors; ++i) held += log.counts(i).held_bytes.value();
  out.gauge("keelson_s3_access_log_held_bytes", "bytes", "Lines that wait in memory.", held);
}

void write_inventories(const s3::S3Service& service, OpenMetrics& out) {
  const s3::InventoryWork::Counts& counts = service.inventories().counts();
  out.counter("keelson_s3_inventories", "", "Inventories that were written.", counts.runs.value());
  out.counter("keelson_s3_inventories_failed", "", "Inventories that could not be written.",
              counts.failed_runs.value());
  out.counter("keelson_s3_inventory_rows", "", "Objects and versions in inventories.", counts.rows.value());
}

void write_usage(const blob::UsageInfo& usage, OpenMetrics& out) {
  const auto gauge = [&out](std::string_view name, std::string_view unit, std::string_view help, uint64_t value) {
    out.gauge(name, unit, help, static_cast<int64_t>(value));
  };
  gauge("keelson_blob_versions", "", "Objects and their old versions.", usage.versions);
  gauge("keelson_blob_delete_markers", "", "Markers of objects that were removed and have old versions.",
        usage.delete_markers);
  gauge("keelson_blob_payload_bytes", "bytes", "Content of objects and their old versions.", usage.payload_bytes);
  gauge("keelson_blob_uploads", "", "Multipart uploads under way.", usage.uploads);
  gauge("keelson_blob_upload_bytes", "bytes", "Content of their parts.", usage.upload_bytes);
  gauge("keelson_blob_index_bytes", "bytes", "Memory of what is known about objects.", usage.index_bytes);
}

void write_store(const blobstore::Store& store, OpenMetrics& out) {
  struct Row {
    std::string_view name, unit, help;
    Counter blobstore::StoreStats::* counter;
  };
  using Stats = blobstore::StoreStats;
  constexpr Row kRows[] = {
      {"keelson_blob_written_bytes", "bytes", "Payload written to volumes.", &Stats::written_bytes},
      {"keelson_blob_read_bytes", "bytes", "Payload read from volumes.", &Stats::read_bytes},
      {"keelson_blob_cold_reads", "", "Reads of volumes that had to wait for the disk.", &Stats::cold_reads},
      {"keelson_blob_syncs", "", "Syncs of volumes.", &Stats::syncs},
      {"keelson_blob_sync_failures", "", "Syncs of volumes that failed.", &Stats::sync_failures},
      {"keelson_blob_refused_full", "", "Writes refused because the disk was full.", &Stats::refused_full},
      {"keelson_blob_damaged_chunks", "", "Chunks that were met damaged.", &Stats::damaged_chunks},
      {"keelson_blob_compactions", "", "Times that a shard's volumes were rewritten.", &Stats::compactions},
      {"keelson_blob_compacted_bytes", "bytes", "Payload moved to take back room.", &Stats::compacted_bytes},
      {"keelson_blob_removed_volumes", "", "Volumes removed.", &Stats::removed_volumes},
      {"keelson_blob_removed_bytes", "bytes", "Bytes of volumes removed.", &Stats::removed_bytes},
      {"keelson_blob_scrubbed_bytes", "bytes", "Payload read by scrubs.", &Stats::scrubbed_bytes},
      {"keelson_blob_scrub_damaged", "", "Extents that a scrub found damaged.", &Stats::scrub_damaged},
      {"keelson_blob_scrubs", "", "Scrubs that a reactor ended: it has read everything that is its own.",
       &Stats::scrubs},
      {"keelson_blob_background_failures", "", "Compactions and scrubs of a shard that were cut short.",
       &Stats::background_failures},
  };
  const unsigned reactors = store.router().reactor_count();
  for (const Row& row : kRows) {
    uint64_t total = 0;
    for (unsigned i = 0; i < reactors; ++i) total += (store.stats(i).*row.counter).value();
    out.counter(row.name, row.unit, row.help, total);
  }
  const auto sum = [&](Gauge Stats::* gauge) {
    int64_t total = 0;
    for (unsigned i = 0; i < reactors; ++i) total += (store.stats(i).*gauge).value();
    return total;
  };
  const int64_t disk_bytes = sum(&Stats::disk_bytes);
  out.gauge("keelson_blob_volumes", "", "Volumes on disk.", sum(&Stats::volumes));
  out.gauge("keelson_blob_volume_bytes", "bytes", "Bytes of volumes on disk.", disk_bytes);
  out.gauge("keelson_blob_dead_bytes", "bytes",
            "Of the volumes' bytes, those that nothing needs any more; as compaction saw them last.",
            std::max<int64_t>(disk_bytes - sum(&Stats::live_bytes), 0));
  out.gauge("keelson_blob_scrubbing_reactors", "", "Reactors that are reading everything now, looking for damage.",
            sum(&Stats::is_scrubbing));
  out.gauge("keelson_blob_scrub_round_bytes", "bytes",
            "What the scrub under way has read, or else the last one; to compare with volume bytes less dead bytes.",
            sum(&Stats::scrub_round_bytes));
  HistogramSnapshot syncs;
  for (unsigned i = 0; i < reactors; ++i) store.stats(i).sync_ns.merge_into(syncs);
  out.family("keelson_blob_sync_duration_seconds", MetricType::kHistogram, "seconds",
             "How long syncs of volumes take.");
  out.histogram_ns({}, syncs);
}

}  // namespace

void check_s3_settings(const Settings& settings, bool has_secret, std::vector<SettingError>& errors) {
  const std::string& id = settings.text("s3.access-key-id");
  if (id.empty() == has_secret) {
    const std::string_view key = id.empty() ? "s3.secret-access-key" : "s3.access-key-id";
    errors.push_back({settings.origin(key), std::string(key),
                      "s3.access-key-id and s3.secret-access-key (or s3.secret-access-key-file) go together"});
  }
  if (!id.empty() && !s3::is_access_key_id(id)) {
    errors.push_back({settings.origin("s3.access-key-id"), "s3.access-key-id",
                      "an access key id has 3 to 128 letters, digits and ._-"});
  }
  const std::string& masters = settings.text("s3.master-keys");
  if (!masters.empty() && !s3::MasterKeys::parse(masters)) {
    errors.push_back({settings.origin("s3.master-keys"), "s3.master-keys",
                      "a master key is 32 bytes in base64 (head -c 32 /dev/urandom | base64)"});
  }
  if (settings.text("s3.region").empty()) {
    errors.push_back({settings.origin("s3.region"), "s3.region", "the region must have a name"});
  }
}

shard::ServiceOptions make_blob_service(const Settings& settings) {
  static blob::NullAnswer nobody;
  shard::ServiceOptions service;
  service.name = kBlobName;
  service.engine_version = blob::kBlobEngineVersion;
  service.durability = parse_blob_durability(settings);
  service.make_engine = [](shard::ShardId) { return std::make_unique<blob::BlobEngine>(); };
  service.replay_sink = &nobody;
  return service;
}

blobstore::StoreOptions make_store_options(const Settings& settings, const std::string& data_folder) {
  blobstore::StoreOptions options;
  options.folder = data_folder + "/" + std::string(kBlobFolder);
  options.volume.volume_bytes_max = static_cast<uint64_t>(settings.number("blob.volume-size"));
  options.compact_dead_percent = static_cast<unsigned>(settings.number("blob.compact-dead-share"));
  options.background_percent = static_cast<unsigned>(settings.number("blob.background-share"));
  options.scrub_every_ms = settings.number("blob.scrub-interval");
  return options;
}

Task<Result<s3::MasterKeys>> load_master_keys(const Settings& settings, env::Env& env, std::string data_folder) {
  if (const auto given = s3::MasterKeys::parse(settings.text("s3.master-keys"))) co_return *given;
  const std::string& path = settings.text("s3.master-keys-file");
  if (!path.empty()) co_return s3::load_master_keys(env.disk(), path);
  co_return co_await s3::load_or_make_master_keys(env.disk(), env.reactor(0), std::move(data_folder));
}

s3::S3Options make_s3_options(const Settings& settings, const s3::RootKey& root, s3::MasterKeys masters) {
  s3::S3Options options;
  options.root_key_id = root.id;
  options.root_secret = root.secret;
  options.region = settings.text("s3.region");
  options.domains = parse_names(settings.text("s3.domain"));
  options.website_domains = parse_names(settings.text("s3.website-domain"));
  options.lifecycle_day_ms = settings.number("s3.lifecycle-day");
  options.master_keys = std::make_shared<const s3::MasterKeys>(std::move(masters));
  options.customer_keys = parse_customer_keys(settings);
  if (settings.text("blob.compression") == "zstd") {
    options.compressed_buckets = parse_names(settings.text("blob.compressed-buckets"));
  }
  options.access_log.interval_ms = settings.number("s3.access-log-interval");
  options.access_log.object_bytes = static_cast<uint64_t>(settings.number("s3.access-log-size"));
  options.http.connections_max = static_cast<uint32_t>(settings.number("s3.max-connections"));
  return options;
}

Task<void> write_s3_metrics(const s3::S3Service& service, blobstore::Store& store, env::Reactor& here,
                            OpenMetrics& out) {
  write_operations(service, out);
  write_access_log(service, out);
  write_inventories(service, out);
  write_store(store, out);
  blob::Answer answer;
  // A shard that is damaged shows in keelson_shards_damaged; the sums would be wrong without it, so there are none.
  if (co_await store.usage(here, 0, answer) == log::LogErrc::kOk && answer.ok()) write_usage(answer.usage, out);
}

}  // namespace keelson::server
