#include "engine/kv/keyspace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "engine/kv/keyspace_test_support.h"

namespace keelson::kv {
namespace {

class Recorder final : public Observer {
 public:
  void key_changed(uint16_t database, std::string_view key) override { add("changed", database, key); }
  void notify(EventClass, std::string_view event, uint16_t database, std::string_view key) override {
    add(std::string(event), database, key);
  }
  void key_ready(uint16_t database, std::string_view key) override { add("ready", database, key); }
  void database_changed(uint16_t database) override { add("database", database, ""); }
  std::vector<std::string> take() { return std::exchange(events_, {}); }

 private:
  void add(const std::string& what, uint16_t database, std::string_view key) {
    events_.push_back(what + " " + std::to_string(database) + " " + std::string(key));
  }
  std::vector<std::string> events_;
};

using Events = std::vector<std::string>;

TEST(KeyspaceTest, FindsByTypeAndSaysWhatIsWrong) {
  Keyspace keyspace({});
  keyspace.set_string(3, "s", "text");
  EXPECT_TRUE(keyspace.read<StringValue>(3, "s", 0));
  EXPECT_TRUE(keyspace.read<StringValue>(0, "s", 0).missing());
  EXPECT_TRUE(keyspace.read<HashValue>(3, "s", 0).wrong_type());
  EXPECT_FALSE(keyspace.write<HashValue>(3, "s", 0));
  EXPECT_TRUE(keyspace.write_or_create<HashValue>(3, "s", 0).wrong_type());
  auto hash = keyspace.write_or_create<HashValue>(3, "h", 0);
  hash->set("f", "v");
  EXPECT_EQ(*keyspace.read<HashValue>(3, "h", 0)->get("f"), "v");
  EXPECT_EQ(keyspace.size(3), 2U);
  hash->erase("f");
  EXPECT_TRUE(keyspace.erase_if_empty(*hash));
  EXPECT_EQ(keyspace.size(3), 1U);
}

TEST(KeyspaceTest, EncodingsHaveRedissNames) {
  Keyspace keyspace({});
  const auto encoding = [&](std::string_view bytes) {
    return std::string(keyspace.set_string(0, "k", bytes).encoding_name());
  };
  EXPECT_EQ(encoding("12"), "int");
  EXPECT_EQ(encoding("-9223372036854775808"), "int");
  EXPECT_EQ(encoding("012"), "embstr");
  EXPECT_EQ(encoding(std::string(44, 'x')), "embstr");
  EXPECT_EQ(encoding(std::string(45, 'x')), "raw");
  EXPECT_EQ(encoding(std::string(100000, 'x')), "raw");
  EXPECT_EQ(encoding("short"), "embstr");
  keyspace.write<StringValue>(0, "k", 0)->append("er");
  EXPECT_EQ(keyspace.find(0, "k", 0).encoding_name(), "raw");
  EXPECT_EQ(encoding("again"), "embstr");
}

TEST(KeyspaceTest, KeysExpireByTheTimeThatIsGiven) {
  Keyspace keyspace({});
  Recorder recorder;
  keyspace.set_observer(&recorder);
  recorder.set_notify_classes(0xffff);
  keyspace.set_string(0, "k", "v", {.expires_at_ms = 1000});
  EXPECT_EQ(recorder.take(), Events{"new 0 k"});
  EXPECT_TRUE(keyspace.find(0, "k", 999));
  EXPECT_FALSE(keyspace.find(0, "k", 1000));
  EXPECT_EQ(keyspace.size(0), 1U) << "a query removes nothing";
  EXPECT_EQ(recorder.take(), Events{});
  EXPECT_FALSE(keyspace.find_for_write(0, "k", 1000));
  EXPECT_EQ(recorder.take(), (Events{"changed 0 k", "expired 0 k"}));
  EXPECT_EQ(keyspace.size(0), 0U);
  EXPECT_EQ(keyspace.expiring_count(0), 0U);
  keyspace.set_observer(nullptr);
}

// long: one case for each operation, beside what it does to the model.
TEST(KeyspaceTest, TheIndexOfExpiriesFollowsEveryChange) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    TestRandom random(seed);
    KeyspaceOptions options;
    options.hash_secret = seed;
    Keyspace keyspace(options);
    std::map<std::string, int64_t> model;  // key -> expiry or kNoExpiry
    for (int step = 0; step < 20000; ++step) {
      const std::string key = "k" + std::to_string(random.below(700));
      const int64_t at = random.one_in(3) ? kNoExpiry : static_cast<int64_t>(random.below(5000));
      Value value = keyspace.find(0, key, -1);
      ASSERT_EQ(static_cast<bool>(value), model.contains(key));
      switch (random.below(6)) {
        case 0:
          keyspace.set_string(0, key, random.text(50), {.expires_at_ms = at});
          model[key] = at;
          break;
        case 1:
          keyspace.set_string(0, key, random.text(50), {.keep_expiry = true});
          model.try_emplace(key, kNoExpiry);
          break;
        case 2:
          if (!value) break;
          keyspace.set_expiry(value, at);
          ASSERT_EQ(value.expires_at_ms(), at);
          model[key] = at;
          break;
        case 3:
          if (value) keyspace.erase(value);
          model.erase(key);
          break;
        case 4: {
          if (!value) break;
          const std::string other = "k" + std::to_string(random.below(700));
          if (other == key) break;
          if (random.one_in(2)) {
            keyspace.copy(value, 0, other);
            model[other] = model[key];
          } else {
            keyspace.put(0, other, keyspace.take(value));
            model[other] = model[key];
            model.erase(key);
          }
          break;
        }
        default:
          break;
      }
      if (step % 500 != 0) continue;
      const auto now = static_cast<int64_t>(random.below(5000));
      std::set<std::string> due;
      keyspace.due_keys(now, SIZE_MAX, [&](uint16_t, std::string_view each) { due.emplace(each); });
      std::set<std::string> expected;
      size_t expiring = 0;
      int64_t first = kNoExpiry;
      for (const auto& [each, expiry] : model) {
        if (expiry == kNoExpiry) continue;
        ++expiring;
        if (expiry <= now) expected.insert(each);
        if (first == kNoExpiry || expiry < first) first = expiry;
      }
      ASSERT_EQ(due, expected);
      ASSERT_EQ(keyspace.expiring_count(0), expiring);
      ASSERT_EQ(keyspace.next_expiry_ms(), first);
      // In pieces.
      std::set<std::string> in_pieces;
      for (size_t from = 0, seen = 1; seen != 0; from += seen) {
        seen = keyspace.due_keys(now, 7, from, [&](uint16_t, std::string_view each) { in_pieces.emplace(each); });
      }
      ASSERT_EQ(in_pieces, due);
      for (const std::string& each : due) {
        ASSERT_TRUE(keyspace.expire_if_due(0, each, now));
        model.erase(each);
      }
      ASSERT_EQ(keyspace.size(0), model.size());
    }
  }
}

TEST(KeyspaceTest, TellsOfKeysThatWaitersMayWant) {
  Keyspace keyspace({});
  Recorder recorder;
  keyspace.set_observer(&recorder);
  keyspace.create<ListValue>(0, "l").push(ListEnd::kTail, "x");
  keyspace.create<SortedSetValue>(0, "z").set("x", 1);
  keyspace.create<SetValue>(0, "s").add("x");
  EXPECT_EQ(recorder.take(), (Events{"ready 0 l", "ready 0 z"}));
  Value list = keyspace.find_for_write(0, "l", 0);
  keyspace.put(5, "moved", keyspace.take(list));
  EXPECT_EQ(recorder.take(), Events{"ready 5 moved"});
  keyspace.swap(5, 6);
  EXPECT_EQ(recorder.take(), (Events{"database 5 ", "database 6 "}));
  EXPECT_TRUE(keyspace.read<ListValue>(6, "moved", 0));
  keyspace.flush_all();
  EXPECT_EQ(recorder.take(), Events{"database 65535 "});
  EXPECT_EQ(keyspace.size(6), 0U);
  keyspace.set_observer(nullptr);
}

TEST(KeyspaceTest, CopiesShareNothing) {
  Keyspace keyspace({});
  TestRandom random(1);
  ListValue list = keyspace.create<ListValue>(0, "list");
  HashValue hash = keyspace.create<HashValue>(0, "hash");
  SetValue set = keyspace.create<SetValue>(0, "set");
  SortedSetValue sorted_set = keyspace.create<SortedSetValue>(0, "zset");
  for (int i = 0; i < 2000; ++i) {
    list.push(ListEnd::kHead, random.text(30));
    hash.set(random.text(30), random.text(30));
    set.add(random.text(30));
    sorted_set.set(random.text(30), static_cast<double>(random.below(100)));
  }
  keyspace.set_string(0, "string", std::string(50000, 'x'), {.expires_at_ms = 77});
  for (const char* name : {"list", "hash", "set", "zset", "string"}) {
    const std::string copy = std::string(name) + "2";
    const std::string before = describe(keyspace.find(0, name, 0));
    keyspace.copy(keyspace.find(0, name, 0), 1, copy);
    EXPECT_EQ(describe(keyspace.find(1, copy, 0)), before);
    keyspace.erase(0, name, 0);
    EXPECT_EQ(describe(keyspace.find(1, copy, 0)), before);
  }
}

TEST(KeyspaceTest, DroppedValuesAreFreedInSlices) {
  Keyspace keyspace({});
  for (int key = 0; key < 3; ++key) {
    SetValue set = keyspace.create<SetValue>(0, "set" + std::to_string(key));
    for (int i = 0; i < 5000; ++i) set.add("member" + std::to_string(i));
  }
  EXPECT_TRUE(keyspace.erase(0, "set0", 0));
  EXPECT_EQ(keyspace.lazy_free_pending(), 1U);
  int slices = 0;
  while (keyspace.lazy_free_step(1000)) ++slices;
  EXPECT_GE(slices, 4);
  EXPECT_EQ(keyspace.lazy_free_pending(), 0U);
  for (int i = 0; i < 20000; ++i) keyspace.set_string(0, std::to_string(i), "v", {.expires_at_ms = i});
  keyspace.flush(0);
  EXPECT_EQ(keyspace.size(0), 0U);
  EXPECT_EQ(keyspace.lazy_free_pending(), 1U);
  slices = 0;
  while (keyspace.lazy_free_step(1000)) ++slices;
  EXPECT_GE(slices, 30);
  EXPECT_EQ(keyspace.lazy_free_pending(), 0U);
}

TEST(KeyspaceTest, ScansEveryKeyAndPicksSomeAtRandom) {
  Keyspace keyspace({});
  for (int i = 0; i < 5000; ++i)
    keyspace.set_string(2, "key" + std::to_string(i), "v", {.expires_at_ms = i % 2 == 0 ? 10 : kNoExpiry});
  std::set<std::string> seen;
  uint64_t cursor = 0;
  do {
    cursor =
        keyspace.scan(2, cursor, 10, [&seen](const Value& value) { EXPECT_TRUE(seen.emplace(value.key()).second); });
  } while (cursor != 0);
  EXPECT_EQ(seen.size(), 5000U);
  std::set<std::string> picked;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const Value value = keyspace.random(2, seed, 50);
    ASSERT_TRUE(value);
    EXPECT_EQ(value.expires_at_ms(), kNoExpiry);
    picked.emplace(value.key());
  }
  EXPECT_GT(picked.size(), 1000U);
  EXPECT_FALSE(keyspace.random(0, 1, 50));
}

TEST(KeyspaceTest, EvictsWhatWasUsedLongestAgo) {
  KeyspaceOptions options;
  options.eviction_policy = EvictionPolicy::kAllKeysLru;
  Keyspace keyspace(options);
  constexpr int kKeys = 1000;
  for (int i = 0; i < kKeys; ++i) {
    keyspace.tick(i * 1000);
    keyspace.set_string(0, std::to_string(i), "v");
  }
  int from_older_half = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    const auto victim = keyspace.pick_victim(5, i, kKeys * 1000);
    ASSERT_TRUE(victim);
    from_older_half += std::stoi(victim->key) < kKeys / 2 ? 1 : 0;
    ASSERT_TRUE(keyspace.erase(victim->database, victim->key, 0));
  }
  EXPECT_GT(from_older_half, 180);
}

TEST(KeyspaceTest, EachPolicyTakesItsOwn) {
  for (const EvictionPolicy policy :
       {EvictionPolicy::kVolatileLru, EvictionPolicy::kVolatileLfu, EvictionPolicy::kVolatileRandom,
        EvictionPolicy::kVolatileTtl, EvictionPolicy::kAllKeysRandom, EvictionPolicy::kAllKeysLfu}) {
    KeyspaceOptions options;
    options.eviction_policy = policy;
    Keyspace keyspace(options);
    keyspace.tick(1000);
    keyspace.set_string(1, "stays", "v");
    for (int i = 0; i < 20; ++i) keyspace.set_string(2, "goes" + std::to_string(i), "v", {.expires_at_ms = 100000 + i});
    std::vector<std::string> victims;
    while (const auto victim = keyspace.pick_victim(5, victims.size(), 2000)) {
      victims.push_back(victim->key);
      ASSERT_TRUE(keyspace.erase(victim->database, victim->key, 2000));
    }
    const bool is_volatile = policy != EvictionPolicy::kAllKeysRandom && policy != EvictionPolicy::kAllKeysLfu;
    EXPECT_EQ(victims.size(), is_volatile ? 20U : 21U);
    if (policy == EvictionPolicy::kVolatileTtl) {
      EXPECT_EQ(victims[0], "goes0");
    }
  }
  Keyspace keyspace({});
  keyspace.set_string(0, "k", "v");
  EXPECT_FALSE(keyspace.pick_victim(5, 1, 1));
}

TEST(KeyspaceTest, FrequencyGrowsWithUseAndDecays) {
  KeyspaceOptions options;
  options.eviction_policy = EvictionPolicy::kAllKeysLfu;
  Keyspace keyspace(options);
  keyspace.tick(60000);
  keyspace.set_string(0, "k", "v");
  EXPECT_EQ(keyspace.frequency(keyspace.find(0, "k", 60000, Touch::kNo), 60000), 5);
  for (int i = 0; i < 1000; ++i) (void)keyspace.find(0, "k", 60000);
  const uint8_t used = keyspace.frequency(keyspace.find(0, "k", 60000, Touch::kNo), 60000);
  EXPECT_GT(used, 8);
  EXPECT_LT(used, 40);
  EXPECT_EQ(keyspace.frequency(keyspace.find(0, "k", 60000 * 4, Touch::kNo), 60000 * 4), used - 3);
}

TEST(KeyspaceTest, IdleTimeIsSinceTheLastUse) {
  Keyspace keyspace({});
  keyspace.tick(5000);
  Value value = keyspace.set_string(0, "k", "v");
  EXPECT_EQ(keyspace.idle_ms(value, 65000), 60000);
  (void)keyspace.find(0, "k", 60000, Touch::kNo);
  EXPECT_EQ(keyspace.idle_ms(value, 65000), 60000);
  (void)keyspace.find(0, "k", 60000);
  EXPECT_EQ(keyspace.idle_ms(value, 65000), 5000);
  keyspace.set_idle(value, 7000, 65000);
  EXPECT_EQ(keyspace.idle_ms(value, 65000), 7000);
}

TEST(KeyspaceTest, KeysAndValuesOfEveryLength) {
  Keyspace keyspace({});
  for (const size_t key_bytes : {0, 1, 15, 254, 255, 256, 65534, 65535, 65536, 200000}) {
    for (const size_t value_bytes : {0, 1, 254, 255, 256, 4096, 4097}) {
      const std::string key(key_bytes, 'k');
      Value value = keyspace.set_string(0, key, std::string(value_bytes, 'v'));
      keyspace.set_expiry(value, 123456);
      keyspace.set_expiry(value, kNoExpiry);
      keyspace.set_expiry(value, 99);
      const auto found = keyspace.read<StringValue>(0, key, 0);
      ASSERT_TRUE(found);
      EXPECT_EQ(found->key(), key);
      EXPECT_EQ(found->bytes(), std::string(value_bytes, 'v'));
      EXPECT_EQ(found->expires_at_ms(), 99);
      EXPECT_GE(found->memory_bytes(0), key_bytes + value_bytes + 16);
    }
  }
}

}  // namespace
}  // namespace keelson::kv
