// Compression on the way to a writer, decompression on the way from a reader: see codec.h for the format.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "blobstore/store.h"

namespace keelson::blobstore {

// Of content that is not worth it (its first block saves less than an eighth, or it is tiny) nothing is compressed.
class CompressingWriter final : public BlobWriter {
 public:
  explicit CompressingWriter(std::unique_ptr<BlobWriter> packed);

  Task<Status> append(std::string_view bytes) override;
  Task<Result<Payload>> finish() override;
  [[nodiscard]] uint64_t size_bytes() const override { return size_bytes_; }

 private:
  Task<Status> end_block();

  const std::unique_ptr<BlobWriter> packed_;
  // The open block. A full one waits for what comes: alone, it has no table.
  std::unique_ptr<char[]> block_;
  size_t capacity_ = 0;
  size_t open_bytes_ = 0;
  std::unique_ptr<char[]> frame_;
  std::vector<uint64_t> table_;
  bool has_given_up_ = false;
  uint64_t size_bytes_ = 0;
};

class DecompressingReader final : public BlobReader {
 public:
  DecompressingReader(std::unique_ptr<BlobReader> packed, const std::vector<blob::Segment>& segments);

  void seek(uint64_t offset_bytes, uint64_t length_bytes) override;
  // kDamaged: what is there cannot be decompressed.
  Task<Result<std::string_view>> next() override;
  void use_key(const SecretKey& data_key) override { packed_->use_key(data_key); }

 private:
  struct Part {
    blob::Segment segment;
    uint64_t start = 0;         // in the content
    uint64_t packed_start = 0;  // in the packed bytes
    [[nodiscard]] uint64_t end() const { return start + segment.size_bytes; }
    [[nodiscard]] uint64_t blocks() const;
    [[nodiscard]] uint64_t table_bytes() const;
  };
  // Where a block lies in the segment's packed bytes.
  struct Block {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool is_plain = false;
  };

  [[nodiscard]] const Part& part_of(uint64_t position) const;
  // Makes the reader behind go on at `from`, up to `to`, unless it is there.
  void aim(uint64_t from, uint64_t to);
  Task<Result<std::string_view>> take(size_t bytes);
  Task<Status> load_table(const Part& part, uint64_t block);
  [[nodiscard]] Block block_of(const Part& part, uint64_t block) const;
  Task<Result<std::string_view>> next_plain(const Part& part);
  Task<Result<std::string_view>> next_compressed(const Part& part);
  std::unexpected<Error> damaged();

  const std::unique_ptr<BlobReader> packed_;
  std::vector<Part> parts_;
  uint64_t position_ = 0;
  uint64_t end_ = 0;

  uint64_t packed_position_ = 0;  // of pending_
  uint64_t packed_end_ = 0;       // of what the reader behind was sent to
  std::string_view pending_;
  std::unique_ptr<char[]> gathered_;

  // Entries of a part's table, from the one in front of the first block that they tell.
  uint64_t table_part_ = UINT64_MAX;
  uint64_t table_first_ = 0;  // block
  std::vector<uint64_t> table_;

  std::unique_ptr<char[]> text_;
  size_t text_capacity_ = 0;
};

}  // namespace keelson::blobstore
