// Sealing on the way to a writer, unsealing on the way from a reader: see codec.h for the format.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "blobstore/sealing.h"
#include "blobstore/store.h"

namespace keelson::blobstore {

class SealingWriter final : public BlobWriter {
 public:
  SealingWriter(std::unique_ptr<BlobWriter> stored, const SecretKey& data_key, const blob::Salt& salt, uint64_t owner);

  Task<Status> append(std::string_view bytes) override;
  Task<Result<Payload>> finish() override;
  [[nodiscard]] uint64_t size_bytes() const override { return size_bytes_; }

 private:
  Task<Status> seal_piece(bool is_last);

  const std::unique_ptr<BlobWriter> stored_;
  const blob::Salt salt_;
  PieceCipher cipher_;
  // The open piece, with room for its tag. A full one waits for what comes: it may be the last.
  std::unique_ptr<char[]> piece_;
  size_t capacity_ = 0;
  size_t open_bytes_ = 0;
  uint64_t pieces_ = 0;
  uint64_t size_bytes_ = 0;
};

// Gives back the packed bytes.
class UnsealingReader final : public BlobReader {
 public:
  UnsealingReader(std::unique_ptr<BlobReader> stored, const std::vector<blob::Segment>& segments, uint64_t owner);

  void seek(uint64_t offset_bytes, uint64_t length_bytes) override;
  // kDamaged: what is stored does not open; kRefused: no key was given.
  Task<Result<std::string_view>> next() override;
  void use_key(const SecretKey& data_key) override;

 private:
  struct Part {
    blob::Segment segment;
    uint64_t start = 0;         // in the packed bytes
    uint64_t stored_start = 0;  // in the stored bytes
    [[nodiscard]] uint64_t end() const { return start + segment.packed_bytes; }
  };

  // Sends the reader behind to the first byte that is needed.
  void begin();
  // Where the stored bytes that are needed for the packed byte at `position` begin, and end.
  [[nodiscard]] uint64_t stored_begin(const Part& part, uint64_t position) const;
  [[nodiscard]] uint64_t stored_end(const Part& part, uint64_t last) const;
  [[nodiscard]] const Part& part_of(uint64_t position) const;
  // Exactly so many of the stored bytes, in one piece.
  Task<Result<std::string_view>> take_stored(size_t bytes);
  Task<Result<std::string_view>> next_plain(const Part& part);
  Task<Result<std::string_view>> next_sealed(const Part& part);

  const std::unique_ptr<BlobReader> stored_;
  const uint64_t owner_;
  std::vector<Part> parts_;
  std::optional<SecretKey> data_key_;
  std::optional<PieceCipher> cipher_;  // of the part at cipher_start_
  uint64_t cipher_start_ = 0;

  uint64_t position_ = 0;
  uint64_t end_ = 0;
  bool has_begun_ = false;
  std::string_view pending_;          // handed over by stored_, not yet taken
  std::unique_ptr<char[]> gathered_;  // a piece that came in several
  std::unique_ptr<char[]> text_;
  size_t text_capacity_ = 0;
};

}  // namespace keelson::blobstore
