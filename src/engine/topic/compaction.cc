#include "engine/topic/compaction.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "engine/topic/batch_builder.h"

namespace keelson::topic {

namespace {

constexpr size_t kStepBytes = size_t{256} << 10;
constexpr size_t kWriteBytes = size_t{1} << 20;

// delete.retention.ms may be for ever.
int64_t horizon_ms(const CompactionPlan& plan) {
  return plan.now_ms + std::min(plan.delete_retention_ms, INT64_MAX - plan.now_ms);
}

}  // namespace

Compaction::Compaction(CompactionPlan plan) : plan_(std::move(plan)), map_end_(plan_.clean_offset) {
  while (segment_ < plan_.segments.size() && plan_.segments[segment_].end_offset <= plan_.clean_offset) ++segment_;
}

Compaction::~Compaction() {
  to_.reset();
  // Nobody knows the file; should it stay, it is a stray.
  if (!to_path_.empty()) (void)plan_.disk->remove(to_path_);
}

std::string Compaction::path_of(const SegmentName& name, std::string_view suffix) const {
  return plan_.folder + "/" + file_name(name, suffix);
}

Compaction::Key Compaction::key_of(std::string_view bytes) const {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), plan_.seed);
  return {hash.low64, hash.high64};
}

bool Compaction::is_aborted(const BatchView& batch) const {
  if (!batch.is_transactional() || batch.is_control()) return false;
  auto range = std::ranges::lower_bound(plan_.aborted, batch.base_offset(), {}, &AbortedRange::marker_offset);
  for (; range != plan_.aborted.end(); ++range) {
    if (range->producer_id == batch.producer_id() && range->first_offset <= batch.base_offset()) return true;
    if (range->last_stable > batch.base_offset()) break;
  }
  return false;
}

std::unexpected<Error> Compaction::damaged(std::string_view what, const BatchView& batch) const {
  return fail(std::make_error_code(std::errc::bad_message), "topic: " + from_->path() + ", the batch at offset " +
                                                                std::to_string(batch.base_offset()) + ": " +
                                                                std::string(what));
}

Task<Result<bool>> Compaction::step(env::Reactor& here) {
  if (!is_mapped_) {
    auto more = co_await map_some(here);
    if (!more.ok() || *more) co_return more;
    is_mapped_ = true;
    from_.reset();
    segment_ = 0;
    co_return map_end_ > plan_.clean_offset;
  }
  auto more = co_await rewrite_some(here);
  if (more.ok() && !*more) is_done_ = true;
  co_return more;
}

// ---- Reading.

// Skips those that were trimmed away meanwhile. Null from_: there are no more.
Task<Status> Compaction::open_next() {
  for (; segment_ < plan_.segments.size(); ++segment_) {
    Status opened = open(segment_);
    if (opened.ok() || opened.error().code() != make_error_code(env::DiskErrc::kNotFound)) co_return opened;
  }
  co_return Status();
}

Status Compaction::open(size_t segment) {
  const CompactionPlan::Source& source = plan_.segments[segment];
  const SegmentName name{plan_.partition, source.base_offset, source.generation};
  auto file = plan_.disk->open(path_of(name, kSegmentSuffix), env::OpenMode::kRead);
  if (!file.ok()) return forward_error(file);
  from_ = std::make_unique<SegmentFile>(*plan_.disk, plan_.folder, name, std::move(*file));
  position_ = 0;
  return {};
}

Task<Result<std::string_view>> Compaction::fill(env::Reactor& here) {
  const uint64_t left = plan_.segments[segment_].bytes - position_;
  size_t wanted = std::min<uint64_t>(kStepBytes, left);
  while (wanted != 0) {
    auto fetched = co_await from_->read(position_, wanted, here);
    if (!fetched.ok()) co_return forward_error(fetched);
    read_ = std::move(*fetched);
    const std::string_view all(read_.bytes.get(), read_.count);
    size_t whole = 0;
    while (whole < all.size() && check_frame(all.substr(whole)) == BatchErrc::kOk) {
      const BatchView batch(all.substr(whole));
      if (batch.crc() != batch.computed_crc()) co_return damaged("it does not have its CRC", batch);
      whole += batch.size_bytes();
    }
    position_ += whole;
    if (whole != 0) co_return all.substr(0, whole);
    const BatchErrc error = check_frame(all);
    if (error != BatchErrc::kCutShort || all.size() < wanted || wanted == left) {
      co_return fail(std::make_error_code(std::errc::bad_message),
                     "topic: " + from_->path() + ", at byte " + std::to_string(position_) +
                         ": there is no record batch where one should begin");
    }
    wanted = std::min<uint64_t>(left, std::max(BatchView(all).size_bytes(), wanted + 1));
  }
  co_return std::string_view();
}

// ---- 1. The last offset of each key.

Task<Result<bool>> Compaction::map_some(env::Reactor& here) {
  if (from_ == nullptr) {
    if (Status opened = co_await open_next(); !opened.ok()) co_return forward_error(opened);
    if (from_ == nullptr) co_return false;
  }
  auto batches = co_await fill(here);
  if (!batches.ok()) co_return forward_error(batches);
  std::string_view rest = *batches;
  if (rest.empty()) {
    map_end_ = plan_.segments[segment_].end_offset;
    from_.reset();
    co_return ++segment_ < plan_.segments.size();
  }
  while (!rest.empty()) {
    const BatchView batch(rest);
    rest.remove_prefix(batch.size_bytes());
    if (batch.next_offset() <= plan_.clean_offset || batch.is_control() || is_aborted(batch)) continue;
    // No room for the keys of one more: up to here, this time. At least one batch comes in, lest it never ends.
    const auto count = static_cast<size_t>(std::max(batch.record_count(), 0));
    if (!last_.empty() && last_.size() + count > plan_.keys_max) {
      map_end_ = batch.base_offset();
      co_return false;
    }
    if (Status mapped = map_batch(batch); !mapped.ok()) co_return forward_error(mapped);
  }
  co_return true;
}

Status Compaction::map_batch(const BatchView& batch) {
  BatchErrc error = reader_.begin(batch.bytes());
  Record record;
  while (error == BatchErrc::kOk && reader_.next(record)) {
    if (record.key) last_[key_of(*record.key)] = record.offset + (plan_.faults.drops_last_of_key ? 1 : 0);
  }
  if (error == BatchErrc::kOk) error = reader_.error();
  if (error != BatchErrc::kOk) return damaged(errc_text(error), batch);
  return {};
}

// ---- 2. Writing anew.

Task<Result<bool>> Compaction::rewrite_some(env::Reactor& here) {
  if (from_ == nullptr) {
    if (Status opened = co_await open_next(); !opened.ok()) co_return forward_error(opened);
    if (from_ == nullptr || plan_.segments[segment_].base_offset >= map_end_) co_return false;
    if (Status begun = begin_segment(); !begun.ok()) co_return forward_error(begun);
  }
  auto batches = co_await fill(here);
  if (!batches.ok()) co_return forward_error(batches);
  std::string_view rest = *batches;
  if (rest.empty()) {
    if (Status finished = co_await finish_segment(here); !finished.ok()) co_return forward_error(finished);
    from_.reset();
    ++segment_;
    co_return true;
  }
  while (!rest.empty()) {
    const BatchView batch(rest);
    rest.remove_prefix(batch.size_bytes());
    if (Status rewritten = rewrite_batch(batch); !rewritten.ok()) co_return forward_error(rewritten);
  }
  co_return true;
}

Status Compaction::rewrite_batch(const BatchView& batch) {
  if (batch.base_offset() >= map_end_) {
    keep(batch.bytes());
    return flush();
  }
  const auto count = static_cast<uint64_t>(std::max(batch.record_count(), 0));
  if (is_aborted(batch)) {
    counts_.records_removed += count;
    is_changed_ = true;
    return {};
  }
  const bool is_over = batch.has_delete_horizon() && plan_.now_ms >= batch.base_timestamp_ms();
  if (batch.is_control() && is_over && batch.base_offset() < plan_.tail_begins) {
    // All that it ended lies before it, and was compacted at the latest now.
    next_.markers_gone.push_back(batch.base_offset());
    ++counts_.records_removed;
    is_changed_ = true;
    return {};
  }
  return rewrite_records(batch, is_over);
}

Status Compaction::rewrite_records(const BatchView& batch, bool drops_tombstones) {
  BatchErrc error = reader_.begin(batch.bytes());
  std::vector<Record> left;
  Record record;
  uint64_t removed = 0;
  bool has_tombstone = false;
  while (error == BatchErrc::kOk && reader_.next(record)) {
    bool stays = record.offset >= map_end_ || batch.is_control();
    if (!stays && record.key) {
      const auto last = last_.find(key_of(*record.key));
      stays = last == last_.end() || last->second <= record.offset;
      if (stays && !record.value) {
        stays = !drops_tombstones;
        has_tombstone |= stays;
      }
    }
    if (stays) {
      left.push_back(record);
    } else {
      ++removed;
    }
  }
  if (error == BatchErrc::kOk) error = reader_.error();
  if (error != BatchErrc::kOk) return damaged(errc_text(error), batch);
  counts_.records_removed += removed;
  counts_.records_kept += left.size();
  const bool gets_horizon = (has_tombstone || batch.is_control()) && !batch.has_delete_horizon();
  if (removed == 0 && !gets_horizon) {
    keep(batch.bytes());
    return flush();
  }
  is_changed_ = true;
  if (left.empty()) return {};
  auto attributes = batch.attributes();
  if (gets_horizon) attributes = static_cast<int16_t>(attributes | kDeleteHorizonBit);
  BatchOptions options{.codec = batch.codec(),
                       .base_offset = batch.base_offset(),
                       .leader_epoch = batch.leader_epoch(),
                       .producer_id = batch.producer_id(),
                       .producer_epoch = batch.producer_epoch(),
                       .base_sequence = batch.base_sequence(),
                       .attributes = attributes,
                       .base_timestamp_ms = batch.base_timestamp_ms(),
                       .last_offset_delta = batch.last_offset_delta()};
  if (gets_horizon) options.base_timestamp_ms = horizon_ms(plan_);
  if (batch.is_log_append_time()) options.max_timestamp_ms = batch.max_timestamp_ms();
  BatchBuilder builder(options);
  for (const Record& one : left) builder.add(one);
  // With another time to count from, or compressed by another level, it may be larger than batches can be read: then it
  // stays as it is.
  const bool is_readable = builder.size_bytes() <= kDecompressedBytesMax;
  const std::string made = builder.finish();
  keep(is_readable && made.size() <= kBatchBytesMax ? made : batch.bytes());
  return flush();
}

void Compaction::keep(std::string_view bytes) {
  const BatchView batch(bytes);
  const uint64_t position = written_ + pending_.size();
  if (position == 0) next_.first_timestamp_ms = batch.max_timestamp_ms();
  add_to_index(index_, batch.base_offset(), static_cast<uint32_t>(position), next_.max_timestamp_ms,
               plan_.index_interval_bytes);
  if (batch.max_timestamp_ms() > next_.max_timestamp_ms) {
    next_.max_timestamp_ms = batch.max_timestamp_ms();
    next_.max_timestamp_offset = batch.base_offset();
  }
  pending_.append(bytes);
}

Status Compaction::flush() {
  if (pending_.size() < kWriteBytes) return {};
  if (Status written = to_->write_at(written_, pending_); !written.ok()) return written;
  written_ += pending_.size();
  pending_.clear();
  return {};
}

// By chance, so that two nodes, each of which compacts for itself, do not call different bytes by one name.
uint32_t Compaction::new_generation(const CompactionPlan::Source& source) const {
  SegmentName name{plan_.partition, source.base_offset, source.generation};
  do {
    const std::string before = file_name(name, kSegmentSuffix);
    name.generation =
        kCompactedGeneration | static_cast<uint32_t>(XXH3_64bits_withSeed(before.data(), before.size(), plan_.seed));
  } while (name.generation == source.generation || plan_.disk->exists(path_of(name, kSegmentSuffix)));
  return name.generation;
}

Status Compaction::begin_segment() {
  const CompactionPlan::Source& source = plan_.segments[segment_];
  next_ = {.base_offset = source.base_offset,
           .old_generation = source.generation,
           .generation = new_generation(source),
           .max_timestamp_offset = source.base_offset,
           .markers_gone = {}};
  written_ = 0;
  pending_.clear();
  is_changed_ = false;
  index_.clear();
  const SegmentName name{plan_.partition, next_.base_offset, next_.generation};
  const std::string path = path_of(name, kSegmentSuffix) + std::string(kAsideSuffix);
  if (plan_.disk->exists(path)) {  // left by a crash
    if (Status removed = plan_.disk->remove(path); !removed.ok()) return removed;
  }
  auto file = plan_.disk->open(path, env::OpenMode::kCreate);
  if (!file.ok()) return forward_error(file);
  to_ = std::move(*file);
  to_path_ = path;
  return {};
}

Task<Status> Compaction::finish_segment(env::Reactor& here) {
  if (!is_changed_) {
    to_.reset();
    co_return plan_.disk->remove(std::exchange(to_path_, {}));
  }
  if (Status written = to_->write_at(written_, pending_); !written.ok()) co_return forward_error(written);
  next_.bytes = written_ + pending_.size();
  pending_.clear();
  if (Status synced = co_await to_->sync(here); !synced.ok()) co_return forward_error(synced);
  to_.reset();
  const SegmentName name{plan_.partition, next_.base_offset, next_.generation};
  const std::string index = file_name(name, kIndexSuffix);
  Status done = co_await env::replace_file(*plan_.disk, here, plan_.folder, index, encode_index(index_, next_.bytes));
  if (done.ok()) done = plan_.disk->rename(to_path_, path_of(name, kSegmentSuffix));
  if (!done.ok()) co_return forward_error(done);
  to_path_.clear();
  done = co_await plan_.disk->sync_folder(plan_.folder, here);
  if (!done.ok()) co_return forward_error(done);
  counts_.bytes_before += plan_.segments[segment_].bytes;
  counts_.bytes_after += next_.bytes;
  made_.push_back(std::move(next_));
  co_return Status();
}

}  // namespace keelson::topic
