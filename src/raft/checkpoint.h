// Checkpoint files of replicated shards: what comes before the engine's pieces, and files that came from another node.
//
// A file of a replicated shard is a log/checkpoint_file.h with the index of the last applied Raft entry as its index;
// its first piece is the member's prelude (journal.h), the others are the engine's.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "log/checkpoint_file.h"
#include "raft/journal.h"

namespace keelson::raft {

// The prelude of a file, without reading on. kDamaged if there is none that can be read.
Result<Prelude> read_prelude(env::Disk& disk, const std::string& path);

// Reads a whole file and looks at each piece, by its number, until one look fails. On `on`, in slices.
using LookAtPiece = std::function<Status(size_t number, std::string_view piece)>;
Task<Status> read_checkpoint(env::Disk& disk, env::Reactor& on, std::string path, LookAtPiece look,
                             log::LogFaults faults = {});

// Reads the whole file: is it the checkpoint of `shard` behind the entry of that index and term, and is every CRC
// right? On `on`, in slices.
Task<Status> verify_checkpoint(env::Disk& disk, env::Reactor& on, std::string path, ShardId shard, uint64_t index,
                               uint64_t term);

struct Installation {
  std::string from;    // the file that came, and has been verified
  std::string folder;  // of this node's checkpoints
  uint64_t log_id = 0;
  std::string prelude;  // takes the place of the file's own
};
// Writes the file into the folder as this node's, under its final name, and gives the engine's pieces to `load` on the
// way. The engine is empty when it begins. Everything that was appended to the LocalLog before must have been synced
// (LocalLog::sync()) when it is called, and files that the pieces refer to be durable where they belong: once the file
// has its name, it is the state. `from` stays.
Task<Status> install_checkpoint(env::Disk& disk, env::Reactor& on, Installation installation,
                                std::function<Status(std::string_view piece)> load, log::LogFaults faults);

}  // namespace keelson::raft
