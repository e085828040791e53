// Multipart uploads, and compaction's moves.
#include <algorithm>
#include <utility>

#include "engine/blob/handlers.h"
#include "engine/blob/index_key.h"

namespace keelson::blob {

namespace {

using Uploads = std::map<std::string, UploadPtr, std::less<>>;

// Of this bucket and key, or end().
Uploads::iterator find_upload(BlobState& state, BucketId bucket, const std::string& key, UploadId upload) {
  const auto found = state.uploads.find(upload_key(bucket, key, upload));
  return found != state.uploads.end() && found->second->info.id == upload ? found : state.uploads.end();
}

void drop_upload(BlobState& state, BucketState& bucket, Uploads::iterator at) {
  for (const auto& [number, part] : at->second->parts) state.count_part(bucket, part, false);
  --bucket.uploads;
  state.uploads.erase(at);
}

void add_dead(Answer& answer, const Payload& payload) {
  answer.dead.insert(answer.dead.end(), payload.extents.begin(), payload.extents.end());
}

// The segments of `payload` with those of `part` behind them. Once one of them is encoded, all are told.
void join_segments(const Payload& part, Payload& payload) {
  if (part.size_bytes == 0 || (part.segments.empty() && payload.segments.empty())) return;
  if (payload.segments.empty() && payload.size_bytes != 0) {
    payload.segments.push_back({.size_bytes = payload.size_bytes, .packed_bytes = payload.size_bytes});
  }
  if (part.segments.empty()) {
    payload.segments.push_back({.size_bytes = part.size_bytes, .packed_bytes = part.size_bytes});
  }
  payload.segments.insert(payload.segments.end(), part.segments.begin(), part.segments.end());
}

// The parts that are named, one after another. Not kOk: they do not make an object.
BlobErrc join_parts(const Upload& upload, const CompleteUpload& body, ObjectMeta& meta) {
  if (body.parts.empty()) return BlobErrc::kInvalidPart;
  uint32_t last = 0;
  for (const CompleteUpload::Part& named : body.parts) {
    if (named.number <= last) return BlobErrc::kInvalidPartOrder;
    last = named.number;
  }
  for (const CompleteUpload::Part& named : body.parts) {
    const auto found = upload.parts.find(named.number);
    if (found == upload.parts.end() || found->second.etag != named.etag) return BlobErrc::kInvalidPart;
    const UploadPart& part = found->second;
    if (named.number != last && part.payload.size_bytes < body.part_bytes_min) return BlobErrc::kEntityTooSmall;
    join_segments(part.payload, meta.payload);
    meta.payload.size_bytes += part.payload.size_bytes;
    if (meta.payload.size_bytes > kObjectBytesMax) return BlobErrc::kEntityTooLarge;
    meta.payload.extents.insert(meta.payload.extents.end(), part.payload.extents.begin(), part.payload.extents.end());
    meta.parts.push_back(part.info);
  }
  return BlobErrc::kOk;
}

// The payload with the extents of `item` replaced; false if one of them is not there any more.
bool replace_extents(const Payload& payload, const MoveExtents::Item& item, Payload& moved) {
  moved.size_bytes = payload.size_bytes;
  moved.segments = payload.segments;
  size_t replaced = 0;
  for (const Extent& extent : payload.extents) {
    const auto from = std::find(item.from.begin(), item.from.end(), extent);
    if (from == item.from.end()) {
      moved.extents.push_back(extent);
      continue;
    }
    const std::vector<Extent>& to = item.to[static_cast<size_t>(from - item.from.begin())];
    uint64_t bytes = 0;
    for (const Extent& part : to) bytes += part.length_bytes;
    if (bytes != extent.length_bytes) return false;
    moved.extents.insert(moved.extents.end(), to.begin(), to.end());
    ++replaced;
  }
  return replaced == item.from.size() && replaced != 0;
}

bool move_part(BlobState& state, BucketState& bucket, const MoveExtents::Item& item, Answer& answer) {
  const auto at = find_upload(state, item.bucket, item.key, item.upload);
  if (at == state.uploads.end()) return false;
  const auto found = at->second->parts.find(item.part_number);
  Payload moved;
  if (found == at->second->parts.end() || !replace_extents(found->second.payload, item, moved)) return false;
  UploadPart& part = state.own(at->second).parts.at(item.part_number);
  state.count_part(bucket, part, false);
  part.payload = std::move(moved);
  state.count_part(bucket, part, true);
  answer.dead.insert(answer.dead.end(), item.from.begin(), item.from.end());
  return true;
}

bool move_object(BlobState& state, BucketState& bucket, const MoveExtents::Item& item, Answer& answer) {
  Found found;
  Payload moved;
  if (!find_version(state, item.bucket, item.key, item.version, found) ||
      !replace_extents(found.entry.meta.payload, item, moved)) {
    return false;
  }
  state.count_entry(bucket, found.entry, false);
  found.entry.meta.payload = std::move(moved);
  state.add_entry(bucket, found.index_key, found.entry);
  answer.dead.insert(answer.dead.end(), item.from.begin(), item.from.end());
  return true;
}

}  // namespace

void apply_to(BlobState& state, const engine::ApplyContext& context, const CreateUpload& body, Answer& answer) {
  BucketState* bucket = state.find_bucket(body.bucket);
  const ObjectMeta& meta = body.meta;
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
  } else if (!is_good_key(body.key) || !is_good_meta(meta) || meta.payload.size_bytes != 0 || !meta.parts.empty()) {
    answer.error = BlobErrc::kInvalid;
  } else if ((meta.retention.mode != RetentionMode::kNone || meta.has_legal_hold) && !bucket->bucket->has_object_lock) {
    answer.error = BlobErrc::kObjectLockNotEnabled;
  }
  if (!answer.ok()) return;
  Upload upload;
  upload.info = {body.key, marked(state.next_sequence++, state.id_mark), context.time_ms, body.initiator, meta};
  answer.upload = upload.info;
  ++bucket->uploads;
  state.uploads.emplace(upload_key(body.bucket, body.key, upload.info.id), make_upload(std::move(upload)));
}

void apply_to(BlobState& state, const engine::ApplyContext& context, const PutPart& body, Answer& answer) {
  state.note_volumes(body.payload);
  BucketState* bucket = state.find_bucket(body.bucket);
  const auto at = find_upload(state, body.bucket, body.key, body.upload);
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
  } else if (body.number == 0 || body.number > kPartNumberMax || !body.payload.inline_bytes.empty() ||
             body.payload.segments.size() > 1) {
    answer.error = BlobErrc::kInvalid;
  } else if (at == state.uploads.end()) {
    answer.error = BlobErrc::kNoSuchUpload;
  }
  if (!answer.ok()) return;
  Upload& upload = state.own(at->second);
  if (const auto old = upload.parts.find(body.number); old != upload.parts.end()) {
    state.count_part(*bucket, old->second, false);
    add_dead(answer, old->second.payload);
  }
  UploadPart& part = upload.parts[body.number];
  part.info = {body.number, body.payload.size_bytes, body.checksum};
  part.etag = body.etag;
  part.modified_ms = context.time_ms;
  part.payload = body.payload;
  state.count_part(*bucket, part, true);
  answer.parts.push_back(part);
}

void apply_to(BlobState& state, const engine::ApplyContext& context, const CompleteUpload& body, Answer& answer) {
  BucketState* bucket = state.find_bucket(body.bucket);
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
    return;
  }
  const auto at = find_upload(state, body.bucket, body.key, body.upload);
  if (at == state.uploads.end()) {
    answer.error = BlobErrc::kNoSuchUpload;
    return;
  }
  Entry entry;
  entry.meta = at->second->info.meta;
  entry.meta.etag = body.etag;
  entry.meta.checksums = body.checksums;
  answer.error = join_parts(*at->second, body, entry.meta);
  if (answer.ok()) answer.error = check_condition(state, body.bucket, body.key, body.condition);
  if (!answer.ok()) return;
  std::vector<Extent> dropped;
  for (const auto& [number, part] : at->second->parts) {
    // The numbers rise: join_parts() has seen to it.
    if (std::ranges::binary_search(body.parts, number, {}, &CompleteUpload::Part::number)) continue;
    dropped.insert(dropped.end(), part.payload.extents.begin(), part.payload.extents.end());
  }
  put_version(state, *bucket, context, body.key, std::move(entry), answer);
  if (!answer.ok()) return;
  // The version counts the extents now; the upload no longer does.
  drop_upload(state, *bucket, at);
  answer.dead.insert(answer.dead.end(), dropped.begin(), dropped.end());
}

void apply_to(BlobState& state, const engine::ApplyContext&, const AbortUpload& body, Answer& answer) {
  BucketState* bucket = state.find_bucket(body.bucket);
  const auto at = find_upload(state, body.bucket, body.key, body.upload);
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
  } else if (at == state.uploads.end()) {
    answer.error = BlobErrc::kNoSuchUpload;
  } else {
    for (const auto& [number, part] : at->second->parts) add_dead(answer, part.payload);
    drop_upload(state, *bucket, at);
  }
}

void apply_to(BlobState& state, const engine::ApplyContext&, const MoveExtents& body, Answer& answer) {
  for (const MoveExtents::Item& item : body.items) {
    for (const std::vector<Extent>& to : item.to) {
      for (const Extent& extent : to) state.highest_volume = std::max(state.highest_volume, extent.volume);
    }
    BucketState* bucket = state.find_bucket(item.bucket);
    if (bucket == nullptr || item.from.size() != item.to.size()) continue;
    const bool is_moved =
        item.version != 0 ? move_object(state, *bucket, item, answer) : move_part(state, *bucket, item, answer);
    if (is_moved) ++answer.count;
  }
}

}  // namespace keelson::blob
