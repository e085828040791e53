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
  [[nodiscard]] bool is_empty() const { return operations_.empty(); }
  // Null has none.
  [[nodiscard]] bool has(const void* sequence) const {
    return !operations_.empty() && sequence != nullptr && count_of_.contains(sequence);
  }

  // To walk over them while new ones come behind: take() leaves a gap, close_gaps() ends the walk.
  [[nodiscard]] size_t size() const { return operations_.size(); }
  [[nodiscard]] const HeldOperation& at(size_t place) const { return operations_[place]; }
  HeldOperation take(size_t place);
  void close_gaps();

  // Not within a walk: those of a sequence that were submitted before `order`.
  std::vector<HeldOperation> take_before(const void* sequence, uint64_t order);

 private:
  std::deque<HeldOperation> operations_;
  // Of each sequence that has any.
  // tidy: nondeterminism, because it is looked up and never walked.
  std::unordered_map<const void*, size_t> count_of_;
};

}  // namespace keelson::shard
