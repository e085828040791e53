"""keelson elect: one server of several runs the command, beside etcdctl's candidates. Against etcd too (KEELSON_E2E_PEER=etcd): the verb
speaks to any server of etcd's API."""
import http.server
import os
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest

from etcd_api import Api
from etcd_server import Coord, Etcd, coord_server, etcdctl_ok, not_redis
from node import BINARY, PATIENCE_S, Process, wait_until
from test_etcdctl import Running

pytestmark = not_redis


@pytest.fixture
def server(launch):
    return coord_server(launch)


class Elect(Process):
    def __init__(self, folder, server, *arguments, name="chair", command=(), env=None):
        self.number = getattr(Elect, "count", 0)
        Elect.count = self.number + 1
        super().__init__([BINARY, "elect", name, "--endpoints", server.endpoint, *arguments, "--", *command], folder / f"elect-{self.number}.log", env, is_limited=False)


@pytest.fixture
def elect(launch, server):
    made = []

    def start(*arguments, at=None, **how):
        made.append(Elect(launch.folder, at or server, *arguments, **how))
        return made[-1]
    yield start
    for one in made:
        one.kill()


def says(word: str, seconds: float = 600) -> list[str]:
    return ["sh", "-c", f"echo {word} $KEELSON_ELECT_TOKEN $KEELSON_ELECT_NAME; exec sleep {seconds}"]


def waits_behind(server, count: int, name: str = "chair"):
    with Api(server.endpoint) as api:
        prefix = name.encode() + b"/"
        wait_until(lambda: api.Range(key=prefix, range_end=prefix[:-1] + b"0", count_only=True).count == count, what="the candidates")


def lines(process, word: str) -> list[str]:
    return [line for line in process.output().splitlines() if line.startswith(word)]


def test_the_commands_code_is_the_verbs(elect):
    assert elect(command=["true"]).wait() == 0
    assert elect(command=["sh", "-c", "exit 7"]).wait() == 7
    assert elect(command=["sh", "-c", "kill -9 $$"]).wait() == 137
    assert elect(command=["/nonexistent"]).wait() == 127
    assert elect(command=["/etc/passwd"]).wait() == 126


def test_one_at_a_time_and_growing_tokens(server, elect):
    first = elect(command=says("one"))
    wait_until(lambda: lines(first, "one"))
    second, third = elect(command=says("two")), elect(command=says("three"))
    waits_behind(server, 3)
    assert not lines(second, "two") and not lines(third, "three")
    assert first.stop() == 143
    wait_until(lambda: lines(second, "two") or lines(third, "three"))
    early, late = (second, third) if lines(second, "two") else (third, second)
    waits_behind(server, 2)
    early.stop()
    wait_until(lambda: lines(late, "t"))
    tokens = [int(line.split()[1]) for one in (first, early, late) for line in one.output().splitlines() if line.endswith(" chair")]
    assert len(tokens) == 3 and tokens == sorted(set(tokens))
    late.stop()
    waits_behind(server, 0)


def test_the_token_is_the_create_revision(server, elect):
    leader = elect("--value", "it is me", command=says("one"))
    token = int(wait_until(lambda: lines(leader, "one"))[0].split()[1])
    with Api(server.endpoint) as api:
        kv = api.Range(key=b"chair/", range_end=b"chair0").kvs[0]
        assert kv.create_revision == token and kv.value == b"it is me"
        assert api.Leader(name=b"chair").kv.key == kv.key
    leader.stop()


def test_with_etcdctl(launch, server, elect):
    """Candidates of both kinds exclude each other."""
    theirs = Running(server, launch.folder, "elect", "chair", "theirs")
    try:
        assert theirs.wait_for(2)[1] == "theirs"
        ours = elect(command=says("ours"))
        waits_behind(server, 2)
        assert not lines(ours, "ours")
        theirs.interrupt()
        wait_until(lambda: lines(ours, "ours"))
        later = Running(server, launch.folder, "elect", "chair", "later")
        waits_behind(server, 2)
        assert not later.lines
        ours.stop()
        assert later.wait_for(2)[1] == "later"
        later.interrupt()
    finally:
        theirs.kill()


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def pid_of(process, word: str = "pid") -> int:
    return int(wait_until(lambda: lines(process, word))[0].split()[1])


def test_a_killed_leader_takes_its_command_along(server, elect):
    leader = elect("--ttl", "3", command=["sh", "-c", "echo pid $$; exec sleep 600"])
    pid = pid_of(leader)
    follower = elect("--ttl", "3", command=says("next"))
    waits_behind(server, 2)
    began = time.monotonic()
    leader.kill()
    wait_until(lambda: not running(pid), what="the end of the command")
    wait_until(lambda: lines(follower, "next"))
    assert time.monotonic() - began < 3 + PATIENCE_S / 2
    follower.stop()


def test_a_silent_server_ends_the_command_in_time(server, elect):
    """The server is stopped: the lease cannot be kept, and the command is ended before it can have run out."""
    leader = elect("--ttl", "4", command=["sh", "-c", "echo pid $$; exec sleep 600"])
    pid = pid_of(leader)
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        wait_until(lambda: not running(pid), what="the end of the command")
        assert time.monotonic() - began < 4, "the lease may have run out elsewhere"
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert leader.wait() == 75
    assert "the lease cannot be kept" in leader.output()


class NoKeepAlives(http.server.BaseHTTPRequestHandler):
    """Hands calls on to a server, but for keep-alives and watches: those it answers as a server without a leader."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = 503, b'{"error": "no leader", "message": "no leader", "code": 14}'
        if not self.path.endswith(("/keepalive", "/watch")):
            try:
                with urllib.request.urlopen(urllib.request.Request(f"http://{self.server.behind}{self.path}", body, {"Content-Type": "application/json"})) as got:
                    status, answer = got.status, got.read()
            except urllib.error.HTTPError as error:
                status, answer = error.code, error.read()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def test_who_is_elected_too_late_does_not_begin(server, elect):
    """The lease has stood for most of its time without a word when the one before goes: nothing may be started any more."""
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NoKeepAlives)
    proxy.behind = server.endpoint
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        with Api(server.endpoint) as api:
            api.Put(key=b"chair/before", value=b"")
            late = elect("--ttl", "20", command=says("two"), at=type("Proxy", (), {"endpoint": f"127.0.0.1:{proxy.server_port}"}))
            waits_behind(server, 2)
            time.sleep(13.5)   # the command would have to end 12 s after the grant; the candidate gives up after 18 s
            api.DeleteRange(key=b"chair/before")
            assert late.wait() == 75
    finally:
        proxy.shutdown()
        proxy.server_close()
    assert "elected, token" not in late.output() and not lines(late, "two"), late.output()


class Nonsense(http.server.BaseHTTPRequestHandler):
    """Grants a lease and takes part in an election; what it answers besides is JSON, but none that anybody expects."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answers = {"/v3/lease/grant": b'{"ID": "7"}', "/v3/kv/txn": self.server.txn, "/v3/lease/keepalive": b"[1]",
                   "/v3/kv/range": b'{"header": 1, "kvs": [{"key": "Y2hhaXIvMQ=="}]}', "/v3/watch": b'{"result": {"events": [7, {"type": 1}]}}\n'}
        answer = answers.get(self.path, b"null")
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("txn, code", [(b'{"header": {"revision": "5"}, "succeeded": true}', 75), (b'{"succeeded": 1, "responses": [7]}', 1), (b"[]", 1)])
def test_a_server_that_answers_nonsense(elect, txn, code):
    nonsense = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nonsense)
    nonsense.txn = txn
    threading.Thread(target=nonsense.serve_forever, daemon=True).start()
    try:
        verb = elect("--ttl", "4", command=says("one"), at=type("At", (), {"endpoint": f"127.0.0.1:{nonsense.server_port}"}))
        assert verb.wait() == code, verb.output()
    finally:
        nonsense.shutdown()
        nonsense.server_close()
    assert "elected" not in verb.output()


def test_a_command_that_will_not_end_is_killed(server, elect):
    leader = elect("--ttl", "4", "--grace", "1", command=["sh", "-c", "trap '' TERM; echo pid $$; while :; do sleep 0.1; done"])
    pid = pid_of(leader)
    with Api(server.endpoint) as api:
        lease = int(api.Range(key=b"chair/", range_end=b"chair0").kvs[0].key.split(b"/")[1], 16)
        api.LeaseRevoke(id=lease)
    wait_until(lambda: not running(pid), what="the end of the command")
    assert leader.wait() == 75
    assert "revoked" in leader.output()


def test_a_deleted_key_is_a_lost_leadership(server, elect):
    leader = elect("--ttl", "3", command=says("one"))
    wait_until(lambda: lines(leader, "one"))
    etcdctl_ok(server, "del", "--prefix", "chair/")
    assert leader.wait() == 75


def test_signals_reach_the_command(elect):
    leader = elect(command=["sh", "-c", "trap 'echo got it; exit 5' INT; echo pid $$; while :; do sleep 0.05; done"])
    pid_of(leader)
    leader.popen.send_signal(signal.SIGINT)
    assert leader.wait() == 5
    assert "got it" in leader.output()


def test_what_the_command_has_started_ends_too(elect):
    leader = elect(command=["sh", "-c", "sleep 600 & echo pid $!; wait"])
    pid = pid_of(leader)
    leader.stop()
    wait_until(lambda: not running(pid), what="the end of the command's child")


def test_a_candidate_can_be_stopped(server, elect):
    leader = elect(command=says("one"))
    wait_until(lambda: lines(leader, "one"))
    waiting = elect(command=says("two"))
    waits_behind(server, 2)
    assert waiting.stop() == 143
    waits_behind(server, 1)
    assert not lines(waiting, "two")
    leader.stop()


def test_a_restart_of_the_server_keeps_the_leader(launch, server, elect):
    leader = elect("--ttl", "15", command=says("one"))
    wait_until(lambda: lines(leader, "one"))
    follower = elect("--ttl", "15", command=says("two"))
    waits_behind(server, 2)
    server.kill()
    if isinstance(server, Etcd):
        server = launch.keep(Etcd(server.folder, port=server.port))
    else:
        server = launch.keep(Coord(server.folder, {"etcd.listen": server.endpoint}))
    time.sleep(6)   # longer than it takes to keep the lease once more
    assert leader.running and not lines(follower, "two")
    leader.stop()
    wait_until(lambda: lines(follower, "two"))
    follower.stop()


def test_users(server, elect):
    for words in (("user", "add", "root:pw"), ("role", "add", "root"), ("user", "grant-role", "root", "root"), ("user", "add", "ann:pw"), ("role", "add", "r"),
                  ("role", "grant-permission", "r", "readwrite", "--prefix", "chair/"), ("user", "grant-role", "ann", "r"), ("auth", "enable")):
        etcdctl_ok(server, *words)
    assert elect("--user", "ann", command=["true"], env={"KEELSON_PASSWORD": "pw"}).wait() == 0
    refused = elect("--user", "ann", command=["true"], env={"KEELSON_PASSWORD": "wrong"})
    assert refused.wait() == 1 and "authentication failed" in refused.output()
    refused = elect("--user", "ann", name="other", command=["true"], env={"KEELSON_PASSWORD": "pw"})
    assert refused.wait() == 1 and "permission denied" in refused.output()


def test_wrong_arguments(server, elect):
    assert elect("--ttl", "1", command=["true"]).wait() == 2
    assert elect("--ttl", "10", "--grace", "6", command=["true"]).wait() == 2
    assert elect("--grace", "-1", command=["true"]).wait() == 2
    assert elect(command=["true"], at=type("Nonsense", (), {"endpoint": "nonsense"})).wait() == 2
    nobody = type("Nobody", (), {"endpoint": "127.0.0.1:1"})
    unreachable = elect(command=["true"], at=nobody)
    assert unreachable.wait() == 1 and "127.0.0.1:1" in unreachable.output()
    both = type("Both", (), {"endpoint": f"127.0.0.1:1,{server.endpoint}"})
    assert elect(command=["sh", "-c", "exit 9"], at=both).wait() == 9
