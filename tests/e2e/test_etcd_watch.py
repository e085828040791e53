"""etcd's Watch service: what its users rely on is order, no gap, no double, no revision cut in two, and going on after a break.

Each expectation holds for etcd 3.4 (KEELSON_E2E_PEER=etcd), but for what is marked.
"""
import queue
import threading

import pytest

from etcd_api import Api, Refused, pb
from etcd_server import AGAINST_ETCD, coord_server, not_redis
from node import memory_bytes, wait_until

pytestmark = not_redis
PUT, DELETE = pb.Event.PUT, pb.Event.DELETE


@pytest.fixture(scope="module")
def server(launch_shared):
    return coord_server(launch_shared)


@pytest.fixture
def api(server):
    with Api(server.endpoint) as made:
        made.DeleteRange(key=b"\0", range_end=b"\0")
        yield made


def puts(*names: bytes):
    return [pb.RequestOp(put=pb.PutRequest(key=name)) for name in names]


def told(events) -> list[tuple]:
    return [(one.type, one.kv.key, one.kv.value) for one in events]


def test_from_now_on(api):
    api.Put(key=b"a", value=b"before")
    watch = api.watch(key=b"a")
    created = watch.created()
    assert created.watch_id == 0 and created.header.revision == api.revision and not created.events
    api.Put(key=b"b", value=b"another")
    api.Put(key=b"a", value=b"1")
    api.DeleteRange(key=b"a")
    events = watch.events(2)
    assert told(events) == [(PUT, b"a", b"1"), (DELETE, b"a", b"")]
    assert events[0].kv.create_revision < events[0].kv.mod_revision and events[0].kv.version == 2
    assert (events[1].kv.create_revision, events[1].kv.version) == (0, 0) and events[1].kv.mod_revision == api.revision
    assert not events[1].HasField("prev_kv")
    watch.close()


def test_from_an_old_revision(api):
    first = api.Put(key=b"a", value=b"1").header.revision
    api.Put(key=b"a", value=b"2")
    api.DeleteRange(key=b"a")
    api.Put(key=b"b", value=b"x")
    watch = api.watch(key=b"a", range_end=b"c", start_revision=first)
    watch.created()
    events = watch.events(4)
    assert told(events) == [(PUT, b"a", b"1"), (PUT, b"a", b"2"), (DELETE, b"a", b""), (PUT, b"b", b"x")]
    assert [one.kv.mod_revision for one in events] == list(range(first, first + 4))
    api.Put(key=b"a", value=b"live")
    assert told(watch.events(1)) == [(PUT, b"a", b"live")]
    watch.close()


def test_from_the_future(api):
    now = api.Put(key=b"a").header.revision
    watch = api.watch(key=b"a", start_revision=now + 3)
    watch.created()
    for i in range(4):
        api.Put(key=b"a", value=b"%d" % i)
    assert told(watch.events(2)) == [(PUT, b"a", b"2"), (PUT, b"a", b"3")]
    watch.close()


def test_from_before_the_compaction(api):
    first = api.Put(key=b"a", value=b"1").header.revision
    api.Put(key=b"a", value=b"2")
    last = api.Put(key=b"a", value=b"3").header.revision
    api.Compact(revision=last)
    watch = api.watch(key=b"a", start_revision=first)
    watch.created()
    ended = watch.next()
    assert ended.canceled and ended.compact_revision == last and ended.watch_id == 0
    watch.create(key=b"a", start_revision=last)   # the stream goes on
    assert watch.created().watch_id == 1
    assert told(watch.events(1)) == [(PUT, b"a", b"3")]
    watch.close()


def test_a_revision_comes_whole(api):
    watch = api.watch(key=b"a", range_end=b"z")
    watch.created()
    api.Txn(success=puts(b"c", b"a", b"b"))
    answer = watch.next()
    assert [one.kv.key for one in answer.events] == [b"c", b"a", b"b"]
    assert {one.kv.mod_revision for one in answer.events} == {answer.header.revision}
    old = api.watch(key=b"a", range_end=b"z", start_revision=answer.header.revision)
    old.created()
    assert [one.kv.key for one in old.next().events] == [b"c", b"a", b"b"]
    for one in (watch, old):
        one.close()


def test_previous_values(api):
    watch = api.watch(key=b"a", prev_kv=True)
    watch.created()
    api.Put(key=b"a", value=b"1")
    api.Put(key=b"a", value=b"2")
    api.DeleteRange(key=b"a")
    events = watch.events(3)
    assert not events[0].HasField("prev_kv") and events[1].prev_kv.value == b"1" and events[2].prev_kv.value == b"2"
    watch.close()
    old = api.watch(key=b"a", prev_kv=True, start_revision=events[0].kv.mod_revision)
    old.created()
    assert [one.prev_kv.value for one in old.events(3)] == [b"", b"1", b"2"]
    old.close()


def test_filters(api):
    no_puts, no_deletes = api.watch(key=b"a", filters=[pb.WatchCreate.NOPUT]), api.watch(key=b"a", filters=[pb.WatchCreate.NODELETE])
    no_puts.created(), no_deletes.created()
    api.Put(key=b"a", value=b"1")
    api.DeleteRange(key=b"a")
    api.Put(key=b"a", value=b"2")
    api.DeleteRange(key=b"a")
    assert [one.type for one in no_puts.events(2)] == [DELETE, DELETE]
    assert told(no_deletes.events(2)) == [(PUT, b"a", b"1"), (PUT, b"a", b"2")]
    no_puts.close(), no_deletes.close()


def test_many_watches_on_a_stream(api):
    watch = api.watch()
    for key in (b"a", b"b", b"c"):
        watch.create(key=key)
    assert [watch.created().watch_id for _ in range(3)] == [0, 1, 2]
    watch.create(key=b"d", watch_id=77)
    assert watch.created().watch_id == 77
    watch.create(key=b"e", watch_id=77)   # taken
    refused = watch.next()
    assert refused.created and refused.canceled and refused.watch_id == -1
    assert refused.cancel_reason == "mvcc: duplicate watch ID provided on the WatchStream"
    api.Put(key=b"b", value=b"1")
    answer = watch.next()
    assert answer.watch_id == 1 and told(answer.events) == [(PUT, b"b", b"1")]
    watch.send(cancel=pb.WatchCancel(watch_id=1))
    ended = watch.next()
    assert ended.canceled and ended.watch_id == 1
    api.Put(key=b"b", value=b"2")
    api.Put(key=b"d", value=b"3")
    assert watch.next().watch_id == 77
    watch.close()


def test_ranges(api):
    everything, from_key, prefix = api.watch(key=b"\0", range_end=b"\0"), api.watch(key=b"m", range_end=b"\0"), api.watch(key=b"a/", range_end=b"a0")
    for one in (everything, from_key, prefix):
        one.created()
    for key in (b"a", b"a/1", b"a0", b"z"):
        api.Put(key=key)
    assert [one.kv.key for one in everything.events(4)] == [b"a", b"a/1", b"a0", b"z"]
    assert [one.kv.key for one in from_key.events(1)] == [b"z"]
    assert [one.kv.key for one in prefix.events(1)] == [b"a/1"]
    for one in (everything, from_key, prefix):
        one.close()


def test_an_empty_range_is_refused(api):
    watch = api.watch(key=b"b", range_end=b"a")
    answer = watch.next()
    assert answer.canceled and answer.created and answer.watch_id == -1
    watch.close()


def test_progress_when_asked(api):
    watch = api.watch(key=b"a")
    watch.created()
    now = api.Put(key=b"b").header.revision
    def bookmark():
        watch.send(progress=pb.WatchProgress())
        answer = watch.next()
        assert not answer.events
        return answer.watch_id == -1 and answer.header.revision >= now
    # A bookmark tells a revision up to which everything was delivered. etcd 3.4 may lag, and then the next one tells.
    wait_until(bookmark, what="a bookmark at the present revision")
    watch.close()


def test_fragments(api):
    """A revision of more than 1.5 MB comes in pieces if the watcher agrees to that."""
    watch, whole = api.watch(key=b"a", range_end=b"b", fragment=True, prev_kv=True), api.watch(key=b"a", range_end=b"b", prev_kv=True)
    watch.created(), whole.created()
    api.Txn(success=[pb.RequestOp(put=pb.PutRequest(key=b"a%d" % i, value=b"x" * 300_000)) for i in range(5)])
    assert len(watch.events(5)) == 5 and len(whole.events(5)) == 5
    api.DeleteRange(key=b"a", range_end=b"b")
    deleted = whole.next()
    assert len(deleted.events) == 5 and not deleted.fragment
    api.Txn(success=[pb.RequestOp(put=pb.PutRequest(key=b"a%d" % i, value=b"y" * 300_000)) for i in range(5)])
    pieces = []
    while not pieces or pieces[-1].fragment or len([1 for one in pieces for _ in one.events]) < 10:
        pieces.append(watch.next())
    assert len([1 for one in pieces for _ in one.events]) == 10
    watch.close(), whole.close()


def test_a_slow_watcher_loses_nothing_and_holds_nobody_up(server, api):
    """It does not read while 64 MB of events gather; writes go on, memory stays bounded, and then everything comes in order."""
    import grpc
    began = api.revision
    slow = grpc.insecure_channel(server.endpoint, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.http2.lookahead_bytes", 1),
                                                           ("grpc.http2.bdp_probe", 0), ("grpc.max_receive_message_length", 64 << 20)])
    requests: queue.Queue = queue.Queue()
    call = slow.stream_stream("/etcdserverpb.Watch/Watch", pb.WatchRequest.SerializeToString, pb.WatchResponse.FromString)(
        iter(requests.get, None))
    requests.put(pb.WatchRequest(create=pb.WatchCreate(key=b"slow")))
    assert next(call).created
    before = memory_bytes(server.pid)
    count, size = 1000, 64 << 10
    for i in range(count):
        api.Put(key=b"slow", value=b"%08d" % i + b"x" * size)
    if not AGAINST_ETCD:   # etcd keeps what a watcher does not take in memory (etcd issue 16839)
        grown = memory_bytes(server.pid) - before
        assert grown < 3 * count * size, f"{grown} bytes more"
    seen = 0
    while seen < count:
        for event in next(call).events:
            assert event.kv.value[:8] == b"%08d" % seen and event.kv.mod_revision == began + 1 + seen
            seen += 1
    requests.put(None)
    call.cancel()
    slow.close()


def test_writers_and_watchers_at_once(server, api):
    """Watchers of the whole, from an old and from the present revision, see the same order: every revision, whole, once."""
    began = api.revision
    writers, each, watchers = 4, 150, []
    for how in ({}, {"start_revision": began + 1}, {"prev_kv": True}):
        watchers.append(api.watch(key=b"w", range_end=b"x", **how))
        watchers[-1].created()

    def write(number: int):
        with Api(server.endpoint) as own:
            for i in range(each):
                own.Txn(success=puts(b"w%d/%d" % (number, i % 7), b"wall"))
    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for one in threads:
        one.start()
    late = api.watch(key=b"w", range_end=b"x", start_revision=began + 1)
    late.created()
    watchers.append(late)
    total = writers * each
    expected = None
    for watch in watchers:
        events, revisions = [], []
        while len(events) < 2 * total:
            answer = watch.next()
            events += answer.events
            revisions += sorted({one.kv.mod_revision for one in answer.events})
        assert revisions == list(range(began + 1, began + total + 1)), "a revision is missing, double, or cut in two"
        seen = [(one.kv.mod_revision, one.kv.key) for one in events]
        expected = expected or seen
        assert seen == expected
        watch.close()
    for one in threads:
        one.join()


def test_a_stream_that_breaks_goes_on_where_it_was(api):
    first = api.Put(key=b"a", value=b"1").header.revision
    watch = api.watch(key=b"a", start_revision=first)
    watch.created()
    assert told(watch.events(1)) == [(PUT, b"a", b"1")]
    watch.close()
    api.Put(key=b"a", value=b"2")
    api.Put(key=b"a", value=b"3")
    watch = api.watch(key=b"a", start_revision=first + 1)
    watch.created()
    assert told(watch.events(2)) == [(PUT, b"a", b"2"), (PUT, b"a", b"3")]
    watch.close()


def test_ten_thousand_watchers(server, api):
    """On 100 streams of 10 connections; each of them gets each event."""
    apis = [Api(server.endpoint) for _ in range(10)]
    watches = []
    for one in apis:
        for _ in range(10):
            watch = one.watch()
            watches.append(watch)
            for _ in range(100):
                watch.create(key=b"all")
    for watch in watches:
        for _ in range(100):
            watch.created()
    api.Put(key=b"all", value=b"1")
    last = api.Put(key=b"all", value=b"2").header.revision
    for watch in watches:
        got = {}
        while sum(map(len, got.values())) < 200:
            answer = watch.next()
            got.setdefault(answer.watch_id, []).extend(one.kv.mod_revision for one in answer.events)
        assert len(got) == 100 and all(revisions == [last - 1, last] for revisions in got.values())
    for watch in watches:
        watch.close()
    for one in apis:
        one.close()


def test_hostile_watch_requests(api):
    watch = api.watch()
    watch.send(cancel=pb.WatchCancel(watch_id=99))    # none of that number
    watch.send()                                      # nothing asked
    watch.create(key=b"")                             # an empty key is the first one
    answer = watch.next()
    assert answer.created and not answer.canceled
    watch.create(key=b"k", start_revision=-5)
    answer = watch.next()
    assert answer.watch_id == 1 or answer.canceled
    watch.close()
    with pytest.raises(Refused):
        api.Put(key=b"")
