// Messages of Protocol Buffers (proto3) field by field: varints, strings, and messages within, without objects between.
// An answer is written once, from what the engine shows, and a request becomes an engine's command, whose views point
// into the request's bytes. Pure.
//
// Writing: fields that are zero or empty are left out, as proto3 has it. A message within is begun with a byte for its
// length, which makes room for more when it ends, if that is needed.
//
// Reading: fields come in any order; one that is not known, or not of the type that its reader asks for, is passed
// over; the last of several counts. Groups, which proto3 does not have, are malformed.
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

//   WireReader in(message);
//   while (in.next()) {
//     switch (in.field()) {
//       case 1: in.get(put.key); break;
//       case 3: in.get(put.lease); break;
//     }
//   }
//   if (in.is_malformed()) ...
class WireReader {
 public:
  // A tag has 32 bits; Protocol Buffers' readers take none that is written longer.
  static constexpr size_t kTagBytesMax = 5;

  explicit WireReader(std::string_view message) : left_(message) {}

  // False: the end, or is_malformed().
  [[nodiscard]] bool next() {
    if (left_.empty() || is_malformed_) return false;
    uint64_t tag = 0;
    const size_t before = left_.size();
    if (!take_varint(tag) || tag > UINT32_MAX || tag >> 3 == 0 || before - left_.size() > kTagBytesMax) return fail();
    field_ = static_cast<uint32_t>(tag >> 3);
    type_ = static_cast<Type>(tag & 7);
    switch (type_) {
      case Type::kVarint:
        return take_varint(number_) || fail();
      case Type::kBytes: {
        uint64_t size = 0;
        return (take_varint(size) && take(size)) || fail();
      }
      case Type::kFixed64:
        return take(8) || fail();
      case Type::kFixed32:
        return take(4) || fail();
      default:
        return fail();
    }
  }
  [[nodiscard]] bool is_malformed() const { return is_malformed_; }
  [[nodiscard]] uint32_t field() const { return field_; }

  void get(std::string_view& into) const {
    if (type_ == Type::kBytes) into = bytes_;
  }
  void get(int64_t& into) const {
    if (type_ == Type::kVarint) into = static_cast<int64_t>(number_);
  }
  void get(uint64_t& into) const {
    if (type_ == Type::kVarint) into = number_;
  }
  void get(bool& into) const {
    if (type_ == Type::kVarint) into = number_ != 0;
  }
  // Of an enum, in 32 bits.
  void get(int32_t& into) const {
    if (type_ == Type::kVarint) into = static_cast<int32_t>(number_);
  }
  // Of a message within: its bytes, even if there are none; false if it is something else.
  [[nodiscard]] bool get_message(std::string_view& into) const {
    if (type_ != Type::kBytes) return false;
    into = bytes_;
    return true;
  }

 private:
  enum class Type : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  bool fail() {
    is_malformed_ = true;
    return false;
  }
  bool take(uint64_t bytes) {
    if (bytes > left_.size()) return false;
    bytes_ = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return true;
  }
  bool take_varint(uint64_t& value) {
    constexpr unsigned kBitsMax = 64;
    value = 0;
    for (unsigned shift = 0; shift < kBitsMax && !left_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(left_.front());
      left_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  std::string_view left_;
  std::string_view bytes_;
  uint64_t number_ = 0;
  uint32_t field_ = 0;
  Type type_ = Type::kVarint;
  bool is_malformed_ = false;
};

}  // namespace keelson::etcd
