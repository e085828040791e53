// A set of integers within its entry: a u8 width (2, 4 or 8) and the integers, little-endian, in the set's own order.
//
// Not sorted, unlike Redis's intset: the order of a set is replicated state and may not depend on its encoding. A
// search compares whole vectors at a time; 512 integers take some 50 ns.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace keelson::kv {

// A view of the inline bytes; empty bytes are an empty array.
class IntegerArray {
 public:
  static constexpr size_t kNone = SIZE_MAX;

  explicit IntegerArray(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] size_t width() const { return bytes_.empty() ? 0 : static_cast<uint8_t>(bytes_[0]); }
  [[nodiscard]] size_t size() const { return bytes_.empty() ? 0 : (bytes_.size() - 1) / width(); }
  [[nodiscard]] int64_t at(size_t index) const;
  // Its index, or kNone.
  [[nodiscard]] size_t find(int64_t value) const;

  [[nodiscard]] static size_t width_of(int64_t value) {
    return value == static_cast<int16_t>(value) ? 2 : value == static_cast<int32_t>(value) ? 4 : 8;
  }
  static void put(char* to, size_t width, int64_t value) { std::memcpy(to, &value, width); }
  // Bytes that came from outside.
  [[nodiscard]] static bool is_well_formed(std::string_view bytes);

 private:
  std::string_view bytes_;
};

}  // namespace keelson::kv
