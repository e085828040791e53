#include "log/inspect.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "log/checkpoint_file.h"
#include "log/log_reader.h"

namespace keelson::log {

namespace {

std::string number(uint64_t value) { return std::to_string(value); }

std::string hex(uint64_t value) { return segment_name(value).substr(0, 16); }

class Inspector final : public LogVisitor {
 public:
  Inspector(const InspectOptions& options, const InspectSink& sink, InspectReport& report)
      : options_(options), sink_(sink), report_(report) {}

  void on_segment(const SegmentInfo& segment) override {
    ++report_.segments;
    std::string line =
        "segment " + segment.path + " number=" + number(segment.number) + " bytes=" + number(segment.file_bytes);
    if (segment.header) {
      const SegmentHeader& header = *segment.header;
      line += " log_id=" + hex(header.log_id) + " created_ms=" + std::to_string(header.created_wall_ms);
      line += " previous=" + number(header.previous.segment) + " previous_end=" + number(header.previous.offset);
    }
    sink_(line + " status=" + (segment.header ? "ok" : "damaged-header"));
  }
  void on_record(const SegmentInfo& segment, const Part& part) override {
    const PartHeader& header = part.header;
    ++report_.records;
    report_.payload_bytes += part.payload.size();
    uint64_t& next = next_index_of(header.shard);
    const bool is_next = next == 0 || next == header.index;
    if (!is_next) {
      ++report_.problems;
      sink_("problem " + segment.path + " offset=" + number(part.offset) + " shard=" + number(header.shard) +
            " index=" + number(header.index) + " status=gap expected_index=" + number(next));
    }
    next = std::max(next, header.index + 1);
    if (!options_.with_records) return;
    sink_("record " + segment.path + " offset=" + number(part.offset) + " shard=" + number(header.shard) +
          " index=" + number(header.index) + " time_ms=" + std::to_string(header.time_ms) +
          " bytes=" + number(part.payload.size()) + " parts=" + parts_of(header) + " status=ok");
  }
  void on_mark(const SegmentInfo& segment, const Part& part, const Mark& mark) override {
    ++report_.marks;
    for (size_t i = 0; i < mark.shard_count() && i <= UINT16_MAX; ++i) {
      uint64_t& next = next_index_of(static_cast<ShardId>(i));
      const uint64_t last = mark.last_index(i);
      if (next != 0 && last >= next) {
        ++report_.problems;
        sink_("problem " + segment.path + " offset=" + number(part.offset) + " shard=" + number(i) +
              " index=" + number(next) + " status=missing last_index=" + number(last));
      }
      next = std::max(next, last + 1);
    }
    if (!options_.with_records) return;
    sink_("mark " + segment.path + " offset=" + number(part.offset) +
          " time_ms=" + std::to_string(part.header.time_ms) + " synced_segment=" + number(mark.synced.segment) +
          " synced_offset=" + number(mark.synced.offset) + " shards=" + number(mark.shard_count()) + " status=ok");
  }
  void on_damage(const SegmentInfo& segment, uint64_t from, uint64_t to, const PartHeader* header) override {
    ++report_.problems;
    std::string line = "problem " + segment.path + " offset=" + number(from) + " until=" + number(to);
    if (header != nullptr && header->type == kTypeRecord) {
      line += " shard=" + number(header->shard) + " index=" + number(header->index) +
              " time_ms=" + std::to_string(header->time_ms) + " bytes=" + number(header->payload_bytes);
    }
    sink_(line + (segment.exists ? " status=damaged" : " status=missing-file"));
  }

 private:
  static std::string parts_of(const PartHeader& header) {
    const bool continues = (header.flags & kFlagContinues) != 0;
    const bool more = (header.flags & kFlagMoreFollow) != 0;
    if (continues) return more ? "middle" : "last";
    return more ? "first" : "one";
  }
  // 0: not known yet, the log was trimmed.
  uint64_t& next_index_of(ShardId shard) {
    if (shard >= next_index_.size()) next_index_.resize(size_t{shard} + 1, 0);
    return next_index_[shard];
  }

  const InspectOptions& options_;
  const InspectSink& sink_;
  InspectReport& report_;
  std::vector<uint64_t> next_index_;
};

// Reads one checkpoint to its end; the result is what is wrong with it, empty if nothing is.
Result<std::string> describe_checkpoint(env::Disk& disk, const CheckpointFile& file, std::string& line,
                                        InspectReport& report) {
  Result<std::unique_ptr<CheckpointReader>> reader = CheckpointReader::open(disk, file.path);
  if (!reader.ok()) {
    if (reader.error().code() != LogErrc::kDamaged) return forward_error(reader);
    return reader.error().message();
  }
  const CheckpointHeader& header = (*reader)->header();
  line += " engine=" + header.engine + " version=" + number(header.engine_version) +
          " time_ms=" + std::to_string(header.time_ms) + " log_id=" + hex(header.log_id) +
          " bytes=" + number((*reader)->file_bytes());
  if (header.shard != file.shard || header.index != file.index) return std::string("its name and its header differ");
  for (uint64_t pieces = 0;; ++pieces) {
    Result<std::optional<std::string_view>> piece = (*reader)->next();
    if (!piece.ok()) {
      if (piece.error().code() != LogErrc::kDamaged) return forward_error(piece);
      return piece.error().message();
    }
    if (!*piece) {
      line += " pieces=" + number(pieces);
      return std::string();
    }
    report.payload_bytes += (*piece)->size();
  }
}

}  // namespace

Result<InspectReport> inspect_log(env::Disk& disk, const std::string& folder_path, const InspectOptions& options,
                                  const InspectSink& sink) {
  InspectReport report;
  Result<LogFolder> folder = scan_log_folder(disk, folder_path);
  if (!folder.ok()) {
    if (folder.error().code() != LogErrc::kDamaged) return forward_error(folder);
    ++report.problems;
    sink("problem " + folder.error().message());
    return report;
  }
  Inspector inspector(options, sink, report);
  LogReader reader(disk, *folder, false, inspector);
  for (bool goes_on = true; goes_on;) {
    Result<bool> step = reader.step();
    if (!step.ok()) return forward_error(step);
    goes_on = *step;
  }
  const LogEnd& end = reader.end();
  if (end.is_torn && end.chain_size > 0) {
    ++report.torn_tails;
    sink("torn " + folder->chain[end.chain_size - 1].path + " offset=" + number(end.offset) +
         " status=cut-off-at-next-start");
  }
  for (const std::string& path : folder->leftovers) sink("unused " + path + " status=not-part-of-the-log");
  return report;
}

Result<InspectReport> inspect_checkpoints(env::Disk& disk, const std::string& folder, const InspectSink& sink) {
  InspectReport report;
  Result<std::vector<CheckpointFile>> files = list_checkpoints(disk, folder);
  if (!files.ok()) return forward_error(files);
  for (const CheckpointFile& file : *files) {
    ++report.checkpoints;
    std::string line = "checkpoint " + file.path + " shard=" + number(file.shard) + " index=" + number(file.index);
    Result<std::string> problem = describe_checkpoint(disk, file, line, report);
    if (!problem.ok()) return forward_error(problem);
    if (!problem->empty()) ++report.problems;
    sink(line + " status=" + (problem->empty() ? "ok" : "damaged: " + *problem));
  }
  return report;
}

}  // namespace keelson::log
