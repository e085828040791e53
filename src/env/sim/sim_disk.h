// A disk in memory that behaves like the worst that POSIX allows: what was not synced may be gone, in any combination.
//
// A file is an inode with a durable image and the changes since its last sync; a folder is the same with names. A sync
// makes durable what was done before it was called, and takes virtual time. At a crash each unsynced change of a file
// is kept, lost or torn on its own, in sectors; each unsynced change of a name (creation, rename, removal) is kept or
// lost on its own. Syncing a file does not make its name durable: that takes sync_folder(). Folders themselves are
// durable once made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "env/disk.h"

namespace keelson::env::sim {

inline constexpr size_t kSectorBytes = 512;

// Probabilities are 0 .. 1.
struct DiskFaults {
  // At a crash, for each change that was not synced.
  double lose_write_probability = 0.5;
  double tear_write_probability = 0.2;  // of those that are not lost: only some sectors arrive
  double lose_name_probability = 0.5;
  double flip_bit_at_crash_probability = 0;  // for each file: one durable bit turns over

  // While it runs, for each call.
  double write_error_probability = 0;        // kIo, with any part written
  double read_error_probability = 0;         // kIo
  double sync_error_probability = 0;         // kIo; what it should have synced is lost at the next crash for certain
  double name_error_probability = 0;         // open, rename, remove, make_folder: kIo, nothing done
  double flip_bit_on_read_probability = 0;   // in what the read returns, not on the disk
  double flip_bit_on_write_probability = 0;  // on the disk

  double cold_read_probability = 0;  // a read finds nothing in the page cache

  // An allocation (a file grows or is made) finds the disk full, which lasts up to full_ns_max.
  double full_probability = 0;
  int64_t full_ns_max = 1'000'000'000;

  int64_t sync_ns_min = 50'000;  // of a fetch too
  int64_t sync_ns_max = 500'000;
  double slow_sync_probability = 0;  // takes up to slow_sync_ns_max more
  int64_t slow_sync_ns_max = 200'000'000;

  // For planted bugs, to prove that the tests would find them: syncs that say yes and do nothing.
  bool ignore_file_syncs = false;
  bool ignore_folder_syncs = false;
};

struct DiskCounts {
  uint64_t writes = 0;
  uint64_t bytes_written = 0;
  uint64_t reads = 0;
  uint64_t syncs = 0;
  uint64_t folder_syncs = 0;
  uint64_t renames = 0;
  uint64_t faults = 0;       // injected while running
  uint64_t writes_lost = 0;  // at crashes, torn ones included
  uint64_t names_lost = 0;
};

// What tests do to a disk beside using it. The node's Env has the Disk itself.
class SimDisk {
 public:
  virtual ~SimDisk() = default;

  // The present content (what a process would read). Missing: kNotFound.
  [[nodiscard]] virtual Result<std::string> content(const std::string& path) const = 0;
  // Turns bit 0..7 of the byte over, durable at once. Past the end or missing: an error.
  virtual Status flip_bit(const std::string& path, uint64_t offset, unsigned bit = 0) = 0;
  // Overwrites or makes a file, durable at once, name included.
  virtual void put(const std::string& path, std::string_view content) = 0;
  virtual Status cut(const std::string& path, uint64_t size) = 0;
  // Everything, synced or not, becomes durable.
  virtual void sync_all() = 0;
  // Takes the other disk's content, as a copied data folder.
  virtual void copy_from(const SimDisk& other) = 0;

  virtual void set_capacity(uint64_t bytes) = 0;  // unlimited at first
  virtual void set_read_only(bool read_only) = 0;
  // Until set again: allocations answer kFull, whatever room there is.
  virtual void set_full(bool full) = 0;
  // The next `count` syncs of files whose path contains `part` fail with kIo.
  virtual void fail_syncs(unsigned count, std::string part = {}) = 0;
  virtual void fail_writes(unsigned count, std::string part = {}) = 0;
  // Faults of this disk alone in place of the world's.
  virtual void set_faults(DiskFaults faults) = 0;
  [[nodiscard]] virtual const DiskCounts& counts() const = 0;
  // What flip_bit_at_crash_probability turned over at the last crash, in files that still have a name.
  struct Flip {
    std::string path;
    uint64_t offset = 0;
  };
  [[nodiscard]] virtual std::vector<Flip> flips_at_last_crash() const = 0;

  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
};

}  // namespace keelson::env::sim
