// ACLs of buckets and objects.
#include <utility>

#include "protocol/s3/acl.h"
#include "protocol/s3/authorize.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/payload.h"

namespace keelson::s3::handlers {

namespace {

// What a request sets: headers or a document, not both.
Task<S3Result<Acl>> read_acl(Call& call) {
  auto of_headers = acl_of_headers(call.request);
  if (!of_headers) co_return std::unexpected(std::move(of_headers.error()));
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  if (*of_headers && !body->empty()) co_return s3_fail(ErrorCode::kUnexpectedContent);
  Acl acl;
  if (*of_headers) {
    acl = **of_headers;
  } else {
    if (body->empty()) {
      co_return s3_fail(ErrorCode::kMissingSecurityHeader, "Your request is missing a required header: x-amz-acl");
    }
    auto parsed = parse_acl_document(*body);
    if (!parsed) co_return std::unexpected(std::move(parsed.error()));
    acl = *parsed;
  }
  if (!acl.is_private()) {
    if (call.bucket->ownership == "BucketOwnerEnforced") co_return s3_fail(ErrorCode::kAccessControlListNotSupported);
    if (call.bucket->access_block.blocks_acls) co_return s3_fail(ErrorCode::kAccessDenied);
  }
  co_return acl;
}

}  // namespace

Task<S3Result<>> GetBucketAcl(Call& call) {
  (void)co_await call.respond_xml(call.bucket->acl.document());
  co_return S3Result<>();
}

Task<S3Result<>> PutBucketAcl(Call& call) {
  auto acl = co_await read_acl(call);
  if (!acl) co_return std::unexpected(std::move(acl.error()));
  blob::ConfigureBucket change;
  change.bucket = call.bucket->id();
  if (acl->is_private()) {
    change.remove_documents.emplace_back(kAclDocument);
  } else {
    change.set_documents.emplace_back(kAclDocument, acl->stored());
  }
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().change_bucket(call.reactor, change, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

Task<S3Result<>> GetObjectAcl(Call& call) {
  const auto version = parse_version_id(call.query.value("versionId"));
  if (!version) co_return std::unexpected(version.error());
  const blob::HeadObject head{call.bucket->id(), call.place.key, version->version, version->is_null};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query(call.reactor, head, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_xml(Acl::load(answer.object.meta.acl).document());
  co_return S3Result<>();
}

Task<S3Result<>> PutObjectAcl(Call& call) {
  const auto version = parse_version_id(call.query.value("versionId"));
  if (!version) co_return std::unexpected(version.error());
  auto acl = co_await read_acl(call);
  if (!acl) co_return std::unexpected(std::move(acl.error()));
  blob::ChangeObject change;
  change.bucket = call.bucket->id();
  change.key = call.place.key;
  change.version = version->version;
  change.is_null_version = version->is_null;
  change.acl = acl->stored();
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().apply(call.reactor, change, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

}  // namespace keelson::s3::handlers
