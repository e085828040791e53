// Objects: versions, delete markers, conditions, locks, and what may change without a new version.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/blob/handlers.h"
#include "engine/blob/index_key.h"

namespace keelson::blob {

namespace {

void take_found(const OrderedIndex::Cursor& cursor, Found& found) {
  found.index_key = cursor.key();
  IndexKey key;
  const bool is_good = read_index_key(cursor.key(), key) && read_entry(cursor.value(), found.entry);
  KEELSON_CHECK(is_good, "the index holds an entry that cannot be read");
  found.version = marked(key.sequence, found.entry.mark);
}

// The null version to be replaced, if there is one; kObjectLocked if it must stay.
BlobErrc remove_null_version(BlobState& state, BucketState& bucket, const engine::ApplyContext& context,
                             const std::string& key, bool bypasses_governance, Answer& answer) {
  Found null;
  if (!find_null(state, bucket.bucket->id, key, null)) return BlobErrc::kOk;
  if (is_locked(null.entry, context.time_ms, bypasses_governance)) return BlobErrc::kObjectLocked;
  state.remove_entry(bucket, null.index_key, null.entry, &answer.dead);
  return BlobErrc::kOk;
}

void remove_version(BlobState& state, BucketState& bucket, const engine::ApplyContext& context,
                    const DeleteObject& body, Answer& answer) {
  Found found;
  const bool is_there = body.version ? find_version(state, body.bucket, body.key, *body.version, found)
                                     : find_null(state, body.bucket, body.key, found);
  if (!is_there) return;
  if (is_locked(found.entry, context.time_ms, body.bypasses_governance)) {
    answer.error = BlobErrc::kObjectLocked;
    return;
  }
  state.remove_entry(bucket, found.index_key, found.entry, &answer.dead);
  fill_written(answer, body.key, found.version, found.entry);
}

bool may_retain(const Entry& entry, const Retention& wanted, int64_t now_ms, bool bypasses_governance) {
  const Retention& present = entry.meta.retention;
  if (present.mode == RetentionMode::kNone || present.until_ms <= now_ms) return true;
  if (present.mode == RetentionMode::kCompliance) {
    return wanted.mode == RetentionMode::kCompliance && wanted.until_ms >= present.until_ms;
  }
  // To make it compliance is no weakening, but it takes the way back from those who may bypass governance.
  const bool is_weaker = wanted.mode != RetentionMode::kGovernance || wanted.until_ms < present.until_ms;
  return !is_weaker || bypasses_governance;
}

}  // namespace

bool find_latest(const BlobState& state, BucketId bucket, std::string_view key, Found& found) {
  const std::string start = index_key_start(bucket, key);
  OrderedIndex::Cursor cursor(state.index);
  cursor.seek(start);
  if (!cursor.is_valid() || !cursor.key().starts_with(start)) return false;
  take_found(cursor, found);
  found.is_latest = true;
  return true;
}

bool find_null(const BlobState& state, BucketId bucket, std::string_view key, Found& found) {
  const std::string start = index_key_start(bucket, key);
  OrderedIndex::Cursor cursor(state.index);
  found.is_latest = true;
  for (cursor.seek(start); cursor.is_valid() && cursor.key().starts_with(start); cursor.next()) {
    if (entry_flags(cursor.value()).is_null) {
      take_found(cursor, found);
      return true;
    }
    found.is_latest = false;
  }
  return false;
}

bool find_version(const BlobState& state, BucketId bucket, std::string_view key, Version version, Found& found) {
  if (sequence_of(version) == 0) return false;
  const std::string wanted = index_key(bucket, key, version);
  const std::string start = index_key_start(bucket, key);
  OrderedIndex::Cursor cursor(state.index);
  cursor.seek(start);
  found.is_latest = cursor.is_valid() && cursor.key() == wanted;
  if (!found.is_latest) cursor.seek(wanted);
  if (!cursor.is_valid() || cursor.key() != wanted) return false;
  take_found(cursor, found);
  return found.version == version;
}

bool is_locked(const Entry& entry, int64_t now_ms, bool bypasses_governance) {
  if (entry.is_delete_marker) return false;
  if (entry.meta.has_legal_hold) return true;
  const Retention& retention = entry.meta.retention;
  if (retention.mode == RetentionMode::kNone || retention.until_ms <= now_ms) return false;
  return retention.mode == RetentionMode::kCompliance || !bypasses_governance;
}

BlobErrc check_condition(const BlobState& state, BucketId bucket, std::string_view key, const Condition& condition) {
  if (!condition.if_absent && !condition.if_match && !condition.if_version) return BlobErrc::kOk;
  Found latest;
  const bool has_any = find_latest(state, bucket, key, latest);
  const bool is_there = has_any && !latest.entry.is_delete_marker;
  if (condition.if_absent && is_there) return BlobErrc::kPreconditionFailed;
  if (condition.if_match) {
    if (!is_there) return BlobErrc::kNoSuchKey;
    if (latest.entry.meta.etag != *condition.if_match) return BlobErrc::kPreconditionFailed;
  }
  if (condition.if_version && (!has_any || latest.version != *condition.if_version)) {
    return BlobErrc::kPreconditionFailed;
  }
  return BlobErrc::kOk;
}

bool is_good_key(std::string_view key) { return !key.empty() && key.size() <= kKeyBytesMax; }

bool is_good_meta(const ObjectMeta& meta) {
  size_t bytes = meta.storage_class.size() + meta.acl.size() + meta.encryption.size();
  for (const auto& [name, value] : meta.headers) bytes += name.size() + value.size();
  for (const auto& [name, value] : meta.tags) bytes += name.size() + value.size();
  return bytes <= kMetaBytesMax;
}

void fill_written(Answer& answer, std::string_view key, Version version, const Entry& entry) {
  answer.object.key = key;
  answer.object.version = version;
  answer.object.is_null = entry.is_null;
  answer.object.is_latest = true;
  answer.object.is_delete_marker = entry.is_delete_marker;
  answer.object.modified_ms = entry.modified_ms;
  answer.object.meta.etag = entry.meta.etag;
  answer.object.meta.payload.size_bytes = entry.meta.payload.size_bytes;
}

void put_version(BlobState& state, BucketState& bucket, const engine::ApplyContext& context, const std::string& key,
                 Entry entry, Answer& answer) {
  entry.is_null = bucket.bucket->versioning != Versioning::kEnabled;
  entry.modified_ms = context.time_ms;
  if (entry.is_null) {
    answer.error = remove_null_version(state, bucket, context, key, false, answer);
    if (!answer.ok()) return;
  }
  entry.mark = entry.is_null ? 0 : state.id_mark;
  const Version version = marked(state.next_sequence++, entry.mark);
  state.add_entry(bucket, index_key(bucket.bucket->id, key, version), entry);
  fill_written(answer, key, version, entry);
}

void apply_to(BlobState& state, const engine::ApplyContext& context, const PutObject& body, Answer& answer) {
  state.note_volumes(body.meta.payload);
  BucketState* bucket = state.find_bucket(body.bucket);
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
    return;
  }
  const bool wants_lock = body.meta.retention.mode != RetentionMode::kNone || body.meta.has_legal_hold;
  if (!is_good_key(body.key) || !is_good_meta(body.meta)) {
    answer.error = BlobErrc::kInvalid;
  } else if (wants_lock && !bucket->bucket->has_object_lock) {
    answer.error = BlobErrc::kObjectLockNotEnabled;
  } else {
    answer.error = check_condition(state, body.bucket, body.key, body.condition);
  }
  if (!answer.ok()) return;
  Entry entry;
  entry.meta = body.meta;
  put_version(state, *bucket, context, body.key, std::move(entry), answer);
}

void apply_to(BlobState& state, const engine::ApplyContext& context, const DeleteObject& body, Answer& answer) {
  BucketState* bucket = state.find_bucket(body.bucket);
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
    return;
  }
  answer.error =
      is_good_key(body.key) ? check_condition(state, body.bucket, body.key, body.condition) : BlobErrc::kInvalid;
  if (!answer.ok()) return;
  if (body.version || body.is_null_version) {
    remove_version(state, *bucket, context, body, answer);
    return;
  }
  if (bucket->bucket->versioning == Versioning::kOff) {
    Found null;
    if (!find_null(state, body.bucket, body.key, null)) return;
    answer.error = remove_null_version(state, *bucket, context, body.key, body.bypasses_governance, answer);
    if (answer.ok()) fill_written(answer, body.key, null.version, null.entry);
    return;
  }
  Entry marker;
  marker.is_delete_marker = true;
  put_version(state, *bucket, context, body.key, std::move(marker), answer);
}

void apply_to(BlobState& state, const engine::ApplyContext& context, const ChangeObject& body, Answer& answer) {
  BucketState* bucket = state.find_bucket(body.bucket);
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
    return;
  }
  Found found;
  const bool is_named = body.version || body.is_null_version;
  const bool is_there = body.version           ? find_version(state, body.bucket, body.key, *body.version, found)
                        : body.is_null_version ? find_null(state, body.bucket, body.key, found)
                                               : find_latest(state, body.bucket, body.key, found);
  if (!is_there || (!is_named && found.entry.is_delete_marker)) {
    answer.error = is_named ? BlobErrc::kNoSuchVersion : BlobErrc::kNoSuchKey;
  } else if (found.entry.is_delete_marker) {
    answer.error = BlobErrc::kIsDeleteMarker;
  } else if ((body.retention || body.has_legal_hold) && !bucket->bucket->has_object_lock) {
    answer.error = BlobErrc::kObjectLockNotEnabled;
  } else if (body.retention && !may_retain(found.entry, *body.retention, context.time_ms, body.bypasses_governance)) {
    answer.error = BlobErrc::kObjectLocked;
  }
  if (!answer.ok()) return;
  Entry changed = found.entry;
  if (body.tags) changed.meta.tags = *body.tags;
  if (body.retention) {
    changed.meta.retention = *body.retention;
    if (body.retention->mode == RetentionMode::kNone) changed.meta.retention.until_ms = 0;
  }
  if (body.has_legal_hold) changed.meta.has_legal_hold = *body.has_legal_hold;
  if (body.acl) changed.meta.acl = *body.acl;
  if (!is_good_meta(changed.meta)) {
    answer.error = BlobErrc::kInvalid;
    return;
  }
  std::string value;
  append_entry(value, changed);
  state.index.put(found.index_key, value);
  fill_written(answer, body.key, found.version, changed);
  answer.object.is_latest = found.is_latest;
}

}  // namespace keelson::blob
