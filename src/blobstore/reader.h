// Store's BlobReader: reads up to four chunks at a time on the volumes' reactor, checks them on its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "blobstore/format.h"
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

  // Finds the chunks that hold the position, as many as go into the buffer.
  void plan();
  // On the volumes' reactor.
  Status load();
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

  std::unique_ptr<char[]> buffer_;
  size_t buffer_capacity_ = 0;
  uint64_t loaded_offset_ = 0;  // in the volume
  size_t loaded_bytes_ = 0;
  size_t taken_bytes_ = 0;       // of them, by chunks handed out
  uint64_t loaded_payload_ = 0;  // place within the payload of the chunk behind taken_bytes_
};

}  // namespace keelson::blobstore
