// A list under a key: packed within the entry while it is small, else a sequence of chunks (list-max-listpack-size
// each). Lives and dies by the rules of value.h; made by Keyspace::create<ListValue>().
//
// Ends are O(1); an index in the middle costs a walk over the chunks' counts (8 bytes each, in an array) and within one
// chunk. All indexes count from 0 at the head. Elements given as arguments may not be views into this list.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/numbers.h"
#include "engine/kv/value.h"

namespace keelson::kv {

enum class ListEnd : uint8_t { kHead, kTail };

class ListValue final : public Value {
 public:
  static constexpr Type kType = Type::kList;
  // Return false to stop.
  using Visit = FunctionRef<bool(size_t index, std::string_view element)>;

  ListValue() = default;
  explicit ListValue(const Value& value) : Value(value) {}

  [[nodiscard]] size_t size() const;
  void push(ListEnd end, std::string_view element);
  // The list is not empty.
  [[nodiscard]] std::string pop(ListEnd end);

  // index < size(). Scratch.
  [[nodiscard]] std::string_view at(size_t index) const;
  void set(size_t index, std::string_view element);
  // The element stands at `index` afterwards; index <= size().
  void insert(size_t index, std::string_view element);
  // Takes `count` elements out, from `first` on; first + count <= size().
  void erase(size_t first, size_t count);
  // Takes out up to `count` elements (all if 0) that equal `element`, the first or the last ones; the result is how
  // many. One pass (LREM).
  size_t remove_equal(std::string_view element, size_t count, ListEnd from);

  // `count` elements from `first` on, towards the tail or (downwards from `first`) the head; fewer if the list ends. Do
  // not change the list meanwhile.
  void for_range(size_t first, size_t count, Visit visit) const;
  void for_range_reverse(size_t first, size_t count, Visit visit) const;

 private:
  void leave_room(size_t bytes);

  mutable IntegerText scratch_;
};

}  // namespace keelson::kv
