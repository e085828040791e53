// The log of one partition: its offsets, what it remembers of producers, which batches lie in the tail and which in
// segments. What several share (the tail, open files, the order of writing) is the LogStore's.
//
//   log_start ........ settled_offset .......... next_offset
//   |  in segments     |  in the tail alone      |
//            |  in the tail too: the newest of it |
//
// Where a segment ends is decided when a batch is appended, from what the log's records say, and so the same at every
// replay; when it is written is not.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/topic/answer.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/producer_state.h"
#include "engine/topic/segment_file.h"
#include "engine/topic/tail.h"
#include "engine/topic/topic_config.h"

namespace keelson::topic {

class LogStore;

// Ends where the next one begins; the last one is appended to.
struct Segment {
  int64_t base_offset = 0;
  uint64_t bytes = 0;  // of batches, also of those that are not written yet
  int64_t max_timestamp_ms = kNoTimestamp;
  int64_t max_timestamp_offset = 0;           // of the batch that has it
  int64_t first_timestamp_ms = kNoTimestamp;  // of the first batch
  int64_t first_append_ms = 0;                // log time
  int64_t last_append_ms = 0;
  uint32_t generation = 0;
  // The file's end was brought to what is known of it, in this run.
  bool is_open_for_writing = false;
  // Until it lies in a file: of the last one, and of those that are not written to their end.
  std::unique_ptr<SegmentIndex> index;
};

class PartitionLog {
 public:
  PartitionLog(const PartitionId& id, const TopicConfig& config) : id_(id), config_(config) {}
  PartitionLog(const PartitionLog&) = delete;
  PartitionLog& operator=(const PartitionLog&) = delete;

  // Commands: log_commands.h. `reason` may be set beside an error. Nothing is changed by one that fails.
  TopicErrc append(LogStore& store, const engine::ApplyContext& context, std::string_view batches, bool is_from_client,
                   Appended& out, std::string& reason);
  TopicErrc end_transaction(LogStore& store, const engine::ApplyContext& context, const EndPartitionTransaction& body,
                            Appended& out);
  TopicErrc trim(LogStore& store, int64_t start);

  // Queries. An error of the disk (a file cannot be opened) is kCorruptBatch with a reason.
  TopicErrc read(LogStore& store, const Read& what, ReadAnswer& out, std::string& reason) const;
  TopicErrc find_offset(LogStore& store, const FindOffset& what, FoundOffset& out, std::string& reason) const;
  void describe(PartitionInfo& out) const;

  [[nodiscard]] const PartitionId& id() const { return id_; }
  [[nodiscard]] const TopicConfig& config() const { return config_; }
  [[nodiscard]] int64_t log_start() const { return log_start_; }
  [[nodiscard]] int64_t high_watermark() const { return next_offset_; }
  [[nodiscard]] int64_t last_stable() const;
  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }
  [[nodiscard]] int64_t segment_end(size_t i) const {
    return i + 1 < segments_.size() ? segments_[i + 1].base_offset : next_offset_;
  }
  [[nodiscard]] uint64_t bytes() const;
  [[nodiscard]] const ProducerState* producers() const { return producers_.get(); }
  // Up to here compaction has been (compaction.h).
  [[nodiscard]] int64_t clean_offset() const { return clean_offset_; }
  [[nodiscard]] size_t pending_bytes() const { return pending_bytes_; }

  // ---- For LogStore, Tail and Checkpoint.
  void drop_chunk(uint64_t number);
  void drop_tail(LogStore& store);
  // Writes what is not written. What was written before an error counts.
  Status settle(LogStore& store);
  void save(std::string& out) const;
  // False: malformed.
  [[nodiscard]] bool load(std::string_view saved);
  // The segments that what was saved refers to, and how many bytes of each. False: malformed.
  [[nodiscard]] static bool segments_of(std::string_view saved, std::vector<std::pair<SegmentName, uint64_t>>& out);
  // Of that segment's file: how much of it has been written; 0 for one that is not here.
  [[nodiscard]] uint64_t written_bytes(const SegmentName& name) const;
  // Another file holds the segment's batches (base_offset, generation, bytes and timestamps of `with`). False: there is
  // no such segment, or it is the last one.
  bool replace_segment(uint32_t old_generation, const Segment& with);
  void set_clean_offset(int64_t offset) { clean_offset_ = std::max(clean_offset_, std::min(offset, next_offset_)); }
  void forget_markers(const std::vector<int64_t>& offsets);
  // Below, nothing is read from memory.
  [[nodiscard]] int64_t tail_begins() const { return tail_.empty() ? next_offset_ : tail_.front().base_offset; }

  uint64_t last_chunk = 0;             // of the tail that has a batch of this log
  uint64_t saved_by = 0;               // the checkpoint that has this log already
  bool is_touched = false;             // LogStore::touched() has it
  bool is_in_line = false;             // to be written, sooner or later
  bool is_in_a_hurry = false;          // to be written before others
  int64_t no_compaction_until_ms = 0;  // the last one failed

 private:
  struct Run;
  TopicErrc check(const engine::ApplyContext& context, std::string_view batches, bool is_from_client, Appended& out,
                  std::string& reason) const;
  [[nodiscard]] TopicErrc check_one(const BatchView& batch, int64_t now_ms, bool is_from_client,
                                    std::string& reason) const;
  void append_one(LogStore& store, const engine::ApplyContext& context, std::string_view batch);
  Segment& segment_for(size_t bytes, int64_t now_ms);
  [[nodiscard]] size_t segment_of(int64_t offset) const;
  [[nodiscard]] uint64_t settled_bytes_of(size_t segment) const;
  [[nodiscard]] bool is_in_tail(int64_t offset) const { return !tail_.empty() && offset >= tail_.front().base_offset; }
  void read_tail(const LogStore& store, int64_t offset, uint32_t bytes_max, int64_t until, ReadAnswer& out) const;
  TopicErrc read_file(LogStore& store, size_t segment, FileSpan& span, std::string& reason) const;
  TopicErrc find_time_from(LogStore& store, int64_t from, int64_t time_ms, int64_t until, FoundOffset& out,
                           std::string& reason) const;
  ProducerState& producer_state();
  Status write_run(LogStore& store, const Run& run);
  Status finish_segment(LogStore& store, size_t segment);

  const PartitionId id_;
  const TopicConfig& config_;
  int64_t log_start_ = 0;
  int64_t next_offset_ = 0;
  int64_t settled_offset_ = 0;
  int64_t clean_offset_ = 0;
  std::vector<Segment> segments_;
  TailBatches tail_;
  size_t tail_settled_ = 0;  // of tail_, from the front
  size_t pending_bytes_ = 0;
  std::unique_ptr<ProducerState> producers_;
};

}  // namespace keelson::topic
