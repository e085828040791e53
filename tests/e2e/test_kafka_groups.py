"""Consumer groups as librdkafka 2.16 sees them: who gets what when members come, go and die; both protocols."""
import os
import signal
import subprocess
import sys

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import NewPartitions, OffsetSpec

from kafka_members import Member, consume, produce
from kafka_server import again, admin_of, kafka_server, new_topic, not_redis
from node import PATIENCE_S, wait_until

pytestmark = not_redis
HOW = {"eager": {"partition_assignment_strategy": "range"}, "cooperative": {"partition_assignment_strategy": "cooperative-sticky"},
       "server": {"group_protocol": "consumer"}}


@pytest.fixture(scope="module")
def server(launch_shared):
    return kafka_server(launch_shared)


def parts_of(members) -> list[int]:
    return sorted(len(member.parts) for member in members)


@pytest.mark.parametrize("how", HOW)
def test_members_come_and_go(server, how):
    topic = new_topic(server, f"come-{how}", 6)
    members = [Member(server, f"g-come-{how}", [topic], **HOW[how])]
    try:
        wait_until(lambda: parts_of(members) == [6], what="one has all")
        members.append(Member(server, f"g-come-{how}", [topic], **HOW[how]))
        wait_until(lambda: parts_of(members) == [3, 3], what="two have half each")
        members.append(Member(server, f"g-come-{how}", [topic], **HOW[how]))
        wait_until(lambda: parts_of(members) == [2, 2, 2], what="three have a third each")
        assert len(set().union(*(member.parts for member in members))) == 6
        produce(server, topic, [str(i) for i in range(60)], 6)
        wait_until(lambda: sum(len(member.got) for member in members) == 60, what="all messages")
        assert sorted(int(value) for member in members for *_, value in member.got) == list(range(60))
        members.pop(0).close()
        wait_until(lambda: parts_of(members) == [3, 3], what="the others share what it had")
        if how != "eager":
            # Nobody gives up what it keeps.
            assert all(member.revoked <= 2 for member in members)
        assert not any(member.errors for member in members)
    finally:
        for member in members:
            member.close()


@pytest.mark.parametrize("how", ["eager", "server"])
def test_a_dead_member_is_noticed(server, how):
    """A process that is killed says no goodbye: its session runs out."""
    topic = new_topic(server, f"dead-{how}", 4)
    settings = dict({"session.timeout.ms": 6000} if how == "eager" else {"group.protocol": "consumer"})
    program = f"""
from confluent_kafka import Consumer
c = Consumer({{"bootstrap.servers": "{server.endpoint}", "group.id": "g-dead-{how}", **{settings}}})
c.subscribe(["{topic}"], on_assign=lambda c, parts: print(len(parts), flush=True))
while True: c.poll(0.1)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "4"
        with Member(server, f"g-dead-{how}", [topic], **HOW[how]) as member:
            wait_until(lambda: len(member.parts) == 2, what="half of it")
            os.kill(process.pid, signal.SIGKILL)
            wait_until(lambda: len(member.parts) == 4, what="all of it")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_static_member_comes_back_to_what_it_had(server):
    topic = new_topic(server, "static", 4)
    how = {"session_timeout_ms": 30000, "group_instance_id": "a"}
    with Member(server, "g-static", [topic], **{**how, "group_instance_id": "b"}) as other:
        with Member(server, "g-static", [topic], **how) as first:
            wait_until(lambda: parts_of([first, other]) == [2, 2], what="half each")
            had, gained = set(first.parts), other.gained
        # It left without a word (a static member's close tells nobody), and the other keeps its two.
        with Member(server, "g-static", [topic], **how) as again_there:
            wait_until(lambda: again_there.parts == had, what="the same partitions")
        assert other.gained == gained and not other.errors


def test_two_with_one_instance_id(server):
    """The newer one wins; the older is told that it is fenced."""
    topic = new_topic(server, "twins", 2)
    with Member(server, "g-twins", [topic], group_instance_id="same") as old:
        wait_until(lambda: len(old.parts) == 2, what="the first has all")
        with Member(server, "g-twins", [topic], group_instance_id="same") as new:
            wait_until(lambda: len(new.parts) == 2, what="the second takes over")
            wait_until(lambda: old.errors, what="the first is told")
            assert "fenced" in str(old.errors[0])


@pytest.mark.parametrize("how", HOW)
def test_commits_stand(server, how):
    topic = new_topic(server, f"stand-{how}", 2)
    produce(server, topic, [str(i) for i in range(100)], 2)
    with Member(server, f"g-stand-{how}", [topic], **HOW[how]) as member:
        wait_until(lambda: len(member.got) == 100, what="all messages")
    produce(server, topic, ["new"])
    with Member(server, f"g-stand-{how}", [topic], **HOW[how]) as member:
        wait_until(lambda: member.got, what="the new message")
        assert [value for *_, value in member.got] == [b"new"]


def test_lag_and_description(server):
    """What a tool shows of a group: where it stands and what is still to come."""
    topic = new_topic(server, "lag", 2)
    produce(server, topic, ["x"] * 20, 2)
    admin = admin_of(server)
    with Member(server, "g-lag", [topic], client_id="lagging") as member:
        wait_until(lambda: len(member.got) == 20, what="all messages")
        group = admin.describe_consumer_groups(["g-lag"])["g-lag"].result(PATIENCE_S)
        assert group.state.name == "STABLE" and len(group.members) == 1 and group.members[0].client_id == "lagging"
        assert "127.0.0.1" in group.members[0].host
        assert sorted(part.partition for part in group.members[0].assignment.topic_partitions) == [0, 1]
    produce(server, topic, ["y"] * 6, 2)
    parts = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    committed = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("g-lag", parts)])["g-lag"].result(PATIENCE_S).topic_partitions
    ends = admin.list_offsets({part: OffsetSpec.latest() for part in parts})
    assert [ends[part].result(PATIENCE_S).offset - part.offset for part in committed] == [3, 3]
    listed = admin.list_consumer_groups().result(PATIENCE_S).valid
    assert "g-lag" in {group.group_id for group in listed}
    assert admin.describe_consumer_groups(["g-lag"])["g-lag"].result(PATIENCE_S).state.name == "EMPTY"


def test_offsets_are_altered_and_groups_deleted(server):
    topic = new_topic(server, "altered", 1)
    produce(server, topic, [str(i) for i in range(10)])
    admin = admin_of(server)
    wanted = ConsumerGroupTopicPartitions("g-altered", [TopicPartition(topic, 0, 7, metadata="by hand")])
    admin.alter_consumer_group_offsets([wanted])["g-altered"].result(PATIENCE_S)
    told = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("g-altered")])["g-altered"].result(PATIENCE_S).topic_partitions
    assert [(part.topic, part.partition, part.offset, part.metadata) for part in told] == [(topic, 0, 7, "by hand")]
    with Member(server, "g-altered", [topic]) as member:
        wait_until(lambda: len(member.got) == 3, what="the last three")
        assert [offset for _, _, offset, _ in member.got] == [7, 8, 9]
        with pytest.raises(Exception, match="NON_EMPTY_GROUP|not empty|Unknown member"):
            admin.delete_consumer_groups(["g-altered"])["g-altered"].result(PATIENCE_S)
    admin.delete_consumer_groups(["g-altered"])["g-altered"].result(PATIENCE_S)
    with pytest.raises(Exception, match="GROUP_ID_NOT_FOUND|not exist|not found"):
        admin.delete_consumer_groups(["g-altered"])["g-altered"].result(PATIENCE_S)


def test_a_subscription_by_pattern_sees_new_topics(server):
    with Member(server, "g-pattern", ["^pattern-.*"]) as member:
        for number in range(3):
            topic = new_topic(server, f"pattern-{number}", 1)
            produce(server, topic, ["x"])
            wait_until(lambda: (topic, 0) in member.parts, what=topic)
        wait_until(lambda: len(member.got) == 3, what="a message of each")


def test_partitions_that_are_added_are_shared_out(server):
    topic = new_topic(server, "grows", 1)
    with Member(server, "g-grows", [topic]) as member:
        wait_until(lambda: len(member.parts) == 1, what="the first")
        admin = admin_of(server)
        admin.create_partitions([NewPartitions(topic, 3)])[topic].result(PATIENCE_S)
        wait_until(lambda: len(member.parts) == 3, what="all three")


@pytest.mark.parametrize("how", ["eager", "server"])
def test_groups_outlive_a_restart(launch, how):
    server = kafka_server(launch)
    topic = new_topic(server, "outlives", 2)
    produce(server, topic, [str(i) for i in range(40)], 2)
    with Member(server, "g-outlives", [topic], **HOW[how]) as member:
        wait_until(lambda: len(member.got) == 40, what="all messages")
    server.stop()
    server = again(launch, server)
    produce(server, topic, ["after"])
    with Member(server, "g-outlives", [topic], **HOW[how]) as member:
        wait_until(lambda: member.got, what="the new message")
        assert [value for *_, value in member.got] == [b"after"]
    assert len(consume(server, topic, 41, 2)) == 41


def test_many_members_storm(server):
    """Thirty that come at once, and go at once, and leave a group that works."""
    topic = new_topic(server, "storm", 30)
    members = [Member(server, "g-storm", [topic]) for _ in range(30)]
    try:
        wait_until(lambda: parts_of(members) == [1] * 30, PATIENCE_S * 2, "one each")
    finally:
        for member in members:
            member.ending.set()
        for member in members:
            member.close()
    with Member(server, "g-storm", [topic]) as last:
        wait_until(lambda: len(last.parts) == 30, what="the last has all")
