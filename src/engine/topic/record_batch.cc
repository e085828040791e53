#include "engine/topic/record_batch.h"

#include <algorithm>

#include "base/crc32c.h"
#include "engine/topic/record_reader.h"

namespace keelson::topic {

namespace {

constexpr size_t kCrcBegins = 21;  // of what the CRC guards
constexpr size_t kMagicAt = 16;
constexpr size_t kHeaderBytesOfOldMagic = 17;  // up to the magic, which tells the rest

BatchErrc check_header(const BatchView& batch) {
  if ((batch.attributes() & kCodecMask) >= static_cast<int16_t>(kCodecCount)) return BatchErrc::kBadCodec;
  if (batch.record_count() <= 0 || batch.last_offset_delta() != batch.record_count() - 1) return BatchErrc::kBadCount;
  if (batch.base_timestamp_ms() < kNoTimestamp || batch.max_timestamp_ms() < kNoTimestamp) {
    return BatchErrc::kBadTimestamp;
  }
  if (batch.has_producer() && (batch.producer_epoch() < 0 || (batch.base_sequence() < 0 && !batch.is_control()))) {
    return BatchErrc::kBadProducer;
  }
  if (batch.is_transactional() && !batch.has_producer()) return BatchErrc::kBadProducer;
  return BatchErrc::kOk;
}

BatchErrc check_records(RecordReader& reader, const BatchView& batch, bool needs_keys, int64_t& max_timestamp_ms) {
  if (const BatchErrc begun = reader.begin(batch.bytes()); begun != BatchErrc::kOk) return begun;
  Record record;
  int32_t expected = 0;
  max_timestamp_ms = kNoTimestamp;
  while (reader.next(record)) {
    if (record.offset_delta != expected++) return BatchErrc::kBadRecord;
    if (needs_keys && !record.key) return BatchErrc::kNoKey;
    max_timestamp_ms = std::max(max_timestamp_ms, record.timestamp_ms);
  }
  return reader.error();
}

void reseal(char* batch) {
  const BatchView header(std::string_view(batch, kBatchHeaderBytes));
  const BatchView whole(std::string_view(batch, header.size_bytes()));
  put_be(batch + 17, whole.computed_crc());
}

}  // namespace

std::string_view errc_text(BatchErrc code) {
  switch (code) {
    case BatchErrc::kOk:
      return "no error";
    case BatchErrc::kEmpty:
      return "there is no record batch";
    case BatchErrc::kCutShort:
      return "a record batch is cut short";
    case BatchErrc::kBadLength:
      return "a record batch is shorter than its header";
    case BatchErrc::kTooLarge:
      return "a record batch is larger than is allowed";
    case BatchErrc::kOldMagic:
      return "messages of a format before magic 2";
    case BatchErrc::kBadMagic:
      return "a record batch of an unknown magic";
    case BatchErrc::kBadCrc:
      return "a record batch does not have its CRC";
    case BatchErrc::kBadCodec:
      return "a record batch has an unknown compression";
    case BatchErrc::kBadCount:
      return "a record batch has another number of records than offsets";
    case BatchErrc::kBadTimestamp:
      return "a record batch has a timestamp before 1970";
    case BatchErrc::kBadProducer:
      return "a record batch has a producer id without epoch or sequence, or a transaction without producer id";
    case BatchErrc::kBadRecord:
      return "a record is malformed";
    case BatchErrc::kNoKey:
      return "a record has no key, which compaction needs";
    case BatchErrc::kBadCompressed:
      return "the records of a batch cannot be decompressed";
    case BatchErrc::kBomb:
      return "the records of a batch are too large once decompressed";
  }
  return "an error that is not known";
}

TopicErrc topic_errc(BatchErrc code) {
  switch (code) {
    case BatchErrc::kOk:
      return TopicErrc::kOk;
    case BatchErrc::kEmpty:
    case BatchErrc::kBadCount:
    case BatchErrc::kBadProducer:
    case BatchErrc::kBadRecord:
    case BatchErrc::kNoKey:
      return TopicErrc::kInvalidRecord;
    case BatchErrc::kTooLarge:
    case BatchErrc::kBomb:
      return TopicErrc::kMessageTooLarge;
    case BatchErrc::kBadTimestamp:
      return TopicErrc::kInvalidTimestamp;
    case BatchErrc::kBadCodec:
      return TopicErrc::kUnsupportedCompression;
    case BatchErrc::kCutShort:
    case BatchErrc::kBadLength:
    case BatchErrc::kOldMagic:
    case BatchErrc::kBadMagic:
    case BatchErrc::kBadCrc:
    case BatchErrc::kBadCompressed:
      return TopicErrc::kCorruptBatch;
  }
  return TopicErrc::kCorruptBatch;
}

int32_t sequence_after(int32_t first, int32_t count) {
  return static_cast<int32_t>((int64_t{first} + count - 1) & kSequenceMax);
}

int32_t BatchView::last_sequence() const {
  // By offsets, not by records: compaction may have removed some.
  return base_sequence() < 0 ? -1 : sequence_after(base_sequence(), last_offset_delta() + 1);
}

uint32_t BatchView::computed_crc() const { return crc32c(0, bytes().substr(kCrcBegins)); }

BatchErrc check_frame(std::string_view bytes, size_t batch_bytes_max) {
  if (bytes.size() < kHeaderBytesOfOldMagic) return BatchErrc::kCutShort;
  const auto magic = static_cast<int8_t>(bytes[kMagicAt]);
  if (magic == 0 || magic == 1) return BatchErrc::kOldMagic;
  if (magic != kBatchMagic) return BatchErrc::kBadMagic;
  const auto length = get_be<int32_t>(bytes.data() + 8);
  if (length < static_cast<int32_t>(kBatchHeaderBytes - kBatchLengthEnds)) return BatchErrc::kBadLength;
  if (static_cast<size_t>(length) + kBatchLengthEnds > batch_bytes_max) return BatchErrc::kTooLarge;
  return BatchView(bytes).size_bytes() > bytes.size() ? BatchErrc::kCutShort : BatchErrc::kOk;
}

CheckedBatches check_batches(std::string_view bytes, const BatchLimits& limits) {
  CheckedBatches checked;
  if (bytes.empty()) {
    checked.error = BatchErrc::kEmpty;
    return checked;
  }
  RecordReader reader(limits.decompressed_bytes_max);
  while (checked.at < bytes.size()) {
    const std::string_view rest = bytes.substr(checked.at);
    checked.error = check_frame(rest, limits.batch_bytes_max);
    if (!checked.ok()) return checked;
    const BatchView batch(rest);
    if (batch.crc() != batch.computed_crc()) {
      checked.error = BatchErrc::kBadCrc;
      return checked;
    }
    checked.error = check_header(batch);
    const bool looks_inside = limits.needs_keys || limits.depth == CheckDepth::kAll ||
                              (limits.depth == CheckDepth::kPlain && batch.codec() == Codec::kNone);
    if (checked.ok() && looks_inside) {
      int64_t max_timestamp_ms = kNoTimestamp;
      checked.error = check_records(reader, batch, limits.needs_keys, max_timestamp_ms);
      checked.has_true_times &= max_timestamp_ms == batch.max_timestamp_ms();
    }
    if (!checked.ok()) return checked;
    ++checked.batches;
    checked.records += static_cast<uint32_t>(batch.record_count());
    checked.at += batch.size_bytes();
  }
  return checked;
}

std::string with_true_times(std::string_view batches, size_t decompressed_bytes_max) {
  std::string mended(batches);
  RecordReader reader(decompressed_bytes_max);
  for (size_t at = 0; at < mended.size();) {
    const BatchView batch(std::string_view(mended).substr(at));
    int64_t max_timestamp_ms = kNoTimestamp;
    if (check_records(reader, batch, false, max_timestamp_ms) == BatchErrc::kOk) {
      put_be(mended.data() + at + 35, max_timestamp_ms);
      reseal(mended.data() + at);
    }
    at += batch.size_bytes();
  }
  return mended;
}

void set_base_offset(char* batch, int64_t offset) { put_be(batch, offset); }
void set_leader_epoch(char* batch, int32_t epoch) { put_be(batch + 12, epoch); }

void set_log_append_time(char* batch, int64_t time_ms) {
  const BatchView view(std::string_view(batch, kBatchHeaderBytes));
  put_be<int16_t>(batch + 21, static_cast<int16_t>(view.attributes() | kLogAppendTimeBit));
  put_be(batch + 35, time_ms);
  reseal(batch);
}

}  // namespace keelson::topic
