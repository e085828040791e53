#include "protocol/kafka/reader.h"

#include <algorithm>

namespace keelson::kafka {

Uuid Reader::uuid() {
  Uuid id;
  const std::string_view from = take(id.bytes.size());
  if (!from.empty()) std::memcpy(id.bytes.data(), from.data(), from.size());
  return id;
}

uint32_t Reader::uvarint() {
  uint32_t value = 0;
  for (int shift = 0; shift < 32 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest_.front());
    const uint32_t part = byte & 0x7fU;
    if (shift == 28 && part > 0xf) break;  // more than 32 bits
    rest_.remove_prefix(1);
    value |= part << shift;
    if (byte < 0x80) return value;
  }
  fail();
  return 0;
}

std::string_view Reader::take(size_t count) {
  if (count > rest_.size()) {
    fail();
    return {};
  }
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

int64_t Reader::length(bool is_compact, bool is_string) {
  const int64_t length = is_compact ? int64_t{uvarint()} - 1 : is_string ? int64_t{int16()} : int64_t{int32()};
  if (length < -1 || length > static_cast<int64_t>(rest_.size())) fail();
  return failed_ ? -1 : length;
}

std::optional<std::string_view> Reader::nullable_string(bool is_compact) {
  const int64_t bytes = length(is_compact, true);
  if (bytes > static_cast<int64_t>(kStringBytesMax)) fail();
  if (bytes < 0 || failed_) return std::nullopt;
  return take(static_cast<size_t>(bytes));
}

std::string_view Reader::string(bool is_compact) {
  const std::optional<std::string_view> read = nullable_string(is_compact);
  if (!read) fail();
  return read.value_or(std::string_view());
}

std::optional<std::string_view> Reader::nullable_bytes(bool is_compact) {
  const int64_t bytes = length(is_compact, false);
  if (bytes < 0) return std::nullopt;
  return take(static_cast<size_t>(bytes));
}

std::string_view Reader::bytes(bool is_compact) {
  const std::optional<std::string_view> read = nullable_bytes(is_compact);
  if (!read) fail();
  return read.value_or(std::string_view());
}

std::optional<size_t> Reader::nullable_count(bool is_compact, size_t bytes_min, size_t bytes_in_memory) {
  const int64_t elements = length(is_compact, false);
  if (elements < 0) return std::nullopt;
  const auto count = static_cast<size_t>(elements);
  if (count > rest_.size() / std::max<size_t>(bytes_min, 1) ||
      count > (kArrayBytesMax - array_bytes_) / std::max<size_t>(bytes_in_memory, 1)) {
    fail();
    return std::nullopt;
  }
  array_bytes_ += count * bytes_in_memory;
  return count;
}

size_t Reader::count(bool is_compact, size_t bytes_min, size_t bytes_in_memory) {
  const std::optional<size_t> read = nullable_count(is_compact, bytes_min, bytes_in_memory);
  if (!read) fail();
  return read.value_or(0);
}

Reader::Tag Reader::next_tag() {
  Tag tag;
  tag.tag = uvarint();
  const uint32_t size = uvarint();
  if (size > rest_.size()) fail();
  tag.rest_after = failed_ ? 0 : rest_.size() - size;
  return tag;
}

void Reader::skip_tags() {
  for (uint32_t left = tags(); left > 0 && !failed_; --left) skip_tag(next_tag());
}

}  // namespace keelson::kafka
