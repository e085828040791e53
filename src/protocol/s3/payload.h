// The body of a request, as bytes that have been checked against everything the client said of them.
//
//   auto payload = Payload::open(call);                    // reads the headers
//   while (true) {
//     auto piece = co_await payload->next();               // empty at the end, where the checks have passed
//     ...
//   }
//
// Checked: the announced length, the SHA-256 that was signed, signed chunks and trailers (aws_chunked.h), Content-MD5,
// and one x-amz-checksum- value from a header or a trailer. Pieces are handed out before the end is checked, so nothing
// may become visible before next() has given its last.
//
// A large body is gathered in blocks, and each block is hashed on a worker (env/workers.h) while its pieces are stored
// and the next block comes: MD5 takes longer than all the rest. Blocks are hashed one after another, so there are two
// at most, one in the worker and one being filled.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"
#include "env/hand_off.h"
#include "protocol/s3/aws_chunked.h"
#include "protocol/s3/call.h"
#include "protocol/s3/checksum.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/error.h"

namespace keelson::s3 {

// What a body is hashed with, as far as it is wanted.
struct PayloadHashes {
  std::optional<Digest> md5;
  std::optional<Digest> sha256;  // for the signature
  std::optional<Checksummer> checksum;
  void update(std::string_view piece);
};

class PayloadReader {
 public:
  // A block; hashing it takes some 300 us, against some 20 us to hand it to a worker and back.
  static constexpr size_t kBlockBytes = size_t{256} << 10;
  // Smaller bodies are hashed where they are received.
  static constexpr uint64_t kBlocksBytesMin = uint64_t{1} << 20;

  // `with_md5`: the MD5 is wanted although the client does not ask for it (entity tags); these are the bytes of an
  // object, whose length must be told. `wanted`: a checksum that is
  // to be computed if the client brings none. kMissingContentLength, kInvalidDigest, kInvalidRequest, kInvalidArgument.
  static S3Result<PayloadReader> open(Call& call, bool with_md5, std::optional<ChecksumAlgorithm> wanted = {},
                                      bool with_checksums = true);

  // The next bytes, until the next call. kIncompleteBody, kBadDigest, kXAmzContentSHA256Mismatch,
  // kSignatureDoesNotMatch.
  Task<S3Result<std::string_view>> next();

  // What was announced.
  [[nodiscard]] uint64_t size_bytes() const { return size_bytes_; }
  // After the end. Of the payload, decoded.
  [[nodiscard]] const std::array<unsigned char, 16>& md5() const { return md5_value_; }
  // The checksum that the client brought or that was wanted.
  [[nodiscard]] const std::optional<blob::Checksum>& checksum() const { return checksum_; }

 private:
  struct Block {
    std::unique_ptr<char[]> bytes = std::make_unique_for_overwrite<char[]>(kBlockBytes);
    size_t size = 0;
    PayloadHashes hashes;  // while it is hashed
  };
  using Hashing = env::HandOff<std::unique_ptr<Block>>;

  explicit PayloadReader(Call& call) : call_(&call) {}
  S3Result<> read_headers(bool is_object);
  S3Result<> read_checksum_headers();
  S3Result<> finish();
  S3Result<> finish_checksum();
  // More bytes into in_; false at the end of the body.
  Task<S3Result<bool>> receive();
  Task<S3Result<std::string_view>> next_block();
  // Takes the bytes of in_ into the block, as much as there is room for.
  S3Result<> gather(Block& block);
  // The hashes and the block come back from the worker.
  Task<void> end_hashing();
  void count(std::string_view piece);

  Call* call_;  // never null; outlives this
  uint64_t size_bytes_ = 0;
  uint64_t seen_bytes_ = 0;
  bool is_done_ = false;
  std::string_view in_;  // of the present piece of the connection, not yet decoded
  std::optional<AwsChunkedDecoder> chunks_;
  PayloadHashes hashes_;
  std::unique_ptr<Hashing> hashing_;  // of the block that was handed out last, with the hashes
  std::unique_ptr<Block> spare_;
  std::string md5_wanted_;
  std::string checksum_wanted_;  // raw; empty: none in a header
  bool is_checksum_in_trailer_ = false;
  std::array<unsigned char, 16> md5_value_{};
  std::optional<blob::Checksum> checksum_;
};

// A whole body of at most `bytes_max`, checked likewise. kMaxMessageLengthExceeded. A body without a length is taken.
// `with_checksums` false: the x-amz-checksum- headers are about something else (CompleteMultipartUpload).
[[nodiscard]] Task<S3Result<std::string>> read_document(Call& call, size_t bytes_max, bool with_checksums = true);

// S3: "Policies are limited to 20 KB"; a DeleteObjects of 1,000 keys of 1,024 bytes, escaped, has up to 6 MB; a
// CompleteMultipartUpload of 10,000 parts with SHA-256 about 2.5 MB.
inline constexpr size_t kSmallDocumentBytesMax = size_t{64} << 10;
inline constexpr size_t kConfigDocumentBytesMax = size_t{1} << 20;
inline constexpr size_t kLargeDocumentBytesMax = size_t{8} << 20;

}  // namespace keelson::s3
