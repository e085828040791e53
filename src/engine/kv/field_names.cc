#include "engine/kv/field_names.h"

#include "base/hash.h"

namespace keelson::kv {

uint64_t FieldNames::hash(std::string_view name) const { return hash64(name, secret_); }

std::optional<uint16_t> FieldNames::find_hash(std::string_view name, uint64_t hash) const {
  if (slots_ == nullptr) return std::nullopt;
  for (size_t at = hash % kSlots;; at = (at + 1) % kSlots) {
    const uint16_t taken = (*slots_)[at];
    if (taken == 0) return std::nullopt;
    if (names_[taken - 1U] == name) return static_cast<uint16_t>(taken - 1);
  }
}

std::optional<uint16_t> FieldNames::sighted(std::string_view name) {
  if (!has_fitting_size(name)) return std::nullopt;
  const uint64_t name_hash = hash(name);
  const std::optional<uint16_t> known = find_hash(name, name_hash);
  if (known || names_.size() == kNamesMax) return known;
  if (counts_ == nullptr) counts_ = std::make_unique<Counts>();
  Count& count = (*counts_)[(name_hash >> 16) % kCounts];
  const auto tag = static_cast<uint16_t>(name_hash >> 48);
  if (count.tag != tag || count.seen == 0) {
    // Another name stands here: it gives way when it has been outnumbered.
    if (count.seen > 1) {
      --count.seen;
    } else {
      count = {tag, 1};
    }
    return std::nullopt;
  }
  if (++count.seen < kSightings) return std::nullopt;
  count = {};
  if (slots_ == nullptr) slots_ = std::make_unique<Slots>();
  const auto number = static_cast<uint16_t>(names_.size());
  names_.emplace_back(name);
  size_t at = name_hash % kSlots;
  while ((*slots_)[at] != 0) at = (at + 1) % kSlots;
  (*slots_)[at] = static_cast<uint16_t>(number + 1);
  return number;
}

size_t FieldNames::bytes() const {
  size_t total = (slots_ != nullptr ? sizeof(Slots) : 0) + (counts_ != nullptr ? sizeof(Counts) : 0);
  for (const std::string& name : names_) total += sizeof(std::string) + (name.size() > 15 ? name.capacity() + 1 : 0);
  return total;
}

void FieldNames::clear() {
  names_.clear();
  slots_.reset();
  counts_.reset();
}

}  // namespace keelson::kv
