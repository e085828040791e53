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

// A version of an object: in the low 48 bits its order among the changes of its shard (its sequence: greater is newer),
// above them a mark, which makes the number unique over the service. 0: none.
using Version = uint64_t;
inline constexpr uint64_t kSequenceMax = (uint64_t{1} << 48) - 1;
[[nodiscard]] constexpr uint64_t sequence_of(Version version) { return version & kSequenceMax; }
[[nodiscard]] constexpr uint16_t mark_of(Version version) { return static_cast<uint16_t>(version >> 48); }
[[nodiscard]] constexpr Version marked(uint64_t sequence, uint16_t mark) { return uint64_t{mark} << 48 | sequence; }
// A mark: bit 15 set, 10 bits of the shard (counted within the service), 5 bits of chance, so that ids which are given
// out again after a restored backup differ as a rule. It comes with the command (Encoded), as chance must; 0: the
// record is of a time when ids had no mark, or the version is null and has no id.
inline constexpr uint16_t kShardsMarkedMax = 1024;
[[nodiscard]] constexpr uint16_t make_mark(uint16_t shard, uint64_t chance) {
  return static_cast<uint16_t>(0x8000 | (shard % kShardsMarkedMax) << 5 | (chance & 31));
}

// The text of a version id that clients see: 32 hex digits, 12 of the sequence, 4 of the mark, 16 that tell a made-up
// id from one that was given out. Of one key, greater texts are newer. Without a mark: 16 digits of the sequence
// instead. An object that was put while versioning was off or suspended is the null version: `is_null`, and clients see
// "null".
[[nodiscard]] std::string version_text(Version version);
// None if no version has this text (a made-up id).
[[nodiscard]] std::optional<Version> parse_version(std::string_view text);

// Payload on disk: `length_bytes` of it, in chunks that follow one another in one volume. See blobstore/format.h.
struct Extent {
  uint32_t volume = 0;  // numbers count from 1 for each shard
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;
  auto operator<=>(const Extent&) const = default;
  // What can stand in the index; bytes from outside may say anything.
  [[nodiscard]] bool is_sound() const {
    return volume != 0 && length_bytes != 0 && length_bytes <= kObjectBytesMax && offset_bytes <= INT64_MAX / 2;
  }
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

// What one writer wrote, if it was encoded (compressed, then sealed: blobstore/codec.h). extent.h says how many bytes
// it takes as it is stored.
inline constexpr size_t kSaltBytes = 16;
using Salt = std::array<unsigned char, kSaltBytes>;
struct Segment {
  uint64_t size_bytes = 0;    // of the content
  uint64_t packed_bytes = 0;  // after compression; without it as many
  bool is_compressed = false;
  bool is_sealed = false;  // encrypted
  Salt salt{};             // of the key that it is sealed with
  bool operator==(const Segment&) const = default;
};

// Where the bytes are: inline, or in extents, never both; what is stored there has the sum of their lengths. That is
// size_bytes, unless `segments` say that it is encoded; their sizes add up to size_bytes.
struct Payload {
  uint64_t size_bytes = 0;  // of the content
  std::string inline_bytes{};
  std::vector<Extent> extents{};
  std::vector<Segment> segments{};  // none: all is stored as it is
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
  std::string encryption{};       // opaque: the data key as it is wrapped (protocol/s3/sse.h); empty: none
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

// An upload's number: sequence and mark, as with versions. The text works like a version's.
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
