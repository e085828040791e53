"""Members of consumer groups, each in a thread of its own (confluent-kafka), and what they were given and got."""
import threading

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from node import PATIENCE_S


class Member:
    def __init__(self, server, group: str, topics, **more):
        settings = {"bootstrap.servers": server.endpoint, "group.id": group, "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 500,
                    **{key.replace("_", "."): value for key, value in more.items()}}
        if settings.get("group.protocol") != "consumer":
            settings = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200, **settings}
        self.parts: set = set()
        self.gained = self.lost = self.revoked = 0
        self.got: list = []
        self.errors: list = []
        self.is_cooperative = "cooperative" in str(settings.get("partition.assignment.strategy", "")) or settings.get("group.protocol") == "consumer"
        self.consumer = Consumer(settings)
        self.topics, self.ending = topics, threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _assigned(self, consumer, parts):
        self.gained += len(parts)
        self.parts |= {(part.topic, part.partition) for part in parts}
        if self.is_cooperative:
            consumer.incremental_assign(parts)
        else:
            self.parts = {(part.topic, part.partition) for part in parts}
            consumer.assign(parts)

    def _revoked(self, consumer, parts):
        self.revoked += len(parts)
        self.parts -= {(part.topic, part.partition) for part in parts}
        if self.is_cooperative:
            consumer.incremental_unassign(parts)
        else:
            consumer.unassign()

    def _lost(self, consumer, parts):
        self.lost += len(parts)
        self.parts -= {(part.topic, part.partition) for part in parts}

    def _run(self):
        self.consumer.subscribe(self.topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        while not self.ending.is_set():
            try:
                message = self.consumer.poll(0.05)
            except KafkaException as error:
                self.errors.append(error)
                return
            if message is None:
                continue
            if message.error():
                if message.error().code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._PARTITION_EOF):
                    self.errors.append(message.error())
                continue
            self.got.append((message.topic(), message.partition(), message.offset(), message.value()))
        self.consumer.close()

    def close(self):
        self.ending.set()
        self.thread.join(PATIENCE_S * 2)
        assert not self.thread.is_alive(), "the member does not end"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def produce(server, topic: str, values, partitions: int = 1, **more) -> list[tuple[int, int]]:
    """All of them, acknowledged; gives (partition, offset) of each, in order."""
    told: list = [None] * len(values)
    producer = Producer({"bootstrap.servers": server.endpoint, "linger.ms": 5, **{key.replace("_", "."): value for key, value in more.items()}})
    for number, value in enumerate(values):
        def report(error, message, number=number):
            told[number] = error or (message.partition(), message.offset())
        producer.produce(topic, value, partition=number % partitions, on_delivery=report)
        if number % 1000 == 999:
            producer.poll(0)
    assert producer.flush(PATIENCE_S * 2) == 0
    assert all(isinstance(one, tuple) for one in told), [one for one in told if not isinstance(one, tuple)][:3]
    return told


def consume(server, topic: str, count: int, partitions: int = 1, start: int = 0, **more) -> list:
    """`count` messages of a topic by direct assignment, in the order in which they came."""
    consumer = Consumer({"bootstrap.servers": server.endpoint, "group.id": "direct", "enable.auto.commit": False, "auto.offset.reset": "error",
                         **{key.replace("_", "."): value for key, value in more.items()}})
    consumer.assign([TopicPartition(topic, partition, start) for partition in range(partitions)])
    got = []
    for message in iter(lambda: consumer.poll(PATIENCE_S), None):
        assert not message.error(), message.error()
        got.append(message)
        if len(got) == count:
            break
    consumer.close()
    assert len(got) == count, f"{len(got)} of {count} came"
    return got
