#include "protocol/s3/documents.h"

#include <charconv>

#include "base/base64.h"
#include "protocol/s3/checksum.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

std::unexpected<S3Error> malformed() { return s3_fail(ErrorCode::kMalformedXML); }

std::optional<XmlElement> parse_root(std::string_view xml, std::string_view name) {
  auto root = parse_xml(xml);
  if (root && root->name != name) return std::nullopt;
  return root;
}

bool read_bool(const XmlElement& root, std::string_view name, bool& into) {
  const auto text = root.child_text(name);
  if (!text) return true;
  into = *text == "true" || *text == "TRUE" || *text == "True";
  return into || *text == "false" || *text == "FALSE" || *text == "False";
}

S3Result<CompleteDocument::Part> read_part(const XmlElement& element) {
  CompleteDocument::Part part;
  const auto number = element.child_text("PartNumber");
  const auto etag = element.child_text("ETag");
  if (!number || !etag) return malformed();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(number->data(), number->data() + number->size(), value);
  if (error != std::errc() || end != number->data() + number->size()) return malformed();
  if (value < 1 || value > blob::kPartNumberMax) {
    return invalid_argument("PartNumber must be an integer between 1 and 10000, inclusive", "PartNumber",
                            std::string(*number));
  }
  part.number = static_cast<uint32_t>(value);
  const auto known = blob::ETag::parse(*etag);
  if (!known) return s3_fail(ErrorCode::kInvalidPart);
  part.etag = *known;
  for (const ChecksumAlgorithm algorithm : kChecksumAlgorithms) {
    const auto text = element.child_text(checksum_element(algorithm));
    if (!text) continue;
    const auto bytes = from_base64(*text);
    if (!bytes || bytes->size() != checksum_bytes(algorithm) || part.checksum) {
      return invalid_argument("Invalid Base64 or multiple checksums present in request",
                              std::string(checksum_element(algorithm)), std::string(*text));
    }
    part.checksum = blob::Checksum{algorithm, false, *bytes};
  }
  return part;
}

}  // namespace

S3Result<CreateBucketDocument> parse_create_bucket(std::string_view xml) {
  CreateBucketDocument document;
  if (xml.empty()) return document;
  const auto root = parse_root(xml, "CreateBucketConfiguration");
  if (!root) return malformed();
  document.location = root->child_text("LocationConstraint").value_or(std::string_view());
  if (root->child("Bucket") != nullptr || root->child("Location") != nullptr) {
    return s3_fail(ErrorCode::kNotImplemented, "Directory buckets are not implemented.");
  }
  if (const XmlElement* tags = root->child("Tags")) {
    auto read = parse_tag_set(*tags, kBucketTagsMax);
    if (!read) return std::unexpected(std::move(read.error()));
    document.tags = std::move(*read);
  }
  return document;
}

S3Result<blob::Versioning> parse_versioning(std::string_view xml) {
  const auto root = parse_root(xml, "VersioningConfiguration");
  if (!root) return malformed();
  if (root->child_text("MfaDelete") == "Enabled") {
    return s3_fail(ErrorCode::kNotImplemented, "MFA delete is not implemented.");
  }
  const auto status = root->child_text("Status");
  if (status == "Enabled") return blob::Versioning::kEnabled;
  if (status == "Suspended") return blob::Versioning::kSuspended;
  return s3_fail(status ? ErrorCode::kMalformedXML : ErrorCode::kIllegalVersioningConfigurationException);
}

std::string versioning_document(blob::Versioning versioning) {
  XmlWriter xml;
  xml.open_root("VersioningConfiguration");
  if (versioning != blob::Versioning::kOff) {
    xml.element("Status", versioning == blob::Versioning::kEnabled ? "Enabled" : "Suspended");
  }
  xml.close("VersioningConfiguration");
  return xml.take();
}

S3Result<DeleteDocument> parse_delete(std::string_view xml) {
  const auto root = parse_root(xml, "Delete");
  DeleteDocument document;
  if (!root || !read_bool(*root, "Quiet", document.is_quiet)) return malformed();
  for (const XmlElement& element : root->children) {
    if (element.name != "Object") continue;
    const auto key = element.child_text("Key");
    if (!key || key->empty() || document.objects.size() == DeleteDocument::kObjectsMax) return malformed();
    DeleteDocument::Object& object = document.objects.emplace_back();
    object.key = *key;
    object.version_id = element.child_text("VersionId").value_or(std::string_view());
    if (const auto etag = element.child_text("ETag")) object.etag = *etag;
  }
  if (document.objects.empty()) return malformed();
  return document;
}

S3Result<CompleteDocument> parse_complete(std::string_view xml) {
  const auto root = parse_root(xml, "CompleteMultipartUpload");
  if (!root) return malformed();
  CompleteDocument document;
  for (const XmlElement& element : root->children) {
    if (element.name != "Part" || document.parts.size() == blob::kPartNumberMax) return malformed();
    auto part = read_part(element);
    if (!part) return std::unexpected(std::move(part.error()));
    document.parts.push_back(std::move(*part));
  }
  if (document.parts.empty()) return malformed();
  return document;
}

S3Result<PublicAccessBlock> PublicAccessBlock::parse(std::string_view xml) {
  const auto root = parse_root(xml, "PublicAccessBlockConfiguration");
  PublicAccessBlock block;
  if (!root || !read_bool(*root, "BlockPublicAcls", block.blocks_acls) ||
      !read_bool(*root, "IgnorePublicAcls", block.ignores_acls) ||
      !read_bool(*root, "BlockPublicPolicy", block.blocks_policy) ||
      !read_bool(*root, "RestrictPublicBuckets", block.restricts_policy)) {
    return malformed();
  }
  return block;
}

std::string PublicAccessBlock::document() const {
  XmlWriter xml;
  xml.open_root("PublicAccessBlockConfiguration");
  xml.element("BlockPublicAcls", blocks_acls);
  xml.element("IgnorePublicAcls", ignores_acls);
  xml.element("BlockPublicPolicy", blocks_policy);
  xml.element("RestrictPublicBuckets", restricts_policy);
  xml.close("PublicAccessBlockConfiguration");
  return xml.take();
}

S3Result<BucketEncryption> BucketEncryption::parse(std::string_view xml) {
  const auto root = parse_root(xml, "ServerSideEncryptionConfiguration");
  if (!root || root->children.size() != 1 || root->children.front().name != "Rule") return malformed();
  const XmlElement& rule = root->children.front();
  BucketEncryption encryption;
  if (!read_bool(rule, "BucketKeyEnabled", encryption.has_bucket_key)) return malformed();
  if (const XmlElement* chosen = rule.child("ApplyServerSideEncryptionByDefault")) {
    const auto algorithm = chosen->child_text("SSEAlgorithm");
    if (!algorithm) return malformed();
    if (*algorithm == "aws:kms" || *algorithm == "aws:kms:dsse") {
      return s3_fail(ErrorCode::kNotImplemented, "Encryption with keys of a key management service (" +
                                                     std::string(*algorithm) + ") is not implemented; AES256 is.");
    }
    if (*algorithm != "AES256") return malformed();
    if (const auto id = chosen->child_text("KMSMasterKeyID")) {
      return invalid_argument(
          "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
          "KMSMasterKeyID", std::string(*id));
    }
    encryption.encrypts = true;
  }
  if (const XmlElement* blocked = rule.child("BlockedEncryptionTypes")) {
    for (const XmlElement& type : blocked->children) {
      if (type.name != "EncryptionType" || (type.text != "SSE-C" && type.text != "NONE")) return malformed();
      encryption.blocks_customer_keys = encryption.blocks_customer_keys || type.text == "SSE-C";
    }
  } else if (!encryption.encrypts) {
    return malformed();
  }
  return encryption;
}

std::string BucketEncryption::document() const {
  XmlWriter xml;
  xml.open_root("ServerSideEncryptionConfiguration");
  xml.open("Rule");
  if (encrypts) {
    xml.open("ApplyServerSideEncryptionByDefault");
    xml.element("SSEAlgorithm", "AES256");
    xml.close("ApplyServerSideEncryptionByDefault");
  }
  xml.element("BucketKeyEnabled", has_bucket_key);
  if (blocks_customer_keys || !encrypts) {
    xml.open("BlockedEncryptionTypes");
    xml.element("EncryptionType", blocks_customer_keys ? "SSE-C" : "NONE");
    xml.close("BlockedEncryptionTypes");
  }
  xml.close("Rule");
  xml.close("ServerSideEncryptionConfiguration");
  return xml.take();
}

S3Result<std::string> parse_ownership(std::string_view xml) {
  const auto root = parse_root(xml, "OwnershipControls");
  if (!root || root->children.size() != 1 || root->children.front().name != "Rule") return malformed();
  const std::string ownership(root->children.front().child_text("ObjectOwnership").value_or(std::string_view()));
  if (ownership != "BucketOwnerEnforced" && ownership != "BucketOwnerPreferred" && ownership != "ObjectWriter") {
    return malformed();
  }
  return ownership;
}

std::string ownership_document(std::string_view ownership) {
  XmlWriter xml;
  xml.open_root("OwnershipControls");
  xml.open("Rule");
  xml.element("ObjectOwnership", ownership);
  xml.close("Rule");
  xml.close("OwnershipControls");
  return xml.take();
}

S3Result<bool> parse_notification_is_empty(std::string_view xml) {
  const auto root = parse_root(xml, "NotificationConfiguration");
  if (!root) return malformed();
  return root->children.empty();
}

S3Result<> parse_request_payment(std::string_view xml) {
  const auto root = parse_root(xml, "RequestPaymentConfiguration");
  if (!root || !root->child("Payer")) return malformed();
  if (root->child_text("Payer") != "BucketOwner") {
    return s3_fail(ErrorCode::kNotImplemented, "Requester pays is not implemented.");
  }
  return {};
}

}  // namespace keelson::s3
