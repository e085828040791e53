// A string that is a number, within its entry: an int64 in the fewest of 1, 2, 4 or 8 bytes, little-endian.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace keelson::kv {

class IntegerBytes {
 public:
  explicit IntegerBytes(int64_t value) {
    std::memcpy(bytes_, &value, sizeof(value));
    size_ = value == static_cast<int8_t>(value)    ? 1
            : value == static_cast<int16_t>(value) ? 2
            : value == static_cast<int32_t>(value) ? 4
                                                   : 8;
  }
  [[nodiscard]] std::string_view view() const { return {bytes_, size_}; }

 private:
  char bytes_[8];
  size_t size_;
};

// Of 1, 2, 4 or 8 bytes.
[[nodiscard]] inline int64_t read_integer(std::string_view bytes) {
  switch (bytes.size()) {
    case 1:
      return static_cast<int8_t>(bytes[0]);
    case 2: {
      int16_t value;
      std::memcpy(&value, bytes.data(), sizeof(value));
      return value;
    }
    case 4: {
      int32_t value;
      std::memcpy(&value, bytes.data(), sizeof(value));
      return value;
    }
    default: {
      int64_t value;
      std::memcpy(&value, bytes.data(), sizeof(value));
      return value;
    }
  }
}

}  // namespace keelson::kv
