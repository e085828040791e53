// An S3 request before it is sent: what it asks, its target, its signature (AWS Signature Version 4, see
// protocol/s3/signature_v4.h). Path style, which every service takes. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/blob_url.h"

namespace keelson::cli {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct BlobKeys {
  std::string access_key_id = {};  // empty: requests are not signed
  std::string secret_access_key = {};
  std::string session_token = {};  // of temporary keys
};

struct BlobRequest {
  std::string method = "GET";
  std::string bucket = {};   // empty: the service
  std::string key = {};      // empty: the bucket
  Pairs query = {};          // decoded; an empty value is written without "="
  Pairs headers = {};        // lower-case names
  std::string content = {};  // for small bodies; large ones stand beside the request (blob_body.h)

  // For sentences: "s3://bucket/key".
  [[nodiscard]] std::string place() const { return BlobUrl{bucket, key}.text(); }
};

// "/bucket/key?list-type=2&prefix=a%2F"
[[nodiscard]] std::string request_target(const BlobRequest& request);

// What goes out as headers, but for Host and Content-Length: the request's own, the date, the payload's hash ("sha256
// hex" or "UNSIGNED-PAYLOAD") and the signature.
[[nodiscard]] Pairs signed_headers(const BlobRequest& request, std::string_view authority, const BlobKeys& keys,
                                   std::string_view region, std::string_view payload_hash, int64_t now_ms);

// A URL that carries its own signature for `expires_s` seconds. BlobErrc::kUsage without keys, or beyond a week.
[[nodiscard]] Result<std::string> presigned_url(const BlobRequest& request, const Endpoint& endpoint,
                                                const BlobKeys& keys, std::string_view region, int64_t now_ms,
                                                int64_t expires_s);

}  // namespace keelson::cli
