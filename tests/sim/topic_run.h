// One simulated life of a node that serves topics: Kafka clients write, read, consume in a group and in transactions;
// connections break, the machine crashes and restarts, segments roll, logs are trimmed or compacted; and everything
// that was promised is judged (topic_judge.h). The same seed and options give the same life.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "env/sim/sim.h"
#include "tests/sim/topic_clients.h"
#include "tests/sim/topic_node.h"

namespace keelson::sim_test {

struct TopicRunOptions {
  env::sim::SimOptions world;
  unsigned reactors = 2;
  TopicNodeOptions node;
  int32_t partitions = 3;
  bool is_compacted = false;  // keyed writers alone, and no group
  bool is_plain = false;      // plain writers alone, and no group
  bool is_trimmed = false;
  unsigned writers = 2;  // of each kind
  unsigned readers = 1;
  unsigned members = 2;
  std::vector<std::pair<std::string, std::string>> topic_configs;
  bool is_topic_durable = false;  // a checkpoint holds it before anybody writes, whatever the node's durability
  TopicAllowed allowed;
  int64_t duration_ns = 600 * env::sim::kMillisecond;
  int64_t crash_every_ns = 200 * env::sim::kMillisecond;  // 0: never
  double kill_probability = 0.3;                          // of those
  int64_t break_every_ns = 0;
  int64_t full_every_ns = 0;
};

struct TopicRunResult {
  std::string violation;   // empty: every promise was kept
  std::string not_served;  // the node refused to start, and why
  uint64_t sent = 0;
  uint64_t acknowledged = 0;
  uint64_t consumed = 0;  // commits of the group's members
  uint64_t transacted = 0;
  uint64_t trims = 0;
  uint64_t gone = 0;  // by compaction: offsets without a record at the end
  uint64_t crashes = 0;
  uint64_t trace_hash = 0;
};

TopicRunResult run_topic(uint64_t seed, const TopicRunOptions& options);

}  // namespace keelson::sim_test
