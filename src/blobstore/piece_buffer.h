// A piece of a volume in memory, read on any reactor: at once if the page cache has it, else off the reactor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/task.h"
#include "blobstore/volume_set.h"
#include "env/reactor.h"

namespace keelson::blobstore {

class PieceBuffer {
 public:
  // Of the last piece that was read; holds until the next one is.
  [[nodiscard]] char* data() const { return bytes_.get(); }

  // Exactly these bytes, without waiting. False: not all of them lie in the page cache, or they cannot be read, which
  // fetch() finds too and tells.
  [[nodiscard]] bool read_cached(const VolumeFile& from, uint64_t offset_bytes, size_t bytes, StoreStats& stats);
  // Exactly these bytes, off the reactor. An error names the file: kDamaged if it ends before, and the disk's own.
  [[nodiscard]] Task<Status> fetch(VolumeFile from, uint64_t offset_bytes, size_t bytes, env::Reactor& here,
                                   StoreStats& stats);
  // The one or else the other.
  [[nodiscard]] Task<Status> read(VolumeFile from, uint64_t offset_bytes, size_t bytes, env::Reactor& here,
                                  StoreStats& stats);

 private:
  std::unique_ptr<char[]> bytes_;
  size_t capacity_ = 0;
};

}  // namespace keelson::blobstore
