#include "engine/topic/log_upkeep.h"

#include <algorithm>

namespace keelson::topic {

namespace {

int64_t newest_ms(const Segment& segment) {
  return segment.max_timestamp_ms == kNoTimestamp ? segment.last_append_ms : segment.max_timestamp_ms;
}

// How many segments, from the start, compaction may work on.
size_t cleanable_segments(const PartitionLog& log, int64_t now_ms) {
  size_t count = 0;
  while (count + 1 < log.segments().size()) {
    const Segment& segment = log.segments()[count];
    // Written to its end, decided, and old enough.
    if (segment.index != nullptr || log.segment_end(count) > log.last_stable()) break;
    if (log.segment_end(count) > log.clean_offset() &&
        now_ms - newest_ms(segment) < log.config().compaction_lag_min_ms) {
      break;
    }
    ++count;
  }
  return count;
}

}  // namespace

std::optional<int64_t> due_trim(const PartitionLog& log, int64_t now_ms) {
  const TopicConfig& config = log.config();
  if (!config.deletes) return {};
  uint64_t bytes = log.bytes();
  int64_t start = log.log_start();
  for (size_t i = 0; i < log.segments().size(); ++i) {
    const Segment& segment = log.segments()[i];
    const bool is_last = i + 1 == log.segments().size();
    const bool is_old = config.retention_ms >= 0 && now_ms - newest_ms(segment) > config.retention_ms;
    const bool is_too_much = !is_last && config.retention_bytes >= 0 &&
                             bytes - segment.bytes >= static_cast<uint64_t>(config.retention_bytes);
    // What a transaction that is open has written stays.
    if ((!is_old && !is_too_much) || log.segment_end(i) > log.last_stable()) break;
    bytes -= segment.bytes;
    start = log.segment_end(i);
  }
  if (start == log.log_start()) return {};
  return start;
}

std::optional<double> due_compaction(const PartitionLog& log, int64_t now_ms) {
  const TopicConfig& config = log.config();
  if (!config.compacts || now_ms < log.no_compaction_until_ms) return {};
  uint64_t clean_bytes = 0;
  uint64_t dirty_bytes = 0;
  bool is_overdue = false;
  const size_t count = cleanable_segments(log, now_ms);
  for (size_t i = 0; i < count; ++i) {
    const Segment& segment = log.segments()[i];
    if (log.segment_end(i) <= log.clean_offset()) {
      clean_bytes += segment.bytes;
    } else {
      dirty_bytes += segment.bytes;
      is_overdue |= now_ms - segment.first_append_ms > config.compaction_lag_max_ms;
    }
  }
  if (dirty_bytes == 0) return {};
  const double ratio = static_cast<double>(dirty_bytes) / static_cast<double>(clean_bytes + dirty_bytes);
  if (ratio < config.cleanable_ratio_min && !is_overdue) return {};
  return is_overdue ? 1 + ratio : ratio;
}

CompactionPlan plan_compaction(const LogStore& store, const PartitionLog& log, int64_t now_ms) {
  CompactionPlan plan;
  plan.disk = store.options().disk;
  plan.folder = store.options().folder;
  plan.faults = store.options().faults;
  plan.partition = log.id();
  plan.now_ms = now_ms;
  plan.delete_retention_ms = log.config().delete_retention_ms;
  plan.index_interval_bytes = log.config().index_interval_bytes;
  plan.clean_offset = log.clean_offset();
  plan.log_start = log.log_start();
  plan.tail_begins = log.tail_begins();
  const size_t count = cleanable_segments(log, now_ms);
  for (size_t i = 0; i < count; ++i) {
    const Segment& segment = log.segments()[i];
    plan.segments.push_back({segment.base_offset, log.segment_end(i), segment.bytes, segment.generation});
  }
  if (log.producers() != nullptr) {
    const auto aborted = log.producers()->aborted();
    plan.aborted.assign(aborted.begin(), aborted.end());
  }
  return plan;
}

}  // namespace keelson::topic
