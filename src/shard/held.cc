#include "shard/held.h"

#include <algorithm>
#include <utility>

namespace keelson::shard {

void HeldOperations::add(const HeldOperation& held) {
  const auto at = std::upper_bound(operations_.begin(), operations_.end(), held.order,
                                   [](uint64_t order, const HeldOperation& some) { return order < some.order; });
  operations_.insert(at, held);
  if (const void* sequence = held.operation->sequence()) ++count_of_[sequence];
}

HeldOperation HeldOperations::take(size_t place) {
  const HeldOperation held = operations_[place];
  operations_[place].operation = nullptr;
  if (const void* sequence = held.operation->sequence()) {
    const auto found = count_of_.find(sequence);
    if (--found->second == 0) count_of_.erase(found);
  }
  return held;
}

void HeldOperations::close_gaps() {
  std::erase_if(operations_, [](const HeldOperation& held) { return held.operation == nullptr; });
}

std::vector<HeldOperation> HeldOperations::take_before(const void* sequence, uint64_t order) {
  std::vector<HeldOperation> taken;
  if (!has(sequence)) return taken;
  for (size_t i = 0; i < operations_.size() && operations_[i].order < order; ++i) {
    const Operation* operation = operations_[i].operation;
    if (operation != nullptr && operation->sequence() == sequence) taken.push_back(take(i));
  }
  close_gaps();
  return taken;
}

}  // namespace keelson::shard
