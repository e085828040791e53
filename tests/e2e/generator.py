"""Draws random commands over every kv family from a seed: valid most of the time, wrong in some way now and then.

Keys come from small pools (a few for each type), so that commands meet keys that hold something, and sometimes a key of
another type. Nothing here knows what the answer should be: the differential test asks two servers.
"""
import random
import string

FAMILIES = ("string", "bitmap", "hash", "list", "set", "zset", "generic", "expiry", "sort", "multi")


class Generator:
    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.by_family = {family: [getattr(self, name) for name in sorted(dir(self)) if name.startswith(f"{family}_")]
                          for family in FAMILIES}

    def command(self, family: str | None = None) -> list:
        """One command: its words. Damaged in one of 25 cases."""
        family = family or self.random.choices(FAMILIES, (6, 2, 5, 6, 6, 9, 3, 3, 1, 1))[0]
        make = self.random.choice(self.by_family[family])
        command = [self.spell(word) for word in make()]
        return self.damage(command) if self.random.random() < 0.04 and make != self.zset_lexical else command

    # Words.

    def spell(self, word) -> bytes:
        if isinstance(word, bytes):
            return word
        if isinstance(word, float):
            return repr(word).encode()
        return str(word).encode()

    def damage(self, command: list[bytes]) -> list[bytes]:
        kind = self.random.randrange(5)
        if kind == 0 and len(command) > 1:
            return command[:-1]
        if kind == 1:
            return command + [self.spell(self.choose("extra", "WITHSCORES", "LIMIT", 0, "nx", "COUNT"))]
        if kind == 2 and len(command) > 1:
            place = self.random.randrange(1, len(command))
            return command[:place] + [self.spell(self.choose("nonsense", "", "1.5", "-1", "9223372036854775808", " 1", "nan",
                                                             "0x10", "1e400", "+5", "-0", "007"))] + command[place + 1:]
        if kind == 3 and len(command) > 2:
            place = self.random.randrange(1, len(command) - 1)
            return command[:place] + [command[place + 1], command[place]] + command[place + 2:]
        return [self.random_case(command[0]), *command[1:]]

    def random_case(self, word: bytes) -> bytes:
        return bytes(self.random.choice((byte, byte ^ 0x20)) if chr(byte).isalpha() else byte for byte in word)

    def choose(self, *choices):
        return self.random.choice(choices)

    def maybe(self, *words, chance: float = 0.5) -> list:
        return list(words) if self.random.random() < chance else []

    def some(self, make, most: int = 4) -> list:
        return [make() for _ in range(self.random.randint(1, most))]

    def key(self, kind: str) -> str:
        if self.random.random() < 0.05:
            kind = self.choose("s", "b", "h", "l", "t", "z", "none")
        tag = self.choose("", "", "", "{tag}")
        return f"{kind}{self.random.randrange(7)}{tag}"

    def text(self) -> bytes:
        kind = self.random.random()
        if kind < 0.3:
            return str(self.integer()).encode()
        if kind < 0.4:
            return self.spell(self.number())
        if kind < 0.5:
            return self.random.randbytes(self.random.randrange(40))
        if kind < 0.55:
            return b"x" * self.choose(44, 45, 63, 64, 65, 300, 5000)
        if kind < 0.57:
            return b""
        return "".join(self.random.choices(string.ascii_lowercase, k=self.random.randrange(1, 9))).encode()

    def integer(self) -> int:
        return self.random.choice((self.random.randrange(-20, 20), self.random.randrange(-20, 20), self.random.randrange(100000),
                                   self.random.randrange(-2**40, 2**40), 2**63 - 1, -2**63, 2**31))

    def small(self) -> int:
        return self.random.randrange(-8, 12)

    def number(self):
        return self.random.choice((self.small(), self.random.randrange(100) / 4, self.random.uniform(-1e3, 1e3),
                                   1e21, -3.0e-7, 3.14159, 0.1, 1e17, "1e5", 17179869184))

    def field(self) -> bytes:
        return f"f{self.random.randrange(12)}".encode() if self.random.random() < 0.85 else self.text()

    def member(self) -> bytes:
        kind = self.random.random()
        if kind < 0.5:
            return str(self.random.randrange(25)).encode()
        return f"m{self.random.randrange(15)}".encode() if kind < 0.92 else self.text()

    def count(self):
        return self.choose(0, 1, 1, 2, 3, 5, 100, -1, -3)

    # Strings.

    def string_set(self):
        options = self.maybe(self.choose("NX", "XX"), chance=0.3) + self.maybe("GET", chance=0.2)
        options += self.choose([], [], ["EX", 1000], ["PX", 500000], ["KEEPTTL"], ["EXAT", 4102444800], ["PXAT", 4102444800123],
                               ["EX", 0], ["EX", "x"], ["NX", "XX"], ["EX", 10, "KEEPTTL"])
        self.random.shuffle(options) if len(options) == 1 else None
        return ["SET", self.key("s"), self.text(), *options]

    def string_get(self): return ["GET", self.key("s")]
    def string_getdel(self): return ["GETDEL", self.key("s")]
    def string_getset(self): return ["GETSET", self.key("s"), self.text()]
    def string_setnx(self): return ["SETNX", self.key("s"), self.text()]
    def string_setex(self): return [self.choose("SETEX", "PSETEX"), self.key("s"), self.choose(1000000, 0, -1, "x", 2**62), self.text()]
    def string_getex(self):
        return ["GETEX", self.key("s"), *self.choose([], ["EX", 1000], ["PX", 100000], ["PERSIST"], ["EXAT", 4102444800], ["EX", -1])]
    def string_append(self): return ["APPEND", self.key("s"), self.text()]
    def string_strlen(self): return ["STRLEN", self.key("s")]
    def string_incr(self): return [self.choose("INCR", "DECR"), self.key("s")]
    def string_incrby(self): return [self.choose("INCRBY", "DECRBY"), self.key("s"), self.integer()]
    def string_incrbyfloat(self): return ["INCRBYFLOAT", self.key("s"), self.number()]
    def string_getrange(self): return [self.choose("GETRANGE", "SUBSTR"), self.key("s"), self.small(), self.small()]
    def string_setrange(self): return ["SETRANGE", self.key("s"), self.choose(0, 1, 5, 40, -1, 2**29), self.text()]
    def string_mget(self): return ["MGET", *self.some(lambda: self.key("s"))]
    def string_mset(self):
        return [self.choose("MSET", "MSET", "MSETNX"), *[word for _ in range(self.random.randint(1, 4)) for word in (self.key("s"), self.text())]]
    def string_lcs(self):
        return ["LCS", self.key("s"), self.key("s"), *self.choose([], ["LEN"], ["IDX"], ["IDX", "WITHMATCHLEN"], ["IDX", "MINMATCHLEN", 2], ["IDX", "LEN"])]

    # Bitmaps.

    def bitmap_setbit(self): return ["SETBIT", self.key("b"), self.choose(0, 7, 8, 100, self.random.randrange(400), -1, 2**32), self.choose(0, 1, 1, 2)]
    def bitmap_getbit(self): return ["GETBIT", self.key("b"), self.choose(0, 7, self.random.randrange(400), 2**32 - 1)]
    def bitmap_bitcount(self):
        return ["BITCOUNT", self.key("b"), *self.choose([], [self.small(), self.small()], [self.small() * 5, self.small() * 9, self.choose("BIT", "BYTE", "bat")], [1])]
    def bitmap_bitpos(self):
        return ["BITPOS", self.key("b"), self.choose(0, 1, 2), *self.choose([], [self.small()], [self.small(), self.small()], [self.small(), self.small() * 7, self.choose("BIT", "BYTE")])]
    def bitmap_bitop(self):
        operation = self.choose("AND", "OR", "XOR", "NOT", "NOT", "NAND")
        return ["BITOP", operation, self.key("b"), *self.some(lambda: self.key("b"), 1 if operation == "NOT" and self.random.random() < 0.8 else 3)]

    # Hashes.

    def hash_hset(self):
        return [self.choose("HSET", "HSET", "HMSET"), self.key("h"), *[word for _ in range(self.random.randint(1, 5)) for word in (self.field(), self.text())]]
    def hash_hsetnx(self): return ["HSETNX", self.key("h"), self.field(), self.text()]
    def hash_hget(self): return [self.choose("HGET", "HEXISTS", "HSTRLEN"), self.key("h"), self.field()]
    def hash_hmget(self): return ["HMGET", self.key("h"), *self.some(self.field)]
    def hash_hdel(self): return ["HDEL", self.key("h"), *self.some(self.field, 3)]
    def hash_whole(self): return [self.choose("HGETALL", "HKEYS", "HVALS", "HLEN"), self.key("h")]
    def hash_hincrby(self): return ["HINCRBY", self.key("h"), self.field(), self.integer()]
    def hash_hincrbyfloat(self): return ["HINCRBYFLOAT", self.key("h"), self.field(), self.number()]
    def hash_hrandfield(self): return ["HRANDFIELD", self.key("h"), *self.choose([], [self.count()], [self.count(), "WITHVALUES"])]
    def hash_hscan(self): return ["HSCAN", self.key("h"), 0, "COUNT", 100000, *self.maybe("MATCH", self.choose("f*", "f1?", "*", "[a-m]*"))]

    # Lists.

    def list_push(self): return [self.choose("LPUSH", "RPUSH", "RPUSH", "LPUSHX", "RPUSHX"), self.key("l"), *self.some(self.text, 6)]
    def list_pop(self): return [self.choose("LPOP", "RPOP"), self.key("l"), *self.choose([], [], [self.count()])]
    def list_llen(self): return ["LLEN", self.key("l")]
    def list_lrange(self): return ["LRANGE", self.key("l"), self.choose(0, self.small()), self.choose(-1, self.small())]
    def list_lindex(self): return ["LINDEX", self.key("l"), self.small()]
    def list_lset(self): return ["LSET", self.key("l"), self.small(), self.text()]
    def list_linsert(self): return ["LINSERT", self.key("l"), self.choose("BEFORE", "AFTER", "after", "IN"), self.text(), self.text()]
    def list_lrem(self): return ["LREM", self.key("l"), self.choose(0, 1, -1, 2), self.text()]
    def list_ltrim(self): return ["LTRIM", self.key("l"), self.choose(0, self.small()), self.choose(-1, 20, self.small())]
    def list_lpos(self):
        return ["LPOS", self.key("l"), self.text(), *self.maybe("RANK", self.choose(1, -1, 2, 0)), *self.maybe("COUNT", self.choose(0, 1, 2, -1)), *self.maybe("MAXLEN", self.choose(0, 3, -1), chance=0.2)]
    def list_lmove(self): return ["LMOVE", self.key("l"), self.key("l"), self.choose("LEFT", "RIGHT"), self.choose("LEFT", "RIGHT", "UP")]
    def list_rpoplpush(self): return ["RPOPLPUSH", self.key("l"), self.key("l")]
    def list_lmpop(self):
        keys = self.some(lambda: self.key("l"), 3)
        return ["LMPOP", self.choose(len(keys), len(keys), len(keys), 0, 9), *keys, self.choose("LEFT", "RIGHT"), *self.maybe("COUNT", self.choose(1, 2, 10, 0))]
    # Blocking ones where a key may hold something; the differential test gives them MULTI so that none waits.
    def multi_blocking(self):
        return self.choose(["BLPOP", self.key("l"), self.key("l"), 0], ["BRPOP", self.key("l"), 0.1],
                           ["BLMOVE", self.key("l"), self.key("l"), "LEFT", "RIGHT", 1], ["BRPOPLPUSH", self.key("l"), self.key("l"), 1],
                           ["BZPOPMIN", self.key("z"), self.key("z"), 1], ["BZPOPMAX", self.key("z"), 1], ["BLPOP", self.key("l"), -1],
                           ["BLMPOP", 1, 1, self.key("l"), "LEFT"], ["BZMPOP", 1, 2, self.key("z"), self.key("z"), "MAX", "COUNT", 2])

    # Sets.

    def set_sadd(self): return ["SADD", self.key("t"), *self.some(self.member, 8)]
    def set_srem(self): return ["SREM", self.key("t"), *self.some(self.member, 3)]
    def set_sismember(self): return ["SISMEMBER", self.key("t"), self.member()]
    def set_smismember(self): return ["SMISMEMBER", self.key("t"), *self.some(self.member)]
    def set_whole(self): return [self.choose("SMEMBERS", "SCARD"), self.key("t")]
    def set_smove(self): return ["SMOVE", self.key("t"), self.key("t"), self.member()]
    def set_algebra(self): return [self.choose("SINTER", "SUNION", "SDIFF"), *self.some(lambda: self.key("t"))]
    def set_store(self): return [self.choose("SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"), self.key("t"), *self.some(lambda: self.key("t"))]
    def set_sintercard(self):
        keys = self.some(lambda: self.key("t"))
        return ["SINTERCARD", self.choose(len(keys), len(keys), len(keys), 0, 7), *keys, *self.maybe("LIMIT", self.choose(0, 1, 2, -1), chance=0.4)]
    def set_spop(self): return ["SPOP", self.key("t"), *self.choose([], [self.choose(0, 1, 2, 5, 100, -1)])]
    def set_srandmember(self): return ["SRANDMEMBER", self.key("t"), *self.choose([], [self.count()])]
    def set_sscan(self): return ["SSCAN", self.key("t"), 0, "COUNT", 100000, *self.maybe("MATCH", self.choose("m*", "1?", "*"))]

    # Sorted sets.

    def score(self): return self.choose(self.small(), self.small(), self.number(), "inf", "-inf", "+inf", "nan", "(1") if self.random.random() < 0.12 else self.choose(self.small(), self.random.randrange(100) / 4)
    def bound(self): return self.choose(self.small(), f"({self.small()}", "-inf", "+inf", self.random.randrange(100) / 4, "(x") if self.random.random() < 0.97 else "bad"
    def lex(self): return self.choose("-", "+", "[m1", "(m5", "[1", "(2", "[m", "m") if self.random.random() < 0.9 else "+"
    # All members of these have one score: what the BYLEX commands find otherwise is open.
    def lexical_key(self): return f"y{self.random.randrange(4)}"
    def limit(self): return self.maybe("LIMIT", self.choose(0, 1, 2, -1), self.choose(1, 3, -1, 0), chance=0.3)

    def zset_zadd(self):
        options = self.choose([], [], [], ["NX"], ["XX"], ["GT"], ["LT"], ["XX", "GT"], ["NX", "GT"], ["CH"], ["XX", "CH"], ["NX", "XX"])
        if self.random.random() < 0.1:
            return ["ZADD", self.key("z"), *options, "INCR", self.score(), self.member()]
        return ["ZADD", self.key("z"), *options, *[word for _ in range(self.random.randint(1, 6)) for word in (self.score(), self.member())]]
    def zset_lexical(self): return ["ZADD", self.lexical_key(), *[word for _ in range(4) for word in (0, self.member())]]
    def zset_zincrby(self): return ["ZINCRBY", self.key("z"), self.number(), self.member()]
    def zset_zrem(self): return ["ZREM", self.key("z"), *self.some(self.member, 3)]
    def zset_zscore(self): return [self.choose("ZSCORE", "ZRANK", "ZREVRANK"), self.key("z"), self.member()]
    def zset_zmscore(self): return ["ZMSCORE", self.key("z"), *self.some(self.member)]
    def zset_zcard(self): return ["ZCARD", self.key("z")]
    def zset_zcount(self): return ["ZCOUNT", self.key("z"), self.bound(), self.bound()]
    def zset_zlexcount(self): return ["ZLEXCOUNT", self.lexical_key(), self.lex(), self.lex()]
    def zset_zrange(self): return [self.choose("ZRANGE", "ZREVRANGE"), self.key("z"), self.choose(0, self.small()), self.choose(-1, self.small()), *self.maybe("WITHSCORES")]
    def zset_zrange_by(self):
        how = self.choose("BYSCORE", "BYSCORE", "BYLEX", "REV", "BYSCORE REV", "BYLEX REV").split()
        bound = self.lex if "BYLEX" in how else self.bound if "BYSCORE" in how else self.small
        return ["ZRANGE", self.lexical_key() if "BYLEX" in how else self.key("z"), bound(), bound(), *how, *self.limit(), *self.maybe("WITHSCORES", chance=0.3)]
    def zset_zrangebyscore(self): return [self.choose("ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), self.key("z"), self.bound(), self.bound(), *self.maybe("WITHSCORES"), *self.limit()]
    def zset_zrangebylex(self): return [self.choose("ZRANGEBYLEX", "ZREVRANGEBYLEX"), self.lexical_key(), self.lex(), self.lex(), *self.limit()]
    def zset_zrangestore(self):
        how = self.choose([], ["BYSCORE"], ["REV"], ["BYSCORE", "REV"])
        bound = self.bound if "BYSCORE" in how else self.small
        return ["ZRANGESTORE", self.key("z"), self.key("z"), bound(), bound(), *how, *self.limit()]
    def zset_zremrange(self):
        return self.choose(["ZREMRANGEBYRANK", self.key("z"), self.small(), self.small()], ["ZREMRANGEBYSCORE", self.key("z"), self.bound(), self.bound()],
                           ["ZREMRANGEBYLEX", self.lexical_key(), self.lex(), self.lex()])
    def zset_zpop(self): return [self.choose("ZPOPMIN", "ZPOPMAX"), self.key("z"), *self.choose([], [self.count()])]
    def zset_zmpop(self):
        keys = self.some(lambda: self.key("z"), 3)
        return ["ZMPOP", self.choose(len(keys), len(keys), 0, 5), *keys, self.choose("MIN", "MAX"), *self.maybe("COUNT", self.choose(1, 3, 0))]
    def zset_store(self):
        keys = self.some(lambda: self.key(self.choose("z", "z", "t")), 3)
        name = self.choose("ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE", "ZUNION", "ZINTER", "ZDIFF")
        options = [] if "DIFF" in name else self.maybe("WEIGHTS", *[self.choose(1, 2, -1, 0.5, "inf", "x") for _ in keys], chance=0.3) + self.maybe("AGGREGATE", self.choose("SUM", "MIN", "MAX", "AVG"), chance=0.3)
        destination = [self.key("z")] if name.endswith("STORE") else []
        scores = [] if name.endswith("STORE") else self.maybe("WITHSCORES")
        return [name, *destination, self.choose(len(keys), len(keys), len(keys), len(keys), 0, 9), *keys, *options, *scores]
    def zset_zintercard(self):
        keys = self.some(lambda: self.key(self.choose("z", "t")), 3)
        return ["ZINTERCARD", len(keys), *keys, *self.maybe("LIMIT", self.choose(0, 2, -1))]
    def zset_zrandmember(self): return ["ZRANDMEMBER", self.key("z"), *self.choose([], [self.count()], [self.count(), "WITHSCORES"])]
    def zset_zscan(self): return ["ZSCAN", self.key("z"), 0, "COUNT", 100000, *self.maybe("MATCH", "m*")]

    # Keys of any type.

    def any_key(self): return self.key(self.choose("s", "b", "h", "l", "t", "z"))
    def generic_del(self): return [self.choose("DEL", "UNLINK", "EXISTS", "TOUCH"), *self.some(self.any_key, 3)] if self.random.random() < 0.5 else ["EXISTS", *self.some(self.any_key)]
    def generic_type(self): return ["TYPE", self.any_key()]
    def generic_encoding(self): return ["OBJECT", "ENCODING", self.any_key()]
    def generic_rename(self): return [self.choose("RENAME", "RENAMENX"), self.any_key(), self.any_key()]
    def generic_copy(self): return ["COPY", self.any_key(), self.any_key(), *self.maybe("DB", self.choose(0, 1, 99), chance=0.2), *self.maybe("REPLACE")]
    def generic_move(self): return ["MOVE", self.any_key(), self.choose(0, 1, 2, 99)]
    def generic_keys(self): return ["KEYS", self.choose("*", "s*", "?1", "[hl]*", "z[^2]*", "\\s1", "*{tag}")]
    def generic_dbsize(self): return ["DBSIZE"]
    def generic_randomkey(self): return ["RANDOMKEY"]
    def generic_select(self): return ["SELECT", self.choose(0, 0, 0, 0, 1, 16, "x")]
    def generic_swapdb(self): return ["SWAPDB", self.choose(0, 1), self.choose(1, 2, 99)]
    def generic_echo(self): return self.choose(["ECHO", self.text()], ["PING"], ["PING", self.text()], ["TIME", "x"], ["NOSUCH", self.text()])
    def generic_flush(self): return ["FLUSHDB", *self.choose([], ["ASYNC"], ["SYNC"], ["NOW"])] if self.random.random() < 0.08 else ["DBSIZE"]

    # Times to live. All far away or in the past, so that no answer hangs on the moment.

    def expiry_relative(self): return [self.choose("EXPIRE", "PEXPIRE"), self.any_key(), self.choose(10**6, 10**7, 0, -1, 2**62, "x"), *self.maybe(self.choose("NX", "XX", "GT", "LT", "ZZ"), chance=0.4)]
    def expiry_absolute(self): return ["EXPIREAT", self.any_key(), self.choose(4102444800, 4102444900, 1), *self.maybe(self.choose("NX", "XX", "GT", "LT"), chance=0.4)]
    def expiry_absolute_ms(self): return ["PEXPIREAT", self.any_key(), self.choose(4102444800123, 4102444900456, 1), *self.maybe(self.choose("NX", "GT"), chance=0.3)]
    def expiry_ask(self): return [self.choose("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "TTL"), self.any_key()]
    def expiry_persist(self): return ["PERSIST", self.any_key()]

    def sort_sort(self):
        # Ties are broken by ALPHA and the member itself, unless BY leaves them: then no limit, and the answers are compared as bags.
        options = self.maybe("DESC", chance=0.3) + self.maybe("ALPHA", chance=0.7) + self.maybe("LIMIT", self.choose(0, 1), self.choose(2, 100), chance=0.2)
        return ["SORT", self.key(self.choose("l", "t", "z")), *self.maybe("BY", self.choose("s*", "h*->f1", "nosort"), chance=0.2), *options,
                *self.maybe("GET", self.choose("s*", "#", "h*->f1"), chance=0.2), *self.maybe("STORE", self.key("l"), chance=0.2)]
    def sort_sort_ro(self): return ["SORT_RO", self.key(self.choose("l", "t", "z")), "ALPHA", *self.maybe("GET", "#")]
