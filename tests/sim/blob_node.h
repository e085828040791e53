// The program of a simulated machine: log, kv shards that do little, blob shards, the store, and clients that live
// within it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "blobstore/store.h"
#include "engine/blob/answer.h"
#include "env/sim/sim.h"
#include "shard/runtime.h"
#include "tests/sim/blob_client.h"

namespace keelson::sim_test {

struct BlobNodeOptions {
  uint16_t shards = 3;
  log::Durability durability = log::Durability::kAlways;
  log::LocalLogOptions log;
  shard::CheckpointOptions checkpoint;
  blobstore::StoreOptions store;
  // What stands on the store: started once it is, before the node serves.
  std::function<Task<Status>(blobstore::Store&)> when_started;
};

class BlobNode final : public env::sim::Program {
 public:
  // `clients` outlive it, and go on after a restart.
  BlobNode(env::Env& env, BlobNodeOptions options, std::vector<std::unique_ptr<BlobClient>>& clients);
  ~BlobNode() override;

  // The log, the shards and whatever waits for them are left where they are: before what stands on the store goes.
  void abandon();
  // Ends background work, then log and checkpoints. The clients must have ended.
  Task<Status> shut_down();

  [[nodiscard]] bool is_serving() const { return is_serving_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] shard::Runtime& runtime() { return *runtime_; }
  [[nodiscard]] blobstore::Store& store() { return *store_; }
  [[nodiscard]] std::string digests();
  [[nodiscard]] uint64_t volume_bytes();

 private:
  Task<void> start();

  env::Env& env_;
  const BlobNodeOptions options_;
  std::vector<std::unique_ptr<BlobClient>>& clients_;
  blob::NullAnswer unheard_;
  std::unique_ptr<shard::Runtime> runtime_;
  std::unique_ptr<blobstore::Store> store_;
  bool is_serving_ = false;
  std::string failure_;
  std::vector<std::unique_ptr<env::TaskScope>> scopes_;
};

}  // namespace keelson::sim_test
