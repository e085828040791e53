// `keelson blob fsck`: reads every byte of every object in a data folder that no server uses.
//
// The metadata is recovered as a server does it, on a disk that keeps what is written to itself (overlay_disk.h), so
// the folder stays as it is. Then every chunk that an object, an old version or a part of an upload names is read from
// its volume and checked as on each read. What stands in the metadata itself (small objects too) has the CRCs of log
// and checkpoints: they are checked by the recovery, and `keelson log verify` says where they are wrong.
//
// Needs the memory that the metadata of the objects takes in the server; keys of kv are passed over.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"

namespace keelson::server {

struct FsckOptions {
  std::string data_dir;
  bool quiet = false;  // no progress
};

struct FsckReport {
  uint64_t extents = 0;  // runs of chunks
  uint64_t bytes = 0;    // of volumes, read
  uint64_t problems = 0;
};

struct FsckWatcher {
  // A sentence for each problem.
  std::function<void(std::string_view)> problem;
  // Now and then: bytes of volumes that were read, and that there are.
  std::function<void(uint64_t, uint64_t)> progress;
};

// On reactor 0 of an Env with one reactor. An error: the folder could not be looked at.
Task<Result<FsckReport>> check_blobs(env::Env& env, std::string data_dir, const FsckWatcher& watcher);

// Exit codes: 0; 1 if something is damaged, or the folder could not be looked at.
int blob_fsck(FsckOptions options);

}  // namespace keelson::server
