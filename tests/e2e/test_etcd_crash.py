"""kill -9 under load: every acknowledged write is there again, revisions never go back, watchers go on without a gap or a double.

KEELSON_COORD_ROUNDS sets how often the server is killed. Proven on etcd 3.4 (KEELSON_E2E_PEER=etcd).
"""
import os
import random
import threading
import time

import pytest

from etcd_api import Api, Refused, pb
from etcd_server import Coord, Etcd, coord_server, not_redis, wait_ready
from node import wait_until

pytestmark = not_redis
ROUNDS = int(os.environ.get("KEELSON_COORD_ROUNDS", "5"))
WRITERS = 8
KEYS = 40


class Lives:
    """A server that is killed and started on the same port and folder, so that clients find it again."""

    def __init__(self, launch):
        self.launch = launch
        self.server = coord_server(launch)
        self.endpoint = self.server.endpoint

    def kill_and_start(self):
        self.server.kill()
        if isinstance(self.server, Etcd):
            self.server = self.launch.keep(Etcd(self.server.folder, port=self.server.port))
        else:
            self.server = self.launch.keep(Coord(self.server.folder, {"etcd.listen": self.endpoint}))
        wait_ready(self.server)


class Writer(threading.Thread):
    """Puts growing numbers to keys of its own. What was acknowledged, and what may have happened, is remembered."""

    def __init__(self, endpoint: str, number: int, over: threading.Event):
        super().__init__(daemon=True)
        self.endpoint, self.number, self.over = endpoint, number, over
        self.acknowledged: dict[bytes, int] = {}    # key: the last number that was answered
        self.attempted: dict[bytes, int] = {}
        self.revisions: list[int] = []
        self.random = random.Random(number)
        self.count = 0

    def run(self):
        with Api(self.endpoint) as api:
            while not self.over.is_set():
                key = b"w%d/%d" % (self.number, self.random.randrange(KEYS))
                self.count += 1
                self.attempted[key] = self.count
                try:
                    answer = api.Put(key=key, value=b"%d" % self.count, timeout_s=2)
                except Refused:
                    time.sleep(0.02)
                    continue
                self.acknowledged[key] = self.count
                self.revisions.append(answer.header.revision)


class Watcher(threading.Thread):
    """Follows everything from one revision on, and after a break from the next that it has not seen."""

    def __init__(self, endpoint: str, start: int, over: threading.Event):
        super().__init__(daemon=True)
        self.endpoint, self.next_revision, self.over = endpoint, start, over
        self.events: list[tuple[int, bytes, bytes]] = []

    def run(self):
        while not self.over.is_set():
            with Api(self.endpoint) as api:
                watch = api.watch(key=b"w", range_end=b"x", start_revision=self.next_revision)
                try:
                    while not self.over.is_set():
                        self.take(watch)
                except Refused:
                    time.sleep(0.02)
                finally:
                    watch.close()

    def take(self, watch):
        import queue
        try:
            answer = watch.next(timeout_s=0.2)
        except queue.Empty:
            return
        for event in answer.events:
            self.events.append((event.kv.mod_revision, event.kv.key, event.kv.value))
        if answer.events:
            self.next_revision = answer.events[-1].kv.mod_revision + 1


def test_kill_in_the_midst_of_writes(launch):
    lives = Lives(launch)
    over = threading.Event()
    writers = [Writer(lives.endpoint, number, over) for number in range(WRITERS)]
    watchers = [Watcher(lives.endpoint, 2, over) for _ in range(3)]
    for one in writers + watchers:
        one.start()
    highest = 0
    for _ in range(ROUNDS):
        goal = sum(len(one.revisions) for one in writers) + 400
        wait_until(lambda: sum(len(one.revisions) for one in writers) >= goal, 60, "400 more writes")
        told = max(max(one.revisions, default=0) for one in writers)
        lives.kill_and_start()
        with Api(lives.endpoint) as api:
            now = api.revision
            assert now >= told and now >= highest, "revisions went back"
            highest = now
    wait_until(lambda: all(one.revisions and one.revisions[-1] > highest for one in writers), 60, "every writer again")
    over.set()
    for one in writers:
        one.join()
    check_store(lives, writers)
    over.clear()
    final = Watcher(lives.endpoint, 2, over)
    final.start()
    check_watchers(lives, watchers, final, over)


def check_store(lives, writers) -> None:
    with Api(lives.endpoint) as api:
        found = {one.key: int(one.value) for one in api.Range(key=b"w", range_end=b"x").kvs}
    for writer in writers:
        assert writer.revisions == sorted(set(writer.revisions)), "a writer's revisions went back"
        for key, number in writer.acknowledged.items():
            assert number <= found.get(key, 0) <= writer.attempted[key], f"{key} is lost: {found.get(key)} for {number}"
    revisions = [revision for writer in writers for revision in writer.revisions]
    assert len(revisions) == len(set(revisions)), "two writes were told the same revision"


def check_watchers(lives, watchers, final, over) -> None:
    """Those that lived through the crashes saw what one sees who reads the whole history at the end."""
    with Api(lives.endpoint) as api:
        last = api.Put(key=b"w/end").header.revision
    wait_until(lambda: final.events and final.events[-1][0] == last, 60, "the whole history")
    over.set()
    final.join()
    revisions = [revision for revision, _, _ in final.events]
    assert revisions == list(range(2, last + 1))
    for watcher in watchers:
        watcher.join()
    over.clear()
    for watcher in watchers:   # what is still on its way to them
        rest = Watcher(lives.endpoint, watcher.next_revision, over)
        rest.start()
        wait_until(lambda rest=rest: rest.next_revision == last + 1, 60, "the rest")
        watcher.events += rest.events
        assert watcher.events == final.events
    over.set()


def test_leases_outlive_a_crash(launch):
    """A lease and its keys are there again, with all or part of its time; one that runs out while the server is down ends after."""
    lives = Lives(launch)
    with Api(lives.endpoint) as api:
        long, short = api.LeaseGrant(ttl=1000).id, api.LeaseGrant(ttl=2).id
        api.Put(key=b"long", lease=long)
        api.Put(key=b"short", lease=short)
        revision = api.revision
    lives.kill_and_start()
    with Api(lives.endpoint) as api:
        left = api.LeaseTimeToLive(id=long, keys=True)
        assert 900 <= left.ttl <= 1000 and left.granted_ttl == 1000 and list(left.keys) == [b"long"]
        wait_until(lambda: api.value(b"short") is None, what="the end of the short lease")
        assert api.revision == revision + 1 and api.value(b"long") == b""


def test_compaction_and_users_outlive_a_crash(launch):
    lives = Lives(launch)
    with Api(lives.endpoint) as api:
        first = api.Put(key=b"a", value=b"1").header.revision
        last = api.Put(key=b"a", value=b"2").header.revision
        api.Compact(revision=last, physical=True)
        api.UserAdd(name="ann", password="pw")
        api.RoleAdd(name="r")
        api.UserGrantRole(user="ann", role="r")
    lives.kill_and_start()
    with Api(lives.endpoint) as api:
        with pytest.raises(Refused, match="compacted"):
            api.Range(key=b"a", revision=first)
        kv = api.Range(key=b"a").kvs[0]
        assert (kv.value, kv.version, kv.create_revision, kv.mod_revision) == (b"2", 2, first, last)
        assert list(api.UserGet(name="ann").names) == ["r"]


def test_history_outlives_many_restarts(launch):
    """Old revisions can be read, and watched from, after restarts with and without a clean stop."""
    lives = Lives(launch)
    expected = []
    for round_ in range(4):
        with Api(lives.endpoint) as api:
            for i in range(20):
                answer = api.Txn(success=[pb.RequestOp(put=pb.PutRequest(key=b"w%d" % i, value=b"%d" % round_)),
                                          pb.RequestOp(delete_range=pb.DeleteRangeRequest(key=b"w%d" % ((i + 7) % 20)))])
                expected.append(answer.header.revision)
        if round_ % 2:
            lives.server.stop()
        lives.kill_and_start()
    with Api(lives.endpoint) as api:
        watch = api.watch(key=b"w", range_end=b"x", start_revision=2)
        watch.created()
        seen: list = []
        while not seen or seen[-1] != expected[-1]:
            seen += sorted({one.kv.mod_revision for one in watch.next().events})
        assert seen == expected
        assert api.value(b"w3", revision=expected[3]) == b"0"
        watch.close()
