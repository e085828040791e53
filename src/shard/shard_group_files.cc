#include "shard/shard_group_files.h"

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "log/checkpoint_file.h"
#include "raft/checkpoint.h"

namespace keelson::shard {

namespace {
// Before those of the engine: the member's prelude, and the table of slots.
constexpr size_t kPiecesBeforeEngine = 2;
// Calls of the disk in a row, each of some microseconds, before others of the reactor get their turn.
constexpr size_t kCallsAtOnce = 64;
constexpr size_t kCopyBytes = size_t{1} << 20;
constexpr int64_t kLentPollNs = 1'000'000;

std::unexpected<Error> misfit(const std::string& name, const char* what) {
  return fail(log::LogErrc::kDamaged, "shard: the file " + name + " came with a checkpoint, but " + what);
}

}  // namespace

GroupFiles::GroupFiles(env::Disk& disk, env::Reactor& reactor, Shard& shard, std::string checkpoint_folder,
                       log::LogFaults faults)
    : disk_(disk),
      reactor_(reactor),
      shard_(shard),
      checkpoint_folder_(std::move(checkpoint_folder)),
      faults_(faults) {}

Task<Status> GroupFiles::read_sizes(std::string checkpoint, Sizes& sizes) {
  const raft::LookAtPiece look = [this, &sizes](size_t number, std::string_view piece) -> Status {
    if (number < kPiecesBeforeEngine) return {};
    auto files = shard_.engine().files_of(piece);
    if (!files.ok()) return forward_error(files);
    for (engine::OwnFile& file : *files) {
      uint64_t& bytes = sizes[std::move(file.name)];
      bytes = std::max(bytes, file.bytes);
    }
    return {};
  };
  co_return co_await raft::read_checkpoint(disk_, reactor_, std::move(checkpoint), look, faults_);
}

Task<Result<std::vector<raft::SideFile>>> GroupFiles::collect(std::string checkpoint) {
  Sizes sizes;
  if (Status read = co_await read_sizes(checkpoint, sizes); !read.ok()) co_return forward_error(read);
  std::vector<raft::SideFile> files;
  files.reserve(sizes.size());
  const std::string folder = shard_.engine().files_folder() + "/";
  size_t gone = 0;
  size_t calls = 0;
  for (const auto& [name, bytes] : sizes) {
    if (++calls % kCallsAtOnce == 0) co_await env::sleep_for(reactor_, 0);
    const Result<env::FileInfo> info = disk_.info(folder + name);
    if (info.ok() && info->size_bytes >= bytes) {
      files.push_back({.name = name, .path = folder + name, .bytes = bytes});
    } else if (info.ok() || info.error().code() == make_error_code(env::DiskErrc::kNotFound)) {
      ++gone;
    } else {
      co_return std::unexpected<Error>(info.error());
    }
  }
  if (gone != 0) {
    log_info("shard", "files that a checkpoint refers to are not there any more, and do not go along with it",
             {{"shard", shard_.id()}, {"files", gone}, {"others", files.size()}});
  }
  co_return files;
}

std::vector<uint64_t> GroupFiles::bytes_here(const std::vector<raft::SideFile>& offered) {
  std::vector<uint64_t> here(offered.size());
  if (shard_.is_lent()) return here;
  for (size_t i = 0; i < offered.size(); ++i) {
    if (lost_.contains(offered[i].name)) continue;
    here[i] = std::min(shard_.engine().file_bytes(offered[i].name), offered[i].bytes);
  }
  return here;
}

Task<Status> GroupFiles::sync_own(std::string path, uint64_t bytes) {
  auto file = disk_.open(path, env::OpenMode::kReadWrite);
  if (!file.ok()) co_return forward_error(file);
  const Result<uint64_t> size = (*file)->size();
  if (!size.ok()) co_return std::unexpected<Error>(size.error());
  if (*size < bytes) co_return fail(log::LogErrc::kDamaged, path + ": shorter than it should be");
  co_return co_await (*file)->sync(reactor_);
}

// The state before needs none of what this writes over.
Task<Status> GroupFiles::append_rest(std::string part, std::string path, uint64_t here) {
  auto from = disk_.open(part, env::OpenMode::kRead);
  if (!from.ok()) co_return forward_error(from);
  auto to = disk_.open(path, env::OpenMode::kReadWrite);
  if (!to.ok()) co_return forward_error(to);
  for (uint64_t offset = 0;;) {
    auto fetched = co_await (*from)->fetch(offset, kCopyBytes, reactor_);
    if (!fetched.ok()) co_return forward_error(fetched);
    if (fetched->count == 0) break;
    Status written = (*to)->write_at(here + offset, {fetched->bytes.get(), fetched->count});
    if (!written.ok()) co_return forward_error(written);
    (*to)->will_sync(here + offset, fetched->count);
    offset += fetched->count;
  }
  co_return co_await (*to)->sync(reactor_);
}

Task<Status> GroupFiles::examine(const raft::Arrival& arrival) {
  drop();
  const std::vector<raft::SideFile>& beside = arrival.beside();
  if (!are_there()) {
    if (beside.empty()) co_return Status();
    co_return misfit(beside.front().name, "the engine has no files");
  }
  Sizes sizes;
  if (Status read = co_await read_sizes(arrival.path(), sizes); !read.ok()) co_return forward_error(read);
  const std::string folder = shard_.engine().files_folder() + "/";
  for (const raft::SideFile& one : beside) {
    const auto found = sizes.find(one.name);
    if (found == sizes.end()) co_return misfit(one.name, "the checkpoint does not refer to it, or it came twice");
    if (found->second != one.bytes) co_return misfit(one.name, "the checkpoint says another size");
    if (one.here > one.bytes || one.path.empty() != (one.here == one.bytes)) {
      co_return misfit(one.name, "it is not whole");
    }
    sizes.erase(found);
    if (one.here == 0) continue;
    if (Status synced = co_await sync_own(folder + one.name, one.here); !synced.ok()) {
      lost_.insert(one.name);
      co_return forward_error(synced);
    }
  }
  while (shard_.is_lent()) co_await env::sleep_for(reactor_, kLentPollNs);
  for (const raft::SideFile& one : beside) {
    if (one.here != 0 && shard_.engine().file_bytes(one.name) < one.here) {
      co_return misfit(one.name, "what was not sent is not here any more");
    }
  }
  shard_.engine().hold_files();
  is_holding_ = true;
  co_return Status();
}

Task<Status> GroupFiles::place(raft::Arrival& arrival) {
  if (!are_there()) co_return Status();
  if (!is_needed_known_) {
    auto own = log::list_checkpoints(disk_, checkpoint_folder_);
    if (!own.ok()) co_return forward_error(own);
    for (const log::CheckpointFile& file : *own) {
      if (file.shard != shard_.id() || file.index == 0) continue;
      // One that cannot be read does not come back either.
      const Status read = co_await read_sizes(file.path, needed_);
      if (!read.ok()) log_warn("shard", "a checkpoint cannot be read", {{"why", read.error().message()}});
    }
    is_needed_known_ = true;
  }
  const std::string folder = shard_.engine().files_folder();
  if (Status made = disk_.make_folder(folder); !made.ok()) co_return forward_error(made);
  for (size_t i = 0; i < arrival.beside().size(); ++i) {
    if ((i + 1) % kCallsAtOnce == 0) co_await env::sleep_for(reactor_, 0);
    const raft::SideFile& one = arrival.beside()[i];
    if (one.path.empty()) continue;
    // A crash must not find less than it needs: the bytes are the same, as far as both have them.
    const auto needed = needed_.find(one.name);
    if (needed != needed_.end() && needed->second > one.bytes) continue;
    const std::string path = folder + "/" + one.name;
    if (one.here != 0) {
      Status appended = co_await append_rest(one.path, path, one.here);
      if (!appended.ok()) co_return forward_error(appended);
      continue;
    }
    if (Status named = disk_.rename(one.path, path); !named.ok()) co_return forward_error(named);
    lost_.erase(one.name);
    arrival.release(i);
  }
  co_return co_await disk_.sync_folder(folder, reactor_);
}

void GroupFiles::drop() {
  if (std::exchange(is_holding_, false)) shard_.engine().release_files();
  is_needed_known_ = false;
  needed_.clear();
}

}  // namespace keelson::shard
