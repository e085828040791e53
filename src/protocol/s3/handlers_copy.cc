// Copies: of an object, and of bytes of an object into a part.
#include <algorithm>
#include <utility>

#include "protocol/s3/authorize.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/multipart.h"
#include "protocol/s3/object_headers.h"
#include "protocol/s3/read_object.h"
#include "protocol/s3/write_object.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3::handlers {

namespace {

struct Source {
  CopySource name;
  std::shared_ptr<const BucketView> bucket;
  blobstore::Opened opened;
};

// Finds the source, asks whether it may be read, and checks the conditions on it.
Task<S3Result<Source>> open_source(Call& call) {
  auto name = parse_copy_source(call.request.header_or_empty("x-amz-copy-source"));
  if (!name) co_return std::unexpected(std::move(name.error()));
  Source source;
  source.name = std::move(*name);
  const auto version = parse_version_id(source.name.version_id);
  if (!version) co_return std::unexpected(version.error());
  const auto owner = call.header("x-amz-source-expected-bucket-owner");
  if (owner && *owner != kAccountId && *owner != kOwnerId) co_return s3_fail(ErrorCode::kAccessDenied);
  auto bucket = co_await call.store().find_bucket(call.reactor, source.name.bucket);
  if (bucket == nullptr) {
    S3Error error{.code = ErrorCode::kNoSuchBucket};
    error.details.emplace_back("BucketName", source.name.bucket);
    co_return std::unexpected(std::move(error));
  }
  source.bucket = call.local.buckets.view_of(std::move(bucket));
  auto allowed =
      co_await authorize_object(call, source.name.version_id.empty() ? "s3:GetObject" : "s3:GetObjectVersion",
                                source.bucket, source.name.key, source.name.version_id);
  if (!allowed) co_return std::unexpected(std::move(allowed.error()));
  blob::HeadObject head{source.bucket->id(), source.name.key, version->version, version->is_null};
  source.opened = co_await call.store().open_object(call.reactor, std::move(head));
  if (auto good = check_outcome(source.opened.outcome, source.opened.answer); !good) {
    if (source.opened.answer.error == blob::BlobErrc::kIsDeleteMarker) {
      co_return s3_fail(ErrorCode::kInvalidRequest,
                        "The source of a copy request may not specifically refer to a delete "
                        "marker by version id.");
    }
    if (good.error().code == ErrorCode::kNoSuchKey) good.error().details.emplace_back("Key", source.name.key);
    co_return std::unexpected(std::move(good.error()));
  }
  if (auto good = unlock(call, source.opened, source.bucket->id(), source.name.key, KeyOf::kCopySource); !good) {
    co_return std::unexpected(std::move(good.error()));
  }
  if (source.bucket->logging) {
    call.notes.source_bucket = source.bucket;
    call.notes.source_key = source.name.key;
    call.notes.source_version_id = source.name.version_id;
  }
  const net::http::PreconditionFields conditions{
      call.header("x-amz-copy-source-if-match"), call.header("x-amz-copy-source-if-none-match"),
      call.header("x-amz-copy-source-if-modified-since"), call.header("x-amz-copy-source-if-unmodified-since")};
  const blob::ObjectInfo& object = source.opened.answer.object;
  if (check_preconditions(conditions, true, object) != net::http::Precondition::kHolds) {
    co_return s3_fail(ErrorCode::kPreconditionFailed);
  }
  co_return source;
}

struct Directives {
  bool replaces_metadata = false;
  bool replaces_tags = false;
};

S3Result<Directives> read_directives(const RequestView& request) {
  Directives directives;
  const auto read = [&](std::string_view header, bool& replaces) -> S3Result<> {
    const std::string_view value = request.header_or_empty(header);
    replaces = value == "REPLACE";
    if (replaces || value.empty() || value == "COPY") return {};
    return invalid_argument("Unknown metadata directive.", std::string(header), std::string(value));
  };
  if (auto good = read("x-amz-metadata-directive", directives.replaces_metadata); !good) {
    return std::unexpected(std::move(good.error()));
  }
  if (auto good = read("x-amz-tagging-directive", directives.replaces_tags); !good) {
    return std::unexpected(std::move(good.error()));
  }
  return directives;
}

// The new object's metadata: what the request says and what the source has.
S3Result<blob::ObjectMeta> meta_of_copy(Call& call, const blob::ObjectInfo& from, const Directives& directives) {
  auto meta = read_object_meta(call);
  if (!meta) return meta;
  if (!directives.replaces_metadata) {
    const std::string_view redirect = call.request.header_or_empty("x-amz-website-redirect-location");
    meta->headers = from.meta.headers;
    // A redirect is not copied.
    std::erase_if(meta->headers, [](const auto& pair) { return pair.first == "x-amz-website-redirect-location"; });
    if (!redirect.empty()) meta->headers.emplace_back("x-amz-website-redirect-location", redirect);
  }
  if (!directives.replaces_tags) meta->tags = from.meta.tags;
  return meta;
}

// The algorithm of the copy's checksum: what is asked for, else the source's.
S3Result<std::optional<ChecksumAlgorithm>> algorithm_of_copy(const RequestView& request, const blob::ObjectMeta& from) {
  if (const auto text = request.header("x-amz-checksum-algorithm"); text && !text->empty()) {
    const auto known = parse_checksum_algorithm(*text);
    if (!known) return s3_fail(ErrorCode::kInvalidRequest, "Checksum algorithm provided is unsupported.");
    return known;
  }
  if (from.checksums.empty()) return std::optional<ChecksumAlgorithm>();
  return std::optional<ChecksumAlgorithm>(from.checksums.front().algorithm);
}

void write_copy_result(XmlWriter& xml, std::string_view root, const blob::ETag& etag, int64_t modified_ms,
                       const std::optional<blob::Checksum>& checksum) {
  xml.open_root(root);
  xml.element("LastModified", format_iso8601(modified_ms));
  xml.element("ETag", quoted(etag));
  if (checksum) xml.element(checksum_element(checksum->algorithm), checksum_text(*checksum, 0));
  xml.close(root);
}

void add_source_version(Call& call, const Source& source) {
  if (source.bucket->is_versioned()) {
    call.exchange.add_field("x-amz-copy-source-version-id", source.opened.answer.object.version_id());
  }
}

bool changes_something(const Call& call, const Source& source, const Directives& directives) {
  return directives.replaces_metadata || call.header("x-amz-storage-class") ||
         call.header("x-amz-website-redirect-location") || has_encryption_headers(call.request) ||
         call.header("x-amz-copy-source-server-side-encryption-customer-algorithm") || !source.name.version_id.empty();
}

}  // namespace

Task<S3Result<>> CopyObject(Call& call) {
  if (auto good = check_not_a_part(call.query); !good) co_return good;
  const auto directives = read_directives(call.request);
  if (!directives) co_return std::unexpected(directives.error());
  const auto condition = read_write_condition(call.request);
  if (!condition) co_return std::unexpected(condition.error());
  auto source = co_await open_source(call);
  if (!source) co_return std::unexpected(std::move(source.error()));
  const bool is_itself = source->name.bucket == call.place.bucket && source->name.key == call.place.key;
  if (is_itself && !changes_something(call, *source, *directives)) {
    co_return s3_fail(ErrorCode::kInvalidRequest,
                      "This copy request is illegal because it is trying to copy an object to "
                      "itself without changing the object's metadata, storage class, website "
                      "redirect location or encryption attributes.");
  }
  const blob::ObjectInfo& from = source->opened.answer.object;
  const uint64_t size_bytes = from.meta.payload.size_bytes;
  if (size_bytes > kSinglePutBytesMax) {
    co_return s3_fail(
        ErrorCode::kInvalidRequest,
        "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120");
  }
  auto meta = meta_of_copy(call, from, *directives);
  if (!meta) co_return std::unexpected(std::move(meta.error()));
  const auto algorithm = algorithm_of_copy(call.request, from.meta);
  if (!algorithm) co_return std::unexpected(algorithm.error());
  if (auto good = co_await foresee_condition(call, *condition); !good) co_return good;
  auto written = co_await copy_payload(call, *source->opened.reader, size_bytes, call.place.key, *algorithm);
  if (!written) co_return std::unexpected(std::move(written.error()));
  meta->payload = std::move(written->payload);
  meta->etag = written->etag;
  if (written->checksum) meta->checksums.push_back(*written->checksum);
  const blob::PutObject put{call.bucket->id(), call.place.key, std::move(*meta), *condition};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, put, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  add_written_version_field(call, answer.object);
  add_source_version(call, *source);
  add_encryption_fields(call, put.meta);
  XmlWriter xml;
  write_copy_result(xml, "CopyObjectResult", put.meta.etag, answer.object.modified_ms, written->checksum);
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

Task<S3Result<>> UploadPartCopy(Call& call) {
  const auto number = read_part_number(call.query);
  if (!number) co_return std::unexpected(number.error());
  const auto upload = co_await find_upload(call, 0, 1);
  if (!upload) co_return std::unexpected(upload.error());
  auto source = co_await open_source(call);
  if (!source) co_return std::unexpected(std::move(source.error()));
  const uint64_t whole = source->opened.answer.object.meta.payload.size_bytes;
  ByteRange range{0, whole};
  if (const auto text = call.header("x-amz-copy-source-range")) {
    const auto read = parse_copy_range(*text, whole);
    if (!read) {
      co_return invalid_argument(
          "The x-amz-copy-source-range value must be of the form bytes=first-last where first and "
          "last are the zero-based offsets of the first and last bytes to copy",
          "x-amz-copy-source-range", std::string(*text));
    }
    range = {read->first, read->size()};
  }
  if (range.size > kSinglePutBytesMax) co_return s3_fail(ErrorCode::kEntityTooLarge);
  if (range.size != whole) source->opened.reader->seek(range.offset, range.size);
  if (auto good = join_encryption(call, upload->upload.meta); !good) co_return good;
  auto written = co_await copy_payload(call, *source->opened.reader, range.size, call.place.key,
                                       algorithm_of(upload->upload), true);
  if (!written) co_return std::unexpected(std::move(written.error()));
  const blob::PutPart put{call.bucket->id(), call.place.key,    upload->upload.id,          *number,
                          written->etag,     written->checksum, std::move(written->payload)};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, put, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  add_source_version(call, *source);
  add_encryption_fields(call, upload->upload.meta);
  const int64_t modified_ms = answer.parts.empty() ? call.now_ms : answer.parts.front().modified_ms;
  XmlWriter xml;
  write_copy_result(xml, "CopyPartResult", put.etag, modified_ms, put.checksum);
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

}  // namespace keelson::s3::handlers
