"""python's redis client, unmodified: each command family, under RESP2 and RESP3, plain and over TLS."""
import asyncio
import threading
import time

import pytest
import redis
import redis.asyncio

from conftest import AGAINST_REDIS
from node import wait_until

pytestmark = pytest.mark.sanitized


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, server):
    made = redis.Redis(host="127.0.0.1", port=server.port, protocol=request.param, decode_responses=True)
    made.flushall()
    yield made
    made.flushall()
    made.close()


def test_strings(client):
    assert client.set("k", "v") and client.get("k") == "v"
    assert client.set("k", "w", nx=True) is None and client.set("k", "w", xx=True, get=True) == "v"
    assert client.mset({"a": 1, "b": 2}) and client.mget("a", "b", "none") == ["1", "2", None]
    assert client.incr("a") == 2 and client.incrby("a", 10) == 12 and client.decr("a") == 11
    assert client.incrbyfloat("f", 1.25) == 1.25
    assert client.append("k", "xyz") == 4 and client.strlen("k") == 4 and client.getrange("k", 1, 2) == "xy"
    assert client.setrange("k", 1, "--") == 4 and client.getset("k", "new") == "w--z"
    assert client.getdel("k") == "new" and client.get("k") is None
    assert client.getex("a", ex=100) == "11" and 0 < client.ttl("a") <= 100
    assert client.msetnx({"a": 1, "z": 1}) is False
    assert client.lcs("a", "a") == "11"
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.set("k", "x")
        client.incr("k")


def test_binary_values_of_every_size(server):
    with redis.Redis(host="127.0.0.1", port=server.port) as client:
        for size in (0, 1, 44, 45, 4096, 65535, 65536, 1 << 20, 20 << 20):
            value = bytes(range(256)) * (size // 256) + b"\r\n\0"[:size % 3]
            client.set(b"\x00key\r\n", value)
            assert client.get(b"\x00key\r\n") == value


def test_bitmaps(client):
    assert client.setbit("b", 7, 1) == 0 and client.getbit("b", 7) == 1 and client.bitcount("b") == 1
    client.setbit("c", 100, 1)
    assert client.bitop("OR", "d", "b", "c") == 13 and client.bitcount("d") == 2 and client.bitpos("d", 1, 1) == 100


def test_hashes(client):
    assert client.hset("h", mapping={"a": 1, "b": "two"}) == 2 and client.hget("h", "b") == "two"
    assert client.hgetall("h") == {"a": "1", "b": "two"} and client.hmget("h", "a", "x") == ["1", None]
    assert client.hincrby("h", "a", 4) == 5 and client.hincrbyfloat("h", "a", 0.5) == 5.5
    assert client.hdel("h", "a", "x") == 1 and client.hlen("h") == 1 and client.hexists("h", "b")
    assert client.hkeys("h") == ["b"] and client.hvals("h") == ["two"] and client.hstrlen("h", "b") == 3
    assert client.hsetnx("h", "b", "no") == 0 and client.hrandfield("h") == "b"
    client.hset("large", mapping={f"f{i}": i for i in range(1000)})
    assert dict(client.hscan_iter("large", count=100)) == {f"f{i}": str(i) for i in range(1000)}


def test_lists(client):
    assert client.rpush("l", "a", "b", "c") == 3 and client.lpush("l", "z") == 4
    assert client.lrange("l", 0, -1) == ["z", "a", "b", "c"] and client.lindex("l", -1) == "c"
    assert client.linsert("l", "BEFORE", "b", "x") == 5 and client.lset("l", 0, "y") and client.lrem("l", 1, "x") == 1
    assert client.lpop("l") == "y" and client.rpop("l", 2) == ["c", "b"] and client.llen("l") == 1
    assert client.lmove("l", "m", "LEFT", "RIGHT") == "a" and client.lpos("m", "a") == 0
    assert client.rpush("m", *range(100)) == 101 and client.ltrim("m", 1, 10) and client.llen("m") == 10
    assert client.lmpop(2, "none", "m", direction="LEFT", count=2) == ["m", ["0", "1"]]


def test_sets(client):
    assert client.sadd("s", "a", "b", "c") == 3 and client.smembers("s") == {"a", "b", "c"}
    assert client.sadd("t", "b", "c", "d") == 3 and client.sinter("s", "t") == {"b", "c"}
    assert client.sunion("s", "t") == {"a", "b", "c", "d"} and client.sdiff("s", "t") == {"a"}
    assert client.sinterstore("u", "s", "t") == 2 and client.scard("u") == 2 and client.sintercard(2, ["s", "t"]) == 2
    assert client.sismember("s", "a") and client.smismember("s", "a", "x") == [1, 0]
    assert client.smove("s", "t", "a") and client.srem("t", "a", "x") == 1 and client.spop("u") in {"b", "c"}
    assert client.srandmember("s") in {"b", "c"} and set(client.sscan_iter("t")) == {"b", "c", "d"}


def test_sorted_sets(client):
    assert client.zadd("z", {"a": 1, "b": 2.5, "c": 3}) == 3 and client.zscore("z", "b") == 2.5
    assert client.zrange("z", 0, -1) == ["a", "b", "c"]
    assert [tuple(pair) for pair in client.zrange("z", 0, -1, desc=True, withscores=True)] == [("c", 3.0), ("b", 2.5), ("a", 1.0)]
    assert client.zrangebyscore("z", "(1", "+inf") == ["b", "c"] and client.zrank("z", "c") == 2 and client.zrevrank("z", "c") == 0
    assert client.zincrby("z", 10, "a") == 11 and client.zcount("z", 2, 3) == 2 and client.zcard("z") == 3
    assert client.zadd("z", {"a": 5}, lt=True, ch=True) == 1 and client.zmscore("z", ["a", "x"]) == [5.0, None]
    client.zadd("y", {"a": 1, "x": 9})
    assert client.zunionstore("u", ["z", "y"]) == 4 and client.zinterstore("i", {"z": 2, "y": 1}) == 1
    assert client.zscore("i", "a") == 11 and client.zdiff(["z", "y"]) == ["b", "c"]
    assert client.zpopmin("z") in ([("b", 2.5)], ["b", 2.5])   # the client's own shapes under RESP2 and RESP3
    assert client.zremrangebyrank("u", 0, 1) == 2 and client.zrem("u", "x") == 1
    client.zadd("lex", {name: 0 for name in "abcdef"})
    assert client.zrangebylex("lex", "[b", "(d") == ["b", "c"] and client.zlexcount("lex", "-", "+") == 6
    assert dict(client.zscan_iter("lex")) == {name: 0.0 for name in "abcdef"}


def test_keys_and_expiry(client):
    client.mset({f"key:{i}": i for i in range(500)})
    assert client.dbsize() == 500 and set(client.scan_iter("key:*", count=50)) == {f"key:{i}" for i in range(500)}
    assert len(client.keys("key:1?")) == 10 and client.exists("key:1", "key:2", "none") == 2 and client.type("key:1") == "string"
    assert client.rename("key:1", "renamed") and client.get("renamed") == "1" and client.copy("renamed", "again")
    assert client.expire("again", 100) and 0 < client.ttl("again") <= 100 and client.persist("again") and client.ttl("again") == -1
    assert client.pexpire("again", 1)
    wait_until(lambda: client.exists("again") == 0)
    assert client.delete("key:2", "key:3") == 2 and client.unlink("key:4") == 1 and client.touch("key:5") == 1
    assert client.object("ENCODING", "key:5") == "int" and client.randomkey()
    payload = redis.Redis(host="127.0.0.1", port=client.connection_pool.connection_kwargs["port"]).dump("key:5")
    assert client.restore("restored", 0, payload) and client.get("restored") == "5"
    client.rpush("l", 3, 1, 2)
    assert client.sort("l") == ["1", "2", "3"] and client.sort("l", desc=True, store="sorted") == 3
    assert client.move("l", 1) and client.exists("l") == 0
    client.flushdb()
    assert client.dbsize() == 0


def test_databases(server):
    clients = [redis.Redis(host="127.0.0.1", port=server.port, db=number, decode_responses=True) for number in range(3)]
    for number, client in enumerate(clients):
        client.set("k", number)
    assert [client.get("k") for client in clients] == ["0", "1", "2"]
    clients[0].swapdb(0, 1)
    assert [client.get("k") for client in clients] == ["1", "0", "2"]
    clients[0].flushall()
    for client in clients:
        assert client.get("k") is None
        client.close()


def test_pipelines_and_transactions(client):
    pipe = client.pipeline(transaction=False)
    for i in range(2000):
        pipe.set(f"p{i}", i)
    for i in range(2000):
        pipe.get(f"p{i}")
    assert pipe.execute()[2000:] == [str(i) for i in range(2000)]
    with client.pipeline() as pipe:
        pipe.set("a", 1).incr("a").lpush("l", "x").get("a")
        assert pipe.execute() == [True, 2, 1, "2"]
    with client.pipeline() as pipe:
        pipe.watch("a")
        pipe.multi()
        pipe.incr("a")
        client.set("a", 100)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.get("a") == "100"

    def increase(pipe):
        value = int(pipe.get("a"))
        pipe.multi()
        pipe.set("a", value + 1)
    assert client.transaction(increase, "a") == [True] and client.get("a") == "101"


def test_counters_of_many_threads_lose_nothing(server, client):
    def work():
        with redis.Redis(host="127.0.0.1", port=server.port) as own:
            for i in range(200):
                own.incr("shared")
                own.hincrby("h", "f", 2)
                own.rpush("l", i)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("shared") == "1600" and client.hget("h", "f") == "3200" and client.llen("l") == 1600


def test_watched_increments_of_many_threads_lose_nothing(server, client):
    def work():
        with redis.Redis(host="127.0.0.1", port=server.port) as own:
            def increase(pipe):
                a, b = int(pipe.get("{x}a") or 0), int(pipe.get("far") or 0)
                pipe.multi()
                pipe.set("{x}a", a + 1)
                pipe.set("far", b + 1)
            for _ in range(25):
                own.transaction(increase, "{x}a", "far")
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("{x}a") == "150" and client.get("far") == "150"


def test_publish_and_subscribe(client, server):
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("news")
    pubsub.psubscribe("new*")
    wait_until(lambda: pubsub.get_message(timeout=0.05) is None)
    assert client.publish("news", "hello") == 2
    got = [wait_until(lambda: pubsub.get_message(timeout=0.1)) for _ in range(2)]
    assert sorted(message["type"] for message in got) == ["message", "pmessage"] and all(message["data"] == "hello" for message in got)
    assert client.pubsub_channels() == ["news"] and client.pubsub_numpat() == 1 and client.pubsub_numsub("news") == [("news", 1)]
    pubsub.close()
    wait_until(lambda: client.publish("news", "x") == 0)


def test_blocking_pop_is_served(client, server):
    results = []

    def wait_for_it():
        with redis.Redis(host="127.0.0.1", port=server.port, decode_responses=True) as own:
            results.append(own.blpop(["q1", "q2"], timeout=20))
    thread = threading.Thread(target=wait_for_it)
    thread.start()
    wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
    client.rpush("q2", "job")
    thread.join(20)
    assert [tuple(result) for result in results] == [("q2", "job")]
    began = time.monotonic()
    assert client.blpop("q1", timeout=1) is None and time.monotonic() - began >= 0.9


def test_asyncio(server):
    async def run():
        client = redis.asyncio.Redis(host="127.0.0.1", port=server.port, decode_responses=True, protocol=3)
        await client.flushall()
        await asyncio.gather(*(client.set(f"k{i}", i) for i in range(80)))
        assert await asyncio.gather(*(client.get(f"k{i}") for i in range(80))) == [str(i) for i in range(80)]
        await client.aclose()
    asyncio.run(run())


def test_what_clients_ask_of_a_server(client):
    info = client.info()
    assert info["redis_version"].startswith("7.") and info["connected_clients"] >= 1 and info["used_memory"] > 0
    assert client.client_id() > 0 and client.client_setname("me") and client.client_getname() == "me"
    assert any(entry["name"] == "me" for entry in client.client_list())
    assert client.config_set("slowlog-log-slower-than", 5000) and client.config_get("slowlog*")["slowlog-log-slower-than"] == "5000"
    assert client.config_resetstat() and client.slowlog_get() == [] or client.slowlog_reset()
    assert client.command_count() > 150 and "get" in client.command()
    assert client.command_getkeys("MSET", "a", 1, "b", 2) == ["a", "b"]
    assert client.echo("x") == "x" and client.ping() and len(client.time()) == 2 and client.lastsave()
    assert client.memory_usage("none") is None
    client.set("k", "v")
    assert client.memory_usage("k") > 0 and client.object("REFCOUNT", "k") >= 1 and client.object("IDLETIME", "k") >= 0


def test_keyspace_notifications(client):
    client.config_set("notify-keyspace-events", "KEA")
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.psubscribe("__key*__:*")
    wait_until(lambda: pubsub.get_message(timeout=0.05) is None)
    client.set("k", "v", px=20)
    client.rpush("l", "x")
    wait_until(lambda: client.exists("k") == 0)
    seen = set()

    def all_seen():
        message = pubsub.get_message(timeout=0.1)
        if message:
            seen.add((message["channel"].split("__:")[0], message["channel"].split("__:")[1], message["data"]))
        return {("__keyspace@0", "k", "set"), ("__keyevent@0", "set", "k"), ("__keyevent@0", "rpush", "l"),
                ("__keyspace@0", "k", "expired"), ("__keyevent@0", "expired", "k")} <= seen
    wait_until(all_seen)
    pubsub.close()
    client.config_set("notify-keyspace-events", "")


@pytest.mark.skipif(AGAINST_REDIS, reason="the fixture starts no TLS listener of redis-server")
@pytest.mark.parametrize("protocol", [2, 3])
def test_over_tls(launch, certificates, protocol):
    server = launch.keelson({"kv.tls.listen": "127.0.0.1:0", "kv.tls.cert": certificates / "server.crt",
                             "kv.tls.key": certificates / "server.key"})
    with redis.Redis(host="127.0.0.1", port=server.tls_port, ssl=True, ssl_ca_certs=str(certificates / "ca.crt"), ssl_check_hostname=False,
                     protocol=protocol) as client:
        value = b"0123456789abcdef" * 100_000
        assert client.set("k", value) and client.get("k") == value
        pipe = client.pipeline(transaction=False)
        for i in range(1000):
            pipe.set(f"k{i}", i)
        assert all(pipe.execute()) and client.dbsize() == 1001
    with pytest.raises(redis.ConnectionError):
        redis.Redis(host="127.0.0.1", port=server.tls_port, ssl=True, ssl_ca_certs=str(certificates / "client.crt")).ping()


@pytest.mark.skipif(AGAINST_REDIS, reason="is about Keelson's setting")
def test_a_password(launch):
    server = launch.keelson({"kv.password": "sesame"})
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host="127.0.0.1", port=server.port).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host="127.0.0.1", port=server.port, password="wrong").ping()
    assert redis.Redis(host="127.0.0.1", port=server.port, password="sesame").ping()
    assert redis.Redis(host="127.0.0.1", port=server.port, username="default", password="sesame", protocol=3).ping()
