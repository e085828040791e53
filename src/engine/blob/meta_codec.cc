#include "engine/blob/meta_codec.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/coding.h"
#include "engine/blob/extent.h"

namespace keelson::blob {

namespace {

enum Field : uint32_t {
  kInline = 1U << 0,
  kOneExtent = 1U << 1,
  kExtents = 1U << 2,
  kEtagParts = 1U << 3,
  kChecksums = 1U << 4,
  kHeaders = 1U << 5,
  kTags = 1U << 6,
  kStorageClass = 1U << 7,
  kRetention = 1U << 8,
  kLegalHold = 1U << 9,
  kAcl = 1U << 10,
  kEncryption = 1U << 11,
  kParts = 1U << 12,
  kSegments = 1U << 13,
  kFieldsEnd = 1U << 14,
};
constexpr uint32_t kPayloadFields = kInline | kOneExtent | kExtents | kSegments;

constexpr auto kHeaderNames =
    std::to_array<std::string_view>({"", "content-type", "cache-control", "content-disposition", "content-encoding",
                                     "content-language", "expires", "x-amz-website-redirect-location"});
constexpr uint64_t kContentTypeCode = 1;
constexpr uint64_t kFirstContentType = 32;
static_assert(kHeaderNames.size() <= kFirstContentType);
constexpr auto kContentTypes = std::to_array<std::string_view>({"binary/octet-stream",
                                                                "application/octet-stream",
                                                                "text/plain",
                                                                "text/html",
                                                                "text/css",
                                                                "text/csv",
                                                                "text/javascript",
                                                                "application/json",
                                                                "application/xml",
                                                                "application/pdf",
                                                                "application/zip",
                                                                "application/gzip",
                                                                "application/javascript",
                                                                "image/jpeg",
                                                                "image/png",
                                                                "image/gif",
                                                                "image/webp",
                                                                "image/svg+xml",
                                                                "video/mp4",
                                                                "audio/mpeg",
                                                                "application/x-directory",
                                                                "text/plain; charset=utf-8",
                                                                "text/html; charset=utf-8",
                                                                "application/json; charset=utf-8",
                                                                "application/x-www-form-urlencoded",
                                                                "application/x-tar",
                                                                "application/vnd.apache.parquet",
                                                                "font/woff2"});

constexpr unsigned kCompressed = 1;
constexpr unsigned kSealed = 2;

constexpr uint64_t kCompositeBit = 128;
constexpr size_t kChecksumBytesMax = 64;
// Of extents in one payload: 5 TiB in regions of 1 MiB, which only a node under constant memory pressure would make.
constexpr uint64_t kExtentsMax = uint64_t{5} << 20;

void append_header(std::string& out, const std::string& name, const std::string& value) {
  const auto* known = std::find(kHeaderNames.begin() + 1, kHeaderNames.end(), name);
  if (known == kHeaderNames.end()) {
    append_varint(out, 0);
    append_string(out, name);
    append_string(out, value);
    return;
  }
  const auto code = static_cast<uint64_t>(known - kHeaderNames.begin());
  const auto* type = std::find(kContentTypes.begin(), kContentTypes.end(), value);
  if (code == kContentTypeCode && type != kContentTypes.end()) {
    append_varint(out, kFirstContentType + static_cast<uint64_t>(type - kContentTypes.begin()));
    return;
  }
  append_varint(out, code);
  append_string(out, value);
}

bool read_text(std::string_view& from, std::string& text, size_t bytes_max = kMetaBytesMax) {
  std::string_view bytes;
  if (!read_string(from, bytes) || bytes.size() > bytes_max) return false;
  text = bytes;
  return true;
}

bool read_header(std::string_view& from, std::pair<std::string, std::string>& header) {
  uint64_t code = 0;
  if (!read_varint(from, code)) return false;
  if (code == 0) return read_text(from, header.first) && read_text(from, header.second);
  if (code >= kFirstContentType) {
    if (code - kFirstContentType >= kContentTypes.size()) return false;
    header.first = kHeaderNames[kContentTypeCode];
    header.second = kContentTypes[code - kFirstContentType];
    return true;
  }
  if (code >= kHeaderNames.size()) return false;
  header.first = kHeaderNames[code];
  return read_text(from, header.second);
}

bool read_count(std::string_view& from, uint64_t& count) {
  // Each element takes at least a byte, so a count can be told from a lie before memory is spent on it.
  return read_varint(from, count) && count <= from.size();
}

bool read_extent(std::string_view& from, Extent& extent, bool has_length) {
  uint64_t volume = 0;
  if (!read_varint(from, volume) || volume > UINT32_MAX || !read_varint(from, extent.offset_bytes)) return false;
  if (has_length && !read_varint(from, extent.length_bytes)) return false;
  extent.volume = static_cast<uint32_t>(volume);
  return extent.is_sound();
}

uint32_t payload_fields(const Payload& payload) {
  const uint32_t segments = payload.segments.empty() ? 0 : uint32_t{kSegments};
  if (payload.extents.empty()) return segments | (payload.inline_bytes.empty() ? 0 : uint32_t{kInline});
  const bool is_one = payload.extents.size() == 1 && payload.extents[0].length_bytes == stored_bytes(payload);
  return segments | (is_one ? kOneExtent : kExtents);
}

void append_segments(std::string& out, const Payload& payload) {
  if (payload.segments.empty()) return;
  append_varint(out, payload.segments.size());
  for (const Segment& segment : payload.segments) {
    append_u8(out, static_cast<uint8_t>((segment.is_compressed ? kCompressed : 0) | (segment.is_sealed ? kSealed : 0)));
    if (payload.segments.size() > 1) append_varint(out, segment.size_bytes);
    if (segment.is_compressed) append_varint(out, segment.packed_bytes);
    if (segment.is_sealed) out.append(reinterpret_cast<const char*>(segment.salt.data()), segment.salt.size());
  }
}

bool read_segment(std::string_view& from, Segment& segment, bool has_size) {
  uint8_t flags = 0;
  if (!read_u8(from, flags) || flags > (kCompressed | kSealed)) return false;
  if (has_size && !read_varint(from, segment.size_bytes)) return false;
  segment.is_compressed = (flags & kCompressed) != 0;
  segment.is_sealed = (flags & kSealed) != 0;
  segment.packed_bytes = segment.size_bytes;
  if (segment.is_compressed && !read_varint(from, segment.packed_bytes)) return false;
  if (segment.size_bytes == 0 || segment.size_bytes > kObjectBytesMax || segment.packed_bytes == 0 ||
      segment.packed_bytes > kObjectBytesMax) {
    return false;
  }
  if (!segment.is_sealed) return true;
  if (from.size() < segment.salt.size()) return false;
  std::memcpy(segment.salt.data(), from.data(), segment.salt.size());
  from.remove_prefix(segment.salt.size());
  return true;
}

bool read_segments(std::string_view& from, Payload& payload) {
  uint64_t count = 0;
  if (!read_count(from, count) || count == 0 || count > kPartNumberMax) return false;
  payload.segments.resize(count);
  uint64_t sum = 0;
  bool is_encoded = false;
  for (Segment& segment : payload.segments) {
    segment.size_bytes = payload.size_bytes;
    if (!read_segment(from, segment, count > 1)) return false;
    sum += segment.size_bytes;
    is_encoded = is_encoded || segment.is_compressed || segment.is_sealed;
  }
  return sum == payload.size_bytes && is_encoded;
}

void append_payload_body(std::string& out, const Payload& payload) {
  const uint32_t fields = payload_fields(payload);
  append_segments(out, payload);
  if ((fields & kInline) != 0) out.append(payload.inline_bytes);
  if ((fields & kExtents) != 0) append_varint(out, payload.extents.size());
  for (const Extent& extent : payload.extents) {
    append_varint(out, extent.volume);
    append_varint(out, extent.offset_bytes);
    if ((fields & kExtents) != 0) append_varint(out, extent.length_bytes);
  }
}

bool read_payload_body(std::string_view& from, uint64_t fields, Payload& payload) {
  const auto kind = fields & (kInline | kOneExtent | kExtents);
  if (payload.size_bytes > kObjectBytesMax) return false;
  if ((fields & kSegments) != 0 && !read_segments(from, payload)) return false;
  const uint64_t size = stored_bytes(payload);
  if (kind == 0) return size == 0;
  if (kind == kInline) {
    if (size == 0 || size > from.size()) return false;
    payload.inline_bytes = from.substr(0, size);
    from.remove_prefix(size);
    return true;
  }
  if (kind == kOneExtent) {
    payload.extents.resize(1);
    payload.extents[0].length_bytes = size;
    return read_extent(from, payload.extents[0], false);
  }
  uint64_t count = 0;
  if (kind != kExtents || !read_count(from, count) || count > kExtentsMax || count == 0) return false;
  payload.extents.resize(count);
  uint64_t sum = 0;
  for (Extent& extent : payload.extents) {
    if (!read_extent(from, extent, true)) return false;
    sum += extent.length_bytes;
  }
  // One spelling for each payload.
  return sum == size && count > 1;
}

// Parts are nearly always numbered through and of one size.
void append_parts(std::string& out, const std::vector<PartInfo>& parts) {
  struct Run {
    size_t first;
    size_t count;
  };
  std::vector<Run> runs;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!runs.empty() && !parts[i].checksum && !parts[i - 1].checksum && parts[i].number == parts[i - 1].number + 1 &&
        parts[i].size_bytes == parts[i - 1].size_bytes) {
      ++runs.back().count;
    } else {
      runs.push_back({i, 1});
    }
  }
  append_varint(out, runs.size());
  for (const Run& run : runs) {
    const PartInfo& part = parts[run.first];
    append_varint(out, part.number);
    append_varint(out, run.count);
    append_varint(out, part.size_bytes);
    append_u8(out, part.checksum ? 1 : 0);
    if (part.checksum) append_checksum(out, *part.checksum);
  }
}

bool read_parts(std::string_view& from, std::vector<PartInfo>& parts) {
  uint64_t runs = 0;
  if (!read_count(from, runs)) return false;
  for (uint64_t run = 0; run < runs; ++run) {
    uint64_t number = 0;
    uint64_t count = 0;
    uint8_t has_checksum = 0;
    PartInfo part;
    if (!read_varint(from, number) || !read_varint(from, count) || !read_varint(from, part.size_bytes) ||
        !read_u8(from, has_checksum) || has_checksum > 1 || number == 0 || number > kPartNumberMax ||
        count > kPartNumberMax + 1 - number || parts.size() + count > kPartNumberMax ||
        part.size_bytes > kObjectBytesMax) {
      return false;
    }
    if (has_checksum == 1 && (count != 1 || !read_checksum(from, part.checksum.emplace()))) return false;
    for (uint64_t i = 0; i < count; ++i) {
      part.number = static_cast<uint32_t>(number + i);
      parts.push_back(part);
    }
  }
  return true;
}

uint32_t fields_of(const ObjectMeta& meta) {
  uint32_t fields = payload_fields(meta.payload);
  const auto set = [&fields](bool is_there, Field field) { fields |= is_there ? uint32_t{field} : 0; };
  set(meta.etag.part_count != 0, kEtagParts);
  set(!meta.checksums.empty(), kChecksums);
  set(!meta.headers.empty(), kHeaders);
  set(!meta.tags.empty(), kTags);
  set(!meta.storage_class.empty(), kStorageClass);
  set(meta.retention.mode != RetentionMode::kNone, kRetention);
  set(meta.has_legal_hold, kLegalHold);
  set(!meta.acl.empty(), kAcl);
  set(!meta.encryption.empty(), kEncryption);
  set(!meta.parts.empty(), kParts);
  return fields;
}

bool read_checksums(std::string_view& from, std::vector<Checksum>& checksums) {
  uint64_t count = 0;
  if (!read_count(from, count)) return false;
  checksums.resize(count);
  return std::ranges::all_of(checksums, [&](Checksum& checksum) { return read_checksum(from, checksum); });
}

bool read_headers(std::string_view& from, Pairs& headers) {
  uint64_t count = 0;
  if (!read_count(from, count)) return false;
  headers.resize(count);
  return std::ranges::all_of(headers, [&](auto& header) { return read_header(from, header); });
}

bool read_retention(std::string_view& from, Retention& retention) {
  uint8_t mode = 0;
  uint64_t until = 0;
  if (!read_u8(from, mode) || !read_varint(from, until) || mode == 0 || mode > 2) return false;
  retention = {static_cast<RetentionMode>(mode), unzigzag(until)};
  return true;
}

}  // namespace

void append_checksum(std::string& out, const Checksum& checksum) {
  const auto algorithm = static_cast<uint64_t>(checksum.algorithm);
  append_u8(out, static_cast<uint8_t>(algorithm | (checksum.is_composite ? kCompositeBit : 0)));
  append_string(out, checksum.value);
}

bool read_checksum(std::string_view& from, Checksum& checksum) {
  uint8_t algorithm = 0;
  if (!read_u8(from, algorithm)) return false;
  checksum.is_composite = (algorithm & kCompositeBit) != 0;
  algorithm &= kCompositeBit - 1;
  if (algorithm < 1 || algorithm > static_cast<uint8_t>(ChecksumAlgorithm::kXxHash128)) return false;
  checksum.algorithm = static_cast<ChecksumAlgorithm>(algorithm);
  return read_text(from, checksum.value, kChecksumBytesMax);
}

void append_payload(std::string& out, const Payload& payload) {
  append_varint(out, payload_fields(payload));
  append_varint(out, payload.size_bytes);
  append_payload_body(out, payload);
}

bool read_payload(std::string_view& from, Payload& payload) {
  uint64_t fields = 0;
  payload = {};
  return read_varint(from, fields) && (fields & ~uint64_t{kPayloadFields}) == 0 &&
         read_varint(from, payload.size_bytes) && read_payload_body(from, fields, payload);
}

void append_pairs(std::string& out, const Pairs& pairs) {
  append_varint(out, pairs.size());
  for (const auto& [name, value] : pairs) {
    append_string(out, name);
    append_string(out, value);
  }
}

bool read_pairs(std::string_view& from, Pairs& pairs) {
  uint64_t count = 0;
  if (!read_count(from, count)) return false;
  pairs.resize(count);
  return std::ranges::all_of(pairs, [&](auto& pair) {
    return read_text(from, pair.first) && read_text(from, pair.second, kDocumentBytesMax);
  });
}

void append_meta(std::string& out, const ObjectMeta& meta) {
  const uint32_t fields = fields_of(meta);
  append_varint(out, fields);
  append_varint(out, meta.payload.size_bytes);
  out.append(reinterpret_cast<const char*>(meta.etag.md5.data()), meta.etag.md5.size());
  append_payload_body(out, meta.payload);
  if ((fields & kEtagParts) != 0) append_varint(out, meta.etag.part_count);
  if ((fields & kChecksums) != 0) {
    append_varint(out, meta.checksums.size());
    for (const Checksum& checksum : meta.checksums) append_checksum(out, checksum);
  }
  if ((fields & kHeaders) != 0) {
    append_varint(out, meta.headers.size());
    for (const auto& [name, value] : meta.headers) append_header(out, name, value);
  }
  if ((fields & kTags) != 0) append_pairs(out, meta.tags);
  if ((fields & kStorageClass) != 0) append_string(out, meta.storage_class);
  if ((fields & kRetention) != 0) {
    append_u8(out, static_cast<uint8_t>(meta.retention.mode));
    append_varint(out, zigzag(meta.retention.until_ms));
  }
  if ((fields & kAcl) != 0) append_string(out, meta.acl);
  if ((fields & kEncryption) != 0) append_string(out, meta.encryption);
  if ((fields & kParts) != 0) append_parts(out, meta.parts);
}

bool read_meta(std::string_view& from, ObjectMeta& meta) {
  uint64_t fields = 0;
  meta = {};
  if (!read_varint(from, fields) || fields >= kFieldsEnd || !read_varint(from, meta.payload.size_bytes) ||
      from.size() < meta.etag.md5.size()) {
    return false;
  }
  std::memcpy(meta.etag.md5.data(), from.data(), meta.etag.md5.size());
  from.remove_prefix(meta.etag.md5.size());
  if (!read_payload_body(from, fields, meta.payload)) return false;
  const auto has = [fields](Field field) { return (fields & field) != 0; };
  if (has(kEtagParts)) {
    uint64_t count = 0;
    if (!read_varint(from, count) || count == 0 || count > kPartNumberMax) return false;
    meta.etag.part_count = static_cast<uint32_t>(count);
  }
  if (has(kChecksums) && !read_checksums(from, meta.checksums)) return false;
  if (has(kHeaders) && !read_headers(from, meta.headers)) return false;
  if (has(kTags) && !read_pairs(from, meta.tags)) return false;
  if (has(kStorageClass) && !read_text(from, meta.storage_class)) return false;
  if (has(kRetention) && !read_retention(from, meta.retention)) return false;
  meta.has_legal_hold = has(kLegalHold);
  if (has(kAcl) && !read_text(from, meta.acl)) return false;
  if (has(kEncryption) && !read_text(from, meta.encryption)) return false;
  return !has(kParts) || read_parts(from, meta.parts);
}

void append_entry(std::string& out, const Entry& entry) {
  append_varint(out, (entry.is_delete_marker ? 1U : 0U) | (entry.is_null ? 2U : 0U) | (entry.mark != 0 ? 4U : 0U));
  append_varint(out, zigzag(entry.modified_ms));
  if (entry.mark != 0) append_u16(out, entry.mark);
  if (!entry.is_delete_marker) append_meta(out, entry.meta);
}

bool read_entry(std::string_view from, Entry& entry) {
  uint64_t flags = 0;
  uint64_t modified = 0;
  if (!read_varint(from, flags) || flags > 7 || !read_varint(from, modified)) return false;
  entry.is_delete_marker = (flags & 1) != 0;
  entry.is_null = (flags & 2) != 0;
  entry.mark = 0;
  if ((flags & 4) != 0 && !read_u16(from, entry.mark)) return false;
  entry.modified_ms = unzigzag(modified);
  entry.meta = {};
  return (entry.is_delete_marker || read_meta(from, entry.meta)) && from.empty();
}

EntryFlags entry_flags(std::string_view from) {
  KEELSON_CHECK(!from.empty(), "an entry of the index is empty");
  return {(from[0] & 1) != 0, (from[0] & 2) != 0};
}

}  // namespace keelson::blob
