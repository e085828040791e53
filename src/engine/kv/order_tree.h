// OrderTree: a B+-tree of small keys in order, which also knows every key's rank. Equal keys may stand several times.
//
// Leaves hold up to 61 keys of 16 bytes and are linked in both directions; an inner node holds for each child its
// address, how many keys are below it, and its first key (always exact, so no key that has been erased is ever compared
// with). Keys that come in ascending order fill their leaves. A node is given up when it is empty, or when what a poor
// one holds fits into its neighbour.
//
// Traits: `Key` (trivially copyable, 16 bytes) and `static bool less(const Key&, const Key&)`.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/check.h"

namespace keelson::kv {

template <class Traits>
class OrderTree {
 public:
  using Key = typename Traits::Key;
  static_assert(std::is_trivially_copyable_v<Key> && sizeof(Key) == 16);

  struct Leaf {
    uint16_t count;
    uint32_t epoch;  // for checkpoints: new leaves get the tree's
    Leaf* before;
    Leaf* behind;
    std::array<Key, 61> keys;
  };
  static_assert(sizeof(Leaf) <= 1024);
  // Called with a leaf that is about to change.
  using BeforeChange = void (*)(void* context, Leaf& leaf);

  OrderTree() = default;
  OrderTree(const OrderTree&) = delete;
  OrderTree& operator=(const OrderTree&) = delete;
  ~OrderTree() { clear(); }

  [[nodiscard]] size_t size() const { return size_; }
  // What the nodes take.
  [[nodiscard]] size_t bytes() const { return leaves_ * sizeof(Leaf) + inners_ * sizeof(Inner); }

  void insert(const Key& key);
  // Erases one such key; false if there is none.
  bool erase(const Key& key);
  void clear() {
    if (root_ != nullptr) free_node(root_, height_);
    root_ = nullptr;
    height_ = 0;
    size_ = leaves_ = inners_ = 0;
  }
  // Frees about `budget` keys, from the end on; false when nothing is left.
  bool drain(size_t budget);

  // rank < size().
  [[nodiscard]] const Key& at(size_t rank) const {
    const Position position = position_of(rank);
    return position.leaf->keys[position.index];
  }
  // How many keys `is_before` holds for; it must hold for a run of keys from the first on and for none behind.
  template <class Predicate>
  [[nodiscard]] size_t count_before(Predicate is_before) const;
  // The leaf with the first key that `is_before` does not hold for, or null.
  template <class Predicate>
  [[nodiscard]] Leaf* leaf_from(Predicate is_before) const;

  // `count` keys from rank `first` on, upwards or downwards, until `visit` returns false.
  template <class Visit>
  void for_range(size_t first, size_t count, Visit visit) const;
  template <class Visit>
  void for_range_reverse(size_t first, size_t count, Visit visit) const;

  void set_before_change(BeforeChange hook, void* context, uint32_t epoch) {
    hook_ = hook;
    context_ = context;
    epoch_ = epoch;
  }
  [[nodiscard]] uint32_t epoch() const { return epoch_; }

 private:
  static constexpr size_t kLeafMax = 61;
  static constexpr size_t kInnerMax = 36;

  struct Inner {
    uint16_t count;
    std::array<uint32_t, kInnerMax> sizes;
    std::array<void*, kInnerMax> children;
    std::array<Key, kInnerMax> firsts;
  };
  static_assert(sizeof(Inner) <= 1024);
  struct Position {
    Leaf* leaf;
    size_t index;
  };
  struct Split {
    void* node = nullptr;  // the new right neighbour, or null
    size_t size = 0;       // keys below it
    Key first{};
  };

  [[nodiscard]] Position position_of(size_t rank) const;
  template <class Predicate>
  [[nodiscard]] static size_t last_child_before(const Inner& inner, Predicate is_before);
  template <class Predicate>
  [[nodiscard]] static size_t count_in(const Leaf& leaf, Predicate is_before);
  Leaf* new_leaf();
  Inner* new_inner();
  Split insert_into(void* node, unsigned height, const Key& key);
  Split insert_into_leaf(Leaf& leaf, const Key& key);
  Split add_child(Inner& inner, size_t at, const Split& child);
  bool erase_from(void* node, unsigned height, const Key& key);
  void rebalance(Inner& inner, size_t at, unsigned child_height);
  void remove_child(Inner& inner, size_t at);
  bool drain_edge(void* node, unsigned height, size_t& budget);
  void free_node(void* node, unsigned height);
  void free_leaf(Leaf* leaf);
  static const Key& first_of(const void* node, unsigned height) {
    return height == 0 ? static_cast<const Leaf*>(node)->keys[0] : static_cast<const Inner*>(node)->firsts[0];
  }
  void changing(Leaf& leaf) {
    if (hook_ != nullptr) [[unlikely]]
      hook_(context_, leaf);
  }

  void* root_ = nullptr;
  BeforeChange hook_ = nullptr;
  void* context_ = nullptr;
  size_t size_ = 0;
  size_t leaves_ = 0;
  size_t inners_ = 0;
  unsigned height_ = 0;  // 0: the root is a leaf
  uint32_t epoch_ = 0;
};

}  // namespace keelson::kv

#include "engine/kv/order_tree_impl.h"
