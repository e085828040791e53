#include "protocol/s3/authorize.h"

#include <algorithm>
#include <utility>

#include "protocol/s3/dates.h"

namespace keelson::s3 {

namespace {

// Permissions that an ACL of a bucket or an object grants ("Mapping of ACL permissions and access policy permissions").
struct AclRow {
  std::string_view permission;
  uint8_t bit;
  bool is_of_object;
};
constexpr AclRow kAclRows[] = {
    {"s3:ListBucket", kAclRead, false},
    {"s3:ListBucketVersions", kAclRead, false},
    {"s3:ListBucketMultipartUploads", kAclRead, false},
    {"s3:PutObject", kAclWrite, false},
    {"s3:DeleteObject", kAclWrite, false},
    {"s3:DeleteObjectVersion", kAclWrite, false},
    {"s3:GetBucketAcl", kAclReadAcp, false},
    {"s3:PutBucketAcl", kAclWriteAcp, false},
    {"s3:GetObject", kAclRead, true},
    {"s3:GetObjectVersion", kAclRead, true},
    {"s3:GetObjectAcl", kAclReadAcp, true},
    {"s3:GetObjectVersionAcl", kAclReadAcp, true},
    {"s3:PutObjectAcl", kAclWriteAcp, true},
    {"s3:PutObjectVersionAcl", kAclWriteAcp, true},
};

bool acl_grants(const Call& call, const Wish& wish) {
  if (wish.bucket == nullptr || wish.bucket->access_block.ignores_acls ||
      wish.bucket->ownership == "BucketOwnerEnforced") {
    return false;
  }
  for (const AclRow& row : kAclRows) {
    if (row.permission != wish.permission) continue;
    const Acl acl = row.is_of_object ? Acl::load(wish.object_acl) : wish.bucket->acl;
    return ((acl.everybody | (call.key ? acl.signed_in : 0)) & row.bit) != 0;
  }
  return false;
}

void add_headers(const Call& call, PolicyRequest& request) {
  constexpr std::pair<std::string_view, std::string_view> kHeaders[] = {
      {"referer", "aws:referer"},
      {"user-agent", "aws:useragent"},
      {"x-amz-acl", "s3:x-amz-acl"},
      {"x-amz-content-sha256", "s3:x-amz-content-sha256"},
      {"x-amz-copy-source", "s3:x-amz-copy-source"},
      {"x-amz-grant-full-control", "s3:x-amz-grant-full-control"},
      {"x-amz-grant-read", "s3:x-amz-grant-read"},
      {"x-amz-grant-read-acp", "s3:x-amz-grant-read-acp"},
      {"x-amz-grant-write", "s3:x-amz-grant-write"},
      {"x-amz-grant-write-acp", "s3:x-amz-grant-write-acp"},
      {"if-match", "s3:if-match"},
      {"if-none-match", "s3:if-none-match"},
      {"x-amz-metadata-directive", "s3:x-amz-metadata-directive"},
      {"x-amz-server-side-encryption", "s3:x-amz-server-side-encryption"},
      {"x-amz-server-side-encryption-customer-algorithm", "s3:x-amz-server-side-encryption-customer-algorithm"},
      {"x-amz-storage-class", "s3:x-amz-storage-class"},
      {"x-amz-object-ownership", "s3:x-amz-object-ownership"},
      {"x-amz-website-redirect-location", "s3:x-amz-website-redirect-location"},
      {"x-amz-object-lock-mode", "s3:object-lock-mode"},
      {"x-amz-object-lock-legal-hold", "s3:object-lock-legal-hold"},
      {"x-amz-object-lock-retain-until-date", "s3:object-lock-retain-until-date"},
  };
  for (const auto& [header, name] : kHeaders) {
    if (const auto value = call.header(header)) request.context.emplace_back(name, *value);
  }
  constexpr std::pair<std::string_view, std::string_view> kParameters[] = {{"prefix", "s3:prefix"},
                                                                           {"delimiter", "s3:delimiter"},
                                                                           {"max-keys", "s3:max-keys"},
                                                                           {"versionId", "s3:versionid"}};
  for (const auto& [parameter, name] : kParameters) {
    if (const std::string* value = call.query.find(parameter)) request.context.emplace_back(name, *value);
  }
  if (const auto tagging = call.header("x-amz-tagging")) {
    if (const auto tags = Query::parse(*tagging)) {
      for (const auto& [key, value] : tags->pairs()) {
        std::string name = "s3:requestobjecttag/";
        for (const char c : key) name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        request.context.emplace_back(std::move(name), value);
        request.context.emplace_back("s3:requestobjecttagkeys", key);
      }
    }
  }
}

PolicyRequest make_request(const Call& call, const Wish& wish, std::string& resource) {
  PolicyRequest request;
  request.user = call.user();
  request.action = wish.permission;
  if (wish.bucket != nullptr) {
    resource =
        wish.key.empty() ? bucket_arn(wish.bucket->bucket->name) : object_arn(wish.bucket->bucket->name, wish.key);
  } else {
    resource = bucket_arn(call.place.bucket.empty() ? "*" : call.place.bucket);
  }
  request.resource = resource;
  const auto needs_context = [](const auto& policy) { return policy && policy->needs_context(); };
  if (!(wish.bucket != nullptr && needs_context(wish.bucket->policy)) &&
      !(call.key && needs_context(call.key->parsed_policy))) {
    return request;
  }
  const net::http::Request& sent = call.exchange.request();
  auto& context = request.context;
  context.emplace_back("aws:sourceip", sent.remote().host);
  context.emplace_back("aws:securetransport", sent.is_tls() ? "true" : "false");
  context.emplace_back("aws:currenttime", format_iso8601(call.now_ms));
  context.emplace_back("aws:epochtime", std::to_string(call.now_ms / 1000));
  context.emplace_back("aws:principaltype", call.key ? (call.is_root() ? "Account" : "User") : "Anonymous");
  context.emplace_back("aws:requestedregion", call.service.options().region);
  context.emplace_back("aws:resourceaccount", kAccountId);
  context.emplace_back("s3:resourceaccount", kAccountId);
  if (call.key) {
    context.emplace_back("aws:principalaccount", kAccountId);
    context.emplace_back("aws:username", call.key->user);
    context.emplace_back("aws:userid", call.key->user);
    context.emplace_back("aws:principalarn", call.is_root() ? std::string(kAccountArn) : user_arn(call.key->user));
    context.emplace_back("s3:authtype", call.auth_type);
    context.emplace_back("s3:signatureversion", call.signature_version);
    context.emplace_back("s3:signatureage", std::to_string(call.signature_age_ms));
  }
  add_headers(call, request);
  if (wish.object_tags != nullptr) {
    for (const auto& [key, value] : *wish.object_tags) {
      std::string name = "s3:existingobjecttag/";
      for (const char c : key) name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      context.emplace_back(std::move(name), value);
    }
  }
  return request;
}

bool is_about_policy(std::string_view permission) {
  return permission == "s3:GetBucketPolicy" || permission == "s3:PutBucketPolicy" ||
         permission == "s3:DeleteBucketPolicy";
}

}  // namespace

bool may(const Call& call, const Wish& wish) {
  const BucketView* bucket = wish.bucket;
  const bool has_bucket_policy = bucket != nullptr && bucket->policy.has_value();
  // The usual case: nothing to read.
  if (call.is_root() && (!has_bucket_policy || is_about_policy(wish.permission))) return true;
  std::string resource;
  const PolicyRequest request = make_request(call, wish, resource);
  const bool is_restricted = bucket != nullptr && bucket->access_block.restricts_policy && !call.key &&
                             has_bucket_policy && bucket->policy->is_public();
  const Decision of_bucket = has_bucket_policy ? bucket->policy->decide(request) : Decision::kNone;
  const Decision of_key =
      call.key && call.key->parsed_policy ? call.key->parsed_policy->decide(request) : Decision::kNone;
  if (of_bucket == Decision::kDeny || of_key == Decision::kDeny) return false;
  if (call.is_root()) return true;
  if (bucket != nullptr && bucket->has_broken_policy) return false;
  if (of_key == Decision::kAllow || (of_bucket == Decision::kAllow && !is_restricted)) return true;
  const bool is_granted = acl_grants(call, wish);
  if (is_granted) call.notes.used_acl = true;
  return is_granted;
}

S3Result<> authorize(const Call& call, const Wish& wish) {
  if (may(call, wish)) return {};
  return s3_fail(ErrorCode::kAccessDenied);
}

std::string_view permission_of(const Call& call) {
  constexpr std::pair<std::string_view, std::string_view> kVersions[] = {
      {"s3:GetObject", "s3:GetObjectVersion"},
      {"s3:DeleteObject", "s3:DeleteObjectVersion"},
      {"s3:GetObjectAcl", "s3:GetObjectVersionAcl"},
      {"s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
      {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
      {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"},
      {"s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"},
      {"s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"},
  };
  const std::string_view permission = call.operation->permission;
  if (call.operation->level != Level::kObject || !call.query.has("versionId")) return permission;
  for (const auto& [plain, versioned] : kVersions) {
    if (permission == plain) return versioned;
  }
  return permission;
}

S3Result<VersionWish> parse_version_id(std::string_view text) {
  if (text.empty()) return VersionWish{};
  if (text == "null") return VersionWish{{}, true};
  const auto version = blob::parse_version(text);
  if (!version) return invalid_argument("Invalid version id specified", "versionId", std::string(text));
  return VersionWish{version, false};
}

Task<S3Result<>> authorize_object(Call& call, std::string_view permission, std::shared_ptr<const BucketView> bucket,
                                  std::string key, std::string version_id) {
  Wish wish{.permission = permission, .bucket = bucket.get(), .key = key};
  const bool needs_tags = (bucket->policy && bucket->policy->needs_object_tags()) ||
                          (call.key && call.key->parsed_policy && call.key->parsed_policy->needs_object_tags());
  if (!needs_tags && may(call, wish)) co_return S3Result<>();
  const bool has_acl_row = std::any_of(std::begin(kAclRows), std::end(kAclRows), [&](const AclRow& row) {
    return row.is_of_object && row.permission == permission;
  });
  if (!needs_tags && !has_acl_row) co_return s3_fail(ErrorCode::kAccessDenied);
  const auto version = parse_version_id(version_id);
  if (!version) co_return std::unexpected(version.error());
  const blob::HeadObject head{bucket->id(), key, version->version, version->is_null};
  blob::Answer answer;
  const log::LogErrc outcome = co_await call.store().query(call.reactor, head, answer);
  if (outcome != log::LogErrc::kOk) co_return check_outcome(outcome, answer);
  if (answer.ok()) {
    wish.object_acl = answer.object.meta.acl;
    wish.object_tags = &answer.object.meta.tags;
  }
  co_return authorize(call, wish);
}

Task<S3Result<>> authorize_operation(Call& call) {
  const std::string_view permission = permission_of(call);
  if (call.operation->level != Level::kObject || call.bucket == nullptr) {
    co_return authorize(call, {.permission = permission, .bucket = call.bucket.get()});
  }
  co_return co_await authorize_object(call, permission, call.bucket, call.place.key,
                                      std::string(call.query.value("versionId")));
}

}  // namespace keelson::s3
