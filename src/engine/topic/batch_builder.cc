#include "engine/topic/batch_builder.h"

#include <algorithm>

#include "base/check.h"
#include "engine/topic/compression.h"

namespace keelson::topic {

namespace {

void append_signed(std::string& out, int64_t value) { append_varint(out, zigzag(value)); }

void append_nullable(std::string& out, std::optional<std::string_view> bytes) {
  append_signed(out, bytes ? static_cast<int64_t>(bytes->size()) : -1);
  if (bytes) out.append(*bytes);
}

size_t nullable_bytes(std::optional<std::string_view> bytes) {
  const int64_t size = bytes ? static_cast<int64_t>(bytes->size()) : -1;
  return varint_size(zigzag(size)) + (bytes ? bytes->size() : 0);
}

}  // namespace

void BatchBuilder::add(int64_t timestamp_ms, std::optional<std::string_view> key, std::optional<std::string_view> value,
                       std::span<const RecordHeader> headers) {
  headers_.clear();
  for (const RecordHeader& header : headers) {
    append_nullable(headers_, header.key);
    append_nullable(headers_, header.value);
  }
  append(timestamp_ms, next_delta_, key, value, static_cast<uint32_t>(headers.size()), headers_);
}

void BatchBuilder::add(const Record& record) {
  const auto delta =
      static_cast<int64_t>(static_cast<uint64_t>(record.offset) - static_cast<uint64_t>(options_.base_offset));
  KEELSON_CHECK(delta >= next_delta_ && delta <= INT32_MAX, "records of a batch have ascending offsets");
  append(record.timestamp_ms, static_cast<int32_t>(delta), record.key, record.value, record.header_count,
         record.headers_bytes);
}

void BatchBuilder::append(int64_t timestamp_ms, int32_t offset_delta, std::optional<std::string_view> key,
                          std::optional<std::string_view> value, uint32_t header_count, std::string_view headers) {
  if (count_ == 0) base_timestamp_ms_ = options_.base_timestamp_ms.value_or(timestamp_ms);
  // As unsigned numbers: a client's timestamps may be anything.
  const auto time_delta =
      static_cast<int64_t>(static_cast<uint64_t>(timestamp_ms) - static_cast<uint64_t>(base_timestamp_ms_));
  const size_t size = 1 + varint_size(zigzag(time_delta)) + varint_size(zigzag(offset_delta)) + nullable_bytes(key) +
                      nullable_bytes(value) + varint_size(zigzag(header_count)) + headers.size();
  append_signed(records_, static_cast<int64_t>(size));
  records_.push_back(0);
  append_signed(records_, time_delta);
  append_signed(records_, offset_delta);
  append_nullable(records_, key);
  append_nullable(records_, value);
  append_signed(records_, header_count);
  records_.append(headers);
  max_timestamp_ms_ = std::max(max_timestamp_ms_, timestamp_ms);
  next_delta_ = offset_delta + 1;
  ++count_;
}

std::string BatchBuilder::finish() {
  std::string batch(kBatchHeaderBytes, '\0');
  if (count_ != 0) compress(options_.codec, records_, batch);
  char* to = batch.data();
  put_be(to, options_.base_offset);
  put_be(to + 8, static_cast<int32_t>(batch.size() - kBatchLengthEnds));
  put_be(to + 12, options_.leader_epoch);
  put_be(to + 16, kBatchMagic);
  put_be(to + 21, static_cast<int16_t>((options_.attributes & ~kCodecMask) | static_cast<int16_t>(options_.codec)));
  put_be(to + 23, options_.last_offset_delta.value_or(next_delta_ - 1));
  put_be(to + 27, count_ == 0 ? options_.base_timestamp_ms.value_or(kNoTimestamp) : base_timestamp_ms_);
  put_be(to + 35, options_.max_timestamp_ms.value_or(max_timestamp_ms_));
  put_be(to + 43, options_.producer_id);
  put_be(to + 51, options_.producer_epoch);
  put_be(to + 53, options_.base_sequence);
  put_be(to + 57, count_);
  put_be(to + 17, BatchView(batch).computed_crc());
  records_.clear();
  count_ = 0;
  next_delta_ = 0;
  max_timestamp_ms_ = kNoTimestamp;
  return batch;
}

std::string make_end_marker(ControlType type, int64_t producer_id, int16_t producer_epoch, int32_t coordinator_epoch,
                            int64_t timestamp_ms) {
  std::string key;
  append_be<int16_t>(key, 0);
  append_be(key, static_cast<int16_t>(type));
  std::string value;
  append_be<int16_t>(value, 0);
  append_be(value, coordinator_epoch);
  BatchBuilder builder(
      {.producer_id = producer_id, .producer_epoch = producer_epoch, .attributes = kTransactionalBit | kControlBit});
  builder.add(timestamp_ms, key, value);
  return builder.finish();
}

}  // namespace keelson::topic
