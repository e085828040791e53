"""kcat, unmodified: the tool that people reach for first."""
import json

import pytest

from kafka_server import kafka_server, kcat, new_topic, not_redis
from node import wait_until

pytestmark = not_redis
READ = ("-C", "-e", "-q", "-o", "beginning")


@pytest.fixture(scope="module")
def server(launch_shared):
    return kafka_server(launch_shared)


@pytest.mark.sanitized
def test_what_goes_in_comes_out(server):
    new_topic(server, "plain")
    kcat(server, "-P", "-t", "plain", "-K:", stdin="ship:keelson\nport:hull\n")
    assert kcat(server, *READ, "-t", "plain", "-f", "%o %k=%s\n").splitlines() == ["0 ship=keelson", "1 port=hull"]


def test_metadata(server):
    new_topic(server, "listed", 3)
    told = json.loads(kcat(server, "-L", "-J", "-t", "listed"))
    assert told["brokers"] == [{"id": 1, "name": server.endpoint}] and told["originating_broker"]["name"].startswith(server.endpoint)
    assert [part["partition"] for part in told["topics"][0]["partitions"]] == [0, 1, 2]
    assert all(part["leader"] == 1 and part["isrs"] == [{"id": 1}] for part in told["topics"][0]["partitions"])


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compression(server, codec):
    topic = new_topic(server, f"packed-{codec}")
    lines = [f"line {i} " + "keelson " * 20 for i in range(500)]
    kcat(server, "-P", "-t", topic, "-z", codec, "-X", "linger.ms=200", stdin="\n".join(lines) + "\n")
    assert kcat(server, *READ, "-t", topic).splitlines() == lines


def test_headers_nulls_and_bytes(server):
    topic = new_topic(server, "odd")
    kcat(server, "-P", "-t", topic, "-H", "a=1", "-H", "empty", "-k", "key", "-D", "\1", stdin=b"\0\xff\xfe")
    kcat(server, "-P", "-t", topic, "-Z", "-K:", stdin="gone:\n")
    first, second = kcat(server, *READ, "-t", topic, "-f", "%k|%h|%S|%p\n").splitlines()
    assert first == "key|a=1,empty=NULL|3|0" and second.startswith("gone||-1|0")


def test_offsets_and_times(server):
    topic = new_topic(server, "timed")
    for line in ("one", "two", "three"):
        kcat(server, "-P", "-t", topic, stdin=line)
    times = [int(line) for line in kcat(server, *READ, "-t", topic, "-f", "%T\n").splitlines()]
    assert kcat(server, "-C", "-e", "-q", "-t", topic, "-o", "1").splitlines() == ["two", "three"]
    assert kcat(server, "-C", "-e", "-q", "-t", topic, "-o", "-1").splitlines() == ["three"]
    assert kcat(server, "-C", "-e", "-q", "-t", topic, "-o", f"s@{times[1]}").splitlines() == ["two", "three"]
    assert kcat(server, "-C", "-e", "-q", "-t", topic, "-o", f"s@{times[0]}", "-o", f"e@{times[2]}").splitlines() == ["one", "two"]
    assert "[0] offset 2" in kcat(server, "-Q", "-t", f"{topic}:0:{times[2]}")
    assert "[0] offset 3" in kcat(server, "-Q", "-t", f"{topic}:0:-1")
    assert "[0] offset 0" in kcat(server, "-Q", "-t", f"{topic}:0:-2")


def test_topics_are_made_on_first_use(server):
    kcat(server, "-P", "-t", "made-by-use", stdin="hello\n")
    assert kcat(server, *READ, "-t", "made-by-use") == "hello\n"


def test_keys_choose_partitions(server):
    topic = new_topic(server, "spread", 4)
    kcat(server, "-P", "-t", topic, "-K:", stdin="".join(f"k{i % 10}:{i}\n" for i in range(100)))
    where = {}
    for line in kcat(server, *READ, "-t", topic, "-f", "%k %p %s\n").splitlines():
        key, partition, value = line.split()
        where.setdefault(key, []).append((partition, int(value)))
    assert len(where) == 10 and len({p for got in where.values() for p, _ in got}) > 1
    for got in where.values():
        assert len({partition for partition, _ in got}) == 1 and [value for _, value in got] == sorted(value for _, value in got)


def test_group(server):
    topic = new_topic(server, "grouped", 2)
    kcat(server, "-P", "-t", topic, "-K:", stdin="".join(f"{i}:{i}\n" for i in range(50)))
    got = kcat(server, "-G", "kcats", "-e", "-q", "-X", "auto.offset.reset=earliest", topic).split()
    assert sorted(map(int, got)) == list(range(50))
    # What it committed stands: the next reader gets what is new.
    kcat(server, "-P", "-t", topic, stdin="new\n")
    assert kcat(server, "-G", "kcats", "-e", "-q", "-X", "auto.offset.reset=earliest", topic) == "new\n"


def test_transactional_and_idempotent_producer(server):
    topic = new_topic(server, "surely")
    kcat(server, "-P", "-t", topic, "-X", "enable.idempotence=true", "-X", "acks=all", stdin="a\nb\n")
    kcat(server, "-P", "-t", topic, "-X", "transactional.id=kcat-tx", stdin="c\nd\n")
    assert kcat(server, *READ, "-t", topic, "-X", "isolation.level=read_committed").split() == ["a", "b", "c", "d"]


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(server, acks):
    topic = new_topic(server, f"acks-{acks}")
    kcat(server, "-P", "-t", topic, "-X", f"acks={acks}", stdin="x\n" * 100)
    wait_until(lambda: len(kcat(server, *READ, "-t", topic).split()) == 100, what="all of them")


def test_large_messages(server):
    topic = new_topic(server, "large", max_message_bytes=8 << 20)
    body = b"0123456789abcdef" * (5 << 16)
    kcat(server, "-P", "-t", topic, "-D", "\1", "-X", f"message.max.bytes={9 << 20}", stdin=body)
    assert kcat(server, *READ, "-t", topic, "-f", "%s", "-X", f"fetch.message.max.bytes={9 << 20}") == body.decode()
