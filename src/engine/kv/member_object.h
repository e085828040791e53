// The object of a large hash or set: its members in a table, and an array of them in order.
//
// The array gives each member an index: a new member comes last, and the last takes the place of one that is erased.
// Random picks go by it, and for sets the order is replicated state. Checkpoints write the array block by block.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/kv/big_object.h"
#include "engine/kv/entry.h"
#include "engine/kv/table.h"

namespace keelson::kv {

// One allocation: header, name, then for hashes a u32 length and the value.
class Member {
 public:
  static Member* create(std::string_view name, std::string_view value, bool has_value);
  static void destroy(Member* member, bool has_value);

  [[nodiscard]] std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), name_length_}; }
  [[nodiscard]] std::string_view value() const {
    const char* at = reinterpret_cast<const char*>(this + 1) + name_length_;
    return {at + 4, get_u32(at)};
  }
  [[nodiscard]] uint32_t index() const { return index_; }
  void set_index(uint32_t index) { index_ = index; }
  [[nodiscard]] static size_t bytes(const Member& member, bool has_value) {
    return size_class(sizeof(Member) + member.name_length_ + (has_value ? 4 + member.value().size() : 0));
  }
  // Sets the value if that keeps the size class.
  bool try_set_value(std::string_view value);

 private:
  uint32_t index_ = 0;
  uint32_t name_length_ = 0;
};

struct MemberTraits {
  using Node = Member;
  static std::string_view key(const Member& member) { return member.name(); }
};

class MemberObject final : public BigObject {
 public:
  static constexpr size_t kBlockMembers = 256;  // what a checkpoint writes at once

  // `type` is kHash or kSet.
  MemberObject(Type type, uint64_t secret);
  ~MemberObject();

  [[nodiscard]] Type type() const { return type_; }
  [[nodiscard]] bool has_values() const { return type_ == Type::kHash; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] const Member* find(std::string_view name) const { return table_.find(name, table_.hash(name)); }
  [[nodiscard]] const Member& at(size_t index) const { return *slot(index); }
  // True if it is new; a hash's field gets the value in any case.
  bool set(std::string_view name, std::string_view value);
  bool erase(std::string_view name);
  template <class Visit>
  uint64_t scan(uint64_t cursor, size_t count, Visit visit) const {
    return table_.scan(cursor, count, [&visit](Member* member) { visit(std::as_const(*member)); });
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

  // ---- For loading a checkpoint: members come in blocks, in any order.
  void load_begin(size_t count);
  // Puts a member at its index; false if there is one, or one of this name.
  bool load_at(size_t index, std::string_view name, std::string_view value);

 private:
  using Block = std::array<Member*, kBlockMembers>;

  [[nodiscard]] Member*& slot(size_t index) { return (*blocks_[index / kBlockMembers])[index % kBlockMembers]; }
  [[nodiscard]] Member* slot(size_t index) const { return (*blocks_[index / kBlockMembers])[index % kBlockMembers]; }
  void changing(size_t index);
  void append(Member* member);

  const Type type_;
  Table<MemberTraits> table_;
  std::vector<std::unique_ptr<Block>> blocks_;
  size_t size_ = 0;
};

}  // namespace keelson::kv
