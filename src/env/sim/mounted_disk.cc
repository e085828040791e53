#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/hand_off.h"
#include "env/sim/disk_state.h"
#include "env/sim/sim_node.h"

namespace keelson::env::sim {

namespace {

std::string plain(const std::string& path) {
  std::string result = path;
  while (result.size() > 1 && result.ends_with('/')) result.pop_back();
  return result;
}

class SimFile final : public File {
 public:
  SimFile(MountedDisk& disk, InodePtr inode, std::string path, bool may_write)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)), may_write_(may_write) {}

  Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
    if (Status alive = disk_.check_alive(); !alive.ok()) return forward_error(alive);
    return disk_.state().read(*inode_, path_, offset, into);
  }
  Result<size_t> read_cached(uint64_t offset, std::span<char> into) override {
    if (Status alive = disk_.check_alive(); !alive.ok()) return forward_error(alive);
    return disk_.state().is_cold() ? Result<size_t>(0) : read_at(offset, into);
  }
  Task<Result<Fetched>> fetch(uint64_t offset, size_t bytes_max, Reactor& on) override {
    return disk_.fetch(inode_, path_, offset, bytes_max, on);
  }
  Status write_at(uint64_t offset, std::string_view bytes) override {
    if (Status allowed = check_writable(); !allowed.ok()) return allowed;
    return disk_.state().write(*inode_, path_, offset, bytes);
  }
  Task<Status> sync(Reactor& on) override { return disk_.sync_file(inode_, path_, on); }
  Status preallocate(uint64_t wanted) override {
    if (Status allowed = check_writable(); !allowed.ok()) return allowed;
    if (wanted <= inode_->cached.size()) return {};
    return disk_.state().resize(*inode_, path_, wanted);
  }
  Status truncate(uint64_t wanted) override {
    if (Status allowed = check_writable(); !allowed.ok()) return allowed;
    return disk_.state().resize(*inode_, path_, wanted);
  }
  [[nodiscard]] Result<uint64_t> size() const override { return inode_->cached.size(); }

 private:
  [[nodiscard]] Status check_writable() const {
    if (Status alive = disk_.check_alive(); !alive.ok()) return alive;
    if (!may_write_) return fail(DiskErrc::kInvalid, path_ + " was opened for reading alone");
    return {};
  }

  MountedDisk& disk_;
  const InodePtr inode_;
  const std::string path_;
  const bool may_write_;
};

class SimFileLock final : public FileLock {
 public:
  SimFileLock(MountedDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  ~SimFileLock() override { disk_.unlock(path_); }

 private:
  MountedDisk& disk_;
  const std::string path_;
};

}  // namespace

Status MountedDisk::check_alive() const {
  if (!env_.is_alive()) return fail(DiskErrc::kIo, "the machine is down");
  return {};
}

Result<std::unique_ptr<File>> MountedDisk::open(const std::string& given, OpenMode mode) {
  if (Status alive = check_alive(); !alive.ok()) return forward_error(alive);
  const std::string path = plain(given);
  InodePtr inode = state_.find(path);
  if (creates(mode)) {
    if (inode || state_.is_folder(path)) return fail(DiskErrc::kExists, path + " exists");
    Result<InodePtr> made = state_.create(path);
    if (!made.ok()) return forward_error(made);
    inode = *made;
  }
  if (!inode) return fail(DiskErrc::kNotFound, path + " is not there");
  if (mode == OpenMode::kReadWrite && state_.is_read_only()) {
    return fail(DiskErrc::kReadOnly, "cannot open " + path + " for writing: the disk may not be written to");
  }
  return std::make_unique<SimFile>(*this, std::move(inode), path, mode != OpenMode::kRead);
}

Status MountedDisk::rename(const std::string& from, const std::string& to) {
  if (Status alive = check_alive(); !alive.ok()) return alive;
  return state_.rename(plain(from), plain(to));
}

Status MountedDisk::remove(const std::string& path) {
  if (Status alive = check_alive(); !alive.ok()) return alive;
  return state_.remove(plain(path));
}

Result<std::vector<std::string>> MountedDisk::list(const std::string& given) {
  if (Status alive = check_alive(); !alive.ok()) return forward_error(alive);
  const std::string folder = plain(given);
  if (!state_.is_folder(folder)) return fail(DiskErrc::kNotFound, "there is no folder " + folder);
  return state_.list(folder);
}

Status MountedDisk::make_folder(const std::string& folder) {
  if (Status alive = check_alive(); !alive.ok()) return alive;
  return state_.make_folder(plain(folder));
}

Task<Status> MountedDisk::sync_file(InodePtr inode, std::string path, Reactor& on) {
  if (Status alive = check_alive(); !alive.ok()) co_return alive;
  HandOff<Status> result(on);
  const DiskState::SyncPlan plan = state_.plan_sync(path, false);
  world_.schedule_after(plan.delay_ns, [this, plan, inode, path, deliver = result.deliverer()]() mutable {
    if (!env_.is_alive()) return;
    state_.finish_sync(*inode, plan);
    deliver(plan.fails ? Status(fail(DiskErrc::kIo, "injected: a sync of " + path + " fails")) : Status());
  });
  co_return co_await result;
}

Task<Result<Fetched>> MountedDisk::fetch(InodePtr inode, std::string path, uint64_t offset, size_t bytes_max,
                                         Reactor& on) {
  if (Status alive = check_alive(); !alive.ok()) co_return forward_error(alive);
  HandOff<Result<Fetched>> result(on);
  world_.schedule_after(state_.draw_fetch_ns(),
                        [this, inode, path, offset, bytes_max, deliver = result.deliverer()]() mutable {
                          if (!env_.is_alive()) return;
                          Fetched fetched{std::make_unique<char[]>(bytes_max)};
                          Result<size_t> count = state_.read(*inode, path, offset, {fetched.bytes.get(), bytes_max});
                          if (!count.ok()) return deliver(forward_error(count));
                          fetched.count = *count;
                          deliver(std::move(fetched));
                        });
  co_return co_await result;
}

Task<Status> MountedDisk::sync_folder(const std::string& given, Reactor& on) {
  if (Status alive = check_alive(); !alive.ok()) co_return alive;
  const std::string folder = plain(given);
  if (!state_.is_folder(folder)) co_return fail(DiskErrc::kNotFound, "there is no folder " + folder);
  HandOff<Status> result(on);
  const DiskState::SyncPlan plan = state_.plan_sync(folder, true);
  world_.schedule_after(plan.delay_ns, [this, plan, folder, deliver = result.deliverer()]() mutable {
    if (!env_.is_alive()) return;
    state_.finish_folder_sync(folder, plan);
    deliver(plan.fails ? Status(fail(DiskErrc::kIo, "injected: a sync of " + folder + " fails")) : Status());
  });
  co_return co_await result;
}

bool MountedDisk::exists(const std::string& given) {
  const std::string path = plain(given);
  return env_.is_alive() && (state_.find(path) != nullptr || state_.is_folder(path));
}

Result<FileInfo> MountedDisk::info(const std::string& given) {
  if (Status alive = check_alive(); !alive.ok()) return forward_error(alive);
  const std::string path = plain(given);
  if (const InodePtr inode = state_.find(path)) {
    return FileInfo{.kind = FileKind::kFile, .size_bytes = inode->cached.size(), .modified_ms = inode->modified_ms};
  }
  if (state_.is_folder(path)) return FileInfo{.kind = FileKind::kFolder};
  return fail(DiskErrc::kNotFound, path + " is not there");
}

Result<uint64_t> MountedDisk::free_bytes(const std::string& folder) {
  if (Status alive = check_alive(); !alive.ok()) return forward_error(alive);
  if (!state_.is_folder(plain(folder))) return fail(DiskErrc::kNotFound, "there is no folder " + folder);
  return state_.free_bytes();
}

Result<std::unique_ptr<FileLock>> MountedDisk::lock(const std::string& given) {
  if (Status alive = check_alive(); !alive.ok()) return forward_error(alive);
  const std::string path = plain(given);
  if (!state_.find(path)) {
    if (Result<InodePtr> made = state_.create(path); !made.ok()) return forward_error(made);
  }
  if (!locked_.insert(path).second) {
    return fail(DiskErrc::kLocked, path + " is locked: another process uses this folder");
  }
  return std::make_unique<SimFileLock>(*this, path);
}

}  // namespace keelson::env::sim
