#include "engine/kv/sorted_set_value.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "engine/kv/keyspace.h"
#include "engine/kv/packed.h"
#include "engine/kv/sorted_set_object.h"

namespace keelson::kv {
namespace {

SortedSetObject& object_of(const Entry& entry) { return *static_cast<SortedSetObject*>(entry.object()); }

// One member of a packed sorted set.
struct PackedMember {
  PackedItem name;
  double score;
  size_t size;  // of both

  static PackedMember read(const char* at) {
    const PackedItem name = read_packed(at);
    const PackedItem score = read_packed(at + name.size);
    return {name, score.score(), size_t{name.size} + score.size};
  }
};

// Where the member stands in the blob; 0: nowhere.
size_t find_member(std::string_view blob, const PackedElement& member, size_t* rank = nullptr) {
  const char* at = blob.data() + kPackedHeaderBytes;
  const size_t count = packed_count(blob) / 2;
  for (size_t i = 0; i < count; ++i) {
    if (packed_equals(at, member)) {
      if (rank != nullptr) *rank = i;
      return static_cast<size_t>(at - blob.data());
    }
    at += packed_size_at(at);
    at += packed_size_at(at);
  }
  return 0;
}

size_t offset_of(std::string_view blob, size_t rank) {
  const char* at = blob.data() + kPackedHeaderBytes;
  for (; rank > 0; --rank) {
    at += packed_size_at(at);
    at += packed_size_at(at);
  }
  return static_cast<size_t>(at - blob.data());
}

// How many members come before the first that `is_before` does not hold for.
template <class Predicate>
size_t count_before(const Entry& entry, Predicate is_before) {
  if (entry.is_object()) {
    return object_of(entry).tree().count_before(
        [&](const ScoreKey& key) { return is_before(key.score, key.member->name()); });
  }
  const std::string_view blob = entry.inline_value();
  const size_t count = packed_count(blob) / 2;
  const char* at = blob.data() + kPackedHeaderBytes;
  IntegerText scratch;
  for (size_t i = 0; i < count; ++i) {
    const PackedMember member = PackedMember::read(at);
    if (!is_before(member.score, member.name.text(scratch))) return i;
    at += member.size;
  }
  return count;
}

}  // namespace

size_t SortedSetValue::size() const {
  return entry_->is_object() ? object_of(*entry_).size() : packed_count(entry_->inline_value()) / 2;
}

std::optional<double> SortedSetValue::score(std::string_view member) const {
  if (entry_->is_object()) {
    const ScoredMember* found = object_of(*entry_).find(member);
    if (found == nullptr) return std::nullopt;
    return found->score();
  }
  const std::string_view blob = entry_->inline_value();
  const size_t at = find_member(blob, PackedElement(member));
  if (at == 0) return std::nullopt;
  return PackedMember::read(blob.data() + at).score;
}

SortedSetValue::Change SortedSetValue::set(std::string_view member, double score) {
  score += 0.0;  // -0 becomes 0
  if (!entry_->is_object()) {
    const KeyspaceOptions& options = keyspace_->options();
    const std::string_view blob = entry_->inline_value();
    const PackedElement name(member);
    const size_t at = find_member(blob, name);
    if (at != 0) {
      const PackedMember old = PackedMember::read(blob.data() + at);
      if (old.score == score) return Change::kNone;
      erase_packed(at, old.size);
      insert_packed(name, member, score);
      return Change::kMoved;
    }
    const size_t limit = std::min<size_t>(options.zset_max_listpack_entries, kPackedEntriesMax);
    if (packed_count(blob) / 2 < limit && member.size() <= options.zset_max_listpack_value &&
        blob.size() + name.size() + 9 <= kPackedBytesMax) {
      insert_packed(name, member, score);
      return Change::kAdded;
    }
    to_object();
  }
  bool moved = false;
  const bool is_new = object_of(*entry_).set(member, score, moved);
  return is_new ? Change::kAdded : moved ? Change::kMoved : Change::kNone;
}

void SortedSetValue::erase_packed(size_t at, size_t bytes) {
  put_u16(entry_->inline_data(), static_cast<uint16_t>(packed_count(entry_->inline_value()) - 2));
  splice_inline(at, bytes, 0);
}

void SortedSetValue::insert_packed(const PackedElement& name, std::string_view member, double score) {
  const std::string_view blob = entry_->inline_value();
  const size_t count = packed_count(blob);
  size_t at = blob.size();
  if (count != 0) {
    const size_t rank = count_before(*entry_, [&](double other, std::string_view other_name) {
      return other != score ? other < score : other_name < member;
    });
    at = offset_of(blob, rank);
  }
  const size_t header = blob.empty() ? kPackedHeaderBytes : 0;
  const PackedElement packed_score(score);
  char* to = splice_inline(at, 0, header + name.size() + packed_score.size()) + header;
  packed_score.write(name.write(to));
  put_u16(entry_->inline_data(), static_cast<uint16_t>(count + 2));
}

void SortedSetValue::to_object() {
  auto* object = new SortedSetObject(keyspace_->options().hash_secret);
  for_range(0, size(), [object](std::string_view member, double score) {
    bool moved = false;
    object->set(member, score, moved);
    return true;
  });
  become_object(object);
}

bool SortedSetValue::erase(std::string_view member) {
  if (entry_->is_object()) return object_of(*entry_).erase(member);
  const std::string_view blob = entry_->inline_value();
  const size_t at = find_member(blob, PackedElement(member));
  if (at == 0) return false;
  erase_packed(at, PackedMember::read(blob.data() + at).size);
  return true;
}

std::optional<size_t> SortedSetValue::rank(std::string_view member) const {
  if (entry_->is_object()) {
    const SortedSetObject& object = object_of(*entry_);
    const ScoredMember* found = object.find(member);
    if (found == nullptr) return std::nullopt;
    return object.rank_of(*found);
  }
  size_t rank = 0;
  if (find_member(entry_->inline_value(), PackedElement(member), &rank) == 0) return std::nullopt;
  return rank;
}

std::pair<std::string_view, double> SortedSetValue::at(size_t rank) const {
  if (entry_->is_object()) {
    const ScoreKey& key = object_of(*entry_).tree().at(rank);
    return {key.member->name(), key.score};
  }
  const std::string_view blob = entry_->inline_value();
  const PackedMember member = PackedMember::read(blob.data() + offset_of(blob, rank));
  return {member.name.text(scratch_), member.score};
}

size_t SortedSetValue::rank_of_start(const ScoreBound& bound) const {
  return count_before(*entry_, [&bound](double score, std::string_view) {
    return bound.is_exclusive ? score <= bound.score : score < bound.score;
  });
}

size_t SortedSetValue::rank_of_end(const ScoreBound& bound) const {
  return count_before(*entry_, [&bound](double score, std::string_view) {
    return bound.is_exclusive ? score < bound.score : score <= bound.score;
  });
}

size_t SortedSetValue::rank_of_start(const LexBound& bound) const {
  if (bound.kind == LexBound::Kind::kMinimum) return 0;
  if (bound.kind == LexBound::Kind::kMaximum) return size();
  return count_before(*entry_, [&bound](double, std::string_view name) {
    return bound.kind == LexBound::Kind::kExclusive ? name <= bound.member : name < bound.member;
  });
}

size_t SortedSetValue::rank_of_end(const LexBound& bound) const {
  if (bound.kind == LexBound::Kind::kMinimum) return 0;
  if (bound.kind == LexBound::Kind::kMaximum) return size();
  return count_before(*entry_, [&bound](double, std::string_view name) {
    return bound.kind == LexBound::Kind::kExclusive ? name < bound.member : name <= bound.member;
  });
}

void SortedSetValue::for_range(size_t first, size_t count, Visit visit) const {
  if (entry_->is_object()) {
    object_of(*entry_).tree().for_range(first, count,
                                        [&visit](const ScoreKey& key) { return visit(key.member->name(), key.score); });
    return;
  }
  const std::string_view blob = entry_->inline_value();
  const size_t size = packed_count(blob) / 2;
  if (first >= size) return;
  IntegerText scratch;
  const char* at = blob.data() + offset_of(blob, first);
  for (size_t left = std::min(count, size - first); left > 0; --left) {
    const PackedMember member = PackedMember::read(at);
    if (!visit(member.name.text(scratch), member.score)) return;
    at += member.size;
  }
}

void SortedSetValue::for_range_reverse(size_t first, size_t count, Visit visit) const {
  if (entry_->is_object()) {
    object_of(*entry_).tree().for_range_reverse(
        first, count, [&visit](const ScoreKey& key) { return visit(key.member->name(), key.score); });
    return;
  }
  const std::string_view blob = entry_->inline_value();
  if (first >= packed_count(blob) / 2) return;
  std::vector<const char*> members;
  const char* at = blob.data() + kPackedHeaderBytes;
  for (size_t i = 0; i <= first; ++i) {
    members.push_back(at);
    at += PackedMember::read(at).size;
  }
  IntegerText scratch;
  for (size_t left = std::min(count, first + 1); left > 0; --left, --first) {
    const PackedMember member = PackedMember::read(members[first]);
    if (!visit(member.name.text(scratch), member.score)) return;
  }
}

void SortedSetValue::erase_range(size_t first, size_t count) {
  if (entry_->is_object()) return object_of(*entry_).erase_range(first, count);
  const std::string_view blob = entry_->inline_value();
  const size_t size = packed_count(blob) / 2;
  if (first >= size) return;
  const size_t erased = std::min(count, size - first);
  const size_t begin = offset_of(blob, first);
  const size_t end = first + erased == size ? blob.size() : offset_of(blob, first + erased);
  put_u16(entry_->inline_data(), static_cast<uint16_t>(2 * (size - erased)));
  splice_inline(begin, end - begin, 0);
}

uint64_t SortedSetValue::scan(uint64_t cursor, size_t count, Visit visit) const {
  if (!entry_->is_object()) {
    for_range(0, size(), visit);
    return 0;
  }
  return object_of(*entry_).scan(cursor, count,
                                 [&visit](const ScoredMember& member) { visit(member.name(), member.score()); });
}

}  // namespace keelson::kv
