// What runs beside the requests on one reactor: retention, compaction, and removing the files that nothing refers to.
// For this folder alone.
//
//  - Retention: as often as retention_check_ms says, each shard of the reactor that this node leads is asked what has
//    grown too old or too large, and is sent the commands that trim it. What retention decides by the clock stands in
//    the log like any client's DeleteRecords.
//  - Compaction: between its steps the reactor is left to others, so that it takes compaction_percent of its time.
//  - Files: once a second; they are removed after the records that made them useless are durable. What a crash left is
//    looked for after the start, and what a state left that another node's has replaced, after that.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "env/reactor.h"
#include "topics/desk.h"
#include "topics/topics.h"

namespace keelson::topics::detail {

class Sweeper {
 public:
  Sweeper(Topics& topics, Desk& desk, const TopicsOptions& options, TopicsStats& stats);
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  // Until stop(). Runs in a scope of its owner's, on the desk's reactor.
  Task<void> run();
  void stop() { is_stopping_ = true; }
  // Another node's state has taken the place of the shard's: of the files that were there before, none may be known.
  void state_replaced(shard::ShardId id) { ++replaced_[id]; }

 private:
  Task<void> trim(shard::ShardId id);
  Task<void> remove_files(shard::ShardId id);
  Task<void> remove_file(shard::ShardId id, const std::string& path);
  Task<void> compact(shard::ShardId id);
  // Leaves the reactor to others for as long as its share demands, after work of that long.
  Task<void> rest(int64_t worked_ns);

  Topics& topics_;
  Desk& desk_;
  env::Reactor& here_;
  const TopicsOptions options_;
  TopicsStats& stats_;
  std::vector<shard::ShardId> shards_;           // of this reactor
  std::map<shard::ShardId, uint64_t> replaced_;  // how often
  bool is_stopping_ = false;
};

}  // namespace keelson::topics::detail
