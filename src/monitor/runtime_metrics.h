// The metrics of what every service stands on: shards, the log, checkpoints, recovery.
#pragma once

#include "monitor/open_metrics.h"
#include "shard/runtime.h"

namespace keelson::monitor {

// Reactor 0. Shards' own counters belong to their reactors and come in by write_shard_metrics().
void write_runtime_metrics(shard::Runtime& runtime, OpenMetrics& out);

// Sums over shards; add() each on its owner's thread.
struct ShardTotals {
  uint64_t records = 0;
  uint64_t payload_bytes = 0;
  uint64_t queries = 0;
  uint64_t loans = 0;
  uint64_t refused = 0;
  uint64_t shards = 0;
  uint64_t damaged = 0;
  void add(const shard::Shard& shard);
};
void write_shard_metrics(const ShardTotals& totals, OpenMetrics& out);

}  // namespace keelson::monitor
