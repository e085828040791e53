// The queries of PartitionLog.
#include <algorithm>

#include "engine/topic/log_store.h"
#include "engine/topic/partition_log.h"

namespace keelson::topic {

namespace {

constexpr int64_t kTimeOfEnd = -1;
constexpr int64_t kTimeOfStart = -2;
constexpr int64_t kTimeOfMaxTimestamp = -3;

}  // namespace

// The one that holds the offset, or the first behind it if it is in none.
size_t PartitionLog::segment_of(int64_t offset) const {
  const auto behind = std::ranges::upper_bound(segments_, offset, {}, &Segment::base_offset);
  return behind == segments_.begin() ? 0 : static_cast<size_t>(behind - segments_.begin()) - 1;
}

// How much of the segment's file counts.
uint64_t PartitionLog::settled_bytes_of(size_t segment) const {
  if (segment_end(segment) <= settled_offset_) return segments_[segment].bytes;
  for (size_t i = tail_settled_; i < tail_.size(); ++i) {
    if (tail_[i].base_offset >= segments_[segment].base_offset) return tail_[i].file_position;
  }
  return segments_[segment].bytes;
}

uint64_t PartitionLog::written_bytes(const SegmentName& name) const {
  const auto found = std::ranges::lower_bound(segments_, name.base_offset, {}, &Segment::base_offset);
  if (found == segments_.end() || found->base_offset != name.base_offset || found->generation != name.generation) {
    return 0;
  }
  return settled_bytes_of(static_cast<size_t>(found - segments_.begin()));
}

void PartitionLog::read_tail(const LogStore& store, int64_t offset, uint32_t bytes_max, int64_t until,
                             ReadAnswer& out) const {
  uint64_t bytes = 0;
  out.next_offset = offset;
  for (size_t i = tail_.find(offset); i < tail_.size() && tail_[i].base_offset < until; ++i) {
    const TailBatch& batch = tail_[i];
    if (bytes != 0 && bytes + batch.size > bytes_max) break;
    if (bytes != 0 && Tail::are_neighbours(tail_[i - 1], batch)) {
      std::string_view& last = out.slices.back().bytes;
      last = {last.data(), last.size() + batch.size};
    } else {
      out.slices.push_back(store.tail().slice(batch));
    }
    bytes += batch.size;
    out.next_offset = batch.next_offset;
  }
}

// `span` has what the caller wants; this adds where it is.
TopicErrc PartitionLog::read_file(LogStore& store, size_t segment, FileSpan& span, std::string& reason) const {
  const Segment& from = segments_[segment];
  auto file = store.open_for_reading({id_, from.base_offset, from.generation});
  if (!file.ok()) {
    reason = file.error().message();
    return TopicErrc::kCorruptBatch;
  }
  span.file = std::move(*file);
  span.end = settled_bytes_of(segment);
  span.has_index = from.index == nullptr;
  span.offset_after = std::min(segment_end(segment), settled_offset_);
  return TopicErrc::kOk;
}

TopicErrc PartitionLog::read(LogStore& store, const Read& wanted, ReadAnswer& out, std::string& reason) const {
  Read what = wanted;
  out.high_watermark = next_offset_;
  out.last_stable = last_stable();
  out.log_start = log_start_;
  out.next_offset = what.offset;
  if (what.offset < log_start_ || what.offset > next_offset_) return TopicErrc::kOffsetOutOfRange;
  const int64_t until = what.is_committed_only ? out.last_stable : next_offset_;
  if (what.offset >= until) return TopicErrc::kOk;
  // Compaction may have left nothing of a segment: it goes on behind that.
  for (size_t segment = segment_of(what.offset);
       !is_in_tail(what.offset) && segment + 1 < segments_.size() && settled_bytes_of(segment) == 0; ++segment) {
    what.offset = out.next_offset = segments_[segment + 1].base_offset;
    if (what.offset >= until) return TopicErrc::kOk;
  }
  int64_t read_to = until;
  if (is_in_tail(what.offset)) {
    read_tail(store, what.offset, what.bytes_max, until, out);
    read_to = out.next_offset;
  } else {
    const size_t segment = segment_of(what.offset);
    FileSpan span;
    span.bytes_max = what.bytes_max;
    span.offset = what.offset;
    span.offset_end = until;
    if (const TopicErrc error = read_file(store, segment, span, reason); error != TopicErrc::kOk) return error;
    if (!span.has_index) span.position = position_of_offset(*segments_[segment].index, what.offset);
    read_to = std::min(until, span.offset_after);
    out.span = std::move(span);
  }
  if (what.is_committed_only && producers_ != nullptr && !store.options().faults.hides_aborted)
    producers_->aborted_within(what.offset, read_to, out.aborted);
  return TopicErrc::kOk;
}

TopicErrc PartitionLog::find_time_from(LogStore& store, int64_t from, int64_t time_ms, int64_t until, FoundOffset& out,
                                       std::string& reason) const {
  const int64_t tail_begins = tail_.empty() ? next_offset_ : tail_.front().base_offset;
  for (size_t i = segment_of(from); i < segments_.size() && segments_[i].base_offset < tail_begins; ++i) {
    if (segment_end(i) <= from || segments_[i].max_timestamp_ms < time_ms || segments_[i].base_offset >= until) {
      continue;
    }
    FileSpan span;
    span.offset = std::max(from, segments_[i].base_offset);
    span.offset_end = until;
    if (const TopicErrc error = read_file(store, i, span, reason); error != TopicErrc::kOk) return error;
    // What the tail has is looked for there.
    span.offset_after = std::min(span.offset_after, tail_begins);
    span.offset_end = std::min(span.offset_end, span.offset_after);
    if (from >= span.offset_after) continue;
    if (!span.has_index) {
      span.position =
          std::max(position_of_offset(*segments_[i].index, from), position_of_time(*segments_[i].index, time_ms));
    }
    out.timestamp_ms = time_ms;
    out.within = std::move(span);
    return TopicErrc::kOk;
  }
  for (size_t i = tail_.find(from); i < tail_.size() && tail_[i].base_offset < until; ++i) {
    if (tail_[i].max_timestamp_ms < time_ms) continue;
    if (find_time_in_batch(store.tail().bytes(tail_[i]), from, time_ms, out)) return TopicErrc::kOk;
  }
  return TopicErrc::kOk;
}

TopicErrc PartitionLog::find_offset(LogStore& store, const FindOffset& what, FoundOffset& out,
                                    std::string& reason) const {
  const int64_t until = what.is_committed_only ? last_stable() : next_offset_;
  if (what.time_ms == kTimeOfEnd) {
    out.offset = until;
    return TopicErrc::kOk;
  }
  if (what.time_ms == kTimeOfStart) {
    out.offset = log_start_;
    return TopicErrc::kOk;
  }
  int64_t from = std::max(what.from_offset, log_start_);
  int64_t time_ms = what.time_ms;
  if (what.time_ms == kTimeOfMaxTimestamp) {
    const auto greatest = std::ranges::max_element(segments_, {}, &Segment::max_timestamp_ms);
    if (greatest == segments_.end() || greatest->max_timestamp_ms == kNoTimestamp) return TopicErrc::kOk;
    time_ms = greatest->max_timestamp_ms;
    from = std::max(from, greatest->max_timestamp_offset);
  } else if (time_ms < 0) {
    return TopicErrc::kInvalid;
  }
  return find_time_from(store, from, time_ms, until, out, reason);
}

void PartitionLog::describe(PartitionInfo& out) const {
  out.log_start = log_start_;
  out.high_watermark = next_offset_;
  out.last_stable = last_stable();
  out.bytes = bytes();
  out.leader_epoch = 0;
  if (!segments_.empty()) out.first_timestamp_ms = segments_.front().first_timestamp_ms;
  for (const Segment& segment : segments_) {
    out.max_timestamp_ms = std::max(out.max_timestamp_ms, segment.max_timestamp_ms);
  }
}

}  // namespace keelson::topic
