// One simulated life of a kv cluster: clients read and write shared keys through any node, a nemesis strikes, and in
// the end every promise is checked:
//   - the history of each key is linearizable (so nothing acknowledged is lost, and no read is stale);
//   - replicas applied the same records and had the same state at the same index; no term had two leaders;
//   - after the faults end, every node answers for every key within a bound, and new writes succeed.
// The same seed and options give the same life.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "env/sim/nemesis.h"
#include "env/sim/sim.h"
#include "tests/sim/cluster_client.h"
#include "tests/sim/cluster_witness.h"

namespace keelson::sim_test {

// What runs on a node of the cluster. It serves kv on kPort (kv_node.h).
class ClusterProgram : public env::sim::Program {
 public:
  [[nodiscard]] virtual bool is_serving() const = 0;
  // Why it cannot go on, or empty.
  [[nodiscard]] virtual const std::string& failure() const = 0;
  // Tells the witness what can be looked at from outside; called often.
  virtual void look(ClusterWitness& witness) {}
  // Does something on purpose that a cluster must bear: a change of leader, of members, a checkpoint.
  virtual void stir(uint64_t chance) {}
};
using ClusterBoot =
    std::function<std::unique_ptr<ClusterProgram>(env::Env& env, unsigned index, ClusterWitness& witness)>;

struct ClusterRunOptions {
  env::sim::SimOptions world;
  env::sim::NemesisOptions nemesis;
  bool draw_nemesis = true;  // in place of `nemesis`
  unsigned nodes = 3;
  unsigned reactors = 1;
  unsigned clients = 4;
  ClusterLoad load;
  ClusterBoot boot;
  int64_t duration_ns = 12 * env::sim::kSecond;
  int64_t stir_every_ns = 0;  // 0: never
  // What may take how long after the last fault.
  int64_t recover_within_ns = 60 * env::sim::kSecond;
  linear::Limits limits{.steps_max = 40'000};
};

struct ClusterRunResult {
  std::string violation;      // empty: every promise was kept
  bool is_undecided = false;  // the histories took the judge too long
  uint64_t answered = 0;
  uint64_t unanswered = 0;
  uint64_t refused = 0;
  uint64_t applied = 0;
  uint64_t states_compared = 0;
  uint64_t elections = 0;
  uint64_t downs = 0;
  int64_t recovered_ns = 0;  // after the last fault, until every node had answered for every key
  uint64_t events = 0;
  uint64_t trace_hash = 0;
};

ClusterRunResult run_cluster(uint64_t seed, const ClusterRunOptions& options);

}  // namespace keelson::sim_test
