// Store's BlobWriter: frames bytes into chunks and writes them four at a time, on its own reactor; the volumes' reactor
// sets regions aside, and writes the end, which is all of a small payload, before it syncs. The device is asked to
// begin with what was written while more comes, so that the sync at the end has little to wait for.
//
// A region of a volume is set aside for it, as long as what is expected, or growing with what has come, so that a large
// payload lies in few extents although others are written at the same time.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "blobstore/format.h"
#include "blobstore/store_inside.h"

namespace keelson::blobstore {

class Writer final : public BlobWriter {
 public:
  Writer(Store::Inside& inside, env::Reactor& here, shard::ShardId shard, uint64_t owner, WriterOptions options);
  ~Writer() override;

  Task<Status> append(std::string_view bytes) override;
  Task<Result<Payload>> finish() override;
  [[nodiscard]] uint64_t size_bytes() const override { return size_bytes_; }

 private:
  static constexpr size_t kChunksMax = 4;
  static_assert(kChunksMax * kChunkPayloadMax <= kPieceBytesMax);
  // The device is asked to write each time that so much has come. Less makes more requests of it than it likes; of an
  // object of 16 MiB an eighth is left for the sync.
  static constexpr uint64_t kWriteBehindBytes = uint64_t{2} << 20;

  void add_to_chunk(std::string_view bytes);
  void close_chunk();
  // Room in the region for what is framed; on the volumes' reactor.
  Status make_room();
  Status next_region(uint64_t bytes);
  // What is framed into the region; `stats` of the reactor that it runs on.
  Status write_framed(StoreStats& stats);
  void write_behind();
  // On the volumes' reactor.
  Task<Status> write_last();

  Store::Inside& inside_;
  env::Reactor& here_;
  const shard::ShardId shard_;
  const uint64_t owner_;
  const WriterOptions options_;

  std::unique_ptr<char[]> framed_;  // whole chunks with room for their headers, then the open one
  size_t framed_capacity_ = 0;
  size_t framed_bytes_ = 0;  // of closed chunks
  size_t open_bytes_ = 0;    // payload of the open chunk
  std::array<uint32_t, kChunksMax> crcs_{};
  std::array<size_t, kChunksMax> lengths_{};
  size_t chunks_ = 0;  // closed
  uint64_t size_bytes_ = 0;
  bool has_failed_ = false;

  // Touched on the volumes' reactor too, while here_ waits.
  Region region_;
  VolumeFile file_;             // the region's
  uint64_t behind_until_ = 0;   // in the region: what the device was asked to write
  uint64_t written_bytes_ = 0;  // payload
  std::vector<blob::Extent> extents_;
  std::vector<uint32_t> pinned_;
};

}  // namespace keelson::blobstore
