// How a volume lies on disk.
//
// A volume is a file <folder>/<shard>/<number as 8 hex digits>.vol, written front to back and never over again. Numbers
// only grow within a shard. All integers are little-endian; CRC is CRC32C.
//
//   volume        = header (64 bytes), then chunks and holes
//   header        0  magic "KEELBLOB"       16  u32 volume number      32  zeros
//                 8  u32 format version (1) 20  u32 zero               60  u32 CRC of bytes 0..59
//                12  u32 shard, counted     24  i64 created, wall ms
//                    within the blob service
//   chunk         = chunk header, then 1 .. 65,536 bytes of payload
//   chunk header  0  u32 CRC of bytes 4..19, seeded with the CRC of (shard u32, volume u32, offset of this header u64)
//                 4  u32 CRC of the payload
//                 8  u32 bytes of payload in the low 24 bits; the high 8 bits are flags, of which none is defined: a
//                    reader refuses what is not 0
//                12  u64 owner: owner_of_object() of the bucket and key that it was written for
//
// An extent (engine/blob/object.h) is a run of chunks, back to back from its offset; all but the last are full. So the
// place of each byte follows from the extent alone, and the metadata is the only index: there is nothing in a volume
// that says which of its chunks are live. What no extent names (an upload that was given up, an object that was
// removed, a region that was set aside for a writer and not used) is dead space. A reader knows from the extent how
// long each chunk must be and whose; a chunk that was moved, torn, rotted or taken for another's fails its check.
//
// A payload is what is stored: of an object that is compressed or encrypted the encoded bytes. How they are decoded
// stands in the metadata (codec.h), so whoever moves or checks chunks needs neither that nor a key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/blob/object.h"

namespace keelson::blobstore {

inline constexpr uint32_t kVolumeFormatVersion = 1;
inline constexpr size_t kVolumeHeaderBytes = 64;
inline constexpr size_t kChunkHeaderBytes = 20;
inline constexpr size_t kChunkPayloadMax = size_t{64} << 10;
inline constexpr uint64_t kFullChunkBytes = kChunkHeaderBytes + kChunkPayloadMax;

struct VolumeHeader {
  uint32_t shard = 0;
  uint32_t volume = 0;
  int64_t created_wall_ms = 0;
};
[[nodiscard]] std::string write_volume_header(const VolumeHeader& header);
// None if it is damaged or of another version.
[[nodiscard]] std::optional<VolumeHeader> read_volume_header(std::string_view bytes);

[[nodiscard]] std::string volume_name(uint32_t number);
[[nodiscard]] std::optional<uint32_t> parse_volume_name(std::string_view name);

// Where a chunk header stands.
struct ChunkPlace {
  uint32_t shard = 0;
  uint32_t volume = 0;
  uint64_t offset_bytes = 0;
};
// Writes kChunkHeaderBytes to `to`.
void write_chunk_header(const ChunkPlace& place, uint32_t payload_crc, size_t payload_bytes, uint64_t owner, char* to);
enum class ChunkFlaw : uint8_t { kNone = 0, kHeader, kLength, kOwner, kFlags, kPayload };
// Checks `chunk` (header and payload, exactly) against what must stand there.
[[nodiscard]] ChunkFlaw check_chunk(const ChunkPlace& place, std::string_view chunk, uint64_t owner);
[[nodiscard]] std::string_view flaw_text(ChunkFlaw flaw);

}  // namespace keelson::blobstore
