#include "blobstore/format.h"

#include <charconv>

#include "base/coding.h"
#include "base/crc32c.h"
#include "engine/blob/extent.h"

namespace keelson::blobstore {

static_assert(blob::kExtentChunkHeaderBytes == kChunkHeaderBytes && blob::kExtentChunkPayloadMax == kChunkPayloadMax,
              "the engine counts live bytes by these numbers");

namespace {

constexpr std::string_view kMagic = "KEELBLOB";
constexpr std::string_view kSuffix = ".vol";
constexpr size_t kNameDigits = 8;
constexpr size_t kHeaderCrcAt = 60;
constexpr uint32_t kLengthMask = 0xffffff;

uint32_t seed_of(const ChunkPlace& place) {
  char bytes[16];
  put_u32(bytes, place.shard);
  put_u32(bytes + 4, place.volume);
  put_u64(bytes + 8, place.offset_bytes);
  return crc32c(0, {bytes, sizeof(bytes)});
}

}  // namespace

std::string write_volume_header(const VolumeHeader& header) {
  std::string out(kMagic);
  append_u32(out, kVolumeFormatVersion);
  append_u32(out, header.shard);
  append_u32(out, header.volume);
  append_u32(out, 0);
  append_u64(out, static_cast<uint64_t>(header.created_wall_ms));
  out.resize(kHeaderCrcAt, '\0');
  append_u32(out, crc32c(0, out));
  return out;
}

std::optional<VolumeHeader> read_volume_header(std::string_view bytes) {
  if (bytes.size() < kVolumeHeaderBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  if (get_u32(bytes.data() + kHeaderCrcAt) != crc32c(0, bytes.substr(0, kHeaderCrcAt))) return std::nullopt;
  if (get_u32(bytes.data() + 8) != kVolumeFormatVersion) return std::nullopt;
  return VolumeHeader{get_u32(bytes.data() + 12), get_u32(bytes.data() + 16),
                      static_cast<int64_t>(get_u64(bytes.data() + 24))};
}

std::string volume_name(uint32_t number) {
  std::string name(kNameDigits, '0');
  for (size_t i = kNameDigits; i > 0; --i, number >>= 4) name[i - 1] = "0123456789abcdef"[number & 15];
  return name.append(kSuffix);
}

std::optional<uint32_t> parse_volume_name(std::string_view name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kNameDigits, number, 16);
  if (error != std::errc() || end != name.data() + kNameDigits || volume_name(number) != name) return std::nullopt;
  return number;
}

void write_chunk_header(const ChunkPlace& place, uint32_t payload_crc, size_t payload_bytes, uint64_t owner, char* to) {
  put_u32(to + 4, payload_crc);
  put_u32(to + 8, static_cast<uint32_t>(payload_bytes));
  put_u64(to + 12, owner);
  put_u32(to, crc32c(seed_of(place), {to + 4, kChunkHeaderBytes - 4}));
}

ChunkFlaw check_chunk(const ChunkPlace& place, std::string_view chunk, uint64_t owner) {
  if (chunk.size() <= kChunkHeaderBytes) return ChunkFlaw::kLength;
  const char* header = chunk.data();
  if (get_u32(header) != crc32c(seed_of(place), {header + 4, kChunkHeaderBytes - 4})) return ChunkFlaw::kHeader;
  const uint32_t length = get_u32(header + 8);
  if ((length & ~kLengthMask) != 0) return ChunkFlaw::kFlags;
  if (length != chunk.size() - kChunkHeaderBytes) return ChunkFlaw::kLength;
  if (get_u64(header + 12) != owner) return ChunkFlaw::kOwner;
  const uint32_t crc = crc32c(0, chunk.substr(kChunkHeaderBytes));
  return crc == get_u32(header + 4) ? ChunkFlaw::kNone : ChunkFlaw::kPayload;
}

std::string_view flaw_text(ChunkFlaw flaw) {
  switch (flaw) {
    case ChunkFlaw::kNone:
      return "whole";
    case ChunkFlaw::kHeader:
      return "the chunk's header is damaged or belongs to another place";
    case ChunkFlaw::kLength:
      return "the chunk has another length";
    case ChunkFlaw::kOwner:
      return "the chunk belongs to another object";
    case ChunkFlaw::kFlags:
      return "the chunk was written by a newer version";
    case ChunkFlaw::kPayload:
      return "the chunk's bytes are damaged";
  }
  return "unknown";
}

}  // namespace keelson::blobstore
