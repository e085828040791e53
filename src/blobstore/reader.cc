#include "blobstore/reader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/blob/extent.h"
#include "shard/call_on.h"

namespace keelson::blobstore {

Reader::Reader(Store::Inside& inside, env::Reactor& here, shard::ShardId shard, uint64_t owner, Payload payload)
    : inside_(inside),
      here_(here),
      shard_(shard),
      owner_(owner),
      payload_(std::move(payload)),
      end_(payload_.size_bytes) {}

Reader::~Reader() { inside_.unpin(shard_, std::move(pinned_)); }

void Reader::pin_and_prefetch() {
  for (const blob::Extent& extent : payload_.extents) {
    if (pinned_.empty() || pinned_.back() != extent.volume) pinned_.push_back(extent.volume);
  }
  std::ranges::sort(pinned_);
  pinned_.erase(std::ranges::unique(pinned_).begin(), pinned_.end());
  VolumeSet& volumes = inside_.volumes_of(shard_);
  // One that is missing has nothing to pin; reading it says so.
  std::erase_if(pinned_, [&](uint32_t volume) { return !volumes.has(volume); });
  for (uint32_t volume : pinned_) volumes.pin(volume);
  if (payload_.extents.empty()) return;
  // What goes wrong here goes wrong again, and is told, when it is asked for.
  Result<VolumeFile> file = volumes.file(payload_.extents.front().volume);
  if (!file.ok()) return;
  file_ = std::move(*file);
  file_volume_ = payload_.extents.front().volume;
  if (payload_.extents.size() != 1 || payload_.size_bytes > kChunkPayloadMax) return;
  plan();
  if (!buffer_.read_cached(file_, loaded_offset_, loaded_bytes_, volumes.stats())) loaded_bytes_ = 0;
}

void Reader::seek(uint64_t offset_bytes, uint64_t length_bytes) {
  KEELSON_CHECK(offset_bytes <= payload_.size_bytes && length_bytes <= payload_.size_bytes - offset_bytes,
                "a range beyond the payload");
  if (offset_bytes < extent_start_) extent_ = extent_start_ = 0;
  position_ = offset_bytes;
  end_ = offset_bytes + length_bytes;
  // What was read ahead stays of use only if the position is in it.
  if (taken_bytes_ != 0 || offset_bytes < loaded_payload_ || offset_bytes >= loaded_payload_ + kChunkPayloadMax) {
    loaded_bytes_ = taken_bytes_ = 0;
  }
}

void Reader::plan() {
  while (position_ >= extent_start_ + payload_.extents[extent_].length_bytes) {
    extent_start_ += payload_.extents[extent_++].length_bytes;
  }
  const blob::Extent& extent = payload_.extents[extent_];
  const uint64_t first_chunk = (position_ - extent_start_) / kChunkPayloadMax;
  const uint64_t from = first_chunk * kChunkPayloadMax;
  // To the end of the chunk that holds the last byte asked for.
  const uint64_t to = std::min({extent.length_bytes, from + kChunksMax * kChunkPayloadMax, wanted_end()});
  loaded_offset_ = extent.offset_bytes + first_chunk * kFullChunkBytes;
  loaded_bytes_ = blob::disk_bytes(to - from);
  loaded_payload_ = extent_start_ + from;
  taken_bytes_ = 0;
}

uint64_t Reader::wanted_end() const {
  return (end_ - extent_start_ + kChunkPayloadMax - 1) / kChunkPayloadMax * kChunkPayloadMax;
}

Task<Status> Reader::load() {
  const uint32_t volume = payload_.extents[extent_].volume;
  if (file_volume_ != volume) {
    file_volume_ = 0;
    Result<VolumeFile> file = co_await shard::call_on(
        here_, inside_.owner_of(shard_), [this, volume] { return inside_.volumes_of(shard_).file(volume); });
    if (!file.ok()) co_return forward_error(file);
    file_ = std::move(*file);
    file_volume_ = volume;
  }
  StoreStats& stats = *inside_.stats[here_.index()];
  const bool is_cached = buffer_.read_cached(file_, loaded_offset_, loaded_bytes_, stats);
  is_cold_ |= !is_cached;
  if (is_cold_) read_ahead();
  if (is_cached) co_return Status();
  co_return co_await buffer_.fetch(file_, loaded_offset_, loaded_bytes_, here_, stats);
}

void Reader::read_ahead() {
  const blob::Extent& extent = payload_.extents[extent_];
  const uint64_t from = loaded_offset_ + loaded_bytes_;
  const uint64_t extent_end = extent.offset_bytes + blob::disk_bytes(std::min(extent.length_bytes, wanted_end()));
  const uint64_t until = std::min(from + kReadAheadBytes, extent_end);
  // Of another extent, or from before a seek.
  if (ahead_until_ < from || ahead_until_ > from + kReadAheadBytes) ahead_until_ = from;
  if (until <= ahead_until_ || ahead_until_ - from > kReadAheadBytes / 2) return;
  file_.file->will_need(ahead_until_, until - ahead_until_);
  ahead_until_ = until;
}

Result<std::string_view> Reader::take_chunk() {
  VolumeSet& volumes = inside_.volumes_of(shard_);
  const blob::Extent& extent = payload_.extents[extent_];
  const size_t bytes = std::min<size_t>(kFullChunkBytes, loaded_bytes_ - taken_bytes_);
  const std::string_view chunk(buffer_.data() + taken_bytes_, bytes);
  const uint64_t offset = loaded_offset_ + taken_bytes_;
  const ChunkFlaw flaw = volumes.faults().ignore_crc
                             ? ChunkFlaw::kNone
                             : check_chunk({volumes.shard(), extent.volume, offset}, chunk, owner_);
  if (flaw != ChunkFlaw::kNone) {
    inside_.stats[here_.index()]->damaged_chunks.add();
    // Whoever asks again reads again.
    loaded_bytes_ = taken_bytes_ = 0;
    return fail(LogErrc::kDamaged, volumes.path_of(extent.volume) + " at offset " + std::to_string(offset) + ": " +
                                       std::string(flaw_text(flaw)));
  }
  const std::string_view payload = chunk.substr(kChunkHeaderBytes);
  const uint64_t skip = position_ - loaded_payload_;
  const std::string_view piece = payload.substr(skip, end_ - position_);
  taken_bytes_ += bytes;
  loaded_payload_ += payload.size();
  position_ += piece.size();
  return piece;
}

Task<Result<std::string_view>> Reader::next() {
  if (position_ == end_) co_return std::string_view();
  if (!payload_.inline_bytes.empty()) {
    const std::string_view piece = std::string_view(payload_.inline_bytes).substr(position_, end_ - position_);
    position_ = end_;
    co_return piece;
  }
  if (taken_bytes_ == loaded_bytes_) {
    plan();
    Status loaded = co_await load();
    if (!loaded.ok()) {
      loaded_bytes_ = taken_bytes_ = 0;
      co_return forward_error(loaded);
    }
  }
  co_return take_chunk();
}

}  // namespace keelson::blobstore
