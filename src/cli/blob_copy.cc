// Copies on the server. Small objects in one request; large ones in parts, since one request copies 5 GiB at most and
// takes long without a sign of life.
#include <optional>
#include <utility>

#include "base/numbers.h"
#include "cli/blob_documents.h"
#include "cli/blob_errors.h"
#include "cli/blob_multipart.h"
#include "cli/blob_parts.h"
#include "cli/blob_transfer.h"
#include "protocol/s3/checksum.h"
#include "protocol/s3/tags.h"
#include "protocol/s3/uri.h"

namespace keelson::cli {

namespace {

constexpr uint64_t kCopyPartBytes = uint64_t{256} << 20;
// What an object keeps when it is copied in parts, beside its tags; one request keeps them by itself.
constexpr std::string_view kKeptHeaders[] = {"cache-control",    "content-disposition", "content-encoding",
                                             "content-language", "content-type",        "expires"};

std::string source_of(const BlobUrl& from, const std::string& version_id) {
  std::string text = "/" + from.bucket + "/" + s3::uri_encoded(from.key, s3::Slash::kKeep);
  if (!version_id.empty()) text.append("?versionId=").append(s3::uri_encoded(version_id));
  return text;
}

void add_options(Pairs& headers, const TransferOptions& options) {
  if (!options.content_type.empty()) headers.emplace_back("content-type", options.content_type);
  if (!options.cache_control.empty()) headers.emplace_back("cache-control", options.cache_control);
  for (const auto& [name, value] : options.metadata) headers.emplace_back("x-amz-meta-" + name, value);
}

// Does the object get headers of its own, in place of the source's?
bool replaces(const TransferOptions& options) {
  return !options.content_type.empty() || !options.cache_control.empty() || !options.metadata.empty();
}

Pairs headers_for_parts(const BlobAnswer& source, const TransferOptions& options) {
  Pairs headers;
  if (replaces(options)) {
    add_options(headers, options);
  } else {
    for (const std::string_view name : kKeptHeaders) {
      if (const std::string_view value = source.field(name); !value.empty()) headers.emplace_back(name, value);
    }
    for (const net::http::Field& field : source.fields) {
      std::string name(field.name);
      for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (name.starts_with("x-amz-meta-")) headers.emplace_back(std::move(name), field.value);
    }
  }
  if (!options.storage_class.empty()) headers.emplace_back("x-amz-storage-class", options.storage_class);
  return headers;
}

// The source's tags, as x-amz-tagging has them; empty: none. A server without tags says so with an error of its own,
// which is handed on: a copy that lost tags in silence would be worse than none.
Task<Result<std::string>> tags_of(TransferContext context, BlobUrl from) {
  BlobRequest ask{.method = "GET", .bucket = from.bucket, .key = from.key, .query = {{"tagging", ""}}};
  if (!context.options.version_id.empty()) ask.query.emplace_back("versionId", context.options.version_id);
  Result<BlobAnswer> answer = co_await context.service.call(std::move(ask));
  if (!answer.ok()) co_return forward_error(answer);
  const auto tags = s3::parse_tagging_document(answer->content, s3::kObjectTagsMax);
  if (!tags) co_return fail(BlobErrc::kServer, from.text() + ": the server's answer tells no tags");
  std::string text;
  for (const auto& [key, value] : *tags) {
    text.append(text.empty() ? "" : "&").append(s3::uri_encoded(key)).append("=").append(s3::uri_encoded(value));
  }
  co_return text;
}

// The checksum that both tell of the whole: is it the same? Nullopt if there is none.
std::optional<bool> have_same_checksum(const BlobAnswer& a, const BlobAnswer& b) {
  if (a.field("x-amz-checksum-type") == "COMPOSITE" || b.field("x-amz-checksum-type") == "COMPOSITE") return {};
  for (const s3::ChecksumAlgorithm algorithm : s3::kChecksumAlgorithms) {
    const std::string_view of_a = a.field(s3::checksum_header(algorithm));
    const std::string_view of_b = b.field(s3::checksum_header(algorithm));
    if (!of_a.empty() && !of_b.empty()) return of_a == of_b;
  }
  return {};
}

// Looks at the copy. True: it has the source's content; false: nothing can be said.
Task<Result<bool>> check_copy(TransferContext context, const BlobAnswer& source, BlobUrl copy) {
  BlobRequest look{.method = "HEAD", .bucket = copy.bucket, .key = copy.key};
  look.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
  Result<BlobAnswer> head = co_await context.service.call(std::move(look));
  if (!head.ok()) co_return forward_error(head);
  if (!source.field("etag").empty() && head->field("etag") == source.field("etag")) co_return true;
  const std::optional<bool> is_same = have_same_checksum(source, *head);
  if (is_same && !*is_same) {
    co_return fail(BlobErrc::kDamaged, copy.text() + ": the copy's checksum is not the source's. Copy it again");
  }
  co_return is_same.value_or(false);
}

class CopyParts final : public PartWork {
 public:
  CopyParts(TransferContext context, BlobUrl to, std::string id, std::string source, std::string etag, size_t count)
      : parts(count),
        context_(context),
        to_(std::move(to)),
        id_(std::move(id)),
        source_(std::move(source)),
        etag_(std::move(etag)) {}

  Task<Status> part(PartRange range) override {
    BlobRequest request{.method = "PUT", .bucket = to_.bucket, .key = to_.key};
    request.query = {{"partNumber", std::to_string(range.number)}, {"uploadId", id_}};
    request.headers = {{"x-amz-copy-source", source_},
                       {"x-amz-copy-source-if-match", "\"" + etag_ + "\""},
                       {"x-amz-copy-source-range", "bytes=" + std::to_string(range.offset) + "-" +
                                                       std::to_string(range.offset + range.size_bytes - 1)}};
    Result<BlobAnswer> answer = co_await context_.service.call(std::move(request));
    if (!answer.ok()) co_return forward_error(answer);
    Result<std::string> etag = parse_one(answer->content, "ETag");
    if (!etag.ok()) co_return forward_error(etag);
    parts[range.number - 1] = {
        .number = range.number, .size_bytes = range.size_bytes, .etag = std::string(unquoted(*etag)), .crc32c = {}};
    context_.meter.moved_bytes += range.size_bytes;
    co_return Status();
  }

  std::vector<RemotePart> parts;

 private:
  TransferContext context_;
  const BlobUrl to_;
  const std::string id_;
  const std::string source_;
  const std::string etag_;
};

Task<Status> copy_in_parts(TransferContext context, BlobUrl from, const BlobAnswer& head, uint64_t size, BlobUrl to) {
  Result<std::string> tags = co_await tags_of(context, from);
  if (!tags.ok()) co_return forward_error(tags);
  BlobRequest begin{.method = "POST", .bucket = to.bucket, .key = to.key, .query = {{"uploads", ""}}};
  begin.headers = headers_for_parts(head, context.options);
  if (!tags->empty()) begin.headers.emplace_back("x-amz-tagging", *tags);
  Result<BlobAnswer> begun = co_await context.service.call(std::move(begin));
  if (!begun.ok()) co_return forward_error(begun);
  Result<std::string> id = parse_one(begun->content, "UploadId");
  if (!id.ok()) co_return forward_error(id);
  const std::vector<PartRange> ranges = cut_into_parts(size, part_size_for(size, kCopyPartBytes));
  CopyParts work(context, to, *id, source_of(from, context.options.version_id),
                 std::string(unquoted(head.field("etag"))), ranges.size());
  Status copied = co_await for_each_part(context.reactor(), context.parts, context.parallel(), ranges, work);
  if (copied.ok()) {
    copied = co_await complete_upload(context.service, {.to = to, .id = *id, .parts = std::move(work.parts)}, false);
  }
  if (copied.ok()) co_return copied;
  // A copy begins anew. If the upload cannot be removed either, the first error is the one to tell.
  (void)co_await abort_upload(context.service, to.bucket, to.key, *id);
  co_return copied;
}

Task<Status> copy_whole(TransferContext context, std::string source, const BlobAnswer& head, BlobUrl to) {
  const TransferOptions& options = context.options;
  BlobRequest request{.method = "PUT", .bucket = to.bucket, .key = to.key};
  request.headers = {{"x-amz-copy-source", std::move(source)},
                     {"x-amz-copy-source-if-match", std::string(head.field("etag"))}};
  if (replaces(options)) {
    request.headers.emplace_back("x-amz-metadata-directive", "REPLACE");
    add_options(request.headers, options);
  }
  if (!options.storage_class.empty()) request.headers.emplace_back("x-amz-storage-class", options.storage_class);
  Result<BlobAnswer> answer = co_await context.service.call(std::move(request));
  if (!answer.ok()) co_return forward_error(answer);
  Result<std::string> etag = parse_one(answer->content, "ETag");
  if (!etag.ok()) co_return forward_error(etag);
  co_return Status();
}

}  // namespace

Task<Result<TransferOutcome>> copy_object(TransferContext context, BlobUrl from, BlobUrl to) {
  const TransferOptions& options = context.options;
  if (options.no_clobber) {
    Result<BlobAnswer> there = co_await context.service.call({.method = "HEAD", .bucket = to.bucket, .key = to.key});
    if (there.ok()) co_return TransferOutcome{.is_skipped = true};
    if (there.error().code() != BlobErrc::kNotFound) co_return forward_error(there);
  }
  BlobRequest look{.method = "HEAD", .bucket = from.bucket, .key = from.key};
  if (!options.version_id.empty()) look.query.emplace_back("versionId", options.version_id);
  look.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
  Result<BlobAnswer> head = co_await context.service.call(std::move(look));
  if (!head.ok()) co_return forward_error(head);
  const auto size = parse_uint64(head->field("content-length"));
  if (!size) co_return fail(BlobErrc::kServer, from.text() + ": the server does not say how large it is");
  TransferOutcome outcome{.size_bytes = *size};
  Status copied;
  if (*size > options.copy_whole_bytes_max) {
    copied = co_await copy_in_parts(context, from, *head, *size, to);
  } else {
    copied = co_await copy_whole(context, source_of(from, options.version_id), *head, to);
    if (copied.ok()) context.meter.moved_bytes += *size;
  }
  if (!copied.ok()) co_return forward_error(copied);
  Result<bool> checked = co_await check_copy(context, *head, std::move(to));
  if (!checked.ok()) co_return forward_error(checked);
  outcome.is_checked = *checked;
  co_return outcome;
}

}  // namespace keelson::cli
