// A hash under a key: packed while it is small, else a MemberTable. Lives and dies by the rules of value.h; made by
// Keyspace::create<HashValue>().
//
// Fields have indexes 0..size()-1 for random picks; any change may renumber them. The order is not part of the
// replicated state: nothing that is logged may depend on it.
//
// A packed hash may name its fields by number (field_names.h). Nobody but this class and a checkpoint sees that: the
// latter spells them out when it writes a hash, and has them numbered again when it has loaded one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "base/function_ref.h"
#include "base/numbers.h"
#include "engine/kv/value.h"

namespace keelson::kv {

class FieldNames;

// A packed hash's inline value with all names spelled out: how long it is, and the bytes themselves.
[[nodiscard]] size_t spelled_out_bytes(std::string_view blob, const FieldNames& names);
void spell_out(std::string_view blob, const FieldNames& names, char* to);
// Numbers the fields of a packed hash that stands in no table yet, as far as they have numbers; may move the entry.
[[nodiscard]] Entry* number_fields(Entry* entry, FieldNames& names);

class HashValue final : public Value {
 public:
  static constexpr Type kType = Type::kHash;
  using Pair = std::pair<std::string_view, std::string_view>;  // field, value
  using Visit = FunctionRef<void(std::string_view field, std::string_view value)>;

  HashValue() = default;
  explicit HashValue(const Value& value) : Value(value) {}

  [[nodiscard]] size_t size() const;
  // Scratch.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view field) const;
  [[nodiscard]] bool contains(std::string_view field) const;
  // True if the field is new. The arguments may not be views into this hash.
  bool set(std::string_view field, std::string_view value);
  // True if it was there.
  bool erase(std::string_view field);

  // index < size(). Scratch. O(1) for a table, O(size) while it is packed.
  [[nodiscard]] Pair at(size_t index) const;
  // Every field; do not change the hash meanwhile. The views hold for the call.
  void for_each(Visit visit) const;
  // HSCAN: visits about `count` fields (all of a packed hash); the result is the next cursor, 0 at the end. Fields that
  // are there from the first call to the last are visited at least once.
  [[nodiscard]] uint64_t scan(uint64_t cursor, size_t count, Visit visit) const;

 private:
  void to_object();

  mutable IntegerText scratch_;
  mutable IntegerText second_scratch_;
};

}  // namespace keelson::kv
