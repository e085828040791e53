// Compaction of a partition (cleanup.policy=compact): rewrites complete segments so that of each key the last record is
// left, step by step, off the shard's thread.
//
//   std::unique_ptr<Compaction> run = engine.next_compaction(...);          // on the owner's thread
//   for (;;) { auto more = co_await run->step(here); if (!more.ok() || !*more) break; ... others' turn ... }
//   engine.install(*run);                                                   // on the owner's thread, also after an
//   error
//
// 1. Reads what was never compacted, up to the last complete segment below the last stable offset, and notes for each
//    key the offset of its last record (as a hash of 128 bits), as many as memory allows.
// 2. Writes each segment anew from the start of the log up to there, without the records that a later one has replaced,
//    those of aborted transactions, and those without a key. A tombstone, and a transaction's marker, stays for
//    delete.retention.ms from when it was first met here: the batch says until when (KIP-534). Batches that lose
//    nothing are copied as they are; others keep base offset, last offset delta, producer and sequence. A batch that
//    has nothing left goes; a segment that loses nothing stays.
// 3. A new file is written aside, synced, given its name (another generation), and the folder synced. Only then, and at
//    once for all readers, install() lets the engine read it. The old one is removed once a checkpoint that names the
//    new one is durable: until then a crash brings the old one back, and the new one is a stray.
//
// Offsets never change. What the tail has in memory is not compacted; readers may see either.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "engine/topic/batch_builder.h"
#include "engine/topic/faults.h"
#include "engine/topic/partition_log.h"
#include "engine/topic/record_reader.h"
#include "engine/topic/segment_file.h"
#include "env/disk.h"

namespace keelson::topic {

// What a run is to do: found by the owner's thread, which goes on changing the partition meanwhile.
struct CompactionPlan {
  env::Disk* disk = nullptr;
  std::string folder;
  PartitionId partition;
  int64_t now_ms = 0;
  int64_t delete_retention_ms = 0;
  uint32_t index_interval_bytes = 0;
  uint64_t seed = 0;  // of the keys' hashes, and of the names of what is made
  TopicFaults faults{};
  size_t keys_max = 0;       // of one run
  int64_t clean_offset = 0;  // compacted before
  int64_t log_start = 0;
  int64_t tail_begins = 0;  // markers from there on stay, since what they end may be read from memory
  struct Source {
    int64_t base_offset = 0;
    int64_t end_offset = 0;
    uint64_t bytes = 0;
    uint32_t generation = 0;
  };
  std::vector<Source> segments;  // in their order
  std::vector<AbortedRange> aborted;
};

class Compaction {
 public:
  explicit Compaction(CompactionPlan plan);
  // What it has written aside is removed.
  ~Compaction();
  Compaction(const Compaction&) = delete;
  Compaction& operator=(const Compaction&) = delete;

  // Reads about 256 KiB and writes what is left of it. False: all is done. An error (damage, a full disk) ends it; what
  // was finished before may be installed. One step at a time, on any reactor.
  [[nodiscard]] Task<Result<bool>> step(env::Reactor& here);

  [[nodiscard]] const PartitionId& partition() const { return plan_.partition; }
  struct Counts {
    uint64_t bytes_before = 0;  // of the segments that were written anew
    uint64_t bytes_after = 0;
    uint64_t records_removed = 0;
    uint64_t records_kept = 0;
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

  // A segment that was written anew.
  struct Made {
    int64_t base_offset = 0;
    uint32_t old_generation = 0;
    uint32_t generation = 0;
    uint64_t bytes = 0;
    int64_t first_timestamp_ms = kNoTimestamp;
    int64_t max_timestamp_ms = kNoTimestamp;
    int64_t max_timestamp_offset = 0;
    std::vector<int64_t> markers_gone;  // offsets
  };
  // For TopicEngine::install().
  [[nodiscard]] const std::vector<Made>& made() const { return made_; }
  // Up to here the partition is compacted, if all went well; else where it was before.
  [[nodiscard]] int64_t clean_offset() const { return is_done_ ? map_end_ : plan_.clean_offset; }
  [[nodiscard]] const CompactionPlan& plan() const { return plan_; }

 private:
  struct Key {
    uint64_t low = 0;
    uint64_t high = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return key.low; }
  };
  [[nodiscard]] Key key_of(std::string_view bytes) const;
  [[nodiscard]] bool is_aborted(const BatchView& batch) const;
  Task<Status> open_next();
  Status open(size_t segment);
  // Whole batches from position_ on; none at the segment's end.
  Task<Result<std::string_view>> fill(env::Reactor& here);
  Task<Result<bool>> map_some(env::Reactor& here);
  Task<Result<bool>> rewrite_some(env::Reactor& here);
  Status map_batch(const BatchView& batch);
  Status rewrite_batch(const BatchView& batch);
  Status rewrite_records(const BatchView& batch, bool drops_tombstones);
  void keep(std::string_view batch);
  Status flush();
  [[nodiscard]] uint32_t new_generation(const CompactionPlan::Source& source) const;
  Status begin_segment();
  Task<Status> finish_segment(env::Reactor& here);
  [[nodiscard]] std::unexpected<Error> damaged(std::string_view what, const BatchView& batch) const;
  [[nodiscard]] std::string path_of(const SegmentName& name, std::string_view suffix) const;

  const CompactionPlan plan_;
  Counts counts_;
  std::vector<Made> made_;
  bool is_mapped_ = false;
  bool is_done_ = false;
  int64_t map_end_ = 0;
  boost::unordered_flat_map<Key, int64_t, KeyHash> last_;  // offset of the last record of the key

  // The segment that is being read.
  size_t segment_ = 0;
  std::unique_ptr<SegmentFile> from_;
  uint64_t position_ = 0;
  env::Fetched read_;
  RecordReader reader_;

  // And what is written anew of it.
  std::unique_ptr<env::File> to_;
  std::string to_path_;
  std::string pending_;
  uint64_t written_ = 0;
  bool is_changed_ = false;
  SegmentIndex index_;
  Made next_;
};

}  // namespace keelson::topic
