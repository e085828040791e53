// Objects that the server puts into a bucket by itself: log objects and inventories. And whether it may.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"
#include "blobstore/store.h"
#include "env/reactor.h"
#include "protocol/s3/bucket_view.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/error.h"
#include "protocol/s3/policy.h"
#include "protocol/s3/sse.h"

namespace keelson::s3 {

// What the target's policy and ACL say of a service (kLoggingService, kInventoryService) that puts this key on behalf
// of `source`: kDeny, kAllow (a policy's Allow, or an ACL's for log delivery), or kNone.
[[nodiscard]] Decision decide_delivery(const BucketView& target, std::string_view service, std::string_view key,
                                       std::string_view source_bucket);

// One object on its way, encrypted with what server_encryption() gave for it. Dropped before put() has come back it
// leaves nothing. One call at a time.
class OwnObject {
 public:
  // `store` and `on` outlive it.
  OwnObject(blobstore::Store& store, env::Reactor& on, std::shared_ptr<const BucketView> bucket, std::string key,
            std::optional<Encryption> encryption);

  // Bounded memory: returns when the bytes are with the volume. kServiceUnavailable (a full disk), kInternalError.
  Task<S3Result<>> append(std::string_view bytes);
  // Makes the object, durable as configured. A default retention of the bucket holds for it. Once. kNoSuchBucket (it
  // went meanwhile), kAccessDenied (a lock protects what is there).
  Task<S3Result<>> put(std::string content_type, int64_t now_ms);

  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] uint64_t size_bytes() const { return writer_->size_bytes(); }
  // Of what was appended, in hex; after put().
  [[nodiscard]] const std::string& md5_hex() const { return md5_hex_; }

 private:
  blobstore::Store& store_;
  env::Reactor& on_;
  std::shared_ptr<const BucketView> bucket_;
  std::string key_;
  std::optional<Encryption> encryption_;
  std::unique_ptr<blobstore::BlobWriter> writer_;
  Digest md5_;
  std::string md5_hex_;
};

}  // namespace keelson::s3
