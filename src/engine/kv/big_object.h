// BigObject: a value that is too large to stand in its entry. The entry holds its address and owns it.
//
// While a checkpoint has not written all of an object down, `pending` points to what keeps account of that; whoever
// changes the object tells it first which part it is about to change (a block, chunk or leaf), so that the part is
// written as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keelson::kv {

class PendingObject;

class BigObject {
 public:
  // The numbers stand in checkpoints.
  enum class Kind : uint8_t { kString = 0, kList = 1, kMembers = 2, kSortedSet = 3 };

  explicit BigObject(Kind kind) : kind_(kind) {}
  BigObject(const BigObject&) = delete;
  BigObject& operator=(const BigObject&) = delete;

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] PendingObject* pending() const { return pending_; }
  void set_pending(PendingObject* pending) { pending_ = pending; }

 protected:
  ~BigObject() = default;

 private:
  PendingObject* pending_ = nullptr;
  const Kind kind_;
};

// Frees at most about `budget` elements' worth of the object and counts `budget` down; true when all of it is gone (the
// object too).
bool drain_object(BigObject* object, size_t& budget);
// A copy with the same elements in the same order; tables hash with `secret`.
[[nodiscard]] BigObject* copy_object(const BigObject& object, uint64_t secret);
// As Keyspace::prefetch() and prefetch_entry(), for one member of a collection that is so large that it will not be in
// the cache.
[[nodiscard]] uint64_t prefetch_member(const BigObject& object, std::string_view name);
void prefetch_member_node(const BigObject& object, uint64_t hash);
// How many elements' worth of work freeing it is.
[[nodiscard]] size_t drain_cost(const BigObject& object);
// The object's allocations. Looks at up to `samples` elements of a collection, all of them if 0.
[[nodiscard]] size_t object_bytes(const BigObject& object, size_t samples);

}  // namespace keelson::kv
