// Inventories: a bucket's configurations, when they are due, and what their reports look like ("Cataloging and
// analyzing your data with S3 Inventory", Amazon S3 user guide). CSV with gzip; ORC and Parquet are refused. Pure
// functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/blob/object.h"
#include "protocol/s3/error.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

// A bucket's documents: the configuration's XML, and the slot of its last run in decimal.
inline constexpr std::string_view kInventoryDocumentPrefix = "inventory/";
inline constexpr std::string_view kInventoryRunPrefix = "inventory-run/";

// Columns that a report has on demand, in the order in which they stand, behind Bucket, Key and, for all versions,
// VersionId, IsLatest and IsDeleteMarker.
enum class InventoryField : uint8_t {
  kSize,
  kLastModifiedDate,
  kETag,
  kStorageClass,
  kIsMultipartUploaded,
  kReplicationStatus,
  kEncryptionStatus,
  kObjectLockRetainUntilDate,
  kObjectLockMode,
  kObjectLockLegalHoldStatus,
  kIntelligentTieringAccessTier,
  kBucketKeyStatus,
  kChecksumAlgorithm,
  kObjectAccessControlList,
  kObjectOwner,
};
inline constexpr size_t kInventoryFieldCount = 15;

struct InventoryConfiguration {
  static constexpr size_t kConfigurationsMax = 1000;  // of a bucket, as in S3
  static constexpr size_t kIdBytesMax = 64;
  // The rest of a report's keys is at most 64 + 64 + 60 bytes: bucket, id, folders and file.
  static constexpr size_t kPrefixBytesMax = 512;

  std::string id;
  bool is_enabled = false;
  bool all_versions = false;
  bool is_weekly = false;
  std::optional<std::string> filter_prefix;
  std::vector<InventoryField> fields;  // rising
  std::string destination_bucket;      // its name
  std::string destination_account;     // as given; there is one account
  std::string destination_prefix;
  bool is_encrypted = false;  // by SSE-S3

  // kMalformedXML, kInvalidS3DestinationBucket, kInvalidArgument, kNotImplemented (formats, SSE-KMS).
  static S3Result<InventoryConfiguration> parse(std::string_view xml);
  [[nodiscard]] std::string document() const;
  // The element, within a list.
  void write(XmlWriter& xml) const;

  [[nodiscard]] bool has(InventoryField field) const;
  // Does a row need more of an object than listings have?
  [[nodiscard]] bool needs_meta() const;
};

// 1 to 64 of letters, digits, ".-_".
[[nodiscard]] bool is_inventory_id(std::string_view id);

// The beginning of the day, or of the week (Sunday), UTC, that `now_ms` lies in; with a shorter day (a setting, for
// tests) they are counted from 1970. A configuration runs once in each.
[[nodiscard]] int64_t inventory_slot_ms(bool is_weekly, int64_t now_ms, int64_t day_ms);
// `last_slot_ms`: of the last run; nullopt if there was none: it is due at once.
[[nodiscard]] bool is_inventory_due(const InventoryConfiguration& configuration, std::optional<int64_t> last_slot_ms,
                                    int64_t now_ms, int64_t day_ms);

// "Bucket, Key, VersionId, ...".
[[nodiscard]] std::string inventory_schema(const InventoryConfiguration& configuration);
// One line of the CSV: every value in quotes, the key URL-encoded.
void append_inventory_row(std::string& out, const InventoryConfiguration& configuration, std::string_view bucket,
                          const blob::ObjectInfo& object);

// Where a report's files lie.
struct InventoryPlace {
  std::string root;  // "<prefix>/<bucket>/<id>/"
  int64_t started_ms = 0;

  [[nodiscard]] std::string data_key(std::string_view uuid) const;  // <root>data/<uuid>.csv.gz
  [[nodiscard]] std::string manifest_key() const;                   // <root>2016-11-06T21-32Z/manifest.json
  [[nodiscard]] std::string checksum_key() const;                   // <root>2016-11-06T21-32Z/manifest.checksum
  [[nodiscard]] std::string symlink_key() const;                    // <root>hive/dt=2016-11-06-21-32/symlink.txt
};
[[nodiscard]] InventoryPlace inventory_place(const InventoryConfiguration& configuration, std::string_view bucket,
                                             int64_t started_ms);
// Of file `number` of the run that belongs to the slot: a run that is repeated after a crash writes the same names.
[[nodiscard]] std::string inventory_uuid(blob::BucketId bucket, std::string_view id, int64_t slot_ms, uint32_t number);

struct InventoryFile {
  std::string key;
  uint64_t size_bytes = 0;
  std::string md5_hex;
};
[[nodiscard]] std::string inventory_manifest(const InventoryConfiguration& configuration, std::string_view bucket,
                                             int64_t started_ms, const std::vector<InventoryFile>& files);
[[nodiscard]] std::string inventory_symlinks(const InventoryConfiguration& configuration,
                                             const std::vector<InventoryFile>& files);

}  // namespace keelson::s3
