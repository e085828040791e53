"""etcd's KV, Lease and Maintenance services, call by call. Each expectation holds for etcd 3.4 (KEELSON_E2E_PEER=etcd)."""
import pytest

from etcd_api import Api, Refused, outcome, pb
from etcd_server import coord_server, not_redis
from node import wait_until

pytestmark = not_redis
EMPTY_KEY = ("INVALID_ARGUMENT", "etcdserver: key is not provided")
DUPLICATE = ("INVALID_ARGUMENT", "etcdserver: duplicate key given in txn request")
COMPACTED = ("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted")
FUTURE = ("OUT_OF_RANGE", "etcdserver: mvcc: required revision is a future revision")
NO_LEASE = ("NOT_FOUND", "etcdserver: requested lease not found")


@pytest.fixture(scope="module")
def server(launch_shared):
    return coord_server(launch_shared)


@pytest.fixture
def api(server):
    """All keys and leases of the test before are gone; revisions go on."""
    with Api(server.endpoint) as made:
        for lease in made.LeaseLeases().leases:
            made.LeaseRevoke(id=lease.id)
        made.DeleteRange(key=b"\0", range_end=b"\0")
        yield made


def put(key: bytes, value: bytes = b"", **more):
    return pb.RequestOp(put=pb.PutRequest(key=key, value=value, **more))


def get(key: bytes, range_end: bytes = b"", **more):
    return pb.RequestOp(range=pb.RangeRequest(key=key, range_end=range_end, **more))


def delete(key: bytes, range_end: bytes = b"", **more):
    return pb.RequestOp(delete_range=pb.DeleteRangeRequest(key=key, range_end=range_end, **more))


def txn(*operations):
    return pb.RequestOp(txn=pb.TxnRequest(success=operations))


def keys(answer) -> list[bytes]:
    return [one.key for one in answer.kvs]


def fill(api, count: int = 10, prefix: bytes = b"k"):
    for i in range(count):
        api.Put(key=prefix + b"%02d" % i, value=b"v%02d" % (count - i))


def test_an_empty_store_is_at_revision_one(launch):
    with Api(coord_server(launch).endpoint) as api:
        answer = api.Range(key=b"a")
        assert answer.header.revision == 1 and answer.header.cluster_id and answer.header.member_id
        assert api.Put(key=b"a").header.revision == 2
        assert api.DeleteRange(key=b"b").header.revision == 2
        assert api.DeleteRange(key=b"a").header.revision == 3


def test_revisions_of_a_key(api):
    first = api.Put(key=b"a", value=b"1").header.revision
    second = api.Put(key=b"a", value=b"2").header.revision
    assert second == first + 1
    kv = api.Range(key=b"a").kvs[0]
    assert (kv.create_revision, kv.mod_revision, kv.version, kv.value) == (first, second, 2, b"2")
    gone = api.DeleteRange(key=b"a")
    assert gone.deleted == 1 and gone.header.revision == second + 1
    third = api.Put(key=b"a", value=b"3").header.revision
    kv = api.Range(key=b"a").kvs[0]
    assert (kv.create_revision, kv.mod_revision, kv.version) == (third, third, 1)
    assert api.value(b"a", revision=first) == b"1"
    assert api.value(b"a", revision=second) == b"2"
    assert api.value(b"a", revision=second + 1) is None
    assert api.Range(key=b"a", revision=first).header.revision == third


def test_previous_values(api):
    assert not api.Put(key=b"a", value=b"1", prev_kv=True).HasField("prev_kv")
    before = api.Put(key=b"a", value=b"2", prev_kv=True).prev_kv
    assert (before.key, before.value, before.version) == (b"a", b"1", 1)
    api.Put(key=b"b", value=b"x")
    gone = api.DeleteRange(key=b"a", range_end=b"c", prev_kv=True)
    assert gone.deleted == 2 and [one.value for one in gone.prev_kvs] == [b"2", b"x"]
    api.Put(key=b"a")
    assert not api.DeleteRange(key=b"a").prev_kvs


def test_ignore_value_and_lease(api):
    lease = api.LeaseGrant(ttl=100).id
    api.Put(key=b"a", value=b"1", lease=lease)
    api.Put(key=b"a", ignore_value=True)
    kv = api.Range(key=b"a").kvs[0]
    assert (kv.value, kv.lease, kv.version) == (b"1", 0, 2)
    api.Put(key=b"a", value=b"2", lease=lease)
    api.Put(key=b"a", value=b"3", ignore_lease=True)
    kv = api.Range(key=b"a").kvs[0]
    assert (kv.value, kv.lease) == (b"3", lease)
    assert outcome(api.Put, key=b"none", ignore_value=True) == ("INVALID_ARGUMENT", "etcdserver: key not found")
    assert outcome(api.Put, key=b"none", ignore_lease=True) == ("INVALID_ARGUMENT", "etcdserver: key not found")
    assert outcome(api.Put, key=b"a", value=b"x", ignore_value=True) == ("INVALID_ARGUMENT", "etcdserver: value is provided")
    assert outcome(api.Put, key=b"a", lease=lease, ignore_lease=True) == ("INVALID_ARGUMENT", "etcdserver: lease is provided")


def test_ranges(api):
    fill(api)
    assert keys(api.Range(key=b"k03", range_end=b"k06")) == [b"k03", b"k04", b"k05"]
    assert len(api.Range(key=b"k", range_end=b"l").kvs) == 10
    assert keys(api.Range(key=b"k08", range_end=b"\0")) == [b"k08", b"k09"]
    assert len(api.Range(key=b"\0", range_end=b"\0").kvs) == 10
    assert keys(api.Range(key=b"k06", range_end=b"k03")) == []
    limited = api.Range(key=b"k", range_end=b"l", limit=3)
    assert keys(limited) == [b"k00", b"k01", b"k02"] and limited.more and limited.count == 10
    exact = api.Range(key=b"k", range_end=b"l", limit=10)
    assert not exact.more and exact.count == 10
    only = api.Range(key=b"k", range_end=b"l", keys_only=True)
    assert {one.value for one in only.kvs} == {b""} and only.kvs[0].mod_revision
    count = api.Range(key=b"k", range_end=b"l", count_only=True)
    assert count.count == 10 and not count.kvs
    assert keys(api.Range(key=b"k05", serializable=True)) == [b"k05"]


@pytest.mark.parametrize("target,expected", [
    (pb.RangeRequest.KEY, [b"a", b"b", b"c"]), (pb.RangeRequest.VERSION, [b"c", b"a", b"b"]), (pb.RangeRequest.CREATE, [b"c", b"a", b"b"]),
    (pb.RangeRequest.MOD, [b"c", b"b", b"a"]), (pb.RangeRequest.VALUE, [b"b", b"c", b"a"])])
def test_sorting(api, target, expected):
    for key, value in ((b"c", b"5"), (b"a", b"0"), (b"b", b"1"), (b"b", b"2"), (b"b", b"3"), (b"a", b"9")):
        api.Put(key=key, value=value)
    ask = {"key": b"a", "range_end": b"z", "sort_target": target}
    assert keys(api.Range(**ask, sort_order=pb.RangeRequest.ASCEND)) == expected
    assert keys(api.Range(**ask, sort_order=pb.RangeRequest.DESCEND)) == expected[::-1]
    assert keys(api.Range(**ask, sort_order=pb.RangeRequest.ASCEND, limit=1)) == expected[:1]
    assert keys(api.Range(**ask, sort_order=pb.RangeRequest.DESCEND, limit=2)) == expected[::-1][:2]
    # Without an order: by key, unless another target is named; then ascending.
    assert keys(api.Range(**ask)) == expected


def test_ranges_by_revision(api):
    revisions = [api.Put(key=b"k%d" % i).header.revision for i in range(5)]
    api.Put(key=b"k0", value=b"again")
    ask = {"key": b"k", "range_end": b"l"}
    assert keys(api.Range(**ask, min_mod_revision=revisions[3])) == [b"k0", b"k3", b"k4"]
    assert keys(api.Range(**ask, max_mod_revision=revisions[2])) == [b"k1", b"k2"]
    assert keys(api.Range(**ask, min_create_revision=revisions[4])) == [b"k4"]
    assert keys(api.Range(**ask, max_create_revision=revisions[0])) == [b"k0"]
    limited = api.Range(**ask, min_mod_revision=revisions[3], limit=1)
    assert keys(limited) == [b"k0"] and limited.more and limited.count == 5


def test_a_large_range(api):
    for begin in range(0, 3000, 100):
        api.Txn(success=[put(b"big%05d" % i, b"x" * 1000) for i in range(begin, begin + 100)])
    everything = api.Range(key=b"big", range_end=b"bih")
    assert everything.count == 3000 and len(everything.kvs) == 3000
    assert keys(everything) == sorted(keys(everything))
    page, at = [], b"big"
    while True:
        answer = api.Range(key=at, range_end=b"bih", limit=701)
        page += keys(answer)
        if not answer.more:
            break
        at = page[-1] + b"\0"
    assert page == keys(everything)


def test_range_errors(api):
    assert outcome(api.Range) == EMPTY_KEY
    assert outcome(api.Put, value=b"x") == EMPTY_KEY
    assert outcome(api.DeleteRange, range_end=b"x") == EMPTY_KEY
    now = api.Put(key=b"a").header.revision
    assert outcome(api.Range, key=b"a", revision=now + 1) == FUTURE


def test_txn_branches(api):
    api.Put(key=b"a", value=b"1")
    answer = api.Txn(compare=[pb.Compare(key=b"a", target=pb.Compare.VALUE, value=b"1")], success=[put(b"a", b"2"), get(b"a")],
                     failure=[put(b"a", b"9")])
    assert answer.succeeded and [one.WhichOneof("response") for one in answer.responses] == ["put", "range"]
    assert answer.responses[1].range.kvs[0].value == b"2"
    answer = api.Txn(compare=[pb.Compare(key=b"a", target=pb.Compare.VALUE, value=b"1")], failure=[get(b"a"), delete(b"a", prev_kv=True)])
    assert not answer.succeeded and answer.responses[1].delete_range.prev_kvs[0].value == b"2"
    assert api.value(b"a") is None


def test_one_txn_is_one_revision(api):
    before = api.revision
    answer = api.Txn(success=[put(b"a"), put(b"b"), put(b"c")])
    assert answer.header.revision == before + 1
    assert {one.mod_revision for one in api.Range(key=b"a", range_end=b"d").kvs} == {before + 1}
    assert api.Txn(success=[get(b"a"), delete(b"none")]).header.revision == before + 1
    assert api.Txn().header.revision == before + 1


@pytest.mark.parametrize("compare,holds", [
    ({"target": pb.Compare.VERSION, "version": 2}, True), ({"target": pb.Compare.VERSION, "version": 2, "result": pb.Compare.GREATER}, False),
    ({"target": pb.Compare.VERSION, "version": 1, "result": pb.Compare.GREATER}, True),
    ({"target": pb.Compare.VALUE, "value": b"n", "result": pb.Compare.LESS}, True),
    ({"target": pb.Compare.VALUE, "value": b"m", "result": pb.Compare.NOT_EQUAL}, False),
    ({"target": pb.Compare.CREATE, "create_revision": 1, "result": pb.Compare.GREATER}, True),
    ({"target": pb.Compare.MOD, "mod_revision": 0, "result": pb.Compare.NOT_EQUAL}, True),
    ({"target": pb.Compare.LEASE, "lease": 0}, True), ({"target": pb.Compare.LEASE, "lease": 5}, False),
    # A key that is not there has zeros everywhere, but no value: a comparison with its value never holds.
    ({"key": b"none", "target": pb.Compare.VERSION, "version": 0}, True), ({"key": b"none", "target": pb.Compare.CREATE}, True),
    ({"key": b"none", "target": pb.Compare.VALUE, "value": b""}, False),
    ({"key": b"none", "target": pb.Compare.VALUE, "value": b"x", "result": pb.Compare.NOT_EQUAL}, False),
    # Ranges: it must hold for every key; none at all is a key that is not there.
    ({"key": b"a", "range_end": b"c", "target": pb.Compare.VERSION, "version": 0, "result": pb.Compare.GREATER}, True),
    ({"key": b"a", "range_end": b"c", "target": pb.Compare.VERSION, "version": 2}, False),
    ({"key": b"x", "range_end": b"z", "target": pb.Compare.VERSION, "version": 0}, True)])
def test_comparisons(api, compare, holds):
    for value in (b"l", b"m"):
        api.Put(key=b"a", value=value)
    api.Put(key=b"b")
    assert api.Txn(compare=[pb.Compare(**{"key": b"a", **compare})]).succeeded is holds


def test_nested_txns(api):
    inner = pb.RequestOp(txn=pb.TxnRequest(compare=[pb.Compare(key=b"a", target=pb.Compare.VERSION, version=0)], success=[put(b"a", b"in")],
                                           failure=[put(b"a", b"out")]))
    answer = api.Txn(success=[put(b"b"), inner, get(b"a")])
    assert answer.responses[1].txn.succeeded and answer.responses[2].range.kvs[0].value == b"in"
    # Conditions are looked at before anything is done.
    api.DeleteRange(key=b"a")
    answer = api.Txn(success=[txn(put(b"c")), inner])
    assert answer.responses[1].txn.succeeded


def test_txn_errors(api):
    assert outcome(api.Txn, success=[put(b"a"), put(b"a")]) == DUPLICATE
    assert outcome(api.Txn, success=[put(b"a"), delete(b"a")]) == DUPLICATE
    assert outcome(api.Txn, success=[delete(b"a", b"c"), put(b"b")]) == DUPLICATE
    assert outcome(api.Txn, success=[txn(put(b"a")), txn(put(b"a"))]) == DUPLICATE
    assert not isinstance(outcome(api.Txn, success=[delete(b"a"), delete(b"a")]), tuple)
    assert not isinstance(outcome(api.Txn, success=[put(b"a")], failure=[put(b"a")]), tuple)
    assert outcome(api.Txn, success=[put(b"")]) == EMPTY_KEY
    assert outcome(api.Txn, compare=[pb.Compare(target=pb.Compare.VERSION)]) == EMPTY_KEY
    assert outcome(api.Txn, success=[put(b"k%03d" % i) for i in range(129)]) == ("INVALID_ARGUMENT", "etcdserver: too many operations in txn request")
    assert api.Txn(success=[put(b"k%03d" % i) for i in range(128)]).succeeded
    revision = api.revision
    assert outcome(api.Txn, success=[put(b"a"), get(b"b", revision=revision + 9)]) == FUTURE
    assert api.revision == revision


def test_the_size_of_a_request(api):
    assert api.Put(key=b"a", value=b"x" * (1536 * 1024 - 100)).header.revision
    assert outcome(api.Put, key=b"a", value=b"x" * (1536 * 1024)) == ("INVALID_ARGUMENT", "etcdserver: request is too large")
    code, _ = outcome(api.Put, key=b"a", value=b"x" * (3 << 20))
    assert code == "RESOURCE_EXHAUSTED"


def test_compaction(api):
    first = api.Put(key=b"a", value=b"1").header.revision
    second = api.Put(key=b"a", value=b"2").header.revision
    api.Put(key=b"gone")
    api.DeleteRange(key=b"gone")
    last = api.Put(key=b"a", value=b"3").header.revision
    assert api.Compact(revision=second).header.revision == last
    assert outcome(api.Range, key=b"a", revision=first) == COMPACTED
    assert api.value(b"a", revision=second) == b"2"
    assert outcome(api.Compact, revision=second) == COMPACTED
    assert outcome(api.Compact, revision=first) == COMPACTED
    assert outcome(api.Compact, revision=last + 1) == FUTURE
    assert outcome(api.Txn, success=[get(b"a", revision=first)]) == COMPACTED
    api.Compact(revision=last, physical=True)
    assert api.value(b"a", revision=last) == b"3" and api.value(b"a") == b"3"
    kv = api.Range(key=b"a").kvs[0]
    assert (kv.create_revision, kv.version) == (first, 3)


def test_leases(api):
    granted = api.LeaseGrant(ttl=50)
    assert granted.ttl == 50 and granted.id > 0
    assert api.LeaseGrant(ttl=60, id=77).id == 77
    assert outcome(api.LeaseGrant, ttl=60, id=77) == ("FAILED_PRECONDITION", "etcdserver: lease already exists")
    assert api.LeaseGrant(ttl=1).ttl == 2
    assert outcome(api.LeaseGrant, ttl=9_000_000_001)[0] == "OUT_OF_RANGE"
    assert outcome(api.LeaseGrant, ttl=9_000_000_001)[1] == "etcdserver: too large lease TTL"
    api.Put(key=b"b", lease=77)
    api.Put(key=b"a", lease=77)
    left = api.LeaseTimeToLive(id=77, keys=True)
    assert 55 <= left.ttl <= 60 and left.granted_ttl == 60 and sorted(left.keys) == [b"a", b"b"]
    assert not api.LeaseTimeToLive(id=77).keys
    assert {77, granted.id} <= {one.id for one in api.LeaseLeases().leases}
    api.Put(key=b"a")
    assert api.LeaseTimeToLive(id=77, keys=True).keys == [b"b"]
    before = api.revision
    assert api.LeaseRevoke(id=77).header.revision == before + 1
    assert api.value(b"b") is None and api.value(b"a") == b""
    assert outcome(api.LeaseRevoke, id=77) == NO_LEASE
    assert outcome(api.Put, key=b"a", lease=77) == NO_LEASE
    assert api.LeaseTimeToLive(id=77).ttl == -1
    assert api.LeaseRevoke(id=granted.id).header.revision == before + 1


def test_keep_alive(api):
    lease = api.LeaseGrant(ttl=30).id
    assert api.keep_alive(lease, lease, 12345) == [30, 30, 0]


def test_a_lease_runs_out(api):
    lease = api.LeaseGrant(ttl=2).id
    for key in (b"a", b"b"):
        api.Put(key=key, lease=lease)
    kept = api.LeaseGrant(ttl=2).id
    api.Put(key=b"kept", lease=kept)
    before = api.revision
    watch = api.watch(key=b"a", range_end=b"c", start_revision=before + 1)
    watch.created()

    def over():
        api.keep_alive(kept)
        return api.value(b"a") is None
    wait_until(over, what="the end of the lease")
    events = watch.events(2)
    assert [(one.type, one.kv.key) for one in events] == [(pb.Event.DELETE, b"a"), (pb.Event.DELETE, b"b")]
    assert {one.kv.mod_revision for one in events} == {before + 1}   # one revision for all keys of the lease
    assert api.value(b"kept") == b"" and api.LeaseTimeToLive(id=lease).ttl == -1
    watch.close()


def test_maintenance(api):
    api.Put(key=b"a")
    status = api.Status()
    assert status.version.startswith("3.") and status.leader == status.header.member_id and status.db_size > 0
    assert status.raft_index >= status.raft_applied_index > 0 and not status.errors
    members = api.MemberList().members
    assert [one.id for one in members] == [status.leader] and members[0].client_urls[0].startswith("http://")
    hashes = {(api.HashKV().hash, api.HashKV().compact_revision) for _ in range(3)}
    assert len(hashes) == 1
    before = api.HashKV().hash
    api.Put(key=b"a", value=b"other")
    assert api.HashKV().hash != before
    assert api.Hash().hash != 0
    assert not api.Alarm().alarms
    api.Defragment()
    pieces = list(api.stream("/etcdserverpb.Maintenance/Snapshot", pb.Empty(), pb.SnapshotResponse))
    assert sum(len(one.blob) for one in pieces) > 0 and pieces[-1].remaining_bytes == 0
    assert outcome(api.MoveLeader, target_id=4711)[0] in ("FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND")


def test_what_there_is_not(server):
    import grpc
    with grpc.insecure_channel(server.endpoint) as channel:
        for path in ("/etcdserverpb.KV/Nothing", "/nothing.Nothing/Get"):
            with pytest.raises(grpc.RpcError) as error:
                channel.unary_unary(path, None, None)(b"", timeout=10)
            assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.RpcError) as error:   # bytes that are no message
            channel.unary_unary("/etcdserverpb.KV/Put", None, None)(b"\xff\xff\xff", timeout=10)
        assert error.value.code() == grpc.StatusCode.INTERNAL


def test_locks(api):
    first, second = (api.LeaseGrant(ttl=60).id for _ in range(2))
    held = api.Lock(name=b"door", lease=first).key
    assert held == b"door/%x" % first
    assert api.Lock(name=b"door", lease=first).key == held   # again by the same lease
    waiting = api.start("Lock", name=b"door", lease=second)
    wait_until(lambda: api.Range(key=b"door/", range_end=b"door0", count_only=True).count == 2)
    assert not waiting.done()
    api.Unlock(key=held)
    assert waiting.result(timeout=30).key == b"door/%x" % second
    assert outcome(api.Lock, name=b"door", lease=4711)[1] == NO_LEASE[1]   # etcd's code there is UNKNOWN
    waiting = api.start("Lock", name=b"door", lease=first)
    wait_until(lambda: api.Range(key=b"door/", range_end=b"door0", count_only=True).count == 2)
    api.LeaseRevoke(id=second)   # the holder's lease ends
    assert waiting.result(timeout=30).key == held


def test_elections(api):
    first, second = (api.LeaseGrant(ttl=60).id for _ in range(2))
    observed = api.stream("/v3electionpb.Election/Observe", pb.ElectionName(name=b"chair"), pb.LeaderResponse)
    one = api.Campaign(name=b"chair", lease=first, value=b"one").leader
    assert (one.name, one.key, one.lease) == (b"chair", b"chair/%x" % first, first) and one.rev == api.revision
    assert next(observed).kv.value == b"one"
    assert api.Leader(name=b"chair").kv.value == b"one"
    waiting = api.start("Campaign", name=b"chair", lease=second, value=b"two")
    wait_until(lambda: api.Range(key=b"chair/", range_end=b"chair0", count_only=True).count == 2)
    api.Proclaim(leader=one, value=b"one more")
    assert next(observed).kv.value == b"one more"
    assert not waiting.done()
    api.Resign(leader=one)
    two = waiting.result(timeout=30).leader
    assert two.key == b"chair/%x" % second
    assert next(observed).kv.value == b"two"
    assert api.Leader(name=b"chair").kv.value == b"two"
    with pytest.raises(Refused):
        api.Proclaim(leader=one, value=b"too late")
    api.Resign(leader=two)
    assert outcome(api.Leader, name=b"chair")[1] == "election: no leader"
    observed.cancel()


def test_more_than_one_thing_at_once_stays_in_order(api):
    """Requests of one connection that do not wait for one another get different revisions, without gaps."""
    before = api.revision
    futures = [api.start("Put", key=b"k%d" % i) for i in range(500)]
    revisions = sorted(one.result(timeout=60).header.revision for one in futures)
    assert revisions == list(range(before + 1, before + 501))
