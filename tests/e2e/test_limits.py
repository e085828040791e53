"""Limits: memory and eviction, output, connections, idle time; slow clients and crowds."""
import resource
import socket
import time

import pytest

from conftest import AGAINST_REDIS
from node import SANITIZED, memory_bytes, wait_until
from resp import Error, encode

POLICIES = ("allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl")


def used_memory(connection) -> int:
    text = connection.ok("INFO", "memory").decode()
    return int(text.split("used_memory:", 1)[1].split("\r", 1)[0])


@pytest.mark.parametrize("policy", POLICIES)
def test_eviction(launch, policy):
    server = launch.server()
    with server.connect() as connection:
        connection.ok("SET", "keep", "no time to live")
        limit = used_memory(connection) + (16 << 20)
        connection.ok("CONFIG", "SET", "maxmemory", limit)
        connection.ok("CONFIG", "SET", "maxmemory-policy", policy)
        for start in range(0, 60000, 1000):
            replies = connection.pipeline(["SET", f"k{i}", "x" * 500, "EX", 1000 + i] for i in range(start, start + 1000))
            assert not any(isinstance(reply, Error) for reply in replies), replies[:3]
        count = connection.ok("DBSIZE")
        assert 5000 < count < 50000
        assert used_memory(connection) < limit + (4 << 20)
        evicted = int(connection.ok("INFO", "stats").decode().split("evicted_keys:")[1].split("\r")[0])
        assert evicted + count >= 60000
        if policy.startswith("volatile"):
            assert connection.ok("EXISTS", "keep") == 1
        if policy == "volatile-ttl":   # the soonest to go went first
            newest = sum(connection.pipeline(["EXISTS", f"k{i}"] for i in range(59000, 60000)))
            oldest = sum(connection.pipeline(["EXISTS", f"k{i}"] for i in range(1000)))
            assert newest > 700 and oldest < 300
        if policy == "allkeys-lru":
            newest = sum(connection.pipeline(["EXISTS", f"k{i}"] for i in range(59000, 60000)))
            assert newest > 700


def test_no_eviction_refuses_writes_and_serves_reads(launch):
    server = launch.server()
    with server.connect() as connection:
        connection.ok("SET", "k", "v")
        connection.ok("CONFIG", "SET", "maxmemory", used_memory(connection) + (2 << 20))
        refused = None
        for i in range(20000):
            reply = connection.call("SET", f"k{i}", "x" * 1000)
            if isinstance(reply, Error):
                refused = reply
                break
        assert refused == "OOM command not allowed when used memory > 'maxmemory'."
        assert connection.ok("GET", "k") == b"v" and connection.ok("DEL", "k0") in (0, 1)
        connection.ok("MULTI")
        assert str(connection.call("SET", "a", "b")).startswith("OOM")
        assert str(connection.call("EXEC")).startswith("EXECABORT")
        connection.ok("CONFIG", "SET", "maxmemory", 0)
        assert connection.call("SET", "a", "b") == "OK"


def test_memory_comes_back(launch):
    server = launch.server()
    with server.connect(timeout_s=60) as connection:
        before = used_memory(connection)
        for start in range(0, 50000, 5000):
            connection.pipeline(["SET", f"k{i}", "x" * 200] for i in range(start, start + 5000))
        assert used_memory(connection) > before + 50000 * 200
        connection.ok("FLUSHALL")
        wait_until(lambda: used_memory(connection) < before + (4 << 20))


@pytest.mark.sanitized
def test_a_client_that_never_reads_is_cut_off_at_its_limit(launch):
    server = launch.server()
    with server.connect() as connection:
        connection.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 20mb 0 0")
        connection.ok("SET", "big", "x" * 1_000_000)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as deaf:
            try:
                for _ in range(400):
                    deaf.sendall(encode("GET", "big"))
            except ConnectionError:
                pass
            wait_until(lambda: b"connected_clients:1\r" in connection.ok("INFO", "clients"), what="the deaf client gone")
        assert connection.call("PING") == "PONG"
    assert memory_bytes(server.pid) < 300 << 20 or SANITIZED


@pytest.mark.keelson_only
def test_a_client_that_never_reads_costs_no_endless_memory(launch):
    """Without a limit, as shipped, back-pressure stops reading its commands."""
    server = launch.keelson()
    with server.connect() as connection:
        connection.ok("SET", "big", "x" * 1_000_000)
        before = memory_bytes(server.pid)
        with socket.create_connection(("127.0.0.1", server.port), timeout=3) as deaf:
            deaf.setblocking(False)
            sent, deadline = 0, time.monotonic() + 5
            payload = encode("GET", "big") * 200
            while time.monotonic() < deadline and sent < 100 << 20:
                try:
                    sent += deaf.send(payload)
                except BlockingIOError:
                    if sent and memory_bytes(server.pid) > before + (2 << 30):
                        break
            assert memory_bytes(server.pid) < before + (400 << 20)
            assert connection.call("PING") == "PONG"


def test_ten_thousand_idle_connections(launch):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10000
    if hard < wanted + 500:
        pytest.skip(f"this machine allows a process {hard} open files, too few for {wanted} connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = launch.server()
    crowd = []
    try:
        with server.connect(timeout_s=60) as connection:
            connection.ok("CONFIG", "SET", "maxclients", wanted + 100)
            before = memory_bytes(server.pid)
            for i in range(wanted):
                crowd.append(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            wait_until(lambda: f"connected_clients:{wanted + 1}\r".encode() in connection.ok("INFO", "clients"))
            grown = memory_bytes(server.pid) - before
            assert grown < wanted * 24 * 1024, f"{grown / wanted:.0f} bytes for each idle connection"
            for idle in crowd[::500]:
                idle.sendall(b"PING\r\n")
                assert idle.recv(100) == b"+PONG\r\n"
            began = time.monotonic()
            for i in range(2000):
                connection.ok("SET", f"k{i}", "v")
            assert connection.ok("DBSIZE") == 2000
            assert time.monotonic() - began < 20
    finally:
        for idle in crowd:
            idle.close()
    with server.connect(timeout_s=60) as connection:
        wait_until(lambda: b"connected_clients:1\r" in connection.ok("INFO", "clients"))


@pytest.mark.sanitized
def test_one_connection_too_many_is_told_so(launch):
    server = launch.server()
    with server.connect() as connection:
        connection.ok("CONFIG", "SET", "maxclients", 5)
        crowd = [server.connect() for _ in range(4)]
        with server.connect() as refused:
            assert refused.read() == "ERR max number of clients reached"
            assert refused.is_closed_by_peer()
        for client in crowd:
            assert client.call("PING") == "PONG"
            client.close()
        wait_until(lambda: b"connected_clients:1\r" in connection.ok("INFO", "clients"))
        with server.connect() as again:
            assert again.call("PING") == "PONG"


@pytest.mark.sanitized
def test_idle_connections_are_closed_after_the_timeout(launch):
    server = launch.server()
    with server.connect() as connection, server.connect() as idle, server.connect() as subscriber:
        connection.ok("CONFIG", "SET", "timeout", 1)
        subscriber.send("SUBSCRIBE", "c")
        subscriber.read()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and b"connected_clients:3\r" in connection.ok("INFO", "clients"):
            time.sleep(0.1)
        assert idle.is_closed_by_peer(1)
        assert connection.ok("PUBLISH", "c", "x") == 1   # subscribers may be silent


@pytest.mark.sanitized
def test_huge_counts_and_lengths(launch):
    server = launch.server()
    with server.connect() as connection:
        connection.ok("RPUSH", "l", "a", "b")
        connection.ok("SADD", "s", "a")
        connection.ok("ZADD", "z", 1, "a")
        connection.ok("HSET", "h", "f", "v")
        huge = 2**62
        for words in (["SETRANGE", "k", huge, "x"], ["SETBIT", "k", 2**40, 1], ["LPOP", "l", huge], ["SRANDMEMBER", "s", huge],
                      ["SRANDMEMBER", "s", -huge * 2], ["HRANDFIELD", "h", -huge * 2], ["ZRANDMEMBER", "z", -huge * 2], ["SPOP", "s", huge],
                      ["LRANGE", "l", -huge, huge], ["GETRANGE", "l2", 0, huge], ["ZRANGE", "z", -huge, huge], ["EXPIRE", "l", huge],
                      ["SCAN", "0", "COUNT", huge], ["LPOS", "l", "a", "RANK", -2**63], ["LMPOP", huge, "l", "LEFT"], ["ZUNION", huge, "z"],
                      ["SINTERCARD", huge, "s"], ["BITCOUNT", "l2", -huge, huge], ["ZADD", "z", "1e400", "x"], ["INCRBYFLOAT", "n", "1e5000"],
                      ["OBJECT", "ENCODING", "x" * 1_000_000], ["PEXPIREAT", "l", 2**63 - 1], ["RESTORE", "r", 0, "x" * 100000]):
            connection.call(*words)
            assert connection.call("PING") == "PONG", words


@pytest.mark.sanitized
def test_config_set_and_get(launch):
    server = launch.server()
    with server.connect() as connection:
        for name, value in (("maxmemory", b"1048576000"), ("maxmemory-policy", b"allkeys-lru"), ("maxmemory-samples", b"7"), ("timeout", b"100"),
                            ("hash-max-listpack-entries", b"64"), ("slowlog-max-len", b"33"), ("notify-keyspace-events", b"AKE"),
                            ("latency-monitor-threshold", b"50"), ("maxclients", b"500"), ("lfu-log-factor", b"5")):
            connection.ok("CONFIG", "SET", name, value)
            assert connection.ok("CONFIG", "GET", name) == [name.encode(), value]
        connection.ok("CONFIG", "SET", "maxmemory", "100mb", "timeout", "0")
        assert connection.ok("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"104857600"]
        for words in (["maxmemory", "x"], ["maxmemory-policy", "nosuch"], ["nosuch", "1"], ["timeout", "-1"], ["maxclients", "0"]):
            assert isinstance(connection.call("CONFIG", "SET", *words), Error), words
        # All or nothing.
        assert isinstance(connection.call("CONFIG", "SET", "timeout", "9", "maxmemory-policy", "nosuch"), Error)
        assert connection.ok("CONFIG", "GET", "timeout") == [b"timeout", b"0"]
    assert AGAINST_REDIS or "nosuch" not in server.output()


@pytest.mark.sanitized
def test_slowlog_and_latency(launch):
    server = launch.server()
    with server.connect() as connection:
        connection.ok("CONFIG", "SET", "slowlog-log-slower-than", 0)
        connection.ok("SET", "slow", "x" * 500)
        entries = connection.ok("SLOWLOG", "GET", 10)
        entry = next(entry for entry in entries if entry[3][0] == b"SET")
        assert entry[3][1] == b"slow" and entry[3][2].endswith(b"(372 more bytes)") and b"127.0.0.1:" in entry[4]
        assert connection.ok("SLOWLOG", "LEN") >= 1
        connection.ok("CONFIG", "SET", "slowlog-log-slower-than", 10000)
        connection.ok("SLOWLOG", "RESET")
        connection.ok("CONFIG", "SET", "latency-monitor-threshold", 10)
        connection.ok("DEBUG", "SLEEP", "0.1")
        assert connection.ok("LATENCY", "LATEST")[0][0] == b"command"
        assert connection.ok("SLOWLOG", "GET")[0][3][0] == b"DEBUG"
        assert connection.ok("LATENCY", "RESET") >= 1
        stats = connection.ok("INFO", "commandstats").decode()
        assert "cmdstat_set:calls=1,usec=" in stats
        errors = connection.call("LPUSH", "slow", "x")
        assert isinstance(errors, Error) and "errorstat_WRONGTYPE:count=1" in connection.ok("INFO", "errorstats").decode()
