// An object's metadata as bytes: in commands, in the index and in checkpoints alike. What is absent costs nothing.
//
//   meta      = varint fields, varint size, 16 bytes MD5, segments if bit 13 is set, then in this order what `fields`
//               says is there (`stored` is `size`, or with segments what they take as stored: engine/blob/extent.h):
//     bit 0     inline payload: `stored` bytes              bit 7   storage class: string
//     bit 1     one extent: volume, offset (its length      bit 8   retention: u8 mode, varint until_ms
//               is `stored`)                                bit 9   legal hold (nothing follows)
//     bit 2     extents: count, then volume, offset,        bit 10  acl: string
//               length of each                              bit 11  encryption: string
//     bit 3     part count of the etag: varint              bit 12  parts: count of runs, then for each: first number,
//     bit 4     checksums: count, then each                         count, size, u8 has checksum, checksum
//     bit 5     headers: count, then each
//     bit 6     tags: count, then two strings each
//   segments  = count, then for each: u8 (1: compressed, 2: sealed), its size unless the count is 1, packed size if it
//   is
//               compressed, 16 bytes of salt if it is sealed. Came with version 2 of the engine (kBlobEngineVersion)
//   payload   = as in meta: varint fields (bits 0 to 2 and 13), varint size, segments, and what the fields say
//   checksum  = u8 (algorithm, 128 added if composite), string
//   header    = varint code; 0: two strings, name and value; 1..31: a name of kHeaderNames, string value; from 32 on: a
//               content-type of kContentTypes
//   All numbers are LEB128 varints unless marked; strings have their length in front (base/coding.h).
//
// The tables are part of the format: they only grow at their end.
#pragma once

#include <string>
#include <string_view>

#include "engine/blob/object.h"

namespace keelson::blob {

void append_meta(std::string& out, const ObjectMeta& meta);
// Takes it off the front of `from`; false if it does not follow the format or breaks a limit of object.h.
[[nodiscard]] bool read_meta(std::string_view& from, ObjectMeta& meta);

void append_checksum(std::string& out, const Checksum& checksum);
[[nodiscard]] bool read_checksum(std::string_view& from, Checksum& checksum);
void append_payload(std::string& out, const Payload& payload);
[[nodiscard]] bool read_payload(std::string_view& from, Payload& payload);
void append_pairs(std::string& out, const Pairs& pairs);
[[nodiscard]] bool read_pairs(std::string_view& from, Pairs& pairs);

// One version's value in the index: varint flags (1: delete marker, 2: null version, 4: marked), zigzag varint of
// modified_ms, if marked u16 the mark (object.h), then, unless it is a delete marker, its meta.
struct Entry {
  bool is_delete_marker = false;
  bool is_null = false;
  uint16_t mark = 0;  // 0: it has none
  int64_t modified_ms = 0;
  ObjectMeta meta;
};
void append_entry(std::string& out, const Entry& entry);
// The whole of `from`.
[[nodiscard]] bool read_entry(std::string_view from, Entry& entry);
// The flags alone: cheap.
struct EntryFlags {
  bool is_delete_marker = false;
  bool is_null = false;
};
[[nodiscard]] EntryFlags entry_flags(std::string_view from);

}  // namespace keelson::blob
