// One simulated life of a kv cluster whose slots move between shards all the time, back and forth: clients write and
// read keys of a few slots, a nemesis strikes, and every promise is checked:
//   - the history of each key is linearizable: nothing acknowledged is lost, done twice, or comes back;
//   - elements of queues come out once (slots_queues.h);
//   - what one command or transaction wrote is never there by half;
//   - no slot ever has two owners (slots_witness.h);
//   - replicas applied the same records and had the same state at the same index; no term had two leaders;
//   - after the faults end, every move comes to its end within a bound; every node's map of slots then agrees with the
//     shards' tables, no shard holds keys of slots that it has not got, every node answers for every key, and keys with
//     a time to live are gone when it is over.
// The same seed and options give the same life.
#pragma once

#include <cstdint>
#include <string>

#include "env/sim/nemesis.h"
#include "env/sim/sim.h"
#include "tests/sim/linear_register.h"
#include "tests/sim/slots_client.h"
#include "tests/sim/slots_node.h"

namespace keelson::sim_test {

struct SlotsRunOptions {
  env::sim::SimOptions world;
  env::sim::NemesisOptions nemesis;
  bool draw_nemesis = true;  // in place of `nemesis`
  unsigned nodes = 3;
  unsigned reactors = 1;
  unsigned clients = 3;
  unsigned tags = 5;
  SlotsLoad load;  // its tags are made
  SlotsNodeOptions node;
  int64_t duration_ns = 6 * env::sim::kSecond;
  int64_t move_every_ns = 300 * env::sim::kMillisecond;  // on average, twice that
  int64_t stir_every_ns = 3 * env::sim::kSecond;
  // Before the clients begin: new replicas get checkpoints then, which leave outcomes open.
  int64_t rest_first_ns = 0;
  // Until the cluster has formed, and what may take how long after the last fault.
  int64_t form_within_ns = 60 * env::sim::kSecond;
  int64_t recover_within_ns = 90 * env::sim::kSecond;
  linear::Limits limits{.steps_max = 40'000};
};

struct SlotsRunResult {
  std::string violation;      // empty: every promise was kept
  bool is_undecided = false;  // the histories took the judge too long
  uint64_t answered = 0;
  uint64_t unanswered = 0;
  uint64_t refused = 0;
  uint64_t moved_answers = 0;  // MOVED
  int64_t longest_ns = 0;      // from the first time that a client asked for something until it was answered
  uint64_t popped = 0;         // elements of queues
  uint64_t begun = 0;          // moves
  uint64_t moved = 0;          // ranges that got another owner
  uint64_t freezes = 0;
  uint64_t thaws = 0;
  uint64_t applied = 0;
  uint64_t states_compared = 0;
  uint64_t elections = 0;
  uint64_t downs = 0;
  int64_t formed_ns = 0;
  int64_t recovered_ns = 0;  // after the last fault, until every move had ended
  uint64_t events = 0;
  uint64_t trace_hash = 0;
};

SlotsRunResult run_slots(uint64_t seed, const SlotsRunOptions& options);

}  // namespace keelson::sim_test
