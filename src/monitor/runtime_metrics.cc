#include "monitor/runtime_metrics.h"

#include "log/local_log.h"

namespace keelson::monitor {

namespace {

constexpr double kSecondsPerMs = 1e-3;

void write_log_metrics(const log::LocalLog& log, OpenMetrics& out) {
  const log::LocalLogStats& stats = log.stats();
  out.counter("keelson_log_records", "", "Records appended to the log.", stats.records.value());
  out.counter("keelson_log_payload_bytes", "bytes", "Bytes of records' payloads appended.",
              stats.payload_bytes.value());
  out.counter("keelson_log_written_bytes", "bytes", "Bytes written to the log, headers and marks included.",
              stats.written_bytes.value());
  out.counter("keelson_log_writes", "", "Writes to log files; each holds the records of one turn.",
              stats.writes.value());
  out.counter("keelson_log_syncs", "", "Syncs of log files; each makes everything written before it durable.",
              stats.syncs.value());
  out.counter("keelson_log_sync_failures", "", "Syncs that failed; the log takes nothing more after one.",
              stats.sync_failures.value());
  out.counter("keelson_log_disk_full", "", "Times that the disk was found full.", stats.refused_full.value());
  out.counter("keelson_log_segments_recycled", "", "Log files used again.", stats.segments_recycled.value());
  out.counter("keelson_log_segments_removed", "", "Log files removed.", stats.segments_removed.value());
  out.gauge("keelson_log_segments", "", "Log files, spare ones included.", stats.segments.value());
  out.gauge("keelson_log_disk_bytes", "bytes", "Room that log files take.", stats.disk_bytes.value());
  out.gauge("keelson_log_unsynced_bytes", "bytes", "Bytes appended since the last sync that is done.",
            stats.unsynced_bytes.value());
  out.gauge("keelson_log_is_full", "", "1 while writes are refused because the disk is full.", stats.is_full.value());
  out.gauge("keelson_log_has_failed", "", "1 after a write or sync has failed: the log takes nothing more.",
            stats.has_failed.value());
  out.family("keelson_log_sync_duration_seconds", MetricType::kHistogram, "seconds", "How long syncs of the log take.");
  out.histogram_ns({}, stats.sync_ns.snapshot());
}

void write_checkpoint_metrics(const shard::CheckpointProgress& progress, OpenMetrics& out) {
  out.gauge("keelson_checkpoint_is_running", "", "1 while shards are written down.", int64_t{progress.is_running});
  out.gauge("keelson_checkpoint_shards_done", "", "Shards written down in the run that is under way, or the last one.",
            static_cast<int64_t>(progress.shards_done));
  out.gauge("keelson_checkpoint_shards_planned", "", "Shards to write down in that run.",
            static_cast<int64_t>(progress.shards_total));
  out.gauge("keelson_checkpoint_written_bytes", "bytes", "Bytes written in that run.",
            static_cast<int64_t>(progress.bytes_written));
  out.counter("keelson_checkpoint_completed", "", "Shards written down since the start.", progress.completed);
  out.counter("keelson_checkpoint_failed", "", "Shards that could not be written down.", progress.failed);
  out.gauge("keelson_checkpoint_last_timestamp_seconds", "seconds", "When the last shard was written down (0: never).",
            static_cast<double>(progress.last_completed_wall_ms) * kSecondsPerMs);
  out.gauge("keelson_checkpoint_last_duration_seconds", "seconds", "How long that took.",
            static_cast<double>(progress.last_duration_ms) * kSecondsPerMs);
}

}  // namespace

void write_runtime_metrics(shard::Runtime& runtime, OpenMetrics& out) {
  if (const log::LocalLog* log = runtime.local_log()) write_log_metrics(*log, out);
  write_checkpoint_metrics(runtime.checkpoint_progress(), out);
  const shard::RecoveryReport& recovery = runtime.recovery();
  out.gauge("keelson_recovery_records", "", "Records replayed at the start.",
            static_cast<int64_t>(recovery.records_replayed));
  out.gauge("keelson_recovery_checkpoint_bytes", "bytes", "Bytes of checkpoints loaded at the start.",
            static_cast<int64_t>(recovery.checkpoint_bytes));
  out.gauge("keelson_recovery_duration_seconds", "seconds", "How long recovery took at the start.",
            static_cast<double>(recovery.duration_ms) * kSecondsPerMs);
}

void ShardTotals::add(const shard::Shard& shard) {
  const shard::ShardCounters& counters = shard.counters();
  records += counters.records;
  payload_bytes += counters.payload_bytes;
  queries += counters.queries;
  loans += counters.loans;
  refused += counters.refused;
  shards += 1;
  damaged += shard.damage().has_value() ? 1 : 0;
}

void write_shard_metrics(const ShardTotals& totals, OpenMetrics& out) {
  out.gauge("keelson_shards", "", "Shards of this node.", static_cast<int64_t>(totals.shards));
  out.gauge("keelson_shards_damaged", "", "Shards that have stopped because their data is damaged.",
            static_cast<int64_t>(totals.damaged));
  out.counter("keelson_shard_records", "", "Records applied by shards.", totals.records);
  out.counter("keelson_shard_record_bytes", "bytes", "Bytes of those records.", totals.payload_bytes);
  out.counter("keelson_shard_queries", "", "Queries answered by shards.", totals.queries);
  out.counter("keelson_shard_loans", "", "Times that shards were lent to commands on keys of several.", totals.loans);
  out.counter("keelson_shard_refused", "", "Operations that shards refused.", totals.refused);
}

}  // namespace keelson::monitor
