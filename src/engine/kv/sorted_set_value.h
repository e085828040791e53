// A sorted set under a key: packed while it is small, else a MemberTable with an order-statistics B+-tree. Lives and
// dies by the rules of value.h; made by Keyspace::create<SortedSetValue>().
//
// The order is by score, then by the members' bytes. Every range is a run of ranks: turn bounds into ranks with
// rank_of_start() and rank_of_end(), then visit or erase [first, first + count).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/function_ref.h"
#include "base/numbers.h"
#include "engine/kv/value.h"

namespace keelson::kv {

class PackedElement;

// One end of ZRANGEBYSCORE: infinities allowed, never NaN.
struct ScoreBound {
  double score = 0;
  bool is_exclusive = false;
};

// One end of ZRANGEBYLEX (all scores equal, or the result means little, as in Redis).
struct LexBound {
  enum class Kind : uint8_t { kMinimum, kInclusive, kExclusive, kMaximum };  // -  [  (  +
  Kind kind = Kind::kMinimum;
  std::string_view member;
};

class SortedSetValue final : public Value {
 public:
  static constexpr Type kType = Type::kSortedSet;
  // Return false to stop.
  using Visit = FunctionRef<bool(std::string_view member, double score)>;
  enum class Change : uint8_t { kAdded, kMoved, kNone };

  SortedSetValue() = default;
  explicit SortedSetValue(const Value& value) : Value(value) {}

  [[nodiscard]] size_t size() const;
  [[nodiscard]] std::optional<double> score(std::string_view member) const;
  // Adds the member or gives it another score. -0 is kept as 0. May not be a view into this sorted set.
  Change set(std::string_view member, double score);
  // True if it was there.
  bool erase(std::string_view member);

  // Members before it in ascending order.
  [[nodiscard]] std::optional<size_t> rank(std::string_view member) const;
  // rank < size(). Scratch.
  [[nodiscard]] std::pair<std::string_view, double> at(size_t rank) const;
  // How many members stand before a range that begins at `bound`...
  [[nodiscard]] size_t rank_of_start(const ScoreBound& bound) const;
  [[nodiscard]] size_t rank_of_start(const LexBound& bound) const;
  // ... and how many up to the end of a range that ends at `bound`. An empty range may have its end before its start.
  [[nodiscard]] size_t rank_of_end(const ScoreBound& bound) const;
  [[nodiscard]] size_t rank_of_end(const LexBound& bound) const;

  // `count` members in ascending order from rank `first` on, or in descending order from rank `first` down; fewer if
  // the set ends. Do not change the set meanwhile. The views hold for the call.
  void for_range(size_t first, size_t count, Visit visit) const;
  void for_range_reverse(size_t first, size_t count, Visit visit) const;
  // Takes the ranks [first, first + count) out; fewer if the set ends.
  void erase_range(size_t first, size_t count);

  // ZSCAN: as HashValue::scan().
  [[nodiscard]] uint64_t scan(uint64_t cursor, size_t count, Visit visit) const;

 private:
  void erase_packed(size_t at, size_t bytes);
  void insert_packed(const PackedElement& name, std::string_view member, double score);
  void to_object();

  mutable IntegerText scratch_;
};

}  // namespace keelson::kv
