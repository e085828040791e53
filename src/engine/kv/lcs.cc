#include "engine/kv/lcs.h"

#include <algorithm>

namespace keelson::kv {

namespace {

// Cell (i, j) holds the length for the first i bytes of a and the first j of b.
class Table {
 public:
  Table(std::string_view a, std::string_view b) : width_(b.size() + 1), cells_((a.size() + 1) * width_) {
    for (size_t i = 1; i <= a.size(); ++i) {
      for (size_t j = 1; j <= b.size(); ++j) {
        cell(i, j) = a[i - 1] == b[j - 1] ? at(i - 1, j - 1) + 1 : std::max(at(i - 1, j), at(i, j - 1));
      }
    }
  }
  [[nodiscard]] uint32_t at(size_t i, size_t j) const { return cells_[i * width_ + j]; }

 private:
  uint32_t& cell(size_t i, size_t j) { return cells_[i * width_ + j]; }

  size_t width_;
  std::vector<uint32_t> cells_;
};

}  // namespace

LcsResult longest_common(std::string_view a, std::string_view b) {
  const Table table(a, b);
  LcsResult result;
  result.text.resize(table.at(a.size(), b.size()));
  size_t left = result.text.size();
  bool is_in_run = false;
  size_t i = a.size();
  size_t j = b.size();
  while (i > 0 && j > 0) {
    if (a[i - 1] != b[j - 1]) {
      is_in_run = false;
      // Redis goes up only if that is better.
      if (table.at(i - 1, j) > table.at(i, j - 1)) {
        --i;
      } else {
        --j;
      }
      continue;
    }
    --i;
    --j;
    result.text[--left] = a[i];
    const auto a_at = static_cast<uint32_t>(i);
    const auto b_at = static_cast<uint32_t>(j);
    if (is_in_run) {
      result.matches.back().a_first = a_at;
      result.matches.back().b_first = b_at;
    } else {
      result.matches.push_back({a_at, a_at, b_at, b_at});
      is_in_run = true;
    }
  }
  return result;
}

}  // namespace keelson::kv
