// Buckets and the service's documents.
#include <algorithm>
#include <utility>

#include "engine/blob/handlers.h"
#include "engine/blob/index_key.h"

namespace keelson::blob {

namespace {

constexpr size_t kBucketNameBytesMax = 255;

bool are_good_documents(const Pairs& documents) {
  return std::ranges::all_of(documents, [](const auto& document) {
    return !document.first.empty() && document.second.size() <= kDocumentBytesMax;
  });
}

void remove_uploads(BlobState& state, BucketState& bucket, Answer& answer) {
  const std::string prefix = index_prefix(bucket.bucket->id, {});
  auto at = state.uploads.lower_bound(prefix);
  while (at != state.uploads.end() && at->first.starts_with(prefix)) {
    for (const auto& [number, part] : at->second->parts) {
      state.count_part(bucket, part, false);
      answer.dead.insert(answer.dead.end(), part.payload.extents.begin(), part.payload.extents.end());
    }
    --bucket.uploads;
    at = state.uploads.erase(at);
  }
}

}  // namespace

void apply_to(BlobState& state, const engine::ApplyContext& context, const CreateBucket& body, Answer& answer) {
  if (body.name.empty() || body.name.size() > kBucketNameBytesMax || !are_good_documents(body.documents)) {
    answer.error = BlobErrc::kInvalid;
    return;
  }
  if (const auto found = state.bucket_ids.find(body.name); found != state.bucket_ids.end()) {
    answer.error = BlobErrc::kBucketAlreadyExists;
    answer.buckets.push_back(state.buckets.at(found->second).bucket);
    return;
  }
  Bucket bucket;
  bucket.id = state.next_bucket++;
  bucket.name = body.name;
  bucket.owner = body.owner;
  bucket.region = body.region;
  bucket.created_ms = context.time_ms;
  bucket.has_object_lock = body.has_object_lock;
  bucket.versioning = body.has_object_lock ? Versioning::kEnabled : Versioning::kOff;
  for (const auto& [name, document] : body.documents) bucket.documents[name] = document;
  answer.buckets.push_back(std::make_shared<const Bucket>(std::move(bucket)));
  state.put_bucket(answer.buckets.back());
}

void apply_to(BlobState& state, const engine::ApplyContext&, const DeleteBucket& body, Answer& answer) {
  BucketState* bucket = state.find_bucket(body.bucket);
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
  } else if (bucket->versions != 0) {
    answer.error = BlobErrc::kBucketNotEmpty;
  } else {
    remove_uploads(state, *bucket, answer);
    state.bucket_ids.erase(bucket->bucket->name);
    state.buckets.erase(body.bucket);
  }
}

void apply_to(BlobState& state, const engine::ApplyContext&, const ConfigureBucket& body, Answer& answer) {
  BucketState* bucket = state.find_bucket(body.bucket);
  if (bucket == nullptr) {
    answer.error = BlobErrc::kNoSuchBucket;
    return;
  }
  Bucket changed = *bucket->bucket;
  if (body.enable_object_lock) {
    changed.has_object_lock = true;
    changed.versioning = Versioning::kEnabled;
  }
  if (body.versioning) {
    // Versioning never goes back to off, and a locked bucket keeps its versions.
    const bool goes_back = *body.versioning == Versioning::kOff && changed.versioning != Versioning::kOff;
    if (goes_back || (changed.has_object_lock && *body.versioning != Versioning::kEnabled)) {
      answer.error = BlobErrc::kInvalid;
      return;
    }
    changed.versioning = *body.versioning;
  }
  if (!are_good_documents(body.set_documents)) {
    answer.error = BlobErrc::kInvalid;
    return;
  }
  for (const auto& [name, document] : body.set_documents) changed.documents[name] = document;
  for (const std::string& name : body.remove_documents) changed.documents.erase(name);
  bucket->bucket = std::make_shared<const Bucket>(std::move(changed));
  answer.buckets.push_back(bucket->bucket);
}

void apply_to(BlobState& state, const engine::ApplyContext&, const ConfigureService& body, Answer& answer) {
  if (!are_good_documents(body.set_documents)) {
    answer.error = BlobErrc::kInvalid;
    return;
  }
  for (const auto& [name, document] : body.set_documents) state.documents[name] = document;
  for (const std::string& name : body.remove_documents) state.documents.erase(name);
}

}  // namespace keelson::blob
