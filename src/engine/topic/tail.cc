#include "engine/topic/tail.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "engine/topic/partition_log.h"

namespace keelson::topic {

namespace {
// Below that, what was taken from the front is not worth moving the rest.
constexpr size_t kPoppedMin = 32;
// A new chunk is small while there is little in the tail, so that a shard with little to do holds little.
constexpr size_t kFirstChunkBytes = size_t{16} << 10;
}  // namespace

void TailBatches::pop_front() {
  ++first_;
  if (first_ == batches_.size()) {
    // Also gives the memory back.
    batches_ = {};
    first_ = 0;
  } else if (first_ >= kPoppedMin && first_ * 2 >= batches_.size()) {
    batches_.erase(batches_.begin(), batches_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

size_t TailBatches::find(int64_t offset) const {
  const auto begin = batches_.begin() + static_cast<std::ptrdiff_t>(first_);
  const auto found = std::ranges::upper_bound(begin, batches_.end(), offset, {}, &TailBatch::next_offset);
  return static_cast<size_t>(found - begin);
}

Tail::Chunk& Tail::open_chunk(size_t bytes) {
  if (!chunks_.empty() && chunks_.back().capacity - chunks_.back().used >= bytes) return chunks_.back();
  const size_t usual = std::clamp(bytes_held_, kFirstChunkBytes, kChunkBytes);
  const size_t capacity = std::max(bytes, usual);
  Chunk& chunk = chunks_.emplace_back();
  auto made = std::make_shared_for_overwrite<char[]>(capacity);
  chunk.to = made.get();
  chunk.bytes = std::move(made);
  chunk.capacity = capacity;
  bytes_held_ += capacity;
  return chunk;
}

char* Tail::append(PartitionLog& log, std::string_view bytes, TailBatch& batch) {
  Chunk& chunk = open_chunk(bytes.size());
  const uint64_t number = first_number_ + chunks_.size() - 1;
  if (log.last_chunk != number) {
    log.last_chunk = number;
    chunk.logs.push_back(&log);
  }
  char* to = chunk.to + chunk.used;
  std::memcpy(to, bytes.data(), bytes.size());
  batch.chunk = number;
  batch.chunk_position = static_cast<uint32_t>(chunk.used);
  batch.size = static_cast<uint32_t>(bytes.size());
  chunk.used += bytes.size();
  ++chunk.unsettled;
  unsettled_bytes_ += bytes.size();
  return to;
}

std::string_view Tail::bytes(const TailBatch& batch) const {
  return {chunk(batch.chunk).to + batch.chunk_position, batch.size};
}

Slice Tail::slice(const TailBatch& batch) const { return {chunk(batch.chunk).bytes, bytes(batch)}; }

void Tail::settled(const TailBatch& batch) {
  Chunk& in = chunks_[batch.chunk - first_number_];
  KEELSON_CHECK(in.unsettled != 0, "a batch is settled once");
  --in.unsettled;
  unsettled_bytes_ -= batch.size;
}

void Tail::shrink() {
  while (bytes_held_ > cache_bytes_ && !chunks_.empty() && chunks_.front().unsettled == 0) {
    for (PartitionLog* log : chunks_.front().logs) log->drop_chunk(first_number_);
    bytes_held_ -= chunks_.front().capacity;
    chunks_.pop_front();
    ++first_number_;
  }
}

void Tail::forget(const PartitionLog& log) {
  for (Chunk& chunk : chunks_) std::erase(chunk.logs, &log);
}

void Tail::clear() {
  first_number_ += chunks_.size();
  chunks_.clear();
  bytes_held_ = 0;
  unsettled_bytes_ = 0;
}

}  // namespace keelson::topic
