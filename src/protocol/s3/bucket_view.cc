#include "protocol/s3/bucket_view.h"

#include <utility>

#include "base/logging.h"

namespace keelson::s3 {

namespace {

// A document that was checked when it was put; one that cannot be read any more is told of and left out.
template <class Value>
std::optional<Value> read_document(const BucketView& view, std::string_view name) {
  const std::string* text = view.document(name);
  if (text == nullptr) return std::nullopt;
  auto value = Value::parse(*text);
  if (!value) {
    log_error("s3", "a document of a bucket cannot be read", {{"bucket", view.bucket->name}, {"document", name}});
    return std::nullopt;
  }
  return std::move(*value);
}

}  // namespace

BucketView::BucketView(std::shared_ptr<const blob::Bucket> of) : bucket(std::move(of)) {
  if (const std::string* text = document(kPolicyDocument)) {
    auto parsed = Policy::parse(*text, Policy::Kind::kBucket, bucket->name);
    has_broken_policy = !parsed;
    if (parsed) {
      policy = std::move(*parsed);
    } else {
      log_error("s3", "a bucket's policy cannot be read", {{"bucket", bucket->name}, {"why", parsed.error().text()}});
    }
  }
  if (const std::string* stored = document(kAclDocument)) acl = Acl::load(*stored);
  if (const std::string* word = document(kOwnershipDocument)) ownership = *word;
  cors = read_document<CorsConfiguration>(*this, kCorsDocument);
  lifecycle = read_document<LifecycleConfiguration>(*this, kLifecycleDocument);
  website = read_document<WebsiteConfiguration>(*this, kWebsiteDocument);
  encryption = read_document<BucketEncryption>(*this, kEncryptionDocument);
  has_broken_encryption = document(kEncryptionDocument) != nullptr && !encryption;
  logging = read_document<BucketLogging>(*this, kLoggingDocument);
  lock = read_document<ObjectLockConfiguration>(*this, kObjectLockDocument).value_or(ObjectLockConfiguration{});
  access_block = read_document<PublicAccessBlock>(*this, kPublicAccessDocument).value_or(PublicAccessBlock{});
}

const std::string* BucketView::document(std::string_view name) const {
  const auto found = bucket->documents.find(name);
  return found == bucket->documents.end() ? nullptr : &found->second;
}

std::shared_ptr<const BucketView> BucketViews::view_of(std::shared_ptr<const blob::Bucket> bucket) {
  const auto found = views_.find(bucket->id);
  if (found != views_.end() && found->second->bucket == bucket) return found->second;
  if (found == views_.end() && views_.size() >= kViewsMax) views_.erase(views_.begin());
  const blob::BucketId id = bucket->id;
  auto view = std::make_shared<const BucketView>(std::move(bucket));
  views_.insert_or_assign(id, view);
  return view;
}

}  // namespace keelson::s3
