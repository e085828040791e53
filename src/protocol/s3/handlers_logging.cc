// PutBucketLogging and GetBucketLogging.
#include <utility>

#include "protocol/s3/authorize.h"
#include "protocol/s3/bucket_logging.h"
#include "protocol/s3/handlers.h"
#include "protocol/s3/own_object.h"
#include "protocol/s3/payload.h"

namespace keelson::s3::handlers {

namespace {

std::unexpected<S3Error> invalid_target(const BucketLogging& logging, std::string message) {
  S3Error error{.code = ErrorCode::kInvalidTargetBucketForLogging, .message = std::move(message)};
  error.details.emplace_back("TargetBucket", logging.target_bucket);
  return std::unexpected(std::move(error));
}

// The target is there, and log delivery may put there: its policy or its ACL lets it, or whoever asks may put there
// himself (so that nobody makes the server write where he could not).
Task<S3Result<>> check_target(Call& call, const BucketLogging& logging) {
  auto bucket = co_await call.store().find_bucket(call.reactor, logging.target_bucket);
  if (bucket == nullptr) co_return invalid_target(logging, "The target bucket for logging does not exist");
  const auto target = call.local.buckets.view_of(std::move(bucket));
  const std::string key =
      log_object_key(logging, call.place.bucket, call.service.options().region, call.now_ms, "0000000000000000");
  const Decision decision = decide_delivery(*target, kLoggingService, key, call.place.bucket);
  if (decision == Decision::kDeny) {
    co_return invalid_target(logging, "The target bucket's policy denies s3:PutObject to logging.s3.amazonaws.com.");
  }
  if (decision == Decision::kAllow || may(call, {.permission = "s3:PutObject", .bucket = target.get(), .key = key})) {
    co_return S3Result<>();
  }
  co_return invalid_target(logging,
                           "You must give logging.s3.amazonaws.com s3:PutObject by the target bucket's policy, or the "
                           "log-delivery group WRITE and READ_ACP permissions to the target bucket");
}

}  // namespace

Task<S3Result<>> GetBucketLogging(Call& call) {
  (void)co_await call.respond_xml(call.bucket->logging.value_or(BucketLogging()).document());
  co_return S3Result<>();
}

Task<S3Result<>> PutBucketLogging(Call& call) {
  auto body = co_await read_document(call, kSmallDocumentBytesMax);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const auto logging = BucketLogging::parse(*body);
  if (!logging) co_return std::unexpected(logging.error());
  blob::ConfigureBucket change;
  change.bucket = call.bucket->id();
  if (logging->is_on()) {
    if (auto good = co_await check_target(call, *logging); !good) co_return good;
    change.set_documents.emplace_back(kLoggingDocument, logging->document());
  } else {
    change.remove_documents.emplace_back(kLoggingDocument);
  }
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().change_bucket(call.reactor, change, answer);
  if (auto good = check_outcome(outcome, answer); !good) co_return good;
  (void)co_await call.respond_empty(200);
  co_return S3Result<>();
}

}  // namespace keelson::s3::handlers
