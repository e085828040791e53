#include "protocol/s3/write_object.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/glob.h"
#include "base/logging.h"
#include "env/disk.h"

namespace keelson::s3 {

S3Error storage_error(const Error& error) {
  log_warn("s3", "bytes could not be stored or read", {{"why", error.message()}});
  if (error.code() == make_error_code(env::DiskErrc::kFull)) {
    return {.code = ErrorCode::kServiceUnavailable,
            .message = "The disk is full; writes are refused until there is room."};
  }
  return {.code = ErrorCode::kInternalError};
}

blobstore::WriterOptions writer_options(const Call& call, std::optional<uint64_t> size_bytes, bool is_part) {
  blobstore::WriterOptions options{.size_expected = size_bytes, .is_part = is_part};
  if (call.encryption) options.key = call.encryption->key;
  // The size of what a customer encrypts would tell of what is in it, to whoever may add to it and look at the disk.
  const bool is_customers = call.encryption && call.encryption->kind == SseKind::kCustomer;
  const std::vector<std::string>& compressed = call.service.options().compressed_buckets;
  options.compress = !is_customers && std::ranges::any_of(compressed, [&](const std::string& pattern) {
    return glob_match(pattern, call.bucket->bucket->name);
  });
  return options;
}

Task<S3Result<Written>> write_payload(Call& call, PayloadReader reader, std::string key, bool is_part) {
  if (reader.size_bytes() > kSinglePutBytesMax) {
    S3Error error{.code = ErrorCode::kEntityTooLarge};
    error.details.emplace_back("ProposedSize", std::to_string(reader.size_bytes()));
    error.details.emplace_back("MaxSizeAllowed", std::to_string(kSinglePutBytesMax));
    co_return std::unexpected(std::move(error));
  }
  Written written;
  written.writer =
      call.store().new_writer(call.reactor, call.bucket->id(), key, writer_options(call, reader.size_bytes(), is_part));
  while (true) {
    auto piece = co_await reader.next();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    if (piece->empty()) break;
    if (Status taken = co_await written.writer->append(*piece); !taken.ok()) {
      co_return std::unexpected(storage_error(taken.error()));
    }
  }
  auto payload = co_await written.writer->finish();
  if (!payload.ok()) co_return std::unexpected(storage_error(payload.error()));
  written.payload = std::move(*payload);
  call.notes.object_bytes = written.payload.size_bytes;
  written.etag.md5 = etag_md5(call.encryption, reader.md5());
  written.checksum = reader.checksum();
  co_return written;
}

Task<S3Result<>> foresee_condition(Call& call, blob::Condition condition) {
  if (!condition.if_absent && !condition.if_match) co_return S3Result<>();
  const blob::HeadObject head{call.bucket->id(), call.place.key, {}, false};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query(call.reactor, head, answer);
  const bool is_absent = outcome == log::LogErrc::kOk && answer.error == blob::BlobErrc::kNoSuchKey;
  if (is_absent) {
    if (condition.if_match) co_return s3_fail(ErrorCode::kNoSuchKey);
    co_return S3Result<>();
  }
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  const bool holds = !condition.if_absent && answer.object.meta.etag == *condition.if_match;
  if (!holds) co_return s3_fail(ErrorCode::kPreconditionFailed);
  co_return S3Result<>();
}

Task<S3Result<Written>> copy_payload(Call& call, blobstore::BlobReader& from, uint64_t size_bytes, std::string key,
                                     std::optional<ChecksumAlgorithm> algorithm, bool is_part) {
  Written written;
  written.writer =
      call.store().new_writer(call.reactor, call.bucket->id(), key, writer_options(call, size_bytes, is_part));
  Digest md5(DigestKind::kMd5);
  std::optional<Checksummer> checksummer;
  if (algorithm) checksummer.emplace(*algorithm);
  while (true) {
    auto piece = co_await from.next();
    if (!piece.ok()) co_return std::unexpected(storage_error(piece.error()));
    if (piece->empty()) break;
    md5.update(*piece);
    if (checksummer) checksummer->update(*piece);
    if (Status taken = co_await written.writer->append(*piece); !taken.ok()) {
      co_return std::unexpected(storage_error(taken.error()));
    }
  }
  auto payload = co_await written.writer->finish();
  if (!payload.ok()) co_return std::unexpected(storage_error(payload.error()));
  written.payload = std::move(*payload);
  call.notes.object_bytes = written.payload.size_bytes;
  const std::string digest = md5.finish();
  std::memcpy(written.etag.md5.data(), digest.data(), written.etag.md5.size());
  written.etag.md5 = etag_md5(call.encryption, written.etag.md5);
  if (checksummer) written.checksum = blob::Checksum{*algorithm, false, checksummer->finish()};
  co_return written;
}

}  // namespace keelson::s3
