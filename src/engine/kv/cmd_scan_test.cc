// Walks in steps: what is there all the time is seen, options filter, and what is malformed is refused.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/crc16.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/test_support.h"

namespace keelson::kv {
namespace {

struct Step {
  std::string cursor;
  std::vector<std::string> items;
};

// Takes "[\"5\", [\"a\", \"b\"]]" apart; names without quotes or commas.
Step step_of(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  bool in_quotes = false;
  for (const char c : text) {
    if (c == '"') {
      if (in_quotes) words.push_back(std::exchange(word, {}));
      in_quotes = !in_quotes;
    } else if (in_quotes) {
      word += c;
    }
  }
  EXPECT_FALSE(words.empty()) << text;
  if (words.empty()) return {"0", {}};
  return {words[0], {words.begin() + 1, words.end()}};
}

// Walks to the end; how often each name was seen. `between` is called after each step.
template <class Between>
std::map<std::string, int> walk(TestNode& node, const std::string& command, const std::string& options, size_t stride,
                                Between between) {
  std::map<std::string, int> seen;
  std::string cursor = "0";
  int steps = 0;
  do {
    const Step step = step_of(node.run(command + " " + cursor + options));
    for (size_t i = 0; i < step.items.size(); i += stride) ++seen[step.items[i]];
    cursor = step.cursor;
    between();
    EXPECT_LT(++steps, 100000) << "a walk does not end";
  } while (cursor != "0" && steps < 100000);
  return seen;
}

constexpr auto kNothing = [] {};

TEST(Scan, SeesEveryMemberOfCollections) {
  for (const int size : {1, 20, 2000}) {
    TestNode node;
    for (int i = 0; i < size; ++i) {
      const std::string name = "m" + std::to_string(i);
      node.run("SADD s " + name);
      node.run("HSET h " + name + " v" + std::to_string(i));
      node.run("ZADD z " + std::to_string(i) + " " + name);
    }
    EXPECT_EQ(walk(node, "SSCAN s", "", 1, kNothing).size(), static_cast<size_t>(size));
    EXPECT_EQ(walk(node, "HSCAN h", " COUNT 7", 2, kNothing).size(), static_cast<size_t>(size));
    EXPECT_EQ(walk(node, "ZSCAN z", " COUNT 100", 2, kNothing).size(), static_cast<size_t>(size));
  }
}

TEST(Scan, SeesWhatStaysWhileOthersComeAndGo) {
  TestNode node;
  for (int i = 0; i < 1000; ++i) {
    node.run("SADD s stay" + std::to_string(i) + " go" + std::to_string(i));
    node.run("ZADD z 1 stay" + std::to_string(i) + " 2 go" + std::to_string(i));
    node.run("HSET h stay" + std::to_string(i) + " 1 go" + std::to_string(i) + " 2");
  }
  int next = 0;
  const auto churn = [&] {
    for (int i = 0; i < 20; ++i, ++next) {
      const std::string gone = " go" + std::to_string(next % 1000);
      node.run("SREM s" + gone);
      node.run("ZREM z" + gone);
      node.run("HDEL h" + gone);
      const std::string come = std::to_string(next);
      node.run("SADD s new" + come);
      node.run("ZADD z 3 new" + come);
      node.run("HSET h new" + come + " 3");
    }
  };
  const std::pair<const char*, size_t> walks[] = {{"SSCAN s", 1}, {"ZSCAN z", 2}, {"HSCAN h", 2}};
  for (const auto& [command, stride] : walks) {
    const std::map<std::string, int> seen = walk(node, command, " COUNT 50", stride, churn);
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.contains("stay" + std::to_string(i))) << command << " " << i;
  }
}

TEST(Scan, KeysOfAShard) {
  TestNode node;
  for (int i = 0; i < 1500; ++i) node.run("SET key" + std::to_string(i) + " v");
  for (int i = 0; i < 50; ++i) node.run("SADD set" + std::to_string(i) + " a");
  const std::map<std::string, int> seen = walk(node, "_SCAN", " COUNT 30", 1, kNothing);
  EXPECT_EQ(seen.size(), 1550u);
  for (const auto& [name, times] : seen) EXPECT_EQ(times, 1) << name;
  EXPECT_EQ(walk(node, "_SCAN", " COUNT 100 TYPE set", 1, kNothing).size(), 50u);
  EXPECT_EQ(walk(node, "_SCAN", " COUNT 100 TYPE SET MATCH set1*", 1, kNothing).size(), 11u);
  EXPECT_EQ(walk(node, "_SCAN", " TYPE nonsense COUNT 1000", 1, kNothing).size(), 0u);
  node.run("PEXPIRE set1 10");
  node.now_ms += 10;
  EXPECT_EQ(walk(node, "_SCAN", " COUNT 1000 TYPE set", 1, kNothing).size(), 49u);
  node.database = 1;
  EXPECT_EQ(node.run("_SCAN 0"), "[\"0\", []]");
}

TEST(Scan, KeysThatStayAreSeenWhileTheTableGrows) {
  TestNode node;
  for (int i = 0; i < 300; ++i) node.run("SET stay" + std::to_string(i) + " v");
  int next = 0;
  const auto grow = [&] {
    for (int i = 0; i < 100 && next < 20000; ++i, ++next) node.run("SET new" + std::to_string(next) + " v");
  };
  const std::map<std::string, int> seen = walk(node, "_SCAN", " COUNT 10 MATCH stay*", 1, grow);
  EXPECT_EQ(seen.size(), 300u);
}

TEST(Scan, Answers) {
  TestNode node;
  EXPECT_EQ(node.run("SSCAN none 0"), "[\"0\", []]");
  EXPECT_EQ(node.run("SSCAN none 0 NONSENSE"), "[\"0\", []]");
  node.run("HSET h f v");
  node.run("ZADD z 1.5 m");
  node.run("SADD s m other");
  EXPECT_EQ(node.run("HSCAN h 0"), "[\"0\", [\"f\", \"v\"]]");
  EXPECT_EQ(node.run("ZSCAN z 0"), "[\"0\", [\"m\", \"1.5\"]]");
  EXPECT_EQ(node.run("SSCAN s 0 MATCH o*"), "[\"0\", [\"other\"]]");
  EXPECT_EQ(node.run("SSCAN s 0 MATCH x*"), "[\"0\", []]");
  node.is_resp3 = true;
  EXPECT_EQ(node.run("ZSCAN z 0"), "[\"0\", [\"m\", \"1.5\"]]");
  EXPECT_EQ(node.run("HSCAN h 0"), "[\"0\", [\"f\", \"v\"]]");
}

TEST(Scan, MalformedArguments) {
  TestNode node;
  node.run("SADD s a");
  node.run("SET str v");
  EXPECT_EQ(node.run("SSCAN s x"), "(error) ERR invalid cursor");
  EXPECT_EQ(node.run("SSCAN none x"), "(error) ERR invalid cursor");
  EXPECT_EQ(node.run("SSCAN s 1x"), "(error) ERR invalid cursor");
  EXPECT_EQ(node.run("SSCAN s 0 COUNT 0"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("SSCAN s 0 COUNT -1"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("SSCAN s 0 COUNT x"), "(error) ERR value is not an integer or out of range");
  EXPECT_EQ(node.run("SSCAN s 0 COUNT"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("SSCAN s 0 TYPE set"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("SSCAN str 0"), "(error) WRONGTYPE Operation against a key holding the wrong kind of value");
  EXPECT_EQ(node.run("_SCAN x"), "(error) ERR invalid cursor");
  EXPECT_EQ(node.run("_SCAN 0 COUNT 0"), "(error) ERR syntax error");
  // A cursor nobody gave out is walked from, wherever that is.
  EXPECT_EQ(node.run("SSCAN s 123456789").substr(0, 1), "[");
}

// Keys that another shard has are there, but not shown.
TEST(Scan, LeavesOutSlotsThatAreHidden) {
  TestNode node;
  for (int i = 0; i < 100; ++i) node.run({"SET", "k" + std::to_string(i), "x"});
  auto hidden = std::make_unique<Keyspace::Slots>();
  std::set<std::string> shown;
  for (int i = 0; i < 100; ++i) {
    const std::string key = "k" + std::to_string(i);
    if (i % 10 != 0) {
      hidden->set(key_slot(key));
    } else {
      shown.insert(key);
    }
  }
  node.keyspace().hide(std::move(hidden));
  std::set<std::string> seen;
  for (const auto& [key, count] : walk(node, "_SCAN", "", 1, kNothing)) seen.insert(key);
  EXPECT_EQ(seen, shown);
  EXPECT_TRUE(shown.contains(step_of(node.run("RANDOMKEY")).cursor));
  EXPECT_EQ(step_of("[\"0\"" + node.run("KEYS *")).items.size(), 10U);
  EXPECT_EQ(node.run("GET k1"), "\"x\"");
  node.keyspace().hide(nullptr);
  EXPECT_EQ(step_of("[\"0\"" + node.run("KEYS *")).items.size(), 100U);
}

}  // namespace
}  // namespace keelson::kv
