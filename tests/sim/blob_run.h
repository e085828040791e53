// One simulated life of a node with blobs: clients write, the machine crashes and restarts, volumes are compacted, and
// everything that was promised is checked. The same seed and options give the same life.
#pragma once

#include <cstdint>
#include <string>

#include "env/sim/sim.h"
#include "tests/sim/blob_client.h"
#include "tests/sim/blob_node.h"

namespace keelson::sim_test {

struct BlobRunOptions {
  env::sim::SimOptions world;
  unsigned reactors = 2;
  unsigned clients = 4;
  unsigned keys_per_client = 5;
  BlobNodeOptions node;
  BlobAllowed allowed;
  int64_t duration_ns = 800 * env::sim::kMillisecond;
  int64_t crash_every_ns = 250 * env::sim::kMillisecond;
  double kill_probability = 0.3;
  int64_t full_every_ns = 0;
  // At the end: each volume that is there gets a bit turned over with this probability, and a scrub is asked.
  double flip_probability = 0;
};

struct BlobRunResult {
  std::string violation;   // empty: every promise was kept
  std::string not_served;  // the node refused to start, and why
  uint64_t acknowledged = 0;
  uint64_t verified = 0;
  uint64_t damaged = 0;  // reads that said so
  uint64_t scrub_damaged = 0;
  uint64_t crashes = 0;
  uint64_t compacted_bytes = 0;
  uint64_t removed_volumes = 0;
  uint64_t checkpoints = 0;
  uint64_t trace_hash = 0;
};

BlobRunResult run_blob(uint64_t seed, const BlobRunOptions& options);

}  // namespace keelson::sim_test
