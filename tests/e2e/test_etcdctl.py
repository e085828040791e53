"""etcdctl, unmodified: Debian's 3.4, and (KEELSON_ETCDCTL=path) any other. See also test_etcd_differential.py, which compares texts."""
import json
import os
import signal
import subprocess

import pytest

from etcd_api import Api
from etcd_server import ETCDCTL, AGAINST_ETCD, coord_server, etcdctl, etcdctl_ok, not_redis
from node import PATIENCE_S, Process, free_port, wait_until

pytestmark = not_redis
IS_3_4 = "3.4" in subprocess.run([ETCDCTL, "version"], capture_output=True, text=True, env={**os.environ, "ETCDCTL_API": "3"}).stdout


@pytest.fixture
def server(launch):
    return coord_server(launch)


class Running(Process):
    """etcdctl with a command that lasts; its output grows in `lines`."""

    def __init__(self, server, folder, *arguments):
        self.number = getattr(Running, "count", 0)
        Running.count = self.number + 1
        super().__init__([ETCDCTL, "--endpoints", server.endpoint, *arguments], folder / f"etcdctl-{self.number}.log",
                         {"ETCDCTL_API": "3"}, is_limited=False)

    @property
    def lines(self) -> list[str]:
        return self.output().splitlines()

    def wait_for(self, count: int) -> list[str]:
        return wait_until(lambda: len(self.lines) >= count and self.lines, what=f"{count} lines of etcdctl")

    def interrupt(self) -> int:
        self.popen.send_signal(signal.SIGINT)
        return self.wait()


@pytest.fixture
def running(launch):
    """Clients may die of their signal; the servers, which `launch` keeps, may not."""
    made = []

    def start(server, *arguments):
        made.append(Running(server, launch.folder, *arguments))
        return made[-1]
    yield start
    for one in made:
        one.kill()


def test_keys(server):
    assert etcdctl_ok(server, "put", "ship", "keelson") == ["OK"]
    assert etcdctl_ok(server, "get", "ship") == ["ship", "keelson"]
    assert etcdctl_ok(server, "put", "--prev-kv", "ship", "two") == ["OK", "ship", "keelson"]
    got = json.loads(etcdctl_ok(server, "get", "ship", "-w", "json")[0])
    assert got["count"] == 1 and got["kvs"][0]["version"] == 2 and got["header"]["revision"] == 3
    assert etcdctl_ok(server, "get", "ship", "--rev", "2", "--print-value-only") == ["keelson"]
    assert etcdctl_ok(server, "put", "from-input", stdin="line one\nline two") == ["OK"]
    assert etcdctl_ok(server, "get", "from-input", "--print-value-only") == ["line one", "line two"]
    assert etcdctl_ok(server, "del", "ship", "--prev-kv") == ["1", "ship", "two"]
    assert etcdctl_ok(server, "get", "ship") == []


def test_txn(server):
    etcdctl_ok(server, "put", "a", "1")
    lines = etcdctl_ok(server, "txn", stdin='value("a") = "1"\n\nput a 2\nget a\n\nput a 9\n\n')
    assert lines[0] == "SUCCESS" and lines[-2:] == ["a", "2"]
    assert etcdctl_ok(server, "txn", stdin='value("a") = "1"\n\nput a 2\n\nget a\n\n')[0] == "FAILURE"


def test_watch(server, running):
    etcdctl_ok(server, "put", "a/1", "old")
    live = running(server, "watch", "--prefix", "a/", "--prev-kv", "--rev", "2")
    assert live.wait_for(3) == ["PUT", "a/1", "old"]   # it listens
    etcdctl_ok(server, "put", "a/1", "new")
    etcdctl_ok(server, "del", "a/1")
    assert live.wait_for(13) == ["PUT", "a/1", "old", "PUT", "a/1", "old", "a/1", "new", "DELETE", "a/1", "new", "a/1", ""][:13]
    live.interrupt()
    etcdctl_ok(server, "compaction", "4")
    refused = etcdctl(server, "watch", "a/1", "--rev", "2")
    assert refused.code != 0 and "required revision has been compacted" in refused.err + refused.out


def test_watch_runs_commands(server, running):
    live = running(server, "watch", "a", "--rev", "1", "--", "sh", "-c", "echo $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE")
    etcdctl_ok(server, "put", "a", "1")
    wait_until(lambda: '"PUT" "a" "1"' in live.output())
    live.interrupt()


def test_leases(server, running):
    said = etcdctl_ok(server, "lease", "grant", "100")[0]
    lease = said.split()[1]
    assert said == f"lease {lease} granted with TTL(100s)"
    etcdctl_ok(server, "put", "--lease", lease, "leased", "x")
    assert etcdctl_ok(server, "lease", "list") == ["found 1 leases", lease]
    assert "attached keys([leased])" in etcdctl_ok(server, "lease", "timetolive", lease, "--keys")[0]
    assert etcdctl_ok(server, "lease", "keep-alive", "--once", lease) == [f"lease {lease} keepalived with TTL(100)"]
    kept = running(server, "lease", "keep-alive", lease)
    kept.wait_for(1)
    assert etcdctl_ok(server, "lease", "revoke", lease) == [f"lease {lease} revoked"]
    assert etcdctl_ok(server, "get", "leased") == []
    kept.interrupt()
    assert "already expired" in etcdctl_ok(server, "lease", "timetolive", lease)[0]


def test_locks_under_contention(server, running):
    first = running(server, "lock", "--ttl", "5", "door")
    held = first.wait_for(1)[0]
    assert held.startswith("door/")
    second, third = (running(server, "lock", "door") for _ in range(2))
    wait_until(lambda: len(etcdctl_ok(server, "get", "--prefix", "door/", "--keys-only")) >= 6)
    assert not second.lines and not third.lines
    assert first.interrupt() in (0, 1, 130, -2)
    wait_until(lambda: second.lines or third.lines)
    inside, waiting = (second, third) if second.lines else (third, second)
    assert not waiting.lines
    inside.kill()   # its lease of 60 s would go on; revoking it lets the other in
    lease = inside.lines[0].split("/")[1]
    etcdctl_ok(server, "lease", "revoke", lease)
    waiting.wait_for(1)
    waiting.interrupt()


def test_a_lock_whose_holder_dies(server, running):
    first = running(server, "lock", "--ttl", "2", "door")
    first.wait_for(1)
    second = running(server, "lock", "door")
    first.kill()
    second.wait_for(1)
    second.interrupt()
    assert etcdctl_ok(server, "lock", "door", "true") == []
    assert etcdctl(server, "lock", "door", "sh", "-c", "exit 3").code != 0


def test_elections(server, running):
    first = running(server, "elect", "chair", "one")
    assert first.wait_for(2)[1] == "one"
    second = running(server, "elect", "chair", "two")
    observer = running(server, "elect", "--listen", "chair")
    assert observer.wait_for(2)[1] == "one"
    wait_until(lambda: len(etcdctl_ok(server, "get", "--prefix", "chair/", "--keys-only")) >= 4)
    assert not second.lines
    first.interrupt()
    assert second.wait_for(2)[1] == "two"
    wait_until(lambda: "two" in observer.lines)
    for one in (second, observer):
        one.interrupt()


def test_members_and_endpoints(server):
    member = etcdctl_ok(server, "member", "list")[0].split(", ")
    assert member[1] == "started" and f"http://{server.endpoint}" in member[4]
    status = json.loads(etcdctl_ok(server, "endpoint", "status", "-w", "json")[0])[0]["Status"]
    assert status["leader"] == status["header"]["member_id"] == int(member[0], 16)
    table = etcdctl_ok(server, "endpoint", "status", "-w", "table")
    assert "IS LEADER" in table[1] and "true" in table[3]
    health = etcdctl(server, "endpoint", "health")
    assert health.code == 0 and f"{server.endpoint} is healthy" in health.out + health.err
    one, other = (etcdctl_ok(server, "endpoint", "hashkv")[0] for _ in range(2))
    assert one == other
    assert etcdctl(server, "move-leader", "1").code != 0
    assert etcdctl_ok(server, "alarm", "list") == []
    assert "Finished defragmenting" in etcdctl_ok(server, "defrag")[0]


def test_snapshot_save(server, tmp_path):
    for i in range(5):
        etcdctl_ok(server, "put", f"k{i}", "x" * 1000)
    file = tmp_path / "saved.db"
    ran = etcdctl(server, "snapshot", "save", file)
    assert ran.code == 0, ran
    assert file.stat().st_size > 5000
    if AGAINST_ETCD and IS_3_4:   # Keelson's snapshot is no file of bbolt; see docs/coord.md
        assert etcdctl_ok(server, "snapshot", "status", file)[0].split(", ")[1] == "6"


def test_auth(server):
    for words in (("user", "add", "root:pw"), ("role", "add", "root"), ("user", "grant-role", "root", "root"), ("user", "add", "ann:pw"),
                  ("role", "add", "r"), ("role", "grant-permission", "r", "readwrite", "--prefix", "app/"), ("user", "grant-role", "ann", "r"),
                  ("auth", "enable")):
        etcdctl_ok(server, *words)
    assert etcdctl(server, "get", "app/1").code != 0
    assert etcdctl_ok(server, "--user", "ann:pw", "put", "app/1", "x") == ["OK"]
    refused = etcdctl(server, "--user", "ann:pw", "put", "other", "x")
    assert refused.code != 0 and "permission denied" in refused.err
    etcdctl_ok(server, "--user", "root:pw", "auth", "disable")
    assert etcdctl_ok(server, "get", "app/1") == ["app/1", "x"]


def test_make_mirror(launch, server, running):
    other = coord_server(launch, "other")
    etcdctl_ok(server, "put", "m/1", "one")
    live = running(server, "make-mirror", "--prefix", "m/", other.endpoint)
    wait_until(lambda: etcdctl_ok(other, "get", "m/1") == ["m/1", "one"])
    etcdctl_ok(server, "put", "m/2", "two")
    etcdctl_ok(server, "del", "m/1")
    wait_until(lambda: etcdctl_ok(other, "get", "--prefix", "m/") == ["m/2", "two"])
    live.interrupt()


def test_check_datascale_and_perf(server):
    ran = etcdctl(server, "check", "datascale", "--load=s", limit_s=PATIENCE_S * 4)
    # It reads the server's memory from /metrics on the client port, which is etcd's own; the puts before that must have passed.
    assert "FAIL: ERROR(" not in ran.out, ran
    with Api(server.endpoint) as api:
        assert api.Put(key=b"still").header.revision > 1000


def test_an_endpoint_that_is_not_there(server):
    class Nobody:
        endpoint = f"127.0.0.1:{free_port()}"
    refused = etcdctl(Nobody, "--dial-timeout", "1s", "--command-timeout", "1s", "get", "a")
    assert refused.code != 0
    # With one good endpoint beside it the command goes through.
    both = type("Both", (), {"endpoint": f"{Nobody.endpoint},{server.endpoint}"})
    assert etcdctl_ok(both, "put", "a", "1") == ["OK"]
