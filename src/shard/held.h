// Operations that wait for the table of slots to change, in the order of their submission.
//
// A part of Replica: owner's thread. The operations live until they are finished, elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "shard/shard.h"

namespace keelson::shard {

struct HeldOperation {
  Operation* operation = nullptr;  // null: taken
  uint64_t order = 0;              // of its submission: grows
  int64_t deadline_ns = 0;
  size_t bytes = 0;
};

class HeldOperations {
 public:
  void add(const HeldOperation& held);
  [[nodiscard]] bool is_empty() const { return count_ == 0; }
  // Is anything of that sequence held that was submitted before `order`? Null has none.
  [[nodiscard]] bool has(const void* sequence, uint64_t order = UINT64_MAX) const;

  // To walk over them while new ones come behind: what was taken leaves a gap (a null operation) until close_gaps().
  [[nodiscard]] size_t size() const { return operations_.size(); }
  [[nodiscard]] const HeldOperation& at(size_t place) const { return operations_[place]; }
  HeldOperation take(size_t place);
  void close_gaps();

  // Those of a sequence that were submitted before `order`.
  std::vector<HeldOperation> take_before(const void* sequence, uint64_t order);

 private:
  [[nodiscard]] size_t place_of(uint64_t order) const;

  std::deque<HeldOperation> operations_;
  size_t count_ = 0;
  // The orders of each sequence that has any, ascending.
  // tidy: nondeterminism, because it is looked up and never walked.
  std::unordered_map<const void*, std::vector<uint64_t>> orders_of_;
};

}  // namespace keelson::shard
