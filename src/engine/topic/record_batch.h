// Kafka's record batches of magic 2 (kafka.apache.org/documentation, "Record Batch"; KIP-98): the header, checks of
// what came from outside, and what a server may change in place.
//
//   byte 0 base offset i64, 8 length i32 (of what follows it), 12 leader epoch i32, 16 magic i8 (2), 17 CRC-32C u32 (of
//   all that follows it), 21 attributes i16, 23 last offset delta i32, 27 base timestamp i64, 35 max timestamp i64,
//   43 producer id i64, 51 producer epoch i16, 53 base sequence i32, 57 number of records i32, 61 records; all in
//   network order. The records may be compressed, all of them together (compression.h).
//
// Base offset and leader epoch are outside of the CRC: a server sets them without touching the rest. The batch is
// otherwise kept as it came. Records are read with record_reader.h and made with batch_builder.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/topic/big_endian.h"
#include "engine/topic/types.h"

namespace keelson::topic {

inline constexpr size_t kBatchHeaderBytes = 61;
inline constexpr size_t kBatchLengthEnds = 12;  // the length counts from here
inline constexpr int32_t kSequenceMax = INT32_MAX;
inline constexpr int8_t kBatchMagic = 2;
// Of one batch, whatever a topic allows: it is one argument of a record of the log, whose limit is 64 MiB.
inline constexpr size_t kBatchBytesMax = size_t{48} << 20;
// Of one batch's records, decompressed: 64 times what a topic allows by default (1 MiB). Whoever looks into batches
// holds as much for a moment.
inline constexpr size_t kDecompressedBytesMax = size_t{64} << 20;

enum class Codec : uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };
inline constexpr unsigned kCodecCount = 5;

// Attributes.
inline constexpr int16_t kCodecMask = 0x7;
inline constexpr int16_t kLogAppendTimeBit = 0x8;
inline constexpr int16_t kTransactionalBit = 0x10;
inline constexpr int16_t kControlBit = 0x20;
inline constexpr int16_t kDeleteHorizonBit = 0x40;  // KIP-534: the base timestamp says until when tombstones stay

// What is wrong with bytes that should be batches.
enum class BatchErrc : uint8_t {
  kOk = 0,
  kEmpty,         // no batch at all
  kCutShort,      // the bytes end within a batch
  kBadLength,     // shorter than a header
  kTooLarge,      // than the limit
  kOldMagic,      // 0 or 1: message_set.h converts them
  kBadMagic,      // above 2
  kBadCrc,        //
  kBadCodec,      // none that there is
  kBadCount,      // no records, or fewer or more than its offsets
  kBadTimestamp,  // negative, but for the -1 that stands for none
  kBadProducer,   // a producer without epoch or sequence, or a transaction without producer
  kBadRecord,     // the records are malformed, or others than the header says
  kNoKey,         // a record without a key where each needs one
  kBadCompressed,
  kBomb,  // decompressed, larger than the limit
};
[[nodiscard]] std::string_view errc_text(BatchErrc code);
// What a client of topics is told.
[[nodiscard]] TopicErrc topic_errc(BatchErrc code);

// One batch: at least its header, if nothing else is said. Does not own the bytes.
class BatchView {
 public:
  explicit BatchView(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] int64_t base_offset() const { return get<int64_t>(0); }
  // With everything: where the next batch begins.
  [[nodiscard]] size_t size_bytes() const { return kBatchLengthEnds + static_cast<uint32_t>(get<int32_t>(8)); }
  [[nodiscard]] int32_t leader_epoch() const { return get<int32_t>(12); }
  [[nodiscard]] int8_t magic() const { return get<int8_t>(16); }
  [[nodiscard]] uint32_t crc() const { return get<uint32_t>(17); }
  [[nodiscard]] int16_t attributes() const { return get<int16_t>(21); }
  [[nodiscard]] int32_t last_offset_delta() const { return get<int32_t>(23); }
  [[nodiscard]] int64_t base_timestamp_ms() const { return get<int64_t>(27); }
  [[nodiscard]] int64_t max_timestamp_ms() const { return get<int64_t>(35); }
  [[nodiscard]] int64_t producer_id() const { return get<int64_t>(43); }
  [[nodiscard]] int16_t producer_epoch() const { return get<int16_t>(51); }
  [[nodiscard]] int32_t base_sequence() const { return get<int32_t>(53); }
  [[nodiscard]] int32_t record_count() const { return get<int32_t>(57); }

  [[nodiscard]] Codec codec() const { return static_cast<Codec>(attributes() & kCodecMask); }
  [[nodiscard]] bool is_log_append_time() const { return (attributes() & kLogAppendTimeBit) != 0; }
  [[nodiscard]] bool is_transactional() const { return (attributes() & kTransactionalBit) != 0; }
  [[nodiscard]] bool is_control() const { return (attributes() & kControlBit) != 0; }
  [[nodiscard]] bool has_delete_horizon() const { return (attributes() & kDeleteHorizonBit) != 0; }
  [[nodiscard]] bool has_producer() const { return producer_id() >= 0; }

  // What comes from outside may have any base offset: these go round rather than overflow.
  [[nodiscard]] int64_t last_offset() const { return plus(last_offset_delta()); }
  [[nodiscard]] int64_t next_offset() const { return plus(int64_t{last_offset_delta()} + 1); }
  // Sequences begin anew after 2^31 - 1.
  [[nodiscard]] int32_t last_sequence() const;

  // The whole batch, and its (compressed) records: of views that hold all of it.
  [[nodiscard]] std::string_view bytes() const { return bytes_.substr(0, size_bytes()); }
  [[nodiscard]] std::string_view records() const { return bytes().substr(kBatchHeaderBytes); }
  // Of what the CRC guards.
  [[nodiscard]] uint32_t computed_crc() const;

 private:
  template <class Integer>
  [[nodiscard]] Integer get(size_t at) const {
    return get_be<Integer>(bytes_.data() + at);
  }
  [[nodiscard]] int64_t plus(int64_t delta) const {
    return static_cast<int64_t>(static_cast<uint64_t>(base_offset()) + static_cast<uint64_t>(delta));
  }
  std::string_view bytes_;
};

// `first` + `count` - 1, as sequences go round.
[[nodiscard]] int32_t sequence_after(int32_t first, int32_t count);

// How far check_batches() looks.
enum class CheckDepth : uint8_t {
  kHeaders,  // and CRCs
  kPlain,    // and records that are not compressed, each by its shape
  kAll,      // and those that are
};
struct BatchLimits {
  size_t batch_bytes_max = kBatchBytesMax;
  size_t decompressed_bytes_max = kDecompressedBytesMax;
  CheckDepth depth = CheckDepth::kPlain;
  bool needs_keys = false;  // of a compacted topic; looks into all records
};
struct CheckedBatches {
  BatchErrc error = BatchErrc::kOk;
  size_t at = 0;  // where the batch begins that is wrong
  uint32_t batches = 0;
  uint64_t records = 0;
  // Each batch whose records were looked at has their greatest timestamp as its own.
  bool has_true_times = true;
  [[nodiscard]] bool ok() const { return error == BatchErrc::kOk; }
};
// Looks at what a producer sent: whole batches, one after another, and nothing else.
[[nodiscard]] CheckedBatches check_batches(std::string_view bytes, const BatchLimits& limits);
// The same batches, each with the greatest timestamp of its records as its own, which is what Kafka keeps, whatever the
// producer said. Of batches that check_batches() let through.
[[nodiscard]] std::string with_true_times(std::string_view batches,
                                          size_t decompressed_bytes_max = kDecompressedBytesMax);

// The batch that begins here, by its frame alone (length and magic): kOk, kCutShort, kBadLength, kOldMagic, kBadMagic,
// kTooLarge. For bytes whose CRC is looked at elsewhere, or that are the house's own.
[[nodiscard]] BatchErrc check_frame(std::string_view bytes, size_t batch_bytes_max = kBatchBytesMax);

// Changes to a batch in place; `batch` begins with its header.
void set_base_offset(char* batch, int64_t offset);
void set_leader_epoch(char* batch, int32_t epoch);
// All of its records were appended at that time: sets the attribute and the max timestamp, and a new CRC.
void set_log_append_time(char* batch, int64_t time_ms);

}  // namespace keelson::topic
