#include "cli/blob_documents.h"

#include <utility>

#include "base/numbers.h"
#include "cli/blob_errors.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/uri.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::cli {

namespace {

using s3::XmlElement;

std::unexpected<Error> senseless(std::string_view what) {
  return fail(BlobErrc::kServer,
              std::string("the server's answer is not S3's ").append(what) + ". Is that an S3 endpoint?");
}

Result<XmlElement> parse_root(std::string_view xml, std::string_view name) {
  while (!xml.empty() && static_cast<unsigned char>(xml.front()) <= ' ') xml.remove_prefix(1);
  auto root = s3::parse_xml(xml);
  if (!root || root->name != name) return senseless(name);
  return std::move(*root);
}

std::string text_of(const XmlElement& element, std::string_view child) {
  return std::string(element.child_text(child).value_or(""));
}
bool flag_of(const XmlElement& element, std::string_view child) {
  return element.child_text(child).value_or("") == "true";
}
// 0 if it is missing or no number.
uint64_t number_of(const XmlElement& element, std::string_view child) {
  return parse_uint64(element.child_text(child).value_or("")).value_or(0);
}
int64_t date_of(const XmlElement& element, std::string_view child) {
  return s3::parse_iso8601(element.child_text(child).value_or("")).value_or(0);
}

// Undoes encoding-type=url, if the page says that it is so.
class KeyDecoder {
 public:
  explicit KeyDecoder(const XmlElement& page) : is_encoded_(page.child_text("EncodingType").value_or("") == "url") {}
  [[nodiscard]] std::optional<std::string> operator()(std::string_view text) const {
    return is_encoded_ ? s3::form_decoded(text) : std::optional<std::string>(text);
  }

 private:
  const bool is_encoded_;
};

RemoteObject object_of(const XmlElement& element, std::string key) {
  RemoteObject object{.key = std::move(key)};
  object.size_bytes = number_of(element, "Size");
  object.modified_ms = date_of(element, "LastModified");
  object.etag = unquoted(element.child_text("ETag").value_or(""));
  object.storage_class = text_of(element, "StorageClass");
  object.version_id = text_of(element, "VersionId");
  object.is_latest = element.child_text("IsLatest").value_or("true") == "true";
  object.is_delete_marker = element.name == "DeleteMarker";
  return object;
}

}  // namespace

std::string_view unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.starts_with('"') && etag.ends_with('"')) return etag.substr(1, etag.size() - 2);
  return etag;
}

Result<std::vector<RemoteBucket>> parse_bucket_list(std::string_view xml) {
  Result<XmlElement> root = parse_root(xml, "ListAllMyBucketsResult");
  if (!root.ok()) return forward_error(root);
  std::vector<RemoteBucket> buckets;
  if (const XmlElement* list = root->child("Buckets")) {
    for (const XmlElement& one : list->children) {
      if (one.name == "Bucket") buckets.push_back({text_of(one, "Name"), date_of(one, "CreationDate")});
    }
  }
  return buckets;
}

Result<ListPage> parse_list_page(std::string_view xml) {
  while (!xml.empty() && static_cast<unsigned char>(xml.front()) <= ' ') xml.remove_prefix(1);
  const auto root = s3::parse_xml(xml);
  if (!root || (root->name != "ListBucketResult" && root->name != "ListVersionsResult")) return senseless("listing");
  const KeyDecoder decoded(*root);
  ListPage page;
  page.is_truncated = flag_of(*root, "IsTruncated");
  for (const XmlElement& one : root->children) {
    const bool is_object = one.name == "Contents" || one.name == "Version" || one.name == "DeleteMarker";
    if (!is_object && one.name != "CommonPrefixes") continue;
    auto name = decoded(one.child_text(is_object ? "Key" : "Prefix").value_or(""));
    if (!name || name->empty()) return senseless("listing");
    if (is_object) {
      page.objects.push_back(object_of(one, std::move(*name)));
    } else {
      page.prefixes.push_back(std::move(*name));
    }
  }
  if (root->name == "ListBucketResult") {
    page.next_token = text_of(*root, "NextContinuationToken");
  } else {
    page.next_token = decoded(root->child_text("NextKeyMarker").value_or("")).value_or("");
    page.next_version_id_marker = text_of(*root, "NextVersionIdMarker");
  }
  if (page.is_truncated && page.next_token.empty()) return senseless("listing");
  return page;
}

Result<UploadPage> parse_upload_page(std::string_view xml) {
  Result<XmlElement> root = parse_root(xml, "ListMultipartUploadsResult");
  if (!root.ok()) return forward_error(root);
  const KeyDecoder decoded(*root);
  UploadPage page;
  page.is_truncated = flag_of(*root, "IsTruncated");
  page.next_key_marker = decoded(root->child_text("NextKeyMarker").value_or("")).value_or("");
  page.next_id_marker = text_of(*root, "NextUploadIdMarker");
  for (const XmlElement& one : root->children) {
    if (one.name != "Upload") continue;
    auto key = decoded(one.child_text("Key").value_or(""));
    RemoteUpload upload{.key = {}, .id = text_of(one, "UploadId"), .initiated_ms = date_of(one, "Initiated")};
    if (!key || upload.id.empty()) return senseless("listing of uploads");
    upload.key = std::move(*key);
    page.uploads.push_back(std::move(upload));
  }
  if (page.is_truncated && page.next_key_marker.empty()) return senseless("listing of uploads");
  return page;
}

Result<PartPage> parse_part_page(std::string_view xml) {
  Result<XmlElement> root = parse_root(xml, "ListPartsResult");
  if (!root.ok()) return forward_error(root);
  PartPage page;
  page.is_truncated = flag_of(*root, "IsTruncated");
  page.next_marker = text_of(*root, "NextPartNumberMarker");
  page.algorithm = text_of(*root, "ChecksumAlgorithm");
  page.type = text_of(*root, "ChecksumType");
  for (const XmlElement& one : root->children) {
    if (one.name != "Part") continue;
    RemotePart part{.number = static_cast<uint32_t>(number_of(one, "PartNumber")),
                    .size_bytes = number_of(one, "Size"),
                    .etag = std::string(unquoted(one.child_text("ETag").value_or(""))),
                    .crc32c = text_of(one, "ChecksumCRC32C")};
    if (part.number == 0) return senseless("listing of parts");
    page.parts.push_back(std::move(part));
  }
  if (page.is_truncated && page.next_marker.empty()) return senseless("listing of parts");
  return page;
}

Result<std::string> parse_one(std::string_view xml, std::string_view element) {
  while (!xml.empty() && static_cast<unsigned char>(xml.front()) <= ' ') xml.remove_prefix(1);
  const auto root = s3::parse_xml(xml);
  const auto text = root ? root->child_text(element) : std::nullopt;
  if (!text || text->empty()) return senseless(element);
  return std::string(*text);
}

Result<std::string> parse_versioning_status(std::string_view xml) {
  Result<XmlElement> root = parse_root(xml, "VersioningConfiguration");
  if (!root.ok()) return forward_error(root);
  return text_of(*root, "Status");
}

Result<std::vector<std::pair<std::string, std::string>>> parse_tags(std::string_view xml) {
  Result<XmlElement> root = parse_root(xml, "Tagging");
  if (!root.ok()) return forward_error(root);
  std::vector<std::pair<std::string, std::string>> tags;
  if (const XmlElement* set = root->child("TagSet")) {
    for (const XmlElement& one : set->children) tags.emplace_back(text_of(one, "Key"), text_of(one, "Value"));
  }
  return tags;
}

Result<std::vector<DeleteFailure>> parse_delete_result(std::string_view xml) {
  Result<XmlElement> root = parse_root(xml, "DeleteResult");
  if (!root.ok()) return forward_error(root);
  std::vector<DeleteFailure> failures;
  for (const XmlElement& one : root->children) {
    if (one.name == "Error") failures.push_back({text_of(one, "Key"), text_of(one, "Code"), text_of(one, "Message")});
  }
  return failures;
}

std::string delete_document(std::span<const RemoteObject> objects) {
  s3::XmlWriter xml;
  xml.open_root("Delete");
  for (const RemoteObject& object : objects) {
    xml.open("Object");
    xml.element("Key", object.key);
    xml.optional_element("VersionId", object.version_id);
    xml.close("Object");
  }
  xml.element("Quiet", true);
  xml.close("Delete");
  return xml.take();
}

std::string complete_document(std::span<const RemotePart> parts) {
  s3::XmlWriter xml;
  xml.open_root("CompleteMultipartUpload");
  for (const RemotePart& part : parts) {
    xml.open("Part");
    xml.optional_element("ChecksumCRC32C", part.crc32c);
    xml.element("ETag", "\"" + part.etag + "\"");
    xml.element("PartNumber", uint64_t{part.number});
    xml.close("Part");
  }
  xml.close("CompleteMultipartUpload");
  return xml.take();
}

std::string create_bucket_document(std::string_view region) {
  // us-east-1 is Amazon's first region, and is named by saying nothing (CreateBucket, LocationConstraint).
  if (region.empty() || region == "us-east-1") return {};
  s3::XmlWriter xml;
  xml.open_root("CreateBucketConfiguration");
  xml.element("LocationConstraint", region);
  xml.close("CreateBucketConfiguration");
  return xml.take();
}

}  // namespace keelson::cli
