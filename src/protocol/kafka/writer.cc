#include "protocol/kafka/writer.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/coding.h"

namespace keelson::kafka {
namespace {

std::string joined(const Records& records) {
  std::string all;
  for (const Fragment& fragment : records.fragments) all += fragment.bytes;
  return all;
}

}  // namespace

size_t Records::size() const {
  size_t bytes = 0;
  for (const Fragment& fragment : fragments) bytes += fragment.bytes.size();
  return bytes;
}

bool Records::operator==(const Records& other) const {
  return is_null == other.is_null && size() == other.size() && joined(*this) == joined(other);
}

void Writer::clear() {
  buffer_.clear();
  externals_.clear();
  fragment_bytes_ = 0;
}

void Writer::uuid(const Uuid& id) { raw({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()}); }

void Writer::uvarint(uint32_t value) { append_varint(buffer_, value); }

void Writer::length(size_t value, bool is_compact) {
  KEELSON_CHECK(value <= static_cast<size_t>(std::numeric_limits<int32_t>::max()), "kafka: a field beyond 2 GiB");
  if (is_compact) {
    uvarint(static_cast<uint32_t>(value) + 1);
  } else {
    int32(static_cast<int32_t>(value));
  }
}

void Writer::string(std::string_view value, bool is_compact) {
  value = value.substr(0, kStringBytesMax);
  if (is_compact) {
    uvarint(static_cast<uint32_t>(value.size()) + 1);
  } else {
    int16(static_cast<int16_t>(value.size()));
  }
  raw(value);
}

void Writer::bytes(std::string_view value, bool is_compact) {
  length(value.size(), is_compact);
  raw(value);
}

void Writer::null_string(bool is_compact) {
  if (is_compact) {
    uvarint(0);
  } else {
    int16(-1);
  }
}

void Writer::null_bytes(bool is_compact) {
  if (is_compact) {
    uvarint(0);
  } else {
    int32(-1);
  }
}

void Writer::records(const Records& records, bool is_compact) {
  if (records.is_null) return null_bytes(is_compact);
  const size_t bytes = records.size();
  length(bytes, is_compact);
  for (const Fragment& fragment : records.fragments) externals_.push_back({buffer_.size(), fragment});
  fragment_bytes_ += bytes;
}

size_t Writer::begin_tag(uint32_t tag) {
  uvarint(tag);
  return buffer_.size();
}

void Writer::end_tag(size_t begun) {
  KEELSON_CHECK(externals_.empty() || externals_.back().at <= begun, "kafka: fragments within a tagged field");
  const size_t size = buffer_.size() - begun;
  char prefix[kVarintBytesMax];
  const size_t prefix_size = put_varint(prefix, size);
  buffer_.reserve(prefix_size);
  std::memmove(buffer_.data() + begun + prefix_size, buffer_.data() + begun, size);
  std::memcpy(buffer_.data() + begun, prefix, prefix_size);
  buffer_.commit(prefix_size);
}

Writer::Frame Writer::begin_frame() {
  const Frame frame{.at = buffer_.size(), .before = size()};
  int32(0);
  return frame;
}

bool Writer::end_frame(const Frame& frame) {
  const size_t bytes = size() - frame.before - sizeof(int32_t);
  if (bytes > static_cast<size_t>(std::numeric_limits<int32_t>::max())) return false;
  const uint32_t size_bytes = std::byteswap(static_cast<uint32_t>(bytes));
  std::memcpy(buffer_.data() + frame.at, &size_bytes, sizeof(size_bytes));
  return true;
}

std::string Writer::flattened() const {
  std::string all;
  all.reserve(size());
  for_each_piece([&](std::string_view piece) { all += piece; });
  return all;
}

}  // namespace keelson::kafka
