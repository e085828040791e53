#include "engine/blob/commands.h"

#include <algorithm>
#include <type_traits>

#include "base/coding.h"
#include "base/hash.h"
#include "engine/blob/meta_codec.h"

namespace keelson::blob {

namespace {

// A body's fields stand in the order of fields_of(), each in the encoding of its type. A field is never removed or
// moved; new ones come at the end, and what is missing there keeps its default (a body of an earlier version).

constexpr uint64_t kShardSeed = 0x626c6f62'73686172;  // stable: decides where objects lie
constexpr uint64_t kOwnerSeed = 0x626c6f62'6f776e65;  // stable: stands in chunk headers
// Of names, keys, cursors and the like; documents have a limit of their own.
constexpr size_t kTextBytesMax = size_t{64} << 10;

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  template <class... Fields>
  void operator()(const Fields&... fields) {
    (put(fields), ...);
  }

 private:
  template <std::unsigned_integral Integer>
  void put(const Integer& value) {
    append_varint(out_, value);
  }
  void put(const bool& value) { append_u8(out_, value ? 1 : 0); }
  void put(const std::string& value) { append_string(out_, value); }
  void put(const Pairs& value) { append_pairs(out_, value); }
  void put(const ObjectMeta& value) { append_meta(out_, value); }
  void put(const Payload& value) { append_payload(out_, value); }
  void put(const Checksum& value) { append_checksum(out_, value); }
  void put(const Versioning& value) { append_u8(out_, static_cast<uint8_t>(value)); }
  void put(const Retention& value) {
    append_u8(out_, static_cast<uint8_t>(value.mode));
    append_u64(out_, static_cast<uint64_t>(value.until_ms));
  }
  void put(const ETag& value) {
    out_.append(reinterpret_cast<const char*>(value.md5.data()), value.md5.size());
    append_varint(out_, value.part_count);
  }
  void put(const Extent& value) { (*this)(value.volume, value.offset_bytes, value.length_bytes); }
  void put(const Condition& value) { (*this)(value.if_absent, value.if_match, value.if_version); }
  void put(const CompleteUpload::Part& value) { (*this)(value.number, value.etag); }
  void put(const MoveExtents::Item& value) {
    (*this)(value.bucket, value.key, value.version, value.upload, value.part_number, value.from, value.to);
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    append_varint(out_, values.size());
    for (const T& value : values) put(value);
  }

  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view from) : from_(from) {}
  template <class... Fields>
  void operator()(Fields&... fields) {
    (take(fields), ...);
  }
  [[nodiscard]] bool is_good() const { return is_good_ && from_.empty(); }

 private:
  template <class T>
  void take(T& value) {
    // What an earlier version did not know.
    if (!is_good_ || (from_.empty() && depth_ == 0)) return;
    ++depth_;
    is_good_ = get(value);
    --depth_;
  }
  template <std::unsigned_integral Integer>
  bool get(Integer& value) {
    uint64_t wide = 0;
    if (!read_varint(from_, wide)) return false;
    value = static_cast<Integer>(wide);
    return value == wide;
  }
  bool get(bool& value) {
    uint8_t byte = 0;
    if (!read_u8(from_, byte) || byte > 1) return false;
    value = byte == 1;
    return true;
  }
  bool get(std::string& value) {
    std::string_view bytes;
    if (!read_string(from_, bytes) || bytes.size() > kTextBytesMax) return false;
    value = bytes;
    return true;
  }
  bool get(Pairs& value) { return read_pairs(from_, value); }
  bool get(ObjectMeta& value) { return read_meta(from_, value); }
  bool get(Payload& value) { return read_payload(from_, value); }
  bool get(Checksum& value) { return read_checksum(from_, value); }
  bool get(Versioning& value) {
    uint8_t byte = 0;
    if (!read_u8(from_, byte) || byte > static_cast<uint8_t>(Versioning::kSuspended)) return false;
    value = static_cast<Versioning>(byte);
    return true;
  }
  bool get(Retention& value) {
    uint8_t mode = 0;
    uint64_t until = 0;
    if (!read_u8(from_, mode) || mode > static_cast<uint8_t>(RetentionMode::kCompliance) || !read_u64(from_, until)) {
      return false;
    }
    value = {static_cast<RetentionMode>(mode), static_cast<int64_t>(until)};
    return true;
  }
  bool get(ETag& value) {
    if (from_.size() < value.md5.size()) return false;
    std::copy_n(from_.begin(), value.md5.size(), value.md5.begin());
    from_.remove_prefix(value.md5.size());
    return get(value.part_count) && value.part_count <= kPartNumberMax;
  }
  bool get(Extent& value) {
    return get(value.volume) && get(value.offset_bytes) && get(value.length_bytes) && value.is_sound();
  }
  bool get(Condition& value) { return get(value.if_absent) && get(value.if_match) && get(value.if_version); }
  bool get(CompleteUpload::Part& value) { return get(value.number) && get(value.etag); }
  bool get(MoveExtents::Item& value) {
    return get(value.bucket) && get(value.key) && get(value.version) && get(value.upload) && get(value.part_number) &&
           get(value.from) && get(value.to);
  }
  template <class T>
  bool get(std::optional<T>& value) {
    bool is_there = false;
    if (!get(is_there)) return false;
    value.reset();
    return !is_there || get(value.emplace());
  }
  template <class T>
  bool get(std::vector<T>& values) {
    uint64_t count = 0;
    if (!read_varint(from_, count) || count > from_.size()) return false;
    values.clear();
    values.resize(count);
    return std::ranges::all_of(values, [this](T& value) { return get(value); });
  }

  std::string_view from_;
  bool is_good_ = true;
  unsigned depth_ = 0;
};

template <class Body, class Of>
concept Is = std::same_as<std::remove_const_t<Body>, Of>;

void fields_of(auto& visit, Is<CreateBucket> auto& b) {
  visit(b.name, b.owner, b.region, b.has_object_lock, b.documents);
}
void fields_of(auto& visit, Is<DeleteBucket> auto& b) { visit(b.bucket); }
void fields_of(auto& visit, Is<ConfigureBucket> auto& b) {
  visit(b.bucket, b.versioning, b.enable_object_lock, b.set_documents, b.remove_documents);
}
void fields_of(auto& visit, Is<ConfigureService> auto& b) { visit(b.set_documents, b.remove_documents); }
void fields_of(auto& visit, Is<PutObject> auto& b) { visit(b.bucket, b.key, b.meta, b.condition); }
void fields_of(auto& visit, Is<DeleteObject> auto& b) {
  visit(b.bucket, b.key, b.version, b.is_null_version, b.bypasses_governance, b.condition);
}
void fields_of(auto& visit, Is<ChangeObject> auto& b) {
  visit(b.bucket, b.key, b.version, b.is_null_version, b.tags, b.retention, b.has_legal_hold, b.acl,
        b.bypasses_governance);
}
void fields_of(auto& visit, Is<CreateUpload> auto& b) { visit(b.bucket, b.key, b.initiator, b.meta); }
void fields_of(auto& visit, Is<PutPart> auto& b) {
  visit(b.bucket, b.key, b.upload, b.number, b.etag, b.checksum, b.payload);
}
void fields_of(auto& visit, Is<CompleteUpload> auto& b) {
  visit(b.bucket, b.key, b.upload, b.parts, b.part_bytes_min, b.etag, b.checksums, b.condition);
}
void fields_of(auto& visit, Is<AbortUpload> auto& b) { visit(b.bucket, b.key, b.upload); }
void fields_of(auto& visit, Is<MoveExtents> auto& b) { visit(b.items); }
void fields_of(auto& visit, Is<FindBucket> auto& b) { visit(b.name, b.bucket); }
void fields_of(auto& visit, Is<ListBuckets> auto& b) { visit(b.prefix, b.after, b.count_max); }
void fields_of(auto& visit, Is<FindDocuments> auto& b) { visit(b.prefix); }
void fields_of(auto& visit, Is<HeadObject> auto& b) { visit(b.bucket, b.key, b.version, b.is_null_version); }
void fields_of(auto& visit, Is<ListObjects> auto& b) {
  visit(b.bucket, b.prefix, b.delimiter, b.after, b.after_version, b.walk_after, b.with_versions, b.with_meta,
        b.count_max);
}
void fields_of(auto& visit, Is<ListUploads> auto& b) {
  visit(b.bucket, b.prefix, b.delimiter, b.after, b.after_upload, b.count_max);
}
void fields_of(auto& visit, Is<ListParts> auto& b) { visit(b.bucket, b.key, b.upload, b.after_number, b.count_max); }
void fields_of(auto& visit, Is<Usage> auto& b) { visit(b.bucket, b.with_volumes); }
void fields_of(auto& visit, Is<ScanExtents> auto& b) { visit(b.volumes, b.cursor, b.entries_max); }

template <class Body>
std::string encode_body(const Body& body) {
  std::string out;
  Writer writer(out);
  fields_of(writer, body);
  return out;
}

template <class Body>
bool decode_body(std::string_view from, Body& body) {
  Reader reader(from);
  fields_of(reader, body);
  return reader.is_good();
}

uint64_t hash_of_object(BucketId bucket, std::string_view key, uint64_t seed) {
  return hash64(key, mix64(seed + bucket));
}

}  // namespace

uint16_t shard_of_object(BucketId bucket, std::string_view key, uint16_t shard_count) {
  return static_cast<uint16_t>(hash_of_object(bucket, key, kShardSeed) % shard_count);
}

uint64_t owner_of_object(BucketId bucket, std::string_view key) { return hash_of_object(bucket, key, kOwnerSeed); }

#define KEELSON_BLOB_CODEC(Body)                                     \
  std::string encode(const Body& body) { return encode_body(body); } \
  bool decode(std::string_view from, Body& body) { return decode_body(from, body); }
KEELSON_BLOB_BODIES(KEELSON_BLOB_CODEC)
#undef KEELSON_BLOB_CODEC

}  // namespace keelson::blob
