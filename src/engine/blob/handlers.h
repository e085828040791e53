// What each command and query does to, or reads from, the state. One function for each body of commands.h.
#pragma once

#include "engine/blob/answer.h"
#include "engine/blob/blob_state.h"
#include "engine/blob/commands.h"
#include "engine/engine.h"

namespace keelson::blob {

// Commands; the answer is never null.
void apply_to(BlobState& state, const engine::ApplyContext& context, const CreateBucket& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const DeleteBucket& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const ConfigureBucket& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const ConfigureService& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const PutObject& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const DeleteObject& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const ChangeObject& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const CreateUpload& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const PutPart& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const CompleteUpload& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const AbortUpload& body, Answer& answer);
void apply_to(BlobState& state, const engine::ApplyContext& context, const MoveExtents& body, Answer& answer);

// Queries.
void query_of(const BlobState& state, const FindBucket& body, Answer& answer);
void query_of(const BlobState& state, const ListBuckets& body, Answer& answer);
void query_of(const BlobState& state, const FindDocuments& body, Answer& answer);
void query_of(const BlobState& state, const HeadObject& body, Answer& answer);
void query_of(const BlobState& state, const ListObjects& body, Answer& answer);
void query_of(const BlobState& state, const ListUploads& body, Answer& answer);
void query_of(const BlobState& state, const ListParts& body, Answer& answer);
void query_of(const BlobState& state, const Usage& body, Answer& answer);
void query_of(const BlobState& state, const ScanExtents& body, Answer& answer);

// ---- What they share.

// A version that was found.
struct Found {
  std::string index_key;
  Version version = 0;
  bool is_latest = false;
  Entry entry;
};
// The latest version, whatever it is; false if the key has none.
[[nodiscard]] bool find_latest(const BlobState& state, BucketId bucket, std::string_view key, Found& found);
[[nodiscard]] bool find_null(const BlobState& state, BucketId bucket, std::string_view key, Found& found);
[[nodiscard]] bool find_version(const BlobState& state, BucketId bucket, std::string_view key, Version version,
                                Found& found);
// Does retention or a legal hold forbid to remove it?
[[nodiscard]] bool is_locked(const Entry& entry, int64_t now_ms, bool bypasses_governance);
// kOk, or why the condition does not hold.
[[nodiscard]] BlobErrc check_condition(const BlobState& state, BucketId bucket, std::string_view key,
                                       const Condition& condition);
[[nodiscard]] bool is_good_key(std::string_view key);
[[nodiscard]] bool is_good_meta(const ObjectMeta& meta);
// What a write answers with.
void fill_written(Answer& answer, std::string_view key, Version version, const Entry& entry);
// Puts a new version in front, as the bucket's versioning says.
void put_version(BlobState& state, BucketState& bucket, const engine::ApplyContext& context, const std::string& key,
                 Entry entry, Answer& answer);

}  // namespace keelson::blob
