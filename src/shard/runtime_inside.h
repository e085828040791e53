// What the parts of Runtime share (runtime.cc, runtime_groups.cc).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "log/checkpoint_file.h"
#include "raft/journal.h"
#include "shard/runtime.h"

namespace keelson::shard {

// How often whoever wants to begin a checkpoint looks whether the one under way has ended.
inline constexpr int64_t kCheckpointWaitNs = 10'000'000;

// What checkpoints keep between their steps.
struct Runtime::Background {
  explicit Background(Runtime& runtime) : checkpoint_of(runtime.shards_total()) {
    for (unsigned i = 0; i < runtime.router().reactor_count(); ++i) {
      scopes.push_back(std::make_unique<env::TaskScope>(runtime.reactor(i)));
    }
  }

  // The last finished checkpoint of a shard (reactor 0), and the one under way (the owner).
  struct Kept {
    uint64_t index = 0;
    uint64_t bytes = 0;
    uint64_t needed_from = 1;  // the first record of the log that recovery needs on top
    uint64_t next_index = 0;
    uint64_t next_bytes = 0;
    uint64_t next_needed_from = 0;
    int64_t next_time_ms = 0;
    std::unique_ptr<engine::CheckpointSource> source;
    std::unique_ptr<log::CheckpointWriter> writer;
  };
  std::vector<Kept> checkpoint_of;
  std::vector<std::unique_ptr<env::TaskScope>> scopes;   // one for each reactor
  std::vector<std::unique_ptr<engine::Engine>> engines;  // until the shards are made
  std::vector<std::string> damage;                       // likewise
  std::vector<int64_t> loaded_time_ms;
  std::vector<raft::Replay> journals;  // of replicated shards, likewise
  std::vector<SlotTable> slots;        // likewise
  std::string folder;
  uint64_t log_id = 0;
  bool is_urgent = false;
  bool is_stopping = false;
  int64_t retry_at_ns = 0;
};

}  // namespace keelson::shard
