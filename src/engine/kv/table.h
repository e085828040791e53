// Table: a hash table of nodes found by a string key, that never moves all its contents at once.
//
// Extendible hashing. A directory of 2^depth words, picked by the first bits of the hash, points to segments; a segment
// is a header line, buckets, and stash buckets, each one cache line of 8 slots. A slot is a node's 48-bit address, a
// 16-bit tag from the hash, and flags in the address's low bits. A full segment takes the next larger of a few shapes
// (4096, 5120, 6144 bytes), and from the largest it splits in two (some 10 us each); two poor neighbours merge. A
// table with one segment begins with a smaller one. The shapes are there because a good hash fills all segments alike:
// if they could only split, the whole table would be half empty each time that they have.
//
//   hash     | 48 bits: directory, then bucket (in the order of the hash) | 16 bits: tag |
//
// A node stands in its home bucket, else in the next one (then it is a guest there), else in the stash. So a look-up
// touches one line of the segment and the node itself, seldom more.
//
// The order of buckets follows the hash: a scan's cursor is simply the hash up to which everything has been visited,
// and holds however segments split and merge.
//
// Traits: `Node` (allocated at 8-byte alignment or better, owned by the caller) and `std::string_view key(const
// Node&)`.
#pragma once

#include <emmintrin.h>
#include <smmintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"

namespace keelson::kv {

namespace table_detail {

inline constexpr unsigned kSlots = 8;
inline constexpr size_t kLine = 64;
inline constexpr uint64_t kAddressMask = 0x0000fffffffffff8ULL;
inline constexpr uint64_t kIsGuest = 1;       // of a slot: its home is the bucket before
inline constexpr uint64_t kHasNeighbour = 2;  // of a bucket, in its slot 0: the next one has guests from here
inline constexpr uint64_t kHasStashed = 4;    // of a bucket, in its slot 0: the stash has nodes from here
inline constexpr uint64_t kBucketFlags = kHasNeighbour | kHasStashed;
inline constexpr uint64_t kPositionMask = ~uint64_t{0xffff};

struct alignas(kLine) Bucket {
  std::array<uint64_t, kSlots> slots;
};

// How many buckets and stash buckets segments of each size have; with the header they fill size classes of the
// allocator: 256 .. 6144 bytes.
struct Shape {
  uint16_t buckets;
  uint16_t stashes;

  [[nodiscard]] constexpr size_t lines() const { return size_t{buckets} + stashes; }
  [[nodiscard]] constexpr size_t bytes() const { return (1 + lines()) * kLine; }
  [[nodiscard]] constexpr size_t slots() const { return size_t{buckets} * kSlots; }
};
inline constexpr std::array<Shape, 7> kShapes = {{{2, 1}, {6, 1}, {14, 1}, {29, 2}, {60, 3}, {76, 3}, {91, 4}}};
inline constexpr size_t kLargestShape = kShapes.size() - 1;
// What the halves of a split and all segments of a table that has several begin with.
inline constexpr size_t kSplitShape = 4;
static_assert(kShapes[0].bytes() == 256 && kShapes[kSplitShape].bytes() == 4096);
static_assert(kShapes[kLargestShape].bytes() == 6144);

struct alignas(kLine) Segment {
  uint64_t prefix;       // the first hash that belongs here
  uint32_t count;        // nodes
  uint32_t stash_count;  // of them in the stash
  uint32_t epoch;        // for checkpoints; halves of a split inherit it
  uint16_t buckets;
  uint16_t stashes;
  uint8_t depth;
  uint8_t shape;

  [[nodiscard]] Bucket* bucket(size_t index) { return reinterpret_cast<Bucket*>(this + 1) + index; }
  [[nodiscard]] size_t bytes() const { return kShapes[shape].bytes(); }
};
static_assert(sizeof(Segment) == kLine);

[[nodiscard]] inline uint64_t tag_of(uint64_t hash) {
  const uint64_t tag = hash & 0xffff;
  return tag != 0 ? tag : 1;  // an empty slot's tag is 0
}

// A bit for each slot whose tag is `tag`.
[[nodiscard]] inline unsigned match(const Bucket& bucket, uint64_t tag) {
  const auto* lanes = reinterpret_cast<const __m128i*>(bucket.slots.data());
  const __m128i low =
      _mm_packus_epi32(_mm_srli_epi64(_mm_load_si128(lanes), 48), _mm_srli_epi64(_mm_load_si128(lanes + 1), 48));
  const __m128i high =
      _mm_packus_epi32(_mm_srli_epi64(_mm_load_si128(lanes + 2), 48), _mm_srli_epi64(_mm_load_si128(lanes + 3), 48));
  // Each of low and high: tag, 0, tag, 0, ... in 16 bits; as 32-bit numbers they pack once more.
  const __m128i tags = _mm_packus_epi32(low, high);
  const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<int16_t>(tag)));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
}

}  // namespace table_detail

template <class Traits>
class Table {
 public:
  using Node = typename Traits::Node;
  using Segment = table_detail::Segment;

  explicit Table(uint64_t secret) : secret_(secret) {}
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  // Frees the segments; the nodes are the caller's.
  ~Table() { free_segments(); }

  [[nodiscard]] uint64_t hash(std::string_view key) const { return hash64(key, secret_); }
  [[nodiscard]] size_t size() const { return size_; }
  // Segments and directory.
  [[nodiscard]] size_t bytes() const { return segment_bytes_ + directory_.capacity() * sizeof(uint64_t); }

  [[nodiscard]] Node* find(std::string_view key, uint64_t hash) const {
    return find_where(hash, [key](const Node& node) { return Traits::key(node) == key; });
  }
  // The node with this hash that `is_it` accepts.
  template <class Predicate>
  [[nodiscard]] Node* find_where(uint64_t hash, Predicate is_it) const;
  void prefetch(uint64_t hash) const {
    if (size_ == 0) return;
    const uint64_t word = directory_word(hash);
    __builtin_prefetch(segment_in(word)->bucket(home_of(hash, word)));
  }
  // The first node that a look-up would compare with, into the cache.
  void prefetch_node(uint64_t hash) const;

  // No node with this key may be there.
  void insert(Node* node, uint64_t hash);
  // The node must be there.
  void erase(const Node* node, uint64_t hash);
  // Puts `to`, with the same key, where `from` was.
  void replace(const Node* from, Node* to, uint64_t hash);

  // Visits nodes until about `count` have been seen; the result is the next cursor (below 2^48), 0 at the end. `visit`
  // may not change the table.
  template <class Visit>
  uint64_t scan(uint64_t cursor, size_t count, Visit visit) const;
  // Visits every node, in the order of segments.
  template <class Visit>
  void for_each(Visit visit) const;
  // Some node; each about as likely. The table is not empty.
  [[nodiscard]] Node* random(uint64_t seed) const;
  // Makes room for this many in an empty table, so that it need not split on the way there.
  void reserve(size_t count);
  // Gives about `budget` nodes to `visit` and forgets them, from the end of the table on; false when nothing is left.
  // For taking a table down in slices: nothing else may be done with it any more.
  template <class Visit>
  bool drain(size_t budget, Visit visit);
  void clear() {
    free_segments();
    directory_.clear();
    size_ = 0;
    depth_ = 0;
  }

  // ---- For checkpoints: segments in the order of the hash.

  // The segment that a hash belongs to; null if the table has none.
  [[nodiscard]] Segment* segment_at(uint64_t hash) const { return directory_.empty() ? nullptr : segment_of(hash); }
  // The first hash behind a segment; 0 behind the last.
  [[nodiscard]] static uint64_t end_of(const Segment& segment) {
    return segment.depth == 0 ? 0 : segment.prefix + (uint64_t{1} << (64 - segment.depth));
  }
  template <class Visit>
  static void for_each_in(Segment& segment, Visit visit);
  // While set, segments do not merge.
  void set_frozen(bool is_frozen) { is_frozen_ = is_frozen; }
  // What new segments are marked with (halves of a split inherit their mark instead).
  void set_epoch(uint32_t epoch) { epoch_ = epoch; }

 private:
  using Bucket = table_detail::Bucket;
  static constexpr unsigned kDepthMax = 40;
  // A directory's word: a segment's address, its depth in the low 6 bits, its buckets in the high 16.
  static constexpr uint64_t kDepthMask = 63;
  static constexpr uint64_t kSegmentMask = 0x0000ffffffffffc0ULL;
  // Two neighbours merge when both together fill less than this: 40% of a segment.
  static constexpr uint32_t kMergeBelow = 200;

  [[nodiscard]] uint64_t directory_word(uint64_t hash) const {
    return directory_[depth_ == 0 ? 0 : hash >> (64 - depth_)];
  }
  [[nodiscard]] static Segment* segment_in(uint64_t word) { return reinterpret_cast<Segment*>(word & kSegmentMask); }
  [[nodiscard]] Segment* segment_of(uint64_t hash) const { return segment_in(directory_word(hash)); }
  // The home bucket within a segment of that depth and size.
  [[nodiscard]] static size_t home_of(uint64_t hash, unsigned depth, uint64_t buckets) {
    return (((hash & table_detail::kPositionMask) << depth) >> 32) * buckets >> 32;
  }
  [[nodiscard]] static size_t home_of(uint64_t hash, const Segment& segment) {
    return home_of(hash, segment.depth, segment.buckets);
  }
  // Without a look at the segment.
  [[nodiscard]] static size_t home_of(uint64_t hash, uint64_t word) {
    return home_of(hash, static_cast<unsigned>(word & kDepthMask), word >> 48);
  }
  [[nodiscard]] static size_t next_bucket(const Segment& segment, size_t bucket) {
    return bucket + 1 == segment.buckets ? 0 : bucket + 1;
  }
  [[nodiscard]] static Node* node_of(uint64_t slot) {
    return reinterpret_cast<Node*>(slot & table_detail::kAddressMask);
  }
  [[nodiscard]] uint64_t hash_of(const Node* node) const { return hash64(Traits::key(*node), secret_); }

  static int free_slot(const Bucket& bucket) {
    for (unsigned i = 0; i < table_detail::kSlots; ++i) {
      if ((bucket.slots[i] & table_detail::kAddressMask) == 0) return static_cast<int>(i);
    }
    return -1;
  }
  static void put(Bucket& bucket, int slot, uint64_t word) {
    bucket.slots[slot] = (bucket.slots[slot] & table_detail::kBucketFlags) | word;
  }
  static uint64_t word_of(const Bucket& bucket, unsigned slot) {
    return bucket.slots[slot] & ~table_detail::kBucketFlags;
  }
  bool place(Segment& segment, uint64_t word, size_t home);
  bool make_room(Segment& segment, size_t home);
  // Where the node stands: bucket (stash buckets count on behind the others) and slot.
  struct Place {
    size_t bucket;
    unsigned slot;
  };
  [[nodiscard]] Place locate(Segment& segment, const Node* node, uint64_t hash) const;

  Segment* new_segment(size_t shape, uint64_t prefix, unsigned depth);
  void free_segment(Segment* segment);
  void free_segments();
  void grow(Segment* segment);
  void split(Segment* segment);
  void point_to(Segment* segment);
  void try_merge(Segment* segment);
  void refill(std::vector<uint64_t>& words);
  static void collect(Segment& segment, std::vector<uint64_t>& words);

  uint64_t secret_;
  std::vector<uint64_t> directory_;
  size_t size_ = 0;
  size_t segment_bytes_ = 0;
  size_t deepest_ = 0;  // segments whose depth is depth_
  uint32_t epoch_ = 0;
  unsigned depth_ = 0;
  bool is_frozen_ = false;
};

}  // namespace keelson::kv

#include "engine/kv/table_impl.h"
