// Applies what recovery reads from the log, each shard's records on its owner's thread.
//
// Records of the reactor that reads are applied at once; those of others are gathered and handed over every megabyte or
// so, and applied there while the next megabyte is read.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "engine/engine.h"
#include "env/env.h"
#include "log/local_log.h"
#include "shard/record.h"
#include "shard/router.h"

namespace keelson::shard {

class Replay final : public log::RecoveryHandler {
 public:
  // `engines` and `unheard` (which swallow each shard's answers) outlive it. On `home`.
  Replay(env::Env& env, env::Reactor& home, const Router& router,
         const std::vector<std::unique_ptr<engine::Engine>>& engines, std::vector<engine::ReplySink*> unheard);

  void on_record(ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) override;
  Task<void> on_progress(uint64_t bytes_done, uint64_t bytes_total) override;
  // Waits until everything that was read is applied.
  Task<void> finish();

  // What each shard has reached; after finish().
  struct Reached {
    uint64_t index = 0;  // 0: no record
    int64_t time_ms = 0;
    uint64_t records = 0;
    std::string damage;  // a record that is no record: where; empty if all were good
    bool has_told_unsettled = false;
  };
  [[nodiscard]] const std::vector<Reached>& reached() const { return reached_; }

 private:
  struct Record {
    ShardId shard;
    uint64_t index;
    int64_t time_ms;
    size_t offset;
    size_t size;
  };
  // What one other reactor is to apply: gathered here, then swapped with what it has finished with.
  struct Lane {
    std::vector<Record> gathered;
    Buffer gathered_bytes;
    std::vector<Record> applying;
    Buffer applying_bytes;
    RecordDecoder decoder;
    bool is_busy = false;
  };

  void apply(RecordDecoder& decoder, ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload);
  Task<void> wait_idle(Lane& lane);
  void send(unsigned reactor_index);

  env::Env& env_;
  env::Reactor& home_;
  const Router& router_;
  const std::vector<std::unique_ptr<engine::Engine>>& engines_;
  const std::vector<engine::ReplySink*> unheard_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Reached> reached_;
  std::coroutine_handle<> waiter_;
  Lane* awaited_ = nullptr;
  int64_t told_ns_;
};

}  // namespace keelson::shard
