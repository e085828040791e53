// The smaller documents of requests: each parsed into a value, or refused as kMalformedXML. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/blob/object.h"
#include "protocol/s3/error.h"
#include "protocol/s3/tags.h"

namespace keelson::s3 {

// <CreateBucketConfiguration>; an empty body is one too.
struct CreateBucketDocument {
  std::string location;  // empty: not said
  Tags tags;
};
[[nodiscard]] S3Result<CreateBucketDocument> parse_create_bucket(std::string_view xml);

// <VersioningConfiguration>. kIllegalVersioningConfigurationException, kNotImplemented (MFA delete).
[[nodiscard]] S3Result<blob::Versioning> parse_versioning(std::string_view xml);
[[nodiscard]] std::string versioning_document(blob::Versioning versioning);

// <Delete>, of DeleteObjects.
struct DeleteDocument {
  static constexpr size_t kObjectsMax = 1000;
  struct Object {
    std::string key;
    std::string version_id;  // empty: none
    std::optional<std::string> etag;
  };
  bool is_quiet = false;
  std::vector<Object> objects;
};
[[nodiscard]] S3Result<DeleteDocument> parse_delete(std::string_view xml);

// <CompleteMultipartUpload>. Numbers are not yet checked for order.
struct CompleteDocument {
  struct Part {
    uint32_t number = 0;
    blob::ETag etag;
    std::optional<blob::Checksum> checksum;
  };
  std::vector<Part> parts;
};
// kMalformedXML, kInvalidPart (an entity tag that cannot be one), kInvalidArgument (a part number, a checksum).
[[nodiscard]] S3Result<CompleteDocument> parse_complete(std::string_view xml);

// <PublicAccessBlockConfiguration>.
struct PublicAccessBlock {
  bool blocks_acls = false;       // BlockPublicAcls: such an ACL cannot be set
  bool ignores_acls = false;      // IgnorePublicAcls: such an ACL has no effect
  bool blocks_policy = false;     // BlockPublicPolicy
  bool restricts_policy = false;  // RestrictPublicBuckets: a public policy lets only the account in

  static S3Result<PublicAccessBlock> parse(std::string_view xml);
  [[nodiscard]] std::string document() const;
};

// <ServerSideEncryptionConfiguration>: what a new object gets whose request says nothing. kNotImplemented (keys of a
// key management service), kInvalidArgument.
struct BucketEncryption {
  bool encrypts = false;              // AES256
  bool has_bucket_key = false;        // reads back; it means nothing for AES256
  bool blocks_customer_keys = false;  // BlockedEncryptionTypes: SSE-C

  static S3Result<BucketEncryption> parse(std::string_view xml);
  [[nodiscard]] std::string document() const;
};

// <OwnershipControls>: BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter.
[[nodiscard]] S3Result<std::string> parse_ownership(std::string_view xml);
[[nodiscard]] std::string ownership_document(std::string_view ownership);

// <NotificationConfiguration>: is anything asked for?
[[nodiscard]] S3Result<bool> parse_notification_is_empty(std::string_view xml);
// <RequestPaymentConfiguration>: BucketOwner is what there is. kNotImplemented otherwise.
[[nodiscard]] S3Result<> parse_request_payment(std::string_view xml);

}  // namespace keelson::s3
