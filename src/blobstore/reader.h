// Store's BlobReader: reads up to four chunks at a time and checks them, all on its own reactor; the volumes' reactor
// is asked for the volume's file alone, once for each volume.
//
// What the page cache has is read at once. A piece that it does not have is read off the reactor, and from then on the
// kernel is asked to read ahead, so that the next pieces are in the page cache by the time this one has been sent.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "blobstore/format.h"
#include "blobstore/piece_buffer.h"
#include "blobstore/store_inside.h"

namespace keelson::blobstore {

class Reader final : public BlobReader {
 public:
  Reader(Store::Inside& inside, env::Reactor& here, shard::ShardId shard, uint64_t owner, Payload payload);
  ~Reader() override;

  // On the volumes' reactor, once: keeps the volumes, and reads ahead what is small.
  void pin_and_prefetch();

  void seek(uint64_t offset_bytes, uint64_t length_bytes) override;
  Task<Result<std::string_view>> next() override;

 private:
  static constexpr size_t kChunksMax = 4;
  // The kernel is asked for so much ahead of what has been read, when half of it is used up: 2 ms of a disk that reads
  // 2 GiB/s.
  static constexpr uint64_t kReadAheadBytes = uint64_t{4} << 20;

  // Finds the chunks that hold the position, as many as go into the buffer.
  void plan();
  // Where the chunk ends, in the volume, that holds the last byte asked for of this extent.
  [[nodiscard]] uint64_t wanted_end() const;
  // What plan() has found.
  Task<Status> load();
  void read_ahead();
  // The next chunk in the buffer, checked, and of it what was asked for.
  Result<std::string_view> take_chunk();

  Store::Inside& inside_;
  env::Reactor& here_;
  const shard::ShardId shard_;
  const uint64_t owner_;
  const Payload payload_;
  std::vector<uint32_t> pinned_;

  uint64_t position_ = 0;
  uint64_t end_ = 0;
  size_t extent_ = 0;          // that holds the position
  uint64_t extent_start_ = 0;  // its place within the payload

  VolumeFile file_;
  uint32_t file_volume_ = 0;  // whose it is; 0: none's
  PieceBuffer buffer_;
  bool is_cold_ = false;        // something was not in the page cache
  uint64_t ahead_until_ = 0;    // in the volume: what the kernel was asked for
  uint64_t loaded_offset_ = 0;  // in the volume
  size_t loaded_bytes_ = 0;
  size_t taken_bytes_ = 0;       // of them, by chunks handed out
  uint64_t loaded_payload_ = 0;  // place within the payload of the chunk behind taken_bytes_
};

}  // namespace keelson::blobstore
