"""Bytes that no client would send. The server answers as Kafka does, or hangs up; it never falls, and its memory stays where it was."""
import gzip
import os
import socket
import struct
import threading
import zlib

import pytest
from kafka.protocol.consumer import JoinGroupRequest

from kafka_members import consume, produce
from kafka_raw import Raw, batch, head, record, varint
from kafka_server import kafka_server, keelson_only, new_topic, not_redis
from node import PATIENCE_S, memory_bytes

pytestmark = not_redis
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(launch_shared):
    return kafka_server(launch_shared)


@pytest.fixture(scope="module")
def topic(server):
    return new_topic(server, "hostile")


@pytest.fixture(autouse=True)
def still_there(server, topic):
    yield
    assert server.running
    with Raw(server.endpoint) as raw:
        before = raw.offset_for(topic, -1).offset
        assert raw.produce(topic, batch([b"fine"])).base_offset == before


# What is compressed need not be looked into: consumers find it as it came.
UNREAD = {-1, 2, 87, 0}
BATCHES = {
    "crc": (lambda: batch([b"x"], crc=1), {2}),
    "length beyond": (lambda: batch([b"x"], length=1000), {87, 2}),
    "length short": (lambda: batch([b"x"], length=50), {2, 87}),
    "length negative": (lambda: batch([b"x"], length=-5), {2, 87}),
    "length of 2 GiB": (lambda: batch([b"x"], length=2**31 - 1), {87, 2, -1, 10}),
    "magic 3": (lambda: batch([b"x"], magic=3), {2, 87}),
    "magic -1": (lambda: batch([b"x"], magic=-1), {2, 87}),
    "count too high": (lambda: batch([b"x"], count=5), {87, 2}),
    "count zero": (lambda: batch([b"x"], count=0), {87, 2}),
    "count negative": (lambda: batch([b"x"], count=-1), {87, 2}),
    "count of 2 Gi": (lambda: batch([b"x"], count=2**31 - 1, last_delta=2**31 - 2), {87, 2}),
    "last delta": (lambda: batch([b"x"], last_delta=7), {87, 2}),
    "last delta negative": (lambda: batch([b"x"], last_delta=-3), {87, 2}),
    "no records": (lambda: batch([], records=b"", last_delta=0), {87, 2}),
    "nothing": (lambda: b"", {87, 2}),
    "half a head": (lambda: batch([b"x"])[:20], {87, 2}),
    "two batches": (lambda: batch([b"x"]) * 2, {87}),
    "base offset": (lambda: batch([b"x"], base_offset=17), {87, 0}),       # it is overwritten
    "control": (lambda: batch([b"x"], attributes=0x20), {87}),
    "transactional": (lambda: batch([b"x"], attributes=0x10, producer=(1, 0, 0)), {53, 48, 49}),
    "codec 5": (lambda: batch([b"x"], attributes=5), {-1, 2, 87, 76}),
    "codec 7": (lambda: batch([b"x"], attributes=7), {-1, 2, 87, 76}),
    "gzip that is none": (lambda: batch([b"x"], attributes=1), UNREAD),
    "snappy that is none": (lambda: batch([b"x"], attributes=2), UNREAD),
    "lz4 that is none": (lambda: batch([b"x"], attributes=3), UNREAD),
    "zstd that is none": (lambda: batch([b"x"], attributes=4), UNREAD),
    "record too long": (lambda: batch([b"x"], records=varint(1000) + record(b"x")[1:]), {87, 2}),
    "record length negative": (lambda: batch([b"x"], records=varint(-5) + record(b"x")[1:]), {87, 2}),
    "a varint without an end": (lambda: batch([b"x"], records=b"\xff" * 11), {87, 2, -1}),
    "key length": (lambda: batch([b"x"], records=varint(20) + b"\0\0\0" + varint(2**31 - 1) + b"x" * 12), {87, 2}),
    "headers without end": (lambda: batch([b"x"], records=(lambda body: varint(len(body)) + body)(b"\0\0\0" + varint(-1) * 2 + varint(2**30))), {87, 2}),
    "bytes behind the records": (lambda: batch([b"x"], records=record(b"x") + b"more"), {87, 2}),
}


@pytest.mark.sanitized
@pytest.mark.parametrize("name", BATCHES)
def test_bent_batches(server, topic, name):
    make, codes = BATCHES[name]
    with Raw(server.endpoint) as raw:
        before = raw.offset_for(topic, -1).offset
        told = raw.produce(topic, make(), version=8)
        assert told.error_code in codes and (told.base_offset == -1 or told.error_code == 0), told
        # The connection lives on, and nothing was kept that was refused.
        assert raw.offset_for(topic, -1).offset == before + (told.error_code == 0)


FRAMES = {
    "length of 2 GiB": struct.pack(">i", 2**31 - 1) + b"x" * 100,
    "length negative": struct.pack(">i", -1),
    "length above the limit": struct.pack(">i", 110 * MIB) + b"x" * 100,
    "unknown request": struct.pack(">i", 13) + head(999, 0),
    "negative request": struct.pack(">i", 13) + head(-1, 0),
    "unknown version": struct.pack(">i", 13) + head(3, 99),
    "a web browser": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + b"\0" * 200,
    "array of 2 Gi": struct.pack(">i", 17) + head(3, 0) + struct.pack(">i", 2**31 - 1),
    "array negative": struct.pack(">i", 17) + head(3, 0) + struct.pack(">i", -7),
    "text longer than the frame": struct.pack(">i", 22) + head(3, 0) + struct.pack(">ih3s", 1, 30000, b"abc"),
    "frame that ends early": struct.pack(">i", 9) + head(3, 1)[:9],
    "header of nothing": struct.pack(">i", 0),
    "compact array of 4 Gi": struct.pack(">i", 19) + head(3, 9, True) + b"\xff\xff\xff\xff\x0f",
    "tags without end": struct.pack(">i", 18) + head(3, 9) + b"\xff\xff\xff\xff\x0f",
}


@pytest.mark.sanitized
@pytest.mark.parametrize("name", FRAMES)
def test_bent_frames(server, name):
    with Raw(server.endpoint) as raw:
        raw.send(FRAMES[name])
        assert raw.is_closed_by_peer()


def test_random_bytes(server):
    for number in range(200):
        data = os.urandom(60)
        with Raw(server.endpoint) as raw:
            raw.send_frame(head(number % 70, number % 12, number % 2 == 0) + data)
            raw.socket.shutdown(socket.SHUT_WR)
            assert raw.is_closed_by_peer()


def test_cut_everywhere(server):
    """A request cut off at each byte: the server waits for the rest, and drops it when the client goes."""
    whole = struct.pack(">i", 22) + head(3, 0) + struct.pack(">ih3s", 1, 3, b"abc")
    for end in range(len(whole)):
        with Raw(server.endpoint) as raw:
            raw.send(whole[:end])
            raw.socket.shutdown(socket.SHUT_WR)
            assert raw.is_closed_by_peer()


def growth(server, work) -> int:
    with Raw(server.endpoint) as raw:
        raw.api_versions()
    before = memory_bytes(server.pid)
    highest = [before]
    ending = threading.Event()

    def watch():
        while not ending.wait(0.005):
            highest[0] = max(highest[0], memory_bytes(server.pid))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        ending.set()
        watcher.join()
    return highest[0] - before


@keelson_only
def test_a_compression_bomb(server):
    """A GiB of zeros in a MiB. Where the server has to look into it (for keys), it is refused once its limit is reached, without a GiB of memory."""
    topic = new_topic(server, "bomb", max_message_bytes=8 * MIB, cleanup_policy="compact")
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    inner = varint(1 << 30) + b"\0\0\0" + varint(-1) + varint((1 << 30) - 20)
    packed = bomb.compress(inner)
    zeros = bytes(16 * MIB)
    for _ in range(64):
        packed += bomb.compress(zeros)
    packed += bomb.flush()
    with Raw(server.endpoint) as raw:
        def work():
            told = raw.produce(topic, batch([b"x"], attributes=1, records=packed), version=8)
            assert told.error_code in (10, 87, 2), told
        assert growth(server, work) < 300 * MIB
        assert raw.produce(topic, batch([b"x"], attributes=1, records=gzip.compress(record(b"a" * MIB, b"key"))), version=8).error_code == 0


@keelson_only
def test_many_half_requests_take_no_memory(server):
    """Two hundred clients that announce 100 MiB each, and send nothing more."""
    def work():
        connections = [Raw(server.endpoint) for _ in range(200)]
        for connection in connections:
            connection.send(struct.pack(">i", 100 * MIB) + head(0, 7))
        with Raw(server.endpoint) as raw:
            raw.api_versions()
        for connection in connections:
            connection.close()
    assert growth(server, work) < 150 * MIB


@keelson_only
def test_a_client_that_takes_no_answers(server):
    """It asks for more and more, and reads nothing: the server stops reading from it."""
    topic = new_topic(server, "unread")
    produce(server, topic, [b"x" * 100_000] * 100)

    def work():
        with Raw(server.endpoint) as raw:
            raw.socket.settimeout(2)
            try:
                for _ in range(5000):
                    raw.start_fetch(topic, 0, version=11)
            except TimeoutError:
                pass
            with Raw(server.endpoint) as other:
                assert other.api_versions().error_code == 0
    assert growth(server, work) < 400 * MIB


def test_a_consumer_that_never_takes(server):
    """Nothing is kept for who is away: the log is there once, however many do not read it."""
    topic = new_topic(server, "slow")
    connections = [Raw(server.endpoint) for _ in range(50)]
    started = [connection.start_fetch(topic, 0, max_wait_ms=PATIENCE_S * 1000) for connection in connections]
    with Raw(server.endpoint) as raw:
        for _ in range(20):
            raw.produce(topic, batch([b"x" * 100_000]))
    for connection, request in zip(connections, started):
        assert connection.finish(request).responses[0].partitions[0].error_code == 0
        connection.close()


@keelson_only
def test_absurd_counts(server):
    """Half a million of empty topics in one request are answered or refused, and cost what they weigh."""
    body = head(3, 1) + struct.pack(">i", 500_000) + b"\0\0" * 500_000

    def work():
        with Raw(server.endpoint) as raw:
            raw.send_frame(body)
            try:
                raw.read_frame()
            except ConnectionError:
                pass
    assert growth(server, work) < 500 * MIB


def test_thousands_of_connections_come_and_go(server):
    for _ in range(20):
        connections = [Raw(server.endpoint) for _ in range(100)]
        for connection in connections:
            connection.send(struct.pack(">i", 13) + head(18, 0))
        for connection in connections:
            connection.read_frame()
            connection.close()


def test_members_that_come_and_vanish(server):
    """A rebalance storm: clients that join a group and hang up at once. The group serves the next."""
    def join(raw, member=""):
        return raw.start(JoinGroupRequest[3](group_id="vanish", session_timeout_ms=6000, rebalance_timeout_ms=1000, member_id=member, protocol_type="consumer",
                                             protocols=[JoinGroupRequest.JoinGroupRequestProtocol(version=3, name="range", metadata=b"m")]))
    for _ in range(300):
        with Raw(server.endpoint) as raw:
            join(raw)
    with Raw(server.endpoint) as raw:
        assert raw.finish(join(raw)).error_code == 0


def test_producing_goes_on_beside_all_that(server):
    topic = new_topic(server, "beside")
    ending = threading.Event()

    def noise():
        while not ending.is_set():
            try:
                with Raw(server.endpoint, 5) as raw:
                    raw.send_frame(head(0, 7) + os.urandom(200))
                    raw.is_closed_by_peer()
            except OSError:
                pass
    threads = [threading.Thread(target=noise) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        produce(server, topic, [str(i) for i in range(5000)], enable_idempotence=True)
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    assert [int(message.value()) for message in consume(server, topic, 5000)] == list(range(5000))
