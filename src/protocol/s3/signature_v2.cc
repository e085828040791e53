#include "protocol/s3/signature_v2.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <vector>

#include "base/base64.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/signature_v4.h"
#include "protocol/s3/uri.h"

namespace keelson::s3 {

namespace {

constexpr std::string_view kScheme = "AWS ";

// The parameters that belong to the resource that is signed.
constexpr std::array kSubresources = {
    std::string_view("acl"),
    std::string_view("accelerate"),
    std::string_view("analytics"),
    std::string_view("attributes"),
    std::string_view("cors"),
    std::string_view("delete"),
    std::string_view("encryption"),
    std::string_view("inventory"),
    std::string_view("legal-hold"),
    std::string_view("lifecycle"),
    std::string_view("location"),
    std::string_view("logging"),
    std::string_view("metrics"),
    std::string_view("notification"),
    std::string_view("object-lock"),
    std::string_view("ownershipControls"),
    std::string_view("partNumber"),
    std::string_view("policy"),
    std::string_view("policyStatus"),
    std::string_view("publicAccessBlock"),
    std::string_view("replication"),
    std::string_view("requestPayment"),
    std::string_view("response-cache-control"),
    std::string_view("response-content-disposition"),
    std::string_view("response-content-encoding"),
    std::string_view("response-content-language"),
    std::string_view("response-content-type"),
    std::string_view("response-expires"),
    std::string_view("restore"),
    std::string_view("retention"),
    std::string_view("select"),
    std::string_view("select-type"),
    std::string_view("tagging"),
    std::string_view("torrent"),
    std::string_view("uploadId"),
    std::string_view("uploads"),
    std::string_view("versionId"),
    std::string_view("versioning"),
    std::string_view("versions"),
    std::string_view("website"),
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

void append_amz_headers(std::string& out, const RequestView& request) {
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : request.headers) {
    std::string key = lower(name);
    if (!key.starts_with("x-amz-")) continue;
    std::string& joined = headers[std::move(key)];
    if (!joined.empty()) joined += ',';
    joined += trim(value);
  }
  for (const auto& [name, value] : headers) out.append(name).append(":").append(value).append("\n");
}

void append_resource(std::string& out, const RequestView& request, std::string_view virtual_host_bucket) {
  if (!virtual_host_bucket.empty()) out.append("/").append(virtual_host_bucket);
  out.append(request.raw_path);
  const auto query = Query::parse(request.raw_query);
  if (!query) return;
  // Sorted by name; a name without a value has no '='. The query says which by having none, which Query does not keep.
  std::vector<std::pair<std::string_view, std::string_view>> chosen;
  for (const auto& [name, value] : query->pairs()) {
    if (std::find(kSubresources.begin(), kSubresources.end(), name) != kSubresources.end()) {
      chosen.emplace_back(name, value);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  char separator = '?';
  for (const auto& [name, value] : chosen) {
    out += separator;
    separator = '&';
    out += name;
    if (!value.empty()) out.append("=").append(value);
  }
}

}  // namespace

bool is_v2_header(const RequestView& request) { return request.header_or_empty("authorization").starts_with(kScheme); }

bool is_v2_presigned(const RequestView& request) {
  const auto query = Query::parse(request.raw_query);
  return query && query->has("AWSAccessKeyId") && query->has("Signature");
}

S3Result<V2Credentials> parse_v2(const RequestView& request) {
  V2Credentials credentials;
  if (is_v2_header(request)) {
    const std::string_view text = trim(request.header_or_empty("authorization").substr(kScheme.size()));
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
      return invalid_argument("Authorization header is invalid: expected AWSAccessKeyId:signature", "Authorization",
                              std::string(text.substr(0, colon)));
    }
    credentials.access_key_id = text.substr(0, colon);
    credentials.signature = text.substr(colon + 1);
    const auto amz_date = request.header("x-amz-date");
    const std::string_view date = amz_date ? *amz_date : request.header_or_empty("date");
    auto date_ms = parse_http_date(date);
    if (!date_ms) date_ms = parse_amz_date(date);
    if (!date_ms) {
      return s3_fail(ErrorCode::kAccessDenied, "AWS authentication requires a valid Date or x-amz-date header");
    }
    credentials.date_ms = *date_ms;
    if (!amz_date) credentials.date = date;
    return credentials;
  }
  const auto query = Query::parse(request.raw_query);
  if (!query) return s3_fail(ErrorCode::kInvalidURI);
  credentials.is_presigned = true;
  credentials.access_key_id = query->value("AWSAccessKeyId");
  credentials.signature = query->value("Signature");
  credentials.date = query->value("Expires");
  const std::string& expires = credentials.date;
  const auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), credentials.expires_s);
  // The bound keeps the milliseconds within 64 bits.
  if (error != std::errc() || end != expires.data() + expires.size() || credentials.expires_s < 0 ||
      credentials.expires_s > INT64_MAX / 1000) {
    return s3_fail(ErrorCode::kAccessDenied,
                   "Query-string authentication requires the Signature, Expires and "
                   "AWSAccessKeyId parameters; Expires is a number of seconds since 1970");
  }
  return credentials;
}

std::string string_to_sign_v2(const RequestView& request, const V2Credentials& credentials,
                              std::string_view virtual_host_bucket) {
  std::string out(request.method);
  out.append("\n").append(trim(request.header_or_empty("content-md5")));
  out.append("\n").append(trim(request.header_or_empty("content-type")));
  out.append("\n").append(credentials.date).append("\n");
  append_amz_headers(out, request);
  append_resource(out, request, virtual_host_bucket);
  return out;
}

std::string signature_v2(std::string_view secret, std::string_view string_to_sign) {
  return to_base64(hmac_sha1(secret, string_to_sign));
}

S3Result<> verify_v2(const RequestView& request, const V2Credentials& credentials, std::string_view virtual_host_bucket,
                     std::string_view secret, int64_t now_ms) {
  if (!credentials.is_presigned) {
    if (credentials.date_ms > now_ms + kClockSkewMaxMs || credentials.date_ms < now_ms - kClockSkewMaxMs) {
      return std::unexpected(time_too_skewed(format_http_date(credentials.date_ms), now_ms));
    }
  } else if (now_ms > credentials.expires_s * 1000) {
    S3Error error{.code = ErrorCode::kAccessDenied, .message = "Request has expired"};
    error.details.emplace_back("Expires", format_iso8601(credentials.expires_s * 1000));
    error.details.emplace_back("ServerTime", format_iso8601(now_ms));
    return std::unexpected(std::move(error));
  }
  const std::string to_sign = string_to_sign_v2(request, credentials, virtual_host_bucket);
  if (equal_in_constant_time(signature_v2(secret, to_sign), credentials.signature)) return {};
  // Some clients (botocore) sign "/bucket/" and send "/bucket".
  if (virtual_host_bucket.empty() && request.raw_path.find('/', 1) == std::string_view::npos) {
    const std::string with_slash = std::string(request.raw_path) + "/";
    RequestView other = request;
    other.raw_path = with_slash;
    const std::string other_to_sign = string_to_sign_v2(other, credentials, virtual_host_bucket);
    if (equal_in_constant_time(signature_v2(secret, other_to_sign), credentials.signature)) return {};
  }
  return std::unexpected(signature_mismatch(credentials.access_key_id, to_sign, credentials.signature, {}));
}

}  // namespace keelson::s3
