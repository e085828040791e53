// What the topic engine answers with. The engine writes into the Answer that the sink shows; a sink without one (a
// replay's, which several threads share) hears nothing. Each part of the engine may add a member here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/topic/cursor_state.h"
#include "engine/topic/types.h"

namespace keelson::topic {

class SegmentFile;  // segment_file.h: an open file that is only read

struct TopicInfo {
  TopicId id;
  std::string name;
  int32_t partition_count = 0;
  Pairs configs;  // those that were set
  bool is_internal = false;
  int64_t created_ms = 0;
};

struct Document {
  std::string key;
  std::string value;
  uint64_t version = 0;
};

struct Appended {
  int64_t base_offset = -1;
  int64_t log_append_time_ms = kNoTimestamp;  // only if the topic's timestamps are of that type
  int64_t log_start = 0;
  bool is_duplicate = false;  // it was there already: base_offset is where
};

struct AbortedTransaction {
  int64_t producer_id = kNoProducerId;
  int64_t first_offset = 0;
};

// Bytes that several readers share; never change.
struct Slice {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
};

// Batches in a file: whole, one after another, with their offsets in place.
struct FileSpan {
  std::shared_ptr<const SegmentFile> file;
  uint64_t position = 0;
  uint32_t length = 0;
};

struct ReadAnswer {
  int64_t high_watermark = 0;
  int64_t last_stable = 0;
  int64_t log_start = 0;
  int64_t next_offset = 0;  // behind what is handed out
  // Either or neither, never both.
  std::vector<Slice> slices;
  std::optional<FileSpan> span;
  std::vector<AbortedTransaction> aborted;
};

struct FoundOffset {
  int64_t offset = -1;
  int64_t timestamp_ms = kNoTimestamp;
  // The batch that holds it lies on disk, and only its records tell (compressed, or not in memory): look for the first
  // record at or above the time asked for in the batches that begin here.
  std::optional<FileSpan> within;
};

struct PartitionInfo {
  int64_t log_start = 0;
  int64_t high_watermark = 0;
  int64_t last_stable = 0;
  uint64_t bytes = 0;  // of batches
  int64_t first_timestamp_ms = kNoTimestamp;
  int64_t max_timestamp_ms = kNoTimestamp;
  int32_t leader_epoch = 0;
};

struct ProducerInfo {
  int64_t id = kNoProducerId;
  int16_t epoch = -1;
  int32_t last_sequence = -1;
  int64_t last_timestamp_ms = kNoTimestamp;
  int32_t coordinator_epoch = -1;
  int64_t transaction_start = -1;  // offset, or -1
};

struct Answer {
  TopicErrc error = TopicErrc::kOk;
  std::string reason;  // of some errors, for people
  std::vector<TopicInfo> topics;
  bool is_truncated = false;
  std::vector<Document> documents;
  Appended append;
  ReadAnswer read;
  FoundOffset found;
  PartitionInfo partition;
  std::vector<ProducerInfo> producers;
  std::vector<CursorInfo> cursors;
  [[nodiscard]] bool ok() const { return error == TopicErrc::kOk; }
};

class AnswerSink : public engine::ReplySink {
 public:
  // Where to write, or null: nobody listens.
  [[nodiscard]] virtual Answer* answer() = 0;
};

// Swallows answers; any thread.
class NullAnswer final : public AnswerSink {
 public:
  [[nodiscard]] Answer* answer() override { return nullptr; }
};

}  // namespace keelson::topic
