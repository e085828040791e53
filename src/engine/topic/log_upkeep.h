// What a sweeper has to decide for a partition: what is too old or too much, and whether compaction pays.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/topic/compaction.h"
#include "engine/topic/log_store.h"
#include "engine/topic/partition_log.h"

namespace keelson::topic {

// Where the partition should begin by retention.ms and retention.bytes; none: where it does.
[[nodiscard]] std::optional<int64_t> due_trim(const PartitionLog& log, int64_t now_ms);

// The part of what compaction could work on that it never has, if the partition is due: by min.cleanable.dirty.ratio,
// or as something is older than max.compaction.lag.ms. None: not due.
[[nodiscard]] std::optional<double> due_compaction(const PartitionLog& log, int64_t now_ms);
[[nodiscard]] CompactionPlan plan_compaction(const LogStore& store, const PartitionLog& log, int64_t now_ms);

}  // namespace keelson::topic
