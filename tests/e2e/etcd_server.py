"""The servers of etcd's API under test: Keelson, or Debian's etcd, against which every test is proven first.

KEELSON_E2E_PEER=etcd runs the tests of etcd's clients against etcd itself:
    KEELSON_E2E_PEER=etcd python -m pytest tests/e2e -k etcd
"""
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from conftest import AGAINST_REDIS
from etcd_api import Api, Refused
from node import PATIENCE_S, ROOT, Keelson, Process, free_port, wait_until

AGAINST_ETCD = os.environ.get("KEELSON_E2E_PEER") == "etcd"
ETCDCTL = os.environ.get("KEELSON_ETCDCTL", "/usr/bin/etcdctl")
# Unpacked there by tools/get_etcd.sh.
ETCD = shutil.which("etcd") or ROOT / "build" / "peers" / "etcd" / "usr" / "bin" / "etcd"
needs_etcd = pytest.mark.skipif(not os.access(ETCD, os.X_OK), reason="no etcd to compare with (tools/get_etcd.sh)")
not_redis = pytest.mark.skipif(AGAINST_REDIS, reason="redis-server has nothing like etcd's API")
keelson_only = pytest.mark.skipif(AGAINST_ETCD, reason="etcd has nothing like it")


class Etcd(Process):
    """Debian's etcd 3.4, a member alone, on loopback."""

    def __init__(self, folder: Path, arguments=(), name: str = "etcd", port: int | None = None, peers=None, number: int = 0, wait: bool = True):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, peers = port or free_port(), peers or [free_port()]
        url, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{peers[number]}"
        super().__init__([ETCD, "--name", f"n{number}", "--data-dir", self.folder / "data", "--listen-client-urls", url,
                          "--advertise-client-urls", url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                          "--initial-cluster", ",".join(f"n{i}=http://127.0.0.1:{one}" for i, one in enumerate(peers)),
                          "--logger", "zap", "--log-level", "error", *arguments],
                         self.folder / f"{name}.log", is_limited=False)   # it maps 10 GiB
        if wait:
            self.wait_ready()

    def wait_ready(self, limit_s: float = PATIENCE_S) -> None:
        wait_ready(self, limit_s)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"


class Coord(Keelson):
    """keelson serve, seen by etcd's clients."""

    def __init__(self, folder: Path, options=None, **more):
        options = {"etcd.listen": "127.0.0.1:0", **(options or {})}
        # Known before it is ready, if it was told.
        self._endpoint = None if options["etcd.listen"].endswith(":0") else options["etcd.listen"]
        super().__init__(folder, options, **more)

    @property
    def etcd_port(self) -> int:
        return self._port("etcd")

    @property
    def endpoint(self) -> str:
        if self._endpoint:
            return self._endpoint
        return f"127.0.0.1:{self.etcd_port}"


class Cluster:
    """Three nodes on loopback, of etcd or of Keelson. A node can be killed and started again."""

    def __init__(self, launch, count: int = 3):
        self.launch = launch
        ports = [free_port() for _ in range(3 * count)]
        self.clients, self.peers, self.http = (ports[first * count:][:count] for first in range(3))
        self.nodes = [self._make(number) for number in range(count)]
        for node in self.nodes:
            wait_ready(node)
        # The founder answers before the others vote: who killed it now would take a majority away.
        if not AGAINST_ETCD:
            wait_until(self._is_whole, PATIENCE_S, "every shard has all its replicas")

    def _is_whole(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http[0]}/admin/cluster?format=json", timeout=10) as answer:
            shards = json.load(answer)["shards"]
        return all(not shard["trouble"] and len(shard["voters"]) == len(self.nodes) for shard in shards)

    def _make(self, number: int):
        folder = self.launch.folder / f"node{number}"
        if AGAINST_ETCD:
            return self.launch.keep(Etcd(folder, port=self.clients[number], peers=self.peers, number=number, wait=False))
        others = ",".join(f"127.0.0.1:{port}" for i, port in enumerate(self.peers) if i != number)
        options = {"etcd.listen": f"127.0.0.1:{self.clients[number]}", "cluster.listen": f"127.0.0.1:{self.peers[number]}",
                   "http.listen": f"127.0.0.1:{self.http[number]}", "reactors": 1}
        options |= {"join": others} if number else {"cluster.init": "yes"}
        return self.launch.keep(Coord(folder, options, wait=False))

    def start(self, number: int) -> None:
        self.nodes[number] = self._make(number)
        wait_ready(self.nodes[number])

    @property
    def endpoint(self) -> str:
        """Of all, for etcdctl."""
        return ",".join(f"127.0.0.1:{port}" for port in self.clients)

    def leader(self) -> int | None:
        """The number of the node that says that it leads."""
        for number, node in enumerate(self.nodes):
            if not node.running:
                continue
            try:
                with Api(node_endpoint(self, number)) as api:
                    status = api.Status(timeout_s=2)
                    if status.leader == status.header.member_id:
                        return number
            except Refused:
                pass
        return None


def node_endpoint(cluster: Cluster, number: int) -> str:
    return f"127.0.0.1:{cluster.clients[number]}"


def wait_ready(server, limit_s: float = PATIENCE_S) -> None:
    def ready():
        assert server.running, f"ended:\n{server.output()[-2000:]}"
        try:
            with Api(server.endpoint) as api:
                return api.Range(key=b"k", timeout_s=1).header.revision
        except Refused:
            return False
    wait_until(ready, limit_s, "the server")


def coord_server(launch, folder: str = "coord", peer: bool = AGAINST_ETCD):
    """The server that a test is about."""
    place = launch.folder / folder
    return launch.keep(Etcd(place) if peer else Coord(place))


def again(launch, server):
    """The same data in a new process."""
    return launch.keep(Etcd(server.folder) if isinstance(server, Etcd) else Coord(server.folder))


class Ran:
    def __init__(self, done: subprocess.CompletedProcess):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


def etcdctl(server, *arguments, stdin: str | None = None, program: str = ETCDCTL, limit_s: float = PATIENCE_S) -> Ran:
    """Whatever comes of it."""
    return Ran(subprocess.run([program, "--endpoints", server.endpoint, *map(str, arguments)], input=stdin, text=True,
                              stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, timeout=limit_s,
                              env={**os.environ, "ETCDCTL_API": "3"}))


def etcdctl_ok(server, *arguments, **how) -> list[str]:
    ran = etcdctl(server, *arguments, **how)
    assert ran.code == 0, f"{arguments}: {ran}"
    return ran.lines
