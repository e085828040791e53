// The keys in the order of their bytes, each with its latest version.
//
// Keys lie in leaves of up to 74, leaves in groups of up to 256, groups in one row. A leaf has for each key the address
// of its version and the four bytes behind what all keys of the leaf begin with, so that a search looks at one or two
// keys themselves. Groups and the row are searched by short separators. How many keys are present (their latest version
// is no deletion) is counted in leaves and groups, so that counting a range costs no walk.
//
// Keys that rise leave full leaves behind. Does not own the versions. Own thread only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/separators.h"
#include "engine/coord/version.h"

namespace keelson::coord {

class KeyIndex {
 public:
  static constexpr uint32_t kLeafKeys = 74;  // a leaf is 896 bytes, which allocators do not round up
  static constexpr uint32_t kGroupLeaves = 256;

  // Where a key is, or would be. Holds until the next insert() or erase().
  struct Place {
    uint32_t group = 0;
    uint32_t leaf = 0;
    uint32_t slot = 0;
    auto operator<=>(const Place&) const = default;
  };

  KeyIndex();
  ~KeyIndex();
  KeyIndex(const KeyIndex&) = delete;
  KeyIndex& operator=(const KeyIndex&) = delete;

  // True: `place` is the key's. False: it is where insert() would put it (maybe behind a leaf's last: see settle()).
  [[nodiscard]] bool find(std::string_view key, Place& place) const;
  [[nodiscard]] Version* at(const Place& place) const;
  void insert(const Place& place, Version* version);
  // Another version of the same key.
  void replace(const Place& place, Version* version);
  void erase(const Place& place);
  void clear();

  // Makes the place of the first key that is not less (that of the key behind the last: end()).
  [[nodiscard]] Place lower_bound(std::string_view key) const;
  [[nodiscard]] Place end() const;
  void advance(Place& place) const;
  // Of keys present in [from, to).
  [[nodiscard]] uint64_t count_present(const Place& from, const Place& to) const;

  [[nodiscard]] uint64_t size() const { return size_; }
  [[nodiscard]] uint64_t present() const { return present_; }
  // Of memory, about.
  [[nodiscard]] size_t bytes_used() const;

 private:
  struct Leaf {
    uint16_t count = 0;
    uint16_t present = 0;
    uint32_t shared = 0;  // bytes that all keys here begin with; at least these
    std::array<uint32_t, kLeafKeys> heads;
    std::array<Version*, kLeafKeys> versions;
  };
  struct Group {
    Separators separators;  // before leaves[1], leaves[2], ...
    std::vector<std::unique_ptr<Leaf>> leaves;
    uint64_t present = 0;
  };

  [[nodiscard]] static uint32_t head_of(std::string_view key, uint32_t shared);
  static void make_heads(Leaf& leaf);
  [[nodiscard]] static bool search(const Leaf& leaf, std::string_view key, uint32_t& slot);
  static std::unique_ptr<Leaf> new_leaf();
  [[nodiscard]] Leaf& leaf_of(const Place& place) const { return *groups_[place.group]->leaves[place.leaf]; }
  void settle(Place& place) const;
  // Makes room in a full leaf; `place` stays that of `key`, which is not there yet.
  void split_leaf(std::string_view key, Place& place);
  void split_group(Place& place);
  void drop_leaf(const Place& place);
  void join_with_next(const Place& place);
  static void move_keys(Leaf& from, uint32_t first, Leaf& to);
  void count_change(const Place& place, int64_t change);

  Separators separators_;                       // before groups_[1], ...
  std::vector<std::unique_ptr<Group>> groups_;  // one at least, with one leaf at least
  uint64_t size_ = 0;
  uint64_t present_ = 0;
};

}  // namespace keelson::coord
