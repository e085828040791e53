"""A cluster of three real processes on loopback: it forms, serves through each node, loses one under load and gets it back."""
import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from node import BINARY, Keelson, free_port, wait_until
from resp import Connection

pytestmark = pytest.mark.keelson_only

PATIENCE_S = 90


class Node:
    """One node, which can be killed and started again on the same ports and folder."""

    def __init__(self, launch, number: int, ports: list[int], options=None):
        self.launch, self.number = launch, number
        join = ",".join(f"127.0.0.1:{port}" for i, port in enumerate(ports, 1) if i != number)
        self.http_port = free_port()
        self.options = {"cluster.listen": f"127.0.0.1:{ports[number - 1]}", "kv.listen": f"127.0.0.1:{free_port()}",
                        "http.listen": f"127.0.0.1:{self.http_port}", "etcd.listen": f"127.0.0.1:{free_port()}", "reactors": "1", "kv.shards": "4",
                        "kafka.listen": f"127.0.0.1:{free_port()}", "topic.shards": "4",
                        "cluster.name": f"n{number}", **(options or {})}
        if "cluster.init" not in self.options:
            self.options |= {"cluster.init": "yes"} if number == 1 else {"cluster.join": join}
        self.lives = 0
        self.start()

    def start(self):
        self.lives += 1
        folder = self.launch.folder / f"node{self.number}"
        self.process = self.launch.keep(Keelson(folder, self.options, name=f"life{self.lives}", wait=False, data=folder / "data"))

    @property
    def port(self) -> int:
        return int(self.options["kv.listen"].rsplit(":", 1)[1])

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def is_ready(self) -> bool:
        assert self.process.running, f"node {self.number} ended with {self.process.popen.poll()}:\n{self.process.output()[-3000:]}"
        return self.get("/readyz")[0] == 200

    def status(self) -> dict | None:
        code, text = self.get("/admin/cluster?format=json")
        return json.loads(text) if code == 200 else None

    def connect(self) -> Connection:
        return Connection(self.port, timeout_s=20)


class Cluster:
    def __init__(self, launch, count: int = 3, options=None):
        self.ports = [free_port() for _ in range(count)]
        self.nodes = [Node(launch, number, self.ports, options) for number in range(1, count + 1)]
        self.wait_whole()

    def is_whole(self, replicas: int = 3) -> bool:
        if not all(node.is_ready() for node in self.nodes):
            return False
        status = self.nodes[0].status()
        return (status is not None and len(status["nodes"]) == len(self.nodes)
                and all(one["reachable"] for one in status["nodes"])
                and all(not shard["trouble"] and len(shard["voters"]) == replicas for shard in status["shards"]))

    def wait_whole(self):
        try:
            wait_until(self.is_whole, PATIENCE_S, "every shard has all its replicas")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{[node.get('/admin/cluster') for node in self.nodes]}") from None

    def leader(self) -> int:
        """The place of the node that leads the system shard."""
        return wait_until(lambda: (self.nodes[0].status() or {}).get("system_leader"), PATIENCE_S, "a leader") - 1


@pytest.fixture
def cluster(launch):
    return Cluster(launch)


def cli(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=60)


def set_patiently(node: Node, key: str, value: str):
    def done():
        with node.connect() as connection:
            return connection.call("SET", key, value) == "OK"
    wait_until(done, PATIENCE_S, f"SET {key}")


class Writers:
    """Clients that write keys of their own through each node, and remember what was acknowledged."""

    def __init__(self, nodes: list[Node]):
        self.acknowledged: dict[str, str] = {}
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=(node,), daemon=True) for node in nodes]
        for thread in self.threads:
            thread.start()

    def write(self, node: Node):
        count, connection = 0, None
        while not self.ending.is_set():
            count += 1
            key, value = f"load:{node.number}:{count}", f"{node.number}-{count}"
            try:
                connection = connection or node.connect()
                if connection.call("SET", key, value) == "OK":
                    with self.lock:
                        self.acknowledged[key] = value
                else:  # no leader at the moment
                    time.sleep(0.01)
            except Exception:  # the node is gone, or says that it cannot now
                connection = None
                time.sleep(0.02)

    def count(self) -> int:
        with self.lock:
            return len(self.acknowledged)

    def end(self) -> dict[str, str]:
        self.ending.set()
        for thread in self.threads:
            thread.join(60)
        return self.acknowledged


def check_all_there(node: Node, acknowledged: dict[str, str]):
    with node.connect() as connection:
        missing = {}
        for key, value in acknowledged.items():
            got = connection.call("GET", key)
            if (got.decode() if isinstance(got, bytes) else got) != value:
                missing[key] = got
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged writes are wrong on node {node.number}: {list(missing.items())[:5]}"


def test_what_one_node_takes_all_nodes_have(cluster):
    for node in cluster.nodes:
        for i in range(20):
            set_patiently(node, f"{{{node.number}:{i}}}", f"by {node.number}")
    for node in cluster.nodes:
        with node.connect() as connection:
            for other in cluster.nodes:
                for i in range(20):
                    assert connection.call("GET", f"{{{other.number}:{i}}}") in (b"by %d" % other.number, f"by {other.number}")


def test_redis_py_in_cluster_mode(cluster):
    import redis
    client = redis.RedisCluster(host="127.0.0.1", port=cluster.nodes[1].port)
    try:
        for i in range(100):
            assert client.set(f"key:{i}", i)
        for i in range(100):
            assert client.get(f"key:{i}") == str(i).encode()
    finally:
        client.close()


def test_redis_cli_at_each_node(cluster):
    for node in cluster.nodes:
        done = subprocess.run(["redis-cli", "-c", "-p", str(node.port), "set", "ship", f"keelson-{node.number}"],
                              capture_output=True, text=True, timeout=30)
        assert done.stdout.strip() == "OK", done
        for other in cluster.nodes:
            done = subprocess.run(["redis-cli", "-c", "-p", str(other.port), "get", "ship"], capture_output=True, text=True, timeout=30)
            assert done.stdout.strip() == f"keelson-{node.number}", done


@pytest.mark.parametrize("who", ["leader", "follower"])
def test_killed_node_loses_nothing_and_comes_back(cluster, who):
    leader = cluster.leader()
    victim = cluster.nodes[leader if who == "leader" else (leader + 1) % 3]
    others = [node for node in cluster.nodes if node is not victim]
    writers = Writers(cluster.nodes)
    wait_until(lambda: writers.count() > 200, PATIENCE_S, "writes before")
    victim.process.kill()
    before = writers.count()
    for node in others:
        set_patiently(node, f"after the kill {node.number}", "there")
    wait_until(lambda: writers.count() > before + 200, PATIENCE_S, "writes without it")
    for node in others:
        assert node.process.running
    victim.start()
    cluster.wait_whole()
    wait_until(lambda: writers.count() > before + 400, PATIENCE_S, "writes with it again")
    acknowledged = writers.end()
    for node in cluster.nodes:
        check_all_there(node, acknowledged)


def test_all_killed_and_started_again(cluster):
    writers = Writers(cluster.nodes)
    wait_until(lambda: writers.count() > 300, PATIENCE_S, "writes")
    for node in cluster.nodes:
        node.process.kill()
    acknowledged = writers.end()
    for node in cluster.nodes:
        node.start()
    cluster.wait_whole()
    check_all_there(cluster.nodes[2], acknowledged)


def test_graceful_stop_of_each_node_in_turn(cluster):
    writers = Writers(cluster.nodes)
    for node in cluster.nodes:
        before = writers.count()
        assert node.process.stop(PATIENCE_S) == 0
        wait_until(lambda: writers.count() > before + 50, PATIENCE_S, "writes without it")
        node.start()
        cluster.wait_whole()
    acknowledged = writers.end()
    check_all_there(cluster.nodes[0], acknowledged)


def test_verbs(launch):
    ports = [free_port() for _ in range(2)]
    nodes = []
    for number in (1, 2):
        node = Node(launch, number, ports, {"cluster.init": "no"})
        nodes.append(node)
    for node in nodes:
        wait_until(lambda: "belongs to no cluster" in node.get("/readyz")[1], PATIENCE_S, "waiting")
    http = [f"127.0.0.1:{node.http_port}" for node in nodes]
    for words in (["rebalance"], ["lead", "0", "1"], ["move", "0", "1", "2"], ["remove", "1"], ["status"]):
        done = cli("cluster", *words, "--http", http[0])
        assert done.returncode == 1 and "belongs to no cluster" in done.stderr, done
    done = cli("cluster", "init", "--http", http[0])
    assert done.returncode == 0, done
    wait_until(nodes[0].is_ready, PATIENCE_S, "the first node")
    assert cli("cluster", "init", "--http", http[0]).returncode == 1
    done = cli("cluster", "add", http[1], "--http", http[0])
    assert done.returncode == 0, done
    wait_until(nodes[1].is_ready, PATIENCE_S, "the second node")
    wait_until(lambda: all(not shard["trouble"] for shard in (nodes[1].status() or {"shards": [{"trouble": "x"}]})["shards"]),
               PATIENCE_S, "replicas")
    done = cli("cluster", "status", "--http", http[1])
    assert done.returncode == 0 and re.search(r"9 of 9 shards have all their replicas", done.stdout), done
    done = cli("cluster", "move-slots", "0-10", "1", "--http", http[1])
    assert done.returncode == 0 and done.stdout == "slots 0-10 went from shard 0 to shard 1\n", done
    assert [shard["slots"] for shard in nodes[0].status()["shards"]][:2] == [4096 - 11, 4096 + 11]
    for words, why in ((["0-10", "1"], "already"), (["5", "9"], "no shard 9"), (["9-5", "1"], "no slots 9-5"),
                       (["0-16384", "1"], "0-16383"), (["x", "1"], "SLOTS")):
        done = cli("cluster", "move-slots", *words, "--http", http[0])
        assert done.returncode == 1 and why in done.stderr, done
    done = cli("cluster", "rebalance", "--http", http[0])
    assert done.returncode == 0 and re.fullmatch(r"slots [0-9-]+ went from shard 1 to shard 0\n", done.stdout), done
    assert cli("cluster", "rebalance", "--http", http[0]).stdout == "no slots need to move\n"
    assert "no move 77" in cli("cluster", "cancel-move", "77", "--http", http[0]).stderr
    done = cli("cluster", "drain", "2", "--http", http[0])
    assert done.returncode == 0, done
    wait_until(lambda: all(shard.get("voters") == [1] for shard in nodes[0].status()["shards"]), PATIENCE_S, "a drained node")
    done = cli("cluster", "remove", "2", "--http", http[0])
    assert done.returncode == 0, done
    assert cli("cluster", "remove", "1", "--http", http[0]).returncode == 1
    # A waiting node can be told to stop; so can the one that is left.
    assert nodes[0].process.stop(PATIENCE_S) == 0


def test_a_node_takes_what_the_cluster_has_decided_and_says_so(launch):
    """Its own settings count for nothing, when it joins and when it starts again."""
    ports = [free_port() for _ in range(2)]
    first = Node(launch, 1, ports, {"kv.databases": "32"})
    wait_until(first.is_ready, PATIENCE_S, "the first node")
    second = Node(launch, 2, ports, {"kv.shards": "8", "kv.databases": "20", "blob.shards": "7", "kv.durability": "never"})
    for _ in range(2):
        wait_until(second.is_ready, PATIENCE_S, "the second node")
        told = [line for line in second.process.output().splitlines() if "has no effect" in line]
        for name in ("kv.shards", "kv.databases", "blob.shards", "kv.durability"):
            assert sum(name in line for line in told) == 1, told
        with second.connect() as connection:
            assert connection.call("CONFIG", "GET", "databases")[1] == b"32"
            assert connection.call("CONFIG", "GET", "appendfsync")[1] == b"always"
            assert "majority" in str(connection.call("CONFIG", "SET", "appendfsync", "no"))
            assert connection.call("CONFIG", "SET", "appendfsync", "always") == "OK"
        done = cli("config", "set", "--http", f"127.0.0.1:{second.http_port}", "kv.durability", "never")
        assert done.returncode == 1 and "majority" in done.stderr, done
        assert second.process.stop(PATIENCE_S) == 0
        second.start()


def test_secret_keeps_strangers_out(launch):
    secret = launch.folder / "secret"
    secret.write_text("keel\n")
    ports = [free_port() for _ in range(2)]
    first = Node(launch, 1, ports, {"cluster.secret-file": str(secret)})
    wait_until(first.is_ready, PATIENCE_S, "the first node")
    second = Node(launch, 2, ports)
    wait_until(lambda: "cannot join" in second.get("/readyz")[1], PATIENCE_S, "a refusal")
    assert "secret" in second.get("/readyz")[1]
    assert second.process.stop(PATIENCE_S) == 0
    second.options["cluster.secret-file"] = str(secret)
    second.start()
    wait_until(second.is_ready, PATIENCE_S, "the second node")


def test_tls_between_nodes(launch, certificates):
    options = {"cluster.tls.cert": certificates / "server.crt", "cluster.tls.key": certificates / "server.key",
               "cluster.tls.ca": certificates / "ca.crt"}
    cluster = Cluster(launch, 3, options)
    set_patiently(cluster.nodes[0], "ship", "keelson")
    with cluster.nodes[2].connect() as connection:
        assert connection.call("GET", "ship") in (b"keelson", "keelson")


def test_folder_of_a_lone_node_is_refused(launch):
    lone = launch.keelson(folder="lone")
    data = lone.data
    lone.stop()
    done = subprocess.run([BINARY, "serve", "--data-dir", data, "--cluster.listen", "127.0.0.1:0", "--cluster-init",
                           "--kv.listen", "127.0.0.1:0", "--http.listen", "127.0.0.1:0", "--etcd.listen", "127.0.0.1:0", "--kafka.listen", "127.0.0.1:0"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "in no cluster" in done.stderr, done
