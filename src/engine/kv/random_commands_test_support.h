// For tests: random commands of every type, most of which make sense, from a fixed seed.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kv/test_support.h"

namespace keelson::kv {

// What stands in a template: $k a key, $K one or more keys, $v a value, $n a number, $i a small index, $f a field,
// $p key-value pairs, $t a time to live in ms.
inline constexpr std::string_view kRandomCommands[] = {
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

class RandomCommands {
 public:
  // Of keys k0, k1, ... as many as `keys`.
  explicit RandomCommands(uint64_t seed, size_t keys = 12) : random_(seed), keys_(keys) {}

  std::vector<std::string> next() {
    const std::string_view chosen = kRandomCommands[below(std::size(kRandomCommands))];
    std::vector<std::string> args;
    for (const std::string& word : split_line(chosen)) add(word, args);
    return args;
  }
  // Now and then some time passes.
  int64_t pause_ms() { return below(8) == 0 ? static_cast<int64_t>(below(30)) : 0; }
  bool rarely() { return below(400) == 0; }
  size_t below(size_t bound) { return random_() % bound; }

 private:
  std::string key() { return "k" + std::to_string(below(keys_)); }
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
  const size_t keys_;
};

}  // namespace keelson::kv
