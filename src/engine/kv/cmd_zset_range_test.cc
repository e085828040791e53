// Ranges of sorted sets against an oracle that filters a sorted vector, and exact answers for what is odd.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/kv/test_support.h"

namespace keelson::kv {
namespace {

using Pairs = std::vector<std::pair<double, std::string>>;  // ascending

std::string shown(const Pairs& pairs) {
  std::string text = "[";
  for (const auto& [score, member] : pairs) text += (text.size() > 1 ? ", " : "") + quote(member);
  return text + "]";
}

class Ranges : public ::testing::Test {
 protected:
  // Fills a set with `count` members; scores repeat, so that names decide.
  void fill(size_t count, unsigned seed) {
    std::mt19937 random(seed);
    pairs_.clear();
    node_.run("DEL z");
    for (size_t i = 0; i < count; ++i) {
      const std::string member = "m" + std::to_string(random() % (count * 2));
      const double score = static_cast<double>(random() % 10);
      std::erase_if(pairs_, [&](const auto& pair) { return pair.second == member; });
      pairs_.emplace_back(score, member);
      node_.run("ZADD z " + std::to_string(static_cast<int>(score)) + " " + member);
    }
    std::sort(pairs_.begin(), pairs_.end());
  }

  template <class Test>
  Pairs filtered(Test test) const {
    Pairs result;
    std::copy_if(pairs_.begin(), pairs_.end(), std::back_inserter(result), test);
    return result;
  }

  static Pairs limited(Pairs pairs, int offset, int limit) {
    if (offset < 0 || static_cast<size_t>(offset) >= pairs.size()) return {};
    pairs.erase(pairs.begin(), pairs.begin() + offset);
    if (limit >= 0 && static_cast<size_t>(limit) < pairs.size()) pairs.resize(static_cast<size_t>(limit));
    return pairs;
  }

  TestNode node_;
  Pairs pairs_;
};

TEST_F(Ranges, ByRank) {
  for (const size_t size : {size_t{1}, size_t{7}, size_t{300}}) {
    fill(size, 3);
    const auto count = static_cast<int>(pairs_.size());
    for (const int start : {-count - 2, -count, -3, -1, 0, 1, 2, count - 1, count, count + 5}) {
      for (const int stop : {-count - 2, -count, -3, -1, 0, 1, 4, count - 1, count + 5}) {
        const int from = std::max(start < 0 ? start + count : start, 0);
        const int to = std::min(stop < 0 ? stop + count : stop, count - 1);
        Pairs up;
        Pairs down;
        for (int i = from; i <= to; ++i) {
          up.push_back(pairs_[static_cast<size_t>(i)]);
          down.push_back(pairs_[static_cast<size_t>(count - 1 - i)]);
        }
        const std::string ends = " z " + std::to_string(start) + " " + std::to_string(stop);
        EXPECT_EQ(node_.run("ZRANGE" + ends), shown(up)) << ends;
        EXPECT_EQ(node_.run("ZREVRANGE" + ends), shown(down)) << ends;
        EXPECT_EQ(node_.run("ZRANGE" + ends + " REV"), shown(down)) << ends;
      }
    }
  }
}

TEST_F(Ranges, ByScore) {
  for (const size_t size : {size_t{5}, size_t{400}}) {
    fill(size, 4);
    std::mt19937 random(9);
    for (int round = 0; round < 200; ++round) {
      const auto end = [&](bool& is_open, double& value) {
        is_open = random() % 2 == 0;
        value = static_cast<double>(static_cast<int>(random() % 14)) - 2;
        std::string text = std::to_string(static_cast<int>(value));
        if (random() % 8 == 0) {
          value = random() % 2 == 0 ? -HUGE_VAL : HUGE_VAL;
          text = value < 0 ? "-inf" : "+inf";
        }
        return (is_open ? "(" : "") + text;
      };
      bool min_open = false;
      bool max_open = false;
      double min = 0;
      double max = 0;
      const std::string min_text = end(min_open, min);
      const std::string max_text = end(max_open, max);
      Pairs expected = filtered([&](const auto& pair) {
        return (min_open ? pair.first > min : pair.first >= min) && (max_open ? pair.first < max : pair.first <= max);
      });
      const int offset = static_cast<int>(random() % 6) - 1;
      const int limit = static_cast<int>(random() % 6) - 1;
      const std::string limit_text = " LIMIT " + std::to_string(offset) + " " + std::to_string(limit);
      const std::string up = min_text + " " + max_text;
      const std::string down = max_text + " " + min_text;
      EXPECT_EQ(node_.run("ZCOUNT z " + up), ":" + std::to_string(expected.size())) << up;
      EXPECT_EQ(node_.run("ZRANGEBYSCORE z " + up), shown(expected)) << up;
      EXPECT_EQ(node_.run("ZRANGE z " + up + " BYSCORE" + limit_text), shown(limited(expected, offset, limit))) << up;
      std::reverse(expected.begin(), expected.end());
      EXPECT_EQ(node_.run("ZREVRANGEBYSCORE z " + down + limit_text), shown(limited(expected, offset, limit))) << down;
      EXPECT_EQ(node_.run("ZRANGE z " + down + " REV BYSCORE"), shown(expected)) << down;
    }
  }
}

TEST_F(Ranges, ByName) {
  std::mt19937 random(5);
  for (const int size : {6, 300}) {
    node_.run("DEL z");
    pairs_.clear();
    for (int i = 0; i < size; ++i) {
      std::string member;
      for (unsigned length = random() % 4; length > 0; --length) member += static_cast<char>('a' + random() % 4);
      if (std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& pair) { return pair.second == member; })) continue;
      pairs_.emplace_back(0, member);
      node_.run({"ZADD", "z", "0", member});
    }
    std::sort(pairs_.begin(), pairs_.end());
    for (int round = 0; round < 200; ++round) {
      const auto end = [&]() -> std::string {
        if (random() % 8 == 0) return random() % 2 == 0 ? "-" : "+";
        std::string text = random() % 2 == 0 ? "[" : "(";
        for (unsigned length = random() % 3; length > 0; --length) text += static_cast<char>('a' + random() % 4);
        return text;
      };
      const auto from = [](const std::string& bound, const std::string& member) {
        if (bound == "-" || bound == "+") return bound == "-";
        return bound[0] == '[' ? member >= bound.substr(1) : member > bound.substr(1);
      };
      const auto to = [](const std::string& bound, const std::string& member) {
        if (bound == "-" || bound == "+") return bound == "+";
        return bound[0] == '[' ? member <= bound.substr(1) : member < bound.substr(1);
      };
      const std::string min = end();
      const std::string max = end();
      Pairs expected = filtered([&](const auto& pair) { return from(min, pair.second) && to(max, pair.second); });
      EXPECT_EQ(node_.run("ZLEXCOUNT z " + min + " " + max), ":" + std::to_string(expected.size()));
      EXPECT_EQ(node_.run("ZRANGEBYLEX z " + min + " " + max), shown(expected)) << min << max;
      EXPECT_EQ(node_.run("ZRANGE z " + min + " " + max + " BYLEX LIMIT 1 2"), shown(limited(expected, 1, 2)));
      std::reverse(expected.begin(), expected.end());
      EXPECT_EQ(node_.run("ZREVRANGEBYLEX z " + max + " " + min), shown(expected)) << min << max;
      EXPECT_EQ(node_.run("ZRANGE z " + max + " " + min + " BYLEX REV LIMIT 0 3"), shown(limited(expected, 0, 3)));
    }
  }
}

TEST_F(Ranges, Remove) {
  for (int round = 0; round < 30; ++round) {
    fill(round % 2 == 0 ? 10 : 300, static_cast<unsigned>(round));
    const int low = round % 5;
    const int high = low + round % 4;
    Pairs rest;
    std::string removed;
    if (round % 3 == 0) {
      rest = filtered([&](const auto& pair) { return pair.first < low || pair.first > high; });
      removed = node_.run("ZREMRANGEBYSCORE z " + std::to_string(low) + " " + std::to_string(high));
    } else if (round % 3 == 1) {
      rest = pairs_;
      const auto last = std::min<std::ptrdiff_t>(high + 1, std::ssize(rest));
      rest.erase(rest.begin() + low, rest.begin() + last);
      removed = node_.run("ZREMRANGEBYRANK z " + std::to_string(low) + " " + std::to_string(high));
    } else {
      // All scores the same, so that ranges by name mean something.
      for (auto& pair : pairs_) pair.first = 0;
      std::sort(pairs_.begin(), pairs_.end());
      for (const auto& pair : pairs_) node_.run("ZADD z 0 " + pair.second);
      rest = filtered([&](const auto& pair) { return pair.second < "m2" || pair.second > "m4"; });
      removed = node_.run("ZREMRANGEBYLEX z [m2 [m4");
    }
    EXPECT_EQ(removed, ":" + std::to_string(pairs_.size() - rest.size()));
    EXPECT_EQ(node_.run("ZRANGE z 0 -1"), shown(rest));
    EXPECT_EQ(node_.run("ZCARD z"), ":" + std::to_string(rest.size()));
  }
}

TEST_F(Ranges, RemoveSendsEvents) {
  node_.run("ZADD z 1 a 2 b 3 c");
  node_.take_events();
  EXPECT_EQ(node_.run("ZREMRANGEBYRANK z 5 9"), ":0");
  EXPECT_EQ(node_.take_events(), "");
  EXPECT_EQ(node_.run("ZREMRANGEBYRANK z 0 0"), ":1");
  EXPECT_EQ(node_.run("ZREMRANGEBYLEX z [b [b"), ":1");
  EXPECT_EQ(node_.run("ZREMRANGEBYSCORE z -inf +inf"), ":1");
  EXPECT_EQ(node_.take_events(), "zremrangebyrank:z zremrangebylex:z zremrangebyscore:z del:z");
  EXPECT_EQ(node_.run("ZREMRANGEBYSCORE none x 1"), "(error) ERR min or max is not a float");
  EXPECT_EQ(node_.run("ZREMRANGEBYLEX none x +"), "(error) ERR min or max not valid string range item");
  EXPECT_EQ(node_.run("ZREMRANGEBYRANK none x 1"), "(error) ERR value is not an integer or out of range");
}

TEST_F(Ranges, Store) {
  node_.run("ZADD z 1 a 2 b 3 c 4 d");
  node_.take_events();
  EXPECT_EQ(node_.run("ZRANGESTORE out z 1 2"), ":2");
  EXPECT_EQ(node_.take_events(), "zrangestore:out");
  EXPECT_EQ(node_.run("ZRANGE out 0 -1 WITHSCORES"), "[\"b\", \"2\", \"c\", \"3\"]");
  EXPECT_EQ(node_.run("ZRANGESTORE out z (4 -inf BYSCORE REV LIMIT 0 1"), ":1");
  EXPECT_EQ(node_.run("ZRANGE out 0 -1 WITHSCORES"), "[\"c\", \"3\"]");
  node_.take_events();
  EXPECT_EQ(node_.run("ZRANGESTORE out z 10 20"), ":0");
  EXPECT_EQ(node_.run("ZRANGESTORE out none 0 -1"), ":0");
  EXPECT_EQ(node_.take_events(), "del:out");
  EXPECT_EQ(node_.run("ZRANGESTORE z z 0 1"), ":2");
  EXPECT_EQ(node_.run("ZRANGE z 0 -1"), "[\"a\", \"b\"]");
  EXPECT_EQ(node_.run("ZRANGESTORE out z 0 -1 WITHSCORES"), "(error) ERR syntax error");
}

TEST_F(Ranges, OptionsThatDoNotGoTogether) {
  node_.run("ZADD z 1 a 2 b");
  const std::string limit =
      "(error) ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
  EXPECT_EQ(node_.run("ZRANGE z 0 1 LIMIT 0 1"), limit);
  EXPECT_EQ(node_.run("ZREVRANGE z 0 1 LIMIT 0 1"), limit);
  EXPECT_EQ(node_.run("ZRANGE z 0 1 LIMIT 0 -1"), "[\"a\", \"b\"]");
  EXPECT_EQ(node_.run("ZRANGEBYLEX z - + WITHSCORES"),
            "(error) ERR syntax error, WITHSCORES not supported in combination with BYLEX");
  for (const char* line : {"ZREVRANGE z 0 1 REV", "ZRANGEBYSCORE z 0 1 BYSCORE", "ZRANGE z 0 1 BYSCORE BYLEX",
                           "ZRANGE z 0 1 LIMIT 0", "ZRANGE z 0 1 NONSENSE", "ZRANGEBYSCORE z 0 1 REV"}) {
    EXPECT_EQ(node_.run(line), "(error) ERR syntax error") << line;
  }
  EXPECT_EQ(node_.run("ZRANGE z x 1"), "(error) ERR value is not an integer or out of range");
  EXPECT_EQ(node_.run("ZRANGE z 0 1 BYSCORE LIMIT x 1"), "(error) ERR value is not an integer or out of range");
  EXPECT_EQ(node_.run("ZRANGEBYSCORE z x 1"), "(error) ERR min or max is not a float");
  EXPECT_EQ(node_.run("ZRANGEBYLEX z a +"), "(error) ERR min or max not valid string range item");
}

TEST_F(Ranges, WithScores) {
  node_.run("ZADD z 1 a 2.5 b");
  EXPECT_EQ(node_.run("ZRANGE z 0 -1 WITHSCORES"), "[\"a\", \"1\", \"b\", \"2.5\"]");
  EXPECT_EQ(node_.run("ZREVRANGEBYSCORE z +inf -inf WITHSCORES LIMIT 0 1"), "[\"b\", \"2.5\"]");
  node_.is_resp3 = true;
  EXPECT_EQ(node_.run("ZRANGE z 0 -1 WITHSCORES"), "[[\"a\", ,\"1\"], [\"b\", ,\"2.5\"]]");
  EXPECT_EQ(node_.run("ZRANGEBYSCORE z 0 2 WITHSCORES"), "[[\"a\", ,\"1\"]]");
}

}  // namespace
}  // namespace keelson::kv
