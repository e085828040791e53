// A set under a key: an array of integers, packed, or a MemberTable. Lives and dies by the rules of value.h; made by
// Keyspace::create<SetValue>().
//
// Members have indexes 0..size()-1. The order is part of the replicated state, the same in every encoding whatever the
// thresholds are: a new member comes last, and the last member takes the place of one that is erased. So a member
// picked by a number drawn from the record's seed is the same on every replica and in every replay.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/numbers.h"
#include "engine/kv/value.h"

namespace keelson::kv {

class SetValue final : public Value {
 public:
  static constexpr Type kType = Type::kSet;
  using Visit = FunctionRef<void(std::string_view member)>;

  SetValue() = default;
  explicit SetValue(const Value& value) : Value(value) {}

  [[nodiscard]] size_t size() const;
  [[nodiscard]] bool contains(std::string_view member) const;
  // True if it is new. May not be a view into this set.
  bool add(std::string_view member);
  // True if it was there. May be a view from at().
  bool erase(std::string_view member);

  // index < size(). Scratch. O(1), but O(size) while it is packed (at most set-max-listpack-entries).
  [[nodiscard]] std::string_view at(size_t index) const;
  // Takes the member at `index` out.
  [[nodiscard]] std::string take(size_t index);
  // In the order of the indexes; do not change the set meanwhile.
  void for_each(Visit visit) const;
  // Like for_each, until `visit` returns false.
  void for_each_while(FunctionRef<bool(std::string_view member)> visit) const;
  // SSCAN: as HashValue::scan().
  [[nodiscard]] uint64_t scan(uint64_t cursor, size_t count, Visit visit) const;

 private:
  bool add_integer(int64_t number);
  void leave_integers(size_t member_bytes);
  void to_object();
  void erase_integer(size_t index);
  void erase_packed(size_t at);

  mutable IntegerText scratch_;
};

}  // namespace keelson::kv
