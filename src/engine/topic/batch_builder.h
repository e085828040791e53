// Makes record batches (record_batch.h).
//
//   BatchBuilder builder({.codec = Codec::kZstd});
//   builder.add(now_ms, "key", "value");
//   std::string batch = builder.finish();
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/topic/record_batch.h"
#include "engine/topic/record_reader.h"

namespace keelson::topic {

struct BatchOptions {
  Codec codec = Codec::kNone;
  int64_t base_offset = 0;
  int32_t leader_epoch = 0;
  int64_t producer_id = kNoProducerId;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  // What else the attributes have: kLogAppendTimeBit, kTransactionalBit, kControlBit, kDeleteHorizonBit.
  int16_t attributes = 0;
  std::optional<int64_t> base_timestamp_ms{};  // that of the first record if none
  // Of a batch that is what compaction has left of a larger one, where records do not follow one another.
  std::optional<int32_t> last_offset_delta{};
  std::optional<int64_t> max_timestamp_ms{};
};

class BatchBuilder {
 public:
  explicit BatchBuilder(BatchOptions options = {}) : options_(options) {}

  // The next record. A key or value that is none is null.
  void add(int64_t timestamp_ms, std::optional<std::string_view> key, std::optional<std::string_view> value,
           std::span<const RecordHeader> headers = {});
  // A record of another batch with its offset, which is above those before.
  void add(const Record& record);

  [[nodiscard]] int32_t record_count() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  // Of the batch, before compression.
  [[nodiscard]] size_t size_bytes() const { return kBatchHeaderBytes + records_.size(); }
  // The batch; the builder begins anew with the same options. Without records: a header alone, which only compaction
  // writes.
  [[nodiscard]] std::string finish();

 private:
  void append(int64_t timestamp_ms, int32_t offset_delta, std::optional<std::string_view> key,
              std::optional<std::string_view> value, uint32_t header_count, std::string_view headers);

  const BatchOptions options_;
  std::string records_;
  std::string headers_;
  int32_t count_ = 0;
  int32_t next_delta_ = 0;
  int64_t base_timestamp_ms_ = 0;
  int64_t max_timestamp_ms_ = kNoTimestamp;
};

// The batch that ends a producer's transaction on a partition; its one record takes an offset.
[[nodiscard]] std::string make_end_marker(ControlType type, int64_t producer_id, int16_t producer_epoch,
                                          int32_t coordinator_epoch, int64_t timestamp_ms);

}  // namespace keelson::topic
