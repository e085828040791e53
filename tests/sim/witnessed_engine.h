// A replica's engine that tells the witness every record, and now and then the state.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "engine/kv/kv_engine.h"
#include "tests/sim/cluster_witness.h"

namespace keelson::sim_test {

class WitnessedEngine final : public kv::KvEngine {
 public:
  // `witness` outlives it.
  WitnessedEngine(const kv::KvOptions& options, ClusterWitness& witness, unsigned node, unsigned shard);

  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  Status load_checkpoint(std::string_view piece) override;

  // One state in so many is told: a digest costs more than a command.
  uint64_t state_every = 4;
  // Somebody has borrowed the shard: he runs commands before they are a record, and may undo them.
  std::function<bool()> is_lent = [] { return false; };

 private:
  // Everything of index_ is applied.
  void flush(uint64_t next);

  ClusterWitness& witness_;
  const unsigned node_;
  const unsigned shard_;
  uint64_t index_ = 0;
  uint64_t hash_ = 0;
};

}  // namespace keelson::sim_test
