"""What others tripped over (facts/topic.md, section 2.2), one test each, by hand: any client's behaviour can be imitated."""
import gzip
import struct
import time

import pytest
from kafka.protocol.admin import DescribeClusterRequest
from kafka.protocol.consumer import FetchRequest, JoinGroupRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest
from kafka.protocol.metadata import FindCoordinatorRequest
from kafka.protocol.producer import InitProducerIdRequest, ProduceRequest

from kafka_raw import Raw, batch, crc32c, head, old_message
from kafka_server import again, kafka_server, keelson_only, new_topic, not_redis
from node import wait_until

pytestmark = not_redis


@pytest.fixture(scope="module")
def server(launch_shared):
    return kafka_server(launch_shared)


@pytest.fixture
def raw(server):
    with Raw(server.endpoint) as made:
        yield made


def ranges(raw) -> dict[int, tuple[int, int]]:
    return {one.api_key: (one.min_version, one.max_version) for one in raw.api_versions().api_keys}


def batches(data: bytes) -> list[tuple[int, int, int]]:
    """(base offset, last offset, attributes) of each whole batch."""
    found, at = [], 0
    while at + 61 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        if at + 12 + length > len(data):
            break
        attributes, delta = struct.unpack_from(">hi", data, at + 21)
        found.append((base, base + delta, attributes))
        at += 12 + length
    return found


def test_1_produce_is_offered_from_version_0(raw):
    """librdkafka before 2.11.1 stops compressing without it; kafkajs, kafka-python and librdkafka need what is listed here."""
    told = ranges(raw)
    assert told[0][0] == 0
    needed = {18: (0, 2), 3: (0, 4), 0: (0, 7), 1: (4, 11), 2: (1, 3), 10: (0, 2), 11: (0, 5), 14: (0, 3), 12: (0, 3), 13: (0, 3), 8: (2, 7), 9: (1, 5),
              19: (2, 4), 20: (1, 3), 37: (0, 1), 21: (0, 1), 32: (1, 2), 33: (0, 1), 44: (0, 1), 22: (0, 4), 24: (0, 1), 25: (0, 1), 26: (0, 1), 28: (0, 3),
              15: (0, 4), 16: (0, 4), 42: (0, 1), 47: (0, 0), 23: (2, 4)}
    for key, (low, high) in needed.items():
        assert key in told and told[key][0] <= low and told[key][1] >= high, (key, told.get(key))


def test_2_api_versions_of_the_future(raw):
    """Error 35 in an answer of version 0, so that the client can try again; and never tags in the header."""
    raw.send_frame(head(18, 99, tagged=True) + b"\2a\2b\0")
    frame = raw.read_frame()
    assert struct.unpack(">ih", frame[:6]) == (7, 35)
    count = struct.unpack(">i", frame[6:10])[0]
    assert count >= 1 and len(frame) == 10 + 6 * count
    assert raw.api_versions(3).error_code == 0 and raw.api_versions(0).error_code == 0     # decode() minds every byte


def test_3_fetch_12_is_offered(raw, server):
    """librdkafka 2.6.0 sends it whatever is offered."""
    topic = new_topic(server, "trap-3")
    raw.produce(topic, batch([b"x"]))
    assert ranges(raw)[1][1] >= 12 and raw.fetch(topic, 0, version=12).records


def test_5_no_minimum_above_what_kafkajs_knows(raw):
    """kafkajs looks at the maximum alone."""
    highest = {0: 7, 1: 11, 2: 3, 3: 6, 8: 5, 9: 4, 10: 2, 11: 5, 12: 3, 13: 3, 14: 3, 15: 2, 16: 2, 18: 2, 19: 3, 20: 1, 21: 1, 22: 1, 24: 1, 25: 1, 26: 1, 28: 1,
               32: 2, 33: 1, 37: 1, 42: 1}
    told = ranges(raw)
    assert all(told[key][0] <= version for key, version in highest.items()), told


def test_6_the_controller_is_a_listed_broker(raw):
    for version in (1, 4, 8, 12):
        told = raw.metadata(version=version)
        assert told.controller_id in {one.node_id for one in told.brokers}
    told = raw.ask(DescribeClusterRequest[0](include_cluster_authorized_operations=False))
    assert told.controller_id in {one.broker_id for one in told.brokers}


def test_7_requests_that_kafka_python_sends_ahead(server):
    """Two at once at the start; answers in order."""
    with Raw(server.endpoint) as raw:
        raw.send(struct.pack(">i", 13) + head(18, 0, number=1) + struct.pack(">i", 17) + head(3, 0, number=2) + struct.pack(">i", 0))
        assert struct.unpack(">i", raw.read_frame()[:4])[0] == 1 and struct.unpack(">i", raw.read_frame()[:4])[0] == 2
    with Raw(server.endpoint) as raw:
        told = ranges(raw)
        assert told[1][0] <= 10 <= told[1][1] and (29 not in told or told[29][1] >= 2)


def test_8_a_fetch_in_the_middle_of_a_batch(raw, server):
    topic = new_topic(server, "trap-8")
    raw.produce(topic, batch([b"%d" % i for i in range(10)]))
    raw.produce(topic, batch([b"second"]))
    for offset in (0, 1, 9):
        assert batches(raw.fetch(topic, offset).records)[0][:2] == (0, 9)
    # The first batch comes whole, however little was asked for.
    assert batches(raw.fetch(topic, 5, partition_max_bytes=1).records)[0][:2] == (0, 9)
    assert batches(raw.fetch(topic, 5, max_bytes=1).records)[0][:2] == (0, 9)


def test_9_aborted_transactions_are_for_read_committed(raw, server):
    topic = new_topic(server, "trap-9")
    raw.produce(topic, batch([b"x"]))
    assert raw.fetch(topic, 0).aborted_transactions is None
    assert raw.fetch(topic, 0, committed=True).aborted_transactions == []


def test_11_an_assignment_is_never_null(server):
    """Also for members to whom the leader gave nothing."""
    with Raw(server.endpoint) as one, Raw(server.endpoint) as two:
        started = []
        for connection in (one, two):
            request = JoinGroupRequest[3](group_id="trap-11", session_timeout_ms=10_000, rebalance_timeout_ms=10_000, member_id="", protocol_type="consumer",
                                          protocols=[JoinGroupRequest.JoinGroupRequestProtocol(version=3, name="range", metadata=b"m")])
            started.append((connection, connection.start(request)))
        joined = [connection.finish(it) for connection, it in started]
        assert all(it.error_code == 0 for it in joined) and len({it.generation_id for it in joined}) == 1, joined
        members = [it.member_id for it in joined]
        leader = members.index(joined[0].leader)
        assert len(joined[leader].members) == 2 and len(joined[1 - leader].members) == 0

        def sync(number, assignments):
            return (one, two)[number].start(SyncGroupRequest[3](group_id="trap-11", generation_id=joined[0].generation_id, member_id=members[number],
                                                                 group_instance_id=None, assignments=assignments))
        waits = sync(1 - leader, [])
        mine = sync(leader, [SyncGroupRequest.SyncGroupRequestAssignment(version=3, member_id=members[leader], assignment=b"all")])
        assert (one, two)[leader].finish(mine).assignment == b"all"
        assert (one, two)[1 - leader].finish(waits).assignment == b""


def test_12_topics_are_made_by_asking(raw):
    """Always before version 4, by the flag from then on."""
    assert raw.metadata(["trap-12-no"], version=4).topics[0].error_code == 3
    assert raw.metadata(["trap-12-no"], version=4).topics[0].error_code == 3
    for version, name in ((1, "trap-12-old"), (4, "trap-12-new"), (9, "trap-12-newer")):
        first = raw.metadata([name], version=version, create=True).topics[0].error_code
        assert first in (0, 3, 5)
        for _ in range(200):
            told = raw.metadata([name], version=version, create=True).topics[0]
            if told.error_code == 0 and told.partitions and told.partitions[0].error_code == 0:
                break
        assert told.error_code == 0 and len(told.partitions) == 1
    assert raw.metadata(["no/topic"], create=True).topics[0].error_code == 17


def test_13_the_time_of_appending(raw, server):
    plain, stamped = new_topic(server, "trap-13"), new_topic(server, "trap-13-stamped", message_timestamp_type="LogAppendTime")
    assert raw.produce(plain, batch([b"x"])).log_append_time_ms == -1
    told = raw.produce(stamped, batch([b"x"])).log_append_time_ms
    assert told > 1_700_000_000_000
    data = raw.fetch(stamped, 0).records
    attributes, _, _, latest = struct.unpack_from(">hiqq", data, 21)
    assert attributes & 8 and latest == told
    assert struct.unpack_from(">I", data, 17)[0] == crc32c(data[21:])


def test_14_each_record_may_be_refused(raw, server):
    compact, small = new_topic(server, "trap-14", cleanup_policy="compact"), new_topic(server, "trap-14-small", max_message_bytes=2000)
    told = raw.produce(compact, batch([(b"k", b"v"), b"no key", (b"k", b"w")]), version=8)
    assert told.error_code == 87 and [one.batch_index for one in told.record_errors] == [1] and told.error_message
    assert raw.offset_for(compact, -1).offset == 0                      # all of it or nothing
    assert raw.produce(small, batch([b"x" * 3000])).error_code == 10
    assert raw.produce(small, batch([b"x" * 300])).error_code == 0
    late = batch([b"x"], time_ms=4_102_444_800_000)
    told = raw.produce(small, late, version=8)
    assert told.error_code == 32 and told.error_message
    for timeout_ms in (0, 10**9):
        assert raw.ask(InitProducerIdRequest[0](transactional_id="t", transaction_timeout_ms=timeout_ms)).error_code == 50


def test_14_metadata_of_commits_comes_back(raw, server):
    topic = new_topic(server, "trap-14-commit")
    part = OffsetCommitRequest.OffsetCommitRequestTopic

    def commit(metadata, version=7, offset=5):
        one = part.OffsetCommitRequestPartition(version=version, partition_index=0, committed_offset=offset, committed_leader_epoch=0, committed_metadata=metadata)
        return raw.ask(OffsetCommitRequest[version](group_id="trap-14", generation_id_or_member_epoch=-1, member_id="", group_instance_id=None,
                                                    topics=[part(version=version, name=topic, partitions=[one])])).topics[0].partitions[0].error_code

    def fetch():
        return raw.ask(OffsetFetchRequest[5](group_id="trap-14", topics=None)).topics[0].partitions[0]
    assert commit("what I was doing ✓") == 0
    assert (fetch().committed_offset, fetch().metadata) == (5, "what I was doing ✓")
    assert commit("anything", offset=-2) == 0 and fetch().committed_offset == -2        # kafkajs' word for the beginning
    assert commit("what I was doing ✓") == 0
    assert commit("x" * 5000) == 12 and fetch().metadata == "what I was doing ✓"      # OFFSET_METADATA_TOO_LARGE
    assert commit("") == 0 and fetch().metadata == ""


def test_17_acks_of_each_kind_on_one_connection(raw, server):
    topic = new_topic(server, "trap-17")
    for number, acks in enumerate((1, -1, 0, -1, 1, 0, 0, -1)):
        told = raw.produce(topic, batch([b"x"]), acks=acks)
        assert told is None or (told.error_code, told.base_offset) == (0, number)
    assert raw.produce(topic, batch([b"x"]), acks=2).error_code == 21
    assert raw.offset_for(topic, -1).offset == 8


def test_17_an_older_epoch_is_refused_at_once(raw, server):
    topic = new_topic(server, "trap-17-epoch")
    pid = raw.producer_id()
    assert raw.produce(topic, batch([b"x"], producer=(pid, 1, 0))).error_code == 0
    assert raw.produce(topic, batch([b"x"], producer=(pid, 0, 1))).error_code == 47


def test_duplicates_get_their_first_offset(raw, server):
    topic = new_topic(server, "duplicates")
    pid = raw.producer_id()
    for number in range(10):
        assert raw.produce(topic, batch([b"%d" % number], producer=(pid, 0, number))).base_offset == number
    for number in range(5, 10):
        told = raw.produce(topic, batch([b"%d" % number], producer=(pid, 0, number)))
        assert (told.error_code, told.base_offset) == (0, number)
    assert raw.produce(topic, batch([b"old"], producer=(pid, 0, 2))).error_code in (45, 46)
    assert raw.produce(topic, batch([b"gap"], producer=(pid, 0, 11))).error_code == 45
    assert raw.offset_for(topic, -1).offset == 10
    # Sequences turn over behind 2^31 - 1.
    other = raw.producer_id()
    assert raw.produce(topic, batch([b"a", b"b"], producer=(other, 0, 2**31 - 2))).error_code == 0
    assert raw.produce(topic, batch([b"c"], producer=(other, 0, 0))).error_code == 0


def test_duplicates_are_known_after_a_restart(launch):
    server = kafka_server(launch)
    topic = new_topic(server, "duplicates")
    with Raw(server.endpoint) as raw:
        pid = raw.producer_id()
        now_ms = int(time.time() * 1000)         # what a producer said a day ago and more is forgotten
        for number in range(3):
            raw.produce(topic, batch([b"%d" % number], producer=(pid, 0, number), time_ms=now_ms))
    server.stop()
    server = again(launch, server)
    with Raw(server.endpoint) as raw:
        told = wait_until(lambda: (lambda it: it if it.error_code != 6 else None)(raw.produce(topic, batch([b"2"], producer=(pid, 0, 2)))), what="a leader")
        assert (told.error_code, told.base_offset) == (0, 2)
        assert raw.produce(topic, batch([b"3"], producer=(pid, 0, 3))).base_offset == 3
        assert raw.producer_id() > pid


def test_a_long_poll_is_woken(raw, server):
    topic = new_topic(server, "long-poll")
    started = raw.start_fetch(topic, 0, max_wait_ms=60_000)
    with Raw(server.endpoint) as other:
        other.produce(topic, batch([b"x"]))
    assert batches(raw.finish(started).responses[0].partitions[0].records)[0][0] == 0
    # One that asks for more than there is gets what there is when its time is over.
    told = raw.fetch(topic, 0, max_wait_ms=50, min_bytes=1 << 20)
    assert told.error_code == 0 and told.records
    assert raw.fetch(topic, 1, max_wait_ms=10).records == b""


def test_sessions_of_fetches(raw, server):
    """A session names its partitions once; then only what changed is told."""
    topic = new_topic(server, "sessions", 3)
    one = FetchRequest.FetchTopic

    def fetch(session, epoch, parts, forgotten=(), version=11):
        topics = [one(version=version, topic=topic, partitions=[one.FetchPartition(
            version=version, partition=part, current_leader_epoch=-1, fetch_offset=offset, last_fetched_epoch=-1, log_start_offset=-1, partition_max_bytes=1 << 20)
            for part, offset in parts])] if parts else []
        gone = [FetchRequest.ForgottenTopic(version=version, topic=topic, partitions=list(forgotten))] if forgotten else []
        return raw.ask(FetchRequest[version](replica_id=-1, max_wait_ms=0, min_bytes=0, max_bytes=1 << 24, isolation_level=0, session_id=session,
                                             session_epoch=epoch, topics=topics, forgotten_topics_data=gone, rack_id=""))

    def parts_of(answer):
        return sorted(part.partition_index for it in answer.responses for part in it.partitions)
    first = fetch(0, 0, [(0, 0), (1, 0), (2, 0)])
    assert first.error_code == 0 and first.session_id != 0 and parts_of(first) == [0, 1, 2]
    session = first.session_id
    assert parts_of(fetch(session, 1, [])) == []
    raw.produce(topic, batch([b"x"]), partition=1)
    told = fetch(session, 2, [])
    assert parts_of(told) == [1] and told.responses[0].partitions[0].records
    assert parts_of(fetch(session, 3, [(1, 1)])) in ([], [1])
    raw.produce(topic, batch([b"x"]), partition=2)
    assert parts_of(fetch(session, 4, [], forgotten=[2])) == []
    assert fetch(session, 9, []).error_code == 71                       # INVALID_FETCH_SESSION_EPOCH
    assert fetch(session + 12345, 1, []).error_code == 70               # FETCH_SESSION_ID_NOT_FOUND
    assert fetch(0, -1, [(0, 0)]).session_id == 0


@keelson_only
@pytest.mark.parametrize("magic, version", [(0, 0), (0, 1), (1, 2)])
def test_old_formats_are_converted(raw, server, magic, version):
    """Apache Kafka 4 hangs up on these; who still has such clients is better off with what they mean."""
    topic = new_topic(server, f"old-{version}")
    messages = b"".join(old_message(b"value %d" % i, b"key", magic, offset=i) for i in range(3))
    assert raw.produce(topic, messages, version=version).error_code == 0
    inner = b"".join(old_message(b"packed %d" % i, None, magic, offset=i) for i in range(3))
    assert raw.produce(topic, old_message(gzip.compress(inner), None, magic, offset=2, attributes=1), version=version).error_code == 0
    assert raw.produce(topic, old_message(b"x", None, magic, crc=1), version=version).error_code == 2
    assert raw.offset_for(topic, -1).offset == 6
    data = raw.fetch(topic, 0).records
    assert data[16] == 2 and b"value 0" in data


def test_old_formats_do_not_come_in_new_requests(raw, server):
    topic = new_topic(server, "old-in-new")
    assert raw.produce(topic, old_message(b"x"), version=7).error_code == 87


def test_several_partitions_in_one_request(raw, server):
    """Each has its own answer; one that is refused spoils none of the others."""
    topic = new_topic(server, "several", 2)
    data = ProduceRequest.TopicProduceData
    bodies = [(0, batch([b"x"])), (1, batch([b"x"], crc=1)), (7, batch([b"x"]))]
    request = ProduceRequest[7](transactional_id=None, acks=-1, timeout_ms=1000, topic_data=[data(version=7, name=topic, partition_data=[
        data.PartitionProduceData(version=7, index=index, records=body) for index, body in bodies])])
    told = {one.index: one.error_code for one in raw.ask(request).responses[0].partition_responses}
    assert told == {0: 0, 1: 2, 7: 3}


def test_zstd_needs_version_7(raw, server):
    assert raw.produce(new_topic(server, "zstd"), batch([b"x"], attributes=4), version=6).error_code == 76


def test_every_version_of_everything_parses(raw, server):
    """Each offered version of the common requests is answered with what its specification says, to the last byte."""
    topic = new_topic(server, "every-version")
    told = ranges(raw)
    for version in range(max(3, told[0][0]), min(told[0][1], 12) + 1):
        assert raw.produce(topic, batch([b"x"]), version=version).error_code == 0
    for version in range(told[1][0], min(told[1][1], 12) + 1):
        assert raw.fetch(topic, 0, version=version).error_code == 0
    for version in range(told[2][0], told[2][1] + 1):
        assert raw.offset_for(topic, -2, version=version).error_code == 0
    for version in range(told[3][0], told[3][1] + 1):
        assert raw.metadata([topic], version=version).topics[0].error_code == 0
    for version in range(told[18][0], told[18][1] + 1):
        assert raw.api_versions(version).error_code == 0
    for version in range(told[10][0], min(told[10][1], 3) + 1):
        request = {"key": "g"} | ({"key_type": 0} if version else {})
        assert raw.ask(FindCoordinatorRequest[version](**request)).error_code == 0
