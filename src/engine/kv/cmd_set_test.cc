// Sets: exact answers, events, effects over shards, and a model of plain std::sets.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "engine/kv/members.h"
#include "engine/kv/test_support.h"

namespace keelson::kv {
namespace {

constexpr std::string_view kWrongType = "(error) WRONGTYPE Operation against a key holding the wrong kind of value";

// The elements of "[a, b]" or "~[a, b]", sorted.
std::set<std::string> elements(std::string text) {
  if (text.starts_with('~')) text.erase(0, 1);
  std::set<std::string> result;
  size_t at = 1;
  while (at + 1 < text.size()) {
    const size_t end = std::min(text.find(", ", at), text.size() - 1);
    result.insert(text.substr(at, end - at));
    at = end + 2;
  }
  return result;
}

TEST(Sets, AddRemoveAsk) {
  TestNode node;
  EXPECT_EQ(node.run("SADD s a b c a"), ":3");
  EXPECT_EQ(node.take_events(), "sadd:s");
  EXPECT_EQ(node.run("SADD s a"), ":0");
  EXPECT_EQ(node.take_events(), "");
  EXPECT_EQ(node.run("SCARD s"), ":3");
  EXPECT_EQ(node.run("SISMEMBER s a"), ":1");
  EXPECT_EQ(node.run("SISMEMBER s x"), ":0");
  EXPECT_EQ(node.run("SMISMEMBER s a x c"), "[:1, :0, :1]");
  EXPECT_EQ(elements(node.run("SMEMBERS s")), (std::set<std::string>{"\"a\"", "\"b\"", "\"c\""}));
  EXPECT_EQ(node.run("SREM s x"), ":0");
  EXPECT_EQ(node.take_events(), "");
  EXPECT_EQ(node.run("SREM s a x b"), ":2");
  EXPECT_EQ(node.take_events(), "srem:s");
  EXPECT_EQ(node.run("SREM s c d"), ":1");
  EXPECT_EQ(node.take_events(), "srem:s del:s");
  EXPECT_EQ(node.run("EXISTS s"), ":0");
}

TEST(Sets, MissingKeys) {
  TestNode node;
  EXPECT_EQ(node.run("SCARD s"), ":0");
  EXPECT_EQ(node.run("SISMEMBER s a"), ":0");
  EXPECT_EQ(node.run("SMISMEMBER s a b"), "[:0, :0]");
  EXPECT_EQ(node.run("SMEMBERS s"), "[]");
  EXPECT_EQ(node.run("SREM s a"), ":0");
  EXPECT_EQ(node.run("SPOP s"), "nil");
  EXPECT_EQ(node.run("SPOP s 2"), "[]");
  EXPECT_EQ(node.run("SRANDMEMBER s"), "nil");
  EXPECT_EQ(node.run("SRANDMEMBER s 2"), "[]");
  EXPECT_EQ(node.run("SMOVE s t a"), ":0");
  EXPECT_EQ(node.run("SINTER s t"), "[]");
  EXPECT_EQ(node.run("SUNION s t"), "[]");
  EXPECT_EQ(node.run("SDIFF s t"), "[]");
  EXPECT_EQ(node.run("SINTERCARD 2 s t"), ":0");
  EXPECT_EQ(node.run("SUNIONSTORE d s t"), ":0");
  EXPECT_EQ(node.take_events(), "");
  node.is_resp3 = true;
  EXPECT_EQ(node.run("SMEMBERS s"), "~[]");
  EXPECT_EQ(node.run("SPOP s 2"), "~[]");
  EXPECT_EQ(node.run("SRANDMEMBER s 2"), "[]");
  EXPECT_EQ(node.run("SINTER s t"), "~[]");
}

TEST(Sets, WrongTypes) {
  TestNode node;
  node.run("SET str v");
  node.run("SADD s a");
  for (const char* line : {"SADD str a", "SREM str a", "SCARD str", "SISMEMBER str a", "SMISMEMBER str a",
                           "SMEMBERS str", "SPOP str", "SPOP str 2", "SRANDMEMBER str", "SRANDMEMBER str 1",
                           "SMOVE str s a", "SMOVE s str a", "SINTER s str", "SINTER none str", "SUNION s str",
                           "SDIFF s str", "SDIFF none str", "SINTERSTORE d s str", "SINTERCARD 2 s str"}) {
    EXPECT_EQ(node.run(line), kWrongType) << line;
  }
  EXPECT_EQ(node.run("SMOVE none str a"), ":0");
  // A destination may be anything.
  EXPECT_EQ(node.run("SUNIONSTORE str s"), ":1");
  EXPECT_EQ(node.run("TYPE str"), "set");
}

TEST(Sets, MalformedArguments) {
  TestNode node;
  node.run("SADD s a b");
  EXPECT_EQ(node.run("SPOP s -1"), "(error) ERR value is out of range, must be positive");
  EXPECT_EQ(node.run("SPOP s x"), "(error) ERR value is out of range, must be positive");
  EXPECT_EQ(node.run("SPOP s 1 2"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("SRANDMEMBER s x"), "(error) ERR value is not an integer or out of range");
  EXPECT_EQ(node.run("SRANDMEMBER s 1 2"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("SRANDMEMBER s -9223372036854775807"), "(error) ERR value is out of range");
  EXPECT_EQ(node.run("SINTERCARD 0 s"), "(error) ERR numkeys should be greater than 0");
  EXPECT_EQ(node.run("SINTERCARD x s"), "(error) ERR numkeys should be greater than 0");
  EXPECT_EQ(node.run("SINTERCARD 2 s"), "(error) ERR Number of keys can't be greater than number of args");
  EXPECT_EQ(node.run("SINTERCARD 1 s LIMIT"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("SINTERCARD 1 s LIMIT -1"), "(error) ERR LIMIT can't be negative");
  EXPECT_EQ(node.run("SINTERCARD 1 s MORE 1"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("SCARD s"), ":2");
}

TEST(Sets, Move) {
  TestNode node;
  node.run("SADD a x y");
  node.run("SADD b y");
  node.take_events();
  EXPECT_EQ(node.run("SMOVE a b x"), ":1");
  EXPECT_EQ(node.take_events(), "srem:a sadd:b");
  EXPECT_EQ(node.run("SMOVE a b y"), ":1");
  EXPECT_EQ(node.take_events(), "srem:a del:a");
  EXPECT_EQ(node.run("SMOVE b b y"), ":1");
  EXPECT_EQ(node.run("SMOVE b b z"), ":0");
  EXPECT_EQ(node.run("SMOVE b c z"), ":0");
  EXPECT_EQ(node.take_events(), "");
  EXPECT_EQ(node.run("SMOVE b c x"), ":1");
  EXPECT_EQ(node.run("SMEMBERS c"), "[\"x\"]");
}

TEST(Sets, Algebra) {
  TestNode node;
  node.run("SADD a 1 2 3 4");
  node.run("SADD b 3 4 5");
  node.run("SADD c 4 5 x");
  const auto set_of = [](std::initializer_list<const char*> members) {
    std::set<std::string> result;
    for (const char* member : members) result.insert(quote(member));
    return result;
  };
  EXPECT_EQ(elements(node.run("SINTER a b")), set_of({"3", "4"}));
  EXPECT_EQ(elements(node.run("SINTER a b c")), set_of({"4"}));
  EXPECT_EQ(node.run("SINTER a b none"), "[]");
  EXPECT_EQ(elements(node.run("SUNION a b c none")), set_of({"1", "2", "3", "4", "5", "x"}));
  EXPECT_EQ(elements(node.run("SUNION a b c none a b c")), set_of({"1", "2", "3", "4", "5", "x"}));
  EXPECT_EQ(elements(node.run("SDIFF a b")), set_of({"1", "2"}));
  EXPECT_EQ(elements(node.run("SDIFF a none c")), set_of({"1", "2", "3"}));
  EXPECT_EQ(node.run("SDIFF a a"), "[]");
  EXPECT_EQ(node.run("SINTERCARD 2 a b"), ":2");
  EXPECT_EQ(node.run("SINTERCARD 2 a b LIMIT 1"), ":1");
  EXPECT_EQ(node.run("SINTERCARD 2 a b limit 0"), ":2");
  EXPECT_EQ(node.run("SINTERCARD 2 a b LIMIT 10"), ":2");
  node.take_events();
  EXPECT_EQ(node.run("SINTERSTORE a a b"), ":2");
  EXPECT_EQ(node.take_events(), "sinterstore:a");
  EXPECT_EQ(elements(node.run("SMEMBERS a")), set_of({"3", "4"}));
  EXPECT_EQ(node.run("SDIFFSTORE a a b"), ":0");
  EXPECT_EQ(node.take_events(), "del:a");
  EXPECT_EQ(node.run("EXISTS a"), ":0");
  EXPECT_EQ(node.run("SUNIONSTORE b b c"), ":4");
  EXPECT_EQ(node.take_events(), "sunionstore:b");
  // The result has no time to live, whatever the key had.
  node.run("EXPIRE b 100");
  EXPECT_EQ(node.run("SUNIONSTORE b b"), ":4");
  EXPECT_EQ(node.run("TTL b"), ":-1");
}

TEST(Sets, ExpiredKeysCountAsMissing) {
  TestNode node;
  node.run("SADD a 1 2");
  node.run("SADD b 2 3");
  node.run("PEXPIRE a 10");
  node.now_ms += 10;
  EXPECT_EQ(node.run("SINTER a b"), "[]");
  EXPECT_EQ(node.run("SISMEMBER a 1"), ":0");
  node.take_events();
  EXPECT_EQ(node.run("SADD a 9"), ":1");
  EXPECT_EQ(node.take_events(), "expired:a sadd:a");
  EXPECT_EQ(node.run("SMEMBERS a"), "[\"9\"]");
}

TEST(Sets, RandomPicks) {
  TestNode node;
  std::set<std::string> all;
  for (int i = 0; i < 50; ++i) {
    node.run("SADD s m" + std::to_string(i));
    all.insert(quote("m" + std::to_string(i)));
  }
  const std::string one = node.run("SRANDMEMBER s");
  EXPECT_TRUE(all.contains(one)) << one;
  for (const int count : {1, 10, 30, 49}) {
    const std::set<std::string> some = elements(node.run("SRANDMEMBER s " + std::to_string(count)));
    EXPECT_EQ(some.size(), static_cast<size_t>(count));
    EXPECT_TRUE(std::includes(all.begin(), all.end(), some.begin(), some.end()));
  }
  EXPECT_EQ(elements(node.run("SRANDMEMBER s 50")), all);
  EXPECT_EQ(elements(node.run("SRANDMEMBER s 1000")), all);
  EXPECT_EQ(node.run("SRANDMEMBER s 0"), "[]");
  const std::string many = node.run("SRANDMEMBER s -200");
  EXPECT_EQ(std::count(many.begin(), many.end(), ','), 199);
  EXPECT_EQ(node.run("SCARD s"), ":50");
}

TEST(Sets, Pop) {
  TestNode node;
  node.run("SADD s a b c d e");
  node.take_events();
  const std::string one = node.run("SPOP s");
  EXPECT_EQ(node.take_events(), "spop:s");
  EXPECT_EQ(node.run("SISMEMBER s " + one), ":0");
  EXPECT_EQ(node.run("SPOP s 0"), "[]");
  EXPECT_EQ(node.take_events(), "");
  const std::set<std::string> two = elements(node.run("SPOP s 2"));
  EXPECT_EQ(two.size(), 2u);
  EXPECT_EQ(node.take_events(), "spop:s");
  const std::set<std::string> rest = elements(node.run("SPOP s 100"));
  EXPECT_EQ(node.take_events(), "spop:s del:s");
  EXPECT_EQ(rest.size(), 2u);
  EXPECT_EQ(node.run("EXISTS s"), ":0");
  node.run("SADD s last");
  node.take_events();
  node.is_resp3 = true;
  EXPECT_EQ(node.run("SPOP s 1"), "~[\"last\"]");
  EXPECT_EQ(node.take_events(), "spop:s del:s");
}

TEST(Sets, OverShardsEachLogsItsOwnPart) {
  TestNode node(4);
  node.run("SADD a 1 2 x");
  node.run("SADD b 2 3 y");
  node.run("SADD c 2");
  node.take_logged();
  ASSERT_NE(node.shard_of("a"), node.shard_of("b"));
  EXPECT_EQ(node.run("SMOVE a b x"), ":1");
  EXPECT_EQ(node.take_logged(), "SREM a x | SADD b x");
  EXPECT_EQ(node.run("SMOVE a b 2"), ":1");
  EXPECT_EQ(node.take_logged(), "SREM a 2");
  EXPECT_EQ(node.run("SINTERSTORE d a b"), ":0");
  EXPECT_EQ(node.take_logged(), "");
  EXPECT_EQ(node.run("SUNIONSTORE d a b c"), ":5");
  EXPECT_TRUE(node.take_logged().starts_with("_PUT d 0 "));
  EXPECT_EQ(node.run("SDIFFSTORE d c b"), ":0");
  EXPECT_EQ(node.take_logged(), "DEL d");
}

// long: one loop with a case for each command beside its oracle.
TEST(Sets, RandomCommandsAgreeWithPlainSetsAndReplay) {
  for (const unsigned shards : {1u, 4u}) {
    TestNode node(shards);
    std::map<std::string, std::set<std::string>> model;
    std::mt19937 random(7 + shards);
    const auto below = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
    const auto member = [&] { return (below(2) == 0 ? "" : "m") + std::to_string(below(40)); };
    const auto key = [&] { return std::string(1, static_cast<char>('a' + below(6))); };
    const auto forget_empty = [&](const std::string& name) {
      if (model[name].empty()) model.erase(name);
    };
    for (int step = 0; step < 4000; ++step) {
      const std::string one = key();
      const std::string other = key();
      const std::string target = key();
      const std::string what = member();
      switch (below(8)) {
        case 0:
        case 1:
        case 2:
          ASSERT_EQ(node.run("SADD " + one + " " + what), model[one].insert(what).second ? ":1" : ":0");
          break;
        case 3:
          ASSERT_EQ(node.run("SREM " + one + " " + what), model[one].erase(what) == 1 ? ":1" : ":0");
          forget_empty(one);
          break;
        case 4: {
          const std::string popped = node.run("SPOP " + one);
          if (model.contains(one)) {
            ASSERT_EQ(model[one].erase(popped.substr(1, popped.size() - 2)), 1u) << popped;
            forget_empty(one);
          } else {
            ASSERT_EQ(popped, "nil");
          }
          break;
        }
        case 5: {
          std::set<std::string> result = model[one];
          result.insert(model[other].begin(), model[other].end());
          forget_empty(one), forget_empty(other);
          ASSERT_EQ(node.run("SUNIONSTORE " + target + " " + one + " " + other), ":" + std::to_string(result.size()));
          model[target] = result;
          forget_empty(target);
          break;
        }
        case 6: {
          std::set<std::string> result;
          for (const std::string& each : model[one]) {
            if (model[other].contains(each) == (step % 2 == 0)) result.insert(each);
          }
          forget_empty(one), forget_empty(other);
          const std::string name = step % 2 == 0 ? "SINTERSTORE " : "SDIFFSTORE ";
          ASSERT_EQ(node.run(name + target + " " + one + " " + other), ":" + std::to_string(result.size()));
          model[target] = result;
          forget_empty(target);
          break;
        }
        default: {
          const bool is_there = model.contains(one) && model[one].contains(what);
          ASSERT_EQ(node.run("SMOVE " + one + " " + other + " " + what), is_there ? ":1" : ":0");
          if (is_there && one != other) {
            model[one].erase(what);
            model[other].insert(what);
            forget_empty(one);
          }
        }
      }
    }
    for (char name = 'a'; name < 'g'; ++name) {
      const std::string text(1, name);
      std::set<std::string> expected;
      if (model.contains(text)) {
        for (const std::string& each : model[text]) expected.insert(quote(each));
      }
      EXPECT_EQ(elements(node.run("SMEMBERS " + text)), expected) << text;
    }
    TestNode other(shards);
    node.replay_into(other);
    EXPECT_EQ(node.shard_digests(), other.shard_digests());
  }
}

TEST(Chance, IsTheSameForTheSameSeedAndStaysInBounds) {
  Chance one(5);
  Chance other(5);
  for (int i = 0; i < 1000; ++i) {
    const size_t picked = one.below(7);
    EXPECT_LT(picked, 7u);
    EXPECT_EQ(picked, other.below(7));
  }
  // Every outcome about equally often.
  std::vector<int> seen(10);
  Chance chance(9);
  for (int i = 0; i < 10000; ++i) ++seen[chance.below(10)];
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
}

TEST(Chance, PickedIndexesAreDifferent) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{50}, size_t{51}, size_t{99}, size_t{100}}) {
    Chance chance(count);
    const std::vector<uint32_t> picked = pick_indexes(chance, 100, count);
    EXPECT_EQ(picked.size(), count);
    EXPECT_EQ(std::set<uint32_t>(picked.begin(), picked.end()).size(), count);
    for (const uint32_t index : picked) EXPECT_LT(index, 100u);
  }
}

}  // namespace
}  // namespace keelson::kv
