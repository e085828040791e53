#include "engine/kv/rdb.h"

#include <gtest/gtest.h>

#include <string>

#include "base/crc64.h"
#include "engine/kv/keyspace_test_support.h"
#include "engine/kv/listpack.h"
#include "engine/kv/lzf.h"

namespace keelson::kv {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::string with_footer(std::string payload) {
  payload += std::string("\x0a\x00", 2);
  const uint64_t crc = crc64(0, payload);
  payload.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  return payload;
}

TEST(RdbTest, EveryTypeRoundTrips) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    TestRandom random(seed);
    Keyspace keyspace({});
    const size_t count = 1 + random.below(random.one_in(3) ? 2000 : 60);
    const bool has_numbers_only = seed % 3 == 0;
    keyspace.set_string(0, "string", random.text(10000));
    ListValue list = keyspace.create<ListValue>(0, "list");
    SetValue set = keyspace.create<SetValue>(0, "set");
    SortedSetValue sorted_set = keyspace.create<SortedSetValue>(0, "zset");
    HashValue hash = keyspace.create<HashValue>(0, "hash");
    for (size_t i = 0; i < count; ++i) {
      const std::string text = has_numbers_only ? std::to_string(random.next() >> random.below(64)) : random.text(80);
      list.push(ListEnd::kTail, text);
      set.add(text);
      sorted_set.set(text, static_cast<double>(random.next() >> 11) / 1024.0);
      hash.set(text, random.text(80));
    }
    for (const char* key : {"string", "list", "set", "zset", "hash"}) {
      const Value value = keyspace.find(0, key, 0);
      const std::string payload = dump_value(value);
      Keyspace other({});
      Value restored;
      ASSERT_EQ(restore_value(other, 7, "new", payload, restored), RestoreError::kOk) << key << " seed " << seed;
      // An intset is dumped in its own order, ascending.
      if (value.encoding_name() == "intset") {
        EXPECT_EQ(SetValue(restored).size(), SetValue(value).size());
      } else {
        EXPECT_EQ(describe(restored), describe(value));
      }
      EXPECT_EQ(restored.encoding_name(), value.encoding_name());
    }
  }
}

// What redis-server 7.0.15 answered to DUMP.
struct Recorded {
  const char* name;
  const char* hex;
  const char* expected;
};

class RecordedTest : public testing::TestWithParam<Recorded> {};

TEST_P(RecordedTest, IsUnderstood) {
  Keyspace keyspace({});
  Value restored;
  ASSERT_EQ(restore_value(keyspace, 0, "k", from_hex(GetParam().hex), restored), RestoreError::kOk);
  EXPECT_EQ(describe(restored), GetParam().expected);
}

const Recorded kRecorded[] = {
#include "engine/kv/rdb_test_recorded.inc"
};

INSTANTIATE_TEST_SUITE_P(RedisServer, RecordedTest, testing::ValuesIn(kRecorded),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(RdbTest, OlderEncodingsAreRead) {
  Keyspace keyspace({});
  Value restored;
  // A ziplist of "a", 5, -1: header, then prevlen, encoding, content.
  const std::string ziplist = from_hex(
      "130000000e0000000300"
      "000161"
      "03f6"
      "02feff"
      "ff");
  const auto list = [&](const std::string& bytes) {
    std::string payload = with_footer(std::string(1, '\x0a') + static_cast<char>(bytes.size()) + bytes);
    return restore_value(keyspace, 0, "ziplist", payload, restored);
  };
  std::string sized = ziplist;
  sized[0] = static_cast<char>(sized.size());
  ASSERT_EQ(list(sized), RestoreError::kOk);
  EXPECT_EQ(describe(restored), "list @-1 a,5,-1,");
  // A zipmap of f -> v (one free byte behind the value).
  const std::string zipmap = from_hex(
      "01"
      "0166"
      "010176"
      "00"
      "ff");
  ASSERT_EQ(restore_value(keyspace, 0, "zipmap",
                          with_footer(std::string(1, '\x09') + static_cast<char>(zipmap.size()) + zipmap), restored),
            RestoreError::kOk);
  EXPECT_EQ(describe(restored), "hash @-1 f=v,");
  // A sorted set with scores as text: 2 members, "1.5" and inf.
  ASSERT_EQ(restore_value(keyspace, 0, "zset",
                          with_footer(from_hex("0302"
                                               "0161"
                                               "03312e35"
                                               "0162"
                                               "fe")),
                          restored),
            RestoreError::kOk);
  EXPECT_EQ(describe(restored), "zset @-1 a=1.500000,b=inf,");
}

TEST(RdbTest, WrongChecksumsAndVersionsAreRefused) {
  Keyspace keyspace({});
  keyspace.set_string(0, "k", "value");
  std::string payload = dump_value(keyspace.find(0, "k", 0));
  Value restored;
  EXPECT_EQ(restore_value(keyspace, 0, "n", "", restored), RestoreError::kBadChecksumOrVersion);
  for (size_t i = 0; i < payload.size(); ++i) {
    std::string bad = payload;
    bad[i] ^= 1;
    EXPECT_EQ(restore_value(keyspace, 0, "n", bad, restored), RestoreError::kBadChecksumOrVersion);
  }
  std::string newer = payload.substr(0, payload.size() - 10) + std::string("\x0b\x00", 2);
  const uint64_t crc = crc64(0, newer);
  newer.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  EXPECT_EQ(restore_value(keyspace, 0, "n", newer, restored), RestoreError::kBadChecksumOrVersion);
  EXPECT_EQ(keyspace.size(0), 1U);
}

TEST(RdbTest, BadDataWithAGoodChecksumIsRefused) {
  Keyspace keyspace({});
  Value restored;
  for (const char* hex : {
           "",    // nothing
           "00",  // a string without a length
           "0005"
           "6161",  // cut short
           "0001"
           "6161",  // something behind it
           "0200",  // an empty set
           "0202"
           "0161"
           "0161",  // a member twice
           "0402"
           "0161"
           "0162"
           "0161"
           "0163",  // a field twice
           "0501"
           "0161"
           "000000000000f87f",  // a score that is no number
           "00c3"
           "02"
           "bfffffffff"
           "0061",                  // a huge string in two bytes
           "0281ffffffffffffffff",  // a huge count
           "1201"
           "03"
           "0161",  // a node of an unknown kind
           "0f00",  // a stream: not supported
           "07",    // a module's value
           "0b0a"
           "02000000"
           "02000000"
           "0200",  // an intset that is cut short
       }) {
    EXPECT_EQ(restore_value(keyspace, 0, "n", with_footer(from_hex(hex)), restored), RestoreError::kBadData) << hex;
  }
  EXPECT_EQ(keyspace.size(0), 0U);
}

TEST(RdbTest, RandomDamageNeverDoesHarm) {
  Keyspace source({});
  TestRandom random(3);
  ListValue list = source.create<ListValue>(0, "list");
  SortedSetValue sorted_set = source.create<SortedSetValue>(0, "zset");
  HashValue hash = source.create<HashValue>(0, "hash");
  for (int i = 0; i < 40; ++i) {
    list.push(ListEnd::kTail, random.text(200));
    sorted_set.set(random.text(50), static_cast<double>(random.below(100)) / 3);
    hash.set(random.text(50), random.text(50));
  }
  for (const char* key : {"list", "zset", "hash"}) {
    const std::string payload = dump_value(source.find(0, key, 0));
    const std::string body = payload.substr(0, payload.size() - 10);
    for (int i = 0; i < 3000; ++i) {
      std::string bad = body;
      for (size_t n = 1 + random.below(3); n > 0; --n) bad[random.below(bad.size())] = static_cast<char>(random.next());
      if (random.one_in(4)) bad.resize(random.below(bad.size()));
      Keyspace keyspace({});
      Value restored;
      if (restore_value(keyspace, 0, "k", with_footer(bad), restored) == RestoreError::kOk) (void)describe(restored);
    }
  }
}

TEST(LzfTest, TakesApart) {
  // "aaaaaaaaaa": one literal, then 9 bytes from 1 back (length 7 + 2, extended).
  EXPECT_EQ(lzf_decompress(from_hex("0061"
                                    "e00000"),
                           10),
            "aaaaaaaaaa");
  EXPECT_EQ(lzf_decompress(from_hex("02616263"
                                    "2002"),
                           6),
            "abcabc");
  EXPECT_EQ(lzf_decompress(from_hex("02616263"
                                    "2003"),
                           6),
            std::nullopt)
      << "from before the beginning";
  EXPECT_EQ(lzf_decompress(from_hex("02616263"
                                    "2002"),
                           7),
            std::nullopt);
  EXPECT_EQ(lzf_decompress(from_hex("026162"), 3), std::nullopt);
  EXPECT_EQ(lzf_decompress(from_hex("0061e0"), 10), std::nullopt);
}

TEST(ListpackTest, LongElementsHaveLongBackLengths) {
  ListpackWriter writer;
  Elements expected;
  for (const size_t length : {0, 63, 64, 126, 127, 4095, 4096, 16383, 20000, 3000000}) {
    expected.emplace_back(length, 'x');
    writer.add(expected.back());
  }
  for (const int64_t number : {int64_t{0}, int64_t{127}, int64_t{128}, int64_t{-1}, int64_t{-4096}, int64_t{4095},
                               int64_t{4096}, int64_t{32767}, int64_t{-32769}, int64_t{8388607}, int64_t{-8388609},
                               int64_t{2147483647}, int64_t{2147483648}, INT64_MIN, INT64_MAX}) {
    expected.push_back(std::to_string(number));
    writer.add(expected.back());
  }
  Elements read;
  const std::string bytes = writer.finish();
  ASSERT_TRUE(read_listpack(bytes, read));
  EXPECT_EQ(read, expected);
  for (size_t cut = 0; cut < 300; ++cut) {
    Elements ignored;
    EXPECT_FALSE(read_listpack(std::string_view(bytes).substr(0, cut), ignored));
  }
}

}  // namespace
}  // namespace keelson::kv
