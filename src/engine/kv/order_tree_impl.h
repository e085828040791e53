// The bodies of OrderTree's members; included by order_tree.h alone.
#pragma once

#include "engine/kv/order_tree.h"

namespace keelson::kv {

template <class Traits>
auto OrderTree<Traits>::new_leaf() -> Leaf* {
  auto* leaf = new Leaf;
  leaf->count = 0;
  leaf->epoch = epoch_;
  leaf->before = leaf->behind = nullptr;
  ++leaves_;
  return leaf;
}

template <class Traits>
auto OrderTree<Traits>::new_inner() -> Inner* {
  auto* inner = new Inner;
  inner->count = 0;
  ++inners_;
  return inner;
}

// The last child whose first key is before; 0 if none is.
template <class Traits>
template <class Predicate>
size_t OrderTree<Traits>::last_child_before(const Inner& inner, Predicate is_before) {
  const auto begin = inner.firsts.begin();
  const auto found = std::partition_point(begin, begin + inner.count, is_before);
  return found == begin ? 0 : static_cast<size_t>(found - begin) - 1;
}

template <class Traits>
template <class Predicate>
size_t OrderTree<Traits>::count_in(const Leaf& leaf, Predicate is_before) {
  const auto begin = leaf.keys.begin();
  return static_cast<size_t>(std::partition_point(begin, begin + leaf.count, is_before) - begin);
}

template <class Traits>
template <class Predicate>
size_t OrderTree<Traits>::count_before(Predicate is_before) const {
  if (root_ == nullptr) return 0;
  size_t rank = 0;
  const void* node = root_;
  for (unsigned height = height_; height > 0; --height) {
    const auto& inner = *static_cast<const Inner*>(node);
    const size_t child = last_child_before(inner, is_before);
    for (size_t i = 0; i < child; ++i) rank += inner.sizes[i];
    node = inner.children[child];
  }
  return rank + count_in(*static_cast<const Leaf*>(node), is_before);
}

template <class Traits>
template <class Predicate>
auto OrderTree<Traits>::leaf_from(Predicate is_before) const -> Leaf* {
  if (root_ == nullptr) return nullptr;
  void* node = root_;
  for (unsigned height = height_; height > 0; --height) {
    auto& inner = *static_cast<Inner*>(node);
    node = inner.children[last_child_before(inner, is_before)];
  }
  auto* leaf = static_cast<Leaf*>(node);
  return count_in(*leaf, is_before) < leaf->count ? leaf : leaf->behind;
}

template <class Traits>
auto OrderTree<Traits>::position_of(size_t rank) const -> Position {
  void* node = root_;
  for (unsigned height = height_; height > 0; --height) {
    auto& inner = *static_cast<Inner*>(node);
    size_t child = 0;
    while (rank >= inner.sizes[child]) rank -= inner.sizes[child++];
    node = inner.children[child];
  }
  return {static_cast<Leaf*>(node), rank};
}

template <class Traits>
template <class Visit>
void OrderTree<Traits>::for_range(size_t first, size_t count, Visit visit) const {
  if (first >= size_ || count == 0) return;
  Position position = position_of(first);
  for (Leaf* leaf = position.leaf; leaf != nullptr; leaf = leaf->behind) {
    if (leaf->behind != nullptr) __builtin_prefetch(leaf->behind);
    for (size_t i = position.index; i < leaf->count; ++i) {
      if (!visit(leaf->keys[i]) || --count == 0) return;
    }
    position.index = 0;
  }
}

template <class Traits>
template <class Visit>
void OrderTree<Traits>::for_range_reverse(size_t first, size_t count, Visit visit) const {
  if (first >= size_ || count == 0) return;
  Position position = position_of(first);
  for (Leaf* leaf = position.leaf; leaf != nullptr;) {
    for (size_t i = position.index + 1; i > 0; --i) {
      if (!visit(leaf->keys[i - 1]) || --count == 0) return;
    }
    leaf = leaf->before;
    if (leaf != nullptr) position.index = leaf->count - 1U;
  }
}

template <class Traits>
void OrderTree<Traits>::insert(const Key& key) {
  KEELSON_CHECK(size_ < UINT32_MAX, "a tree of more than 2^32 keys");
  if (root_ == nullptr) root_ = new_leaf();
  const Split split = insert_into(root_, height_, key);
  ++size_;
  if (split.node == nullptr) return;
  Inner* root = new_inner();
  root->count = 2;
  root->children[0] = root_;
  root->children[1] = split.node;
  root->sizes[0] = static_cast<uint32_t>(size_ - split.size);
  root->sizes[1] = static_cast<uint32_t>(split.size);
  root->firsts[0] = first_of(root_, height_);
  root->firsts[1] = split.first;
  root_ = root;
  ++height_;
}

template <class Traits>
auto OrderTree<Traits>::insert_into(void* node, unsigned height, const Key& key) -> Split {
  if (height == 0) return insert_into_leaf(*static_cast<Leaf*>(node), key);
  auto& inner = *static_cast<Inner*>(node);
  const size_t child = last_child_before(inner, [&key](const Key& other) { return !Traits::less(key, other); });
  const Split split = insert_into(inner.children[child], height - 1, key);
  ++inner.sizes[child];
  inner.firsts[child] = first_of(inner.children[child], height - 1);
  if (split.node == nullptr) return {};
  inner.sizes[child] -= static_cast<uint32_t>(split.size);
  return add_child(inner, child + 1, split);
}

template <class Traits>
auto OrderTree<Traits>::insert_into_leaf(Leaf& leaf, const Key& key) -> Split {
  changing(leaf);
  size_t at = count_in(leaf, [&key](const Key& other) { return !Traits::less(key, other); });
  Leaf* into = &leaf;
  Split split;
  if (leaf.count == kLeafMax) {
    Leaf* right = new_leaf();
    right->before = &leaf;
    right->behind = leaf.behind;
    if (leaf.behind != nullptr) leaf.behind->before = right;
    // Behind the last key of all, keys are coming in order: leave the full leaf full.
    const size_t keep = at == kLeafMax && leaf.behind == nullptr ? kLeafMax : kLeafMax / 2;
    leaf.behind = right;
    right->count = static_cast<uint16_t>(kLeafMax - keep);
    std::copy_n(leaf.keys.begin() + keep, right->count, right->keys.begin());
    leaf.count = static_cast<uint16_t>(keep);
    if (at > keep || keep == kLeafMax) {
      into = right;
      at -= keep;
    }
    split.node = right;
  }
  std::copy_backward(into->keys.begin() + at, into->keys.begin() + into->count, into->keys.begin() + into->count + 1);
  into->keys[at] = key;
  ++into->count;
  if (split.node != nullptr) {
    split.size = static_cast<Leaf*>(split.node)->count;
    split.first = static_cast<Leaf*>(split.node)->keys[0];
  }
  return split;
}

template <class Traits>
auto OrderTree<Traits>::add_child(Inner& inner, size_t at, const Split& child) -> Split {
  Inner* into = &inner;
  Split split;
  if (inner.count == kInnerMax) {
    Inner* right = new_inner();
    const size_t keep = at == kInnerMax ? kInnerMax - 1 : kInnerMax / 2;
    right->count = static_cast<uint16_t>(kInnerMax - keep);
    std::copy_n(inner.sizes.begin() + keep, right->count, right->sizes.begin());
    std::copy_n(inner.children.begin() + keep, right->count, right->children.begin());
    std::copy_n(inner.firsts.begin() + keep, right->count, right->firsts.begin());
    inner.count = static_cast<uint16_t>(keep);
    if (at > keep) {
      into = right;
      at -= keep;
    }
    split.node = right;
  }
  const size_t count = into->count;
  std::copy_backward(into->sizes.begin() + at, into->sizes.begin() + count, into->sizes.begin() + count + 1);
  std::copy_backward(into->children.begin() + at, into->children.begin() + count, into->children.begin() + count + 1);
  std::copy_backward(into->firsts.begin() + at, into->firsts.begin() + count, into->firsts.begin() + count + 1);
  into->sizes[at] = static_cast<uint32_t>(child.size);
  into->children[at] = child.node;
  into->firsts[at] = child.first;
  ++into->count;
  if (split.node != nullptr) {
    const auto& right = *static_cast<Inner*>(split.node);
    for (size_t i = 0; i < right.count; ++i) split.size += right.sizes[i];
    split.first = right.firsts[0];
  }
  return split;
}

template <class Traits>
bool OrderTree<Traits>::erase(const Key& key) {
  if (root_ == nullptr || !erase_from(root_, height_, key)) return false;
  --size_;
  while (height_ > 0 && static_cast<Inner*>(root_)->count == 1) {
    auto* old = static_cast<Inner*>(root_);
    root_ = old->children[0];
    --height_;
    --inners_;
    delete old;
  }
  if (size_ == 0) clear();
  return true;
}

template <class Traits>
bool OrderTree<Traits>::erase_from(void* node, unsigned height, const Key& key) {
  const auto is_smaller = [&key](const Key& other) { return Traits::less(other, key); };
  if (height == 0) {
    auto& leaf = *static_cast<Leaf*>(node);
    const size_t at = count_in(leaf, is_smaller);
    if (at == leaf.count || Traits::less(key, leaf.keys[at])) return false;
    changing(leaf);
    std::copy(leaf.keys.begin() + at + 1, leaf.keys.begin() + leaf.count, leaf.keys.begin() + at);
    --leaf.count;
    return true;
  }
  // The key may stand at the end of the last child that begins before it, or at the start of those behind (equal keys).
  auto& inner = *static_cast<Inner*>(node);
  for (size_t child = last_child_before(inner, is_smaller); child < inner.count; ++child) {
    if (Traits::less(key, inner.firsts[child])) return false;
    if (!erase_from(inner.children[child], height - 1, key)) continue;
    if (--inner.sizes[child] != 0) inner.firsts[child] = first_of(inner.children[child], height - 1);
    rebalance(inner, child, height - 1);
    return true;
  }
  return false;
}

// Drops the child if it is empty; joins it with a neighbour if it is poor and the neighbour has room.
template <class Traits>
void OrderTree<Traits>::rebalance(Inner& inner, size_t at, unsigned child_height) {
  if (inner.sizes[at] == 0) {
    free_node(inner.children[at], child_height);
    return remove_child(inner, at);
  }
  auto fill_of = [&](size_t child) -> size_t {
    return child_height == 0 ? static_cast<Leaf*>(inner.children[child])->count
                             : static_cast<Inner*>(inner.children[child])->count;
  };
  const size_t most = child_height == 0 ? kLeafMax : kInnerMax;
  if (fill_of(at) > most / 4 || inner.count < 2) return;
  const size_t left = at > 0 ? at - 1 : at;
  const size_t right = left + 1;
  const size_t left_fill = fill_of(left);
  const size_t right_fill = fill_of(right);
  if (left_fill + right_fill > most * 3 / 4) return;
  if (child_height == 0) {
    auto& to = *static_cast<Leaf*>(inner.children[left]);
    auto& from = *static_cast<Leaf*>(inner.children[right]);
    changing(to);
    changing(from);
    std::copy_n(from.keys.begin(), right_fill, to.keys.begin() + left_fill);
    to.count = static_cast<uint16_t>(left_fill + right_fill);
    free_leaf(&from);
  } else {
    auto& to = *static_cast<Inner*>(inner.children[left]);
    auto* from = static_cast<Inner*>(inner.children[right]);
    std::copy_n(from->sizes.begin(), right_fill, to.sizes.begin() + left_fill);
    std::copy_n(from->children.begin(), right_fill, to.children.begin() + left_fill);
    std::copy_n(from->firsts.begin(), right_fill, to.firsts.begin() + left_fill);
    to.count = static_cast<uint16_t>(left_fill + right_fill);
    delete from;
    --inners_;
  }
  inner.sizes[left] += inner.sizes[right];
  remove_child(inner, right);
}

template <class Traits>
void OrderTree<Traits>::remove_child(Inner& inner, size_t at) {
  const size_t count = inner.count;
  std::copy(inner.sizes.begin() + at + 1, inner.sizes.begin() + count, inner.sizes.begin() + at);
  std::copy(inner.children.begin() + at + 1, inner.children.begin() + count, inner.children.begin() + at);
  std::copy(inner.firsts.begin() + at + 1, inner.firsts.begin() + count, inner.firsts.begin() + at);
  --inner.count;
}

template <class Traits>
void OrderTree<Traits>::free_leaf(Leaf* leaf) {
  if (leaf->before != nullptr) leaf->before->behind = leaf->behind;
  if (leaf->behind != nullptr) leaf->behind->before = leaf->before;
  delete leaf;
  --leaves_;
}

template <class Traits>
void OrderTree<Traits>::free_node(void* node, unsigned height) {
  if (height == 0) return free_leaf(static_cast<Leaf*>(node));
  auto* inner = static_cast<Inner*>(node);
  for (size_t i = 0; i < inner->count; ++i) free_node(inner->children[i], height - 1);
  delete inner;
  --inners_;
}

// Only for taking the tree down: sizes and first keys of inner nodes are not kept up.
template <class Traits>
bool OrderTree<Traits>::drain(size_t budget) {
  while (root_ != nullptr && budget > 0) {
    if (drain_edge(root_, height_, budget)) {
      root_ = nullptr;
      height_ = 0;
      size_ = 0;
    }
  }
  return root_ != nullptr;
}

// Frees the last leaf below the node, and the node itself if that leaves it empty (then the result is true).
template <class Traits>
bool OrderTree<Traits>::drain_edge(void* node, unsigned height, size_t& budget) {
  if (height == 0) {
    auto* leaf = static_cast<Leaf*>(node);
    size_ -= leaf->count;
    budget -= std::min<size_t>(budget, leaf->count + 1U);
    free_leaf(leaf);
    return true;
  }
  auto* inner = static_cast<Inner*>(node);
  if (drain_edge(inner->children[inner->count - 1U], height - 1, budget)) --inner->count;
  if (inner->count > 0) return false;
  delete inner;
  --inners_;
  return true;
}

}  // namespace keelson::kv
