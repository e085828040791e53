#include "engine/kv/integer_array.h"

namespace keelson::kv {
namespace {

template <class Integer>
Integer load(const char* from) {
  Integer value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <class Integer>
size_t find_in(const char* data, size_t size, Integer value) {
  // Blocks without a branch inside, which compilers turn into vector compares.
  constexpr size_t kBlock = 32;
  size_t i = 0;
  for (; i + kBlock <= size; i += kBlock) {
    unsigned is_there = 0;
    for (size_t j = 0; j < kBlock; ++j) {
      is_there |= static_cast<unsigned>(load<Integer>(data + (i + j) * sizeof(Integer)) == value);
    }
    if (is_there != 0) break;
  }
  for (; i < size; ++i) {
    if (load<Integer>(data + i * sizeof(Integer)) == value) return i;
  }
  return IntegerArray::kNone;
}

}  // namespace

int64_t IntegerArray::at(size_t index) const {
  const char* from = bytes_.data() + 1 + index * width();
  switch (width()) {
    case 2:
      return load<int16_t>(from);
    case 4:
      return load<int32_t>(from);
    default:
      return load<int64_t>(from);
  }
}

size_t IntegerArray::find(int64_t value) const {
  if (bytes_.empty() || width_of(value) > width()) return kNone;
  const char* data = bytes_.data() + 1;
  switch (width()) {
    case 2:
      return find_in(data, size(), static_cast<int16_t>(value));
    case 4:
      return find_in(data, size(), static_cast<int32_t>(value));
    default:
      return find_in(data, size(), value);
  }
}

bool IntegerArray::is_well_formed(std::string_view bytes) {
  if (bytes.empty()) return true;
  const auto width = static_cast<uint8_t>(bytes[0]);
  return (width == 2 || width == 4 || width == 8) && (bytes.size() - 1) % width == 0;
}

}  // namespace keelson::kv
