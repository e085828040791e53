// What PartitionLog writes to its segments.
#include <algorithm>

#include "engine/topic/log_store.h"
#include "engine/topic/partition_log.h"

namespace keelson::topic {

namespace {
constexpr size_t kRunBytesMax = size_t{1} << 20;
}  // namespace

// Batches of the tail that are neighbours in one segment.
struct PartitionLog::Run {
  size_t segment = 0;
  size_t first = 0;  // of tail_
  size_t last = 0;   // included
  size_t bytes = 0;
  bool is_in_a_row = true;  // in memory too
};

Status PartitionLog::write_run(LogStore& store, const Run& run) {
  Segment& segment = segments_[run.segment];
  const TailBatch& first = tail_[run.first];
  if (first.file_position == 0 && !segment.is_open_for_writing) {
    segment.generation = store.fresh_generation({id_, segment.base_offset, segment.generation});
  }
  const SegmentName name{id_, segment.base_offset, segment.generation};
  auto file = store.open_for_writing(name, segment, first.file_position);
  if (!file.ok()) return forward_error(file);
  std::string_view bytes;
  if (run.is_in_a_row) {
    bytes = {store.tail().bytes(first).data(), run.bytes};
  } else {
    std::string& gathered = store.scratch();
    gathered.clear();
    gathered.reserve(run.bytes);
    for (size_t i = run.first; i <= run.last; ++i) gathered.append(store.tail().bytes(tail_[i]));
    bytes = gathered;
  }
  store.was_written(name);
  return (*file)->file().write_at(first.file_position, bytes);
}

// It is written to its end: its index goes to a file.
Status PartitionLog::finish_segment(LogStore& store, size_t i) {
  Segment& segment = segments_[i];
  Status written = store.write_index({id_, segment.base_offset, segment.generation}, *segment.index, segment.bytes);
  if (written.ok()) segment.index.reset();
  return written;
}

Status PartitionLog::settle(LogStore& store) {
  while (tail_settled_ < tail_.size()) {
    Run run{.segment = segment_of(tail_[tail_settled_].base_offset), .first = tail_settled_};
    const int64_t segment_ends = segment_end(run.segment);
    for (size_t i = run.first; i < tail_.size() && tail_[i].base_offset < segment_ends; ++i) {
      if (run.bytes != 0 && run.bytes + tail_[i].size > kRunBytesMax) break;
      if (run.bytes != 0 && !Tail::are_neighbours(tail_[i - 1], tail_[i])) run.is_in_a_row = false;
      run.bytes += tail_[i].size;
      run.last = i;
    }
    if (Status written = write_run(store, run); !written.ok()) return written;
    for (size_t i = run.first; i <= run.last; ++i) store.tail().settled(tail_[i]);
    pending_bytes_ -= run.bytes;
    tail_settled_ = run.last + 1;
    settled_offset_ = tail_[run.last].next_offset;
  }
  for (size_t i = segments_.size(); i-- > 0;) {
    if (i + 1 == segments_.size()) continue;
    if (segments_[i].index == nullptr) break;
    if (Status finished = finish_segment(store, i); !finished.ok()) return finished;
  }
  return {};
}

}  // namespace keelson::topic
