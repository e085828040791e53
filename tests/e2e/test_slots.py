"""Slots move between the shards of three real processes while redis-py's and ioredis's cluster clients write and read: what was
acknowledged is there, nothing is counted twice, what was deleted stays deleted, and times to live survive.

Each client counts for itself. A counter must then hold what was acknowledged, and at most what was left open besides (a process was
killed while it was asked). The longest that a client waited is printed, not judged: other work may share the machine.
"""
import json
import os
import random
import subprocess
import threading
import time
import zlib

import pytest

from node import BINARY, ROOT, wait_until
from test_cluster import PATIENCE_S, Cluster, Node

pytestmark = pytest.mark.keelson_only

SEED = int(os.environ.get("KEELSON_SLOTS_SEED", "1"))
ROUNDS = int(os.environ.get("KEELSON_SLOTS_ROUNDS", "12"))        # moves in a test without faults
KILLS = int(os.environ.get("KEELSON_SLOTS_KILLS", "4"))
THREADS = 4
COUNTERS = 200
FILLER = 6000
SLOTS = 16384
REFUSED = ("TRYAGAIN", "CLUSTERDOWN", "MOVED", "LOADING", "TTL exhausted")


class Load(threading.Thread):
    """One redis-py cluster client with keys of its own. It asks again what was certainly not done."""

    def __init__(self, number: int, nodes: list[Node]):
        super().__init__(daemon=True)
        self.number, self.nodes, self.chance = number, nodes, random.Random(SEED * 100 + number)
        self.ending = threading.Event()
        self.wrong: list[str] = []
        self.counted: dict[str, list[int]] = {}    # acknowledged, left open
        self.values: dict[str, set] = {}           # what may be there; None: nothing
        self.lasting: dict[str, float] = {}        # keys with a long time to live: when it ends
        self.passing: set[str] = set()             # with a short one
        self.done = self.left_open = self.refused = 0
        self.longest_s, self.longest_what = 0.0, ""
        self.last_done, self.longest_gap_s = None, 0.0    # between two answers
        self.client = None

    def run(self):
        try:
            self.client = self.connect()
            while not self.ending.is_set() and not self.wrong:
                self.step()
        except Exception as error:  # a thread that dies unheard would pass for one that found nothing
            self.wrong.append(f"client {self.number}: {type(error).__name__}: {error}")

    def connect(self):
        import redis
        from redis.backoff import NoBackoff
        from redis.cluster import ClusterNode
        from redis.retry import Retry

        nodes = [ClusterNode("127.0.0.1", node.port) for node in self.nodes]
        return redis.RedisCluster(startup_nodes=nodes, retry=Retry(NoBackoff(), 0), socket_timeout=15, require_full_coverage=False)

    def ask(self, *command):
        """(answer, True), or (None, False) if nobody knows whether it was done."""
        import redis

        began = time.monotonic()
        while True:
            try:
                answer = self.client.execute_command(*command)
                took = time.monotonic() - began
                if took > self.longest_s:
                    self.longest_s, self.longest_what = took, " ".join(map(str, command))[:60]
                now = time.monotonic()
                self.longest_gap_s = max(self.longest_gap_s, now - (self.last_done or now))
                self.last_done = now
                self.done += 1
                return answer, True
            except (redis.exceptions.ClusterDownError, redis.exceptions.TryAgainError, redis.exceptions.MovedError):
                self.refused += 1
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                self.left_open += 1
                return None, False
            except (redis.exceptions.RedisClusterException, redis.exceptions.ClusterError, redis.exceptions.SlotNotCoveredError):
                self.refused += 1  # it has found no node to ask
            except redis.exceptions.ResponseError as error:
                if str(error).startswith("UNCERTAIN"):
                    self.left_open += 1
                    return None, False
                if not str(error).startswith(REFUSED):
                    raise
                self.refused += 1
            if self.ending.is_set() and time.monotonic() - began > PATIENCE_S:
                return None, False
            time.sleep(0.005)

    def step(self):
        kind = self.chance.choice(["count", "count", "count", "write", "write", "delete", "read", "last", "pass"])
        key = f"{kind}:{self.number}:{self.chance.randrange(COUNTERS)}"
        if kind == "count":
            self.count(key)
        elif kind == "write":
            self.set(key, f"{self.number}-{self.done}-" + "v" * self.chance.randrange(200))
        elif kind in ("delete", "read"):
            self.touch(kind, f"write:{self.number}:{self.chance.randrange(COUNTERS)}")
        elif kind == "last":
            ends = time.time() + 5000
            if self.ask("SET", key, "x", "EX", 5000)[1]:
                self.lasting[key] = ends
        else:
            self.passing.add(key)
            self.ask("SET", key, "x", "PX", self.chance.randrange(200, 3000))

    def count(self, key: str):
        answer, is_known = self.ask("INCR", key)
        counted = self.counted.setdefault(key, [0, 0])
        if not is_known:
            counted[1] += 1
            return
        counted[0] += 1
        if not counted[0] <= answer <= counted[0] + counted[1]:
            self.wrong.append(f"{key} is {answer} after {counted[0]} acknowledged and {counted[1]} open")

    def set(self, key: str, value: str):
        _, is_known = self.ask("SET", key, value)
        self.values[key] = {value} if is_known else self.values.get(key, {None}) | {value}

    def touch(self, kind: str, key: str):
        may_be = self.values.get(key, {None})
        answer, is_known = self.ask("DEL" if kind == "delete" else "GET", key)
        if kind == "delete":
            self.values[key] = {None} if is_known else may_be | {None}
            if is_known and answer not in {0 if value is None else 1 for value in may_be}:
                self.wrong.append(f"DEL {key} answered {answer}, it held one of {may_be}")
        elif is_known:
            value = None if answer is None else answer.decode()
            if value not in may_be:
                self.wrong.append(f"{key} is {value}, not one of {may_be}")

    def finish(self):
        self.ending.set()
        self.join(PATIENCE_S)
        assert not self.is_alive() and not self.wrong, self.wrong

    def check(self, client):
        """Another client's view of all of it, when nothing goes on any more."""
        for key, (acknowledged, left_open) in self.counted.items():
            value = int(client.get(key) or 0)
            assert acknowledged <= value <= acknowledged + left_open, f"{key}: {value}, {acknowledged} acknowledged, {left_open} open"
        for key, may_be in self.values.items():
            answer = client.get(key)
            assert (None if answer is None else answer.decode()) in may_be, f"{key}: {answer}, not one of {may_be}"
        for key, ends in self.lasting.items():
            left_s = client.pttl(key) / 1000
            assert abs(left_s - (ends - time.time())) < 60, f"{key} has {left_s} s left, not {ends - time.time()}"
        for key in self.passing:
            assert client.get(key) is None, f"{key} has outlived its time"


class Ioredis:
    """ioredis counts in a process of its own until its input ends."""

    def __init__(self, ports: list[int]):
        self.process = subprocess.Popen(["node", str(ROOT / "tests" / "e2e" / "slots_load.mjs"), *map(str, ports)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "KEELSON_NODE_FOLDER": str(node_folder())})

    def finish(self) -> dict:
        out, err = self.process.communicate("end\n", timeout=PATIENCE_S)
        assert self.process.returncode == 0, out + err
        return json.loads(out.splitlines()[-1])


def node_folder():
    return os.environ.get("KEELSON_NODE_FOLDER") or ROOT / "build" / "node"


def move_slots(node: Node, first: int, last: int, shard: int) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, "cluster", "move-slots", f"{first}-{last}", str(shard), "--http", f"127.0.0.1:{node.http_port}"],
                          capture_output=True, text=True, timeout=PATIENCE_S)


def fill(client):
    """Enough that copying takes a while, some of it large."""
    chance = random.Random(SEED)
    for i in range(FILLER):
        client.set(f"fill:{i}", chance.randbytes(chance.choice([10, 100, 1000, 4000])))
    for i in range(12):
        client.set(f"large:{i}", chance.randbytes(1_000_000))
        client.rpush(f"list:{i}", *(str(n) for n in range(500)))


def checksum(client) -> int:
    total = 0
    for i in range(FILLER):
        total = zlib.crc32(client.get(f"fill:{i}") or b"none", total)
    for i in range(12):
        total = zlib.crc32(client.get(f"large:{i}") or b"none", total)
        total = zlib.crc32(b",".join(client.lrange(f"list:{i}", 0, -1)), total)
    return total


def draw_range(chance: random.Random) -> tuple[int, int]:
    first = chance.randrange(SLOTS)
    return first, min(SLOTS - 1, first + chance.choice([0, 10, 500, 2000, 6000]))


def slots_of(node: Node) -> list[tuple[int, int, int]]:
    """As CLUSTER SLOTS has it: first, last, port of the primary."""
    with node.connect() as connection:
        return sorted((first, last, primary[1]) for first, last, primary, *_ in connection.call("CLUSTER", "SLOTS"))


def expect_one_map(cluster: Cluster):
    """Every slot has one owner, the same in all nodes' eyes."""
    def agree():
        maps = [slots_of(node) for node in cluster.nodes]
        return maps[0] == maps[1] == maps[2] and maps[0]
    runs = wait_until(agree, PATIENCE_S, "one map of slots")
    assert sum(last - first + 1 for first, last, _ in runs) == SLOTS, runs
    assert all(a[1] < b[0] for a, b in zip(runs, runs[1:])), runs


def expect_no_key_twice(cluster: Cluster):
    """Each primary counts its own keys: a key that a move has left behind would be counted there too."""
    def primaries_count():
        total = 0
        for node in cluster.nodes:
            with node.connect() as connection:
                total += connection.call("DBSIZE")
        return total

    def keys():
        found = []
        for node in cluster.nodes:
            with node.connect() as connection:
                found += connection.call("KEYS", "*")
        return found
    wait_until(lambda: primaries_count() == len(set(keys())), PATIENCE_S, "no key in two shards")


def end(loads: list[Load]):
    for load in loads:
        load.ending.set()
    for load in loads:
        load.finish()
    slowest = max(loads, key=lambda load: load.longest_s)
    gap_s = max(load.longest_gap_s for load in loads)
    print(f"{sum(load.done for load in loads)} answered, {sum(load.left_open for load in loads)} left open, "
          f"{sum(load.refused for load in loads)} refused; the longest wait {slowest.longest_s * 1000:.0f} ms ({slowest.longest_what}), "
          f"the longest that a client had no answer to anything {gap_s * 1000:.0f} ms")


def check_all(cluster: Cluster, loads: list[Load], filled: int):
    import redis

    time.sleep(3.1)  # keys with a short time to live are past it
    client = redis.RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port)
    try:
        for load in loads:
            load.check(client)
        assert checksum(client) == filled
        for i in range(12):  # deleted and moved away: it does not come back
            client.delete(f"list:{i}")
    finally:
        client.close()
    expect_one_map(cluster)
    expect_no_key_twice(cluster)


@pytest.fixture
def filled(launch):
    import redis

    cluster = Cluster(launch)
    client = redis.RedisCluster(host="127.0.0.1", port=cluster.nodes[0].port)
    fill(client)
    cluster.filled = checksum(client)
    client.close()
    return cluster


def test_slots_move_under_load(filled):
    has_ioredis = os.path.isdir(os.path.join(node_folder(), "node_modules", "ioredis"))
    ioredis = Ioredis([node.port for node in filled.nodes]) if has_ioredis else None
    loads = [Load(number, filled.nodes) for number in range(THREADS)]
    for load in loads:
        load.start()
    chance, moved = random.Random(SEED), 0
    for number in range(ROUNDS):
        first, last = draw_range(chance)
        began = time.monotonic()
        done = move_slots(filled.nodes[number % 3], first, last, chance.randrange(4))
        assert done.returncode == 0 or "already" in done.stderr, done
        moved += done.returncode == 0
        print(f"{time.monotonic() - began:5.2f} s: {(done.stdout or done.stderr).strip()}", flush=True)
    done = subprocess.run([BINARY, "cluster", "rebalance", "--http", f"127.0.0.1:{filled.nodes[0].http_port}"],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done
    end(loads)
    assert moved > ROUNDS / 3
    assert sum(load.left_open for load in loads) == 0, "nothing failed, so nothing may be left open"
    if ioredis is not None:
        counted = ioredis.finish()
        print(f"ioredis: {counted['acknowledged']} answered, {counted['failed']} failed; the longest wait {counted['longest_ms']} ms")
        assert counted["failed"] == 0 and counted["wrong"] == [], counted
    check_all(filled, loads, filled.filled)


def leader_of(cluster: Cluster, shard: int) -> Node | None:
    for node in cluster.nodes:
        status = node.status() if node.process.running else None
        if status is not None:
            leader = next(one["leader"] for one in status["shards"] if one["id"] == shard)
            names = {one["id"]: one["name"] for one in status["nodes"]}
            return next((other for other in cluster.nodes if names.get(leader) == f"n{other.number}"), None)
    return None


@pytest.mark.parametrize("whose", ["from", "to"])
def test_leader_killed_while_slots_move(filled, whose):
    loads = [Load(number, filled.nodes) for number in range(THREADS)]
    for load in loads:
        load.start()
    chance, is_caught = random.Random(SEED), False
    for number in range(5 * KILLS):
        if number >= KILLS and is_caught:
            break
        shard, other = chance.sample(range(4), 2)
        # All that the shard has had at the beginning, and may have now.
        first, last = shard * SLOTS // 4, (shard + 1) * SLOTS // 4 - 1
        victim = wait_until(lambda s=shard if whose == "from" else other: leader_of(filled, s), PATIENCE_S, "a leader")
        ask = next(node for node in filled.nodes if node is not victim)
        mover = threading.Thread(target=move_slots, args=(ask, first, last, other))
        mover.start()
        wait_until(lambda m=mover, a=ask: not m.is_alive() or any(move["bytes"] > 0 for move in moves_under_way(a)), PATIENCE_S, "a move")
        time.sleep(chance.uniform(0, 0.15))
        victim.process.kill()
        caught = [f"{move['first']}-{move['last']} {move['phase']}" for move in moves_under_way(ask)]
        time.sleep(chance.uniform(0.2, 3))
        victim.start()
        mover.join(PATIENCE_S)
        filled.wait_whole()
        wait_until(lambda a=ask: not moves_under_way(a), PATIENCE_S, "the moves' end")
        print(f"kill {number}: node {victim.number}, slots {first}-{last} to shard {other}, caught {caught}", flush=True)
        is_caught |= bool(caught)
    end(loads)
    assert is_caught, "each move was over before its node was killed"
    check_all(filled, loads, filled.filled)


def moves_under_way(node: Node) -> list:
    status = wait_until(node.status, PATIENCE_S, "a status")
    return [move for move in status.get("moves", []) if move["phase"] != "failed"]
