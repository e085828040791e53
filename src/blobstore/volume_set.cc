#include "blobstore/volume_set.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "blobstore/format.h"
#include "log/commit_log.h"

namespace keelson::blobstore {

namespace {

// Open files of one shard beside the active volume's: 16 shards of these stay well below the usual 1,024.
constexpr size_t kOpenFilesMax = 32;

// Waits until the volume's next sync has ended.
struct SyncWaiter {
  std::vector<std::coroutine_handle<>>& waiters;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const { waiters.push_back(waiter); }
  void await_resume() const noexcept {}
};

}  // namespace

VolumeSet::VolumeSet(env::Disk& disk, env::Reactor& owner, std::string folder, uint16_t shard,
                     const VolumeOptions& options, StoreStats& stats)
    : disk_(disk),
      owner_(owner),
      folder_(std::move(folder)),
      shard_(shard),
      options_(options),
      stats_(stats),
      scope_(owner) {}

VolumeSet::~VolumeSet() = default;

std::string VolumeSet::path_of(uint32_t volume) const { return folder_ + "/" + volume_name(volume); }

Status VolumeSet::open(uint32_t highest_volume, const std::map<uint32_t, uint64_t>& live_bytes) {
  if (Status made = disk_.make_folder(folder_); !made.ok()) return made;
  auto names = disk_.list(folder_);
  if (!names.ok()) return forward_error(names);
  next_number_ = highest_volume + 1;
  for (const std::string& name : *names) {
    const std::optional<uint32_t> number = parse_volume_name(name);
    if (!number) continue;
    auto file = disk_.open(folder_ + "/" + name, env::OpenMode::kRead);
    if (!file.ok()) return forward_error(file);
    const auto size = (*file)->size();
    if (!size.ok()) return fail(size.error().code(), path_of(*number) + ": " + size.error().message());
    note_size(volumes_[*number], *size);
    stats_.volumes.add(1);
    next_number_ = std::max(next_number_, *number + 1);
  }
  for (const auto& [number, bytes] : live_bytes) check_volume(number, bytes);
  return {};
}

void VolumeSet::note_size(Volume& volume, uint64_t bytes) {
  stats_.disk_bytes.add(static_cast<int64_t>(bytes) - static_cast<int64_t>(volume.size_bytes));
  volume.size_bytes = bytes;
}

void VolumeSet::check_volume(uint32_t number, uint64_t live_bytes) {
  const auto found = volumes_.find(number);
  if (found == volumes_.end()) {
    log_error("blob", "a volume is missing: what lies in it cannot be read",
              {{"file", path_of(number)}, {"live_bytes", live_bytes}});
    return;
  }
  std::array<char, kVolumeHeaderBytes> bytes{};
  const auto opened = file_of(number, found->second);
  const auto count = opened.ok() ? (*opened)->read_at(0, bytes) : Result<size_t>(0);
  const auto header = read_volume_header({bytes.data(), count.value_or(0)});
  if (header && header->shard == shard_ && header->volume == number) return;
  log_error("blob", "the header of a volume is damaged; its chunks are checked one by one",
            {{"file", path_of(number)}, {"live_bytes", live_bytes}});
}

// Writing.

Status VolumeSet::begin_volume() {
  const uint32_t number = next_number_++;
  auto file = disk_.open(path_of(number), env::OpenMode::kCreate);
  if (!file.ok()) return forward_error(file);
  Volume volume;
  volume.file = std::move(*file);
  volume.is_name_durable = false;
  ++open_files_;
  const std::string header = write_volume_header({shard_, number, owner_.clock().wall_ms()});
  Status written = volume.file->write_at(0, header);
  volume.written = 1;
  note_size(volume, header.size());
  stats_.volumes.add(1);
  volumes_[number] = std::move(volume);
  // Without its header it is an empty file that compaction takes away.
  if (written.ok()) active_ = number;
  return written;
}

Result<uint64_t> VolumeSet::room_for_compaction() const {
  const auto room = disk_.free_bytes(folder_);
  if (!room.ok()) return fail(room.error().code(), "blob: " + room.error().message());
  const uint64_t kept = options_.free_bytes_min / 2;
  return std::min(*room - std::min(*room, kept), options_.compaction_room_bytes_max);
}

Result<Region> VolumeSet::reserve(uint64_t bytes, RoomFor whom) {
  KEELSON_CHECK(bytes <= options_.volume_bytes_max, "more in a row than a volume holds");
  const auto room = disk_.free_bytes(folder_);
  if (!room.ok()) return fail(room.error().code(), "blob: " + room.error().message());
  const uint64_t kept = whom == RoomFor::kCompaction ? options_.free_bytes_min / 2 : options_.free_bytes_min;
  if (*room < kept + bytes) {
    stats_.refused_full.add();
    return fail(env::DiskErrc::kFull, "blob: no room on the disk: " + std::to_string(*room) + " bytes are free");
  }
  const auto fits = [&] {
    return active_ != 0 && !volumes_[active_].has_failed &&
           volumes_[active_].size_bytes + bytes <= options_.volume_bytes_max + kVolumeHeaderBytes;
  };
  if (!fits()) {
    active_ = 0;
    if (Status begun = begin_volume(); !begun.ok()) {
      if (begun.error().code() == env::DiskErrc::kFull) stats_.refused_full.add();
      return forward_error(begun);
    }
  }
  Volume& volume = volumes_[active_];
  const Region region{active_, volume.size_bytes, volume.size_bytes + bytes};
  note_size(volume, region.end_bytes);
  pin(active_);
  return region;
}

Status write_region(const VolumeFile& file, Region& region, std::string_view bytes, StoreStats& stats) {
  KEELSON_CHECK(bytes.size() <= region.room(), "a writer leaves its region");
  if (Status written = file.file->write_at(region.offset_bytes, bytes); !written.ok()) {
    if (written.error().code() == env::DiskErrc::kFull) stats.refused_full.add();
    return fail(written.error().code(), file.path + ": " + written.error().message());
  }
  region.offset_bytes += bytes.size();
  stats.written_bytes.add(bytes.size());
  return {};
}

Status VolumeSet::write(Region& region, std::string_view bytes) {
  Result<VolumeFile> target = file(region.volume);
  if (!target.ok()) return forward_error(target);
  if (Status written = write_region(*target, region, bytes, stats_); !written.ok()) return written;
  note_written(region.volume);
  return {};
}

void VolumeSet::note_written(uint32_t volume) {
  const auto found = volumes_.find(volume);
  KEELSON_CHECK(found != volumes_.end(), "a volume was written to that is removed: its writer holds no pin");
  ++found->second.written;
}

void VolumeSet::give_back(const Region& region) {
  const auto found = volumes_.find(region.volume);
  if (found == volumes_.end() || region.volume != active_ || found->second.size_bytes != region.end_bytes) return;
  note_size(found->second, region.offset_bytes);
}

Task<Status> VolumeSet::make_durable(std::vector<uint32_t> numbers) {
  for (uint32_t number : numbers) {
    const auto found = volumes_.find(number);
    KEELSON_CHECK(found != volumes_.end(), "a volume is synced that was removed: its writer holds no pin");
    Volume& volume = found->second;
    const uint64_t target = volume.written;
    if (options_.faults.skip_sync) continue;
    while (volume.synced < target) {
      if (volume.has_failed) {
        co_return fail(env::DiskErrc::kIo, path_of(number) + ": cannot be synced; what was being written is given up");
      }
      if (!volume.is_syncing) {
        volume.is_syncing = true;
        scope_.spawn(sync_volume(number));
        // It may have ended already.
        if (!volume.is_syncing) continue;
      }
      co_await SyncWaiter{volume.waiters};
    }
  }
  co_return Status();
}

// One sync after another, as long as somebody waits.
Task<void> VolumeSet::sync_volume(uint32_t number) {
  Volume& volume = volumes_.at(number);
  while (true) {
    const Status synced = co_await sync_once(volume);
    if (!synced.ok()) {
      stats_.sync_failures.add();
      volume.has_failed = true;
      log_error("blob", "a volume cannot be synced and takes nothing more",
                {{"file", path_of(number)}, {"error", synced.error().message()}});
    }
    // They look for themselves whether that was enough, and wait again if not.
    const auto woken = std::exchange(volume.waiters, {});
    for (std::coroutine_handle<> waiter : woken) waiter.resume();
    if (volume.waiters.empty() || volume.has_failed) break;
  }
  volume.is_syncing = false;
  for (std::coroutine_handle<> waiter : std::exchange(volume.waiters, {})) waiter.resume();
}

Task<Status> VolumeSet::sync_once(Volume& volume) {
  const uint64_t written = volume.written;
  const int64_t began_ns = owner_.clock().monotonic_ns();
  stats_.syncs.add();
  Status synced = co_await volume.file->sync(owner_);
  if (synced.ok() && !volume.is_name_durable) {
    synced = co_await disk_.sync_folder(folder_, owner_);
    volume.is_name_durable = synced.ok();
  }
  stats_.sync_ns.record(owner_.clock().monotonic_ns() - began_ns);
  if (synced.ok()) volume.synced = written;
  co_return synced;
}

// Reading.

// tidy: shared_ptr, because of what VolumeFile says.
Result<std::shared_ptr<env::File>> VolumeSet::file_of(uint32_t number, Volume& volume) {
  volume.last_use = ++use_clock_;
  if (volume.file != nullptr) return volume.file;
  close_some();
  auto file = disk_.open(path_of(number), env::OpenMode::kReadWrite);
  if (!file.ok()) return forward_error(file);
  volume.file = std::move(*file);
  ++open_files_;
  return volume.file;
}

// The one that was not used for longest; never one that may still be written or synced, or that somebody uses.
void VolumeSet::close_some() {
  while (open_files_ >= kOpenFilesMax) {
    Volume* oldest = nullptr;
    for (auto& [number, volume] : volumes_) {
      const bool is_idle =
          volume.file.use_count() == 1 && number != active_ && !volume.is_syncing && volume.synced == volume.written;
      if (is_idle && (oldest == nullptr || volume.last_use < oldest->last_use)) oldest = &volume;
    }
    if (oldest == nullptr) return;
    oldest->file.reset();
    --open_files_;
  }
}

Result<VolumeFile> VolumeSet::file(uint32_t number) {
  const auto found = volumes_.find(number);
  if (found == volumes_.end()) {
    return fail(log::LogErrc::kDamaged, path_of(number) + ": the volume is missing");
  }
  auto opened = file_of(number, found->second);
  if (!opened.ok()) return forward_error(opened);
  return VolumeFile{std::move(*opened), path_of(number)};
}

void VolumeSet::pin(uint32_t volume) {
  if (const auto found = volumes_.find(volume); found != volumes_.end()) ++found->second.pins;
}

void VolumeSet::unpin(uint32_t volume) {
  const auto found = volumes_.find(volume);
  if (found == volumes_.end()) return;
  KEELSON_CHECK(found->second.pins != 0, "a volume is unpinned that was not pinned");
  --found->second.pins;
}

bool VolumeSet::is_pinned(uint32_t volume) const {
  const auto found = volumes_.find(volume);
  return found != volumes_.end() && found->second.pins != 0 && !options_.faults.ignore_pins;
}

// Removal.

std::vector<VolumeSet::VolumeSize> VolumeSet::volumes() const {
  std::vector<VolumeSize> all;
  for (const auto& [number, volume] : volumes_) all.push_back({number, volume.size_bytes, number == active_});
  return all;
}

void VolumeSet::seal_active() { active_ = 0; }

Status VolumeSet::cut(uint32_t number, uint64_t bytes) {
  const auto found = volumes_.find(number);
  KEELSON_CHECK(found != volumes_.end() && number != active_ && bytes <= found->second.size_bytes,
                "a volume is cut off that is written to, or not there");
  auto file = file_of(number, found->second);
  if (!file.ok()) return forward_error(file);
  if (Status cut = (*file)->truncate(bytes); !cut.ok()) return cut;
  stats_.removed_bytes.add(found->second.size_bytes - bytes);
  note_size(found->second, bytes);
  return {};
}

Task<Status> VolumeSet::remove(std::vector<uint32_t> numbers) {
  Status outcome;
  for (uint32_t number : numbers) {
    const auto found = volumes_.find(number);
    if (found == volumes_.end() || number == active_ || found->second.is_syncing) continue;
    if (Status removed = disk_.remove(path_of(number)); !removed.ok()) {
      outcome = std::move(removed);
      continue;
    }
    stats_.removed_volumes.add();
    stats_.removed_bytes.add(found->second.size_bytes);
    stats_.volumes.add(-1);
    note_size(found->second, 0);
    if (found->second.file != nullptr) --open_files_;
    volumes_.erase(found);
  }
  Status synced = co_await disk_.sync_folder(folder_, owner_);
  co_return outcome.ok() ? std::move(synced) : std::move(outcome);
}

}  // namespace keelson::blobstore
