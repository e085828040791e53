#include "protocol/s3/payload.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace keelson::s3 {

namespace {

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string checksum_mismatch(ChecksumAlgorithm algorithm) {
  return "The " + std::string(checksum_name(algorithm)) + " you specified did not match the calculated checksum.";
}

}  // namespace

S3Result<PayloadReader> PayloadReader::open(Call& call, bool with_md5, std::optional<ChecksumAlgorithm> wanted,
                                            bool with_checksums) {
  PayloadReader reader(call);
  if (auto read = reader.read_headers(with_md5); !read) return std::unexpected(std::move(read.error()));
  if (with_checksums) {
    if (auto read = reader.read_checksum_headers(); !read) return std::unexpected(std::move(read.error()));
  }
  if (with_md5 && !reader.md5_) reader.md5_.emplace(DigestKind::kMd5);
  if (wanted && !reader.checksummer_) reader.checksummer_.emplace(*wanted);
  return reader;
}

S3Result<> PayloadReader::read_headers(bool is_object) {
  Call& call = *call_;
  const bool is_chunked = call.payload != PayloadKind::kUnsigned && call.payload != PayloadKind::kHashed;
  if (is_chunked) {
    const auto length = parse_number(call.request.header_or_empty("x-amz-decoded-content-length"));
    if (!length) {
      return s3_fail(ErrorCode::kMissingContentLength,
                     "You must provide the x-amz-decoded-content-length HTTP header.");
    }
    size_bytes_ = *length;
    const bool has_trailer = call.payload != PayloadKind::kChunks;
    std::optional<ChunkSeed> seed;
    if (call.payload != PayloadKind::kUnsignedTrailer) seed = call.seed;
    chunks_.emplace(AwsChunkedDecoder::Options{std::move(seed), has_trailer, size_bytes_});
  } else {
    const auto length = call.exchange.body_length();
    // HTTP/1.1 takes a request without a length for an empty one. S3 does not, lest a client's slip empties an object.
    const bool is_untold = is_object && call.exchange.request().version() != net::http::Version::kHttp2 &&
                           call.request.header_or_empty("content-length").empty();
    if (!length || is_untold) return s3_fail(ErrorCode::kMissingContentLength);
    size_bytes_ = *length;
  }
  if (call.payload == PayloadKind::kHashed) sha256_.emplace(DigestKind::kSha256);
  if (const auto text = call.header("content-md5")) {
    auto value = from_base64(*text);
    if (!value || value->size() != digest_bytes(DigestKind::kMd5)) {
      S3Error error{.code = ErrorCode::kInvalidDigest, .message = "The Content-MD5 you specified was invalid."};
      error.details.emplace_back("Content-MD5", *text);
      return std::unexpected(std::move(error));
    }
    md5_wanted_ = std::move(*value);
    md5_.emplace(DigestKind::kMd5);
  }
  return {};
}

namespace {

// A checksum of an algorithm that is not known would be taken for checked.
S3Result<> refuse_unknown_checksums(const RequestView& request) {
  constexpr std::string_view kPrefix = "x-amz-checksum-";
  for (const auto& [name, value] : request.headers) {
    if (!is_header(name.substr(0, kPrefix.size()), kPrefix)) continue;
    const std::string_view rest = name.substr(kPrefix.size());
    if (is_header(rest, "algorithm") || is_header(rest, "type") || is_header(rest, "mode")) continue;
    if (parse_checksum_algorithm(rest)) continue;
    return s3_fail(ErrorCode::kInvalidRequest,
                   "The algorithm type you specified in x-amz-checksum- header is invalid.");
  }
  return {};
}

}  // namespace

S3Result<> PayloadReader::read_checksum_headers() {
  const Call& call = *call_;
  if (auto good = refuse_unknown_checksums(call.request); !good) return good;
  std::optional<ChecksumAlgorithm> algorithm;
  for (const ChecksumAlgorithm one : kChecksumAlgorithms) {
    const auto text = call.header(checksum_header(one));
    if (!text) continue;
    if (algorithm) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "Expecting a single x-amz-checksum- header. Multiple checksum Types "
                     "are not allowed.");
    }
    auto value = from_base64(*text);
    if (!value || value->size() != checksum_bytes(one)) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "Value for " + std::string(checksum_header(one)) + " header is invalid.");
    }
    algorithm = one;
    checksum_wanted_ = std::move(*value);
  }
  if (const auto trailer = call.header("x-amz-trailer")) {
    for (const ChecksumAlgorithm one : kChecksumAlgorithms) {
      if (!is_header(*trailer, checksum_header(one))) continue;
      if (algorithm) {
        return s3_fail(ErrorCode::kInvalidRequest,
                       "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
      }
      if (!chunks_) return s3_fail(ErrorCode::kInvalidRequest, "A trailer needs a body in aws-chunked.");
      algorithm = one;
      is_checksum_in_trailer_ = true;
    }
    if (!is_checksum_in_trailer_) {
      return s3_fail(ErrorCode::kInvalidRequest, "The value specified in the x-amz-trailer header is not supported");
    }
  }
  const auto announced = call.header("x-amz-sdk-checksum-algorithm");
  if (announced && !announced->empty()) {
    const auto known = parse_checksum_algorithm(*announced);
    if (!known) {
      return s3_fail(ErrorCode::kInvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    }
    if (algorithm && *algorithm != *known) {
      return s3_fail(ErrorCode::kInvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.");
    }
    if (!algorithm && !call.header("content-md5")) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "x-amz-sdk-checksum-algorithm specified, but no corresponding "
                     "x-amz-checksum-* or x-amz-trailer headers were found.");
    }
  }
  if (algorithm) checksummer_.emplace(*algorithm);
  return {};
}

void PayloadReader::digest(std::string_view piece) {
  seen_bytes_ += piece.size();
  call_->bytes_received += piece.size();
  if (md5_) md5_->update(piece);
  if (sha256_) sha256_->update(piece);
  if (checksummer_) checksummer_->update(piece);
}

Task<S3Result<std::string_view>> PayloadReader::next() {
  while (!is_done_) {
    if (in_.empty()) {
      auto piece = co_await call_->exchange.read_body();
      if (!piece.ok()) co_return s3_fail(ErrorCode::kIncompleteBody);
      if (piece->empty()) {
        is_done_ = true;
        if (auto good = finish(); !good) co_return std::unexpected(std::move(good.error()));
        break;
      }
      in_ = *piece;
    }
    std::string_view out = in_;
    if (chunks_) {
      if (auto taken = chunks_->next(in_, out); !taken) co_return std::unexpected(std::move(taken.error()));
    } else {
      in_ = {};
    }
    if (out.empty()) continue;
    digest(out);
    co_return out;
  }
  co_return std::string_view();
}

S3Result<> PayloadReader::finish() {
  if (seen_bytes_ != size_bytes_ || (chunks_ && !chunks_->is_done())) return s3_fail(ErrorCode::kIncompleteBody);
  if (sha256_) {
    const std::string computed = to_hex(sha256_->finish());
    if (!equal_in_constant_time(computed, call_->payload_hash)) {
      S3Error error{.code = ErrorCode::kXAmzContentSHA256Mismatch};
      error.details.emplace_back("ClientComputedContentSHA256", call_->payload_hash);
      error.details.emplace_back("S3ComputedContentSHA256", computed);
      return std::unexpected(std::move(error));
    }
  }
  if (md5_) {
    const std::string computed = md5_->finish();
    if (!md5_wanted_.empty() && md5_wanted_ != computed) {
      S3Error error{.code = ErrorCode::kBadDigest,
                    .message = "The Content-MD5 you specified did not match what we received."};
      error.details.emplace_back("ExpectedDigest", to_base64(md5_wanted_));
      error.details.emplace_back("CalculatedDigest", to_base64(computed));
      return std::unexpected(std::move(error));
    }
    std::memcpy(md5_value_.data(), computed.data(), md5_value_.size());
  }
  if (chunks_ && !is_checksum_in_trailer_ && !chunks_->trailers().empty()) {
    return s3_fail(ErrorCode::kMalformedTrailerError, "A trailer has come that x-amz-trailer does not announce.");
  }
  return checksummer_ ? finish_checksum() : S3Result<>();
}

S3Result<> PayloadReader::finish_checksum() {
  const ChecksumAlgorithm algorithm = checksummer_->algorithm();
  checksum_ = blob::Checksum{algorithm, false, checksummer_->finish()};
  if (is_checksum_in_trailer_) {
    const auto& trailers = chunks_->trailers();
    const auto found = std::find_if(trailers.begin(), trailers.end(),
                                    [&](const auto& one) { return one.first == checksum_header(algorithm); });
    if (found == trailers.end()) {
      return s3_fail(ErrorCode::kMalformedTrailerError,
                     "The trailer " + std::string(checksum_header(algorithm)) + " is announced and has not come.");
    }
    auto value = from_base64(found->second);
    if (!value || value->size() != checksum_bytes(algorithm)) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "Value for " + std::string(checksum_header(algorithm)) + " trailing header is invalid.");
    }
    checksum_wanted_ = std::move(*value);
  }
  if (!checksum_wanted_.empty() && checksum_wanted_ != checksum_->value) {
    return s3_fail(ErrorCode::kBadDigest, checksum_mismatch(algorithm));
  }
  return {};
}

Task<S3Result<std::string>> read_document(Call& call, size_t bytes_max, bool with_checksums) {
  if (call.payload == PayloadKind::kUnsigned && !call.exchange.body_length()) {
    // A small document may come in HTTP chunks; there is nothing that it could be checked against but itself.
    auto whole = co_await call.exchange.read_all(bytes_max);
    if (!whole.ok()) {
      co_return s3_fail(whole.error().code() == make_error_code(net::http::HttpErrc::kTooLarge)
                            ? ErrorCode::kMaxMessageLengthExceeded
                            : ErrorCode::kIncompleteBody);
    }
    call.bytes_received += whole->size();
    co_return std::move(*whole);
  }
  auto reader = PayloadReader::open(call, false, std::nullopt, with_checksums);
  if (!reader) co_return std::unexpected(std::move(reader.error()));
  if (reader->size_bytes() > bytes_max) co_return s3_fail(ErrorCode::kMaxMessageLengthExceeded);
  std::string document;
  document.reserve(reader->size_bytes());
  while (true) {
    auto piece = co_await reader->next();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    if (piece->empty()) co_return document;
    document.append(*piece);
  }
}

}  // namespace keelson::s3
