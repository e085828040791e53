// Every version there is, by revision: what watches read, what compaction walks, what a checkpoint writes.
//
// Versions lie in chunks of up to kChunkVersions pointers, chunks in an ordered map by their first revision. Appending
// and walking cost a step, finding a place a search over the chunks and one within. Owns the versions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "engine/coord/version.h"

namespace keelson::coord {

class History {
 public:
  static constexpr uint32_t kChunkVersions = 255;  // a chunk is 2 KiB
  // A chunk below this joins its neighbour if both fit into three quarters of one.
  static constexpr uint32_t kChunkVersionsFew = 64;

  using Key = std::pair<Revision, uint32_t>;
  struct Chunk {
    uint32_t count = 0;
    std::array<Version*, kChunkVersions> versions;
  };
  using Chunks = std::map<Key, std::unique_ptr<Chunk>>;

  // A place in the walk; holds until the next append or removal.
  class Cursor {
   public:
    // null: behind the last.
    [[nodiscard]] Version* get() const { return chunk_ == end_ ? nullptr : chunk_->second->versions[at_]; }
    void advance() {
      if (++at_ == chunk_->second->count) {
        ++chunk_;
        at_ = 0;
      }
    }

   private:
    friend class History;
    Cursor(Chunks::const_iterator chunk, Chunks::const_iterator end, uint32_t at) : chunk_(chunk), end_(end), at_(at) {}
    Chunks::const_iterator chunk_;
    Chunks::const_iterator end_;
    uint32_t at_;
  };

  History() = default;
  ~History() { clear(); }
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  // Behind all others. Takes it over.
  void append(Version* version);
  // Destroys it too.
  void remove(Version* version);
  void clear();
  // The first that is not before (main, sub).
  [[nodiscard]] Cursor seek(Revision main, uint32_t sub) const;
  // The last; null: none.
  [[nodiscard]] const Version* last() const;

  [[nodiscard]] size_t size() const { return size_; }
  // Of versions, and of what finds them here.
  [[nodiscard]] size_t version_bytes() const { return version_bytes_; }
  [[nodiscard]] size_t chunk_bytes() const { return chunks_.size() * (sizeof(Chunk) + kNodeBytes); }

 private:
  // A node of the map, and what the allocator rounds a chunk up by.
  static constexpr size_t kNodeBytes = 64 + sizeof(Key) + sizeof(void*);

  void join_with_next(Chunks::iterator at);

  Chunks chunks_;
  size_t size_ = 0;
  size_t version_bytes_ = 0;
};

}  // namespace keelson::coord
