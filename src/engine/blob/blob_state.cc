#include "engine/blob/blob_state.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "engine/blob/extent.h"

namespace keelson::blob {

namespace {

bool read_text(std::string_view& from, std::string& text) {
  std::string_view bytes;
  if (!read_string(from, bytes)) return false;
  text = bytes;
  return true;
}

bool read_i64(std::string_view& from, int64_t& value) {
  uint64_t bits = 0;
  if (!read_u64(from, bits)) return false;
  value = static_cast<int64_t>(bits);
  return true;
}

void append_part(std::string& out, const UploadPart& part) {
  append_varint(out, part.info.number);
  append_u8(out, part.info.checksum ? 1 : 0);
  if (part.info.checksum) append_checksum(out, *part.info.checksum);
  out.append(reinterpret_cast<const char*>(part.etag.md5.data()), part.etag.md5.size());
  append_u64(out, static_cast<uint64_t>(part.modified_ms));
  append_payload(out, part.payload);
}

bool read_part(std::string_view& from, UploadPart& part) {
  uint64_t number = 0;
  uint8_t has_checksum = 0;
  if (!read_varint(from, number) || number == 0 || number > kPartNumberMax || !read_u8(from, has_checksum) ||
      has_checksum > 1) {
    return false;
  }
  part.info.number = static_cast<uint32_t>(number);
  if (has_checksum == 1 && !read_checksum(from, part.info.checksum.emplace())) return false;
  if (from.size() < part.etag.md5.size()) return false;
  std::copy_n(from.begin(), part.etag.md5.size(), part.etag.md5.begin());
  from.remove_prefix(part.etag.md5.size());
  if (!read_i64(from, part.modified_ms) || !read_payload(from, part.payload)) return false;
  part.info.size_bytes = part.payload.size_bytes;
  return true;
}

}  // namespace

void append_upload(std::string& out, const Upload& upload) {
  append_string(out, upload.info.key);
  append_varint(out, upload.info.id);
  append_u64(out, static_cast<uint64_t>(upload.info.initiated_ms));
  append_string(out, upload.info.initiator);
  append_meta(out, upload.info.meta);
  append_varint(out, upload.parts.size());
  for (const auto& [number, part] : upload.parts) append_part(out, part);
}

bool read_upload(std::string_view& from, Upload& upload) {
  uint64_t count = 0;
  if (!read_text(from, upload.info.key) || !read_varint(from, upload.info.id) ||
      !read_i64(from, upload.info.initiated_ms) || !read_text(from, upload.info.initiator) ||
      !read_meta(from, upload.info.meta) || !read_varint(from, count) || count > kPartNumberMax) {
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    UploadPart part;
    if (!read_part(from, part)) return false;
    if (!upload.parts.empty() && part.info.number <= upload.parts.rbegin()->first) return false;
    const uint32_t number = part.info.number;
    upload.parts.emplace(number, std::move(part));
  }
  return true;
}

void append_bucket(std::string& out, const Bucket& bucket) {
  append_varint(out, bucket.id);
  append_string(out, bucket.name);
  append_string(out, bucket.owner);
  append_string(out, bucket.region);
  append_u64(out, static_cast<uint64_t>(bucket.created_ms));
  append_u8(out, static_cast<uint8_t>(bucket.versioning));
  append_u8(out, bucket.has_object_lock ? 1 : 0);
  append_varint(out, bucket.documents.size());
  for (const auto& [name, document] : bucket.documents) {
    append_string(out, name);
    append_string(out, document);
  }
}

bool read_bucket(std::string_view& from, Bucket& bucket) {
  uint64_t id = 0;
  uint64_t count = 0;
  uint8_t versioning = 0;
  uint8_t lock = 0;
  if (!read_varint(from, id) || id == 0 || id > UINT32_MAX || !read_text(from, bucket.name) ||
      !read_text(from, bucket.owner) || !read_text(from, bucket.region) || !read_i64(from, bucket.created_ms) ||
      !read_u8(from, versioning) || versioning > static_cast<uint8_t>(Versioning::kSuspended) || !read_u8(from, lock) ||
      lock > 1 || !read_varint(from, count)) {
    return false;
  }
  bucket.id = static_cast<BucketId>(id);
  bucket.versioning = static_cast<Versioning>(versioning);
  bucket.has_object_lock = lock == 1;
  for (uint64_t i = 0; i < count; ++i) {
    std::string name;
    std::string document;
    if (!read_text(from, name) || !read_text(from, document)) return false;
    bucket.documents[name] = std::move(document);
  }
  return true;
}

UploadPtr make_upload(Upload upload) {
  return std::make_shared<Upload>(std::move(upload));  // tidy: shared_ptr, because of UploadPtr.
}

void BlobState::clear() {
  buckets.clear();
  bucket_ids.clear();
  documents.clear();
  index.clear();
  uploads.clear();
  live_bytes.clear();
  next_sequence = 1;
  next_bucket = 1;
  highest_volume = 0;
}

BucketState* BlobState::find_bucket(BucketId id) {
  const auto found = buckets.find(id);
  return found == buckets.end() ? nullptr : &found->second;
}
const BucketState* BlobState::find_bucket(BucketId id) const {
  const auto found = buckets.find(id);
  return found == buckets.end() ? nullptr : &found->second;
}

void BlobState::put_bucket(std::shared_ptr<const Bucket> bucket) {
  bucket_ids[bucket->name] = bucket->id;
  const BucketId id = bucket->id;
  buckets[id].bucket = std::move(bucket);
}

void BlobState::note_volumes(const Payload& payload) {
  for (const Extent& extent : payload.extents) highest_volume = std::max(highest_volume, extent.volume);
}

void BlobState::count_extents(const Payload& payload, bool is_added) {
  for (const Extent& extent : payload.extents) {
    const uint64_t bytes = disk_bytes(extent.length_bytes);
    if (is_added) {
      live_bytes[extent.volume] += bytes;
      continue;
    }
    const auto found = live_bytes.find(extent.volume);
    KEELSON_CHECK(found != live_bytes.end() && found->second >= bytes, "more bytes of a volume die than lived");
    found->second -= bytes;
    if (found->second == 0) live_bytes.erase(found);
  }
  if (is_added) note_volumes(payload);
}

void BlobState::count_entry(BucketState& bucket, const Entry& entry, bool is_added) {
  const uint64_t one = is_added ? 1 : ~uint64_t{0};
  bucket.versions += one;
  if (entry.is_delete_marker) bucket.delete_markers += one;
  bucket.payload_bytes += one * entry.meta.payload.size_bytes;
  count_extents(entry.meta.payload, is_added);
}

void BlobState::count_part(BucketState& bucket, const UploadPart& part, bool is_added) {
  bucket.upload_bytes += (is_added ? 1 : ~uint64_t{0}) * part.payload.size_bytes;
  count_extents(part.payload, is_added);
}

void BlobState::add_entry(BucketState& bucket, std::string_view index_key, const Entry& entry) {
  std::string value;
  append_entry(value, entry);
  index.put(index_key, value);
  count_entry(bucket, entry, true);
}

void BlobState::remove_entry(BucketState& bucket, std::string_view index_key, const Entry& entry,
                             std::vector<Extent>* dead) {
  const bool was_there = index.erase(index_key);
  KEELSON_CHECK(was_there, "an entry is removed that is not there");
  count_entry(bucket, entry, false);
  if (dead != nullptr) {
    dead->insert(dead->end(), entry.meta.payload.extents.begin(), entry.meta.payload.extents.end());
  }
}

Upload& BlobState::own(UploadPtr& upload) {
  if (upload.use_count() != 1) upload = make_upload(*upload);
  return *upload;
}

}  // namespace keelson::blob
