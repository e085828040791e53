// Taking dead space back, and looking for rot. Each step runs on the reactor that owns the shard.
//
// A round of compaction of one shard:
//   1. Volumes that hold nothing live are removed: see remove_dead().
//   2. The active volume is sealed if enough of it is dead. Of the sealed volumes with enough dead space, the deadest
//   are
//      chosen, at most one volume's worth of live bytes, and no more than the disk has room for. If that is none of
//      them, the deadest one is moved in steps from its end: see shrink.cc.
//   3. The shard's index is walked for extents in them. Their chunks are read, checked, written again at the end of the
//      active volume, and synced.
//   4. A MoveExtents command puts the new extents in the place of the old ones; it leaves alone what has changed since.
//   5. What was chosen is dead now, and goes as in 1.
//
// A volume may be removed when (a) it is sealed, so nothing is added; (b) no version and no part has an extent in it,
// in the state that has been applied; (c) nobody holds a pin: no reader, and no writer that may be about to name it;
// and (d) the log is synced after that was found, so no crash brings a state back that needs it. Once (a) to (c) hold,
// they hold for good: what is dead is named by nobody.
#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "blobstore/format.h"
#include "blobstore/store_inside.h"
#include "engine/blob/extent.h"

namespace keelson::blobstore {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// A round sleeps in naps of this, so that stop() need not wait.
constexpr int64_t kNapNs = 50 * kNsPerMs;
// Moves are committed in batches of about this much: one sync of a volume and one record for each.
constexpr uint64_t kBatchBytes = uint64_t{4} << 20;
constexpr size_t kBatchItems = 256;
constexpr size_t kChunksAtOnce = 4;
constexpr uint64_t kPercent = 100;
// Dead bytes for which the active volume is sealed. Without it a shard could keep a whole volume of dead bytes for
// good; with less, rounds would copy crumbs.
constexpr uint64_t kActiveDeadBytesMin = uint64_t{1} << 20;
// A disk that was found full is looked at again this soon, instead of at the next round.
constexpr int64_t kFullRetryNs = 1000 * kNsPerMs;

}  // namespace

Task<void> Store::Inside::rest(env::Reactor& here, int64_t worked_ns) {
  const auto percent = static_cast<int64_t>(std::clamp(options.background_percent, 1U, 100U));
  const int64_t nap_ns = worked_ns * (100 - percent) / percent;
  // Others get their turn in any case.
  co_await env::sleep_for(here, std::min(nap_ns, kNapNs));
}

Task<void> Store::Inside::run_background(unsigned reactor_index) {
  if (options.background_percent == 0) co_return;
  env::Reactor& here = runtime.reactor(reactor_index);
  const shard::Router& router = store.router();
  int64_t compact_at_ns = here.clock().monotonic_ns() + options.compact_every_ms * kNsPerMs;
  int64_t scrub_at_ns = here.clock().monotonic_ns() + options.scrub_every_ms * kNsPerMs;
  uint64_t refused = stats[reactor_index]->refused_full.value();
  while (!is_stopping) {
    co_await env::sleep_for(here, std::min(kNapNs, options.compact_every_ms * kNsPerMs));
    const int64_t now_ns = here.clock().monotonic_ns();
    if (const uint64_t now_refused = stats[reactor_index]->refused_full.value(); now_refused != refused) {
      refused = now_refused;
      compact_at_ns = std::min(compact_at_ns, now_ns + kFullRetryNs);
    }
    const bool must_compact = now_ns >= compact_at_ns;
    const bool must_scrub = options.scrub_every_ms != 0 && now_ns >= scrub_at_ns;
    if (must_scrub) {
      stats[reactor_index]->scrub_round_bytes.set(0);
      stats[reactor_index]->is_scrubbing.set(1);
    }
    for (unsigned i = 0; i < router.shard_count() && !is_stopping; ++i) {
      const auto id = static_cast<shard::ShardId>(router.first_shard() + i);
      if (router.reactor_of(id) != reactor_index) continue;
      ScrubReport report;
      Status done;
      if (must_compact) done = co_await compact(id);
      if (must_scrub && done.ok() && !is_stopping) done = co_await scrub(id, report);
      if (done.ok()) continue;
      stats[reactor_index]->background_failures.add();
      log_warn("blob", "background work was cut short", {{"shard", i}, {"why", done.error().message()}});
    }
    if (must_scrub) {
      stats[reactor_index]->is_scrubbing.set(0);
      if (!is_stopping) stats[reactor_index]->scrubs.add();
    }
    if (must_compact) compact_at_ns = here.clock().monotonic_ns() + options.compact_every_ms * kNsPerMs;
    if (must_scrub) scrub_at_ns = here.clock().monotonic_ns() + options.scrub_every_ms * kNsPerMs;
  }
}

void Store::Inside::note_live(shard::ShardId id, const blob::UsageInfo& usage) {
  ShardWork& mine = work[id - store.router().first_shard()];
  int64_t live = 0;
  for (const auto& [volume, bytes] : usage.volume_live_bytes) live += static_cast<int64_t>(bytes);
  stats[owner_of(id).index()]->live_bytes.add(live - mine.live_bytes);
  mine.live_bytes = live;
}

Task<Status> Store::Inside::remove_dead(shard::ShardId id) {
  VolumeSet& volumes = volumes_of(id);
  Answer usage;
  const blob::Encoded question(blob::Usage{.bucket = 0, .with_volumes = true});
  // Looked at before the question: what is pinned until after it may be named by the time it is answered.
  std::vector<uint32_t> dead;
  for (const VolumeSet::VolumeSize& volume : volumes.volumes()) {
    if (!volume.is_active && !volumes.is_pinned(volume.number)) dead.push_back(volume.number);
  }
  const LogErrc asked = co_await store.run(owner_of(id), id, question.command(), false, usage);
  if (asked != LogErrc::kOk) co_return fail(asked, "blob: the shard does not answer");
  std::erase_if(dead, [&](uint32_t number) { return usage.usage.volume_live_bytes.contains(number); });
  if (dead.empty() || held.load(std::memory_order_relaxed) != 0) co_return Status();
  if (Status synced = co_await runtime.sync_log(owner_of(id)); !synced.ok()) co_return forward_error(synced);
  std::erase_if(dead, [&](uint32_t number) { return volumes.is_pinned(number); });
  if (dead.empty() || held.load(std::memory_order_relaxed) != 0) co_return Status();
  co_return co_await volumes.remove(std::move(dead));
}

// Gives the volumes whose live bytes are to be written elsewhere.
Store::Inside::Victims Store::Inside::choose_victims(shard::ShardId id,
                                                     const std::map<uint32_t, uint64_t>& live_bytes) {
  VolumeSet& volumes = volumes_of(id);
  const ShardWork& mine = work[id - store.router().first_shard()];
  const auto is_dead_enough = [&](uint64_t bytes, uint64_t dead_bytes) {
    return dead_bytes * kPercent >= bytes * options.compact_dead_percent;
  };
  struct Candidate {
    uint32_t number;
    uint64_t dead_bytes;
    uint64_t live_bytes;
  };
  const uint64_t active_dead_min = std::min(kActiveDeadBytesMin, options.volume.volume_bytes_max / 2);
  std::vector<Candidate> candidates;
  for (const VolumeSet::VolumeSize& volume : volumes.volumes()) {
    const auto found = live_bytes.find(volume.number);
    const uint64_t live = found == live_bytes.end() ? 0 : std::min(volume.bytes, found->second);
    const uint64_t dead = volume.bytes - live;
    if (!is_dead_enough(volume.bytes, dead) || mine.damaged.contains(volume.number)) continue;
    if (volume.is_active) {
      // What is being written counts as dead until it is named; it would come out live in the next round.
      if (dead < active_dead_min || volumes.is_pinned(volume.number)) continue;
      volumes.seal_active();
    }
    if (live != 0) candidates.push_back({volume.number, dead, live});
  }
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) { return a.dead_bytes > b.dead_bytes; });
  const Result<uint64_t> room = volumes.room_for_compaction();
  uint64_t left_bytes = std::min(room.ok() ? *room : 0, options.volume.volume_bytes_max + kVolumeHeaderBytes);
  Victims victims;
  for (const Candidate& candidate : candidates) {
    if (candidate.live_bytes > left_bytes) {
      if (victims.too_large == 0) victims.too_large = candidate.number;
      continue;
    }
    left_bytes -= candidate.live_bytes;
    victims.volumes.push_back(candidate.number);
  }
  return victims;
}

Task<Status> Store::Inside::compact(shard::ShardId id) {
  ShardWork& mine = work[id - store.router().first_shard()];
  // One round at a time; who asks for one gets one that began after the question.
  while (mine.is_compacting && !is_stopping) co_await env::sleep_for(owner_of(id), kNapNs / 10);
  if (is_stopping || runtime.shard(id).damage()) co_return Status();
  mine.is_compacting = true;
  Status outcome = co_await remove_dead(id);
  Answer usage;
  const blob::Encoded question(blob::Usage{.bucket = 0, .with_volumes = true});
  const LogErrc asked = co_await store.run(owner_of(id), id, question.command(), false, usage);
  if (asked != LogErrc::kOk && outcome.ok()) outcome = fail(asked, "blob: the shard does not answer");
  if (asked == LogErrc::kOk) note_live(id, usage.usage);
  Victims victims;
  if (outcome.ok()) victims = choose_victims(id, usage.usage.volume_live_bytes);
  if (outcome.ok() && !victims.volumes.empty()) {
    stats[owner_of(id).index()]->compactions.add();
    outcome = co_await rewrite(id, std::move(victims.volumes));
  } else if (outcome.ok() && victims.too_large != 0) {
    stats[owner_of(id).index()]->compactions.add();
    outcome = co_await shrink(id, victims.too_large);
  }
  // What was chosen, and an active volume that was all dead and has just been sealed.
  if (outcome.ok()) outcome = co_await remove_dead(id);
  mine.is_compacting = false;
  co_return outcome;
}

Task<Status> Store::Inside::rewrite(shard::ShardId id, std::vector<uint32_t> victims) {
  ShardWork& mine = work[id - store.router().first_shard()];
  env::Reactor& here = owner_of(id);
  Moving moving;
  std::string cursor;
  do {
    Answer found;
    const int64_t began_ns = here.clock().monotonic_ns();
    const blob::Encoded question(blob::ScanExtents{.volumes = victims, .cursor = cursor});
    const LogErrc asked = co_await store.run(here, id, question.command(), false, found);
    if (asked != LogErrc::kOk) {
      unpin(id, std::move(moving.pinned));
      co_return fail(asked, "blob: the shard does not answer");
    }
    co_await rest(here, here.clock().monotonic_ns() - began_ns);
    for (blob::ExtentHolder& holder : found.holders) {
      if (is_stopping) {
        unpin(id, std::move(moving.pinned));
        co_return Status();
      }
      blob::MoveExtents::Item item{
          holder.bucket, holder.key, holder.version, holder.upload, holder.part_number, {}, {}};
      Status copied;
      for (const blob::Extent& extent : holder.extents) {
        std::vector<blob::Extent> to;
        copied = co_await copy_extent(id, extent, blob::owner_of_object(holder.bucket, holder.key), moving, to);
        if (!copied.ok()) break;
        item.from.push_back(extent);
        item.to.push_back(std::move(to));
      }
      if (!copied.ok() && copied.error().code() == LogErrc::kDamaged) {
        // What is rotten stays where it is; so its volume stays too.
        for (const blob::Extent& extent : holder.extents) mine.damaged.insert(extent.volume);
        log_error("blob", "an object is damaged",
                  {{"bucket", holder.bucket},
                   {"key", holder.key},
                   {"version", blob::version_text(holder.version)},
                   {"why", copied.error().message()}});
        continue;
      }
      if (!copied.ok()) {
        unpin(id, std::move(moving.pinned));
        co_return forward_error(copied);
      }
      moving.command.items.push_back(std::move(item));
      if (moving.bytes < kBatchBytes && moving.command.items.size() < kBatchItems) continue;
      if (Status done = co_await commit_moves(id, moving, victims); !done.ok()) co_return forward_error(done);
    }
    cursor = found.next_cursor;
  } while (!cursor.empty());
  co_return co_await commit_moves(id, moving, victims);
}

Task<Status> Store::Inside::read_piece(shard::ShardId id, uint32_t volume, uint64_t offset, size_t bytes,
                                       PieceBuffer& into) {
  env::Reactor& here = owner_of(id);
  Result<VolumeFile> file = volumes_of(id).file(volume);
  if (!file.ok()) co_return forward_error(file);
  co_return co_await into.read(std::move(*file), offset, bytes, here, *stats[here.index()]);
}

Task<Status> Store::Inside::copy_extent(shard::ShardId id, blob::Extent from, uint64_t owner, Moving& moving,
                                        std::vector<blob::Extent>& to) {
  VolumeSet& volumes = volumes_of(id);
  env::Reactor& here = owner_of(id);
  PieceBuffer piece;
  Region region;
  uint64_t done = 0;  // payload
  while (done < from.length_bytes) {
    const int64_t began_ns = here.clock().monotonic_ns();
    const uint64_t payload = std::min<uint64_t>(from.length_bytes - done, kChunksAtOnce * kChunkPayloadMax);
    const uint64_t offset = from.offset_bytes + done / kChunkPayloadMax * kFullChunkBytes;
    const uint64_t size_bytes = blob::disk_bytes(payload);
    if (Status got = co_await read_piece(id, from.volume, offset, size_bytes, piece); !got.ok()) {
      // Whatever the reason, the object cannot be read there now.
      co_return fail(LogErrc::kDamaged, got.error().message());
    }
    const std::span<char> bytes(piece.data(), size_bytes);
    if (region.room() < bytes.size()) {
      const uint64_t rest_bytes = blob::disk_bytes(from.length_bytes - done);
      Result<Region> next =
          volumes.reserve(std::min(rest_bytes, options.volume.volume_bytes_max), RoomFor::kCompaction);
      if (!next.ok()) co_return forward_error(next);
      region = *next;
      moving.pinned.push_back(region.volume);
      to.push_back({region.volume, region.offset_bytes, 0});
    }
    for (size_t at = 0; at < bytes.size(); at += kFullChunkBytes) {
      const size_t size = std::min<size_t>(kFullChunkBytes, bytes.size() - at);
      const ChunkPlace old_place{volumes.shard(), from.volume, offset + at};
      const ChunkFlaw flaw =
          volumes.faults().ignore_crc ? ChunkFlaw::kNone : check_chunk(old_place, {&bytes[at], size}, owner);
      if (flaw != ChunkFlaw::kNone) {
        stats[here.index()]->damaged_chunks.add();
        co_return fail(LogErrc::kDamaged, volumes.path_of(from.volume) + " at offset " + std::to_string(offset + at) +
                                              ": " + std::string(flaw_text(flaw)));
      }
      // The payload's CRC goes along, so what rots on the way is found.
      uint32_t crc = 0;
      std::copy_n(&bytes[at + 4], sizeof(crc), reinterpret_cast<char*>(&crc));
      write_chunk_header({volumes.shard(), region.volume, region.offset_bytes + at}, crc, size - kChunkHeaderBytes,
                         owner, &bytes[at]);
    }
    if (Status written = volumes.write(region, {bytes.data(), bytes.size()}); !written.ok())
      co_return forward_error(written);
    to.back().length_bytes += payload;
    done += payload;
    moving.bytes += payload;
    stats[here.index()]->compacted_bytes.add(bytes.size());
    co_await rest(here, here.clock().monotonic_ns() - began_ns);
  }
  co_return Status();
}

Task<Status> Store::Inside::commit_moves(shard::ShardId id, Moving& moving, const std::vector<uint32_t>& victims) {
  VolumeSet& volumes = volumes_of(id);
  Status outcome;
  if (!moving.command.items.empty()) {
    std::vector<uint32_t> written = moving.pinned;
    std::ranges::sort(written);
    written.erase(std::ranges::unique(written).begin(), written.end());
    outcome = co_await volumes.make_durable(std::move(written));
    if (outcome.ok() && volumes.faults().remove_early) outcome = co_await volumes.remove(victims);
    if (outcome.ok()) {
      Answer answer;
      const blob::Encoded move(moving.command);
      const LogErrc moved = co_await store.run(owner_of(id), id, move.command(), true, answer);
      if (moved != LogErrc::kOk) outcome = fail(moved, "blob: moved extents cannot be written to the log");
    }
  }
  unpin(id, std::exchange(moving.pinned, {}));
  moving = {};
  co_return outcome;
}

Task<std::string> Store::Inside::verify_extent(shard::ShardId id, blob::Extent extent, uint64_t owner,
                                               uint64_t& bytes_read) {
  VolumeSet& volumes = volumes_of(id);
  env::Reactor& here = owner_of(id);
  PieceBuffer piece;
  for (uint64_t done = 0; done < extent.length_bytes;) {
    const int64_t began_ns = here.clock().monotonic_ns();
    const uint64_t payload = std::min<uint64_t>(extent.length_bytes - done, kChunksAtOnce * kChunkPayloadMax);
    const uint64_t offset = extent.offset_bytes + done / kChunkPayloadMax * kFullChunkBytes;
    const uint64_t size_bytes = blob::disk_bytes(payload);
    if (Status got = co_await read_piece(id, extent.volume, offset, size_bytes, piece); !got.ok()) {
      co_return got.error().message();
    }
    const std::string_view bytes(piece.data(), size_bytes);
    for (size_t at = 0; at < bytes.size(); at += kFullChunkBytes) {
      const std::string_view chunk = bytes.substr(at, kFullChunkBytes);
      const ChunkFlaw found = check_chunk({volumes.shard(), extent.volume, offset + at}, chunk, owner);
      if (found == ChunkFlaw::kNone) continue;
      co_return volumes.path_of(extent.volume) + " at offset " + std::to_string(offset + at) + ": " +
          std::string(flaw_text(found));
    }
    done += payload;
    bytes_read += bytes.size();
    stats[here.index()]->scrubbed_bytes.add(bytes.size());
    stats[here.index()]->scrub_round_bytes.add(static_cast<int64_t>(bytes.size()));
    co_await rest(here, here.clock().monotonic_ns() - began_ns);
  }
  co_return std::string();
}

Task<Status> Store::Inside::scrub(shard::ShardId id, ScrubReport& report) {
  env::Reactor& here = owner_of(id);
  VolumeSet& volumes = volumes_of(id);
  if (runtime.shard(id).damage()) co_return Status();
  std::string cursor;
  do {
    Answer found;
    const blob::Encoded question(blob::ScanExtents{.volumes = {}, .cursor = cursor});
    const LogErrc asked = co_await store.run(here, id, question.command(), false, found);
    if (asked != LogErrc::kOk) co_return fail(asked, "blob: the shard does not answer");
    // In the turn of the answer, so nothing that it names goes before it has been looked at.
    std::vector<uint32_t> pinned;
    for (const blob::ExtentHolder& holder : found.holders) {
      for (const blob::Extent& extent : holder.extents) {
        if (!volumes.has(extent.volume)) continue;
        volumes.pin(extent.volume);
        pinned.push_back(extent.volume);
      }
    }
    for (const blob::ExtentHolder& holder : found.holders) {
      for (const blob::Extent& extent : holder.extents) {
        if (is_stopping) break;
        ++report.extents;
        const uint64_t owner = blob::owner_of_object(holder.bucket, holder.key);
        const std::string flaw = co_await verify_extent(id, extent, owner, report.bytes);
        if (flaw.empty()) continue;
        ++report.damaged;
        stats[here.index()]->scrub_damaged.add();
        log_error("blob", "a scrub found an object damaged",
                  {{"bucket", holder.bucket},
                   {"key", holder.key},
                   {"version", blob::version_text(holder.version)},
                   {"why", flaw}});
        if (report.findings.size() < kScrubFindingsMax) {
          report.findings.push_back({holder.bucket, holder.key, holder.version, holder.part_number, flaw});
        }
      }
    }
    unpin(id, std::move(pinned));
    cursor = found.next_cursor;
  } while (!cursor.empty() && !is_stopping);
  co_return Status();
}

}  // namespace keelson::blobstore
