// One simulated life of a kv server: clients write, the machine crashes and restarts, and everything that was promised
// is checked. The same seed and options give the same life.
#pragma once

#include <cstdint>
#include <string>

#include "env/sim/sim.h"
#include "log/local_log.h"
#include "tests/sim/kv_client.h"
#include "tests/sim/kv_node.h"

namespace keelson::sim_test {

struct KvRunOptions {
  env::sim::SimOptions world;
  unsigned reactors = 2;
  unsigned clients = 4;
  unsigned keys_per_client = 12;
  KvNodeOptions node;
  Allowed allowed;
  int64_t duration_ns = 1500 * env::sim::kMillisecond;
  // The machine loses its power, or the process is killed, about this often; 0: never.
  int64_t crash_every_ns = 300 * env::sim::kMillisecond;
  double kill_probability = 0.3;  // of those: the process alone, what it wrote stays
  // The disk is full for a while, about this often; 0: never.
  int64_t full_every_ns = 0;
  bool break_connections = false;
  // At the end: SIGTERM, restart, and the digest must be the same.
  bool compare_digest = true;
};

struct KvRunResult {
  std::string violation;   // empty: every promise was kept
  std::string not_served;  // the server refused to start, and why
  uint64_t acknowledged = 0;
  uint64_t verified = 0;
  uint64_t lost_keys = 0;  // their shard is stopped, and says so
  // Crashes that turned a bit over in the log's last records before a mark vouched for them: nobody can tell that from
  // a torn tail, and it is cut off as one.
  uint64_t damaged_tails = 0;
  uint64_t crashes = 0;
  uint64_t checkpoints = 0;
  uint64_t trace_hash = 0;
};

KvRunResult run_kv(uint64_t seed, const KvRunOptions& options);

}  // namespace keelson::sim_test
