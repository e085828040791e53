// Files and folders. The only way to the disk; env/real is Linux, env/sim loses what was not synced.
//
// Paths are UTF-8, relative to nothing: callers build them from the data folder. Calls that can take long because the
// device is slow (sync, fetch) are coroutines and run off the reactor; the others are expected to end in the page
// cache. Who reads what may lie there no more (a blob that nobody has asked for in weeks) asks read_cached() first,
// which costs no more than read_at() and never waits, and only then pays for fetch().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/result.h"
#include "base/task.h"

namespace keelson::env {

class Reactor;

enum class DiskErrc : uint8_t {
  kOk = 0,
  kNotFound,
  kExists,
  kFull,      // no space or quota: may pass
  kReadOnly,  // the file system or folder may not be written to
  kLocked,    // another process holds the lock
  kIo,        // the device failed; after a failed sync nothing written since the last good one may be counted on
  kInvalid,   // everything else
};
std::error_code make_error_code(DiskErrc code);

// What fetch() has read.
struct Fetched {
  std::unique_ptr<char[]> bytes;
  size_t count = 0;  // fewer than were asked for only at the end of the file
};

// One open file. Used by one thread at a time, but for read_at(), read_cached(), fetch(), write_at() and the hints,
// which several may use at the same time. Destroying it closes it (without a sync).
class File {
 public:
  virtual ~File() = default;
  // Reads up to into.size() bytes; fewer only at the end of the file. The result is the count.
  virtual Result<size_t> read_at(uint64_t offset, std::span<char> into) = 0;
  // The same, of what lies in the page cache: never waits for the device. Fewer bytes mean that the rest does not lie
  // there, or the end of the file. Unless overridden it is read_at(), which is right where nothing is slow.
  virtual Result<size_t> read_cached(uint64_t offset, std::span<char> into) { return read_at(offset, into); }
  // Reads up to `bytes_max` bytes off the reactor; `on` is the reactor that calls and is resumed. The file may be
  // closed and the coroutine destroyed meanwhile. At most kFetchesMax reads wait for the device, others for them.
  virtual Task<Result<Fetched>> fetch(uint64_t offset, size_t bytes_max, Reactor& on);
  static constexpr unsigned kFetchesMax = 8;
  // Hints, which cost their caller nothing and may be dropped: that these bytes are going to be read, or that they will
  // be synced and the device may begin with them now.
  virtual void will_need(uint64_t offset, uint64_t bytes) {}
  virtual void will_sync(uint64_t offset, uint64_t bytes) {}
  // Writes all of it or fails; on failure any part may have been written. Durable only after sync().
  virtual Status write_at(uint64_t offset, std::string_view bytes) = 0;
  // Makes everything written to this file before the call durable, its size too. Several may be under way; `on` is the
  // reactor that calls and is resumed. The file lives until it ends.
  virtual Task<Status> sync(Reactor& on) = 0;
  // Makes sure that the first `size` bytes have room on the disk; new ones read as zero. The size grows to at least
  // `size`.
  virtual Status preallocate(uint64_t size) = 0;
  virtual Status truncate(uint64_t size) = 0;
  [[nodiscard]] virtual Result<uint64_t> size() const = 0;
};

enum class OpenMode : uint8_t {
  kRead,
  kReadWrite,      // must exist
  kCreate,         // must not exist; durable only after sync_directory() of its folder
  kCreatePrivate,  // the same, for a secret: nobody but the owner may read it
};
[[nodiscard]] constexpr bool creates(OpenMode mode) {
  return mode == OpenMode::kCreate || mode == OpenMode::kCreatePrivate;
}

enum class FileKind : uint8_t { kFile, kFolder, kOther };

// What the folder's entry leads to; links are followed.
struct FileInfo {
  FileKind kind = FileKind::kFile;
  uint64_t size_bytes = 0;  // of a file
  int64_t modified_ms = 0;  // since 1970, by the wall clock of the machine; of a folder it means nothing
};

// Held until destroyed or the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Safe from every thread.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Replaces `to` if it is there, as one step. Durable only after sync_directory().
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // Names, without the folder, sorted. "." and ".." are left out.
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
  // Parents included; no error if it is there. Durable when it returns.
  virtual Status make_folder(const std::string& folder) = 0;
  // Makes creations, renames and removals in the folder durable.
  virtual Task<Status> sync_folder(const std::string& folder, Reactor& on) = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) = 0;
  virtual Result<FileInfo> info(const std::string& path) = 0;
  // Bytes that can still be written on the file system of `folder`.
  virtual Result<uint64_t> free_bytes(const std::string& folder) = 0;
  // Takes an exclusive lock on the file (made if missing); DiskErrc::kLocked if another process has it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

// Reads a whole file of at most `bytes_max` bytes.
Result<std::string> read_file(Disk& disk, const std::string& path, uint64_t bytes_max);
// Writes `path` so that after a crash it has the old content or the new: aside, synced, renamed, folder synced.
// `folder` is the folder of `path`; `mode` is one that creates.
Task<Status> replace_file(Disk& disk, Reactor& on, std::string folder, std::string name, std::string content,
                          OpenMode mode = OpenMode::kCreate);

}  // namespace keelson::env

template <>
struct std::is_error_code_enum<keelson::env::DiskErrc> : std::true_type {};
