"""Google's Pub/Sub client for Python, unmodified: what it promises to publishers and subscribers."""
import os
import threading
import time

import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.protobuf import duration_pb2, field_mask_pb2, timestamp_pb2
from google.pubsub_v1.types import Encoding, Schema

from kafka_members import consume, produce
from kafka_server import Topics, keelson_only, not_redis, run
from node import PATIENCE_S, ROOT, wait_until

pytestmark = [not_redis, keelson_only]
PROJECT = "projects/ships"
PARTITIONS = 4      # of a topic that is made through Pub/Sub (pubsub.partitions)


class World:
    """A server and clients of it."""

    def __init__(self, server):
        self.server = server
        before = os.environ.get("PUBSUB_EMULATOR_HOST")
        os.environ["PUBSUB_EMULATOR_HOST"] = server.pubsub_endpoint
        try:
            self.publisher = pubsub_v1.PublisherClient(publisher_options=pubsub_v1.types.PublisherOptions(enable_message_ordering=True))
            self.subscriber = pubsub_v1.SubscriberClient()
            self.schemas = pubsub_v1.SchemaServiceClient()
        finally:
            if before is None:
                del os.environ["PUBSUB_EMULATOR_HOST"]
            else:
                os.environ["PUBSUB_EMULATOR_HOST"] = before

    def topic(self, name: str, **more) -> str:
        path = f"{PROJECT}/topics/{name}"
        self.publisher.create_topic(request={"name": path, **more})
        return path

    def subscription(self, name: str, topic: str, **more) -> str:
        path = f"{PROJECT}/subscriptions/{name}"
        self.subscriber.create_subscription(request={"name": path, "topic": topic, "ack_deadline_seconds": 10, **more})
        return path

    def publish(self, topic: str, data: bytes, ordering_key: str = "", **attributes) -> str:
        return self.publisher.publish(topic, data, ordering_key=ordering_key, **attributes).result(PATIENCE_S)

    def pull(self, subscription: str, count: int = 1, batch: int = 100) -> list:
        """Until so many have come; not acknowledged."""
        got: list = []

        def enough():
            told = self.subscriber.pull(request={"subscription": subscription, "max_messages": min(batch, count - len(got))}, timeout=PATIENCE_S)
            got.extend(told.received_messages)
            return len(got) >= count
        wait_until(enough, PATIENCE_S, f"{count} messages")
        return got

    def nothing(self, subscription: str) -> bool:
        """Nothing is to be had at once."""
        return not self.subscriber.pull(request={"subscription": subscription, "max_messages": 10, "return_immediately": True}, timeout=PATIENCE_S).received_messages

    def ack(self, subscription: str, messages) -> None:
        self.subscriber.acknowledge(request={"subscription": subscription, "ack_ids": [one.ack_id for one in messages]})

    def nack(self, subscription: str, messages) -> None:
        self.subscriber.modify_ack_deadline(request={"subscription": subscription, "ack_ids": [one.ack_id for one in messages], "ack_deadline_seconds": 0})

    def close(self):
        self.publisher.stop()
        self.subscriber.close()


@pytest.fixture(scope="module")
def world(launch_shared):
    made = World(launch_shared.keep(Topics(launch_shared.folder / "topics")))
    yield made
    made.close()


def data_of(messages) -> list[bytes]:
    return [one.message.data for one in messages]


@pytest.mark.sanitized
def test_publish_pull_acknowledge(world):
    topic = world.topic("basic")
    subscription = world.subscription("basic-sub", topic)
    first = world.publish(topic, b"one", kind="a")
    second = world.publish(topic, b"two")
    assert first and second and first != second
    got = world.pull(subscription, 2)
    got.sort(key=lambda one: one.message.data)
    assert data_of(got) == [b"one", b"two"] and dict(got[0].message.attributes) == {"kind": "a"}
    assert [one.message.message_id for one in got] == [first, second] and got[0].message.publish_time.timestamp() > 1_700_000_000
    assert all(one.delivery_attempt == 0 for one in got)
    world.ack(subscription, got)
    assert world.nothing(subscription)


def test_each_subscription_gets_everything(world):
    topic = world.topic("fan")
    subscriptions = [world.subscription(f"fan-{i}", topic) for i in range(3)]
    for i in range(20):
        world.publish(topic, b"%d" % i)
    for subscription in subscriptions:
        got = world.pull(subscription, 20)
        assert sorted(data_of(got), key=int) == [b"%d" % i for i in range(20)]
        world.ack(subscription, got)
    late = world.subscription("fan-late", topic)
    assert world.nothing(late)
    assert sorted(world.publisher.list_topic_subscriptions(request={"topic": topic})) == sorted([*subscriptions, late])


def test_what_is_not_acknowledged_comes_again(world):
    topic = world.topic("again")
    subscription = world.subscription("again-sub", topic)
    world.publish(topic, b"x")
    got = world.pull(subscription)
    assert world.nothing(subscription)
    world.nack(subscription, got)
    got = world.pull(subscription)
    # And when its time is over; a deadline may be set from 0 to 600 seconds.
    world.subscriber.modify_ack_deadline(request={"subscription": subscription, "ack_ids": [got[0].ack_id], "ack_deadline_seconds": 1})
    got = world.pull(subscription)
    assert data_of(got) == [b"x"]
    world.ack(subscription, got)
    assert world.nothing(subscription)


def test_streaming_pull(world):
    topic = world.topic("stream")
    subscription = world.subscription("stream-sub", topic)
    got: list = []
    lock = threading.Lock()

    def callback(message):
        with lock:
            got.append(message.data)
        message.ack()
    flow = pubsub_v1.types.FlowControl(max_messages=50)
    future = world.subscriber.subscribe(subscription, callback, flow_control=flow)
    try:
        for i in range(500):
            world.publisher.publish(topic, b"%d" % i)
        wait_until(lambda: len(got) >= 500, what="all messages")
        assert sorted(got, key=int) == [b"%d" % i for i in range(500)]
    finally:
        future.cancel()
        future.result(PATIENCE_S)
    assert world.nothing(subscription)


def test_flow_control(world):
    """Who holds as many as it may gets no more until it acknowledges."""
    topic = world.topic("flow")
    subscription = world.subscription("flow-sub", topic)
    held: list = []
    future = world.subscriber.subscribe(subscription, held.append, flow_control=pubsub_v1.types.FlowControl(max_messages=5))
    try:
        for i in range(20):
            world.publish(topic, b"%d" % i)
        wait_until(lambda: len(held) == 5, what="five")
        for turn in range(1, 4):
            for message in held[-5:]:
                message.ack()
            wait_until(lambda: len(held) == 5 + 5 * turn, what="five more")
        for message in held[-5:]:
            message.ack()
    finally:
        future.cancel()
        future.result(PATIENCE_S)
    assert sorted({message.data for message in held}, key=int) == [b"%d" % i for i in range(20)]


def test_ordering_keys(world):
    """Messages of one key come in their order, and a nack brings back what followed."""
    topic = world.topic("ordered")
    subscription = world.subscription("ordered-sub", topic, enable_message_ordering=True)
    for i in range(30):
        world.publish(topic, b"%d" % i, ordering_key="ab"[i % 2])
    seen: dict[str, list[int]] = {"a": [], "b": []}
    is_nacked = False
    while sum(map(len, seen.values())) < 30:
        got = world.pull(subscription, 1, 7)
        for one in got:
            assert one.message.ordering_key in seen
        if not is_nacked:
            is_nacked = True
            world.nack(subscription, got)
            continue
        for one in got:
            key, number = one.message.ordering_key, int(one.message.data)
            if number not in seen[key]:
                seen[key].append(number)
        world.ack(subscription, got)
    assert seen == {"a": list(range(0, 30, 2)), "b": list(range(1, 30, 2))}


def test_filters(world):
    topic = world.topic("filtered")
    filters = {"eq": 'attributes.kind = "a"', "ne": 'attributes.kind != "a"', "has": "attributes:size", "prefix": 'hasPrefix(attributes.kind, "b")',
               "and": 'attributes.kind = "a" AND attributes:size', "not": "NOT attributes:size", "or": 'attributes.kind = "a" OR attributes.kind = "bb"'}
    subscriptions = {name: world.subscription(f"filtered-{name}", topic, filter=text) for name, text in filters.items()}
    messages = [("a", ""), ("a", "1"), ("b", ""), ("bb", "2")]
    for number, (kind, size) in enumerate(messages):
        world.publish(topic, b"%d" % number, kind=kind, **({"size": size} if size else {}))
    expected = {"eq": [0, 1], "ne": [2, 3], "has": [1, 3], "prefix": [2, 3], "and": [1], "not": [0, 2], "or": [0, 1, 3]}
    for name, subscription in subscriptions.items():
        got = world.pull(subscription, len(expected[name]))
        assert sorted(int(data) for data in data_of(got)) == expected[name], name
        world.ack(subscription, got)
        assert world.nothing(subscription)
    with pytest.raises(exceptions.InvalidArgument):
        world.subscription("filtered-bad", topic, filter="attributes.kind ~ 3")


def test_dead_letters(world):
    topic, dead = world.topic("mail"), world.topic("mail-dead")
    dead_subscription = world.subscription("mail-dead-sub", dead)
    subscription = world.subscription("mail-sub", topic, dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": 5})
    world.publish(topic, b"hopeless", kind="x")
    for attempt in range(1, 6):
        got = world.pull(subscription)
        assert got[0].delivery_attempt == attempt
        world.nack(subscription, got)
    letter = world.pull(dead_subscription)[0]
    attributes = dict(letter.message.attributes)
    assert letter.message.data == b"hopeless" and attributes["kind"] == "x"
    assert attributes["CloudPubSubDeadLetterSourceSubscription"] == "mail-sub" and attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    world.ack(dead_subscription, [letter])
    assert world.nothing(subscription)


def test_retry_policy(world):
    """A nacked message waits for its back-off."""
    topic = world.topic("retried")
    subscription = world.subscription("retried-sub", topic, retry_policy={"minimum_backoff": duration_pb2.Duration(seconds=1), "maximum_backoff": duration_pb2.Duration(seconds=2)})
    world.publish(topic, b"x")
    world.nack(subscription, world.pull(subscription))
    assert world.nothing(subscription)
    world.ack(subscription, world.pull(subscription))


def test_exactly_once_delivery(world):
    topic = world.topic("once")
    subscription = world.subscription("once-sub", topic, enable_exactly_once_delivery=True)
    world.publish(topic, b"x")
    first = world.pull(subscription)
    world.nack(subscription, first)
    second = world.pull(subscription)
    assert first[0].ack_id != second[0].ack_id
    # An id that is over acknowledges nothing, and that is told.
    with pytest.raises(exceptions.GoogleAPICallError):
        world.ack(subscription, first)
    assert world.nothing(subscription)
    world.ack(subscription, second)
    got: list = []
    future = world.subscriber.subscribe(subscription, lambda message: got.append((message.data, message.ack_with_response().result(PATIENCE_S))))
    try:
        world.publish(topic, b"streamed")
        wait_until(lambda: got, what="the message")
    finally:
        future.cancel()
        future.result(PATIENCE_S)
    assert got[0][0] == b"streamed" and "SUCCESS" in str(got[0][1])


def test_seek_to_a_time_and_to_a_snapshot(world):
    topic = world.topic("sought")
    subscription = world.subscription("sought-sub", topic, retain_acked_messages=True)
    for i in range(3):
        world.publish(topic, b"%d" % i)
    got = world.pull(subscription, 3)
    world.ack(subscription, got[:1])
    snapshot = f"{PROJECT}/snapshots/sought-snap"
    world.subscriber.create_snapshot(request={"name": snapshot, "subscription": subscription})
    world.ack(subscription, got[1:])
    assert world.nothing(subscription)
    world.subscriber.seek(request={"subscription": subscription, "snapshot": snapshot})
    again = world.pull(subscription, 2)
    assert sorted(data_of(again)) == sorted(data_of(got[1:]))
    world.ack(subscription, again)
    began = timestamp_pb2.Timestamp(seconds=int(time.time()) - 3600)
    world.subscriber.seek(request={"subscription": subscription, "time": began})
    assert sorted(data_of(world.pull(subscription, 3))) == [b"0", b"1", b"2"]
    future = timestamp_pb2.Timestamp(seconds=int(time.time()) + 3600)
    world.subscriber.seek(request={"subscription": subscription, "time": future})
    assert world.nothing(subscription)
    assert [one.name for one in world.subscriber.list_snapshots(request={"project": PROJECT})] == [snapshot]
    assert list(world.publisher.list_topic_snapshots(request={"topic": topic})) == [snapshot]
    world.subscriber.delete_snapshot(request={"snapshot": snapshot})
    with pytest.raises(exceptions.NotFound):
        world.subscriber.seek(request={"subscription": subscription, "snapshot": snapshot})


def test_administration(world):
    topic = world.topic("admin", labels={"env": "test"})
    with pytest.raises(exceptions.AlreadyExists):
        world.topic("admin")
    with pytest.raises(exceptions.InvalidArgument):
        world.topic("7")
    subscription = world.subscription("admin-sub", topic, labels={"a": "b"})
    with pytest.raises(exceptions.AlreadyExists):
        world.subscription("admin-sub", topic)
    with pytest.raises(exceptions.NotFound):
        world.subscription("orphan", f"{PROJECT}/topics/nobody")
    with pytest.raises(exceptions.NotFound):
        world.publish(f"{PROJECT}/topics/nobody", b"x")
    with pytest.raises(exceptions.InvalidArgument):
        world.subscription("hasty", topic, ack_deadline_seconds=5)
    assert world.publisher.get_topic(request={"topic": topic}).labels["env"] == "test"
    told = world.subscriber.get_subscription(request={"subscription": subscription})
    assert (told.topic, told.ack_deadline_seconds, told.message_retention_duration.total_seconds()) == (topic, 10, 7 * 86400)
    world.publisher.update_topic(request={"topic": {"name": topic, "labels": {"env": "prod"}}, "update_mask": field_mask_pb2.FieldMask(paths=["labels"])})
    assert world.publisher.get_topic(request={"topic": topic}).labels["env"] == "prod"
    changed = {"name": subscription, "ack_deadline_seconds": 60}
    world.subscriber.update_subscription(request={"subscription": changed, "update_mask": field_mask_pb2.FieldMask(paths=["ack_deadline_seconds"])})
    assert world.subscriber.get_subscription(request={"subscription": subscription}).ack_deadline_seconds == 60
    assert topic in [one.name for one in world.publisher.list_topics(request={"project": PROJECT})]
    assert subscription in [one.name for one in world.subscriber.list_subscriptions(request={"project": PROJECT})]


def test_detached_and_orphaned_subscriptions(world):
    topic = world.topic("left")
    detached, orphan = world.subscription("left-detached", topic), world.subscription("left-orphan", topic)
    world.publish(topic, b"kept")
    world.publisher.detach_subscription(request={"subscription": detached})
    assert world.subscriber.get_subscription(request={"subscription": detached}).detached
    with pytest.raises(exceptions.FailedPrecondition):
        world.subscriber.pull(request={"subscription": detached, "max_messages": 1}, timeout=PATIENCE_S)
    world.publisher.delete_topic(request={"topic": topic})
    assert world.subscriber.get_subscription(request={"subscription": orphan}).topic == "_deleted-topic_"
    world.subscriber.delete_subscription(request={"subscription": orphan})
    with pytest.raises(exceptions.NotFound):
        world.subscriber.get_subscription(request={"subscription": orphan})


def test_schemas(world):
    definition = '{"type":"record","name":"Ship","fields":[{"name":"name","type":"string"},{"name":"length","type":"int"}]}'
    made = world.schemas.create_schema(request={"parent": PROJECT, "schema_id": "ship", "schema": Schema(type_=Schema.Type.AVRO, definition=definition)})
    assert world.schemas.get_schema(request={"name": made.name}).definition == definition
    topic = world.topic("schemed", schema_settings={"schema": made.name, "encoding": Encoding.JSON})
    subscription = world.subscription("schemed-sub", topic)
    world.publish(topic, b'{"name":"Argo","length":30}')
    with pytest.raises(exceptions.InvalidArgument):
        world.publish(topic, b'{"name":"Argo"}')
    got = world.pull(subscription)
    assert got[0].message.attributes["googclient_schemaencoding"] == "JSON" and got[0].message.attributes["googclient_schemaname"] == made.name
    world.ack(subscription, got)
    with pytest.raises(exceptions.InvalidArgument):
        world.schemas.validate_schema(request={"parent": PROJECT, "schema": Schema(type_=Schema.Type.AVRO, definition="{")})
    world.schemas.delete_schema(request={"name": made.name})


def test_limits(world):
    topic = world.topic("limits")
    with pytest.raises(exceptions.InvalidArgument):
        world.publish(topic, b"")                       # neither data nor attributes
    with pytest.raises(exceptions.InvalidArgument):
        world.publish(topic, b"x", **{"a" * 257: "b"})
    assert world.publish(topic, b"x" * (5 << 20))


def test_it_outlives_a_restart(launch):
    server = launch.keep(Topics(launch.folder / "topics"))
    world = World(server)
    topic = world.topic("outlives")
    subscription = world.subscription("outlives-sub", topic)
    for i in range(10):
        world.publish(topic, b"%d" % i)
    done = world.pull(subscription, 4, 4)
    world.ack(subscription, done)
    world.close()
    server.kill()
    world = World(launch.keep(Topics(launch.folder / "topics")))
    got = world.pull(subscription, 6)
    assert sorted(data_of(got) + data_of(done)) == [b"%d" % i for i in range(10)]
    world.ack(subscription, got)
    assert world.nothing(subscription)
    world.close()


def test_published_here_consumed_by_kafka(world):
    """One message is one record: attributes are headers, the ordering key is the key."""
    topic = world.topic("crossing")
    for i in range(10):
        world.publish(topic, b"%d" % i, ordering_key="k", number=str(i))
    got = consume(world.server, "ships.crossing", 10, PARTITIONS)
    assert [message.value() for message in got] == [b"%d" % i for i in range(10)] and got[3].key() == b"k"
    assert ("number", b"3") in got[3].headers()


def test_produced_by_kafka_subscribed_here(world):
    topic = world.topic("back")
    subscription = world.subscription("back-sub", topic)
    produce(world.server, "ships.back", [str(i) for i in range(20)], PARTITIONS)
    got = world.pull(subscription, 20)
    assert sorted(int(data) for data in data_of(got)) == list(range(20))
    world.ack(subscription, got)


def test_node_client(world):
    folder = os.environ.get("KEELSON_NODE_FOLDER", str(ROOT / "build" / "node"))
    said = run(["node", ROOT / "tests" / "e2e" / "pubsub_suite.mjs", world.server.pubsub_endpoint],
               env={"KEELSON_NODE_FOLDER": folder, "PUBSUB_EMULATOR_HOST": world.server.pubsub_endpoint}, check=False)
    assert "not ok" not in said and said.count("ok ") == 6, said
