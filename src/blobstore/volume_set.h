// The volumes of one blob shard, on the reactor that owns the shard. See format.h for what lies in them.
//
// Bytes are appended to the active volume. A writer sets a region aside, fills it front to back, and then waits for a
// sync that began after its last write; one sync serves everybody who waits (group commit). A volume is given up for a
// new one at its size limit, after a failed sync, and at every start: what was written before is never added to.
//
// A volume is removed by its owner when nothing live is in it, nobody holds a pin on it, and the metadata that says so
// is durable; see compaction in background.cc.
//
// Own thread only. What is large goes past it: whoever holds a pin may read from and write to its region through the
// volume's file on any reactor (VolumeFile), and tells the set of its writes before they are to be durable.
#pragma once

#include <coroutine>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "env/disk.h"
#include "env/reactor.h"

namespace keelson::blobstore {

// Planted defects, for tests of the tests.
struct VolumeFaults {
  bool skip_sync = false;     // a volume is not synced before its payload is named
  bool ignore_crc = false;    // chunks are handed out unchecked
  bool remove_early = false;  // a volume is removed before its moves are in the log
  bool ignore_pins = false;   // a volume is removed although somebody reads or is about to name it
};

struct VolumeOptions {
  // A volume takes no more once it is this large.
  uint64_t volume_bytes_max = uint64_t{1} << 30;
  // Kept free on the disk for the log, checkpoints and compaction: writers are refused below it. Compaction, which
  // gives back more than it takes, may use half of it; else a full disk could not be emptied by deleting.
  uint64_t free_bytes_min = uint64_t{64} << 20;
  // What compaction takes of the disk at most; for tests, as if the disk were that full.
  uint64_t compaction_room_bytes_max = UINT64_MAX;
  VolumeFaults faults;
};

// Of one reactor: written on its thread, read on any.
struct StoreStats {
  Counter written_bytes;
  Counter read_bytes;
  Counter cold_reads;  // reads of what was not in the page cache
  Counter syncs;
  Counter sync_failures;
  Counter refused_full;
  Counter damaged_chunks;  // met by anybody
  Counter compactions;     // rounds of a shard that rewrote volumes
  Counter compacted_bytes;
  Counter removed_volumes;
  Counter removed_bytes;
  Counter scrubbed_bytes;
  Counter scrub_damaged;  // extents that a scrub found damaged
  Counter scrubs;         // of everything that the reactor has, ended
  Counter background_failures;
  Gauge is_scrubbing;
  Gauge scrub_round_bytes;  // read since the scrub under way, or else the last one, began
  Gauge volumes;
  Gauge disk_bytes;
  Gauge live_bytes;  // of them, what objects and parts need; as of the last look at each shard before compaction
  Histogram sync_ns;
};

// Who asks for room.
enum class RoomFor : uint8_t { kWriter, kCompaction };

// A part of a volume set aside for one writer.
struct Region {
  uint32_t volume = 0;  // 0: none
  uint64_t offset_bytes = 0;
  uint64_t end_bytes = 0;
  [[nodiscard]] uint64_t room() const { return end_bytes - offset_bytes; }
};

// A volume's file for use on any reactor, past the volume's own. It may outlive the volume set's handle.
struct VolumeFile {
  // tidy: shared_ptr, because the set closes its handle while readers on other reactors go on with theirs.
  std::shared_ptr<env::File> file;  // null: none
  std::string path;
};
// Writes to the front of the region, which moves on. `bytes` fit. `stats` are of the reactor that calls.
Status write_region(const VolumeFile& file, Region& region, std::string_view bytes, StoreStats& stats);

class VolumeSet {
 public:
  // Everything outlives it. `shard` is counted within the blob service.
  VolumeSet(env::Disk& disk, env::Reactor& owner, std::string folder, uint16_t shard, const VolumeOptions& options,
            StoreStats& stats);
  ~VolumeSet();

  // Finds the files that are there. `highest_volume`: what the metadata has ever named; `live_bytes`: what it has in
  // each volume. A volume that is missing or damaged is told in a log line: what lies in it will say so when it is
  // read.
  Status open(uint32_t highest_volume, const std::map<uint32_t, uint64_t>& live_bytes);

  // ---- Writing.

  // `bytes` in a row, at most volume_bytes_max; pins the volume. kFull: no room.
  Result<Region> reserve(uint64_t bytes, RoomFor whom = RoomFor::kWriter);
  // What compaction may still take of the disk.
  Result<uint64_t> room_for_compaction() const;
  // write_region(), here.
  Status write(Region& region, std::string_view bytes);
  // write_region() was called on another reactor: what is to be durable has grown.
  void note_written(uint32_t volume);
  // What is left of the region is not needed. The pin stays.
  void give_back(const Region& region);
  // Resumes when everything written before the call to these volumes is durable.
  Task<Status> make_durable(std::vector<uint32_t> volumes);

  // ---- Reading.

  // The file of a volume that is pinned by whoever asks. An error names it.
  Result<VolumeFile> file(uint32_t volume);

  [[nodiscard]] bool has(uint32_t volume) const { return volumes_.contains(volume); }
  // Nothing happens for one that is not there.
  void pin(uint32_t volume);
  void unpin(uint32_t volume);
  [[nodiscard]] bool is_pinned(uint32_t volume) const;

  // ---- Removal.

  struct VolumeSize {
    uint32_t number = 0;
    uint64_t bytes = 0;
    bool is_active = false;
  };
  [[nodiscard]] std::vector<VolumeSize> volumes() const;
  // Seals the active volume: the next reserve() begins a new one. Who holds a region of it may go on.
  void seal_active();
  // Cuts a sealed volume off behind `bytes`, of which nobody has pinned what lies behind.
  Status cut(uint32_t number, uint64_t bytes);
  Task<Status> remove(std::vector<uint32_t> volumes);

  [[nodiscard]] std::string path_of(uint32_t volume) const;
  [[nodiscard]] uint16_t shard() const { return shard_; }
  [[nodiscard]] env::Reactor& owner() { return owner_; }
  [[nodiscard]] const VolumeFaults& faults() const { return options_.faults; }
  [[nodiscard]] StoreStats& stats() { return stats_; }

 private:
  struct Volume {
    // tidy: shared_ptr, because of what VolumeFile says.
    std::shared_ptr<env::File> file;  // null: not open at the moment
    uint64_t last_use = 0;
    uint64_t size_bytes = 0;  // reserved so far
    uint64_t written = 0;     // counts writes
    uint64_t synced = 0;      // writes that are durable
    uint32_t pins = 0;
    bool is_name_durable = true;
    bool is_syncing = false;
    bool has_failed = false;
    std::vector<std::coroutine_handle<>> waiters;
  };

  Status begin_volume();
  // tidy: shared_ptr, because of what VolumeFile says.
  Result<std::shared_ptr<env::File>> file_of(uint32_t number, Volume& volume);
  void close_some();
  Task<void> sync_volume(uint32_t number);
  Task<Status> sync_once(Volume& volume);
  void check_volume(uint32_t number, uint64_t live_bytes);
  void note_size(Volume& volume, uint64_t bytes);

  env::Disk& disk_;
  env::Reactor& owner_;
  const std::string folder_;
  const uint16_t shard_;
  const VolumeOptions& options_;
  StoreStats& stats_;
  std::map<uint32_t, Volume> volumes_;
  uint32_t active_ = 0;
  uint32_t next_number_ = 1;
  uint64_t use_clock_ = 0;
  size_t open_files_ = 0;
  env::TaskScope scope_;
};

}  // namespace keelson::blobstore
