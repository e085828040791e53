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
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/task.h"

namespace keelson::env {
class Reactor;
}  // namespace keelson::env

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
  // After next() was true: makes durable what lies elsewhere (in files of the engine's own) and what was written down
  // refers to. The checkpoint counts only once this has ended well. `here` is the owner's reactor, on which it is
  // called and ends; the engine goes on changing meanwhile, and may even be reset.
  virtual Task<Status> make_durable(env::Reactor& here) { co_return Status(); }
};

// A command that owns its arguments.
struct OwnedCommand {
  uint16_t code = 0;
  uint16_t space = 0;
  std::vector<std::string> args;
};

// What a walk over slots may put into one command, its arguments together: it must fit a record of a shard's log (64
// MiB, shard/replica.h) besides a batch's other commands (1 MiB).
inline constexpr size_t kSlotWalkCommandBytesMax = size_t{62} << 20;

// Walks over the keys of some slots (shard/router.h) while the engine goes on changing, and says what it finds as
// commands, for a slot that moves to another shard. It changes nothing. Owner's thread; the engine outlives it, and
// several may be under way at once.
class SlotWalk {
 public:
  enum class State : uint8_t {
    kMore,     // call again, maybe although nothing was appended
    kDrained,  // nothing is left as of this call; later changes bring more
    kLost,     // all keys changed at once (a flush, a swap, a reset, a loaded checkpoint): begin anew; for good
  };
  virtual ~SlotWalk() = default;
  // Appends commands of about `bytes_wanted` bytes (at most 1 MiB) and at most one large one besides. One call costs at
  // most about 1 ms, or what one value costs. An error is for good: a value that is too large to travel
  // (kSlotWalkCommandBytesMax), by its key's name, or more changes than are kept.
  virtual Result<State> next(size_t bytes_wanted, std::vector<OwnedCommand>& out) = 0;
};

// A file of an engine's own that a checkpoint refers to: its first `bytes` bytes count. A name that two replicas of a
// shard know stands for the same bytes on both, as far as both have them.
struct OwnFile {
  std::string name;  // within Engine::files_folder(); no path
  uint64_t bytes = 0;
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
  // The last checkpoint that was begun is durable: what only earlier ones need may go. Owner's thread, between records.
  virtual void checkpoint_completed() {}
  // Empties the engine, as when it was made.
  virtual void reset() = 0;

  // Between records, now and then, and during recovery too: writes out what has gathered in memory and belongs in files
  // of the engine's own (into the page cache; no sync). Cheap if there is little. An error (a full disk) may pass:
  // nothing is lost by it, since the log has it all.
  virtual Status settle() { return {}; }

  // Files of the engine's own, which go along with a checkpoint to another node. An engine without any leaves all of
  // this as it is.
  //
  // Where they lie. The folder may not be there yet. Any thread.
  [[nodiscard]] virtual std::string files_folder() const { return {}; }
  // Those that a piece of a checkpoint refers to; the piece may be of another node, or of another time. Reads nothing
  // but the piece. An error says what is wrong with its bytes. Any thread, whoever has the shard.
  [[nodiscard]] virtual Result<std::vector<OwnFile>> files_of(std::string_view piece) const {
    return std::vector<OwnFile>();
  }
  // So many of the first bytes of that file belong to the present state, and have been written without an error (maybe
  // not synced). 0: none. Other nodes' names are asked for.
  [[nodiscard]] virtual uint64_t file_bytes(std::string_view name) const { return 0; }
  // Between the two no file is given away for removal that a checkpoint may refer to which is there at the first call.
  // May be nested; reset() does not end it. Any thread.
  virtual void hold_files() {}
  virtual void release_files() {}
  // After reset(): the engine's new state is durable, so files that it does not refer to may go.
  virtual void replaced() {}

  // Slots `first` to `last`, which is included. Null: an engine without slots.
  //
  // Commands that bring another engine, in which these slots are empty, to what they hold here: what is there, then
  // what has changed since, on and on. They are good in the order in which they come, and good when they are repeated
  // in that order. What a client is told of a change (keyspace events) is not told again where they are applied.
  virtual std::unique_ptr<SlotWalk> begin_export(uint16_t first, uint16_t last) { return nullptr; }
  // Commands that delete here what is there. Those of one call are to be applied before the next one; kDrained, once
  // the walk is through: what came into the slots meanwhile may be left.
  virtual std::unique_ptr<SlotWalk> begin_wipe(uint16_t first, uint16_t last) { return nullptr; }
};

}  // namespace keelson::engine
