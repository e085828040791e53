#!/usr/bin/env python3
"""Makes random scenarios in local/, to be recorded and compared with the engine:

    generate.py 20 && record.py local/*.txt && test_engine_kv --gtest_filter='*Scenario*'
"""

import pathlib
import random
import sys

# $k key, $K some keys, $v value, $n number, $i small index (or negative), $f field, $p pairs, $w a word that is often wrong.
# "~" in front: the order of the answer's elements means nothing.
TEMPLATES = """
SET $k $v; SET $k $v NX; SET $k $v XX GET; SET $k $v EX 1000; SET $k $v KEEPTTL; GET $k; GETDEL $k; GETSET $k $v
GETEX $k EX 2000; GETEX $k PERSIST; GETEX $k PXAT 1; SETNX $k $v; SETEX $k 100 $v; APPEND $k $v; STRLEN $k; INCR $k
DECRBY $k $n; INCRBY $k $w; INCRBYFLOAT $k 1.5; INCRBYFLOAT $k $w; SETRANGE $k $i $v; GETRANGE $k $i $i; MGET $K; MSET $p
MSETNX $p; LCS $k $k; LCS $k $k IDX WITHMATCHLEN; SETBIT $k $i 1; SETBIT $k $i 0; GETBIT $k $i; BITCOUNT $k
BITCOUNT $k $i $i; BITCOUNT $k $i $i BIT; BITPOS $k 1; BITPOS $k 0 $i; BITPOS $k 1 $i $i BIT; BITOP OR $k $K
BITOP AND $k $k $k; BITOP XOR $k $k $k; BITOP NOT $k $k; DEL $K; UNLINK $k; EXISTS $K; TYPE $k; EXPIRE $k 1000
EXPIRE $k 500 NX; PEXPIREAT $k 9999999999000 GT; PEXPIREAT $k 9999999998000 LT; EXPIRE $k 200 LT; EXPIRE $k -1; EXPIRE $k $w; PERSIST $k; RENAME $k $k
RENAMENX $k $k; COPY $k $k; COPY $k $k REPLACE; COPY $k $k DB 1; MOVE $k 1; TOUCH $K; DBSIZE; ~KEYS *; ~KEYS k[1-5]
HSET $k $f $v; HSET $k $f $v $f $v; HMSET $k $f $v; HSETNX $k $f $v; HDEL $k $f $f; HGET $k $f; HMGET $k $f $f
HLEN $k; HINCRBY $k $f $n; HINCRBY $k $f $w; HINCRBYFLOAT $k $f 0.5; HEXISTS $k $f; HSTRLEN $k $f; ~HGETALL $k; ~HKEYS $k
~HVALS $k; LPUSH $k $v $v; RPUSH $k $v; LPUSHX $k $v; RPUSHX $k $v; LPOP $k; RPOP $k 2; LPOP $k $w; LRANGE $k 0 -1
LRANGE $k $i $i; LINDEX $k $i; LSET $k $i $v; LINSERT $k BEFORE $v $v; LINSERT $k AFTER $v $v; LREM $k 1 $v; LREM $k -1 $v
LREM $k 0 $v; LTRIM $k $i $i; LPOS $k $v; LPOS $k $v COUNT 0; LPOS $k $v RANK -1 MAXLEN 2; LMOVE $k $k LEFT RIGHT; LLEN $k
LMOVE $k $k RIGHT LEFT; RPOPLPUSH $k $k; LMPOP 3 $k $k $k LEFT COUNT 2; LMPOP $w $k LEFT
SADD $k $v $v; SADD $k $n $n; SREM $k $v; SCARD $k; SISMEMBER $k $v; SMISMEMBER $k $v $v; SMOVE $k $k $v; ~SMEMBERS $k
SINTERSTORE $k $K; SUNIONSTORE $k $K; SDIFFSTORE $k $K; SINTERCARD 2 $k $k; ~SINTER $K; ~SUNION $K; ~SDIFF $K
ZADD $k $n $v; ZADD $k $n $v $n $v; ZADD $k GT CH $n $v; ZADD $k NX $n $v; ZADD $k XX INCR $n $v; ZINCRBY $k $n $v
ZREM $k $v; ZRANGE $k 0 -1 WITHSCORES; ZRANGE $k $i $i REV; ZRANGEBYSCORE $k $n $n; ZCOUNT $k $n $n; ZRANK $k $v
ZREVRANK $k $v; ZSCORE $k $v; ZMSCORE $k $v $v; ZCARD $k; ZPOPMIN $k; ZPOPMAX $k 2; ZUNIONSTORE $k 2 $k $k
ZINTERSTORE $k 2 $k $k AGGREGATE MAX; ZDIFFSTORE $k 2 $k $k; ZUNION 2 $k $k WITHSCORES; ZINTER 2 $k $k WITHSCORES
ZDIFF 2 $k $k WITHSCORES; ZRANGESTORE $k $k 0 2; ZMPOP 2 $k $k MIN; ZREMRANGEBYRANK $k $i $i; ZREMRANGEBYSCORE $k $n $n
ZLEXCOUNT $k - +; ZINTERCARD 2 $k $k; SORT $k ALPHA; SORT $k ALPHA DESC LIMIT 0 2; SORT $k ALPHA STORE $k; SORT $k
"""


def arguments(word, chance):
    key = lambda: f"k{chance.randrange(8)}"
    value = lambda: chance.choice(["a", "b", "c", "d", str(chance.randrange(20)), "x" * chance.randrange(80), "-3", "1.5"])
    if word == "$k":
        return [key()]
    if word == "$K":
        return [key() for _ in range(chance.randint(1, 3))]
    if word == "$v":
        return [value() or '""']
    if word == "$n":
        return [str(chance.randint(-9, 9))]
    if word == "$i":
        return [str(chance.randint(-3, 6))]
    if word == "$f":
        return [f"f{chance.randrange(4)}"]
    if word == "$w":
        return [chance.choice(["1", "abc", "1.5", "-1", "9223372036854775808", '""', " 1".replace(" ", "+"), "nan", "0"])]
    if word == "$p":
        return [arg for _ in range(chance.randint(1, 3)) for arg in (key(), value() or '""')]
    return [word]


def scenario(seed, length=1500):
    chance = random.Random(seed)
    templates = [template.strip() for line in TEMPLATES.splitlines() for template in line.split(";") if template.strip()]
    lines = [f"# Random commands, seed {seed}."]
    for _ in range(length):
        template = chance.choice(templates)
        mark = ">~ " if template.startswith("~") else "> "
        words = [arg for word in template.lstrip("~").split() for arg in arguments(word, chance)]
        lines.append(mark + " ".join(words))
    return "\n".join(lines) + "\n"


def main():
    folder = pathlib.Path(__file__).resolve().parent / "local"
    folder.mkdir(exist_ok=True)
    for seed in range(1, int(sys.argv[1]) + 1):
        (folder / f"random_{seed}.txt").write_text(scenario(seed))


if __name__ == "__main__":
    main()
