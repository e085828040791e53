#include "protocol/pubsub/ack_id.h"

#include <cstdint>

#include "base/coding.h"

namespace keelson::pubsub {

namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

std::string base64_url(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 4 / 3 + 3);
  uint32_t held = 0;
  unsigned bits = 0;
  for (const char c : bytes) {
    held = held << 8 | static_cast<uint8_t>(c);
    for (bits += 8; bits >= 6; bits -= 6) text += kDigits[held >> (bits - 6) & 63];
  }
  if (bits != 0) text += kDigits[held << (6 - bits) & 63];
  return text;
}

std::optional<std::string> from_base64_url(std::string_view text) {
  std::string bytes;
  uint32_t held = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    held = held << 6 | static_cast<uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(held >> bits);
  }
  // What is left is zeros, less than a digit.
  if (bits >= 6 || (held & ((1U << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

std::string format_ack_id(const topics::LeaseId& id) {
  std::string bytes;
  append_varint(bytes, id.generation);
  append_varint(bytes, static_cast<uint32_t>(id.partition));
  append_varint(bytes, static_cast<uint64_t>(id.offset));
  append_varint(bytes, id.lease);
  return base64_url(bytes);
}

std::optional<topics::LeaseId> parse_ack_id(std::string_view text) {
  const auto bytes = from_base64_url(text);
  if (!bytes) return std::nullopt;
  std::string_view rest = *bytes;
  uint64_t generation = 0, partition = 0, offset = 0, lease = 0;
  if (!read_varint(rest, generation) || !read_varint(rest, partition) || !read_varint(rest, offset) ||
      !read_varint(rest, lease) || !rest.empty() || partition > INT32_MAX || offset > INT64_MAX) {
    return std::nullopt;
  }
  return topics::LeaseId{generation, static_cast<int32_t>(partition), static_cast<int64_t>(offset), lease};
}

}  // namespace keelson::pubsub
