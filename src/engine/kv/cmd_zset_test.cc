// Sorted sets, members and scores: exact answers, events, effects over shards.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/kv/test_support.h"
#include "engine/kv/zset_args.h"

namespace keelson::kv {
namespace {

constexpr std::string_view kWrongType = "(error) WRONGTYPE Operation against a key holding the wrong kind of value";

TEST(SortedSets, Add) {
  TestNode node;
  EXPECT_EQ(node.run("ZADD z 1 a 2 b 3 c"), ":3");
  EXPECT_EQ(node.take_events(), "zadd:z");
  EXPECT_EQ(node.run("ZADD z 1 a 5 b 4 d"), ":1");
  EXPECT_EQ(node.run("ZADD z CH 1 a 6 b 4 e"), ":2");
  EXPECT_EQ(node.take_events(), "zadd:z zadd:z");
  EXPECT_EQ(node.run("ZADD z 1 a"), ":0");
  EXPECT_EQ(node.take_events(), "");
  EXPECT_EQ(node.run("ZRANGE z 0 -1 WITHSCORES"),
            "[\"a\", \"1\", \"c\", \"3\", \"d\", \"4\", \"e\", \"4\", \"b\", \"6\"]");
  EXPECT_EQ(node.run("ZSCORE z b"), "\"6\"");
  EXPECT_EQ(node.run("ZSCORE z x"), "nil");
  EXPECT_EQ(node.run("ZMSCORE z a x b"), "[\"1\", nil, \"6\"]");
  EXPECT_EQ(node.run("ZCARD z"), ":5");
  EXPECT_EQ(node.run("ZRANK z b"), ":4");
  EXPECT_EQ(node.run("ZREVRANK z b"), ":0");
  EXPECT_EQ(node.run("ZRANK z x"), "nil");
}

TEST(SortedSets, AddConditions) {
  TestNode node;
  EXPECT_EQ(node.run("ZADD z XX 1 a"), ":0");
  EXPECT_EQ(node.run("EXISTS z"), ":0");
  EXPECT_EQ(node.run("ZADD z XX INCR 1 a"), "nil");
  EXPECT_EQ(node.run("ZADD z NX 1 a 5 e"), ":2");
  EXPECT_EQ(node.run("ZADD z NX 9 a 2 b"), ":1");
  EXPECT_EQ(node.run("ZADD z XX 3 a 9 new"), ":0");
  EXPECT_EQ(node.run("ZADD z XX CH 4 a 9 new"), ":1");
  EXPECT_EQ(node.run("ZADD z GT CH 3 a 7 e 1 f"), ":2");
  EXPECT_EQ(node.run("ZADD z LT CH 3 a 9 e"), ":1");
  EXPECT_EQ(node.run("ZADD z XX GT 9 none"), ":0");
  EXPECT_EQ(node.run("ZRANGE z 0 -1 WITHSCORES"), "[\"f\", \"1\", \"b\", \"2\", \"a\", \"3\", \"e\", \"7\"]");
  node.take_events();
  EXPECT_EQ(node.run("ZADD z INCR 2.5 a"), "\"5.5\"");
  EXPECT_EQ(node.take_events(), "zincr:z");
  EXPECT_EQ(node.run("ZADD z NX INCR 1 a"), "nil");
  EXPECT_EQ(node.run("ZADD z GT INCR -1 a"), "nil");
  EXPECT_EQ(node.run("ZADD z LT INCR -1 a"), "\"4.5\"");
  EXPECT_EQ(node.run("ZADD z INCR 0 a"), "\"4.5\"");
  EXPECT_EQ(node.run("ZINCRBY z 1 a"), "\"5.5\"");
  EXPECT_EQ(node.run("ZINCRBY z 2 brandnew"), "\"2\"");
  node.is_resp3 = true;
  EXPECT_EQ(node.run("ZINCRBY z 1 a"), ",\"6.5\"");
  EXPECT_EQ(node.run("ZSCORE z a"), ",\"6.5\"");
}

TEST(SortedSets, AddErrors) {
  TestNode node;
  node.run("ZADD z 1 a");
  node.run("SET str v");
  EXPECT_EQ(node.run("ZADD z 1"), "(error) ERR wrong number of arguments for 'zadd' command");
  EXPECT_EQ(node.run("ZADD z 1 a 2"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZADD z NX XX"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZADD z NX XX 1 a"), "(error) ERR XX and NX options at the same time are not compatible");
  const std::string_view conflict = "(error) ERR GT, LT, and/or NX options at the same time are not compatible";
  EXPECT_EQ(node.run("ZADD z NX GT 1 a"), conflict);
  EXPECT_EQ(node.run("ZADD z LT NX 1 a"), conflict);
  EXPECT_EQ(node.run("ZADD z GT LT 1 a"), conflict);
  EXPECT_EQ(node.run("ZADD z INCR 1 a 2 b"), "(error) ERR INCR option supports a single increment-element pair");
  EXPECT_EQ(node.run("ZADD z x a"), "(error) ERR value is not a valid float");
  EXPECT_EQ(node.run("ZADD z 1 new nan b"), "(error) ERR value is not a valid float");
  EXPECT_EQ(node.run("ZCARD z"), ":1");
  EXPECT_EQ(node.run("ZADD str 1 a"), kWrongType);
  EXPECT_EQ(node.run("ZADD str x a"), "(error) ERR value is not a valid float");
  EXPECT_EQ(node.run("ZINCRBY str 1 a"), kWrongType);
  node.run("ZADD z inf a");
  EXPECT_EQ(node.run("ZINCRBY z -inf a"), "(error) ERR resulting score is not a number (NaN)");
  EXPECT_EQ(node.run("ZSCORE z a"), "\"inf\"");
}

TEST(SortedSets, ScoresAreShownAsRedisShowsThem) {
  TestNode node;
  node.run("ZADD z 0.1 a 1e20 b -inf c 3.0 d 1e-7 e 0x10 f 123456789012345678 g");
  EXPECT_EQ(node.run("ZMSCORE z a b c d e f g"),
            "[\"0.10000000000000001\", \"1e+20\", \"-inf\", \"3\", \"9.9999999999999995e-08\", \"16\", "
            "\"1.2345678901234568e+17\"]");
}

TEST(SortedSets, RemoveAndMissingKeys) {
  TestNode node;
  EXPECT_EQ(node.run("ZREM z a"), ":0");
  EXPECT_EQ(node.run("ZSCORE z a"), "nil");
  EXPECT_EQ(node.run("ZMSCORE z a b"), "[nil, nil]");
  EXPECT_EQ(node.run("ZCARD z"), ":0");
  EXPECT_EQ(node.run("ZRANK z a"), "nil");
  EXPECT_EQ(node.run("ZRANGE z 0 -1"), "[]");
  EXPECT_EQ(node.run("ZCOUNT z 0 1"), ":0");
  EXPECT_EQ(node.run("ZPOPMIN z"), "[]");
  EXPECT_EQ(node.run("ZRANDMEMBER z"), "nil");
  EXPECT_EQ(node.run("ZRANDMEMBER z 3"), "[]");
  node.run("ZADD z 1 a 2 b 3 c");
  node.take_events();
  EXPECT_EQ(node.run("ZREM z a x c"), ":2");
  EXPECT_EQ(node.take_events(), "zrem:z");
  EXPECT_EQ(node.run("ZREM z b x"), ":1");
  EXPECT_EQ(node.take_events(), "zrem:z del:z");
  node.run("SET str v");
  for (const char* line :
       {"ZREM str a", "ZSCORE str a", "ZMSCORE str a", "ZCARD str", "ZRANK str a", "ZRANGE str 0 1", "ZCOUNT str 0 1",
        "ZLEXCOUNT str - +", "ZPOPMIN str", "ZRANDMEMBER str", "ZMPOP 1 str MIN", "ZUNION 1 str",
        "ZREMRANGEBYRANK str 0 1", "ZRANGESTORE d str 0 1", "ZINTERCARD 1 str", "BZPOPMIN str 0"}) {
    EXPECT_EQ(node.run(line), kWrongType) << line;
  }
}

TEST(SortedSets, Pop) {
  TestNode node;
  node.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
  node.take_events();
  EXPECT_EQ(node.run("ZPOPMIN z"), "[\"a\", \"1\"]");
  EXPECT_EQ(node.take_events(), "zpopmin:z");
  EXPECT_EQ(node.run("ZPOPMAX z"), "[\"e\", \"5\"]");
  EXPECT_EQ(node.take_events(), "zpopmax:z");
  EXPECT_EQ(node.run("ZPOPMIN z 0"), "[]");
  EXPECT_EQ(node.run("ZPOPMIN z -1"), "(error) ERR value is out of range, must be positive");
  EXPECT_EQ(node.run("ZPOPMIN z 1 2"), "(error) ERR syntax error");
  EXPECT_EQ(node.take_events(), "");
  EXPECT_EQ(node.run("ZPOPMAX z 2"), "[\"d\", \"4\", \"c\", \"3\"]");
  EXPECT_EQ(node.run("ZPOPMIN z 9"), "[\"b\", \"2\"]");
  EXPECT_EQ(node.take_events(), "zpopmax:z zpopmin:z del:z");
  node.run("ZADD z 1 a 2 b 3 c");
  node.is_resp3 = true;
  EXPECT_EQ(node.run("ZPOPMIN z"), "[\"a\", ,\"1\"]");
  EXPECT_EQ(node.run("ZPOPMIN z 2"), "[[\"b\", ,\"2\"], [\"c\", ,\"3\"]]");
}

TEST(SortedSets, MultiPop) {
  TestNode node;
  EXPECT_EQ(node.run("ZMPOP 2 y z MIN"), "nil-array");
  node.run("ZADD z 1 a 2 b 3 c");
  EXPECT_EQ(node.run("ZMPOP 2 y z MIN"), "[\"z\", [[\"a\", \"1\"]]]");
  EXPECT_EQ(node.run("ZMPOP 1 z max COUNT 10"), "[\"z\", [[\"c\", \"3\"], [\"b\", \"2\"]]]");
  EXPECT_EQ(node.run("EXISTS z"), ":0");
  EXPECT_EQ(node.run("ZMPOP 0 z MIN"), "(error) ERR numkeys should be greater than 0");
  EXPECT_EQ(node.run("ZMPOP x z MIN"), "(error) ERR numkeys should be greater than 0");
  EXPECT_EQ(node.run("ZMPOP 2 z MIN"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZMPOP 1 z MID"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZMPOP 1 z MIN COUNT"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZMPOP 1 z MIN COUNT 0"), "(error) ERR count should be greater than 0");
  EXPECT_EQ(node.run("ZMPOP 1 z MIN COUNT 1 COUNT 1"), "(error) ERR syntax error");
}

TEST(SortedSets, BlockingPopsNeverWaitHere) {
  TestNode node;
  EXPECT_EQ(node.run("BZPOPMIN y z 0"), "nil-array");
  EXPECT_EQ(node.run("BZMPOP 0 1 z MIN"), "nil-array");
  node.run("ZADD z 1 a 2 b 3 c 4 d");
  EXPECT_EQ(node.run("BZPOPMIN y z 0"), "[\"z\", \"a\", \"1\"]");
  EXPECT_EQ(node.run("BZPOPMAX y z 1.5"), "[\"z\", \"d\", \"4\"]");
  EXPECT_EQ(node.run("BZMPOP 0 2 y z MIN COUNT 2"), "[\"z\", [[\"b\", \"2\"], [\"c\", \"3\"]]]");
  EXPECT_EQ(node.run("BZPOPMIN z -1"), "(error) ERR timeout is negative");
  EXPECT_EQ(node.run("BZPOPMIN z x"), "(error) ERR timeout is not a float or out of range");
  EXPECT_EQ(node.run("BZMPOP x 1 z MIN"), "(error) ERR timeout is not a float or out of range");
  EXPECT_EQ(node.run("BZMPOP x 0 z MIN"), "(error) ERR numkeys should be greater than 0");
}

TEST(SortedSets, RandomMembers) {
  TestNode node;
  node.run("ZADD z 1 a 2 b 3 c 4 d");
  EXPECT_EQ(node.run("ZRANDMEMBER z 4 WITHSCORES"), "[\"d\", \"4\", \"c\", \"3\", \"b\", \"2\", \"a\", \"1\"]");
  EXPECT_EQ(node.run("ZRANDMEMBER z 0"), "[]");
  EXPECT_EQ(node.run("ZRANDMEMBER z 1 2 3"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZRANDMEMBER z x"), "(error) ERR value is not an integer or out of range");
  EXPECT_EQ(node.run("ZRANDMEMBER z -9223372036854775807 WITHSCORES"), "(error) ERR value is out of range");
  EXPECT_EQ(node.run("ZRANDMEMBER z 1 OTHER"), "(error) ERR syntax error");
  const std::string three = node.run("ZRANDMEMBER z 3");
  EXPECT_EQ(std::count(three.begin(), three.end(), ','), 2);
  const std::string many = node.run("ZRANDMEMBER z -20");
  EXPECT_EQ(std::count(many.begin(), many.end(), ','), 19);
  node.is_resp3 = true;
  EXPECT_EQ(node.run("ZRANDMEMBER z 9 WITHSCORES"),
            "[[\"d\", ,\"4\"], [\"c\", ,\"3\"], [\"b\", ,\"2\"], [\"a\", ,\"1\"]]");
}

TEST(SortedSets, Algebra) {
  TestNode node;
  node.run("ZADD a 1 x 2 y 3 z");
  node.run("ZADD b 10 y 20 z 30 w");
  node.run("SADD s y q");
  EXPECT_EQ(node.run("ZUNION 2 a b WITHSCORES"), "[\"x\", \"1\", \"y\", \"12\", \"z\", \"23\", \"w\", \"30\"]");
  EXPECT_EQ(node.run("ZUNION 2 a s WITHSCORES"), "[\"q\", \"1\", \"x\", \"1\", \"y\", \"3\", \"z\", \"3\"]");
  EXPECT_EQ(node.run("ZUNION 2 a b WEIGHTS 2 0.5 AGGREGATE MAX WITHSCORES"),
            "[\"x\", \"2\", \"y\", \"5\", \"z\", \"10\", \"w\", \"15\"]");
  EXPECT_EQ(node.run("ZINTER 2 a b"), "[\"y\", \"z\"]");
  EXPECT_EQ(node.run("ZINTER 3 a b s withscores aggregate min"), "[\"y\", \"1\"]");
  EXPECT_EQ(node.run("ZDIFF 2 a b WITHSCORES"), "[\"x\", \"1\"]");
  EXPECT_EQ(node.run("ZDIFF 3 a none s"), "[\"x\", \"z\"]");
  EXPECT_EQ(node.run("ZINTER 2 a none"), "[]");
  EXPECT_EQ(node.run("ZINTERCARD 2 a b"), ":2");
  EXPECT_EQ(node.run("ZINTERCARD 2 a b LIMIT 1"), ":1");
  node.take_events();
  EXPECT_EQ(node.run("ZUNIONSTORE a 2 a b"), ":4");
  EXPECT_EQ(node.take_events(), "zunionstore:a");
  EXPECT_EQ(node.run("ZINTERSTORE a 2 a none"), ":0");
  EXPECT_EQ(node.take_events(), "del:a");
  EXPECT_EQ(node.run("ZDIFFSTORE d 2 b s"), ":2");
  EXPECT_EQ(node.take_events(), "zdiffstore:d");
  EXPECT_EQ(node.run("ZRANGE d 0 -1 WITHSCORES"), "[\"z\", \"20\", \"w\", \"30\"]");
  node.is_resp3 = true;
  EXPECT_EQ(node.run("ZUNION 1 d WITHSCORES"), "[[\"z\", ,\"20\"], [\"w\", ,\"30\"]]");
}

TEST(SortedSets, AlgebraOfInfinities) {
  TestNode node;
  node.run("ZADD a inf x");
  node.run("ZADD b -inf x");
  EXPECT_EQ(node.run("ZUNION 2 a b WITHSCORES"), "[\"x\", \"0\"]");
  EXPECT_EQ(node.run("ZINTER 2 a b WITHSCORES"), "[\"x\", \"0\"]");
  EXPECT_EQ(node.run("ZUNION 1 a WEIGHTS 0 WITHSCORES"), "[\"x\", \"0\"]");
}

TEST(SortedSets, AlgebraErrors) {
  TestNode node;
  EXPECT_EQ(node.run("ZUNION 0 a"), "(error) ERR at least 1 input key is needed for 'zunion' command");
  EXPECT_EQ(node.run("ZINTERSTORE d 0 a"), "(error) ERR at least 1 input key is needed for 'zinterstore' command");
  EXPECT_EQ(node.run("ZDIFF -1 a"), "(error) ERR at least 1 input key is needed for 'zdiff' command");
  EXPECT_EQ(node.run("ZINTERCARD 0 a"), "(error) ERR at least 1 input key is needed for 'zintercard' command");
  EXPECT_EQ(node.run("ZUNION x a"), "(error) ERR value is not an integer or out of range");
  EXPECT_EQ(node.run("ZUNION 2 a"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZUNION 1 a WEIGHTS"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZUNION 1 a WEIGHTS x"), "(error) ERR weight value is not a float");
  EXPECT_EQ(node.run("ZUNION 1 a AGGREGATE AVG"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZDIFF 1 a WEIGHTS 1"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZUNIONSTORE d 1 a WITHSCORES"), "(error) ERR syntax error");
  EXPECT_EQ(node.run("ZINTERCARD 1 a LIMIT -1"), "(error) ERR LIMIT can't be negative");
  EXPECT_EQ(node.run("ZINTERCARD 1 a WITHSCORES"), "(error) ERR syntax error");
}

TEST(SortedSets, OverShardsEachLogsItsOwnPart) {
  TestNode node(4);
  node.run("ZADD a 1 x 2 y");
  node.run("ZADD b 5 y");
  ASSERT_NE(node.shard_of("a"), node.shard_of("b"));
  node.take_logged();
  EXPECT_EQ(node.run("ZMPOP 2 a b MAX"), "[\"a\", [[\"y\", \"2\"]]]");
  EXPECT_EQ(node.take_logged(), "ZPOPMAX a 1");
  EXPECT_EQ(node.run("ZUNIONSTORE b 2 a b WEIGHTS 1 3"), ":2");
  EXPECT_TRUE(node.take_logged().starts_with("_PUT b 0 "));
  EXPECT_EQ(node.run("ZRANGE b 0 -1 WITHSCORES"), "[\"x\", \"1\", \"y\", \"15\"]");
  EXPECT_EQ(node.run("ZRANGESTORE a b 1 1"), ":1");
  EXPECT_TRUE(node.take_logged().starts_with("_PUT a 0 "));
  EXPECT_EQ(node.run("ZINTERSTORE a 2 a none"), ":0");
  EXPECT_EQ(node.take_logged(), "DEL a");
  TestNode other(4);
  node.replay_into(other);
  EXPECT_EQ(node.shard_digests(), other.shard_digests());
}

TEST(SortedSets, BlockedClientsHearOfKeysThatCome) {
  TestNode node;
  node.run("ZADD z 1 a");
  EXPECT_EQ(node.take_ready(), "z");
  node.run("ZADD z 2 b");
  node.run("ZUNIONSTORE y 1 z");
  EXPECT_NE(node.take_ready().find('y'), std::string::npos);
}

TEST(ZsetArguments, ScoreBounds) {
  const auto text = [](std::string_view bound) {
    const auto parsed = parse_score_bound(bound);
    if (!parsed) return std::string("bad");
    return (parsed->is_exclusive ? "(" : "") + std::to_string(parsed->score);
  };
  EXPECT_EQ(text("1"), "1.000000");
  EXPECT_EQ(text("(1"), "(1.000000");
  EXPECT_EQ(text("-inf"), "-inf");
  EXPECT_EQ(text("(+inf"), "(inf");
  EXPECT_EQ(text("1e400"), "inf");
  EXPECT_EQ(text(""), "0.000000");
  EXPECT_EQ(text("("), "(0.000000");
  EXPECT_EQ(text(" 1"), "1.000000");
  EXPECT_EQ(text("1 "), "bad");
  EXPECT_EQ(text("nan"), "bad");
  EXPECT_EQ(text("x"), "bad");
  EXPECT_EQ(text("((1"), "bad");
}

TEST(ZsetArguments, LexBounds) {
  EXPECT_EQ(parse_lex_bound("-")->kind, LexBound::Kind::kMinimum);
  EXPECT_EQ(parse_lex_bound("+")->kind, LexBound::Kind::kMaximum);
  EXPECT_EQ(parse_lex_bound("[a")->kind, LexBound::Kind::kInclusive);
  EXPECT_EQ(parse_lex_bound("(a")->member, "a");
  EXPECT_EQ(parse_lex_bound("[")->member, "");
  for (const char* bad : {"", "a", "--", "+x", "-inf"}) EXPECT_FALSE(parse_lex_bound(bad)) << bad;
}

}  // namespace
}  // namespace keelson::kv
