#include "protocol/s3/object_headers.h"

#include <algorithm>
#include <array>

#include "protocol/s3/authorize.h"
#include "protocol/s3/checksum.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/object_lock.h"
#include "protocol/s3/tags.h"

namespace keelson::s3 {

namespace {

constexpr int64_t kMsPerSecond = 1000;
constexpr std::array<std::string_view, 7> kStoredHeaders = {"content-type",
                                                            "cache-control",
                                                            "content-disposition",
                                                            "content-encoding",
                                                            "content-language",
                                                            "expires",
                                                            "x-amz-website-redirect-location"};
constexpr std::string_view kMetaPrefix = "x-amz-meta-";
constexpr std::string_view kDefaultType = "binary/octet-stream";

// The classes that have the meaning of STANDARD here: they are labels that read back.
constexpr std::array<std::string_view, 5> kStorageClasses = {"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA",
                                                             "ONEZONE_IA", "INTELLIGENT_TIERING"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// "aws-chunked" is how the body travels, not what it is.
std::string without_aws_chunked(std::string_view codings) {
  std::string out;
  while (!codings.empty()) {
    const size_t end = std::min(codings.find(','), codings.size());
    const std::string_view one = net::http::trim_blanks(codings.substr(0, end));
    codings.remove_prefix(std::min(end + 1, codings.size()));
    if (one.empty() || is_header(one, "aws-chunked")) continue;
    out.append(out.empty() ? "" : ",").append(one);
  }
  return out;
}

S3Result<> may_set(const Call& call, std::string_view permission) {
  return authorize(call, {.permission = permission, .bucket = call.bucket.get(), .key = call.place.key});
}

S3Result<> read_acl(Call& call, blob::ObjectMeta& meta) {
  auto acl = acl_of_headers(call.request);
  if (!acl) return std::unexpected(std::move(acl.error()));
  if (!*acl) return {};
  const BucketView& bucket = *call.bucket;
  if (bucket.ownership == "BucketOwnerEnforced" && !(*acl)->is_private()) {
    return s3_fail(ErrorCode::kAccessControlListNotSupported);
  }
  if (bucket.access_block.blocks_acls && !(*acl)->is_private()) return s3_fail(ErrorCode::kAccessDenied);
  if (!(*acl)->is_private()) {
    if (auto allowed = may_set(call, "s3:PutObjectAcl"); !allowed) return allowed;
  }
  meta.acl = (*acl)->stored();
  return {};
}

S3Result<> read_lock(Call& call, blob::ObjectMeta& meta) {
  auto lock = lock_of_headers(call.request, call.now_ms);
  if (!lock) return std::unexpected(std::move(lock.error()));
  const bool has_lock = call.bucket->bucket->has_object_lock;
  if ((lock->retention || lock->legal_hold) && !has_lock) {
    return s3_fail(ErrorCode::kInvalidRequest, "Bucket is missing Object Lock Configuration");
  }
  if (lock->retention) {
    if (auto allowed = may_set(call, "s3:PutObjectRetention"); !allowed) return allowed;
    meta.retention = *lock->retention;
  } else if (has_lock) {
    meta.retention = call.bucket->lock.retention_at(call.now_ms);
  }
  if (lock->legal_hold) {
    if (auto allowed = may_set(call, "s3:PutObjectLegalHold"); !allowed) return allowed;
    meta.has_legal_hold = *lock->legal_hold;
  }
  return {};
}

S3Result<> check_redirect_location(const RequestView& request) {
  const std::string_view target = request.header_or_empty("x-amz-website-redirect-location");
  if (target.empty() || target.starts_with('/') || target.starts_with("http://") || target.starts_with("https://")) {
    return {};
  }
  return s3_fail(ErrorCode::kInvalidRedirectLocation);
}

}  // namespace

S3Result<blob::Pairs> read_object_headers(const RequestView& request) {
  blob::Pairs out;
  size_t user_bytes = 0;
  for (const auto& [sent, value] : request.headers) {
    std::string name = lower(sent);
    const bool is_user = name.starts_with(kMetaPrefix);
    if (!is_user && std::find(kStoredHeaders.begin(), kStoredHeaders.end(), name) == kStoredHeaders.end()) continue;
    std::string text = name == "content-encoding" ? without_aws_chunked(value) : std::string(value);
    if (!is_user && text.empty()) continue;
    if (is_user) user_bytes += name.size() - kMetaPrefix.size() + text.size();
    const auto same = std::find_if(out.begin(), out.end(), [&](const auto& pair) { return pair.first == name; });
    if (same != out.end()) {
      same->second.append(",").append(text);
    } else {
      out.emplace_back(std::move(name), std::move(text));
    }
  }
  if (user_bytes > kUserMetadataBytesMax) {
    S3Error error{.code = ErrorCode::kMetadataTooLarge};
    error.details.emplace_back("Size", std::to_string(user_bytes));
    error.details.emplace_back("MaxSizeAllowed", std::to_string(kUserMetadataBytesMax));
    return std::unexpected(std::move(error));
  }
  return out;
}

S3Result<std::string> read_storage_class(const RequestView& request) {
  const std::string_view name = request.header_or_empty("x-amz-storage-class");
  if (name.empty() || name == "STANDARD") return std::string();
  if (std::find(kStorageClasses.begin(), kStorageClasses.end(), name) == kStorageClasses.end()) {
    return s3_fail(ErrorCode::kInvalidStorageClass);
  }
  return std::string(name);
}

S3Result<> check_not_a_part(const Query& query) {
  if (query.has("uploadId")) return s3_fail(ErrorCode::kMethodNotAllowed);
  if (const std::string* number = query.find("partNumber")) {
    return invalid_argument("This operation does not accept partNumber without uploadId", "partNumber", *number);
  }
  return {};
}

S3Result<blob::ObjectMeta> read_object_meta(Call& call) {
  blob::ObjectMeta meta;
  if (auto good = begin_encryption(call); !good) return std::unexpected(std::move(good.error()));
  if (call.encryption) meta.encryption = call.encryption->stored;
  auto storage_class = read_storage_class(call.request);
  if (!storage_class) return std::unexpected(std::move(storage_class.error()));
  meta.storage_class = std::move(*storage_class);
  if (auto good = check_redirect_location(call.request); !good) return std::unexpected(std::move(good.error()));
  auto headers = read_object_headers(call.request);
  if (!headers) return std::unexpected(std::move(headers.error()));
  meta.headers = std::move(*headers);
  if (const auto tagging = call.header("x-amz-tagging"); tagging && !tagging->empty()) {
    auto tags = parse_tagging_header(*tagging);
    if (!tags) return std::unexpected(std::move(tags.error()));
    if (auto allowed = may_set(call, "s3:PutObjectTagging"); !allowed) {
      return std::unexpected(std::move(allowed.error()));
    }
    meta.tags = std::move(*tags);
  }
  if (auto read = read_acl(call, meta); !read) return std::unexpected(std::move(read.error()));
  if (auto read = read_lock(call, meta); !read) return std::unexpected(std::move(read.error()));
  return meta;
}

S3Result<blob::Condition> read_write_condition(const RequestView& request) {
  blob::Condition condition;
  if (const auto text = request.header("if-none-match")) {
    if (*text != "*") {
      return s3_fail(ErrorCode::kNotImplemented, "A write takes If-None-Match with the value * alone.");
    }
    condition.if_absent = true;
  }
  // S3 has these for directory buckets alone.
  for (const std::string_view name :
       {"x-amz-if-match-initiated-time", "x-amz-if-match-last-modified-time", "x-amz-if-match-size"}) {
    if (request.header(name)) {
      return s3_fail(ErrorCode::kNotImplemented, "The condition " + std::string(name) + " is not implemented.");
    }
  }
  if (const auto text = request.header("if-match")) {
    if (condition.if_absent) {
      return s3_fail(ErrorCode::kNotImplemented, "A write takes one of If-Match and If-None-Match.");
    }
    const auto etag = blob::ETag::parse(*text);
    // What cannot be an entity tag is that of no object, and an object that is not there is missed all the same.
    condition.if_match = etag.value_or(blob::ETag{.md5 = {}, .part_count = UINT32_MAX});
  }
  if (request.header("if-modified-since") || request.header("if-unmodified-since")) {
    return s3_fail(ErrorCode::kNotImplemented, "A write takes If-Match and If-None-Match alone.");
  }
  return condition;
}

std::string quoted(const blob::ETag& etag) { return "\"" + etag.text() + "\""; }

net::http::Precondition check_preconditions(const net::http::PreconditionFields& fields, bool is_read,
                                            const blob::ObjectInfo& object) {
  const std::string tag = quoted(object.meta.etag);
  return net::http::check_preconditions(fields, is_read, {tag, object.modified_ms / kMsPerSecond},
                                        net::http::TagRules::kLenient);
}

net::http::PreconditionFields precondition_fields(const RequestView& request) {
  return {request.header("if-match"), request.header("if-none-match"), request.header("if-modified-since"),
          request.header("if-unmodified-since")};
}

bool range_applies(std::string_view if_range, const blob::ObjectInfo& object) {
  const std::string tag = quoted(object.meta.etag);
  return net::http::range_applies(if_range, {tag, object.modified_ms / kMsPerSecond}, net::http::TagRules::kLenient);
}

void add_version_field(Call& call, const blob::ObjectInfo& object) {
  if (call.bucket->is_versioned()) call.exchange.add_field("x-amz-version-id", object.version_id());
}

void add_written_version_field(Call& call, const blob::ObjectInfo& object) {
  if (call.bucket->bucket->versioning == blob::Versioning::kEnabled) add_version_field(call, object);
}

void add_checksum_fields(Call& call, const blob::ObjectMeta& meta) {
  for (const blob::Checksum& checksum : meta.checksums) {
    if (checksum.value.empty()) continue;
    call.exchange.add_field(checksum_header(checksum.algorithm), checksum_text(checksum, meta.parts.size()));
    call.exchange.add_field("x-amz-checksum-type", checksum.is_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
}

void add_expiration_field(Call& call, const blob::ObjectInfo& object) {
  if (!call.bucket->lifecycle) return;
  const LifecycleObject known{object.key, &object.meta.tags, object.meta.payload.size_bytes};
  const auto expiration =
      expiration_of(*call.bucket->lifecycle, known, object.modified_ms, call.service.options().lifecycle_day_ms);
  if (!expiration) return;
  const std::string text = "expiry-date=\"" + format_http_date(expiration->at_ms) + "\", rule-id=\"" +
                           uri_encoded(expiration->rule_id) + "\"";
  call.exchange.add_field("x-amz-expiration", text);
}

void add_object_fields(Call& call, const blob::ObjectInfo& object) {
  net::http::Exchange& out = call.exchange;
  const blob::ObjectMeta& meta = object.meta;
  out.add_field("ETag", quoted(meta.etag));
  out.add_field("Last-Modified", format_http_date(object.modified_ms));
  out.add_field("Accept-Ranges", "bytes");
  add_version_field(call, object);
  const auto override_of = [&](std::string_view header) -> const std::string* {
    return header.starts_with(kMetaPrefix) ? nullptr : call.query.find("response-" + std::string(header));
  };
  bool has_type = false;
  for (const auto& [name, value] : meta.headers) {
    has_type = has_type || name == "content-type";
    if (override_of(name) == nullptr && is_field_value(value)) out.add_field(name, value);
  }
  for (const std::string_view header : kStoredHeaders) {
    const std::string* value = override_of(header);
    if (value == nullptr || !is_field_value(*value)) continue;
    has_type = has_type || header == "content-type";
    out.add_field(header, *value);
  }
  if (!has_type) out.add_field("Content-Type", kDefaultType);
  if (!meta.storage_class.empty()) out.add_field("x-amz-storage-class", meta.storage_class);
  add_encryption_fields(call, meta);
  if (!meta.tags.empty()) out.add_field("x-amz-tagging-count", std::to_string(meta.tags.size()));
  if (meta.retention.mode != RetentionMode::kNone) {
    out.add_field("x-amz-object-lock-mode", retention_mode_text(meta.retention.mode));
    out.add_field("x-amz-object-lock-retain-until-date", format_iso8601(meta.retention.until_ms));
  }
  if (meta.has_legal_hold) out.add_field("x-amz-object-lock-legal-hold", "ON");
  add_expiration_field(call, object);
}

}  // namespace keelson::s3
