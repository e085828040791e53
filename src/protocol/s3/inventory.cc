#include "protocol/s3/inventory.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "protocol/s3/acl.h"
#include "protocol/s3/checksum.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/lifecycle.h"
#include "protocol/s3/names.h"
#include "protocol/s3/object_lock.h"
#include "protocol/s3/policy.h"
#include "protocol/s3/sse.h"
#include "protocol/s3/uri.h"
#include "protocol/s3/xml.h"

namespace keelson::s3 {

namespace {

constexpr std::array<std::string_view, kInventoryFieldCount> kFieldNames = {"Size",
                                                                            "LastModifiedDate",
                                                                            "ETag",
                                                                            "StorageClass",
                                                                            "IsMultipartUploaded",
                                                                            "ReplicationStatus",
                                                                            "EncryptionStatus",
                                                                            "ObjectLockRetainUntilDate",
                                                                            "ObjectLockMode",
                                                                            "ObjectLockLegalHoldStatus",
                                                                            "IntelligentTieringAccessTier",
                                                                            "BucketKeyStatus",
                                                                            "ChecksumAlgorithm",
                                                                            "ObjectAccessControlList",
                                                                            "ObjectOwner"};
static_assert(static_cast<size_t>(InventoryField::kObjectOwner) + 1 == kInventoryFieldCount);

std::unexpected<S3Error> malformed() { return s3_fail(ErrorCode::kMalformedXML); }

std::string_view name_of(InventoryField field) { return kFieldNames[static_cast<size_t>(field)]; }

S3Result<> read_fields(const XmlElement& element, InventoryConfiguration& into) {
  for (const XmlElement& child : element.children) {
    const auto* found = std::find(kFieldNames.begin(), kFieldNames.end(), child.text);
    if (child.name != "Field") return malformed();
    if (found == kFieldNames.end()) {
      return s3_fail(ErrorCode::kNotImplemented, "The inventory field " + child.text + " is not implemented.");
    }
    into.fields.push_back(static_cast<InventoryField>(found - kFieldNames.begin()));
  }
  std::sort(into.fields.begin(), into.fields.end());
  into.fields.erase(std::unique(into.fields.begin(), into.fields.end()), into.fields.end());
  return {};
}

S3Result<> read_destination(const XmlElement& element, InventoryConfiguration& into) {
  constexpr std::string_view kArn = "arn:aws:s3:::";
  const XmlElement* place = element.child("S3BucketDestination");
  if (place == nullptr || element.children.size() != 1) return malformed();
  const auto bucket = place->child_text("Bucket");
  const auto format = place->child_text("Format");
  if (!bucket || !format) return malformed();
  if (!bucket->starts_with(kArn) || !is_bucket_name(bucket->substr(kArn.size()))) {
    S3Error error{.code = ErrorCode::kInvalidS3DestinationBucket};
    error.details.emplace_back("Bucket", *bucket);
    return std::unexpected(std::move(error));
  }
  if (*format == "ORC" || *format == "Parquet") {
    return s3_fail(ErrorCode::kNotImplemented,
                   "Inventories in the format " + std::string(*format) + " are not implemented; CSV is.");
  }
  if (*format != "CSV") return malformed();
  if (const XmlElement* encryption = place->child("Encryption")) {
    if (encryption->child("SSE-KMS") != nullptr) {
      return s3_fail(ErrorCode::kNotImplemented,
                     "Encryption with keys of a key management service is not implemented.");
    }
    into.is_encrypted = encryption->child("SSE-S3") != nullptr;
    if (encryption->children.size() != (into.is_encrypted ? 1U : 0U)) return malformed();
  }
  into.destination_bucket = bucket->substr(kArn.size());
  into.destination_account = place->child_text("AccountId").value_or(std::string_view());
  into.destination_prefix = place->child_text("Prefix").value_or(std::string_view());
  if (!into.destination_account.empty() && into.destination_account != kAccountId) {
    return invalid_argument("There is one account, 000000000000", "AccountId", into.destination_account);
  }
  if (into.destination_prefix.size() > InventoryConfiguration::kPrefixBytesMax) {
    return invalid_argument("The prefix has at most 512 bytes", "Prefix", "");
  }
  return {};
}

S3Result<> read_member(const XmlElement& child, InventoryConfiguration& into) {
  if (child.name == "Destination") return read_destination(child, into);
  if (child.name == "OptionalFields") return read_fields(child, into);
  if (child.name == "IsEnabled") {
    into.is_enabled = child.text == "true";
    return into.is_enabled || child.text == "false" ? S3Result<>() : malformed();
  }
  if (child.name == "Filter") {
    const auto prefix = child.child_text("Prefix");
    if (!prefix || child.children.size() != 1) return malformed();
    into.filter_prefix = *prefix;
    return {};
  }
  if (child.name == "Id") {
    into.id = child.text;
    return is_inventory_id(into.id) ? S3Result<>() : invalid_argument("The inventory's id is not valid", "Id", into.id);
  }
  if (child.name == "IncludedObjectVersions") {
    into.all_versions = child.text == "All";
    return into.all_versions || child.text == "Current" ? S3Result<>() : malformed();
  }
  if (child.name == "Schedule") {
    const auto frequency = child.child_text("Frequency");
    into.is_weekly = frequency == "Weekly";
    return into.is_weekly || frequency == "Daily" ? S3Result<>() : malformed();
  }
  return malformed();
}

// Values of a row, each with what does not apply left empty.
std::string lock_date(const blob::ObjectInfo& object) {
  const blob::Retention& retention = object.meta.retention;
  return retention.mode == RetentionMode::kNone ? std::string() : format_iso8601(retention.until_ms);
}

std::string checksum_algorithms(const blob::ObjectMeta& meta) {
  std::string text;
  for (const blob::Checksum& checksum : meta.checksums) {
    text.append(text.empty() ? "" : ",").append(checksum_name(checksum.algorithm));
  }
  return text;
}

// As S3 writes it: base64 of a JSON document.
std::string acl_text(const blob::ObjectMeta& meta) {
  using Json = nlohmann::ordered_json;
  Json grants = Json::array();
  grants.push_back({{"canonicalId", kOwnerId}, {"type", "CanonicalUser"}, {"permission", "FULL_CONTROL"}});
  const Acl acl = Acl::load(meta.acl);
  const auto add = [&grants](std::string_view uri, uint8_t bits) {
    constexpr std::pair<uint8_t, std::string_view> kNames[] = {
        {kAclRead, "READ"}, {kAclWrite, "WRITE"}, {kAclReadAcp, "READ_ACP"}, {kAclWriteAcp, "WRITE_ACP"}};
    if (bits == kAclFull) grants.push_back({{"uri", uri}, {"type", "Group"}, {"permission", "FULL_CONTROL"}});
    for (const auto& [bit, name] : kNames) {
      if (bits != kAclFull && (bits & bit) != 0) {
        grants.push_back({{"uri", uri}, {"type", "Group"}, {"permission", name}});
      }
    }
  };
  add(kAllUsersGroup, acl.everybody);
  add(kAuthenticatedUsersGroup, acl.signed_in);
  return to_base64(Json{{"version", "2022-11-10"}, {"status", "AVAILABLE"}, {"grants", std::move(grants)}}.dump());
}

std::string value_of(InventoryField field, const blob::ObjectInfo& object) {
  const blob::ObjectMeta& meta = object.meta;
  if (field == InventoryField::kLastModifiedDate) return format_iso8601(object.modified_ms);
  if (field == InventoryField::kObjectOwner) return std::string(kOwnerId);
  if (object.is_delete_marker) return {};
  switch (field) {
    case InventoryField::kSize:
      return std::to_string(meta.payload.size_bytes);
    case InventoryField::kETag:
      return meta.etag.text();
    case InventoryField::kStorageClass:
      return meta.storage_class.empty() ? "STANDARD" : meta.storage_class;
    case InventoryField::kIsMultipartUploaded:
      return meta.etag.part_count > 0 ? "true" : "false";
    case InventoryField::kEncryptionStatus: {
      const auto stored = StoredKey::parse(meta.encryption);
      if (!stored) return "NOT-SSE";
      return stored->kind == SseKind::kServer ? "SSE-S3" : "SSE-C";
    }
    case InventoryField::kObjectLockRetainUntilDate:
      return lock_date(object);
    case InventoryField::kObjectLockMode:
      return std::string(retention_mode_text(meta.retention.mode));
    case InventoryField::kObjectLockLegalHoldStatus:
      return meta.has_legal_hold ? "On" : "Off";
    case InventoryField::kBucketKeyStatus:
      return "DISABLED";
    case InventoryField::kChecksumAlgorithm:
      return checksum_algorithms(meta);
    case InventoryField::kObjectAccessControlList:
      return acl_text(meta);
    case InventoryField::kReplicationStatus:             // nothing is replicated
    case InventoryField::kIntelligentTieringAccessTier:  // there is one tier
    case InventoryField::kLastModifiedDate:
    case InventoryField::kObjectOwner:
      return {};
  }
  return {};
}

std::string minute_text(int64_t time_ms) { return format_iso8601(time_ms).substr(0, 16); }  // 2016-11-06T21:32

}  // namespace

bool is_inventory_id(std::string_view id) {
  constexpr std::string_view kOthers = ".-_";
  return !id.empty() && id.size() <= InventoryConfiguration::kIdBytesMax &&
         std::all_of(id.begin(), id.end(), [&](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  kOthers.find(c) != std::string_view::npos;
         });
}

S3Result<InventoryConfiguration> InventoryConfiguration::parse(std::string_view xml) {
  const auto root = parse_xml(xml);
  if (!root || root->name != "InventoryConfiguration") return malformed();
  for (const char* name : {"Destination", "Id", "IncludedObjectVersions", "IsEnabled", "Schedule"}) {
    if (root->count(name) != 1) return malformed();
  }
  if (root->count("Filter") > 1 || root->count("OptionalFields") > 1) return malformed();
  InventoryConfiguration configuration;
  for (const XmlElement& child : root->children) {
    if (auto read = read_member(child, configuration); !read) return std::unexpected(std::move(read.error()));
  }
  return configuration;
}

void InventoryConfiguration::write(XmlWriter& xml) const {
  xml.element("Id", id);
  xml.element("IsEnabled", is_enabled);
  if (filter_prefix) {
    xml.open("Filter");
    xml.element("Prefix", *filter_prefix);
    xml.close("Filter");
  }
  xml.open("Destination");
  xml.open("S3BucketDestination");
  xml.element("Format", "CSV");
  xml.optional_element("AccountId", destination_account);
  xml.element("Bucket", bucket_arn(destination_bucket));
  xml.optional_element("Prefix", destination_prefix);
  if (is_encrypted) {
    xml.open("Encryption");
    xml.element("SSE-S3", "");
    xml.close("Encryption");
  }
  xml.close("S3BucketDestination");
  xml.close("Destination");
  xml.open("Schedule");
  xml.element("Frequency", is_weekly ? "Weekly" : "Daily");
  xml.close("Schedule");
  xml.element("IncludedObjectVersions", all_versions ? "All" : "Current");
  if (!fields.empty()) {
    xml.open("OptionalFields");
    for (const InventoryField field : fields) xml.element("Field", name_of(field));
    xml.close("OptionalFields");
  }
}

std::string InventoryConfiguration::document() const {
  XmlWriter xml;
  xml.open_root("InventoryConfiguration");
  write(xml);
  xml.close("InventoryConfiguration");
  return xml.take();
}

bool InventoryConfiguration::has(InventoryField field) const {
  return std::binary_search(fields.begin(), fields.end(), field);
}

bool InventoryConfiguration::needs_meta() const {
  return has(InventoryField::kObjectLockRetainUntilDate) || has(InventoryField::kObjectLockMode) ||
         has(InventoryField::kObjectLockLegalHoldStatus) || has(InventoryField::kObjectAccessControlList) ||
         has(InventoryField::kEncryptionStatus);
}

int64_t inventory_slot_ms(bool is_weekly, int64_t now_ms, int64_t day_ms) {
  // 1970-01-04 was the first Sunday.
  const int64_t begin_ms = is_weekly && day_ms == kDayMs ? 3 * kDayMs : 0;
  const int64_t period_ms = is_weekly ? 7 * day_ms : day_ms;
  if (now_ms < begin_ms) return 0;
  return (now_ms - begin_ms) / period_ms * period_ms + begin_ms;
}

bool is_inventory_due(const InventoryConfiguration& configuration, std::optional<int64_t> last_slot_ms, int64_t now_ms,
                      int64_t day_ms) {
  return configuration.is_enabled &&
         (!last_slot_ms || *last_slot_ms < inventory_slot_ms(configuration.is_weekly, now_ms, day_ms));
}

std::string inventory_schema(const InventoryConfiguration& configuration) {
  std::string schema = "Bucket, Key";
  if (configuration.all_versions) schema.append(", VersionId, IsLatest, IsDeleteMarker");
  for (const InventoryField field : configuration.fields) schema.append(", ").append(name_of(field));
  return schema;
}

void append_inventory_row(std::string& out, const InventoryConfiguration& configuration, std::string_view bucket,
                          const blob::ObjectInfo& object) {
  // No value has a quote in it: the key is encoded, the others are the server's own words.
  const auto add = [&out](std::string_view value, const char* behind) {
    out.append("\"").append(value).append("\"").append(behind);
  };
  const auto& fields = configuration.fields;
  add(bucket, ",");
  add(uri_encoded(object.key, Slash::kKeep), fields.empty() && !configuration.all_versions ? "\n" : ",");
  if (configuration.all_versions) {
    add(object.version_id(), ",");
    add(object.is_latest ? "true" : "false", ",");
    add(object.is_delete_marker ? "true" : "false", fields.empty() ? "\n" : ",");
  }
  for (size_t i = 0; i < fields.size(); ++i) add(value_of(fields[i], object), i + 1 == fields.size() ? "\n" : ",");
}

std::string InventoryPlace::data_key(std::string_view uuid) const {
  return std::string(root).append("data/").append(uuid).append(".csv.gz");
}

std::string InventoryPlace::manifest_key() const {
  std::string minute = minute_text(started_ms);
  std::replace(minute.begin(), minute.end(), ':', '-');
  return root + minute + "Z/manifest.json";
}

std::string InventoryPlace::checksum_key() const {
  const std::string key = manifest_key();
  return key.substr(0, key.size() - std::string_view("json").size()) + "checksum";
}

std::string InventoryPlace::symlink_key() const {
  std::string minute = minute_text(started_ms);
  std::replace(minute.begin(), minute.end(), ':', '-');
  std::replace(minute.begin(), minute.end(), 'T', '-');
  return root + "hive/dt=" + minute + "/symlink.txt";
}

InventoryPlace inventory_place(const InventoryConfiguration& configuration, std::string_view bucket,
                               int64_t started_ms) {
  InventoryPlace place{.root = configuration.destination_prefix, .started_ms = started_ms};
  if (!place.root.empty() && !place.root.ends_with('/')) place.root.push_back('/');
  place.root.append(bucket).append("/").append(configuration.id).append("/");
  return place;
}

std::string inventory_uuid(blob::BucketId bucket, std::string_view id, int64_t slot_ms, uint32_t number) {
  std::string name = "inventory " + std::to_string(bucket);
  name.append(" ").append(id).append(" ").append(std::to_string(slot_ms)).append(" ").append(std::to_string(number));
  std::string bytes = digest_of(DigestKind::kSha256, name).substr(0, 16);
  // RFC 9562, section 5.8: a UUID of our own making.
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x80);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  std::string text = to_hex(bytes);
  for (const size_t at : {20U, 16U, 12U, 8U}) text.insert(at, "-");
  return text;
}

std::string inventory_manifest(const InventoryConfiguration& configuration, std::string_view bucket, int64_t started_ms,
                               const std::vector<InventoryFile>& files) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const InventoryFile& file : files) {
    list.push_back({{"key", file.key}, {"size", file.size_bytes}, {"MD5checksum", file.md5_hex}});
  }
  const Json manifest = {{"sourceBucket", bucket},  {"destinationBucket", bucket_arn(configuration.destination_bucket)},
                         {"version", "2016-11-30"}, {"creationTimestamp", std::to_string(started_ms)},
                         {"fileFormat", "CSV"},     {"fileSchema", inventory_schema(configuration)},
                         {"files", std::move(list)}};
  return manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string inventory_symlinks(const InventoryConfiguration& configuration, const std::vector<InventoryFile>& files) {
  std::string text;
  for (const InventoryFile& file : files) {
    if (!text.empty()) text.push_back('\n');
    text.append("s3://").append(configuration.destination_bucket).append("/").append(file.key);
  }
  return text;
}

}  // namespace keelson::s3
