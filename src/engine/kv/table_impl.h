// The bodies of Table's member templates; included by table.h alone.
#pragma once

#include "engine/kv/table.h"

namespace keelson::kv {

template <class Traits>
template <class Predicate>
auto Table<Traits>::find_where(uint64_t hash, Predicate is_it) const -> Node* {
  if (directory_.empty()) return nullptr;
  const uint64_t word = directory_word(hash);
  Segment* segment = segment_in(word);
  const size_t home = home_of(hash, word);
  const uint64_t tag = table_detail::tag_of(hash);
  auto look_in = [tag, &is_it](const Bucket& bucket) -> Node* {
    for (unsigned hits = table_detail::match(bucket, tag); hits != 0; hits &= hits - 1) {
      Node* node = node_of(bucket.slots[static_cast<unsigned>(std::countr_zero(hits))]);
      if (is_it(*node)) return node;
    }
    return nullptr;
  };
  const Bucket& bucket = *segment->bucket(home);
  if (Node* node = look_in(bucket)) return node;
  const uint64_t flags = bucket.slots[0] & table_detail::kBucketFlags;
  if (flags == 0) [[likely]]
    return nullptr;
  if ((flags & table_detail::kHasNeighbour) != 0) {
    if (Node* node = look_in(*segment->bucket(next_bucket(*segment, home)))) return node;
  }
  if ((flags & table_detail::kHasStashed) != 0) {
    for (size_t i = 0; i < segment->stashes; ++i) {
      if (Node* node = look_in(*segment->bucket(segment->buckets + i))) return node;
    }
  }
  return nullptr;
}

template <class Traits>
void Table<Traits>::prefetch_node(uint64_t hash) const {
  if (size_ == 0) return;
  const uint64_t word = directory_word(hash);
  const Bucket& bucket = *segment_in(word)->bucket(home_of(hash, word));
  const unsigned hits = table_detail::match(bucket, table_detail::tag_of(hash));
  if (hits == 0) return;
  const auto* node =
      reinterpret_cast<const char*>(node_of(bucket.slots[static_cast<unsigned>(std::countr_zero(hits))]));
  // An entry with a short value often lies across two cache lines.
  __builtin_prefetch(node);
  __builtin_prefetch(node + 64);
}

// Puts the word (without flags) into its home, the next bucket or the stash. False if the segment must grow.
template <class Traits>
bool Table<Traits>::place(Segment& segment, uint64_t word, size_t home) {
  using namespace table_detail;
  Bucket& bucket = *segment.bucket(home);
  int slot = free_slot(bucket);
  if (slot < 0 && make_room(segment, home)) slot = free_slot(bucket);
  if (slot >= 0) {
    put(bucket, slot, word);
  } else {
    Bucket& next = *segment.bucket(next_bucket(segment, home));
    slot = free_slot(next);
    if (slot >= 0) {
      put(next, slot, word | kIsGuest);
      bucket.slots[0] |= kHasNeighbour;
    } else {
      size_t stash = segment.buckets;
      const size_t stash_end = stash + segment.stashes;
      while (stash < stash_end && (slot = free_slot(*segment.bucket(stash))) < 0) ++stash;
      if (stash == stash_end) return false;
      put(*segment.bucket(stash), slot, word);
      bucket.slots[0] |= kHasStashed;
      ++segment.stash_count;
    }
  }
  ++segment.count;
  return true;
}

// The home is full: moves one of its own nodes on to the next bucket, if that bucket can take it only after one of its
// own has moved on in turn. True if the home has a free slot now.
template <class Traits>
bool Table<Traits>::make_room(Segment& segment, size_t home) {
  using namespace table_detail;
  const size_t next = next_bucket(segment, home);
  const size_t after = next_bucket(segment, next);
  if (after == home || free_slot(*segment.bucket(next)) >= 0) return false;  // the new node can go there itself
  const int into = free_slot(*segment.bucket(after));
  if (into < 0) return false;
  Bucket& full = *segment.bucket(next);
  for (unsigned i = 0; i < kSlots; ++i) {
    const uint64_t word = word_of(full, i);
    if ((word & kIsGuest) != 0) continue;
    put(*segment.bucket(after), into, word | kIsGuest);
    full.slots[0] |= kHasNeighbour;
    full.slots[i] &= kBucketFlags;
    return false;  // the new node goes to the slot that has become free in the next bucket
  }
  return false;
}

template <class Traits>
void Table<Traits>::insert(Node* node, uint64_t hash) {
  const uint64_t word = reinterpret_cast<uint64_t>(node) | table_detail::tag_of(hash) << 48;
  if (directory_.empty()) {
    directory_.push_back(0);
    deepest_ = 1;
    point_to(new_segment(0, 0, 0));
  }
  for (;;) {
    Segment* segment = segment_of(hash);
    if (place(*segment, word, home_of(hash, *segment))) break;
    grow(segment);
  }
  ++size_;
}

template <class Traits>
auto Table<Traits>::locate(Segment& segment, const Node* node, uint64_t hash) const -> Place {
  const size_t home = home_of(hash, segment);
  const auto address = reinterpret_cast<uint64_t>(node);
  auto look_in = [&](size_t bucket, Place& place) {
    for (unsigned i = 0; i < table_detail::kSlots; ++i) {
      if ((segment.bucket(bucket)->slots[i] & table_detail::kAddressMask) == address) {
        place = {bucket, i};
        return true;
      }
    }
    return false;
  };
  Place place{};
  if (look_in(home, place) || look_in(next_bucket(segment, home), place)) return place;
  for (size_t i = 0; i < segment.stashes; ++i) {
    if (look_in(segment.buckets + i, place)) return place;
  }
  KEELSON_CHECK(false, "a node to be changed is not in its table");
  return place;
}

template <class Traits>
void Table<Traits>::erase(const Node* node, uint64_t hash) {
  using namespace table_detail;
  Segment& segment = *segment_of(hash);
  const Place place = locate(segment, node, hash);
  Bucket& bucket = *segment.bucket(place.bucket);
  const bool was_guest = (bucket.slots[place.slot] & kIsGuest) != 0;
  bucket.slots[place.slot] &= kBucketFlags;
  --segment.count;
  --size_;
  if (place.bucket >= segment.buckets) {
    if (--segment.stash_count == 0) {
      for (size_t i = 0; i < segment.buckets; ++i) segment.bucket(i)->slots[0] &= ~kHasStashed;
    }
  } else if (was_guest) {
    bool has_more = false;
    for (unsigned i = 0; i < kSlots; ++i) has_more |= (bucket.slots[i] & kIsGuest) != 0;
    if (!has_more) segment.bucket(home_of(hash, segment))->slots[0] &= ~kHasNeighbour;
  }
  if (segment.count < kMergeBelow / 2 && segment.count % 16 == 0 && segment.depth > 0 && !is_frozen_)
    try_merge(&segment);
}

template <class Traits>
void Table<Traits>::replace(const Node* from, Node* to, uint64_t hash) {
  Segment& segment = *segment_of(hash);
  const Place place = locate(segment, from, hash);
  uint64_t& slot = segment.bucket(place.bucket)->slots[place.slot];
  slot = (slot & ~table_detail::kAddressMask) | reinterpret_cast<uint64_t>(to);
}

template <class Traits>
auto Table<Traits>::new_segment(size_t shape, uint64_t prefix, unsigned depth) -> Segment* {
  const table_detail::Shape& form = table_detail::kShapes[shape];
  const size_t bytes = form.bytes();
  void* memory = std::aligned_alloc(table_detail::kLine, bytes);
  KEELSON_CHECK(memory != nullptr, "out of memory");
  std::memset(memory, 0, bytes);
  auto* segment = static_cast<Segment*>(memory);
  segment->prefix = prefix;
  segment->buckets = form.buckets;
  segment->stashes = form.stashes;
  segment->depth = static_cast<uint8_t>(depth);
  segment->shape = static_cast<uint8_t>(shape);
  segment->epoch = epoch_;
  segment_bytes_ += bytes;
  return segment;
}

template <class Traits>
void Table<Traits>::free_segment(Segment* segment) {
  segment_bytes_ -= segment->bytes();
  std::free(segment);
}

template <class Traits>
void Table<Traits>::free_segments() {
  for (size_t i = 0; i < directory_.size();) {
    Segment* segment = segment_in(directory_[i]);
    i += size_t{1} << (depth_ - segment->depth);
    free_segment(segment);
  }
}

// Writes the segment into all its places in the directory.
template <class Traits>
void Table<Traits>::point_to(Segment* segment) {
  const size_t first = depth_ == 0 ? 0 : segment->prefix >> (64 - depth_);
  const size_t count = size_t{1} << (depth_ - segment->depth);
  std::fill_n(directory_.begin() + static_cast<ptrdiff_t>(first), count,
              reinterpret_cast<uint64_t>(segment) | segment->depth | uint64_t{segment->buckets} << 48);
}

template <class Traits>
void Table<Traits>::collect(Segment& segment, std::vector<uint64_t>& words) {
  const size_t lines = size_t{segment.buckets} + segment.stashes;
  for (size_t i = 0; i < lines; ++i) {
    for (uint64_t word : segment.bucket(i)->slots) {
      if (Node* node = node_of(word)) {
        __builtin_prefetch(node);
        words.push_back(word);
      }
    }
  }
}

// Inserts nodes that were in the table before.
template <class Traits>
void Table<Traits>::refill(std::vector<uint64_t>& words) {
  size_ -= words.size();
  for (uint64_t word : words) insert(node_of(word), hash_of(node_of(word)));
}

template <class Traits>
void Table<Traits>::grow(Segment* segment) {
  if (segment->shape == table_detail::kLargestShape) return split(segment);
  std::vector<uint64_t> words;
  words.reserve(segment->count);
  collect(*segment, words);
  Segment* larger = new_segment(segment->shape + 1U, segment->prefix, segment->depth);
  larger->epoch = segment->epoch;
  free_segment(segment);
  point_to(larger);
  refill(words);
}

template <class Traits>
void Table<Traits>::split(Segment* segment) {
  KEELSON_CHECK(segment->depth < kDepthMax, "too many keys with the same hash");
  std::vector<uint64_t> words;
  words.reserve(segment->count);
  collect(*segment, words);
  if (segment->depth == depth_) {
    std::vector<uint64_t> doubled(directory_.size() * 2);
    for (size_t i = 0; i < doubled.size(); ++i) doubled[i] = directory_[i / 2];
    directory_ = std::move(doubled);
    ++depth_;
    deepest_ = 0;
  }
  const unsigned depth = segment->depth + 1U;
  const uint64_t prefix = segment->prefix;
  for (uint64_t half = 0; half < 2; ++half) {
    Segment* part = new_segment(table_detail::kSplitShape, prefix | half << (64 - depth), depth);
    part->epoch = segment->epoch;
    point_to(part);
  }
  if (depth == depth_) deepest_ += 2;
  free_segment(segment);
  refill(words);
}

// Joins the segment with the other half that it was once split from, if they are poor enough.
template <class Traits>
void Table<Traits>::try_merge(Segment* segment) {
  const uint64_t bit = uint64_t{1} << (64 - segment->depth);
  Segment* other = segment_of(segment->prefix ^ bit);
  if (other->depth != segment->depth || segment->count + other->count >= kMergeBelow) return;
  std::vector<uint64_t> words;
  words.reserve(segment->count + other->count);
  collect(*segment, words);
  collect(*other, words);
  const unsigned depth = segment->depth;
  Segment* joined = new_segment(table_detail::kSplitShape, segment->prefix & ~bit, depth - 1);
  joined->epoch = segment->epoch;
  free_segment(segment);
  free_segment(other);
  point_to(joined);
  if (depth == depth_) {
    deepest_ -= 2;
    if (deepest_ == 0) {
      // Nothing needs the last bit of the directory any more.
      for (size_t i = 0; i < directory_.size() / 2; ++i) directory_[i] = directory_[2 * i];
      directory_.resize(directory_.size() / 2);
      directory_.shrink_to_fit();
      --depth_;
      for (size_t i = 0; i < directory_.size();) {
        const unsigned here = static_cast<unsigned>(directory_[i] & kDepthMask);
        deepest_ += here == depth_ ? 1 : 0;
        i += size_t{1} << (depth_ - here);
      }
    }
  }
  refill(words);
}

template <class Traits>
void Table<Traits>::reserve(size_t count) {
  KEELSON_CHECK(size_ == 0, "reserve() is for an empty table");
  using namespace table_detail;
  // Segments grow when they are about 85% full; three quarters leave room for uneven ones.
  const auto comfortable = [](size_t shape) { return kShapes[shape].slots() * 3 / 4; };
  if (count < comfortable(kSplitShape)) return;
  clear();
  depth_ = static_cast<unsigned>(std::bit_width((count - 1) / comfortable(kLargestShape)));
  size_t shape = kSplitShape;
  while (shape < kLargestShape && comfortable(shape) < count >> depth_) ++shape;
  directory_.resize(size_t{1} << depth_);
  deepest_ = directory_.size();
  for (size_t i = 0; i < directory_.size(); ++i) {
    point_to(new_segment(shape, depth_ == 0 ? 0 : uint64_t{i} << (64 - depth_), depth_));
  }
}

template <class Traits>
template <class Visit>
void Table<Traits>::for_each_in(Segment& segment, Visit visit) {
  const size_t lines = size_t{segment.buckets} + segment.stashes;
  for (size_t i = 0; i < lines; ++i) {
    if (i + 1 < lines) {
      for (uint64_t word : segment.bucket(i + 1)->slots) __builtin_prefetch(node_of(word));
    }
    for (uint64_t word : segment.bucket(i)->slots) {
      if (Node* node = node_of(word)) visit(node);
    }
  }
}

template <class Traits>
template <class Visit>
void Table<Traits>::for_each(Visit visit) const {
  for (size_t i = 0; i < directory_.size();) {
    Segment* segment = segment_in(directory_[i]);
    i += size_t{1} << (depth_ - segment->depth);
    for_each_in(*segment, visit);
  }
}

template <class Traits>
template <class Visit>
uint64_t Table<Traits>::scan(uint64_t cursor, size_t count, Visit visit) const {
  using namespace table_detail;
  if (size_ == 0) return 0;
  uint64_t position = cursor << 16;
  size_t seen = 0;
  // Empty buckets cost as well: a sparse table is walked at most this far in one call.
  size_t buckets_left = std::max<size_t>(count, 1) * 10;
  do {
    Segment& segment = *segment_of(position);
    const size_t home = home_of(position, segment);
    auto consider = [&](uint64_t word) {
      Node* node = node_of(word);
      const uint64_t hash = hash_of(node);
      if (home_of(hash, segment) != home || (hash & kPositionMask) < position) return;
      visit(node);
      ++seen;
    };
    const Bucket& bucket = *segment.bucket(home);
    for (uint64_t word : bucket.slots) {
      if ((word & kAddressMask) != 0 && (word & kIsGuest) == 0) consider(word);
    }
    if ((bucket.slots[0] & kHasNeighbour) != 0) {
      for (uint64_t word : segment.bucket(next_bucket(segment, home))->slots) {
        if ((word & kIsGuest) != 0) consider(word);
      }
    }
    if ((bucket.slots[0] & kHasStashed) != 0) {
      for (size_t i = 0; i < segment.stashes; ++i) {
        for (uint64_t word : segment.bucket(segment.buckets + i)->slots) {
          if ((word & kAddressMask) != 0) consider(word);
        }
      }
    }
    if (home + 1 == segment.buckets) {
      position = end_of(segment);
    } else {
      // The first 32-bit fraction whose bucket is the next one, as a hash, rounded up to a whole position.
      const uint64_t fraction =
          ((uint64_t{home} + 1) << 32) / segment.buckets + (((uint64_t{home} + 1) << 32) % segment.buckets != 0);
      const uint64_t offset = segment.depth == 0 ? fraction << 32 : fraction << 32 >> segment.depth;
      position = segment.prefix + ((offset + 0xffff) & kPositionMask);
    }
  } while (position != 0 && seen < count && --buckets_left != 0);
  return position >> 16;
}

template <class Traits>
auto Table<Traits>::random(uint64_t seed) const -> Node* {
  uint64_t chance = seed;
  for (int tries = 0; tries < 100; ++tries) {
    chance = mix64(chance + 0x9e3779b97f4a7c15ULL);
    Segment& segment = *segment_of(chance);
    const uint64_t second = mix64(chance);
    // Of several segments a small one must not favour its nodes: what it has not counts as empty.
    const size_t lines = size_t{segment.buckets} + segment.stashes;
    const size_t line = (second >> 8) % (depth_ == 0 ? lines : table_detail::kShapes.back().lines());
    if (line >= lines) continue;
    if (Node* node = node_of(segment.bucket(line)->slots[second % table_detail::kSlots])) return node;
  }
  // Nearly empty: the next one from a random place on.
  Node* found = nullptr;
  uint64_t cursor = mix64(chance) >> 16;
  while (found == nullptr) {
    cursor = scan(cursor, 1, [&found](Node* node) { found = found == nullptr ? node : found; });
  }
  return found;
}

template <class Traits>
template <class Visit>
bool Table<Traits>::drain(size_t budget, Visit visit) {
  while (!directory_.empty()) {
    Segment* segment = segment_in(directory_.back());
    for_each_in(*segment, visit);
    const size_t seen = segment->count + 1;
    size_ -= segment->count;
    directory_.resize(directory_.size() - (size_t{1} << (depth_ - segment->depth)));
    free_segment(segment);
    if (seen >= budget) break;
    budget -= seen;
  }
  if (!directory_.empty()) return true;
  clear();
  return false;
}

}  // namespace keelson::kv
