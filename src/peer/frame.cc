#include "peer/frame.h"

#include "base/coding.h"
#include "base/crc32c.h"

namespace keelson::peer {

namespace {

constexpr size_t kSizeAt = 4;
constexpr size_t kTypeAt = 8;
constexpr size_t kGroupAt = 10;

}  // namespace

size_t frame_bytes(std::string_view from, size_t body_bytes_max) {
  if (from.size() < kFrameHeaderBytes) return 0;
  const uint32_t size = get_u32(from.data() + kSizeAt);
  return size > body_bytes_max ? 0 : kFrameHeaderBytes + size;
}

FrameOutcome read_frame(std::string_view& from, size_t body_bytes_max, Frame& frame) {
  if (from.size() < kFrameHeaderBytes) return FrameOutcome::kMore;
  const uint32_t size = get_u32(from.data() + kSizeAt);
  if (size > body_bytes_max) return FrameOutcome::kTooLong;
  if (from.size() - kFrameHeaderBytes < size) return FrameOutcome::kMore;
  const std::string_view guarded = from.substr(kSizeAt, kFrameHeaderBytes - kSizeAt + size);
  if (crc32c(0, guarded) != get_u32(from.data())) return FrameOutcome::kDamaged;
  frame.type = static_cast<FrameType>(from[kTypeAt]);
  frame.group = get_u16(from.data() + kGroupAt);
  frame.body = from.substr(kFrameHeaderBytes, size);
  from.remove_prefix(kFrameHeaderBytes + size);
  return FrameOutcome::kFrame;
}

size_t begin_frame(Buffer& out, FrameType type, uint16_t group) {
  const size_t begun = out.size();
  char* header = out.reserve(kFrameHeaderBytes);
  put_u64(header, 0);
  header[kTypeAt] = static_cast<char>(type);
  header[kTypeAt + 1] = 0;
  put_u16(header + kGroupAt, group);
  out.commit(kFrameHeaderBytes);
  return begun;
}

void end_frame(Buffer& out, size_t begun) {
  char* header = out.data() + begun;
  const size_t bytes = out.size() - begun;
  put_u32(header + kSizeAt, static_cast<uint32_t>(bytes - kFrameHeaderBytes));
  put_u32(header, crc32c(0, {header + kSizeAt, bytes - kSizeAt}));
}

void append_frame(Buffer& out, FrameType type, uint16_t group, std::string_view body) {
  const size_t begun = begin_frame(out, type, group);
  out.append(body);
  end_frame(out, begun);
}

void FileBegin::append(Buffer& out) const {
  append_varint(out, file);
  append_varint(out, size_bytes);
  append_string(out, message);
  if (beside != 0) append_varint(out, beside);
}

bool FileBegin::read(std::string_view body) {
  beside = 0;
  return read_varint(body, file) && read_varint(body, size_bytes) && read_string(body, message) &&
         (body.empty() || read_varint(body, beside));
}

void FileNames::append(Buffer& out) const {
  append_varint(out, file);
  append_varint(out, names.size());
  for (const Name& one : names) {
    append_string(out, one.name);
    append_varint(out, one.size_bytes);
  }
}

bool FileNames::read(std::string_view body) {
  uint64_t count = 0;
  names.clear();
  if (!read_varint(body, file) || !read_varint(body, count) || count > kFileNamesMax) return false;
  for (uint64_t i = 0; i < count; ++i) {
    Name& one = names.emplace_back();
    if (!read_string(body, one.name) || !read_varint(body, one.size_bytes)) return false;
  }
  return true;
}

void FileWanted::append(Buffer& out) const {
  append_varint(out, file);
  append_varint(out, here.size());
  for (const uint64_t bytes : here) append_varint(out, bytes);
}

bool FileWanted::read(std::string_view body) {
  uint64_t count = 0;
  here.clear();
  // Each takes a byte at least.
  if (!read_varint(body, file) || !read_varint(body, count) || count > body.size()) return false;
  here.resize(count);
  for (uint64_t& bytes : here) {
    if (!read_varint(body, bytes)) return false;
  }
  return true;
}

void FileChunk::append(Buffer& out) const {
  append_varint(out, file);
  append_varint(out, offset);
  out.append(bytes);
}

bool FileChunk::read(std::string_view body) {
  if (!read_varint(body, file) || !read_varint(body, offset)) return false;
  bytes = body;
  return true;
}

void FileNote::append(Buffer& out) const {
  append_varint(out, file);
  append_varint(out, number);
}

bool FileNote::read(std::string_view body) { return read_varint(body, file) && read_varint(body, number); }

void Call::append(Buffer& out) const {
  append_varint(out, call);
  append_varint(out, method);
  append_string(out, request);
}

bool Call::read(std::string_view body) {
  return read_varint(body, call) && read_varint(body, method) && read_string(body, request);
}

void Answer::append(Buffer& out) const {
  append_varint(out, call);
  append_varint(out, error);
  append_string(out, bytes);
}

bool Answer::read(std::string_view body) {
  return read_varint(body, call) && read_varint(body, error) && read_string(body, bytes);
}

}  // namespace keelson::peer
