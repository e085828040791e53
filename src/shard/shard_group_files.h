// Files of an engine's own that go along with a checkpoint from one node to another (engine/engine.h, OwnFile).
//
// At the sender: what the checkpoint refers to and is there. At the receiver: how much of what is offered is here
// already; what came is looked at before it may take the place of anything; and then it gets its names in the engine's
// folder, durable, before the checkpoint gets its own, which is the commit point. Until then the folder holds all that
// the state before needs: files get no shorter for it.
//
// On the shard's owner.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/disk.h"
#include "env/reactor.h"
#include "log/faults.h"
#include "raft/arrival.h"
#include "shard/shard.h"

namespace keelson::shard {

class GroupFiles {
 public:
  // All outlive it.
  GroupFiles(env::Disk& disk, env::Reactor& reactor, Shard& shard, std::string checkpoint_folder,
             log::LogFaults faults);

  // The engine has any.
  [[nodiscard]] bool are_there() const { return !shard_.engine().files_folder().empty(); }

  // What that checkpoint of this shard refers to, for Messenger::send_file(). Left out is what is not there any more:
  // the log behind the checkpoint says the same. The engine's files are held meanwhile.
  Task<Result<std::vector<raft::SideFile>>> collect(std::string checkpoint);

  [[nodiscard]] std::vector<uint64_t> bytes_here(const std::vector<raft::SideFile>& offered);
  // Does what came fit the checkpoint, and is the rest here? kOk: the engine's files are held until drop().
  Task<Status> examine(const raft::Arrival& arrival);
  // Gives the files of the arrival that was examined their names. The shard is the caller's, and the engine empty. May
  // be called again after an error.
  Task<Status> place(raft::Arrival& arrival);
  // The arrival is over. Harmless without one.
  void drop();

 private:
  using Sizes = std::map<std::string, uint64_t>;
  // Adds what the checkpoint refers to.
  Task<Status> read_sizes(std::string checkpoint, Sizes& sizes);
  // A file that is here already: durable, as far as it counts.
  Task<Status> sync_own(std::string path, uint64_t bytes);
  // What came of a file of which so many bytes are here: behind them, durable.
  Task<Status> append_rest(std::string part, std::string path, uint64_t here);

  env::Disk& disk_;
  env::Reactor& reactor_;
  Shard& shard_;
  const std::string checkpoint_folder_;
  const log::LogFaults faults_;
  bool is_holding_ = false;
  // What this node's own checkpoints need, once it is known.
  bool is_needed_known_ = false;
  Sizes needed_;
  // Names that the engine knows, but whose files are not as they should be.
  std::set<std::string> lost_;
};

}  // namespace keelson::shard
