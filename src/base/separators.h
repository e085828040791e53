// The separators of one node of a search tree: short byte strings, rising, made to be searched with few cache misses.
//
// What all of them begin with is kept once; of each, the eight bytes behind that lie in an array of integers, which a
// search halves, and the whole rest beside it, for those that these eight bytes do not tell apart.
//
// Order is that of memcmp. Own thread only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson {

// Bytes that both begin with.
[[nodiscard]] inline size_t common_prefix(std::string_view a, std::string_view b) {
  const size_t most = std::min(a.size(), b.size());
  return static_cast<size_t>(std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(most), b.begin()).first -
                             a.begin());
}

class Separators {
 public:
  [[nodiscard]] size_t size() const { return heads_.size(); }
  // How many are not greater than `key`: with a child before, between and behind them, the number of the key's child.
  [[nodiscard]] size_t count_not_greater(std::string_view key) const;
  [[nodiscard]] std::string text(size_t at) const;
  void copy_text(size_t at, std::string& to) const;

  // `separator` is greater than the one before `at` and less than the one there.
  void insert(size_t at, std::string_view separator);
  void erase(size_t at);
  // Those from `from` on leave this and are the result.
  [[nodiscard]] Separators split(size_t from);

  // Held from the allocator, about.
  [[nodiscard]] size_t bytes_used() const;

 private:
  void set_shared(size_t length);
  void widen();

  std::string shared_;
  std::vector<uint64_t> heads_;     // of rests_: eight bytes, the first one highest, filled up with zeros
  std::vector<std::string> rests_;  // behind shared_
};

}  // namespace keelson
