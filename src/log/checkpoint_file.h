// Checkpoint files: the state of one shard at one index, written aside, synced and renamed.
//
// Name: shard (4 hexadecimal digits) '-' index (16) ".ckp"; ".tmp" is added while it is written. All integers are
// little-endian; CRC is CRC32C.
//
//   file    = header, block, ..., block, end
//   header    0  magic "KEELSCKP"            24  u64 index: every record up to it is in the state
//             8  u32 format version (1)      32  i64 time of that record, ms
//            12  u32 engine version          40  u64 log id
//            16  u16 shard                   48  char[12] engine name, zero-padded
//            18  u16 zero, u32 zero          60  u32 CRC of bytes 0..59
//   block     0  u32 payload bytes (1 .. 2^32-2)   4  u32 CRC   8  payload: one piece as the engine made it
//   end       0  u32 2^32-1                        4  u32 CRC   8  u64 number of blocks   16  u64 bytes of all payloads
//
// A block's CRC covers its length and payload and is seeded with the header's CRC and the block's number, so blocks
// that changed places or come from another checkpoint are found. A file without a valid end is not a checkpoint.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/task.h"
#include "env/disk.h"
#include "env/reactor.h"
#include "log/commit_log.h"
#include "log/faults.h"

namespace keelson::log {

// A piece is at least one entry, and an entry at most a record.
inline constexpr size_t kCheckpointPieceBytesMax = kRecordBytesMax * 2;
inline constexpr size_t kEngineNameBytesMax = 12;

struct CheckpointHeader {
  std::string engine;
  uint32_t engine_version = 0;
  ShardId shard = 0;
  uint64_t index = 0;
  int64_t time_ms = 0;
  uint64_t log_id = 0;
};

struct CheckpointWriterOptions {
  // Synced every so often while it is written, so that the last sync is short and the log's syncs do not wait behind
  // it.
  uint64_t sync_every_bytes = uint64_t{16} << 20;
  LogFaults faults;
};

// Writes one checkpoint. On one reactor. Destroyed before finish() has ended, it leaves no checkpoint (and removes its
// file).
class CheckpointWriter {
 public:
  // The folder must be there. Replaces an unfinished file of the same shard and index.
  static Result<std::unique_ptr<CheckpointWriter>> create(env::Disk& disk, env::Reactor& on, const std::string& folder,
                                                          const CheckpointHeader& header,
                                                          CheckpointWriterOptions options = {});
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // One piece; an empty one is left out. The bytes hold until the task has ended. After an error (DiskErrc::kFull among
  // them) only destroy it.
  Task<Status> append(std::string_view piece);
  // Ends the file, syncs it, gives it its name and syncs the folder: from then on it is the shard's newest checkpoint.
  // The log must have been synced up to the checkpoint's index before (LocalLog::sync()).
  Task<Status> finish();
  // Of the file so far.
  [[nodiscard]] uint64_t bytes_written() const { return offset_; }

 private:
  CheckpointWriter(env::Disk& disk, env::Reactor& on, std::string folder, std::string name,
                   CheckpointWriterOptions options);
  Status write(std::string_view bytes);
  [[nodiscard]] std::string unfinished_path() const;

  env::Disk& disk_;
  env::Reactor& on_;
  const std::string folder_;
  const std::string name_;
  const CheckpointWriterOptions options_;
  std::unique_ptr<env::File> file_;
  bool leaves_file_ = false;  // an unfinished file lies there
  uint32_t seed_ = 0;
  uint64_t blocks_ = 0;
  uint64_t payload_bytes_ = 0;
  uint64_t offset_ = 0;
  uint64_t unsynced_bytes_ = 0;
};

// Reads one checkpoint, piece by piece: memory is bounded by its largest piece, which is never larger than the file.
class CheckpointReader {
 public:
  // Checks the header and that the file has an end. kDamaged names file and offset.
  static Result<std::unique_ptr<CheckpointReader>> open(env::Disk& disk, const std::string& path,
                                                        LogFaults faults = {});

  [[nodiscard]] const CheckpointHeader& header() const { return header_; }
  [[nodiscard]] uint64_t file_bytes() const { return file_bytes_; }
  // Bytes of the file read so far.
  [[nodiscard]] uint64_t offset() const { return offset_; }
  // The next piece, valid until the next call; none at the end, which has been checked too. After an error: no more
  // calls.
  Result<std::optional<std::string_view>> next();

 private:
  CheckpointReader(std::unique_ptr<env::File> file, std::string path, LogFaults faults);
  Status read_header();
  Status check_end_is_there();
  Status fill(size_t bytes);
  std::unexpected<Error> damaged(uint64_t offset, const char* what) const;

  std::unique_ptr<env::File> file_;
  const std::string path_;
  const LogFaults faults_;
  CheckpointHeader header_;
  uint32_t seed_ = 0;
  uint64_t file_bytes_ = 0;
  uint64_t offset_ = 0;  // of the first byte in buffer_
  Buffer buffer_;
  size_t last_piece_bytes_ = 0;  // to drop at the next call
  uint64_t blocks_ = 0;
  uint64_t payload_bytes_ = 0;
};

struct CheckpointFile {
  ShardId shard = 0;
  uint64_t index = 0;
  std::string path;
};

// All finished checkpoints of a folder by their names, shard by shard, the newest first. No file is opened.
Result<std::vector<CheckpointFile>> list_checkpoints(env::Disk& disk, const std::string& folder);
[[nodiscard]] std::string checkpoint_name(ShardId shard, uint64_t index);
// Removes what an interrupted CheckpointWriter left. Before any writer is made.
Status remove_unfinished_checkpoints(env::Disk& disk, const std::string& folder);
// Removes the shard's checkpoints older than `index`. Only once the one at `index` is finished.
Status remove_older_checkpoints(env::Disk& disk, const std::string& folder, ShardId shard, uint64_t index);

}  // namespace keelson::log
