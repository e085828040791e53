// A segment: a file with batches of one partition, one after another and nothing else, and beside it, once the segment
// is complete, its index. Reading what is there, off the shard's thread.
//
//   <topic id as hex>-<partition>-<base offset, 20 digits>.<generation>.log      the batches
//   the same with .index                                                         made by write_index()
//
// The files of all partitions of a shard lie in one folder, so that one sync makes all their names durable.
//
// Generation. Below kCompactedGeneration the file holds the batches as they were appended: in a cluster the same ones
// on every replica, as far as each has got. From there on it was written by compaction, whole, under a number drawn by
// chance: so a name that two nodes know means the same bytes, and a segment file may travel from one to the other.
//
// The index has an entry for each 32 KiB of batches or more: magic "KTI1", u32 count, u64 bytes of the segment, then
// of each entry i64 offset of a batch, u32 its position, i64 the greatest timestamp before it (-1:
// none); at last a CRC32C of all that. Little-endian. One that is missing, or does not fit, is made again by reading
// the segment.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "engine/topic/answer.h"
#include "engine/topic/types.h"
#include "env/disk.h"

namespace keelson::topic {

inline constexpr uint32_t kIndexSpacingBytes = 32 << 10;
inline constexpr uint32_t kCompactedGeneration = uint32_t{1} << 31;

struct IndexEntry {
  int64_t offset = 0;     // of the batch there
  uint32_t position = 0;  // in the file
  int64_t max_timestamp_before_ms = kNoTimestamp;
  bool operator==(const IndexEntry&) const = default;
};
// In the order of the file.
using SegmentIndex = std::vector<IndexEntry>;

// Adds an entry for the batch if the last one is far enough away. `interval_bytes`: index.interval.bytes.
void add_to_index(SegmentIndex& index, int64_t offset, uint32_t position, int64_t max_timestamp_before_ms,
                  uint32_t interval_bytes);
// Where to begin to look for the batch with the offset, or for the first that may have that time or a later one.
[[nodiscard]] uint32_t position_of_offset(const SegmentIndex& index, int64_t offset);
[[nodiscard]] uint32_t position_of_time(const SegmentIndex& index, int64_t time_ms);

[[nodiscard]] std::string encode_index(const SegmentIndex& index, uint64_t segment_bytes);
// False: not of that segment, or damaged.
[[nodiscard]] bool decode_index(std::string_view bytes, uint64_t segment_bytes, SegmentIndex& index);

struct SegmentName {
  PartitionId partition;
  int64_t base_offset = 0;
  uint32_t generation = 0;
  auto operator<=>(const SegmentName&) const = default;
};
inline constexpr std::string_view kSegmentSuffix = ".log";
inline constexpr std::string_view kIndexSuffix = ".index";
inline constexpr std::string_view kAsideSuffix = ".new";  // behind the others: not complete
[[nodiscard]] std::string file_name(const SegmentName& name, std::string_view suffix);
// False: not a name of that kind.
[[nodiscard]] bool parse_file_name(std::string_view file, std::string_view suffix, SegmentName& name);

// An open segment. Whoever holds it may read it, although it was removed meanwhile. Any thread.
class SegmentFile {
 public:
  SegmentFile(env::Disk& disk, std::string folder, const SegmentName& name, std::unique_ptr<env::File> file);
  ~SegmentFile();
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  [[nodiscard]] const SegmentName& name() const { return name_; }
  [[nodiscard]] std::string path() const;
  [[nodiscard]] env::File& file() const { return *file_; }

  // Reads up to that many bytes; waits for the device if it must. Fewer: the end of the file.
  [[nodiscard]] Task<Result<env::Fetched>> read(uint64_t position, size_t bytes, env::Reactor& here) const;
  // Of a complete segment of that size. Read when it is first asked for, and kept. `here` is only for the wait.
  [[nodiscard]] Task<Result<const SegmentIndex*>> index(uint64_t bytes, env::Reactor& here) const;

 private:
  void keep_index(const std::string& content) const;

  env::Disk& disk_;
  const std::string folder_;
  const SegmentName name_;
  const std::unique_ptr<env::File> file_;
  mutable std::atomic<const SegmentIndex*> index_{nullptr};
};

struct SpanBytes {
  Slice batches;            // whole ones, whose CRCs are right
  int64_t next_offset = 0;  // behind them; if there are none, from where to ask the shard again
};
// Brings what a Read was answered with. The error names file and place of a damaged batch. `here`: the reactor that
// calls.
[[nodiscard]] Task<Result<SpanBytes>> read_span(FileSpan span, env::Reactor& here);

// The first record of the span, at or above its offset, whose time is `time_ms` or later; offset -1: none there.
[[nodiscard]] Task<Result<FoundOffset>> find_time(FileSpan span, int64_t time_ms, env::Reactor& here);

// The first record of one batch whose offset is at least `from` and whose time `time_ms` or later. False: none, or the
// records are malformed.
[[nodiscard]] bool find_time_in_batch(std::string_view batch, int64_t from, int64_t time_ms, FoundOffset& found);

}  // namespace keelson::topic
