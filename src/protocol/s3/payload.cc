#include "protocol/s3/payload.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/base64.h"
#include "env/workers.h"

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
  if (with_md5 && !reader.hashes_.md5) reader.hashes_.md5.emplace(DigestKind::kMd5);
  if (wanted && !reader.hashes_.checksum) reader.hashes_.checksum.emplace(*wanted);
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
  if (call.payload == PayloadKind::kHashed) hashes_.sha256.emplace(DigestKind::kSha256);
  if (const auto text = call.header("content-md5")) {
    auto value = from_base64(*text);
    if (!value || value->size() != digest_bytes(DigestKind::kMd5)) {
      S3Error error{.code = ErrorCode::kInvalidDigest, .message = "The Content-MD5 you specified was invalid."};
      error.details.emplace_back("Content-MD5", *text);
      return std::unexpected(std::move(error));
    }
    md5_wanted_ = std::move(*value);
    hashes_.md5.emplace(DigestKind::kMd5);
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
  if (algorithm) hashes_.checksum.emplace(*algorithm);
  return {};
}

void PayloadHashes::update(std::string_view piece) {
  if (md5) md5->update(piece);
  if (sha256) sha256->update(piece);
  if (checksum) checksum->update(piece);
}

void PayloadReader::count(std::string_view piece) {
  seen_bytes_ += piece.size();
  call_->bytes_received += piece.size();
}

Task<S3Result<bool>> PayloadReader::receive() {
  auto piece = co_await call_->exchange.read_body();
  if (!piece.ok()) co_return s3_fail(ErrorCode::kIncompleteBody);
  in_ = *piece;
  co_return !in_.empty();
}

Task<S3Result<std::string_view>> PayloadReader::next() {
  if (size_bytes_ >= kBlocksBytesMin) co_return co_await next_block();
  while (!is_done_) {
    if (in_.empty()) {
      auto more = co_await receive();
      if (!more) co_return std::unexpected(std::move(more.error()));
      if (!*more) {
        is_done_ = true;
        call_->note_received();
        if (auto good = finish(); !good) co_return std::unexpected(std::move(good.error()));
        break;
      }
    }
    std::string_view out = in_;
    if (chunks_) {
      if (auto taken = chunks_->next(in_, out); !taken) co_return std::unexpected(std::move(taken.error()));
    } else {
      in_ = {};
    }
    if (out.empty()) continue;
    count(out);
    hashes_.update(out);
    co_return out;
  }
  co_return std::string_view();
}

S3Result<> PayloadReader::gather(Block& block) {
  while (!in_.empty() && block.size < kBlockBytes) {
    const std::string_view fits = in_.substr(0, kBlockBytes - block.size);
    std::string_view out = fits;
    std::string_view left;
    if (chunks_) {
      left = fits;
      if (auto good = chunks_->next(left, out); !good) return good;
    }
    in_.remove_prefix(fits.size() - left.size());
    std::memcpy(block.bytes.get() + block.size, out.data(), out.size());
    block.size += out.size();
    count(out);
  }
  return {};
}

Task<void> PayloadReader::end_hashing() {
  if (hashing_ == nullptr) co_return;
  env::HandOff<std::unique_ptr<Block>>& result = *hashing_;  // g++ 12 copies what is not named
  spare_ = co_await result;
  hashing_.reset();
  hashes_ = std::move(spare_->hashes);
}

Task<S3Result<std::string_view>> PayloadReader::next_block() {
  std::unique_ptr<Block> block = spare_ != nullptr ? std::move(spare_) : std::make_unique<Block>();
  block->size = 0;
  while (!is_done_ && block->size < kBlockBytes) {
    if (in_.empty()) {
      auto more = co_await receive();
      if (!more) co_return std::unexpected(std::move(more.error()));
      is_done_ = !*more;
    }
    if (auto good = gather(*block); !good) co_return std::unexpected(std::move(good.error()));
  }
  // Hashes go from block to block, so the one before must be done.
  co_await end_hashing();
  if (block->size == 0) {
    if (auto good = finish(); !good) co_return std::unexpected(std::move(good.error()));
    co_return std::string_view();
  }
  const std::string_view piece(block->bytes.get(), block->size);
  block->hashes = std::move(hashes_);
  hashing_ = std::make_unique<Hashing>(call_->reactor);
  // The block is the worker's until it comes back; nobody writes to it, so it may be read here as well.
  env::Callback work = [block = std::move(block), deliver = hashing_->deliverer()]() mutable {
    block->hashes.update({block->bytes.get(), block->size});
    deliver(std::move(block));
  };
  if (!call_->service.workers().try_run(work)) work();
  co_return piece;
}

S3Result<> PayloadReader::finish() {
  if (seen_bytes_ != size_bytes_ || (chunks_ && !chunks_->is_done())) return s3_fail(ErrorCode::kIncompleteBody);
  if (hashes_.sha256) {
    const std::string computed = to_hex(hashes_.sha256->finish());
    if (!equal_in_constant_time(computed, call_->payload_hash)) {
      S3Error error{.code = ErrorCode::kXAmzContentSHA256Mismatch};
      error.details.emplace_back("ClientComputedContentSHA256", call_->payload_hash);
      error.details.emplace_back("S3ComputedContentSHA256", computed);
      return std::unexpected(std::move(error));
    }
  }
  if (hashes_.md5) {
    const std::string computed = hashes_.md5->finish();
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
  return hashes_.checksum ? finish_checksum() : S3Result<>();
}

S3Result<> PayloadReader::finish_checksum() {
  const ChecksumAlgorithm algorithm = hashes_.checksum->algorithm();
  checksum_ = blob::Checksum{algorithm, false, hashes_.checksum->finish()};
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
