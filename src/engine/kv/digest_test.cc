#include "engine/kv/digest.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/kv/keyspace.h"
#include "engine/kv/sha1.h"

namespace keelson::kv {
namespace {

// A few keys of each type; what redis-server 7.0.15 says of them stands below.
void fill(Keyspace& keyspace) {
  keyspace.set_string(0, "s", "hello");
  keyspace.set_string(0, "n", "-42");
  ListValue list = keyspace.create<ListValue>(0, "l");
  for (const char* element : {"a", "b", "3"}) list.push(ListEnd::kTail, element);
  SetValue set = keyspace.create<SetValue>(3, "t");
  for (const char* member : {"x", "7", "y"}) set.add(member);
  SortedSetValue sorted_set = keyspace.create<SortedSetValue>(3, "z");
  sorted_set.set("one", 1);
  sorted_set.set("half", 0.5);
  sorted_set.set("tenth", 0.1);
  HashValue hash = keyspace.create<HashValue>(3, "h");
  hash.set("f", "v");
  hash.set("g", "12");
}

TEST(DigestTest, EqualsThatOfRedis) {
  Keyspace keyspace({});
  fill(keyspace);
  const auto digest_of = [&](uint16_t database, std::string_view key) {
    return to_hex(digest_value(keyspace.find(database, key, 0)));
  };
  EXPECT_EQ(digest_of(0, "s"), "36b23a1456b2dce2c3ed252c456761301dba8060");
  EXPECT_EQ(digest_of(0, "n"), "ce70a5674f228eaf3e2c2d01f6152e36f7e792a7");
  EXPECT_EQ(digest_of(0, "l"), "09eb1fc9381ee92790d59930ab462945f8cd948b");
  EXPECT_EQ(digest_of(3, "t"), "a6afcc473373536adb071da403abcb70a693d104");
  EXPECT_EQ(digest_of(3, "z"), "88991f963bbc2b3db90b87f6e4c542c93edb17f0");
  EXPECT_EQ(digest_of(3, "h"), "8530acc75d5274eb0fc0da86f28ed5533274a6d4");
  EXPECT_EQ(to_hex(digest_keyspace(keyspace, 0)), "0aaa67883d16659cbd18cbc2a6fcf7e7e0a57f50");
}

TEST(Sha1Test, KnownAnswers) {
  // FIPS 180-4's examples, and lengths about the end of a block (from sha1sum).
  EXPECT_EQ(to_hex(sha1("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(to_hex(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(to_hex(sha1(std::string(55, 'a'))), "c1c8bbdc22796e28c0e15163d20899b65621d65a");
  EXPECT_EQ(to_hex(sha1(std::string(64, 'a'))), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
  EXPECT_EQ(to_hex(sha1(std::string(1000000, 'a'))), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

TEST(DigestTest, CountsAnExpiryAndLeavesOutWhatIsDue) {
  Keyspace keyspace({});
  fill(keyspace);
  const std::string before = to_hex(digest_keyspace(keyspace, 100));
  keyspace.set_string(0, "due", "v", {.expires_at_ms = 50});
  EXPECT_EQ(to_hex(digest_keyspace(keyspace, 100)), before);
  EXPECT_NE(to_hex(digest_keyspace(keyspace, 10)), before);
  const Digest plain = digest_value(keyspace.find(0, "s", 0));
  keyspace.set_string(0, "s", "hello", {.expires_at_ms = 1000});
  EXPECT_NE(digest_value(keyspace.find(0, "s", 0)), plain);
}

TEST(DigestTest, OfSeveralShardsIsThatOfTheWhole) {
  Keyspace whole({});
  Keyspace parts[2] = {Keyspace({}), Keyspace({})};
  for (int i = 0; i < 50; ++i) {
    const std::string key = "key" + std::to_string(i);
    whole.set_string(static_cast<uint16_t>(i % 3), key, "v");
    parts[i % 2].set_string(static_cast<uint16_t>(i % 3), key, "v");
  }
  DatasetDigest digest;
  for (Keyspace& part : parts) digest.add(part, 0);
  EXPECT_EQ(digest.finish(), digest_keyspace(whole, 0));
}

TEST(DigestTest, TheExactOneSeesTheOrderOfSetsAndExpiries) {
  Keyspace one({});
  Keyspace other({});
  for (const char* member : {"a", "b"}) one.write_or_create<SetValue>(0, "t", 0)->add(member);
  for (const char* member : {"b", "a"}) other.write_or_create<SetValue>(0, "t", 0)->add(member);
  EXPECT_EQ(digest_keyspace(one, 0), digest_keyspace(other, 0));
  EXPECT_NE(digest_exact(one), digest_exact(other));
  one.set_string(0, "s", "v", {.expires_at_ms = 1000});
  const Digest before = digest_exact(one);
  one.set_string(0, "s", "v", {.expires_at_ms = 1001});
  EXPECT_NE(digest_exact(one), before);
}

}  // namespace
}  // namespace keelson::kv
