// What the blob engine knows of a bucket, an object, an upload and a part: plain values that commands bring and queries
// give back. They own their bytes.
//
// Keys are any bytes, 1 to kKeyBytesMax of them; nothing is made of slashes or dots. Names of headers are lower case.
// Semantics are S3's (Amazon S3 API Reference, 2006-03-01), less everything that is HTTP or XML: that is the
// protocol's.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace keelson::blob {

// S3's limits ("Multipart upload limits", "Object key naming", "Tagging").
inline constexpr size_t kKeyBytesMax = 1024;
inline constexpr uint64_t kObjectBytesMax = uint64_t{5} << 40;
inline constexpr uint32_t kPartNumberMax = 10'000;
// One document of a bucket: S3 allows a policy 20 KiB and a lifecycle of 1,000 rules; larger than any of those.
inline constexpr size_t kDocumentBytesMax = size_t{1} << 20;
// Objects up to this size lie in the metadata and have no extents. An extent costs about 10 bytes of memory, a chunk 20
// bytes of disk and its own read; above this the payload outweighs them.
inline constexpr size_t kInlineBytesMax = 128;
// Headers, user metadata, tags, ACL and documents of one object, together: S3 allows 2 KiB of user metadata and ten
// tags of 128 + 256 characters; the rest is room for the ACL.
inline constexpr size_t kMetaBytesMax = size_t{64} << 10;

// A bucket's number: never used again for another bucket, the same on every shard. From 1.
using BucketId = uint32_t;

enum class Versioning : uint8_t { kOff = 0, kEnabled = 1, kSuspended = 2 };

// A bucket. Every shard holds the same copy; immutable (a change makes a new one), so a pointer to it may be kept and
// read on any thread.
struct Bucket {
  BucketId id = 0;
  std::string name{};
  std::string owner{};  // the protocol's word for an account
  std::string region{};
  int64_t created_ms = 0;
  Versioning versioning = Versioning::kOff;
  bool has_object_lock = false;  // fixed at creation, or switched on later, never off
  // Opaque to the engine, by name: "policy", "cors", "lifecycle", "tagging", "encryption", "acl", "object-lock",
  // "website", "logging", "notification", "ownership", "public-access-block", "inventory/<id>", ...
  std::map<std::string, std::string, std::less<>> documents{};
};

// A version of an object: its order among the changes of its shard. Greater is newer. 0: none.
using Version = uint64_t;

// The text of a version id that clients see: 32 hex digits. An object that was put while versioning was off or
// suspended is the null version: `is_null`, and clients see "null".
[[nodiscard]] std::string version_text(Version version);
// None if no version has this text (a made-up id).
[[nodiscard]] std::optional<Version> parse_version(std::string_view text);

// Payload on disk: `length_bytes` of it, in chunks that follow one another in one volume. See blobstore/format.h.
struct Extent {
  uint32_t volume = 0;  // numbers count from 1 for each shard
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
  auto operator<=>(const Extent&) const = default;
};

struct ETag {
  std::array<unsigned char, 16> md5{};
  uint32_t part_count = 0;  // 0: one piece; else "md5-N", with the MD5 of the parts' MD5s
  auto operator<=>(const ETag&) const = default;
  // Without quotes.
  [[nodiscard]] std::string text() const;
  static std::optional<ETag> parse(std::string_view text);  // with or without quotes
};

enum class ChecksumAlgorithm : uint8_t {
  kCrc32 = 1,
  kCrc32c = 2,
  kSha1 = 3,
  kSha256 = 4,
  kCrc64Nvme = 5,
  kSha512 = 6,
  kMd5 = 7,
  kXxHash64 = 8,
  kXxHash3 = 9,
  kXxHash128 = 10,  // the last
};
struct Checksum {
  ChecksumAlgorithm algorithm{};
  bool is_composite = false;  // a checksum of the parts' checksums ("COMPOSITE"), else of the whole ("FULL_OBJECT")
  std::string value{};        // raw bytes, not base64
  bool operator==(const Checksum&) const = default;
};

enum class RetentionMode : uint8_t { kNone = 0, kGovernance = 1, kCompliance = 2 };
struct Retention {
  RetentionMode mode = RetentionMode::kNone;
  int64_t until_ms = 0;
  bool operator==(const Retention&) const = default;
};

using Pairs = std::vector<std::pair<std::string, std::string>>;

// A part of a completed upload, or of one under way.
struct PartInfo {
  uint32_t number = 0;
  uint64_t size_bytes = 0;
  std::optional<Checksum> checksum{};
  bool operator==(const PartInfo&) const = default;
};

// Where the bytes are: inline, or in extents, never both. size_bytes is their sum.
struct Payload {
  uint64_t size_bytes = 0;
  std::string inline_bytes{};
  std::vector<Extent> extents{};
  bool operator==(const Payload&) const = default;
};

// Everything about one version that its writer says.
struct ObjectMeta {
  Payload payload{};
  ETag etag{};
  std::vector<Checksum> checksums{};
  Pairs headers{};  // content-type, cache-control, content-encoding ..., and x-amz-meta-*; names in lower case
  Pairs tags{};     // in the writer's order
  std::string storage_class{};  // empty: STANDARD
  Retention retention{};
  bool has_legal_hold = false;
  std::string acl{};              // opaque; empty: the bucket owner's alone
  std::string encryption{};       // opaque description (algorithm, key's digest); empty: none
  std::vector<PartInfo> parts{};  // of a multipart object
  bool operator==(const ObjectMeta&) const = default;
};

// A version as a query gives it back.
struct ObjectInfo {
  std::string key{};
  Version version = 0;
  bool is_null = false;  // the null version
  bool is_latest = false;
  bool is_delete_marker = false;  // no payload, no meta
  int64_t modified_ms = 0;
  ObjectMeta meta{};
  [[nodiscard]] std::string version_id() const { return is_null ? "null" : version_text(version); }
};

// An upload's number: its order among the changes of its shard, as with versions. The text works like a version's.
using UploadId = uint64_t;

struct UploadInfo {
  std::string key{};
  UploadId id = 0;
  int64_t initiated_ms = 0;
  std::string initiator{};  // opaque
  // What the object will have, but for payload, etag and parts; algorithm and type of the checksum that was announced
  // stand in `checksums` with an empty value.
  ObjectMeta meta{};
};

struct UploadPart {
  PartInfo info{};
  ETag etag{};
  int64_t modified_ms = 0;
  Payload payload{};  // for the engine, and for reading a part while the upload is under way
};

}  // namespace keelson::blob
