#include "protocol/pubsub/ack_id.h"

#include <cstdint>

#include "base/base64.h"
#include "base/coding.h"

namespace keelson::pubsub {

std::string format_ack_id(const topics::LeaseId& id) {
  std::string bytes;
  append_varint(bytes, id.generation);
  append_varint(bytes, static_cast<uint32_t>(id.partition));
  append_varint(bytes, static_cast<uint64_t>(id.offset));
  append_varint(bytes, id.lease);
  return to_base64_url(bytes);
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
