// What the generated codecs share: arrays and things that may be null. Only generated files include this.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/reader.h"
#include "protocol/kafka/writer.h"

namespace keelson::kafka {

template <class Element, class Read>
void read_elements(Reader& reader, size_t count, std::vector<Element>& out, Read read_one) {
  out.resize(count);
  for (Element& element : out) {
    read_one(element);
    if (reader.failed()) return;
  }
}

// `bytes_min`: the least that an element takes in the frame.
template <class Element, class Read>
void read_array(Reader& reader, bool is_compact, size_t bytes_min, std::vector<Element>& out, Read read_one) {
  read_elements(reader, reader.count(is_compact, bytes_min, sizeof(Element)), out, read_one);
}

template <class Element, class Read>
void read_nullable_array(Reader& reader, bool is_compact, size_t bytes_min, std::optional<std::vector<Element>>& out,
                         Read read_one) {
  const std::optional<size_t> count = reader.nullable_count(is_compact, bytes_min, sizeof(Element));
  out.reset();
  if (count) read_elements(reader, *count, out.emplace(), read_one);
}

inline void read_records(Reader& reader, bool is_compact, Records& out) {
  const std::optional<std::string_view> bytes = reader.nullable_bytes(is_compact);
  out = Records{.fragments = {}, .is_null = !bytes};
  if (bytes && !bytes->empty()) out.fragments.push_back({nullptr, *bytes});
}

template <class Element, class Write>
void write_array(Writer& writer, bool is_compact, const std::vector<Element>& elements, Write write_one) {
  writer.count(elements.size(), is_compact);
  for (const Element& element : elements) write_one(element);
}

// In a version where null cannot stand there an empty array (string, run of bytes) stands for it.
template <class Element, class Write>
void write_nullable_array(Writer& writer, bool is_compact, bool may_be_null,
                          const std::optional<std::vector<Element>>& elements, Write write_one) {
  if (elements) return write_array(writer, is_compact, *elements, write_one);
  may_be_null ? writer.null_count(is_compact) : writer.count(0, is_compact);
}

template <class String>
void write_nullable_string(Writer& writer, bool is_compact, bool may_be_null, const std::optional<String>& value) {
  if (value) return writer.string(*value, is_compact);
  may_be_null ? writer.null_string(is_compact) : writer.string({}, is_compact);
}

template <class String>
void write_nullable_bytes(Writer& writer, bool is_compact, bool may_be_null, const std::optional<String>& value) {
  if (value) return writer.bytes(*value, is_compact);
  may_be_null ? writer.null_bytes(is_compact) : writer.bytes({}, is_compact);
}

}  // namespace keelson::kafka
