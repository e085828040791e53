// What the commands of sets and sorted sets share: results that are gathered before they are answered, and chance.
//
// All of it is temporary: made by a handler, gone when it returns.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "engine/kv/command.h"

namespace keelson::kv {

// Copies of members in the order in which they were added, in one run of bytes.
class MemberList {
 public:
  void add(std::string_view member) {
    bytes_.append(member);
    ends_.push_back(bytes_.size());
  }
  [[nodiscard]] size_t size() const { return ends_.size(); }
  [[nodiscard]] bool empty() const { return ends_.empty(); }
  [[nodiscard]] std::string_view operator[](size_t index) const {
    const size_t from = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(bytes_).substr(from, ends_[index] - from);
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

// Views of members, to ask whether one was seen; never walked over, so its order does not matter. What the views look
// at must stay.
using MemberViews = boost::unordered_flat_set<std::string_view, SeededStringHash>;

// A stream of numbers from a record's seed: the same seed gives the same numbers on every machine. (SplitMix64.)
class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}
  [[nodiscard]] uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    return mix64(state_);
  }
  // 0 <= result < bound; bound > 0. Its bias is below bound / 2^64.
  [[nodiscard]] size_t below(size_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<size_t>((static_cast<Wide>(next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

// `count` different indexes below `size` (count <= size), in random order.
[[nodiscard]] std::vector<uint32_t> pick_indexes(Chance& chance, size_t size, size_t count);

// A command that picks with repetition answers at most this often (SRANDMEMBER key -1000000000): the answer of one
// command has to fit into memory. Redis has no limit, and fails for want of memory instead.
inline constexpr int64_t kRepeatedPicksMax = int64_t{1} << 24;

}  // namespace keelson::kv
