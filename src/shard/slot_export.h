// What a slot's move carries from shard to shard, and the handle by which it is read from the shard that has it.
//
//   auto from = co_await runtime.export_slots(here, S, first, last);
//   for (;;) {
//     auto batch = co_await (*from)->next(256 << 10);
//     ... runtime.import_slots(here, T, {first, last, epoch, ++sequence, batch->commands}) ...
//     if (batch->state == engine::SlotWalk::State::kDrained) ... all of it, as of that call ...
//   }
//
// The walk itself lives with the shard's replica, and ends when that loses the lead, stops, or is replaced: next() says
// kNotLeader then. What it tells has been applied, so committed; after a change of the table (Runtime::change_slots())
// was answered with kOk on this node, what next() tells stands behind that change.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "engine/engine.h"
#include "env/reactor.h"
#include "log/commit_log.h"

namespace keelson::shard {

using log::ShardId;

class Runtime;

// One record of a move. Its commands are applied once (shard/slot_table.h).
struct SlotImport {
  uint16_t first = 0;
  uint16_t last = 0;  // included
  uint64_t epoch = 0;
  uint64_t sequence = 0;                       // 1, 2, ...; 0: it only deletes, and does not count
  std::vector<engine::OwnedCommand> commands;  // none: a barrier
};

struct SlotBatch {
  engine::SlotWalk::State state = engine::SlotWalk::State::kMore;
  std::vector<engine::OwnedCommand> commands;
};

// Belongs to the reactor `here` that asked for it; the runtime outlives it. Dropping it ends the walk.
class SlotExport {
 public:
  SlotExport(Runtime& runtime, env::Reactor& here, ShardId shard, uint64_t walk)
      : runtime_(runtime), here_(here), shard_(shard), walk_(walk) {}
  ~SlotExport();
  SlotExport(const SlotExport&) = delete;
  SlotExport& operator=(const SlotExport&) = delete;

  // The next commands, about so many bytes (maybe none). One call at a time. Errors: kNotLeader (the walk has ended),
  // kDamaged, and those of the walk (engine/engine.h), such as a value that cannot travel: no further call succeeds.
  Task<Result<SlotBatch>> next(size_t bytes_wanted);

 private:
  Runtime& runtime_;
  env::Reactor& here_;
  const ShardId shard_;
  const uint64_t walk_;
};

}  // namespace keelson::shard
