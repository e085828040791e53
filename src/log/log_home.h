// The inside of LocalLog: what its home reactor does.
//
// Records wait in batch_, in the order in which they came, until the end of the turn; flush() then seals them for their
// place and writes them. A log position counts the bytes of records ever appended in this run (headers yes, marks no);
// everything that waits, waits for a position to be synced. Invariants:
//   synced_position_ <= written_position_ <= appended_position(), written + batch_ == appended
//   sealed_bytes_ of batch_'s front are complete for the place where the active segment goes on
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/reactor.h"
#include "log/local_log.h"
#include "log/record_builder.h"
#include "log/recovery.h"
#include "log/segment_store.h"

namespace keelson::log {

class RemotePort;

// What each shard's records wait for. Any thread.
class DurabilityTable {
 public:
  explicit DurabilityTable(size_t shard_count)
      : size_(shard_count), of_(std::make_unique<std::atomic<Durability>[]>(shard_count)) {}
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] Durability of(ShardId shard) const { return of_[shard].load(std::memory_order_relaxed); }
  void set(ShardId first, size_t count, Durability durability) {
    for (size_t i = first; i < first + count && i < size_; ++i) of_[i].store(durability, std::memory_order_relaxed);
    bool has_interval = false;
    bool has_synced = false;
    for (size_t i = 0; i < size_; ++i) {
      has_interval |= of_[i] == Durability::kInterval;
      has_synced |= of_[i] != Durability::kNever;
    }
    has_interval_.store(has_interval, std::memory_order_relaxed);
    has_synced_.store(has_synced, std::memory_order_relaxed);
  }
  // Does any shard count on the sync of each interval?
  [[nodiscard]] bool has_interval() const { return has_interval_.load(std::memory_order_relaxed); }
  // Does any count on syncs at all?
  [[nodiscard]] bool has_synced() const { return has_synced_.load(std::memory_order_relaxed); }

 private:
  const size_t size_;
  std::unique_ptr<std::atomic<Durability>[]> of_;
  std::atomic<bool> has_interval_{false};
  std::atomic<bool> has_synced_{false};
};

// What ports of other reactors look at.
struct LogShared {
  explicit LogShared(size_t shard_count) : durability(shard_count) {}
  std::atomic<LogErrc> state{LogErrc::kOk};
  DurabilityTable durability;
  std::atomic<bool> is_full{false};
  std::atomic<uint64_t> room_bytes{0};
};

// What a port of another reactor hands over: whole records, and those who wait for them.
struct HandedOver {
  RecordBuilder records;
  WaiterList waiters;
};
// What gathers within a turn is written, or handed over, once there is so much of it: it is in the processor's cache
// still, and buffers of this size are used again and again. Larger writes cost no less for each byte.
inline constexpr size_t kWriteBytes = size_t{1} << 20;

class LogHome {
 public:
  LogHome(env::Env& env, env::Reactor& home, std::string folder, LocalLogOptions options, size_t shard_count);
  ~LogHome();

  // Begins to write behind what was recovered. With a full disk it starts all the same, and refuses.
  Task<Status> start(RecoveredLog recovered, std::vector<uint64_t> first_index);

  // For the home's own port.
  LogErrc admit(size_t payload_bytes);
  RecordBuilder& batch() { return batch_; }
  // Must the record wait for a sync?
  Append end(CommitWaiter& waiter, bool must_wait);

  // From a remote port; `handed.records` is left empty.
  void receive(RemotePort& port, HandedOver& handed);

  Task<Status> sync();
  Task<Status> stop();
  void trim(std::span<const uint64_t> needed_from);
  // Writes the batch.
  void flush();

  [[nodiscard]] uint64_t bytes_held();
  [[nodiscard]] const std::string* failure() const { return failure_.empty() ? nullptr : &failure_; }
  [[nodiscard]] uint64_t log_id() const { return log_id_; }
  [[nodiscard]] const LogRecovery& recovery() const { return recovery_; }
  [[nodiscard]] const LocalLogStats& stats() const { return stats_; }
  [[nodiscard]] LogShared& shared() { return shared_; }
  [[nodiscard]] env::Reactor& reactor() { return reactor_; }
  [[nodiscard]] env::Disk& disk() { return disk_; }
  [[nodiscard]] const std::string& folder() const { return store_.folder(); }
  [[nodiscard]] uint64_t segment_bytes() const { return options_.segment_bytes; }
  // More than headers and marks can add to what admit() is asked for.
  [[nodiscard]] uint64_t overhead_bytes() const { return overhead_bytes_; }
  void set_sync_interval_ms(int64_t interval_ms) { options_.sync_interval_ms = interval_ms; }

 private:
  // Waits until everything before `position` is synced; `port` null: the home's own.
  struct CommitGroup {
    uint64_t position = 0;
    RemotePort* port = nullptr;
    WaiterList waiters;
  };

  [[nodiscard]] bool has_failed() const { return !failure_.empty(); }
  [[nodiscard]] uint64_t appended_position() const { return written_position_ + unwritten_record_bytes(); }
  [[nodiscard]] uint64_t unwritten_record_bytes() const { return batch_.bytes().size() - sealed_mark_bytes_; }
  // Left in the active segment; 0 without one.
  [[nodiscard]] uint64_t active_room() const {
    return active_ == nullptr ? 0 : active_->file_bytes - active_->used_bytes;
  }
  [[nodiscard]] uint64_t room() const;

  void schedule_flush();
  void close_home_group();
  // Completes the records at the front of batch_ that fit into the active segment, and the mark that is due.
  void seal();
  void note_record(const PartHeader& header);
  void seal_mark();
  // The following answer false if they could not: the log has failed, or is full and goes on by itself later.
  bool write_out();
  bool write_sealed();
  bool begin_segment(uint64_t record_bytes);
  bool write_segment_start();
  // The bytes of the record at the front of batch_, all its parts.
  [[nodiscard]] uint64_t record_bytes_at(size_t batch_offset) const;
  [[nodiscard]] uint64_t file_bytes_for(uint64_t record_bytes) const;
  LogErrc make_room(size_t payload_bytes);
  bool ensure_spare(uint64_t file_bytes);
  bool add_spare(uint64_t file_bytes);
  void keep_spares_ready();
  void publish_room();

  [[nodiscard]] bool is_sync_wanted() const;
  void start_sync_if_wanted();
  Task<void> sync_until_done();
  Task<bool> sync_once();
  Task<Status> sync_files(const std::vector<Segment*>& round);
  Task<Status> sync_recovered(const RecoveredLog& recovered);
  void adopt(RecoveredLog& recovered);
  void after_sync(LogPlace place, uint64_t position);
  void clean_up_recovered();
  [[nodiscard]] bool may_trim(const Segment& segment) const;
  Task<void> trim_row();
  Task<bool> trim_front();
  void commit_groups(uint64_t position, LogErrc outcome);
  void arm_interval();

  void become_full(const Error& why);
  void retry_full();
  void fail(const std::string& what, const Error& error);

  env::Disk& disk_;
  env::Reactor& reactor_;
  LocalLogOptions options_;
  LocalLogStats stats_;
  LogShared shared_;
  LogRecovery recovery_;
  uint64_t log_id_ = 0;
  uint64_t overhead_bytes_ = 0;
  SegmentStore store_;

  Segment* active_ = nullptr;
  uint32_t active_seed_ = 0;
  uint64_t last_number_ = 0;
  LogPlace end_of_previous_;          // where the log ended before active_
  std::vector<uint64_t> last_index_;  // of each shard, as far as sealed

  RecordBuilder batch_;
  WaiterList home_waiters_;  // of records in batch_ that no group holds yet
  size_t sealed_bytes_ = 0;
  size_t sealed_mark_bytes_ = 0;
  bool is_mark_due_ = false;
  bool is_mark_unsynced_ = false;     // the last mark written has not begun to be synced
  bool is_mark_sync_wanted_ = false;  // and has waited for an interval
  uint64_t bytes_since_mark_ = 0;
  bool is_flush_scheduled_ = false;

  uint64_t written_position_ = 0;
  uint64_t synced_position_ = 0;
  uint64_t wanted_position_ = 0;  // somebody waits until this is synced
  LogPlace synced_place_;
  std::deque<CommitGroup> groups_;
  bool is_syncing_ = false;
  bool is_interval_armed_ = false;
  std::vector<uint64_t> needed_from_;  // see trim()
  bool is_trimming_ = false;

  std::string failure_;
  std::error_code full_because_;
  uint64_t full_wants_bytes_ = 0;  // the file size that could not be had
  // What recovery left to tidy up once the first new segment vouches for what is kept.
  bool needs_clean_up_ = false;
  std::vector<std::string> remove_at_clean_up_;
  uint64_t room_bytes_ = 0;  // what admit() can promise without looking further

  env::Timer interval_timer_;
  env::Timer full_timer_;
  env::Timer failed_timer_;
  env::TaskScope scope_;
};

}  // namespace keelson::log
