// One simulated life of a node that serves S3: clients work, connections break, the machine crashes and restarts,
// volumes are compacted, and everything that was promised is checked. The same seed and options give the same life.
#pragma once

#include <cstdint>
#include <string>

#include "env/sim/sim.h"
#include "tests/sim/s3_client.h"
#include "tests/sim/s3_node.h"

namespace keelson::sim_test {

struct S3RunOptions {
  env::sim::SimOptions world;
  unsigned reactors = 2;
  unsigned clients = 3;
  unsigned keys_per_client = 4;
  S3NodeOptions node;
  S3Allowed allowed;
  int64_t duration_ns = 600 * env::sim::kMillisecond;
  int64_t crash_every_ns = 200 * env::sim::kMillisecond;
  double kill_probability = 0.3;
  int64_t break_every_ns = 0;  // every connection, as when a switch restarts
  int64_t full_every_ns = 0;
  // Before the last look: each volume that is there gets a bit turned over with this probability.
  double flip_probability = 0;
};

struct S3RunResult {
  std::string violation;   // empty: every promise was kept
  std::string not_served;  // the node refused to start, and why
  uint64_t acknowledged = 0;
  uint64_t verified = 0;
  uint64_t doubts = 0;
  uint64_t refused_by_lock = 0;
  uint64_t crashes = 0;
  uint64_t compacted_bytes = 0;
  uint64_t removed_volumes = 0;
  uint64_t trace_hash = 0;
};

S3RunResult run_s3(uint64_t seed, const S3RunOptions& options);

}  // namespace keelson::sim_test
