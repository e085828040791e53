// The policy of a form that a browser posts to S3 ("Creating a POST policy", Amazon S3 API reference): until when, and
// what the form's fields may be. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/s3/error.h"

namespace keelson::s3 {

struct PostPolicy {
  struct Rule {
    enum class Kind : uint8_t { kEqual, kStartsWith };
    Kind kind = Kind::kEqual;
    std::string field;  // lower case, without '$'
    std::string value;
  };
  int64_t expires_ms = 0;
  std::vector<Rule> rules;
  uint64_t content_bytes_min = 0;
  uint64_t content_bytes_max = UINT64_MAX;

  // `json` is the decoded policy. kInvalidPolicyDocument.
  static S3Result<PostPolicy> parse(std::string_view json);

  // The fields in lower case, "bucket" among them. Every field needs a rule but those that carry the signature, and
  // x-ignore-. kAccessDenied with the rule that failed.
  [[nodiscard]] S3Result<> check(const std::vector<std::pair<std::string, std::string>>& fields, int64_t now_ms) const;
};

}  // namespace keelson::s3
