#include "log/recovery.h"

#include <algorithm>
#include <optional>

#include "base/logging.h"

namespace keelson::log {

Task<void> RecoveryHandler::on_progress(uint64_t bytes_done, uint64_t bytes_total) { co_return; }

namespace {

// Follows each shard's indexes through the log.
class ShardTracker final : public LogVisitor {
 public:
  ShardTracker(std::vector<uint64_t> first_index, RecoveryHandler& handler, RecoveredLog& recovered)
      : handler_(handler), recovered_(recovered) {
    for (uint64_t first : first_index) {
      ShardState& shard = shards_.emplace_back();
      shard.first_index = shard.next_index = first;
    }
    recovered_.report.last_index.assign(shards_.size(), 0);
  }

  void on_segment(const SegmentInfo& segment) override {
    RecoveredSegment& added = recovered_.segments.emplace_back();
    added.number = segment.number;
    added.path = segment.path;
    added.file_bytes = segment.file_bytes;
    added.end_offset = kFirstRecordOffset;
  }
  void on_record(const SegmentInfo& segment, const Part& part) override;
  void on_mark(const SegmentInfo& segment, const Part& part, const Mark& mark) override;
  void on_damage(const SegmentInfo& segment, uint64_t from, uint64_t to, const PartHeader* header) override;
  void on_segment_end(const SegmentInfo& segment, uint64_t offset) override { end_segment(offset); }

  void end_segment(uint64_t offset) {
    recovered_.segments.back().end_offset = offset;
    recovered_.segments.back().last_index = recovered_.report.last_index;
  }
  // What makes the whole log unusable, if anything.
  [[nodiscard]] const std::string& fatal() const { return fatal_; }

 private:
  struct ShardState {
    uint64_t first_index = 1;
    uint64_t next_index = 1;
    LogPlace last_place;  // of its last record
    bool is_damaged = false;
  };
  struct Hole {
    LogPlace place;
    std::string file;
  };

  void lose(ShardId shard, const SegmentInfo& segment, uint64_t offset, const std::string& what);

  RecoveryHandler& handler_;
  RecoveredLog& recovered_;
  std::vector<ShardState> shards_;
  std::vector<Hole> holes_;
  std::string fatal_;
};

void ShardTracker::on_record(const SegmentInfo& segment, const Part& part) {
  const PartHeader& header = part.header;
  if (header.shard >= shards_.size()) {
    fatal_ = "log: " + segment.path + " at offset " + std::to_string(part.offset) + " has a record of shard " +
             std::to_string(header.shard) + ", but this node has " + std::to_string(shards_.size()) + " shards";
    return;
  }
  ShardState& shard = shards_[header.shard];
  uint64_t& last_index = recovered_.report.last_index[header.shard];
  last_index = std::max(last_index, header.index);
  recovered_.segments.back().has_records = true;
  if (shard.is_damaged || header.index < shard.first_index) return;
  if (header.index != shard.next_index) {
    lose(header.shard, segment, part.offset,
         "record " + std::to_string(shard.next_index) + " should stand where record " + std::to_string(header.index) +
             " does");
    return;
  }
  ++shard.next_index;
  shard.last_place = {segment.number, part.offset};
  ++recovered_.report.records;
  handler_.on_record(header.shard, header.index, header.time_ms, part.payload);
}

void ShardTracker::on_mark(const SegmentInfo& segment, const Part& part, const Mark& mark) {
  // A folder may be opened with more shards than it was written with: a further service has come.
  if (mark.shard_count() > shards_.size()) {
    fatal_ = "log: " + segment.path + " was written with " + std::to_string(mark.shard_count()) +
             " shards, but this node has " + std::to_string(shards_.size());
    return;
  }
  recovered_.synced = std::max(recovered_.synced, mark.synced);
  for (size_t i = 0; i < mark.shard_count(); ++i) {
    const uint64_t index = mark.last_index(i);
    uint64_t& last_index = recovered_.report.last_index[i];
    last_index = std::max(last_index, index);
    if (!shards_[i].is_damaged && index >= shards_[i].next_index) {
      lose(static_cast<ShardId>(i), segment, part.offset,
           "records " + std::to_string(shards_[i].next_index) + " to " + std::to_string(index) + " are missing");
    }
  }
}

void ShardTracker::on_damage(const SegmentInfo& segment, uint64_t from, uint64_t to, const PartHeader* header) {
  log_warn("log", "damaged bytes in the log",
           {{"file", segment.path}, {"offset_bytes", from}, {"until_offset_bytes", to}});
  recovered_.has_holes = true;
  holes_.push_back({{segment.number, from}, segment.path});
  if (header == nullptr || header->type != kTypeRecord || header->shard >= shards_.size()) return;
  const ShardState& shard = shards_[header->shard];
  if (!shard.is_damaged && header->index >= shard.first_index) {
    lose(header->shard, segment, from, "the payload of record " + std::to_string(header->index) + " is damaged");
  }
}

void ShardTracker::lose(ShardId id, const SegmentInfo& segment, uint64_t offset, const std::string& what) {
  ShardState& shard = shards_[id];
  shard.is_damaged = true;
  ShardDamage damage{.shard = id, .file = segment.path, .offset_bytes = offset, .why = {}};
  // What was seen first of it: the hole behind the shard's last good record.
  const auto hole =
      std::find_if(holes_.begin(), holes_.end(), [&](const Hole& at) { return at.place > shard.last_place; });
  if (hole != holes_.end()) {
    damage.file = hole->file;
    damage.offset_bytes = hole->place.offset;
  }
  damage.why = "shard " + std::to_string(id) + ": the log is damaged in " + damage.file + " at offset " +
               std::to_string(damage.offset_bytes) + ": " + what;
  log_error("log", "a shard's records are damaged",
            {{"shard", id}, {"file", damage.file}, {"offset_bytes", damage.offset_bytes}, {"what", what}});
  recovered_.report.damage.push_back(std::move(damage));
}

void cut_tail(const LogFolder& folder, const LogEnd& end, RecoveredLog& recovered) {
  for (size_t i = end.chain_size; i < folder.chain.size(); ++i) {
    if (folder.chain[i].exists) recovered.leftovers.push_back(folder.chain[i].path);
  }
  if (!end.is_torn || recovered.segments.empty()) return;
  recovered.report.cut_file = recovered.segments.back().path;
  recovered.report.cut_offset_bytes = end.offset;
  log_warn("log", "torn tail cut off",
           {{"file", recovered.report.cut_file}, {"offset_bytes", recovered.report.cut_offset_bytes}});
}

}  // namespace

Task<Result<RecoveredLog>> recover_log(env::Disk& disk, std::string folder_path, std::vector<uint64_t> first_index,
                                       bool ignore_crc, RecoveryHandler& handler) {
  Result<LogFolder> folder = scan_log_folder(disk, folder_path);
  if (!folder.ok()) co_return forward_error(folder);
  RecoveredLog recovered;
  recovered.report.is_new = !folder->has_log;
  recovered.log_id = folder->log_id;
  recovered.highest_number = folder->highest_number;
  recovered.leftovers = folder->leftovers;
  ShardTracker tracker(std::move(first_index), handler, recovered);
  LogReader reader(disk, *folder, ignore_crc, tracker);
  for (bool goes_on = true; goes_on;) {
    Result<bool> step = reader.step();
    if (!step.ok()) co_return forward_error(step);
    goes_on = *step;
    if (!tracker.fatal().empty()) co_return fail(LogErrc::kDamaged, tracker.fatal());
    co_await handler.on_progress(reader.bytes_done(), reader.bytes_total());
  }
  recovered.report.bytes_read = reader.bytes_done();
  if (!recovered.segments.empty()) tracker.end_segment(reader.end().offset);
  cut_tail(*folder, reader.end(), recovered);
  co_return recovered;
}

}  // namespace keelson::log
