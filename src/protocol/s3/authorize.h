// May they do it: the bucket's policy, the key's policy, ACLs and the public access block, put together as Amazon does
// within one account.
//
//   an explicit Deny anywhere                  no (the root key may always see to the bucket's policy)
//   the root key                               yes
//   an Allow in the key's or bucket's policy   yes
//   an ACL that grants it                      yes
//   otherwise                                  no
#pragma once

#include <string>
#include <string_view>

#include "protocol/s3/call.h"
#include "protocol/s3/error.h"

namespace keelson::s3 {

struct Wish {
  std::string_view permission;         // "s3:GetObject"
  const BucketView* bucket = nullptr;  // null: the service
  std::string_view key = {};           // empty: the bucket itself
  std::string_view object_acl = {};    // ObjectMeta::acl, if the object is known
  const Tags* object_tags = nullptr;   // s3:ExistingObjectTag, likewise
};

// Errors: kAccessDenied.
[[nodiscard]] S3Result<> authorize(const Call& call, const Wish& wish);
// The same as a question.
[[nodiscard]] bool may(const Call& call, const Wish& wish);

// What the call's own operation needs; with a versionId the permission's version form (s3:GetObjectVersion).
[[nodiscard]] std::string_view permission_of(const Call& call);
// The call's own operation on its own place. Looks at the object only if its ACL or its tags could decide.
[[nodiscard]] Task<S3Result<>> authorize_operation(Call& call);
// The same for another object and permission: a copy's source.
[[nodiscard]] Task<S3Result<>> authorize_object(Call& call, std::string_view permission,
                                                std::shared_ptr<const BucketView> bucket, std::string key,
                                                std::string version_id);
// versionId of a request as the engine's words; kInvalidArgument if it can be no version. Empty text: the latest.
struct VersionWish {
  std::optional<blob::Version> version;
  bool is_null = false;
};
[[nodiscard]] S3Result<VersionWish> parse_version_id(std::string_view text);

}  // namespace keelson::s3
