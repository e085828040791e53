// A backup: the files of a data folder in one stream, each frame with its CRC.
//
// All integers are little-endian; CRC is CRC32C. Each frame's CRC covers its type, length and payload and is seeded
// with the CRC of the frame before it, so frames that are missing, changed or out of place are found wherever the
// stream is cut.
//
//   archive = magic "KEELSBAK", u32 version (2), frame, ..., frame of type E
//   frame     0  u8 type    1  u32 payload bytes (at most kFrameBytesMax)    5  payload    then u32 CRC
//   P progress  text for people, before and between files: what the server is doing
//   H header    u64 files, u64 bytes of all of them, i64 created (wall ms), then the server's version. It comes again
//               between files when the server knows better: the last one counts
//   F file      u64 size, then its name relative to the data folder; "node" is the last file
//   D data      u64 offset in the file, then its bytes. What no frame gives is zeros. Offsets may go down: a file that
//   grows
//               meanwhile is read from its end.
//   E end       u64 number of files
//
// Version 1 has one header alone and names with at most one "/"; it is read like version 2.
//
// Pure functions over bytes; belongs to one coroutine at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "base/buffer.h"
#include "base/result.h"

namespace keelson::cli {

enum class BackupErrc : uint8_t {
  kOk = 0,
  kDamaged,  // a CRC or the layout is wrong
  kShort,    // it ends too early
  kNotABackup,
};
std::error_code make_error_code(BackupErrc code);

inline constexpr size_t kFrameBytesMax = 1 << 20;
inline constexpr size_t kDataBytesMax = kFrameBytesMax - 8;

struct BackupHeader {
  uint64_t files = 0;
  uint64_t bytes = 0;
  int64_t created_wall_ms = 0;
  std::string version = {};
};

class BackupWriter {
 public:
  explicit BackupWriter(Buffer& out);
  void progress(std::string_view text);
  void header(const BackupHeader& header);
  void file(std::string_view name, uint64_t size);
  // Runs of zeros are left out.
  void data(uint64_t offset, std::string_view bytes);
  void end();

 private:
  void frame(char type, std::string_view fixed, std::string_view rest);

  Buffer& out_;
  uint32_t crc_ = 0;
  uint64_t files_ = 0;
};

// Told what the archive holds, as it is read.
class BackupVisitor {
 public:
  virtual ~BackupVisitor() = default;
  virtual void on_progress(std::string_view text) {}
  virtual Status on_header(const BackupHeader& header) { return {}; }
  virtual Status on_file(std::string_view name, uint64_t size) { return {}; }
  virtual Status on_data(uint64_t offset, std::string_view bytes) { return {}; }
};

// Checks and takes apart an archive that comes in pieces of any size.
class BackupReader {
 public:
  explicit BackupReader(BackupVisitor& visitor) : visitor_(visitor) {}
  Status feed(std::string_view bytes);
  // The input is over: an error if the archive is not.
  [[nodiscard]] Status finish() const;
  [[nodiscard]] bool is_done() const { return is_done_; }

 private:
  Result<bool> step();
  Status take_frame(char type, std::string_view payload);
  [[nodiscard]] std::unexpected<Error> damaged(std::string_view why) const;

  BackupVisitor& visitor_;
  Buffer in_;
  bool has_magic_ = false;
  bool has_header_ = false;
  bool is_done_ = false;
  uint32_t crc_ = 0;
  uint64_t offset_ = 0;  // of in_'s first byte
  uint64_t files_ = 0;
  uint64_t file_size_ = 0;
  BackupHeader header_;
};

// Is this a name that may be written below a data folder: letters, digits, ".", "-", "_", at most two "/" (volumes lie
// in blob/<shard>/), none of them doubled, no "..".
[[nodiscard]] bool is_safe_name(std::string_view name);

}  // namespace keelson::cli

template <>
struct std::is_error_code_enum<keelson::cli::BackupErrc> : std::true_type {};
