// The state of one blob shard: buckets, versions, uploads and what of the volumes is live. Deterministic: the same
// commands give the same state.
//
// Live bytes of volumes and the figures of buckets follow from entries and parts, and are kept by add_* and remove_*
// alone; a checkpoint does not hold them, its loader counts anew.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/blob/answer.h"
#include "engine/blob/meta_codec.h"
#include "engine/blob/object.h"
#include "engine/blob/ordered_index.h"

namespace keelson::blob {

// An upload under way with its parts.
struct Upload {
  UploadInfo info;
  std::map<uint32_t, UploadPart> parts;
};
void append_upload(std::string& out, const Upload& upload);
[[nodiscard]] bool read_upload(std::string_view& from, Upload& upload);
void append_bucket(std::string& out, const Bucket& bucket);
[[nodiscard]] bool read_bucket(std::string_view& from, Bucket& bucket);

struct BucketState {
  std::shared_ptr<const Bucket> bucket;
  uint64_t versions = 0;
  uint64_t delete_markers = 0;
  uint64_t payload_bytes = 0;
  uint64_t uploads = 0;
  uint64_t upload_bytes = 0;
};

// Shared with a checkpoint under way: who changes one that is shared copies it first.
using UploadPtr = std::shared_ptr<Upload>;  // tidy: shared_ptr, because a checkpoint reads what may change meanwhile.
[[nodiscard]] UploadPtr make_upload(Upload upload);

class BlobState {
 public:
  std::map<BucketId, BucketState> buckets;
  std::map<std::string, BucketId, std::less<>> bucket_ids;  // by name
  std::map<std::string, std::string, std::less<>> documents;
  OrderedIndex index;
  std::map<std::string, UploadPtr, std::less<>> uploads;  // by upload_key()
  std::map<uint32_t, uint64_t> live_bytes;                // of each volume that has any
  uint64_t next_sequence = 1;                             // of versions and uploads
  BucketId next_bucket = 1;
  uint32_t highest_volume = 0;
  uint16_t id_mark = 0;  // of the command that is being applied

  void clear();
  [[nodiscard]] BucketState* find_bucket(BucketId id);
  [[nodiscard]] const BucketState* find_bucket(BucketId id) const;
  void put_bucket(std::shared_ptr<const Bucket> bucket);

  // Counts and puts. Of an entry that is not there yet.
  void add_entry(BucketState& bucket, std::string_view index_key, const Entry& entry);
  // `entry` is what stands there. Its extents go to `dead`, if that is not null.
  void remove_entry(BucketState& bucket, std::string_view index_key, const Entry& entry, std::vector<Extent>* dead);
  void count_entry(BucketState& bucket, const Entry& entry, bool is_added);
  void count_part(BucketState& bucket, const UploadPart& part, bool is_added);
  // A further volume may have been named.
  void note_volumes(const Payload& payload);
  // For changing.
  [[nodiscard]] Upload& own(UploadPtr& upload);

 private:
  void count_extents(const Payload& payload, bool is_added);
};

}  // namespace keelson::blob
