#include "engine/blob/blob_engine.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "engine/blob/handlers.h"
#include "engine/blob/index_key.h"

namespace keelson::blob {

namespace {

enum Block : uint8_t { kCounters = 1, kDocument = 2, kBucket = 3, kUpload = 4, kLeaf = 5 };
constexpr uint8_t kCountersVersion = 1;

template <class Body>
bool apply_body(BlobState& state, const engine::ApplyContext& context, std::string_view bytes, Answer& answer) {
  Body body;
  if (!decode(bytes, body)) return false;
  apply_to(state, context, body, answer);
  return true;
}

template <class Body>
bool query_body(const BlobState& state, std::string_view bytes, Answer& answer) {
  Body body;
  if (!decode(bytes, body)) return false;
  query_of(state, body, answer);
  return true;
}

bool run_command(BlobState& state, const engine::ApplyContext& context, Code code, std::string_view bytes,
                 Answer& answer) {
  switch (code) {
    case Code::kCreateBucket:
      return apply_body<CreateBucket>(state, context, bytes, answer);
    case Code::kDeleteBucket:
      return apply_body<DeleteBucket>(state, context, bytes, answer);
    case Code::kConfigureBucket:
      return apply_body<ConfigureBucket>(state, context, bytes, answer);
    case Code::kConfigureService:
      return apply_body<ConfigureService>(state, context, bytes, answer);
    case Code::kPutObject:
      return apply_body<PutObject>(state, context, bytes, answer);
    case Code::kDeleteObject:
      return apply_body<DeleteObject>(state, context, bytes, answer);
    case Code::kChangeObject:
      return apply_body<ChangeObject>(state, context, bytes, answer);
    case Code::kCreateUpload:
      return apply_body<CreateUpload>(state, context, bytes, answer);
    case Code::kPutPart:
      return apply_body<PutPart>(state, context, bytes, answer);
    case Code::kCompleteUpload:
      return apply_body<CompleteUpload>(state, context, bytes, answer);
    case Code::kAbortUpload:
      return apply_body<AbortUpload>(state, context, bytes, answer);
    case Code::kMoveExtents:
      return apply_body<MoveExtents>(state, context, bytes, answer);
    default:
      return false;
  }
}

bool run_query(const BlobState& state, Code code, std::string_view bytes, Answer& answer) {
  switch (code) {
    case Code::kFindBucket:
      return query_body<FindBucket>(state, bytes, answer);
    case Code::kListBuckets:
      return query_body<ListBuckets>(state, bytes, answer);
    case Code::kFindDocuments:
      return query_body<FindDocuments>(state, bytes, answer);
    case Code::kHeadObject:
      return query_body<HeadObject>(state, bytes, answer);
    case Code::kListObjects:
      return query_body<ListObjects>(state, bytes, answer);
    case Code::kListUploads:
      return query_body<ListUploads>(state, bytes, answer);
    case Code::kListParts:
      return query_body<ListParts>(state, bytes, answer);
    case Code::kUsage:
      return query_body<Usage>(state, bytes, answer);
    case Code::kScanExtents:
      return query_body<ScanExtents>(state, bytes, answer);
    default:
      return false;
  }
}

template <class Out>
void append_block(Out& out, Block kind, std::string_view bytes) {
  append_u8(out, kind);
  append_string(out, bytes);
}

// Buckets, uploads and documents are few beside the versions: they are remembered at the beginning and written from
// there; versions are written leaf by leaf, see ordered_index.h.
class Checkpoint final : public engine::CheckpointSource {
 public:
  explicit Checkpoint(BlobState& state) : state_(state) {
    std::string counters;
    append_u8(counters, kCountersVersion);
    append_varint(counters, state.next_sequence);
    append_varint(counters, state.next_bucket);
    append_varint(counters, state.highest_volume);
    append_block(early_, kCounters, counters);
    for (const auto& [name, document] : state.documents) {
      std::string bytes;
      append_string(bytes, name);
      append_string(bytes, document);
      append_block(early_, kDocument, bytes);
    }
    for (const auto& [id, bucket] : state.buckets) buckets_.push_back(bucket.bucket);
    for (const auto& [key, upload] : state.uploads) uploads_.emplace_back(bucket_of_index_key(key), upload);
    state.index.begin_checkpoint([this](std::string_view leaf) { append_block(early_leaves_, kLeaf, leaf); });
  }
  ~Checkpoint() override { state_.index.end_checkpoint(); }

  bool next(size_t bytes_wanted, Buffer& out) override {
    const size_t until = out.size() + bytes_wanted;
    out.append(early_.view());
    early_.clear();
    while (next_bucket_ < buckets_.size() && out.size() < until) {
      std::string bytes;
      append_bucket(bytes, *buckets_[next_bucket_++]);
      append_block(out, kBucket, bytes);
    }
    while (next_bucket_ == buckets_.size() && next_upload_ < uploads_.size() && out.size() < until) {
      auto& [bucket, upload] = uploads_[next_upload_++];
      std::string bytes;
      append_varint(bytes, bucket);
      append_upload(bytes, *upload);
      upload.reset();
      append_block(out, kUpload, bytes);
    }
    if (next_bucket_ != buckets_.size() || next_upload_ != uploads_.size() || out.size() >= until) return false;
    out.append(early_leaves_.view());
    early_leaves_.clear();
    if (out.size() >= until) return false;
    return state_.index.checkpoint_some(until - out.size(),
                                        [&out](std::string_view leaf) { append_block(out, kLeaf, leaf); });
  }

 private:
  BlobState& state_;
  Buffer early_;
  Buffer early_leaves_;
  std::vector<std::shared_ptr<const Bucket>> buckets_;
  std::vector<std::pair<BucketId, UploadPtr>> uploads_;
  size_t next_bucket_ = 0;
  size_t next_upload_ = 0;
};

std::unexpected<Error> malformed(std::string what) {
  return fail(std::make_error_code(std::errc::bad_message), "blob: " + std::move(what));
}

Status load_counters(BlobState& state, std::string_view block) {
  uint8_t version = 0;
  uint64_t bucket = 0;
  uint64_t volume = 0;
  if (!read_u8(block, version) || version != kCountersVersion || !read_varint(block, state.next_sequence) ||
      !read_varint(block, bucket) || !read_varint(block, volume) || !block.empty() || bucket > UINT32_MAX ||
      volume > UINT32_MAX || state.next_sequence == 0 || state.next_sequence > kSequenceMax) {
    return malformed("the counters are malformed");
  }
  state.next_bucket = static_cast<BucketId>(bucket);
  state.highest_volume = static_cast<uint32_t>(volume);
  return {};
}

Status load_upload(BlobState& state, std::string_view block) {
  uint64_t id = 0;
  Upload upload;
  if (!read_varint(block, id) || !read_upload(block, upload) || !block.empty()) {
    return malformed("an upload is malformed");
  }
  BucketState* bucket = id > UINT32_MAX ? nullptr : state.find_bucket(static_cast<BucketId>(id));
  if (bucket == nullptr) return malformed("an upload's bucket is missing");
  const uint64_t sequence = sequence_of(upload.info.id);
  if (sequence == 0 || sequence >= state.next_sequence) return malformed("an upload's id is too large");
  ++bucket->uploads;
  for (const auto& [number, part] : upload.parts) state.count_part(*bucket, part, true);
  std::string key = upload_key(bucket->bucket->id, upload.info.key, upload.info.id);
  if (!state.uploads.emplace(std::move(key), make_upload(std::move(upload))).second)
    return malformed("an upload is there twice");
  return {};
}

Status load_leaf(BlobState& state, std::string_view block) {
  Entry entry;
  IndexKey key;
  return state.index.load_leaf(block, [&](std::string_view index_key, std::string_view value) {
    if (!read_index_key(index_key, key) || !read_entry(value, entry)) return false;
    BucketState* bucket = state.find_bucket(key.bucket);
    if (bucket == nullptr || key.sequence == 0 || key.sequence >= state.next_sequence) return false;
    state.count_entry(*bucket, entry, true);
    return true;
  });
}

}  // namespace

BlobEngine::BlobEngine() = default;
BlobEngine::~BlobEngine() = default;

void BlobEngine::apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) {
  Answer unheard;
  Answer* heard = static_cast<AnswerSink&>(reply).answer();
  Answer& answer = heard == nullptr ? unheard : *heard;
  state_.id_mark = command.space;
  const bool is_good = command.args.size() == 1 &&
                       run_command(state_, context, static_cast<Code>(command.code), command.args[0], answer);
  if (!is_good) answer.error = BlobErrc::kInvalid;
}

void BlobEngine::query(const engine::ApplyContext&, const engine::Command& command, engine::ReplySink& reply) {
  Answer* answer = static_cast<AnswerSink&>(reply).answer();
  if (answer == nullptr) return;
  const bool is_good =
      command.args.size() == 1 && run_query(state_, static_cast<Code>(command.code), command.args[0], *answer);
  if (!is_good) answer->error = BlobErrc::kInvalid;
}

std::unique_ptr<engine::CheckpointSource> BlobEngine::begin_checkpoint() {
  return std::make_unique<Checkpoint>(state_);
}

Status BlobEngine::load_checkpoint(std::string_view piece) {
  while (!piece.empty()) {
    uint8_t kind = 0;
    std::string_view block;
    if (!read_u8(piece, kind) || !read_string(piece, block)) return malformed("a block is cut short");
    if (has_counters_ != (kind != kCounters)) return malformed("the counters do not stand first");
    if (Status loaded = load_block(kind, block); !loaded.ok()) return loaded;
    has_counters_ = true;
  }
  return {};
}

Status BlobEngine::load_block(uint8_t kind, std::string_view block) {
  switch (kind) {
    case kCounters:
      return load_counters(state_, block);
    case kDocument: {
      std::string_view name;
      std::string_view document;
      if (!read_string(block, name) || !read_string(block, document) || !block.empty()) {
        return malformed("a document is malformed");
      }
      state_.documents[std::string(name)] = document;
      return {};
    }
    case kBucket: {
      Bucket bucket;
      if (!read_bucket(block, bucket) || !block.empty() || bucket.id >= state_.next_bucket ||
          state_.find_bucket(bucket.id) != nullptr || state_.bucket_ids.contains(bucket.name)) {
        return malformed("a bucket is malformed");
      }
      state_.put_bucket(std::make_shared<const Bucket>(std::move(bucket)));
      return {};
    }
    case kUpload:
      return load_upload(state_, block);
    case kLeaf:
      return load_leaf(state_, block);
    default:
      return malformed("a block of an unknown kind " + std::to_string(kind));
  }
}

void BlobEngine::reset() {
  state_.clear();
  has_counters_ = false;
}

uint64_t digest(const BlobState& state) {
  std::string bytes;
  append_varint(bytes, state.next_sequence);
  append_varint(bytes, state.next_bucket);
  append_varint(bytes, state.highest_volume);
  for (const auto& [name, document] : state.documents) append_string(bytes, name + "=" + document);
  for (const auto& [id, bucket] : state.buckets) {
    append_bucket(bytes, *bucket.bucket);
    for (uint64_t count :
         {bucket.versions, bucket.delete_markers, bucket.payload_bytes, bucket.uploads, bucket.upload_bytes}) {
      append_varint(bytes, count);
    }
  }
  for (const auto& [key, upload] : state.uploads) {
    append_string(bytes, key);
    append_upload(bytes, *upload);
  }
  for (const auto& [volume, live] : state.live_bytes) {
    append_varint(bytes, volume);
    append_varint(bytes, live);
  }
  uint64_t hash = hash64(bytes, 0);
  OrderedIndex::Cursor cursor(state.index);
  for (cursor.seek({}); cursor.is_valid(); cursor.next()) hash = hash64(cursor.value(), hash64(cursor.key(), hash));
  return hash;
}

}  // namespace keelson::blob
