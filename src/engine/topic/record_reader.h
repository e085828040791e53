// The records within a batch (record_batch.h), one after another:
//
//   varint length of what follows, i8 attributes (0), varint timestamp delta, varint offset delta, varint key length
//   (-1: null) and key, varint value length (-1: null) and value, varint number of headers, for each varint length and
//   key, varint length (-1: null) and value. All varints are zigzag.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/topic/record_batch.h"

namespace keelson::topic {

struct RecordHeader {
  std::string_view key;
  std::optional<std::string_view> value;
};

struct Record {
  int64_t offset = 0;
  int32_t offset_delta = 0;             // from the batch's base offset
  int64_t timestamp_ms = kNoTimestamp;  // the batch's max timestamp where that is the time of appending
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // none: a tombstone
  uint32_t header_count = 0;
  std::string_view headers_bytes;  // known to be well-formed
  // Behind its length.
  std::string_view bytes;

  [[nodiscard]] std::vector<RecordHeader> headers() const;
};

// Walks over one batch at a time; may be used again for others, whose memory it uses again. Views of records hold until
// the next begin(), and as long as the batch's bytes.
//
//   if (reader.begin(batch) == BatchErrc::kOk) while (reader.next(record)) ...;
//   if (reader.error() != BatchErrc::kOk) ...
class RecordReader {
 public:
  explicit RecordReader(size_t decompressed_bytes_max = kDecompressedBytesMax)
      : decompressed_bytes_max_(decompressed_bytes_max) {}

  // A whole batch; its CRC is not looked at. kBadCodec, kBadCompressed, kBomb; what check_frame() finds.
  BatchErrc begin(std::string_view batch);
  // False: no more, or malformed, which error() tells.
  [[nodiscard]] bool next(Record& record);
  // kOk once all records were read, as many as the header says.
  [[nodiscard]] BatchErrc error() const { return error_; }

 private:
  [[nodiscard]] bool read_one(std::string_view body, Record& record);

  const size_t decompressed_bytes_max_;
  std::string decompressed_;
  std::string_view rest_;
  BatchErrc error_ = BatchErrc::kOk;
  int32_t records_left_ = 0;
  int64_t base_offset_ = 0;
  int64_t base_timestamp_ms_ = 0;
  std::optional<int64_t> append_time_ms_;
};

// ---- Control batches: a transaction's end. Their one record's key is a version (i16 0) and a type (i16), its value a
// version (i16 0) and the coordinator's epoch (i32).

enum class ControlType : int16_t { kAbort = 0, kCommit = 1 };
struct ControlRecord {
  int16_t type = 0;  // of ControlType, or another one
  int32_t coordinator_epoch = 0;
};
// Of a control batch. None: malformed.
[[nodiscard]] std::optional<ControlRecord> read_control(std::string_view batch);

}  // namespace keelson::topic
