// One simulated life of coordination, on one node or a cluster: clients write, read, compact and hold leases, watchers
// come and go, a nemesis strikes, and in the end the whole book is judged (coord_book.h). The same seed and options
// give the same life.
#pragma once

#include <cstdint>
#include <string>

#include "env/sim/nemesis.h"
#include "env/sim/sim.h"
#include "tests/sim/coord_node.h"
#include "tests/sim/linear.h"

namespace keelson::sim_test {

struct CoordRunOptions {
  env::sim::SimOptions world;
  env::sim::NemesisOptions nemesis;
  bool draw_nemesis = true;  // in place of `nemesis`
  unsigned nodes = 1;
  unsigned reactors = 1;
  CoordNodeOptions node;  // its index and peers are set
  int64_t duration_ns = 12 * env::sim::kSecond;
  int64_t stir_every_ns = 4 * env::sim::kSecond;
  int64_t recover_within_ns = 60 * env::sim::kSecond;
  linear::Limits limits{.steps_max = 40'000};
};

struct CoordRunResult {
  std::string violation;  // empty: every promise was kept
  bool is_undecided = false;
  CoordBook::Sums sums;
  uint64_t states_compared = 0;
  uint64_t elections = 0;
  uint64_t downs = 0;
  uint64_t compactions_to = 0;
  int64_t recovered_ns = 0;
  uint64_t trace_hash = 0;
};

CoordRunResult run_coord(uint64_t seed, const CoordRunOptions& options);

}  // namespace keelson::sim_test
