#include "blobstore/compressed_stream.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "blobstore/codec.h"
#include "engine/blob/extent.h"

namespace keelson::blobstore {

namespace {

// The fastest: a block takes a reactor a quarter of a millisecond. Higher levels give some percent for several times
// the time.
constexpr int kLevel = 1;
// Content up to this size is not worth its frame.
constexpr size_t kPlainBytesMax = 512;
// The first block must save this share, or the rest is not tried.
constexpr size_t kWorthDivisor = 8;
constexpr size_t kFirstBufferBytes = 4096;
constexpr size_t kTableEntryBytes = 8;
// Entries of a table that are read at a time: they tell the places of 64 MiB of content.
constexpr uint64_t kTableEntriesAtOnce = 512;

// A block is done in one go, so each thread needs one context, however many writers it has: one takes half a megabyte.
ZSTD_CCtx* compressor() {
  static thread_local const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> kContext(ZSTD_createCCtx(),
                                                                                        &ZSTD_freeCCtx);
  KEELSON_CHECK(kContext != nullptr, "zstd has memory for its context");
  return kContext.get();
}
ZSTD_DCtx* decompressor() {
  static thread_local const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> kContext(ZSTD_createDCtx(),
                                                                                        &ZSTD_freeDCtx);
  KEELSON_CHECK(kContext != nullptr, "zstd has memory for its context");
  return kContext.get();
}

uint64_t count_blocks(uint64_t size_bytes) { return (size_bytes + kBlockBytes - 1) / kBlockBytes; }

}  // namespace

CompressingWriter::CompressingWriter(std::unique_ptr<BlobWriter> packed) : packed_(std::move(packed)) {}

Task<Status> CompressingWriter::append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (open_bytes_ == kBlockBytes) {
      if (Status ended = co_await end_block(); !ended.ok()) co_return forward_error(ended);
    }
    if (has_given_up_) {
      size_bytes_ += bytes.size();
      co_return co_await packed_->append(bytes);
    }
    const std::string_view taken = bytes.substr(0, kBlockBytes - open_bytes_);
    const size_t need = open_bytes_ + taken.size();
    if (need > capacity_) {
      capacity_ = std::min(std::max({need, 2 * capacity_, kFirstBufferBytes}), kBlockBytes);
      auto grown = std::make_unique_for_overwrite<char[]>(capacity_);
      if (open_bytes_ != 0) std::memcpy(grown.get(), block_.get(), open_bytes_);
      block_ = std::move(grown);
    }
    std::memcpy(block_.get() + open_bytes_, taken.data(), taken.size());
    open_bytes_ = need;
    size_bytes_ += taken.size();
    bytes.remove_prefix(taken.size());
  }
  co_return Status();
}

Task<Status> CompressingWriter::end_block() {
  const std::string_view text(block_.get(), std::exchange(open_bytes_, 0));
  const bool is_first = table_.empty();
  if (is_first && text.size() <= kPlainBytesMax) {
    has_given_up_ = true;
    co_return co_await packed_->append(text);
  }
  if (frame_ == nullptr) frame_ = std::make_unique_for_overwrite<char[]>(text.size());
  // A frame that would not be smaller does not fit: then zstd says that there is no room.
  const size_t made = ZSTD_compressCCtx(compressor(), frame_.get(), text.size() - 1, text.data(), text.size(), kLevel);
  const bool is_plain = ZSTD_isError(made) != 0;
  if (is_first && (is_plain || made > text.size() - text.size() / kWorthDivisor)) {
    has_given_up_ = true;
    co_return co_await packed_->append(text);
  }
  const std::string_view packed = is_plain ? text : std::string_view(frame_.get(), made);
  table_.push_back((packed_->size_bytes() + packed.size()) << 1 | (is_plain ? 1U : 0U));
  co_return co_await packed_->append(packed);
}

Task<Result<Payload>> CompressingWriter::finish() {
  if (open_bytes_ != 0) {
    if (Status ended = co_await end_block(); !ended.ok()) co_return forward_error(ended);
  }
  if (table_.size() > 1) {
    std::string bytes;
    bytes.reserve(table_.size() * kTableEntryBytes);
    for (const uint64_t entry : table_) append_u64(bytes, entry);
    if (Status written = co_await packed_->append(bytes); !written.ok()) co_return forward_error(written);
  }
  Result<Payload> payload = co_await packed_->finish();
  if (!payload.ok() || table_.empty()) co_return payload;
  if (payload->segments.empty()) payload->segments.emplace_back();
  blob::Segment& segment = payload->segments.front();
  segment.size_bytes = payload->size_bytes = size_bytes_;
  segment.packed_bytes = packed_->size_bytes();
  segment.is_compressed = true;
  co_return payload;
}

uint64_t DecompressingReader::Part::blocks() const { return count_blocks(segment.size_bytes); }
uint64_t DecompressingReader::Part::table_bytes() const { return blocks() > 1 ? blocks() * kTableEntryBytes : 0; }

DecompressingReader::DecompressingReader(std::unique_ptr<BlobReader> packed, const std::vector<blob::Segment>& segments)
    : packed_(std::move(packed)) {
  uint64_t packed_start = 0;
  for (const blob::Segment& segment : segments) {
    parts_.push_back({segment, end_, packed_start});
    end_ += segment.size_bytes;
    packed_start += segment.packed_bytes;
  }
}

void DecompressingReader::seek(uint64_t offset_bytes, uint64_t length_bytes) {
  position_ = offset_bytes;
  end_ = offset_bytes + length_bytes;
  packed_position_ = packed_end_ = 0;
  pending_ = {};
}

const DecompressingReader::Part& DecompressingReader::part_of(uint64_t position) const {
  return *std::prev(std::ranges::upper_bound(parts_, position, {}, &Part::start));
}

std::unexpected<Error> DecompressingReader::damaged() {
  // Whoever asks again reads again.
  packed_position_ = packed_end_ = 0;
  pending_ = {};
  return fail(LogErrc::kDamaged, "blob: compressed bytes cannot be decompressed");
}

void DecompressingReader::aim(uint64_t from, uint64_t to) {
  if (packed_position_ == from && from < packed_end_) return;
  packed_->seek(from, to - from);
  packed_position_ = from;
  packed_end_ = to;
  pending_ = {};
}

Task<Result<std::string_view>> DecompressingReader::take(size_t bytes) {
  size_t gathered = 0;
  while (true) {
    if (pending_.empty()) {
      Result<std::string_view> piece = co_await packed_->next();
      if (!piece.ok() || piece->empty()) {
        const std::unexpected<Error> ends = damaged();
        if (!piece.ok()) co_return piece;
        co_return ends;
      }
      pending_ = *piece;
    }
    const std::string_view taken = pending_.substr(0, bytes - gathered);
    pending_.remove_prefix(taken.size());
    packed_position_ += taken.size();
    if (taken.size() == bytes) co_return taken;
    if (gathered_ == nullptr) gathered_ = std::make_unique_for_overwrite<char[]>(kBlockBytes);
    std::memcpy(gathered_.get() + gathered, taken.data(), taken.size());
    gathered += taken.size();
    if (gathered == bytes) co_return std::string_view(gathered_.get(), bytes);
  }
}

Task<Status> DecompressingReader::load_table(const Part& part, uint64_t block) {
  if (part.blocks() == 1) co_return Status();
  const bool is_there = table_part_ == part.start && block >= table_first_ && block - table_first_ + 1 < table_.size();
  if (is_there) co_return Status();
  const uint64_t count = std::min(kTableEntriesAtOnce, part.blocks() - block);
  const uint64_t first_entry = block == 0 ? 0 : block - 1;
  const uint64_t entries = block + count - first_entry;
  const uint64_t table_start = part.packed_start + part.segment.packed_bytes - part.table_bytes();
  const uint64_t from = table_start + first_entry * kTableEntryBytes;
  aim(from, from + entries * kTableEntryBytes);
  Result<std::string_view> bytes = co_await take(entries * kTableEntryBytes);
  if (!bytes.ok()) co_return forward_error(bytes);
  table_.clear();
  if (block == 0) table_.push_back(0);
  for (uint64_t i = 0; i < entries; ++i) table_.push_back(get_u64(bytes->data() + i * kTableEntryBytes));
  table_part_ = part.start;
  table_first_ = block;
  co_return Status();
}

DecompressingReader::Block DecompressingReader::block_of(const Part& part, uint64_t block) const {
  if (part.blocks() == 1) return {0, part.segment.packed_bytes, false};
  const size_t at = block - table_first_;
  return {table_[at] >> 1, table_[at + 1] >> 1, (table_[at + 1] & 1) != 0};
}

Task<Result<std::string_view>> DecompressingReader::next_plain(const Part& part) {
  const uint64_t wanted = std::min(end_, part.end()) - position_;
  const uint64_t from = part.packed_start + (position_ - part.start);
  aim(from, from + wanted);
  if (pending_.empty()) {
    Result<std::string_view> piece = co_await packed_->next();
    if (!piece.ok()) co_return piece;
    if (piece->empty()) co_return damaged();
    pending_ = *piece;
  }
  const std::string_view taken = pending_.substr(0, wanted);
  pending_.remove_prefix(taken.size());
  packed_position_ += taken.size();
  position_ += taken.size();
  co_return taken;
}

Task<Result<std::string_view>> DecompressingReader::next_compressed(const Part& part) {
  const uint64_t number = (position_ - part.start) / kBlockBytes;
  if (part.table_bytes() >= part.segment.packed_bytes) co_return damaged();
  if (Status loaded = co_await load_table(part, number); !loaded.ok()) co_return forward_error(loaded);
  const Block block = block_of(part, number);
  const uint64_t from = part.start + number * kBlockBytes;
  const auto text_bytes = static_cast<size_t>(std::min<uint64_t>(kBlockBytes, part.end() - from));
  const uint64_t stored = block.end - block.begin;
  if (block.end <= block.begin || block.end > part.segment.packed_bytes - part.table_bytes() || stored > text_bytes ||
      (block.is_plain && stored != text_bytes)) {
    co_return damaged();
  }
  // Up to the last block that is asked for, as far as the table is known.
  const uint64_t last_wanted = (std::min(end_, part.end()) - 1 - part.start) / kBlockBytes;
  const uint64_t last = part.blocks() == 1 ? 0 : std::min(last_wanted, table_first_ + table_.size() - 2);
  const uint64_t run_end = std::clamp(block_of(part, last).end, block.end, part.segment.packed_bytes);
  aim(part.packed_start + block.begin, part.packed_start + run_end);
  const Result<std::string_view> taken = co_await take(stored);
  if (!taken.ok()) co_return taken;
  std::string_view text = *taken;
  if (!block.is_plain) {
    if (text_bytes > text_capacity_) {
      text_ = std::make_unique_for_overwrite<char[]>(text_bytes);
      text_capacity_ = text_bytes;
    }
    const size_t made = ZSTD_decompressDCtx(decompressor(), text_.get(), text_bytes, taken->data(), taken->size());
    if (made != text_bytes) co_return damaged();
    text = {text_.get(), text_bytes};
  }
  text = text.substr(position_ - from, end_ - position_);
  position_ += text.size();
  co_return text;
}

Task<Result<std::string_view>> DecompressingReader::next() {
  if (position_ == end_) co_return std::string_view();
  const Part& part = part_of(position_);
  if (part.segment.is_compressed) co_return co_await next_compressed(part);
  co_return co_await next_plain(part);
}

}  // namespace keelson::blobstore
