#include "cli/blob_url.h"

#include <algorithm>

#include "base/numbers.h"
#include "cli/blob_errors.h"
#include "net/http/url.h"
#include "protocol/s3/names.h"

namespace keelson::cli {

namespace {

constexpr std::string_view kScheme = "s3://";
constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;
// Services other than Amazon's allow longer names and upper case; the server has the last word on a name.
constexpr size_t kBucketBytesMax = 255;

bool is_bucket_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

std::unexpected<Error> bad(std::string_view text, std::string_view why) {
  return fail(BlobErrc::kUsage, std::string(text).append(": ").append(why));
}

}  // namespace

std::string BlobUrl::text() const {
  std::string text(kScheme);
  text.append(bucket);
  if (!bucket.empty()) text.append("/").append(key);
  return text;
}

std::string BlobUrl::folder_key() const { return key.empty() || key.ends_with('/') ? key : key + "/"; }

bool is_blob_url(std::string_view text) { return text.starts_with(kScheme); }

Result<BlobUrl> parse_blob_url(std::string_view text) {
  if (!is_blob_url(text)) return bad(text, "write s3://bucket/key");
  const std::string_view rest = text.substr(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  BlobUrl url{.bucket = std::string(rest.substr(0, slash)),
              .key = std::string(rest.substr(std::min(slash + 1, rest.size())))};
  if (url.bucket.empty() && !rest.empty()) return bad(text, "a bucket's name stands behind s3://");
  const bool is_good = url.bucket.size() <= kBucketBytesMax && url.bucket != "." && url.bucket != ".." &&
                       std::all_of(url.bucket.begin(), url.bucket.end(), is_bucket_byte);
  if (!is_good) return bad(text, "a bucket's name has letters, digits, '-', '.' and '_'");
  if (url.key.size() > s3::kKeyBytesMax) return bad(text, "a key has at most 1024 bytes");
  return url;
}

std::string Endpoint::authority() const {
  std::string text = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  if (port != (tls ? kHttpsPort : kHttpPort)) text.append(":").append(std::to_string(port));
  return text;
}

std::string Endpoint::text() const { return (tls ? "https://" : "http://") + authority(); }

Result<Endpoint> parse_endpoint(std::string_view text) {
  constexpr std::string_view kHow = "write http://host:port or https://host:port";
  Endpoint endpoint;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    endpoint.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.find("://") != std::string_view::npos) {
    return bad(text, kHow);
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#") != std::string_view::npos) {
    return bad(text, "an endpoint has no path: the bucket stands in s3://bucket/key");
  }
  if (rest.empty() || !net::http::is_host(rest)) return bad(text, kHow);
  const size_t bracket = rest.find(']');
  const size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  endpoint.port = endpoint.tls ? kHttpsPort : kHttpPort;
  if (colon != std::string_view::npos) {
    const auto port = parse_uint64(rest.substr(colon + 1));
    if (!port || *port == 0 || *port > UINT16_MAX) return bad(text, "the port is a number from 1 to 65535");
    endpoint.port = static_cast<uint16_t>(*port);
    rest = rest.substr(0, colon);
  }
  if (rest.starts_with('[')) rest = rest.substr(1, rest.size() - 2);
  if (rest.empty()) return bad(text, kHow);
  endpoint.host = rest;
  return endpoint;
}

std::string_view last_part(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

std::optional<std::string> path_below(const std::string& folder, std::string_view name) {
  if (name.empty() || name.find('\0') != std::string_view::npos) return std::nullopt;
  for (std::string_view rest = name;;) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return std::nullopt;
    if (slash == rest.size()) break;
    rest.remove_prefix(slash + 1);
  }
  std::string path = folder.empty() ? std::string("./") : folder;
  if (!path.ends_with('/')) path += '/';
  return path.append(name);
}

}  // namespace keelson::cli
