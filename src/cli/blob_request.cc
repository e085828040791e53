#include "cli/blob_request.h"

#include <algorithm>

#include "cli/blob_errors.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/signature_v4.h"
#include "protocol/s3/uri.h"

namespace keelson::cli {

namespace {

s3::V4Credentials credentials_for(const BlobKeys& keys, std::string_view region, int64_t now_ms) {
  s3::V4Credentials credentials;
  credentials.access_key_id = keys.access_key_id;
  credentials.day = s3::format_day(now_ms);
  credentials.date = s3::format_amz_date(now_ms);
  credentials.date_ms = now_ms;
  credentials.region = region;
  credentials.scope = credentials.day + "/" + credentials.region + "/s3/aws4_request";
  return credentials;
}

std::string signature_of(const s3::RequestView& view, const s3::V4Credentials& credentials, const BlobKeys& keys) {
  const std::string canonical = s3::canonical_request_v4(view, credentials);
  const std::string to_sign = s3::string_to_sign_v4(credentials.date, credentials.scope, canonical);
  const std::string key = s3::signing_key_v4(keys.secret_access_key, credentials.day, credentials.region);
  return s3::signature_v4(key, to_sign);
}

void append_query(std::string& target, const Pairs& query) {
  bool is_first = target.find('?') == std::string::npos;
  for (const auto& [name, value] : query) {
    target += is_first ? '?' : '&';
    is_first = false;
    s3::append_uri_encoded(target, name, s3::Slash::kEncode);
    if (value.empty()) continue;
    target += '=';
    s3::append_uri_encoded(target, value, s3::Slash::kEncode);
  }
}

s3::RequestView view_of(std::string_view method, std::string_view target, const std::vector<s3::HeaderView>& headers) {
  const size_t question = std::min(target.find('?'), target.size());
  return {.method = method,
          .raw_path = target.substr(0, question),
          .raw_query = target.substr(std::min(question + 1, target.size())),
          .headers = headers};
}

}  // namespace

std::string request_target(const BlobRequest& request) {
  std::string target = "/";
  if (!request.bucket.empty()) s3::append_uri_encoded(target, request.bucket, s3::Slash::kEncode);
  if (!request.key.empty()) {
    target += '/';
    s3::append_uri_encoded(target, request.key, s3::Slash::kKeep);
  }
  append_query(target, request.query);
  return target;
}

Pairs signed_headers(const BlobRequest& request, std::string_view authority, const BlobKeys& keys,
                     std::string_view region, std::string_view payload_hash, int64_t now_ms) {
  Pairs headers = request.headers;
  if (keys.access_key_id.empty()) return headers;
  s3::V4Credentials credentials = credentials_for(keys, region, now_ms);
  credentials.payload_hash = payload_hash;
  headers.emplace_back("x-amz-content-sha256", payload_hash);
  headers.emplace_back("x-amz-date", credentials.date);
  if (!keys.session_token.empty()) headers.emplace_back("x-amz-security-token", keys.session_token);
  std::vector<s3::HeaderView> views(headers.begin(), headers.end());
  views.emplace_back("host", authority);
  for (const auto& [name, value] : views) credentials.signed_headers.emplace_back(name);
  std::sort(credentials.signed_headers.begin(), credentials.signed_headers.end());
  const std::string target = request_target(request);
  std::string authorization(s3::kV4Algorithm);
  authorization.append(" Credential=").append(keys.access_key_id).append("/").append(credentials.scope);
  authorization.append(", SignedHeaders=");
  for (size_t i = 0; i < credentials.signed_headers.size(); ++i) {
    authorization.append(i == 0 ? "" : ";").append(credentials.signed_headers[i]);
  }
  authorization.append(", Signature=").append(signature_of(view_of(request.method, target, views), credentials, keys));
  headers.emplace_back("authorization", std::move(authorization));
  return headers;
}

Result<std::string> presigned_url(const BlobRequest& request, const Endpoint& endpoint, const BlobKeys& keys,
                                  std::string_view region, int64_t now_ms, int64_t expires_s) {
  if (keys.access_key_id.empty()) {
    return fail(BlobErrc::kUsage,
                "a URL is signed with keys: set KEELSON_S3_ACCESS_KEY_ID and "
                "KEELSON_S3_SECRET_ACCESS_KEY");
  }
  if (expires_s < 1 || expires_s > s3::kPresignedExpiryMaxS) {
    return fail(BlobErrc::kUsage, "a signed URL is good for 1 second to 7 days");
  }
  s3::V4Credentials credentials = credentials_for(keys, region, now_ms);
  credentials.is_presigned = true;
  credentials.payload_hash = "UNSIGNED-PAYLOAD";
  credentials.signed_headers = {"host"};
  BlobRequest with = request;
  with.query.emplace_back("X-Amz-Algorithm", s3::kV4Algorithm);
  with.query.emplace_back("X-Amz-Credential", keys.access_key_id + "/" + credentials.scope);
  with.query.emplace_back("X-Amz-Date", credentials.date);
  with.query.emplace_back("X-Amz-Expires", std::to_string(expires_s));
  if (!keys.session_token.empty()) with.query.emplace_back("X-Amz-Security-Token", keys.session_token);
  with.query.emplace_back("X-Amz-SignedHeaders", "host");
  std::string target = request_target(with);
  const std::string authority = endpoint.authority();
  const std::vector<s3::HeaderView> views = {{"host", authority}};
  const std::string signature = signature_of(view_of(request.method, target, views), credentials, keys);
  append_query(target, {{"X-Amz-Signature", signature}});
  return endpoint.text() + target;
}

}  // namespace keelson::cli
