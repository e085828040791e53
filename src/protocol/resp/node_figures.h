// The figures of the whole node, gathered from its reactors and shards: what INFO and MEMORY show.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/task.h"
#include "protocol/resp/service.h"

namespace keelson::resp {

struct DatabaseFigures {
  uint64_t keys = 0;
  uint64_t expires = 0;
  int64_t average_ttl_ms = 0;
};

struct NodeFigures {
  // Summed over the reactors.
  LocalCounters counters;
  uint64_t clients = 0;
  uint64_t pubsub_clients = 0;
  uint64_t monitors = 0;
  uint64_t client_buffer_bytes = 0;
  uint64_t input_buffer_bytes_max = 0;  // the largest of any client
  uint64_t output_buffer_bytes_max = 0;
  uint64_t pubsub_channels = 0;
  uint64_t pubsub_patterns = 0;
  uint64_t pubsub_shard_channels = 0;
  double commands_per_s = 0;
  double input_bytes_per_s = 0;
  double output_bytes_per_s = 0;
  uint64_t memory_used_bytes = 0;
  uint64_t memory_peak_bytes = 0;
  std::map<std::string, uint64_t> errors_by_code;
  shard::CheckpointProgress checkpoint;
  ProcessFigures process;
};

struct KeyspaceFigures {
  std::vector<DatabaseFigures> databases;
  uint64_t keys = 0;
  uint64_t overhead_bytes = 0;  // tables and indexes
  uint64_t lazy_free_pending = 0;
  uint64_t damaged_shards = 0;  // not counted in the others
};

// From a coroutine on `here`.
Task<NodeFigures> gather_node_figures(KvService& service, env::Reactor& here);
// Has every shard lent for a moment, one after another, so it waits for the writes under way there; inside EXEC the
// transaction has them all already.
Task<KeyspaceFigures> gather_keyspace_figures(Session& session);

}  // namespace keelson::resp
