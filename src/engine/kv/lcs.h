// The longest common subsequence of two strings, and where its runs stand, as LCS reports them. Pure.
//
// Time and memory are the product of both lengths (4 bytes for each cell).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::kv {

// A run of equal bytes: a[a_first .. a_last] == b[b_first .. b_last].
struct LcsMatch {
  uint32_t a_first, a_last, b_first, b_last;
  [[nodiscard]] uint32_t length() const { return a_last - a_first + 1; }
};

struct LcsResult {
  std::string text;
  std::vector<LcsMatch> matches;  // from the end of the strings to their start
};

// Bytes that longest_common() takes for its table.
[[nodiscard]] inline uint64_t lcs_table_bytes(std::string_view a, std::string_view b) {
  return (uint64_t{a.size()} + 1) * (uint64_t{b.size()} + 1) * sizeof(uint32_t);
}

// Of several longest ones the same as Redis's LCS.
[[nodiscard]] LcsResult longest_common(std::string_view a, std::string_view b);

}  // namespace keelson::kv
