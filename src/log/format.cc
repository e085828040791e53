#include "log/format.h"

#include <array>
#include <charconv>
#include <cstring>

#include "base/coding.h"
#include "base/crc32c.h"

namespace keelson::log {

namespace {

constexpr std::string_view kMagic = "KEELSLOG";
constexpr std::string_view kSuffix = ".log";
constexpr size_t kNumberDigits = 16;

std::array<char, kSegmentHeaderBytes> encode_segment_header(const SegmentHeader& header) {
  std::array<char, kSegmentHeaderBytes> bytes{};
  char* at = bytes.data();
  std::memcpy(at, kMagic.data(), kMagic.size());
  put_u32(at + 8, kFormatVersion);
  put_u64(at + 16, header.log_id);
  put_u64(at + 24, header.number);
  put_u64(at + 32, header.previous.segment);
  put_u64(at + 40, header.previous.offset);
  put_u64(at + 48, static_cast<uint64_t>(header.created_wall_ms));
  put_u32(at + 60, crc32c(0, {at, 60}));
  return bytes;
}

uint32_t part_header_crc(const char* header, uint32_t segment_seed, uint64_t offset) {
  char place[sizeof(uint64_t)];
  put_u64(place, offset);
  return crc32c(crc32c(segment_seed, {place, sizeof(place)}), {header + 4, kPartHeaderBytes - 4});
}

}  // namespace

void append_segment_start(const SegmentHeader& header, Buffer& out) {
  const auto bytes = encode_segment_header(header);
  char* at = out.reserve(kFirstRecordOffset);
  std::memset(at, 0, kFirstRecordOffset);
  std::memcpy(at, bytes.data(), bytes.size());
  std::memcpy(at + kSegmentHeaderCopyOffset, bytes.data(), bytes.size());
  out.commit(kFirstRecordOffset);
}

std::optional<SegmentHeader> parse_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  const char* at = bytes.data();
  if (get_u32(at + 60) != crc32c(0, bytes.substr(0, 60))) return std::nullopt;
  if (get_u32(at + 8) != kFormatVersion) return std::nullopt;
  SegmentHeader header;
  header.log_id = get_u64(at + 16);
  header.number = get_u64(at + 24);
  header.previous = {get_u64(at + 32), get_u64(at + 40)};
  header.created_wall_ms = static_cast<int64_t>(get_u64(at + 48));
  return header;
}

std::optional<SegmentHeader> parse_segment_start(std::string_view bytes) {
  if (auto header = parse_segment_header(bytes)) return header;
  if (bytes.size() < kSegmentHeaderCopyOffset) return std::nullopt;
  return parse_segment_header(bytes.substr(kSegmentHeaderCopyOffset));
}

uint32_t segment_seed(uint64_t log_id, uint64_t number) {
  char bytes[2 * sizeof(uint64_t)];
  put_u64(bytes, log_id);
  put_u64(bytes + sizeof(uint64_t), number);
  return crc32c(0, {bytes, sizeof(bytes)});
}

void put_part_header(const PartHeader& header, char* to) {
  put_u32(to, 0);
  put_u32(to + 4, header.payload_bytes);
  put_u32(to + 8, header.payload_crc);
  to[12] = static_cast<char>(header.type);
  to[13] = static_cast<char>(header.flags);
  put_u16(to + 14, header.shard);
  put_u64(to + 16, header.index);
  put_u64(to + 24, static_cast<uint64_t>(header.time_ms));
}

void seal_part(char* header, uint32_t segment_seed, uint64_t offset) {
  put_u32(header, part_header_crc(header, segment_seed, offset));
}

PartHeader get_part_header(const char* from) {
  PartHeader header;
  header.payload_bytes = get_u32(from + 4);
  header.payload_crc = get_u32(from + 8);
  header.type = static_cast<uint8_t>(from[12]);
  header.flags = static_cast<uint8_t>(from[13]);
  header.shard = get_u16(from + 14);
  header.index = get_u64(from + 16);
  header.time_ms = static_cast<int64_t>(get_u64(from + 24));
  return header;
}

bool is_part_header_valid(const char* from, uint32_t segment_seed, uint64_t offset) {
  const auto type = static_cast<uint8_t>(from[12]);
  if (type != kTypeRecord && type != kTypeMark) return false;
  return get_u32(from) == part_header_crc(from, segment_seed, offset);
}

uint64_t Mark::last_index(size_t shard) const { return get_u64(last_indexes.data() + shard * sizeof(uint64_t)); }

size_t mark_bytes(size_t shard_count) { return kPartHeaderBytes + kMarkFixedBytes + shard_count * sizeof(uint64_t); }

void append_mark(LogPlace synced, std::span<const uint64_t> last_indexes, int64_t time_ms, Buffer& out) {
  const size_t bytes = mark_bytes(last_indexes.size());
  char* at = out.reserve(bytes);
  char* payload = at + kPartHeaderBytes;
  put_u64(payload, synced.segment);
  put_u64(payload + 8, synced.offset);
  char* to = payload + kMarkFixedBytes;
  for (uint64_t index : last_indexes) {
    put_u64(to, index);
    to += sizeof(uint64_t);
  }
  PartHeader header;
  header.type = kTypeMark;
  header.payload_bytes = static_cast<uint32_t>(bytes - kPartHeaderBytes);
  header.payload_crc = crc32c(0, {payload, header.payload_bytes});
  header.time_ms = time_ms;
  put_part_header(header, at);
  out.commit(bytes);
}

std::optional<Mark> parse_mark(std::string_view payload) {
  if (payload.size() < kMarkFixedBytes || payload.size() % sizeof(uint64_t) != 0) return std::nullopt;
  Mark mark;
  mark.synced = {get_u64(payload.data()), get_u64(payload.data() + 8)};
  mark.last_indexes = payload.substr(kMarkFixedBytes);
  return mark;
}

std::string segment_name(uint64_t number) {
  std::string name(kNumberDigits, '0');
  char digits[kNumberDigits];
  const auto end = std::to_chars(digits, digits + kNumberDigits, number, 16).ptr;
  const auto count = static_cast<size_t>(end - digits);
  std::memcpy(name.data() + (kNumberDigits - count), digits, count);
  return name.append(kSuffix);
}

std::optional<uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != kNumberDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint64_t number = 0;
  const char* end = name.data() + kNumberDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, number, 16);
  if (error != std::errc{} || stop != end || segment_name(number) != name) return std::nullopt;
  return number;
}

}  // namespace keelson::log
