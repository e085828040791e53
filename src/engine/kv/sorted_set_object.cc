#include "engine/kv/sorted_set_object.h"

#include <algorithm>
#include <new>
#include <vector>

#include "engine/kv/pending_object.h"

namespace keelson::kv {

ScoredMember* ScoredMember::create(std::string_view name, double score) {
  const size_t bytes = size_class(kHeaderBytes + name.size());
  auto* member = static_cast<ScoredMember*>(::operator new(bytes));
  member->score_ = score;
  member->name_length_ = static_cast<uint32_t>(name.size());
  std::copy_n(name.data(), name.size(), reinterpret_cast<char*>(member) + kHeaderBytes);
  return member;
}

void ScoredMember::destroy(ScoredMember* member) { ::operator delete(member, member->bytes()); }

SortedSetObject::SortedSetObject(uint64_t secret) : BigObject(Kind::kSortedSet), table_(secret) { set_epoch(0); }

SortedSetObject::~SortedSetObject() {
  size_t budget = SIZE_MAX;
  drain(budget);
}

void SortedSetObject::set_epoch(uint32_t epoch) { tree_.set_before_change(&before_change, this, epoch); }

void SortedSetObject::before_change(void* self, ScoreTree::Leaf& leaf) {
  auto* object = static_cast<SortedSetObject*>(self);
  if (object->pending() != nullptr) [[unlikely]]
    object->pending()->before_leaf(leaf);
}

bool SortedSetObject::drain(size_t& budget) {
  if (table_.drain(budget, [](ScoredMember* member) { ScoredMember::destroy(member); })) {
    budget = 0;
    return false;
  }
  // The tree's keys point to nothing now; only its nodes are left.
  if (tree_.drain(std::max<size_t>(budget, 1))) {
    budget = 0;
    return false;
  }
  return true;
}

bool SortedSetObject::set(std::string_view name, double score, bool& moved) {
  const uint64_t hash = table_.hash(name);
  ScoredMember* member = table_.find(name, hash);
  moved = false;
  if (member == nullptr) {
    member = ScoredMember::create(name, score);
    table_.insert(member, hash);
    tree_.insert({score, member});
    return true;
  }
  if (member->score() == score) return false;
  moved = true;
  tree_.erase({member->score(), member});
  member->set_score(score);
  tree_.insert({score, member});
  return false;
}

bool SortedSetObject::erase(std::string_view name) {
  const uint64_t hash = table_.hash(name);
  ScoredMember* member = table_.find(name, hash);
  if (member == nullptr) return false;
  tree_.erase({member->score(), member});
  table_.erase(member, hash);
  ScoredMember::destroy(member);
  return true;
}

void SortedSetObject::erase_range(size_t first, size_t count) {
  for (; count > 0 && first < tree_.size(); --count) {
    const ScoreKey key = tree_.at(first);
    tree_.erase(key);
    table_.erase(key.member, table_.hash(key.member->name()));
    ScoredMember::destroy(key.member);
  }
}

size_t SortedSetObject::rank_of(const ScoredMember& member) const {
  const ScoreKey key{member.score(), const_cast<ScoredMember*>(&member)};
  return tree_.count_before([&key](const ScoreKey& other) { return ScoreTraits::less(other, key); });
}

size_t SortedSetObject::bytes(size_t samples) const {
  size_t total = size_class(sizeof(SortedSetObject)) + table_.bytes() + tree_.bytes();
  const size_t looked_at = samples == 0 ? size() : std::min(samples, size());
  if (looked_at == 0) return total;
  size_t members = 0;
  tree_.for_range(0, looked_at, [&members](const ScoreKey& key) {
    members += key.member->bytes();
    return true;
  });
  return total + members * size() / looked_at;
}

}  // namespace keelson::kv
