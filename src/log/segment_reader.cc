#include "log/segment_reader.h"

#include <algorithm>

#include "base/crc32c.h"

namespace keelson::log {

namespace {
constexpr uint64_t kWindowBytes = uint64_t{1} << 20;
}

SegmentReader::SegmentReader(std::unique_ptr<env::File> file, uint32_t segment_seed, uint64_t limit, bool ignore_crc)
    : file_(std::move(file)), seed_(segment_seed), limit_(limit), ignore_crc_(ignore_crc) {}

Result<std::string_view> SegmentReader::view(uint64_t offset, uint64_t bytes) {
  if (offset >= limit_) return std::string_view();
  bytes = std::min(bytes, limit_ - offset);
  if (offset < window_offset_ || offset + bytes > window_offset_ + window_.size()) {
    window_.clear();
    window_offset_ = offset;
    const uint64_t wanted = std::min(std::max(bytes, kWindowBytes), limit_ - offset);
    char* to = window_.reserve(wanted);
    Result<size_t> count = file_->read_at(offset, {to, wanted});
    if (!count.ok()) return forward_error(count);
    window_.commit(*count);
    if (*count < wanted) limit_ = offset + *count;
  }
  return window_.view().substr(offset - window_offset_);
}

Result<PartState> SegmentReader::read(uint64_t offset, Part& part) {
  Result<PartState> state = read_once(offset, part);
  if (!state.ok() || *state == PartState::kGood) return state;
  // Much is decided on bad bytes (a tail is cut, a shard stops), so they are fetched anew before they are believed.
  window_.clear();
  return read_once(offset, part);
}

Result<PartState> SegmentReader::read_once(uint64_t offset, Part& part) {
  part.offset = offset;
  part.payload = {};
  Result<std::string_view> bytes = view(offset, kPartHeaderBytes);
  if (!bytes.ok()) return forward_error(bytes);
  if (bytes->size() < kPartHeaderBytes || !is_part_header_valid(bytes->data(), seed_, offset)) {
    return PartState::kNoHeader;
  }
  part.header = get_part_header(bytes->data());
  const uint64_t whole = kPartHeaderBytes + uint64_t{part.header.payload_bytes};
  if (part.header.payload_bytes > kRecordBytesMax || offset + whole > limit_) return PartState::kBadPayload;
  bytes = view(offset, whole);
  if (!bytes.ok()) return forward_error(bytes);
  if (bytes->size() < whole) return PartState::kBadPayload;
  part.payload = bytes->substr(kPartHeaderBytes, part.header.payload_bytes);
  if (crc32c(0, part.payload) != part.header.payload_crc && !ignore_crc_) return PartState::kBadPayload;
  return PartState::kGood;
}

Result<std::optional<uint64_t>> SegmentReader::find_header(uint64_t offset) {
  constexpr size_t kTypeAt = 12;
  while (offset + kPartHeaderBytes <= limit_) {
    Result<std::string_view> bytes = view(offset, kPartHeaderBytes);
    if (!bytes.ok()) return forward_error(bytes);
    if (bytes->size() < kPartHeaderBytes) break;
    const size_t tries = bytes->size() - kPartHeaderBytes + 1;
    for (size_t i = 0; i < tries; ++i) {
      const auto type = static_cast<uint8_t>((*bytes)[i + kTypeAt]);
      if (type != kTypeRecord && type != kTypeMark) continue;
      if (is_part_header_valid(bytes->data() + i, seed_, offset + i)) return std::optional<uint64_t>(offset + i);
    }
    offset += tries;
  }
  return std::optional<uint64_t>();
}

}  // namespace keelson::log
