// The contract between a shard and its engine.
//
// An engine is a deterministic state machine: it applies commands in the order of their records and answers queries. It
// reads no clock, draws no random number, starts no thread and does no I/O on the write path: time and chance come in
// ApplyContext. The same records give the same state on every replica and every replay. One thread at a time uses it:
// that of its shard's owner, or the one that the shard is lent to.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"

namespace keelson::engine {

// What a client wants done, in the engine's own words: a stable code (it stands in logs), a space within the shard
// (kv's database number), and arguments, any bytes. The views hold for the length of the call.
struct Command {
  uint16_t code = 0;
  uint16_t space = 0;
  std::span<const std::string_view> args;
};

// What arrives from outside with a command.
struct ApplyContext {
  // Position in the shard's log, from 1. 0 for a query.
  uint64_t index = 0;
  // The record's time (log time: never goes back within a shard); for a query the present log time.
  int64_t time_ms = 0;
  // Chance: the same on every replica. For a query, fresh.
  uint64_t seed = 0;
};

// Where an engine's answer goes. Each engine declares its own derived class, and its protocols implement that.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
};

// Takes the state down while the engine goes on changing it. The written state is the one at begin_checkpoint(): the
// engine saves what it is about to change first. Owner's thread.
class CheckpointSource {
 public:
  virtual ~CheckpointSource() = default;
  // Appends up to about `bytes_wanted` more bytes to `out`, as whole entries; true when nothing is left. Pieces that
  // writes forced out early come first. One call costs at most about 1 ms.
  virtual bool next(size_t bytes_wanted, Buffer& out) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  // Applies a command that stands in the log. It must not fail because of the environment; a command that is wrong for
  // the state (a wrong type, say) changes nothing and says so in its reply.
  virtual void apply(const ApplyContext& context, const Command& command, ReplySink& reply) = 0;
  // Answers without changing the state that apply() sees.
  virtual void query(const ApplyContext& context, const Command& command, ReplySink& reply) = 0;
  // One at a time; dropping it ends the checkpoint.
  virtual std::unique_ptr<CheckpointSource> begin_checkpoint() = 0;
  // Loads a piece that a CheckpointSource made, into an engine that has seen nothing but earlier pieces. An error says
  // what is wrong with the bytes.
  virtual Status load_checkpoint(std::string_view piece) = 0;
  // Empties the engine, as when it was made.
  virtual void reset() = 0;
};

}  // namespace keelson::engine
