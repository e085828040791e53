// What hangs on an object: tags, retention, legal hold.
#include <utility>

#include "protocol/s3/authorize.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/object_headers.h"
#include "protocol/s3/object_lock.h"
#include "protocol/s3/payload.h"
#include "protocol/s3/read_object.h"
#include "protocol/s3/tags.h"

namespace keelson::s3::handlers {

namespace {

Task<S3Result<blob::ObjectInfo>> find_object(Call& call) {
  const auto version = parse_version_id(call.query.value("versionId"));
  if (!version) co_return std::unexpected(version.error());
  const blob::HeadObject head{call.bucket->id(), call.place.key, version->version, version->is_null};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query(call.reactor, head, answer);
  if (auto good = check_outcome(outcome, answer); !good) {
    if (good.error().code == ErrorCode::kNoSuchKey) good.error().details.emplace_back("Key", call.place.key);
    co_return std::unexpected(std::move(good.error()));
  }
  co_return std::move(answer.object);
}

S3Result<blob::ChangeObject> begin_change(const Call& call) {
  const auto version = parse_version_id(call.query.value("versionId"));
  if (!version) return std::unexpected(version.error());
  blob::ChangeObject change;
  change.bucket = call.bucket->id();
  change.key = call.place.key;
  change.version = version->version;
  change.is_null_version = version->is_null;
  return change;
}

Task<S3Result<>> apply_change(Call& call, blob::ChangeObject change, uint16_t status) {
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, change, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  if (const std::string* version = call.query.find("versionId"); version != nullptr && is_field_value(*version)) {
    call.exchange.add_field("x-amz-version-id", *version);
  }
  (void)co_await call.respond_empty(status);
  co_return S3Result<>();
}

S3Result<> needs_lock(const Call& call) {
  if (call.bucket->bucket->has_object_lock) return {};
  return s3_fail(ErrorCode::kInvalidRequest, "Bucket is missing Object Lock Configuration");
}

}  // namespace

Task<S3Result<>> GetObjectTagging(Call& call) {
  const auto object = co_await find_object(call);
  if (!object) co_return std::unexpected(object.error());
  add_version_field(call, *object);
  (void)co_await call.respond_xml(tagging_document(object->meta.tags));
  co_return S3Result<>();
}

Task<S3Result<>> PutObjectTagging(Call& call) {
  auto change = begin_change(call);
  if (!change) co_return std::unexpected(std::move(change.error()));
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  auto tags = parse_tagging_document(*body, kObjectTagsMax);
  if (!tags) co_return std::unexpected(std::move(tags.error()));
  change->tags = std::move(*tags);
  co_return co_await apply_change(call, std::move(*change), 200);
}

Task<S3Result<>> DeleteObjectTagging(Call& call) {
  auto change = begin_change(call);
  if (!change) co_return std::unexpected(std::move(change.error()));
  change->tags.emplace();
  co_return co_await apply_change(call, std::move(*change), 204);
}

Task<S3Result<>> GetObjectRetention(Call& call) {
  if (auto good = needs_lock(call); !good) co_return good;
  const auto object = co_await find_object(call);
  if (!object) co_return std::unexpected(object.error());
  if (object->meta.retention.mode == RetentionMode::kNone) {
    co_return s3_fail(ErrorCode::kNoSuchObjectLockConfiguration);
  }
  (void)co_await call.respond_xml(retention_document(object->meta.retention));
  co_return S3Result<>();
}

Task<S3Result<>> PutObjectRetention(Call& call) {
  if (auto good = needs_lock(call); !good) co_return good;
  auto change = begin_change(call);
  if (!change) co_return std::unexpected(std::move(change.error()));
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto retention = parse_retention(*body, call.now_ms);
  if (!retention) co_return std::unexpected(retention.error());
  change->retention = *retention;
  change->bypasses_governance =
      wants_bypass(call) &&
      may(call, {.permission = "s3:BypassGovernanceRetention", .bucket = call.bucket.get(), .key = call.place.key});
  co_return co_await apply_change(call, std::move(*change), 200);
}

Task<S3Result<>> GetObjectLegalHold(Call& call) {
  if (auto good = needs_lock(call); !good) co_return good;
  const auto object = co_await find_object(call);
  if (!object) co_return std::unexpected(object.error());
  (void)co_await call.respond_xml(legal_hold_document(object->meta.has_legal_hold));
  co_return S3Result<>();
}

Task<S3Result<>> PutObjectLegalHold(Call& call) {
  if (auto good = needs_lock(call); !good) co_return good;
  auto change = begin_change(call);
  if (!change) co_return std::unexpected(std::move(change.error()));
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto is_on = parse_legal_hold(*body);
  if (!is_on) co_return std::unexpected(is_on.error());
  change->has_legal_hold = *is_on;
  co_return co_await apply_change(call, std::move(*change), 200);
}

}  // namespace keelson::s3::handlers
