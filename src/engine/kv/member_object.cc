#include "engine/kv/member_object.h"

#include <algorithm>
#include <new>

#include "base/check.h"
#include "engine/kv/pending_object.h"

namespace keelson::kv {

Member* Member::create(std::string_view name, std::string_view value, bool has_value) {
  const size_t bytes = sizeof(Member) + name.size() + (has_value ? 4 + value.size() : 0);
  auto* member = static_cast<Member*>(::operator new(size_class(bytes)));
  member->index_ = 0;
  member->name_length_ = static_cast<uint32_t>(name.size());
  char* at = std::copy_n(name.data(), name.size(), reinterpret_cast<char*>(member + 1));
  if (has_value) {
    put_u32(at, static_cast<uint32_t>(value.size()));
    std::copy_n(value.data(), value.size(), at + 4);
  }
  return member;
}

void Member::destroy(Member* member, bool has_value) { ::operator delete(member, bytes(*member, has_value)); }

bool Member::try_set_value(std::string_view value) {
  if (size_class(sizeof(Member) + name_length_ + 4 + value.size()) != bytes(*this, true)) return false;
  char* at = reinterpret_cast<char*>(this + 1) + name_length_;
  put_u32(at, static_cast<uint32_t>(value.size()));
  std::copy_n(value.data(), value.size(), at + 4);
  return true;
}

MemberObject::MemberObject(Type type, uint64_t secret) : BigObject(Kind::kMembers), type_(type), table_(secret) {}

MemberObject::~MemberObject() {
  size_t budget = SIZE_MAX;
  drain(budget);
}

bool MemberObject::drain(size_t& budget) {
  while (size_ > 0 && budget > 0) {
    // Blocks and members that are missing: a checkpoint was not loaded to its end.
    if (blocks_.back() == nullptr) {
      size_ = (blocks_.size() - 1) * kBlockMembers;
    } else if (Member* member = slot(--size_)) {
      Member::destroy(member, has_values());
    }
    if (size_ % kBlockMembers == 0) blocks_.pop_back();
    --budget;
  }
  if (size_ > 0) return false;
  blocks_.clear();
  // The nodes are gone; what is left of the table is its segments.
  table_.clear();
  return true;
}

void MemberObject::changing(size_t index) {
  if (pending() != nullptr) [[unlikely]]
    pending()->before_block(index / kBlockMembers);
}

void MemberObject::append(Member* member) {
  KEELSON_CHECK(size_ < UINT32_MAX, "a collection of more than 2^32 members");
  if (size_ % kBlockMembers == 0) blocks_.push_back(std::make_unique<Block>());
  member->set_index(static_cast<uint32_t>(size_));
  ++size_;
  slot(size_ - 1) = member;
}

bool MemberObject::set(std::string_view name, std::string_view value) {
  const uint64_t hash = table_.hash(name);
  Member* member = table_.find(name, hash);
  if (member == nullptr) {
    // The block that the new member comes to may hold others that are not written down yet.
    changing(size_);
    member = Member::create(name, value, has_values());
    append(member);
    table_.insert(member, hash);
    return true;
  }
  if (!has_values()) return false;
  changing(member->index());
  if (member->try_set_value(value)) return false;
  Member* replaced = Member::create(name, value, true);
  replaced->set_index(member->index());
  slot(member->index()) = replaced;
  table_.replace(member, replaced, hash);
  Member::destroy(member, true);
  return false;
}

bool MemberObject::erase(std::string_view name) {
  const uint64_t hash = table_.hash(name);
  Member* member = table_.find(name, hash);
  if (member == nullptr) return false;
  const uint32_t index = member->index();
  changing(index);
  changing(size_ - 1);
  table_.erase(member, hash);
  Member* last = slot(size_ - 1);
  slot(index) = last;
  last->set_index(index);
  --size_;
  if (size_ % kBlockMembers == 0) blocks_.pop_back();
  Member::destroy(member, has_values());
  return true;
}

void MemberObject::load_begin(size_t count) {
  KEELSON_CHECK(size_ == 0, "load_begin() is for a new object");
  // A count that is a lie must not take all memory: blocks are made as their members come.
  constexpr size_t kReservedMembersMax = size_t{1} << 18;
  table_.reserve(std::min(count, kReservedMembersMax));
  blocks_.resize((count + kBlockMembers - 1) / kBlockMembers);
  size_ = count;
}

bool MemberObject::load_at(size_t index, std::string_view name, std::string_view value) {
  if (index >= size_) return false;
  std::unique_ptr<Block>& block = blocks_[index / kBlockMembers];
  if (block == nullptr) block = std::make_unique<Block>();
  if (slot(index) != nullptr) return false;
  const uint64_t hash = table_.hash(name);
  if (table_.find(name, hash) != nullptr) return false;
  Member* member = Member::create(name, value, has_values());
  member->set_index(static_cast<uint32_t>(index));
  slot(index) = member;
  table_.insert(member, hash);
  return true;
}

size_t MemberObject::bytes(size_t samples) const {
  size_t total = size_class(sizeof(MemberObject)) + table_.bytes() + blocks_.size() * (sizeof(Block) + sizeof(void*));
  const size_t looked_at = samples == 0 ? size_ : std::min(samples, size_);
  size_t members = 0;
  for (size_t i = 0; i < looked_at; ++i) members += Member::bytes(at(i), has_values());
  return looked_at == 0 ? total : total + members * size_ / looked_at;
}

}  // namespace keelson::kv
