"""The same requests to Apache Kafka and to Keelson, byte for byte: the same codes, offsets and fields come back.

Left out, because we do otherwise: names that differ in . and _ alone (Kafka refuses them for its metrics' sake), a base offset that is not 0 (it is
overwritten), records of compacted topics that are deleted by offset (Kafka refuses), special times before the versions that brought them."""
import pytest
from kafka.protocol.admin import (AlterConfigsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
                                  DescribeConfigsRequest, DescribeGroupsRequest, DescribeProducersRequest, DescribeTransactionsRequest, IncrementalAlterConfigsRequest)
from kafka.protocol.consumer import HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, SyncGroupRequest
from kafka.protocol.producer import AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest

from kafka_raw import Raw, batch
from kafka_server import AGAINST_KAFKA, Kafka, Topics, needs_peer, new_topic, not_redis
from node import wait_until

pytestmark = [not_redis, needs_peer, pytest.mark.skipif(AGAINST_KAFKA, reason="it compares by itself")]


@pytest.fixture(scope="module")
def both(launch_shared):
    servers = [launch_shared.keep(Kafka(launch_shared.folder / "kafka")), launch_shared.keep(Topics(launch_shared.folder / "topics"))]
    for server in servers:
        for name, config in (("t", {}), ("c", {"cleanup_policy": "compact"}), ("la", {"message_timestamp_type": "LogAppendTime"}), ("small", {"max_message_bytes": 2000})):
            new_topic(server, name, 1, **config)
    raws = [Raw(server.endpoint) for server in servers]
    yield raws
    for raw in raws:
        raw.close()


def plain(value, drop=()):
    """Answers as data, without what must differ."""
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, dict):
        return {key: plain(one, drop) for key, one in value.items() if key not in drop}
    if isinstance(value, (list, tuple)):
        return [plain(one, drop) for one in value]
    return value


def made(cls, version, path="", **fields):
    for part in path.split(".") if path else []:
        cls = getattr(cls, part)
    return cls(version=version, **fields)


PRODUCE = {
    "good": lambda: dict(records=batch([b"one", b"two"])), "v3": lambda: dict(records=batch([b"x"]), version=3), "v9": lambda: dict(records=batch([b"x"]), version=9),
    "acks 1": lambda: dict(records=batch([b"x"]), acks=1), "acks 2": lambda: dict(records=batch([b"x"]), acks=2),
    "crc": lambda: dict(records=batch([b"x"], crc=1), version=8), "length": lambda: dict(records=batch([b"x"], length=900), version=8),
    "magic": lambda: dict(records=batch([b"x"], magic=3), version=8), "count": lambda: dict(records=batch([b"x"], count=5), version=8),
    "delta": lambda: dict(records=batch([b"x"], last_delta=7), version=8), "nothing": lambda: dict(records=b"", version=8),
    "two batches": lambda: dict(records=batch([b"x"]) * 2, version=8), "zstd too early": lambda: dict(records=batch([b"x"], attributes=4), version=6),
    "control": lambda: dict(records=batch([b"x"], attributes=0x20), version=8),
    "future": lambda: dict(records=batch([b"x"], time_ms=4102444800000), version=8), "no time": lambda: dict(records=batch([b"x"], time_ms=-1), version=8),
    "no key": lambda: dict(topic="c", records=batch([(b"k", b"v"), b"x"]), version=8), "too large": lambda: dict(topic="small", records=batch([b"x" * 3000]), version=8),
    "unknown topic": lambda: dict(topic="none", records=batch([b"x"]), version=8), "unknown partition": lambda: dict(records=batch([b"x"]), partition=9, version=8),
    "negative partition": lambda: dict(records=batch([b"x"]), partition=-1, version=8), "transactional": lambda: dict(records=batch([b"x"], attributes=0x10, producer=(1, 0, 0)), version=8),
    "first of a producer": lambda: dict(records=batch([b"x"], producer=(4000, 0, 0))), "the same": lambda: dict(records=batch([b"x"], producer=(4000, 0, 0))),
    "gap": lambda: dict(records=batch([b"x"], producer=(4000, 0, 5))), "new epoch, wrong": lambda: dict(records=batch([b"x"], producer=(4000, 1, 3))),
    "new epoch": lambda: dict(records=batch([b"x"], producer=(4000, 1, 0))), "old epoch": lambda: dict(records=batch([b"x"], producer=(4000, 0, 1))),
}


# Kafka has two codes for batches that are malformed, and gives one or the other.
ON_PURPOSE = {"length": {"error_code": 2}, "magic": {"error_code": 87},
              # No transaction without a name; Kafka calls it a matter of authorization.
              "transactional": {"error_code": 48}}


@pytest.mark.parametrize("name", PRODUCE)
def test_produce(both, name):
    answers = []
    for raw in both:
        how = PRODUCE[name]()
        told = plain(raw.produce(how.pop("topic", "t"), **how), drop=("error_message", "record_errors"))
        if name == "the same":
            told.pop("log_append_time_ms")     # Kafka tells the batch's own time here
        if told["error_code"]:
            told.pop("log_start_offset")       # -1 or the present one, as the refusal came early or late
        answers.append(told)
    wanted = ON_PURPOSE.get(name, {})
    assert {**answers[0], **wanted} == answers[1]


FETCH = {"start": {"offset": 0}, "middle": {"offset": 1, "partition_max_bytes": 1}, "beyond": {"offset": 10_000}, "negative": {"offset": -1}, "unknown": {"topic": "none", "offset": 0},
         "unknown partition": {"offset": 0, "partition": 7}, "committed": {"offset": 0, "committed": True}, "v4": {"offset": 0, "version": 4}, "v12": {"offset": 0, "version": 12}}


@pytest.mark.parametrize("name", FETCH)
def test_fetch(both, name):
    answers = []
    for raw in both:
        how = dict(FETCH[name])
        told = raw.fetch(how.pop("topic", "t"), **how)
        data = plain(told, drop=("records",)) | {"records": None if told.records is None else len(told.records)}
        answers.append(data)
    assert {**answers[0], "aborted_transactions": answers[0]["aborted_transactions"] or None} == {**answers[1], "aborted_transactions": answers[1]["aborted_transactions"] or None}


@pytest.mark.parametrize("time", [-1, -2, 0, 1_700_000_000_000, 4_102_444_900_000])
@pytest.mark.parametrize("version", [1, 5, 7])
def test_list_offsets(both, time, version):
    assert plain(both[0].offset_for("t", time, version=version)) == plain(both[1].offset_for("t", time, version=version))


def create(raw, name, partitions=1, replicas=1, configs=(), validate=False, twice=False):
    topic = CreateTopicsRequest.CreatableTopic
    one = topic(version=7, name=name, num_partitions=partitions, replication_factor=replicas, assignments=[],
                configs=[topic.CreatableTopicConfig(version=7, name=key, value=value) for key, value in configs])
    return raw.ask(CreateTopicsRequest[7](topics=[one] * (2 if twice else 1), timeout_ms=30_000, validate_only=validate)).topics


CREATE = {"exists": ("t",), "illegal": ("a/b",), "dot": (".",), "empty": ("",), "long": ("x" * 250,), "none": ("p0", 0), "by default": ("byd", -1, -1), "replicas": ("r2", 1, 2),
          "no replica": ("r0", 1, 0), "unknown setting": ("us", 1, 1, [("nope", "1")]), "bad value": ("bv", 1, 1, [("retention.ms", "abc")]),
          "bad policy": ("bp", 1, 1, [("cleanup.policy", "abc")]), "null": ("nu", 1, 1, [("retention.ms", None)]), "tried": ("tr", 3, 1, [("retention.ms", "1000")], True),
          "twice": ("tw", 1, 1, (), False, True), "good": ("good", 2, 1, [("cleanup.policy", "compact,delete")])}


@pytest.mark.parametrize("name", CREATE)
def test_create(both, name):
    first, second = (plain(create(raw, *CREATE[name]), drop=("error_message", "topic_id", "configs")) for raw in both)
    assert first == second


def test_settings_of_a_topic_are_the_same(both):
    """Every setting that Kafka lists, with its value, type and where it comes from."""
    asked = made(DescribeConfigsRequest, 4, "DescribeConfigsResource", resource_type=2, resource_name="small", configuration_keys=None)
    told = []
    for raw in both:
        result = raw.ask(DescribeConfigsRequest[4](resources=[asked], include_synonyms=False, include_documentation=False)).results[0]
        told.append({one.name: (one.value, one.config_type, one.is_sensitive) for one in result.configs})
    of_brokers_alone = ("follower.", "leader.replication", "local.", "remote.", "compression.gzip.", "compression.lz4.", "compression.zstd.")
    kafka = {name: value for name, value in told[0].items() if not name.startswith(of_brokers_alone)}
    assert {name: told[1].get(name) for name in kafka} == kafka


ALTER = {"set": (0, "retention.ms", "1000"), "unknown": (0, "nope", "1"), "bad": (0, "retention.ms", "x"), "null": (0, "retention.ms", None), "unset": (1, "retention.ms", None),
         "append": (2, "cleanup.policy", "compact"), "subtract": (3, "cleanup.policy", "compact"), "append to a number": (2, "retention.ms", "1"),
         "insync": (0, "min.insync.replicas", "0"), "segment": (0, "segment.bytes", "1")}


@pytest.mark.parametrize("name", ALTER)
def test_alter(both, name):
    operation, key, value = ALTER[name]
    one = made(IncrementalAlterConfigsRequest, 1, "AlterConfigsResource", resource_type=2, resource_name="good", configs=[
        made(IncrementalAlterConfigsRequest, 1, "AlterConfigsResource.AlterableConfig", name=key, config_operation=operation, value=value)])
    codes = [raw.ask(IncrementalAlterConfigsRequest[1](resources=[one], validate_only=False)).responses[0].error_code for raw in both]
    assert codes[0] == codes[1]


def test_older_alter(both):
    def alter(raw, name, key, value):
        one = made(AlterConfigsRequest, 1, "AlterConfigsResource", resource_type=2, resource_name=name, configs=[
            made(AlterConfigsRequest, 1, "AlterConfigsResource.AlterableConfig", name=key, value=value)])
        return raw.ask(AlterConfigsRequest[1](resources=[one], validate_only=False)).responses[0].error_code
    for words in (("good", "retention.bytes", "5000"), ("good", "nope", "1"), ("none", "retention.bytes", "5000")):
        assert len({alter(raw, *words) for raw in both}) == 1, words


def test_partitions_and_deletion(both):
    def partitions(raw, name, count):
        one = made(CreatePartitionsRequest, 3, "CreatePartitionsTopic", name=name, count=count, assignments=None)
        return raw.ask(CreatePartitionsRequest[3](topics=[one], timeout_ms=30_000, validate_only=False)).results[0].error_code

    def delete(raw, name):
        return raw.ask(DeleteTopicsRequest[3](topic_names=[name], timeout_ms=30_000)).responses[0].error_code

    def records(raw, name, offset):
        one = made(DeleteRecordsRequest, 2, "DeleteRecordsTopic", name=name, partitions=[
            made(DeleteRecordsRequest, 2, "DeleteRecordsTopic.DeleteRecordsPartition", partition_index=0, offset=offset)])
        told = raw.ask(DeleteRecordsRequest[2](topics=[one], timeout_ms=30_000)).topics[0].partitions[0]
        return told.error_code, told.low_watermark
    for work, words in [(partitions, ("none", 3)), (partitions, ("good", 1)), (partitions, ("good", 2)), (partitions, ("good", 4)), (delete, ("none",)), (delete, ("a/b",)),
                        (records, ("none", 1)), (records, ("t", 10**6)), (records, ("t", -2)), (records, ("t", 1)), (records, ("t", 0)), (delete, ("good",))]:
        first, second = (work(raw, *words) for raw in both)
        assert first == second, (work.__name__, words)


def join(raw, group, member="", protocols=(("range", b"m"),), kind="consumer", instance=None, version=5, session_ms=6000):
    return raw.ask(JoinGroupRequest[version](group_id=group, session_timeout_ms=session_ms, rebalance_timeout_ms=3000, member_id=member, group_instance_id=instance, protocol_type=kind,
                                             protocols=[made(JoinGroupRequest, version, "JoinGroupRequestProtocol", name=name, metadata=data) for name, data in protocols]))


JOIN = {"no member": {}, "unknown member": {"member": "who"}, "empty group": {"group": ""}, "session too short": {"session_ms": 1}, "session too long": {"session_ms": 10**9},
        "no protocols": {"protocols": ()}, "no kind": {"kind": ""}}


@pytest.mark.parametrize("name", JOIN)
def test_join(both, name):
    how = dict(JOIN[name])
    group = how.pop("group", f"join-{name}")
    assert len({join(raw, group, **how).error_code for raw in both}) == 1


def test_a_groups_life(both):
    def life(raw):
        first = join(raw, "life")
        told, member = [first.error_code], first.member_id
        joined = join(raw, "life", member)
        told += [joined.error_code, joined.generation_id, joined.protocol_name, joined.leader == member, len(joined.members)]

        def beat(group="life", generation=joined.generation_id, who=member):
            return raw.ask(HeartbeatRequest[3](group_id=group, generation_id=generation, member_id=who, group_instance_id=None)).error_code

        def sync(generation, who, assignments=()):
            answer = raw.ask(SyncGroupRequest[3](group_id="life", generation_id=generation, member_id=who, group_instance_id=None, assignments=[
                made(SyncGroupRequest, 3, "SyncGroupRequestAssignment", member_id=one, assignment=data) for one, data in assignments]))
            return answer.error_code, answer.assignment

        def commit(group, generation=-1, who="", topic="t", partition=0, metadata="m"):
            one = made(OffsetCommitRequest, 7, "OffsetCommitRequestTopic", name=topic, partitions=[
                made(OffsetCommitRequest, 7, "OffsetCommitRequestTopic.OffsetCommitRequestPartition", partition_index=partition, committed_offset=5, committed_leader_epoch=-1,
                     committed_metadata=metadata)])
            return raw.ask(OffsetCommitRequest[7](group_id=group, generation_id_or_member_epoch=generation, member_id=who, group_instance_id=None, topics=[one])).topics[0].partitions[0].error_code
        told += [beat(), beat("none"), beat(who="none"), beat(generation=99), sync(99, member), sync(joined.generation_id, "none"),
                 sync(joined.generation_id, member, [(member, b"all")]), beat()]
        told += [join(raw, "life", protocols=(("other", b""),)).error_code, join(raw, "life", kind="connect").error_code]
        told += [commit("simple"), commit("life"), commit("life", 99, member), commit("life", joined.generation_id, "none"), commit("no-group", 3, "m"), commit("simple", topic="none"),
                 commit("simple", partition=77), commit("simple", metadata="x" * 5000), commit("life", joined.generation_id, member)]
        told.append(plain(raw.ask(OffsetFetchRequest[5](group_id="simple", topics=None)), drop=("throttle_time_ms",)))
        told.append(plain(raw.ask(OffsetFetchRequest[5](group_id="nobody", topics=[made(OffsetFetchRequest, 5, "OffsetFetchRequestTopic", name="t", partition_indexes=[0])]))))
        for version in (0, 4, 5, 6):
            more = {"include_authorized_operations": False} if version >= 3 else {}
            groups = raw.ask(DescribeGroupsRequest[version](groups=["life", "nobody"], **more)).groups
            told.append([(one.error_code, one.group_state, one.protocol_type, one.protocol_data, len(one.members), [(it.client_id, it.client_host, it.member_assignment) for it in one.members])
                         for one in groups])

        def remove(*names):
            return sorted((one.group_id, one.error_code) for one in raw.ask(DeleteGroupsRequest[2](groups_names=list(names))).results)
        told.append(remove("life", "nobody", "simple"))
        leaving = [made(LeaveGroupRequest, 3, "MemberIdentity", member_id=who, group_instance_id=None) for who in (member, "none")]
        left = raw.ask(LeaveGroupRequest[3](group_id="life", members=leaving))
        told += [left.error_code, [one.error_code for one in left.members], remove("life")]
        return told
    first, second = life(both[0]), life(both[1])
    assert [(number, one) for number, one in enumerate(first) if one != second[number]] == [(number, first[number]) for number, one in enumerate(second) if one != first[number]]
    assert first == second


def test_a_static_member(both):
    def life(raw):
        first = join(raw, "static", instance="i")
        if first.error_code == 79:
            first = join(raw, "static", first.member_id, instance="i")
        raw.ask(SyncGroupRequest[3](group_id="static", generation_id=first.generation_id, member_id=first.member_id, group_instance_id="i", assignments=[
            made(SyncGroupRequest, 3, "SyncGroupRequestAssignment", member_id=first.member_id, assignment=b"all")]))
        again = join(raw, "static", instance="i")
        fenced = raw.ask(HeartbeatRequest[3](group_id="static", generation_id=first.generation_id, member_id=first.member_id, group_instance_id="i")).error_code
        return first.error_code, again.error_code, again.generation_id == first.generation_id, again.member_id != first.member_id, fenced
    assert life(both[0]) == life(both[1])


def test_a_transactions_life(both):
    def life(raw):
        def start(name, timeout_ms=60_000):
            request = InitProducerIdRequest[4](transactional_id=name, transaction_timeout_ms=timeout_ms, producer_id=-1, producer_epoch=-1)
            return wait_until(lambda: (lambda answer: answer if answer.error_code not in (14, 16, 51) else None)(raw.ask(request)))

        def add(name, pid, epoch, topic="t"):
            one = made(AddPartitionsToTxnRequest, 3, "AddPartitionsToTxnTopic", name=topic, partitions=[0])
            told = raw.ask(AddPartitionsToTxnRequest[3](v3_and_below_transactional_id=name, v3_and_below_producer_id=pid, v3_and_below_producer_epoch=epoch, v3_and_below_topics=[one]))
            return told.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code

        def end(name, pid, epoch, commit=True):
            return raw.ask(EndTxnRequest[3](transactional_id=name, producer_id=pid, producer_epoch=epoch, committed=commit)).error_code
        told = [start("x", 10**9).error_code, start("x", 0).error_code, start("").error_code]
        one, two = start("life"), start("life")
        pid, epoch = two.producer_id, two.producer_epoch
        told += [two.producer_id == one.producer_id, two.producer_epoch - one.producer_epoch]
        told += [add("life", pid, epoch - 1), add("nobody", pid, epoch), add("life", pid + 1000, epoch), add("life", pid, epoch, "none"), end("life", pid, epoch)]

        def inside(sequence, how=epoch):
            return raw.produce("t", batch([b"x"], attributes=0x10, producer=(pid, how, sequence)), version=8, transactional_id="life").error_code
        told += [inside(0), add("life", pid, epoch), inside(0), inside(1, epoch - 1), end("life", pid, epoch - 1)]
        told.append((raw.offset_for("t", -1).offset - raw.offset_for("t", -1, committed=True).offset))
        told.append(end("life", pid, epoch))
        told.append(wait_until(lambda: end("life", pid, epoch) == 0))
        told.append(end("life", pid, epoch, False))
        told.append([one.error_code for one in raw.ask(DescribeTransactionsRequest[0](transactional_ids=["life", "nobody"])).transaction_states])
        asked = made(DescribeProducersRequest, 0, "TopicRequest", name="t", partition_indexes=[0, 9])
        told.append([(part.partition_index, part.error_code) for part in raw.ask(DescribeProducersRequest[0](topics=[asked])).topics[0].partitions])
        return told
    first, second = life(both[0]), life(both[1])
    assert first == second


def test_epochs(both):
    part = made(OffsetForLeaderEpochRequest, 4, "OffsetForLeaderTopic.OffsetForLeaderPartition", partition=0, current_leader_epoch=-1, leader_epoch=0)
    for epoch in (-1, 0, 5):
        part.leader_epoch = epoch
        asked = made(OffsetForLeaderEpochRequest, 4, "OffsetForLeaderTopic", topic="la", partitions=[part])
        first, second = (plain(raw.ask(OffsetForLeaderEpochRequest[4](replica_id=-1, topics=[asked])).topics[0].partitions[0]) for raw in both)
        assert first == second, epoch
