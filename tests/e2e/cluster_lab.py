"""Where a cluster of real processes suffers: each node in a network namespace of its own, so that links can be cut one way or
both and lose packets (nftables); or, without the rights for that, all on loopback, where processes are killed and paused alone.
"""
import itertools
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

from node import BINARY, Process, free_port, wait_until
from resp import Connection

PASSWORD = "keelson"
_numbers = itertools.count()


def can_make_namespaces() -> bool:
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"):
        return False
    return subprocess.run(["unshare", "--net", "nft", "add", "table", "inet", "keelson_probe"], capture_output=True).returncode == 0


def _run(*argv, check: bool = True):
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True)
    assert done.returncode == 0 or not check, f"{argv}: {done.stderr}"
    return done


class Node:
    """keelson serve as one node, killed and started again on the same addresses and folder."""

    def __init__(self, lab, number: int, host: str, ports: dict, join: str, prefix=()):
        self.lab, self.number, self.host, self.ports, self.prefix = lab, number, host, ports, list(prefix)
        self.folder = Path(lab.folder) / f"node{number}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.options = {"cluster.listen": f"{host}:{ports['cluster']}", "cluster.secret-file": lab.secret_file,
                        "kv.listen": f"{host}:{ports['kv']}", "kv.password-file": lab.secret_file, "kv.durability": "always",
                        "kv.shards": "4", "reactors": "1", "http.listen": f"127.0.0.1:{ports['http']}",
                        "etcd.listen": f"127.0.0.1:{ports['etcd']}", "s3.listen": "", "cluster.name": f"n{number}",
                        "kafka.listen": f"127.0.0.1:{ports['kafka']}", "topic.shards": "4"}
        self.options["cluster.init" if number == 1 else "cluster.join"] = "yes" if number == 1 else join
        self.lives = 0
        self.process = None
        self.start()

    def start(self):
        self.lives += 1
        argv = [*self.prefix, BINARY, "serve", "--data-dir", self.folder / "data"]
        for key, value in self.options.items():
            argv += [f"--{key}", value]
        self.process = self.lab.launch.keep(Process(argv, self.folder / f"life{self.lives}.log"))

    def connect(self, timeout_s: float) -> Connection:
        connection = Connection(self.ports["kv"], host=self.host, timeout_s=timeout_s)
        try:
            reply = connection.call("AUTH", PASSWORD)
            assert reply == "OK", reply
        except BaseException:
            connection.close()
            raise
        return connection

    def serves(self) -> bool:
        """A write and a read through this node succeed."""
        assert self.process.running, f"node {self.number} ended with {self.process.popen.poll()}:\n{self.process.output()[-3000:]}"
        try:
            connection = self.connect(3)
        except OSError:
            return False
        try:
            return all(connection.call("SET", f"serves:{i}", self.number) == "OK" and
                       not str(connection.call("GET", f"serves:{i}")).startswith("CLUSTERDOWN") for i in range(8))
        except OSError:
            return False
        finally:
            connection.close()

    def signal(self, what):
        if self.process.running:
            os.kill(self.process.pid, what)


class Lab:
    """Three nodes. Used as a context manager: what it made on the machine goes with it."""

    def __init__(self, launch, count: int = 3):
        self.launch, self.folder = launch, launch.folder
        self.secret_file = self.folder / "secret"
        self.secret_file.write_text(PASSWORD + "\n")
        self.secret_file.chmod(0o600)
        self.count = count
        self.has_links = can_make_namespaces()
        self.names = []
        self.nodes: list[Node] = []

    def __enter__(self):
        try:
            self._make_namespaces() if self.has_links else self._make_loopback()
            for node in self.nodes:
                wait_until(node.serves, 90, f"node {node.number} serves")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.signal(signal.SIGCONT)
            node.process.kill()
        for name in self.names:
            _run("ip", "netns", "del", name, check=False)
        if self.names:
            _run("ip", "link", "del", self.bridge, check=False)

    def _make_loopback(self):
        ports = [{what: free_port() for what in ("cluster", "kv", "http", "etcd", "kafka")} for _ in range(self.count)]
        for number in range(1, self.count + 1):
            join = ",".join(f"127.0.0.1:{one['cluster']}" for i, one in enumerate(ports, 1) if i != number)
            self.nodes.append(Node(self, number, "127.0.0.1", ports[number - 1], join))

    def _make_namespaces(self):
        unique = f"{os.getpid() % 100_000}x{next(_numbers)}"
        subnet = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
        self.bridge = f"kb{unique}"
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        _run("ip", "addr", "add", f"{subnet}.254/24", "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")
        hosts = [f"{subnet}.{number}" for number in range(1, self.count + 1)]
        for number, host in enumerate(hosts, 1):
            name, outer = f"kn{unique}n{number}", f"kv{unique}{number}"
            _run("ip", "netns", "add", name)
            self.names.append(name)
            _run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
            _run("ip", "link", "set", outer, "master", self.bridge)
            _run("ip", "link", "set", outer, "up")
            for command in (["link", "set", "lo", "up"], ["addr", "add", f"{host}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
                _run("ip", "-n", name, *command)
            self._nft(number, "add table inet faults", "add chain inet faults in { type filter hook input priority 0; }")
        ports = {"cluster": 7000, "kv": 6379, "http": 8080, "etcd": 2379, "kafka": 9092}
        for number, host in enumerate(hosts, 1):
            join = ",".join(f"{other}:7000" for other in hosts if other != host)
            self.nodes.append(Node(self, number, host, ports, join, ["ip", "netns", "exec", self.names[number - 1]]))

    def _nft(self, number: int, *lines: str):
        for line in lines:
            _run("ip", "netns", "exec", self.names[number - 1], "nft", line)

    # Faults of links. What was set up goes with mend_links().
    def cut(self, one: Node, other: Node, both_ways: bool = True):
        """`other` hears nothing of `one` (and the other way round)."""
        self._nft(other.number, f"add rule inet faults in ip saddr {one.host} drop")
        if both_ways:
            self._nft(one.number, f"add rule inet faults in ip saddr {other.host} drop")

    def lose(self, node: Node, percent: int):
        """Packets from other nodes, at random."""
        for other in self.nodes:
            if other is not node:
                self._nft(node.number, f"add rule inet faults in ip saddr {other.host} numgen random mod 100 < {percent} drop")

    def mend_links(self):
        if self.has_links:
            for node in self.nodes:
                self._nft(node.number, "flush chain inet faults in")


class Faults:
    """One fault after another, drawn by chance; each is mended by mend()."""

    def __init__(self, lab: Lab, seed: int):
        self.lab, self.chance = lab, random.Random(seed)
        self.kinds = [self.kill, self.kill, self.kill_two, self.kill_all, self.pause]
        if lab.has_links:
            self.kinds += [self.cut_pair, self.cut_one_way, self.isolate, self.isolate, self.lose]

    def strike(self) -> str:
        kind = self.chance.choice(self.kinds)
        who = self.chance.sample(self.lab.nodes, len(self.lab.nodes))
        kind(who)
        return f"{kind.__name__} of {[node.number for node in who]}"

    def mend(self):
        self.lab.mend_links()
        for node in self.lab.nodes:
            node.signal(signal.SIGCONT)
            if not node.process.running:
                node.start()
        for node in self.lab.nodes:
            wait_until(node.serves, 60, f"node {node.number} serves again")

    def kill(self, who):
        who[0].process.kill()

    def kill_two(self, who):
        who[0].process.kill()
        who[1].process.kill()

    def kill_all(self, who):
        for node in who:
            node.process.kill()

    def pause(self, who):
        who[0].signal(signal.SIGSTOP)

    def cut_pair(self, who):
        self.lab.cut(who[0], who[1])

    def cut_one_way(self, who):
        self.lab.cut(who[0], who[1], both_ways=False)

    def isolate(self, who):
        for other in who[1:]:
            self.lab.cut(who[0], other)

    def lose(self, who):
        self.lab.lose(who[0], self.chance.choice([5, 20, 40]))
