// The byte layout of the node's log, and the reading and writing of its fixed parts. Pure functions over bytes.
//
// A log is a folder of segment files. A segment's name is its number, 16 hexadecimal digits, and ".log"; numbers only
// grow and are never used twice. All integers are little-endian; CRC is CRC32C.
//
//   segment      = header (64 bytes) at 0, the same again at 2048, zeros between; records from 4096 on, back to back
//   header       0  magic "KEELSLOG"        24  u64 segment number           48  i64 created, wall ms
//                8  u32 format version (1)  32  u64 number of the segment    56  u32 zero
//               12  u32 zero                    before it in the log, or 0   60  u32 CRC of bytes 0..59
//               16  u64 log id              40  u64 where that one ends
//   record       one or more parts; a part is a part header and its payload
//   part header  0  u32 CRC of bytes 4..31, seeded (below)      14  u16 shard
//                4  u32 payload bytes                           16  u64 index within the shard, from 1
//                8  u32 CRC of the payload                      24  i64 time, ms
//               12  u8 type: 0xA7 record, 0xB3 mark
//               13  u8 flags: 1 = a further part follows, 2 = a part came before
//   mark         a part header of type 0xB3 (shard, index 0), and as its payload:
//                0  u64 number of a segment    8  u64 an offset in it    16  u64 last index of shard 0, of shard 1, ...
//
// The header's CRC is seeded with the CRC of (log id, segment number, offset of the part header, 8 bytes each). So what
// an earlier life of a recycled file left behind, what was copied from elsewhere, and payloads that look like records
// are all told from this segment's records; and since the header holds the payload's CRC, the payload is bound to it
// too.
//
// A segment is preallocated; behind its last record stand zeros or bytes of an earlier life. A record does not span
// segments; one that is larger than a segment gets a segment of its own size.
//
// A mark says two things that were true when it was written: everything in the log before the named place had been
// synced, and which index each shard had reached at the mark. One stands first in each segment, and one follows each
// sync sooner or later. A reader that meets bytes which are no record looks for a later mark that vouches for that
// place: there is none, and the tail was torn off by a crash (it is cut, every acknowledged record lies before it); or
// there is one, and what was once good is damaged. Then it goes on at the next valid part header, and the gap in the
// indexes, or at the latest the indexes in that mark, tell whose records are gone. Those shards are damaged; the others
// are not.
//
// Opening a log never appends to an old segment: it cuts the last one off where its records end and begins a new one,
// whose first mark vouches for everything before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "log/commit_log.h"

namespace keelson::log {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 64;
inline constexpr size_t kSegmentHeaderCopyOffset = 2048;
inline constexpr uint64_t kFirstRecordOffset = 4096;
inline constexpr size_t kPartHeaderBytes = 32;
inline constexpr size_t kMarkFixedBytes = 16;
inline constexpr uint8_t kTypeRecord = 0xA7;
inline constexpr uint8_t kTypeMark = 0xB3;
inline constexpr uint8_t kFlagMoreFollow = 1;
inline constexpr uint8_t kFlagContinues = 2;

static_assert(kSegmentHeaderCopyOffset + kSegmentHeaderBytes <= kFirstRecordOffset);
static_assert(kRecordBytesMax <= UINT32_MAX - kPartHeaderBytes, "a payload's length fits its field");

// A place in the log; ordered as the log is.
struct LogPlace {
  uint64_t segment = 0;
  uint64_t offset = 0;
  auto operator<=>(const LogPlace&) const = default;
};

struct SegmentHeader {
  uint64_t log_id = 0;
  uint64_t number = 0;
  LogPlace previous;  // where the log goes on from; segment 0: this is its first
  int64_t created_wall_ms = 0;
};
// The kFirstRecordOffset bytes that a segment begins with.
void append_segment_start(const SegmentHeader& header, Buffer& out);
// From one copy of kSegmentHeaderBytes; none if it is not valid.
[[nodiscard]] std::optional<SegmentHeader> parse_segment_header(std::string_view bytes);
// From the first kFirstRecordOffset bytes of a file (or fewer): either copy will do.
[[nodiscard]] std::optional<SegmentHeader> parse_segment_start(std::string_view bytes);

struct PartHeader {
  uint32_t payload_bytes = 0;
  uint32_t payload_crc = 0;
  uint8_t type = 0;
  uint8_t flags = 0;
  ShardId shard = 0;
  uint64_t index = 0;
  int64_t time_ms = 0;
};

// The part of a header CRC's seed that is the same for a whole segment.
[[nodiscard]] uint32_t segment_seed(uint64_t log_id, uint64_t number);

// Writes all of the header but its CRC into kPartHeaderBytes at `to`. seal_part() completes it once its place is known.
void put_part_header(const PartHeader& header, char* to);
void seal_part(char* header, uint32_t segment_seed, uint64_t offset);
// The fields, whether valid or not.
[[nodiscard]] PartHeader get_part_header(const char* from);
// Is this a part header that was written at `offset` of this segment?
[[nodiscard]] bool is_part_header_valid(const char* from, uint32_t segment_seed, uint64_t offset);

struct Mark {
  LogPlace synced;
  std::string_view last_indexes;  // u64 each
  [[nodiscard]] size_t shard_count() const { return last_indexes.size() / sizeof(uint64_t); }
  [[nodiscard]] uint64_t last_index(size_t shard) const;
};
[[nodiscard]] size_t mark_bytes(size_t shard_count);
// Appends a whole unsealed part.
void append_mark(LogPlace synced, std::span<const uint64_t> last_indexes, int64_t time_ms, Buffer& out);
// From a mark's payload (which passed its CRC); none if it does not follow the layout.
[[nodiscard]] std::optional<Mark> parse_mark(std::string_view payload);

[[nodiscard]] std::string segment_name(uint64_t number);
// The number, if this is a segment's name.
[[nodiscard]] std::optional<uint64_t> parse_segment_name(std::string_view name);

}  // namespace keelson::log
