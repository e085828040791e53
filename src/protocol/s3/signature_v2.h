// AWS Signature Version 2, in a header and presigned, for old clients ("Signing and authenticating REST requests",
// Amazon S3 developer guide). HMAC-SHA1 over a few fields; the body is not covered but by Content-MD5.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/s3/error.h"
#include "protocol/s3/request.h"

namespace keelson::s3 {

struct V2Credentials {
  bool is_presigned = false;
  std::string access_key_id;
  std::string signature;  // base64
  std::string date;       // what stands in the string to sign: Date, or Expires of a presigned request
  int64_t date_ms = 0;    // of the header
  int64_t expires_s = 0;  // of a presigned request: seconds since 1970
};

[[nodiscard]] bool is_v2_header(const RequestView& request);
[[nodiscard]] bool is_v2_presigned(const RequestView& request);

// kAccessDenied, kInvalidArgument.
[[nodiscard]] S3Result<V2Credentials> parse_v2(const RequestView& request);

// `virtual_host_bucket` is the bucket if it stands in the host, else empty. kSignatureDoesNotMatch,
// kRequestTimeTooSkewed, kAccessDenied (expired).
[[nodiscard]] S3Result<> verify_v2(const RequestView& request, const V2Credentials& credentials,
                                   std::string_view virtual_host_bucket, std::string_view secret, int64_t now_ms);

[[nodiscard]] std::string string_to_sign_v2(const RequestView& request, const V2Credentials& credentials,
                                            std::string_view virtual_host_bucket);
// base64(HMAC-SHA1).
[[nodiscard]] std::string signature_v2(std::string_view secret, std::string_view string_to_sign);

}  // namespace keelson::s3
