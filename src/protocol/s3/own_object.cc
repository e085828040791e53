#include "protocol/s3/own_object.h"

#include <cstring>
#include <utility>

#include "protocol/s3/call.h"
#include "protocol/s3/write_object.h"

namespace keelson::s3 {

Decision decide_delivery(const BucketView& target, std::string_view service, std::string_view key,
                         std::string_view source_bucket) {
  const std::string resource = object_arn(target.bucket->name, key);
  PolicyRequest request;
  request.action = "s3:PutObject";
  request.resource = resource;
  request.service = service;
  request.context.emplace_back("aws:sourcearn", bucket_arn(source_bucket));
  request.context.emplace_back("aws:sourceaccount", kAccountId);
  request.context.emplace_back("aws:securetransport", "true");  // nothing leaves the server
  request.context.emplace_back("s3:x-amz-acl", "bucket-owner-full-control");
  if (target.has_broken_policy) return Decision::kDeny;
  const Decision decision = target.policy ? target.policy->decide(request) : Decision::kNone;
  if (decision != Decision::kNone || service != kLoggingService) return decision;
  const bool has_acls = target.ownership != "BucketOwnerEnforced" && !target.access_block.ignores_acls;
  return has_acls && (target.acl.log_delivery & kAclWrite) != 0 ? Decision::kAllow : Decision::kNone;
}

namespace {

blobstore::WriterOptions sealed_with(const std::optional<Encryption>& encryption) {
  blobstore::WriterOptions options;
  if (encryption) options.key = encryption->key;
  return options;
}

}  // namespace

OwnObject::OwnObject(blobstore::Store& store, env::Reactor& on, std::shared_ptr<const BucketView> bucket,
                     std::string key, std::optional<Encryption> encryption)
    : store_(store),
      on_(on),
      bucket_(std::move(bucket)),
      key_(std::move(key)),
      encryption_(std::move(encryption)),
      writer_(store_.new_writer(on_, bucket_->id(), key_, sealed_with(encryption_))),
      md5_(DigestKind::kMd5) {}

Task<S3Result<>> OwnObject::append(std::string_view bytes) {
  md5_.update(bytes);
  if (Status taken = co_await writer_->append(bytes); !taken.ok())
    co_return std::unexpected(storage_error(taken.error()));
  co_return S3Result<>();
}

Task<S3Result<>> OwnObject::put(std::string content_type, int64_t now_ms) {
  auto payload = co_await writer_->finish();
  if (!payload.ok()) co_return std::unexpected(storage_error(payload.error()));
  const std::string md5 = md5_.finish();
  md5_hex_ = to_hex(md5);
  blob::PutObject put;
  put.bucket = bucket_->id();
  put.key = key_;
  put.meta.payload = std::move(*payload);
  if (encryption_) put.meta.encryption = encryption_->stored;
  std::memcpy(put.meta.etag.md5.data(), md5.data(), put.meta.etag.md5.size());
  put.meta.headers.emplace_back("content-type", std::move(content_type));
  put.meta.retention = bucket_->lock.retention_at(now_ms);
  blob::Answer answer;
  const log::LogErrc outcome = co_await store_.apply(on_, put, answer);
  co_return check_outcome(outcome, answer);
}

}  // namespace keelson::s3
