// Packed elements: strings and numbers one behind another, for small collections within their entry and for list
// chunks.
//
//   first byte   0xxxxxxx   a string of that length (0..127), its bytes follow
//                10xxxxxx   the integer 0..63
//                1100 0000  an int8 follows           0001 int16   0010 int24   0011 int32   0100 int48   0101 int64
//                1100 0110  a double follows (scores that are no integer of at most 53 bits)
//                1101 xxxx  a string: the length is these 4 bits and the next byte (128..4095)
//                1110 0000  a string: a u32 length follows
//                1111 xxxx  a name by its number: these 4 bits and the next byte (field_names.h; hashes' fields alone,
//                           and never outside a keyspace's memory)
//
// All little-endian. A string that is the canonical text of an int64 is always packed as the integer, integers as short
// as they can be: so equal strings have equal bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/coding.h"
#include "base/numbers.h"

namespace keelson::kv {

// One element to be packed or searched for.
class PackedElement {
 public:
  explicit PackedElement(std::string_view bytes) : bytes_(bytes) {
    if (!bytes.empty() && bytes.size() <= 20 && (bytes[0] == '-' || (bytes[0] >= '0' && bytes[0] <= '9'))) {
      if (const auto number = parse_int64(bytes)) {
        is_integer_ = true;
        integer_ = *number;
      }
    }
  }
  explicit PackedElement(int64_t integer) : integer_(integer), is_integer_(true) {}
  // A score: as an integer if nothing is lost.
  explicit PackedElement(double real);

  [[nodiscard]] size_t size() const;
  // Writes size() bytes; the result is behind them.
  char* write(char* to) const;

  [[nodiscard]] bool is_integer() const { return is_integer_; }
  [[nodiscard]] int64_t integer() const { return integer_; }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
  int64_t integer_ = 0;
  double real_ = 0;
  bool is_integer_ = false;
  bool is_real_ = false;
};

// One element as it was read.
struct PackedItem {
  enum class Kind : uint8_t { kString, kInteger, kReal, kName };
  Kind kind = Kind::kString;
  uint32_t size = 0;    // of the packed form
  int64_t integer = 0;  // of a name: its number
  double real = 0;
  std::string_view bytes;

  // As text; an integer is printed into scratch. (Scores and names by number are never asked for as text.)
  [[nodiscard]] std::string_view text(IntegerText& scratch) const {
    if (kind == Kind::kString) [[likely]]
      return bytes;
    scratch = format_int64(integer);
    return scratch.view();
  }
  [[nodiscard]] double score() const { return kind == Kind::kReal ? real : static_cast<double>(integer); }
  [[nodiscard]] bool equals(const PackedElement& element) const {
    if (element.is_integer()) return kind == Kind::kInteger && integer == element.integer();
    return kind == Kind::kString && bytes == element.bytes();
  }
};

namespace packed_detail {

inline constexpr uint8_t kInt8 = 0xc0;
inline constexpr uint8_t kInt16 = 0xc1;
inline constexpr uint8_t kInt24 = 0xc2;
inline constexpr uint8_t kInt32 = 0xc3;
inline constexpr uint8_t kInt48 = 0xc4;
inline constexpr uint8_t kInt64 = 0xc5;
inline constexpr uint8_t kDouble = 0xc6;
inline constexpr uint8_t kString12 = 0xd0;
inline constexpr uint8_t kString32 = 0xe0;
inline constexpr uint8_t kName = 0xf0;

// Bytes behind a first byte 0xc0 + i.
inline constexpr uint8_t kNumberBytes[] = {1, 2, 3, 4, 6, 8, 8};

inline constexpr size_t kPackedNameBytes = 2;

void read_number(const char* at, uint8_t first, PackedItem& item);

}  // namespace packed_detail

// The element at `at`, which is known to be whole.
[[nodiscard]] inline PackedItem read_packed(const char* at) {
  using namespace packed_detail;
  PackedItem item;
  const auto first = static_cast<uint8_t>(*at);
  if (first < 0x80) [[likely]] {
    item.size = 1U + first;
    item.bytes = {at + 1, first};
  } else if (first < 0xc0) {
    item.kind = PackedItem::Kind::kInteger;
    item.size = 1;
    item.integer = first & 63;
  } else if (first < kString12) {
    read_number(at, first, item);
  } else if (first < kString32) {
    const uint32_t length = (first & 15U) << 8 | static_cast<uint8_t>(at[1]);
    item.size = 2 + length;
    item.bytes = {at + 2, length};
  } else if (first >= kName) {
    item.kind = PackedItem::Kind::kName;
    item.size = 2;
    item.integer = (first & 15) << 8 | static_cast<uint8_t>(at[1]);
  } else {
    const uint32_t length = get_u32(at + 1);
    item.size = 5 + length;
    item.bytes = {at + 5, length};
  }
  return item;
}

// Only its size.
[[nodiscard]] inline size_t packed_size_at(const char* at) {
  using namespace packed_detail;
  const auto first = static_cast<uint8_t>(*at);
  if (first < 0x80) [[likely]]
    return 1U + first;
  if (first < 0xc0) return 1;
  if (first < kString12) return 1U + kNumberBytes[first - kInt8];
  if (first < kString32) return 2 + ((first & 15U) << 8 | static_cast<uint8_t>(at[1]));
  if (first >= kName) return kPackedNameBytes;
  return 5 + size_t{get_u32(at + 1)};
}

// Does the packed element at `at` equal `element`? Cheaper than reading it.
[[nodiscard]] inline bool packed_equals(const char* at, const PackedElement& element) {
  if (!element.is_integer() && element.bytes().size() < 128) [[likely]] {
    return static_cast<uint8_t>(*at) == element.bytes().size() &&
           std::memcmp(at + 1, element.bytes().data(), element.bytes().size()) == 0;
  }
  return read_packed(at).equals(element);
}

// A name by its number (below 4096): kPackedNameBytes.
using packed_detail::kPackedNameBytes;
inline char* write_packed_name(char* to, uint16_t number) {
  to[0] = static_cast<char>(packed_detail::kName | number >> 8);
  to[1] = static_cast<char>(number);
  return to + kPackedNameBytes;
}
[[nodiscard]] inline bool is_packed_name(const char* at, uint16_t number) {
  return static_cast<uint8_t>(at[0]) == (packed_detail::kName | number >> 8) &&
         static_cast<uint8_t>(at[1]) == (number & 0xff);
}

// The size of the element at the start of bytes that nobody has checked, or nothing if it is not whole (or a name by
// its number).
[[nodiscard]] std::optional<size_t> checked_packed_size(std::string_view bytes);

// A collection within an entry: a u16 count of elements, then the elements (hash: field and value in turn; sorted set:
// member and score in turn, in order).
inline constexpr size_t kPackedHeaderBytes = 2;
[[nodiscard]] inline size_t packed_count(std::string_view blob) { return blob.empty() ? 0 : get_u16(blob.data()); }
// Is it well formed? For blobs from checkpoints.
[[nodiscard]] bool is_packed_blob(std::string_view blob);

}  // namespace keelson::kv
