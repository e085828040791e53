// Store's BlobWriter: frames bytes into chunks on its own reactor and hands them to the volumes' reactor four at a
// time.
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

  void add_to_chunk(std::string_view bytes);
  void close_chunk();
  // On the volumes' reactor.
  Status write_out();
  Status next_region(uint64_t bytes);
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

  // Touched on the volumes' reactor while here_ waits.
  Region region_;
  uint64_t written_bytes_ = 0;  // payload
  std::vector<blob::Extent> extents_;
  std::vector<uint32_t> pinned_;
};

}  // namespace keelson::blobstore
