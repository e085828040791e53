#include "protocol/s3/aws_chunked.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace keelson::s3 {

namespace {

// "<16 hex digits>;chunk-signature=<64 hex digits>" has 97 bytes; a trailer holds a checksum or a signature.
constexpr size_t kLineBytesMax = 1024;
constexpr size_t kTrailerBytesMax = 8 << 10;
constexpr size_t kSizeDigitsMax = 16;
constexpr std::string_view kSignatureParameter = "chunk-signature=";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature";

std::unexpected<S3Error> not_chunked(std::string why) {
  return s3_fail(ErrorCode::kIncompleteBody, "The body is not aws-chunked as announced: " + std::move(why));
}
std::unexpected<S3Error> bad_trailer(std::string why) {
  return s3_fail(ErrorCode::kMalformedTrailerError, "The trailers are not well-formed: " + std::move(why));
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> parse_hex_number(std::string_view text) {
  if (text.empty() || text.size() > kSizeDigitsMax) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<uint64_t>(digit);
  }
  return value;
}

}  // namespace

AwsChunkedDecoder::AwsChunkedDecoder(Options options) : options_(std::move(options)) {}

S3Result<bool> AwsChunkedDecoder::take_line(std::string_view& in) {
  const size_t end = in.find('\n');
  const std::string_view piece = in.substr(0, std::min(end, in.size()));
  if (line_.size() + piece.size() > kLineBytesMax) return not_chunked("a line is too long");
  line_.append(piece);
  if (end == std::string_view::npos) {
    in = {};
    return false;
  }
  in.remove_prefix(end + 1);
  if (line_.ends_with('\r')) {
    line_.pop_back();
  } else if (state_ != State::kTrailer) {
    return not_chunked("a line does not end in CRLF");
  } else {
    has_bare_line_ = true;
  }
  return true;
}

S3Result<> AwsChunkedDecoder::next(std::string_view& in, std::string_view& out) {
  out = {};
  while (!in.empty() && state_ != State::kDone) {
    if (state_ == State::kData) {
      out = in.substr(0, std::min<uint64_t>(left_, in.size()));
      in.remove_prefix(out.size());
      left_ -= out.size();
      total_ += out.size();
      if (hash_) hash_->update(out);
      if (left_ == 0) state_ = State::kDataEnd;
      return {};
    }
    auto whole = take_line(in);
    if (!whole) return std::unexpected(std::move(whole.error()));
    if (!*whole) return {};
    S3Result<> taken;
    switch (state_) {
      case State::kHeader:
        taken = take_chunk_header();
        break;
      case State::kDataEnd:
        taken = line_.empty() ? end_chunk() : S3Result<>(not_chunked("a chunk does not end in CRLF"));
        break;
      case State::kTrailer:
        taken = take_trailer();
        break;
      case State::kData:
      case State::kDone:
        KEELSON_CHECK(false, "no line is read in these states");
    }
    if (!taken) return taken;
    line_.clear();
  }
  return state_ == State::kDone ? take_epilogue(in) : S3Result<>();
}

// A client that ends a trailer with LF writes an empty line more than there should be (minio-go).
S3Result<> AwsChunkedDecoder::take_epilogue(std::string_view& in) {
  constexpr std::string_view kLine = "\r\n";
  while (!in.empty()) {
    if (!has_bare_line_ || epilogue_bytes_ == kLine.size() || in.front() != kLine[epilogue_bytes_]) {
      return not_chunked("something follows its end");
    }
    ++epilogue_bytes_;
    in.remove_prefix(1);
  }
  return {};
}

S3Result<> AwsChunkedDecoder::take_chunk_header() {
  const std::string_view line = line_;
  const size_t semicolon = std::min(line.find(';'), line.size());
  const auto size = parse_hex_number(trim(line.substr(0, semicolon)));
  if (!size) return not_chunked("a chunk's size is not a hexadecimal number");
  if (*size > options_.decoded_bytes - total_) {
    return s3_fail(ErrorCode::kIncompleteBody,
                   "The chunks hold more bytes than x-amz-decoded-content-length announces.");
  }
  left_ = *size;
  is_last_ = *size == 0;
  if (options_.seed) {
    const std::string_view extension = line.substr(std::min(semicolon + 1, line.size()));
    if (!extension.starts_with(kSignatureParameter)) return not_chunked("a chunk has no chunk-signature");
    signature_ = extension.substr(kSignatureParameter.size());
    hash_.emplace(DigestKind::kSha256);
  }
  if (!is_last_) {
    state_ = State::kData;
    return {};
  }
  return end_chunk();
}

std::string AwsChunkedDecoder::chunk_signature(std::string_view data_hash) const {
  const ChunkSeed& seed = *options_.seed;
  std::string to_sign = "AWS4-HMAC-SHA256-PAYLOAD\n";
  to_sign.append(seed.date).append("\n").append(seed.scope).append("\n").append(seed.signature).append("\n");
  to_sign.append(kEmptySha256).append("\n").append(data_hash);
  return signature_v4(seed.signing_key, to_sign);
}

S3Result<> AwsChunkedDecoder::end_chunk() {
  if (options_.seed) {
    const std::string wanted = chunk_signature(to_hex(hash_->finish()));
    hash_.reset();
    if (!equal_in_constant_time(wanted, signature_)) {
      return s3_fail(ErrorCode::kSignatureDoesNotMatch, "The signature of a chunk of the body does not match.");
    }
    options_.seed->signature = std::move(signature_);
  }
  if (!is_last_) {
    state_ = State::kHeader;
    return {};
  }
  if (total_ != options_.decoded_bytes) {
    return s3_fail(ErrorCode::kIncompleteBody,
                   "The chunks hold fewer bytes than x-amz-decoded-content-length announces.");
  }
  // Without trailers the empty line of the last chunk's data follows, which is the end of no trailers as well.
  state_ = State::kTrailer;
  return {};
}

S3Result<> AwsChunkedDecoder::take_trailer() {
  if (line_.empty()) {
    // Some clients end a trailer with LF and then write CRLF: an empty line that ends nothing.
    const bool awaits_signature = options_.seed && options_.has_trailer && trailer_signature_.empty();
    if (awaits_signature && !trailers_.empty()) return {};
    return check_trailers();
  }
  trailer_bytes_ += line_.size();
  if (!options_.has_trailer) return bad_trailer("none were announced");
  if (trailer_bytes_ > kTrailerBytesMax) return bad_trailer("they are too long");
  const std::string_view line = line_;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return bad_trailer("one has no name");
  std::string name(trim(line.substr(0, colon)));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == kTrailerSignature) {
    trailer_signature_ = value;
    return {};
  }
  signed_trailers_.append(name).append(":").append(value).append("\n");
  trailers_.emplace_back(std::move(name), value);
  return {};
}

S3Result<> AwsChunkedDecoder::check_trailers() {
  state_ = State::kDone;
  if (!options_.seed || !options_.has_trailer) return {};
  const ChunkSeed& seed = *options_.seed;
  std::string to_sign = "AWS4-HMAC-SHA256-TRAILER\n";
  to_sign.append(seed.date).append("\n").append(seed.scope).append("\n").append(seed.signature).append("\n");
  to_sign.append(to_hex(digest_of(DigestKind::kSha256, signed_trailers_)));
  if (!equal_in_constant_time(signature_v4(seed.signing_key, to_sign), trailer_signature_)) {
    return s3_fail(ErrorCode::kSignatureDoesNotMatch, "The signature of the trailers does not match.");
  }
  return {};
}

}  // namespace keelson::s3
