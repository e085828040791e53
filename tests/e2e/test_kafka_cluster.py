"""Topics in a cluster of three real nodes, by Kafka's clients, unmodified: who leads what, and nodes that are killed under load.

KEELSON_TOPIC_KILLS: how many kills a test under load has.
"""
import json
import os
import random
import subprocess
import sys
import threading
import time

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType, ResourceType,
                                   ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion)

from kafka_members import Member, produce
from kafka_raw import Raw
from kafka_server import JARS, REBALANCE_DELAY_MS, not_redis, run
from node import BINARY, PATIENCE_S, ROOT, SANITIZED, wait_until
from test_cluster import Cluster, cli
from test_kafka_clients import HERE, NODE_FOLDER, passed
from test_kafka_crash import Load

pytestmark = [not_redis, pytest.mark.keelson_only]
KILLS = int(os.environ.get("KEELSON_TOPIC_KILLS", "2" if SANITIZED else "6"))
PARTITIONS = 12
PRODUCERS = 4
# Small segments and early checkpoints, so that kills meet their borders and a node that was away needs files.
OPTIONS = {"kv.shards": "1", "blob.shards": "1", "topic.shards": "6", "log.segment-size": "1mb", "checkpoint.log-min": "1mb", "topic.cache-size": "6mb",
           "kafka.group-initial-rebalance-delay": f"{REBALANCE_DELAY_MS}ms", "kafka.transaction-check-interval": "500ms",
           "kafka.group-consumer-session-timeout": "6s", "kafka.group-consumer-heartbeat-interval": "500ms"}
PATIENT = {"message.timeout.ms": 180_000, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50, "topic.metadata.refresh.interval.ms": 1000}


class TopicCluster(Cluster):
    """Three nodes, as Kafka's clients see them."""

    def __init__(self, launch, options=None, count: int = 3):
        self.numbers: dict[int, int] = {}
        super().__init__(launch, count, {**OPTIONS, **(options or {})})

    @property
    def endpoints(self) -> list[str]:
        return [node.options["kafka.listen"] for node in self.nodes]

    @property
    def endpoint(self) -> str:
        return ",".join(self.endpoints)

    def admin(self, **more) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.endpoint, "log_level": 0, **more})

    def new_topic(self, name: str, partitions: int = PARTITIONS, **config) -> str:
        admin = self.admin()
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        admin.create_topics([NewTopic(name, partitions, 3, config=config)], request_timeout=PATIENCE_S)[name].result(PATIENCE_S)
        wait_until(lambda: self.leaders(name), PATIENCE_S, f"leaders of {name}")
        return name

    def leaders(self, topic: str, by: int | None = None) -> list[int] | None:
        """The nodes that lead its partitions, as node number `by` says; None: it does not know all."""
        bootstrap = self.endpoint if by is None else self.endpoints[by - 1]
        told = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(topic, timeout=10).topics[topic]
        leaders = [part.leader for _, part in sorted(told.partitions.items())]
        if told.error or not leaders or any(leader < 0 for leader in leaders):
            return None
        return [self.number_of(leader) for leader in leaders]

    def number_of(self, broker: int) -> int:
        """Nodes get their numbers in the cluster in the order in which they join."""
        if broker not in self.numbers:
            status = next(told for told in (node.status() for node in self.nodes if node.process.running) if told)
            self.numbers = {one["id"]: int(one["name"].removeprefix("n")) for one in status["nodes"]}
        return self.numbers[broker]

    def kill(self, number: int):
        self.nodes[number - 1].process.kill()

    def start(self, number: int):
        node = self.nodes[number - 1]
        node.start()
        wait_until(node.is_ready, PATIENCE_S * 3, f"node {number} is ready again")


@pytest.fixture(scope="module")
def cluster(launch_shared):
    return TopicCluster(launch_shared)


def topic_cli(endpoint: str, verb: str, *arguments, stdin: str | None = None) -> str:
    done = subprocess.run([BINARY, "topic", verb, "-s", endpoint, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    return done.stdout


# ---- What clients see.

def test_every_node_tells_the_same(cluster):
    topic = cluster.new_topic("told")
    told = [AdminClient({"bootstrap.servers": endpoint}).list_topics(topic, timeout=PATIENCE_S) for endpoint in cluster.endpoints]
    assert len({one.cluster_id for one in told}) == 1
    assert all({f"{broker.host}:{broker.port}" for broker in one.brokers.values()} == set(cluster.endpoints) for one in told)
    assert [sorted(one.brokers) for one in told] == [[1, 2, 3]] * 3
    for one in told:
        for part in one.topics[topic].partitions.values():
            assert sorted(part.replicas) == [1, 2, 3] and sorted(part.isrs) == [1, 2, 3], part
    leaders = wait_until(lambda: cluster.leaders(topic) if len(set(cluster.leaders(topic) or [])) == 3 else None, PATIENCE_S, "leads are spread")
    wait_until(lambda: all(cluster.leaders(topic, by) == leaders for by in (1, 2, 3)), PATIENCE_S, "all know the leaders")


def test_a_node_that_does_not_lead_says_so(cluster):
    topic = cluster.new_topic("led")
    leaders = wait_until(lambda: cluster.leaders(topic), PATIENCE_S, "leaders")
    part = 0
    other = next(number for number in (1, 2, 3) if number != leaders[part])
    with Raw(cluster.endpoints[other - 1]) as raw:
        assert raw.fetch(topic, 0, part).error_code == 6
        assert raw.offset_for(topic, -1, part).error_code == 6
    with Raw(cluster.endpoints[leaders[part] - 1]) as raw:
        assert raw.fetch(topic, 0, part).error_code == 0
        assert raw.fetch(topic, 5, part).error_code == 1
        assert raw.offset_for(topic, -1, part).error_code == 0


def test_topics_are_made_and_changed_through_any_node(cluster):
    for number, endpoint in enumerate(cluster.endpoints, 1):
        name = f"any-{number}"
        topic_cli(endpoint, "create", name, "--partitions", 4, "--set", "retention.ms=3600000")
        for by, other in enumerate(cluster.endpoints, 1):
            assert name in topic_cli(other, "list").split(), (name, by)
            assert "retention.ms = 3600000" in topic_cli(other, "describe", name)
        topic_cli(cluster.endpoints[number % 3], "alter", name, "--partitions", 6, "--set", "retention.ms=7200000")
        assert topic_cli(endpoint, "describe", name).count("\npartition ") == 6
        lines = "".join(f'{{"key": "k{i}", "value": "v{i}"}}\n' for i in range(50))
        topic_cli(endpoint, "produce", name, stdin=lines)
        got = [json.loads(line) for line in topic_cli(cluster.endpoints[(number + 1) % 3], "consume", name, "--group", f"cli-{number}").splitlines()]
        assert sorted(one["value"] for one in got) == sorted(f"v{i}" for i in range(50))
        groups = [topic_cli(other, "groups") for other in cluster.endpoints]
        assert all(f"cli-{number}: " in one and "lag 0" in one for one in groups), groups
        topic_cli(cluster.endpoints[(number + 1) % 3], "delete", name)
        assert all(name not in topic_cli(other, "list").split() for other in cluster.endpoints)


def test_kafkajs(cluster):
    said = run(["node", HERE / "kafka_suite.mjs", cluster.endpoint, 3], env={"KEELSON_NODE_FOLDER": NODE_FOLDER}, check=False)
    assert passed(said) == 7, said


def test_kafka_python(cluster):
    assert passed(run([sys.executable, HERE / "kafka_suite.py", cluster.endpoints[1]], check=False)) == 7


def test_librdkafka_in_cpp(cluster, tmp_path):
    subprocess.run(["g++", "-std=c++20", "-o", tmp_path / "suite", HERE / "clients" / "rdkafka_suite.cc", "-lrdkafka++", "-lrdkafka"], check=True, timeout=300)
    cluster.new_topic("cpp-four", 4)
    assert passed(run([tmp_path / "suite", cluster.endpoints[2]], check=False)) == 7


def test_java(cluster, tmp_path):
    classes = f"{JARS}/*"
    subprocess.run(["javac", "-d", tmp_path, "-cp", classes, HERE / "clients" / "KafkaSuite.java"], check=True, timeout=300)
    said = run(["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{classes}:{tmp_path}", "KafkaSuite", cluster.endpoints[0], 3], check=False, limit_s=300)
    assert passed(said) == 8, said


def test_users_and_access_lists_are_the_clusters(launch):
    """What is said to one node holds on the others, also on one that starts anew; nothing is open before it is known."""
    users = launch.folder / "users"
    users.write_text("admin:admin-secret\n")
    cluster = TopicCluster(launch, {"kafka.sasl.mechanisms": "PLAIN,SCRAM-SHA-256", "kafka.sasl.users-file": str(users), "kafka.acls": "yes",
                                    "kafka.super-users": "User:admin"})

    def sign_in(number: int | None, user: str, mechanism: str = "SCRAM-SHA-256") -> dict:
        bootstrap = cluster.endpoint if number is None else cluster.endpoints[number - 1]
        return {"bootstrap.servers": bootstrap, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": mechanism, "sasl.username": user,
                "sasl.password": f"{user}-secret", "log_level": 0}
    admin = AdminClient(sign_in(1, "admin", "PLAIN"))
    admin.create_topics([NewTopic("ours", 6, 3)], request_timeout=PATIENCE_S)["ours"].result(PATIENCE_S)
    upsertion = UserScramCredentialUpsertion("ann", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), b"ann-secret")
    admin.alter_user_scram_credentials([upsertion], request_timeout=PATIENCE_S)["ann"].result(PATIENCE_S)
    may_write = AclBinding(ResourceType.TOPIC, "ours", ResourcePatternType.LITERAL, "User:ann", "*", AclOperation.WRITE, AclPermissionType.ALLOW)
    admin.create_acls([may_write], request_timeout=PATIENCE_S)[may_write].result(PATIENCE_S)

    def writes(number: int) -> bool:
        told = []
        producer = Producer({**sign_in(number, "ann"), "message.timeout.ms": 10_000})
        for part in range(6):
            producer.produce("ours", f"by {number}", partition=part, on_delivery=lambda error, message: told.append(error))
        producer.flush(PATIENCE_S)
        return len(told) == 6 and all(error is None for error in told)
    for number in (1, 2, 3):
        wait_until(lambda number=number: writes(number), PATIENCE_S, f"ann writes by way of node {number}")
    for number in (3, 2, 1):
        cluster.kill(number)
        cluster.start(number)
        assert writes(number), f"node {number} does not know ann after its start"
    with pytest.raises(KafkaException):
        reader = Consumer({**sign_in(2, "ann"), "group.id": "spies"})
        reader.assign([TopicPartition("ours", 0, 0)])
        message = reader.poll(PATIENCE_S)
        raise KafkaException(message.error()) if message.error() else AssertionError(message.value())
    other, one = AdminClient(sign_in(3, "admin", "PLAIN")), may_write
    removal = AclBindingFilter(one.restype, one.name, one.resource_pattern_type, one.principal, one.host, one.operation, one.permission_type)
    assert len(other.delete_acls([removal], request_timeout=PATIENCE_S)[removal].result(PATIENCE_S)) == 1
    for number in (1, 2, 3):
        wait_until(lambda number=number: not writes(number), PATIENCE_S, f"ann writes no more by way of node {number}")


def test_more_nodes_than_replicas(launch):
    """Nodes without a replica of a shard ask another for what they need of it: transactions span all of them."""
    cluster = TopicCluster(launch, count=4)
    topic = cluster.new_topic("wide", PARTITIONS)
    wait_until(lambda: len(set(cluster.leaders(topic) or [])) == 4, PATIENCE_S * 4, "every node leads some")
    for number in range(8):
        producer = Producer({"bootstrap.servers": cluster.endpoints[number % 4], "transactional.id": f"wide-{number}", "log_level": 0})
        producer.init_transactions(PATIENCE_S)
        for what in (f"kept-{number}", f"gone-{number}"):
            producer.begin_transaction()
            for part in range(PARTITIONS):
                producer.produce(topic, what, partition=part)
            if what.startswith("kept"):
                producer.commit_transaction(PATIENCE_S)
            else:
                producer.flush(PATIENCE_S)
                producer.abort_transaction(PATIENCE_S)
    got = [value for _, value in read_committed(cluster, topic, str)]
    assert sorted(got) == sorted(f"kept-{number}" for number in range(8) for _ in range(PARTITIONS))
    for number, endpoint in enumerate(cluster.endpoints, 1):
        topic_cli(endpoint, "create", f"by-{number}", "--partitions", 4)
        topic_cli(endpoint, "produce", f"by-{number}", "--raw", stdin="".join(f"{i}\n" for i in range(20)))
        assert len(topic_cli(cluster.endpoints[number % 4], "consume", f"by-{number}", "--raw").splitlines()) == 20


# ---- Nodes that are killed.

def read_all(cluster, topic: str, partitions: int, **more) -> list:
    """Everything that is there, by direct assignment, up to the ends of now."""
    consumer = Consumer({"bootstrap.servers": cluster.endpoint, "group.id": "direct", "enable.auto.commit": False, "auto.offset.reset": "error",
                         "check.crcs": True, "log_level": 0, "topic.metadata.refresh.interval.ms": 1000, "metadata.max.age.ms": 2000, **more})
    ends, why = {}, []
    for part in range(partitions):
        def end(part=part):
            try:
                return consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=10, cached=False)
            except KafkaException as error:
                why.append(str(error))
                return None
        try:
            ends[part] = wait_until(end, PATIENCE_S * 2, f"the end of {topic}-{part}")[1]
        except AssertionError as error:
            raise AssertionError(f"{error}; {why[-1:]}; leaders {[cluster.leaders(topic, by) for by in (1, 2, 3) if cluster.nodes[by - 1].process.running]}\n" + "\n".join(node.get("/admin/cluster")[1] for node in cluster.nodes)) from None
    consumer.assign([TopicPartition(topic, part, 0) for part in range(partitions) if ends[part]])
    left, got = {part for part in ends if ends[part]}, []
    for message in iter(lambda: consumer.poll(PATIENCE_S) if left else None, None):
        assert not message.error(), message.error()
        got.append(message)
        if message.offset() >= ends[message.partition()] - 1:
            left.discard(message.partition())
    consumer.close()
    assert not left, f"partitions {left} do not come to their ends {ends}"
    return got


def check(cluster, topic: str, loads, idempotent: bool) -> dict:
    """What is there is what was acknowledged, where it was acknowledged, in order; more only where an answer was lost."""
    got = read_all(cluster, topic, PARTITIONS)
    count = {"acknowledged": 0, "there": len(got), "doubled": 0, "lost": 0}
    for load in loads:
        there = sorted((message.offset(), int(message.value().split(b":")[1])) for message in got if message.partition() == load.number)
        assert [offset for offset, _ in there] == list(range(len(there))), f"partition {load.number} has gaps"
        by_offset, values = dict(there), [value for _, value in there]
        lost = [(value, offset) for value, offset in load.acknowledged if by_offset.get(offset) != value]
        count["lost"] += len(lost)
        count["doubled"] += len(values) - len(set(values))
        count["acknowledged"] += len(load.acknowledged)
        assert not lost, f"partition {load.number}: {lost[:5]} are not where they were acknowledged"
        if idempotent:
            assert values == sorted(set(values)), f"partition {load.number} has doubles or disorder"
    return count


class PatientLoad(Load):
    """Does not outrun what a producer keeps for a partition that nobody leads for some seconds."""

    def _send(self):
        while len(self.producer) > 20_000 and not self.ending.is_set():
            self.producer.poll(0.05)
        super()._send()


@pytest.mark.parametrize("idempotent", [True, False], ids=["idempotent", "plain"])
def test_kill_leaders_under_load(cluster, idempotent):
    chance = random.Random(20261127 + idempotent)
    topic = cluster.new_topic(f"load-{idempotent}", PARTITIONS, segment_bytes=1 << 20)
    loads = [PatientLoad(cluster.endpoint, topic, number, idempotent) for number in range(PARTITIONS)]
    for load in loads:
        load.start()
    kills, longest_s = 0, 0.0
    try:
        for _ in range(KILLS if idempotent else max(2, KILLS // 3)):
            before = [len(load.acknowledged) for load in loads]
            wait_until(lambda: all(len(load.acknowledged) > count or load.errors for load, count in zip(loads, before)), PATIENCE_S * 4, "load")
            time.sleep(chance.uniform(0.05, 0.5))
            victim = chance.choice(wait_until(lambda: cluster.leaders(topic), PATIENCE_S, "leaders"))
            cluster.kill(victim)
            kills += 1
            began = time.monotonic()
            before = [len(load.acknowledged) for load in loads]
            wait_until(lambda: all(len(load.acknowledged) > count or load.errors for load, count in zip(loads, before)), PATIENCE_S * 4,
                       "load goes on without the node")
            longest_s = max(longest_s, time.monotonic() - began)
            cluster.start(victim)
    finally:
        for load in loads:
            load.ending.set()
        for load in loads:
            load.join(PATIENCE_S * 12)
    wrong = {load.number: (load.errors, load.failed[:3]) for load in loads if load.errors or load.failed}
    assert not wrong, f"after {kills} kills: {wrong}"
    count = check(cluster, topic, loads, idempotent)
    print(f"{'idempotent' if idempotent else 'plain'}: {kills} kills of leaders, {count}, at most {longest_s:.1f} s until every partition went on")
    assert count["acknowledged"] > 1000


def test_committed_offsets_and_members_over_kills(cluster):
    """Members of a group go on while nodes die: every message comes, what was committed stands."""
    chance = random.Random(3)
    topic = cluster.new_topic("grouped", PARTITIONS)
    server = cluster
    members = [Member(server, "crew", [topic], **{"partition.assignment.strategy": "cooperative-sticky", "auto.commit.interval.ms": 200})
               for _ in range(3)]
    sent = 0

    def state() -> str:
        ends = [max((got[2] + 1 for member in members for got in member.got if got[1] == part), default=0) for part in range(PARTITIONS)]
        return f"read up to {ends}; members have {[sorted(part for _, part in member.parts) for member in members]}; {[member.errors[-2:] for member in members]}"

    try:
        for turn in range(max(2, KILLS // 2)):
            produce(server, topic, [f"{turn}:{i}" for i in range(2000)], PARTITIONS, **PATIENT)
            sent += 2000
            victim = chance.choice((1, 2, 3))
            cluster.kill(victim)
            produce(server, topic, [f"{turn}:late:{i}" for i in range(500)], PARTITIONS, **PATIENT)
            sent += 500
            cluster.start(victim)
            try:
                wait_until(lambda: len({got[3] for member in members for got in member.got}) == sent, PATIENCE_S * 4, f"all {sent} messages have come")
            except AssertionError as error:
                raise AssertionError(f"{error}: {state()}") from error
    finally:
        for member in members:
            member.close()
    errors = [error for member in members for error in member.errors if not getattr(error, "retriable", lambda: True)()]
    assert not [error for error in errors if error.fatal()], errors
    offsets = Consumer({"bootstrap.servers": cluster.endpoint, "group.id": "crew", "log_level": 0})

    def committed() -> int:
        return sum(max(part.offset, 0) for part in offsets.committed([TopicPartition(topic, part) for part in range(PARTITIONS)], PATIENCE_S))

    total = committed()
    came = sum(len(member.got) for member in members)
    print(f"group: {sent} messages sent, {came} came ({came - sent} again), committed {total}")
    assert total <= sent
    # A member's last commit is lost if its coordinator moves right then; whoever comes next gets what was not committed.
    with Member(server, "crew", [topic], **{"auto.commit.interval.ms": 200}) as last:
        wait_until(lambda: committed() == sent, PATIENCE_S * 2, "everything is committed")
        assert len(last.got) == sent - total
    offsets.close()


def test_transactions_over_kills(cluster):
    """Each transaction is there whole or not at all, in all partitions that it wrote to."""
    chance = random.Random(7)
    topic = cluster.new_topic("whole", PARTITIONS)
    committed, aborted, ending, errors = [], [], threading.Event(), []

    def work():
        number = 0
        while not ending.is_set():
            try:
                producer = Producer({"bootstrap.servers": cluster.endpoint, "transactional.id": "whole", "log_level": 0, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50})
                producer.init_transactions(PATIENCE_S * 4)
                while not ending.is_set():
                    number += 1
                    producer.begin_transaction()
                    for part in range(PARTITIONS):
                        producer.produce(topic, f"{number}", partition=part)
                    if number % 5 == 0:
                        producer.abort_transaction(PATIENCE_S * 4)
                        aborted.append(number)
                    else:
                        producer.commit_transaction(PATIENCE_S * 4)
                        committed.append(number)
            except KafkaException as error:
                if not error.args[0].txn_requires_abort() and not error.args[0].fatal() and not error.args[0].retriable():
                    errors.append(error)
                    return
    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(max(2, KILLS // 2)):
            before = len(committed)
            wait_until(lambda: len(committed) > before + 2 or errors, PATIENCE_S * 4, "transactions")
            time.sleep(chance.uniform(0.0, 0.2))
            victim = chance.choice((1, 2, 3))
            cluster.kill(victim)
            before = len(committed)
            wait_until(lambda: len(committed) > before or errors, PATIENCE_S * 4, "transactions go on")
            cluster.start(victim)
    finally:
        ending.set()
        thread.join(PATIENCE_S * 8)
    assert not errors, errors
    got = read_committed(cluster, topic)
    each = {part: [value for at, value in got if at == part] for part in range(PARTITIONS)}
    assert all(len(values) == len(set(values)) for values in each.values()), "doubled"
    assert all(values == each[0] for values in each.values()), {part: len(values) for part, values in each.items()}
    assert set(committed) <= set(each[0]) and not set(aborted) & set(each[0])
    print(f"transactions: {len(committed)} committed, {len(aborted)} aborted, {len(each[0])} there, in {PARTITIONS} partitions each")


def read_committed(cluster, topic: str, kind=int) -> list[tuple]:
    def is_closed():
        consumer = Consumer({"bootstrap.servers": cluster.endpoint, "group.id": "ends", "log_level": 0, "isolation.level": "read_committed"})
        other = Consumer({"bootstrap.servers": cluster.endpoint, "group.id": "ends", "log_level": 0, "isolation.level": "read_uncommitted"})
        try:
            return all(consumer.get_watermark_offsets(TopicPartition(topic, part), 10) == other.get_watermark_offsets(TopicPartition(topic, part), 10)
                       for part in range(PARTITIONS))
        except KafkaException:
            return False
        finally:
            consumer.close()
            other.close()
    wait_until(is_closed, PATIENCE_S * 4, "no open transaction")
    consumer = Consumer({"bootstrap.servers": cluster.endpoint, "group.id": "x", "isolation.level": "read_committed", "enable.partition.eof": True, "log_level": 0})
    consumer.assign([TopicPartition(topic, part, 0) for part in range(PARTITIONS)])
    got, ended = [], set()
    while len(ended) < PARTITIONS:
        message = consumer.poll(PATIENCE_S)
        assert message is not None, f"the ends of {set(range(PARTITIONS)) - ended} do not come"
        if message.error():
            ended.add(message.partition())
            continue
        got.append((message.partition(), kind(message.value().decode())))
    consumer.close()
    return got


def test_a_node_that_was_away_long_comes_back_and_leads(cluster):
    """What it has missed is in no log any more: it gets checkpoints and their segments, and serves all of it."""
    topic = cluster.new_topic("away", PARTITIONS, segment_bytes=1 << 20)
    produce(cluster, topic, [f"{i}:".encode() + b"a" * 500 for i in range(3000)], PARTITIONS, **PATIENT)
    away = 3
    cluster.kill(away)
    # Far more than the logs keep (log.segment-size and checkpoint.log-min are a megabyte).
    for turn in range(6):
        produce(cluster, topic, [f"{3000 + turn * 3000 + i}:".encode() + os.urandom(1500) for i in range(3000)], PARTITIONS, **PATIENT)
    for number in (1, 2):
        done = cli("cluster", "status", "--http", f"127.0.0.1:{cluster.nodes[number - 1].http_port}")
        assert done.returncode == 0, done
    cluster.start(away)
    wait_until(cluster.is_whole, PATIENCE_S * 4, "the node has caught up")
    # With one of the others gone, it leads half of the partitions, or more.
    by_it = set()
    for other in (1, 2):
        cluster.kill(other)
        got = read_all(cluster, topic, PARTITIONS)
        assert sorted(int(message.value().split(b":")[0]) for message in got) == list(range(21_000))
        leaders = wait_until(lambda: cluster.leaders(topic), PATIENCE_S, "leaders")
        by_it |= {part for part, leader in enumerate(leaders) if leader == away}
        cluster.start(other)
        wait_until(cluster.is_whole, PATIENCE_S * 4, "all are back")
    size = sum(len(message.value()) for message in got)
    print(f"away: {len(got)} messages, {size >> 20} MiB, {len(by_it)} of {PARTITIONS} partitions read from the node that was away")
    assert by_it
