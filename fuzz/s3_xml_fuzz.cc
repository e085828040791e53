// Any bytes as an XML document, and as each document that S3 takes. What was taken reads the same once it is written.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/s3/acl.h"
#include "protocol/s3/bucket_logging.h"
#include "protocol/s3/cors.h"
#include "protocol/s3/documents.h"
#include "protocol/s3/inventory.h"
#include "protocol/s3/lifecycle.h"
#include "protocol/s3/object_lock.h"
#include "protocol/s3/tags.h"
#include "protocol/s3/website.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

using namespace keelson::s3;  // tidy: using namespace, because this file is about nothing else

namespace {

size_t depth_of(const XmlElement& element) {
  size_t deepest = 0;
  for (const XmlElement& child : element.children) deepest = std::max(deepest, depth_of(child));
  return deepest + 1;
}

template <class Value>
void check_document(std::string_view xml) {
  const auto value = Value::parse(xml);
  if (!value) return;
  const std::string written = value->document();
  const auto again = Value::parse(written);
  KEELSON_CHECK(again && again->document() == written, "a document reads back the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view xml(reinterpret_cast<const char*>(data), size);
  const auto root = parse_xml(xml);
  if (!root) return 0;
  // The innermost element may be an empty one below the limit.
  KEELSON_CHECK(depth_of(*root) <= XmlLimits{}.depth_max + 1, "depth has a limit");
  XmlWriter out;
  out.element("t", root->text);
  const auto text = parse_xml(out.take());
  KEELSON_CHECK(text && text->text == root->text, "text reads back the same");
  check_document<CorsConfiguration>(xml);
  check_document<LifecycleConfiguration>(xml);
  check_document<ObjectLockConfiguration>(xml);
  check_document<WebsiteConfiguration>(xml);
  check_document<PublicAccessBlock>(xml);
  check_document<BucketEncryption>(xml);
  check_document<BucketLogging>(xml);
  check_document<InventoryConfiguration>(xml);
  if (const auto tags = parse_tagging_document(xml, kObjectTagsMax)) {
    KEELSON_CHECK(parse_tagging_document(tagging_document(*tags), kObjectTagsMax) == *tags, "tags read back the same");
  }
  if (const auto acl = parse_acl_document(xml)) {
    KEELSON_CHECK(parse_acl_document(acl->document()) == *acl, "an ACL reads back the same");
  }
  (void)parse_create_bucket(xml);
  (void)parse_versioning(xml);
  (void)parse_delete(xml);
  (void)parse_complete(xml);
  (void)parse_retention(xml, 0);
  (void)parse_legal_hold(xml);
  (void)parse_ownership(xml);
  (void)parse_notification_is_empty(xml);
  (void)parse_request_payment(xml);
  return 0;
}
