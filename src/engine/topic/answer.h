// What the topic engine answers with. The engine writes into the Answer that the sink shows; a sink without one (a
// replay's, which several threads share) hears nothing. Each part of the engine may add a member here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/topic/cursor_state.h"
#include "engine/topic/group_types.h"
#include "engine/topic/transaction_types.h"
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
  uint64_t version = 0;  // of the directory, when it was changed last
};

// How far a shard's directory is.
struct DirectoryInfo {
  uint64_t version = 0;  // every change up to this one is in it
  uint64_t digest = 0;   // of all topics: equal directories have equal ones, others hardly ever
  uint64_t topics = 0;
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

// Batches in a file: where to look for those that are wanted. read_span() and find_time() of segment_file.h look, off
// the shard's thread.
struct FileSpan {
  std::shared_ptr<const SegmentFile> file;
  uint64_t position = 0;  // a batch begins here, at or before the first that is wanted
  uint64_t end = 0;       // a batch ends here; beyond it nothing counts
  // Find the position by the file's own index first, which goes with a segment that is complete.
  bool has_index = false;
  uint32_t bytes_max = 0;    // about as much is wanted
  int64_t offset = 0;        // the batch that holds it, or the first one behind, is the first that is wanted
  int64_t offset_end = 0;    // batches from there on are not
  int64_t offset_after = 0;  // where the batches behind `end` begin
};

struct ReadAnswer {
  int64_t high_watermark = 0;
  int64_t last_stable = 0;
  int64_t log_start = 0;
  int64_t next_offset = 0;  // behind what is handed out as slices; of a span, read_span() tells
  // Either or neither, never both.
  std::vector<Slice> slices;
  std::optional<FileSpan> span;
  // With a span, of all that it may turn out to be: those that begin at or behind what was read may be left out.
  std::vector<AbortedTransaction> aborted;
};

struct FoundOffset {
  int64_t offset = -1;
  int64_t timestamp_ms = kNoTimestamp;
  // Set: the record that is looked for lies in a file (or behind it), and find_time() finds the first one there whose
  // timestamp is `timestamp_ms` or later. None there: ask again with FindOffset::from_offset = offset_after.
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
  // Of commands of the directory: as it is then.
  DirectoryInfo directory;
  int32_t claim = 0;  // of ClaimShard; of some queries, the shard's present one
  Appended append;
  ReadAnswer read;
  FoundOffset found;
  PartitionInfo partition;
  std::vector<ProducerInfo> producers;
  // Of groups.
  std::vector<GroupInfo> groups;
  std::vector<GroupMember> members;
  std::vector<GroupOffset> group_offsets;
  std::vector<std::pair<std::string, GroupOffset>> expired;  // group, offset
  // Of transactional ids.
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  std::vector<TransactionInfo> transactions;
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
