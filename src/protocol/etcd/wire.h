// Messages of Protocol Buffers (proto3) written field by field: varints, strings, and messages within. For answers, which
// are written once, from what the engine shows, and never looked at again. Pure.
//
// Fields that are zero or empty are left out, as proto3 has it. A message within is begun with a byte for its length,
// which makes room for more when it ends, if that is needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::etcd {

class WireWriter {
 public:
  explicit WireWriter(std::string& into) : out_(into) {}

  void number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    varint(field << 3);
    varint(value);
  }
  void number(uint32_t field, int64_t value) { number(field, static_cast<uint64_t>(value)); }
  void number(uint32_t field, uint32_t value) { number(field, uint64_t{value}); }
  void boolean(uint32_t field, bool value) { number(field, uint64_t{value}); }
  void bytes(uint32_t field, std::string_view value) {
    if (!value.empty()) element(field, value);
  }
  // Of a repeated field, where an empty one counts.
  void element(uint32_t field, std::string_view value) {
    tag(field);
    varint(value.size());
    out_.append(value);
  }
  // The tag of a string or message; one byte below 16.
  void tag(uint32_t field) { varint(field << 3 | kLengthDelimited); }
  // Begins the content of a message whose tag stands there; give what it returns to end().
  [[nodiscard]] size_t begin() {
    out_.push_back('\0');
    return out_.size() - 1;
  }
  [[nodiscard]] size_t begin(uint32_t field) {
    tag(field);
    return begin();
  }
  void end(size_t mark) {
    const size_t bytes = out_.size() - mark - 1;
    if (bytes < kMore) {
      out_[mark] = static_cast<char>(bytes);
      return;
    }
    char length[kVarintBytesMax];
    const size_t size = put_varint(length, bytes);
    out_.replace(mark, 1, length, size);
  }
  void varint(uint64_t value) {
    char bytes[kVarintBytesMax];
    out_.append(bytes, put_varint(bytes, value));
  }
  [[nodiscard]] static size_t varint_bytes(uint64_t value) {
    size_t bytes = 1;
    for (; value >= kMore; value >>= 7) ++bytes;
    return bytes;
  }

 private:
  static constexpr uint32_t kLengthDelimited = 2;
  static constexpr size_t kVarintBytesMax = 10;
  static constexpr uint64_t kMore = 0x80;

  static size_t put_varint(char* to, uint64_t value) {
    size_t size = 0;
    for (; value >= kMore; value >>= 7) to[size++] = static_cast<char>(value | kMore);
    to[size++] = static_cast<char>(value);
    return size;
  }

  std::string& out_;
};

}  // namespace keelson::etcd
