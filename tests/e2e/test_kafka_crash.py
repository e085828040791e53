"""kill -9 under load, and a full disk: nothing acknowledged is lost, nothing is doubled, and the order stays."""
import ctypes
import os
import random
import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from kafka_members import consume, produce
from kafka_raw import Raw, batch
from kafka_server import Topics, keelson_only, new_topic, not_redis
from node import PATIENCE_S, SANITIZED, free_port, wait_until

pytestmark = [not_redis, keelson_only]
KILLS = 4 if SANITIZED else 20
PARTITIONS = 4
# Small segments and early checkpoints, so that the kills meet their borders.
OPTIONS = {"log.segment-size": "1mb", "checkpoint.log-min": "1mb", "topic.durability": "always", "topic.cache-size": "4mb"}


class Load(threading.Thread):
    """One producer that goes on over the server's deaths. Each message is its partition's next number."""

    def __init__(self, endpoint: str, topic: str, number: int, idempotent: bool):
        super().__init__()
        self.topic, self.number, self.ending = topic, number, threading.Event()
        self.sent, self.acknowledged, self.failed, self.errors = 0, [], [], []
        self.producer = Producer({"bootstrap.servers": endpoint, "acks": "all", "enable.idempotence": idempotent, "linger.ms": 2, "batch.num.messages": 50,
                                  "message.timeout.ms": 120_000, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50, "log_level": 0,
                                  "compression.type": ["none", "lz4", "zstd"][number % 3]})

    def run(self):
        try:
            while not self.ending.is_set():
                for _ in range(20):
                    self._send()
                self.producer.poll(0.002)
            assert self.producer.flush(PATIENCE_S * 4) == 0, "messages were never answered"
        except (BufferError, KafkaException, AssertionError) as error:
            self.errors.append(error)

    def _send(self):
        value = self.sent
        self.sent += 1

        def report(error, message):
            if error:
                self.failed.append((value, str(error)))
            else:
                self.acknowledged.append((value, message.offset()))
        self.producer.produce(self.topic, f"{self.number}:{value}:".encode() + b"x" * 200, partition=self.number, on_delivery=report)


def check(server, topic: str, loads, idempotent: bool) -> int:
    """What is there is what was acknowledged, in order; more only where an answer was lost."""
    total = 0
    with Raw(server.endpoint) as raw:
        ends = [raw.offset_for(topic, -1, part).offset for part in range(PARTITIONS)]
    got = consume(server, topic, sum(ends), PARTITIONS, check_crcs=True) if sum(ends) else []
    for load in loads:
        there = [(int(message.value().split(b":")[1]), message.offset()) for message in got if message.partition() == load.number]
        assert [offset for _, offset in there] == list(range(len(there)))
        values = [value for value, _ in there]
        by_offset = {offset: value for value, offset in there}
        for value, offset in load.acknowledged:
            assert by_offset.get(offset) == value, f"message {value} of partition {load.number} is not at {offset}, where it was acknowledged"
        if idempotent:
            assert values == sorted(set(values)), f"partition {load.number} has doubles or disorder"
        else:
            assert set(value for value, _ in load.acknowledged) <= set(values)
        total += len(load.acknowledged)
    return total


@pytest.mark.parametrize("idempotent", [True, False], ids=["idempotent", "plain"])
def test_kill_under_load(launch, idempotent):
    chance = random.Random(20261126)
    # The same port in every life: clients find the server again.
    options = {**OPTIONS, "kafka.listen": f"127.0.0.1:{free_port()}"}
    server = launch.keep(Topics(launch.folder / "topics", options))
    topic = new_topic(server, "load", PARTITIONS, segment_bytes=1 << 20)
    loads = [Load(server.endpoint, topic, number, idempotent) for number in range(PARTITIONS)]
    for load in loads:
        load.start()
    try:
        for turn in range(KILLS if idempotent else max(3, KILLS // 4)):
            before = [len(load.acknowledged) for load in loads]
            wait_until(lambda: all(len(load.acknowledged) > count or load.errors for load, count in zip(loads, before)), PATIENCE_S * 4, "load")
            time.sleep(chance.uniform(0.02, 0.4))
            server.kill()
            server = launch.keep(Topics(launch.folder / "topics", {**options, "reactors": 1 + turn % 2}))
    finally:
        for load in loads:
            load.ending.set()
        for load in loads:
            load.join(PATIENCE_S * 8)
    assert not any(load.errors for load in loads), [load.errors for load in loads]
    assert not any(load.failed for load in loads), [load.failed[:3] for load in loads]
    assert check(server, topic, loads, idempotent) > 100
    assert server.stop() == 0
    server = launch.keep(Topics(launch.folder / "topics", options))
    check(server, topic, loads, idempotent)


def test_committed_offsets_never_go_back(launch):
    """A group goes on over deaths of the server; what it has committed stands."""
    options = {**OPTIONS, "kafka.listen": f"127.0.0.1:{free_port()}"}
    server = launch.keep(Topics(launch.folder / "topics", options))
    topic = new_topic(server, "offsets", 2)
    produce(server, topic, [str(i) for i in range(2000)], 2)
    done = 0
    for _ in range(3 if SANITIZED else 8):
        consumer = Consumer({"bootstrap.servers": server.endpoint, "group.id": "counts", "enable.auto.commit": False, "auto.offset.reset": "error", "log_level": 0})
        part = TopicPartition(topic, 0)
        told = consumer.committed([part], PATIENCE_S)[0].offset
        assert told == (done or -1001)
        done += 37
        consumer.commit(offsets=[TopicPartition(topic, 0, done)], asynchronous=False)
        consumer.close()
        server.kill()
        server = launch.keep(Topics(launch.folder / "topics", options))


def test_transactions_over_kills(launch):
    """Each transaction is there whole or not at all, in both partitions that it wrote to."""
    chance = random.Random(7)
    options = {**OPTIONS, "kafka.listen": f"127.0.0.1:{free_port()}"}
    server = launch.keep(Topics(launch.folder / "topics", options))
    topic = new_topic(server, "whole", 2)
    committed, ending, errors = [], threading.Event(), []

    def work():
        number = 0
        while not ending.is_set():
            try:
                producer = Producer({"bootstrap.servers": server.endpoint, "transactional.id": "whole", "log_level": 0, "retry.backoff.ms": 50,
                                     "reconnect.backoff.max.ms": 200})
                producer.init_transactions(PATIENCE_S * 4)
                while not ending.is_set():
                    number += 1
                    producer.begin_transaction()
                    for part in (0, 1):
                        for i in range(5):
                            producer.produce(topic, f"{number}-{i}", partition=part)
                    producer.commit_transaction(PATIENCE_S * 4)
                    committed.append(number)
            except KafkaException as error:
                if not error.args[0].txn_requires_abort() and not error.args[0].fatal() and not error.args[0].retriable():
                    errors.append(error)
                    return
    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(3 if SANITIZED else 8):
            before = len(committed)
            wait_until(lambda: len(committed) > before + 2 or errors, PATIENCE_S * 4, "transactions")
            time.sleep(chance.uniform(0.0, 0.2))
            server.kill()
            server = launch.keep(Topics(launch.folder / "topics", options))
    finally:
        ending.set()
        thread.join(PATIENCE_S * 8)
    assert not errors, errors

    def seen(part):
        with Raw(server.endpoint) as raw:
            end = wait_until(lambda: (lambda stable, high: stable if stable == high else None)(
                raw.offset_for(topic, -1, part, committed=True).offset, raw.offset_for(topic, -1, part).offset), PATIENCE_S * 4, "no open transaction")
        consumer_got = []
        consumer = Consumer({"bootstrap.servers": server.endpoint, "group.id": "x", "isolation.level": "read_committed", "enable.partition.eof": True})
        consumer.assign([TopicPartition(topic, part, 0)])
        while end:
            message = consumer.poll(PATIENCE_S)
            if message.error():
                break
            consumer_got.append(message.value().decode())
        consumer.close()
        return consumer_got
    both = [seen(0), seen(1)]
    assert both[0] == both[1] and len(both[0]) == len(set(both[0]))
    whole = [value.split("-")[0] for value in both[0]]
    assert all(whole.count(number) == 5 for number in set(whole)) and {str(number) for number in committed} <= set(whole)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 MiB, where the machine permits it."""
    folder = tmp_path / "small"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, b"size=48m") != 0:
        pytest.skip("cannot mount")
    yield folder
    libc.umount2(str(folder).encode(), 2)


def test_a_full_disk(launch, small_disk):
    """Producers are told; what was acknowledged stays readable; with room again it goes on."""
    options = {"log.segment-size": "1mb", "checkpoint.log-min": "1mb"}
    server = launch.keep(Topics(launch.folder / "topics", options, data=Path(small_disk) / "data"))
    topic = new_topic(server, "fills", 1, segment_bytes=1 << 20)
    acknowledged = 0
    with Raw(server.endpoint) as raw:
        while True:
            told = raw.produce(topic, batch([os.urandom(100_000)]))
            if told.error_code:
                break
            assert told.base_offset == acknowledged
            acknowledged += 1
        assert told.error_code == 56 and acknowledged > 20            # KAFKA_STORAGE_ERROR
        assert raw.offset_for(topic, -1).offset == acknowledged
        assert server.running
    assert len(consume(server, topic, acknowledged)) == acknowledged
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"tmpfs", str(small_disk).encode(), b"tmpfs", 32, b"size=128m") == 0   # MS_REMOUNT
    with Raw(server.endpoint) as raw:
        wait_until(lambda: raw.produce(topic, batch([b"again"])).error_code == 0, PATIENCE_S * 2, "room again")
    server.kill()
    server = launch.keep(Topics(launch.folder / "topics", options, data=Path(small_disk) / "data"))
    got = consume(server, topic, acknowledged + 1)
    assert got[-1].value() == b"again"


def test_damage_is_told_and_not_served(launch):
    """A byte that changed on the disk: that partition's reads stop with an error, the others go on."""
    options = {**OPTIONS, "checkpoint.log-min": "1mb"}
    server = launch.keep(Topics(launch.folder / "topics", options))
    topic, other = new_topic(server, "damaged", 1, segment_bytes=1 << 20), new_topic(server, "whole", 1)
    produce(server, topic, [b"m" * 10_000] * 600)
    produce(server, other, ["fine"])
    assert server.stop() == 0
    files = sorted((path for path in (server.data / "topic").rglob("*-0-*.log") if path.stat().st_size > 100_000), key=lambda path: path.name)
    assert len(files) > 3, "no segment files"
    with open(files[0], "r+b") as file:
        file.seek(50_000)
        file.write(b"\xff\x00\xff\x00")
    server = launch.keep(Topics(launch.folder / "topics", options))
    with Raw(server.endpoint) as raw:
        codes = {raw.fetch(topic, offset).error_code for offset in (0, 4, 5)}
        assert codes & {2, 56, -1}, codes
        assert files[0].name in server.output(), "the log does not name the file"
        assert raw.fetch(other, 0).error_code == 0
    assert len(consume(server, other, 1)) == 1
