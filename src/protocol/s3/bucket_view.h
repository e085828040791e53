// A bucket with its documents read: what requests need of its policy, ACL, CORS and the rest. Made once for each change
// of the bucket and kept by reactor (BucketViews); immutable.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/blob/object.h"
#include "protocol/s3/acl.h"
#include "protocol/s3/bucket_logging.h"
#include "protocol/s3/cors.h"
#include "protocol/s3/documents.h"
#include "protocol/s3/lifecycle.h"
#include "protocol/s3/object_lock.h"
#include "protocol/s3/policy.h"
#include "protocol/s3/website.h"

namespace keelson::s3 {

// Names of a bucket's documents. What is stored is what the client will read back, but for the ACL (Acl::stored()) and
// the ownership (its word).
inline constexpr std::string_view kPolicyDocument = "policy";
inline constexpr std::string_view kAclDocument = "acl";
inline constexpr std::string_view kCorsDocument = "cors";
inline constexpr std::string_view kLifecycleDocument = "lifecycle";
inline constexpr std::string_view kTaggingDocument = "tagging";
inline constexpr std::string_view kWebsiteDocument = "website";
inline constexpr std::string_view kObjectLockDocument = "object-lock";
inline constexpr std::string_view kOwnershipDocument = "ownership";
inline constexpr std::string_view kPublicAccessDocument = "public-access-block";
inline constexpr std::string_view kEncryptionDocument = "encryption";
inline constexpr std::string_view kLoggingDocument = "logging";

struct BucketView {
  explicit BucketView(std::shared_ptr<const blob::Bucket> of);

  std::shared_ptr<const blob::Bucket> bucket;
  std::optional<Policy> policy;
  bool has_broken_policy = false;  // one is stored but cannot be read: nobody but root gets in
  Acl acl;
  std::optional<CorsConfiguration> cors;
  std::optional<LifecycleConfiguration> lifecycle;
  std::optional<WebsiteConfiguration> website;
  std::optional<BucketEncryption> encryption;
  bool has_broken_encryption = false;    // one is stored but cannot be read: nothing is written
  std::optional<BucketLogging> logging;  // none: off
  ObjectLockConfiguration lock;
  PublicAccessBlock access_block;
  std::string ownership;

  [[nodiscard]] blob::BucketId id() const { return bucket->id; }
  // The document's bytes, or null.
  [[nodiscard]] const std::string* document(std::string_view name) const;
  [[nodiscard]] bool is_versioned() const { return bucket->versioning != blob::Versioning::kOff; }
};

// One reactor's. Own thread.
class BucketViews {
 public:
  // Buckets are few; more than this and the oldest views are made anew.
  static constexpr size_t kViewsMax = 4096;
  std::shared_ptr<const BucketView> view_of(std::shared_ptr<const blob::Bucket> bucket);

 private:
  std::map<blob::BucketId, std::shared_ptr<const BucketView>> views_;
};

}  // namespace keelson::s3
