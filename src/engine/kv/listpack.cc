#include "engine/kv/listpack.h"

#include <algorithm>
#include <cstring>

#include "base/coding.h"
#include "base/numbers.h"

namespace keelson::kv {
namespace {

constexpr size_t kHeaderBytes = 6;
constexpr uint16_t kCountUnknown = 0xffff;
constexpr uint8_t kEnd = 0xff;

// The low `bytes` bytes at the front, as a signed number.
bool take_signed(std::string_view& from, size_t bytes, int64_t& value) {
  if (from.size() < bytes) return false;
  uint64_t raw = 0;
  std::memcpy(&raw, from.data(), bytes);
  const unsigned unused = static_cast<unsigned>(64 - 8 * bytes);
  value = static_cast<int64_t>(raw << unused) >> unused;
  from.remove_prefix(bytes);
  return true;
}

bool take_string(std::string_view& from, size_t length, Elements& elements) {
  if (from.size() < length) return false;
  elements.emplace_back(from.substr(0, length));
  from.remove_prefix(length);
  return true;
}

size_t back_length_bytes(size_t length) {
  if (length <= 127) return 1;
  if (length < 16384) return 2;
  if (length < 2097152) return 3;
  return length < 268435456 ? 4 : 5;
}

// One element without its back length.
bool take_listpack_element(std::string_view& from, Elements& elements) {
  uint8_t first = 0;
  if (!read_u8(from, first)) return false;
  int64_t number = 0;
  if (first < 0x80) {
    number = first;
  } else if (first < 0xc0) {
    return take_string(from, first & 0x3fU, elements);
  } else if (first < 0xe0) {
    uint8_t low = 0;
    if (!read_u8(from, low)) return false;
    number = (first & 0x1f) << 8 | low;
    if (number >= 4096) number -= 8192;
  } else if (first < 0xf0) {
    uint8_t low = 0;
    if (!read_u8(from, low)) return false;
    return take_string(from, (first & 15U) << 8 | low, elements);
  } else if (first == 0xf0) {
    uint32_t length = 0;
    return read_u32(from, length) && take_string(from, length, elements);
  } else if (first <= 0xf4) {
    constexpr size_t kBytes[] = {2, 3, 4, 8};
    if (!take_signed(from, kBytes[first - 0xf1], number)) return false;
  } else {
    return false;
  }
  elements.emplace_back(format_int64(number).view());
  return true;
}

bool take_ziplist_element(std::string_view& from, Elements& elements) {
  uint8_t first = 0;
  // The length of the element before it: one byte, or 254 and four more.
  uint32_t before = 0;
  if (!read_u8(from, first) || first == kEnd || (first == 254 && !read_u32(from, before))) return false;
  if (!read_u8(from, first)) return false;
  if (first < 0x40) return take_string(from, first, elements);
  if (first < 0x80) {
    uint8_t low = 0;
    return read_u8(from, low) && take_string(from, (first & 0x3fU) << 8 | low, elements);
  }
  if (first == 0x80) {
    uint32_t length = 0;
    return read_u32(from, length) && take_string(from, __builtin_bswap32(length), elements);
  }
  int64_t number = 0;
  size_t bytes = 0;
  switch (first) {
    case 0xc0:
      bytes = 2;
      break;
    case 0xd0:
      bytes = 4;
      break;
    case 0xe0:
      bytes = 8;
      break;
    case 0xf0:
      bytes = 3;
      break;
    case 0xfe:
      bytes = 1;
      break;
    default:
      if (first < 0xf1 || first > 0xfd) return false;
      number = first - 0xf1;
      break;
  }
  if (bytes != 0 && !take_signed(from, bytes, number)) return false;
  elements.emplace_back(format_int64(number).view());
  return true;
}

// A zipmap's length: below 254 in a byte, or 254 and four more.
bool take_zipmap_length(std::string_view& from, uint32_t& length) {
  uint8_t first = 0;
  if (!read_u8(from, first) || first == kEnd) return false;
  length = first;
  return first < 254 || read_u32(from, length);
}

}  // namespace

ListpackWriter::ListpackWriter() : bytes_(kHeaderBytes, '\0') {}

void ListpackWriter::add_back_length(size_t length) {
  const size_t bytes = back_length_bytes(length);
  for (size_t i = bytes; i > 0; --i) {
    const size_t part = length >> (7 * (i - 1)) & 127;
    bytes_.push_back(static_cast<char>(i == bytes ? part : part | 128));
  }
}

void ListpackWriter::add_integer(int64_t value) {
  auto add_fixed = [this, value](uint8_t first, size_t bytes) {
    bytes_.push_back(static_cast<char>(first));
    bytes_.append(reinterpret_cast<const char*>(&value), bytes);
  };
  if (value >= 0 && value <= 127) {
    bytes_.push_back(static_cast<char>(value));
  } else if (value >= -4096 && value <= 4095) {
    const auto bits = static_cast<uint64_t>(value) & 0x1fff;
    bytes_.push_back(static_cast<char>(0xc0 | bits >> 8));
    bytes_.push_back(static_cast<char>(bits));
  } else if (value == static_cast<int16_t>(value)) {
    add_fixed(0xf1, 2);
  } else if (value >= -(1 << 23) && value < 1 << 23) {
    add_fixed(0xf2, 3);
  } else if (value == static_cast<int32_t>(value)) {
    add_fixed(0xf3, 4);
  } else {
    add_fixed(0xf4, 8);
  }
}

void ListpackWriter::add(std::string_view element) {
  const size_t begin = bytes_.size();
  const auto number = element.size() <= 20 ? parse_int64(element) : std::nullopt;
  if (number) {
    add_integer(*number);
  } else {
    if (element.size() < 64) {
      bytes_.push_back(static_cast<char>(0x80 | element.size()));
    } else if (element.size() < 4096) {
      bytes_.push_back(static_cast<char>(0xe0 | element.size() >> 8));
      bytes_.push_back(static_cast<char>(element.size()));
    } else {
      bytes_.push_back(static_cast<char>(0xf0));
      append_u32(bytes_, static_cast<uint32_t>(element.size()));
    }
    bytes_.append(element);
  }
  add_back_length(bytes_.size() - begin);
  ++count_;
}

std::string ListpackWriter::finish() {
  bytes_.push_back(static_cast<char>(kEnd));
  put_u32(bytes_.data(), static_cast<uint32_t>(bytes_.size()));
  put_u16(bytes_.data() + 4, static_cast<uint16_t>(std::min<size_t>(count_, kCountUnknown)));
  std::string whole = std::move(bytes_);
  bytes_.assign(kHeaderBytes, '\0');
  count_ = 0;
  return whole;
}

bool read_listpack(std::string_view bytes, Elements& elements) {
  uint32_t total = 0;
  uint16_t count = 0;
  const size_t size = bytes.size();
  if (!read_u32(bytes, total) || !read_u16(bytes, count) || total != size || bytes.empty() ||
      static_cast<uint8_t>(bytes.back()) != kEnd) {
    return false;
  }
  bytes.remove_suffix(1);
  const size_t first = elements.size();
  while (!bytes.empty()) {
    const size_t before = bytes.size();
    if (!take_listpack_element(bytes, elements)) return false;
    const size_t length = before - bytes.size();
    const size_t back = back_length_bytes(length);
    if (bytes.size() < back) return false;
    for (size_t i = back; i > 0; --i) {
      const size_t part = (length >> (7 * (i - 1)) & 127) | (i == back ? 0 : 128);
      if (static_cast<uint8_t>(bytes[back - i]) != part) return false;
    }
    bytes.remove_prefix(back);
  }
  return count == kCountUnknown || elements.size() - first == count;
}

bool read_ziplist(std::string_view bytes, Elements& elements) {
  uint32_t total = 0;
  uint32_t tail = 0;
  uint16_t count = 0;
  const size_t size = bytes.size();
  if (!read_u32(bytes, total) || !read_u32(bytes, tail) || !read_u16(bytes, count) || total != size || bytes.empty() ||
      static_cast<uint8_t>(bytes.back()) != kEnd) {
    return false;
  }
  bytes.remove_suffix(1);
  const size_t first = elements.size();
  while (!bytes.empty()) {
    if (!take_ziplist_element(bytes, elements)) return false;
  }
  return count == kCountUnknown || elements.size() - first == count;
}

bool read_zipmap(std::string_view bytes, Elements& elements) {
  uint8_t count = 0;
  if (!read_u8(bytes, count) || bytes.empty() || static_cast<uint8_t>(bytes.back()) != kEnd) return false;
  bytes.remove_suffix(1);
  const size_t first = elements.size();
  while (!bytes.empty()) {
    uint32_t length = 0;
    uint8_t unused = 0;
    if (!take_zipmap_length(bytes, length) || !take_string(bytes, length, elements)) return false;
    if (!take_zipmap_length(bytes, length) || !read_u8(bytes, unused) || !take_string(bytes, length, elements)) {
      return false;
    }
    if (bytes.size() < unused) return false;
    bytes.remove_prefix(unused);
  }
  return count >= 254 || elements.size() - first == size_t{count} * 2;
}

bool read_intset(std::string_view bytes, Elements& elements) {
  uint32_t width = 0;
  uint32_t count = 0;
  if (!read_u32(bytes, width) || !read_u32(bytes, count)) return false;
  if ((width != 2 && width != 4 && width != 8) || bytes.size() != uint64_t{width} * count) return false;
  int64_t last = 0;
  for (uint32_t i = 0; i < count; ++i) {
    int64_t value = 0;
    if (!take_signed(bytes, width, value) || (i != 0 && value <= last)) return false;
    elements.emplace_back(format_int64(value).view());
    last = value;
  }
  return true;
}

std::string write_intset(const std::vector<int64_t>& sorted) {
  uint32_t width = 2;
  for (const int64_t value : sorted) {
    const uint32_t needed = value == static_cast<int16_t>(value) ? 2 : value == static_cast<int32_t>(value) ? 4 : 8;
    width = std::max(width, needed);
  }
  std::string bytes;
  append_u32(bytes, width);
  append_u32(bytes, static_cast<uint32_t>(sorted.size()));
  for (const int64_t value : sorted) bytes.append(reinterpret_cast<const char*>(&value), width);
  return bytes;
}

}  // namespace keelson::kv
