// Random commands on one shard and on several at once: the answers must be the same, the states must be the same, and
// the logs, replayed into fresh shards, must lead to the state again. Time passes, so keys expire in between.
//
// A failure prints its seed and the last commands.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/kv/test_support.h"

namespace keelson::kv {
namespace {

// What stands in a template: $k a key, $K one or more keys, $v a value, $n a number, $i a small index, $f a field,
// $p key-value pairs, $t a time to live in ms.
constexpr std::string_view kTemplates[] = {
    "SET $k $v",
    "SET $k $v PX $t",
    "SET $k $v KEEPTTL",
    "SET $k $v NX",
    "SET $k $v XX GET",
    "GET $k",
    "GETDEL $k",
    "GETEX $k PX $t",
    "GETEX $k PERSIST",
    "GETSET $k $v",
    "SETNX $k $v",
    "APPEND $k $v",
    "STRLEN $k",
    "INCR $k",
    "DECRBY $k $n",
    "INCRBYFLOAT $k 1.5",
    "SETRANGE $k $i $v",
    "GETRANGE $k $i $i",
    "MGET $K",
    "MSET $p",
    "MSETNX $p",
    "LCS $k $k",
    "SETBIT $k $i 1",
    "BITCOUNT $k",
    "BITOP OR $k $K",
    "BITOP AND $k $k $k",
    "BITOP NOT $k $k",
    "DEL $K",
    "UNLINK $k",
    "EXISTS $K",
    "TYPE $k",
    "PEXPIRE $k $t",
    "PEXPIRE $k $t NX",
    "PEXPIRE $k $t GT",
    "PEXPIRE $k -1",
    "PTTL $k",
    "PERSIST $k",
    "RENAME $k $k",
    "RENAMENX $k $k",
    "COPY $k $k",
    "COPY $k $k REPLACE",
    "COPY $k $k DB 1",
    "MOVE $k 1",
    "TOUCH $K",
    "DBSIZE",
    "HSET $k $f $v",
    "HSET $k $f $v $f $v",
    "HSETNX $k $f $v",
    "HDEL $k $f $f",
    "HGET $k $f",
    "HMGET $k $f $f",
    "HLEN $k",
    "HINCRBY $k $f $n",
    "HINCRBYFLOAT $k $f 0.5",
    "HEXISTS $k $f",
    "HSTRLEN $k $f",
    "LPUSH $k $v $v",
    "RPUSH $k $v",
    "LPUSHX $k $v",
    "LPOP $k",
    "RPOP $k 2",
    "LRANGE $k 0 -1",
    "LINDEX $k $i",
    "LSET $k $i $v",
    "LINSERT $k BEFORE $v $v",
    "LREM $k 1 $v",
    "LREM $k 0 $v",
    "LTRIM $k $i -2",
    "LPOS $k $v COUNT 0",
    "LMOVE $k $k LEFT RIGHT",
    "LMOVE $k $k RIGHT LEFT",
    "RPOPLPUSH $k $k",
    "LMPOP 3 $k $k $k LEFT COUNT 2",
    "BLPOP $K 0",
    "BLMOVE $k $k RIGHT RIGHT 0",
    "SADD $k $v $v",
    "SREM $k $v",
    "SCARD $k",
    "SISMEMBER $k $v",
    "SMOVE $k $k $v",
    "SINTERSTORE $k $K",
    "SUNIONSTORE $k $K",
    "SDIFFSTORE $k $K",
    "SINTERCARD 2 $k $k",
    "ZADD $k $n $v",
    "ZADD $k $n $v $n $v",
    "ZINCRBY $k $n $v",
    "ZREM $k $v",
    "ZRANGE $k 0 -1 WITHSCORES",
    "ZPOPMIN $k",
    "ZUNIONSTORE $k 2 $k $k",
    "ZINTERSTORE $k 2 $k $k AGGREGATE MAX",
    "ZDIFFSTORE $k 2 $k $k",
    "ZRANGESTORE $k $k 0 2",
    "ZMPOP 2 $k $k MIN",
    "BZPOPMAX $K 0",
    "ZREMRANGEBYRANK $k 0 1",
    "SORT $k ALPHA STORE $k",
    "SORT $k ALPHA",
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::vector<std::string> next() {
    const std::string_view chosen = kTemplates[below(std::size(kTemplates))];
    std::vector<std::string> args;
    for (const std::string& word : split_line(chosen)) add(word, args);
    return args;
  }
  // Now and then some time passes.
  int64_t pause_ms() { return below(8) == 0 ? static_cast<int64_t>(below(30)) : 0; }
  bool rarely() { return below(400) == 0; }

 private:
  size_t below(size_t bound) { return random_() % bound; }
  std::string key() { return "k" + std::to_string(below(12)); }
  std::string value() {
    switch (below(6)) {
      case 0:
        return std::to_string(below(100));
      case 1:
        return std::string(below(300), 'x');
      default:
        return std::string(1, static_cast<char>('a' + below(6)));
    }
  }

  void add(const std::string& word, std::vector<std::string>& args) {
    if (word == "$k") {
      args.push_back(key());
    } else if (word == "$K") {
      for (size_t i = 1 + below(3); i > 0; --i) args.push_back(key());
    } else if (word == "$v") {
      args.push_back(value());
    } else if (word == "$n") {
      args.push_back(std::to_string(static_cast<int>(below(21)) - 10));
    } else if (word == "$i") {
      args.push_back(std::to_string(below(5)));
    } else if (word == "$f") {
      args.push_back("f" + std::to_string(below(5)));
    } else if (word == "$t") {
      args.push_back(std::to_string(1 + below(60)));
    } else if (word == "$p") {
      for (size_t i = 1 + below(3); i > 0; --i) {
        args.push_back(key());
        args.push_back(value());
      }
    } else {
      args.push_back(word);
    }
  }

  std::mt19937_64 random_;
};

std::string joined(const std::vector<std::string>& args) {
  std::string text;
  for (const std::string& arg : args) text += quote(arg) + " ";
  return text;
}

void expect_same_state(TestNode& one, TestNode& many, const std::string& history) {
  ASSERT_EQ(one.digest(), many.digest()) << history << "one shard:\n"
                                         << one.describe() << "several:\n"
                                         << many.describe();
  for (TestNode* node : {&one, &many}) {
    TestNode replica(node->shard_count());
    node->replay_into(replica);
    ASSERT_EQ(node->shard_digests(), replica.shard_digests()) << history;
  }
}

void run_round(uint64_t seed, unsigned shard_count) {
  Generator generator(seed);
  TestNode one(1);
  TestNode many(shard_count);
  std::string history = "seed " + std::to_string(seed) + "\n";
  for (int i = 0; i < 1500; ++i) {
    const int64_t pause_ms = generator.pause_ms();
    one.now_ms += pause_ms;
    many.now_ms += pause_ms;
    std::vector<std::string> args = generator.next();
    if (generator.rarely()) args = {"FLUSHALL"};
    if (generator.rarely()) args = {"SWAPDB", "0", "1"};
    history += joined(args) + "\n";
    if (history.size() > 4000) history.erase(0, history.find('\n', 2000) + 1);
    ASSERT_EQ(one.run(args), many.run(args)) << "seed " << seed << "\n" << history;
    ASSERT_EQ(one.take_events(), many.take_events()) << "seed " << seed << "\n" << history;
    if (i % 100 == 99) expect_same_state(one, many, history);
  }
}

TEST(RandomCommands, AnswerAndReplayTheSameOnAnyNumberOfShards) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    run_round(seed, seed % 2 == 0 ? 16 : 3);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace keelson::kv
