#include "engine/blob/ordered_index.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/coding.h"

namespace keelson::blob {

namespace {

// Leaves grow in steps of this.
constexpr size_t kStepBytes = 128;
// A leaf below this joins its right neighbour, if both fit well into one.
constexpr size_t kSmallBytes = 1024;
constexpr size_t kJoinedBytesMax = 3072;
constexpr size_t kCacheLineBytes = 64;
// What is fetched of a leaf beforehand: the processor sees by then where this goes, and fetches the rest.
constexpr size_t kFetchedBytes = 1024;

struct Raw {
  uint64_t shared = 0;
  std::string_view suffix;
  std::string_view value;
};

bool read_raw(std::string_view& from, Raw& entry) {
  uint64_t suffix = 0;
  uint64_t value = 0;
  if (!read_varint(from, entry.shared) || !read_varint(from, suffix) || !read_varint(from, value) ||
      suffix > from.size() || value > from.size() - suffix) {
    return false;
  }
  entry.suffix = from.substr(0, suffix);
  entry.value = from.substr(suffix, value);
  from.remove_prefix(suffix + value);
  return true;
}

// Of our own leaves.
Raw next_raw(std::string_view& from) {
  Raw entry;
  // Nearly all lengths have one byte.
  if (from.size() > 3 && ((from[0] | from[1] | from[2]) & 0x80) == 0) {
    entry.shared = static_cast<unsigned char>(from[0]);
    const size_t suffix = static_cast<unsigned char>(from[1]);
    const size_t value = static_cast<unsigned char>(from[2]);
    KEELSON_CHECK(suffix + value <= from.size() - 3, "a leaf of the index is malformed");
    entry.suffix = {from.data() + 3, suffix};
    entry.value = {from.data() + 3 + suffix, value};
    from.remove_prefix(3 + suffix + value);
    return entry;
  }
  const bool is_good = read_raw(from, entry);
  KEELSON_CHECK(is_good, "a leaf of the index is malformed");
  return entry;
}

void append_raw(std::string& out, uint64_t shared, std::string_view suffix, std::string_view more_suffix,
                std::string_view value) {
  append_varint(out, shared);
  append_varint(out, suffix.size() + more_suffix.size());
  append_varint(out, value.size());
  out.append(suffix).append(more_suffix).append(value);
}

std::string last_key(std::string_view leaf) {
  std::string key;
  while (!leaf.empty()) {
    const Raw entry = next_raw(leaf);
    key.resize(entry.shared);
    key.append(entry.suffix);
  }
  return key;
}

}  // namespace

struct OrderedIndex::Spot {
  size_t offset = 0;       // of the entry that is not less than the key, or of the leaf's end
  size_t end = 0;          // of that entry
  bool is_found = false;   // it is the key's own
  size_t shared_left = 0;  // bytes that the key shares with the entry before
  std::optional<Raw> at;   // that entry
  size_t shared_at = 0;    // bytes that the key shares with it
};

void OrderedIndex::Leaf::fetch() const {
  for (size_t at = 0; at < std::min<size_t>(size, kFetchedBytes); at += kCacheLineBytes)
    __builtin_prefetch(bytes.get() + at);
}

OrderedIndex::OrderedIndex() { clear(); }
OrderedIndex::~OrderedIndex() = default;

void OrderedIndex::clear() {
  KEELSON_CHECK(!is_checkpointing_, "the index is emptied during a checkpoint");
  groups_.clear();
  groups_.push_back(std::make_unique<Group>());
  groups_.back()->leaves.emplace_back();
  separators_ = {};
  size_ = leaf_bytes_ = 0;
  group_bytes_ = groups_.back()->bytes_used();
}

size_t OrderedIndex::bytes_used() const {
  return leaf_bytes_ + group_bytes_ + separators_.bytes_used() + groups_.capacity() * sizeof(groups_[0]);
}

// The directory.

OrderedIndex::Place OrderedIndex::place_of(std::string_view key) const {
  const size_t group = separators_.count_not_greater(key);
  return {group, groups_[group]->separators.count_not_greater(key)};
}

void OrderedIndex::step(Place& place) const {
  if (++place.leaf == groups_[place.group]->leaves.size()) place = {place.group + 1, 0};
}

std::string OrderedIndex::separator_before(Place place) const {
  if (place.leaf != 0) return groups_[place.group]->separators.text(place.leaf - 1);
  return place.group == 0 ? std::string() : separators_.text(place.group - 1);
}

void OrderedIndex::insert_leaf(Place behind, std::string_view separator, Leaf leaf) {
  Group& group = *groups_[behind.group];
  group_bytes_ -= group.bytes_used();
  group.separators.insert(behind.leaf, separator);
  group.leaves.insert(group.leaves.begin() + static_cast<ptrdiff_t>(behind.leaf) + 1, std::move(leaf));
  group_bytes_ += group.bytes_used();
  if (group.leaves.size() > kGroupLeavesMax) split_group(behind.group, behind.leaf + 2 == group.leaves.size());
}

// The leaf on the left takes the range, or else the one on the right.
void OrderedIndex::remove_leaf(Place place) {
  Group& group = *groups_[place.group];
  leaf_bytes_ -= group.leaves[place.leaf].capacity;
  group_bytes_ -= group.bytes_used();
  if (group.leaves.size() == 1) {
    groups_.erase(groups_.begin() + static_cast<ptrdiff_t>(place.group));
    separators_.erase(place.group == 0 ? 0 : place.group - 1);
    return;
  }
  group.separators.erase(place.leaf == 0 ? 0 : place.leaf - 1);
  group.leaves.erase(group.leaves.begin() + static_cast<ptrdiff_t>(place.leaf));
  group_bytes_ += group.bytes_used();
}

// Leaves that come in order fill each group; others halve it.
void OrderedIndex::split_group(size_t at, bool is_append) {
  Group& left = *groups_[at];
  group_bytes_ -= left.bytes_used();
  const size_t kept = is_append ? left.leaves.size() - 1 : left.leaves.size() / 2;
  auto right = std::make_unique<Group>();
  right->separators = left.separators.split(kept);
  const std::string between = left.separators.text(kept - 1);
  left.separators.erase(kept - 1);
  right->leaves.assign(std::make_move_iterator(left.leaves.begin() + static_cast<ptrdiff_t>(kept)),
                       std::make_move_iterator(left.leaves.end()));
  left.leaves.erase(left.leaves.begin() + static_cast<ptrdiff_t>(kept), left.leaves.end());
  left.leaves.shrink_to_fit();
  group_bytes_ += left.bytes_used() + right->bytes_used();
  separators_.insert(at, between);
  groups_.insert(groups_.begin() + static_cast<ptrdiff_t>(at) + 1, std::move(right));
}

// Leaves.

// Compares by what is known already: `match` is how much the key shares with the entry before, which is less. An entry
// that shares more than that with it is less too; one that shares less is greater. `from`: where to begin, behind an
// entry that is less and shares `match` with the key.
OrderedIndex::Spot OrderedIndex::find_in(const Leaf& leaf, std::string_view key, size_t from, size_t match) {
  Spot spot;
  std::string_view rest = leaf.view().substr(from);
  while (!rest.empty()) {
    const size_t offset = leaf.size - rest.size();
    const Raw entry = next_raw(rest);
    size_t shared = match;
    bool is_less = false;
    if (entry.shared < match) {
      shared = entry.shared;
    } else if (entry.shared > match) {
      is_less = true;
    } else {
      const size_t more = common_prefix(key.substr(match), entry.suffix);
      shared = match + more;
      is_less = more == entry.suffix.size() ? shared < key.size()
                                            : shared < key.size() && static_cast<unsigned char>(entry.suffix[more]) <
                                                                         static_cast<unsigned char>(key[shared]);
      spot.is_found = more == entry.suffix.size() && shared == key.size();
    }
    if (!is_less) {
      spot.offset = offset;
      spot.end = leaf.size - rest.size();
      spot.shared_left = match;
      spot.at = entry;
      spot.shared_at = shared;
      return spot;
    }
    match = shared;
  }
  spot.offset = spot.end = leaf.size;
  spot.shared_left = match;
  return spot;
}

void OrderedIndex::before_change(Leaf& leaf) {
  if (!is_checkpointing_ || leaf.epoch == epoch_) return;
  if (leaf.count != 0) take_early_(leaf.view());
  leaf.epoch = epoch_;
}

// Puts `bytes` in the place of what stands between `from` and `to`.
void OrderedIndex::splice(Leaf& leaf, size_t from, size_t to, std::string_view bytes) {
  const size_t size = leaf.size - (to - from) + bytes.size();
  if (size > leaf.capacity || size + 4 * kStepBytes < leaf.capacity) {
    const size_t capacity = (size + kStepBytes - 1) / kStepBytes * kStepBytes;
    auto grown = std::make_unique_for_overwrite<char[]>(capacity);
    if (from != 0) std::memcpy(grown.get(), leaf.bytes.get(), from);
    if (!bytes.empty()) std::memcpy(grown.get() + from, bytes.data(), bytes.size());
    if (leaf.size != to) std::memcpy(grown.get() + from + bytes.size(), leaf.bytes.get() + to, leaf.size - to);
    leaf_bytes_ += capacity - leaf.capacity;
    leaf.bytes = std::move(grown);
    leaf.capacity = static_cast<uint32_t>(capacity);
  } else {
    // An empty leaf has no bytes to point to.
    if (leaf.size != to) std::memmove(leaf.bytes.get() + from + bytes.size(), leaf.bytes.get() + to, leaf.size - to);
    if (!bytes.empty()) std::memcpy(leaf.bytes.get() + from, bytes.data(), bytes.size());
  }
  leaf.size = static_cast<uint32_t>(size);
}

void OrderedIndex::put(std::string_view key, std::string_view value) {
  const Place at = place_of(key);
  Leaf& leaf = leaf_at(at);
  before_change(leaf);
  const Spot spot = find_in(leaf, key);
  const bool is_append = spot.offset == leaf.size;
  std::string bytes;
  bytes.reserve(key.size() + value.size() + 2 * kVarintBytesMax);
  if (spot.is_found) {
    append_raw(bytes, spot.at->shared, spot.at->suffix, {}, value);
  } else {
    append_raw(bytes, spot.shared_left, key.substr(spot.shared_left), {}, value);
    // The entry behind shares at least as much with the new key as it did with the one before.
    if (spot.at) {
      append_raw(bytes, spot.shared_at, spot.at->suffix.substr(spot.shared_at - spot.at->shared), {}, spot.at->value);
    }
    ++leaf.count;
    ++size_;
  }
  splice(leaf, spot.offset, spot.end, bytes);
  if (leaf.size > kLeafBytesMax && leaf.count > 1) split(at, is_append);
}

// Keys that come in order fill each leaf; others halve it.
void OrderedIndex::split(Place at, bool is_append) {
  Leaf& left = leaf_at(at);
  std::string_view rest = left.view();
  std::string key;
  std::string before;
  uint32_t count = 0;
  while (true) {
    const size_t offset = left.size - rest.size();
    const Raw entry = next_raw(rest);
    before = key;
    key.resize(entry.shared);
    key.append(entry.suffix);
    const bool is_here = is_append ? rest.empty() : offset != 0 && (offset >= left.size / 2 || rest.empty());
    if (!is_here) {
      ++count;
      continue;
    }
    std::string first;
    append_raw(first, 0, key, {}, entry.value);
    Leaf right;
    right.epoch = left.epoch;
    right.count = left.count - count;
    splice(right, 0, 0, rest);
    splice(right, 0, 0, first);
    splice(left, offset, left.size, {});
    left.count = count;
    // As short as tells the two apart.
    insert_leaf(at, std::string_view(key).substr(0, common_prefix(before, key) + 1), std::move(right));
    return;
  }
}

bool OrderedIndex::erase(std::string_view key) {
  const Place at = place_of(key);
  Leaf& leaf = leaf_at(at);
  const Spot spot = find_in(leaf, key);
  if (!spot.is_found) return false;
  before_change(leaf);
  std::string bytes;
  size_t end = spot.end;
  if (spot.end < leaf.size) {
    std::string_view rest = leaf.view().substr(spot.end);
    const Raw behind = next_raw(rest);
    end = leaf.size - rest.size();
    // What the one behind took from the key that goes, it must say itself.
    const uint64_t shared = std::min(behind.shared, spot.at->shared);
    append_raw(bytes, shared, spot.at->suffix.substr(0, behind.shared - shared), behind.suffix, behind.value);
  }
  splice(leaf, spot.offset, end, bytes);
  --leaf.count;
  --size_;
  merge_if_small(at);
  return true;
}

// Only within a group: what is left undone at its end is one leaf in very many.
void OrderedIndex::merge_if_small(Place at) {
  Leaf& leaf = leaf_at(at);
  if (leaf.size >= kSmallBytes) return;
  const Group& group = *groups_[at.group];
  if (leaf.count == 0) {
    if (group.leaves.size() > 1 || groups_.size() > 1) remove_leaf(at);
    return;
  }
  if (at.leaf + 1 == group.leaves.size()) return;
  const Place behind{at.group, at.leaf + 1};
  Leaf& next = leaf_at(behind);
  if (leaf.size + next.size > kJoinedBytesMax) return;
  before_change(next);
  std::string_view rest = next.view();
  if (!rest.empty()) {
    const Raw first = next_raw(rest);
    const size_t shared = common_prefix(last_key(leaf.view()), first.suffix);
    std::string bytes;
    append_raw(bytes, shared, first.suffix.substr(shared), {}, first.value);
    bytes.append(rest);
    splice(leaf, leaf.size, leaf.size, bytes);
    leaf.count += next.count;
  }
  remove_leaf(behind);
}

bool OrderedIndex::find(std::string_view key, std::string_view& value) const {
  const Spot spot = find_in(leaf_at(place_of(key)), key);
  if (spot.is_found) value = spot.at->value;
  return spot.is_found;
}

// Walking.

void OrderedIndex::Cursor::seek(std::string_view key) {
  place_ = index_.place_of(key);
  const Leaf& leaf = index_.leaf_at(place_);
  leaf.fetch();
  take(find_in(leaf, key), key);
}

void OrderedIndex::Cursor::seek_forward(std::string_view key) { move_to(index_.place_of(key), key); }

void OrderedIndex::Cursor::move_to(Place place, std::string_view key) {
  const Leaf& leaf = index_.leaf_at(place);
  if (place != place_) {
    place_ = place;
    take(find_in(leaf, key), key);
  } else if (key_ < key) {
    take(find_in(leaf, key, at_, common_prefix(key_, key)), key);
  }
}

void OrderedIndex::Cursor::skip_prefix(std::string_view key, std::string_view delimiter, size_t from) {
  expected_.resize(kExpectedMax);
  while (expected_count_ != 0 && expected(0).key < key) drop_expected();
  Place place;
  if (expected_count_ != 0 && expected(0).key == key) {
    place = expected(0).place;
    drop_expected();
  } else {
    place = index_.place_of(key);
    if (place != place_) index_.leaf_at(place).fetch();
  }
  while (expected_count_ < kExpectedMax) {
    if (!expect_behind(expected_count_ == 0 ? place : expected(expected_count_ - 1).place, delimiter, from)) break;
  }
  move_to(place, key);
}

// A leaf in which one prefix ends ends itself within another: its right neighbour's separator says within which. That
// one ends in the leaf that holds what is behind it. False: it cannot be said.
bool OrderedIndex::Cursor::expect_behind(Place place, std::string_view delimiter, size_t from) {
  const Group& group = *index_.groups_[place.group];
  if (place.leaf == group.separators.size() || delimiter.empty() || delimiter.back() == '\xff') return false;
  Expected& next = expected(expected_count_);
  group.separators.copy_text(place.leaf, next.key);
  const size_t cut = next.key.find(delimiter, from);
  if (cut == std::string::npos) return false;
  next.key.resize(cut + delimiter.size());
  next.key.back() = static_cast<char>(static_cast<unsigned char>(next.key.back()) + 1);
  next.place = {place.group, group.separators.count_not_greater(next.key)};
  // Behind the group's last separator it may be the next group's.
  if (next.place.leaf == group.separators.size()) return false;
  index_.leaf_at(next.place).fetch();
  ++expected_count_;
  return true;
}

// What was found for `key` in the leaf.
void OrderedIndex::Cursor::take(const Spot& spot, std::string_view key) {
  if (!spot.at) {
    index_.step(place_);
    enter_leaf();
    return;
  }
  // What it takes from the entry before, it shares with `key` too: it would stand before `key` otherwise.
  key_.assign(key.substr(0, spot.at->shared)).append(spot.at->suffix);
  value_ = spot.at->value;
  at_ = spot.end;
  is_valid_ = true;
}

// To the first entry from the beginning of this leaf on.
void OrderedIndex::Cursor::enter_leaf() {
  is_valid_ = false;
  while (!index_.is_end(place_) && index_.leaf_at(place_).count == 0) index_.step(place_);
  if (index_.is_end(place_)) return;
  at_ = 0;
  key_.clear();
  decode();
}

void OrderedIndex::Cursor::decode() {
  const Leaf& leaf = index_.leaf_at(place_);
  std::string_view rest = leaf.view().substr(at_);
  const Raw entry = next_raw(rest);
  key_.resize(entry.shared);
  key_.append(entry.suffix);
  value_ = entry.value;
  at_ = leaf.size - rest.size();
  is_valid_ = true;
}

void OrderedIndex::Cursor::next() {
  if (at_ < index_.leaf_at(place_).size) {
    decode();
    return;
  }
  index_.step(place_);
  enter_leaf();
}

// Checkpoints.

void OrderedIndex::begin_checkpoint(TakeLeaf take_early) {
  KEELSON_CHECK(!is_checkpointing_, "one checkpoint at a time");
  ++epoch_;
  is_checkpointing_ = true;
  has_more_ = true;
  next_separator_.clear();
  take_early_ = std::move(take_early);
}

bool OrderedIndex::checkpoint_some(size_t bytes_wanted, const TakeLeaf& take) {
  if (!has_more_) return true;
  size_t given = 0;
  // Leaves up to there may have been joined meanwhile; then it is one that has been given.
  Place at = place_of(next_separator_);
  // Leaves that have been given early cost a look each, so they count a little.
  for (; !is_end(at) && given < bytes_wanted; step(at)) {
    Leaf& leaf = leaf_at(at);
    given += 16;
    if (leaf.epoch == epoch_) continue;
    leaf.epoch = epoch_;
    if (leaf.count == 0) continue;
    take(leaf.view());
    given += leaf.size;
  }
  has_more_ = !is_end(at);
  if (has_more_) next_separator_ = separator_before(at);
  return !has_more_;
}

void OrderedIndex::end_checkpoint() {
  is_checkpointing_ = has_more_ = false;
  take_early_ = {};
}

Status OrderedIndex::load_leaf(std::string_view leaf,
                               const std::function<bool(std::string_view, std::string_view)>& look) {
  const auto bad = [](const char* why) {
    return fail(std::make_error_code(std::errc::bad_message), std::string("a leaf of the index ") + why);
  };
  std::string key;
  std::string first;
  uint32_t count = 0;
  std::string_view rest = leaf;
  while (!rest.empty()) {
    Raw entry;
    if (!read_raw(rest, entry)) return bad("is cut short");
    const std::string before = key;
    if (entry.shared > key.size() || (count == 0 && entry.suffix.empty())) return bad("has a key that is no key");
    key.resize(entry.shared);
    key.append(entry.suffix);
    if (count != 0 && (key <= before || entry.shared != common_prefix(before, key))) return bad("is out of order");
    if (count == 0) first = key;
    ++count;
    if (!look(key, entry.value)) return bad("has an entry that is malformed");
  }
  if (count == 0 || leaf.size() > UINT32_MAX) return bad("is empty or too large");
  const Place before = place_of(first);
  const Leaf& neighbour = leaf_at(before);
  if (neighbour.count != 0 && last_key(neighbour.view()) >= first) return bad("overlaps with another");
  // A separator may be shorter than the first key behind it, so the neighbour on the right is asked for its key.
  Place next = before;
  step(next);
  if (!is_end(next) && separator_before(next) <= key) return bad("overlaps with another");
  Leaf loaded;
  loaded.epoch = epoch_;
  loaded.count = count;
  splice(loaded, 0, 0, leaf);
  insert_leaf(before, first, std::move(loaded));
  size_ += count;
  return {};
}

}  // namespace keelson::blob
