// The segment files of a log that is being written: the row of those in use, and spare ones kept ready ahead.
//
// A spare file has its room already, so writing to it does not find the disk full. It becomes a segment by getting its
// name; the caller syncs the folder before anything in the segment counts as durable. Home reactor only.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "env/disk.h"
#include "log/local_log.h"

namespace keelson::log {

struct Segment {
  uint64_t number = 0;
  std::string path;
  uint64_t file_bytes = 0;
  uint64_t used_bytes = 0;           // where the next byte goes, or where the last record ended
  uint64_t end_position = 0;         // the log position (LogHome) behind its last record
  bool is_dirty = false;             // written since its last sync began
  std::vector<uint64_t> last_index;  // of each shard, at its end; once it is full
  std::unique_ptr<env::File> file;   // null once it is full and synced
};

class SegmentStore {
 public:
  SegmentStore(env::Disk& disk, std::string folder, const LocalLogOptions& options, LocalLogStats& stats)
      : disk_(disk), folder_(std::move(folder)), options_(options), stats_(stats) {}

  // References hold until the segment is trimmed.
  [[nodiscard]] std::deque<Segment>& row() { return row_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

  // The room of the largest spare segment; 0 if there is none.
  [[nodiscard]] uint64_t spare_bytes() const;
  [[nodiscard]] bool wants_spare() const { return spares_.size() < options_.spare_segments; }
  // Makes a spare of that size. On an error nothing is left behind.
  Status add_spare(uint64_t file_bytes);
  // Turns the smallest spare of at least `file_bytes` (there is one) into the row's next segment.
  Result<Segment*> activate(uint64_t number, uint64_t file_bytes);
  // Takes the oldest segment out of the row: its file is removed, or gets the name of a spare, which is the result. It
  // may be used (recycle()) once the folder has been synced: else a crash could bring back its old name with new
  // content.
  std::optional<std::string> retire_front();
  void recycle(std::string spare_path);
  // Files of another run of the program that are not part of the log.
  void adopt(Segment segment) { row_.push_back(std::move(segment)); }
  void remove(const std::string& path);
  void publish_sizes();

  // Names have changed since the folder was last synced.
  bool is_folder_dirty = false;

 private:
  struct Spare {
    std::string path;
    uint64_t file_bytes = 0;
    std::unique_ptr<env::File> file;  // open, so that a segment can begin when no file can be opened
  };

  std::string next_spare_path();

  env::Disk& disk_;
  const std::string folder_;
  const LocalLogOptions& options_;
  LocalLogStats& stats_;
  std::deque<Segment> row_;
  std::vector<Spare> spares_;
  uint64_t spares_named_ = 0;
};

}  // namespace keelson::log
