// The kv engine of one shard: a Keyspace behind the contract of engine/engine.h, and the way to run one command over
// several shards on one thread.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "engine/engine.h"
#include "engine/kv/command.h"

namespace keelson::kv {

struct KvOptions {
  uint16_t databases = 16;
  uint64_t hash_secret = 0;  // for the main table; kept in the data folder so that a shard keeps its order
};

// Not final: a test may stand in between and see what is applied.
class KvEngine : public engine::Engine {
 public:
  explicit KvEngine(const KvOptions& options);
  ~KvEngine() override;

  // Reply sinks given to apply() and query() are kv::ReplySink. A code that is not in the table, or whose home is not
  // kEngine or kAllShards, is answered with an error (a newer version's log).
  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  void query(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override;
  Status load_checkpoint(std::string_view piece) override;
  void reset() override;
  // slot_walk.h.
  std::unique_ptr<engine::SlotWalk> begin_export(uint16_t first, uint16_t last) override;
  std::unique_ptr<engine::SlotWalk> begin_wipe(uint16_t first, uint16_t last) override;

  [[nodiscard]] Keyspace& keyspace() { return *keyspace_; }

 private:
  KvOptions options_;
  std::unique_ptr<Keyspace> keyspace_;
};

// Runs a command whose keys lie on several shards, all of them lent to the calling thread. A write changes them at once
// and tells `effects` what each must log; `effects` is null for a query.
void run_across(KeyspaceMap& map, Effects* effects, const engine::ApplyContext& context, const engine::Command& command,
                ReplySink& reply);

}  // namespace keelson::kv
