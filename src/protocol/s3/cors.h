// A bucket's CORS configuration ("Using cross-origin resource sharing", Amazon S3 user guide; the Fetch standard). Pure
// functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/s3/error.h"

namespace keelson::s3 {

struct CorsRule {
  std::string id;
  std::vector<std::string> origins;          // at most one '*' each
  std::vector<std::string> methods;          // GET, PUT, HEAD, POST, DELETE
  std::vector<std::string> allowed_headers;  // at most one '*' each
  std::vector<std::string> exposed_headers;
  std::optional<uint64_t> max_age_s;
};

struct CorsConfiguration {
  static constexpr size_t kRulesMax = 100;
  std::vector<CorsRule> rules;

  // kMalformedXML, kInvalidRequest.
  static S3Result<CorsConfiguration> parse(std::string_view xml);
  [[nodiscard]] std::string document() const;
  // The first rule that allows this origin, method and (for a preflight) these headers, comma-separated; or null.
  [[nodiscard]] const CorsRule* find(std::string_view origin, std::string_view method,
                                     std::string_view request_headers) const;
};

// GET, PUT, HEAD, POST or DELETE.
[[nodiscard]] bool is_cors_method(std::string_view method);
// Does the rule let in every origin?
[[nodiscard]] bool allows_any_origin(const CorsRule& rule);

}  // namespace keelson::s3
