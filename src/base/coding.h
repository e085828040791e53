// Numbers as bytes: fixed-width little-endian, LEB128 varints, and strings with their length in front.
//
// append_* add to the end of a Buffer or a std::string. read_* take from the front of a view: false, with the view
// untouched, if it is too short or malformed; so readers of files and payloads can be written without a bounds check of
// their own.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/buffer.h"

namespace keelson {

static_assert(std::endian::native == std::endian::little, "the code below stores numbers as they lie in memory");

inline constexpr size_t kVarintBytesMax = 10;

template <class Out>
concept ByteSink = requires(Out& out, std::string_view bytes) { out.append(bytes); };

template <std::unsigned_integral Integer>
void put_fixed(char* to, Integer value) {
  std::memcpy(to, &value, sizeof(value));
}
template <std::unsigned_integral Integer>
[[nodiscard]] Integer get_fixed(const char* from) {
  Integer value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

inline void put_u16(char* to, uint16_t value) { put_fixed(to, value); }
inline void put_u32(char* to, uint32_t value) { put_fixed(to, value); }
inline void put_u64(char* to, uint64_t value) { put_fixed(to, value); }
[[nodiscard]] inline uint16_t get_u16(const char* from) { return get_fixed<uint16_t>(from); }
[[nodiscard]] inline uint32_t get_u32(const char* from) { return get_fixed<uint32_t>(from); }
[[nodiscard]] inline uint64_t get_u64(const char* from) { return get_fixed<uint64_t>(from); }

template <std::unsigned_integral Integer, ByteSink Out>
void append_fixed(Out& out, Integer value) {
  char bytes[sizeof(Integer)];
  put_fixed(bytes, value);
  out.append(std::string_view(bytes, sizeof(bytes)));
}
void append_u8(ByteSink auto& out, uint8_t value) { append_fixed<uint8_t>(out, value); }
void append_u16(ByteSink auto& out, uint16_t value) { append_fixed<uint16_t>(out, value); }
void append_u32(ByteSink auto& out, uint32_t value) { append_fixed<uint32_t>(out, value); }
void append_u64(ByteSink auto& out, uint64_t value) { append_fixed<uint64_t>(out, value); }

template <std::unsigned_integral Integer>
[[nodiscard]] bool read_fixed(std::string_view& from, Integer& value) {
  if (from.size() < sizeof(Integer)) return false;
  value = get_fixed<Integer>(from.data());
  from.remove_prefix(sizeof(Integer));
  return true;
}
[[nodiscard]] inline bool read_u8(std::string_view& from, uint8_t& value) { return read_fixed(from, value); }
[[nodiscard]] inline bool read_u16(std::string_view& from, uint16_t& value) { return read_fixed(from, value); }
[[nodiscard]] inline bool read_u32(std::string_view& from, uint32_t& value) { return read_fixed(from, value); }
[[nodiscard]] inline bool read_u64(std::string_view& from, uint64_t& value) { return read_fixed(from, value); }

[[nodiscard]] constexpr size_t varint_size(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

// Writes at most kVarintBytesMax bytes; the result is their count.
inline size_t put_varint(char* to, uint64_t value) {
  size_t count = 0;
  for (; value >= 0x80; value >>= 7) to[count++] = static_cast<char>(value | 0x80);
  to[count++] = static_cast<char>(value);
  return count;
}
void append_varint(ByteSink auto& out, uint64_t value) {
  char bytes[kVarintBytesMax];
  out.append(std::string_view(bytes, put_varint(bytes, value)));
}
// Takes only the shortest form of each number, so that a value has one encoding.
[[nodiscard]] inline bool read_varint(std::string_view& from, uint64_t& value) {
  uint64_t result = 0;
  const size_t count_max = from.size() < kVarintBytesMax ? from.size() : kVarintBytesMax;
  for (size_t i = 0; i < count_max; ++i) {
    const auto byte = static_cast<uint8_t>(from[i]);
    if (i == kVarintBytesMax - 1 && byte > 1) return false;
    result |= uint64_t{byte & 0x7fU} << (7 * i);
    if (byte < 0x80) {
      if (byte == 0 && i != 0) return false;
      value = result;
      from.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

// Signed numbers for varints: those near zero, of either sign, become small.
[[nodiscard]] constexpr uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
[[nodiscard]] constexpr int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (0 - (value & 1)));
}

void append_string(ByteSink auto& out, std::string_view bytes) {
  append_varint(out, bytes.size());
  out.append(bytes);
}
// The result is a view into `from`'s bytes.
[[nodiscard]] inline bool read_string(std::string_view& from, std::string_view& bytes) {
  std::string_view rest = from;
  uint64_t size = 0;
  if (!read_varint(rest, size) || size > rest.size()) return false;
  bytes = rest.substr(0, size);
  from = rest.substr(size);
  return true;
}

}  // namespace keelson
