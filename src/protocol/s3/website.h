// A bucket as a static website ("Hosting a static website using Amazon S3"): index and error documents, redirects.
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/s3/error.h"

namespace keelson::s3 {

struct WebsiteRedirect {
  std::string protocol = {};  // "http", "https" or empty: the request's
  std::string host = {};      // empty: the request's
  std::optional<std::string> replace_prefix = {};
  std::optional<std::string> replace_key = {};
  uint16_t status = 301;
};

struct WebsiteRule {
  std::string key_prefix = {};
  std::optional<uint16_t> error_status = {};
  WebsiteRedirect redirect = {};
};

struct WebsiteConfiguration {
  static constexpr size_t kRulesMax = 50;
  static constexpr size_t kBytesMax = size_t{128} << 10;  // of the document (PutBucketWebsite)
  std::optional<WebsiteRedirect> redirect_all;
  std::string index_suffix;
  std::string error_key;
  std::vector<WebsiteRule> rules;

  // kMalformedXML, kInvalidArgument, kInvalidRequest.
  static S3Result<WebsiteConfiguration> parse(std::string_view xml);
  [[nodiscard]] std::string document() const;

  // The first rule for a key, before the object is looked for (no `error_status`) or after it failed with that status.
  [[nodiscard]] const WebsiteRule* find_rule(std::string_view key, std::optional<uint16_t> error_status) const;
  // The key that is served for a path: "a/" is "a/index.html".
  [[nodiscard]] std::string index_key(std::string_view key) const;
};

// The Location of a redirect of `key`, of which the rule's prefix is replaced.
[[nodiscard]] std::string redirect_location(const WebsiteRedirect& redirect, std::string_view key,
                                            std::string_view rule_prefix, std::string_view request_host,
                                            std::string_view request_protocol);

}  // namespace keelson::s3
