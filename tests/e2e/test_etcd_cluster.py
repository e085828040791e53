"""Three nodes, seen by etcd's clients: any of them answers, any of them can be killed. Proven on etcd 3.4 (KEELSON_E2E_PEER=etcd)."""
import os
import signal
import threading

import pytest

from etcd_api import Api, Refused, pb
from etcd_server import Cluster, etcdctl, etcdctl_ok, node_endpoint, not_redis
from node import wait_until
from test_etcd_crash import Watcher, Writer
from test_etcdctl import Running

pytestmark = not_redis


@pytest.fixture
def cluster(launch):
    return Cluster(launch)


def node(cluster, number: int):
    return type("Node", (), {"endpoint": node_endpoint(cluster, number)})


def test_any_node_answers(cluster):
    for number in range(3):
        assert etcdctl_ok(node(cluster, number), "put", f"k{number}", "x") == ["OK"]
        for other in range(3):
            assert etcdctl_ok(node(cluster, other), "get", f"k{number}", "--print-value-only") == ["x"]   # linearizable


def test_what_the_members_say(cluster):
    members = etcdctl_ok(cluster, "member", "list")
    assert len(members) == 3 and all(", started, " in line for line in members)
    status = etcdctl_ok(cluster, "endpoint", "status")
    assert sum(", true, " in line for line in status) == 1
    assert etcdctl(cluster, "endpoint", "health").code == 0
    etcdctl_ok(cluster, "put", "a", "1")

    def same():
        hashes = {line.split(", ")[1] for line in etcdctl_ok(cluster, "endpoint", "hashkv")}
        return len(hashes) == 1
    wait_until(same, what="equal hashes")


def test_move_leader(cluster):
    before = wait_until(lambda: (number := cluster.leader()) is not None and [number])[0]
    target = (before + 1) % 3
    with Api(node_endpoint(cluster, target)) as api:
        member = api.Status().header.member_id
    etcdctl_ok(cluster, "move-leader", f"{member:x}")
    wait_until(lambda: cluster.leader() == target, what="the new leader")
    assert etcdctl_ok(cluster, "put", "a", "1") == ["OK"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_each_node_in_turn_goes_and_comes(cluster, how):
    """etcdctl goes on through the other two, and nothing that was acknowledged is lost."""
    for number in range(3):
        process = cluster.nodes[number]
        if how == signal.SIGKILL:
            process.kill()
        else:
            os.kill(process.pid, signal.SIGSTOP)
        rest = type("Rest", (), {"endpoint": ",".join(node_endpoint(cluster, other) for other in range(3) if other != number)})
        wait_until(lambda: etcdctl(rest, "put", f"k{number}", "x", "--command-timeout", "2s").code == 0, 60, "a write by the other two")
        if how == signal.SIGKILL:
            cluster.start(number)
        else:
            os.kill(process.pid, signal.SIGCONT)
        wait_until(lambda: etcdctl(node(cluster, number), "get", f"k{number}", "--print-value-only").lines == ["x"], 60, "the node that came back")
    assert [etcdctl_ok(cluster, "get", f"k{number}", "--print-value-only") for number in range(3)] == [["x"]] * 3


def test_leaders_are_killed_under_load(cluster):
    """Writers and watchers at all nodes; the leader is killed three times. Nothing acknowledged is lost, no event is missed or doubled."""
    over = threading.Event()
    writers = [Writer(node_endpoint(cluster, number % 3), number, over) for number in range(6)]
    watchers = [Watcher(node_endpoint(cluster, number), 2, over) for number in range(3)]
    for one in writers + watchers:
        one.start()
    for _ in range(3):
        goal = sum(len(one.revisions) for one in writers) + 200
        wait_until(lambda: sum(len(one.revisions) for one in writers) >= goal, 120, "200 more writes")
        leader = wait_until(lambda: (number := cluster.leader()) is not None and [number], 60)[0]
        cluster.nodes[leader].kill()
        cluster.start(leader)
    goal = sum(len(one.revisions) for one in writers) + 200
    wait_until(lambda: sum(len(one.revisions) for one in writers) >= goal, 120, "200 more writes")
    over.set()
    for one in writers:
        one.join()
    with Api(node_endpoint(cluster, 0)) as api:
        found = {one.key: int(one.value) for one in api.Range(key=b"w", range_end=b"x").kvs}
        last = api.Put(key=b"w/end").header.revision
    for writer in writers:
        for key, number in writer.acknowledged.items():
            assert number <= found.get(key, 0) <= writer.attempted[key], f"{key} is lost: {found.get(key)} for {number}"
    over.clear()
    histories = []
    for number in range(3):
        final = Watcher(node_endpoint(cluster, number), 2, over)
        final.start()
        wait_until(lambda final=final: final.events and final.events[-1][0] == last, 60, "the whole history")
        histories.append(final.events)
    for number, watcher in enumerate(watchers):
        watcher.join()
        rest = Watcher(node_endpoint(cluster, number), watcher.next_revision, over)
        rest.start()
        wait_until(lambda rest=rest: rest.next_revision == last + 1, 60, "the rest")
        histories.append(watcher.events + rest.events)
    over.set()
    # A cluster of Keelson's keeps its own state in the store too, so revisions between these are its own.
    seen = [revision for revision, _, _ in histories[0]]
    assert seen == sorted(set(seen)) and {one for writer in writers for one in writer.revisions} <= set(seen)
    assert all(one == histories[0] for one in histories)


def test_leases_live_through_a_change_of_leader(cluster):
    """A lease is not shortened by it; and one that nobody keeps runs out after."""
    with Api(node_endpoint(cluster, 0)) as api:
        long, short = api.LeaseGrant(ttl=600).id, api.LeaseGrant(ttl=3).id
        api.Put(key=b"long", lease=long)
        api.Put(key=b"short", lease=short)
    leader = wait_until(lambda: (number := cluster.leader()) is not None and [number])[0]
    cluster.nodes[leader].kill()
    with Api(node_endpoint(cluster, (leader + 1) % 3)) as api:
        def gone():
            try:
                return api.value(b"short", timeout_s=2) is None
            except Refused:
                return False
        wait_until(gone, 60, "the end of the short lease")
        assert api.value(b"long") == b"" and api.LeaseTimeToLive(id=long).ttl > 500
        assert api.keep_alive(long) == [600]


def test_keep_alives_at_any_node(cluster):
    with Api(node_endpoint(cluster, 0)) as api:
        lease = api.LeaseGrant(ttl=30).id
    for number in range(3):
        with Api(node_endpoint(cluster, number)) as api:
            assert api.keep_alive(lease) == [30]
            assert 25 <= api.LeaseTimeToLive(id=lease).ttl <= 30


def test_a_minority_answers_no_one(cluster):
    """With one node of three nothing is written, and nothing is read but what may be stale."""
    etcdctl_ok(cluster, "put", "a", "1")
    wait_until(lambda: etcdctl(node(cluster, 0), "get", "a", "--consistency", "s", "--print-value-only").lines == ["1"])
    for number in (1, 2):
        cluster.nodes[number].kill()
    alone = node(cluster, 0)
    assert etcdctl(alone, "put", "a", "2", "--command-timeout", "3s").code != 0
    assert etcdctl(alone, "get", "a", "--command-timeout", "3s").code != 0
    assert etcdctl_ok(alone, "get", "a", "--consistency", "s", "--print-value-only") == ["1"]
    for number in (1, 2):
        cluster.nodes[number] = cluster._make(number)
    wait_until(lambda: etcdctl(cluster, "put", "a", "3").code == 0, 60, "the cluster again")


def test_elections_outlive_the_node(launch, cluster):
    """Candidates at different nodes; the node of the leader's connection is killed, and it leads on through another."""
    first = Running(cluster, launch.folder, "elect", "chair", "one")
    try:
        assert first.wait_for(2)[1] == "one"
        leader = wait_until(lambda: (number := cluster.leader()) is not None and [number])[0]
        cluster.nodes[leader].kill()
        rest = node(cluster, (leader + 1) % 3)
        assert wait_until(lambda: etcdctl(rest, "get", "--prefix", "chair/", "--print-value-only").lines, 60) == ["one"]
        cluster.start(leader)
        first.interrupt()
        with Api(rest.endpoint) as api:
            wait_until(lambda: api.Range(key=b"chair/", range_end=b"chair0", count_only=True).count == 0)
            assert api.Txn(success=[pb.RequestOp(put=pb.PutRequest(key=b"x"))]).succeeded
    finally:
        first.kill()
