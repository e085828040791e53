// The content of a simulated disk, and the Disk through which one life of its machine uses it. For this folder alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "env/disk.h"
#include "env/sim/sim_disk.h"
#include "env/sim/world_state.h"

namespace keelson::env::sim {

class SimEnv;

// A run of bytes in which long stretches of zeros take no memory.
class SparseBytes {
 public:
  [[nodiscard]] uint64_t size() const { return size_; }
  void resize(uint64_t size);
  // Grows as needed.
  void write(uint64_t offset, std::string_view bytes);
  // Zeros past the end.
  void read(uint64_t offset, std::span<char> into) const;
  void flip(uint64_t offset, unsigned bit);
  [[nodiscard]] std::string text() const;
  void copy_from(const SparseBytes& other);

 private:
  static constexpr size_t kChunkBytes = 4096;
  using Chunk = std::array<char, kChunkBytes>;
  uint64_t size_ = 0;
  std::map<uint64_t, std::unique_ptr<Chunk>> chunks_;  // those that are not all zero
};

// What was done to a file and has not been synced.
struct FileChange {
  uint64_t sequence = 0;
  bool is_resize = false;
  uint64_t offset = 0;  // of a write; the new size of a resize
  std::string bytes;
};

struct Inode {
  explicit Inode(uint64_t inode_number) : number(inode_number) {}
  const uint64_t number;  // in order of creation
  SparseBytes cached;     // what processes see
  SparseBytes durable;
  std::deque<FileChange> pending;
  int64_t modified_ms = 0;  // by the world's clock, without a node's jumps; survives crashes
};
using InodePtr = std::shared_ptr<Inode>;

// What was done to names and has not been synced.
struct NameChange {
  enum class Kind : uint8_t { kCreate, kRename, kRemove };
  uint64_t sequence = 0;
  Kind kind = Kind::kCreate;
  std::string from;
  std::string to;  // of a rename
  InodePtr inode;
};

class DiskState final : public SimDisk {
 public:
  DiskState(World::State& world, unsigned node) : world_(world), node_(node) {}

  // SimDisk
  [[nodiscard]] Result<std::string> content(const std::string& path) const override;
  Status flip_bit(const std::string& path, uint64_t offset, unsigned bit) override;
  void put(const std::string& path, std::string_view content) override;
  Status cut(const std::string& path, uint64_t size) override;
  void sync_all() override;
  void copy_from(const SimDisk& other) override;
  void set_capacity(uint64_t bytes) override { capacity_bytes_ = bytes; }
  void set_read_only(bool read_only) override { is_read_only_ = read_only; }
  void set_full(bool full) override { is_set_full_ = full; }
  void fail_syncs(unsigned count, std::string part) override;
  void fail_writes(unsigned count, std::string part) override;
  void set_faults(DiskFaults faults) override { own_faults_ = faults; }
  [[nodiscard]] const DiskCounts& counts() const override { return counts_; }
  [[nodiscard]] std::vector<Flip> flips_at_last_crash() const override;

  // For MountedDisk. Paths are as callers give them, less a slash at the end.
  [[nodiscard]] InodePtr find(const std::string& path) const;
  [[nodiscard]] bool is_folder(const std::string& path) const {
    return path == "/" || path == "." || folders_.contains(path);
  }
  Result<InodePtr> create(const std::string& path);
  Status rename(const std::string& from, const std::string& to);
  Status remove(const std::string& path);
  Status make_folder(const std::string& path);
  [[nodiscard]] std::vector<std::string> list(const std::string& folder) const;
  [[nodiscard]] uint64_t free_bytes() const;
  [[nodiscard]] bool is_read_only() const { return is_read_only_; }

  Status write(Inode& inode, const std::string& path, uint64_t offset, std::string_view bytes);
  Status resize(Inode& inode, const std::string& path, uint64_t size);
  Result<size_t> read(const Inode& inode, const std::string& path, uint64_t offset, std::span<char> into);

  [[nodiscard]] bool is_cold() { return world_.faults.happens(faults().cold_read_probability); }
  [[nodiscard]] int64_t draw_fetch_ns() { return world_.faults.between(faults().sync_ns_min, faults().sync_ns_max); }

  // A sync is a draw of its outcome, and later its effect on what was there when it was asked for.
  struct SyncPlan {
    int64_t delay_ns = 0;
    uint64_t sequence = 0;  // of the last change that it covers
    bool fails = false;
  };
  SyncPlan plan_sync(const std::string& path, bool is_folder);
  void finish_sync(Inode& inode, const SyncPlan& plan);
  void finish_folder_sync(const std::string& folder, const SyncPlan& plan);

  void crash();

 private:
  struct Targeted {
    unsigned count = 0;
    std::string part;
    bool hits(const std::string& path) {
      if (count == 0 || path.find(part) == std::string::npos) return false;
      --count;
      return true;
    }
  };

  [[nodiscard]] const DiskFaults& faults() const { return own_faults_ ? *own_faults_ : world_.options.disk; }
  [[nodiscard]] bool happens(double probability);
  [[nodiscard]] int64_t wall_ms() const { return world_.options.wall_start_ms + world_.now_ns / 1'000'000; }
  [[nodiscard]] uint64_t used_bytes() const;
  // kFull if `more` bytes do not fit now.
  Status allocate(const std::string& path, uint64_t more);
  Status refuse_change(const std::string& path) const;
  Status maybe_name_error(const std::string& path);
  void add_name_change(NameChange::Kind kind, std::string from, std::string to, InodePtr inode);
  void make_durable(const NameChange& change);
  static void make_durable(Inode& inode, const FileChange& change);
  void crash_file(Inode& inode);
  void tear(Inode& inode, const FileChange& change);

  World::State& world_;
  const unsigned node_;
  std::optional<DiskFaults> own_faults_;
  DiskCounts counts_;
  std::map<uint64_t, uint64_t> flips_;  // at the last crash: inode number, offset
  std::map<std::string, InodePtr> cached_names_;
  std::map<std::string, InodePtr> durable_names_;
  std::deque<NameChange> pending_names_;
  std::set<std::string> folders_;
  uint64_t next_inode_ = 1;
  uint64_t sequence_ = 0;
  uint64_t capacity_bytes_ = kUnlimited;
  bool is_read_only_ = false;
  bool is_set_full_ = false;
  int64_t full_until_ns_ = 0;
  Targeted failing_syncs_;
  Targeted failing_writes_;
};

// Dead with its Env: calls then fail and change nothing.
class MountedDisk final : public Disk {
 public:
  MountedDisk(World::State& world, const SimEnv& env, DiskState& state) : world_(world), env_(env), state_(state) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_folder(const std::string& folder) override;
  Task<Status> sync_folder(const std::string& folder, Reactor& on) override;
  [[nodiscard]] bool exists(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& folder) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  // For its files and locks.
  [[nodiscard]] Status check_alive() const;
  Task<Status> sync_file(InodePtr inode, std::string path, Reactor& on);
  Task<Result<Fetched>> fetch(InodePtr inode, std::string path, uint64_t offset, size_t bytes_max, Reactor& on);
  DiskState& state() { return state_; }
  void unlock(const std::string& path) { locked_.erase(path); }

 private:
  World::State& world_;
  const SimEnv& env_;
  DiskState& state_;
  std::set<std::string> locked_;
};

}  // namespace keelson::env::sim
