// The content coding "aws-chunked": a body in chunks, each signed or not, and trailer fields behind them ("Signature
// calculations for the Authorization header: transferring payload in multiple chunks", Amazon S3 API reference).
//
//   chunk   = size-hex [";chunk-signature=" 64 hex digits] CRLF data CRLF
//   body    = chunks, a chunk of size 0 without the CRLF of data, trailers, CRLF
//   trailer = name ":" value (CRLF or LF)
//
// Signed chunks chain: each signature covers the one before, so chunks cannot be left out, moved or added. The bytes of
// a chunk are handed out before its signature can be checked: whoever takes them makes nothing of them visible until
// the decoder is done.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/s3/digest.h"
#include "protocol/s3/error.h"
#include "protocol/s3/signature_v4.h"

namespace keelson::s3 {

class AwsChunkedDecoder {
 public:
  struct Options {
    std::optional<ChunkSeed> seed;  // chunks are signed
    bool has_trailer = false;
    uint64_t decoded_bytes = 0;  // x-amz-decoded-content-length: what must come out
  };
  explicit AwsChunkedDecoder(Options options);

  // Takes from the front of `in` and sets `out` to the next bytes of the payload (a view into `in`'s bytes). An empty
  // `out`: `in` is used up or the body is done. Errors: kSignatureDoesNotMatch, kIncompleteBody (more or less than
  // announced), kInvalidRequest (not this coding).
  S3Result<> next(std::string_view& in, std::string_view& out);

  // The last chunk and the trailers have been read. What follows is too much.
  [[nodiscard]] bool is_done() const { return state_ == State::kDone; }
  // Lower-case names; once done.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& trailers() const { return trailers_; }

 private:
  enum class State : uint8_t { kHeader, kData, kDataEnd, kTrailer, kDone };

  // A line's end has been found: line_ holds it without CRLF. False: more bytes are needed.
  S3Result<bool> take_line(std::string_view& in);
  S3Result<> take_chunk_header();
  S3Result<> end_chunk();
  S3Result<> take_trailer();
  S3Result<> check_trailers();
  S3Result<> take_epilogue(std::string_view& in);
  [[nodiscard]] std::string chunk_signature(std::string_view data_hash) const;

  Options options_;
  State state_ = State::kHeader;
  std::string line_;
  uint64_t left_ = 0;   // of the chunk
  uint64_t total_ = 0;  // handed out
  bool is_last_ = false;
  std::string signature_;  // of the present chunk, as sent
  std::optional<Digest> hash_;
  std::string signed_trailers_;
  bool has_bare_line_ = false;  // a trailer ended with LF alone
  size_t epilogue_bytes_ = 0;
  std::string trailer_signature_;
  size_t trailer_bytes_ = 0;
  std::vector<std::pair<std::string, std::string>> trailers_;
};

}  // namespace keelson::s3
