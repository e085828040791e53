#include "engine/topic/partition_log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/topic/batch_builder.h"
#include "engine/topic/log_store.h"
#include "engine/topic/record_reader.h"

namespace keelson::topic {

namespace {

bool has_keys(std::string_view batch) {
  RecordReader reader;
  Record record;
  if (reader.begin(batch) != BatchErrc::kOk) return false;
  while (reader.next(record)) {
    if (!record.key) return false;
  }
  return reader.error() == BatchErrc::kOk;
}

}  // namespace

ProducerState& PartitionLog::producer_state() {
  if (producers_ == nullptr) producers_ = std::make_unique<ProducerState>();
  return *producers_;
}

int64_t PartitionLog::last_stable() const {
  return producers_ == nullptr ? next_offset_ : producers_->last_stable(next_offset_);
}

uint64_t PartitionLog::bytes() const {
  uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.bytes;
  return bytes;
}

TopicErrc PartitionLog::check_one(const BatchView& batch, int64_t now_ms, bool is_from_client,
                                  std::string& reason) const {
  if (batch.record_count() < 1 || batch.last_offset_delta() < 0) return TopicErrc::kInvalidRecord;
  if (!is_from_client) return TopicErrc::kOk;
  if (batch.is_control()) {
    reason = "Clients are not allowed to write control records";
    return TopicErrc::kInvalidRecord;
  }
  if (batch.size_bytes() > config_.message_bytes_max) {
    reason = "The record batch size is " + std::to_string(batch.size_bytes()) +
             " bytes which exceeds the maximum configured value of " + std::to_string(config_.message_bytes_max);
    return TopicErrc::kMessageTooLarge;
  }
  if (config_.compacts && !has_keys(batch.bytes())) {
    reason = "Compacted topic cannot accept message without key";
    return TopicErrc::kInvalidRecord;
  }
  if (batch.max_timestamp_ms() < kNoTimestamp) return TopicErrc::kInvalidTimestamp;
  if (!config_.is_log_append_time && batch.max_timestamp_ms() != kNoTimestamp) {
    const int64_t ahead_ms = batch.max_timestamp_ms() - now_ms;
    const int64_t behind_ms = now_ms - batch.max_timestamp_ms();
    if (ahead_ms > config_.timestamp_after_max_ms || behind_ms > config_.timestamp_before_max_ms) {
      reason = "Timestamp " + std::to_string(batch.max_timestamp_ms()) +
               " of a record is out of range: the server's time is " + std::to_string(now_ms);
      return TopicErrc::kInvalidTimestamp;
    }
  }
  return TopicErrc::kOk;
}

// All of them or none: looks at every batch before the first one is appended.
TopicErrc PartitionLog::check(const engine::ApplyContext& context, std::string_view batches, bool is_from_client,
                              Appended& out, std::string& reason) const {
  if (batches.empty()) return TopicErrc::kInvalid;
  int64_t producer = kNoProducerId;
  int32_t last_sequence = -1;
  int16_t epoch = -1;
  for (bool is_first = true; !batches.empty(); is_first = false) {
    if (check_frame(batches) != BatchErrc::kOk) return TopicErrc::kInvalid;
    const BatchView batch(batches);
    if (const TopicErrc error = check_one(batch, context.time_ms, is_from_client, reason); error != TopicErrc::kOk) {
      return error;
    }
    if (is_from_client && is_first && batch.has_producer()) {
      if (producers_ != nullptr) {
        const ProducerState::Verdict verdict = producers_->check(batch, context.time_ms);
        if (verdict.error != TopicErrc::kOk) return verdict.error;
        if (verdict.duplicate_of >= 0) {
          out.is_duplicate = true;
          out.base_offset = verdict.duplicate_of;
          if (config_.is_log_append_time) out.log_append_time_ms = verdict.duplicate_timestamp_ms;
          return TopicErrc::kOk;
        }
      }
    } else if (is_from_client && !is_first) {
      // What follows must go on where the first one ended: one producer, or none.
      if (batch.producer_id() != producer || batch.producer_epoch() != epoch) return TopicErrc::kInvalidRecord;
      if (batch.has_producer() && batch.base_sequence() != sequence_after(last_sequence, 2)) {
        return TopicErrc::kOutOfOrderSequence;
      }
    }
    producer = batch.producer_id();
    epoch = batch.producer_epoch();
    last_sequence = batch.last_sequence();
    batches.remove_prefix(batch.size_bytes());
  }
  return TopicErrc::kOk;
}

TopicErrc PartitionLog::append(LogStore& store, const engine::ApplyContext& context, std::string_view batches,
                               bool is_from_client, Appended& out, std::string& reason) {
  out = {};
  const TopicErrc error = check(context, batches, is_from_client, out, reason);
  out.log_start = log_start_;
  if (out.is_duplicate && store.options().faults.takes_duplicates) out.is_duplicate = false;
  if (error != TopicErrc::kOk || out.is_duplicate) return error;
  store.will_change(*this);
  out.base_offset = next_offset_;
  if (config_.is_log_append_time) out.log_append_time_ms = context.time_ms;
  while (!batches.empty()) {
    const std::string_view batch = BatchView(batches).bytes();
    append_one(store, context, batch);
    batches.remove_prefix(batch.size());
  }
  store.has_appended(*this);
  return TopicErrc::kOk;
}

Segment& PartitionLog::segment_for(size_t bytes, int64_t now_ms) {
  if (!segments_.empty()) {
    const Segment& last = segments_.back();
    const bool is_full = last.bytes != 0 && last.bytes + bytes > config_.segment_bytes;
    const bool is_old = last.bytes != 0 && now_ms - last.first_append_ms > config_.segment_ms;
    if (!is_full && !is_old) return segments_.back();
  }
  Segment& segment = segments_.emplace_back();
  segment.base_offset = next_offset_;
  segment.first_append_ms = now_ms;
  segment.index = std::make_unique<SegmentIndex>();
  return segment;
}

void PartitionLog::append_one(LogStore& store, const engine::ApplyContext& context, std::string_view bytes) {
  Segment& segment = segment_for(bytes.size(), context.time_ms);
  TailBatch at;
  char* copy = store.tail().append(*this, bytes, at);
  set_base_offset(copy, next_offset_);
  set_leader_epoch(copy, 0);
  const BatchView batch(std::string_view(copy, bytes.size()));
  if (config_.is_log_append_time && !batch.is_control()) set_log_append_time(copy, context.time_ms);
  at.base_offset = next_offset_;
  at.next_offset = batch.next_offset();
  at.max_timestamp_ms = batch.max_timestamp_ms();
  at.file_position = static_cast<uint32_t>(segment.bytes);
  add_to_index(*segment.index, at.base_offset, at.file_position, segment.max_timestamp_ms,
               config_.index_interval_bytes);
  if (segment.bytes == 0) segment.first_timestamp_ms = batch.base_timestamp_ms();
  segment.bytes += bytes.size();
  segment.last_append_ms = context.time_ms;
  if (at.max_timestamp_ms > segment.max_timestamp_ms) {
    segment.max_timestamp_ms = at.max_timestamp_ms;
    segment.max_timestamp_offset = at.base_offset;
  }
  if (batch.has_producer() && !batch.is_control()) producer_state().note(batch, at.base_offset, context.time_ms);
  tail_.push_back(at);
  pending_bytes_ += bytes.size();
  next_offset_ = at.next_offset;
}

TopicErrc PartitionLog::end_transaction(LogStore& store, const engine::ApplyContext& context,
                                        const EndPartitionTransaction& body, Appended& out) {
  out = {};
  out.log_start = log_start_;
  if (body.producer_id < 0 || body.producer_epoch < 0) return TopicErrc::kInvalid;
  if (producers_ != nullptr) {
    const TopicErrc error =
        producers_->check_end(body.producer_id, body.producer_epoch, body.coordinator_epoch, context.time_ms);
    if (error != TopicErrc::kOk) return error;
  }
  store.will_change(*this);
  int64_t marker_offset = -1;
  if (producers_ != nullptr && producers_->transaction_start(body.producer_id) >= 0) {
    marker_offset = next_offset_;
    out.base_offset = marker_offset;
    const ControlType type = body.is_commit ? ControlType::kCommit : ControlType::kAbort;
    append_one(store, context,
               make_end_marker(type, body.producer_id, body.producer_epoch, body.coordinator_epoch, context.time_ms));
    store.has_appended(*this);
  }
  // Also where nothing was to be ended: what an older epoch sends later must not begin a transaction that nobody ends.
  producer_state().note_end(body.producer_id, body.producer_epoch, body.coordinator_epoch, body.is_commit,
                            marker_offset, context.time_ms);
  return TopicErrc::kOk;
}

TopicErrc PartitionLog::trim(LogStore& store, int64_t start) {
  if (start > next_offset_ || start < 0) return TopicErrc::kOffsetOutOfRange;
  if (start <= log_start_) return TopicErrc::kOk;
  store.will_change(*this);
  log_start_ = start;
  size_t gone = 0;
  while (gone < segments_.size() && segment_end(gone) <= start) ++gone;
  const int64_t kept_from = gone < segments_.size() ? segments_[gone].base_offset : next_offset_;
  // What is not written yet of a segment that stays is written all the same: a file has no holes.
  while (!tail_.empty() &&
         (tail_.front().next_offset <= kept_from || (tail_settled_ != 0 && tail_.front().next_offset <= start))) {
    if (tail_settled_ == 0) {
      store.tail().settled(tail_.front());
      pending_bytes_ -= tail_.front().size;
    } else {
      --tail_settled_;
    }
    tail_.pop_front();
  }
  settled_offset_ = std::max(settled_offset_, kept_from);
  for (size_t i = 0; i < gone; ++i) store.discard({id_, segments_[i].base_offset, segments_[i].generation});
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(gone));
  if (producers_ != nullptr) producers_->trim(start);
  clean_offset_ = std::max(clean_offset_, start);
  store.touch(*this);
  return TopicErrc::kOk;
}

void PartitionLog::drop_chunk(uint64_t number) {
  while (!tail_.empty() && tail_.front().chunk == number) {
    KEELSON_CHECK(tail_settled_ != 0, "only what is written is dropped");
    --tail_settled_;
    tail_.pop_front();
  }
}

void PartitionLog::drop_tail(LogStore& store) {
  for (; !tail_.empty(); tail_.pop_front()) {
    if (tail_settled_ == 0) {
      store.tail().settled(tail_.front());
    } else {
      --tail_settled_;
    }
  }
  pending_bytes_ = 0;
}

bool PartitionLog::replace_segment(uint32_t old_generation, const Segment& with) {
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    Segment& segment = segments_[i];
    if (segment.base_offset != with.base_offset) continue;
    if (segment.generation != old_generation || segment.index != nullptr) return false;
    segment.generation = with.generation;
    segment.bytes = with.bytes;
    segment.first_timestamp_ms = with.first_timestamp_ms;
    segment.max_timestamp_ms = with.max_timestamp_ms;
    segment.max_timestamp_offset = with.max_timestamp_offset;
    return true;
  }
  return false;
}

void PartitionLog::forget_markers(const std::vector<int64_t>& offsets) {
  if (producers_ != nullptr) producers_->forget_markers(offsets);
}

}  // namespace keelson::topic
