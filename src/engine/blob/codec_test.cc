// Texts, index keys and the encodings of commands.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "engine/blob/commands.h"
#include "engine/blob/index_key.h"
#include "engine/blob/meta_codec.h"

namespace keelson::blob {
namespace {

ObjectMeta full_meta() {
  ObjectMeta meta;
  meta.payload.size_bytes = 300;
  meta.payload.extents = {{1, 64, 100}, {7, 1'000'000'000'000, 200}};
  meta.etag.md5.fill(0xab);
  meta.etag.part_count = 2;
  meta.checksums = {{ChecksumAlgorithm::kCrc64Nvme, false, "12345678"},
                    {ChecksumAlgorithm::kSha256, true, std::string(32, 'x')}};
  meta.headers = {{"content-type", "application/json"},
                  {"content-type", "a/b"},
                  {"cache-control", "no-store"},
                  {"x-amz-meta-ship", "keelson"}};
  meta.tags = {{"a", "1"}, {"b", ""}};
  meta.storage_class = "STANDARD_IA";
  meta.retention = {RetentionMode::kCompliance, -5};
  meta.has_legal_hold = true;
  meta.acl = "acl";
  meta.encryption = "AES256";
  meta.parts = {{1, 100, {}}, {2, 100, {}}, {3, 100, Checksum{ChecksumAlgorithm::kCrc32, false, "abcd"}}, {9, 0, {}}};
  return meta;
}

TEST(ObjectTexts, MarkedIds) {
  std::set<std::string> texts;
  std::string last;
  for (const uint64_t sequence : {uint64_t{1}, uint64_t{2}, uint64_t{70'000}, kSequenceMax}) {
    for (const uint16_t shard : {0, 1, 1023}) {
      const Version version = marked(sequence, make_mark(shard, 77));
      EXPECT_EQ(sequence_of(version), sequence);
      const std::string text = version_text(version);
      EXPECT_EQ(text.size(), 32U);
      EXPECT_EQ(parse_version(text), version);
      EXPECT_TRUE(texts.insert(text).second) << "the same number on another shard is another id";
    }
    const std::string text = version_text(marked(sequence, make_mark(5, 9)));
    EXPECT_GT(text, last) << "greater is newer, whatever the mark";
    EXPECT_GT(text, version_text(sequence)) << "and newer than what was made before ids had marks";
    last = text;
    EXPECT_FALSE(parse_version(text.substr(0, 16) + version_text(sequence).substr(16)));
  }
}

TEST(ObjectTexts, VersionsAndEtags) {
  EXPECT_EQ(parse_version(version_text(12345)), 12345U);
  std::string made_up = version_text(12345);
  made_up.back() = made_up.back() == '0' ? '1' : '0';
  EXPECT_FALSE(parse_version(made_up));
  // The texts of ids without a mark, as they were given out at first.
  EXPECT_EQ(version_text(1), "0000000000000001b1d8384f69b1e702");
  EXPECT_FALSE(parse_version("null"));
  EXPECT_FALSE(parse_version(""));
  ETag etag;
  etag.md5.fill(0x0f);
  EXPECT_EQ(etag.text(), "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f");
  EXPECT_EQ(ETag::parse(etag.text()), etag);
  etag.part_count = 10'000;
  EXPECT_EQ(ETag::parse("\"" + etag.text() + "\""), etag);
  for (const char* bad : {"", "\"", "0f", "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f-", "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f-0",
                          "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f-10001", "zf0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
                          "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0"}) {
    EXPECT_FALSE(ETag::parse(bad)) << bad;
  }
}

TEST(MetaCodec, ReadsBackWhatItWrote) {
  std::string bytes;
  append_meta(bytes, full_meta());
  std::string_view from = bytes;
  ObjectMeta read;
  ASSERT_TRUE(read_meta(from, read));
  EXPECT_TRUE(from.empty());
  EXPECT_EQ(read, full_meta());
  for (size_t size = 0; size < bytes.size(); ++size) {
    from = std::string_view(bytes).substr(0, size);
    EXPECT_FALSE(read_meta(from, read)) << size;
  }
}

TEST(MetaCodec, AnOrdinaryObjectIsSmall) {
  Entry entry;
  entry.modified_ms = 1'800'000'000'000;
  entry.meta.payload = {1024, {}, {{40, 900'000'000, 1024}}};
  entry.meta.headers = {{"content-type", "binary/octet-stream"}};
  entry.meta.checksums = {{ChecksumAlgorithm::kCrc64Nvme, false, "12345678"}};
  std::string bytes;
  append_entry(bytes, entry);
  EXPECT_LE(bytes.size(), 50U);
  Entry read;
  ASSERT_TRUE(read_entry(bytes, read));
  EXPECT_EQ(read.meta, entry.meta);
  EXPECT_EQ(read.modified_ms, entry.modified_ms);
  EXPECT_FALSE(read_entry(bytes + "x", read));
}

ObjectMeta encoded_meta() {
  ObjectMeta meta = full_meta();
  Salt salt{};
  salt.fill(7);
  meta.payload.segments = {{.size_bytes = 100, .packed_bytes = 100},
                           {.size_bytes = 150, .packed_bytes = 150, .is_sealed = true, .salt = salt},
                           {.size_bytes = 50, .packed_bytes = 20, .is_compressed = true}};
  meta.payload.extents = {{1, 64, 100}, {7, 1'000'000'000'000, 166}, {7, 64, 20}};
  return meta;
}

TEST(MetaCodec, EncodedPayloadsReadBack) {
  std::string bytes;
  append_meta(bytes, encoded_meta());
  std::string_view from = bytes;
  ObjectMeta read;
  ASSERT_TRUE(read_meta(from, read));
  EXPECT_TRUE(from.empty());
  EXPECT_EQ(read, encoded_meta());
  for (size_t size = 0; size < bytes.size(); ++size) {
    from = std::string_view(bytes).substr(0, size);
    EXPECT_FALSE(read_meta(from, read)) << size;
  }
  // As a part's.
  Payload part{5, {}, {{1, 64, 21}}, {{.size_bytes = 5, .packed_bytes = 5, .is_sealed = true}}};
  bytes.clear();
  append_payload(bytes, part);
  from = bytes;
  Payload read_part;
  ASSERT_TRUE(read_payload(from, read_part) && from.empty());
  EXPECT_EQ(read_part, part);
  // Inline: what is stored is longer than the content.
  part = {5, std::string(21, 'x'), {}, part.segments};
  bytes.clear();
  append_payload(bytes, part);
  from = bytes;
  ASSERT_TRUE(read_payload(from, read_part) && from.empty());
  EXPECT_EQ(read_part, part);
}

TEST(MetaCodec, SegmentsThatDoNotAddUpAreRefused) {
  const auto is_read = [](const ObjectMeta& meta) {
    std::string bytes;
    append_meta(bytes, meta);
    std::string_view from = bytes;
    ObjectMeta read;
    return read_meta(from, read);
  };
  ASSERT_TRUE(is_read(encoded_meta()));
  ObjectMeta meta = encoded_meta();
  meta.payload.segments[1].size_bytes = meta.payload.segments[1].packed_bytes = 151;
  EXPECT_FALSE(is_read(meta)) << "more than the object";
  meta = encoded_meta();
  meta.payload.extents[1].length_bytes = 150;
  EXPECT_FALSE(is_read(meta)) << "no room for the tag";
  meta = encoded_meta();
  meta.payload.segments = {{.size_bytes = 300, .packed_bytes = 300}};
  meta.payload.extents = {{1, 64, 300}};
  EXPECT_FALSE(is_read(meta)) << "nothing is encoded: it has another spelling";
}

// Records, index entries and checkpoints of version 1 of the engine, as it wrote them.
TEST(MetaCodec, WhatVersion1WroteIsReadAsItWas) {
  const auto from_hex = [](std::string_view text) {
    std::string bytes;
    for (size_t i = 0; i < text.size(); i += 2)
      bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
    return bytes;
  };
  const std::string stored = from_hex(
      "fc3fac02abababababababababababababababab020140640780a094a58d1dc8010202050831323334353637388420787878"
      "787878787878787878787878787878787878787878787878787878787804270103612f6202086e6f2d73746f7265000f782d"
      "616d7a2d6d6574612d73686970076b65656c736f6e02016101310162000b5354414e444152445f494102090361636c064145"
      "5332353603010264000301640101046162636409010000");
  std::string_view from = stored;
  ObjectMeta read;
  ASSERT_TRUE(read_meta(from, read) && from.empty());
  EXPECT_EQ(read, full_meta());
  std::string again;
  append_meta(again, full_meta());
  EXPECT_EQ(again, stored) << "what is not encoded is written as before";
  PutPart part;
  ASSERT_TRUE(decode(from_hex("09036b657903904e00000000000000000000000000000000000183013102050140"), part));
  EXPECT_EQ(part.payload, (Payload{5, {}, {{1, 64, 5}}}));
}

TEST(IndexKeys, SortAsBucketKeyAndNewestFirst) {
  std::mt19937_64 random(7);
  std::vector<IndexKey> keys;
  for (int i = 0; i < 2000; ++i) {
    IndexKey key;
    key.bucket = 1 + static_cast<BucketId>(random() % 3) * 0x01ff;
    for (uint64_t n = 1 + random() % 4; n > 0; --n)
      key.key +=
          "\0\1\xff"
          "a"[random() % 4];
    key.sequence = 1 + random() % 5 * 0x010000;
    keys.push_back(key);
  }
  const auto less = [](const IndexKey& a, const IndexKey& b) {
    return std::tuple(a.bucket, a.key, ~a.sequence) < std::tuple(b.bucket, b.key, ~b.sequence);
  };
  for (size_t i = 1; i < keys.size(); ++i) {
    const IndexKey& a = keys[i - 1];
    const IndexKey& b = keys[i];
    EXPECT_EQ(index_key(a.bucket, a.key, a.sequence) < index_key(b.bucket, b.key, b.sequence), less(a, b));
    IndexKey read;
    ASSERT_TRUE(read_index_key(index_key(a.bucket, a.key, a.sequence), read));
    EXPECT_EQ(std::tie(read.bucket, read.key, read.sequence), std::tie(a.bucket, a.key, a.sequence));
    EXPECT_EQ(without_version(index_key(a.bucket, a.key, a.sequence)), index_key_start(a.bucket, a.key));
  }
  EXPECT_EQ(behind_prefix("a\xff\xff"), "b");
  EXPECT_EQ(behind_prefix("\xff"), "");
}

template <class Body>
void expect_round_trip(const Body& body) {
  const std::string bytes = encode(body);
  Body read;
  ASSERT_TRUE(decode(bytes, read));
  EXPECT_EQ(encode(read), bytes);
  EXPECT_FALSE(decode(bytes + "x", read));
}

TEST(Commands, EveryBodyReadsBack) {
  expect_round_trip(CreateBucket{"name", "me", "here", true, {{"policy", "{}"}}});
  expect_round_trip(DeleteBucket{5});
  expect_round_trip(ConfigureBucket{5, Versioning::kSuspended, true, {{"cors", "x"}}, {"tagging"}});
  expect_round_trip(ConfigureService{{{"key/a", "secret"}}, {"key/b"}});
  PutObject put{9, "key", full_meta(), {true, ETag{}, Version{4}}};
  expect_round_trip(put);
  PutObject read;
  ASSERT_TRUE(decode(encode(put), read));
  EXPECT_EQ(read.meta, put.meta);
  EXPECT_EQ(read.condition, put.condition);
  expect_round_trip(DeleteObject{9, "key", Version{1}, false, true, {}});
  expect_round_trip(ChangeObject{
      9, "key", {}, true, Pairs{{"a", "b"}}, Retention{RetentionMode::kGovernance, 77}, false, "acl", true});
  expect_round_trip(CreateUpload{9, "key", "me", {}});
  expect_round_trip(
      PutPart{9, "key", 3, 10'000, {}, Checksum{ChecksumAlgorithm::kSha1, true, "1"}, {5, {}, {{1, 64, 5}}}});
  expect_round_trip(CompleteUpload{9, "key", 3, {{1, {}}, {2, {}}}, 5 << 20, {}, {}, {}});
  expect_round_trip(AbortUpload{9, "key", 3});
  expect_round_trip(MoveExtents{{{9, "key", 3, 0, 0, {{1, 64, 5}}, {{{2, 64, 3}, {3, 64, 2}}}}}});
  expect_round_trip(FindBucket{"name", 0});
  expect_round_trip(ListBuckets{"p", "a", 3});
  expect_round_trip(HeadObject{9, "key", Version{3}, false});
  expect_round_trip(ListObjects{9, "p", "/", "a", 3, "b", true, true, 50});
  expect_round_trip(ListUploads{9, "p", "/", "a", 3, 50});
  expect_round_trip(ListParts{9, "key", 3, 4, 5});
  expect_round_trip(Usage{9, true});
  expect_round_trip(ScanExtents{{1, 2}, "cursor", 3});
  expect_round_trip(FindDocuments{"key/"});
}

}  // namespace
}  // namespace keelson::blob
