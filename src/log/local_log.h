// The node's own log: every shard's records in one row of segment files, made durable together.
//
// One LocalLog lives on one reactor, its home. Each reactor appends through a port of its own; ports of other reactors
// hand over what they gathered at the end of their turn, and the home writes everything of a turn in one write. Syncs
// run off the reactor, one at a time; what is appended meanwhile is written behind and shares the next one (group
// commit).
//
// Durability, for each shard: `always` commits a record when it has been synced; `interval` commits at once and syncs
// every sync_interval_ms; `never` commits at once and leaves it to the operating system (stop(), sync() and checkpoints
// still sync).
//
// Errors: no room on the disk is found ahead, when segments are preallocated; then admit() answers kFull until there is
// room again. Any other failed write, and every failed sync, ends the log for this run of the program (kFailed): after
// a failed sync nobody can say what is on the disk, so trying again would only hide the loss.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "log/commit_log.h"
#include "log/faults.h"

namespace keelson::log {

enum class Durability : uint8_t { kAlways, kInterval, kNever };

struct LocalLogOptions {
  Durability durability = Durability::kInterval;
  std::vector<Durability> durability_of;  // of each shard; empty: all as above
  int64_t sync_interval_ms = 1000;
  uint64_t segment_bytes = uint64_t{64} << 20;
  // Segments kept ready ahead of the one that is written: preallocated, or recycled from trimmed ones.
  unsigned spare_segments = 1;
  // Trimmed segments beyond this many spare ones are removed.
  unsigned spare_segments_max = 4;
  // While the disk is full: how long until room is asked for again.
  int64_t full_retry_ms = 100;
  LogFaults faults;
};

// Takes what open() reads.
class RecoveryHandler {
 public:
  virtual ~RecoveryHandler() = default;
  // The next record of a shard, in the order of the log, without a gap from the index that was asked for. The parts of
  // one record follow one another. The payload holds for the length of the call.
  virtual void on_record(ShardId shard, uint64_t index, int64_t time_ms, std::string_view payload) = 0;
  // Awaited after every megabyte or so: show progress, wait for those who apply on other threads.
  virtual Task<void> on_progress(uint64_t bytes_done, uint64_t bytes_total);
};

// Bytes that were once good are not, and a shard's records are among them. It got its records up to there.
struct ShardDamage {
  ShardId shard = 0;
  std::string file;
  uint64_t offset_bytes = 0;
  std::string why;  // a whole sentence, file and offset included
};

struct LogRecovery {
  uint64_t records = 0;  // handed to the handler
  uint64_t bytes_read = 0;
  bool is_new = false;               // there was no log
  std::vector<uint64_t> last_index;  // of each shard
  std::vector<ShardDamage> damage;   // each shard at most once
  // A tail that a crash tore off has been cut: where, or empty.
  std::string cut_file;
  uint64_t cut_offset_bytes = 0;
};

// Counters are written by the home's thread and may be read from any.
struct LocalLogStats {
  Counter records;
  Counter payload_bytes;
  Counter written_bytes;  // headers and marks included
  Counter writes;
  Counter syncs;
  Counter sync_failures;
  Counter refused_full;  // times the disk was found full
  Counter segments_recycled;
  Counter segments_removed;
  Gauge segments;  // files, spare ones included
  Gauge disk_bytes;
  Gauge unsynced_bytes;  // appended since the last sync that is done
  Gauge last_sync_ns;    // env clock, monotonic: when the last good sync ended (0: none yet)
  Gauge is_full;
  Gauge has_failed;
  Histogram sync_ns;
};

class LogHome;

// All calls on the home reactor, unless they say otherwise.
class LocalLog {
 public:
  // Opens the log in `folder` (made if missing), reads it and makes it ready to append. `first_index[s]` is the first
  // record that shard s wants (one behind its checkpoint); its size is the number of shards; not
  // fewer than the folder was written with. Damaged shards are told in
  // recovery() and are no error; an error means that the node cannot run on this folder. `handler` lives until then,
  // env and home longer than the log.
  static Task<Result<std::unique_ptr<LocalLog>>> open(env::Env& env, env::Reactor& home, std::string folder,
                                                      LocalLogOptions options, std::vector<uint64_t> first_index,
                                                      RecoveryHandler& handler);
  ~LocalLog();

  // For the reactor named, to be used and destroyed on its thread; lives as long as the LocalLog. One for each reactor.
  [[nodiscard]] std::unique_ptr<CommitLog> make_port(env::Reactor& reactor);

  // Syncs everything that was appended on the home, and handed over by others, before the call. A checkpoint may take
  // its place among the valid ones only after a sync that began when its records had been handed over.
  Task<Status> sync();
  // Takes nothing more (kStopped), syncs, and leaves a mark that vouches for all of it. No append may be open or on its
  // way.
  Task<Status> stop();

  // Any thread. Takes effect with the next append. Of all shards, or of `count` from `first` on. A record with several
  // parts waits if one of its shards does.
  void set_durability(Durability durability);
  void set_durability(ShardId first, uint16_t count, Durability durability);
  [[nodiscard]] Durability durability(ShardId shard = 0) const;
  // Takes effect when the interval that is running ends.
  void set_sync_interval_ms(int64_t interval_ms);

  // Shard s needs records from needed_from[s] on: whole segments before those are recycled or removed, one after
  // another in the background.
  void trim(std::span<const uint64_t> needed_from);

  // Bytes of log that trimming could free at best: those written since the oldest segment began.
  [[nodiscard]] uint64_t bytes_held() const;
  [[nodiscard]] uint64_t log_id() const;
  // What was found by open(). Any thread.
  [[nodiscard]] const LogRecovery& recovery() const;
  // Any thread.
  [[nodiscard]] const LocalLogStats& stats() const;
  // Why the log takes nothing more, or null.
  [[nodiscard]] const std::string* failure() const;

 private:
  explicit LocalLog(std::unique_ptr<LogHome> log_home);
  std::unique_ptr<LogHome> home_;
};

}  // namespace keelson::log
