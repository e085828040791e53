#include "protocol/s3/signature_v4.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/s3/dates.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/uri.h"

namespace keelson::s3 {

namespace {

constexpr std::string_view kService = "s3";
constexpr std::string_view kTerminator = "aws4_request";
// Of a header that names headers; a request has at most so many.
constexpr size_t kSignedHeadersMax = 100;

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

bool is_sha256_hex(std::string_view text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::vector<std::string> split(std::string_view text, char separator, size_t count_max) {
  std::vector<std::string> parts;
  while (parts.size() < count_max) {
    const size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
  parts.emplace_back(text);
  return parts;
}

// With blanks in a row made one (SigV4: "Trimall").
void append_trimmed(std::string& out, std::string_view value) {
  bool was_blank = false;
  for (const char c : trim(value)) {
    const bool is_blank = c == ' ' || c == '\t';
    if (!is_blank) {
      out += c;
    } else if (!was_blank) {
      out += ' ';
    }
    was_blank = is_blank;
  }
}

std::unexpected<S3Error> malformed_header(std::string why) {
  return s3_fail(ErrorCode::kAuthorizationHeaderMalformed, "The authorization header is malformed; " + std::move(why));
}
std::unexpected<S3Error> malformed_query(std::string why) {
  return s3_fail(ErrorCode::kAuthorizationQueryParametersError, std::move(why));
}

// Every x-amz- header that was sent, and the host, must be covered by the signature.
S3Result<> check_coverage(const RequestView& request, const V4Credentials& credentials) {
  const auto& names = credentials.signed_headers;
  const auto covers = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  std::string missing;
  if (!covers("host")) missing = "host";
  for (const auto& header : request.headers) {
    const std::string name = lower(header.first);
    if (!name.starts_with("x-amz-") || covers(name)) continue;
    // A presigned request is signed as it says itself; a hash beside it binds nobody.
    if (credentials.is_presigned && name == "x-amz-content-sha256") continue;
    missing.append(missing.empty() ? "" : ", ").append(name);
  }
  if (missing.empty()) return {};
  S3Error error{.code = ErrorCode::kAccessDenied,
                .message = "There were headers present in the request which were not signed"};
  error.details.emplace_back("HeadersNotSigned", missing);
  return std::unexpected(std::move(error));
}

S3Result<> read_payload_kind(V4Credentials& credentials) {
  const std::string& hash = credentials.payload_hash;
  if (hash == "UNSIGNED-PAYLOAD") {
    credentials.payload = PayloadKind::kUnsigned;
  } else if (hash == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") {
    credentials.payload = PayloadKind::kChunks;
  } else if (hash == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") {
    credentials.payload = PayloadKind::kChunksTrailer;
  } else if (hash == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
    credentials.payload = PayloadKind::kUnsignedTrailer;
  } else if (is_sha256_hex(hash)) {
    credentials.payload = PayloadKind::kHashed;
  } else if (hash.starts_with("STREAMING-AWS4-ECDSA")) {
    return s3_fail(ErrorCode::kNotImplemented, "Signatures of version 4A are not implemented.");
  } else {
    return invalid_argument(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        "x-amz-content-sha256", hash);
  }
  return {};
}

S3Result<V4Credentials> parse_header(const RequestView& request) {
  std::string_view rest = request.header_or_empty("authorization");
  rest.remove_prefix(kV4Algorithm.size());
  V4Credentials credentials;
  std::string headers;
  bool has_credential = false;
  for (const std::string& part : split(rest, ',', 4)) {
    const std::string_view pair = trim(part);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = pair.substr(0, equals);
    const std::string_view value = pair.substr(equals + 1);
    if (name == "Credential") {
      if (!parse_credential_v4(value, credentials)) {
        return malformed_header(
            "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
      }
      has_credential = true;
    } else if (name == "SignedHeaders") {
      headers = value;
    } else if (name == "Signature") {
      credentials.signature = value;
    }
  }
  if (!has_credential) return malformed_header("it has no Credential.");
  if (headers.empty()) return malformed_header("it has no SignedHeaders.");
  if (!is_sha256_hex(credentials.signature)) return malformed_header("its Signature is not 64 hex digits.");
  credentials.signed_headers = split(headers, ';', kSignedHeadersMax);

  if (const auto date = request.header("x-amz-date")) {
    const auto date_ms = parse_amz_date(*date);
    if (!date_ms)
      return s3_fail(ErrorCode::kAccessDenied, "AWS authentication requires a valid Date or x-amz-date header");
    credentials.date = *date;
    credentials.date_ms = *date_ms;
  } else {
    const auto date_ms = parse_http_date(request.header_or_empty("date"));
    if (!date_ms)
      return s3_fail(ErrorCode::kAccessDenied, "AWS authentication requires a valid Date or x-amz-date header");
    credentials.date = format_amz_date(*date_ms);
    credentials.date_ms = *date_ms;
  }
  const auto hash = request.header("x-amz-content-sha256");
  if (!hash) {
    return s3_fail(ErrorCode::kInvalidRequest, "Missing required header for this request: x-amz-content-sha256");
  }
  credentials.payload_hash = *hash;
  return credentials;
}

S3Result<V4Credentials> parse_presigned(const RequestView& request) {
  const auto query = Query::parse(request.raw_query);
  if (!query) return malformed_query("The query string cannot be decoded.");
  V4Credentials credentials;
  credentials.is_presigned = true;
  for (const std::string_view name :
       {"X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"}) {
    if (query->value(name).empty()) {
      return malformed_query(
          "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
          "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
    }
  }
  if (query->value("X-Amz-Algorithm") != kV4Algorithm) {
    return malformed_query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  }
  if (!parse_credential_v4(query->value("X-Amz-Credential"), credentials)) {
    return malformed_query(
        "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
        "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".");
  }
  const auto date_ms = parse_amz_date(query->value("X-Amz-Date"));
  if (!date_ms) {
    return malformed_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  }
  credentials.date = query->value("X-Amz-Date");
  credentials.date_ms = *date_ms;
  const std::string_view expires = query->value("X-Amz-Expires");
  const auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), credentials.expires_s);
  if (error != std::errc() || end != expires.data() + expires.size()) {
    return malformed_query("X-Amz-Expires should be a number");
  }
  if (credentials.expires_s < 0) return malformed_query("X-Amz-Expires must be non-negative");
  if (credentials.expires_s > kPresignedExpiryMaxS) {
    return malformed_query(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must "
        "be less than 604800 seconds");
  }
  credentials.signed_headers = split(query->value("X-Amz-SignedHeaders"), ';', kSignedHeadersMax);
  credentials.signature = query->value("X-Amz-Signature");
  if (!is_sha256_hex(credentials.signature)) return malformed_query("X-Amz-Signature must be 64 hex digits");
  const auto& names = credentials.signed_headers;
  if (const std::string* hash = query->find("X-Amz-Content-Sha256")) {
    credentials.payload_hash = *hash;
  } else if (std::find(names.begin(), names.end(), "x-amz-content-sha256") != names.end()) {
    credentials.payload_hash = request.header_or_empty("x-amz-content-sha256");
  } else {
    credentials.payload_hash = "UNSIGNED-PAYLOAD";
  }
  return credentials;
}

void append_canonical_query(std::string& out, const RequestView& request, bool is_presigned) {
  const auto query = Query::parse(request.raw_query);
  if (!query) return;  // parse_v4() has refused it, or the request fails elsewhere
  std::vector<std::string> pairs;
  pairs.reserve(query->pairs().size());
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [name, value] : query->pairs()) {
    if (is_presigned && name == "X-Amz-Signature") continue;
    encoded.emplace_back(uri_encoded(name), uri_encoded(value));
  }
  std::sort(encoded.begin(), encoded.end());
  bool is_first = true;
  for (const auto& [name, value] : encoded) {
    if (!is_first) out += '&';
    is_first = false;
    out.append(name).append("=").append(value);
  }
}

S3Result<> check_time(const V4Credentials& credentials, int64_t now_ms) {
  if (!credentials.is_presigned) {
    if (credentials.date_ms > now_ms + kClockSkewMaxMs || credentials.date_ms < now_ms - kClockSkewMaxMs) {
      return std::unexpected(time_too_skewed(credentials.date, now_ms));
    }
    return {};
  }
  if (credentials.date_ms > now_ms + kClockSkewMaxMs) {
    return s3_fail(ErrorCode::kAccessDenied, "Request is not valid yet");
  }
  if (now_ms > credentials.date_ms + credentials.expires_s * 1000) {
    S3Error error{.code = ErrorCode::kAccessDenied, .message = "Request has expired"};
    error.details.emplace_back("X-Amz-Expires", std::to_string(credentials.expires_s));
    error.details.emplace_back("Expires", format_iso8601(credentials.date_ms + credentials.expires_s * 1000));
    error.details.emplace_back("ServerTime", format_iso8601(now_ms));
    return std::unexpected(std::move(error));
  }
  return {};
}

std::string hex_bytes(std::string_view text) {
  const std::string hex = to_hex(text);
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) out.append(i == 0 ? "" : " ").append(hex, i, 2);
  return out;
}

}  // namespace

bool is_v4_header(const RequestView& request) {
  return request.header_or_empty("authorization").starts_with(kV4Algorithm);
}

bool is_v4_presigned(const RequestView& request) {
  const auto query = Query::parse(request.raw_query);
  return query && (query->has("X-Amz-Algorithm") || query->has("X-Amz-Credential"));
}

bool parse_credential_v4(std::string_view text, V4Credentials& into) {
  // An access key id may hold slashes, so the rest is cut off from behind.
  std::string_view parts[4];
  for (size_t i = 4; i-- > 0;) {
    const size_t slash = text.rfind('/');
    if (slash == std::string_view::npos) return false;
    parts[i] = text.substr(slash + 1);
    text = text.substr(0, slash);
  }
  const bool is_day = parts[0].size() == 8 &&
                      std::all_of(parts[0].begin(), parts[0].end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || !is_day || parts[1].empty() || parts[2] != kService || parts[3] != kTerminator) return false;
  into.access_key_id = text;
  into.day = parts[0];
  into.region = parts[1];
  into.scope.clear();
  for (const std::string_view part : parts) into.scope.append(into.scope.empty() ? "" : "/").append(part);
  return true;
}

S3Result<V4Credentials> parse_v4(const RequestView& request) {
  const bool is_header = is_v4_header(request);
  auto credentials = is_header ? parse_header(request) : parse_presigned(request);
  if (!credentials) return credentials;
  if (credentials->day != std::string_view(credentials->date).substr(0, 8)) {
    if (!is_header) return malformed_query("Invalid credential date. It must be the day of X-Amz-Date.");
    return malformed_header("Invalid credential date \"" + credentials->day +
                            "\". This date is not the same as X-Amz-Date: \"" + credentials->date.substr(0, 8) + "\".");
  }
  if (auto covered = check_coverage(request, *credentials); !covered)
    return std::unexpected(std::move(covered.error()));
  if (auto known = read_payload_kind(*credentials); !known) return std::unexpected(std::move(known.error()));
  return credentials;
}

std::string canonical_request_v4(const RequestView& request, const V4Credentials& credentials) {
  std::string out(request.method);
  out += '\n';
  if (const auto path = uri_decoded(request.raw_path)) append_uri_encoded(out, *path, Slash::kKeep);
  out += '\n';
  append_canonical_query(out, request, credentials.is_presigned);
  out += '\n';
  for (const std::string& name : credentials.signed_headers) {
    out.append(name).append(":");
    bool is_first = true;
    for (const auto& [sent, value] : request.headers) {
      if (!is_header(sent, name)) continue;
      if (!is_first) out += ',';
      is_first = false;
      append_trimmed(out, value);
    }
    out += '\n';
  }
  out += '\n';
  for (size_t i = 0; i < credentials.signed_headers.size(); ++i) {
    out.append(i == 0 ? "" : ";").append(credentials.signed_headers[i]);
  }
  out += '\n';
  return out.append(credentials.payload_hash);
}

std::string string_to_sign_v4(std::string_view date, std::string_view scope, std::string_view canonical_request) {
  std::string out(kV4Algorithm);
  out.append("\n").append(date).append("\n").append(scope).append("\n");
  return out.append(to_hex(digest_of(DigestKind::kSha256, canonical_request)));
}

std::string signing_key_v4(std::string_view secret, std::string_view day, std::string_view region,
                           std::string_view service) {
  std::string key = hmac_sha256(std::string("AWS4").append(secret), day);
  key = hmac_sha256(key, region);
  key = hmac_sha256(key, service);
  return hmac_sha256(key, kTerminator);
}

std::string signature_v4(std::string_view signing_key, std::string_view string_to_sign) {
  return to_hex(hmac_sha256(signing_key, string_to_sign));
}

S3Error signature_mismatch(std::string_view access_key_id, std::string_view string_to_sign,
                           std::string_view signature_given, std::string_view canonical_request) {
  S3Error error{.code = ErrorCode::kSignatureDoesNotMatch};
  error.details.emplace_back("AWSAccessKeyId", access_key_id);
  error.details.emplace_back("StringToSign", string_to_sign);
  error.details.emplace_back("SignatureProvided", signature_given);
  error.details.emplace_back("StringToSignBytes", hex_bytes(string_to_sign));
  if (!canonical_request.empty()) {
    error.details.emplace_back("CanonicalRequest", canonical_request);
    error.details.emplace_back("CanonicalRequestBytes", hex_bytes(canonical_request));
  }
  return error;
}

S3Error time_too_skewed(std::string_view request_time, int64_t now_ms) {
  S3Error error{.code = ErrorCode::kRequestTimeTooSkewed};
  error.details.emplace_back("RequestTime", request_time);
  error.details.emplace_back("ServerTime", format_iso8601(now_ms));
  error.details.emplace_back("MaxAllowedSkewMilliseconds", std::to_string(kClockSkewMaxMs));
  return error;
}

S3Result<ChunkSeed> verify_v4(const RequestView& request, const V4Credentials& credentials, std::string_view secret,
                              std::string_view region, int64_t now_ms) {
  return verify_v4_with(request, credentials, signing_key_v4(secret, credentials.day, region), region, now_ms);
}

S3Result<ChunkSeed> verify_v4_with(const RequestView& request, const V4Credentials& credentials,
                                   std::string_view signing_key, std::string_view region, int64_t now_ms) {
  if (credentials.region != region) {
    const std::string why = "the region '" + credentials.region + "' is wrong; expecting '" + std::string(region) + "'";
    S3Error error{.code = credentials.is_presigned ? ErrorCode::kAuthorizationQueryParametersError
                                                   : ErrorCode::kAuthorizationHeaderMalformed,
                  .message = credentials.is_presigned ? "Error parsing the X-Amz-Credential parameter; " + why
                                                      : "The authorization header is malformed; " + why};
    error.details.emplace_back("Region", region);
    return std::unexpected(std::move(error));
  }
  if (auto in_time = check_time(credentials, now_ms); !in_time) return std::unexpected(std::move(in_time.error()));
  const std::string canonical = canonical_request_v4(request, credentials);
  const std::string to_sign = string_to_sign_v4(credentials.date, credentials.scope, canonical);
  if (!equal_in_constant_time(signature_v4(signing_key, to_sign), credentials.signature)) {
    return std::unexpected(signature_mismatch(credentials.access_key_id, to_sign, credentials.signature, canonical));
  }
  return ChunkSeed{std::string(signing_key), credentials.date, credentials.scope, credentials.signature};
}

}  // namespace keelson::s3
