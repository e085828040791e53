// Reads a whole log: finds its segments, follows their chain, tells torn tails from damage. Used by recovery and
// inspection.
//
// How segments chain: a header names the segment before it and where that one ends. Numbers between the two belong to
// tails that an earlier recovery cut away. What is older than the oldest file was trimmed; a number that is missing
// elsewhere, or has no readable header, is a hole like any other: damage if a later mark vouches for it, else the end
// of the log.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "env/disk.h"
#include "log/format.h"
#include "log/segment_reader.h"

namespace keelson::log {

struct SegmentInfo {
  uint64_t number = 0;
  std::string path;
  bool exists = false;
  uint64_t file_bytes = 0;
  std::optional<SegmentHeader> header;
};

// What a folder holds, before any record is read.
struct LogFolder {
  bool has_log = false;
  uint64_t log_id = 0;
  uint64_t highest_number = 0;         // of any segment file
  std::vector<SegmentInfo> chain;      // the log, oldest first
  std::vector<std::string> leftovers;  // paths: spare segments and tails that were cut away
};

// Errors: the disk's, and kDamaged if segments are there but none has a readable header, or they are of several logs.
Result<LogFolder> scan_log_folder(env::Disk& disk, const std::string& folder);
// Segments ready for use have this suffix in place of ".log".
inline constexpr std::string_view kSpareSuffix = ".spare";

class LogVisitor {
 public:
  virtual ~LogVisitor() = default;
  virtual void on_segment(const SegmentInfo& segment) {}
  // A part of a record. The parts of one come together or not at all, unless the record was damaged.
  virtual void on_record(const SegmentInfo& segment, const Part& part) = 0;
  virtual void on_mark(const SegmentInfo& segment, const Part& part, const Mark& mark) = 0;
  // Bytes from..to were once good and are not. `header` is that of the damaged part if it could be read, else null:
  // then later indexes and marks tell whose records are gone.
  virtual void on_damage(const SegmentInfo& segment, uint64_t from, uint64_t to, const PartHeader* header) = 0;
  // A segment's last record has been read.
  virtual void on_segment_end(const SegmentInfo& segment, uint64_t offset) {}
};

// Where the good part of the log ends.
struct LogEnd {
  size_t chain_size = 0;  // segments of the chain that are part of it
  uint64_t offset = 0;    // in the last of them
  bool is_torn = false;   // something had been written behind it
};

class LogReader {
 public:
  LogReader(env::Disk& disk, const LogFolder& folder, bool ignore_crc, LogVisitor& visitor);

  // Reads on by a megabyte or so; false at the end. Errors are the disk's.
  Result<bool> step();
  // Once step() has said false.
  [[nodiscard]] const LogEnd& end() const { return end_; }
  [[nodiscard]] uint64_t bytes_done() const { return bytes_done_; }
  [[nodiscard]] uint64_t bytes_total() const { return bytes_total_; }

 private:
  // True: the log goes on. False: it ended here.
  Result<bool> enter_segment();
  Result<bool> read_one();
  Result<bool> meet_bad_bytes(PartState state, const Part& part);
  Result<bool> is_record_whole(const Part& first);
  void deliver(const Part& part);
  void leave_segment();
  bool finish(bool is_torn);

  Result<std::unique_ptr<SegmentReader>> open_segment(size_t chain_at);
  [[nodiscard]] uint64_t limit_of(size_t chain_at) const;
  [[nodiscard]] bool has_exact_end(size_t chain_at) const;
  // Does a mark behind `place` say that it had been synced?
  Result<bool> is_vouched_for(LogPlace place);
  Status look_for_marks(size_t chain_at, SegmentReader& reader, uint64_t offset);

  [[nodiscard]] const SegmentInfo& segment() const { return folder_.chain[chain_at_]; }

  env::Disk& disk_;
  const LogFolder& folder_;
  const bool ignore_crc_;
  LogVisitor& visitor_;

  size_t chain_at_ = 0;
  uint64_t offset_ = 0;
  std::unique_ptr<SegmentReader> reader_;  // of segment(); null before it is entered
  uint64_t whole_until_ = 0;               // parts before this offset belong to a record that is known to be whole
  bool is_broken_record_ = false;          // behind damage: take the parts of this record one by one
  std::optional<LogPlace> vouched_until_;  // by the marks behind the first bad bytes; unset: not looked for yet
  bool is_finished_ = false;
  LogEnd end_;
  uint64_t bytes_done_ = 0;
  uint64_t bytes_total_ = 0;
};

}  // namespace keelson::log
