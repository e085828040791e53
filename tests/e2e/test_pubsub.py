"""Publish and subscribe: channels, patterns, shard channels, many subscribers, slow ones."""
import pytest

from node import wait_until
from resp import Connection, Push

pytestmark = pytest.mark.sanitized


def subscribed(server, *words, protocol: int = 2) -> Connection:
    client = server.connect(protocol=protocol)
    client.send(*words)
    for number in range(len(words) - 1):
        assert client.read()[2] == number + 1
    return client


def test_everybody_gets_every_message_in_order(server, connection):
    subscribers = [subscribed(server, "SUBSCRIBE", "a", "b") for _ in range(20)]
    for i in range(500):
        assert connection.ok("PUBLISH", "ab"[i % 2], i) == 20
    for subscriber in subscribers:
        assert [subscriber.read() for _ in range(500)] == [[b"message", b"ab"[i % 2:i % 2 + 1], str(i).encode()] for i in range(500)]
        subscriber.close()
    wait_until(lambda: connection.ok("PUBLISH", "a", "x") == 0)


def test_patterns(server, connection):
    client = subscribed(server, "PSUBSCRIBE", "news.*", "n[ae]ws.?", "*")
    assert connection.ok("PUBLISH", "news.x", "hello") == 3
    assert sorted(client.read()[1] for _ in range(3)) == [b"*", b"n[ae]ws.?", b"news.*"]
    assert connection.ok("PUBSUB", "NUMPAT") == 3 and connection.ok("PUBSUB", "CHANNELS") == []
    client.send("PUNSUBSCRIBE", "*")
    assert client.read() == [b"punsubscribe", b"*", 2]
    assert connection.ok("PUBLISH", "other", "x") == 0
    client.close()


def test_shard_channels(server, connection):
    client = subscribed(server, "SSUBSCRIBE", "s1")
    assert connection.ok("SPUBLISH", "s1", "hello") == 1 and connection.ok("PUBLISH", "s1", "not this") == 0
    assert client.read() == [b"smessage", b"s1", b"hello"]
    assert connection.ok("PUBSUB", "SHARDCHANNELS") == [b"s1"] and connection.ok("PUBSUB", "SHARDNUMSUB", "s1") == [b"s1", 1]
    client.close()


def test_resp3_pushes_between_answers(server, connection):
    client = subscribed(server, "SUBSCRIBE", "c", protocol=3)
    connection.ok("PUBLISH", "c", "one")
    assert client.read() == Push([b"message", b"c", b"one"])
    client.send("GET", "none")
    assert client.read() is None
    client.close()


def test_unsubscribing(server, connection):
    client = subscribed(server, "SUBSCRIBE", "a", "b")
    client.send("UNSUBSCRIBE")
    assert sorted(client.read()[1] for _ in range(2)) == [b"a", b"b"]
    client.send("UNSUBSCRIBE")
    assert client.read() == [b"unsubscribe", None, 0]
    assert client.call("PING") == "PONG"
    client.close()


def test_in_a_transaction(server, connection):
    client = subscribed(server, "SUBSCRIBE", "c")
    connection.ok("MULTI")
    connection.ok("PUBLISH", "c", "1")
    connection.ok("PUBLISH", "c", "2")
    assert connection.ok("EXEC") == [1, 1]
    assert [client.read()[2] for _ in range(2)] == [b"1", b"2"]
    client.close()


def test_a_subscriber_that_never_reads_is_cut_off(server, connection):
    connection.ok("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 512kb 5")
    client = subscribed(server, "SUBSCRIBE", "c")
    healthy = subscribed(server, "SUBSCRIBE", "c")
    message, sent = "x" * 100_000, 0
    for sent in range(1, 2000):
        count = connection.ok("PUBLISH", "c", message)
        assert len(healthy.read()[2]) == 100_000
        if count == 1:
            break
    assert sent < 1999
    wait_until(lambda: connection.ok("PUBSUB", "NUMSUB", "c") == [b"c", 1])
    client.close()
    healthy.close()
    connection.ok("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")
