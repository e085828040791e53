// One state of one key: what a change made of it. Written once, never changed but for its links.
//
// A version is one allocation of 32 bytes, the optional parts that it needs, key and value:
//   header       older version of the key, revision (main, sub), depth, sizes, flags
//   first        if its version count is not 1: create revision and version count (16 bytes)
//   lease        if it has one: id and the neighbours in the lease's ring of keys (24 bytes)
//   jump         if its depth is a multiple of kJumpEvery: a version much older, and its revision (16 bytes)
// With a key's versions in a chain from new to old, jumps make the way to any of them logarithmic: that of depth d goes
// to depth d & (d-1). A version that is no longer readable may be gone, so a jump is taken only if the revision that
// stands beside it is above the one that is looked for, which is never below the compacted one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/coord/types.h"

namespace keelson::coord {

class Version {
 public:
  static constexpr uint32_t kJumpEvery = 16;

  struct Content {
    std::string_view key;
    std::string_view value;
    Revision main = 0;
    uint32_t sub = 0;
    Revision create = 0;
    int64_t count = 0;  // 0: a deletion
    LeaseId lease = 0;
  };

  // `older`: the key's latest version so far, or null. Jumps never go to versions at or below `compacted`.
  [[nodiscard]] static Version* make(const Content& content, Version* older, Revision compacted);
  static void destroy(Version* version);

  [[nodiscard]] Revision main() const { return main_; }
  [[nodiscard]] uint32_t sub() const { return sub_; }
  [[nodiscard]] bool is_before(Revision main, uint32_t sub) const {
    return main_ < main || (main_ == main && sub_ < sub);
  }
  [[nodiscard]] bool is_deletion() const { return (flags_ & kDeletion) != 0; }
  [[nodiscard]] Revision create() const { return has(kFirst) ? get<Revision>(kFirst, 0) : main_; }
  [[nodiscard]] int64_t count() const { return is_deletion() ? 0 : has(kFirst) ? get<int64_t>(kFirst, 8) : 1; }
  [[nodiscard]] LeaseId lease() const { return has(kLease) ? get<LeaseId>(kLease, 0) : 0; }
  [[nodiscard]] std::string_view key() const { return {bytes() + offset(kContent), key_size_}; }
  [[nodiscard]] std::string_view value() const { return {bytes() + offset(kContent) + key_size_, value_size_}; }
  [[nodiscard]] KeyValue key_value() const;

  [[nodiscard]] Version* older() const { return older_; }
  void forget_older() { older_ = nullptr; }
  // The newest from here on with a revision of at most `main` (not below the compacted one); null: none.
  [[nodiscard]] const Version* at(Revision main) const;

  // The ring of a lease's keys.
  [[nodiscard]] bool is_linked() const { return (flags_ & kLinked) != 0; }
  void set_linked(bool is_linked) {
    flags_ = static_cast<uint8_t>(is_linked ? flags_ | kLinked : flags_ & ~uint32_t{kLinked});
  }
  [[nodiscard]] Version* next_of_lease() const { return get<Version*>(kLease, 8); }
  [[nodiscard]] Version* previous_of_lease() const { return get<Version*>(kLease, 16); }
  void set_next_of_lease(Version* version) { put(kLease, 8, version); }
  void set_previous_of_lease(Version* version) { put(kLease, 16, version); }

  // Of the allocation.
  [[nodiscard]] size_t size_bytes() const { return offset(kContent) + key_size_ + value_size_; }

 private:
  enum Flag : uint8_t { kFirst = 1, kLease = 2, kJump = 4, kContent = 8, kDeletion = 16, kLinked = 32 };

  Version() = default;
  [[nodiscard]] bool has(Flag flag) const { return (flags_ & flag) != 0; }
  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(this); }
  // Where a part begins: behind the header and the parts before it.
  [[nodiscard]] size_t offset(Flag part) const {
    const unsigned before = flags_ & (part - 1U);
    return sizeof(Version) + ((before & kFirst) != 0 ? 16 : 0) + ((before & kLease) != 0 ? 24 : 0) +
           ((before & kJump) != 0 ? 16 : 0);
  }
  template <class T>
  [[nodiscard]] T get(Flag part, size_t at) const {
    T value;
    std::memcpy(&value, bytes() + offset(part) + at, sizeof(value));
    return value;
  }
  template <class T>
  void put(Flag part, size_t at, T value) {
    std::memcpy(reinterpret_cast<char*>(this) + offset(part) + at, &value, sizeof(value));
  }
  // The version that a jump of this one goes to, or null.
  [[nodiscard]] static Version* find_jump(Version* older, uint32_t depth, Revision compacted);

  Version* older_;
  Revision main_;
  uint32_t sub_;
  uint32_t depth_;
  uint32_t value_size_;
  uint32_t key_size_ : 24;
  uint32_t flags_ : 8;
};
static_assert(sizeof(Version) == 32);

}  // namespace keelson::coord
