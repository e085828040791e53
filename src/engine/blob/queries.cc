// Queries, but for listings of objects (listing.cc).
#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "engine/blob/handlers.h"
#include "engine/blob/index_key.h"

namespace keelson::blob {

namespace {

// Cursors of ScanExtents: where to go on, in the index or among the uploads.
constexpr char kScanIndex = 'i';
constexpr char kScanUploads = 'u';

void keep_wanted(const std::vector<Extent>& extents, const std::vector<uint32_t>& volumes, std::vector<Extent>& out) {
  for (const Extent& extent : extents) {
    if (volumes.empty() || std::ranges::find(volumes, extent.volume) != volumes.end()) out.push_back(extent);
  }
}

// Each goes on from `cursor`, looks at what `left` allows, and leaves where to go on: true when there is no more.
bool scan_index(const BlobState& state, const ScanExtents& body, std::string& position, uint32_t& left,
                Answer& answer) {
  OrderedIndex::Cursor cursor(state.index);
  Entry entry;
  for (cursor.seek(position); cursor.is_valid(); cursor.next()) {
    if (left-- == 0) {
      position = cursor.key();
      return false;
    }
    if (entry_flags(cursor.value()).is_delete_marker) continue;
    const bool is_good = read_entry(cursor.value(), entry);
    KEELSON_CHECK(is_good, "the index holds an entry that cannot be read");
    ExtentHolder holder;
    keep_wanted(entry.meta.payload.extents, body.volumes, holder.extents);
    if (holder.extents.empty()) continue;
    IndexKey key;
    const bool is_key = read_index_key(cursor.key(), key);
    KEELSON_CHECK(is_key, "the index holds a key that cannot be read");
    holder.bucket = key.bucket;
    holder.key = std::move(key.key);
    holder.version = marked(key.sequence, entry.mark);
    answer.holders.push_back(std::move(holder));
  }
  return true;
}

bool scan_uploads(const BlobState& state, const ScanExtents& body, std::string& position, uint32_t& left,
                  Answer& answer) {
  for (auto at = state.uploads.lower_bound(position); at != state.uploads.end(); ++at) {
    if (left == 0) {
      position = at->first;
      return false;
    }
    const Upload& upload = *at->second;
    left -= std::min<uint32_t>(left, 1 + static_cast<uint32_t>(upload.parts.size()));
    for (const auto& [number, part] : upload.parts) {
      ExtentHolder holder;
      keep_wanted(part.payload.extents, body.volumes, holder.extents);
      if (holder.extents.empty()) continue;
      holder.bucket = bucket_of_index_key(at->first);
      holder.key = upload.info.key;
      holder.upload = upload.info.id;
      holder.part_number = number;
      answer.holders.push_back(std::move(holder));
    }
  }
  return true;
}

void add_usage(UsageInfo& usage, const BucketState& bucket) {
  usage.versions += bucket.versions;
  usage.delete_markers += bucket.delete_markers;
  usage.payload_bytes += bucket.payload_bytes;
  usage.uploads += bucket.uploads;
  usage.upload_bytes += bucket.upload_bytes;
}

}  // namespace

void query_of(const BlobState& state, const FindBucket& body, Answer& answer) {
  BucketId id = body.bucket;
  if (!body.name.empty()) {
    const auto found = state.bucket_ids.find(body.name);
    id = found == state.bucket_ids.end() ? 0 : found->second;
  }
  const BucketState* bucket = state.find_bucket(id);
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
  } else {
    answer.buckets.push_back(bucket->bucket);
  }
}

void query_of(const BlobState& state, const ListBuckets& body, Answer& answer) {
  auto at =
      body.after < body.prefix ? state.bucket_ids.lower_bound(body.prefix) : state.bucket_ids.upper_bound(body.after);
  for (; at != state.bucket_ids.end() && at->first.starts_with(body.prefix); ++at) {
    if (answer.buckets.size() == body.count_max) {
      answer.is_truncated = true;
      return;
    }
    answer.buckets.push_back(state.buckets.at(at->second).bucket);
  }
}

void query_of(const BlobState& state, const FindDocuments& body, Answer& answer) {
  for (auto at = state.documents.lower_bound(body.prefix); at != state.documents.end(); ++at) {
    if (!at->first.starts_with(body.prefix)) return;
    answer.documents.emplace_back(at->first, at->second);
  }
}

void query_of(const BlobState& state, const HeadObject& body, Answer& answer) {
  if (state.find_bucket(body.bucket) == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
    return;
  }
  Found found;
  const bool is_named = body.version || body.is_null_version;
  const bool is_there = body.version           ? find_version(state, body.bucket, body.key, *body.version, found)
                        : body.is_null_version ? find_null(state, body.bucket, body.key, found)
                                               : find_latest(state, body.bucket, body.key, found);
  if (!is_there) {
    answer.error = is_named ? BlobErrc::kNoSuchVersion : BlobErrc::kNoSuchKey;
    return;
  }
  if (found.entry.is_delete_marker) answer.error = is_named ? BlobErrc::kIsDeleteMarker : BlobErrc::kNoSuchKey;
  answer.object = {body.key,
                   found.version,
                   found.entry.is_null,
                   found.is_latest,
                   found.entry.is_delete_marker,
                   found.entry.modified_ms,
                   std::move(found.entry.meta)};
}

void query_of(const BlobState& state, const ListUploads& body, Answer& answer) {
  if (state.find_bucket(body.bucket) == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
    return;
  }
  const std::string prefix = index_prefix(body.bucket, body.prefix);
  auto at = state.uploads.lower_bound(prefix);
  if (body.after >= body.prefix) {
    // Uploads of `after` itself: those with a greater id, or none if no id is named.
    const UploadId last = body.after_upload == 0 ? kSequenceMax : body.after_upload;
    at = state.uploads.upper_bound(upload_key(body.bucket, body.after, last));
  }
  size_t count = 0;
  while (at != state.uploads.end() && at->first.starts_with(prefix)) {
    const UploadInfo& info = at->second->info;
    const size_t cut = body.delimiter.empty() ? std::string::npos : info.key.find(body.delimiter, body.prefix.size());
    std::string common = cut == std::string::npos ? std::string() : info.key.substr(0, cut + body.delimiter.size());
    const bool is_seen = !common.empty() && common <= body.after;
    if (!is_seen && count == body.count_max) {
      answer.is_truncated = true;
      return;
    }
    if (common.empty()) {
      answer.uploads.push_back(info);
      ++count;
      ++at;
      continue;
    }
    const std::string behind = behind_prefix(index_prefix(body.bucket, common));
    if (!is_seen) {
      answer.prefixes.push_back(std::move(common));
      ++count;
    }
    at = state.uploads.lower_bound(behind);
  }
}

void query_of(const BlobState& state, const ListParts& body, Answer& answer) {
  const auto found = state.uploads.find(upload_key(body.bucket, body.key, body.upload));
  if (found == state.uploads.end() || found->second->info.id != body.upload) {
    answer.error = BlobErrc::kNoSuchUpload;
    return;
  }
  const Upload& upload = *found->second;
  answer.upload = upload.info;
  for (auto at = upload.parts.upper_bound(body.after_number); at != upload.parts.end(); ++at) {
    if (answer.parts.size() == body.count_max) {
      answer.is_truncated = true;
      return;
    }
    answer.parts.push_back(at->second);
  }
}

void query_of(const BlobState& state, const Usage& body, Answer& answer) {
  if (body.bucket != 0) {
    const BucketState* bucket = state.find_bucket(body.bucket);
    if (bucket == nullptr) {
      answer.error = BlobErrc::kNoSuchBucket;
      return;
    }
    add_usage(answer.usage, *bucket);
  } else {
    for (const auto& [id, bucket] : state.buckets) add_usage(answer.usage, bucket);
  }
  answer.usage.index_bytes = state.index.bytes_used();
  answer.usage.highest_volume = state.highest_volume;
  if (body.with_volumes) answer.usage.volume_live_bytes = state.live_bytes;
}

void query_of(const BlobState& state, const ScanExtents& body, Answer& answer) {
  uint32_t left = std::max(body.entries_max, 1U);
  const bool is_in_uploads = body.cursor.starts_with(kScanUploads);
  std::string position = body.cursor.empty() ? std::string() : body.cursor.substr(1);
  if (!is_in_uploads) {
    if (!scan_index(state, body, position, left, answer)) {
      answer.next_cursor = kScanIndex + position;
      return;
    }
    position.clear();
  }
  if (!scan_uploads(state, body, position, left, answer)) answer.next_cursor = kScanUploads + position;
}

}  // namespace keelson::blob
