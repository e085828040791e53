// The blob engine's commands and queries: their codes, which stand in logs and are never used again for another
// meaning, and their arguments.
//
// A command travels as engine::Command with one argument: the body that encode() makes. Times, versions and upload ids
// are not in it: the engine derives them from the record; the mark of the id that a command makes is its `space`.
// Whatever a command says of payload (extents) must be on disk, synced, before the command is submitted; Store
// (blobstore/store.h) sees to that.
//
// Commands on buckets go to every blob shard, in one record under a loan of all of them; commands on an object, an
// upload or a part go to the object's shard: shard_of_object(bucket, key, count).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/blob/object.h"
#include "engine/engine.h"

namespace keelson::blob {

enum class Code : uint16_t {
  // Commands.
  kCreateBucket = 1,
  kDeleteBucket = 2,
  kConfigureBucket = 3,
  kConfigureService = 4,
  kPutObject = 10,
  kDeleteObject = 11,
  kChangeObject = 12,
  kCreateUpload = 20,
  kPutPart = 21,
  kCompleteUpload = 22,
  kAbortUpload = 23,
  kMoveExtents = 30,
  // Queries.
  kFindBucket = 100,
  kListBuckets = 101,
  kHeadObject = 102,
  kListObjects = 103,
  kListUploads = 104,
  kListParts = 105,
  kUsage = 106,
  kScanExtents = 107,
  kFindDocuments = 108,
};

// The shard (0 .. shard_count-1 within the blob service) that holds every version, upload and part of a key. Stable.
[[nodiscard]] uint16_t shard_of_object(BucketId bucket, std::string_view key, uint16_t shard_count);
// Stands in each chunk's header, so that a chunk is never taken for another object's.
[[nodiscard]] uint64_t owner_of_object(BucketId bucket, std::string_view key);

// ---- Buckets (every shard). kOk, kBucketAlreadyExists, kNoSuchBucket, kBucketNotEmpty, kNoSuchDocument, kInvalid.

// kBucketAlreadyExists: Answer::buckets holds the one that is there (the protocol looks whose it is). kOk: the new one.
struct CreateBucket {
  static constexpr Code kCode = Code::kCreateBucket;
  std::string name{};
  std::string owner{};
  std::string region{};
  bool has_object_lock = false;  // switches versioning on too
  Pairs documents{};
};

// Uploads that are under way go with it.
struct DeleteBucket {
  static constexpr Code kCode = Code::kDeleteBucket;
  BucketId bucket = 0;
};

struct ConfigureBucket {
  static constexpr Code kCode = Code::kConfigureBucket;
  BucketId bucket = 0;
  std::optional<Versioning> versioning{};
  bool enable_object_lock = false;
  Pairs set_documents{};
  std::vector<std::string> remove_documents{};  // one that is not there is no error
};

// Documents of the whole service, opaque to the engine: access keys and their policies, say.
struct ConfigureService {
  static constexpr Code kCode = Code::kConfigureService;
  Pairs set_documents{};
  std::vector<std::string> remove_documents{};
};

// ---- Objects.

// Conditions on the latest version at the moment the command is applied; all that are set must hold.
struct Condition {
  bool if_absent = false;               // If-None-Match: *   (a delete marker counts as absent)
  std::optional<ETag> if_match{};       // If-Match; absent object: kNoSuchKey
  std::optional<Version> if_version{};  // the latest version is still this one (lifecycle)
  bool operator==(const Condition&) const = default;
};

// Answer: object (key, version, is_null, modified_ms, etag alone in meta). Replaces the null version unless the
// bucket's versioning is enabled; kObjectLocked if a lock protects what it would replace.
struct PutObject {
  static constexpr Code kCode = Code::kPutObject;
  BucketId bucket = 0;
  std::string key{};
  ObjectMeta meta{};
  Condition condition{};
};

// Without `version`: versioning off removes the object; enabled adds a delete marker; suspended replaces the null
// version by a delete marker. With it, that version is removed (a delete marker too). What is not there is kOk, as in
// S3 (kNoSuchVersion only if a condition asks). Answer: object: the version made or removed, is_delete_marker
// accordingly; version 0 if nothing changed.
struct DeleteObject {
  static constexpr Code kCode = Code::kDeleteObject;
  BucketId bucket = 0;
  std::string key{};
  std::optional<Version> version{};
  bool is_null_version = false;      // versionId=null; then `version` is empty
  bool bypasses_governance = false;  // the caller may, and asks to
  Condition condition{};
};

// Changes what may change without a new version. Set members replace; others stay. kObjectLocked if it would shorten or
// lift a retention (governance: unless bypassed), kObjectLockNotEnabled, kIsDeleteMarker.
struct ChangeObject {
  static constexpr Code kCode = Code::kChangeObject;
  BucketId bucket = 0;
  std::string key{};
  std::optional<Version> version{};  // empty: the latest
  bool is_null_version = false;
  std::optional<Pairs> tags{};  // empty list: no tags
  std::optional<Retention> retention{};
  std::optional<bool> has_legal_hold{};
  std::optional<std::string> acl{};
  bool bypasses_governance = false;
};

// ---- Uploads.

// Answer: upload (id, initiated_ms).
struct CreateUpload {
  static constexpr Code kCode = Code::kCreateUpload;
  BucketId bucket = 0;
  std::string key{};
  std::string initiator{};
  ObjectMeta meta{};  // without payload
};

// Replaces a part of that number. Its payload is never inline, and one segment if it is encoded. Answer: parts (one).
// kNoSuchUpload.
struct PutPart {
  static constexpr Code kCode = Code::kPutPart;
  BucketId bucket = 0;
  std::string key{};
  UploadId upload = 0;
  uint32_t number = 0;
  ETag etag{};
  std::optional<Checksum> checksum{};
  Payload payload{};
};

// The object's payload is the parts' extents one after another: nothing is copied. Parts that are not named are
// dropped. Completing again with the same parts, after the upload is gone, is kNoSuchUpload (the protocol compares the
// etag of what is there if it wants to be kinder). Answer as PutObject's, with payload size.
struct CompleteUpload {
  static constexpr Code kCode = Code::kCompleteUpload;
  struct Part {
    uint32_t number = 0;
    ETag etag{};
    bool operator==(const Part&) const = default;
  };
  BucketId bucket = 0;
  std::string key{};
  UploadId upload = 0;
  std::vector<Part> parts{};
  uint64_t part_bytes_min = 0;        // of all but the last: S3's 5 MiB
  ETag etag{};                        // of the whole, as the protocol computed it from the parts' MD5s
  std::vector<Checksum> checksums{};  // of the whole, likewise
  Condition condition{};
};

// kNoSuchUpload.
struct AbortUpload {
  static constexpr Code kCode = Code::kAbortUpload;
  BucketId bucket = 0;
  std::string key{};
  UploadId upload = 0;
};

// ---- The store's own.

// Compaction: each `from` that the object (version) or part still has becomes `to`, of the same length; all or nothing
// for one item. What has changed meanwhile is left alone. Answer: count (items moved).
struct MoveExtents {
  static constexpr Code kCode = Code::kMoveExtents;
  struct Item {
    BucketId bucket = 0;
    std::string key{};
    Version version = 0;       // of an object, or 0
    UploadId upload = 0;       // of a part
    uint32_t part_number = 0;  // of a part
    std::vector<Extent> from{};
    std::vector<std::vector<Extent>> to{};  // what replaces each of `from`
  };
  std::vector<Item> items{};
};

// ---- Queries.

// Answer: buckets (one). By name, or by id if the name is empty. kNoSuchBucket.
struct FindBucket {
  static constexpr Code kCode = Code::kFindBucket;
  std::string name{};
  BucketId bucket = 0;
};

// Answer: buckets, by name; is_truncated.
struct ListBuckets {
  static constexpr Code kCode = Code::kListBuckets;
  std::string prefix{};
  std::string after{};  // names greater than this
  uint32_t count_max = 1000;
};

// Documents of the service whose name begins with `prefix`. Answer: documents, by name.
struct FindDocuments {
  static constexpr Code kCode = Code::kFindDocuments;
  std::string prefix{};
};

// Answer: object. With kNoSuchKey because of a delete marker, object is that marker. kIsDeleteMarker: the version named
// is one.
struct HeadObject {
  static constexpr Code kCode = Code::kHeadObject;
  BucketId bucket = 0;
  std::string key{};
  std::optional<Version> version{};
  bool is_null_version = false;
};

// Keys in the order of their bytes, of one shard; Store::list() merges shards. Answer: page.
struct ListObjects {
  static constexpr Code kCode = Code::kListObjects;
  BucketId bucket = 0;
  std::string prefix{};
  std::string delimiter{};  // empty: none
  // Where to go on: keys (and common prefixes) greater than `after`. With `with_versions` and after_version, versions
  // of `after` older than that are still to come.
  std::string after{};
  Version after_version = 0;
  // Not empty: everything up to this key has been looked at (ListPage::walked_to). `after` still says what was given.
  std::string walk_after{};
  bool with_versions = false;  // every version and delete marker; else latest versions that are no delete markers
  bool with_meta = false;      // all of ObjectMeta; else size, etag, checksums' algorithms and storage class alone
  uint32_t count_max = 1000;   // keys (versions) and common prefixes together
};

// Answer: uploads, prefixes, is_truncated. By key, then by id.
struct ListUploads {
  static constexpr Code kCode = Code::kListUploads;
  BucketId bucket = 0;
  std::string prefix{};
  std::string delimiter{};
  std::string after{};
  UploadId after_upload = 0;  // uploads of `after` with a greater id are still to come
  uint32_t count_max = 1000;
};

// Answer: upload, parts (by number), is_truncated. kNoSuchUpload.
struct ListParts {
  static constexpr Code kCode = Code::kListParts;
  BucketId bucket = 0;
  std::string key{};
  UploadId upload = 0;
  uint32_t after_number = 0;
  uint32_t count_max = 1000;
};

// Of one bucket (or of all, 0) on one shard. Answer: usage.
struct Usage {
  static constexpr Code kCode = Code::kUsage;
  BucketId bucket = 0;
  bool with_volumes = false;
};

// For compaction, scrub and fsck: what has extents in the volumes named (or any, if empty), in the index's order.
// Answer: holders; next_cursor (empty: done). Looks at up to entries_max entries, so that a call takes about 1 ms.
struct ScanExtents {
  static constexpr Code kCode = Code::kScanExtents;
  std::vector<uint32_t> volumes{};
  std::string cursor{};
  uint32_t entries_max = 2000;
};

// The body, and back. A body that does not follow the format is an error (the engine answers kInvalid).
// clang-format off
#define KEELSON_BLOB_BODIES(X) \
  X(CreateBucket) \
  X(DeleteBucket) \
  X(ConfigureBucket) \
  X(PutObject) \
  X(DeleteObject) \
  X(ChangeObject) \
  X(CreateUpload) \
  X(PutPart) \
  X(CompleteUpload) \
  X(AbortUpload) \
  X(MoveExtents) \
  X(FindBucket) \
  X(ListBuckets) \
  X(HeadObject) \
  X(ListObjects) \
  X(ListUploads) \
  X(ListParts) \
  X(Usage) \
  X(ScanExtents) \
  X(ConfigureService) \
  X(FindDocuments)
// clang-format on
#define KEELSON_BLOB_CODEC(Body)                      \
  [[nodiscard]] std::string encode(const Body& body); \
  [[nodiscard]] bool decode(std::string_view from, Body& body);
KEELSON_BLOB_BODIES(KEELSON_BLOB_CODEC)
#undef KEELSON_BLOB_CODEC

// A command or query with the bytes that it refers to: what an Operation's span points at. Stays where it is.
class Encoded {
 public:
  template <class Body>
  explicit Encoded(const Body& body) : bytes_(encode(body)), view_(bytes_) {
    command_.code = static_cast<uint16_t>(Body::kCode);
    command_.args = {&view_, 1};
  }
  Encoded(const Encoded&) = delete;
  Encoded& operator=(const Encoded&) = delete;
  // For commands that make a version or an upload: what its id is marked with (make_mark()).
  void set_mark(uint16_t mark) { command_.space = mark; }
  [[nodiscard]] const engine::Command& command() const { return command_; }
  [[nodiscard]] std::span<const engine::Command> commands() const { return {&command_, 1}; }
  [[nodiscard]] size_t size_bytes() const { return bytes_.size(); }

 private:
  std::string bytes_{};
  std::string_view view_;
  engine::Command command_;
};

}  // namespace keelson::blob
