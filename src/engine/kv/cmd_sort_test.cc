// SORT and SORT_RO: exact answers, patterns, storing, over one shard and over several.
#include <gtest/gtest.h>

#include <string>

#include "engine/kv/test_support.h"

namespace keelson::kv {
namespace {

TEST(Sort, NumbersAndWords) {
  TestNode node;
  node.run("RPUSH l 3 1 10 2");
  EXPECT_EQ(node.run("SORT l"), "[\"1\", \"2\", \"3\", \"10\"]");
  EXPECT_EQ(node.run("SORT l DESC"), "[\"10\", \"3\", \"2\", \"1\"]");
  EXPECT_EQ(node.run("SORT l ALPHA"), "[\"1\", \"10\", \"2\", \"3\"]");
  EXPECT_EQ(node.run("SORT l alpha desc"), "[\"3\", \"2\", \"10\", \"1\"]");
  EXPECT_EQ(node.run("SORT_RO l LIMIT 1 2"), "[\"2\", \"3\"]");
  EXPECT_EQ(node.run("SORT l LIMIT 0 0"), "[]");
  EXPECT_EQ(node.run("SORT l LIMIT 3 -1"), "[\"10\"]");
  EXPECT_EQ(node.run("SORT l LIMIT 9 2"), "[]");
  EXPECT_EQ(node.run("SORT l LIMIT -5 2"), "[\"1\", \"2\"]");
  EXPECT_EQ(node.run("SORT none"), "[]");
  node.run("RPUSH words b a 1");
  EXPECT_EQ(node.run("SORT words"), "(error) ERR One or more scores can't be converted into double");
  EXPECT_EQ(node.run("SORT words ALPHA"), "[\"1\", \"a\", \"b\"]");
  // Equal weights: by name.
  node.run("RPUSH equal 1.0 1 1e0");
  EXPECT_EQ(node.run("SORT equal"), "[\"1\", \"1.0\", \"1e0\"]");
  EXPECT_EQ(node.run("SORT equal DESC"), "[\"1e0\", \"1.0\", \"1\"]");
}

TEST(Sort, SetsAndSortedSets) {
  TestNode node;
  node.run("SADD s 5 3 4");
  node.run("ZADD z 1 9 2 8 3 7");
  EXPECT_EQ(node.run("SORT s"), "[\"3\", \"4\", \"5\"]");
  EXPECT_EQ(node.run("SORT z"), "[\"7\", \"8\", \"9\"]");
  EXPECT_EQ(node.run("SORT z BY nosort"), "[\"9\", \"8\", \"7\"]");
  EXPECT_EQ(node.run("SORT z BY nosort DESC"), "[\"7\", \"8\", \"9\"]");
  EXPECT_EQ(node.run("SORT z BY nosort DESC LIMIT 1 1"), "[\"8\"]");
  EXPECT_EQ(node.run("SORT z BY nosort LIMIT 1 5"), "[\"8\", \"7\"]");
  node.run("RPUSH l c a b");
  EXPECT_EQ(node.run("SORT l BY nosort"), "[\"c\", \"a\", \"b\"]");
  EXPECT_EQ(node.run("SORT l BY nosort DESC"), "[\"b\", \"a\", \"c\"]");
  EXPECT_EQ(node.run("SORT l BY nosort DESC LIMIT 1 5"), "[\"a\", \"c\"]");
  EXPECT_EQ(node.run("SORT l BY nosort LIMIT 1 1"), "[\"a\"]");
  node.run("SET str v");
  EXPECT_EQ(node.run("SORT str"), "(error) WRONGTYPE Operation against a key holding the wrong kind of value");
}

class SortOverShards : public ::testing::TestWithParam<unsigned> {};

TEST_P(SortOverShards, Patterns) {
  TestNode node(GetParam());
  node.run("RPUSH l a b c");
  node.run("SET w_a 3");
  node.run("SET w_b 1");
  node.run("SET w_c 2");
  node.run("HSET h_a weight 1 name \"the a\"");
  node.run("HSET h_b weight 3 name \"the b\"");
  EXPECT_EQ(node.run("SORT l BY w_*"), "[\"b\", \"c\", \"a\"]");
  EXPECT_EQ(node.run("SORT l BY w_* DESC LIMIT 0 2"), "[\"a\", \"c\"]");
  // An element without a weight weighs nothing.
  EXPECT_EQ(node.run("SORT l BY h_*->weight"), "[\"c\", \"a\", \"b\"]");
  EXPECT_EQ(node.run("SORT l BY w_* GET # GET h_*->name GET w_* GET none"),
            "[\"b\", \"the b\", \"1\", nil, \"c\", nil, \"2\", nil, \"a\", \"the a\", \"3\", nil]");
  EXPECT_EQ(node.run("SORT l BY h_*->name ALPHA"), "[\"c\", \"a\", \"b\"]");
  EXPECT_EQ(node.run("SORT l BY w_*->weight GET #"), "[\"a\", \"b\", \"c\"]");
  EXPECT_EQ(node.run("SORT l ALPHA GET h_*"), "[nil, nil, nil]");
  EXPECT_EQ(node.run("SORT_RO l ALPHA GET h_*->"), "[nil, nil, nil]");
}

TEST_P(SortOverShards, Store) {
  TestNode node(GetParam());
  node.run("RPUSH l 3 1 2");
  node.run("SET w_1 one");
  node.run("SADD s b c a");
  node.take_events();
  EXPECT_EQ(node.run("SORT l STORE out"), ":3");
  EXPECT_EQ(node.take_events(), "sortstore:out");
  EXPECT_EQ(node.run("LRANGE out 0 -1"), "[\"1\", \"2\", \"3\"]");
  EXPECT_EQ(node.run("SORT l GET w_* GET # STORE l"), ":6");
  EXPECT_EQ(node.run("LRANGE l 0 -1"), "[\"one\", \"1\", \"\", \"2\", \"\", \"3\"]");
  // A set that is stored is sorted even if asked not to.
  EXPECT_EQ(node.run("SORT s BY nosort STORE out"), ":3");
  EXPECT_EQ(node.run("LRANGE out 0 -1"), "[\"a\", \"b\", \"c\"]");
  node.take_events();
  EXPECT_EQ(node.run("SORT none STORE out"), ":0");
  EXPECT_EQ(node.take_events(), "del:out");
  EXPECT_EQ(node.run("EXISTS out"), ":0");
  EXPECT_EQ(node.run("SORT none STORE out"), ":0");
  EXPECT_EQ(node.take_events(), "");
  TestNode other(GetParam());
  node.replay_into(other);
  EXPECT_EQ(node.shard_digests(), other.shard_digests());
}

INSTANTIATE_TEST_SUITE_P(Shards, SortOverShards, ::testing::Values(1u, 4u));

TEST(Sort, MalformedArguments) {
  TestNode node;
  node.run("RPUSH l 1");
  for (const char* line :
       {"SORT l BY", "SORT l GET", "SORT l STORE", "SORT l LIMIT 1", "SORT l NONSENSE", "SORT_RO l STORE out"}) {
    EXPECT_EQ(node.run(line), "(error) ERR syntax error") << line;
  }
  EXPECT_EQ(node.run("SORT l LIMIT x 1"), "(error) ERR value is not an integer or out of range");
}

}  // namespace
}  // namespace keelson::kv
