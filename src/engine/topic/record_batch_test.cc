#include "engine/topic/record_batch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/topic/batch_builder.h"
#include "engine/topic/compression.h"
#include "engine/topic/golden_batches.h"
#include "engine/topic/message_set.h"
#include "engine/topic/record_reader.h"

namespace keelson::topic {
namespace {

constexpr int64_t kTime = 1'700'000'000'000;

struct Owned {
  int64_t offset;
  int64_t timestamp_ms;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  bool operator==(const Owned&) const = default;
};

std::optional<std::string> owned(std::optional<std::string_view> bytes) {
  return bytes ? std::optional<std::string>(*bytes) : std::nullopt;
}

// Of all batches, one after another.
std::vector<Owned> records_of(std::string_view bytes, BatchErrc* error = nullptr) {
  std::vector<Owned> records;
  RecordReader reader;
  Record record;
  while (!bytes.empty()) {
    EXPECT_EQ(reader.begin(bytes), BatchErrc::kOk);
    while (reader.next(record)) {
      Owned& to = records.emplace_back();
      to = {record.offset, record.timestamp_ms, owned(record.key), owned(record.value), {}};
      for (const RecordHeader& header : record.headers()) to.headers.emplace_back(header.key, owned(header.value));
    }
    if (error != nullptr) *error = reader.error();
    if (error == nullptr) EXPECT_EQ(reader.error(), BatchErrc::kOk);
    bytes.remove_prefix(BatchView(bytes).size_bytes());
  }
  return records;
}

std::vector<Owned> golden_records(bool with_headers, bool with_times) {
  std::vector<Owned> records = {{0, kTime, "ship", "keelson", {}},
                                {1, kTime + 5, std::nullopt, std::string(40, 'v'), {}},
                                {2, kTime + 3, "gone", std::nullopt, {}}};
  if (with_headers) records[0].headers = {{"trace", "\x01\x02"}, {"none", std::nullopt}};
  if (!with_times) {
    for (Owned& record : records) record.timestamp_ms = kNoTimestamp;
  }
  return records;
}

std::string sample(Codec codec = Codec::kNone) {
  BatchBuilder builder({.codec = codec});
  builder.add(kTime, "ship", "keelson");
  builder.add(kTime + 5, std::nullopt, std::string(400, 'v'));
  return builder.finish();
}

BatchErrc check(std::string_view bytes, BatchLimits limits = {.depth = CheckDepth::kAll}) {
  return check_batches(bytes, limits).error;
}

// With the CRC that belongs to what is there now.
std::string resealed(std::string batch) {
  put_be(batch.data() + 17, BatchView(batch).computed_crc());
  return batch;
}

TEST(RecordBatch, ReadsWhatAClientMade) {
  for (const Golden& golden : kGoldenBatches) {
    SCOPED_TRACE(golden.name);
    const std::string bytes = from_hex(golden.hex);
    const CheckedBatches checked = check_batches(bytes, {.depth = CheckDepth::kAll});
    EXPECT_EQ(errc_text(checked.error), errc_text(BatchErrc::kOk));
    EXPECT_EQ(checked.batches, 1U);
    EXPECT_EQ(checked.records, 3U);
    EXPECT_EQ(records_of(bytes), golden_records(true, true));
    const BatchView view(bytes);
    EXPECT_EQ(view.max_timestamp_ms(), kTime + 5);
    EXPECT_EQ(view.is_transactional(), golden.name == "v2_gzip");
    EXPECT_EQ(view.producer_id(), golden.name == "v2_gzip" ? 4711 : kNoProducerId);
    if (view.has_producer()) {
      EXPECT_EQ(view.producer_epoch(), 3);
      EXPECT_EQ(view.base_sequence(), 7);
      EXPECT_EQ(view.last_sequence(), 9);
    }
  }
}

TEST(RecordBatch, BuildsTheBytesThatAClientMakes) {
  const std::string golden = from_hex(kGoldenBatches[0].hex);
  BatchBuilder builder({.leader_epoch = BatchView(golden).leader_epoch()});
  const std::vector<RecordHeader> headers = {{"trace", "\x01\x02"}, {"none", std::nullopt}};
  builder.add(kTime, "ship", "keelson", headers);
  builder.add(kTime + 5, std::nullopt, std::string(40, 'v'));
  builder.add(kTime + 3, "gone", std::nullopt);
  EXPECT_EQ(builder.finish(), golden);
}

TEST(RecordBatch, ConvertsMessageSets) {
  for (const Golden& golden : kGoldenMessageSets) {
    SCOPED_TRACE(golden.name);
    std::string batches;
    ASSERT_EQ(errc_text(convert_message_set(from_hex(golden.hex), {}, batches)), errc_text(BatchErrc::kOk));
    EXPECT_EQ(check(batches), BatchErrc::kOk);
    EXPECT_EQ(records_of(batches), golden_records(false, golden.name[1] == '1'));
    EXPECT_EQ(BatchView(batches).codec() == Codec::kNone, golden.name.ends_with("plain"));
  }
}

TEST(RecordBatch, ConvertsNoDamagedMessageSet) {
  for (const Golden& golden : kGoldenMessageSets) {
    // Of a set of three, offsets stand in the midst, which no CRC guards and nobody looks at.
    if (golden.name.ends_with("plain")) continue;
    const std::string bytes = from_hex(golden.hex);
    std::string out;
    for (size_t i = 8; i < bytes.size(); ++i) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
      out.clear();
      EXPECT_NE(convert_message_set(damaged, {}, out), BatchErrc::kOk) << golden.name << " byte " << i;
    }
    for (size_t size = 0; size < bytes.size(); ++size) {
      out.clear();
      EXPECT_NE(convert_message_set(std::string_view(bytes).substr(0, size), {}, out), BatchErrc::kOk)
          << golden.name << " of " << size;
    }
  }
}

TEST(RecordBatch, RefusesEachMalformedThingByItsName) {
  const std::string good = sample();
  EXPECT_EQ(check(good), BatchErrc::kOk);
  EXPECT_EQ(check(""), BatchErrc::kEmpty);
  for (size_t size = 1; size < good.size(); ++size) EXPECT_EQ(check(good.substr(0, size)), BatchErrc::kCutShort);
  EXPECT_EQ(check(good + "x"), BatchErrc::kCutShort);
  std::string bad = good;
  put_be<int32_t>(bad.data() + 8, 48);
  EXPECT_EQ(check(bad), BatchErrc::kBadLength);
  put_be<int32_t>(bad.data() + 8, -1);
  EXPECT_EQ(check(bad), BatchErrc::kBadLength);
  EXPECT_EQ(check(good, {.batch_bytes_max = good.size() - 1}), BatchErrc::kTooLarge);
  EXPECT_EQ(check(good, {.batch_bytes_max = good.size()}), BatchErrc::kOk);
  for (int8_t magic : {0, 1, 3, -1}) {
    bad = good;
    bad[16] = magic;
    EXPECT_EQ(check(bad), magic == 0 || magic == 1 ? BatchErrc::kOldMagic : BatchErrc::kBadMagic);
  }
  for (size_t at = 17; at < good.size(); ++at) {
    bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_EQ(check(bad), BatchErrc::kBadCrc) << at;
  }
  bad = good;
  put_be<int16_t>(bad.data() + 21, 5);
  EXPECT_EQ(check(resealed(bad)), BatchErrc::kBadCodec);
  for (int32_t count : {-1, 0, 1, 3}) {
    bad = good;
    put_be(bad.data() + 57, count);
    EXPECT_EQ(check(resealed(bad)), BatchErrc::kBadCount) << count;
  }
  bad = good;
  put_be<int32_t>(bad.data() + 57, 3);
  put_be<int32_t>(bad.data() + 23, 2);
  EXPECT_EQ(check(resealed(bad)), BatchErrc::kBadRecord);
  put_be<int32_t>(bad.data() + 57, 1);
  put_be<int32_t>(bad.data() + 23, 0);
  EXPECT_EQ(check(resealed(bad)), BatchErrc::kBadRecord);
  bad = good;
  put_be<int64_t>(bad.data() + 27, -2);
  EXPECT_EQ(check(resealed(bad)), BatchErrc::kBadTimestamp);
  bad = good;
  put_be<int64_t>(bad.data() + 43, 5);
  EXPECT_EQ(check(resealed(bad)), BatchErrc::kBadProducer);
  bad = good;
  put_be<int16_t>(bad.data() + 21, kTransactionalBit);
  EXPECT_EQ(check(resealed(bad)), BatchErrc::kBadProducer);
  EXPECT_EQ(check(good, {.needs_keys = true}), BatchErrc::kNoKey);
}

TEST(RecordBatch, SaysWhichBatchIsWrong) {
  std::string bytes = sample() + sample(Codec::kLz4);
  const size_t second = bytes.size();
  bytes += sample();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  const CheckedBatches checked = check_batches(bytes, {});
  EXPECT_EQ(checked.error, BatchErrc::kBadCrc);
  EXPECT_EQ(checked.at, second);
  EXPECT_EQ(checked.batches, 2U);
}

TEST(RecordBatch, TakesItsTimeFromItsRecords) {
  for (Codec codec : {Codec::kNone, Codec::kZstd}) {
    BatchBuilder builder({.codec = codec, .max_timestamp_ms = kTime + 1000});
    builder.add(kTime + 5, "ship", "keelson");
    builder.add(kTime + 3, "gone", std::nullopt);
    const std::string said = sample() + builder.finish();
    EXPECT_FALSE(check_batches(said, {.depth = CheckDepth::kAll}).has_true_times);
    EXPECT_EQ(check_batches(said, {.depth = CheckDepth::kHeaders}).has_true_times, true);
    const std::string mended = with_true_times(said);
    const CheckedBatches checked = check_batches(mended, {.depth = CheckDepth::kAll});
    EXPECT_TRUE(checked.ok());
    EXPECT_TRUE(checked.has_true_times);
    EXPECT_EQ(mended.substr(0, sample().size()), sample());
    EXPECT_EQ(BatchView(std::string_view(mended).substr(sample().size())).max_timestamp_ms(), kTime + 5);
    EXPECT_EQ(records_of(mended), records_of(said));
  }
  EXPECT_EQ(with_true_times(sample()), sample());
}

TEST(RecordBatch, EveryCompressionGoesThereAndBack) {
  std::string noise;
  for (int i = 0; i < 200'000; ++i) noise.push_back(static_cast<char>((i * 7919) >> (i % 11)));
  for (const std::string& bytes : {std::string(), std::string("a"), std::string(300'000, 'z'), noise}) {
    for (Codec codec : {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
      std::string packed;
      compress(codec, bytes, packed);
      std::string back = "before";
      EXPECT_EQ(decompress(codec, packed, bytes.size(), back), BatchErrc::kOk) << static_cast<int>(codec);
      EXPECT_EQ(back, "before" + bytes);
      if (bytes.empty()) continue;
      back.clear();
      EXPECT_EQ(decompress(codec, packed, bytes.size() - 1, back), BatchErrc::kBomb) << static_cast<int>(codec);
      EXPECT_LE(back.size(), bytes.size() - 1);
      if (codec == Codec::kNone) continue;
      back.clear();
      EXPECT_EQ(decompress(codec, std::string_view(packed).substr(0, packed.size() - 1), bytes.size(), back),
                BatchErrc::kBadCompressed)
          << static_cast<int>(codec);
    }
  }
}

TEST(RecordBatch, ABombIsNotSetOff) {
  BatchBuilder builder({.codec = Codec::kZstd});
  builder.add(kTime, "key", std::string(5'000'000, '0'));
  const std::string batch = builder.finish();
  EXPECT_LT(batch.size(), 2000U);
  EXPECT_EQ(check(batch, {.decompressed_bytes_max = 1'000'000, .depth = CheckDepth::kAll}), BatchErrc::kBomb);
  EXPECT_EQ(check(batch), BatchErrc::kOk);
  // A plain block of snappy says how much it is.
  std::string claim = "\xff\xff\xff\xff\x0f";
  std::string out;
  EXPECT_EQ(decompress(Codec::kSnappy, claim + "abc", kDecompressedBytesMax, out), BatchErrc::kBadCompressed);
  EXPECT_LT(out.capacity(), 1U << 20);
}

TEST(RecordBatch, TakesPlainSnappyAndMembersOfGzip) {
  // "keelson" as one literal.
  std::string out;
  EXPECT_EQ(decompress(Codec::kSnappy, std::string("\x07\x18keelson", 9), 100, out), BatchErrc::kOk);
  EXPECT_EQ(out, "keelson");
  std::string two;
  compress(Codec::kGzip, "keel", two);
  compress(Codec::kGzip, "son", two);
  out.clear();
  EXPECT_EQ(decompress(Codec::kGzip, two, 100, out), BatchErrc::kOk);
  EXPECT_EQ(out, "keelson");
}

TEST(RecordBatch, ChangesInPlace) {
  std::string batch = sample(Codec::kZstd);
  set_base_offset(batch.data(), 1'000'000'000'007);
  set_leader_epoch(batch.data(), 9);
  EXPECT_EQ(check(batch), BatchErrc::kOk);
  EXPECT_EQ(records_of(batch)[1].offset, 1'000'000'000'008);
  EXPECT_EQ(BatchView(batch).leader_epoch(), 9);
  EXPECT_EQ(BatchView(batch).next_offset(), 1'000'000'000'009);
  set_log_append_time(batch.data(), kTime + 99);
  EXPECT_EQ(check(batch), BatchErrc::kOk);
  EXPECT_TRUE(BatchView(batch).is_log_append_time());
  for (const Owned& record : records_of(batch)) EXPECT_EQ(record.timestamp_ms, kTime + 99);
}

TEST(RecordBatch, SequencesGoRound) {
  EXPECT_EQ(sequence_after(0, 1), 0);
  EXPECT_EQ(sequence_after(7, 3), 9);
  EXPECT_EQ(sequence_after(kSequenceMax, 1), kSequenceMax);
  EXPECT_EQ(sequence_after(kSequenceMax, 2), 0);
  EXPECT_EQ(sequence_after(kSequenceMax - 1, 4), 1);
}

TEST(RecordBatch, EndMarkersSayWhatEnded) {
  for (ControlType type : {ControlType::kAbort, ControlType::kCommit}) {
    const std::string marker = make_end_marker(type, 4711, 3, 12, kTime);
    EXPECT_EQ(check(marker), BatchErrc::kOk);
    const auto control = read_control(marker);
    ASSERT_TRUE(control.has_value());
    EXPECT_EQ(control->type, static_cast<int16_t>(type));
    EXPECT_EQ(control->coordinator_epoch, 12);
    EXPECT_TRUE(BatchView(marker).is_control());
    EXPECT_TRUE(BatchView(marker).is_transactional());
    EXPECT_EQ(records_of(marker)[0].key, std::string("\0\0\0\x0", 3) + static_cast<char>(type));
  }
  EXPECT_FALSE(read_control(sample()).has_value());
}

TEST(RecordBatch, WhatCompactionLeavesKeepsItsPlace) {
  BatchBuilder builder({.base_offset = 100,
                        .producer_id = 7,
                        .producer_epoch = 1,
                        .base_sequence = kSequenceMax - 1,
                        .last_offset_delta = 9});
  const std::string of_ten = [] {
    BatchBuilder ten({.base_offset = 100});
    for (int i = 0; i < 10; ++i) ten.add(kTime + i, std::to_string(i), "v");
    return ten.finish();
  }();
  RecordReader reader;
  Record record;
  ASSERT_EQ(reader.begin(of_ten), BatchErrc::kOk);
  while (reader.next(record)) {
    if (record.offset == 103 || record.offset == 107) builder.add(record);
  }
  const std::string left = builder.finish();
  EXPECT_EQ(BatchView(left).next_offset(), 110);
  EXPECT_EQ(BatchView(left).last_sequence(), 7);
  const std::vector<Owned> records = records_of(left);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].offset, 103);
  EXPECT_EQ(records[1].timestamp_ms, kTime + 7);
  // A header alone.
  const std::string empty = BatchBuilder({.base_offset = 5, .last_offset_delta = 2}).finish();
  EXPECT_EQ(empty.size(), kBatchHeaderBytes);
  EXPECT_TRUE(records_of(empty).empty());
  EXPECT_EQ(BatchView(empty).computed_crc(), BatchView(empty).crc());
}

}  // namespace
}  // namespace keelson::topic
