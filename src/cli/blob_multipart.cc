#include "cli/blob_multipart.h"

#include <optional>
#include <utility>

#include "base/base64.h"
#include "cli/blob_errors.h"
#include "cli/blob_plan.h"
#include "cli/blob_transfer.h"
#include "protocol/s3/checksum.h"
#include "protocol/s3/digest.h"

namespace keelson::cli {

namespace {

// The CRC32C of the whole, in base64; nullopt if the server does not keep those of the parts.
std::optional<std::string> whole_crc32c(const Upload& upload) {
  std::vector<std::string> values;
  for (const RemotePart& part : upload.parts) {
    auto value = from_base64(part.crc32c);
    if (!value || value->size() != 4) return std::nullopt;
    values.push_back(std::move(*value));
  }
  std::vector<s3::PartChecksum> checksums;
  for (size_t i = 0; i < values.size(); ++i) checksums.push_back({values[i], upload.parts[i].size_bytes});
  const auto whole = s3::full_object_checksum(s3::ChecksumAlgorithm::kCrc32c, checksums);
  return whole ? std::optional<std::string>(to_base64(*whole)) : std::nullopt;
}

// "md5-N", as S3 makes it; empty if a part's entity tag is no MD5.
std::string etag_of_parts(const Upload& upload) {
  std::string md5s;
  for (const RemotePart& part : upload.parts) {
    if (!is_md5_etag(part.etag)) return {};
    md5s += s3::from_hex(part.etag).value_or("");
  }
  return s3::to_hex(s3::digest_of(s3::DigestKind::kMd5, md5s)) + "-" + std::to_string(upload.parts.size());
}

// An upload that is not there (any more) may have been completed by a request whose answer was lost.
Task<bool> was_completed(BlobService& service, const Upload& upload) {
  Result<BlobAnswer> head = co_await service.call({.method = "HEAD", .bucket = upload.to.bucket, .key = upload.to.key});
  if (!head.ok()) co_return false;
  const std::string etag = etag_of_parts(upload);
  co_return !etag.empty() && unquoted(head->field("etag")) == etag;
}

}  // namespace

BlobRequest upload_request(const Upload& upload, std::string method) {
  return {.method = std::move(method),
          .bucket = upload.to.bucket,
          .key = upload.to.key,
          .query = {{"uploadId", upload.id}}};
}

Task<Status> complete_upload(BlobService& service, const Upload& upload, bool no_clobber) {
  BlobRequest request = upload_request(upload, "POST");
  request.content = complete_document(upload.parts);
  request.headers.emplace_back("content-type", "application/xml");
  if (no_clobber) request.headers.emplace_back("if-none-match", "*");
  const auto whole = upload.is_full_object ? whole_crc32c(upload) : std::nullopt;
  if (whole) {
    request.headers.emplace_back(kCrc32cHeader, *whole);
    request.headers.emplace_back(kChecksumTypeHeader, kFullObject);
  }
  Result<BlobAnswer> answer = co_await service.call(std::move(request));
  if (answer.ok()) co_return Status();
  if (answer.error().code() == BlobErrc::kNoSuchUpload && co_await was_completed(service, upload)) co_return Status();
  co_return forward_error(answer);
}

Task<Status> abort_upload(BlobService& service, std::string bucket, std::string key, std::string id) {
  BlobRequest request{.method = "DELETE", .bucket = bucket, .key = key, .query = {{"uploadId", id}}};
  Result<BlobAnswer> answer = co_await service.call(std::move(request));
  if (!answer.ok() && answer.error().code() != BlobErrc::kNoSuchUpload) co_return forward_error(answer);
  co_return Status();
}

}  // namespace keelson::cli
