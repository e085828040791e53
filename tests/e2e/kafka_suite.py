"""Debian's python3-kafka (kafka-python 2.0.2), or the current one, unmodified. Run by test_kafka_clients.py as `python3 kafka_suite.py ENDPOINT`."""
import sys
import time
import traceback

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.structs import OffsetAndMetadata

ENDPOINT = sys.argv[1]
OLD = kafka.__version__.startswith("2.0")
admin = KafkaAdminClient(bootstrap_servers=ENDPOINT)


def until(holds, limit_s: float = 60):
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.01)


def read(topic, count, **more):
    consumer = KafkaConsumer(topic, bootstrap_servers=ENDPOINT, auto_offset_reset="earliest", consumer_timeout_ms=30_000, **more)
    got = []
    for message in consumer:
        got.append(message)
        if len(got) == count:
            break
    consumer.close()
    assert len(got) == count, got
    return got


def version_is_guessed():
    """kafka-python draws conclusions from which requests are known at which versions."""
    consumer = KafkaConsumer(bootstrap_servers=ENDPOINT)
    assert consumer.config["api_version"] >= (2, 5), consumer.config["api_version"]
    consumer.close()


def messages():
    admin.create_topics([NewTopic("py", 1, 1)])
    producer = KafkaProducer(bootstrap_servers=ENDPOINT, acks="all")
    first = producer.send("py", key=b"a", value=b"one", headers=[("kind", b"first")], timestamp_ms=1_700_000_000_000).get(30)
    assert (first.topic, first.partition, first.offset, first.timestamp) == ("py", 0, 0, 1_700_000_000_000)
    producer.send("py", value=None, key=b"gone").get(30)
    producer.close()
    one, two = read("py", 2)
    assert (one.key, one.value, one.headers, one.timestamp) == (b"a", b"one", [("kind", b"first")], 1_700_000_000_000), one
    assert (two.key, two.value, two.offset) == (b"gone", None, 1)


def compressions():
    """What Debian's Python has at hand: gzip always, the others where their modules are."""
    admin.create_topics([NewTopic("py-packed", 1, 1)])
    count = 0
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        if codec != "gzip" and not getattr(kafka.codec, f"has_{codec}")():
            continue
        producer = KafkaProducer(bootstrap_servers=ENDPOINT, compression_type=codec, linger_ms=50)
        for i in range(20):
            producer.send("py-packed", f"{codec} {i} ".encode() * 10)
        producer.close()
        count += 20
    assert [one.offset for one in read("py-packed", count)] == list(range(count))


def acks():
    admin.create_topics([NewTopic("py-acks", 1, 1)])
    for how in (0, 1, "all"):
        producer = KafkaProducer(bootstrap_servers=ENDPOINT, acks=how)
        producer.send("py-acks", str(how).encode())
        producer.flush()
        producer.close()
    assert sorted(one.value for one in read("py-acks", 3)) == [b"0", b"1", b"all"]


def groups():
    admin.create_topics([NewTopic("py-group", 2, 1)])
    producer = KafkaProducer(bootstrap_servers=ENDPOINT)
    for i in range(20):
        producer.send("py-group", str(i).encode(), partition=i % 2)
    producer.flush()
    consumer = KafkaConsumer("py-group", group_id="py", bootstrap_servers=ENDPOINT, auto_offset_reset="earliest", enable_auto_commit=False,
                             consumer_timeout_ms=30_000)
    got = [next(consumer).value for _ in range(20)]
    assert sorted(got, key=int) == [str(i).encode() for i in range(20)]
    part = TopicPartition("py-group", 0)
    consumer.commit({part: OffsetAndMetadata(4, "half", *([] if OLD else [-1]))})
    assert consumer.committed(part) == 4
    assert consumer.end_offsets([part])[part] == 10 and consumer.beginning_offsets([part])[part] == 0
    consumer.close()
    told = admin.list_consumer_group_offsets("py") if OLD else admin.list_group_offsets(["py"])["py"]
    assert told[part].offset == 4 and told[part].metadata == "half", told
    # The next member goes on where the first said.
    later = KafkaConsumer("py-group", group_id="py", bootstrap_servers=ENDPOINT, auto_offset_reset="latest", consumer_timeout_ms=30_000)
    assert next(later).offset == 4
    later.close()
    listed = admin.list_consumer_groups() if OLD else admin.list_groups()
    assert "py" in str(listed), listed


def times():
    consumer = KafkaConsumer(bootstrap_servers=ENDPOINT)
    part = TopicPartition("py", 0)
    found = consumer.offsets_for_times({part: 1_700_000_000_001})[part]
    assert found.offset == 1, found
    assert consumer.offsets_for_times({part: 9_000_000_000_000})[part] is None
    assert consumer.partitions_for_topic("py") == {0}
    assert {"py", "py-group"} <= set(consumer.topics())
    consumer.assign([part])
    consumer.seek(part, 1)
    assert consumer.position(part) == 1 and next(consumer).offset == 1
    consumer.close()


def deletion():
    admin.delete_topics(["py"])
    until(lambda: "py" not in admin.list_topics())


failed = False
for step in (version_is_guessed, messages, compressions, acks, groups, times, deletion):
    try:
        step()
        print("ok", step.__name__, flush=True)
    except Exception:
        failed = True
        print("not ok", step.__name__, traceback.format_exc(), flush=True)
admin.close()
sys.exit(failed)
