"""Transactions as librdkafka 2.16 makes them, and what readers see while they are open, after they ended, and after the server was away."""
import threading

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from kafka.protocol.admin import DescribeProducersRequest, DescribeTransactionsRequest, ListTransactionsRequest
from kafka.protocol.producer import AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest

from kafka_members import consume, produce
from kafka_raw import Raw, batch
from kafka_server import admin_of, again, kafka_server, new_topic, not_redis
from node import PATIENCE_S, wait_until

pytestmark = not_redis


@pytest.fixture(scope="module")
def server(launch_shared):
    return kafka_server(launch_shared)


def transactional(server, name: str, **more) -> Producer:
    producer = Producer({"bootstrap.servers": server.endpoint, "transactional.id": name, "log_level": 0, **{key.replace("_", "."): value for key, value in more.items()}})
    producer.init_transactions(PATIENCE_S)
    return producer


def committed(server, topic: str, count: int, **more) -> list[bytes]:
    return [message.value() for message in consume(server, topic, count, isolation_level="read_committed", **more)]


def test_commit_and_abort(server):
    topic = new_topic(server, "tx-basic", 2)
    producer = transactional(server, "basic")
    for number in range(6):
        producer.begin_transaction()
        for part in (0, 1):
            producer.produce(topic, f"{number}-{part}", partition=part)
        producer.flush(PATIENCE_S)
        if number % 2:
            producer.abort_transaction(PATIENCE_S)
        else:
            producer.commit_transaction(PATIENCE_S)
    assert sorted(committed(server, topic, 6, partitions=2)) == sorted(f"{n}-{p}".encode() for n in (0, 2, 4) for p in (0, 1))
    assert len(consume(server, topic, 12, 2, isolation_level="read_uncommitted")) == 12
    with Raw(server.endpoint) as raw:
        # Each transaction left a marker, and each has an offset.
        assert raw.offset_for(topic, -1).offset == 12


def test_nothing_is_seen_before_the_end(server):
    topic = new_topic(server, "tx-open")
    produce(server, topic, ["before"])
    producer = transactional(server, "open")
    producer.begin_transaction()
    producer.produce(topic, "inside")
    producer.flush(PATIENCE_S)
    produce(server, topic, ["beside"])
    with Raw(server.endpoint) as raw:
        assert raw.offset_for(topic, -1, committed=True).offset == 1 and raw.offset_for(topic, -1).offset == 3
        seen = raw.fetch(topic, 0, committed=True)
        assert (seen.high_watermark, seen.last_stable_offset) == (3, 1)
        assert committed(server, topic, 1) == [b"before"]
        # Who waits for committed messages is woken by the commit, with all of them.
        started = raw.start_fetch(topic, 1, max_wait_ms=PATIENCE_S * 1000, committed=True)
        producer.commit_transaction(PATIENCE_S)
        got = raw.finish(started).responses[0].partitions[0]
        assert got.records and got.last_stable_offset == 4
    assert committed(server, topic, 3) == [b"before", b"inside", b"beside"]


def test_aborted_ones_are_named_to_who_asks(server):
    """read_committed answers name the aborted transactions of their range; others do not."""
    topic = new_topic(server, "tx-named")
    producer = transactional(server, "named")
    for how in ("abort", "commit", "abort"):
        producer.begin_transaction()
        producer.produce(topic, how)
        producer.flush(PATIENCE_S)
        getattr(producer, f"{how}_transaction")(PATIENCE_S)
    with Raw(server.endpoint) as raw:
        told = raw.fetch(topic, 0, committed=True).aborted_transactions
        assert [one.first_offset for one in told] == [0, 4] and len({one.producer_id for one in told}) == 1
        assert [one.first_offset for one in raw.fetch(topic, 2, committed=True).aborted_transactions] == [4]
        assert not raw.fetch(topic, 0).aborted_transactions


def test_consume_transform_produce(server):
    """Exactly once from one topic into another, although the one who works dies on the way, again and again."""
    source, sink = new_topic(server, "eos-in", 1), new_topic(server, "eos-out", 1)
    count = 60
    produce(server, source, [str(i) for i in range(count)])
    for life in range(20):
        producer = transactional(server, "eos")
        consumer = Consumer({"bootstrap.servers": server.endpoint, "group.id": "eos-group", "auto.offset.reset": "earliest", "enable.auto.commit": False,
                             "isolation.level": "read_committed", "session.timeout.ms": 6000})
        consumer.subscribe([source])
        batch_of = wait_until(lambda: consumer.consume(7, timeout=0.5), what="messages")
        producer.begin_transaction()
        for message in batch_of:
            assert not message.error(), message.error()
            producer.produce(sink, message.value())
        ends = [TopicPartition(source, 0, batch_of[-1].offset() + 1)]
        producer.send_offsets_to_transaction(ends, consumer.consumer_group_metadata(), PATIENCE_S)
        is_last = ends[0].offset == count
        if life % 3 == 1 and not is_last:
            producer.flush(PATIENCE_S)      # and is gone, without a word
        else:
            producer.commit_transaction(PATIENCE_S)
        consumer.close()
        if is_last:
            break
    assert committed(server, sink, count) == [str(i).encode() for i in range(count)]


def test_zombie_is_fenced(server):
    topic = new_topic(server, "tx-zombie")
    old = transactional(server, "zombie")
    old.begin_transaction()
    old.produce(topic, "zombie")
    old.flush(PATIENCE_S)
    new = transactional(server, "zombie")
    new.begin_transaction()
    new.produce(topic, "fresh")
    new.commit_transaction(PATIENCE_S)
    with pytest.raises(KafkaException) as refused:
        old.commit_transaction(PATIENCE_S)
    assert refused.value.args[0].fatal()
    assert committed(server, topic, 1) == [b"fresh"]


def test_a_transaction_times_out(server):
    topic = new_topic(server, "tx-late")
    producer = transactional(server, "late", transaction_timeout_ms=1000)
    producer.begin_transaction()
    producer.produce(topic, "late")
    producer.flush(PATIENCE_S)
    with Raw(server.endpoint) as raw:
        wait_until(lambda: raw.offset_for(topic, -1, committed=True).offset == 2, what="the server aborts it")
    with pytest.raises(KafkaException):
        producer.commit_transaction(PATIENCE_S)
    # Nobody is killed for ever by it: the next producer of the name works.
    fresh = transactional(server, "late")
    fresh.begin_transaction()
    fresh.produce(topic, "in time")
    fresh.commit_transaction(PATIENCE_S)
    assert committed(server, topic, 1) == [b"in time"]


def test_two_at_once_do_not_mix(server):
    topic = new_topic(server, "tx-two")
    producers = [transactional(server, f"two-{i}") for i in range(2)]

    def work(number):
        for step in range(10):
            producers[number].begin_transaction()
            for i in range(5):
                producers[number].produce(topic, f"{number}-{step}-{i}")
            if step % 5 == 4:
                producers[number].abort_transaction(PATIENCE_S)
            else:
                producers[number].commit_transaction(PATIENCE_S)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S * 2)
    got = [value.decode() for value in committed(server, topic, 80)]
    for number in range(2):
        assert [value for value in got if value.startswith(f"{number}-")] == [f"{number}-{s}-{i}" for s in range(10) if s % 5 != 4 for i in range(5)]


def test_transactions_are_listed(server):
    topic = new_topic(server, "tx-listed")
    producer = transactional(server, "listed-one")
    producer.begin_transaction()
    producer.produce(topic, "x")
    producer.flush(PATIENCE_S)
    with Raw(server.endpoint) as raw:
        def state():
            told = raw.ask(ListTransactionsRequest[0](state_filters=[], producer_id_filters=[])).transaction_states
            return {one.transactional_id: one.transaction_state for one in told}.get("listed-one")
        assert state() == "Ongoing"
        one = raw.ask(DescribeTransactionsRequest[0](transactional_ids=["listed-one"])).transaction_states[0]
        assert one.error_code == 0 and one.topics[0].topic == topic and one.topics[0].partitions == [0]
        asked = DescribeProducersRequest.TopicRequest(version=0, name=topic, partition_indexes=[0])
        active = raw.ask(DescribeProducersRequest[0](topics=[asked])).topics[0].partitions[0].active_producers
        assert [one.current_txn_start_offset for one in active] == [0]
        producer.commit_transaction(PATIENCE_S)
        wait_until(lambda: state() == "CompleteCommit", what="the end of it")
        assert raw.ask(DescribeTransactionsRequest[0](transactional_ids=["none"])).transaction_states[0].error_code == 105


def test_the_words_of_the_protocol(server):
    """Each step by hand, and out of turn."""
    topic = new_topic(server, "tx-words")
    part = AddPartitionsToTxnRequest.AddPartitionsToTxnTopic

    def add(raw, pid, epoch, name="words"):
        told = raw.ask(AddPartitionsToTxnRequest[0](v3_and_below_transactional_id=name, v3_and_below_producer_id=pid, v3_and_below_producer_epoch=epoch,
                                                    v3_and_below_topics=[part(version=0, name=topic, partitions=[0])]))
        return told.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code

    def end(raw, pid, epoch, commit=True, name="words"):
        return raw.ask(EndTxnRequest[1](transactional_id=name, producer_id=pid, producer_epoch=epoch, committed=commit)).error_code

    def start(raw, timeout_ms=60_000, name="words", version=1):
        return raw.ask(InitProducerIdRequest[version](transactional_id=name, transaction_timeout_ms=timeout_ms))
    with Raw(server.endpoint) as raw:
        assert start(raw, 10**9).error_code == 50 and start(raw, 0).error_code == 50        # INVALID_TRANSACTION_TIMEOUT
        one = start(raw)
        two = start(raw)
        assert (two.producer_id, two.producer_epoch) == (one.producer_id, one.producer_epoch + 1)
        assert add(raw, one.producer_id, one.producer_epoch) in (47, 90)                    # INVALID_PRODUCER_EPOCH, PRODUCER_FENCED
        assert add(raw, two.producer_id + 1000, 0) == 49                                    # INVALID_PRODUCER_ID_MAPPING
        assert add(raw, two.producer_id, two.producer_epoch, "nobody") == 49
        assert end(raw, two.producer_id, two.producer_epoch) == 48                          # INVALID_TXN_STATE: nothing has begun

        def inside(sequence, epoch=two.producer_epoch):
            return raw.produce(topic, batch([b"x"], attributes=0x10, producer=(two.producer_id, epoch, sequence)), version=8, transactional_id="words")
        assert inside(0).error_code == 48                                                   # not a part of it yet
        assert add(raw, two.producer_id, two.producer_epoch) == 0
        assert inside(0).error_code == 0 and inside(1, one.producer_epoch).error_code == 47
        assert end(raw, one.producer_id, one.producer_epoch) in (47, 90)
        assert end(raw, two.producer_id, two.producer_epoch) == 0
        # Said twice, because the first answer was lost: the same answer, or that it is still under way.
        wait_until(lambda: end(raw, two.producer_id, two.producer_epoch) == 0, what="the same answer")
        assert end(raw, two.producer_id, two.producer_epoch, commit=False) == 48


def test_they_outlive_a_restart(launch):
    server = kafka_server(launch)
    topic = new_topic(server, "tx-restart")
    keeps, loses = transactional(server, "keeps"), transactional(server, "loses")
    for producer, value in ((keeps, "kept"), (loses, "lost")):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(PATIENCE_S)
    keeps.commit_transaction(PATIENCE_S)
    server.stop()
    server = again(launch, server)
    with Raw(server.endpoint) as raw:
        # One is still open after the restart, and its next producer ends it.
        wait_until(lambda: raw.offset_for(topic, -1, committed=True).offset == 1, what="the end that is stable")
    fresh = transactional(server, "loses")
    fresh.begin_transaction()
    fresh.produce(topic, "fresh")
    fresh.commit_transaction(PATIENCE_S)
    assert committed(server, topic, 2) == [b"kept", b"fresh"]
    assert admin_of(server).list_topics(topic, timeout=PATIENCE_S).topics[topic].error is None
