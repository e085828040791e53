// Reads the parts of one segment file. Bounded memory: a window of the file, as large as the largest part it has met,
// which is never larger than the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "env/disk.h"
#include "log/format.h"

namespace keelson::log {

struct Part {
  PartHeader header;
  uint64_t offset = 0;
  std::string_view payload;  // holds until the next call of the reader
  [[nodiscard]] uint64_t end_offset() const { return offset + kPartHeaderBytes + payload.size(); }
};

enum class PartState : uint8_t {
  kGood,
  kNoHeader,    // these bytes are no part header of this place
  kBadPayload,  // the header is good, the payload is not what was written, or not all there
};

class SegmentReader {
 public:
  // Reads below `limit` bytes of the file alone. `ignore_crc`: see LogFaults.
  SegmentReader(std::unique_ptr<env::File> file, uint32_t segment_seed, uint64_t limit, bool ignore_crc);

  // Errors are those of the disk. On kBadPayload the part's header and offset are set.
  Result<PartState> read(uint64_t offset, Part& part);
  // The first valid part header at or behind `offset`; none up to the limit. Its payload has not been looked at.
  Result<std::optional<uint64_t>> find_header(uint64_t offset);
  [[nodiscard]] uint64_t limit() const { return limit_; }

 private:
  Result<PartState> read_once(uint64_t offset, Part& part);
  // The bytes from `offset` on: at least `bytes`, or as many as there are below the limit.
  Result<std::string_view> view(uint64_t offset, uint64_t bytes);

  std::unique_ptr<env::File> file_;
  const uint32_t seed_;
  uint64_t limit_;
  const bool ignore_crc_;
  Buffer window_;
  uint64_t window_offset_ = 0;
};

}  // namespace keelson::log
