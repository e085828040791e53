#include "engine/coord/key_index.h"

#include <algorithm>
#include <string>

#include "base/check.h"

namespace keelson::coord {

namespace {

// The shortest that is greater than `left` and not greater than `right`, which is greater than `left`.
std::string_view separator_between(std::string_view left, std::string_view right) {
  return right.substr(0, common_prefix(left, right) + 1);
}

}  // namespace

KeyIndex::KeyIndex() { clear(); }
KeyIndex::~KeyIndex() = default;

std::unique_ptr<KeyIndex::Leaf> KeyIndex::new_leaf() {
  auto leaf = std::make_unique_for_overwrite<Leaf>();
  leaf->count = 0;
  leaf->present = 0;
  leaf->shared = 0;
  return leaf;
}

void KeyIndex::clear() {
  groups_.clear();
  separators_ = Separators();
  groups_.push_back(std::make_unique<Group>());
  groups_.front()->leaves.push_back(new_leaf());
  size_ = 0;
  present_ = 0;
}

uint32_t KeyIndex::head_of(std::string_view key, uint32_t shared) {
  const std::string_view rest = key.substr(shared, sizeof(uint32_t));
  uint32_t head = 0;
  if (!rest.empty()) std::memcpy(&head, rest.data(), rest.size());
  return __builtin_bswap32(head);
}

void KeyIndex::make_heads(Leaf& leaf) {
  if (leaf.count == 0) {
    leaf.shared = 0;
    return;
  }
  leaf.shared = static_cast<uint32_t>(common_prefix(leaf.versions[0]->key(), leaf.versions[leaf.count - 1]->key()));
  // One alone would share all of itself, and have nothing to be told from others by.
  if (leaf.count == 1) leaf.shared = 0;
  for (uint32_t i = 0; i < leaf.count; ++i) leaf.heads[i] = head_of(leaf.versions[i]->key(), leaf.shared);
}

bool KeyIndex::search(const Leaf& leaf, std::string_view key, uint32_t& slot) {
  slot = 0;
  if (leaf.count == 0) return false;
  if (leaf.shared != 0) {
    const int order = key.substr(0, leaf.shared).compare(leaf.versions[0]->key().substr(0, leaf.shared));
    if (order != 0) {
      slot = order < 0 ? 0 : leaf.count;
      return false;
    }
  }
  const uint32_t head = head_of(key, leaf.shared);
  const uint32_t* const heads = leaf.heads.data();
  auto low = static_cast<uint32_t>(std::lower_bound(heads, heads + leaf.count, head) - heads);
  uint32_t high = low;
  while (high < leaf.count && heads[high] == head) ++high;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    const int order = leaf.versions[middle]->key().compare(key);
    if (order == 0) {
      slot = middle;
      return true;
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  slot = low;
  return false;
}

bool KeyIndex::find(std::string_view key, Place& place) const {
  place.group = static_cast<uint32_t>(separators_.count_not_greater(key));
  const Group& group = *groups_[place.group];
  place.leaf = static_cast<uint32_t>(group.separators.count_not_greater(key));
  return search(*group.leaves[place.leaf], key, place.slot);
}

Version* KeyIndex::at(const Place& place) const {
  const Leaf& leaf = leaf_of(place);
  KEELSON_CHECK(place.slot < leaf.count, "coord: no key stands at this place");
  return leaf.versions[place.slot];
}

void KeyIndex::count_change(const Place& place, int64_t change) {
  Leaf& leaf = leaf_of(place);
  leaf.present = static_cast<uint16_t>(leaf.present + change);
  groups_[place.group]->present += static_cast<uint64_t>(change);
  present_ += static_cast<uint64_t>(change);
}

void KeyIndex::move_keys(Leaf& from, uint32_t first, Leaf& to) {
  const uint32_t count = from.count - first;
  std::copy_n(from.versions.begin() + first, count, to.versions.begin() + to.count);
  const auto present =
      static_cast<uint16_t>(std::count_if(from.versions.begin() + first, from.versions.begin() + from.count,
                                          [](const Version* version) { return !version->is_deletion(); }));
  to.count = static_cast<uint16_t>(to.count + count);
  to.present = static_cast<uint16_t>(to.present + present);
  from.count = static_cast<uint16_t>(first);
  from.present = static_cast<uint16_t>(from.present - present);
  make_heads(to);
  make_heads(from);
}

void KeyIndex::split_leaf(std::string_view key, Place& place) {
  if (groups_[place.group]->leaves.size() == kGroupLeaves) split_group(place);
  Group& group = *groups_[place.group];
  Leaf& leaf = *group.leaves[place.leaf];
  // Keys that rise come behind the last: what they leave behind stays full.
  const bool is_append = place.slot == leaf.count;
  const uint32_t first = is_append ? leaf.count - 1U : leaf.count / 2U;
  auto right = new_leaf();
  move_keys(leaf, first, *right);
  const std::string_view separator = separator_between(leaf.versions[leaf.count - 1]->key(), right->versions[0]->key());
  group.separators.insert(place.leaf, separator);
  group.leaves.insert(group.leaves.begin() + place.leaf + 1, std::move(right));
  // A key between the two halves goes where a search by the separator will look for it.
  if (key >= separator) {
    ++place.leaf;
    place.slot -= first;
  }
}

void KeyIndex::split_group(Place& place) {
  Group& left = *groups_[place.group];
  const bool is_append = place.leaf + 1U == left.leaves.size();
  const auto first = static_cast<uint32_t>(is_append ? left.leaves.size() - 1 : left.leaves.size() / 2);
  auto right = std::make_unique<Group>();
  // The separator before the right group's first leaf moves up.
  separators_.insert(place.group, left.separators.text(first - 1));
  right->separators = left.separators.split(first);
  left.separators.erase(first - 1);
  for (size_t i = first; i < left.leaves.size(); ++i) {
    right->present += left.leaves[i]->present;
    right->leaves.push_back(std::move(left.leaves[i]));
  }
  left.leaves.resize(first);
  left.present -= right->present;
  groups_.insert(groups_.begin() + place.group + 1, std::move(right));
  if (place.leaf >= first) {
    ++place.group;
    place.leaf -= first;
  }
}

void KeyIndex::insert(const Place& where, Version* version) {
  Place place = where;
  if (leaf_of(place).count == kLeafKeys) split_leaf(version->key(), place);
  Leaf& leaf = leaf_of(place);
  std::copy_backward(leaf.versions.begin() + place.slot, leaf.versions.begin() + leaf.count,
                     leaf.versions.begin() + leaf.count + 1);
  leaf.versions[place.slot] = version;
  ++leaf.count;
  const std::string_view other = leaf.versions[place.slot == 0 ? leaf.count - 1 : 0]->key();
  if (leaf.count <= 2 || common_prefix(version->key(), other) < leaf.shared) {
    make_heads(leaf);
  } else {
    std::copy_backward(leaf.heads.begin() + place.slot, leaf.heads.begin() + leaf.count - 1,
                       leaf.heads.begin() + leaf.count);
    leaf.heads[place.slot] = head_of(version->key(), leaf.shared);
  }
  ++size_;
  if (!version->is_deletion()) count_change(place, 1);
}

void KeyIndex::replace(const Place& place, Version* version) {
  Version*& slot = leaf_of(place).versions[place.slot];
  const int64_t change = int64_t{slot->is_deletion()} - int64_t{version->is_deletion()};
  slot = version;
  if (change != 0) count_change(place, change);
}

void KeyIndex::drop_leaf(const Place& place) {
  Group& group = *groups_[place.group];
  if (group.leaves.size() > 1) {
    group.separators.erase(place.leaf == 0 ? 0 : place.leaf - 1);
    group.leaves.erase(group.leaves.begin() + place.leaf);
  } else if (groups_.size() > 1) {
    separators_.erase(place.group == 0 ? 0 : place.group - 1);
    groups_.erase(groups_.begin() + place.group);
  }
}

// A leaf with few keys takes its right neighbour's in, if there is room to grow in afterwards.
void KeyIndex::join_with_next(const Place& place) {
  Group& group = *groups_[place.group];
  if (place.leaf + 1U >= group.leaves.size()) return;
  Leaf& left = *group.leaves[place.leaf];
  Leaf& right = *group.leaves[place.leaf + 1];
  if (left.count + right.count > kLeafKeys * 3 / 4) return;
  move_keys(right, 0, left);
  drop_leaf({place.group, place.leaf + 1, 0});
}

void KeyIndex::erase(const Place& place) {
  Leaf& leaf = leaf_of(place);
  if (!leaf.versions[place.slot]->is_deletion()) count_change(place, -1);
  std::copy(leaf.versions.begin() + place.slot + 1, leaf.versions.begin() + leaf.count,
            leaf.versions.begin() + place.slot);
  std::copy(leaf.heads.begin() + place.slot + 1, leaf.heads.begin() + leaf.count, leaf.heads.begin() + place.slot);
  --leaf.count;
  --size_;
  if (leaf.count == 0) {
    leaf.shared = 0;
    drop_leaf(place);
  } else if (leaf.count < kLeafKeys / 4) {
    join_with_next(place);
  }
}

KeyIndex::Place KeyIndex::end() const { return {static_cast<uint32_t>(groups_.size()), 0, 0}; }

// Behind a leaf's last is before the next one's first.
void KeyIndex::settle(Place& place) const {
  while (place.group < groups_.size()) {
    const Group& group = *groups_[place.group];
    if (place.slot < group.leaves[place.leaf]->count) return;
    place.slot = 0;
    if (++place.leaf == group.leaves.size()) {
      place.leaf = 0;
      ++place.group;
    }
  }
}

KeyIndex::Place KeyIndex::lower_bound(std::string_view key) const {
  Place place;
  if (!find(key, place)) settle(place);
  return place;
}

void KeyIndex::advance(Place& place) const {
  ++place.slot;
  settle(place);
}

uint64_t KeyIndex::count_present(const Place& from, const Place& to) const {
  uint64_t count = 0;
  Place at = from;
  while (at < to) {
    const Group& group = *groups_[at.group];
    const bool is_same_group = at.group == to.group;
    if (at.leaf == 0 && at.slot == 0 && !is_same_group) {
      count += group.present;
      at = {at.group + 1, 0, 0};
      continue;
    }
    const Leaf& leaf = *group.leaves[at.leaf];
    const bool is_same_leaf = is_same_group && at.leaf == to.leaf;
    if (at.slot == 0 && !is_same_leaf) {
      count += leaf.present;
    } else {
      const uint32_t last = is_same_leaf ? to.slot : leaf.count;
      for (uint32_t i = at.slot; i < last; ++i) count += leaf.versions[i]->is_deletion() ? 0 : 1;
    }
    if (is_same_leaf) break;
    at = at.leaf + 1U < group.leaves.size() ? Place{at.group, at.leaf + 1, 0} : Place{at.group + 1, 0, 0};
  }
  return count;
}

size_t KeyIndex::bytes_used() const {
  // A separator's head, string, and what its text may take from the allocator.
  constexpr size_t kSeparatorBytes = sizeof(uint64_t) + sizeof(std::string) + 32;
  size_t bytes = separators_.bytes_used();
  for (const auto& group : groups_) {
    bytes += sizeof(Group) + group->leaves.size() * (kSeparatorBytes + sizeof(void*) + sizeof(Leaf));
  }
  return bytes;
}

}  // namespace keelson::coord
