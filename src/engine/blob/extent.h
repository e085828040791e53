// The arithmetic of extents: how much of a volume a payload takes. The format is blobstore/format.h's; the engine needs
// this much of it to account for live bytes.
#pragma once

#include <cstdint>

#include "engine/blob/object.h"

namespace keelson::blob {

// See blobstore/format.h, which asserts that these are its numbers.
inline constexpr uint64_t kExtentChunkPayloadMax = uint64_t{64} << 10;
inline constexpr uint64_t kExtentChunkHeaderBytes = 20;

// Bytes on disk of an extent with this much payload.
[[nodiscard]] constexpr uint64_t disk_bytes(uint64_t payload_bytes) {
  const uint64_t chunks = (payload_bytes + kExtentChunkPayloadMax - 1) / kExtentChunkPayloadMax;
  return payload_bytes + chunks * kExtentChunkHeaderBytes;
}

// A segment is sealed in pieces that fill a chunk together with their tag.
inline constexpr uint64_t kSealTagBytes = 16;
inline constexpr uint64_t kSealPieceBytes = kExtentChunkPayloadMax - kSealTagBytes;

[[nodiscard]] constexpr uint64_t sealed_bytes(uint64_t packed_bytes) {
  return packed_bytes + (packed_bytes + kSealPieceBytes - 1) / kSealPieceBytes * kSealTagBytes;
}
// As it is stored, without the headers of chunks.
[[nodiscard]] constexpr uint64_t stored_bytes(const Segment& segment) {
  return segment.is_sealed ? sealed_bytes(segment.packed_bytes) : segment.packed_bytes;
}
[[nodiscard]] inline uint64_t stored_bytes(const Payload& payload) {
  if (payload.segments.empty()) return payload.size_bytes;
  uint64_t bytes = 0;
  for (const Segment& segment : payload.segments) bytes += stored_bytes(segment);
  return bytes;
}

}  // namespace keelson::blob
