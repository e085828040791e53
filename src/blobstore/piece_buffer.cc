#include "blobstore/piece_buffer.h"

#include <string>
#include <utility>

#include "env/disk.h"
#include "log/commit_log.h"

namespace keelson::blobstore {

bool PieceBuffer::read_cached(const VolumeFile& from, uint64_t offset_bytes, size_t bytes, StoreStats& stats) {
  if (bytes > capacity_) {
    bytes_ = std::make_unique_for_overwrite<char[]>(bytes);
    capacity_ = bytes;
  }
  const Result<size_t> count = from.file->read_cached(offset_bytes, {bytes_.get(), bytes});
  if (!count.ok() || *count != bytes) return false;
  stats.read_bytes.add(bytes);
  return true;
}

Task<Status> PieceBuffer::fetch(VolumeFile from, uint64_t offset_bytes, size_t bytes, env::Reactor& here,
                                StoreStats& stats) {
  stats.cold_reads.add();
  Result<env::Fetched> fetched = co_await from.file->fetch(offset_bytes, bytes, here);
  if (!fetched.ok()) {
    co_return fail(fetched.error().code(),
                   from.path + " at offset " + std::to_string(offset_bytes) + ": " + fetched.error().message());
  }
  stats.read_bytes.add(fetched->count);
  if (fetched->count != bytes) {
    co_return fail(log::LogErrc::kDamaged, from.path + " at offset " + std::to_string(offset_bytes + fetched->count) +
                                               ": the file ends before the object does");
  }
  bytes_ = std::move(fetched->bytes);
  capacity_ = bytes;
  co_return Status();
}

Task<Status> PieceBuffer::read(VolumeFile from, uint64_t offset_bytes, size_t bytes, env::Reactor& here,
                               StoreStats& stats) {
  if (read_cached(from, offset_bytes, bytes, stats)) co_return Status();
  co_return co_await fetch(std::move(from), offset_bytes, bytes, here, stats);
}

}  // namespace keelson::blobstore
