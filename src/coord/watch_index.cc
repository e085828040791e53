#include "coord/watch_index.h"

#include <utility>

#include "base/check.h"
#include "engine/coord/types.h"

namespace keelson::coord {

namespace {

using Kind = WatchEntry::Kind;

// Does `one` end before `other`?
bool ends_before(const RangeEntry& one, const RangeEntry& other) {
  if (one.kind == Kind::kFrom) return false;
  return other.kind == Kind::kFrom || one.end < other.end;
}
bool reaches(const RangeEntry& entry, std::string_view key) { return entry.kind == Kind::kFrom || key < entry.end; }

// The order of the tree: by begin, then by end.
int compare(const RangeEntry& entry, std::string_view begin, Kind kind, std::string_view end) {
  if (const int order = entry.begin.compare(begin); order != 0) return order;
  if (entry.kind != kind) return entry.kind == Kind::kFrom ? 1 : -1;
  return kind == Kind::kFrom ? 0 : entry.end.compare(end);
}
int compare(const RangeEntry& entry, const RangeEntry& other) {
  return compare(entry, other.begin, other.kind, other.end);
}

void update(RangeEntry& node) {
  node.farthest = &node;
  for (const RangeEntry* child : {node.left, node.right}) {
    if (child != nullptr && ends_before(*node.farthest, *child->farthest)) node.farthest = child->farthest;
  }
}

// Everything before `at` and everything behind it.
void split(RangeEntry* node, const RangeEntry& at, RangeEntry*& before, RangeEntry*& behind) {
  if (node == nullptr) {
    before = behind = nullptr;
  } else if (compare(*node, at) < 0) {
    split(node->right, at, node->right, behind);
    before = node;
    update(*node);
  } else {
    split(node->left, at, before, node->left);
    behind = node;
    update(*node);
  }
}

RangeEntry* merge(RangeEntry* before, RangeEntry* behind) {
  if (before == nullptr) return behind;
  if (behind == nullptr) return before;
  if (before->priority >= behind->priority) {
    before->right = merge(before->right, behind);
    update(*before);
    return before;
  }
  behind->left = merge(before, behind->left);
  update(*behind);
  return behind;
}

void insert(RangeEntry*& node, RangeEntry& added) {
  if (node == nullptr || added.priority > node->priority) {
    split(node, added, added.left, added.right);
    node = &added;
  } else {
    insert(compare(*node, added) < 0 ? node->right : node->left, added);
  }
  update(*node);
}

void erase(RangeEntry*& node, const RangeEntry& gone) {
  KEELSON_CHECK(node != nullptr, "a range is removed that is not there");
  if (node == &gone) {
    node = merge(node->left, node->right);
    return;
  }
  erase(compare(*node, gone) < 0 ? node->right : node->left, gone);
  update(*node);
}

void stab(RangeEntry* node, std::string_view key, FunctionRef<void(WatchEntry&)> found) {
  while (node != nullptr && reaches(*node->farthest, key)) {
    stab(node->left, key, found);
    if (key < node->begin) return;
    if (reaches(*node, key)) found(*node);
    node = node->right;
  }
}

void free_all(RangeEntry* node) {
  while (node != nullptr) {
    free_all(node->left);
    RangeEntry* right = node->right;
    std::unique_ptr<RangeEntry>(node).reset();
    node = right;
  }
}

}  // namespace

WatchIndex::~WatchIndex() { free_all(root_); }

WatchEntry& WatchIndex::find_or_add(std::string_view key, std::string_view range_end) {
  if (range_end.empty()) {
    if (const auto found = keys_.find(key); found != keys_.end()) return **found;
    auto entry = std::make_unique<WatchEntry>();
    entry->begin = key;
    return **keys_.insert(std::move(entry)).first;
  }
  const Kind kind = range_end == kFromKeyOn ? Kind::kFrom : Kind::kRange;
  const std::string_view end = kind == Kind::kFrom ? std::string_view() : range_end;
  RangeEntry* node = root_;
  while (node != nullptr) {
    const int order = compare(*node, key, kind, end);
    if (order == 0) return *node;
    node = order < 0 ? node->right : node->left;
  }
  auto entry = std::make_unique<RangeEntry>();
  entry->begin = key;
  entry->kind = kind;
  entry->end = end;
  // Priorities that clients cannot know, so that they cannot make the tree deep; no two runs of one seed differ.
  entry->priority =
      mix64(hash64(entry->begin, secret_) ^ mix64(hash64(entry->end, secret_) + static_cast<uint64_t>(kind)));
  ++range_count_;
  insert(root_, *entry);
  return *entry.release();
}

void WatchIndex::remove(WatchEntry& entry) {
  KEELSON_CHECK(entry.watchers == 0, "a watched entry is removed");
  if (entry.kind == Kind::kKey) {
    const auto found = keys_.find(std::string_view(entry.begin));
    KEELSON_CHECK(found != keys_.end() && found->get() == &entry, "a watched key is in the table");
    keys_.erase(found);
    return;
  }
  auto& range = static_cast<RangeEntry&>(entry);
  erase(root_, range);
  --range_count_;
  std::unique_ptr<RangeEntry>(&range).reset();
}

void WatchIndex::match(std::string_view key, FunctionRef<void(WatchEntry&)> found) const {
  if (!keys_.empty()) {
    if (const auto entry = keys_.find(key); entry != keys_.end()) found(**entry);
  }
  stab(root_, key, found);
}

}  // namespace keelson::coord
