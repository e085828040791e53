// Reads Kafka's wire types out of one frame: https://kafka.apache.org/protocol, "Protocol Primitive Types".
//
// Numbers are big-endian; a "compact" string, array or run of bytes has its length as an unsigned varint of length + 1
// (0: null), any other has a fixed signed one (-1: null). Whoever calls says which, since that hangs on the version.
//
// Nothing is copied: strings and bytes are views into the frame. Failure sticks: after the first thing that is missing
// or malformed every read gives zero, nothing or an empty view, and failed() is true; so a reader of many fields asks
// once, at its end. What a frame can make us allocate is bounded: a count of elements by the bytes that remain, and all
// arrays of one frame together by kArrayBytesMax.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "engine/topic/types.h"

namespace keelson::kafka {

using Uuid = topic::TopicId;

// Memory of all arrays that one frame is decoded into. The largest that has a use is a request or answer about 100,000
// partitions, at fewer than 200 bytes for each.
inline constexpr size_t kArrayBytesMax = size_t{64} << 20;
// Kafka's own limit, of the compact form too.
inline constexpr size_t kStringBytesMax = 0x7fff;

class Reader {
 public:
  explicit Reader(std::string_view frame) : rest_(frame) {}

  [[nodiscard]] bool failed() const { return failed_; }
  void fail() {
    failed_ = true;
    rest_ = {};
  }
  // What has not been read.
  [[nodiscard]] std::string_view rest() const { return rest_; }

  bool boolean() { return int8() != 0; }
  int8_t int8() { return number<int8_t>(); }
  int16_t int16() { return number<int16_t>(); }
  int32_t int32() { return number<int32_t>(); }
  int64_t int64() { return number<int64_t>(); }
  double float64() { return std::bit_cast<double>(number<uint64_t>()); }
  Uuid uuid();

  // LEB128 of at most 32 bits; longer forms of a number than it needs are taken, as Kafka takes them.
  uint32_t uvarint();

  // A null is a failure.
  std::string_view string(bool is_compact);
  std::optional<std::string_view> nullable_string(bool is_compact);
  // Also records: whole batches, one after another, not looked at here.
  std::string_view bytes(bool is_compact);
  std::optional<std::string_view> nullable_bytes(bool is_compact);
  std::string_view take(size_t count);

  // The count of elements of an array, each of which is at least `bytes_min` bytes in the frame and will be
  // `bytes_in_memory` in memory. nullopt: null.
  std::optional<size_t> nullable_count(bool is_compact, size_t bytes_min, size_t bytes_in_memory);
  size_t count(bool is_compact, size_t bytes_min, size_t bytes_in_memory);
  // For a struct that may be null: is it there?
  bool is_present() { return int8() >= 0 && !failed_; }

  // Tagged fields: tags(), then for each next_tag(), and after a value was read end_tag(); one that is not known is
  // passed by skip_tag(). A value that ends elsewhere than its size says is a failure.
  uint32_t tags() { return uvarint(); }
  struct Tag {
    uint32_t tag = 0;
    size_t rest_after = 0;  // bytes of the frame behind the value
  };
  Tag next_tag();
  void end_tag(const Tag& tag) {
    if (rest_.size() != tag.rest_after) fail();
  }
  void skip_tag(const Tag& tag) {
    if (!failed_) rest_.remove_prefix(rest_.size() - tag.rest_after);
  }
  // All of a struct's tagged fields, none of which is known.
  void skip_tags();

 private:
  template <class Number>
  Number number() {
    if (rest_.size() < sizeof(Number)) {
      fail();
      return 0;
    }
    Number value;
    std::memcpy(&value, rest_.data(), sizeof(value));
    rest_.remove_prefix(sizeof(value));
    return std::byteswap(value);
  }
  // -1: null. Checked against what remains.
  int64_t length(bool is_compact, bool is_string);

  std::string_view rest_;
  size_t array_bytes_ = 0;
  bool failed_ = false;
};

}  // namespace keelson::kafka
