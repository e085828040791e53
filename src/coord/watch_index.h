// Which watched keys and ranges a key falls into: a hash table of keys, and a treap of ranges in which each node knows
// the farthest end below it (an interval tree). For this folder alone; one thread.
//
// A key or range stands once, whoever watches it, and holds two lists of its watchers: those that are told of events as
// they happen, and those that are being told older ones. So an event costs one look-up, a walk of O(log ranges) for
// each range that it falls into, and its watchers.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/hash.h"

namespace keelson::coord {

struct Watcher;

// Of an entry's two lists.
enum class Audience : uint8_t { kSynced = 0, kBehind = 1 };

struct WatchEntry {
  enum class Kind : uint8_t { kKey, kRange, kFrom };
  static constexpr uint32_t kUntouched = UINT32_MAX;

  std::string begin;
  std::array<Watcher*, 2> first{};  // by Audience; linked through the watchers
  uint32_t watchers = 0;            // in neither list too
  uint32_t want_previous = 0;       // of these
  uint32_t touched = kUntouched;    // for the hub's use while it gathers events
  Kind kind = Kind::kKey;
};

struct RangeEntry : WatchEntry {
  std::string end;  // not with kFrom
  uint64_t priority = 0;
  RangeEntry* left = nullptr;
  RangeEntry* right = nullptr;
  const RangeEntry* farthest = nullptr;  // of this subtree, by its end
};

class WatchIndex {
 public:
  // `secret`: so that clients cannot choose keys that collide.
  explicit WatchIndex(uint64_t secret) : keys_(0, Hash{secret}, Equal{}), secret_(secret) {}
  ~WatchIndex();
  WatchIndex(const WatchIndex&) = delete;
  WatchIndex& operator=(const WatchIndex&) = delete;

  // The entry of a key or range, as WatchRequest has them; made if it is new. It stays until remove().
  WatchEntry& find_or_add(std::string_view key, std::string_view range_end);
  // Nobody watches it any more.
  void remove(WatchEntry& entry);
  // Calls `found` for each entry that the key falls into.
  void match(std::string_view key, FunctionRef<void(WatchEntry&)> found) const;

  [[nodiscard]] size_t key_count() const { return keys_.size(); }
  [[nodiscard]] size_t range_count() const { return range_count_; }

 private:
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    uint64_t secret = 0;
    size_t operator()(std::string_view key) const { return hash64(key, secret); }
    size_t operator()(const std::unique_ptr<WatchEntry>& entry) const { return hash64(entry->begin, secret); }
  };
  struct Equal {
    using is_transparent = void;
    static std::string_view of(std::string_view key) { return key; }
    static std::string_view of(const std::unique_ptr<WatchEntry>& entry) { return entry->begin; }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return of(a) == of(b);
    }
  };

  boost::unordered_flat_set<std::unique_ptr<WatchEntry>, Hash, Equal> keys_;
  RangeEntry* root_ = nullptr;
  size_t range_count_ = 0;
  uint64_t secret_;
};

}  // namespace keelson::coord
