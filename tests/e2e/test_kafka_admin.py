"""Topics, partitions, settings, records and clusters, as administrators' tools see and change them."""
import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, OffsetSpec, ResourceType
from kafka.protocol.admin import CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeConfigsRequest

from kafka_members import consume, produce
from kafka_raw import Raw, batch
from kafka_server import admin_of, again, kafka_server, new_topic, not_redis
from node import PATIENCE_S, wait_until

pytestmark = not_redis


@pytest.fixture(scope="module")
def server(launch_shared):
    return kafka_server(launch_shared)


@pytest.fixture
def admin(server):
    return admin_of(server)


@pytest.fixture
def raw(server):
    with Raw(server.endpoint) as made:
        yield made


def config_of(admin, topic: str) -> dict[str, ConfigEntry]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return admin.describe_configs([resource])[resource].result(PATIENCE_S)


def create(raw, name: str, partitions: int = 1, replicas: int = 1, configs=(), validate: bool = False, version: int = 7):
    topic = CreateTopicsRequest.CreatableTopic
    made = topic(version=version, name=name, num_partitions=partitions, replication_factor=replicas, assignments=[],
                 configs=[topic.CreatableTopicConfig(version=version, name=key, value=value) for key, value in configs])
    return raw.ask(CreateTopicsRequest[version](topics=[made], timeout_ms=30_000, validate_only=validate)).topics[0]


@pytest.mark.parametrize("name, code", [("a/b", 17), (".", 17), ("..", 17), ("", 17), ("x" * 250, 17), ("ä", 17)])
def test_names_that_no_topic_may_have(raw, name, code):
    assert create(raw, name).error_code == code


@pytest.mark.parametrize("more, code", [
    ({"partitions": 0}, 37), ({"partitions": -7}, 37), ({"replicas": 2}, 38), ({"replicas": 0}, 38), ({"configs": [("nonsense", "1")]}, 40),
    ({"configs": [("retention.ms", "soon")]}, 40), ({"configs": [("cleanup.policy", "burn")]}, 40), ({"configs": [("segment.bytes", "1")]}, 40)])
def test_topics_that_cannot_be(raw, more, code):
    told = create(raw, "cannot-be", **more)
    assert told.error_code == code and told.error_message
    assert raw.metadata(["cannot-be"]).topics[0].error_code == 3


def test_topics_are_created(raw):
    told = create(raw, "made", 3, -1, [("retention.ms", "1000000")])
    assert (told.error_code, told.num_partitions, told.replication_factor) == (0, 3, 1) and told.topic_id
    assert {one.name: one.value for one in told.configs}["retention.ms"] == "1000000"
    assert create(raw, "made").error_code == 36
    assert create(raw, "by-default", -1).num_partitions == 1
    assert create(raw, "only-tried", 2, validate=True).error_code == 0 and raw.metadata(["only-tried"]).topics[0].error_code == 3
    for version in range(2, 8):
        assert create(raw, f"at-version-{version}", version=version).error_code == 0
    both = [CreateTopicsRequest.CreatableTopic(version=5, name="twice", num_partitions=1, replication_factor=1, assignments=[], configs=[])] * 2
    told = raw.ask(CreateTopicsRequest[5](topics=both, timeout_ms=30_000, validate_only=False)).topics
    assert [one.error_code for one in told] == [42]


def test_partitions_are_added(server, admin, raw):
    topic = new_topic(server, "wider", 2)
    admin.create_partitions([NewPartitions(topic, 4)])[topic].result(PATIENCE_S)
    wait_until(lambda: len(raw.metadata([topic]).topics[0].partitions) == 4, what="four partitions")
    part = CreatePartitionsRequest.CreatePartitionsTopic

    def widen(name, count):
        return raw.ask(CreatePartitionsRequest[0](topics=[part(version=0, name=name, count=count, assignments=None)], timeout_ms=30_000, validate_only=False)).results[0]
    assert widen(topic, 3).error_code == 37 and widen(topic, 4).error_code == 37 and widen("nobody", 2).error_code == 3
    assert widen(topic, 4).error_message
    produce(server, topic, [str(i) for i in range(8)], 4)
    assert len(consume(server, topic, 8, 4)) == 8


def test_topics_are_deleted(server, admin, raw):
    topic = new_topic(server, "goes", 2)
    produce(server, topic, ["x"], 2)
    admin.delete_topics([topic])[topic].result(PATIENCE_S)
    wait_until(lambda: raw.metadata([topic]).topics[0].error_code == 3, what="it is gone")
    assert raw.produce(topic, batch([b"x"])).error_code == 3 and raw.fetch(topic, 0).error_code == 3
    assert raw.ask(DeleteTopicsRequest[3](topic_names=["never-was"], timeout_ms=30_000)).responses[0].error_code == 3
    # One of the same name is another topic.
    new_topic(server, topic, 1)
    assert raw.offset_for(topic, -1).offset == 0


def test_settings(server, admin):
    topic = new_topic(server, "settings", 1, retention_ms=5_000_000)
    before = config_of(admin, topic)
    assert before["retention.ms"].value == "5000000" and not before["retention.ms"].is_default and before["retention.ms"].source == 1
    assert before["max.message.bytes"].value == "1048588" and before["max.message.bytes"].is_default
    entries = [ConfigEntry("retention.ms", "6000000", incremental_operation=AlterConfigOpType.SET),
               ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(PATIENCE_S)
    after = config_of(admin, topic)
    assert after["retention.ms"].value == "6000000" and sorted(after["cleanup.policy"].value.split(",")) == ["compact", "delete"]
    entries = [ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE),
               ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SUBTRACT)]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(PATIENCE_S)
    after = config_of(admin, topic)
    assert after["retention.ms"].value == "604800000" and after["retention.ms"].is_default and after["cleanup.policy"].value == "delete"
    # The older way replaces all of them: what a tool has read, it must be able to write.
    resource = ConfigResource(ResourceType.TOPIC, topic, set_config={"segment.bytes": "2097152"})
    admin.alter_configs([resource])[resource].result(PATIENCE_S)
    after = config_of(admin, topic)
    assert after["segment.bytes"].value == "2097152" and after["cleanup.policy"].is_default


@pytest.mark.parametrize("key, value, operation", [("nonsense", "1", AlterConfigOpType.SET), ("retention.ms", "soon", AlterConfigOpType.SET),
                                                   ("retention.ms", "1", AlterConfigOpType.APPEND), ("min.insync.replicas", "0", AlterConfigOpType.SET)])
def test_settings_that_cannot_be(server, admin, key, value, operation):
    topic = f"refuses-{key}-{value}-{operation.name.lower()}"
    new_topic(server, topic)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[ConfigEntry(key, value, incremental_operation=operation)])
    with pytest.raises(KafkaException) as refused:
        admin.incremental_alter_configs([resource])[resource].result(PATIENCE_S)
    assert refused.value.args[0].name() == "INVALID_CONFIG"


def test_every_setting_is_listed_with_its_default(server, admin):
    """AlterConfigs is read, change, write: what is not listed would be lost."""
    topic = new_topic(server, "lists-all")
    told = config_of(admin, topic)
    wanted = {"cleanup.policy": "delete", "compression.type": "producer", "delete.retention.ms": "86400000", "file.delete.delay.ms": "60000",
              "flush.messages": str(2**63 - 1), "flush.ms": str(2**63 - 1), "index.interval.bytes": "4096", "max.compaction.lag.ms": str(2**63 - 1),
              "max.message.bytes": "1048588", "message.timestamp.type": "CreateTime", "min.cleanable.dirty.ratio": "0.5", "min.compaction.lag.ms": "0",
              "min.insync.replicas": "1", "preallocate": "false", "retention.bytes": "-1", "retention.ms": "604800000", "segment.bytes": "1073741824",
              "segment.index.bytes": "10485760", "segment.jitter.ms": "0", "segment.ms": "604800000", "unclean.leader.election.enable": "false"}
    assert {name: told[name].value for name in wanted if name in told} == wanted
    nobody = ConfigResource(ResourceType.TOPIC, "nobody")
    assert admin.describe_configs([nobody])[nobody].exception(PATIENCE_S) is not None


def test_settings_of_the_broker(admin, raw):
    broker = ConfigResource(ResourceType.BROKER, "1")
    told = admin.describe_configs([broker])[broker].result(PATIENCE_S)
    assert told["num.partitions"].value == "1" and told["message.max.bytes"].value == "1048588"
    asked = DescribeConfigsRequest.DescribeConfigsResource
    for kind, name in ((4, "9"), (99, "x")):
        answer = raw.ask(DescribeConfigsRequest[1](resources=[asked(version=1, resource_type=kind, resource_name=name, configuration_keys=None)], include_synonyms=False))
        assert answer.results[0].error_code == 42


def test_records_are_deleted_up_to_an_offset(server, admin, raw):
    topic = new_topic(server, "trimmed")
    produce(server, topic, [str(i) for i in range(100)])
    part = TopicPartition(topic, 0, 40)
    assert admin.delete_records([part])[part].result(PATIENCE_S).low_watermark == 40
    assert raw.offset_for(topic, -2).offset == 40 and raw.fetch(topic, 0).error_code == 1
    assert [int(message.value()) for message in consume(server, topic, 60, start=40)] == list(range(40, 100))
    part = DeleteRecordsRequest.DeleteRecordsTopic

    def trim(offset, name=topic):
        one = part(version=1, name=name, partitions=[part.DeleteRecordsPartition(version=1, partition_index=0, offset=offset)])
        told = raw.ask(DeleteRecordsRequest[1](topics=[one], timeout_ms=30_000)).topics[0].partitions[0]
        return told.error_code, told.low_watermark
    assert trim(10) == (0, 40) and trim(1000)[0] == 1 and trim(-2)[0] == 1 and trim(1, "nobody")[0] == 3
    assert trim(-1) == (0, 100)      # all that is there
    assert raw.offset_for(topic, -2).offset == 100
    produce(server, topic, ["after"])
    assert consume(server, topic, 1, start=100)[0].value() == b"after"


def test_offsets_by_time(server, admin):
    topic = new_topic(server, "by-time")
    with Raw(server.endpoint) as raw:
        for number in range(10):
            assert raw.produce(topic, batch([b"x"], time_ms=1_700_000_000_000 + 1000 * number)).base_offset == number
        part = TopicPartition(topic, 0)

        def at(spec):
            return admin.list_offsets({part: spec})[part].result(PATIENCE_S).offset
        assert [at(OffsetSpec.for_timestamp(1_700_000_000_000 + delta)) for delta in (-1, 0, 1, 8999, 9000, 9001)] == [0, 0, 1, 9, 9, -1]
        assert (at(OffsetSpec.earliest()), at(OffsetSpec.latest()), at(OffsetSpec.max_timestamp())) == (0, 10, 9)
        raw.produce(topic, batch([b"old"], time_ms=1_600_000_000_000))
        assert at(OffsetSpec.max_timestamp()) == 9


def test_cluster(server, admin):
    told = admin.describe_cluster().result(PATIENCE_S)
    assert told.cluster_id and [node.id for node in told.nodes] == [1] and told.controller.id == 1
    assert f"{told.nodes[0].host}:{told.nodes[0].port}" == server.endpoint


def test_topics_outlive_a_restart(launch):
    server = kafka_server(launch)
    new_topic(server, "stays", 3, retention_ms=1_234_000)
    gone = new_topic(server, "goes")
    produce(server, "stays", [str(i) for i in range(300)], 3)
    admin = admin_of(server)
    with Raw(server.endpoint) as raw:
        cluster, topic_id = raw.metadata(version=8).cluster_id, raw.metadata(["stays"], version=12).topics[0].topic_id
    admin.delete_topics([gone])[gone].result(PATIENCE_S)
    server.stop()
    server = again(launch, server)
    with Raw(server.endpoint) as raw:
        assert raw.metadata(version=8).cluster_id == cluster and raw.metadata(["stays"], version=12).topics[0].topic_id == topic_id
        assert raw.metadata([gone]).topics[0].error_code == 3
    assert config_of(admin_of(server), "stays")["retention.ms"].value == "1234000"
    assert sorted(int(message.value()) for message in consume(server, "stays", 300, 3)) == list(range(300))
