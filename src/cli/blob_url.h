// How people name buckets, objects and services: s3://bucket/key, and the address of an S3 endpoint. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace keelson::cli {

// The key is any bytes, taken as they stand: nothing is decoded, so "%20" is a key's percent sign, 2 and 0.
struct BlobUrl {
  std::string bucket = {};  // empty: the service ("s3://")
  std::string key = {};     // empty: the bucket

  [[nodiscard]] std::string text() const;
  // The key as a folder: empty, or with one slash at its end at least.
  [[nodiscard]] std::string folder_key() const;
};

[[nodiscard]] bool is_blob_url(std::string_view text);
// BlobErrc::kUsage, with how it is written.
[[nodiscard]] Result<BlobUrl> parse_blob_url(std::string_view text);

struct Endpoint {
  bool tls = false;
  std::string host = {};  // a name or a numeric address, without brackets
  uint16_t port = 0;

  // As the Host field and the signature have it: without the scheme's own port.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string text() const;  // "http://127.0.0.1:9000"
};

// "http://127.0.0.1:9000", "https://s3.example.com", or without "http://". Anything behind the host is refused, since
// buckets stand in the path.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

// What stands behind the last slash.
[[nodiscard]] std::string_view last_part(std::string_view path);

// Where the object of that name (relative, with slashes) lies below a folder. Nullopt if no file may have such a name:
// empty parts, "." and "..", NUL, a slash at either end. So nothing is ever written outside the folder.
[[nodiscard]] std::optional<std::string> path_below(const std::string& folder, std::string_view name);

}  // namespace keelson::cli
