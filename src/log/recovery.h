// Reads a log into the shards: hands each its records in order, and finds whose records are gone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/disk.h"
#include "log/local_log.h"
#include "log/log_reader.h"

namespace keelson::log {

struct RecoveredSegment {
  uint64_t number = 0;
  std::string path;
  uint64_t file_bytes = 0;
  uint64_t end_offset = 0;  // behind its last record
  bool has_records = false;
  std::vector<uint64_t> last_index;  // of each shard, at its end
};

struct RecoveredLog {
  LogRecovery report;
  uint64_t log_id = 0;
  uint64_t highest_number = 0;
  std::vector<RecoveredSegment> segments;  // oldest first
  bool has_holes = false;                  // damaged bytes, whether or not a shard lost records by them
  LogPlace synced;                         // as far as the marks that were read say
  // Not part of the log: spare segments, and tails that were cut now or before.
  std::vector<std::string> leftovers;
};

// `first_index`: see LocalLog::open(). Errors: the disk's, and kDamaged if this is not a log that can be read at all.
Task<Result<RecoveredLog>> recover_log(env::Disk& disk, std::string folder, std::vector<uint64_t> first_index,
                                       bool ignore_crc, RecoveryHandler& handler);

}  // namespace keelson::log
