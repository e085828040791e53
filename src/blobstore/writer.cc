#include "blobstore/writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "engine/blob/extent.h"
#include "shard/call_on.h"
#include "shard/run_on.h"

namespace keelson::blobstore {

namespace {

// A region that grows with what has come: an eighth of it may stay unused at the end.
constexpr uint64_t kGrowthDivisor = 8;
constexpr uint64_t kRegionBytesMax = uint64_t{16} << 20;
// The first buffer; most objects are small.
constexpr size_t kFirstBufferBytes = 4096;

}  // namespace

Writer::Writer(Store::Inside& inside, env::Reactor& here, shard::ShardId shard, uint64_t owner, WriterOptions options)
    : inside_(inside), here_(here), shard_(shard), owner_(owner), options_(options) {}

Writer::~Writer() { inside_.unpin(shard_, std::move(pinned_)); }

void Writer::add_to_chunk(std::string_view bytes) {
  const size_t at = framed_bytes_ + kChunkHeaderBytes + open_bytes_;
  const size_t need = at + bytes.size();
  if (need > framed_capacity_) {
    const size_t capacity =
        std::min(std::max({need, 2 * framed_capacity_, kFirstBufferBytes}), size_t{kChunksMax * kFullChunkBytes});
    auto grown = std::make_unique_for_overwrite<char[]>(capacity);
    // The room of the header of a chunk that begins here is not there yet.
    const size_t used = open_bytes_ == 0 ? framed_bytes_ : at;
    if (used != 0) std::memcpy(grown.get(), framed_.get(), used);
    framed_ = std::move(grown);
    framed_capacity_ = capacity;
  }
  std::memcpy(framed_.get() + at, bytes.data(), bytes.size());
  open_bytes_ += bytes.size();
  size_bytes_ += bytes.size();
}

void Writer::close_chunk() {
  if (open_bytes_ == 0) return;
  crcs_[chunks_] = crc32c(0, {framed_.get() + framed_bytes_ + kChunkHeaderBytes, open_bytes_});
  lengths_[chunks_] = open_bytes_;
  ++chunks_;
  framed_bytes_ += kChunkHeaderBytes + open_bytes_;
  open_bytes_ = 0;
}

Task<Status> Writer::append(std::string_view bytes) {
  KEELSON_CHECK(!has_failed_, "a writer goes on after an error");
  while (!bytes.empty()) {
    const std::string_view taken = bytes.substr(0, kChunkPayloadMax - open_bytes_);
    add_to_chunk(taken);
    bytes.remove_prefix(taken.size());
    if (open_bytes_ == kChunkPayloadMax) close_chunk();
    if (chunks_ < kChunksMax) continue;
    Status written;
    if (region_.room() < framed_bytes_) {
      written = co_await shard::call_on(here_, inside_.owner_of(shard_), [this] { return make_room(); });
    }
    if (written.ok()) written = write_framed(*inside_.stats[here_.index()]);
    has_failed_ = !written.ok();
    if (has_failed_) co_return forward_error(written);
    write_behind();
  }
  co_return Status();
}

Status Writer::next_region(uint64_t bytes) {
  VolumeSet& volumes = inside_.volumes_of(shard_);
  if (region_.volume != 0) volumes.give_back(region_);
  region_ = {};
  const uint64_t largest = inside_.options.volume.volume_bytes_max;
  uint64_t wanted = std::min(written_bytes_ / kGrowthDivisor, kRegionBytesMax);
  if (options_.size_expected && *options_.size_expected > written_bytes_) {
    wanted = blob::disk_bytes(*options_.size_expected - written_bytes_);
  }
  // Whole chunks, so that what follows can go on in it.
  wanted = std::min(wanted, largest);
  wanted = wanted > bytes && !options_.size_expected ? wanted / kFullChunkBytes * kFullChunkBytes : wanted;
  Result<Region> region = volumes.reserve(std::max(wanted, bytes));
  if (!region.ok()) return forward_error(region);
  region_ = *region;
  behind_until_ = region_.offset_bytes;
  pinned_.push_back(region_.volume);
  Result<VolumeFile> file = volumes.file(region_.volume);
  if (!file.ok()) return forward_error(file);
  file_ = std::move(*file);
  return {};
}

Status Writer::make_room() { return region_.room() < framed_bytes_ ? next_region(framed_bytes_) : Status(); }

Status Writer::write_framed(StoreStats& stats) {
  if (chunks_ == 0) return {};
  const VolumeSet& volumes = inside_.volumes_of(shard_);
  const uint64_t offset = region_.offset_bytes;
  uint64_t payload = 0;
  size_t at = 0;
  for (size_t i = 0; i < chunks_; ++i) {
    const ChunkPlace place{volumes.shard(), region_.volume, offset + at};
    write_chunk_header(place, crcs_[i], lengths_[i], owner_, framed_.get() + at);
    at += kChunkHeaderBytes + lengths_[i];
    payload += lengths_[i];
  }
  if (Status written = write_region(file_, region_, {framed_.get(), framed_bytes_}, stats); !written.ok()) {
    return written;
  }
  blob::Extent* last = extents_.empty() ? nullptr : &extents_.back();
  const bool goes_on = last != nullptr && last->volume == region_.volume &&
                       last->length_bytes % kChunkPayloadMax == 0 &&
                       last->offset_bytes + blob::disk_bytes(last->length_bytes) == offset;
  if (goes_on) {
    last->length_bytes += payload;
  } else {
    extents_.push_back({region_.volume, offset, payload});
  }
  written_bytes_ += payload;
  framed_bytes_ = chunks_ = 0;
  return {};
}

void Writer::write_behind() {
  if (region_.offset_bytes - behind_until_ < kWriteBehindBytes) return;
  file_.file->will_sync(behind_until_, region_.offset_bytes - behind_until_);
  behind_until_ = region_.offset_bytes;
}

Task<Status> Writer::write_last() {
  VolumeSet& volumes = inside_.volumes_of(shard_);
  if (Status room = make_room(); !room.ok()) co_return forward_error(room);
  if (Status written = write_framed(volumes.stats()); !written.ok()) co_return forward_error(written);
  if (region_.volume != 0) volumes.give_back(region_);
  region_ = {};
  std::vector<uint32_t> touched = pinned_;
  std::ranges::sort(touched);
  touched.erase(std::ranges::unique(touched).begin(), touched.end());
  for (uint32_t volume : touched) volumes.note_written(volume);
  co_return co_await volumes.make_durable(std::move(touched));
}

Task<Result<Payload>> Writer::finish() {
  KEELSON_CHECK(!has_failed_, "a writer goes on after an error");
  Payload payload;
  payload.size_bytes = size_bytes_;
  if (!options_.is_part && size_bytes_ <= blob::kInlineBytesMax) {
    if (size_bytes_ != 0) payload.inline_bytes.assign(framed_.get() + kChunkHeaderBytes, open_bytes_);
    co_return payload;
  }
  close_chunk();
  if (size_bytes_ != 0) {
    env::Reactor& owner = inside_.owner_of(shard_);
    Status written;
    if (&owner == &here_) {
      written = co_await write_last();
    } else {
      written = co_await shard::run_on(here_, inside_.scope_of(shard_), owner, write_last());
    }
    has_failed_ = !written.ok();
    if (has_failed_) co_return forward_error(written);
  }
  payload.extents = extents_;
  co_return payload;
}

}  // namespace keelson::blobstore
