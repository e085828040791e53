// The object of a large sorted set: its members in a table (by name) and in a B+-tree (by score, then name) that knows
// ranks.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "engine/kv/big_object.h"
#include "engine/kv/order_tree.h"
#include "engine/kv/size_class.h"
#include "engine/kv/table.h"

namespace keelson::kv {

// One allocation: header, then the name.
class ScoredMember {
 public:
  static ScoredMember* create(std::string_view name, double score);
  static void destroy(ScoredMember* member);

  [[nodiscard]] double score() const { return score_; }
  void set_score(double score) { score_ = score; }
  [[nodiscard]] std::string_view name() const {
    return {reinterpret_cast<const char*>(this) + kHeaderBytes, name_length_};
  }
  [[nodiscard]] size_t bytes() const { return size_class(kHeaderBytes + name_length_); }

 private:
  static constexpr size_t kHeaderBytes = 12;

  double score_ = 0;
  uint32_t name_length_ = 0;
};

struct ScoredTraits {
  using Node = ScoredMember;
  static std::string_view key(const ScoredMember& member) { return member.name(); }
};

struct ScoreKey {
  double score = 0;
  ScoredMember* member = nullptr;
};

struct ScoreTraits {
  using Key = ScoreKey;
  static bool less(const ScoreKey& a, const ScoreKey& b) {
    if (a.score != b.score) return a.score < b.score;
    return a.member != b.member && a.member->name() < b.member->name();
  }
};

using ScoreTree = OrderTree<ScoreTraits>;

class SortedSetObject final : public BigObject {
 public:
  explicit SortedSetObject(uint64_t secret);
  ~SortedSetObject();

  [[nodiscard]] size_t size() const { return tree_.size(); }
  [[nodiscard]] const ScoredMember* find(std::string_view name) const { return table_.find(name, table_.hash(name)); }
  // True if the member is new; `moved` tells whether one that was there has another score now.
  bool set(std::string_view name, double score, bool& moved);
  bool erase(std::string_view name);
  void erase_range(size_t first, size_t count);
  [[nodiscard]] size_t rank_of(const ScoredMember& member) const;
  [[nodiscard]] const ScoreTree& tree() const { return tree_; }
  [[nodiscard]] ScoreTree& tree() { return tree_; }
  template <class Visit>
  uint64_t scan(uint64_t cursor, size_t count, Visit visit) const {
    return table_.scan(cursor, count, [&visit](ScoredMember* member) { visit(std::as_const(*member)); });
  }
  void reserve(size_t count) { table_.reserve(count); }
  // For prefetch_member().
  [[nodiscard]] uint64_t prefetch(std::string_view name) const {
    const uint64_t hash = table_.hash(name);
    table_.prefetch(hash);
    return hash;
  }
  void prefetch_node(uint64_t hash) const { table_.prefetch_node(hash); }
  // Frees members from the last on; true when none is left.
  bool drain(size_t& budget);
  [[nodiscard]] size_t bytes(size_t samples) const;
  // Leaves that the tree makes from now on count as written by this checkpoint.
  void set_epoch(uint32_t epoch);

 private:
  static void before_change(void* self, ScoreTree::Leaf& leaf);

  Table<ScoredTraits> table_;
  ScoreTree tree_;
};

}  // namespace keelson::kv
