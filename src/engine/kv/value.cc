#include "engine/kv/value.h"

#include <algorithm>
#include <cstring>

#include "engine/kv/database.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/member_object.h"

namespace keelson::kv {

std::string_view Value::type_name() const {
  switch (type()) {
    case Type::kString:
      return "string";
    case Type::kList:
      return "list";
    case Type::kSet:
      return "set";
    case Type::kSortedSet:
      return "zset";
    case Type::kHash:
      return "hash";
  }
  return "none";
}

std::string_view Value::encoding_name() const {
  switch (type()) {
    case Type::kString:
      if (entry_->encoding() == Encoding::kInteger) return "int";
      if (entry_->is_object() || entry_->is_raw()) return "raw";
      return entry_->inline_value().size() <= kEmbeddedStringBytesMax ? "embstr" : "raw";
    case Type::kList:
      return "quicklist";
    case Type::kSet:
      return entry_->encoding() == Encoding::kIntegers ? "intset" : "hashtable";
    case Type::kSortedSet:
      return entry_->is_object() ? "skiplist" : "listpack";
    case Type::kHash:
      return entry_->is_object() ? "hashtable" : "listpack";
  }
  return "unknown";
}

size_t Value::memory_bytes(size_t samples) const {
  const Database& in = keyspace_->database(database_);
  size_t bytes = size_class(entry_->bytes_used()) + in.table.bytes() / std::max<size_t>(in.table.size(), 1);
  if (entry_->has_expiry()) bytes += in.expiries.bytes() / std::max<size_t>(in.expiries.size(), 1);
  if (entry_->is_object()) bytes += object_bytes(*entry_->object(), samples);
  return bytes;
}

void Value::resize_inline(size_t bytes) {
  Entry* before = entry_;
  entry_ = Entry::resize(before, before->encoding(), bytes);
  if (entry_ != before) keyspace_->entry_moved(database_, before, entry_);
}

char* Value::splice_inline(size_t offset, size_t erased, size_t added) {
  const size_t size = entry_->inline_value().size();
  const size_t tail = size - offset - erased;
  if (added > erased) {
    resize_inline(size + added - erased);
    char* data = entry_->inline_data();
    std::memmove(data + offset + added, data + offset + erased, tail);
  } else if (added < erased) {
    char* data = entry_->inline_data();
    std::memmove(data + offset + added, data + offset + erased, tail);
    resize_inline(size + added - erased);
  }
  return entry_->inline_data() + offset;
}

void Value::become_inline(Encoding encoding, std::string_view bytes) {
  Entry* before = entry_;
  entry_ = Entry::resize(before, encoding, bytes.size());
  if (!bytes.empty()) std::memcpy(entry_->inline_data(), bytes.data(), bytes.size());
  if (entry_ != before) keyspace_->entry_moved(database_, before, entry_);
}

void Value::become_object(BigObject* object) {
  Entry* before = entry_;
  entry_ = Entry::with_object(before, object);
  if (entry_ != before) keyspace_->entry_moved(database_, before, entry_);
}

}  // namespace keelson::kv
