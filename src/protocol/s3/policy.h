// Access policies in IAM's JSON: of a bucket (with principals) and of an access key (without). A subset, closed: what
// is not known (a condition's operator, an element) is refused when the policy is put, never left out silently.
//
// Known: Version, Id, Statement; Sid, Effect, Principal/NotPrincipal ("*", {"AWS": ..., "Service": ...}),
// Action/NotAction, Resource/NotResource, with the wildcards * and ?, Condition with the operators of kOperators in
// policy.cc, IfExists and ForAnyValue:/ForAllValues:, and the variables ${aws:username} and ${aws:userid}. Pure
// functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/s3/error.h"

namespace keelson::s3 {

// S3 allows a bucket's policy 20 KB.
inline constexpr size_t kPolicyBytesMax = 20 << 10;

// What is asked for, as policies see it. Context keys in lower case ("aws:sourceip", "s3:prefix"); a key may come
// several times (tag keys of a request).
struct PolicyRequest {
  std::string_view user;      // the access key's user; empty: anonymous, or a service
  std::string_view action;    // "s3:GetObject"
  std::string_view resource;  // "arn:aws:s3:::bucket/key"
  std::vector<std::pair<std::string, std::string>> context;
  std::string_view service = {};  // the server itself, in one of its parts: kLoggingService, kInventoryService
};

// Services that a bucket's policy can let in: what delivers access logs, and what writes inventories.
inline constexpr std::string_view kLoggingService = "logging.s3.amazonaws.com";
inline constexpr std::string_view kInventoryService = "s3.amazonaws.com";

enum class Decision : uint8_t { kNone, kAllow, kDeny };

class Policy {
 public:
  enum class Kind : uint8_t { kBucket, kUser };

  // `bucket`: resources must lie in it; empty for a user's policy. kMalformedPolicy with what is wrong.
  static S3Result<Policy> parse(std::string_view json, Kind kind, std::string_view bucket);

  [[nodiscard]] Decision decide(const PolicyRequest& request) const;
  // Does it let everybody in, anonymous clients too (an Allow with the principal "*" and no condition on where from)?
  [[nodiscard]] bool is_public() const;
  // Does a decision hang on the tags that the object has already?
  [[nodiscard]] bool needs_object_tags() const;
  // Does one hang on the request's context at all? If not, it may be left empty.
  [[nodiscard]] bool needs_context() const;

 private:
  struct Condition {
    uint8_t op = 0;  // index of kOperators
    bool if_exists = false;
    enum class Many : uint8_t { kOne, kAny, kAll } many = Many::kOne;
    std::string key;  // lower case
    std::vector<std::string> values;
  };
  struct Statement {
    bool is_allow = false;
    bool negates_principals = false;
    bool negates_actions = false;
    bool negates_resources = false;
    std::vector<std::string> principals;
    std::vector<std::string> services;
    std::vector<std::string> actions;  // lower case
    std::vector<std::string> resources;
    std::vector<Condition> conditions;
  };
  struct Reader;
  static bool holds(const Condition& condition, const PolicyRequest& request);
  static bool applies(const Statement& statement, const PolicyRequest& request, Kind kind);

  Kind kind_ = Kind::kBucket;
  std::vector<Statement> statements_;
};

// The account that everybody belongs to, and how users are named in policies.
inline constexpr std::string_view kAccountId = "000000000000";
inline constexpr std::string_view kAccountArn = "arn:aws:iam::000000000000:root";
[[nodiscard]] std::string user_arn(std::string_view user);
[[nodiscard]] std::string bucket_arn(std::string_view bucket);
[[nodiscard]] std::string object_arn(std::string_view bucket, std::string_view key);

// '*' is any bytes, '?' any one byte. Never slower than the product of both lengths.
[[nodiscard]] bool wildcard_match(std::string_view pattern, std::string_view text);

// The policies that a key can be given by name: "readwrite" (everything), "readonly", "writeonly". Empty: no such name.
[[nodiscard]] std::string_view named_policy(std::string_view name);

}  // namespace keelson::s3
