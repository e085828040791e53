// What buckets and keys may be called, and where a request's bucket and key stand.
//
// Path style: /bucket/key on any host. Virtual-host style: /key on bucket.domain, for the domains that are configured.
// Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/http/conditions.h"
#include "protocol/s3/error.h"

namespace keelson::s3 {

inline constexpr size_t kKeyBytesMax = 1024;
inline constexpr size_t kBucketNameBytesMin = 3;
inline constexpr size_t kBucketNameBytesMax = 63;

// Amazon's rules for general-purpose buckets: 3 to 63 of a-z, 0-9, '-' and '.', a letter or digit at both ends, no
// "..", not an IPv4 address, none of the reserved prefixes and suffixes.
[[nodiscard]] bool is_bucket_name(std::string_view name);

struct Place {
  std::string bucket;  // empty: the service itself
  std::string key;     // empty: the bucket; any bytes otherwise, decoded
  bool is_virtual_host = false;
};

// `host` is the Host field (a port may follow), `raw_path` the request target up to '?', as sent, `domains` the
// configured ones (lower case). A key is decoded once and then taken as it is: "..", "//", NUL and other control
// characters are bytes like any. Errors: kInvalidURI, kKeyTooLongError, kInvalidBucketName.
[[nodiscard]] S3Result<Place> place_of_request(std::string_view host, std::string_view raw_path,
                                               std::span<const std::string> domains);

// x-amz-copy-source: "bucket/key", "/bucket/key", percent-encoded, "?versionId=" behind it.
struct CopySource {
  std::string bucket;
  std::string key;
  std::string version_id;  // empty: the current one
};
[[nodiscard]] S3Result<CopySource> parse_copy_source(std::string_view text);
// x-amz-copy-source-range: "bytes=first-last", both given and inside the source; nullopt otherwise.
[[nodiscard]] std::optional<net::http::ByteRange> parse_copy_range(std::string_view text, uint64_t source_bytes);

}  // namespace keelson::s3
