// An ordered map from short byte strings to short byte strings, for tens of millions of entries in little memory.
//
// Entries lie packed in leaves of about 4 KiB, each key without what it shares with the one before. So an entry costs
// what is new in its key, its value and 3 bytes, plus about 5% for directory and slack: leaves grow in small steps
// instead of being half empty. Up to 256 leaves stand in a group with the separators between them, and the groups in
// one row with theirs: a search halves two short arrays and decodes at most one leaf.
//
//   leaf  = entries, back to back, keys rising
//   entry = varint bytes shared with the key before, varint further bytes, varint bytes of the value, those bytes, the
//           value
//
// A checkpoint writes leaves one after another as they lie in memory. A leaf that is about to change before its turn
// gives its bytes to the checkpoint first, so what is written is the state at begin_checkpoint(). One at a time.
//
// Order is that of memcmp. Own thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/separators.h"

namespace keelson::blob {

class OrderedIndex {
 public:
  // A leaf is split above this, if it has more than one entry.
  static constexpr size_t kLeafBytesMax = 4096;
  // The heads of a group's separators are 2 KiB, which stay in the cache while its leaves are walked. A row of groups
  // is 16,000 long at a billion entries, and is moved by one each time that a group splits.
  static constexpr size_t kGroupLeavesMax = 256;

  OrderedIndex();
  OrderedIndex(const OrderedIndex&) = delete;
  OrderedIndex& operator=(const OrderedIndex&) = delete;
  ~OrderedIndex();

  [[nodiscard]] size_t size() const { return size_; }
  // Held from the allocator, about.
  [[nodiscard]] size_t bytes_used() const;
  void clear();

  // Inserts, or replaces the value.
  void put(std::string_view key, std::string_view value);
  // False if there is none.
  bool erase(std::string_view key);
  // The value holds until the next change.
  [[nodiscard]] bool find(std::string_view key, std::string_view& value) const;

 private:
  struct Leaf;
  // Where a key stands, or would stand, in a leaf.
  struct Spot;
  // Of a leaf; until the next change.
  struct Place {
    size_t group = 0;
    size_t leaf = 0;
    bool operator==(const Place&) const = default;
  };

 public:
  // Walks entries upwards. Invalid after a change of the index.
  class Cursor {
   public:
    explicit Cursor(const OrderedIndex& index) : index_(index) {}
    // To the first entry whose key is not less.
    void seek(std::string_view key);
    // The same for a key that is not before the present one (only if is_valid()): cheaper, if it is not far.
    void seek_forward(std::string_view key);
    // The same for `key` behind all that begin with one prefix, in a walk from prefix to prefix: each ends at the first
    // `delimiter` at or behind `from`. Fetches the memory where the next prefixes should end.
    void skip_prefix(std::string_view key, std::string_view delimiter, size_t from);
    // Only if is_valid().
    void next();
    [[nodiscard]] bool is_valid() const { return is_valid_; }
    [[nodiscard]] std::string_view key() const { return key_; }
    [[nodiscard]] std::string_view value() const { return value_; }

   private:
    bool expect_behind(Place place, std::string_view delimiter, size_t from);
    void move_to(Place place, std::string_view key);
    void take(const Spot& spot, std::string_view key);
    void enter_leaf();
    void decode();

    const OrderedIndex& index_;
    Place place_;
    size_t at_ = 0;  // of the next entry within the leaf
    std::string key_;
    // Where skip_prefix() will be sent next, it seems: those keys, in those leaves. A ring, rising.
    struct Expected {
      std::string key;
      Place place;
    };
    // A leaf comes from memory in about the time that four searches in leaves take.
    static constexpr size_t kExpectedMax = 4;
    [[nodiscard]] Expected& expected(size_t at) { return expected_[(first_expected_ + at) % kExpectedMax]; }
    void drop_expected() {
      first_expected_ = (first_expected_ + 1) % kExpectedMax;
      --expected_count_;
    }
    std::vector<Expected> expected_;  // kExpectedMax of them, once one is needed
    size_t first_expected_ = 0;
    size_t expected_count_ = 0;
    std::string_view value_;
    bool is_valid_ = false;
  };

  // ---- Checkpoints.

  using TakeLeaf = std::function<void(std::string_view leaf)>;
  // From now on leaves that change are given to `take_early` first, until end_checkpoint().
  void begin_checkpoint(TakeLeaf take_early);
  // Gives leaves to `take` until it has been given `bytes_wanted`; true when none is left.
  bool checkpoint_some(size_t bytes_wanted, const TakeLeaf& take);
  void end_checkpoint();
  // Takes a leaf of a checkpoint, in any order, into an index that has got nothing but those. `look` sees each entry
  // and says whether it is good. An error: the bytes are no leaf, or it does not fit between the others.
  Status load_leaf(std::string_view leaf, const std::function<bool(std::string_view, std::string_view)>& look);

 private:
  struct Leaf {
    std::unique_ptr<char[]> bytes;
    uint32_t size = 0;
    uint32_t capacity = 0;
    uint32_t count = 0;
    uint32_t epoch = 0;
    [[nodiscard]] std::string_view view() const { return {bytes.get(), size}; }
    // Into the cache, all lines at once instead of one after another.
    void fetch() const;
  };
  struct Group {
    Separators separators;  // between the leaves: one less
    std::vector<Leaf> leaves;
    [[nodiscard]] size_t bytes_used() const {
      return sizeof(Group) + separators.bytes_used() + leaves.capacity() * sizeof(Leaf);
    }
  };

  static Spot find_in(const Leaf& leaf, std::string_view key, size_t from = 0, size_t match = 0);
  [[nodiscard]] Place place_of(std::string_view key) const;
  [[nodiscard]] Leaf& leaf_at(Place place) { return groups_[place.group]->leaves[place.leaf]; }
  [[nodiscard]] const Leaf& leaf_at(Place place) const { return groups_[place.group]->leaves[place.leaf]; }
  // To the leaf behind; group == groups_.size() behind the last.
  void step(Place& place) const;
  [[nodiscard]] bool is_end(Place place) const { return place.group == groups_.size(); }
  [[nodiscard]] std::string separator_before(Place place) const;
  // Behind the leaf there. Places from there on change.
  void insert_leaf(Place behind, std::string_view separator, Leaf leaf);
  void remove_leaf(Place place);
  void split_group(size_t group, bool is_append);
  void before_change(Leaf& leaf);
  void splice(Leaf& leaf, size_t from, size_t to, std::string_view bytes);
  void split(Place at, bool is_append);
  void merge_if_small(Place at);

  std::vector<std::unique_ptr<Group>> groups_;  // at least one, and each has at least one leaf
  Separators separators_;                       // between groups
  size_t size_ = 0;
  size_t leaf_bytes_ = 0;  // capacities
  size_t group_bytes_ = 0;
  uint32_t epoch_ = 0;
  bool is_checkpointing_ = false;
  bool has_more_ = false;
  std::string next_separator_;
  TakeLeaf take_early_;
};

}  // namespace keelson::blob
