// AWS Signature Version 4 as S3 uses it ("Authenticating Requests (AWS Signature Version 4)", Amazon S3 API reference).
//
// Differences from other services: the path is encoded once, never normalised; the payload's hash is what the client
// says in x-amz-content-sha256 (checked against the bytes by whoever reads them); bodies may come in signed chunks.
//
// Two steps, so that the secret can be looked up between them: parse_v4() reads who signs and how, verify_v4() checks.
// Pure functions; any thread. Secrets are compared in constant time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/s3/error.h"
#include "protocol/s3/request.h"

namespace keelson::s3 {

inline constexpr int64_t kClockSkewMaxMs = int64_t{15} * 60 * 1000;
inline constexpr int64_t kPresignedExpiryMaxS = int64_t{7} * 24 * 3600;
inline constexpr std::string_view kV4Algorithm = "AWS4-HMAC-SHA256";

// What x-amz-content-sha256 says of the body.
enum class PayloadKind : uint8_t {
  kUnsigned,         // UNSIGNED-PAYLOAD
  kHashed,           // the body's SHA-256
  kChunks,           // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
  kChunksTrailer,    // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
  kUnsignedTrailer,  // STREAMING-UNSIGNED-PAYLOAD-TRAILER
};

struct V4Credentials {
  bool is_presigned = false;
  std::string access_key_id;
  std::string day;                          // "20130524"
  std::string region;                       // as signed
  std::string scope;                        // "20130524/us-east-1/s3/aws4_request"
  std::vector<std::string> signed_headers;  // lower case, in the client's order
  std::string signature;                    // 64 hex digits
  std::string date;                         // x-amz-date: "20130524T000000Z"
  int64_t date_ms = 0;
  int64_t expires_s = 0;  // of a presigned request
  PayloadKind payload = PayloadKind::kUnsigned;
  std::string payload_hash;  // x-amz-content-sha256 as signed
};

// Is the request signed with V4, in a header or in its query? (parse_v4() may still find fault with it.)
[[nodiscard]] bool is_v4_header(const RequestView& request);
[[nodiscard]] bool is_v4_presigned(const RequestView& request);

// kAuthorizationHeaderMalformed, kAuthorizationQueryParametersError, kAccessDenied (a header that must be signed is
// not), kInvalidRequest (a payload word that nobody knows).
[[nodiscard]] S3Result<V4Credentials> parse_v4(const RequestView& request);

// Goes on signing where the request's own signature ends: chunks and trailers (aws_chunked.h).
struct ChunkSeed {
  std::string signing_key;
  std::string date;
  std::string scope;
  std::string signature;  // the previous one; at first the request's
};

// kSignatureDoesNotMatch, kRequestTimeTooSkewed, kAccessDenied (expired or not valid yet),
// kAuthorizationHeaderMalformed (the region is another one).
[[nodiscard]] S3Result<ChunkSeed> verify_v4(const RequestView& request, const V4Credentials& credentials,
                                            std::string_view secret, std::string_view region, int64_t now_ms);
// The same with signing_key_v4() of the secret, the credentials' day and the region.
[[nodiscard]] S3Result<ChunkSeed> verify_v4_with(const RequestView& request, const V4Credentials& credentials,
                                                 std::string_view signing_key, std::string_view region, int64_t now_ms);

// The pieces, for tests and for signing.
[[nodiscard]] std::string canonical_request_v4(const RequestView& request, const V4Credentials& credentials);
[[nodiscard]] std::string string_to_sign_v4(std::string_view date, std::string_view scope,
                                            std::string_view canonical_request);
[[nodiscard]] std::string signing_key_v4(std::string_view secret, std::string_view day, std::string_view region,
                                         std::string_view service = "s3");
[[nodiscard]] std::string signature_v4(std::string_view signing_key, std::string_view string_to_sign);

// "AKID/20130524/us-east-1/s3/aws4_request", taken apart into the credentials' fields; false if it is not that.
[[nodiscard]] bool parse_credential_v4(std::string_view text, V4Credentials& into);

// The error with what the client needs to find its mistake.
[[nodiscard]] S3Error signature_mismatch(std::string_view access_key_id, std::string_view string_to_sign,
                                         std::string_view signature_given, std::string_view canonical_request);
[[nodiscard]] S3Error time_too_skewed(std::string_view request_time, int64_t now_ms);

}  // namespace keelson::s3
