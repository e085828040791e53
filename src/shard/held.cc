#include "shard/held.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::shard {

// Of the first that was not submitted before it.
size_t HeldOperations::place_of(uint64_t order) const {
  const auto at = std::lower_bound(operations_.begin(), operations_.end(), order,
                                   [](const HeldOperation& some, uint64_t value) { return some.order < value; });
  return static_cast<size_t>(at - operations_.begin());
}

void HeldOperations::add(const HeldOperation& held) {
  operations_.insert(operations_.begin() + static_cast<ptrdiff_t>(place_of(held.order)), held);
  ++count_;
  if (const void* sequence = held.operation->sequence()) {
    std::vector<uint64_t>& orders = orders_of_[sequence];
    orders.insert(std::lower_bound(orders.begin(), orders.end(), held.order), held.order);
  }
}

bool HeldOperations::has(const void* sequence, uint64_t order) const {
  if (count_ == 0 || sequence == nullptr) return false;
  const auto found = orders_of_.find(sequence);
  return found != orders_of_.end() && found->second.front() < order;
}

HeldOperation HeldOperations::take(size_t place) {
  const HeldOperation held = operations_[place];
  operations_[place].operation = nullptr;
  --count_;
  if (const void* sequence = held.operation->sequence()) {
    const auto found = orders_of_.find(sequence);
    KEELSON_CHECK(found != orders_of_.end(), "an operation keeps its sequence while it is held");
    std::erase(found->second, held.order);
    if (found->second.empty()) orders_of_.erase(found);
  }
  return held;
}

void HeldOperations::close_gaps() {
  if (count_ == operations_.size()) return;
  std::erase_if(operations_, [](const HeldOperation& held) { return held.operation == nullptr; });
}

std::vector<HeldOperation> HeldOperations::take_before(const void* sequence, uint64_t order) {
  std::vector<HeldOperation> taken;
  while (has(sequence, order)) taken.push_back(take(place_of(orders_of_.find(sequence)->second.front())));
  if (count_ == 0) close_gaps();
  return taken;
}

}  // namespace keelson::shard
