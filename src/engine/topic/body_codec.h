// How bodies of commands and queries are written: shared by the parts of the engine.
//
// A body's fields stand in the order in which its fields_of() hands them to a visitor, each in the encoding of its
// type. A field is never removed or moved; new ones come at the end, and what is missing there keeps its default (a
// body of an earlier version). For a body of one's own, in namespace keelson::topic:
//
//   template <class Visitor>
//   void fields_of(Visitor& visit, Is<CreateTopic> auto& b) { visit(b.id, b.name, b.partition_count); }
//
// Numbers are varints (signed ones zigzag), strings and lists have their length in front, ids are 16 bytes, an optional
// has a byte in front. Structs that are fields have a fields_of() as well, all of whose fields must be there.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "engine/topic/types.h"

namespace keelson::topic {

// Of one string in a body: room for a document or a member's metadata. Batches are an argument of their own.
inline constexpr size_t kBodyStringBytesMax = size_t{16} << 20;

template <class Body, class Of>
concept Is = std::same_as<std::remove_const_t<Body>, Of>;

class BodyWriter {
 public:
  explicit BodyWriter(std::string& out) : out_(out) {}
  template <class... Fields>
  void operator()(const Fields&... fields) {
    (put(fields), ...);
  }

 private:
  template <class T>
  void put(const T& value) {
    if constexpr (std::same_as<T, bool>) {
      append_u8(out_, value ? 1 : 0);
    } else if constexpr (std::is_enum_v<T>) {
      put(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::unsigned_integral<T>) {
      append_varint(out_, value);
    } else if constexpr (std::signed_integral<T>) {
      append_varint(out_, zigzag(value));
    } else if constexpr (std::convertible_to<const T&, std::string_view>) {
      append_string(out_, value);
    } else if constexpr (std::same_as<T, TopicId>) {
      out_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
    } else if constexpr (std::same_as<T, PartitionId>) {
      put(value.topic);
      put(value.partition);
    } else {
      fields_of(*this, value);
    }
  }
  template <class First, class Second>
  void put(const std::pair<First, Second>& value) {
    put(value.first);
    put(value.second);
  }
  template <class T>
  void put(const std::optional<T>& value) {
    append_u8(out_, value ? 1 : 0);
    if (value) put(*value);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    append_varint(out_, values.size());
    for (const T& value : values) put(value);
  }

  std::string& out_;
};

class BodyReader {
 public:
  explicit BodyReader(std::string_view from) : from_(from) {}
  template <class... Fields>
  void operator()(Fields&... fields) {
    (take(fields), ...);
  }
  // Everything was there, and nothing else.
  [[nodiscard]] bool is_good() const { return is_good_ && from_.empty(); }

 private:
  template <class T>
  void take(T& value) {
    // What an earlier version did not know.
    if (!is_good_ || (from_.empty() && depth_ == 0)) return;
    ++depth_;
    is_good_ = get(value);
    --depth_;
  }
  template <class T>
  bool get(T& value) {
    if constexpr (std::same_as<T, bool>) {
      uint8_t byte = 0;
      if (!read_u8(from_, byte) || byte > 1) return false;
      value = byte == 1;
      return true;
    } else if constexpr (std::is_enum_v<T>) {
      std::underlying_type_t<T> number{};
      if (!get(number)) return false;
      value = static_cast<T>(number);
      return true;
    } else if constexpr (std::integral<T>) {
      return get_number(value);
    } else if constexpr (std::same_as<T, std::string> || std::same_as<T, std::string_view>) {
      std::string_view bytes;
      if (!read_string(from_, bytes) || bytes.size() > kBodyStringBytesMax) return false;
      value = T(bytes);
      return true;
    } else if constexpr (std::same_as<T, TopicId>) {
      if (from_.size() < value.bytes.size()) return false;
      std::copy_n(from_.begin(), value.bytes.size(), value.bytes.begin());
      from_.remove_prefix(value.bytes.size());
      return true;
    } else if constexpr (std::same_as<T, PartitionId>) {
      return get(value.topic) && get(value.partition);
    } else {
      fields_of(*this, value);
      return is_good_;
    }
  }
  template <std::integral T>
  bool get_number(T& value) {
    uint64_t wide = 0;
    if (!read_varint(from_, wide)) return false;
    if constexpr (std::signed_integral<T>) {
      value = static_cast<T>(unzigzag(wide));
      return value == unzigzag(wide);
    } else {
      value = static_cast<T>(wide);
      return value == wide;
    }
  }
  template <class First, class Second>
  bool get(std::pair<First, Second>& value) {
    return get(value.first) && get(value.second);
  }
  template <class T>
  bool get(std::optional<T>& value) {
    bool is_there = false;
    if (!get(is_there)) return false;
    value.reset();
    return !is_there || get(value.emplace());
  }
  template <class T>
  bool get(std::vector<T>& values) {
    uint64_t count = 0;
    // Each takes a byte at least, and grows the list only once it is there.
    if (!read_varint(from_, count) || count > from_.size()) return false;
    values.clear();
    for (uint64_t i = 0; i < count; ++i) {
      if (!get(values.emplace_back())) return false;
    }
    return true;
  }

  std::string_view from_;
  bool is_good_ = true;
  unsigned depth_ = 0;
};

template <class Body>
[[nodiscard]] std::string encode_body(const Body& body) {
  std::string out;
  BodyWriter writer(out);
  fields_of(writer, body);
  return out;
}

template <class Body>
[[nodiscard]] bool decode_body(std::string_view from, Body& body) {
  BodyReader reader(from);
  fields_of(reader, body);
  return reader.is_good();
}

}  // namespace keelson::topic
