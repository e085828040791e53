// The partitions of one shard and what they share: the tail, the open segment files, the line of those that have
// something to be written, and which files must be synced before a checkpoint counts or may be removed.
//
// Owner's thread. Only what a checkpoint makes durable is counted on: a segment file may be longer than is known of it
// (written before a crash, by records that are replayed now or are lost), and files may be there that nobody knows.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/topic/faults.h"
#include "engine/topic/partition_log.h"
#include "engine/topic/segment_file.h"
#include "engine/topic/tail.h"
#include "env/disk.h"

namespace keelson::topic {

struct LogStoreOptions {
  env::Disk* disk = nullptr;  // null: nothing is ever written, and the tail keeps everything
  std::string folder;
  size_t cache_bytes = size_t{8} << 20;
  // Open segment files that are kept for the next use. Readers may hold others.
  size_t open_files_max = 64;
  // A partition with so much to write is written soon, and all of them once there is so much in all: few and large
  // writes, but none so large that others wait for it (a write into the page cache takes about 1 ms for 4 MiB).
  size_t partition_settle_bytes = size_t{256} << 10;
  size_t settle_bytes = size_t{4} << 20;
  TopicFaults faults{};
};

class LogStore {
 public:
  explicit LogStore(LogStoreOptions options);
  ~LogStore();

  [[nodiscard]] PartitionLog* find(const PartitionId& id);
  PartitionLog& obtain(const PartitionId& id, const TopicConfig& config);
  // The partition is gone, and its files are for the taking.
  void remove(const PartitionId& id);
  void clear();
  [[nodiscard]] const std::map<PartitionId, std::unique_ptr<PartitionLog>>& logs() const { return logs_; }

  // Writes some of what waits, if there is enough of it; or all of it. The first error; what could be written was.
  Status settle();
  Status settle_all();

  // Partitions that have got something since the last call; those that are gone too.
  [[nodiscard]] std::vector<PartitionId> take_touched();

  // ---- Files to be removed: by whoever asks for them, once the log is synced (a record says that they are not needed
  // any more). Index files are named as well, whether they are there or not.
  [[nodiscard]] std::vector<std::string> take_garbage();
  // Files of the folder that no partition knows: which a crash left, or of a state that another one has replaced. Not
  // before recovery has ended well. Their names are not used by what is written from then on, so that they may be
  // removed at leisure; but files that come with a state from another node may have them (is_unused()).
  [[nodiscard]] Result<std::vector<std::string>> find_strays();
  // Strays are to be looked for: at the start, and once a state has been replaced for good.
  [[nodiscard]] bool are_strays_due() const { return are_strays_due_ && !are_files_held(); }
  // After clear() nothing is a stray, nor unused, until this says that the state since then is durable: before, a crash
  // would bring back the one that was here.
  void replaced() {
    is_state_proven_ = true;
    are_strays_due_ = true;
  }
  // Something that was named for removal has stayed.
  void look_for_strays_again() { are_strays_due_ = is_state_proven_; }
  // Nothing refers to the file at that path.
  [[nodiscard]] bool is_unused(std::string_view path) const;
  // Between the two, nothing is named for removal. Any thread.
  void hold_files() { files_held_.fetch_add(1, std::memory_order_relaxed); }
  void release_files() { files_held_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] bool are_files_held() const { return files_held_.load(std::memory_order_relaxed) != 0; }
  // See Engine.
  [[nodiscard]] uint64_t file_bytes(const SegmentName& name) const;
  // For a segment that is about to get its first bytes: its generation, or one that no stray has.
  [[nodiscard]] uint32_t fresh_generation(SegmentName name) const;
  // Compaction's old files: what an earlier checkpoint refers to goes once a later one is durable.
  void discard_after_checkpoint(const SegmentName& name) { replaced_.push_back(name); }
  // What was discarded before is released by checkpoint_completed().
  void checkpoint_began();
  void checkpoint_completed();

  // ---- Syncs for a checkpoint.
  // Names of segments that were written since the last call.
  [[nodiscard]] std::set<SegmentName> take_unsynced() { return std::exchange(unsynced_, {}); }
  void put_back_unsynced(std::set<SegmentName> names) { unsynced_.merge(names); }
  // After a failed one, nothing that was written since the last good one may be counted on, and a later sync that says
  // yes proves nothing: all fail from then on.
  [[nodiscard]] Task<Status> sync(std::set<SegmentName> names, env::Reactor& here);

  // ---- For PartitionLog.
  [[nodiscard]] Tail& tail() { return tail_; }
  [[nodiscard]] const Tail& tail() const { return tail_; }
  void will_change(PartitionLog& log) {
    if (before_change && log.saved_by != checkpoint_number) before_change(log);
  }
  void has_appended(PartitionLog& log);
  void touch(PartitionLog& log);
  // Names a segment's files for removal.
  void discard(const SegmentName& name);
  [[nodiscard]] Result<std::shared_ptr<const SegmentFile>> open_for_reading(const SegmentName& name);
  // With everything from `position` on cut off if it is the first time in this run.
  [[nodiscard]] Result<std::shared_ptr<const SegmentFile>> open_for_writing(const SegmentName& name, Segment& segment,
                                                                            uint64_t position);
  void was_written(const SegmentName& name) { unsynced_.insert(name); }
  Status write_index(const SegmentName& name, const SegmentIndex& index, uint64_t bytes);
  // For bytes that must lie in a row to be written.
  [[nodiscard]] std::string& scratch() { return scratch_; }
  [[nodiscard]] const LogStoreOptions& options() const { return options_; }
  [[nodiscard]] std::string path_of(const SegmentName& name, std::string_view suffix) const;

  // Set while a checkpoint is taken: called with a partition that it has not saved, before it changes.
  std::function<void(PartitionLog&)> before_change;
  uint64_t checkpoint_number = 0;

 private:
  [[nodiscard]] std::shared_ptr<const SegmentFile> find_open(const SegmentName& name);
  std::shared_ptr<const SegmentFile> keep_open(const SegmentName& name, std::unique_ptr<env::File> file);
  Status settle_one(PartitionLog& log);
  Status settle_line(std::deque<PartitionLog*>& line, bool PartitionLog::* mark, bool is_all);

  const LogStoreOptions options_;
  Tail tail_;
  std::map<PartitionId, std::unique_ptr<PartitionLog>> logs_;
  std::deque<PartitionLog*> line_;   // with something to write
  std::deque<PartitionLog*> hurry_;  // with much of it
  std::vector<PartitionId> touched_;
  // The last one used first.
  std::list<std::shared_ptr<const SegmentFile>> open_;
  bool has_folder_ = false;
  std::string scratch_;
  std::set<SegmentName> unsynced_;
  std::set<SegmentName> strays_;  // as find_strays() has told
  std::vector<SegmentName> garbage_;
  std::vector<SegmentName> replaced_;
  size_t releasable_ = 0;  // of replaced_
  bool is_state_proven_ = true;
  bool are_strays_due_ = true;
  std::atomic<int> files_held_{0};
  std::string sync_error_;
};

}  // namespace keelson::topic
