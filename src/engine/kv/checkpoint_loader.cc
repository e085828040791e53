#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "engine/kv/args.h"
#include "engine/kv/checkpoint.h"
#include "engine/kv/integer_array.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/member_object.h"
#include "engine/kv/packed.h"
#include "engine/kv/string_object.h"

namespace keelson::kv {
namespace {

std::unexpected<Error> damaged(const char* what) {
  return fail(std::make_error_code(std::errc::bad_message), std::string("kv checkpoint: ") + what);
}

bool is_inline_well_formed(const Entry& entry) {
  const std::string_view value = entry.inline_value();
  switch (entry.encoding()) {
    case Encoding::kInteger:
      return entry.type() == Type::kString &&
             (value.size() == 1 || value.size() == 2 || value.size() == 4 || value.size() == 8);
    case Encoding::kInline:
      return entry.type() == Type::kString;
    case Encoding::kIntegers:
      return entry.type() == Type::kSet && IntegerArray::is_well_formed(value) && IntegerArray(value).size() > 0;
    case Encoding::kPacked: {
      if (entry.type() == Type::kString || !is_packed_blob(value) || packed_count(value) == 0) return false;
      const bool has_pairs = entry.type() == Type::kHash || entry.type() == Type::kSortedSet;
      return !has_pairs || packed_count(value) % 2 == 0;
    }
    case Encoding::kObject:
      return value.size() == sizeof(BigObject*);
  }
  return false;
}

// A copy of an entry's bytes, if they are one.
Entry* make_entry(std::string_view bytes) {
  if (!Entry::is_well_formed(bytes)) return nullptr;
  auto* entry = static_cast<Entry*>(::operator new(size_class(bytes.size())));
  std::memcpy(static_cast<void*>(entry), bytes.data(), bytes.size());
  if (is_inline_well_formed(*entry)) return entry;
  ::operator delete(entry, size_class(bytes.size()));
  return nullptr;
}

bool fits_type(BigObject::Kind kind, Type type) {
  switch (kind) {
    case BigObject::Kind::kString:
      return type == Type::kString;
    case BigObject::Kind::kList:
      return type == Type::kList;
    case BigObject::Kind::kMembers:
      return type == Type::kHash || type == Type::kSet;
    case BigObject::Kind::kSortedSet:
      return type == Type::kSortedSet;
  }
  return false;
}

}  // namespace

// An object whose parts have not all come.
struct CheckpointLoader::Loading {
  Loading() = default;
  Loading(const Loading&) = delete;
  Loading& operator=(const Loading&) = delete;
  ~Loading() {
    if (object != nullptr) {
      size_t budget = SIZE_MAX;
      drain_object(object, budget);
    }
    if (entry != nullptr) Entry::destroy(entry);
  }

  bool add_part(uint64_t number, std::string_view part);
  bool add_block(uint64_t number, std::string_view part);
  bool add_leaf(std::string_view part);
  bool add_chunk(uint64_t number, std::string_view part);

  uint16_t database = 0;
  Entry* entry = nullptr;
  BigObject* object = nullptr;
  uint64_t parts_left = 0;
  uint64_t size = 0;
  std::vector<bool> has_part;  // of strings, hashes and sets
  // Of lists.
  uint64_t chunk_count = 0;
  uint64_t next_chunk = 0;
  std::map<uint64_t, std::string> chunks;  // that came before their turn
};

bool CheckpointLoader::Loading::add_part(uint64_t number, std::string_view part) {
  switch (object->kind()) {
    case BigObject::Kind::kString: {
      auto& string = *static_cast<StringObject*>(object);
      const uint64_t begin = number * StringObject::kBlockBytes;
      if (number >= has_part.size() || has_part[number] ||
          part.size() != std::min<uint64_t>(StringObject::kBlockBytes, size - begin)) {
        return false;
      }
      has_part[number] = true;
      std::memcpy(string.data() + begin, part.data(), part.size());
      --parts_left;
      return true;
    }
    case BigObject::Kind::kMembers:
      return add_block(number, part);
    case BigObject::Kind::kList:
      return add_chunk(number, part);
    case BigObject::Kind::kSortedSet:
      return add_leaf(part);
  }
  return false;
}

bool CheckpointLoader::Loading::add_block(uint64_t number, std::string_view part) {
  auto& members = *static_cast<MemberObject*>(object);
  if (number >= has_part.size() || has_part[number]) return false;
  has_part[number] = true;
  const size_t begin = number * MemberObject::kBlockMembers;
  const size_t end = std::min<size_t>(begin + MemberObject::kBlockMembers, size);
  for (size_t i = begin; i < end; ++i) {
    std::string_view name;
    std::string_view value;
    if (!read_string(part, name) || (members.has_values() && !read_string(part, value))) return false;
    if (!members.load_at(i, name, value)) return false;
  }
  --parts_left;
  return part.empty();
}

bool CheckpointLoader::Loading::add_leaf(std::string_view part) {
  auto& sorted_set = *static_cast<SortedSetObject*>(object);
  while (!part.empty()) {
    double score;
    std::string_view name;
    if (part.size() < sizeof(score) || parts_left == 0) return false;
    std::memcpy(&score, part.data(), sizeof(score));
    part.remove_prefix(sizeof(score));
    bool moved = false;
    if (score != score || !read_string(part, name) || !sorted_set.set(name, score, moved)) return false;
    --parts_left;
  }
  return true;
}

bool CheckpointLoader::Loading::add_chunk(uint64_t number, std::string_view part) {
  auto& list = *static_cast<ListObject*>(object);
  if (number < next_chunk || number >= chunk_count || part.empty()) return false;
  if (number != next_chunk) {
    if (!chunks.emplace(number, part).second) return false;
    --parts_left;
    return true;
  }
  --parts_left;
  if (!list.append_chunk(part)) return false;
  for (++next_chunk; !chunks.empty() && chunks.begin()->first == next_chunk; ++next_chunk) {
    if (!list.append_chunk(chunks.begin()->second)) return false;
    chunks.erase(chunks.begin());
  }
  return parts_left != 0 || list.size() == size;
}

CheckpointLoader::CheckpointLoader(Keyspace& keyspace) : keyspace_(keyspace) {}

CheckpointLoader::~CheckpointLoader() = default;

Status CheckpointLoader::load(std::string_view piece) {
  while (!piece.empty()) {
    if (has_end_) return damaged("there is something behind the end");
    uint8_t kind = 0;
    (void)read_u8(piece, kind);
    if (!has_header_ && kind != static_cast<uint8_t>(CheckpointRecord::kHeader))
      return damaged("the header is missing");
    Status status;
    switch (static_cast<CheckpointRecord>(kind)) {
      case CheckpointRecord::kHeader:
        status = load_header(piece);
        break;
      case CheckpointRecord::kEntries:
        status = load_entries(piece);
        break;
      case CheckpointRecord::kObject:
        status = load_object(piece);
        break;
      case CheckpointRecord::kPart:
        status = load_part(piece);
        break;
      case CheckpointRecord::kEnd:
        status = load_end(piece);
        break;
      default:
        return damaged("a record of an unknown kind");
    }
    if (!status.ok()) return status;
  }
  return {};
}

Status CheckpointLoader::load_header(std::string_view& from) {
  uint64_t version = 0;
  uint64_t databases = 0;
  if (has_header_) return damaged("two headers");
  if (!read_varint(from, version) || !read_varint(from, databases)) return damaged("the header is cut short");
  if (version != kCheckpointVersion) return damaged("the format is of another version");
  // A count that is a lie must not take all memory: beyond so many keys, room is made as they come.
  uint64_t reservable_keys = uint64_t{1} << 22;
  for (; databases > 0; --databases) {
    uint64_t number = 0;
    uint64_t keys = 0;
    uint64_t expiring = 0;
    if (!read_varint(from, number) || !read_varint(from, keys) || !read_varint(from, expiring)) {
      return damaged("the header is cut short");
    }
    if (number >= keyspace_.options().databases) {
      return damaged("it holds a database whose number is above the configured count");
    }
    if (keyspace_.size(static_cast<uint16_t>(number)) != 0) return damaged("a database stands there twice");
    const uint64_t reserved_keys = std::min(keys, reservable_keys);
    reservable_keys -= reserved_keys;
    keyspace_.reserve(static_cast<uint16_t>(number), reserved_keys);
  }
  has_header_ = true;
  return {};
}

Status CheckpointLoader::load_entries(std::string_view& from) {
  uint64_t database = 0;
  uint64_t count = 0;
  if (!read_varint(from, database) || !read_varint(from, count)) return damaged("entries are cut short");
  if (database >= keyspace_.options().databases) return damaged("entries of a database that is not there");
  for (; count > 0; --count) {
    std::string_view bytes;
    if (!read_string(from, bytes)) return damaged("an entry is cut short");
    Entry* entry = make_entry(bytes);
    if (entry == nullptr || entry->is_object()) {
      if (entry != nullptr) Entry::destroy(entry);
      return damaged("an entry is malformed");
    }
    if (entry->type() == Type::kHash) entry = number_fields(entry, keyspace_.field_names());
    if (!keyspace_.link_loaded(static_cast<uint16_t>(database), entry)) {
      Entry::destroy(entry);
      return damaged("a key stands there twice");
    }
    ++keys_;
  }
  return {};
}

Status CheckpointLoader::load_object(std::string_view& from) {
  uint64_t id = 0;
  uint64_t database = 0;
  std::string_view bytes;
  uint8_t kind = 0;
  uint64_t parts = 0;
  uint64_t size = 0;
  if (!read_varint(from, id) || !read_varint(from, database) || !read_string(from, bytes) || !read_u8(from, kind) ||
      !read_varint(from, parts) || !read_varint(from, size)) {
    return damaged("an object is cut short");
  }
  auto loading = std::make_unique<Loading>();
  loading->entry = make_entry(bytes);
  if (loading->entry == nullptr || !loading->entry->is_object() || database >= keyspace_.options().databases ||
      kind > static_cast<uint8_t>(BigObject::Kind::kSortedSet)) {
    return damaged("an object's entry is malformed");
  }
  loading->database = static_cast<uint16_t>(database);
  loading->parts_left = parts;
  loading->size = size;
  const auto object_kind = static_cast<BigObject::Kind>(kind);
  const Type type = loading->entry->type();
  if (!fits_type(object_kind, type)) return damaged("an object's kind does not fit its type");
  constexpr uint64_t kSizeMax = uint64_t{1} << 32;
  if (parts == 0 || size == 0 || size >= kSizeMax) return damaged("an object of an impossible size");
  uint64_t parts_expected = parts;
  switch (object_kind) {
    case BigObject::Kind::kString: {
      parts_expected = (size + StringObject::kBlockBytes - 1) / StringObject::kBlockBytes;
      if (size > kStringBytesMax) return damaged("a string of an impossible size");
      auto* string = new StringObject();
      loading->object = string;
      string->load_begin(size);
      break;
    }
    case BigObject::Kind::kMembers: {
      parts_expected = (size + MemberObject::kBlockMembers - 1) / MemberObject::kBlockMembers;
      auto* members = new MemberObject(type, keyspace_.options().hash_secret);
      loading->object = members;
      if (parts == parts_expected) members->load_begin(size);
      break;
    }
    case BigObject::Kind::kList:
      loading->object = new ListObject();
      if (parts > size) return damaged("a list with empty chunks");
      loading->chunk_count = parts;
      break;
    case BigObject::Kind::kSortedSet: {
      parts_expected = size;
      loading->object = new SortedSetObject(keyspace_.options().hash_secret);
      break;
    }
  }
  if (parts != parts_expected) return damaged("an object's parts do not fit its size");
  if (object_kind == BigObject::Kind::kString || object_kind == BigObject::Kind::kMembers) {
    loading->has_part.resize(parts);
  }
  if (!loading_.emplace(id, std::move(loading)).second) return damaged("two objects with one number");
  return {};
}

Status CheckpointLoader::load_part(std::string_view& from) {
  uint64_t id = 0;
  uint64_t number = 0;
  std::string_view part;
  if (!read_varint(from, id) || !read_varint(from, number) || !read_string(from, part)) {
    return damaged("a part is cut short");
  }
  const auto found = loading_.find(id);
  if (found == loading_.end()) return damaged("a part of no object");
  Loading& loading = *found->second;
  if (!loading.add_part(number, part)) return damaged("a part is malformed");
  if (loading.parts_left != 0) return {};
  std::memcpy(loading.entry->inline_data(), &loading.object, sizeof(loading.object));
  if (!keyspace_.link_loaded(loading.database, loading.entry)) return damaged("a key stands there twice");
  loading.entry = nullptr;
  loading.object = nullptr;
  loading_.erase(found);
  ++keys_;
  return {};
}

Status CheckpointLoader::load_end(std::string_view& from) {
  uint64_t keys = 0;
  if (!read_varint(from, keys)) return damaged("the end is cut short");
  if (!loading_.empty()) return damaged("an object is not complete");
  if (keys != keys_) return damaged("keys are missing");
  has_end_ = true;
  return {};
}

}  // namespace keelson::kv
