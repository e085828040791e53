// Names of hash fields that many hashes of a keyspace have in common, each kept once.
//
// Hashes are mostly records: a million of them with the same ten fields. A packed hash (packed.h) stands for a name by
// its number here, two bytes, instead of spelling it out. Which hash spells out what is nobody's business but
// HashValue's; a checkpoint spells out everything.
//
// A name gets a number when it has come new to packed hashes kSightings times, as counted in a small table in which
// rare names push one another out. Numbers stay until clear(): there are at most kNamesMax, and when they are given
// away, what comes later is spelled out. So the memory has a bound (about 0.5 MB), and nothing counts references.
//
// Not part of the replicated state: two keyspaces with the same content may know different names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::kv {

class FieldNames {
 public:
  static constexpr size_t kNamesMax = 4096;   // 12 bits of a packed element
  static constexpr size_t kNameBytesMin = 2;  // what is shorter takes no more room as it is
  static constexpr size_t kNameBytesMax = 64;
  static constexpr uint16_t kSightings = 64;

  explicit FieldNames(uint64_t secret) : secret_(secret) {}

  // The number of a name, if it has one.
  [[nodiscard]] std::optional<uint16_t> find(std::string_view name) const {
    if (names_.empty() || !has_fitting_size(name)) return std::nullopt;
    return find_hash(name, hash(name));
  }
  // The same for a name that comes new to a packed hash: it is counted, and may get a number now.
  [[nodiscard]] std::optional<uint16_t> sighted(std::string_view name);
  // The view holds until clear().
  [[nodiscard]] std::string_view name(uint16_t number) const { return names_[number]; }
  [[nodiscard]] size_t size() const { return names_.size(); }
  [[nodiscard]] size_t bytes() const;
  // No packed hash of the keyspace is left that anybody will look at.
  void clear();

 private:
  static constexpr size_t kSlots = 2 * kNamesMax;  // linear probing, at most half full
  static constexpr size_t kCounts = 1024;
  using Slots = std::array<uint16_t, kSlots>;  // number + 1; 0: empty
  struct Count {
    uint16_t tag = 0;
    uint16_t seen = 0;
  };
  using Counts = std::array<Count, kCounts>;

  [[nodiscard]] static bool has_fitting_size(std::string_view name) {
    return name.size() >= kNameBytesMin && name.size() <= kNameBytesMax;
  }
  [[nodiscard]] uint64_t hash(std::string_view name) const;
  [[nodiscard]] std::optional<uint16_t> find_hash(std::string_view name, uint64_t hash) const;

  uint64_t secret_;
  std::deque<std::string> names_;  // by number; they never move
  // Both are made when they are first needed.
  std::unique_ptr<Slots> slots_;
  std::unique_ptr<Counts> counts_;
};

}  // namespace keelson::kv
