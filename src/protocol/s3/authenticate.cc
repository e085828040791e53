#include "protocol/s3/authenticate.h"

#include <utility>

#include "protocol/s3/digest.h"
#include "protocol/s3/signature_v2.h"
#include "protocol/s3/signature_v4.h"

namespace keelson::s3 {

namespace {

S3Result<> authenticate_v4(Call& call) {
  auto credentials = parse_v4(call.request);
  if (!credentials) return std::unexpected(std::move(credentials.error()));
  auto key = find_key(call, credentials->access_key_id);
  if (!key) return std::unexpected(std::move(key.error()));
  const std::string& region = call.service.options().region;
  const std::string& signing_key = call.local.signing_keys.find(*key, credentials->day, region);
  auto seed = verify_v4_with(call.request, *credentials, signing_key, region, call.now_ms);
  if (!seed) return std::unexpected(std::move(seed.error()));
  call.key = std::move(*key);
  call.auth_type = credentials->is_presigned ? "REST-QUERY-STRING" : "REST-HEADER";
  call.signature_version = kV4Algorithm;
  call.signature_age_ms = call.now_ms - credentials->date_ms;
  call.payload = credentials->payload;
  call.payload_hash = std::move(credentials->payload_hash);
  call.seed = std::move(*seed);
  return {};
}

S3Result<> authenticate_v2(Call& call) {
  auto credentials = parse_v2(call.request);
  if (!credentials) return std::unexpected(std::move(credentials.error()));
  auto key = find_key(call, credentials->access_key_id);
  if (!key) return std::unexpected(std::move(key.error()));
  const std::string_view bucket = call.place.is_virtual_host ? std::string_view(call.place.bucket) : std::string_view();
  if (auto verified = verify_v2(call.request, *credentials, bucket, (*key)->secret, call.now_ms); !verified) {
    return verified;
  }
  call.key = std::move(*key);
  call.auth_type = credentials->is_presigned ? "REST-QUERY-STRING" : "REST-HEADER";
  call.signature_version = "AWS";
  return {};
}

}  // namespace

S3Result<std::shared_ptr<const AccessKey>> find_key(Call& call, std::string_view id) {
  auto key = call.local.keys->find(id);
  if (key && key->may_sign(call.now_ms)) return key;
  S3Error error{.code = ErrorCode::kInvalidAccessKeyId};
  if (key) error.message = key->is_enabled ? "The access key has expired." : "The access key is disabled.";
  error.details.emplace_back("AWSAccessKeyId", id);
  return std::unexpected(std::move(error));
}

namespace {

// Temporary credentials come from a service that there is none of: no token is valid.
S3Result<> refuse_token(const Call& call) {
  if (call.request.header_or_empty("x-amz-security-token").empty() &&
      call.query.value("X-Amz-Security-Token").empty()) {
    return {};
  }
  return s3_fail(ErrorCode::kInvalidToken);
}

// Nobody has signed what an anonymous request says of its body, but what it says must be so.
void read_anonymous_payload(Call& call) {
  const std::string_view word = call.request.header_or_empty("x-amz-content-sha256");
  const auto hash = from_hex(word);
  if (!hash || hash->size() != digest_bytes(DigestKind::kSha256)) return;
  call.payload = PayloadKind::kHashed;
  call.payload_hash = word;
}

}  // namespace

S3Result<> authenticate(Call& call) {
  const RequestView& request = call.request;
  const bool has_header = request.header("authorization").has_value();
  const bool is_presigned = is_v4_presigned(request) || is_v2_presigned(request);
  if (has_header && is_presigned) {
    return s3_fail(ErrorCode::kInvalidArgument,
                   "Only one auth mechanism allowed; only the X-Amz-Algorithm query "
                   "parameter, Signature query string parameter or the Authorization "
                   "header should be specified");
  }
  if (auto good = refuse_token(call); !good) return good;
  S3Result<> done;
  if (is_v4_header(request) || is_v4_presigned(request)) {
    done = authenticate_v4(call);
  } else if (is_v2_header(request) || is_v2_presigned(request)) {
    done = authenticate_v2(call);
  } else if (has_header) {
    return invalid_argument("Unsupported Authorization Type", "Authorization",
                            std::string(request.header_or_empty("authorization")));
  }
  if (!done) return done;
  if (!call.key) read_anonymous_payload(call);
  // What does not sign its payload with V4 may still send it in unsigned chunks.
  if (call.signature_version != kV4Algorithm || call.auth_type == "REST-QUERY-STRING") {
    const std::string_view word = request.header_or_empty("x-amz-content-sha256");
    if (word == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
      call.payload = PayloadKind::kUnsignedTrailer;
    } else if (word.starts_with("STREAMING-") && !call.seed) {
      return s3_fail(ErrorCode::kInvalidRequest, "Signed chunks need a request that is signed with version 4.");
    }
  }
  return {};
}

}  // namespace keelson::s3
