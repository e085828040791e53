"""Blocked clients: served first come first served, whichever connection and shard; time-outs, kills, UNBLOCK, transactions."""
import time

import pytest

from node import wait_until
from resp import Error, NullArray

pytestmark = pytest.mark.sanitized


@pytest.fixture
def clients(server):
    made = []

    def connect(**how):
        made.append(server.connect(**how))
        return made[-1]
    yield connect
    for client in made:
        client.close()


def wait_blocked(connection, count: int) -> None:
    wait_until(lambda: f"blocked_clients:{count}\r".encode() in connection.ok("INFO", "clients"), what=f"{count} blocked clients")


def block(connection, client, blocked_before: int, *words) -> None:
    client.send(*words)
    wait_blocked(connection, blocked_before + 1)


def test_first_come_first_served(connection, clients):
    waiting = [clients() for _ in range(12)]
    for position, client in enumerate(waiting):
        block(connection, client, position, "BLPOP", "queue", 0)
    for job in range(12):
        connection.ok("RPUSH", "queue", job)
        assert waiting[job].read() == [b"queue", str(job).encode()]
    wait_blocked(connection, 0)


def test_one_push_serves_many(connection, clients):
    waiting = [clients() for _ in range(5)]
    for position, client in enumerate(waiting):
        block(connection, client, position, "BLPOP", "queue", 0)
    assert connection.ok("RPUSH", "queue", *range(7)) == 7
    assert [client.read() for client in waiting] == [[b"queue", str(job).encode()] for job in range(5)]
    assert connection.ok("LRANGE", "queue", 0, -1) == [b"5", b"6"]


def test_keys_of_many_shards(connection, clients):
    client = clients()
    keys = [f"key{i}" for i in range(40)]
    for wanted in ("key39", "key0", "key17"):
        block(connection, client, 0, "BRPOP", *keys, 0)
        connection.ok("RPUSH", wanted, "x")
        assert client.read() == [wanted.encode(), b"x"]
        assert connection.ok("EXISTS", *keys) == 0
    connection.ok("RPUSH", "key5", "b")
    connection.ok("RPUSH", "key3", "a")
    assert client.call("BLPOP", *keys, 0) == [b"key3", b"a"]   # the first key that holds something, in the order given


def test_every_blocking_command(connection, clients):
    cases = [(["BLPOP", "l", 0], ["RPUSH", "l", "a"], [b"l", b"a"]), (["BRPOP", "l", 0], ["RPUSH", "l", "a", "b"], [b"l", b"b"]),
             (["BLMOVE", "l", "m", "LEFT", "RIGHT", 0], ["RPUSH", "l", "a"], b"a"), (["BRPOPLPUSH", "l", "m", 0], ["LPUSH", "l", "a"], b"a"),
             (["BLMPOP", 0, 2, "k", "l", "LEFT", "COUNT", 2], ["RPUSH", "l", "a", "b", "c"], [b"l", [b"a", b"b"]]),
             (["BZPOPMIN", "z", 0], ["ZADD", "z", 1, "a", 2, "b"], [b"z", b"a", b"1"]),
             (["BZPOPMAX", "z", 0], ["ZADD", "z", 1, "a", 2, "b"], [b"z", b"b", b"2"]),
             (["BZMPOP", 0, 1, "z", "MIN", "COUNT", 5], ["ZADD", "z", 1, "a", 2, "b"], [b"z", [[b"a", b"1"], [b"b", b"2"]]])]
    client = clients()
    for words, wake, expected in cases:
        connection.ok("FLUSHALL")
        block(connection, client, 0, *words)
        connection.ok(*wake)
        assert client.read() == expected, words


def test_chains_of_moves(connection, clients):
    """What one blocked move pushes wakes the next."""
    chain = [clients() for _ in range(6)]
    for position, client in enumerate(chain):
        block(connection, client, position, "BLMOVE", f"step{position}", f"step{position + 1}", "LEFT", "RIGHT", 0)
    connection.ok("RPUSH", "step0", "stone")
    assert [client.read() for client in chain] == [b"stone"] * 6
    assert connection.ok("LRANGE", "step6", 0, -1) == [b"stone"]


def test_timeouts(connection, clients):
    client = clients()
    for words, expected in ((["BLPOP", "l", 0.2], NullArray()), (["BLMOVE", "l", "m", "LEFT", "LEFT", 0.2], NullArray()), (["BZPOPMIN", "z", 0.2], NullArray())):
        began = time.monotonic()
        assert client.call(*words) == expected
        assert 0.15 < time.monotonic() - began < 10
    assert isinstance(client.call("BLPOP", "l", "-1"), Error) and isinstance(client.call("BLPOP", "l", "x"), Error)


def test_writes_that_wake_in_other_ways(connection, clients):
    client = clients()
    for wake in (["RENAME", "source", "l"], ["COPY", "source", "l"], ["SORT", "source", "ALPHA", "STORE", "l"], ["LMOVE", "source", "l", "LEFT", "LEFT"],
                 ["RPOPLPUSH", "source", "l"], ["LINSERT", "l", "BEFORE", "x", "y"]):
        connection.ok("FLUSHALL")
        connection.ok("RPUSH", "source", "x")
        block(connection, client, 0, "BLPOP", "l", 0)
        if wake[0] == "LINSERT":   # inserts nothing into what is not there
            connection.ok(*wake)
            wait_blocked(connection, 1)
            connection.ok("RPUSH", "l", "x")
        else:
            connection.ok(*wake)
        assert client.read() == [b"l", b"x"], wake
    payload = connection.ok("RPUSH", "source", "x") and connection.ok("DUMP", "source")
    block(connection, client, 0, "BLPOP", "l", 0)
    connection.ok("RESTORE", "l", 0, payload)
    assert client.read() == [b"l", b"x"]


def test_a_key_of_another_type_wakes_nobody(connection, clients):
    client = clients()
    block(connection, client, 0, "BLPOP", "k", 0)
    connection.ok("SET", "k", "string")
    wait_blocked(connection, 1)
    connection.ok("DEL", "k")
    connection.ok("RPUSH", "k", "x")
    assert client.read() == [b"k", b"x"]


def test_transactions_wake_after_they_end(connection, clients):
    client = clients()
    block(connection, client, 0, "BLPOP", "l", 0)
    connection.ok("MULTI")
    connection.ok("RPUSH", "l", "a")
    connection.ok("LPUSH", "l", "b")
    connection.ok("EXEC")
    assert client.read() == [b"l", b"b"]
    block(connection, client, 0, "BLPOP", "l2", 0)
    connection.ok("MULTI")
    connection.ok("RPUSH", "l2", "a")
    connection.ok("DEL", "l2")
    connection.ok("EXEC")
    wait_blocked(connection, 1)
    connection.ok("RPUSH", "l2", "z")
    assert client.read() == [b"l2", b"z"]


def test_unblock_and_kill(connection, clients):
    client = clients()
    number = client.ok("CLIENT", "ID")
    block(connection, client, 0, "BLPOP", "l", 0)
    assert connection.ok("CLIENT", "UNBLOCK", number) == 1 and client.read() == NullArray()
    block(connection, client, 0, "BLPOP", "l", 0)
    assert connection.ok("CLIENT", "UNBLOCK", number, "ERROR") == 1
    assert str(client.read()).startswith("UNBLOCKED")
    assert connection.ok("CLIENT", "UNBLOCK", number) == 0
    block(connection, client, 0, "BLPOP", "l", 0)
    assert connection.ok("CLIENT", "KILL", "ID", number) == 1
    wait_blocked(connection, 0)
    connection.ok("RPUSH", "l", "x")
    assert connection.ok("LLEN", "l") == 1   # the dead client took nothing


def test_pipelined_commands_wait_behind_a_blocked_one(connection, clients):
    client = clients()
    client.send("BLPOP", "l", 0)
    client.send("ECHO", "later")
    wait_blocked(connection, 1)
    connection.ok("RPUSH", "l", "x")
    assert client.read() == [b"l", b"x"] and client.read() == b"later"


def test_other_databases(connection, clients):
    client = clients()
    client.ok("SELECT", 5)
    block(connection, client, 0, "BLPOP", "l", 0)
    connection.ok("RPUSH", "l", "wrong")
    wait_blocked(connection, 1)
    with_five = clients()
    with_five.ok("SELECT", 5)
    with_five.ok("RPUSH", "l", "right")
    assert client.read() == [b"l", b"right"]
    block(connection, client, 0, "BLPOP", "swapped", 0)
    connection.ok("SELECT", 6)
    connection.ok("RPUSH", "swapped", "x")
    connection.ok("SWAPDB", 5, 6)
    assert client.read() == [b"swapped", b"x"]
    connection.ok("SELECT", 0)
