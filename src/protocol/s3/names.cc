#include "protocol/s3/names.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "protocol/s3/uri.h"

namespace keelson::s3 {

namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_ipv4(std::string_view text) {
  size_t parts = 0;
  while (true) {
    const size_t end = std::min(text.find('.'), text.size());
    const std::string_view part = text.substr(0, end);
    if (part.empty() || part.size() > 3 ||
        !std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      return false;
    }
    ++parts;
    if (end == text.size()) return parts == 4;
    text.remove_prefix(end + 1);
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// The bucket in front of one of the domains, or empty.
std::string bucket_of_host(std::string_view host, std::span<const std::string> domains) {
  std::string name = lower(
      host.substr(0, host.rfind(':') == std::string_view::npos || host.ends_with(']') ? host.size() : host.rfind(':')));
  for (const std::string& domain : domains) {
    if (name.size() > domain.size() + 1 && name.ends_with(domain) && name[name.size() - domain.size() - 1] == '.') {
      name.resize(name.size() - domain.size() - 1);
      return name;
    }
  }
  return {};
}

}  // namespace

bool is_bucket_name(std::string_view name) {
  if (name.size() < kBucketNameBytesMin || name.size() > kBucketNameBytesMax) return false;
  if (!is_lower_or_digit(name.front()) || !is_lower_or_digit(name.back())) return false;
  if (!std::all_of(name.begin(), name.end(), [](char c) { return is_lower_or_digit(c) || c == '-' || c == '.'; })) {
    return false;
  }
  if (name.find("..") != std::string_view::npos || is_ipv4(name)) return false;
  for (const std::string_view prefix : {"xn--", "sthree-", "amzn-s3-demo-"}) {
    if (name.starts_with(prefix)) return false;
  }
  for (const std::string_view suffix : {"-s3alias", "--ol-s3", ".mrap", "--x-s3"}) {
    if (name.ends_with(suffix)) return false;
  }
  return true;
}

S3Result<Place> place_of_request(std::string_view host, std::string_view raw_path,
                                 std::span<const std::string> domains) {
  if (raw_path.empty() || raw_path.front() != '/') return s3_fail(ErrorCode::kInvalidURI);
  raw_path.remove_prefix(1);
  Place place;
  place.bucket = bucket_of_host(host, domains);
  place.is_virtual_host = !place.bucket.empty();
  if (!place.is_virtual_host) {
    const size_t end = std::min(raw_path.find('/'), raw_path.size());
    auto bucket = uri_decoded(raw_path.substr(0, end));
    if (!bucket) return s3_fail(ErrorCode::kInvalidURI);
    place.bucket = std::move(*bucket);
    raw_path.remove_prefix(std::min(end + 1, raw_path.size()));
  }
  auto key = uri_decoded(raw_path);
  if (!key) return s3_fail(ErrorCode::kInvalidURI);
  place.key = std::move(*key);
  if (place.bucket.empty() && !place.key.empty()) return s3_fail(ErrorCode::kInvalidBucketName);
  if (!place.bucket.empty() && !is_bucket_name(place.bucket)) {
    S3Error error{.code = ErrorCode::kInvalidBucketName};
    error.details.emplace_back("BucketName", place.bucket);
    return std::unexpected(std::move(error));
  }
  if (place.key.size() > kKeyBytesMax) {
    S3Error error{.code = ErrorCode::kKeyTooLongError};
    error.details.emplace_back("Size", std::to_string(place.key.size()));
    error.details.emplace_back("MaxSizeAllowed", std::to_string(kKeyBytesMax));
    return std::unexpected(std::move(error));
  }
  return place;
}

std::optional<net::http::ByteRange> parse_copy_range(std::string_view text, uint64_t source_bytes) {
  // The forms that a Range may have besides are no good here: "5-", "-5", an end behind the last byte.
  const size_t dash = text.find('-');
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!text.starts_with("bytes=") || dash == std::string_view::npos || !is_digit(text[dash - 1])) return std::nullopt;
  const std::optional<uint64_t> last = parse_uint64(text.substr(dash + 1));
  std::vector<net::http::ByteRange> ranges;
  const auto outcome = net::http::parse_range(text, source_bytes, 1, ranges);
  if (outcome != net::http::RangeOutcome::kSome || last != ranges.front().last) return std::nullopt;
  return ranges.front();
}

S3Result<CopySource> parse_copy_source(std::string_view text) {
  const auto wrong = [&] {
    return invalid_argument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                            "x-amz-copy-source", std::string(text));
  };
  CopySource source;
  std::string_view rest = text;
  // A '?' of the key itself is encoded.
  if (const size_t mark = rest.rfind("?versionId="); mark != std::string_view::npos) {
    auto version = uri_decoded(rest.substr(mark + std::string_view("?versionId=").size()));
    if (!version) return wrong();
    source.version_id = std::move(*version);
    rest = rest.substr(0, mark);
  }
  const auto decoded = uri_decoded(rest);
  if (!decoded) return wrong();
  std::string_view path = *decoded;
  if (path.starts_with('/')) path.remove_prefix(1);
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == path.size()) return wrong();
  source.bucket = path.substr(0, slash);
  source.key = path.substr(slash + 1);
  if (!is_bucket_name(source.bucket)) {
    return invalid_argument("Invalid copy source bucket name", "x-amz-copy-source", std::string(text));
  }
  if (source.key.size() > kKeyBytesMax) return s3_fail(ErrorCode::kKeyTooLongError);
  return source;
}

}  // namespace keelson::s3
