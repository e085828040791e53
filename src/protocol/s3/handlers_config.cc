// What a bucket is configured with: each document put, got and deleted.
#include <utility>

#include "protocol/s3/authorize.h"
#include "protocol/s3/documents.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/payload.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3::handlers {

namespace {

// Stores the document under its name (or removes it, with nullopt), and answers.
Task<S3Result<>> change_document(Call& call, std::string_view name, std::optional<std::string> text, uint16_t status) {
  blob::ConfigureBucket change;
  change.bucket = call.bucket->id();
  if (text) {
    change.set_documents.emplace_back(name, std::move(*text));
  } else {
    change.remove_documents.emplace_back(name);
  }
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().change_bucket(call.reactor, change, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_empty(status);
  co_return S3Result<>();
}

Task<S3Result<>> get_document(Call& call, std::string_view name, ErrorCode none) {
  const std::string* text = call.bucket->document(name);
  if (text == nullptr) {
    S3Error error{.code = none};
    error.details.emplace_back("BucketName", call.place.bucket);
    co_return std::unexpected(std::move(error));
  }
  (void)co_await call.respond_xml(*text);
  co_return S3Result<>();
}

// Reads the body and lets `parse` check it; stores what it says in its own words.
template <class Value>
Task<S3Result<>> put_document(Call& call, std::string_view name, S3Result<Value> (*parse)(std::string_view),
                              std::string (*write)(const Value&), size_t bytes_max = kConfigDocumentBytesMax) {
  auto body = co_await read_document(call, bytes_max);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto value = parse(*body);
  if (!value) co_return std::unexpected(value.error());
  co_return co_await change_document(call, name, write(*value), 200);
}

// A fixed document for what there is none of.
Task<S3Result<>> respond_empty_document(Call& call, std::string_view root) {
  XmlWriter xml;
  xml.open_root(root);
  xml.close(root);
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

// A page of configurations of which there are none.
Task<S3Result<>> respond_empty_page(Call& call, std::string_view root) {
  XmlWriter xml;
  xml.open_root(root);
  xml.element("IsTruncated", false);
  xml.close(root);
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

}  // namespace

Task<S3Result<>> GetBucketPolicy(Call& call) {
  const std::string* text = call.bucket->document(kPolicyDocument);
  if (text == nullptr) {
    S3Error error{.code = ErrorCode::kNoSuchBucketPolicy};
    error.details.emplace_back("BucketName", call.place.bucket);
    co_return std::unexpected(std::move(error));
  }
  (void)co_await call.respond(200, "application/json", *text);
  co_return S3Result<>();
}

Task<S3Result<>> PutBucketPolicy(Call& call) {
  auto body = co_await read_document(call, kPolicyBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto policy = Policy::parse(*body, Policy::Kind::kBucket, call.place.bucket);
  if (!policy) co_return std::unexpected(policy.error());
  if (call.bucket->access_block.blocks_policy && policy->is_public()) {
    co_return s3_fail(ErrorCode::kAccessDenied,
                      "Public policies are prevented by the BlockPublicPolicy setting in S3 "
                      "Block Public Access.");
  }
  co_return co_await change_document(call, kPolicyDocument, std::move(*body), 204);
}

Task<S3Result<>> DeleteBucketPolicy(Call& call) {
  co_return co_await change_document(call, kPolicyDocument, std::nullopt, 204);
}

Task<S3Result<>> GetBucketPolicyStatus(Call& call) {
  if (!call.bucket->policy) co_return s3_fail(ErrorCode::kNoSuchBucketPolicy);
  XmlWriter xml;
  xml.open_root("PolicyStatus");
  xml.element("IsPublic", call.bucket->policy->is_public());
  xml.close("PolicyStatus");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}

Task<S3Result<>> GetBucketCors(Call& call) {
  co_return co_await get_document(call, kCorsDocument, ErrorCode::kNoSuchCORSConfiguration);
}
Task<S3Result<>> PutBucketCors(Call& call) {
  co_return co_await put_document<CorsConfiguration>(call, kCorsDocument, &CorsConfiguration::parse,
                                                     [](const CorsConfiguration& value) { return value.document(); });
}
Task<S3Result<>> DeleteBucketCors(Call& call) {
  co_return co_await change_document(call, kCorsDocument, std::nullopt, 204);
}

Task<S3Result<>> GetBucketLifecycleConfiguration(Call& call) {
  co_return co_await get_document(call, kLifecycleDocument, ErrorCode::kNoSuchLifecycleConfiguration);
}
Task<S3Result<>> PutBucketLifecycleConfiguration(Call& call) {
  co_return co_await put_document<LifecycleConfiguration>(
      call, kLifecycleDocument, &LifecycleConfiguration::parse,
      [](const LifecycleConfiguration& value) { return value.document(); });
}
Task<S3Result<>> DeleteBucketLifecycle(Call& call) {
  co_return co_await change_document(call, kLifecycleDocument, std::nullopt, 204);
}

Task<S3Result<>> GetBucketTagging(Call& call) {
  co_return co_await get_document(call, kTaggingDocument, ErrorCode::kNoSuchTagSet);
}
Task<S3Result<>> PutBucketTagging(Call& call) {
  auto body = co_await read_document(call, kConfigDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto tags = parse_tagging_document(*body, kBucketTagsMax);
  if (!tags) co_return std::unexpected(tags.error());
  co_return co_await change_document(call, kTaggingDocument, tagging_document(*tags), 204);
}
Task<S3Result<>> DeleteBucketTagging(Call& call) {
  co_return co_await change_document(call, kTaggingDocument, std::nullopt, 204);
}

Task<S3Result<>> GetObjectLockConfiguration(Call& call) {
  if (!call.bucket->bucket->has_object_lock) co_return s3_fail(ErrorCode::kObjectLockConfigurationNotFoundError);
  (void)co_await call.respond_xml(call.bucket->lock.document());
  co_return S3Result<>();
}
Task<S3Result<>> PutObjectLockConfiguration(Call& call) {
  auto body = co_await read_document(call, kConfigDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  if (body->empty()) co_return s3_fail(ErrorCode::kMissingRequestBodyError);
  const auto lock = ObjectLockConfiguration::parse(*body);
  if (!lock) co_return std::unexpected(lock.error());
  const blob::Bucket& bucket = *call.bucket->bucket;
  if (!bucket.has_object_lock && bucket.versioning != blob::Versioning::kEnabled) {
    co_return s3_fail(ErrorCode::kInvalidBucketState,
                      "Versioning must be 'Enabled' on the bucket to apply a Object Lock "
                      "configuration");
  }
  blob::ConfigureBucket change;
  change.bucket = bucket.id;
  change.enable_object_lock = true;
  change.set_documents.emplace_back(kObjectLockDocument, lock->document());
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().change_bucket(call.reactor, change, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

Task<S3Result<>> GetBucketWebsite(Call& call) {
  co_return co_await get_document(call, kWebsiteDocument, ErrorCode::kNoSuchWebsiteConfiguration);
}
Task<S3Result<>> PutBucketWebsite(Call& call) {
  co_return co_await put_document<WebsiteConfiguration>(
      call, kWebsiteDocument, &WebsiteConfiguration::parse,
      [](const WebsiteConfiguration& value) { return value.document(); }, WebsiteConfiguration::kBytesMax);
}
Task<S3Result<>> DeleteBucketWebsite(Call& call) {
  co_return co_await change_document(call, kWebsiteDocument, std::nullopt, 204);
}

Task<S3Result<>> GetBucketOwnershipControls(Call& call) {
  if (call.bucket->ownership.empty()) co_return s3_fail(ErrorCode::kOwnershipControlsNotFoundError);
  (void)co_await call.respond_xml(ownership_document(call.bucket->ownership));
  co_return S3Result<>();
}
Task<S3Result<>> PutBucketOwnershipControls(Call& call) {
  co_return co_await put_document<std::string>(call, kOwnershipDocument, &parse_ownership,
                                               [](const std::string& value) { return value; });
}
Task<S3Result<>> DeleteBucketOwnershipControls(Call& call) {
  co_return co_await change_document(call, kOwnershipDocument, std::nullopt, 204);
}

Task<S3Result<>> GetPublicAccessBlock(Call& call) {
  co_return co_await get_document(call, kPublicAccessDocument, ErrorCode::kNoSuchPublicAccessBlockConfiguration);
}
Task<S3Result<>> PutPublicAccessBlock(Call& call) {
  co_return co_await put_document<PublicAccessBlock>(call, kPublicAccessDocument, &PublicAccessBlock::parse,
                                                     [](const PublicAccessBlock& value) { return value.document(); });
}
Task<S3Result<>> DeletePublicAccessBlock(Call& call) {
  co_return co_await change_document(call, kPublicAccessDocument, std::nullopt, 204);
}

Task<S3Result<>> GetBucketEncryption(Call& call) {
  co_return co_await get_document(call, kEncryptionDocument,
                                  ErrorCode::kServerSideEncryptionConfigurationNotFoundError);
}
Task<S3Result<>> PutBucketEncryption(Call& call) {
  co_return co_await put_document<BucketEncryption>(call, kEncryptionDocument, &BucketEncryption::parse,
                                                    [](const BucketEncryption& value) { return value.document(); });
}
Task<S3Result<>> DeleteBucketEncryption(Call& call) {
  co_return co_await change_document(call, kEncryptionDocument, std::nullopt, 204);
}

Task<S3Result<>> GetBucketReplication(Call&) { co_return s3_fail(ErrorCode::kReplicationConfigurationNotFoundError); }

Task<S3Result<>> DeleteBucketReplication(Call& call) {
  (void)co_await call.respond_empty(204);
  co_return S3Result<>();
}

// Of these a bucket has none, as they cannot be put. Tools that look at everything of a bucket (Terraform, mc) ask for
// them, take a list without members or "no such configuration" for what it says, and give up at NotImplemented.
Task<S3Result<>> GetBucketAnalyticsConfiguration(Call&) { co_return s3_fail(ErrorCode::kNoSuchConfiguration); }
Task<S3Result<>> DeleteBucketAnalyticsConfiguration(Call&) { co_return s3_fail(ErrorCode::kNoSuchConfiguration); }
Task<S3Result<>> ListBucketAnalyticsConfigurations(Call& call) {
  co_return co_await respond_empty_page(call, "ListBucketAnalyticsConfigurationsResult");
}
Task<S3Result<>> GetBucketIntelligentTieringConfiguration(Call&) { co_return s3_fail(ErrorCode::kNoSuchConfiguration); }
Task<S3Result<>> DeleteBucketIntelligentTieringConfiguration(Call&) {
  co_return s3_fail(ErrorCode::kNoSuchConfiguration);
}
Task<S3Result<>> ListBucketIntelligentTieringConfigurations(Call& call) {
  co_return co_await respond_empty_page(call, "ListBucketIntelligentTieringConfigurationsOutput");
}
Task<S3Result<>> GetBucketMetricsConfiguration(Call&) { co_return s3_fail(ErrorCode::kNoSuchConfiguration); }
Task<S3Result<>> DeleteBucketMetricsConfiguration(Call&) { co_return s3_fail(ErrorCode::kNoSuchConfiguration); }
Task<S3Result<>> ListBucketMetricsConfigurations(Call& call) {
  co_return co_await respond_empty_page(call, "ListMetricsConfigurationsResult");
}

Task<S3Result<>> GetBucketNotificationConfiguration(Call& call) {
  co_return co_await respond_empty_document(call, "NotificationConfiguration");
}
Task<S3Result<>> PutBucketNotificationConfiguration(Call& call) {
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto is_empty = parse_notification_is_empty(*body);
  if (!is_empty) co_return std::unexpected(is_empty.error());
  if (!*is_empty) co_return s3_fail(ErrorCode::kNotImplemented, "Event notifications are not implemented.");
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

Task<S3Result<>> GetBucketRequestPayment(Call& call) {
  XmlWriter xml;
  xml.open_root("RequestPaymentConfiguration");
  xml.element("Payer", "BucketOwner");
  xml.close("RequestPaymentConfiguration");
  (void)co_await call.respond_xml(xml.take());
  co_return S3Result<>();
}
Task<S3Result<>> PutBucketRequestPayment(Call& call) {
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  if (auto good = parse_request_payment(*body); !good) co_return good;
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

Task<S3Result<>> GetBucketAccelerateConfiguration(Call& call) {
  co_return co_await respond_empty_document(call, "AccelerateConfiguration");
}

}  // namespace keelson::s3::handlers
