// Winning space from a volume whose live bytes do not fit in what is left of the disk.
//
// From the end of the file to its front, in steps:
//   1. The index is walked for what lives in the volume: where the last live byte is, and how much lies in each
//   stretch.
//   2. The file is cut off behind the last live byte, once the log is synced, if nobody has had the volume pinned since
//      before the look: so dead space at the end is won, and what the step before has moved away.
//   3. What lies at the end, as much as there is room for, is copied to the active volume and its metadata moved, as
//      compaction does (background.cc). Of an extent that reaches over the place of the cut only the chunks behind it
//      move; it becomes two.
// Each step takes room for what it copies and gives back at least as much with the next one's cut, so it gets on with
// little; the dead space between is what is won. It ends when writers have room again, or nothing is won any more.
#include <algorithm>
#include <array>
#include <utility>

#include "base/logging.h"
#include "blobstore/format.h"
#include "blobstore/store_inside.h"
#include "engine/blob/extent.h"

namespace keelson::blobstore {

namespace {

// Of the volume's length; a step moves whole stretches.
constexpr size_t kStretches = 4096;
// What a step copies at most: as much as a batch of compaction.
constexpr uint64_t kStepBytesMax = uint64_t{4} << 20;
// Each looks at the whole index twice, so a round ends after so many and leaves the rest to the next.
constexpr int kStepsMax = 16;

}  // namespace

struct Store::Inside::Tail {
  uint64_t end_bytes = kVolumeHeaderBytes;  // behind the last live byte
  bool was_pinned = false;                  // before the look: a writer may have named more since
  uint64_t stretch_bytes = 0;
  std::array<uint64_t, kStretches> live_bytes{};

  void add(const blob::Extent& extent) {
    const uint64_t end = extent.offset_bytes + blob::disk_bytes(extent.length_bytes);
    end_bytes = std::max(end_bytes, end);
    for (uint64_t at = extent.offset_bytes; at < end;) {
      const uint64_t next = std::min(end, (at / stretch_bytes + 1) * stretch_bytes);
      live_bytes[std::min<uint64_t>(at / stretch_bytes, kStretches - 1)] += next - at;
      at = next;
    }
  }
  // Where the last `bytes_max` live bytes begin, at the border of a stretch; the end if not one stretch fits.
  [[nodiscard]] uint64_t begin_of_last(uint64_t bytes_max) const {
    for (size_t i = kStretches; i > 0; --i) {
      if (live_bytes[i - 1] > bytes_max) return std::min(end_bytes, i * stretch_bytes);
      bytes_max -= live_bytes[i - 1];
    }
    return 0;
  }
};

Task<Status> Store::Inside::shrink(shard::ShardId id, uint32_t victim) {
  VolumeSet& volumes = volumes_of(id);
  for (int step = 0; step < kStepsMax && !is_stopping; ++step) {
    Tail tail;
    if (Status looked = co_await look_at_tail(id, victim, tail); !looked.ok()) co_return forward_error(looked);
    Result<uint64_t> won_bytes = co_await cut_tail(id, victim, tail);
    if (!won_bytes.ok()) co_return forward_error(won_bytes);
    // What was moved is still pinned by somebody, or there was nothing to win: the next round goes on.
    if (step > 0 && *won_bytes == 0) co_return Status();
    Result<uint64_t> room_bytes = volumes.room_for_compaction();
    if (!room_bytes.ok()) co_return forward_error(room_bytes);
    const bool have_writers_room = *room_bytes > options.volume.free_bytes_min / 2 + kStepBytesMax;
    if (have_writers_room) co_return Status();
    // The other half is for records and the header of a new volume.
    const uint64_t from_bytes = tail.begin_of_last(std::min(*room_bytes / 2, kStepBytesMax));
    if (from_bytes >= tail.end_bytes) co_return Status();
    if (Status moved = co_await move_tail(id, victim, from_bytes); !moved.ok()) co_return forward_error(moved);
  }
  co_return Status();
}

Task<Status> Store::Inside::look_at_tail(shard::ShardId id, uint32_t victim, Tail& tail) {
  env::Reactor& here = owner_of(id);
  for (const VolumeSet::VolumeSize& volume : volumes_of(id).volumes()) {
    if (volume.number == victim) tail.stretch_bytes = volume.bytes / kStretches + 1;
  }
  if (tail.stretch_bytes == 0) co_return fail(LogErrc::kDamaged, "blob: the volume is gone");
  tail.was_pinned = volumes_of(id).is_pinned(victim);
  std::string cursor;
  do {
    Answer found;
    const int64_t began_ns = here.clock().monotonic_ns();
    const blob::Encoded question(blob::ScanExtents{.volumes = {victim}, .cursor = cursor});
    const LogErrc asked = co_await store.run(here, id, question.command(), false, found);
    if (asked != LogErrc::kOk) co_return fail(asked, "blob: the shard does not answer");
    for (const blob::ExtentHolder& holder : found.holders) {
      for (const blob::Extent& extent : holder.extents) tail.add(extent);
    }
    co_await rest(here, here.clock().monotonic_ns() - began_ns);
    cursor = found.next_cursor;
  } while (!cursor.empty() && !is_stopping);
  co_return is_stopping ? fail(LogErrc::kStopped, "blob: stopping") : Status();
}

Task<Result<uint64_t>> Store::Inside::cut_tail(shard::ShardId id, uint32_t victim, const Tail& tail) {
  VolumeSet& volumes = volumes_of(id);
  uint64_t bytes = 0;
  for (const VolumeSet::VolumeSize& volume : volumes.volumes()) {
    if (volume.number == victim) bytes = volume.bytes;
  }
  if (bytes <= tail.end_bytes || tail.was_pinned) co_return uint64_t{0};
  // No crash may bring a state back that needs what is cut off.
  if (Status synced = co_await runtime.sync_log(owner_of(id)); !synced.ok()) co_return forward_error(synced);
  if (!volumes.has(victim) || volumes.is_pinned(victim) || held.load(std::memory_order_relaxed) != 0) {
    co_return uint64_t{0};
  }
  if (Status cut = volumes.cut(victim, tail.end_bytes); !cut.ok()) co_return forward_error(cut);
  co_return bytes - tail.end_bytes;
}

// Moves what lives behind `from_bytes`, whole chunks.
Task<Status> Store::Inside::move_tail(shard::ShardId id, uint32_t victim, uint64_t from_bytes) {
  env::Reactor& here = owner_of(id);
  Moving moving;
  Status outcome;
  std::string cursor;
  do {
    Answer found;
    const blob::Encoded question(blob::ScanExtents{.volumes = {victim}, .cursor = cursor});
    const LogErrc asked = co_await store.run(here, id, question.command(), false, found);
    if (asked != LogErrc::kOk) outcome = fail(asked, "blob: the shard does not answer");
    for (const blob::ExtentHolder& holder : found.holders) {
      blob::MoveExtents::Item item{
          holder.bucket, holder.key, holder.version, holder.upload, holder.part_number, {}, {}};
      for (const blob::Extent& extent : holder.extents) {
        if (!outcome.ok() || is_stopping) break;
        if (extent.offset_bytes + blob::disk_bytes(extent.length_bytes) <= from_bytes) continue;
        const uint64_t chunks =
            extent.offset_bytes >= from_bytes ? 0 : (from_bytes - extent.offset_bytes) / kFullChunkBytes;
        const uint64_t kept_bytes = chunks * kChunkPayloadMax;
        std::vector<blob::Extent> to;
        if (kept_bytes != 0) to.push_back({victim, extent.offset_bytes, kept_bytes});
        const blob::Extent last{victim, extent.offset_bytes + chunks * kFullChunkBytes,
                                extent.length_bytes - kept_bytes};
        std::vector<blob::Extent> moved;
        outcome = co_await copy_extent(id, last, blob::owner_of_object(holder.bucket, holder.key), moving, moved);
        to.insert(to.end(), moved.begin(), moved.end());
        item.from.push_back(extent);
        item.to.push_back(std::move(to));
      }
      if (!outcome.ok() && outcome.error().code() == LogErrc::kDamaged) {
        // What is rotten stays where it is, and the file is not cut off before it.
        work[id - store.router().first_shard()].damaged.insert(victim);
        log_error("blob", "an object is damaged", {{"key", holder.key}, {"why", outcome.error().message()}});
        outcome = Status();
      } else if (outcome.ok() && !item.from.empty() && item.from.size() == item.to.size()) {
        moving.command.items.push_back(std::move(item));
      }
    }
    cursor = found.next_cursor;
  } while (outcome.ok() && !cursor.empty() && !is_stopping);
  if (outcome.ok() && !is_stopping) co_return co_await commit_moves(id, moving, {});
  unpin(id, std::move(moving.pinned));
  co_return outcome;
}

}  // namespace keelson::blobstore
