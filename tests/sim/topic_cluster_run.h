// One simulated life of a cluster that serves topics: Kafka clients work through all its nodes and follow the leaders,
// a nemesis strikes, leads and votes wander, checkpoints travel with their segments; and everything that was promised
// is judged:
//   - what topic_judge.h says of writers, readers, groups, transactions and compaction, whichever node answered;
//   - what an admin was told of a topic holds: it is there with its partitions, or gone;
//   - no term of a shard has two leaders;
//   - after the faults end, every client comes to its end within a bound;
//   - then every node's own replicas hold the same: directory (on each shard too), groups, transactions, watermarks,
//     producers, and record for record what Kafka's readers see (of a compacted topic: the last of each key).
// The same seed and options give the same life.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "env/sim/nemesis.h"
#include "env/sim/sim.h"
#include "tests/sim/topic_clients.h"
#include "tests/sim/topic_cluster_node.h"

namespace keelson::sim_test {

struct TopicClusterRunOptions {
  env::sim::SimOptions world;
  env::sim::NemesisOptions nemesis;
  bool draw_nemesis = true;  // in place of `nemesis`
  unsigned nodes = 3;
  unsigned reactors = 1;
  TopicClusterNodeOptions node;
  int32_t partitions = 4;
  bool is_compacted = false;      // keyed writers alone, and no group
  bool is_plain = false;          // plain writers alone, and no group
  bool is_transactional = false;  // transactional writers alone, and no group
  bool is_trimmed = false;
  unsigned writers = 1;  // of each kind
  unsigned readers = 2;
  unsigned members = 2;
  unsigned admins = 2;
  std::vector<std::pair<std::string, std::string>> topic_configs;
  int64_t pause_ns_max = 40 * env::sim::kMillisecond;  // of a client, between two requests
  int64_t answer_within_ns = 8 * env::sim::kSecond;    // else it goes elsewhere
  int64_t duration_ns = 8 * env::sim::kSecond;
  int64_t stir_every_ns = 2 * env::sim::kSecond;
  // Until the topic is there, and what may take how long after the last fault.
  int64_t form_within_ns = 60 * env::sim::kSecond;
  int64_t recover_within_ns = 120 * env::sim::kSecond;
};

struct TopicClusterRunResult {
  std::string violation;  // empty: every promise was kept
  uint64_t sent = 0;
  uint64_t acknowledged = 0;
  uint64_t consumed = 0;  // commits of the group's members
  uint64_t transacted = 0;
  uint64_t administered = 0;  // lives of topics of their own
  uint64_t trims = 0;
  uint64_t gone = 0;  // by compaction: offsets without a record at the end
  uint64_t downs = 0;
  uint64_t elections = 0;
  uint64_t events = 0;
  int64_t recovered_ns = 0;  // after the last fault, until all clients had come to their end
  uint64_t trace_hash = 0;
};

TopicClusterRunResult run_topic_cluster(uint64_t seed, const TopicClusterRunOptions& options);

}  // namespace keelson::sim_test
