#include "log/segment_store.h"

#include <algorithm>

#include "base/check.h"
#include "base/logging.h"
#include "log/format.h"
#include "log/log_reader.h"

namespace keelson::log {

uint64_t SegmentStore::spare_bytes() const {
  uint64_t largest = 0;
  for (const Spare& spare : spares_) largest = std::max(largest, spare.file_bytes);
  return largest;
}

std::string SegmentStore::next_spare_path() {
  return folder_ + "/" + std::to_string(++spares_named_) + std::string(kSpareSuffix);
}

Status SegmentStore::add_spare(uint64_t file_bytes) {
  std::string path = next_spare_path();
  Result<std::unique_ptr<env::File>> file = disk_.open(path, env::OpenMode::kCreate);
  if (!file.ok()) return forward_error(file);
  is_folder_dirty = true;
  if (Status status = (*file)->preallocate(file_bytes); !status.ok()) {
    file->reset();
    remove(path);
    return status;
  }
  spares_.push_back({std::move(path), file_bytes, std::move(*file)});
  publish_sizes();
  return {};
}

Result<Segment*> SegmentStore::activate(uint64_t number, uint64_t file_bytes) {
  auto best = spares_.end();
  for (auto spare = spares_.begin(); spare != spares_.end(); ++spare) {
    if (spare->file_bytes < file_bytes) continue;
    if (best == spares_.end() || spare->file_bytes < best->file_bytes) best = spare;
  }
  KEELSON_CHECK(best != spares_.end(), "a segment is begun without a spare that is large enough");
  Segment segment;
  segment.number = number;
  segment.path = folder_ + "/" + segment_name(number);
  segment.file_bytes = best->file_bytes;
  if (Status status = disk_.rename(best->path, segment.path); !status.ok()) return forward_error(status);
  is_folder_dirty = true;
  segment.file = std::move(best->file);
  spares_.erase(best);
  row_.push_back(std::move(segment));
  publish_sizes();
  return &row_.back();
}

std::optional<std::string> SegmentStore::retire_front() {
  Segment segment = std::move(row_.front());
  row_.pop_front();
  publish_sizes();
  if (segment.file_bytes == options_.segment_bytes && spares_.size() < options_.spare_segments_max) {
    std::string spare_path = next_spare_path();
    is_folder_dirty = true;
    if (Status status = disk_.rename(segment.path, spare_path); status.ok()) return spare_path;
  }
  remove(segment.path);
  stats_.segments_removed.add();
  return std::nullopt;
}

void SegmentStore::recycle(std::string spare_path) {
  Result<std::unique_ptr<env::File>> file = disk_.open(spare_path, env::OpenMode::kReadWrite);
  if (!file.ok()) return remove(spare_path);
  spares_.push_back({std::move(spare_path), options_.segment_bytes, std::move(*file)});
  stats_.segments_recycled.add();
  publish_sizes();
}

void SegmentStore::remove(const std::string& path) {
  is_folder_dirty = true;
  if (Status status = disk_.remove(path); !status.ok() && status.error().code() != env::DiskErrc::kNotFound) {
    log_warn("log", "cannot remove a file", {{"file", path}, {"error", status.error().message()}});
  }
}

void SegmentStore::publish_sizes() {
  uint64_t bytes = 0;
  for (const Segment& segment : row_) bytes += segment.file_bytes;
  for (const Spare& spare : spares_) bytes += spare.file_bytes;
  stats_.segments.set(static_cast<int64_t>(row_.size() + spares_.size()));
  stats_.disk_bytes.set(static_cast<int64_t>(bytes));
}

}  // namespace keelson::log
