#include "env/real/real_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "env/hand_off.h"
#include "env/real/memory.h"

namespace keelson::env {

namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kPrivateFileMode = 0600;
constexpr mode_t kFolderMode = 0750;
// Hints that wait for their thread; each is a range of some MiB, so more of them would come too late to be of use.
constexpr unsigned kHintsMax = 64;
// The kernel cuts one request to read ahead down to the device's own limit, of which this is the usual one.
constexpr uint64_t kReadAheadStepBytes = 128 << 10;

DiskErrc from_errno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return DiskErrc::kNotFound;
    case EEXIST:
      return DiskErrc::kExists;
    case ENOSPC:
    case EDQUOT:
      return DiskErrc::kFull;
    case EROFS:
    case EACCES:
    case EPERM:
      return DiskErrc::kReadOnly;
    case EIO:
      return DiskErrc::kIo;
    default:
      return DiskErrc::kInvalid;
  }
}

std::unexpected<Error> fail_with(int error, const char* what, const std::string& path) {
  return fail(from_errno(error), std::string("cannot ") + what + " " + path + ": " + std::strerror(error));
}

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

int open_retrying(const std::string& path, int flags, mode_t mode = 0) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

Status sync_folder_now(const std::string& folder) {
  const Descriptor descriptor(open_retrying(folder, O_RDONLY | O_DIRECTORY));
  if (descriptor.get() < 0 || ::fsync(descriptor.get()) != 0) return fail_with(errno, "sync the folder", folder);
  return {};
}

class RealFile final : public File {
 public:
  RealFile(RealDisk& disk, Descriptor descriptor, std::string path)
      : disk_(disk), descriptor_(std::make_shared<const Descriptor>(std::move(descriptor))), path_(std::move(path)) {}

  Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
    return read_now(fd(), path_, offset, into, 0);
  }

  Result<size_t> read_cached(uint64_t offset, std::span<char> into) override {
    return read_now(fd(), path_, offset, into, RWF_NOWAIT);
  }

  Task<Result<Fetched>> fetch(uint64_t offset, size_t bytes_max, Reactor& on) override {
    HandOff<Result<Fetched>> result(on);
    disk_.run_read([offset, bytes_max, file = descriptor_, path = path_, deliver = result.deliverer()]() mutable {
      Fetched fetched{std::make_unique_for_overwrite<char[]>(bytes_max)};
      Result<size_t> count = read_now(file->get(), path, offset, {fetched.bytes.get(), bytes_max}, 0);
      if (!count.ok()) return deliver(forward_error(count));
      fetched.count = *count;
      deliver(std::move(fetched));
    });
    co_return co_await result;
  }

  void will_need(uint64_t offset, uint64_t bytes) override {
    disk_.run_hint([offset, bytes, file = descriptor_] {
      for (uint64_t done = 0; done < bytes; done += kReadAheadStepBytes) {
        (void)::readahead(file->get(), static_cast<off_t>(offset + done), std::min(kReadAheadStepBytes, bytes - done));
      }
    });
  }

  void will_sync(uint64_t offset, uint64_t bytes) override {
    // It may wait where the device's queue is full; what fails here fails again, and is told, when it is synced.
    disk_.run_hint([offset, bytes, file = descriptor_] {
      (void)::sync_file_range(file->get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                              SYNC_FILE_RANGE_WRITE);
    });
  }

  Status write_at(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::pwrite(fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return fail_with(errno, "write to", path_);
      offset += static_cast<uint64_t>(count);
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return {};
  }

  Task<Status> sync(Reactor& on) override {
    HandOff<Status> result(on);
    disk_.run([fd = fd(), path = path_, deliver = result.deliverer()]() mutable {
      deliver(::fdatasync(fd) == 0 ? Status() : Status(fail_with(errno, "sync", path)));
    });
    co_return co_await result;
  }

  Status preallocate(uint64_t wanted) override {
    if (wanted == 0) return {};
    while (::fallocate(fd(), 0, 0, static_cast<off_t>(wanted)) != 0) {
      if (errno == EINTR) continue;
      if (errno != EOPNOTSUPP) return fail_with(errno, "reserve room for", path_);
      return fill_with_zeros(wanted);
    }
    return {};
  }

  Status truncate(uint64_t wanted) override {
    while (::ftruncate(fd(), static_cast<off_t>(wanted)) != 0) {
      if (errno != EINTR) return fail_with(errno, "cut", path_);
    }
    return {};
  }

  [[nodiscard]] Result<uint64_t> size() const override {
    struct stat status{};
    if (::fstat(fd(), &status) != 0) return fail_with(errno, "look at", path_);
    return static_cast<uint64_t>(status.st_size);
  }

 private:
  [[nodiscard]] int fd() const { return descriptor_->get(); }

  // With RWF_NOWAIT it ends where the page cache does. A file system that cannot say what is cached has nothing cached.
  static Result<size_t> read_now(int fd, const std::string& path, uint64_t offset, std::span<char> into, int flags) {
    size_t done = 0;
    while (done < into.size()) {
      const iovec part{into.data() + done, into.size() - done};
      const ssize_t count = ::preadv2(fd, &part, 1, static_cast<off_t>(offset + done), flags);
      if (count == 0) break;
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && flags != 0 && (errno == EAGAIN || errno == EOPNOTSUPP)) break;
      if (count < 0) return fail_with(errno, "read", path);
      done += static_cast<size_t>(count);
    }
    return done;
  }

  // For file systems that cannot reserve. Only what lies behind the end is written, so holes before it stay holes.
  Status fill_with_zeros(uint64_t wanted) {
    static const std::string zeros(size_t{1} << 16, '\0');
    Result<uint64_t> present = size();
    if (!present.ok()) return forward_error(present);
    for (uint64_t at = *present; at < wanted;) {
      const uint64_t count = std::min<uint64_t>(zeros.size(), wanted - at);
      if (Status written = write_at(at, std::string_view(zeros).substr(0, count)); !written.ok()) return written;
      at += count;
    }
    return {};
  }

  RealDisk& disk_;
  const std::shared_ptr<const Descriptor> descriptor_;  // reads and hints under way hold it too
  const std::string path_;
};

class RealFileLock final : public FileLock {
 public:
  explicit RealFileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  const Descriptor descriptor_;  // closing it gives the lock up
};

}  // namespace

struct RealDisk::Pools {
  explicit Pools(unsigned count) : syncs(count) {}
  boost::asio::thread_pool syncs;
  boost::asio::thread_pool reads{File::kFetchesMax};
  boost::asio::thread_pool hints{1};
  std::atomic<unsigned> hints_waiting{0};

  static void run(boost::asio::thread_pool& on, Callback work) {
    boost::asio::post(on, [work = std::move(work)]() mutable {
      static thread_local const CountedThread counted;
      work();
    });
  }
};

RealDisk::RealDisk(unsigned threads) : pools_(std::make_unique<Pools>(std::max(1U, threads))) {}

RealDisk::~RealDisk() {
  pools_->hints.join();
  pools_->reads.join();
  pools_->syncs.join();
}

void RealDisk::run(Callback work) { Pools::run(pools_->syncs, std::move(work)); }

void RealDisk::run_read(Callback work) { Pools::run(pools_->reads, std::move(work)); }

void RealDisk::run_hint(Callback work) {
  std::atomic<unsigned>& waiting = pools_->hints_waiting;
  if (waiting.fetch_add(1) >= kHintsMax) {
    waiting.fetch_sub(1);
    return;
  }
  Pools::run(pools_->hints, [&waiting, work = std::move(work)]() mutable {
    work();
    waiting.fetch_sub(1);
  });
}

Result<std::unique_ptr<File>> RealDisk::open(const std::string& path, OpenMode mode) {
  int flags = O_RDONLY;
  if (mode == OpenMode::kReadWrite) flags = O_RDWR;
  if (creates(mode)) flags = O_RDWR | O_CREAT | O_EXCL;
  Descriptor descriptor(open_retrying(path, flags, mode == OpenMode::kCreatePrivate ? kPrivateFileMode : kFileMode));
  if (descriptor.get() < 0) return fail_with(errno, creates(mode) ? "create" : "open", path);
  return std::make_unique<RealFile>(*this, std::move(descriptor), path);
}

Status RealDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return fail_with(errno, "rename", from + " to " + to);
  return {};
}

Status RealDisk::remove(const std::string& path) {
  if (::remove(path.c_str()) != 0) return fail_with(errno, "remove", path);
  return {};
}

Result<std::vector<std::string>> RealDisk::list(const std::string& folder) {
  DIR* directory = ::opendir(folder.c_str());
  if (directory == nullptr) return fail_with(errno, "list the folder", folder);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  const int error = errno;
  ::closedir(directory);
  if (error != 0) return fail_with(error, "list the folder", folder);
  std::sort(names.begin(), names.end());
  return names;
}

Status RealDisk::make_folder(const std::string& folder) {
  // From the top down; each new name is made durable in its parent.
  for (size_t slash = folder.find('/', 1);; slash = folder.find('/', slash + 1)) {
    const std::string part = folder.substr(0, slash);
    if (::mkdir(part.c_str(), kFolderMode) == 0) {
      const size_t cut = part.find_last_of('/');
      const std::string parent = cut == std::string::npos ? "." : cut == 0 ? "/" : part.substr(0, cut);
      if (Status synced = sync_folder_now(parent); !synced.ok()) return synced;
    } else if (errno != EEXIST) {
      // A parent may be on a file system that may not be written to and still be there.
      const int error = errno;
      if (!exists(part)) return fail_with(error, "make the folder", part);
    }
    if (slash == std::string::npos) break;
  }
  struct stat status{};
  if (::stat(folder.c_str(), &status) != 0) return fail_with(errno, "look at", folder);
  if (!S_ISDIR(status.st_mode)) return fail(DiskErrc::kExists, folder + " is there but is no folder");
  return {};
}

Task<Status> RealDisk::sync_folder(const std::string& folder, Reactor& on) {
  HandOff<Status> result(on);
  run([folder, deliver = result.deliverer()]() mutable { deliver(sync_folder_now(folder)); });
  co_return co_await result;
}

bool RealDisk::exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<FileInfo> RealDisk::info(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return fail_with(errno, "look at", path);
  FileInfo info;
  info.kind = S_ISREG(status.st_mode)   ? FileKind::kFile
              : S_ISDIR(status.st_mode) ? FileKind::kFolder
                                        : FileKind::kOther;
  info.size_bytes = info.kind == FileKind::kFile ? static_cast<uint64_t>(status.st_size) : 0;
  info.modified_ms = int64_t{status.st_mtim.tv_sec} * 1000 + status.st_mtim.tv_nsec / 1'000'000;
  return info;
}

Result<uint64_t> RealDisk::free_bytes(const std::string& folder) {
  struct statvfs status{};
  if (::statvfs(folder.c_str(), &status) != 0) return fail_with(errno, "look at", folder);
  return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
}

Result<std::unique_ptr<FileLock>> RealDisk::lock(const std::string& path) {
  Descriptor descriptor(open_retrying(path, O_RDWR | O_CREAT, kFileMode));
  if (descriptor.get() < 0) return fail_with(errno, "open the lock file", path);
  if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_with(errno, "lock", path);
    return fail(DiskErrc::kLocked, path + " is locked: another process uses this folder");
  }
  return std::make_unique<RealFileLock>(std::move(descriptor));
}

}  // namespace keelson::env
