// A partition in a checkpoint: what it knows, but no batches, all of which lie in segments by then.
//
// The fields in the order of fields_of() below (body_codec.h). The index is that of the last segment, the others' lie
// in files.
#include <utility>

#include "engine/topic/body_codec.h"
#include "engine/topic/log_store.h"
#include "engine/topic/partition_log.h"

namespace keelson::topic {

namespace {

struct SavedBatch {
  int32_t first_sequence = 0;
  int32_t last_sequence = 0;
  int64_t base_offset = 0;
  int64_t timestamp_ms = 0;
};
struct SavedProducer {
  int64_t id = 0;
  int16_t epoch = 0;
  int32_t coordinator_epoch = 0;
  int64_t last_append_ms = 0;
  int64_t transaction_start = 0;
  std::vector<SavedBatch> batches;
};
struct SavedSegment {
  int64_t base_offset = 0;
  uint64_t bytes = 0;
  int64_t max_timestamp_ms = 0;
  int64_t max_timestamp_offset = 0;
  int64_t first_timestamp_ms = 0;
  int64_t first_append_ms = 0;
  int64_t last_append_ms = 0;
  uint32_t generation = 0;
};
struct SavedLog {
  PartitionId id;
  int64_t log_start = 0;
  int64_t next_offset = 0;
  int64_t clean_offset = 0;
  std::vector<SavedSegment> segments;
  SegmentIndex index;
  std::vector<SavedProducer> producers;
  std::vector<AbortedRange> aborted;
};

}  // namespace

static void fields_of(auto& visit, Is<SavedBatch> auto& b) {
  visit(b.first_sequence, b.last_sequence, b.base_offset, b.timestamp_ms);
}
static void fields_of(auto& visit, Is<SavedProducer> auto& b) {
  visit(b.id, b.epoch, b.coordinator_epoch, b.last_append_ms, b.transaction_start, b.batches);
}
static void fields_of(auto& visit, Is<SavedSegment> auto& b) {
  visit(b.base_offset, b.bytes, b.max_timestamp_ms, b.max_timestamp_offset, b.first_timestamp_ms, b.first_append_ms,
        b.last_append_ms, b.generation);
}
static void fields_of(auto& visit, Is<IndexEntry> auto& b) { visit(b.offset, b.position, b.max_timestamp_before_ms); }
static void fields_of(auto& visit, Is<AbortedRange> auto& b) {
  visit(b.producer_id, b.first_offset, b.marker_offset, b.last_stable);
}
static void fields_of(auto& visit, Is<SavedLog> auto& b) {
  visit(b.id, b.log_start, b.next_offset, b.clean_offset, b.segments, b.index, b.producers, b.aborted);
}

void PartitionLog::save(std::string& out) const {
  SavedLog saved{.id = id_,
                 .log_start = log_start_,
                 .next_offset = next_offset_,
                 .clean_offset = clean_offset_,
                 .segments = {},
                 .index = {},
                 .producers = {},
                 .aborted = {}};
  for (const Segment& segment : segments_) {
    saved.segments.push_back({segment.base_offset, segment.bytes, segment.max_timestamp_ms,
                              segment.max_timestamp_offset, segment.first_timestamp_ms, segment.first_append_ms,
                              segment.last_append_ms, segment.generation});
  }
  if (!segments_.empty() && segments_.back().index != nullptr) saved.index = *segments_.back().index;
  if (producers_ != nullptr) {
    for (const auto& [id, producer] : producers_->producers()) {
      SavedProducer& to = saved.producers.emplace_back();
      to = {id, producer.epoch, producer.coordinator_epoch, producer.last_append_ms, producer.transaction_start, {}};
      for (size_t i = 0; i < producer.count; ++i) {
        const ProducerBatch& batch = producer.batches[i];
        to.batches.push_back({batch.first_sequence, batch.last_sequence, batch.base_offset, batch.timestamp_ms});
      }
    }
    saved.aborted.assign(producers_->aborted().begin(), producers_->aborted().end());
  }
  out = encode_body(saved);
}

bool PartitionLog::segments_of(std::string_view bytes, std::vector<std::pair<SegmentName, uint64_t>>& out) {
  SavedLog saved;
  if (!decode_body(bytes, saved)) return false;
  for (const SavedSegment& segment : saved.segments) {
    if (segment.base_offset < 0) return false;
    out.emplace_back(SegmentName{saved.id, segment.base_offset, segment.generation}, segment.bytes);
  }
  return saved.id.partition >= 0;
}

bool PartitionLog::load(std::string_view bytes) {
  SavedLog saved;
  if (!decode_body(bytes, saved) || saved.id != id_ || saved.log_start < 0 || saved.next_offset < saved.log_start ||
      saved.clean_offset > saved.next_offset) {
    return false;
  }
  log_start_ = saved.log_start;
  next_offset_ = saved.next_offset;
  settled_offset_ = saved.next_offset;
  clean_offset_ = saved.clean_offset;
  int64_t least = 0;
  for (const SavedSegment& segment : saved.segments) {
    if (segment.base_offset < least || segment.base_offset >= next_offset_) return false;
    least = segment.base_offset + 1;
    Segment& to = segments_.emplace_back();
    to.base_offset = segment.base_offset;
    to.bytes = segment.bytes;
    to.max_timestamp_ms = segment.max_timestamp_ms;
    to.max_timestamp_offset = segment.max_timestamp_offset;
    to.first_timestamp_ms = segment.first_timestamp_ms;
    to.first_append_ms = segment.first_append_ms;
    to.last_append_ms = segment.last_append_ms;
    to.generation = segment.generation;
  }
  // The first one holds the start, wherever it was trimmed to; without any there are no records.
  if (segments_.empty() ? log_start_ != next_offset_ : segments_.front().base_offset > log_start_) return false;
  if (!segments_.empty() && segments_.back().bytes > UINT32_MAX) return false;
  if (!segments_.empty()) segments_.back().index = std::make_unique<SegmentIndex>(std::move(saved.index));
  for (const SavedProducer& producer : saved.producers) {
    if (producer.batches.size() > kBatchesRemembered) return false;
    Producer to{.epoch = producer.epoch,
                .coordinator_epoch = producer.coordinator_epoch,
                .last_append_ms = producer.last_append_ms,
                .transaction_start = producer.transaction_start};
    for (const SavedBatch& batch : producer.batches) {
      to.batches[to.count++] = {batch.first_sequence, batch.last_sequence, batch.base_offset, batch.timestamp_ms};
    }
    producer_state().load(producer.id, to);
  }
  for (const AbortedRange& range : saved.aborted) producer_state().load(range);
  return true;
}

}  // namespace keelson::topic
