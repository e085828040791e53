// Value: a handle to one key's entry, and the base of the typed views (StringValue, HashValue, ListValue, SetValue,
// SortedSetValue).
//
// A handle is three words and is copied freely. It stays good while other keys come, go and change. What changes the
// entry of its own key through anything but this very handle (another handle's change, set_string(), erase(), rename(),
// flush(), swap()) ends it. A change through a handle may move the entry; the handle follows, copies of it do not. So:
// one handle for one key, and find the key anew after calling something that takes the key's name.
//
// Views of bytes that a handle gives out (std::string_view) hold until the next change of that key; where a function
// says "scratch", only until the next such call on the same handle, since a number was printed into it.
//
// Handles change values and nothing else: they fire no events. The handler that changes something calls
// Keyspace::changed() once for it, and Keyspace::erase_if_empty() when elements were taken out.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/kv/big_object.h"
#include "engine/kv/entry.h"

namespace keelson::kv {

class Keyspace;

inline constexpr int64_t kNoExpiry = -1;

class Value {
 public:
  Value() = default;
  Value(Keyspace& keyspace, uint16_t database, Entry* entry)
      : keyspace_(&keyspace), entry_(entry), database_(database) {}

  // Is there a key?
  [[nodiscard]] explicit operator bool() const { return entry_ != nullptr; }
  [[nodiscard]] Type type() const { return entry_->type(); }
  // "string", "list", "set", "zset", "hash".
  [[nodiscard]] std::string_view type_name() const;
  // OBJECT ENCODING, by Redis 7.0's names: int, embstr, raw, quicklist, intset, hashtable, listpack, skiplist. (A small
  // set of strings is packed here but says "hashtable", as Redis 7.0 would.)
  [[nodiscard]] std::string_view encoding_name() const;
  [[nodiscard]] std::string_view key() const { return entry_->key(); }
  [[nodiscard]] uint16_t database() const { return database_; }
  [[nodiscard]] Keyspace& keyspace() const { return *keyspace_; }
  // Unix time in ms, or kNoExpiry.
  [[nodiscard]] int64_t expires_at_ms() const { return entry_->has_expiry() ? entry_->expires_at_ms() : kNoExpiry; }
  // Bytes allocated for the key and its value, and its share of the table (MEMORY USAGE). Looks at up to `samples`
  // elements of a large collection, all of them if 0.
  [[nodiscard]] size_t memory_bytes(size_t samples) const;

  // For the value types and the keyspace.
  [[nodiscard]] Entry* entry() const { return entry_; }
  void moved_to(Entry* entry) { entry_ = entry; }

 protected:
  // Makes room for exactly `bytes` of inline value; what fits of the old value is kept. May move the entry.
  void resize_inline(size_t bytes);
  // Replaces `erased` bytes of the inline value at `offset` by room for `added`; the result is where they go. May move
  // the entry.
  char* splice_inline(size_t offset, size_t erased, size_t added);
  // Replaces whatever value there is (its memory has been taken care of) by inline bytes or by an object.
  void become_inline(Encoding encoding, std::string_view bytes);
  void become_object(BigObject* object);

  Keyspace* keyspace_ = nullptr;
  Entry* entry_ = nullptr;
  uint16_t database_ = 0;
};

// What looking for a key of one type found.
template <class View>
class Found {
 public:
  Found() = default;
  explicit Found(const Value& value) : view_(value), is_wrong_type_(value && value.type() != View::kType) {}

  // The key is there and has the type.
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(view_) && !is_wrong_type_; }
  [[nodiscard]] bool missing() const { return !view_; }
  [[nodiscard]] bool wrong_type() const { return is_wrong_type_; }
  [[nodiscard]] View* operator->() { return &view_; }
  [[nodiscard]] const View* operator->() const { return &view_; }
  [[nodiscard]] View& operator*() { return view_; }
  [[nodiscard]] const View& operator*() const { return view_; }

 private:
  View view_;
  bool is_wrong_type_ = false;
};

}  // namespace keelson::kv
