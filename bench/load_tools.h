// What the load generators share: reading their arguments, and percentiles.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace keelson::bench {

// All of `text` must be the number.
template <class Number>
bool read_number(const char* text, Number& into) {
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), into);
  return error == std::errc() && end == view.data() + view.size();
}

// Latencies of a run that has ended.
class Percentiles {
 public:
  explicit Percentiles(std::vector<uint32_t> values_us) : sorted_(std::move(values_us)) {
    if (sorted_.empty()) sorted_.push_back(0);
    std::sort(sorted_.begin(), sorted_.end());
  }
  // `part` from 0 to 1.
  [[nodiscard]] uint32_t at(double part) const {
    return sorted_[static_cast<size_t>(part * static_cast<double>(sorted_.size() - 1))];
  }

 private:
  std::vector<uint32_t> sorted_;
};

}  // namespace keelson::bench
