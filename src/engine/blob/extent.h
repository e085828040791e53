// The arithmetic of extents: how much of a volume a payload takes. The format is blobstore/format.h's; the engine needs
// this much of it to account for live bytes.
#pragma once

#include <cstdint>

namespace keelson::blob {

// See blobstore/format.h, which asserts that these are its numbers.
inline constexpr uint64_t kExtentChunkPayloadMax = uint64_t{64} << 10;
inline constexpr uint64_t kExtentChunkHeaderBytes = 20;

// Bytes on disk of an extent with this much payload.
[[nodiscard]] constexpr uint64_t disk_bytes(uint64_t payload_bytes) {
  const uint64_t chunks = (payload_bytes + kExtentChunkPayloadMax - 1) / kExtentChunkPayloadMax;
  return payload_bytes + chunks * kExtentChunkHeaderBytes;
}

}  // namespace keelson::blob
