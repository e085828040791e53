// The newest batches of a shard in memory: chunks that all its partitions share, each batch copied in once. A chunk
// goes when all that is in it lies in segments too and there is more than is to be kept: the oldest first.
//
// A chunk's bytes do not change once a batch is complete, so readers of other threads hold on to them as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/topic/answer.h"

namespace keelson::topic {

class PartitionLog;

// A batch in the tail.
struct TailBatch {
  int64_t base_offset = 0;
  int64_t next_offset = 0;
  int64_t max_timestamp_ms = kNoTimestamp;
  uint64_t chunk = 0;  // its number
  uint32_t chunk_position = 0;
  uint32_t size = 0;
  uint32_t file_position = 0;  // where it lies, or will lie, in its segment
};

// First in, first out, with as little memory as possible when nothing is in it.
class TailBatches {
 public:
  [[nodiscard]] size_t size() const { return batches_.size() - first_; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] const TailBatch& operator[](size_t i) const { return batches_[first_ + i]; }
  [[nodiscard]] const TailBatch& front() const { return batches_[first_]; }
  [[nodiscard]] const TailBatch& back() const { return batches_.back(); }
  void push_back(const TailBatch& batch) { batches_.push_back(batch); }
  void pop_front();
  // The first that ends behind the offset; size() if there is none.
  [[nodiscard]] size_t find(int64_t offset) const;

 private:
  std::vector<TailBatch> batches_;
  size_t first_ = 0;
};

class Tail {
 public:
  explicit Tail(size_t cache_bytes) : cache_bytes_(cache_bytes) {}

  // Copies the bytes; the place is told in `batch`. The result is where they lie, to be changed before anybody else
  // sees them. The log has a batch in that chunk from now on, which is not settled.
  char* append(PartitionLog& log, std::string_view bytes, TailBatch& batch);
  [[nodiscard]] std::string_view bytes(const TailBatch& batch) const;
  [[nodiscard]] Slice slice(const TailBatch& batch) const;
  // Both lie in one chunk, the second right behind the first.
  [[nodiscard]] static bool are_neighbours(const TailBatch& first, const TailBatch& second) {
    return first.chunk == second.chunk && first.chunk_position + first.size == second.chunk_position;
  }

  // The batch lies in a segment, or is not wanted any more.
  void settled(const TailBatch& batch);
  // Drops chunks that need not be kept, with what their logs have in them (PartitionLog::drop_chunk()).
  void shrink();
  // The log is about to be destroyed; its batches are settled.
  void forget(const PartitionLog& log);
  void clear();

  [[nodiscard]] size_t bytes_held() const { return bytes_held_; }
  [[nodiscard]] size_t unsettled_bytes() const { return unsettled_bytes_; }

  static constexpr size_t kChunkBytes = size_t{1} << 20;

 private:
  struct Chunk {
    std::shared_ptr<const char[]> bytes;
    char* to = nullptr;  // the same
    size_t capacity = 0;
    size_t used = 0;
    size_t unsettled = 0;  // batches
    // Whose batches are in it, each log once.
    std::vector<PartitionLog*> logs;
  };
  [[nodiscard]] const Chunk& chunk(uint64_t number) const { return chunks_[number - first_number_]; }
  Chunk& open_chunk(size_t bytes);

  const size_t cache_bytes_;
  std::deque<Chunk> chunks_;
  uint64_t first_number_ = 1;
  size_t bytes_held_ = 0;
  size_t unsettled_bytes_ = 0;
};

}  // namespace keelson::topic
