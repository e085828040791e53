#include "protocol/s3/call.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/s3/digest.h"

namespace keelson::s3 {

namespace {

constexpr std::string_view kXml = "application/xml";

std::string make_request_id(env::Random& random) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string id;
  uint64_t value = random.next();
  for (int i = 0; i < 16; ++i, value >>= 4) id += kDigits[value & 15];
  return id;
}

ErrorCode code_of(blob::BlobErrc error) {
  switch (error) {
    case blob::BlobErrc::kOk:
      break;
    case blob::BlobErrc::kNoSuchBucket:
      return ErrorCode::kNoSuchBucket;
    case blob::BlobErrc::kBucketAlreadyExists:
      return ErrorCode::kBucketAlreadyOwnedByYou;
    case blob::BlobErrc::kBucketNotEmpty:
      return ErrorCode::kBucketNotEmpty;
    case blob::BlobErrc::kNoSuchKey:
      return ErrorCode::kNoSuchKey;
    case blob::BlobErrc::kNoSuchVersion:
      return ErrorCode::kNoSuchVersion;
    case blob::BlobErrc::kNoSuchUpload:
      return ErrorCode::kNoSuchUpload;
    case blob::BlobErrc::kInvalidPart:
      return ErrorCode::kInvalidPart;
    case blob::BlobErrc::kInvalidPartOrder:
      return ErrorCode::kInvalidPartOrder;
    case blob::BlobErrc::kEntityTooSmall:
      return ErrorCode::kEntityTooSmall;
    case blob::BlobErrc::kEntityTooLarge:
      return ErrorCode::kEntityTooLarge;
    case blob::BlobErrc::kPreconditionFailed:
      return ErrorCode::kPreconditionFailed;
    case blob::BlobErrc::kObjectLocked:
      return ErrorCode::kAccessDenied;
    case blob::BlobErrc::kObjectLockNotEnabled:
    case blob::BlobErrc::kInvalid:
      return ErrorCode::kInvalidRequest;
    case blob::BlobErrc::kIsDeleteMarker:
      return ErrorCode::kMethodNotAllowed;
    case blob::BlobErrc::kNoSuchDocument:
      return ErrorCode::kNoSuchAccessKey;
  }
  return ErrorCode::kInternalError;
}

std::string message_of(blob::BlobErrc error) {
  if (error == blob::BlobErrc::kObjectLocked) {
    return "Access Denied because object protected by object lock.";
  }
  if (error == blob::BlobErrc::kObjectLockNotEnabled) return "Bucket is missing Object Lock Configuration";
  return {};
}

}  // namespace

Call::Call(S3Service& of, net::http::Exchange& with)
    : service(of),
      exchange(with),
      local(of.local(with.reactor())),
      reactor(with.reactor()),
      now_ms(of.clock().wall_ms()),
      request_id(make_request_id(with.reactor().random())) {
  const net::http::Request& sent = exchange.request();
  headers.reserve(sent.fields().size());
  for (const net::http::Field& field : sent.fields()) headers.emplace_back(field.name, field.value);
  request = {sent.method(), sent.raw_path(), sent.query(), headers};
  exchange.add_field("x-amz-request-id", request_id);
  exchange.add_field("x-amz-id-2", of.host_id());
  exchange.add_field("Server", "Keelson");
}

Task<bool> Call::respond(uint16_t answer_status, std::string_view content_type, std::string_view content) {
  is_answered = true;
  status = answer_status;
  bytes_sent += content.size();
  note_answered();
  co_return co_await exchange.respond(answer_status, content_type, content);
}

Task<bool> Call::respond_error(const S3Error& error) {
  const uint16_t code = error.spec().status;
  if (code != 304) notes.error_code = error.spec().code;
  if (code == 304) co_return co_await respond_empty(code);
  const std::string document = error_document(error, request.raw_path, request_id, service.host_id());
  co_return co_await respond(code, kXml, document);
}

bool is_field_value(std::string_view value) {
  if (!value.empty() &&
      (value.front() == ' ' || value.front() == '\t' || value.back() == ' ' || value.back() == '\t')) {
    return false;
  }
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return c == '\t' || (static_cast<uint8_t>(c) >= 0x20 && c != 0x7f); });
}

S3Result<> check_outcome(log::LogErrc outcome, const blob::Answer& answer) {
  switch (outcome) {
    case log::LogErrc::kOk:
      break;
    case log::LogErrc::kFull:
      return s3_fail(ErrorCode::kServiceUnavailable, "The disk is full; writes are refused until there is room.");
    case log::LogErrc::kTooLarge:
      return s3_fail(ErrorCode::kInvalidRequest, "The request's metadata is too large.");
    case log::LogErrc::kDamaged:
      return s3_fail(ErrorCode::kInternalError, "The data that the request is about are damaged on disk.");
    case log::LogErrc::kFailed:
    case log::LogErrc::kRefused:
    case log::LogErrc::kStopped:
    case log::LogErrc::kNoLeader:
    case log::LogErrc::kNotLeader:
    case log::LogErrc::kNotOwner:
      return s3_fail(ErrorCode::kServiceUnavailable);
    case log::LogErrc::kTimedOut:
      return s3_fail(ErrorCode::kInternalError, "It is not known whether the request took effect.");
    case log::LogErrc::kManyShards:
      return s3_fail(ErrorCode::kNotImplemented, "This request is not supported in a cluster (yet).");
  }
  if (answer.ok()) return {};
  return s3_fail(code_of(answer.error), message_of(answer.error));
}

}  // namespace keelson::s3
